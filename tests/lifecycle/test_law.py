"""The law: what it permits, what it refuses and why, and that a refusal changes nothing."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.evidence import BIT, NOTHING, TERMS, Condition, Evidence, OpenFault
from lifecycle.facts import FACTS, Fact
from lifecycle.faults import FAULTS
from lifecycle.law import (
    BEGINNING,
    LAW,
    MAY_CHANGE_FAULTS,
    Law,
    Permitted,
    Reason,
    Refused,
    Standing,
    Step,
    Unlawful,
    decide,
    fold,
)
from lifecycle.phases import PHASES, TRANSITIONS, Advice, Exit, Transition
from lifecycle.roles import Actor, Role, may_act_for
from lifecycle.states import Event, State
from tests.lifecycle.laws import (
    DESTROYED,
    SCRAPPED,
    TO_OPERATION,
    TO_OPERATION_MODULE_FIRST,
    actor,
    attest,
    move,
    report,
    restore,
    with_way,
)

EVIDENCE = st.integers(0, (1 << len(TERMS)) - 1).map(Evidence)
ACTORS = st.builds(Actor, st.sampled_from(Role), st.just("somebody"), st.none() | st.sampled_from(Role))


def enough(way: Exit) -> Evidence:
    """The least evidence with which a way out is open."""
    terms = {term for condition in way.conditions for term in condition.all_of}
    return Evidence.of(*terms, *(min(condition.any_of) for condition in way.conditions if condition.any_of))


def way_out(state: State, event: Event) -> Exit | None:
    return next((way for way in PHASES[state].exits if way.event is event), None)


@pytest.mark.parametrize("transition", TRANSITIONS, ids=lambda transition: str(transition.exit.number))
def test_each_way_is_open_to_who_may_take_it(transition: Transition) -> None:
    source, way = transition
    for role in way.actors:
        decision = decide(source, enough(way), way.event, actor(role))
        assert isinstance(decision, Permitted)
        assert (decision.source, decision.target, decision.way) == (source, way.to, way)
        assert decision.advice is way.advice


@pytest.mark.parametrize("transition", TRANSITIONS, ids=lambda transition: str(transition.exit.number))
def test_each_missing_term_is_a_reason_with_condition_finding_and_chapter(transition: Transition) -> None:
    source, way = transition
    who = actor(way.actors[0])
    for condition in way.conditions:
        for term in condition.all_of:
            lacking = Evidence(enough(way).bits & ~BIT[term])
            decision = decide(source, lacking, way.event, who)
            assert isinstance(decision, Refused)
            assert not decision
            assert [reason.condition for reason in decision.reasons] == [condition.id]
            assert decision.reasons[0] == Reason(
                condition.id, condition.text, f"not on record: {term}", condition.chapter
            )


@given(st.sampled_from(State), EVIDENCE, st.sampled_from(Event), ACTORS)
def test_the_law_answers_everything_and_as_its_conditions_read(
    state: State, evidence: Evidence, event: Event, who: Actor
) -> None:
    """Total, and the compiled rules say what the conditions say one by one."""
    decision = decide(state, evidence, event, who)
    way = way_out(state, event)
    if way is None:
        assert isinstance(decision, Refused)
        assert [reason.condition for reason in decision.reasons] == ["way-out-named"]
        assert decision.reasons[0].chapter == str(PHASES[state].chapter)
        return
    expected = [] if who.role in way.actors and may_act_for(who.role, who.on_behalf_of) else ["acting-role"]
    expected += [condition.id for condition in way.conditions if not condition.holds(evidence.bits)]
    if isinstance(decision, Refused):
        assert [reason.condition for reason in decision.reasons] == expected
        assert all(reason.needed and reason.found and reason.chapter for reason in decision.reasons)
    else:
        assert expected == []
        assert decision.target is way.to
        held = tuple(condition.id for condition in way.recommended if condition.holds(evidence.bits))
        assert (decision.met, len(decision.met) + len(decision.unmet)) == (held, len(way.recommended))


STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(move, st.sampled_from(Event), st.sampled_from(Role)),
    st.builds(attest, st.sampled_from(Fact), st.sampled_from(Role)),
    st.builds(report, st.sampled_from(sorted(FAULTS)), st.sampled_from(["", "anna"])),
    st.builds(restore, st.sampled_from(sorted(name for name in FAULTS if FAULTS[name].cleared_by))),
)


@given(st.lists(STEPS, max_size=12), st.sampled_from([(), TO_OPERATION]))
def test_a_refusal_leaves_everything_as_it_was(steps: list[Step], before: tuple[Step, ...]) -> None:
    standing = fold(before)
    for step in steps:
        copy = Standing(standing.state, Evidence(standing.evidence.bits, standing.evidence.faults))
        refused: Unlawful | None = None
        try:
            standing = LAW.advance(standing, step)
        except Unlawful as unlawful:
            refused = unlawful
        if refused is not None:
            assert standing == copy
            assert (refused.state, refused.attempt) == (standing.state, step.attempt)
            assert str(refused).startswith(f"{step.attempt} in {standing.state} is refused: ")


@pytest.mark.parametrize(
    "to_operation", [TO_OPERATION, TO_OPERATION_MODULE_FIRST], ids=["integrated first", "module first"]
)
@pytest.mark.parametrize("to_the_end", [SCRAPPED, DESTROYED], ids=["scrapped", "module destroyed"])
def test_whole_lives(to_operation: tuple[Step, ...], to_the_end: tuple[Step, ...]) -> None:
    assert fold(to_operation).state is State.OPERATION
    assert fold(to_operation + to_the_end).state is State.HARDWARE_SCRAPPING


def test_each_step_of_a_life_is_needed() -> None:
    """Leave out one step before OPERATION and the life does not come to OPERATION any more."""
    for left_out in range(len(TO_OPERATION) - 1):
        with pytest.raises(Unlawful):
            fold(TO_OPERATION[:left_out] + TO_OPERATION[left_out + 1 :])
    assert fold(TO_OPERATION[:-1]).state is State.PERSONALISATION


def test_vorpersonalisierung_1_is_not_done_twice() -> None:
    """With seal certificates in the module already, INTEGRATION leads on and not back into chapter 4."""
    before = TO_OPERATION_MODULE_FIRST[:9]
    assert fold(before).state is State.INTEGRATION
    with pytest.raises(Unlawful, match=r"no-seal-certificates-yet \(ch. 4\)"):
        fold((*before, move(Event.BEGIN_PREPERSONALISATION_1, Role.GWH)))


def test_a_fold_ends_at_the_first_unlawful_step() -> None:
    with pytest.raises(Unlawful, match=r"SCRAP_HARDWARE by RECYCLER for MSB in DEVELOPMENT") as raised:
        fold([move(Event.SCRAP_HARDWARE, Role.RECYCLER), *TO_OPERATION])
    assert raised.value.state is State.DEVELOPMENT
    assert fold(()) == BEGINNING


def test_who_acts_for_whom_is_part_of_who_acts() -> None:
    evidence = Evidence.of(Fact.EVERY_CERTIFICATE_REVOKED)
    for principal in (None, *Role):
        who = Actor(Role.MONTEUR, on_behalf_of=principal)
        assert bool(decide(State.OPERATION, evidence, Event.REMOVE_FOR_SCRAPPING, who)) is (principal is Role.MSB)
    handed_over = Evidence.of(Fact.GWH_HANDED_OVER, Fact.MSB_TOOK_OVER)
    for principal in (None, *Role):
        who = Actor(Role.MSB, on_behalf_of=principal)
        # A service provider acts in the MSB's name (ch. 8); nobody else's.
        permitted = decide(State.DELIVERY_TO_MSB, handed_over, Event.BEGIN_FIRST_DELIVERY, who)
        assert bool(permitted) is (principal in (None, Role.MSB))


def test_a_name_and_a_certificate_do_not_matter_to_the_law() -> None:
    evidence = Evidence.of(Fact.DEVELOPMENT_COMPLETE)
    anybody = decide(State.DEVELOPMENT, evidence, Event.BEGIN_PRODUCTION, Actor(Role.GWH))
    somebody = decide(State.DEVELOPMENT, evidence, Event.BEGIN_PRODUCTION, Actor(Role.GWH, "Line 3", None, "ab" * 32))
    assert anybody == somebody


def test_what_is_recommended_is_told_and_never_demanded() -> None:
    revoked = Evidence.of(Fact.EVERY_CERTIFICATE_REVOKED)
    terminated = revoked.with_fact(Fact.MODULE_TERMINATED)
    monteur = actor(Role.MONTEUR)
    for state in (State.OPERATION, State.IRREVERSIBLE_FAULT):
        without = decide(state, revoked, Event.REMOVE_FOR_SCRAPPING, monteur)
        done = decide(state, terminated, Event.REMOVE_FOR_SCRAPPING, monteur)
        assert isinstance(without, Permitted)
        assert isinstance(done, Permitted)
        assert (without.met, without.unmet) == ((), ("module-terminated",))
        assert (done.met, done.unmet) == (("module-terminated",), ())
    direct = decide(State.OUTAGE, revoked, Event.REMOVE_FOR_SCRAPPING, monteur)
    over_destruction = decide(State.OUTAGE, revoked, Event.REMOVE_FOR_SM_DESTRUCTION, monteur)
    assert isinstance(direct, Permitted)
    assert isinstance(over_destruction, Permitted)
    assert direct.advice is Advice.NOT_RECOMMENDED
    assert over_destruction.advice is Advice.RECOMMENDED


def test_a_way_that_contradicts_itself_is_open_to_nobody() -> None:
    contradiction = Condition("never", "x and not x", "0", frozenset({Fact.MOUNTED}), none_of=frozenset({Fact.MOUNTED}))
    law = with_way(12, conditions=(contradiction,))
    for evidence in (NOTHING, Evidence.of(Fact.MOUNTED), Evidence.of(*TERMS)):
        assert not law.decide(State.PERSONALISATION, evidence, Event.BEGIN_OPERATION, Actor(Role.GWA))


@pytest.mark.parametrize("fact", Fact)
def test_a_fact_is_recorded_by_whom_where_when_and_once(fact: Fact) -> None:
    description = FACTS[fact]
    evidence = Evidence.of(*description.after)
    for state, who in product(State, map(actor, Role)):
        decision = LAW.admit_fact(state, evidence, fact, who)
        right = state in description.recordable_in, who.role in description.attested_by
        assert bool(decision) is all(right)
        if isinstance(decision, Refused):
            wrong = [name for name, fine in zip(("fact-in-its-state", "acting-role"), right, strict=True) if not fine]
            assert [reason.condition for reason in decision.reasons] == wrong
    state, who = min(description.recordable_in), actor(min(description.attested_by))
    again = LAW.admit_fact(state, evidence.with_fact(fact), fact, who)
    assert isinstance(again, Refused)
    assert "fact-once" in {reason.condition for reason in again.reasons}
    for earlier in description.after:
        too_early = LAW.admit_fact(state, Evidence(evidence.bits & ~BIT[earlier]), fact, who)
        assert isinstance(too_early, Refused)
        assert str(earlier) in str(too_early)
    for later in description.never_after:
        assert not LAW.admit_fact(state, evidence.with_fact(later), fact, who)


def test_a_fact_is_refused_to_who_acts_for_the_wrong_principal() -> None:
    decision = LAW.admit_fact(
        State.FIRST_INSTALLATION, NOTHING, Fact.MOUNTED, Actor(Role.MONTEUR, on_behalf_of=Role.GWA)
    )
    assert isinstance(decision, Refused)
    assert str(decision) == "acting-role (ch. 9, 10): needs MONTEUR for MSB; found MONTEUR for GWA"


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_reported_and_cleared_by_whom_and_where(name: str) -> None:
    fault = FAULTS[name]
    opened = OpenFault(name, "anna" if fault.per_subject else "")
    open_now = NOTHING.with_fault(opened)
    for state, who in product(State, map(actor, Role)):
        works = state in MAY_CHANGE_FAULTS
        reported, again = (LAW.admit_fault(state, evidence, opened, who) for evidence in (NOTHING, open_now))
        cleared, early = (LAW.admit_restored(state, evidence, opened, who) for evidence in (open_now, NOTHING))
        assert bool(reported) is (works and who.role in fault.reported_by)
        assert bool(cleared) is (works and who.role in fault.cleared_by)
        assert not again
        assert not early
        for decision in (reported, cleared, again, early):
            assert isinstance(decision, Permitted) or decision.reasons


def test_a_fault_names_its_subject_just_where_it_has_one() -> None:
    for name, fault in FAULTS.items():
        wrong = OpenFault(name, "" if fault.per_subject else "anna")
        decision = LAW.admit_fault(State.OPERATION, NOTHING, wrong, actor(min(fault.reported_by)))
        assert isinstance(decision, Refused)
        assert [reason.condition for reason in decision.reasons] == ["fault-subject"]


@pytest.mark.parametrize("ask", [LAW.admit_fault, LAW.admit_restored])
def test_a_fault_that_nobody_knows_is_refused(ask: object) -> None:
    assert callable(ask)
    decision = ask(State.OPERATION, NOTHING, OpenFault("nix"), Actor(Role.GWA))
    assert isinstance(decision, Refused)
    assert [reason.condition for reason in decision.reasons] == ["fault-known"]


def test_through_a_reversible_fault_and_back() -> None:
    life = (*TO_OPERATION, report("consumer-log-full", "anna"), move(Event.ENTER_REVERSIBLE_FAULT, Role.GATEWAY))
    assert fold(life).state is State.REVERSIBLE_FAULT
    back = move(Event.RESTORE_OPERATION, Role.GWA)
    with pytest.raises(Unlawful, match=r"no-open-fault \(ch. 11, 15\)"):
        fold((*life, back))
    assert fold((*life, restore("consumer-log-full", "anna"), back)).state is State.OPERATION


def test_a_fault_that_hides_another_does_not_lead_back() -> None:
    """A connection fault is cleared on site, and what is found there is irreversible (ch. 16)."""
    life = (
        *TO_OPERATION,
        report("connection-fault"),
        move(Event.ENTER_REVERSIBLE_FAULT, Role.GWA),
        report("calibration-log-full"),
        restore("connection-fault"),
    )
    with pytest.raises(Unlawful):
        fold((*life, move(Event.RESTORE_OPERATION, Role.GWA)))
    assert fold((*life, move(Event.ENTER_IRREVERSIBLE_FAULT, Role.GWA))).state is State.IRREVERSIBLE_FAULT


def test_the_law_can_be_made_of_other_phases() -> None:
    law: Law = with_way(12, conditions=())
    assert law.decide(State.PERSONALISATION, NOTHING, Event.BEGIN_OPERATION, Actor(Role.GWA))
    assert not decide(State.PERSONALISATION, NOTHING, Event.BEGIN_OPERATION, Actor(Role.GWA))
