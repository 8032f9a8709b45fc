"""Stock clients walk the whole interface over real TLS: httpx, requests and curl, each with its own HTTP Digest."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
import requests
import urllib3
from requests.auth import HTTPDigestAuth

from gateway.han.answers import ERROR, schema
from gateway.han.queries import Method
from tests.support.han import (
    JSON_PATH,
    OTHER,
    OTHER_PASSWORD,
    OTHER_POINT,
    PASSWORD,
    PATH,
    POINT,
    USER,
    Home,
    at_home,
    consumer_certificate,
)

Ask = Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]]
"""Asks one thing at an address and gives status and answer, after whatever the challenge took."""


def by_httpx(home: Home, user: str, password: str) -> Ask:
    client = home.client(user, password)

    def ask(path: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        answer = client.post(path, json=request)
        if answer.status_code == 307:
            answer = client.post(answer.headers["location"], json=request)
        return answer.status_code, answer.json()

    return ask


def by_requests(home: Home, user: str, password: str) -> Ask:
    urllib3.disable_warnings()
    session = requests.Session()
    session.auth, session.verify, session.trust_env = HTTPDigestAuth(user, password), False, False

    def ask(path: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        answer = session.post(home.url + path, json=request, timeout=30)
        return answer.status_code, answer.json()

    return ask


def by_curl(home: Home, user: str, password: str) -> Ask:
    def ask(path: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        words = ["curl", "-sSkL", "--digest", "--user", f"{user}:{password}", "--data", json.dumps(request)]
        words += ["--write-out", "\n%{http_code}", home.url + path]
        body, _, status = subprocess.run(words, capture_output=True, check=True, timeout=30).stdout.rpartition(b"\n")
        return int(status), json.loads(body)

    return ask


PEERS = [by_httpx, by_requests, by_curl]


def valid(name: str, answer: dict[str, Any]) -> dict[str, Any]:
    jsonschema_rs.validator_for(schema(name)).validate(answer)
    return answer


@pytest.fixture(params=PEERS)
def ask(request: pytest.FixtureRequest, home: Home) -> Ask:
    made: Ask = request.param(home, USER, PASSWORD)
    return made


def test_a_stock_client_walks_it_all(home: Home, ask: Ask) -> None:
    status, answer = ask(PATH, {"method": "smgw-info"})  # by the redirect
    assert status == 200
    info = valid("smgw-info", answer)["smgw-info"]
    assert info["smgw-id"] == "exxx0012345678"
    assert info["certificates"]["han"]["tls"] == home.own.der.hex()

    status, answer = ask(JSON_PATH, {"method": "user-info"})
    assert status == 200
    (point,) = valid("user-info", answer)["user-info"]["usage-points"]
    assert point["usage-point-id"] == POINT

    status, answer = ask(JSON_PATH, {"method": "usage-point-info", "usage-point-id": POINT})
    assert status == 200
    lists = valid("usage-point-info", answer)["usage-point-info"]["databases"]
    assert [each["database"] for each in lists] == ["origin", "derived", "daily"]

    wanted = {
        "method": "readings",
        "usage-point-id": POINT,
        "database": "origin",
        "channels": [{"channel": "0100010800ff"}],
        "fromtime": "2026-03-01T10:00:00Z",
        "totime": "2026-03-01T12:00:00+01:00",
    }
    status, answer = ask(JSON_PATH, wanted)
    assert status == 200
    (channel,) = valid("readings", answer)["readings"]["channels"]
    assert channel["obis"] == "0100010800ff.1emh0012345678.sm"
    assert [one["capture-time"][11:] for one in channel["readings"]] == [
        "10:15:00Z",
        "10:30:00Z",
        "10:45:00Z",
        "11:00:00Z",
    ]
    assert answer["records"] == "4"

    status, answer = ask(JSON_PATH, {"method": "self-test"})
    assert status == 200
    valid("self-test", answer)
    status, answer = ask(JSON_PATH, {"method": "self-test"})
    assert status == 403
    assert "less than 10 minutes ago" in valid(ERROR, answer)["error"]

    status, answer = ask(JSON_PATH, {"method": "log"})
    assert status == 200
    assert [entry["message"] for entry in valid("log", answer)["log"]["entries"]] == ["Selbsttest bestanden"]


@pytest.mark.parametrize("peer", PEERS)
def test_a_wrong_password_lets_nobody_in(home: Home, peer: Callable[[Home, str, str], Ask]) -> None:
    for user, password in ((USER, "wrong"), ("nobody.sm", PASSWORD), (USER, OTHER_PASSWORD)):
        status, answer = peer(home, user, password)(JSON_PATH, {"method": "smgw-info"})
        assert status == 401
        assert "user-info" not in valid(ERROR, answer)
    assert home.data.asked == []


@pytest.mark.parametrize("peer", PEERS)
def test_nobody_sees_what_is_anothers(home: Home, peer: Callable[[Home, str, str], Ask]) -> None:
    home.data.note(OTHER, "nur für den anderen")
    ask = peer(home, USER, PASSWORD)
    status, _ = ask(f"/smgw/m2m/{OTHER}/json", {"method": "log"})
    assert status == 403
    assert ask("/smgw/m2m/nobody.sm/json", {"method": "log"})[0] == 403
    _, answer = ask(JSON_PATH, {"method": "log"})
    assert answer["log"]["entries"] == []
    for method in ("usage-point-info", "readings"):
        query = {"method": method, "usage-point-id": OTHER_POINT, "database": "origin", "last-reading": True}
        there = ask(JSON_PATH, query)
        nowhere = ask(JSON_PATH, query | {"usage-point-id": "nowhere"})
        assert there[0] == nowhere[0] == 404
        assert there[1]["error"] == nowhere[1]["error"]


def test_a_password_with_umlauts(home: Home) -> None:
    for peer in PEERS:
        ask = peer(home, OTHER, OTHER_PASSWORD)
        assert ask(f"/smgw/m2m/{OTHER}/json", {"method": "user-info"})[0] == 200


def test_requests_reuses_a_nonce_and_httpx_too(home: Home) -> None:
    with home.client() as client:
        first = client.post(JSON_PATH, json={"method": "log"}).request.headers["authorization"]
        second = client.post(JSON_PATH, json={"method": "log"}).request.headers["authorization"]
    assert "nc=00000001" in first
    assert "nc=00000002" in second
    assert "SHA-256" in first


def test_a_stale_nonce_is_replaced_without_asking_anybody(home: Home) -> None:
    with home.client() as client:
        assert client.post(JSON_PATH, json={"method": "log"}).status_code == 200
        home.ticking.forward(3600)
        answer = client.post(JSON_PATH, json={"method": "log"})
        assert answer.status_code == 200
    bare = httpx.Client(verify=False)  # noqa: S501
    old = answer.request.headers["authorization"]
    home.ticking.forward(3600)
    stale = bare.post(home.url + JSON_PATH, json={"method": "log"}, headers={"Authorization": old})
    assert stale.status_code == 401
    assert all("stale=true" in each for each in stale.headers.get_list("www-authenticate"))


def test_a_client_certificate_is_enough(tmp_path: Path) -> None:
    certificate, path = consumer_certificate(tmp_path, "consumer1")
    _, strange = consumer_certificate(tmp_path, "stranger")
    with at_home(tmp_path, certificates=[certificate]) as home:

        def status(*more: str) -> tuple[int, str]:
            words = ["curl", "-sk", "--data", json.dumps({"method": "user-info"}), "-o", "/dev/null"]
            done = subprocess.run(
                [*words, "--write-out", "%{http_code}", *more, home.url + JSON_PATH],
                capture_output=True,
                text=True,
                check=False,
                timeout=30,
            )
            return done.returncode, done.stdout

        assert status("--cert", str(path)) == (0, "200")
        assert status() == (0, "401")
        code, answer = status("--cert", str(strange))
        assert code != 0
        assert answer == "000"
        home.consumers.known.pop(USER)  # no consumer any more, his certificate nobody's
        assert status("--cert", str(path)) == (0, "401")
        newer, newer_path = consumer_certificate(tmp_path, "newer")
        home.consumers.known[USER] = home.consumers.known[OTHER].known_by(USER, None, [newer])
        home.consumers.pinned.append(newer)
        home.interface.refresh()
        assert status("--cert", str(newer_path)) == (0, "200")


@pytest.mark.parametrize("group", ["brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1", "prime256v1", "secp384r1"])
@pytest.mark.parametrize(
    "suite",
    [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES128-SHA256",
        "ECDHE-ECDSA-AES256-SHA384",
    ],
)
def test_every_curve_with_every_suite(home: Home, group: str, suite: str) -> None:
    # The certificate's own curve is named too, as a client has to.
    own = "" if group == "prime256v1" else ":prime256v1"
    shown = handshake(home, "-tls1_2", "-cipher", suite, "-groups", group + own)
    assert suite in shown
    if group.startswith("brainpool"):
        assert f"ECDH, {group}," in shown.replace("Server Temp Key: ", "")


def test_no_other_version_and_no_other_suite(home: Home) -> None:
    for words in (["-tls1_3"], ["-tls1_1"], ["-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"], ["-groups", "X25519"]):
        assert "Cipher is (NONE)" in handshake(home, *words)


def test_a_certificate_on_a_brainpool_curve(tmp_path: Path) -> None:
    with at_home(tmp_path, curve="brainpoolP256r1") as home:
        assert "ECDHE-ECDSA" in handshake(home, "-tls1_2", "-groups", "brainpoolP256r1")


def handshake(home: Home, *words: str) -> str:
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{home.port}", "-servername", "smgw.local", *words],
        input=b"",
        capture_output=True,
        check=False,
        timeout=30,
    )
    return done.stdout.decode()


def test_every_method_has_a_schema_that_forbids_what_it_does_not_name() -> None:
    for name in [*Method, ERROR]:
        found = schema(name)
        jsonschema_rs.meta.validate(found)
        assert found["additionalProperties"] is False
