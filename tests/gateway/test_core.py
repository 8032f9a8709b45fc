"""The gateway asks at every door, in every state, under every fault; and the walk of a reading is short."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.core import MAX_LINES, Gateway
from gateway.door import DOOR_ATTRIBUTE, Door
from gateway.metering.store import OriginalReading, ReadingStore
from lifecycle.desk import attest, move, report
from lifecycle.evidence import NOTHING, OpenFault
from lifecycle.facts import Fact
from lifecycle.faults import FAULTS
from lifecycle.functions import HANDLES_READINGS, Credential
from lifecycle.gate import Closed, Gate, Shut
from lifecycle.law import Standing, Unlawful
from lifecycle.parties import OperationsAuthority, Party, Trust
from lifecycle.roles import ROLES, Role
from lifecycle.states import Event, State
from lifecycle.store.engine import open_database
from lifecycle.store.errors import StoreError
from lifecycle.store.repository import Repository
from stations.meter import HouseholdMeter

ID = "EXXX0012345678"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
READ_THERE = {State.OPERATION, State.REVERSIBLE_FAULT, State.IRREVERSIBLE_FAULT}

NOT_DOORS = {
    "gate": "answers what is open; opens nothing",
    "act": "asks the law, not the gate: it is what moves the gate",
}
"""Public methods of a gateway that are no entry points, each with the reason."""


@pytest.fixture(scope="module")
def authority() -> OperationsAuthority:
    return OperationsAuthority.create(clock=lambda: NOW - timedelta(days=1))


@pytest.fixture
def repository(tmp_path: Path, authority: OperationsAuthority) -> Repository:
    keeper = authority.enrol(Role.KEEPER, "keeper", clock=lambda: NOW - timedelta(days=1))
    engine = open_database(f"sqlite:///{tmp_path / 'smgw.db'}")
    kept = Repository(engine, Trust(authority.certificate), keeper, clock=lambda: NOW)
    kept.register(ID)
    return kept


@pytest.fixture
def gwh(authority: OperationsAuthority) -> Party:
    return authority.enrol(Role.GWH, "Line 3", clock=lambda: NOW - timedelta(days=1))


@pytest.fixture
def frame() -> bytes:
    return HouseholdMeter("1EMH0012345678", NOW - timedelta(days=1), seed=1).frame_at(NOW)


def at(repository: Repository, monkeypatch: pytest.MonkeyPatch, standing: Standing) -> None:
    """Have the record say that the gateway stands here."""
    kept = replace(repository.kept(ID), standing=standing)
    monkeypatch.setattr(repository, "kept", lambda _gateway: kept)


def entry_points() -> list[tuple[str, Door]]:
    """Every public method of a gateway with what it declares."""
    found = []
    for name, method in inspect.getmembers(Gateway, inspect.isfunction):
        if not name.startswith("_") and name not in NOT_DOORS:
            found.append((name, getattr(method, DOOR_ATTRIBUTE)))
    return found


ARGUMENTS: dict[str, Callable[[], tuple[Any, ...]]] = {
    "receive": lambda: (b"",),
    "store": lambda: ([],),
    "own_readings": tuple,
}


def standings() -> list[Standing]:
    """Every state, alone and under every fault."""
    every = []
    for state in State:
        every.append(Standing(state, NOTHING))
        for name, fault in FAULTS.items():
            subject = "consumer-1" if fault.per_subject else ""
            every.append(Standing(state, NOTHING.with_fault(OpenFault(name, subject))))
    return every


def test_every_entry_point_declares_its_function_and_is_walked() -> None:
    assert {name for name, _ in entry_points()} == ARGUMENTS.keys()


@pytest.mark.parametrize(("name", "door"), entry_points())
def test_every_door_opens_just_where_the_gate_says(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, name: str, door: Door
) -> None:
    gateway = Gateway(ID, repository)
    opened = set()
    for standing in standings():
        at(repository, monkeypatch, standing)
        for credential in Credential:
            asked = Gate(*standing).ask(door.grant(credential))
            if asked:
                getattr(gateway, name)(credential, *ARGUMENTS[name]())
                assert credential in ROLES[door.role].credentials
                opened.add(standing.state)
            else:
                with pytest.raises(Closed) as closed:
                    getattr(gateway, name)(credential, *ARGUMENTS[name]())
                assert closed.value.refused == asked
    assert opened
    if door.function in HANDLES_READINGS:
        assert opened <= READ_THERE


def test_a_reading_walks_from_the_wire_to_the_list(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, frame: bytes
) -> None:
    gateway = Gateway(ID, repository)
    at(repository, monkeypatch, Standing(State.OPERATION, NOTHING))
    half = len(frame) // 2
    assert gateway.receive(Credential.METER_CERTIFICATE, frame[:half]).frames == ()
    received = gateway.receive(Credential.METER_CERTIFICATE, frame[half:])
    assert len(received.frames) == 1
    assert len(received.stored) == 3
    listed = gateway.own_readings(Credential.CONSUMER_PASSWORD)
    assert sorted(listed, key=lambda reading: reading.obis) == sorted(received.stored, key=lambda reading: reading.obis)
    assert {reading.obis for reading in listed} == {"0100010800ff", "0100020800ff", "0100100700ff"}
    assert all(reading.captured == NOW for reading in listed)


def test_bytes_that_arrive_at_a_shut_gate_are_gone(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, frame: bytes
) -> None:
    gateway = Gateway(ID, repository)
    half = len(frame) // 2
    at(repository, monkeypatch, Standing(State.OPERATION, NOTHING.with_fault(OpenFault("disk-full"))))
    with pytest.raises(Closed, match="disk-full is open"):
        gateway.receive(Credential.METER_KEY, frame[:half])
    at(repository, monkeypatch, Standing(State.OPERATION, NOTHING))
    received = gateway.receive(Credential.METER_KEY, frame[half:])
    assert not received.stored
    assert ReadingStore(repository.engine).count(ID) == 0


def test_while_a_transition_is_made_everything_is_shut(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, gwh: Party
) -> None:
    gateway = Gateway(ID, repository)
    seen: list[Gate] = []
    acting = repository.act

    def look_meanwhile(*args: Any, **kwargs: Any) -> Any:
        seen.append(gateway.gate())
        return acting(*args, **kwargs)

    monkeypatch.setattr(repository, "act", look_meanwhile)
    gateway.act(gwh, attest(gwh, Fact.DEVELOPMENT_COMPLETE))
    gateway.act(gwh, move(gwh, Event.BEGIN_PRODUCTION))
    assert [gate.shut for gate in seen] == [Shut.TRANSITION_IN_PROGRESS] * 2
    assert gateway.gate().shut is None
    assert gateway.gate().state is State.PRODUCTION


def test_a_refused_step_leaves_the_gate_as_it_was(repository: Repository, gwh: Party) -> None:
    gateway = Gateway(ID, repository)
    before = repository.kept(ID)
    with pytest.raises(Unlawful):
        gateway.act(gwh, report(gwh, "disk-full"))
    assert repository.kept(ID) == before
    assert gateway.gate().shut is None


def test_a_state_that_cannot_be_read_opens_nothing(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway(ID, repository)

    def unreadable(_gateway: str) -> None:
        raise OSError("input/output error")

    monkeypatch.setattr(repository, "kept", unreadable)
    assert gateway.gate().shut is Shut.STATE_UNREADABLE
    with pytest.raises(Closed, match="the state cannot be read"):
        gateway.own_readings(Credential.CONSUMER_PASSWORD)


def test_a_broken_record_shuts_everything(repository: Repository, gwh: Party) -> None:
    repository.act(ID, gwh, attest(gwh, Fact.DEVELOPMENT_COMPLETE))
    with repository.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE entries SET body = replace(body, 'Line 3', 'Line 4')")
    gateway = Gateway(ID, repository)
    assert gateway.gate().shut is Shut.INTEGRITY_FAILURE


def test_a_gateway_listens_to_a_bounded_number_of_lines(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = Gateway(ID, repository)
    at(repository, monkeypatch, Standing(State.OPERATION, NOTHING))
    for number in range(MAX_LINES):
        gateway.receive(Credential.METER_KEY, b"", line=f"lmn{number}")
    with pytest.raises(ValueError, match="listens to 16"):
        gateway.receive(Credential.METER_KEY, b"", line="one too many")


def test_readings_are_listed_newest_first_and_whole(repository: Repository) -> None:
    store = ReadingStore(repository.engine)
    largest = OriginalReading("0a01", "0100010800ff", NOW, 2**64 - 1, -4, None, ("unsigned", "status:0x00"))
    smallest = OriginalReading("0a01", "0100100700ff", NOW + timedelta(seconds=1), -(2**63), 0, 27)
    store.add(ID, [largest])
    store.add(ID, [smallest])
    store.add(ID, [])
    assert store.latest(ID) == [smallest, largest]
    assert store.latest(ID, limit=1) == [smallest]
    assert store.count(ID) == 2


def test_a_keeper_whose_certificate_has_ended_takes_nothing(
    repository: Repository, authority: OperationsAuthority
) -> None:
    later = NOW + timedelta(days=731)
    gwh = authority.enrol(Role.GWH, "Line 4", clock=lambda: later - timedelta(days=1))
    repository.clock = lambda: later
    with pytest.raises(StoreError, match="the keeper cannot sign heads"):
        repository.act(ID, gwh, attest(gwh, Fact.DEVELOPMENT_COMPLETE))
    assert repository.kept(ID).position.sequence == 0
