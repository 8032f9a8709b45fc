"""The guards of the law in the notation of another language."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lifecycle.evidence import FAULT_KIND_OF, TERMS, Condition, OpenFaultKind, Term
from lifecycle.facts import FactDescription
from lifecycle.law import Law


@dataclass(frozen=True, slots=True)
class Syntax:
    """How a language writes a guard.

    :ivar both: what joins parts that must all hold.
    :ivar either: what joins parts of which one must hold.
    :ivar present: a format with one gap, for a term of evidence that must be on record.
    :ivar missing: the same for one that must not be.
    :ivar always: the guard that always holds.
    :ivar never: the guard that never does.
    """

    both: str
    either: str
    present: str
    missing: str
    always: str
    never: str

    def name(self, term: Term) -> str:
        """A term of evidence."""
        return self.present.format(term)

    def absent(self, term: Term) -> str:
        """That a term of evidence is not on record."""
        return self.missing.format(term)

    def all(self, parts: Iterable[str]) -> str:
        """Everything of this; each part is said once."""
        return self.both.join(dict.fromkeys(part for part in parts if part != self.always)) or self.always

    def any(self, parts: Iterable[str]) -> str:
        """One of these, in brackets where they are more than one."""
        distinct = list(dict.fromkeys(parts))
        if len(distinct) < 2:
            return distinct[0] if distinct else self.never
        return f"({self.either.join(f'({part})' if self.both in part else part for part in distinct)})"

    def guard(self, conditions: Iterable[Condition]) -> str:
        """What conditions demand together."""
        parts: list[str] = []
        for condition in conditions:
            parts += [self.name(term) for term in in_order(condition.all_of)]
            if condition.any_of:
                parts.append(self.any(self.name(term) for term in in_order(condition.any_of)))
            parts += [self.absent(term) for term in in_order(condition.none_of)]
        return self.all(parts)

    def recordable(self, description: FactDescription) -> str:
        """What must and what must not be on record before a fact."""
        before = [self.name(term) for term in in_order(description.after)]
        return self.all(before + [self.absent(term) for term in in_order(description.never_after)])


def in_order(terms: Iterable[Term]) -> list[Term]:
    """Terms in the order of their bits."""
    chosen = frozenset(terms)
    return [term for term in TERMS if term in chosen]


def clearable_kinds(law: Law) -> tuple[OpenFaultKind, ...]:
    """The kinds of open fault of which some fault of the catalogue can be cleared."""
    clearable = {FAULT_KIND_OF[fault.leads_to] for fault in law.catalogue.values() if fault.cleared_by}
    return tuple(kind for kind in OpenFaultKind if kind in clearable)


def reported_kinds(law: Law) -> tuple[OpenFaultKind, ...]:
    """The kinds of open fault of which the catalogue has one."""
    known = {FAULT_KIND_OF[fault.leads_to] for fault in law.catalogue.values()}
    return tuple(kind for kind in OpenFaultKind if kind in known)
