"""The proof: it holds of the law, and of a law broken on purpose it says what is broken, and how one gets there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.claims import CLAIMS, END_OF_LIFE, NEEDED_TO_ENTER, parts_of
from lifecycle.evidence import MODULE_INTEGRATED, TERMS, Evidence, mask
from lifecycle.facts import FACTS, Fact
from lifecycle.functions import Credential, Function, Interface
from lifecycle.gate import Gate
from lifecycle.law import BEGINNING, LAW, Decision, Law, Permitted, Restore, Standing, Step
from lifecycle.phases import PHASES, Grant
from lifecycle.proof import LEMMAS, PROPERTIES, CounterExample, Space
from lifecycle.proof.decisions import ACTORS, combinations, terms_read, way_out
from lifecycle.proof.gates import every_request
from lifecycle.proof.lives import Lives, leads_to
from lifecycle.proof.watched import Watched
from lifecycle.roles import Actor, Role
from lifecycle.states import Event, State
from tests.lifecycle.laws import FEW_FAULTS, ask_few, few_faults, move, with_grant, with_phase, with_way

CHECKS = {proven.id: proven.check for proven in (*LEMMAS, *PROPERTIES)}


class Permissive(Law):
    """Permits one transition that the table does not name."""

    def decide(self, state: State, evidence: Evidence, event: Event, actor: Actor) -> Decision:
        if (state, event, actor.role) == (State.PRODUCTION, Event.SCRAP_HARDWARE, Role.RECYCLER):
            return Permitted(state, State.HARDWARE_SCRAPPING)
        return super().decide(state, evidence, event, actor)


class Forgetful(Law):
    """Folds a record as if no fault were ever cleared."""

    def fold(self, steps: Iterable[Step]) -> Standing:
        return super().fold(step for step in steps if not isinstance(step, Restore))


class Curious(Law):
    """Looks at evidence that no condition of the way reads."""

    def decide(self, state: State, evidence: Evidence, event: Event, actor: Actor) -> Decision:
        _ = Fact.MOUNTED in evidence
        return super().decide(state, evidence, event, actor)


BROKEN: dict[str, tuple[str, Callable[[], Law]]] = {
    "a dead end": ("P1", lambda: with_phase(State.SM_DESTRUCTION, exits=())),
    "a state that nothing leads to": (
        "P1",
        lambda: with_phase(State.PRODUCTION, exits=PHASES[State.PRODUCTION].exits[1:]),
    ),
    "chapter 4 twice": ("P2", lambda: with_way(5, conditions=(MODULE_INTEGRATED,))),
    "personalised again": ("P2", lambda: with_way(14, to=State.PERSONALISATION)),
    "operation without certificates": ("P3", lambda: with_way(12, conditions=())),
    "local interface in operation": (
        "P4",
        lambda: with_grant(
            State.OPERATION,
            Grant(Role.GWH, Interface.LOCAL, Function.EXPORT_PUBLIC_KEYS, Credential.INTEGRATOR_PIN),
        ),
    ),
    "configuration imported early": (
        "P4",
        lambda: with_grant(
            State.PREPERSONALISATION_1_ASSEMBLED,
            Grant(Role.GWH, Interface.LOCAL, Function.IMPORT_INITIAL_CONFIGURATION, Credential.INTEGRATOR_PIN),
        ),
    ),
    "configuration never imported": ("P4", lambda: with_phase(State.PREPERSONALISATION_2, grants=())),
    "scrapped unrevoked": ("P5", lambda: with_way(22, conditions=())),
    "readings in transit": (
        "P6",
        lambda: with_grant(
            State.FIRST_DELIVERY,
            Grant(Role.MESSEINRICHTUNG, Interface.LMN, Function.RECEIVE_READINGS, Credential.METER_KEY),
        ),
    ),
    "a curious technician": (
        "P7",
        lambda: with_grant(
            State.REVERSIBLE_FAULT,
            Grant(
                Role.SERVICETECHNIKER,
                Interface.HAN_TECHNICIAN,
                Function.READ_OWN_DATA,
                Credential.TECHNICIAN_CERTIFICATE,
            ),
        ),
    ),
    "a credential that is not the role's": (
        "P8",
        lambda: with_grant(
            State.OPERATION,
            Grant(Role.MSB, Interface.WAN_ADMIN, Function.READ_STATUS, Credential.GWA_CERTIFICATE),
        ),
    ),
    "inside, from outside": (
        "P8",
        lambda: with_grant(
            State.OPERATION, Grant(Role.GATEWAY, Interface.WAN_ADMIN, Function.READ_STATUS, Credential.INSIDE)
        ),
    ),
    "a transition that is not in the table": ("P9", lambda: Permissive(catalogue=FEW_FAULTS)),
    "a fold that forgets": ("P10", lambda: Forgetful(catalogue=FEW_FAULTS)),
    "a decision that looks too far": ("L1", lambda: Curious(catalogue=FEW_FAULTS)),
}


@cache
def proven() -> Space:
    """The law as it holds, enumerated once for these tests."""
    return Space()


@cache
def sound() -> Space:
    """The law with few faults."""
    return Space(few_faults())


@pytest.mark.parametrize("name", CHECKS)
def test_the_law_keeps_each_promise(name: str) -> None:
    outcome = CHECKS[name](proven())
    assert outcome.holds, outcome.counter_example
    assert outcome.cases > 0
    assert outcome.stands_for


def test_ids_and_claims_are_those_of_the_design() -> None:
    assert [proven.id for proven in PROPERTIES] == [f"P{number}" for number in range(1, 11)] == list(CLAIMS)
    assert all(proven.claim == CLAIMS[proven.id] for proven in PROPERTIES)


@pytest.fixture
def few_askers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer actors and requests than where the law itself is proven."""
    ask_few(monkeypatch, *(make() for _, make in BROKEN.values()))


@pytest.mark.usefixtures("few_askers")
@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_law_fails_in_what_was_broken_and_in_nothing_else(case: str) -> None:
    broken, make = BROKEN[case]
    space = Space(make())
    failing = {name for name, check in CHECKS.items() if not check(space).holds}
    assert failing == {broken}


@cache
def counter_example_of(case: str) -> tuple[Law, CounterExample]:
    """A broken law, and the counter-example to what was broken."""
    broken, make = BROKEN[case]
    law = make()
    found = CHECKS[broken](Space(law)).counter_example
    assert found is not None
    return law, found


@pytest.mark.usefixtures("few_askers")
@pytest.mark.parametrize(
    ("case", "what", "length"),
    [
        ("scrapped unrevoked", "HARDWARE_SCRAPPING is reached with neither", 37),
        ("operation without certificates", "OPERATION is entered without OPERATIONAL_CERTIFICATES_IN_MODULE", 28),
        ("chapter 4 twice", "returns to PREPERSONALISATION_1_ASSEMBLED or PREPERSONALISATION_1_SEPARATE", 10),
    ],
)
def test_the_counter_example_is_the_shortest_lawful_path(case: str, what: str, length: int) -> None:
    law, found = counter_example_of(case)
    assert what in found.what
    assert len(found.path) == length
    assert law.fold(found.path) == found.standing


@pytest.mark.usefixtures("few_askers")
def test_a_dead_end_is_shown_by_the_way_into_it() -> None:
    law, found = counter_example_of("a dead end")
    assert found.what == "SM_DESTRUCTION has no way out"
    assert found.standing == law.fold(found.path)
    assert found.standing.state is State.SM_DESTRUCTION


@pytest.mark.usefixtures("few_askers")
def test_a_way_that_is_not_in_the_table_is_shown_with_the_step_that_takes_it() -> None:
    law, found = counter_example_of("a transition that is not in the table")
    assert found.path[-1] == move(Event.SCRAP_HARDWARE, Role.RECYCLER)
    assert law.fold(found.path[:-1]) == found.standing
    assert "the table names no such transition" in found.what


@pytest.mark.usefixtures("few_askers")
def test_an_open_gate_is_shown_by_the_way_to_it() -> None:
    law, found = counter_example_of("readings in transit")
    assert found.what.startswith("in FIRST_DELIVERY, metering:receive-readings at LMN by MESSEINRICHTUNG")
    assert law.fold(found.path).state is State.FIRST_DELIVERY


@pytest.mark.usefixtures("few_askers")
def test_a_violation_where_no_life_comes_says_so() -> None:
    unreachable = replace(PHASES[State.PRODUCTION], exits=PHASES[State.PRODUCTION].exits[1:])
    separate = PHASES[State.PREPERSONALISATION_1_SEPARATE]
    grant = Grant(Role.MESSEINRICHTUNG, Interface.LMN, Function.RECEIVE_READINGS, Credential.METER_KEY)
    phases = {
        **PHASES,
        State.PRODUCTION: unreachable,
        State.PREPERSONALISATION_1_SEPARATE: replace(separate, grants=(grant,)),
    }
    found = CHECKS["P6"](Space(Law(phases, catalogue=FEW_FAULTS))).counter_example
    assert found is not None
    assert found.what.endswith("no lawful life comes there")
    assert found.path == ()


class Careless(Gate):
    """A gate that does not care which faults are open."""

    def __init__(self, state: State | None, evidence: Evidence, shut: object = None, law: Law = LAW) -> None:
        assert shut is None
        super().__init__(state, Evidence(evidence.bits), None, law)
        self.evidence = evidence


class Generous(Gate):
    """A gate that opens what its state does not grant, once somebody has revoked the certificates."""

    def __init__(self, state: State | None, evidence: Evidence, shut: object = None, law: Law = LAW) -> None:
        assert shut is None
        super().__init__(state, evidence, None, law)
        if Fact.MODULE_TERMINATED in evidence:
            self.opened = Gate(State.OPERATION, Evidence()).opened


@pytest.mark.usefixtures("few_askers")
@pytest.mark.parametrize(("careless", "claim"), [(Careless, "P6"), (Generous, "L2")])
def test_a_gate_that_is_wrong_is_found(careless: type[Gate], claim: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lifecycle.proof.gates.Gate", careless)
    assert not CHECKS[claim](Space(few_faults())).holds


@pytest.mark.usefixtures("few_askers")
def test_a_machine_that_disagrees_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lifecycle.machine.State", lambda _: State.DEVELOPMENT)
    found = CHECKS["P9"](Space(few_faults())).counter_example
    assert found is not None
    assert found.what.startswith("machine and law disagree on ")


def test_a_life_begins_in_development() -> None:
    space = Space(few_faults())
    space.__dict__["lives"] = Lives([Standing(State.PRODUCTION, BEGINNING.evidence)], [[]])
    found = CHECKS["P1"](space).counter_example
    assert found is not None
    assert found.what == "a life begins in PRODUCTION, not in DEVELOPMENT"


def test_every_lawful_life_is_walked() -> None:
    lives = sound().lives
    assert lives.standings[0] == BEGINNING
    assert {standing.state for standing in lives.standings} == set(State)
    assert len(set(lives.standings)) == len(lives.standings) == len(lives.steps) == len(lives.parents)
    lengths = [len(lives.path(number)) for number in range(len(lives.standings))]
    assert lengths == sorted(lengths)
    for number, onward in enumerate(lives.steps):
        for step, reached in onward:
            assert sound().law.advance(lives.standings[number], step) == lives.standings[reached]


def test_more_faults_of_a_kind_make_no_more_standings_to_a_decision() -> None:
    assert proven().lives.told_apart == sound().lives.told_apart
    assert len(proven().lives.standings) > proven().lives.told_apart


@cache
def enumerated() -> dict[tuple[State, Event, Actor, int], bool]:
    """Every decision that the proof makes."""
    return {(cell.state, cell.event, cell.actor, cell.bits): bool(cell.decision) for cell in proven().decisions}


@given(st.sampled_from(State), st.sampled_from(Event), st.sampled_from(ACTORS), st.integers(0, (1 << len(TERMS)) - 1))
def test_decisions_stand_for_every_combination_of_evidence(state: State, event: Event, actor: Actor, bits: int) -> None:
    """A decision that was not made by the proof is that with the same of what its way out reads."""
    read = mask(terms_read(way_out(LAW, state, event)))
    assert bool(LAW.decide(state, Evidence(bits), event, actor)) is enumerated()[state, event, actor, bits & read]


def test_combinations_are_every_subset() -> None:
    terms = (Fact.MOUNTED, Fact.LOCAL_INTERFACE_OFF, TERMS[-1])
    assert sorted(combinations(terms)) == sorted(
        mask(term for position, term in enumerate(terms) if number >> position & 1) for number in range(8)
    )
    assert list(combinations(())) == [0]


def test_requests_are_every_role_with_every_interface_function_and_credential() -> None:
    assert len(set(every_request())) == len(Role) * len(Interface) * len(Function) * len(Credential)


def test_watched_bits_tell_what_was_looked_at() -> None:
    bits = Watched(0b1010)
    assert bits & 0b0010 == 0b0010
    assert 0b0100 & bits == 0
    assert bits.seen == 0b0110
    looks: tuple[Callable[[int], object], ...] = (
        bool,
        hash,
        int,
        str,
        lambda number: number == 10,
        lambda number: number | 1,
        lambda number: number >> 1,
    )
    for look in looks:
        with pytest.raises(TypeError, match="through a mask only"):
            look(bits)


def test_what_the_claims_speak_of_is_in_the_law() -> None:
    assert not PHASES[END_OF_LIFE].exits
    assert leads_to(LAW, END_OF_LIFE) == frozenset()
    assert leads_to(LAW, State.DEVELOPMENT) == set(State) - {State.DEVELOPMENT}
    assert sorted(state for part in parts_of(LAW) for state in part) == sorted(State)
    for needed in NEEDED_TO_ENTER.values():
        assert needed <= set(FACTS)
