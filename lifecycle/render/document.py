"""The law as one JSON document: everything that the law holds, with keys that stay."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from lifecycle.evidence import Condition
from lifecycle.facts import Fact, FactDescription
from lifecycle.faults import Fault
from lifecycle.law import LAW, Law
from lifecycle.phases import Grant, Phase, Transition, transitions_of
from lifecycle.render.expressions import in_order
from lifecycle.roles import ROLES, Role, RoleDescription
from lifecycle.states import State


def document(law: Law = LAW) -> dict[str, Any]:
    """The law as plain data.

    :returns: ``states`` in the order of the life's table, ``transitions`` in the order of their numbers,
        ``conditions``, ``facts``, ``faults`` and ``roles``; ``None`` where the standard names nothing.
    """
    transitions = transitions_of(dict(law.phases))
    return {
        "states": [_state(state, phase) for state, phase in law.phases.items()],
        "transitions": [_transition(transition) for transition in transitions],
        "conditions": [_condition(condition) for condition in conditions_of(transitions)],
        "facts": [_fact(fact, description) for fact, description in law.facts.items()],
        "faults": [_fault(fault) for fault in law.catalogue.values()],
        "roles": [_role(role, description) for role, description in ROLES.items()],
    }


def as_json(law: Law = LAW) -> str:
    """The document as JSON text, indented; ends with a newline."""
    return json.dumps(document(law), ensure_ascii=False, indent=2) + "\n"


def conditions_of(transitions: Iterable[Transition]) -> tuple[Condition, ...]:
    """Every condition that some transition requires or recommends, each once, in the order of first use."""
    used = (condition for _, way in transitions for condition in (*way.conditions, *way.recommended))
    return tuple({condition.id: condition for condition in used}.values())


def _state(state: State, phase: Phase) -> dict[str, Any]:
    return {
        "id": state,
        "chapter": phase.chapter,
        "name_de": phase.german,
        "category": phase.category,
        "place": phase.place,
        "responsible": phase.responsible,
        "optional": list(phase.optional),
        "functionality": phase.functionality,
        "note": phase.note,
        "grants": [_grant(grant) for grant in phase.grants],
    }


def _grant(grant: Grant) -> dict[str, Any]:
    return dict(grant._asdict())


def _transition(transition: Transition) -> dict[str, Any]:
    source, way = transition
    return {
        "number": way.number,
        "event": way.event,
        "from": source,
        "to": way.to,
        "actors": list(way.actors),
        "conditions": [condition.id for condition in way.conditions],
        "recommended": [condition.id for condition in way.recommended],
        "advice": way.advice,
        "chapter": way.chapter,
    }


def _condition(condition: Condition) -> dict[str, Any]:
    return {
        "id": condition.id,
        "text": condition.text,
        "chapter": condition.chapter,
        "all_of": in_order(condition.all_of),
        "any_of": in_order(condition.any_of),
        "none_of": in_order(condition.none_of),
    }


def _fact(fact: Fact, description: FactDescription) -> dict[str, Any]:
    return {
        "id": fact,
        "text": description.text,
        "name_de": description.german,
        "chapter": description.chapter,
        "attested_by": sorted(description.attested_by),
        "recordable_in": [state for state in State if state in description.recordable_in],
        "after": in_order(description.after),
        "never_after": in_order(description.never_after),
        "shuts": sorted(description.shuts),
    }


def _fault(fault: Fault) -> dict[str, Any]:
    return {
        "name": fault.name,
        "name_de": fault.german,
        "leads_to": fault.leads_to,
        "affects": sorted(fault.affects),
        "shuts": sorted(fault.shuts),
        "per_subject": fault.per_subject,
        "reported_by": sorted(fault.reported_by),
        "cleared_by": sorted(fault.cleared_by),
        "clearing": fault.clearing,
        "source": fault.source,
    }


def _role(role: Role, description: RoleDescription) -> dict[str, Any]:
    return {
        "id": role,
        "name_de": description.german,
        "chapter": description.chapter,
        "nature": description.nature,
        "responsible": description.responsible,
        "acts_for": description.acts_for,
        "credentials": sorted(description.credentials),
    }
