"""The gate of every state, under everything that can take something out of it.

What an open fault takes out is said by the functions it affects, the interfaces it shuts and whether it concerns one
consumer; one fault stands for all that agree in these. What a fact takes out is said by the interfaces it shuts; facts
that shut none take out nothing (L2). So every set of faults told apart, with every set of shutting facts, in every
state, is every gate there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain, combinations, product
from typing import TypeVar

from lifecycle.evidence import NOTHING, Evidence
from lifecycle.facts import Fact
from lifecycle.faults import Fault
from lifecycle.functions import Credential, Function, Interface
from lifecycle.gate import Gate
from lifecycle.law import Law
from lifecycle.phases import Grant
from lifecycle.proof.lives import SUBJECT, as_open
from lifecycle.roles import Role

Member = TypeVar("Member")

SUBJECTS: tuple[str | None, ...] = (None, SUBJECT, "another consumer")
"""Whom a request may concern: it does not say, the one a fault concerns, one that no fault concerns."""


@cache
def every_request() -> tuple[Grant, ...]:
    """Everything that can be asked of a gate: every role, interface, function and credential with every other."""
    return tuple(Grant(*parts) for parts in product(Role, Interface, Function, Credential))


def granted_somewhere(law: Law) -> tuple[Grant, ...]:
    """Everything that some state grants; what no state grants is never on (P8)."""
    return tuple(dict.fromkeys(grant for phase in law.phases.values() for grant in phase.grants))


def faults_told_apart(law: Law) -> tuple[Fault, ...]:
    """One fault of the catalogue for all that take the same out of a gate."""
    first: dict[object, Fault] = {}
    for fault in law.catalogue.values():
        first.setdefault((fault.affects, fault.shuts, fault.per_subject), fault)
    return tuple(first.values())


def shutting_facts(law: Law) -> tuple[Fact, ...]:
    """The facts that shut an interface."""
    return tuple(fact for fact, description in law.facts.items() if description.shuts)


def _subsets(members: Sequence[Member]) -> Iterator[tuple[Member, ...]]:
    return chain.from_iterable(combinations(members, size) for size in range(len(members) + 1))


def every_evidence(law: Law) -> Iterator[Evidence]:
    """All evidence that a gate can tell apart."""
    for facts, faults in product(_subsets(shutting_facts(law)), _subsets(faults_told_apart(law))):
        evidence = NOTHING
        for fact in facts:
            evidence = evidence.with_fact(fact)
        for fault in faults:
            evidence = evidence.with_fault(as_open(fault), law.catalogue)
        yield evidence


def every_gate(law: Law) -> Iterator[Gate]:
    """The gate of every state under all evidence that a gate can tell apart."""
    for evidence, state in product(every_evidence(law), law.phases):
        yield Gate(state, evidence, law=law)


def gates_stand_for(law: Law) -> str:
    """What the gates are all of, in words."""
    return f"{len(law.phases)} states × 2^{len(law.catalogue)} sets of open faults × 2^{len(law.facts)} sets of facts"
