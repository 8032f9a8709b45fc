"""The catalogue of faults: what the standard names is in it, and what cannot be is refused."""

from __future__ import annotations

import pytest

from lifecycle.faults import EVERYTHING, FAULT_STATES, FAULTS, Catalogue, Fault
from lifecycle.functions import METERING, Function, Interface
from lifecycle.roles import Role
from lifecycle.states import State

OURS = Fault(
    "fan-stuck",
    "Lüfter klemmt",
    State.REVERSIBLE_FAULT,
    frozenset(),
    frozenset({Role.GATEWAY}),
    frozenset({Role.SERVICETECHNIKER}),
    "the Servicetechniker, on site",
    "maker",
)


def leading_to(state: State) -> set[str]:
    return {name for name, fault in FAULTS.items() if fault.leads_to is state}


def test_the_faults_that_the_anlage_names_lead_where_it_says() -> None:
    assert {"consumer-log-full", "time-synchronisation-failing", "connection-fault"} <= leading_to(
        State.REVERSIBLE_FAULT
    )
    assert {"calibration-log-full", "connection-beyond-repair"} <= leading_to(State.IRREVERSIBLE_FAULT)
    assert {"security-breach", "functionless"} <= leading_to(State.OUTAGE)
    for name, chapter in {"consumer-log-full": "15", "calibration-log-full": "16", "security-breach": "17"}.items():
        assert FAULTS[name].source == f"ch. {chapter}"


@pytest.mark.parametrize("name", FAULTS)
def test_only_reversible_faults_are_cleared(name: str) -> None:
    fault = FAULTS[name]
    assert fault.name == name
    assert bool(fault.cleared_by) is (fault.leads_to is State.REVERSIBLE_FAULT)
    assert fault.reported_by
    assert fault.german
    assert fault.source


def test_outage_takes_everything() -> None:
    assert all(FAULTS[name].affects == EVERYTHING == set(Function) for name in leading_to(State.OUTAGE))


def test_administration_survives_what_administration_restores() -> None:
    """A fault that the GWA clears leaves it the functions and the interface to do so (ch. 15)."""
    needed = {
        Function.MANAGE_PROFILES,
        Function.MANAGE_LOGS,
        Function.READ_STATUS,
        Function.SELF_TEST,
        Function.SET_TIME,
    }
    for name in leading_to(State.REVERSIBLE_FAULT):
        assert not FAULTS[name].affects & needed
        assert Interface.WAN_ADMIN not in FAULTS[name].shuts


def test_a_functionless_gateway_is_diagnosed_on_site() -> None:
    """To the GWA it looks like a broken connection (ch. 17), so only who stands before it can say."""
    assert FAULTS["functionless"].reported_by == {Role.SERVICETECHNIKER}
    assert FAULTS["connection-fault"].cleared_by == {Role.SERVICETECHNIKER}
    assert all(Role.GWA not in FAULTS[name].reported_by for name in leading_to(State.OUTAGE))


def test_only_the_consumer_log_concerns_one_consumer() -> None:
    assert [name for name, fault in FAULTS.items() if fault.per_subject] == ["consumer-log-full"]
    assert FAULTS["consumer-log-full"].affects == METERING


def test_a_maker_adds_faults_without_changing_the_catalogue() -> None:
    larger = FAULTS.extended(OURS)
    assert larger["fan-stuck"] is OURS
    assert len(larger) == len(FAULTS) + 1
    assert "fan-stuck" not in FAULTS
    assert list(larger)[:-1] == list(FAULTS)


def test_a_name_is_not_taken_twice() -> None:
    with pytest.raises(ValueError, match="'fan-stuck' is in the catalogue already"):
        Catalogue([OURS]).extended(OURS)


@pytest.mark.parametrize("state", sorted(set(State) - set(FAULT_STATES)))
def test_a_fault_leads_to_a_phase_of_its_category(state: State) -> None:
    with pytest.raises(ValueError, match="no phase of the category Störung"):
        Fault("x", "x", state, frozenset(), frozenset(), frozenset(), "", "")


@pytest.mark.parametrize("state", [State.IRREVERSIBLE_FAULT, State.OUTAGE])
def test_what_is_not_reversible_is_not_cleared(state: State) -> None:
    with pytest.raises(ValueError, match="so can be cleared by nobody"):
        Fault("x", "x", state, frozenset(), frozenset(), frozenset({Role.GWA}), "", "")
