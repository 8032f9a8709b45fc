"""Every lawful life: all standings that lawful steps lead to from the beginning, and the shortest way to each.

Breadth first from (DEVELOPMENT, nothing on record), over transitions, facts, faults and their clearing, each asked of
the law. One actor stands for all who may take a step, for a standing does not keep who took it. One fault of the
catalogue stands for all that the law cannot tell apart: those leading to the same phase, cleared by the same roles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lifecycle.evidence import OpenFault
from lifecycle.faults import Fault
from lifecycle.law import BEGINNING, Attest, Law, Move, Report, Restore, Standing, Step
from lifecycle.proof.decisions import actors_of
from lifecycle.roles import Actor, Role, principal_of
from lifecycle.states import State

SUBJECT = "consumer"
"""The consumer concerned by a fault that concerns one at a time."""


def as_open(fault: Fault) -> OpenFault:
    """A fault of the catalogue as it stands in evidence while it is open."""
    return OpenFault(fault.name, SUBJECT if fault.per_subject else "")


def _speakers(roles: frozenset[Role]) -> tuple[Actor, ...]:
    return tuple(Actor(role, on_behalf_of=principal_of(role)) for role in sorted(roles))


def _told_apart(law: Law) -> tuple[Fault, ...]:
    first: dict[object, Fault] = {}
    for fault in law.catalogue.values():
        first.setdefault((fault.leads_to, fault.cleared_by, fault.per_subject), fault)
    return tuple(first.values())


def lawful_steps(law: Law, standing: Standing, faults: tuple[Fault, ...]) -> Iterator[Step]:
    """Every step that the law permits here, with the first actor that may take it."""
    state, evidence = standing
    for way in law.phases[state].exits:
        for actor in actors_of(way):
            if law.decide(state, evidence, way.event, actor):
                yield Move(way.event, actor)
                break
    for fact, description in law.facts.items():
        for actor in _speakers(description.attested_by):
            if law.admit_fact(state, evidence, fact, actor):
                yield Attest(fact, actor)
                break
    for fault in faults:
        for actor in _speakers(fault.reported_by):
            if law.admit_fault(state, evidence, as_open(fault), actor):
                yield Report(as_open(fault), actor)
                break
    for opened in evidence.faults:
        for actor in _speakers(law.catalogue[opened.name].cleared_by):
            if law.admit_restored(state, evidence, opened, actor):
                yield Restore(opened, actor)
                break


def leads_to(law: Law, start: State) -> frozenset[State]:
    """The states that the table leads to from a state by one way out or more, whatever the evidence."""
    found: set[State] = set()
    waiting = [start]
    while waiting:
        for way in law.phases[waiting.pop()].exits:
            if way.to not in found:
                found.add(way.to)
                waiting.append(way.to)
    return frozenset(found)


@dataclass(slots=True)
class Lives:
    """The graph of all lawful lives; standings are numbered in the order of their distance from the beginning.

    :ivar standings: every standing that can be reached.
    :ivar steps: for each standing, the lawful steps from it and where each leads.
    :ivar parents: for each standing but the first, where the shortest way comes from and by which step.
    """

    standings: list[Standing] = field(default_factory=lambda: [BEGINNING])
    steps: list[list[tuple[Step, int]]] = field(default_factory=list)
    parents: list[tuple[int, Step] | None] = field(default_factory=lambda: [None])

    @classmethod
    def of(cls, law: Law) -> Lives:
        """All lawful lives under a law."""
        lives = cls()
        faults = _told_apart(law)
        number_of = {BEGINNING: 0}
        for number, standing in enumerate(lives.standings):
            onward = []
            for step in lawful_steps(law, standing, faults):
                reached = law.advance(standing, step)
                if reached not in number_of:
                    number_of[reached] = len(lives.standings)
                    lives.standings.append(reached)
                    lives.parents.append((number, step))
                onward.append((step, number_of[reached]))
            lives.steps.append(onward)
        return lives

    def path(self, number: int) -> tuple[Step, ...]:
        """The shortest way from the beginning to a standing."""
        steps: list[Step] = []
        while (parent := self.parents[number]) is not None:
            number, step = parent
            steps.append(step)
        return tuple(reversed(steps))

    def first(self, fits: Callable[[Standing], bool]) -> int | None:
        """The number of the nearest standing that fits, ``None`` where none does."""
        return next((number for number, standing in enumerate(self.standings) if fits(standing)), None)

    @property
    def step_count(self) -> int:
        """How many lawful steps there are between all these standings."""
        return sum(map(len, self.steps))

    @property
    def moves(self) -> Iterator[tuple[int, Move, int]]:
        """Every transition that some lawful life makes: from where, by which step, to where."""
        for number, onward in enumerate(self.steps):
            for step, reached in onward:
                if isinstance(step, Move):
                    yield number, step, reached

    @property
    def told_apart(self) -> int:
        """How many standings differ in what a decision can look at: the state and the terms of evidence."""
        return len({(state, evidence.bits) for state, evidence in self.standings})

    @property
    def extent(self) -> str:
        """What the standings are all of, in words."""
        return f"every lawful life: {len(self.standings):,} standings, {self.step_count:,} steps"
