"""The terminal's side of PACE: what a card must not get away with."""

from __future__ import annotations

import pytest

from securitymodule import tlv
from securitymodule.apdu import CommandApdu, ResponseApdu
from securitymodule.curves import (
    BRAINPOOL_P256R1,
    encode_point,
    private_key,
)
from securitymodule.errors import CommandRefused, ModuleError, PaceError, PinBlocked, WrongPin
from securitymodule.pace import pin_password
from securitymodule.pace_terminal import drive, establish
from tests.support.pace import PIN, Transmit, card_with, run
from tests.support.passwords import Password, seeded


def answering(answers: list[ResponseApdu]) -> Transmit:
    left = iter(answers)
    return lambda _command: next(left)


def step_answer(tag: int, value: bytes) -> ResponseApdu:
    return ResponseApdu(tlv.encode(0x7C, tlv.encode(tag, value)))


OTHER_POINT = encode_point(private_key(BRAINPOOL_P256R1, 4711).public_key())
SELECTED, NONCE_SENT, MAPPED, AGREED = (
    ResponseApdu(),
    step_answer(0x80, bytes(16)),
    step_answer(0x82, OTHER_POINT),
    step_answer(0x84, OTHER_POINT),
)


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([ResponseApdu(sw=0x6A80)], CommandRefused),
        ([ResponseApdu(sw=0x63C0)], PinBlocked),
        ([SELECTED, ResponseApdu(sw=0x6983)], PinBlocked),
        ([SELECTED, ResponseApdu(sw=0x6985)], CommandRefused),
        ([SELECTED, ResponseApdu()], PaceError),
        ([SELECTED, step_answer(0x81, bytes(16))], PaceError),
        ([SELECTED, step_answer(0x80, b"")], PaceError),
        ([SELECTED, step_answer(0x80, bytes(15))], PaceError),
        ([SELECTED, step_answer(0x80, bytes(80))], PaceError),
        ([SELECTED, NONCE_SENT, step_answer(0x82, b"\x00")], PaceError),
        ([SELECTED, NONCE_SENT, step_answer(0x82, OTHER_POINT[:-1] + bytes((OTHER_POINT[-1] ^ 1,)))], PaceError),
        ([SELECTED, NONCE_SENT, MAPPED, step_answer(0x84, bytes(65))], PaceError),
        ([SELECTED, NONCE_SENT, MAPPED, AGREED, step_answer(0x86, bytes(8))], PaceError),
        ([SELECTED, NONCE_SENT, MAPPED, AGREED, step_answer(0x86, b"")], PaceError),
        ([SELECTED, NONCE_SENT, MAPPED, AGREED, ResponseApdu(sw=0x63C2)], WrongPin),
        ([SELECTED, NONCE_SENT, MAPPED, AGREED, ResponseApdu(sw=0x6300)], CommandRefused),
    ],
)
def test_a_card_that_does_not_know_the_pin(answers: list[ResponseApdu], error: type[ModuleError]) -> None:
    with pytest.raises(error):
        drive(establish(pin_password(PIN), random_bytes=seeded(2)), answering(answers))


@pytest.mark.parametrize("step", [2, 3])
def test_a_card_that_sends_the_terminals_key_back(step: int) -> None:
    def reflect(command: CommandApdu) -> ResponseApdu:
        if command.ins == 0x22 or command.data == b"\x7c\x00":
            return SELECTED if command.ins == 0x22 else NONCE_SENT
        ((tag, value),) = tlv.decode_all(tlv.decode_one(command.data, 0x7C))
        return step_answer(tag + 1, value if tag == 0x7F + 2 * (step - 1) else OTHER_POINT)

    with pytest.raises(PaceError, match="our own"):
        drive(establish(pin_password(PIN), random_bytes=seeded(2)), reflect)


def test_a_warning_about_tries_does_not_stop_the_terminal() -> None:
    run(card_with(Password(PIN.encode(), left=2)))
