"""Commands over HTTP: signed, lawful, acting once; and a refusal changes nothing."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import httpx
import pytest

from lifecycle.evidence import OpenFault
from lifecycle.facts import Fact
from lifecycle.journal import MAX_ENTRY_BYTES, Kind, Position, compose
from lifecycle.law import Attest, Move, Report, Restore
from lifecycle.roles import Actor, Role
from lifecycle.service.security import MAX_BODY_BYTES
from lifecycle.states import Event, State
from tests.support.lives import Cast, shortest_way
from tests.support.service_client import API, House, at_once, command_of, problem, standing_of

GWH, GWA = Actor(Role.GWH), Actor(Role.GWA)
COMPLETE = Attest(Fact.DEVELOPMENT_COMPLETE, GWH)
BEGIN = Move(Event.BEGIN_PRODUCTION, GWH)


def test_a_whole_life_is_lived_over_http(house: House) -> None:
    gateway = house.new_id()
    assert house.post("/gateways", house.registration(gateway)).status_code == 201
    steps = shortest_way(State.HARDWARE_SCRAPPING)
    for number, step in enumerate(steps, 1):
        response = house.send(gateway, step)
        assert response.status_code == 201, response.text
        assert response.json()["sequence"] == number
        assert response.headers["location"] == f"{API}/gateways/{gateway}/entries/{number}"
    assert house.told(f"/gateways/{gateway}/replay") == {
        "gateway": gateway,
        "ok": True,
        "entries": len(steps),
        "state": "HARDWARE_SCRAPPING",
        "break": None,
    }


def test_a_fault_is_reported_and_cleared(house: House) -> None:
    gateway = house.gateway(State.OPERATION)
    full = OpenFault("consumer-log-full", "consumer-7")
    assert house.send(gateway, Report(full, GWA)).status_code == 201
    assert house.told(f"/gateways/{gateway}")["open_faults"] == [
        {
            "name": "consumer-log-full",
            "name_de": "Kapazitätsgrenze des Anschlussnutzer-Logs erreicht",
            "subject": "consumer-7",
        }
    ]
    assert house.send(gateway, Restore(full, GWA)).status_code == 201
    assert house.told(f"/gateways/{gateway}")["open_faults"] == []


def test_what_the_law_does_not_allow_now_is_refused_with_every_reason(house: House) -> None:
    gateway = house.gateway(State.FIRST_INSTALLATION)
    before = house.end(gateway)
    told = problem(house.send(gateway, Move(Event.BEGIN_PERSONALISATION, GWA)), 409, "unlawful")
    reasons = told["reasons"]
    assert isinstance(reasons, list)
    conditions = {reason["condition"] for reason in reasons}
    assert conditions == {"mounted", "communication-parameters", "local-interface-off"}
    assert all(reason["chapter"] for reason in reasons)
    assert house.end(gateway) == before


def test_who_may_not_do_it_is_told_who_may(house: House) -> None:
    gateway = house.gateway(State.PERSONALISATION)
    before = house.end(gateway)
    told = problem(house.send(gateway, Move(Event.BEGIN_OPERATION, GWH)), 403, "wrong-role")
    reasons = told["reasons"]
    assert isinstance(reasons, list)
    assert (reasons[0]["needed"], reasons[0]["found"]) == ("GWA", "GWH")
    assert house.end(gateway) == before


def test_of_two_transitions_at_once_exactly_one_wins(any_house: House) -> None:
    gateway = any_house.gateway(State.OPERATION)
    any_house.act(gateway, Report(OpenFault("disk-full"), Actor(Role.GATEWAY)))
    any_house.act(gateway, Report(OpenFault("calibration-log-full"), Actor(Role.GATEWAY)))
    before = any_house.end(gateway).sequence
    ways = [Move(Event.ENTER_REVERSIBLE_FAULT, GWA), Move(Event.ENTER_IRREVERSIBLE_FAULT, GWA)]
    commands = iter([any_house.command(gateway, way) for way in ways])
    lock = threading.Lock()

    def send() -> httpx.Response:
        with lock:
            command = next(commands)
        return any_house.post(f"/gateways/{gateway}/entries", command)

    won, lost = sorted(at_once(send, 2), key=lambda response: response.status_code)
    assert won.status_code == 201
    problem(lost, 409, "conflict")
    assert any_house.end(gateway).sequence == before + 1
    assert standing_of(any_house, gateway).state == won.json()["state"]
    assert any_house.told(f"/gateways/{gateway}/replay")["ok"]


def test_the_same_command_at_once_many_times_acts_once(any_house: House) -> None:
    gateway = any_house.gateway()
    command = any_house.command(gateway, COMPLETE)
    path = f"/gateways/{gateway}/entries"
    statuses = at_once(lambda: any_house.post(path, command, key="once").status_code, 6)
    assert sorted(statuses) == [200] * 5 + [201]
    assert any_house.end(gateway).sequence == 1


def test_a_key_makes_a_command_act_once_wherever_the_chain_is(house: House) -> None:
    gateway = house.gateway(State.OPERATION)
    full = Report(OpenFault("disk-full"), GWA)
    first = house.send(gateway, full, key="fault-17")
    assert first.status_code == 201
    house.send(gateway, Restore(OpenFault("disk-full"), GWA))
    # Composed anew, behind other entries: the same intent under the same key, so it does not act again.
    house.clock.move()
    again = house.send(gateway, full, key="fault-17")
    assert (again.status_code, again.json()["repeated"]) == (200, True)
    assert again.json()["sequence"] == first.json()["sequence"]
    assert house.told(f"/gateways/{gateway}")["open_faults"] == []
    other = Report(OpenFault("clock-deviation"), GWA)
    problem(house.send(gateway, other, key="fault-17"), 409, "idempotency-key-reused")


def test_a_command_without_a_key_repeated_at_once_acts_once(house: House) -> None:
    gateway = house.gateway()
    command = house.command(gateway, COMPLETE)
    path = f"/gateways/{gateway}/entries"
    assert house.post(path, command).status_code == 201
    assert house.post(path, command).status_code == 200
    house.send(gateway, BEGIN)
    problem(house.post(path, command), 409, "conflict")


# --- what is not believed


def _wrong_signature(house: House, gateway: str) -> dict[str, str]:
    command = house.command(gateway, COMPLETE)
    raw = bytearray(base64.b64decode(command["signature"]))
    raw[-1] ^= 1
    return {**command, "signature": base64.b64encode(raw).decode()}


def _no_signature(house: House, gateway: str) -> dict[str, str]:
    return {**house.command(gateway, COMPLETE), "signature": "AAAA"}


def _changed_entry(house: House, gateway: str) -> dict[str, str]:
    command = house.command(gateway, COMPLETE)
    return {**command, "entry": command["entry"].replace("DEVELOPMENT_COMPLETE", "MODULE_INITIALISED")}


def _unsorted_entry(house: House, gateway: str) -> dict[str, str]:
    body = house.command(gateway, COMPLETE)["entry"].replace(":", ": ", 1)
    return command_of(body.encode(), house.cast[Role.GWH])


def _another_role(house: House, gateway: str) -> dict[str, str]:
    """The entry says GWH, the certificate MSB."""
    entry = house.command(gateway, COMPLETE)["entry"]
    return command_of(entry.encode(), house.cast[Role.MSB])


def _foreign_authority(house: House, gateway: str) -> dict[str, str]:
    return house.command(gateway, COMPLETE, party=Cast.enrolled()[Role.GWH])


def _no_certificate(house: House, gateway: str) -> dict[str, str]:
    return {**house.command(gateway, COMPLETE), "certificate": base64.b64encode(b"no certificate").decode()}


def _authority_itself(house: House, gateway: str) -> dict[str, str]:
    from cryptography.hazmat.primitives.serialization import Encoding

    der = house.cast.authority.certificate.public_bytes(Encoding.DER)
    return {**house.command(gateway, COMPLETE), "certificate": base64.b64encode(der).decode()}


def _another_time(house: House, gateway: str) -> dict[str, str]:
    house.clock.move(timedelta(minutes=-6))
    try:
        return house.command(gateway, COMPLETE)
    finally:
        house.clock.move(timedelta(minutes=6))


def _another_gateway(house: House, gateway: str) -> dict[str, str]:
    return house.command(house.gateway(), COMPLETE)


def _untrue_telling(house: House, gateway: str) -> dict[str, str]:
    """A transition that tells another way than the law has."""
    house.act(gateway, COMPLETE)
    position = house.end(gateway)
    party = house.cast[Role.GWH]
    payload = {
        "event": "BEGIN_PRODUCTION",
        "from": "DEVELOPMENT",
        "to": "OPERATION",
        "way": "neutral",
        "recommended_met": [],
        "recommended_unmet": [],
    }
    body = compose(gateway, Position(*position), house.clock(), Kind.TRANSITION, payload, party.actor)
    return command_of(body, party)


def _no_fact(house: House, gateway: str) -> dict[str, str]:
    party = house.cast[Role.GWH]
    position = house.end(gateway)
    body = compose(gateway, position, house.clock(), Kind.EVIDENCE, {"fact": "SUNSHINE"}, party.actor)
    return command_of(body, party)


@pytest.mark.parametrize(
    "make",
    [
        _wrong_signature,
        _no_signature,
        _changed_entry,
        _unsorted_entry,
        _another_role,
        _foreign_authority,
        _no_certificate,
        _authority_itself,
        _another_time,
        _another_gateway,
        _untrue_telling,
        _no_fact,
    ],
)
def test_what_is_not_believed_changes_nothing(house: House, make: Callable[[House, str], dict[str, str]]) -> None:
    gateway = house.gateway()
    command = make(house, gateway)
    before = house.end(gateway)
    problem(house.post(f"/gateways/{gateway}/entries", command), 403, "entry-refused")
    assert house.end(gateway) == before


def test_another_gateways_key_signs_nothing_here(house: House) -> None:
    gateway, other = house.gateway(State.OPERATION), house.gateway(State.OPERATION)
    report = Report(OpenFault("disk-full"), Actor(Role.GATEWAY))
    command = house.command(gateway, report, party=house.party(Role.GATEWAY, other))
    problem(house.post(f"/gateways/{gateway}/entries", command), 403, "entry-refused")


def test_a_command_that_does_not_follow_the_head_conflicts(house: House) -> None:
    gateway = house.gateway()
    stale = house.command(gateway, COMPLETE)
    house.act(gateway, COMPLETE)
    house.act(gateway, BEGIN)
    problem(house.post(f"/gateways/{gateway}/entries", stale), 409, "conflict")


def test_an_unknown_gateway_has_no_record_to_write_in(house: House) -> None:
    gateway = house.new_id()
    party = house.cast[Role.GWH]
    begun = house.gateway()
    entry = house.command(begun, COMPLETE)["entry"].replace(begun, gateway)
    response = house.post(f"/gateways/{gateway}/entries", command_of(entry.encode(), party))
    problem(response, 404, "unknown-gateway")


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"signature": "no base64!"}, "body.signature"),
        ({"entry": "[]"}, "body.entry"),
        ({"entry": "{" + "x" * MAX_ENTRY_BYTES}, "body.entry"),
        ({"certificate": None}, "body.certificate"),
        ({"also": "this"}, "body.also"),
    ],
)
def test_a_command_of_another_form_is_invalid(house: House, change: dict[str, object], at: str) -> None:
    gateway = house.gateway()
    command = {**house.command(gateway, COMPLETE), **change}
    told = problem(house.post(f"/gateways/{gateway}/entries", command), 422, "invalid-request")
    errors = told["errors"]
    assert isinstance(errors, list)
    assert [error["at"] for error in errors] == [at]
    assert house.end(gateway).sequence == 0


@pytest.mark.parametrize("key", ["", "ä", "with space", "x" * 129])
def test_an_idempotency_key_of_another_form_is_invalid(house: House, key: str) -> None:
    gateway = house.gateway()
    headers = {b"Idempotency-Key": key.encode()}
    command = house.command(gateway, COMPLETE)
    response = house.client.post(f"{API}/gateways/{gateway}/entries", json=command, headers=headers)
    problem(response, 422, "invalid-request")


def test_bodies_have_a_limit_said_or_not(house: House) -> None:
    path = f"{API}/gateways/{house.gateway()}/entries"
    headers = {"Content-Type": "application/json"}
    problem(house.client.post(path, content=b" " * (MAX_BODY_BYTES + 1), headers=headers), 413, "too-large")

    def pieces() -> Iterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 1024 + 1):
            yield b" " * 1024

    problem(house.client.post(path, content=pieces(), headers=headers), 413, "too-large")


def test_a_body_that_is_no_json_is_invalid(house: House) -> None:
    path = f"{API}/gateways/{house.gateway()}/entries"
    for content, kind in ((b"{", "application/json"), (b"{}", "text/plain"), (b"\xff", "application/json")):
        response = house.client.post(path, content=content, headers={"Content-Type": kind})
        problem(response, 422, "invalid-request")
