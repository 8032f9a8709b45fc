"""Every decision of the law: state × event × actor × evidence.

A way out reads few of the thirty terms of evidence, and only these are varied; every decision is made over
:class:`~lifecycle.proof.watched.Watched` bits, so that L1 can say of each that it looked at no other. Actors are every
role with every principal, possible or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import NamedTuple

from lifecycle.evidence import BIT, TERMS, Evidence, Term, mask
from lifecycle.law import Decision, Law
from lifecycle.phases import Exit
from lifecycle.proof.watched import Watched
from lifecycle.roles import Actor, Role, principal_of
from lifecycle.states import Event, State

ACTORS: tuple[Actor, ...] = tuple(Actor(role, on_behalf_of=other) for role in Role for other in (None, *Role))
"""Every role with every principal and with none; what it is called and its certificate are not the law's business."""

STANDS_FOR = f"{len(State)} states × {len(Event)} events × {len(ACTORS)} actors × 2^{len(TERMS)} evidence"


class Cell(NamedTuple):
    """One decision.

    :ivar state: the state.
    :ivar event: what is asked for.
    :ivar actor: who asks.
    :ivar bits: the evidence bits; terms that the way out does not read are not set.
    :ivar way: the way out that the table names for state and event, if it does.
    :ivar decision: what the law says.
    :ivar seen: the bits that it looked at.
    """

    state: State
    event: Event
    actor: Actor
    bits: int
    way: Exit | None
    decision: Decision
    seen: int


def way_out(law: Law, state: State, event: Event) -> Exit | None:
    """The way out that the table names for a state and an event, ``None`` where it names none."""
    return next((way for way in law.phases[state].exits if way.event is event), None)


def terms_read(way: Exit | None) -> frozenset[Term]:
    """The terms that the conditions of a way out read, the recommended ones too."""
    conditions = (*way.conditions, *way.recommended) if way is not None else ()
    return frozenset(term for condition in conditions for term in condition.reads)


def combinations(terms: Iterable[Term]) -> Iterator[int]:
    """The evidence bits of every subset of some terms."""
    bits = [BIT[term] for term in TERMS if term in frozenset(terms)]
    return (sum(chosen) for chosen in product(*((0, bit) for bit in bits)))


def every_decision(law: Law) -> Iterator[Cell]:
    """Every decision that differs in what the law can look at."""
    for state, event in product(law.phases, Event):
        way = way_out(law, state, event)
        for bits in combinations(terms_read(way)):
            for actor in ACTORS:
                watched = Watched(bits)
                decision = law.decide(state, Evidence(watched), event, actor)
                yield Cell(state, event, actor, bits, way, decision, watched.seen)


def looks_further(cell: Cell) -> int:
    """The bits that a decision looked at although its way out does not read them."""
    return cell.seen & ~mask(terms_read(cell.way))


def actors_of(way: Exit) -> tuple[Actor, ...]:
    """Who may take a way out, each for its principal."""
    return tuple(Actor(role, on_behalf_of=principal_of(role)) for role in way.actors)
