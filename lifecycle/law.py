"""The law: may this happen now? Pure and total; no I/O, no clock, no randomness.

Four questions have an answer here, for every state, every evidence and every actor: may a transition be made
(:meth:`Law.decide`), may a fact go on record (:meth:`Law.admit_fact`), may a fault be opened (:meth:`Law.admit_fault`)
or closed (:meth:`Law.admit_restored`). The answer is :class:`Permitted` or :class:`Refused`, which is falsy and says
why: each reason names the condition, what was found and the chapter. :func:`fold` runs a whole record through them.

What the compiled rules hold is taken from :mod:`lifecycle.phases`; there is no second table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

from lifecycle.evidence import NOTHING, Evidence, OpenFault, mask
from lifecycle.facts import FACTS, Fact, FactDescription
from lifecycle.faults import FAULTS, Catalogue, Fault
from lifecycle.phases import PHASES, Advice, Exit, Phase
from lifecycle.roles import Actor, Role, may_act_for, principal_of
from lifecycle.states import Event, State

MAY_CHANGE_FAULTS: frozenset[State] = frozenset({State.OPERATION, State.REVERSIBLE_FAULT, State.IRREVERSIBLE_FAULT})
"""States in which a fault can be reported or cleared: those in which the gateway works (ch. 11, 15, 16)."""
_MAY_CHANGE_FAULTS = tuple(MAY_CHANGE_FAULTS)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is refused.

    :ivar condition: the condition that fails, by its id.
    :ivar needed: what would have been needed.
    :ivar found: what was found instead.
    :ivar chapter: chapter of the Anlage, or another source in words.
    """

    condition: str
    needed: str
    found: str
    chapter: str

    def __str__(self) -> str:
        where = f"ch. {self.chapter}" if self.chapter[:1].isdigit() else self.chapter
        return f"{self.condition} ({where}): needs {self.needed}; found {self.found}"


@dataclass(frozen=True, slots=True)
class Refused:
    """No, and why. Falsy. Nothing has changed.

    :ivar reasons: every condition that fails, not only the first.
    """

    reasons: tuple[Reason, ...]

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return "; ".join(map(str, self.reasons))


@dataclass(frozen=True, slots=True)
class Permitted:
    """Yes. Truthy.

    :ivar source: the state left.
    :ivar target: the state reached; the same for what is no transition.
    :ivar way: the transition, ``None`` for what is none.
    :ivar advice: what the Anlage says of this way: recommended, not recommended, or neutral.
    :ivar met: ids of recommended conditions that hold.
    :ivar unmet: ids of recommended conditions that do not; lawful all the same, and recorded.
    :ivar told: what the record tells of the transition; empty for what is none.
    """

    source: State
    target: State
    way: Exit | None = None
    advice: Advice = Advice.NEUTRAL
    met: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()
    told: Mapping[str, str | list[str]] = field(default_factory=dict, compare=False, repr=False)

    def __bool__(self) -> bool:
        return True


Decision = Permitted | Refused


class Unlawful(Exception):
    """Something was asked that the law refuses.

    :ivar attempt: what was tried.
    :ivar state: the state it was tried in.
    :ivar refused: the refusal.
    """

    def __init__(self, attempt: str, state: State, refused: Refused) -> None:
        super().__init__(f"{attempt} in {state} is refused: {refused}")
        self.attempt = attempt
        self.state = state
        self.refused = refused


_Speakers = tuple[tuple[Role, Role | None], ...]
"""Who may: role and principal. A tuple, for the few there are are found by looking faster than by hashing."""


def _speakers(roles: Iterable[Role]) -> _Speakers:
    return tuple((role, other) for role in roles for other in (None, *Role) if may_act_for(role, other))


@dataclass(frozen=True, slots=True)
class _Rule:
    """One transition compiled: what must be there, what must not, who may, and the answers made beforehand."""

    way: Exit
    relevant: int
    required: int
    any_of: tuple[int, ...]
    speakers: _Speakers
    recommended: int
    answers: Mapping[int, Permitted]


def _compile(source: State, way: Exit) -> _Rule:
    required = mask(term for condition in way.conditions for term in condition.all_of)
    forbidden = mask(term for condition in way.conditions for term in condition.none_of)
    recommended_terms = sorted({term for condition in way.recommended for term in condition.reads})
    answers = {}
    for chosen in product((False, True), repeat=len(recommended_terms)):
        bits = mask(term for term, present in zip(recommended_terms, chosen, strict=True) if present)
        met = [condition.id for condition in way.recommended if condition.holds(bits)]
        unmet = [condition.id for condition in way.recommended if not condition.holds(bits)]
        told: dict[str, str | list[str]] = {
            "event": str(way.event),
            "from": str(source),
            "to": str(way.to),
            "way": str(way.advice),
            "recommended_met": met,
            "recommended_unmet": unmet,
        }
        answers[bits] = Permitted(source, way.to, way, way.advice, tuple(met), tuple(unmet), told)
    return _Rule(
        way,
        required | forbidden,
        # A way whose conditions contradict one another can be taken by nobody: no evidence equals -1 under its mask.
        -1 if required & forbidden else required,
        tuple(mask(condition.any_of) for condition in way.conditions if condition.any_of),
        _speakers(way.actors),
        mask(recommended_terms),
        answers,
    )


@dataclass(frozen=True, slots=True)
class _FactRule:
    """One fact compiled: where it can happen, who may say so, what must be on record and what must not."""

    states: tuple[State, ...]
    speakers: _Speakers
    relevant: int
    required: int


def _compile_fact(fact: Fact, description: FactDescription) -> _FactRule:
    required, forbidden = mask(description.after), mask([fact, *description.never_after])
    return _FactRule(
        tuple(description.recordable_in),
        _speakers(description.attested_by),
        required | forbidden,
        -1 if required & forbidden else required,
    )


@dataclass(frozen=True, slots=True)
class _FaultRule:
    """One fault compiled: who may report it, who may clear it."""

    reporters: _Speakers
    clearers: _Speakers
    per_subject: bool


class Law:
    """The law over a set of phases, facts and faults; :data:`LAW` is the one that holds.

    Others can be made to see what a change would do: the proof is tested by breaking the law on purpose.

    :ivar phases: every state with its phase.
    :ivar facts: every fact with what it takes to record it.
    :ivar catalogue: the faults known by name.
    """

    def __init__(
        self,
        phases: Mapping[State, Phase] = PHASES,
        facts: Mapping[Fact, FactDescription] = FACTS,
        catalogue: Catalogue = FAULTS,
    ) -> None:
        self.phases = phases
        self.facts = facts
        self.catalogue = catalogue
        self._rules = {
            (phase.state, way.event): _compile(phase.state, way) for phase in phases.values() for way in phase.exits
        }
        self._fact_rules = {fact: _compile_fact(fact, description) for fact, description in facts.items()}
        self._fault_rules = {
            name: _FaultRule(_speakers(fault.reported_by), _speakers(fault.cleared_by), fault.per_subject)
            for name, fault in catalogue.items()
        }
        self._staying = {state: Permitted(state, state) for state in phases}

    def decide(self, state: State, evidence: Evidence, event: Event, actor: Actor) -> Decision:
        """May *actor* make the transition *event* out of *state*, given *evidence*?"""
        rule = self._rules.get((state, event))
        if rule is not None:
            bits = evidence.bits
            if bits & rule.relevant == rule.required and (actor.role, actor.on_behalf_of) in rule.speakers:
                for alternatives in rule.any_of:
                    if not bits & alternatives:
                        break
                else:
                    return rule.answers[bits & rule.recommended]
        return self._refuse(rule, state, evidence, event, actor)

    def _refuse(self, rule: _Rule | None, state: State, evidence: Evidence, event: Event, actor: Actor) -> Refused:
        chapter = str(self.phases[state].chapter)
        if rule is None:
            ways = ", ".join(way.event for way in self.phases[state].exits) or "none: the phase is final"
            return Refused((Reason("way-out-named", f"one of the ways out of {state}: {ways}", event, chapter),))
        reasons = []
        if (actor.role, actor.on_behalf_of) not in rule.speakers:
            reasons.append(_wrong_actor(rule.way.actors, actor, rule.way.chapter))
        reasons += [
            Reason(condition.id, condition.text, condition.found(evidence.bits), condition.chapter)
            for condition in rule.way.conditions
            if not condition.holds(evidence.bits)
        ]
        return Refused(tuple(reasons))

    def admit_fact(self, state: State, evidence: Evidence, fact: Fact, actor: Actor) -> Decision:
        """May *actor* put *fact* on record while the gateway is in *state*?"""
        rule = self._fact_rules[fact]
        if (
            state in rule.states
            and evidence.bits & rule.relevant == rule.required
            and (actor.role, actor.on_behalf_of) in rule.speakers
        ):
            return self._staying[state]
        return self._refuse_fact(state, evidence, fact, actor)

    def _refuse_fact(self, state: State, evidence: Evidence, fact: Fact, actor: Actor) -> Refused:
        description = self.facts[fact]
        chapter = description.chapter
        reasons = []
        if state not in description.recordable_in:
            states = _in_words(description.recordable_in)
            reasons.append(Reason("fact-in-its-state", f"{fact} to happen in {states}", f"state {state}", chapter))
        if actor.role not in description.attested_by or not may_act_for(actor.role, actor.on_behalf_of):
            reasons.append(_wrong_actor(sorted(description.attested_by), actor, chapter))
        if fact in evidence:
            reasons.append(Reason("fact-once", f"{fact} not on record yet", f"{fact} on record already", chapter))
        missing = sorted(other for other in description.after if other not in evidence)
        if missing:
            reasons.append(
                Reason(
                    "fact-in-order",
                    f"{_in_words(description.after)} on record first",
                    f"no {_in_words(missing)}",
                    chapter,
                )
            )
        too_late = sorted(other for other in description.never_after if other in evidence)
        if too_late:
            reasons.append(Reason("fact-in-order", f"{fact} before {_in_words(too_late)}", "it is on record", chapter))
        return Refused(tuple(reasons))

    def admit_fault(self, state: State, evidence: Evidence, fault: OpenFault, actor: Actor) -> Decision:
        """May *actor* report this fault while the gateway is in *state*?"""
        rule = self._fault_rules.get(fault.name)
        if (
            rule is not None
            and state in _MAY_CHANGE_FAULTS
            and bool(fault.subject) is rule.per_subject
            and fault not in evidence.faults
            and (actor.role, actor.on_behalf_of) in rule.reporters
        ):
            return self._staying[state]
        return self._refuse_fault(state, evidence, fault, actor)

    def _refuse_fault(self, state: State, evidence: Evidence, fault: OpenFault, actor: Actor) -> Refused:
        known = self.catalogue.get(fault.name)
        if known is None:
            return _unknown_fault(fault)
        reasons = self._fault_reasons(state, actor, known, known.reported_by)
        if bool(fault.subject) is not known.per_subject:
            needed = "the consumer concerned as subject" if known.per_subject else "no subject: it concerns the gateway"
            reasons.append(Reason("fault-subject", needed, fault.subject or "none", known.source))
        if fault in evidence.faults:
            reasons.append(Reason("fault-once", f"{fault.name} not open yet", "it is open already", known.source))
        return Refused(tuple(reasons))

    def admit_restored(self, state: State, evidence: Evidence, fault: OpenFault, actor: Actor) -> Decision:
        """May *actor* report this fault cleared while the gateway is in *state*?"""
        rule = self._fault_rules.get(fault.name)
        if (
            rule is not None
            and state in _MAY_CHANGE_FAULTS
            and fault in evidence.faults
            and (actor.role, actor.on_behalf_of) in rule.clearers
        ):
            return self._staying[state]
        return self._refuse_restored(state, evidence, fault, actor)

    def _refuse_restored(self, state: State, evidence: Evidence, fault: OpenFault, actor: Actor) -> Refused:
        known = self.catalogue.get(fault.name)
        if known is None:
            return _unknown_fault(fault)
        if not known.cleared_by:
            return Refused(
                (Reason("fault-clearable", "a fault that can be cleared", f"{fault.name} is for good", known.source),)
            )
        reasons = self._fault_reasons(state, actor, known, known.cleared_by)
        if fault not in evidence.faults:
            reasons.append(Reason("fault-open", f"{fault.name} to be open", "it is not", known.source))
        return Refused(tuple(reasons))

    def _fault_reasons(self, state: State, actor: Actor, fault: Fault, roles: frozenset[Role]) -> list[Reason]:
        reasons = []
        if state not in MAY_CHANGE_FAULTS:
            needed = f"a gateway that works: {_in_words(MAY_CHANGE_FAULTS)}"
            reasons.append(Reason("fault-in-its-state", needed, f"state {state}", "11, 15, 16"))
        if actor.role not in roles or not may_act_for(actor.role, actor.on_behalf_of):
            reasons.append(_wrong_actor(sorted(roles), actor, fault.source))
        return reasons

    def advance(self, standing: Standing, step: Step) -> Standing:
        """Where a gateway stands after one lawful step.

        :raises Unlawful: if the law refuses the step; *standing* is as before.
        """
        state, evidence = standing
        if isinstance(step, Move):
            decision = self.decide(state, evidence, step.event, step.actor)
            if isinstance(decision, Permitted):
                return Standing(decision.target, evidence)
        elif isinstance(step, Attest):
            decision = self.admit_fact(state, evidence, step.fact, step.actor)
            if isinstance(decision, Permitted):
                return Standing(state, evidence.with_fact(step.fact))
        elif isinstance(step, Report):
            decision = self.admit_fault(state, evidence, step.fault, step.actor)
            if isinstance(decision, Permitted):
                return Standing(state, evidence.with_fault(step.fault, self.catalogue))
        else:
            decision = self.admit_restored(state, evidence, step.fault, step.actor)
            if isinstance(decision, Permitted):
                return Standing(state, evidence.without_fault(step.fault, self.catalogue))
        raise Unlawful(step.attempt, state, decision)

    def fold(self, steps: Iterable[Step]) -> Standing:
        """Where a gateway stands after these steps of its life, from the beginning.

        :raises Unlawful: at the first step that the law refuses.
        """
        standing = BEGINNING
        for step in steps:
            standing = self.advance(standing, step)
        return standing


class Standing(NamedTuple):
    """Where one gateway stands in its life: its state and all that is on record of it."""

    state: State
    evidence: Evidence


BEGINNING = Standing(State.DEVELOPMENT, NOTHING)
"""Where every life begins (ch. 2)."""


class Move(NamedTuple):
    """A step: a transition is asked for."""

    event: Event
    actor: Actor

    @property
    def attempt(self) -> str:
        """What is tried, in words."""
        return f"{self.event} by {in_words(self.actor)}"


class Attest(NamedTuple):
    """A step: a fact is put on record."""

    fact: Fact
    actor: Actor

    @property
    def attempt(self) -> str:
        """What is tried, in words."""
        return f"recording {self.fact} by {in_words(self.actor)}"


class Report(NamedTuple):
    """A step: a fault is reported; by a Servicetechniker, that is a diagnosis."""

    fault: OpenFault
    actor: Actor

    @property
    def attempt(self) -> str:
        """What is tried, in words."""
        return f"reporting the fault {self.fault.name} by {in_words(self.actor)}"


class Restore(NamedTuple):
    """A step: a fault is reported cleared."""

    fault: OpenFault
    actor: Actor

    @property
    def attempt(self) -> str:
        """What is tried, in words."""
        return f"clearing the fault {self.fault.name} by {in_words(self.actor)}"


Step = Move | Attest | Report | Restore
"""One step of a life, as an entry of the record tells it."""


def in_words(actor: Actor) -> str:
    """An actor as ``ROLE`` or ``ROLE for PRINCIPAL``."""
    return f"{actor.role} for {actor.on_behalf_of}" if actor.on_behalf_of else str(actor.role)


def _in_words(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _wrong_actor(roles: Iterable[Role], actor: Actor, chapter: str) -> Reason:
    needed = " or ".join(in_words(Actor(role, on_behalf_of=principal_of(role))) for role in roles)
    return Reason("acting-role", needed, in_words(actor), chapter)


def _unknown_fault(fault: OpenFault) -> Refused:
    return Refused((Reason("fault-known", "a fault of the catalogue", repr(fault.name), "15 to 17"),))


LAW = Law()
"""The law that holds."""

decide = LAW.decide
"""May this actor make this transition? See :meth:`Law.decide`."""
fold = LAW.fold
"""Where a gateway stands after a record's steps. See :meth:`Law.fold`."""
