"""The life as an executable state chart: W3C SCXML 1.0 with the ECMAScript data model.

Every term of evidence is a datum: a fact is true or false, a kind of open fault is a count. A transition is asked for
by its event, ``fact.NAME`` puts a fact on record, ``fault.KIND`` opens a fault and ``restored.KIND`` closes one. Who
acts stands in ``_event.data.role``; that a Monteur acts for the MSB, and so on, is the record's business.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from lifecycle.evidence import FAULT_KIND_OF, OpenFaultKind
from lifecycle.facts import Fact
from lifecycle.faults import Fault
from lifecycle.law import BEGINNING, LAW, MAY_CHANGE_FAULTS, Law
from lifecycle.phases import Phase
from lifecycle.render.expressions import Syntax
from lifecycle.roles import Role
from lifecycle.states import State

NAMESPACE = "http://www.w3.org/2005/07/scxml"

SYNTAX = Syntax(both=" && ", either=" || ", present="{}", missing="!{}", always="true", never="false")


def scxml(law: Law = LAW) -> str:
    """The state chart as an XML document; ends with a newline."""
    ET.register_namespace("", NAMESPACE)
    attributes = {"version": "1.0", "datamodel": "ecmascript", "name": "lifecycle", "initial": str(BEGINNING.state)}
    root = ET.Element(f"{{{NAMESPACE}}}scxml", attributes)
    datamodel = _child(root, "datamodel")
    for fact in Fact:
        _child(datamodel, "data", id=fact, expr="false")
    for kind in OpenFaultKind:
        _child(datamodel, "data", id=kind, expr="0")
    for state, phase in law.phases.items():
        place = _child(root, "state" if phase.exits else "final", id=state)
        if phase.exits:
            _transitions(place, phase)
            _facts(place, law, state)
            if state in MAY_CHANGE_FAULTS:
                _faults(place, law.catalogue.values())
    ET.indent(root)
    return "<?xml version='1.0' encoding='UTF-8'?>\n" + ET.tostring(root, encoding="unicode") + "\n"


def _child(parent: ET.Element, tag: str, **attributes: str) -> ET.Element:
    return ET.SubElement(parent, f"{{{NAMESPACE}}}{tag}", {name: str(value) for name, value in attributes.items()})


def _by(roles: Iterable[Role]) -> str:
    return SYNTAX.any(f"_event.data.role == '{role}'" for role in roles)


def _transitions(place: ET.Element, phase: Phase) -> None:
    for way in phase.exits:
        place.append(ET.Comment(f" {way.number}: ch. {way.chapter}, {way.advice} "))
        guard = SYNTAX.all([_by(way.actors), SYNTAX.guard(way.conditions)])
        _child(place, "transition", event=way.event, cond=guard, target=way.to)


def _facts(place: ET.Element, law: Law, state: State) -> None:
    for fact, description in law.facts.items():
        if state in description.recordable_in:
            guard = SYNTAX.all([_by(sorted(description.attested_by)), f"!{fact}", SYNTAX.recordable(description)])
            recording = _child(place, "transition", event=f"fact.{fact}", cond=guard)
            _child(recording, "assign", location=fact, expr="true")


def _faults(place: ET.Element, faults: Iterable[Fault]) -> None:
    """Opening and closing, for each kind of open fault and those who may."""
    for kind in OpenFaultKind:
        of_kind = [fault for fault in faults if FAULT_KIND_OF[fault.leads_to] is kind]
        for event, more, roles, found in (
            ("fault", 1, {role for fault in of_kind for role in fault.reported_by}, ""),
            ("restored", -1, {role for fault in of_kind for role in fault.cleared_by}, f"{kind} > 0"),
        ):
            if roles:
                guard = SYNTAX.all(part for part in (_by(sorted(roles)), found) if part)
                changing = _child(place, "transition", event=f"{event}.{kind}", cond=guard)
                _child(changing, "assign", location=kind, expr=f"{kind} {'+' if more > 0 else '-'} 1")
