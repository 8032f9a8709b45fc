"""Nobody reads what is another's: every role, with every credential, at every door, in every state."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from gateway.door import DOOR_ATTRIBUTE, Door
from gateway.logs.events import EVENTS, READ_BY, EventId, Log, readers_of
from gateway.logs.port import Delivery, LogPort
from gateway.logs.store import LogEntry, LogError, LogFull, LogPolicy, LogStore, Note
from gateway.storage import Storage
from lifecycle.evidence import NOTHING, OpenFault
from lifecycle.faults import FAULTS
from lifecycle.functions import Credential, Interface
from lifecycle.gate import Closed, Gate, Shut
from lifecycle.phases.model import Grant
from lifecycle.roles import ROLES, Role
from lifecycle.states import State
from tests.support.lives import GATEWAY, START, SettableClock

ANNA, BERT = "anna", "bert"
OPERATION = Gate(State.OPERATION, NOTHING)
READS: dict[str, Log] = {
    "system_log": Log.SYSTEM,
    "system_log_on_site": Log.SYSTEM,
    "calibration_log": Log.CALIBRATION,
    "own_log": Log.CONSUMER,
}


def port(engine: Engine, gate: Gate = OPERATION, policy: LogPolicy | None = None) -> LogPort:
    return LogPort(lambda: gate, LogStore(Storage(engine), GATEWAY, clock=SettableClock(), policy=policy))


def door(name: str) -> Door:
    found: Door = getattr(getattr(LogPort, name), DOOR_ATTRIBUTE)
    return found


def written(engine: Engine) -> LogPort:
    """The logs, with something in each that is nobody else's business."""
    logs = port(engine)
    notes = [
        Note(EventId.SELF_TEST_PASSED),
        Note(EventId.FIRMWARE_UPDATED, {"firmware": "1.0"}),
        Note(EventId.OWN_DATA_READ, {"what": "Anna's values"}, ANNA),
        Note(EventId.OWN_DATA_READ, {"what": "Bert's values"}, BERT),
    ]
    logs.write(Credential.INSIDE, notes)
    return logs


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("log", Log)
def test_every_log_is_read_by_its_readers_and_nobody_else(role: Role, log: Log) -> None:
    """At no interface and with no credential does the gate let another role read; and its doors are of its readers."""
    may = any(
        OPERATION.ask(Grant(role, interface, READ_BY[log], credential))
        for interface in Interface
        for credential in Credential
    )
    assert may is (role in readers_of(log))
    doors = {door(name).role for name, its in READS.items() if its is log}
    assert (role in doors) is (role in readers_of(log))
    assert all(door(name).function is READ_BY[its] for name, its in READS.items())


@pytest.mark.parametrize("name", READS)
def test_who_is_let_in_reads_the_log_of_that_door_only(engine: Engine, name: str) -> None:
    logs = written(engine)
    for credential in Credential:
        arguments: tuple[Any, ...] = (ANNA,) if name == "own_log" else ()
        read: Callable[..., list[LogEntry]] = getattr(logs, name)
        if credential in ROLES[door(name).role].credentials:
            entries = read(credential, *arguments)
            assert entries
            assert {EVENTS[entry.event.number].log for entry in entries} == {READS[name]}
            assert door(name).role in readers_of(READS[name])
        else:
            with pytest.raises(Closed):
                read(credential, *arguments)


def test_a_consumer_reads_his_own_log_and_no_other(engine: Engine) -> None:
    logs = written(engine)
    for credential in (Credential.CONSUMER_CERTIFICATE, Credential.CONSUMER_PASSWORD):
        assert [entry.details["what"] for entry in logs.own_log(credential, ANNA)] == ["Anna's values"]
        assert [entry.details["what"] for entry in logs.own_log(credential, BERT)] == ["Bert's values"]
        for other in ("", "ann", "ANNA", "%", "anna' OR '1'='1"):
            if other:
                assert logs.own_log(credential, other) == []
            else:
                with pytest.raises(LogError, match="nobody was named"):
                    logs.own_log(credential, other)


def test_logs_are_read_in_every_fault_that_leaves_the_gateway_a_voice(engine: Engine) -> None:
    written(engine)
    for name, fault in FAULTS.items():
        open_fault = OpenFault(name, ANNA if fault.per_subject else "")
        logs = port(engine, Gate(fault.leads_to, NOTHING.with_fault(open_fault)))
        if fault.leads_to is State.OUTAGE:
            with pytest.raises(Closed):
                logs.system_log(Credential.GWA_CERTIFICATE)
            continue
        assert logs.system_log(Credential.GWA_CERTIFICATE)
        assert logs.calibration_log(Credential.GWA_CERTIFICATE)
        logs.write(Credential.INSIDE, [Note(EventId.SELF_TEST_PASSED)])
        if Interface.HAN_CONSUMER not in fault.shuts:
            assert logs.own_log(Credential.CONSUMER_PASSWORD, ANNA)


@pytest.mark.parametrize("state", [state for state in State if not Gate(state, NOTHING).opened])
def test_where_nothing_is_on_no_log_is_written_or_read(engine: Engine, state: State) -> None:
    logs = port(engine, Gate(state, NOTHING))
    for name in READS:
        for credential in Credential:
            with pytest.raises(Closed):
                getattr(logs, name)(credential, *((ANNA,) if name == "own_log" else ()))
    with pytest.raises(Closed):
        logs.write(Credential.INSIDE, [Note(EventId.SELF_TEST_PASSED)])


def test_a_shut_gate_lets_nobody_write(engine: Engine) -> None:
    for shut in Shut:
        with pytest.raises(Closed):
            port(engine, Gate(State.OPERATION, NOTHING, shut)).write(Credential.INSIDE, [])


def test_what_leaves_for_whom_is_in_the_consumers_log_before_it_leaves(engine: Engine) -> None:
    logs = port(engine, policy=LogPolicy(consumer=10, warn_at=(50,)))
    delivery = Delivery(ANNA, "energy.example", "TAF 7", 96, START, START + timedelta(days=1))
    logs.note_delivery(Credential.INSIDE, delivery)
    (entry,) = logs.own_log(Credential.CONSUMER_PASSWORD, ANNA)
    assert entry.event.number is EventId.DATA_DELIVERED
    assert entry.text(german=False) == (
        "96 readings from 2026-03-02T08:00:00.000000Z to 2026-03-03T08:00:00.000000Z delivered to energy.example"
        " (TAF 7)"
    )
    assert "energy.example" not in str(logs.system_log(Credential.GWA_CERTIFICATE))
    for _ in range(7):
        logs.note_delivery(Credential.INSIDE, delivery)
    with pytest.raises(LogFull):
        logs.note_delivery(Credential.INSIDE, delivery)
    assert logs.free_consumer_log(Credential.GWA_CERTIFICATE, ANNA, keep=0, by="GWA 1") == 10
    logs.note_delivery(Credential.INSIDE, delivery)


def test_freeing_a_log_does_not_show_it(engine: Engine) -> None:
    logs = written(engine)
    with pytest.raises(LogError, match="nobody was named"):
        logs.free_consumer_log(Credential.GWA_CERTIFICATE, "", keep=0, by="GWA 1")
    assert logs.free_consumer_log(Credential.GWA_CERTIFICATE, BERT, keep=0, by="GWA 1") == 1
    assert "Bert's values" not in str(logs.system_log(Credential.GWA_CERTIFICATE))
    for credential in set(Credential) - {Credential.GWA_CERTIFICATE}:
        with pytest.raises(Closed):
            logs.free_consumer_log(credential, BERT, keep=0, by="x")
