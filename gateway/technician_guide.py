"""Which questions are asked where a gateway stands, and which findings they can end in: the law decides (ch. 15 to 17).

What a Servicetechniker cannot report or clear now is not offered; what the table of questions does not name, and the
law admits, is asked for besides. Nothing is recorded here: a finding comes with the command of the Servicetechniker's
own station.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from gateway.technician_questions import (
    ALREADY_OPEN,
    NO_FINDING,
    NOTHING_TO_CLEAR,
    OTHER,
    QUESTIONS,
    TELL,
    Answer,
    Finding,
    Question,
    Says,
    Text,
)
from lifecycle.evidence import Evidence, OpenFault
from lifecycle.law import LAW, Law
from lifecycle.roles import Actor, Role, principal_of
from lifecycle.states import State

TECHNICIAN: Final = Actor(Role.SERVICETECHNIKER, on_behalf_of=principal_of(Role.SERVICETECHNIKER))
"""As whom the law is asked."""


@dataclass(frozen=True, slots=True)
class Guide:
    """The questions as they are asked where the gateway stands now.

    :ivar first: the question to begin with.
    :ivar questions: all that can be reached from it, by id.
    """

    first: str
    questions: Mapping[str, Question]

    @property
    def findings(self) -> frozenset[Finding]:
        """Every finding in which it can end."""
        return frozenset(
            answer.finding for question in self.questions.values() for answer in question.answers if not answer.to
        )


def guide_for(state: State, evidence: Evidence, law: Law = LAW) -> Guide:
    """The guide for where a gateway stands: every finding in it is admitted by the law there, or is none."""
    admitted = admitted_findings(state, evidence, law)
    named = {answer.finding for question in QUESTIONS for answer in question.answers}
    questions = {}
    for question in QUESTIONS:
        answers = [_ended(answer, admitted) for answer in question.answers if _is_given(answer, evidence)]
        if question.id == OTHER:
            others = sorted(admitted - named)
            if not others:
                continue
            answers += [Answer(_named(finding, law), finding=finding, then=TELL) for finding in others]
        questions[question.id] = replace(question, answers=tuple(answers))
    if OTHER not in questions:
        beyond = next(question.answers[0].to for question in QUESTIONS if question.id == OTHER)
        questions = {name: _bypassed(question, OTHER, beyond) for name, question in questions.items()}
    return Guide(QUESTIONS[0].id, questions)


def admitted_findings(state: State, evidence: Evidence, law: Law = LAW) -> frozenset[Finding]:
    """What the law lets a Servicetechniker report or clear where a gateway stands."""
    found = set()
    for name, fault in law.catalogue.items():
        if not fault.per_subject and law.admit_fault(state, evidence, OpenFault(name), TECHNICIAN):
            found.add(Finding(Says.FOUND, name))
    for fault_there in evidence.faults:
        if not fault_there.subject and law.admit_restored(state, evidence, fault_there, TECHNICIAN):
            found.add(Finding(Says.CLEARED, fault_there.name))
    return frozenset(found)


def _is_given(answer: Answer, evidence: Evidence) -> bool:
    return (answer.needs is None or answer.needs in evidence) and (
        answer.unless is None or answer.unless not in evidence
    )


def _ended(answer: Answer, admitted: Collection[Finding]) -> Answer:
    if answer.finding is NO_FINDING or answer.finding in admitted:
        return answer
    return replace(
        answer, finding=NO_FINDING, then=NOTHING_TO_CLEAR if answer.finding.says is Says.CLEARED else ALREADY_OPEN
    )


def _bypassed(question: Question, left_out: str, beyond: str) -> Question:
    answers = (replace(answer, to=beyond) if answer.to == left_out else answer for answer in question.answers)
    return replace(question, answers=tuple(answers))


def _named(finding: Finding, law: Law) -> Text:
    fault = law.catalogue[finding.fault]
    if finding.says is Says.CLEARED:
        return Text(f"Behoben: {fault.german}", f"Cleared: {fault.name}")
    return Text(fault.german, fault.name)
