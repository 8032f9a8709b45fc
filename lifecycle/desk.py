"""A desk: where a party with its key at hand acts on a gateway. Reads the head, asks the law, signs.

What comes off it is a signed entry; whoever keeps the record takes it from there and asks the law again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from lifecycle.evidence import OpenFault
from lifecycle.facts import Fact
from lifecycle.journal import Json, Position, SignedEntry, compose, payload_of, sign_entry
from lifecycle.law import LAW, Attest, Decision, Law, Move, Refused, Report, Restore, Standing, Step, Unlawful
from lifecycle.parties import Party
from lifecycle.states import Event


def decision_on(step: Step, standing: Standing, law: Law = LAW) -> Decision:
    """What the law says of a step."""
    state, evidence = standing
    match step:
        case Move(event, actor):
            return law.decide(state, evidence, event, actor)
        case Attest(fact, actor):
            return law.admit_fact(state, evidence, fact, actor)
        case Report(fault, actor):
            return law.admit_fault(state, evidence, fault, actor)
        case Restore(fault, actor):
            return law.admit_restored(state, evidence, fault, actor)


def sign_step(
    step: Step,
    party: Party,
    gateway: str,
    standing: Standing,
    position: Position,
    time: datetime,
    *,
    detail: Mapping[str, Json] | None = None,
    law: Law = LAW,
) -> SignedEntry:
    """The signed entry that tells a step.

    :param position: the end of the chain, which the entry is to follow.
    :raises lifecycle.law.Unlawful: if the law refuses the step: what is refused is not signed.
    :raises lifecycle.canonical.JournalError: if the detail cannot stand in the record.
    """
    decision = decision_on(step, standing, law)
    if isinstance(decision, Refused):
        raise Unlawful(step.attempt, standing.state, decision)
    kind, payload = payload_of(step, decision, detail)
    return sign_entry(compose(gateway, position, time, kind, payload, party.actor), party)


def move(party: Party, event: Event) -> Move:
    """The step: this party asks for a transition."""
    return Move(event, party.actor)


def attest(party: Party, fact: Fact) -> Attest:
    """The step: this party attests a fact."""
    return Attest(fact, party.actor)


def report(party: Party, fault: str, subject: str = "") -> Report:
    """The step: this party reports a fault; of a Servicetechniker, that is a diagnosis."""
    return Report(OpenFault(fault, subject), party.actor)


def restore(party: Party, fault: str, subject: str = "") -> Restore:
    """The step: this party reports a fault cleared."""
    return Restore(OpenFault(fault, subject), party.actor)
