"""Faults that a gateway finds by itself: at the gate at once, on record as soon as that can be written."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.exc import OperationalError

from gateway.faults import DISK_FULL, OwnFaults
from lifecycle.desk import report
from lifecycle.evidence import NOTHING, OpenFault
from lifecycle.facts import Fact
from lifecycle.law import LAW, Attest, Standing, Step, Unlawful
from lifecycle.parties import Party
from lifecycle.roles import Role
from lifecycle.states import State
from lifecycle.store.errors import StoreError
from tests.support.lives import GATEWAY, cast

FULL = OpenFault("calibration-log-full")
ANNAS, BERTS = (OpenFault("consumer-log-full", who) for who in ("anna", "bert"))


class Recorded:
    """A record in memory, and the faults of its gateway.

    :ivar standing: where the record has it stand.
    :ivar fails: what the next steps that are put on record raise.
    :ivar room: how often there is room to make.
    """

    def __init__(self, state: State = State.OPERATION, *, own: Party | None = None, mute: bool = False) -> None:
        self.standing = Standing(state, NOTHING)
        self.fails: list[Exception] = []
        self.room = 0
        party = None if mute else own or cast().acting(Role.GATEWAY)
        self.faults = OwnFaults(
            GATEWAY, LAW, party, standing=lambda: self.standing, act=self.act, make_room=self.make_room
        )

    def act(self, _party: Party, step: Step) -> None:
        """Put a step on record."""
        if self.fails:
            raise self.fails.pop(0)
        self.standing = LAW.advance(self.standing, step)

    def make_room(self) -> bool:
        """Give up some."""
        self.room -= 1
        return self.room >= 0

    @property
    def open(self) -> set[OpenFault]:
        """The faults on record."""
        return set(self.standing.evidence.faults)


def no_room() -> OperationalError:
    """What a database says whose disk is full."""
    return OperationalError("INSERT", {}, Exception("database or disk is full"))


def test_a_fault_is_at_the_gate_before_it_is_on_record() -> None:
    record = Recorded()
    record.faults.found(DISK_FULL)
    assert DISK_FULL in record.faults.added_to(record.standing.evidence).faults
    assert not record.open
    record.faults.settle()
    assert record.open == {DISK_FULL}
    assert record.standing.state is State.REVERSIBLE_FAULT
    assert not record.faults.unrecorded


def test_it_goes_back_when_everything_is_over() -> None:
    record = Recorded()
    for fault in (DISK_FULL, ANNAS, BERTS):
        record.faults.found(fault)
    record.faults.settle()
    for fault in (DISK_FULL, ANNAS):
        record.faults.over(fault)
        record.faults.settle()
        assert record.standing.state is State.REVERSIBLE_FAULT
    record.faults.over(BERTS)
    record.faults.settle()
    assert record.standing == Standing(State.OPERATION, NOTHING)


def test_what_was_over_before_it_was_on_record_never_comes_there() -> None:
    record = Recorded()
    record.faults.found(DISK_FULL)
    record.faults.over(DISK_FULL)
    record.faults.settle()
    assert record.standing == Standing(State.OPERATION, NOTHING)


def test_a_graver_fault_leads_on_and_there_is_no_way_back() -> None:
    record = Recorded()
    record.faults.found(DISK_FULL)
    record.faults.settle()
    record.faults.found(FULL)
    record.faults.settle()
    assert record.standing.state is State.IRREVERSIBLE_FAULT
    for fault in (DISK_FULL, FULL):
        record.faults.over(fault)
    record.faults.settle()
    record.faults.settle()
    assert record.open == {FULL}, "nobody clears that one"
    assert record.standing.state is State.IRREVERSIBLE_FAULT


def test_a_new_light_fault_does_not_lead_back_from_a_grave_one() -> None:
    record = Recorded()
    record.faults.found(FULL)
    record.faults.settle()
    record.faults.found(DISK_FULL)
    record.faults.settle()
    assert record.standing.state is State.IRREVERSIBLE_FAULT
    assert record.open == {FULL, DISK_FULL}


def test_room_is_made_for_the_record_once_a_step() -> None:
    record = Recorded()
    record.room, record.fails = 1, [no_room()]
    record.faults.found(DISK_FULL)
    record.faults.settle()
    assert record.standing.state is State.REVERSIBLE_FAULT
    assert record.room == 0


@pytest.mark.parametrize("failure", [no_room, lambda: StoreError("gone")])
def test_what_cannot_be_written_is_tried_again(failure: Callable[[], Exception]) -> None:
    record = Recorded()
    record.fails = [failure(), failure()]
    record.faults.found(DISK_FULL)
    record.faults.settle()
    assert record.faults.unrecorded == (DISK_FULL,)
    assert DISK_FULL in record.faults.added_to(record.standing.evidence).faults
    record.fails = []
    record.faults.settle()
    assert record.open == {DISK_FULL}


@pytest.mark.parametrize("state", [state for state in State if state not in {State.OPERATION}])
def test_where_the_law_admits_no_fault_it_holds_at_the_gate(state: State) -> None:
    record = Recorded(state)
    record.faults.found(DISK_FULL)
    record.faults.settle()
    assert DISK_FULL in record.faults.added_to(record.standing.evidence).faults
    assert record.standing.state is state


def test_without_a_key_nothing_is_put_on_record() -> None:
    record = Recorded(mute=True)
    record.faults.found(DISK_FULL)
    record.faults.settle()
    assert record.standing == Standing(State.OPERATION, NOTHING)
    assert record.faults.holds(DISK_FULL)
    record.faults.over(DISK_FULL)
    assert not record.faults.holds(DISK_FULL)


def test_faults_that_others_reported_are_left_to_them() -> None:
    record = Recorded()
    gwa = cast()[Role.GWA]
    record.standing = LAW.advance(record.standing, report(gwa, "connection-fault"))
    record.faults.settle()
    assert record.standing.state is State.REVERSIBLE_FAULT, "the state follows what is on record, whoever said it"
    record.faults.over(OpenFault("connection-fault"))
    record.faults.settle()
    assert record.open == {OpenFault("connection-fault")}, "a Servicetechniker clears that"
    with pytest.raises(Unlawful):
        LAW.advance(record.standing, Attest(Fact.DEVELOPMENT_COMPLETE, gwa.actor))
