"""What the law says of a standing, worked out for people: the ways out with what they lack, and the gate as a table."""

from __future__ import annotations

from typing import NamedTuple

from lifecycle.gate import Gate, Shut, gate_for, shut_gate
from lifecycle.law import LAW, Decision, Law, Permitted, Reason, Refused, Standing, in_words
from lifecycle.phases import Exit, Grant
from lifecycle.roles import Actor, principal_of


class WayOut(NamedTuple):
    """A way out of a phase, asked for by somebody who may.

    :ivar exit: the way.
    :ivar actors: who may take it, in words.
    :ivar decision: what the law says to them now.
    """

    exit: Exit
    actors: tuple[str, ...]
    decision: Decision

    @property
    def lacking(self) -> tuple[Reason, ...]:
        """Every condition that fails; empty where the way is open."""
        return self.decision.reasons if isinstance(self.decision, Refused) else ()

    @property
    def recommended(self) -> tuple[tuple[str, bool], ...]:
        """What the Anlage recommends on this way, and whether it holds; told where the way is open."""
        if not isinstance(self.decision, Permitted):
            return ()
        return (*((name, True) for name in self.decision.met), *((name, False) for name in self.decision.unmet))


def ways_out(standing: Standing, law: Law = LAW) -> list[WayOut]:
    """Every way out of where a gateway stands, and what each lacks when a rightful actor asks."""
    found = []
    for way in law.phases[standing.state].exits:
        actors = [Actor(role, on_behalf_of=principal_of(role)) for role in way.actors]
        decision = law.decide(standing.state, standing.evidence, way.event, actors[0])
        found.append(WayOut(way, tuple(in_words(actor) for actor in actors), decision))
    return found


class Granted(NamedTuple):
    """Something that the state grants.

    :ivar grant: who, where, what, shown by what.
    :ivar reasons: why it is off all the same; empty where it is on.
    """

    grant: Grant
    reasons: tuple[Reason, ...]

    @property
    def open(self) -> bool:
        """Whether it is on."""
        return not self.reasons


def gate_now(standing: Standing | None, *, broken: bool, law: Law = LAW) -> Gate:
    """The gate of a standing; shut where that cannot be read, or the record was found broken and nobody knows it."""
    if standing is None:
        return shut_gate(Shut.STATE_UNREADABLE)
    if broken:
        return shut_gate(Shut.INTEGRITY_FAILURE)
    return gate_for(*standing) if law is LAW else Gate(*standing, law=law)


def grants_now(standing: Standing, gate: Gate, law: Law = LAW) -> list[Granted]:
    """Everything that the state grants, and whether the gate has it on."""
    found = []
    for grant in law.phases[standing.state].grants:
        answer = gate.ask(grant)
        found.append(Granted(grant, answer.reasons if isinstance(answer, Refused) else ()))
    return found
