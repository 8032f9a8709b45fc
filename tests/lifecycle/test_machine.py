"""The live machine: the law's own transitions, guarded by the law, and no second table."""

from __future__ import annotations

import pytest

from lifecycle.evidence import NOTHING, Evidence
from lifecycle.facts import Fact
from lifecycle.law import LAW, Attest, Move, Permitted, Standing, Unlawful, decide
from lifecycle.machine import Life, LifecycleMachine
from lifecycle.phases import PHASES, TRANSITIONS, Advice
from lifecycle.proof.decision_claims import machine_disagrees
from lifecycle.proof.decisions import ACTORS, actors_of, combinations, terms_read, way_out
from lifecycle.roles import Actor, Role
from lifecycle.states import Event, State
from tests.lifecycle.laws import SCRAPPED, TO_OPERATION, actor

MACHINE = LifecycleMachine()


@pytest.mark.parametrize("state", State)
def test_machine_and_law_agree_on_every_cell(state: State) -> None:
    """Every event, with every combination of what the ways out of the state read, for who may and for a stranger."""
    read = frozenset(term for way in PHASES[state].exits for term in terms_read(way))
    for event in Event:
        way = way_out(LAW, state, event)
        lawful = actors_of(way) if way is not None else ()
        stranger = next(actor for actor in ACTORS if actor not in lawful)
        for bits in combinations(read):
            for who in (*lawful, stranger):
                assert machine_disagrees(LAW, MACHINE, Standing(state, Evidence(bits)), event, who) == ""


def test_the_machine_has_the_transitions_of_the_law_and_no_others() -> None:
    found = {
        (transition.source, name, transition.dest)
        for name, event in MACHINE.machine.events.items()
        for transitions in event.transitions.values()
        for transition in transitions
    }
    assert found == {(source, way.event, way.to) for source, way in TRANSITIONS}
    assert list(MACHINE.machine.states) == list(State)


def test_a_refused_attempt_leaves_the_life_as_it_was() -> None:
    life = Life()
    with pytest.raises(
        Unlawful, match="BEGIN_PRODUCTION by GWH in DEVELOPMENT is refused: development-complete"
    ) as raised:
        MACHINE.fire(life, Event.BEGIN_PRODUCTION, Actor(Role.GWH))
    assert (life.state, life.evidence) == (State.DEVELOPMENT, NOTHING)
    assert raised.value.refused == decide(State.DEVELOPMENT, NOTHING, Event.BEGIN_PRODUCTION, Actor(Role.GWH))
    with pytest.raises(Unlawful, match="way-out-named"):
        MACHINE.fire(life, Event.SCRAP_HARDWARE, actor(Role.RECYCLER))
    assert (life.state, life.evidence) == (State.DEVELOPMENT, NOTHING)


def test_firing_gives_the_permission_that_is_to_be_recorded() -> None:
    life = Life(State.OUTAGE, Evidence.of(Fact.EVERY_CERTIFICATE_REVOKED))
    permitted = MACHINE.fire(life, Event.REMOVE_FOR_SCRAPPING, actor(Role.MONTEUR))
    assert isinstance(permitted, Permitted)
    assert permitted.advice is Advice.NOT_RECOMMENDED
    assert life.state is State.REMOVAL_FOR_SCRAPPING


def test_a_whole_life_by_the_machine_and_by_the_law() -> None:
    life = Life()
    standing = Standing(life.state, life.evidence)
    for step in (*TO_OPERATION, *SCRAPPED):
        standing = LAW.advance(standing, step)
        if isinstance(step, Move):
            MACHINE.fire(life, step.event, step.actor)
        else:
            assert isinstance(step, Attest)
            life.evidence = life.evidence.with_fact(step.fact)
        assert (life.state, life.evidence) == standing
        assert isinstance(life.state, State)


def test_one_machine_moves_many_lives() -> None:
    lives = [Life(State.DEVELOPMENT, Evidence.of(Fact.DEVELOPMENT_COMPLETE)) for _ in range(3)]
    MACHINE.fire(lives[1], Event.BEGIN_PRODUCTION, Actor(Role.GWH))
    assert [life.state for life in lives] == [State.DEVELOPMENT, State.PRODUCTION, State.DEVELOPMENT]
