"""L1 and P9: what the law looks at when it decides, and that a refusal changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from lifecycle.evidence import BIT, TERMS, Evidence
from lifecycle.law import Law, Move, Refused, Standing, Step, Unlawful, in_words
from lifecycle.machine import Life, LifecycleMachine
from lifecycle.proof.decisions import (
    ACTORS,
    STANDS_FOR,
    Cell,
    actors_of,
    combinations,
    looks_further,
    terms_read,
    way_out,
)
from lifecycle.proof.model import CounterExample, Outcome
from lifecycle.proof.space import Space
from lifecycle.roles import Actor
from lifecycle.states import Event, State


def no_decision_looks_further(space: Space) -> Outcome:
    """L1: no decision looks at a term of evidence that its way out does not read."""
    for cases, cell in enumerate(space.decisions, 1):
        further = looks_further(cell)
        if further:
            terms = ", ".join(term for term in TERMS if further & BIT[term])
            what = f"{cell.event} in {cell.state} looks at {terms}, which none of its conditions reads"
            return Outcome(cases, STANDS_FOR, CounterExample(what))
    return Outcome(len(space.decisions), STANDS_FOR)


def refusals_change_nothing(space: Space) -> Outcome:
    """P9: outside the table nothing moves, inside it nothing but what the table says; by law and by live machine."""
    cases = 0
    for cell in space.decisions:
        cases += 1
        what = _wrong_in(cell)
        if what:
            return Outcome(cases, STANDS_FOR, _with_path(space, cell, what))
    machine = LifecycleMachine(space.law)
    for standing, event, actor in _machine_cells(space.law):
        cases += 1
        what = machine_disagrees(space.law, machine, standing, event, actor)
        if what:
            return Outcome(cases, STANDS_FOR, CounterExample(what))
    for number, attempt in _attempts(space):
        cases += 1
        record, reached = space.lives.path(number), space.lives.standings[number]
        if not _leaves_record(space.law, record, attempt, reached):
            what = f"{attempt.attempt} in {reached.state} does not leave the record as it was"
            return Outcome(cases, STANDS_FOR, CounterExample(what, (*record, attempt), reached))
    return Outcome(cases, STANDS_FOR)


def _wrong_in(cell: Cell) -> str:
    if isinstance(cell.decision, Refused):
        return ""
    who = f"{cell.event} by {in_words(cell.actor)} in {cell.state}"
    if cell.way is None:
        return f"{who} leads to {cell.decision.target}; the table names no such transition"
    if (cell.decision.source, cell.decision.target) != (cell.state, cell.way.to):
        return f"{who} leads from {cell.decision.source} to {cell.decision.target}; the table says to {cell.way.to}"
    return ""


def _with_path(space: Space, cell: Cell, what: str) -> CounterExample:
    """The shortest lawful way to a standing where this very step goes wrong."""

    def fits(standing: Standing) -> bool:
        state, evidence = standing
        return state is cell.state and bool(space.law.decide(state, evidence, cell.event, cell.actor))

    nearest = space.counter_example(what, fits)
    if nearest.standing is None:
        return nearest
    return CounterExample(what, (*nearest.path, Move(cell.event, cell.actor)), nearest.standing)


def _machine_cells(law: Law) -> Iterator[tuple[Standing, Event, Actor]]:
    """Every (state, event, evidence), for each who may act there and for one who may not."""
    for state in law.phases:
        for event in Event:
            way = way_out(law, state, event)
            lawful = actors_of(way) if way is not None else ()
            stranger = next(actor for actor in ACTORS if actor not in lawful)
            for bits in combinations(terms_read(way)):
                for actor in (*lawful, stranger):
                    yield Standing(state, Evidence(bits)), event, actor


def machine_disagrees(law: Law, machine: LifecycleMachine, standing: Standing, event: Event, actor: Actor) -> str:
    """Where the live machine does something else than the law says, in words; empty where they agree."""
    life = Life(*standing)
    decision = law.decide(*standing, event, actor)
    try:
        permitted = machine.fire(life, event, actor)
    except Unlawful as unlawful:
        agree = unlawful.refused == decision and Standing(life.state, life.evidence) == standing
    except (AssertionError, KeyError):
        agree = False
    else:
        agree = permitted == decision and life.state is permitted.target and life.evidence == standing.evidence
    return "" if agree else f"machine and law disagree on {event} by {in_words(actor)} in {standing.state}"


def _attempts(space: Space) -> Iterator[tuple[int, Move]]:
    """In the first standing of each state that a life comes to, every event that is refused to the first who asks."""
    seen: set[State] = set()
    for number, (state, evidence) in enumerate(space.lives.standings):
        if state in seen:
            continue
        seen.add(state)
        for event in Event:
            way = way_out(space.law, state, event)
            actor = actors_of(way)[0] if way is not None else ACTORS[0]
            if not space.law.decide(state, evidence, event, actor):
                yield number, Move(event, actor)


def _leaves_record(law: Law, record: tuple[Step, ...], attempt: Move, standing: Standing) -> bool:
    """Whether an attempt is refused, and the record folds to the same standing before and after it."""
    try:
        law.fold((*record, attempt))
    except Unlawful as unlawful:
        return unlawful.state is standing.state and law.fold(record) == standing
    return False
