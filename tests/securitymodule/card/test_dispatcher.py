"""Any bytes: an answer always, a secret never. Chains, and secure messaging that is tampered with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from securitymodule.apdu import CommandApdu, ResponseApdu, StatusWord, split
from securitymodule.card.module import SoftwareModule
from securitymodule.coding import (
    CERTIFICATE_FILES,
    MAX_COMMAND_DATA,
    OWN_KEYS,
    Ins,
    KeyRef,
    ModuleState,
    Parameters,
    Pin,
)
from securitymodule.curves import BRAINPOOL_P256R1, encode_point, generate_key
from securitymodule.errors import SecureMessagingError
from tests.securitymodule.card.conftest import ModuleAt
from tests.securitymodule.card.pki import Pki
from tests.securitymodule.card.terminal import (
    INITIALISATION,
    INTEGRATOR_PIN,
    SYSTEM_PIN,
    TRANSPORT_PIN,
    Terminal,
    copied,
    opened,
)
from tests.support.campaign import Campaign
from tests.support.secrets import Secret, private_keys, shown

INFORMATION = CommandApdu(0, Ins.GET_DATA, 1, 1, le=256)


@pytest.fixture
def secured(module_at: ModuleAt) -> Terminal:
    terminal = Terminal(module_at(ModuleState.OPERATIONAL))
    terminal.establish(SYSTEM_PIN)
    return terminal


def words(*encoded: bytes) -> list[int]:
    return [int.from_bytes(answer[-2:], "big") for answer in encoded]


def test_what_is_no_command(module_at: ModuleAt) -> None:
    module = module_at(ModuleState.INITIALISED)
    for encoded in (b"", b"\x00", b"\x00\xa4\x00", b"\x00\xa4\x00\x0c\x02\x3f", b"\x00\xa4\x00\x0c\x00\x00"):
        assert module.transmit(encoded) == StatusWord.WRONG_LENGTH.to_bytes(2, "big")


def test_headers_nobody_knows(module_at: ModuleAt) -> None:
    module = module_at(ModuleState.INITIALISED)

    def answer(text: str) -> int:
        return words(module.transmit(bytes.fromhex(text)))[0]

    assert answer("80 CA 01 01 00") == StatusWord.CLASS_NOT_SUPPORTED
    assert answer("40 CA 01 01 00") == StatusWord.CLASS_NOT_SUPPORTED
    assert answer("03 CA 01 01 00") == StatusWord.CLASS_NOT_SUPPORTED
    assert answer("00 CC 01 01 00") == StatusWord.INSTRUCTION_NOT_SUPPORTED
    assert answer("00 CA 01 02 00") == StatusWord.INCORRECT_P1_P2
    assert answer("00 CA 01 01") == StatusWord.WRONG_LENGTH
    assert answer("00 CA 01 01 01") == StatusWord.WRONG_LENGTH
    assert answer("00 CA 01 01 01 FF 00") == StatusWord.WRONG_LENGTH
    assert answer("0C CA 01 01 00") == StatusWord.SECURE_MESSAGING_NOT_SUPPORTED


def test_chains(module_at: ModuleAt) -> None:
    module = module_at(ModuleState.CREATED)
    terminal = Terminal(module)
    command = CommandApdu(0, Ins.PUT_DATA, 1, 0x10, INITIALISATION.encode())
    pieces = split(command, 10)
    assert terminal.transmit(pieces[0]).sw == StatusWord.OK
    assert terminal.transmit(INFORMATION).sw == StatusWord.LAST_COMMAND_EXPECTED
    assert terminal.information().state is ModuleState.CREATED
    assert {terminal.transmit(piece).sw for piece in pieces} == {StatusWord.OK}
    assert terminal.information().state is ModuleState.INITIALISED
    endless = CommandApdu(0x10, Ins.PUT_DATA, 1, 0x10, bytes(255))
    answers = [terminal.transmit(endless).sw for _ in range(MAX_COMMAND_DATA // 255 + 2)]
    assert StatusWord.WRONG_LENGTH in answers


def test_a_protected_chain(module_at: ModuleAt, pki: Pki) -> None:
    """A command is protected as a whole and cut then, for readers that take nothing longer."""
    terminal = Terminal(module_at(ModuleState.INITIALISED))
    terminal.establish(TRANSPORT_PIN)
    assert terminal.channel is not None
    data = b"\x83\x01" + bytes((KeyRef.ROOT,)) + b"\x7f\x21\x82" + len(pki.root.der).to_bytes(2, "big") + pki.root.der
    command = CommandApdu(0, Ins.PERFORM_SECURITY_OPERATION, 0, 0xAE, data)
    *pieces, last = split(terminal.channel.protect(command), 100)
    assert len(pieces) > 2
    for piece in pieces:
        assert terminal.transmit(piece) == ResponseApdu(sw=StatusWord.OK)
    assert terminal.channel.open(terminal.transmit(last)).sw == StatusWord.OK
    assert terminal.send(Ins.READ_BINARY, 0).sw == StatusWord.COMMAND_NOT_ALLOWED


def test_too_much_data(secured: Terminal) -> None:
    too_much = bytes(MAX_COMMAND_DATA + 1)
    assert secured.send(Ins.UPDATE_BINARY, 0, too_much).sw == StatusWord.WRONG_LENGTH
    assert Terminal(secured.module).send(Ins.PUT_DATA, 0x0110, bytes(60_000)).sw == StatusWord.WRONG_LENGTH


@pytest.mark.parametrize("at", [0, 3, 5, 12, -3, -1])
def test_a_protected_command_that_was_changed(secured: Terminal, at: int) -> None:
    assert secured.channel is not None
    encoded = bytearray(secured.channel.protect(CommandApdu(0, Ins.VERIFY, 0, Pin.INTEGRATOR, b"1" * 10)).encode())
    encoded[at] ^= 1
    answer = words(secured.module.transmit(bytes(encoded)))[0]
    assert answer not in {StatusWord.OK, StatusWord.UNSPECIFIED}
    with pytest.raises(SecureMessagingError):
        secured.channel.open(ResponseApdu(sw=answer))
    refused = Terminal(secured.module).send(Ins.GET_CHALLENGE, 0, le=8)
    assert refused.sw == StatusWord.SECURITY_STATUS_NOT_SATISFIED


def test_a_protected_command_sent_twice(secured: Terminal) -> None:
    assert secured.channel is not None
    encoded = secured.channel.protect(CommandApdu(0, Ins.GET_CHALLENGE, 0, 0, le=8)).encode()
    first, second = secured.module.transmit(encoded), secured.module.transmit(encoded)
    assert words(first, second) == [StatusWord.OK, StatusWord.SECURE_MESSAGING_OBJECTS_INCORRECT]


def test_a_plain_command_ends_the_channel(secured: Terminal) -> None:
    assert secured.transmit(INFORMATION).sw == StatusWord.OK
    with pytest.raises(SecureMessagingError):
        secured.send(Ins.GET_CHALLENGE, 0, le=8)


def test_a_refused_command_leaves_the_channel(secured: Terminal) -> None:
    for ins, parameters, status in (
        (0xCC, 0, StatusWord.INSTRUCTION_NOT_SUPPORTED),
        (Ins.GET_DATA, 0x0202, StatusWord.INCORRECT_P1_P2),
        (Ins.PUT_DATA, 0x0110, StatusWord.CONDITIONS_NOT_SATISFIED),
        (Ins.GENERAL_AUTHENTICATE, 0, StatusWord.CONDITIONS_NOT_SATISFIED),
    ):
        assert secured.send(ins, parameters).sw == status
    assert secured.send(Ins.GET_CHALLENGE, 0, le=8).sw == StatusWord.OK


def test_a_defect_leaves_a_mark_without_data(
    stages: dict[ModuleState, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(copied(stages[ModuleState.READY], tmp_path / "module")) as module:
        terminal = Terminal(module)
        terminal.establish(SYSTEM_PIN)

        def defective(*_arguments: object) -> None:
            raise KeyError(INTEGRATOR_PIN)

        monkeypatch.setattr("securitymodule.card.pins.PinGuard.check", defective)
        with pytest.raises(SecureMessagingError, match="6F00"):
            terminal.present()
        assert len(module.defects) == 1
        assert "KeyError in test_a_defect" in module.defects[0]
        assert INTEGRATOR_PIN not in module.defects[0]
        assert Terminal(module).information().state is ModuleState.READY


PLAUSIBLE_DATA = st.one_of(
    st.binary(max_size=40),
    st.builds(
        lambda parts: b"".join(bytes((tag, len(value))) + value for tag, value in parts),
        st.lists(
            st.tuples(
                st.sampled_from([0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x8A, 0x9A, 0x9E, 0x7C]),
                st.one_of(
                    st.sampled_from([b"\x0d", b"\x21", b"\x31", b"\x32", *(bytes((key,)) for key in KeyRef)]),
                    st.binary(max_size=70),
                ),
            ),
            max_size=4,
        ),
    ),
    st.binary(min_size=32, max_size=32),
    st.just(b"\x7c\x00"),
    st.sampled_from([INTEGRATOR_PIN.encode(), b"0000000000"]),
)
PARAMETERS = st.one_of(
    st.sampled_from(list(Parameters)),
    st.sampled_from([*KeyRef, *Pin, *ModuleState, *(0x100 | key for key in KeyRef)]),
    st.integers(0, 0xFFFF),
)
HARMLESS = [ins for ins in Ins if ins is not Ins.TERMINATE_CARD_USAGE]
COMMANDS = st.builds(
    lambda ins, parameters, data, le: CommandApdu(0, ins, *divmod(int(parameters), 256), data, le),
    st.one_of(st.sampled_from(HARMLESS), st.integers(0, 255).filter(lambda ins: ins != Ins.TERMINATE_CARD_USAGE)),
    PARAMETERS,
    PLAUSIBLE_DATA,
    st.sampled_from([None, 1, 8, 16, 256, 4096, 65_536]),
)


KEYS = st.sampled_from(OWN_KEYS)
CURVE = BRAINPOOL_P256R1.domain
POINT = encode_point(generate_key(BRAINPOOL_P256R1).public_key())


def _command(ins: int, parameters: int, data: bytes = b"") -> CommandApdu:
    return CommandApdu(0, ins, *divmod(parameters, 256), data, 65_536)


WELL_FORMED = st.one_of(
    KEYS.map(lambda key: _command(Ins.GENERATE_ASYMMETRIC_KEY_PAIR, key, bytes((0x80, 1, CURVE)))),
    KEYS.map(lambda key: _command(Ins.GENERATE_ASYMMETRIC_KEY_PAIR, 0x0100 | key)),
    KEYS.map(lambda key: _command(Ins.DELETE, 0x2000 | key)),
    KEYS.map(lambda key: _command(0x22, Parameters.MSE_SIGN, bytes((0x80, 1, 0x21, 0x84, 1, key)))),
    KEYS.map(lambda key: _command(0x22, Parameters.MSE_AGREE, bytes((0x80, 1, 0x32, 0x84, 1, key)))),
    st.just(_command(0x22, Parameters.MSE_AGREE, bytes((0x80, 1, 0x31, 0x8A, 1, CURVE)))),
    st.just(_command(Ins.PERFORM_SECURITY_OPERATION, Parameters.PSO_COMPUTE_SIGNATURE, bytes(32))),
    st.just(_command(Ins.GENERAL_AUTHENTICATE, 0, b"\x7c\x00")),
    st.just(_command(Ins.GENERAL_AUTHENTICATE, 0, b"\x7c\x43\x81\x41" + POINT)),
    st.just(_command(Ins.INTERNAL_AUTHENTICATE, 0, b"\x84\x08" + bytes(8))),
    st.sampled_from([*CERTIFICATE_FILES.values()]).map(
        lambda file: _command(Ins.SELECT, 0x000C, file.to_bytes(2, "big"))
    ),
    st.integers(0, 4096).map(lambda offset: _command(Ins.READ_BINARY, offset)),
)
"""What a client sends; between these the others find the module in the middle of something."""


@pytest.fixture
def everywhere(stages: dict[ModuleState, Path], tmp_path: Path) -> Iterator[list[SoftwareModule]]:
    """A module in every state."""
    modules = [opened(copied(stages[state], tmp_path / state.name)) for state in ModuleState]
    yield modules
    for module in modules:
        module.close()


@pytest.mark.campaign
def test_any_bytes(everywhere: list[SoftwareModule], campaign: Campaign) -> None:
    tries = campaign.count(20_000)

    @settings(max_examples=tries)
    @given(
        st.sampled_from(range(len(everywhere))), st.one_of(st.binary(max_size=300), COMMANDS.map(CommandApdu.encode))
    )
    def answers(which: int, encoded: bytes) -> None:
        module = everywhere[which]
        answer = module.transmit(encoded)
        assert 2 <= len(answer) <= 65_538
        assert module.defects == ()
        assert not shown(secrets[which], answer)

    secrets = [private_keys(module) for module in everywhere]
    answers()
    campaign.report("Security module: any bytes get an answer", inputs=tries)


@pytest.mark.campaign
def test_any_commands_of_an_administrator(
    stages: dict[ModuleState, Path], pki: Pki, tmp_path: Path, campaign: Campaign
) -> None:
    """Through the channel, with every right there is: still an answer always, a secret never."""
    rounds = campaign.count(300)
    known: dict[str, Secret] = {}
    pairs: object = None
    sent = 0
    with opened(copied(stages[ModuleState.OPERATIONAL], tmp_path / "module")) as module:

        @settings(max_examples=rounds)
        @given(st.lists(st.one_of(WELL_FORMED, COMMANDS), min_size=10, max_size=30))
        def keeps_its_secrets(commands: list[CommandApdu]) -> None:
            nonlocal sent, pairs
            module.reset()
            terminal = Terminal(module)
            terminal.establish(SYSTEM_PIN)
            assert terminal.administrate(pki).sw == StatusWord.OK
            for command in commands:
                assert terminal.channel is not None
                response = terminal.channel.open(terminal.transmit(terminal.channel.protect(command)))
                sent += 1
                if module._store is not None and module._store.contents.pairs is not pairs:
                    pairs = module._store.contents.pairs
                    known.update({secret.value.hex(): secret for secret in private_keys(module)})
                assert not shown(known.values(), response.data)
                assert INTEGRATOR_PIN.encode() not in response.data
                assert SYSTEM_PIN.encode() not in response.data
                assert module.defects == ()

        keeps_its_secrets()
    campaign.report("Security module: an administrator's commands", commands=sent, private_keys=len(known))
