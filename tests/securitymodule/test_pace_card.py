"""The card's side of PACE: tries, and what a terminal must not get away with."""

from __future__ import annotations

import pytest
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st

from securitymodule import tlv
from securitymodule.apdu import CommandApdu, ResponseApdu, StatusWord
from securitymodule.curves import (
    BRAINPOOL_P256R1,
    SECP256R1,
    encode_point,
    private_key,
)
from securitymodule.errors import CommandRefused, PinBlocked, WrongPin
from securitymodule.pace import pin_password
from securitymodule.pace_card import PaceCard
from securitymodule.pace_terminal import drive, establish
from tests.support.pace import PIN, card_with, run, transmit_to
from tests.support.passwords import Password, as_randomness, given, seeded


def test_a_try_is_taken_before_the_comparison() -> None:
    password = Password(PIN.encode(), left=3)
    card = card_with(password)
    with pytest.raises(WrongPin) as caught:
        run(card, "1029384757")
    assert caught.value.left == 2
    assert password.events == ["taken"]
    assert card.take_keys() is None


def test_tries_run_out_and_a_right_one_gives_them_back() -> None:
    password = Password(PIN.encode(), most_tries=3, left=3)
    card = card_with(password)
    for left in (2, 1):
        with pytest.raises(WrongPin) as caught:
            run(card, "0000000000")
        assert caught.value.left == left
    run(card)
    assert password.left == 3
    for _ in range(2):
        with pytest.raises(WrongPin):
            run(card, "0000000000")
    with pytest.raises(PinBlocked):
        run(card, "0000000000")
    with pytest.raises(PinBlocked):
        run(card)
    assert password.left == 0


def test_a_blocked_password_gives_no_nonce() -> None:
    card = card_with(Password(PIN.encode(), left=0))
    steps = establish(pin_password(PIN), random_bytes=seeded(2))
    transmit = transmit_to(card)
    assert transmit(next(steps)).sw == 0x63C0
    assert transmit(steps.send(ResponseApdu())).sw == StatusWord.AUTHENTICATION_BLOCKED


def test_a_password_blocked_meanwhile_is_not_compared() -> None:
    password = Password(PIN.encode())
    transmit = transmit_to(card_with(password))

    def blocking(command: CommandApdu) -> ResponseApdu:
        if not command.chained and command.ins == 0x86:
            password.left = 0
        return transmit(command)

    with pytest.raises(PinBlocked):
        drive(establish(pin_password(PIN), random_bytes=seeded(2)), blocking)
    assert password.events == []


def commands_of_a_run(card: PaceCard) -> list[CommandApdu]:
    """The five commands of a run that goes well."""
    seen: list[CommandApdu] = []
    transmit = transmit_to(card)

    def watch(command: CommandApdu) -> ResponseApdu:
        seen.append(command)
        return transmit(command)

    drive(establish(pin_password(PIN), random_bytes=seeded(2)), watch)
    return seen


def changed(command: CommandApdu, data: bytes) -> CommandApdu:
    return command.replaced(cla=command.cla, data=data, le=command.le)


def test_a_recorded_run_is_of_no_use() -> None:
    password = Password(PIN.encode())
    recorded = commands_of_a_run(card_with(password, seed=1))
    again = PaceCard({3: password}, random_bytes=seeded(7))
    answers = [transmit_to(again)(command).sw for command in recorded]
    assert answers == [0x9000, 0x9000, 0x9000, 0x9000, 0x63C4]
    assert again.take_keys() is None


@pytest.mark.parametrize("order", [[1], [0, 2], [0, 1, 3], [0, 1, 2, 4], [0, 1, 1], [0, 1, 2, 2], [0, 1, 2, 3, 3]])
def test_steps_out_of_order_end_the_run(order: list[int]) -> None:
    password = Password(PIN.encode())
    commands = commands_of_a_run(card_with(Password(PIN.encode())))
    card = card_with(password)
    transmit = transmit_to(card)
    answers = [transmit(commands[index]).sw for index in order]
    assert all(sw == StatusWord.OK for sw in answers[:-1])
    refusals = {StatusWord.CONDITIONS_NOT_SATISFIED, StatusWord.INCORRECT_DATA, StatusWord.LAST_COMMAND_EXPECTED}
    assert answers[-1] in refusals
    assert not card.running
    assert password.events == []
    assert transmit(commands[4]).sw == StatusWord.CONDITIONS_NOT_SATISFIED


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_the_chaining_bit_belongs_to_the_steps(step: int) -> None:
    commands = commands_of_a_run(card_with(Password(PIN.encode())))
    transmit = transmit_to(card_with(Password(PIN.encode())))
    for command in commands[:step]:
        assert transmit(command).sw == StatusWord.OK
    turned = CommandApdu(commands[step].cla ^ 0x10, 0x86, 0, 0, commands[step].data, 256)
    expected = StatusWord.LAST_COMMAND_EXPECTED if step == 4 else StatusWord.CONDITIONS_NOT_SATISFIED
    assert transmit(turned).sw == expected
    assert transmit(commands[step]).sw == StatusWord.CONDITIONS_NOT_SATISFIED


def test_a_step_without_le_has_no_room_for_its_answer() -> None:
    commands = commands_of_a_run(card_with(Password(PIN.encode())))
    transmit = transmit_to(card_with(Password(PIN.encode())))
    transmit(commands[0])
    assert transmit(commands[1].replaced(cla=0x10, data=b"\x7c\x00", le=None)).sw == StatusWord.WRONG_LENGTH


@pytest.mark.parametrize("step", [2, 3])
def test_points_that_are_none_end_the_run(step: int) -> None:
    commands = commands_of_a_run(card_with(Password(PIN.encode())))
    good = tlv.decode_one(tlv.decode_one(commands[step].data, 0x7C), 0x7F + 2 * (step - 1))
    foreign = encode_point(private_key(SECP256R1, 4711).public_key())
    for bad in (good[:-1] + bytes((good[-1] ^ 1,)), b"\x00", b"\x04" + bytes(64), good[:33], foreign, b""):
        password = Password(PIN.encode())
        card = card_with(password)
        transmit = transmit_to(card)
        for command in commands[:step]:
            transmit(command)
        data = tlv.encode(0x7C, tlv.encode(0x7F + 2 * (step - 1), bad))
        assert transmit(changed(commands[step], data)).sw == StatusWord.INCORRECT_DATA
        assert not card.running
        assert password.events == []


@pytest.mark.parametrize("step", [2, 3])
def test_the_cards_own_key_sent_back_ends_the_run(step: int) -> None:
    """The card draws the same private key as the terminal; it must notice that both public keys are one."""
    curve = BRAINPOOL_P256R1
    draws = [as_randomness(curve, 4711), as_randomness(curve, 4713)]
    first = draws[0] if step == 2 else as_randomness(curve, 4712)
    card = PaceCard({3: Password(PIN.encode())}, random_bytes=given([bytes(16), first, draws[1]]))
    with pytest.raises(CommandRefused) as caught:
        drive(establish(pin_password(PIN), random_bytes=given(draws)), transmit_to(card))
    assert caught.value.sw == StatusWord.INCORRECT_DATA


@pytest.mark.parametrize("data", ["", "7C", "80", "7C028000", "7C047C028000", "7C0080", "7C0081", "8100"])
def test_data_that_are_no_step_end_the_run(data: str) -> None:
    commands = commands_of_a_run(card_with(Password(PIN.encode())))
    card = card_with(Password(PIN.encode()))
    transmit = transmit_to(card)
    transmit(commands[0])
    assert transmit(changed(commands[1], bytes.fromhex(data))).sw == StatusWord.INCORRECT_DATA
    assert not card.running


@pytest.mark.parametrize(
    ("data", "sw"),
    [
        ("", StatusWord.INCORRECT_DATA),
        ("800A04007F00070202040202", StatusWord.INCORRECT_DATA),
        ("800A04007F0007020204020284010D830103830103", StatusWord.INCORRECT_DATA),
        ("800A04007F0007020204020183010384010D", StatusWord.INCORRECT_DATA),  # 3DES
        ("800A04007F0007020204020283010484010D", StatusWord.REFERENCE_NOT_FOUND),  # another password
        ("800A04007F00070202040202830103840109", StatusWord.REFERENCE_NOT_FOUND),  # brainpoolP192r1
        ("800A04007F0007020204020483010384010D", StatusWord.INCORRECT_DATA),  # AES-256 on 256 bits
        ("800A04007F0007020204020283010384010D7F4C00", StatusWord.INCORRECT_DATA),
        ("FF", StatusWord.INCORRECT_DATA),
    ],
)
def test_what_cannot_be_chosen(data: str, sw: StatusWord) -> None:
    card = card_with(Password(PIN.encode()))
    assert card.choose(CommandApdu(0, 0x22, 0xC1, 0xA4, bytes.fromhex(data))).sw == sw
    assert not card.running
    assert card.step(CommandApdu(0x10, 0x86, 0, 0, b"\x7c\x00", 256)).sw == StatusWord.CONDITIONS_NOT_SATISFIED


@settings(max_examples=60)
@examples(st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.binary(max_size=80), st.booleans()), max_size=6))
def test_whatever_a_terminal_sends_the_card_answers(sent: list[tuple[bool, int, bytes, bool]]) -> None:
    commands = commands_of_a_run(card_with(Password(PIN.encode()), seed=5))
    card = card_with(Password(PIN.encode()))
    for genuine, index, data, chained in sent:
        command = commands[index]
        if not genuine:
            command = CommandApdu(0x10 if chained else 0, command.ins, command.p1, command.p2, data, 256)
        answer = transmit_to(card)(command)
        assert (answer.sw == StatusWord.OK) or answer.data == b""
    assert card.take_keys() is None


def test_the_card_forgets() -> None:
    card = card_with(Password(PIN.encode()))
    run(card)
    card.forget()
    assert card.take_keys() is None
    transmit_to(card)(next(establish(pin_password(PIN))))
    assert card.running
    card.forget()
    assert not card.running
