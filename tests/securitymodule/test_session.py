"""The session with a module: secure from the first PACE on, renewed when it is old, and closed when it breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from securitymodule.apdu import CommandApdu, ResponseApdu
from securitymodule.card.module import SoftwareModule
from securitymodule.client import SecurityModule
from securitymodule.coding import FileId, Ins, Parameters, Pin
from securitymodule.connection import EmbeddedConnection
from securitymodule.errors import (
    CommandRefused,
    ModuleError,
    ModuleRemoved,
    PinBlocked,
    ProtocolError,
    SecureMessagingError,
    SessionExpired,
    WrongPin,
)
from securitymodule.pace import PACE_INFOS, PaceInfo
from securitymodule.session import CHAINED, Session, SessionPolicy, Transport, value_of
from securitymodule.statements import InitialisationFile, StatementError
from tests.support.passwords import seeded

PIN, INTEGRATOR_PIN = "1029384756", "9081726354"


class Clock:
    """Hours that a test sets."""

    hours = 0.0

    def __call__(self) -> float:
        return 3600 * self.hours


class Wire(EmbeddedConnection):
    """A connection that remembers what went over it, and lets a test meddle.

    :ivar sent: commands, whole.
    :ivar meddle: turns a response into another.
    """

    def __init__(self, card: SoftwareModule) -> None:
        super().__init__(card, "module:on the wire")
        self.sent: list[CommandApdu] = []
        self.meddle: Callable[[ResponseApdu], ResponseApdu] = lambda response: response

    def transmit(self, command: CommandApdu) -> ResponseApdu:
        self.sent.append(command)
        return self.meddle(super().transmit(command))


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    directory = tmp_path / "module"
    SoftwareModule.create(directory, InitialisationFile("SM-0001", PIN, INTEGRATOR_PIN, tries=3)).close()
    with Wire(SoftwareModule.open(directory)) as connection:
        yield connection


def module_on(wire: Wire, policy: SessionPolicy | None = None) -> SecurityModule:
    policy = replace(policy or SessionPolicy(), random_bytes=seeded(3))
    module = SecurityModule(Session(wire, policy))
    module.authenticate(lambda: PIN)
    wire.sent.clear()
    return module


@pytest.mark.parametrize("info", PACE_INFOS, ids=str)
def test_every_command_after_pace_is_protected(wire: Wire, info: PaceInfo) -> None:
    module = module_on(wire, SessionPolicy(info=info))
    assert module.is_secure
    module.verify_pin(INTEGRATOR_PIN)
    module.read_file(FileId.EF_SERIAL)
    module.challenge(8)
    assert {command.cla for command in wire.sent} == {0x0C}
    assert not any(INTEGRATOR_PIN.encode() in command.data for command in wire.sent)


def test_no_pin_goes_out_in_plain(wire: Wire) -> None:
    module = SecurityModule(Session(wire))
    with pytest.raises(SecureMessagingError, match="takes a secure channel"):
        module.verify_pin(INTEGRATOR_PIN)
    with pytest.raises(SecureMessagingError, match="takes a secure channel"):
        module.change_system_pin(PIN, "5647382910")
    assert wire.sent == []


def test_a_wrong_system_pin_costs_a_try(wire: Wire) -> None:
    module = SecurityModule(Session(wire))
    for left in (2, 1):
        with pytest.raises(WrongPin) as caught:
            module.authenticate(lambda: "0000000000")
        assert caught.value.left == left
        assert not module.is_secure
    assert SecurityModule(Session(wire)).information().system_tries == 1
    with pytest.raises(PinBlocked):
        module.authenticate(lambda: "0000000000")
    with pytest.raises(PinBlocked):
        module.authenticate(lambda: PIN)


def test_after_a_failed_pace_nothing_is_sent(wire: Wire) -> None:
    module = SecurityModule(Session(wire))
    with pytest.raises(WrongPin):
        module.authenticate(lambda: "0000000000")
    sent = len(wire.sent)
    with pytest.raises(SecureMessagingError, match="none is open"):
        module.information()
    assert len(wire.sent) == sent


def test_what_is_no_pin_is_not_tried(wire: Wire) -> None:
    module = SecurityModule(Session(wire))
    with pytest.raises(StatementError):
        module.authenticate(lambda: "123")
    assert wire.sent == []


def test_a_broken_channel_stays_closed_until_pace(wire: Wire) -> None:
    module = module_on(wire)
    wire.meddle = lambda response: ResponseApdu(response.data[:-1] + b"\xff", response.sw)
    with pytest.raises(SecureMessagingError, match="checksum"):
        module.information()
    wire.meddle = lambda response: response
    sent = len(wire.sent)
    for again in (module.information, lambda: module.verify_pin(INTEGRATOR_PIN), lambda: module.challenge(8)):
        with pytest.raises(SecureMessagingError, match="none is open"):
            again()
    assert len(wire.sent) == sent
    module.authenticate(lambda: PIN)
    assert module.information().serial == "SM-0001"


def test_a_channel_that_the_module_ended(wire: Wire) -> None:
    module = module_on(wire)
    wire.transmit_bytes(bytes.fromhex("00CA010100"))  # somebody's plain command
    with pytest.raises(SecureMessagingError, match="ended the secure channel"):
        module.information()
    assert not module.is_secure


def test_a_module_that_went_away_takes_the_channel_with_it(wire: Wire) -> None:
    def gone(_response: ResponseApdu) -> ResponseApdu:
        raise ModuleRemoved("pulled")

    module = module_on(wire)
    wire.meddle = gone
    with pytest.raises(ModuleRemoved):
        module.information()
    assert not module.is_secure


def test_a_session_is_made_anew_after_48_hours(wire: Wire) -> None:
    clock = Clock()
    module = module_on(wire, SessionPolicy(clock=clock))
    module.verify_pin(INTEGRATOR_PIN)
    clock.hours = 47.9
    assert module.pin_tries() is None
    wire.sent.clear()
    clock.hours = 48
    assert module.pin_tries() == 3  # the new channel knows nothing of a PIN presented in the old one
    assert [command.cla for command in wire.sent] == [0x00, 0x10, 0x10, 0x10, 0x00, 0x0C]
    clock.hours = 95.9
    wire.sent.clear()
    module.pin_tries()
    assert len(wire.sent) == 1


def test_the_pin_is_asked_for_only_when_it_is_needed(wire: Wire) -> None:
    clock, asked = Clock(), []

    def system_pin() -> str:
        asked.append(clock.hours)
        return PIN

    module = SecurityModule(Session(wire, SessionPolicy(clock=clock)))
    module.authenticate(system_pin)
    module.information()
    clock.hours = 50
    module.information()
    module.information()
    assert asked == [0, 50]


def test_a_session_that_was_closed_has_no_pin_to_renew_itself_with(wire: Wire) -> None:
    clock = Clock()
    session = Session(wire, SessionPolicy(clock=clock))
    session.authenticate(lambda: PIN)
    session._system_pin = None
    clock.hours = 48
    with pytest.raises(SessionExpired):
        session.command("asking", Ins.GET_DATA, Parameters.INFORMATION, le=256)


def test_the_environment_is_set_once(wire: Wire) -> None:
    session = Session(wire)
    session.authenticate(lambda: PIN)
    wire.sent.clear()
    chosen = {0x80: b"\x31", 0x8A: b"\x0d"}
    for _ in range(3):
        session.set_environment("choosing", Parameters.MSE_AGREE, chosen)
    assert len(wire.sent) == 1
    session.set_environment("choosing", Parameters.MSE_AGREE, chosen | {0x8A: b"\x10"})
    session.set_environment("choosing", Parameters.MSE_AGREE, chosen)
    assert len(wire.sent) == 3
    session.authenticate(lambda: PIN)
    wire.sent.clear()
    session.set_environment("choosing", Parameters.MSE_AGREE, chosen)
    assert len(wire.sent) == 1


def test_a_refused_environment_is_not_taken_for_set(wire: Wire) -> None:
    session = Session(wire)
    session.authenticate(lambda: PIN)
    for _ in range(2):
        with pytest.raises(CommandRefused):
            session.set_environment("choosing", Parameters.MSE_AGREE, {0x80: b"\x31", 0x8A: b"\x63"})


def test_long_commands_in_chains(wire: Wire) -> None:
    """The same refusal of a certificate that is none, from an extended command and from a chain."""
    data = bytes(2_000)
    answers = []
    transports: tuple[Transport, ...] = ("extended", CHAINED)
    for transport in transports:
        module = module_on(wire, SessionPolicy(transport=transport))
        with pytest.raises(CommandRefused) as caught:
            module.import_root(data)
        answers.append(caught.value.sw)
        assert module.is_secure
        wire.sent = [command for command in wire.sent if command.ins == Ins.PERFORM_SECURITY_OPERATION]
        assert (len(wire.sent) > 1) is (transport == CHAINED)
        assert all(len(command.data) <= 255 for command in wire.sent) is (transport == CHAINED)
    assert answers[0] == answers[1]


def test_a_chain_that_is_broken_off(wire: Wire) -> None:
    module = module_on(wire, SessionPolicy(transport=CHAINED))
    wire.meddle = lambda _response: ResponseApdu(sw=0x6700)
    with pytest.raises(SecureMessagingError):
        module.import_root(bytes(2_000))
    assert len(wire.sent) == 1


def test_status_words_become_errors(wire: Wire) -> None:
    module = SecurityModule(Session(wire))
    for sw, error in ((0x63C2, WrongPin), (0x63C0, PinBlocked), (0x6983, PinBlocked), (0x6985, CommandRefused)):
        wire.meddle = lambda _response, sw=sw: ResponseApdu(sw=sw)  # type: ignore[misc]  # bound here on purpose
        with pytest.raises(error, match=f"asking for information: .*{sw:04X}"):
            module.information()


@pytest.mark.parametrize("data", [b"", b"\x7c", bytes.fromhex("7C00"), bytes.fromhex("7C028000"), b"nonsense"])
def test_answers_that_are_none(wire: Wire, data: bytes) -> None:
    module = SecurityModule(Session(wire))
    wire.meddle = lambda _response: ResponseApdu(data)
    for ask in (module.information, module.pace_infos, lambda: module.attest(bytes(8))):
        with pytest.raises(ProtocolError):
            ask()
    with pytest.raises(ProtocolError):
        value_of("asking", data, 0x7C, 0x86)


def test_a_closed_module_is_of_no_use(wire: Wire) -> None:
    module = module_on(wire)
    module.close()
    assert not module.is_secure
    with pytest.raises(ModuleError):
        module.information()
    with pytest.raises(ModuleError):
        module.pin_tries(Pin.INTEGRATOR)
