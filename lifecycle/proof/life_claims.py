"""P1, P2, P3, P5 and P10: claims about whole lives, over every standing that lawful steps lead to."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from lifecycle.claims import (
    BEGINNING_OF_LIFE,
    END_OF_LIFE,
    MAY_ALTERNATE,
    NEEDED_TO_ENTER,
    SCRAPPING_NEEDS_ONE_OF,
    parts_of,
)
from lifecycle.law import Law, Standing, Step, Unlawful
from lifecycle.machine import Life, LifecycleMachine
from lifecycle.proof.lives import Lives, leads_to
from lifecycle.proof.model import CounterExample, Outcome
from lifecycle.proof.space import Space
from lifecycle.states import State


def every_state_reached_and_left(space: Space) -> Outcome:
    """P1: every state is reached; from every standing the end is; only the end has no way out."""
    lives = space.lives
    extent = lives.extent
    cases = 0
    if lives.standings[0].state is not BEGINNING_OF_LIFE:
        what = f"a life begins in {lives.standings[0].state}, not in {BEGINNING_OF_LIFE}"
        return Outcome(cases, extent, CounterExample(what))
    reached = {standing.state for standing in lives.standings}
    for state in State:
        cases += 1
        if state not in reached:
            return Outcome(cases, extent, CounterExample(f"no lawful life reaches {state}"))
    ends = {cell.state for cell in space.decisions} - {cell.state for cell in space.decisions if cell.decision}
    for state in State:
        cases += 1
        if (state in ends) is not (state is END_OF_LIFE):
            what = f"{state} has no way out" if state in ends else f"{state} is final and has a way out"
            return Outcome(cases, extent, space.counter_example(what, partial(_is_in, state)))
    leading_to_end = _leading_to(lives, END_OF_LIFE)
    for number, standing in enumerate(lives.standings):
        cases += 1
        if number not in leading_to_end:
            what = f"from here on, {standing.state} with this on record, no lawful step ever leads to {END_OF_LIFE}"
            return Outcome(cases, extent, CounterExample(what, lives.path(number), standing))
    return Outcome(cases, extent)


def _is_in(state: State, standing: Standing) -> bool:
    return standing.state is state


def _leading_to(lives: Lives, target: State) -> set[int]:
    """The standings from which some lawful life comes to a state."""
    before: list[list[int]] = [[] for _ in lives.standings]
    for number, onward in enumerate(lives.steps):
        for _, reached in onward:
            before[reached].append(number)
    found = {number for number, standing in enumerate(lives.standings) if standing.state is target}
    waiting = list(found)
    while waiting:
        for number in before[waiting.pop()]:
            if number not in found:
                found.add(number)
                waiting.append(number)
    return found


def nothing_returns(space: Space) -> Outcome:
    """P2: the table leads back nowhere, and no life is twice in one chapter, save what may alternate."""
    lives, law = space.lives, space.law
    cases = 0
    onward = {state: leads_to(law, state) for state in law.phases}
    for one in law.phases:
        for other in law.phases:
            cases += 1
            if other in onward[one] and one in onward[other] and not {one, other} <= MAY_ALTERNATE:
                what = f"the table leads from {one} to {other} and back"
                return Outcome(cases, lives.extent, CounterExample(what))
    for part in parts_of(law):
        examined, path = _returning(lives, part)
        cases += examined
        if path:
            names = " or ".join(sorted(part))
            what = f"a life returns to {names}, which it had left"
            return Outcome(cases, lives.extent, CounterExample(what, path, law.fold(path)))
    return Outcome(cases, lives.extent)


def _returning(lives: Lives, part: frozenset[State]) -> tuple[int, tuple[Step, ...]]:
    """How many steps were followed, and the shortest path that leaves a part and returns to it; empty if none does."""
    start = (0, False)
    parents: dict[tuple[int, bool], tuple[tuple[int, bool], Step] | None] = {start: None}
    waiting = [start]
    examined = 0
    for place in waiting:
        number, left = place
        inside = lives.standings[number].state in part
        for step, reached in lives.steps[number]:
            examined += 1
            inside_now = lives.standings[reached].state in part
            if left and inside_now:
                return examined, (*_way_to(parents, place), step)
            onward = (reached, left or (inside and not inside_now))
            if onward not in parents:
                parents[onward] = (place, step)
                waiting.append(onward)
    return examined, ()


def _way_to(
    parents: dict[tuple[int, bool], tuple[tuple[int, bool], Step] | None], place: tuple[int, bool]
) -> tuple[Step, ...]:
    steps: list[Step] = []
    while (parent := parents[place]) is not None:
        place, step = parent
        steps.append(step)
    return tuple(reversed(steps))


def entered_with_certificates_only(space: Space) -> Outcome:
    """P3: what must be in the module when a state is entered is."""
    lives = space.lives
    cases = 0
    for number, step, reached in lives.moves:
        cases += 1
        state, evidence = lives.standings[reached]
        missing = sorted(fact for fact in NEEDED_TO_ENTER.get(state, ()) if fact not in evidence)
        if missing:
            what = f"{state} is entered without {' and '.join(missing)}"
            path = (*lives.path(number), step)
            return Outcome(cases, lives.extent, CounterExample(what, path, lives.standings[reached]))
    return Outcome(cases, lives.extent)


def scrapped_with_revocation_or_destruction_only(space: Space) -> Outcome:
    """P5: wherever a life ends, its certificates are revoked or its module is destroyed."""
    lives = space.lives
    for cases, (number, step, reached) in enumerate(lives.moves, 1):
        state, evidence = lives.standings[reached]
        if state is END_OF_LIFE and not any(fact in evidence for fact in SCRAPPING_NEEDS_ONE_OF):
            what = f"{state} is reached with neither {' nor '.join(sorted(SCRAPPING_NEEDS_ONE_OF))}"
            path = (*lives.path(number), step)
            return Outcome(cases, lives.extent, CounterExample(what, path, lives.standings[reached]))
    return Outcome(sum(1 for _ in lives.moves), lives.extent)


def records_fold_to_what_is_stored(space: Space) -> Outcome:
    """P10: the record of every life folds to its standing, which is where the live machine moved it."""
    lives, law = space.lives, space.law
    machine = LifecycleMachine(law)
    cases = 0
    for number, standing in enumerate(lives.standings):
        cases += 1
        record = lives.path(number)
        what = _folds_wrongly(law, record, standing)
        if what:
            return Outcome(cases, lives.extent, CounterExample(what, record, standing))
    for number, step, reached in lives.moves:
        cases += 1
        life = Life(*lives.standings[number])
        machine.fire(life, step.event, step.actor)
        if (life.state, life.evidence) != lives.standings[reached]:
            what = f"the live machine moved it to {life.state}"
            path = (*lives.path(number), step)
            return Outcome(cases, lives.extent, CounterExample(what, path, lives.standings[reached]))
    return Outcome(cases, lives.extent)


def _folds_wrongly(law: Law, record: Sequence[Step], standing: Standing) -> str:
    try:
        folded = law.fold(record)
    except Unlawful as unlawful:
        return f"a lawful record does not fold: {unlawful}"
    if folded == standing:
        return ""
    return f"the record folds to {folded.state} with {len(folded.evidence.faults)} open faults, not to what is stored"
