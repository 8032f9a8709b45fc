"""What a check finds: how many cases it evaluated, and the counter-example where one fails."""

from __future__ import annotations

from dataclasses import dataclass

from lifecycle.law import Standing, Step


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
