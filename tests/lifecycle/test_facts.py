"""The facts: each can be recorded by somebody, somewhere, in some order."""

from __future__ import annotations

import re

import pytest

from lifecycle.facts import FACTS, Fact
from lifecycle.functions import Interface
from lifecycle.phases import PHASES, TRANSITIONS
from lifecycle.roles import PARTICIPANTS, Role
from lifecycle.states import State


def test_facts_are_total() -> None:
    assert list(FACTS) == list(Fact)


@pytest.mark.parametrize("fact", Fact)
def test_each_fact_can_be_attested_somewhere(fact: Fact) -> None:
    description = FACTS[fact]
    assert description.recordable_in
    assert description.attested_by
    assert not description.attested_by & (PARTICIPANTS | {Role.KEEPER})
    assert description.text
    assert description.german


@pytest.mark.parametrize("fact", Fact)
def test_chapters_are_those_of_where_it_happens_and_what_it_is_for(fact: Fact) -> None:
    """A fact is spoken of where it can happen, or where it is a condition; every such place has its chapter."""
    description = FACTS[fact]
    cited = {int(number) for number in re.findall(r"\d+", description.chapter)}
    speaking = {PHASES[state].chapter for state in description.recordable_in}
    for source, way in TRANSITIONS:
        if any(fact in condition.reads for condition in (*way.conditions, *way.recommended)):
            speaking |= {PHASES[source].chapter, PHASES[way.to].chapter}
    assert cited <= speaking


@pytest.mark.parametrize("fact", Fact)
def test_what_comes_before_a_fact_can_have_happened(fact: Fact) -> None:
    """No circle of facts waiting for one another."""
    waiting, seen = list(FACTS[fact].after), set[Fact]()
    while waiting:
        earlier = waiting.pop()
        assert earlier is not fact
        if earlier not in seen:
            seen.add(earlier)
            waiting += FACTS[earlier].after
    assert not FACTS[fact].after & FACTS[fact].never_after


def test_only_what_cannot_happen_by_itself_is_attested_by_people() -> None:
    """What the module can attest, the gateway may say; a handing over never, for it takes two persons' signatures."""
    handing_over = [fact for fact in Fact if "HANDED_OVER" in fact or "TOOK_OVER" in fact]
    assert len(handing_over) == 6
    for fact in handing_over:
        assert len(FACTS[fact].attested_by) == 1
        assert Role.GATEWAY not in FACTS[fact].attested_by
    givers = {Fact.MSB_TOOK_OVER: Fact.GWH_HANDED_OVER, Fact.MONTEUR_TOOK_OVER: Fact.MSB_HANDED_OVER_TO_MONTEUR}
    givers[Fact.RECYCLER_TOOK_OVER] = Fact.MSB_HANDED_OVER_TO_RECYCLER
    for taken, given in givers.items():
        assert FACTS[taken].after == {given}
        assert FACTS[taken].attested_by != FACTS[given].attested_by


def test_only_the_gwa_terminates_the_module_and_revokes() -> None:
    """Ch. 11: a Servicetechniker cannot, not even on behalf of the GWA."""
    for fact in (Fact.MODULE_TERMINATED, Fact.EVERY_CERTIFICATE_REVOKED):
        assert FACTS[fact].attested_by == {Role.GWA}
    assert FACTS[Fact.EVERY_CERTIFICATE_REVOKED].recordable_in == {
        State.OPERATION,
        State.IRREVERSIBLE_FAULT,
        State.OUTAGE,
    }


def test_what_shuts_interfaces() -> None:
    shutting = {fact: description.shuts for fact, description in FACTS.items() if description.shuts}
    assert shutting == {Fact.LOCAL_INTERFACE_OFF: {Interface.LOCAL}, Fact.MODULE_TERMINATED: set(Interface)}
