"""Reading over HTTP: with a credential only; the record as it was signed, and whether it holds."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Any

import orjson
import pytest

from lifecycle.chains import chains_of
from lifecycle.evidence import OpenFault
from lifecycle.facts import Fact
from lifecycle.gate import gate_for
from lifecycle.head import sign_head
from lifecycle.law import LAW, Attest, Report
from lifecycle.phases import Grant
from lifecycle.render.document import document
from lifecycle.replay import replay
from lifecycle.roles import Actor, Role
from lifecycle.service.readers import Readers
from lifecycle.states import State
from tests.support.lives import Cast
from tests.support.service_client import API, House, problem

G = "EXXX0012345678"
READS: list[tuple[str, str, Any]] = [
    ("GET", "/gateways", None),
    ("GET", f"/gateways/{G}", None),
    ("GET", f"/gateways/{G}/head", None),
    ("GET", f"/gateways/{G}/entries", None),
    ("GET", f"/gateways/{G}/entries/1", None),
    ("GET", f"/gateways/{G}/certificates", None),
    ("GET", f"/certificates/{'0' * 64}", None),
    ("GET", f"/gateways/{G}/export", None),
    ("GET", f"/gateways/{G}/replay", None),
    ("GET", f"/gateways/{G}/exits", None),
    ("GET", f"/gateways/{G}/gate", None),
    ("GET", f"/gateways/{G}/gate/answer", None),
    ("GET", "/law", None),
    ("POST", f"/gateways/{G}/head/verification", {}),
    ("POST", f"/gateways/{G}/drafts", {}),
]


def test_the_list_of_reads_is_complete(house: House) -> None:
    """Whatever is not a command takes a reader's credential, and this list has it."""
    described = house.client.get(f"{API}/openapi.json").json()["paths"]
    secured = {
        (method.upper(), path.removeprefix(API))
        for path, operations in described.items()
        for method, operation in operations.items()
        if operation.get("security")
    }
    listed = {
        (
            method,
            path.replace(G, "{gateway}")
            .replace("/entries/1", "/entries/{sequence}")
            .replace("0" * 64, "{fingerprint}"),
        )
        for method, path, _ in READS
    }
    assert secured == listed
    unsecured = {
        (method.upper(), path.removeprefix(API))
        for path, operations in described.items()
        for method, operation in operations.items()
        if not operation.get("security")
    }
    assert unsecured == {("POST", "/gateways"), ("POST", "/gateways/{gateway}/entries")}


@pytest.mark.parametrize(("method", "path", "body"), READS)
@pytest.mark.parametrize(
    ("header", "challenge"),
    [
        (None, 'Bearer realm="smgw"'),
        ("", 'Bearer realm="smgw"'),
        ("Bearer", 'Bearer realm="smgw"'),
        ("Basic dXNlcjpwYXNz", 'Bearer realm="smgw"'),
        ("Bearer of-nobody", 'Bearer realm="smgw", error="invalid_token"'),
    ],
)
def test_nothing_is_read_without_a_credential(
    house: House, method: str, path: str, body: Any, header: str | None, challenge: str
) -> None:
    headers = {"Authorization": header} if header is not None else {}
    response = house.client.request(method, API + path, json=body, headers=headers)
    problem(response, 401, "credential-needed")
    assert response.headers["www-authenticate"].startswith(challenge)


def test_a_token_expires_and_can_be_taken_back(house: House) -> None:
    readers = Readers(house.repository.engine, house.clock)
    short = readers.create("short", timedelta(hours=1))
    headers = {"Authorization": f"bearer {short}"}
    assert house.client.get(f"{API}/law", headers=headers).status_code == 200
    house.clock.move(timedelta(hours=2))
    try:
        problem(house.client.get(f"{API}/law", headers=headers), 401, "credential-needed")
    finally:
        house.clock.move(timedelta(hours=-2))
    assert house.client.get(f"{API}/law", headers=headers).status_code == 200
    assert readers.revoke("short") == 1
    problem(house.client.get(f"{API}/law", headers=headers), 401, "credential-needed")


def test_only_the_hash_of_a_token_is_kept(house: House) -> None:
    token = Readers(house.repository.engine, house.clock).create("hashed")
    dump = "\n".join(house.repository.engine.raw_connection().iterdump())
    assert hashlib.sha256(token.encode()).hexdigest() in dump
    assert token not in dump


def test_the_fleet_is_counted_filtered_and_paged(any_house: House) -> None:
    house = any_house
    wanted = [State.DEVELOPMENT, State.PRODUCTION, State.PRODUCTION, State.OPERATION]
    made = sorted(house.gateway(state) for state in wanted)
    told = house.told("/gateways")
    assert told["counts"] == {"DEVELOPMENT": 1, "PRODUCTION": 2, "OPERATION": 1}
    assert (told["total"], told["unreadable"], told["next"]) == (4, 0, None)
    assert [each["gateway"] for each in told["gateways"]] == made
    assert [each["state"] for each in house.told("/gateways", state="PRODUCTION")["gateways"]] == ["PRODUCTION"] * 2
    found, after = [], None
    while True:
        page = house.told("/gateways", limit=3, **({"after": after} if after else {}))
        found += [each["gateway"] for each in page["gateways"]]
        after = page["next"]
        if after is None:
            break
    assert found == made
    last = made[-1]
    assert [each["gateway"] for each in house.told("/gateways", containing=last[-6:].lower())["gateways"]] == [last]


def test_one_gateway_says_where_it_is(house: House) -> None:
    gateway = house.gateway(State.OPERATION)
    told = house.told(f"/gateways/{gateway}")
    kept = house.repository.kept(gateway)
    assert (told["state"], told["name_de"], told["chapter"], told["place"]) == ("OPERATION", "Betrieb", 11, "field")
    assert told["entries"] == kept.position.sequence
    assert told["last_entry"] == kept.position.time
    assert told["head"] == house.told(f"/gateways/{gateway}/head") == kept.head.told()
    assert "OPERATIONAL_CERTIFICATES_IN_MODULE" in told["facts"]


def test_the_record_is_read_page_by_page_as_it_was_signed(house: House) -> None:
    gateway = house.gateway(State.OPERATION)
    end = house.end(gateway).sequence
    found: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        page = house.told(f"/gateways/{gateway}/entries", after=after, limit=7)
        found += page["entries"]
        after = page["next"]
    assert [entry["told"]["seq"] for entry in found] == list(range(1, end + 1))
    certificates = {
        each["fingerprint"]: each for each in house.told(f"/gateways/{gateway}/certificates")["certificates"]
    }
    for entry in found:
        assert hashlib.sha256(entry["entry"].encode()).hexdigest() == entry["hash"]
        signer = certificates[entry["told"]["actor"]["certificate"]]
        credentials = house.repository.trust.credentials(base64.b64decode(signer["der"]))
        assert credentials.verifies(base64.b64decode(entry["signature"]), entry["entry"].encode())
        assert (signer["role"], signer["believed"]) == (entry["told"]["actor"]["role"], True)
    assert house.told(f"/gateways/{gateway}/entries/3") == found[2]
    assert house.told(f"/gateways/{gateway}/entries", after=end)["entries"] == []
    problem(house.get(f"/gateways/{gateway}/entries/{end + 1}"), 404, "unknown-entry")


def test_certificates_are_found_by_their_fingerprint(house: House) -> None:
    gateway = house.gateway(State.PRODUCTION)
    for certificate in house.told(f"/gateways/{gateway}/certificates")["certificates"]:
        assert house.told(f"/certificates/{certificate['fingerprint']}") == certificate
    problem(house.get(f"/certificates/{'0' * 64}"), 404, "unknown-certificate")


def test_an_exported_chain_replays_elsewhere(house: House) -> None:
    gateway = house.gateway(State.REVERSIBLE_FAULT)
    response = house.get(f"/gateways/{gateway}/export")
    assert response.headers["content-type"] == "application/x-ndjson"
    assert gateway in response.headers["content-disposition"]
    (chain,) = chains_of(response.content.splitlines(keepends=True))
    verdict = replay(chain, house.cast.trust)
    assert verdict.ok
    assert verdict.position == house.end(gateway)


def test_replay_shows_the_gateway_as_it_was(house: House) -> None:
    gateway = house.gateway(State.OPERATION)
    path = f"/gateways/{gateway}/replay"
    assert house.told(path, until=0)["state"] == "DEVELOPMENT"
    assert house.told(path, until=2) == {
        "gateway": gateway,
        "ok": True,
        "entries": 2,
        "state": "PRODUCTION",
        "break": None,
    }
    time = house.repository.kept(gateway).position.time
    assert house.told(path, at=time)["state"] == "OPERATION"
    assert house.told(path, at="1999-12-31T23:59:60+01:00")["entries"] == 0
    assert house.told(path, at="0001-01-01T00:00:00+01:00")["entries"] == 0
    assert house.told(path, at="9999-12-31T23:59:59.5-01:00")["state"] == "OPERATION"
    for wrong in ("yesterday", "2026-02-30T12:00:00Z", "1767225600", "2026-01-01"):
        problem(house.get(path, at=wrong), 422, "invalid-request")


def test_the_law_is_told_as_it_is(house: House) -> None:
    assert house.told("/law") == orjson.loads(orjson.dumps(document(LAW)))


# --- heads


def test_a_head_that_was_kept_is_still_reached_after_more_entries(house: House) -> None:
    gateway = house.gateway(State.OPERATION)
    head = house.told(f"/gateways/{gateway}/head")
    path = f"/gateways/{gateway}/head/verification"
    good = {"gateway": gateway, "reached": True, "break": None}
    assert house.post(path, head, reading=True).json() == good
    house.act(gateway, Report(OpenFault("disk-full"), Actor(Role.GWA)))
    assert house.post(path, head, reading=True).json() == good


def test_a_head_that_is_not_reached_says_why(house: House) -> None:
    gateway, other = house.gateway(State.PRODUCTION), house.gateway(State.PRODUCTION)
    head = house.told(f"/gateways/{gateway}/head")
    path = f"/gateways/{gateway}/head/verification"

    def kind(told: dict[str, Any]) -> str:
        response = house.post(path, told, reading=True)
        assert response.status_code == 200, response.text
        assert response.json()["reached"] is False
        return str(response.json()["break"]["kind"])

    position = house.end(gateway)
    further = sign_head(gateway, position._replace(sequence=9), 10, house.clock(), house.cast.keeper)
    assert kind(further.told()) == "cut tail"
    rewritten = sign_head(gateway, position._replace(hash="0" * 64), 3, house.clock(), house.cast.keeper)
    assert kind(rewritten.told()) == "fork"
    assert kind({**head, "counter": head["counter"] + 1}) == "flipped bit"
    assert kind({**head, "time": "2026-02-30T12:00:00.000000Z"}) == "flipped bit"
    assert kind(house.told(f"/gateways/{other}/head")) == "fork"
    foreign = sign_head(gateway, position, 3, house.clock(), Cast.enrolled().keeper)
    assert kind(foreign.told()) == "unknown certificate"
    problem(house.post(path, {**head, "seq": "1"}, reading=True), 422, "invalid-request")
    elsewhere = f"/gateways/{house.new_id()}/head/verification"
    problem(house.post(elsewhere, head, reading=True), 404, "unknown-gateway")


# --- what is open


@pytest.mark.parametrize("state", list(State))
def test_the_gate_answers_as_the_law_has_it(house: House, state: State) -> None:
    gateway = house.gateway(state)
    gate = gate_for(*house.repository.kept(gateway).standing)
    told = house.told(f"/gateways/{gateway}/gate")
    assert (told["state"], told["shut"]) == (str(state), None)
    listed = {
        Grant(each["role"], each["interface"], each["function"], each["credential"]): each for each in told["grants"]
    }
    assert listed.keys() == set(LAW.phases[state].grants)
    for grant, each in listed.items():
        assert each["open"] is bool(gate.ask(grant))
        assert bool(each["reasons"]) is not each["open"]
    for grant in list(listed)[:2]:
        answer = house.told(f"/gateways/{gateway}/gate/answer", **grant._asdict())
        assert answer["open"] is listed[grant]["open"]
    lacking = house.told(f"/gateways/{gateway}/exits")["exits"]
    assert [each["event"] for each in lacking] == [str(way.event) for way in LAW.phases[state].exits]
    assert all(each["open"] is not bool(each["lacking"]) for each in lacking)


def test_the_gate_refuses_with_reasons_and_knows_consumers(house: House) -> None:
    gateway = house.gateway(State.OPERATION)
    ask = {"role": "MESSEINRICHTUNG", "interface": "LMN", "function": "metering:receive-readings"}
    path = f"/gateways/{gateway}/gate/answer"
    assert house.told(path, **ask, credential="METER_KEY")["open"]
    house.act(gateway, Report(OpenFault("consumer-log-full", "c-7"), Actor(Role.GWA)))
    assert house.told(path, **ask, credential="METER_KEY", subject="c-8")["open"]
    refused = house.told(path, **ask, credential="METER_KEY", subject="c-7")
    assert (refused["open"], refused["chapter"]) == (False, None)
    assert refused["reasons"][0]["condition"] == "no-fault-affects-it"
    wrong = house.told(path, **ask, credential="GWA_CERTIFICATE")
    assert wrong["reasons"][0]["condition"] == "credential-granted"
    problem(house.get(path, **ask), 422, "invalid-request")


def test_ways_out_say_what_they_lack_until_they_are_open(house: House) -> None:
    gateway = house.gateway()
    (way,) = house.told(f"/gateways/{gateway}/exits")["exits"]
    assert (way["event"], way["to"], way["to_de"]) == ("BEGIN_PRODUCTION", "PRODUCTION", "Produktion")
    assert way["lacking"][0]["found"] == "not on record: DEVELOPMENT_COMPLETE"
    house.act(gateway, Attest(Fact.DEVELOPMENT_COMPLETE, Actor(Role.GWH)))
    (way,) = house.told(f"/gateways/{gateway}/exits")["exits"]
    assert (way["open"], way["lacking"]) == (True, [])
