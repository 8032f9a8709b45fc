"""The technician's port opens just where the gate says, and shows the state of the system, and nobody's name."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from gateway.door import DOOR_ATTRIBUTE, Door
from gateway.logs.events import EventId
from gateway.logs.port import LogPort
from gateway.logs.store import LogError, Note
from gateway.module import DeviceError, NoModuleConfigured
from gateway.technician import MODULE_REST_SECONDS, NOBODY, NotFitted, SystemStatus, TechnicianPort, own_versions
from gateway.technician_parts import (
    LONGEST_SILENCE,
    DiskRoom,
    PartName,
    certificate_ends,
    clock_part,
    disk_part,
    lines_heard,
    module_part,
    record_part,
    room_on,
)
from lifecycle.evidence import NOTHING, OpenFault
from lifecycle.functions import Credential
from lifecycle.gate import Closed, Gate, Shut, shut_gate
from lifecycle.journal import Position
from lifecycle.states import State
from lifecycle.store.errors import StoreError
from securitymodule.coding import ModuleState
from securitymodule.errors import ModuleBusy, NoModule
from securitymodule.statements import ModuleInformation, StatementError
from tests.support.han import Ticking
from tests.support.lists import ANNA, Meters
from tests.support.lives import START
from tests.support.technician import INFORMATION, database, standings

OWN = Credential.TECHNICIAN_CERTIFICATE
OPERATION = Gate(State.OPERATION, NOTHING)
END = Position(42, "00" * 32, "2026-03-02T07:59:00.000000Z")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with database(tmp_path) as opened:
        yield opened


def failing(error: Exception) -> Callable[[], ModuleInformation]:
    """A module that cannot be asked."""

    def ask() -> ModuleInformation:
        raise error

    return ask


def test_it_opens_just_where_the_gate_says() -> None:
    door: Door = getattr(TechnicianPort.status, DOOR_ATTRIBUTE)
    opened = set()
    for standing in standings():
        gate = Gate(*standing)
        port = TechnicianPort(lambda gate=gate: gate)  # type: ignore[misc]
        for credential in Credential:
            if gate.ask(door.grant(credential)):
                told = port.status(credential)
                names = dict.fromkeys(fault.name for fault in standing.evidence.faults)
                assert told == SystemStatus(standing.state, tuple(OpenFault(name) for name in names))
                opened.add((standing.state, credential))
            else:
                with pytest.raises(Closed):
                    port.status(credential)
    assert opened == {(state, OWN) for state in (State.OPERATION, State.REVERSIBLE_FAULT, State.IRREVERSIBLE_FAULT)}


def test_a_shut_gate_shows_nothing() -> None:
    for shut in Shut:
        port = TechnicianPort(lambda shut=shut: shut_gate(shut))  # type: ignore[misc]
        for ask in (port.status, port.look, port.guide, port.connection, port.test_connection, port.log):
            with pytest.raises(Closed, match="gate-shut"):
                ask(OWN)


def test_whom_a_fault_concerns_is_not_shown() -> None:
    faults = NOTHING.with_fault(OpenFault("consumer-log-full", "anna")).with_fault(OpenFault("consumer-log-full", "b"))
    port = TechnicianPort(lambda: Gate(State.REVERSIBLE_FAULT, faults))
    assert port.status(OWN).faults == (OpenFault("consumer-log-full"),)


def test_what_it_is_not_given_it_does_not_show() -> None:
    port = TechnicianPort(lambda: OPERATION, clock=lambda: START)
    look = port.look(OWN)
    assert [part.name for part in look.parts] == [PartName.CLOCK]
    assert (look.lines, look.certificates) == ((), ())
    assert look.versions == own_versions()
    assert port.connection(OWN).last is None
    with pytest.raises(NotFitted, match="no connection test"):
        port.test_connection(OWN)
    with pytest.raises(NotFitted, match="no system log"):
        port.log(OWN)


def test_the_module_is_seen_as_it_is() -> None:
    assert module_part(lambda: INFORMATION).found.english == "SM-0001, OPERATIONAL, Version 1.2"
    ended = ModuleInformation("SM-0001", ModuleState.TERMINATED, 8, "1.2", (13,), 8, 8, bytes(65))
    assert not module_part(lambda: ended).sound
    assert module_part(failing(ModuleBusy("in use"))).sound
    for error in (NoModuleConfigured(), NoModule("/dev/reader7"), DeviceError("/var/x"), StatementError("no tag 82")):
        part = module_part(failing(error))
        assert not part.sound
        assert "/" not in part.found.english


def test_the_module_is_left_alone_for_a_while() -> None:
    """It has readings to sign: who reloads a page again and again does not keep it from that."""
    asked, ticking = [], Ticking()

    def ask() -> ModuleInformation:
        asked.append(1)
        return INFORMATION

    port = TechnicianPort(lambda: OPERATION, module=ask, clock=lambda: START, monotonic=ticking)
    for _ in range(10):
        assert port.look(OWN).parts[0].sound
    assert len(asked) == 1
    ticking.forward(MODULE_REST_SECONDS)
    port.look(OWN)
    assert len(asked) == 2


@pytest.mark.parametrize("error", [StoreError("x"), OperationalError("SELECT", {}, Exception("x")), OSError(5, "x")])
def test_a_record_that_cannot_be_read_is_said_to_be_so(error: Exception) -> None:
    def unreadable() -> Position:
        raise error

    part, end = record_part(unreadable)
    assert (part.sound, end) == (False, None)
    assert record_part(lambda: END) == (record_part(lambda: END)[0], END)


def test_little_room_is_not_in_order(tmp_path: Path) -> None:
    assert disk_part(lambda: DiskRoom(6, 100)).sound
    assert not disk_part(lambda: DiskRoom(4, 100)).sound
    assert room_on(tmp_path).total == shutil.disk_usage(tmp_path).total
    gone = disk_part(lambda: room_on(tmp_path / "gone"))
    assert (gone.sound, gone.found.german) == (False, "nicht erreichbar")


def test_a_clock_before_the_records_end_is_not_in_order() -> None:
    assert clock_part(START, END).sound
    assert clock_part(START, None).sound
    assert not clock_part(START - timedelta(days=1), END).sound


def test_a_line_tells_the_minute_and_whether_it_is_silent() -> None:
    heard = {"b": START - timedelta(seconds=17), "a": None, "c": START - LONGEST_SILENCE - timedelta(seconds=1)}
    told = lines_heard(heard, START)
    assert [(one.line, one.silent) for one in told] == [("a", True), ("b", False), ("c", True)]
    assert told[1].heard == START - timedelta(minutes=1)


def test_certificates_that_cannot_be_read_are_said_to_be_so() -> None:
    def unreadable() -> tuple[()]:
        raise NoModule("x")

    assert certificate_ends(unreadable, START) is None


def logging_port(engine: Engine, *consumers: str) -> tuple[Meters, TechnicianPort]:
    """A port over real logs."""
    meters = Meters(engine)
    logs = LogPort(lambda: OPERATION, meters.logs)
    return meters, TechnicianPort(lambda: OPERATION, logs=logs, consumers=lambda: consumers)


def test_the_log_is_read_from_either_end(engine: Engine) -> None:
    meters, port = logging_port(engine)
    assert (port.log(OWN).entries, port.log(OWN).end) == ((), 0)
    for number in range(7):
        meters.logs.write(Note(EventId.STARTED, {"firmware": f"0.{number}"}))

    def numbers(**asked: int) -> list[int]:
        return [entry.number for entry in port.log(OWN, **asked).entries]

    assert numbers(limit=3) == [5, 6, 7]
    assert numbers(limit=3, before=5) == [2, 3, 4]
    assert numbers(limit=3, before=2) == [1]
    assert numbers(limit=3, before=1) == []
    assert numbers(limit=3, before=100) == [5, 6, 7]
    assert numbers(limit=3, after=0) == [1, 2, 3]
    assert numbers(limit=3, after=6) == [7]
    assert port.log(OWN, limit=1).entries[0].text == ("SMGW gestartet, Firmware 0.6", "gateway started, firmware 0.6")
    with pytest.raises(LogError, match="at most"):
        port.log(OWN, after=0, limit=10**6)


def test_no_consumer_is_named_in_the_log(engine: Engine) -> None:
    meters, port = logging_port(engine, "anna-lena", ANNA)
    meters.logs.write(Note(EventId.CONSUMER_LOG_FULL, {"consumer": "somebody that is not known any more"}))
    meters.logs.write(Note(EventId.FAULT_OPENED, {"fault": "consumer-log-full of anna-lena"}, by=ANNA))
    first, second = port.log(OWN).entries
    assert first.text.english == f"consumer log full: {NOBODY}"
    assert second.text.german == f"Störung aufgetreten: consumer-log-full of {NOBODY}"
    assert ANNA not in repr((first, second))
