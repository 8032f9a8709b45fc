"""Metering at its doors: one consumer's full log does not stop another's metering, and nobody reads another's list."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from gateway.door import DOOR_ATTRIBUTE, Door
from gateway.metering.port import MeteringPort
from gateway.metering.rules import ProfileError, Verdict
from lifecycle.evidence import NOTHING, Evidence, OpenFault
from lifecycle.functions import Credential, Interface
from lifecycle.gate import Closed, Gate
from lifecycle.phases.model import Grant
from lifecycle.roles import Role
from lifecycle.states import State
from tests.support.lists import ANNA, BERT, IMPORT, METER, OTHER_METER, QUARTER, Meters, reading
from tests.support.lives import START

OWN = Credential.CONSUMER_PASSWORD


def port(meters: Meters, state: State = State.OPERATION, evidence: Evidence = NOTHING) -> MeteringPort:
    return MeteringPort(lambda: Gate(state, evidence), meters.lists, lambda: meters.profiles)


def test_a_full_consumer_log_limits_that_consumers_metering_only(engine: Engine) -> None:
    meters = Meters(engine)
    limited = port(meters, State.REVERSIBLE_FAULT, NOTHING.with_fault(OpenFault("consumer-log-full", ANNA)))
    with pytest.raises(Closed, match="consumer-log-full is open"):
        limited.take(Credential.INSIDE, [reading(1)], consumer=ANNA)
    (taken,) = limited.take(Credential.INSIDE, [reading(1, meter=OTHER_METER)], consumer=BERT)
    assert taken.verdict is Verdict.KEPT
    assert meters.lists.entries(METER, IMPORT) == []
    assert limited.own_entries(OWN, BERT, OTHER_METER, IMPORT)


def test_readings_are_taken_for_the_consumer_that_their_profile_names(engine: Engine) -> None:
    meters = Meters(engine)
    doors = port(meters)
    with pytest.raises(ProfileError, match=f"is not metered for '{BERT}'"):
        doors.take(Credential.INSIDE, [reading(1, meter=OTHER_METER), reading(1)], consumer=BERT)
    assert meters.lists.entries(OTHER_METER, IMPORT) == []
    taken = doors.take(Credential.INSIDE, [reading(1), reading(1, meter="0a")], consumer=ANNA)
    assert [each.verdict for each in taken] == [Verdict.KEPT, Verdict.NO_PROFILE]


def test_a_consumer_reads_his_own_entries_and_no_others(engine: Engine) -> None:
    meters = Meters(engine)
    doors = port(meters)
    doors.take(Credential.INSIDE, [reading(1)], consumer=ANNA)
    doors.take(Credential.INSIDE, [reading(2, meter=OTHER_METER)], consumer=BERT)
    assert [entry.value for entry in doors.own_entries(OWN, ANNA, METER, IMPORT)] == [1]
    assert [entry.value for entry in doors.own_entries(OWN, ANNA, METER, IMPORT, until=START)] == [1]
    newest = doors.own_latest(OWN, ANNA, METER, IMPORT)
    assert newest is not None
    assert newest.value == 1
    assert [line.hash for line in doors.own_lines(OWN, ANNA, METER, IMPORT)] == [newest.hash]
    for consumer, meter in ((ANNA, OTHER_METER), (BERT, METER), ("", METER), ("%", METER)):
        assert doors.own_entries(OWN, consumer, meter, IMPORT) == []
        assert doors.own_lines(OWN, consumer, meter, IMPORT) == []
        assert doors.own_latest(OWN, consumer, meter, IMPORT) is None


def test_the_newest_reading_is_found_behind_gaps_and_in_time(engine: Engine) -> None:
    meters = Meters(engine)
    doors = port(meters)
    assert doors.own_latest(OWN, ANNA, METER, IMPORT) is None
    for number in range(12):
        doors.take(Credential.INSIDE, [reading(number, meters.clock())], consumer=ANNA)
        meters.pass_time(2 * QUARTER)
        doors.close_gaps(Credential.INSIDE)
    newest, early = doors.own_latest(OWN, ANNA, METER, IMPORT), doors.own_latest(OWN, ANNA, METER, IMPORT, until=START)
    assert newest is not None
    assert early is not None
    assert (newest.value, early.value) == (11, 0)
    assert doors.own_latest(OWN, ANNA, METER, IMPORT, until=START - QUARTER) is None


def test_a_list_says_where_it_begins_and_ends(engine: Engine) -> None:
    meters = Meters(engine)
    empty = meters.lists.extent(METER, IMPORT)
    assert (empty.first, empty.end.number, empty.epoch, empty.target) == (1, 0, 0, None)
    meters.take(1)
    meters.pass_time(2 * QUARTER)
    meters.lists.close_gaps()
    lines = meters.lists.lines(METER, IMPORT)
    now = meters.lists.extent(METER, IMPORT)
    assert (now.first, now.end.number, now.end.hash, now.target) == (1, 2, lines[-1].hash, START + QUARTER)
    meters.pass_time(2 * meters.profiles[METER, IMPORT].retention)
    meters.lists.delete_expired()
    assert meters.lists.extent(METER, IMPORT).first == 3


@pytest.mark.parametrize("role", Role)
def test_no_other_role_reads_a_list(role: Role) -> None:
    door: Door = getattr(MeteringPort.own_entries, DOOR_ATTRIBUTE)
    gate = Gate(State.OPERATION, NOTHING)
    may = any(
        gate.ask(Grant(role, interface, door.function, credential))
        for interface in Interface
        for credential in Credential
    )
    assert may is (role is Role.ANSCHLUSSNUTZER)


def test_room_is_made_while_storing_is_off(engine: Engine) -> None:
    meters = Meters(engine)
    meters.take(1)
    meters.pass_time(3 * QUARTER)
    full = port(meters, State.REVERSIBLE_FAULT, NOTHING.with_fault(OpenFault("disk-full")))
    with pytest.raises(Closed):
        full.take(Credential.INSIDE, [reading(2, meters.clock())], consumer=ANNA)
    assert full.close_gaps(Credential.INSIDE) == 1
    meters.pass_time(2 * meters.profiles[METER, IMPORT].retention)
    assert [deletion.count for deletion in full.delete_expired(Credential.INSIDE)] == [2]


def test_with_a_full_calibration_log_there_is_no_metering(engine: Engine) -> None:
    meters = Meters(engine)
    meters.take(1)
    evidence = NOTHING.with_fault(OpenFault("calibration-log-full"))
    for state in (State.OPERATION, State.IRREVERSIBLE_FAULT):
        doors = port(meters, state, evidence)
        with pytest.raises(Closed):
            doors.take(Credential.INSIDE, [reading(2)], consumer=ANNA)
        assert len(doors.own_entries(OWN, ANNA, METER, IMPORT)) == 1
