"""Everything that a law is proven over, enumerated once and shared by the properties."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

from lifecycle.gate import Gate
from lifecycle.law import LAW, Law, Standing
from lifecycle.proof.decisions import STANDS_FOR, Cell, every_decision
from lifecycle.proof.gates import every_gate, gates_stand_for
from lifecycle.proof.lives import Lives
from lifecycle.proof.model import CounterExample


class Space:
    """The enumerations of one law.

    :ivar law: the law.
    """

    def __init__(self, law: Law = LAW) -> None:
        self.law = law

    @cached_property
    def decisions(self) -> tuple[Cell, ...]:
        """Every decision."""
        return tuple(every_decision(self.law))

    @cached_property
    def lives(self) -> Lives:
        """Every lawful life."""
        return Lives.of(self.law)

    @cached_property
    def gates(self) -> tuple[Gate, ...]:
        """The gate of every state under everything that takes something out."""
        return tuple(every_gate(self.law))

    def stages(self) -> Iterator[tuple[str, Callable[[], tuple[int, str]]]]:
        """The enumerations: what each is, and a call that makes it and says how many and what they stand for."""
        yield "decisions", lambda: (len(self.decisions), STANDS_FOR)
        yield "standings", lambda: (len(self.lives.standings), self.lives.extent)
        yield "gates", lambda: (len(self.gates), gates_stand_for(self.law))

    def counter_example(self, what: str, fits: Callable[[Standing], bool]) -> CounterExample:
        """A counter-example with the shortest lawful way to it, or with none where no lawful life comes there."""
        number = self.lives.first(fits)
        if number is None:
            return CounterExample(f"{what}; no lawful life comes there")
        return CounterExample(what, self.lives.path(number), self.lives.standings[number])
