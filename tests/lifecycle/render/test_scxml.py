"""The state chart: well-formed, closed in itself, and its guards are the law's."""

from __future__ import annotations

from itertools import product
from xml.etree import ElementTree as ET

import pytest

from lifecycle.evidence import TERMS, Evidence, Term, mask
from lifecycle.facts import FACTS, Fact
from lifecycle.law import LAW
from lifecycle.phases import PHASES
from lifecycle.proof.decisions import combinations, terms_read, way_out
from lifecycle.render.scxml import NAMESPACE, scxml
from lifecycle.roles import Actor, Role, principal_of
from lifecycle.states import Event, State

CHART = ET.fromstring(scxml())  # noqa: S314  our own text
TAG = f"{{{NAMESPACE}}}"


class _Data:
    def __init__(self, role: Role) -> None:
        self.role = role


class _Asked:
    def __init__(self, role: Role) -> None:
        self.data = _Data(role)


def value(condition: str, role: Role, bits: int) -> bool:
    """What an ECMAScript guard says: the few operators that occur mean in Python what they mean there."""
    python = condition.replace("&&", "and").replace("||", "or").replace("!", " not ")
    names: dict[str, object] = {str(term): bool(bits & mask([term])) for term in TERMS}
    return bool(eval(python, {**names, "_event": _Asked(role)}))  # noqa: S307  our own guard


def place(state: State) -> ET.Element:
    return next(element for element in CHART if element.get("id") == state)


def test_it_is_a_chart_of_all_states() -> None:
    assert CHART.tag == f"{TAG}scxml"
    assert (CHART.get("version"), CHART.get("datamodel"), CHART.get("initial")) == (
        "1.0",
        "ecmascript",
        "DEVELOPMENT",
    )
    datamodel, *places = list(CHART)
    assert [data.get("id") for data in datamodel] == list(TERMS)
    assert [element.get("id") for element in places] == list(State)
    final = [element.get("id") for element in places if element.tag == f"{TAG}final"]
    assert final == ["HARDWARE_SCRAPPING"]
    assert not list(place(State.HARDWARE_SCRAPPING))


def test_what_it_refers_to_is_there() -> None:
    for transition in CHART.iter(f"{TAG}transition"):
        assert transition.get("target") in {None, *State}
        for assign in transition:
            assert assign.tag == f"{TAG}assign"
            assert assign.get("location") in TERMS


@pytest.mark.parametrize("state", [state for state in State if PHASES[state].exits])
def test_guards_of_transitions_are_the_laws(state: State) -> None:
    charted = {element.get("event"): element for element in place(state) if element.get("target")}
    assert set(charted) == {way.event for way in PHASES[state].exits}
    for event, element in charted.items():
        assert event is not None
        way = way_out(LAW, state, Event(event))
        assert way is not None
        assert element.get("target") == way.to
        for bits, role in product(combinations(terms_read(way)), Role):
            who = Actor(role, on_behalf_of=principal_of(role))
            permitted = bool(LAW.decide(state, Evidence(bits), way.event, who))
            assert value(element.get("cond", ""), role, bits) is permitted


@pytest.mark.parametrize("fact", Fact)
def test_guards_of_facts_are_the_laws(fact: Fact) -> None:
    description = FACTS[fact]
    read: frozenset[Term] = description.after | description.never_after | {fact}
    for state in State:
        charted = [element for element in place(state) if element.get("event") == f"fact.{fact}"]
        assert bool(charted) is (state in description.recordable_in)
        for element, bits, role in product(charted, combinations(read), Role):
            who = Actor(role, on_behalf_of=principal_of(role))
            admitted = bool(LAW.admit_fact(state, Evidence(bits), fact, who))
            assert value(element.get("cond", ""), role, bits) is admitted
