"""The law as data: twenty states, twenty-eight transitions, and what is on in each. One module a category of Table 1.1.

Read it beside Anlage VIII: every phase and every way out cites its chapter. Everything else in the project that knows a
phase (machine, gate, proof, replay, pages, diagrams) is derived from :data:`PHASES`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lifecycle.phases import delivery, fault, prepersonalisation, removal, scrapping, uncategorised
from lifecycle.phases.model import Advice, Exit, Grant, Phase
from lifecycle.states import State

__all__ = ["PHASES", "TRANSITIONS", "Advice", "Exit", "Grant", "Phase", "Transition", "transitions_of"]


class Transition(NamedTuple):
    """A way out together with the state it leaves."""

    source: State
    exit: Exit


def _in_order() -> Iterator[tuple[State, Phase]]:
    modules = (uncategorised, prepersonalisation, delivery, removal, scrapping, fault)
    by_state = {phase.state: phase for module in modules for phase in module.PHASES}
    for state in State:
        yield state, by_state[state]


PHASES: dict[State, Phase] = dict(_in_order())
"""Every state with its phase, in the order of the states; total over :class:`State`."""


def transitions_of(phases: dict[State, Phase]) -> tuple[Transition, ...]:
    """Every transition of a set of phases, in the order of the design's table."""
    every = (Transition(phase.state, way) for phase in phases.values() for way in phase.exits)
    return tuple(sorted(every, key=lambda transition: transition.exit.number))


TRANSITIONS: tuple[Transition, ...] = transitions_of(PHASES)
"""The twenty-eight transitions."""
