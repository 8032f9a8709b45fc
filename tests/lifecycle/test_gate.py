"""The gate: what is open is granted, everything else is off, and why is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.evidence import NOTHING, Evidence, OpenFault
from lifecycle.facts import Fact
from lifecycle.faults import FAULTS
from lifecycle.functions import METERING, Credential, Function, Interface
from lifecycle.gate import Closed, Gate, Open, Shut, gate_for, shut_gate
from lifecycle.law import Law, Refused
from lifecycle.phases import PHASES, Grant
from lifecycle.roles import Role
from lifecycle.states import State

REQUESTS = st.builds(
    Grant, st.sampled_from(Role), st.sampled_from(Interface), st.sampled_from(Function), st.sampled_from(Credential)
)
RECEIVE = Grant(Role.MESSEINRICHTUNG, Interface.LMN, Function.RECEIVE_READINGS, Credential.METER_KEY)
OWN_DATA = Grant(Role.ANSCHLUSSNUTZER, Interface.HAN_CONSUMER, Function.READ_OWN_DATA, Credential.CONSUMER_CERTIFICATE)
ADMINISTER = Grant(Role.GWA, Interface.WAN_ADMIN, Function.MANAGE_LOGS, Credential.GWA_CERTIFICATE)
CONFIGURE = Grant(
    Role.ERSTKONFIGURATOR,
    Interface.LOCAL,
    Function.SET_COMMUNICATION_PARAMETERS,
    Credential.CONFIGURATOR_CREDENTIAL,
)


def with_fault(name: str, subject: str = "") -> Evidence:
    return NOTHING.with_fault(OpenFault(name, subject))


def reasons(gate: Gate, request: Grant, subject: str | None = None) -> list[str]:
    """The conditions that fail, none where the request is open."""
    answer = gate.ask(request, subject)
    return [reason.condition for reason in answer.reasons] if isinstance(answer, Refused) else []


@pytest.mark.parametrize("state", State)
def test_what_a_state_grants_is_open_in_it(state: State) -> None:
    gate = Gate(state, NOTHING)
    assert list(gate.opened) == list(PHASES[state].grants)
    for grant in PHASES[state].grants:
        answer = gate.ask(grant)
        assert answer == Open(grant, state, str(PHASES[state].chapter))
        assert answer
        assert gate.require(grant) == answer


@given(st.sampled_from(State), REQUESTS)
def test_everything_else_is_off_and_says_why(state: State, request: Grant) -> None:
    answer = Gate(state, NOTHING).ask(request)
    assert bool(answer) is (request in PHASES[state].grants)
    if isinstance(answer, Refused):
        (reason,) = answer.reasons
        assert reason.chapter == str(PHASES[state].chapter)
        assert reason.found in {str(part) for part in request}


@pytest.mark.parametrize(
    ("change", "condition"),
    [
        ({"function": Function.INTEGRATE_MODULE}, "function-granted"),
        ({"interface": Interface.WAN_ADMIN}, "interface-granted"),
        ({"role": Role.CLS}, "role-granted"),
        ({"credential": Credential.GWA_CERTIFICATE}, "credential-granted"),
    ],
)
def test_the_reason_names_the_part_that_does_not_fit(change: dict[str, object], condition: str) -> None:
    assert reasons(Gate(State.OPERATION, NOTHING), RECEIVE._replace(**change)) == [condition]  # type: ignore[arg-type]


def test_nothing_is_open_in_the_states_of_which_the_standard_says_so() -> None:
    closed = {state for state in State if not PHASES[state].grants}
    assert closed == {
        State.DEVELOPMENT,
        State.PRODUCTION,
        State.DELIVERY_TO_MSB,
        State.FIRST_DELIVERY,
        State.OUTAGE,
        State.REMOVAL_FOR_SCRAPPING,
        State.DELIVERY_FOR_SCRAPPING,
        State.HARDWARE_SCRAPPING,
        State.REMOVAL_FOR_SM_DESTRUCTION,
        State.DELIVERY_FOR_SM_DESTRUCTION,
        State.SM_DESTRUCTION,
    }


def test_the_two_arrangements_of_chapter_4_reach_the_module_differently() -> None:
    apart, assembled = (
        PHASES[state].grants for state in (State.PREPERSONALISATION_1_SEPARATE, State.PREPERSONALISATION_1_ASSEMBLED)
    )
    assert [grant.function for grant in apart] == [grant.function for grant in assembled]
    assert {(grant.interface, grant.credential) for grant in apart} == {
        (Interface.SM_DIRECT, Credential.MODULE_CONTACT)
    }
    assert {(grant.interface, grant.credential) for grant in assembled} == {
        (Interface.LOCAL, Credential.INTEGRATOR_PIN)
    }


def test_faults_subtract_from_operation_and_administration_stays() -> None:
    operation = set(PHASES[State.OPERATION].grants)
    assert set(PHASES[State.REVERSIBLE_FAULT].grants) == operation
    assert operation - set(PHASES[State.IRREVERSIBLE_FAULT].grants) == {
        grant for grant in operation if grant.function in METERING
    }
    for state in (State.REVERSIBLE_FAULT, State.IRREVERSIBLE_FAULT):
        assert Gate(state, with_fault("reading-store-critical")).ask(ADMINISTER)


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("state", [State.OPERATION, State.REVERSIBLE_FAULT, State.IRREVERSIBLE_FAULT])
def test_an_open_fault_takes_out_what_it_affects_and_nothing_else(state: State, name: str) -> None:
    fault = FAULTS[name]
    gate = Gate(state, with_fault(name, "anna" if fault.per_subject else ""))
    for grant in PHASES[state].grants:
        hit = grant.function in fault.affects or grant.interface in fault.shuts
        assert bool(gate.ask(grant)) is not hit
        assert reasons(gate, grant) == (["no-fault-affects-it"] if hit else [])


def test_a_fault_of_one_consumer_is_nobody_elses() -> None:
    gate = Gate(State.OPERATION, with_fault("consumer-log-full", "anna"))
    assert gate.ask(RECEIVE, "bert")
    assert not gate.ask(RECEIVE, "anna")
    assert not gate.ask(RECEIVE)
    assert gate.ask(OWN_DATA, "anna")
    both = Gate(
        State.OPERATION, NOTHING.with_fault(OpenFault("consumer-log-full", "anna")).with_fault(OpenFault("disk-full"))
    )
    assert not both.ask(RECEIVE, "bert")


def test_every_fault_that_affects_it_is_named() -> None:
    evidence = with_fault("disk-full").with_fault(OpenFault("calibration-log-full"))
    answer = Gate(State.OPERATION, evidence).ask(RECEIVE)
    assert isinstance(answer, Refused)
    assert [reason.found for reason in answer.reasons] == [
        "the fault calibration-log-full is open",
        "the fault disk-full is open",
    ]


def test_the_local_interface_is_off_with_the_gateways_word_and_ever_after() -> None:
    assert Gate(State.FIRST_INSTALLATION, NOTHING).ask(CONFIGURE)
    off = Gate(State.FIRST_INSTALLATION, Evidence.of(Fact.LOCAL_INTERFACE_OFF))
    assert reasons(off, CONFIGURE) == ["interface-on"]
    assert not off.opened


def test_a_terminated_module_shuts_everything() -> None:
    gate = Gate(State.OPERATION, Evidence.of(Fact.MODULE_TERMINATED))
    assert not gate.opened
    assert reasons(gate, ADMINISTER) == ["interface-on"]


@pytest.mark.parametrize("shut", Shut)
def test_three_things_shut_everything(shut: Shut) -> None:
    for gate in (Gate(State.OPERATION, NOTHING, shut), shut_gate(shut)):
        assert not gate.opened
        for grant in PHASES[State.OPERATION].grants:
            answer = gate.ask(grant)
            assert isinstance(answer, Refused)
            assert (answer.reasons[0].condition, answer.reasons[0].found) == ("gate-shut", str(shut))


def test_a_state_that_cannot_be_read_opens_nothing() -> None:
    gate = Gate(None, NOTHING)
    assert gate.shut is Shut.STATE_UNREADABLE
    assert reasons(gate, RECEIVE) == ["gate-shut"]


def test_requiring_what_is_closed_raises_with_request_and_reasons() -> None:
    gate = Gate(State.DELIVERY_TO_MSB, NOTHING)
    with pytest.raises(Closed, match="metering:receive-readings at LMN by MESSEINRICHTUNG with METER_KEY") as raised:
        gate.require(RECEIVE)
    assert raised.value.request == RECEIVE
    assert raised.value.refused == gate.ask(RECEIVE)


def test_a_gate_is_compiled_once_for_a_standing() -> None:
    evidence = Evidence.of(Fact.OPERATIONAL_CERTIFICATES_IN_MODULE)
    assert gate_for(State.OPERATION, evidence) is gate_for(State.OPERATION, Evidence(evidence.bits))
    assert gate_for(State.OPERATION, evidence) is not gate_for(State.REVERSIBLE_FAULT, evidence)


def test_a_gate_speaks_for_the_law_that_it_was_made_with() -> None:
    law = Law({**PHASES, State.OPERATION: PHASES[State.OUTAGE]})
    assert not Gate(State.OPERATION, NOTHING, law=law).ask(RECEIVE)
