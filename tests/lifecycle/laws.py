"""Laws that were broken on purpose, lives that were lived lawfully, and the words to ask with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lifecycle.evidence import OpenFault
from lifecycle.facts import FACTS, Fact
from lifecycle.faults import FAULTS, Catalogue
from lifecycle.law import LAW, Attest, Law, Move, Report, Restore, Step
from lifecycle.phases import PHASES, Exit, Grant, Phase
from lifecycle.proof.decisions import ACTORS
from lifecycle.proof.gates import granted_somewhere
from lifecycle.roles import Actor, Role, may_act_for, principal_of
from lifecycle.states import Event, State

FEW_FAULTS = Catalogue(FAULTS[name] for name in ("wan-han-not-separated", "calibration-log-full", "security-breach"))
"""One fault for each phase of the category Störung: few enough to go through quickly."""


def ask_few(monkeypatch: pytest.MonkeyPatch, *laws: Law) -> None:
    """Let a proof ask for fewer actors and requests: those that may under one of these laws, and some that may not."""
    actors = tuple(actor for actor in ACTORS if may_act_for(actor.role, actor.on_behalf_of))
    strangers = (Actor(Role.MONTEUR), Actor(Role.GWA, "", Role.MSB))
    monkeypatch.setattr("lifecycle.proof.decisions.ACTORS", (*actors, *strangers))
    granted = {grant for law in laws for grant in granted_somewhere(law)}
    requests = sorted({grant._replace(role=role) for grant in granted for role in Role})
    monkeypatch.setattr("lifecycle.proof.gate_claims.every_request", lambda: requests)


def actor(role: Role) -> Actor:
    """Somebody acting in a role, for the principal that it always acts for."""
    return Actor(role, on_behalf_of=principal_of(role))


def with_phase(state: State, **changes: Any) -> Law:
    """The law with one phase changed."""
    changed: Phase = replace(PHASES[state], **changes)
    return Law({**PHASES, state: changed}, catalogue=FEW_FAULTS)


def with_way(number: int, **changes: Any) -> Law:
    """The law with one way out changed."""
    state = next(state for state, phase in PHASES.items() if any(way.number == number for way in phase.exits))
    ways: tuple[Exit, ...] = tuple(
        replace(way, **changes) if way.number == number else way for way in PHASES[state].exits
    )
    return with_phase(state, exits=ways)


def with_grant(state: State, grant: Grant) -> Law:
    """The law with one grant more."""
    return with_phase(state, grants=(*PHASES[state].grants, grant))


def few_faults() -> Law:
    """The law as it is, with few faults."""
    return Law(catalogue=FEW_FAULTS)


def move(event: Event, role: Role) -> Move:
    """A transition asked for."""
    return Move(event, actor(role))


def attest(fact: Fact, role: Role | None = None) -> Attest:
    """A fact recorded by who may, the first by name unless one is named."""
    return Attest(fact, actor(role if role is not None else min(FACTS[fact].attested_by)))


def report(name: str, subject: str = "", law: Law = LAW) -> Report:
    """A fault reported by who may."""
    return Report(OpenFault(name, subject), actor(min(law.catalogue[name].reported_by)))


def restore(name: str, subject: str = "", law: Law = LAW) -> Restore:
    """A fault cleared by who may."""
    return Restore(OpenFault(name, subject), actor(min(law.catalogue[name].cleared_by)))


TO_OPERATION: tuple[Step, ...] = (
    attest(Fact.DEVELOPMENT_COMPLETE),
    move(Event.BEGIN_PRODUCTION, Role.GWH),
    attest(Fact.MODULE_INITIALISED),
    move(Event.BEGIN_INTEGRATION, Role.GWH),
    attest(Fact.MODULE_INTEGRATED),
    move(Event.BEGIN_PREPERSONALISATION_1, Role.GWH),
    attest(Fact.ROOT_CERTIFICATE_IN_MODULE),
    attest(Fact.PRELIMINARY_KEYS_IN_MODULE),
    attest(Fact.SEAL_CERTIFICATES_IN_MODULE),
    move(Event.BEGIN_PREPERSONALISATION_2, Role.GWH),
    attest(Fact.INITIAL_CONFIGURATION_IMPORTED),
    attest(Fact.GWA_CERTIFICATES_VERIFIED),
    attest(Fact.CONFIGURATION_SIGNATURE_VERIFIED),
    attest(Fact.GWA_PUBLIC_KEYS_IN_MODULE),
    attest(Fact.GWA_COMMUNICATION_ENABLED),
    move(Event.DISPATCH_TO_MSB, Role.GWH),
    attest(Fact.GWH_HANDED_OVER),
    attest(Fact.MSB_TOOK_OVER),
    move(Event.BEGIN_FIRST_DELIVERY, Role.MSB),
    attest(Fact.MSB_HANDED_OVER_TO_MONTEUR),
    attest(Fact.MONTEUR_TOOK_OVER),
    attest(Fact.ARRIVED_IN_FIELD),
    move(Event.BEGIN_FIRST_INSTALLATION, Role.MONTEUR),
    attest(Fact.MOUNTED),
    attest(Fact.COMMUNICATION_PARAMETERS_SET),
    attest(Fact.LOCAL_INTERFACE_OFF),
    move(Event.BEGIN_PERSONALISATION, Role.GWA),
    attest(Fact.OPERATIONAL_CERTIFICATES_IN_MODULE),
    move(Event.BEGIN_OPERATION, Role.GWA),
)
"""A life from its beginning into OPERATION, the module integrated first."""

TO_OPERATION_MODULE_FIRST: tuple[Step, ...] = (
    *TO_OPERATION[:3],
    move(Event.BEGIN_PREPERSONALISATION_1, Role.GWH),
    *TO_OPERATION[6:9],
    move(Event.BEGIN_INTEGRATION, Role.GWH),
    attest(Fact.MODULE_INTEGRATED),
    *TO_OPERATION[9:],
)
"""The same in the other order of chapters 4 and 5."""

SCRAPPED: tuple[Step, ...] = (
    attest(Fact.EVERY_CERTIFICATE_REVOKED),
    attest(Fact.MODULE_TERMINATED),
    move(Event.REMOVE_FOR_SCRAPPING, Role.MONTEUR),
    attest(Fact.REMOVAL_COMPLETE),
    move(Event.DELIVER_FOR_SCRAPPING, Role.MSB),
    attest(Fact.MSB_HANDED_OVER_TO_RECYCLER),
    attest(Fact.RECYCLER_TOOK_OVER),
    move(Event.SCRAP_HARDWARE, Role.RECYCLER),
)
"""From OPERATION to the end, by the way that is recommended."""

DESTROYED: tuple[Step, ...] = (
    report("functionless"),
    move(Event.ENTER_OUTAGE, Role.GWA),
    move(Event.REMOVE_FOR_SM_DESTRUCTION, Role.MONTEUR),
    attest(Fact.REMOVAL_COMPLETE),
    move(Event.DELIVER_FOR_SM_DESTRUCTION, Role.MSB),
    attest(Fact.MSB_HANDED_OVER_TO_RECYCLER),
    attest(Fact.RECYCLER_TOOK_OVER),
    move(Event.BEGIN_SM_DESTRUCTION, Role.RECYCLER),
    attest(Fact.MODULE_DESTROYED),
    move(Event.SCRAP_HARDWARE, Role.RECYCLER),
)
"""From OPERATION to the end over OUTAGE, the module destroyed."""
