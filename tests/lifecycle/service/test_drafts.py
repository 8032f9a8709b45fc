"""Drafts: entries that the service composes for who signs them, and that change nothing by themselves."""

from __future__ import annotations

import base64

import pytest

from lifecycle.evidence import OpenFault
from lifecycle.facts import Fact
from lifecycle.law import Attest, Report, Step
from lifecycle.roles import Actor, Role
from lifecycle.states import State
from tests.support.service_client import House, command_of, problem

GWA = Actor(Role.GWA)
COMPLETE = Attest(Fact.DEVELOPMENT_COMPLETE, Actor(Role.GWH))


@pytest.mark.parametrize(
    ("state", "step", "wanted"),
    [
        (State.DEVELOPMENT, COMPLETE, {"kind": "evidence", "what": "DEVELOPMENT_COMPLETE"}),
        (State.OPERATION, Report(OpenFault("disk-full"), GWA), {"kind": "fault", "what": "disk-full"}),
        (
            State.OPERATION,
            Report(OpenFault("consumer-log-full", "c-7"), GWA),
            {"kind": "fault", "what": "consumer-log-full", "subject": "c-7", "detail": {"used_percent": 100}},
        ),
        (State.REVERSIBLE_FAULT, None, {"kind": "restored"}),
        (State.OUTAGE, None, {"kind": "transition", "what": "REMOVE_FOR_SM_DESTRUCTION"}),
    ],
)
def test_a_draft_is_signed_and_accepted_and_by_itself_changes_nothing(
    house: House, state: State, step: Step | None, wanted: dict[str, object]
) -> None:
    gateway = house.gateway(state)
    role = step.actor.role if step is not None else Role.MONTEUR if state is State.OUTAGE else Role.GWA
    if wanted["kind"] == "restored":
        (fault, *_) = house.told(f"/gateways/{gateway}")["open_faults"]
        wanted = {**wanted, "what": fault["name"], "subject": fault["subject"]}
        if fault["name"] == "connection-fault":
            role = Role.SERVICETECHNIKER
    party = house.cast[role]
    before = house.end(gateway)
    certificate = base64.b64encode(party.certificate_der).decode()
    path = f"/gateways/{gateway}/entries"
    drafted = house.post(f"/gateways/{gateway}/drafts", {**wanted, "certificate": certificate}, reading=True)
    assert drafted.status_code == 200, drafted.text
    assert house.end(gateway) == before
    accepted = house.post(path, command_of(drafted.json()["entry"].encode(), party))
    assert accepted.status_code == 201, accepted.text
    assert accepted.json()["head"]["hash"] == drafted.json()["sha256"]


def test_a_draft_of_what_the_law_refuses_is_refused_like_the_command(house: House) -> None:
    gateway = house.gateway()
    path = f"/gateways/{gateway}/drafts"
    by = {role: base64.b64encode(house.cast[role].certificate_der).decode() for role in (Role.GWH, Role.MSB)}
    begin = {"kind": "transition", "what": "BEGIN_PRODUCTION"}
    problem(house.post(path, {**begin, "certificate": by[Role.GWH]}, reading=True), 409, "unlawful")
    problem(house.post(path, {**begin, "certificate": by[Role.MSB]}, reading=True), 403, "wrong-role")
    wrong = {"kind": "transition", "what": "BEGIN_LUNCH", "certificate": by[Role.GWH]}
    problem(house.post(path, wrong, reading=True), 403, "entry-refused")
    problem(house.post(path, {**begin, "certificate": "AAAA"}, reading=True), 403, "entry-refused")
    problem(house.post(path, {**begin, "certificate": by[Role.GWH]}), 401, "credential-needed")
