"""What a proof consists of: enumerations, properties over them, and the counter-example where one fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lifecycle.law import Standing, Step

if TYPE_CHECKING:
    from lifecycle.proof.space import Space


@dataclass(frozen=True, slots=True)
class CounterExample:
    """One case in which a claim does not hold.

    :ivar what: what goes wrong, in words.
    :ivar path: the shortest way there from the beginning of a life, step by step; the last step is the one that goes
        wrong where it is a step that does. Empty where no lawful life comes to the case, or it is there at birth.
    :ivar standing: where the path ends, ``None`` where there is none.
    """

    what: str
    path: tuple[Step, ...] = ()
    standing: Standing | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found.

    :ivar cases: how many cases were evaluated; with a counter-example, how many until it.
    :ivar stands_for: what these cases are all of, in words.
    :ivar counter_example: the first case that fails, ``None`` where every one holds.
    """

    cases: int
    stands_for: str
    counter_example: CounterExample | None = None

    @property
    def holds(self) -> bool:
        """Whether the claim holds in every case."""
        return self.counter_example is None


@dataclass(frozen=True, slots=True)
class Property:
    """A claim and how it is checked.

    :ivar id: ``P1`` to ``P10``; ``L1`` and ``L2`` for the lemmas that the enumerations stand on.
    :ivar claim: the claim in words.
    :ivar check: evaluates every case.
    """

    id: str
    claim: str
    check: Callable[[Space], Outcome]
