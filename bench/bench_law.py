"""The law and the gate: one decision, beside the barest thing that could give an answer at all.

Each ratio is taken in one test, in turns and the best of many, so that a busy machine slows both sides alike.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from transitions import Machine

from lifecycle.evidence import Condition, Evidence
from lifecycle.gate import Gate
from lifecycle.law import LAW
from lifecycle.machine import Life
from lifecycle.phases import PHASES, TRANSITIONS, Exit, Grant
from lifecycle.roles import Actor, may_act_for, principal_of
from lifecycle.states import State

TURNS = 40
REPEAT = 200


def best_of(one: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    """The shortest time of each of two, measured in turns, in seconds a call."""
    shortest = [float("inf"), float("inf")]
    for _ in range(TURNS):
        for side, work in enumerate((one, other)):
            begun = perf_counter()
            for _ in range(REPEAT):
                work()
            shortest[side] = min(shortest[side], (perf_counter() - begun) / REPEAT)
    return shortest[0], shortest[1]


def keep(benchmark: BenchmarkFixture, ratio: float, limit: str, meets: bool, what: str) -> None:
    """Put the figures where the table at the end finds them."""
    benchmark.extra_info.update({"ratio": ratio, "limit": limit, "meets": meets, "what": what})


@pytest.mark.benchmark(group="law")
def bench_gate_beside_a_dict(benchmark: BenchmarkFixture) -> None:
    """What the gate costs beyond looking the same request up in a dict."""
    gate = Gate(State.OPERATION, Evidence())
    requests = tuple(PHASES[State.OPERATION].grants)
    table: dict[Grant, object] = dict(gate.opened)

    def ask() -> None:
        for request in requests:
            gate.ask(request)

    def look_up() -> None:
        for request in requests:
            table[request]

    benchmark(ask)
    asked, looked_up = best_of(ask, look_up)
    ratio = asked / looked_up
    keep(benchmark, ratio, "<= 3", ratio <= 3, "a gate decision against a dict lookup with the same key")
    benchmark.extra_info["decisions a second"] = round(len(requests) / asked)


def _holds(condition: Condition) -> Callable[[Any], bool]:
    return lambda event: condition.holds(event.model.evidence.bits)


def _may(way: Exit) -> Callable[[Any], bool]:
    principals = {(role, principal_of(role)) for role in way.actors} | {
        (role, role) for role in way.actors if may_act_for(role, role)
    }
    return lambda event: (event.kwargs["actor"].role, event.kwargs["actor"].on_behalf_of) in principals


def machine_with_the_same_conditions() -> Machine:
    """What one would build without the law: the transitions, each guarded by its actors and its conditions."""
    return Machine(
        model=None,
        states=[str(state) for state in PHASES],
        initial=None,
        auto_transitions=False,
        send_event=True,
        transitions=[
            {
                "trigger": str(way.event),
                "source": str(source),
                "dest": str(way.to),
                "conditions": [_may(way), *map(_holds, way.conditions)],
            }
            for source, way in TRANSITIONS
        ],
    )


@pytest.mark.benchmark(group="law")
def bench_decide_beside_a_machine(benchmark: BenchmarkFixture) -> None:
    """Every transition decided by the law, and made by a machine whose guards are the same conditions."""
    cells = [
        (source, Evidence.of(*_enough(way)), way.event, Actor(way.actors[0], on_behalf_of=principal_of(way.actors[0])))
        for source, way in TRANSITIONS
    ]
    events = machine_with_the_same_conditions().events

    def decide() -> None:
        for state, evidence, event, actor in cells:
            LAW.decide(state, evidence, event, actor)

    prepared: list[tuple[Any, Life, State, Actor]] = [
        (events[str(event)], Life(state, evidence), state, actor) for state, evidence, event, actor in cells
    ]

    def trigger() -> None:
        for event, life, state, actor in prepared:
            life.state = state
            event.trigger(life, actor=actor)

    assert all(LAW.decide(*cell) for cell in cells)
    trigger()
    assert [life.state for _, life, _, _ in prepared] == [way.to for _, way in TRANSITIONS]
    benchmark(decide)
    decided, triggered = best_of(decide, trigger)
    ratio = triggered / decided
    keep(benchmark, ratio, ">= 10", ratio >= 10, "decisions for one trigger of transitions with the same conditions")
    benchmark.extra_info["decisions a second"] = round(len(cells) / decided)


def _enough(way: Exit) -> set[Any]:
    """The least evidence with which a way out is open."""
    terms: set[Any] = {term for condition in way.conditions for term in condition.all_of}
    return terms | {min(condition.any_of) for condition in way.conditions if condition.any_of}
