"""Guards in other notations: they say what the conditions say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.evidence import TERMS, Term, mask
from lifecycle.facts import FACTS, Fact
from lifecycle.law import LAW
from lifecycle.phases import TRANSITIONS, Transition
from lifecycle.render.expressions import Syntax, clearable_kinds, in_order, reported_kinds

PYTHON = Syntax(both=" and ", either=" or ", present="{}", missing="(not {})", always="True", never="False")

TERM_SETS = st.frozensets(st.sampled_from(TERMS))


def value(expression: str, terms: frozenset[Term]) -> bool:
    """What a guard in Python's notation says of some evidence."""
    return bool(eval(expression, {str(term): term in terms for term in TERMS}))  # noqa: S307  our own guard


@pytest.mark.parametrize("transition", TRANSITIONS, ids=lambda transition: str(transition.exit.number))
@given(terms=TERM_SETS)
def test_a_guard_says_what_the_conditions_say(transition: Transition, terms: frozenset[Term]) -> None:
    conditions = transition.exit.conditions
    assert value(PYTHON.guard(conditions), terms) is all(condition.holds(mask(terms)) for condition in conditions)


@given(st.sampled_from(Fact), TERM_SETS)
def test_what_must_be_before_a_fact(fact: Fact, terms: frozenset[Term]) -> None:
    description = FACTS[fact]
    expected = description.after <= terms and not description.never_after & terms
    assert value(PYTHON.recordable(description), terms) is expected


def test_parts_are_joined_and_bracketed() -> None:
    assert PYTHON.all([]) == "True"
    assert PYTHON.all(["a", "True", "b", "a"]) == "a and b"
    assert PYTHON.any([]) == "False"
    assert PYTHON.any(["a"]) == "a"
    assert PYTHON.any(["a", "b and c", "a"]) == "(a or (b and c))"


def test_terms_come_in_the_order_of_their_bits() -> None:
    assert in_order(frozenset(TERMS)) == list(TERMS)


def test_kinds_of_open_fault() -> None:
    assert set(clearable_kinds(LAW)) < set(reported_kinds(LAW))
    assert len(reported_kinds(LAW)) == 3
