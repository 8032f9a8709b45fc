"""The gate: may this role do this function, over this interface, with this credential, now?

Compiled once for a standing into one table of what is on; whatever is not in it is off. What an open fault affects is
taken out, whatever a fact shuts is taken out, and three things take out everything: a transition in progress, an
integrity failure (of record, module or firmware), and a state that cannot be read. An answer is one look-up; only a
refusal takes time, to say why.

A gate never changes. Whoever holds one replaces it when the standing changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from functools import lru_cache

from lifecycle.evidence import Evidence
from lifecycle.faults import EVERYTHING
from lifecycle.functions import Function, Interface
from lifecycle.law import LAW, Law, Reason, Refused
from lifecycle.phases.model import Grant
from lifecycle.states import State


@unique
class Shut(StrEnum):
    """What switches everything off, whatever the state."""

    TRANSITION_IN_PROGRESS = "a transition is in progress"
    INTEGRITY_FAILURE = "the integrity of record, module or firmware is lost"
    STATE_UNREADABLE = "the state cannot be read"


@dataclass(frozen=True, slots=True)
class Open:
    """Yes. Truthy.

    :ivar grant: the grant that carries it.
    :ivar state: the state that gives it.
    :ivar chapter: chapter of the Anlage.
    """

    grant: Grant
    state: State
    chapter: str

    def __bool__(self) -> bool:
        return True


Answer = Open | Refused


class Closed(Exception):
    """A function was asked for that the gate refuses.

    :ivar request: what was asked for.
    :ivar refused: why not.
    """

    def __init__(self, request: Grant, refused: Refused) -> None:
        role, interface, function, credential = request
        super().__init__(f"{function} at {interface} by {role} with {credential} is refused: {refused}")
        self.request = request
        self.refused = refused


class Gate:
    """Everything that is on for one standing.

    :ivar state: the state, ``None`` where it cannot be read.
    :ivar evidence: what is on record.
    :ivar shut: what switches everything off, ``None`` where nothing does.
    :ivar opened: every grant that is on, with its answer.
    """

    __slots__ = ("_law", "_subjects", "evidence", "opened", "shut", "state")

    def __init__(self, state: State | None, evidence: Evidence, shut: Shut | None = None, law: Law = LAW) -> None:
        self.state = state
        self.evidence = evidence
        self.shut = Shut.STATE_UNREADABLE if state is None and shut is None else shut
        self._law = law
        self._subjects: Mapping[Function, frozenset[str]] = {}
        self.opened: Mapping[Grant, Open] = {}
        if state is None or self.shut is not None:
            return
        affected, interfaces, subjects = self._taken_out()
        phase = law.phases[state]
        self._subjects = subjects
        self.opened = {
            grant: Open(grant, state, str(phase.chapter))
            for grant in phase.grants
            if grant.function not in affected and grant.function not in subjects and grant.interface not in interfaces
        }

    def _taken_out(self) -> tuple[frozenset[Function], frozenset[Interface], Mapping[Function, frozenset[str]]]:
        """Functions that faults affect, interfaces that faults and facts shut, and functions off for some consumers."""
        functions: set[Function] = set()
        interfaces = {shut for fact in self.evidence.facts for shut in self._law.facts[fact].shuts}
        subjects: dict[Function, frozenset[str]] = {}
        for fault in self.evidence.faults:
            known = self._law.catalogue.get(fault.name)
            if known is None:  # of a catalogue that is not ours: nobody can say what it leaves unaffected
                functions |= EVERYTHING
                continue
            interfaces |= known.shuts
            if known.per_subject:
                for function in known.affects:
                    subjects[function] = subjects.get(function, frozenset()) | {fault.subject}
            else:
                functions |= known.affects
        return frozenset(functions), frozenset(interfaces), subjects

    def ask(self, request: Grant, subject: str | None = None) -> Answer:
        """May this be done now?

        :param request: role, interface, function and credential.
        :param subject: the consumer concerned. Needed only while a fault affects some consumers and not others:
            without it, what is off for one of them is off.
        """
        answer = self.opened.get(request)
        return answer if answer is not None else self._refuse(request, subject)

    def require(self, request: Grant, subject: str | None = None) -> Open:
        """As :meth:`ask`, for a caller that cannot go on without.

        :raises Closed: if the answer is no.
        """
        answer = self.ask(request, subject)
        if isinstance(answer, Refused):
            raise Closed(request, answer)
        return answer

    def _refuse(self, request: Grant, subject: str | None) -> Answer:
        if self.state is None or self.shut is not None:
            needed = "a readable state, no transition in progress, intact record, module and firmware"
            return Refused((Reason("gate-shut", needed, str(self.shut), "ours: deny by default"),))
        phase = self._law.phases[self.state]
        chapter = str(phase.chapter)
        if request not in phase.grants:
            return Refused((self._not_granted(request, phase.grants, chapter),))
        reasons = list(self._reasons_taken_out(request, subject))
        return Refused(tuple(reasons)) if reasons else Open(request, self.state, chapter)

    def _reasons_taken_out(self, request: Grant, subject: str | None) -> Iterable[Reason]:
        for fact in sorted(self.evidence.facts):
            description = self._law.facts[fact]
            if request.interface in description.shuts:
                yield Reason("interface-on", f"{request.interface} on", f"{fact} on record", description.chapter)
        for fault in self.evidence.faults:
            known = self._law.catalogue.get(fault.name)
            if known is None:
                yield Reason(
                    "fault-known", "faults of the catalogue only", f"the fault {fault.name} is open", "15 to 17"
                )
                continue
            concerns = not known.per_subject or subject is None or subject == fault.subject
            if request.interface in known.shuts or (request.function in known.affects and concerns):
                needed = f"{request.function} unaffected by faults"
                yield Reason("no-fault-affects-it", needed, f"the fault {fault.name} is open", known.source)

    @staticmethod
    def _not_granted(request: Grant, grants: Iterable[Grant], chapter: str) -> Reason:
        """The part of a request that its state does not grant, from the function inwards."""
        role, interface, function, credential = request
        left = [grant for grant in grants if grant.function is function]
        for condition, position, found in (
            ("interface-granted", 1, interface),
            ("role-granted", 0, role),
            ("credential-granted", 3, credential),
        ):
            if not left:
                break
            fitting = [grant for grant in left if grant[position] == found]
            if not fitting:
                needed = f"{function} asked for as " + " or ".join(sorted({str(grant[position]) for grant in left}))
                return Reason(condition, needed, str(found), chapter)
            left = fitting
        return Reason("function-granted", "a function that this state grants", str(function), chapter)


@lru_cache(maxsize=4096)
def gate_for(state: State, evidence: Evidence, law: Law = LAW) -> Gate:
    """The gate of a standing, compiled once."""
    return Gate(state, evidence, law=law)


def shut_gate(reason: Shut) -> Gate:
    """A gate with everything off."""
    return Gate(None, Evidence(), reason)
