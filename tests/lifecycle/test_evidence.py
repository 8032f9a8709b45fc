"""Evidence and conditions: masks that say what the words say."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.evidence import (
    BIT,
    FAULT_KIND_OF,
    NOTHING,
    TERMS,
    Condition,
    Evidence,
    OpenFault,
    OpenFaultKind,
    Term,
    mask,
)
from lifecycle.facts import Fact
from lifecycle.faults import FAULT_STATES, FAULTS
from lifecycle.phases import TRANSITIONS

CONDITIONS = {condition.id: condition for _, way in TRANSITIONS for condition in (*way.conditions, *way.recommended)}
TERM_SETS = st.frozensets(st.sampled_from(TERMS))
OPEN_FAULTS = st.sampled_from(sorted(FAULTS)).map(
    lambda name: OpenFault(name, "anna" if FAULTS[name].per_subject else "")
)


def test_every_term_has_its_own_bit() -> None:
    assert set(TERMS) == {*Fact, *OpenFaultKind}
    assert sorted(BIT.values()) == [1 << position for position in range(len(TERMS))]
    assert mask(TERMS) == (1 << len(TERMS)) - 1
    assert mask(()) == 0


@given(TERM_SETS)
def test_evidence_holds_what_it_was_made_of(terms: frozenset[Term]) -> None:
    evidence = Evidence.of(*terms)
    assert {term for term in TERMS if term in evidence} == terms
    assert evidence.facts == terms & set(Fact)


@given(st.frozensets(st.sampled_from(Fact)), st.lists(OPEN_FAULTS, max_size=5), OPEN_FAULTS)
def test_open_faults_say_which_kinds_are_open(
    facts: frozenset[Fact], faults: list[OpenFault], another: OpenFault
) -> None:
    evidence = Evidence.of(*facts)
    for fault in faults:
        evidence = evidence.with_fault(fault)
    assert evidence.faults == tuple(sorted(set(faults)))
    assert evidence.facts == facts
    kinds = {kind for kind in OpenFaultKind if kind in evidence}
    assert kinds == {FAULT_KIND_OF[FAULTS[fault.name].leads_to] for fault in faults}
    if another not in faults:
        assert evidence.with_fault(another).without_fault(another) == evidence
    assert evidence.with_fault(another).with_fault(another) == evidence.with_fault(another)


def test_a_kind_stays_open_until_its_last_fault_is_closed() -> None:
    anna, bert = OpenFault("consumer-log-full", "anna"), OpenFault("consumer-log-full", "bert")
    both = NOTHING.with_fault(anna).with_fault(bert)
    assert OpenFaultKind.REVERSIBLE_FAULT_OPEN in both.without_fault(anna)
    assert both.without_fault(anna).without_fault(bert) == NOTHING


def test_a_fault_that_the_catalogue_does_not_know_cannot_be_opened() -> None:
    with pytest.raises(KeyError):
        NOTHING.with_fault(OpenFault("nix"))


def test_each_kind_justifies_one_phase() -> None:
    assert list(FAULT_KIND_OF) == list(FAULT_STATES)
    assert set(FAULT_KIND_OF.values()) == set(OpenFaultKind)


@given(st.sampled_from(sorted(CONDITIONS)), TERM_SETS)
def test_a_condition_holds_as_its_sets_read(name: str, terms: frozenset[Term]) -> None:
    condition = CONDITIONS[name]
    expected = condition.all_of <= terms and not condition.none_of & terms
    if condition.any_of:
        expected = expected and bool(condition.any_of & terms)
    bits = mask(terms)
    assert condition.holds(bits) is expected
    assert (condition.found(bits) == "") is expected


@given(TERM_SETS, TERM_SETS, TERM_SETS, TERM_SETS, TERM_SETS)
def test_what_a_condition_does_not_read_does_not_matter(
    all_of: frozenset[Term],
    any_of: frozenset[Term],
    none_of: frozenset[Term],
    terms: frozenset[Term],
    others: frozenset[Term],
) -> None:
    condition = Condition("c", "c", "0", all_of, any_of, none_of)
    unread = others - condition.reads
    assert (
        condition.holds(mask(terms)) is condition.holds(mask(terms | unread)) is condition.holds(mask(terms - unread))
    )


def test_what_was_found_names_what_is_missing_and_what_is_too_much() -> None:
    condition = Condition(
        "c",
        "c",
        "0",
        frozenset({Fact.MOUNTED}),
        frozenset({Fact.COMMUNICATION_PARAMETERS_SET, Fact.COMMUNICATION_PARAMETERS_NOT_NEEDED}),
        frozenset({Fact.MODULE_TERMINATED}),
    )
    assert condition.found(mask([Fact.MODULE_TERMINATED])) == (
        "not on record: MOUNTED; none on record of: COMMUNICATION_PARAMETERS_SET, COMMUNICATION_PARAMETERS_NOT_NEEDED; "
        "on record: MODULE_TERMINATED"
    )


def test_conditions_have_distinct_names() -> None:
    used = [condition for _, way in TRANSITIONS for condition in (*way.conditions, *way.recommended)]
    assert all(one is other or one.id != other.id for one, other in combinations(used, 2))
