"""The interface against clients that are slow, large, many or hostile, and with a gate that shuts."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.han import protocol, requests, serving
from gateway.han.answers import ERROR, schema
from gateway.han.app import Limits
from gateway.han.consumers import Consumer
from gateway.han.interface import HanInterface
from gateway.han.own_key import OwnCertificate
from gateway.han.queries import Method
from gateway.han.rates import Rate
from gateway.han.serving import HanAddressError
from lifecycle.evidence import NOTHING, OpenFault
from lifecycle.faults import FAULTS
from lifecycle.functions import Function, Interface
from lifecycle.gate import Gate, Shut, shut_gate
from lifecycle.states import State
from tests.support.gateways import At
from tests.support.han import (
    GENEROUS,
    IMPORT,
    JSON_PATH,
    METER,
    NOW,
    OTHER,
    OTHER_PASSWORD,
    PASSWORD,
    PATH,
    POINT,
    USER,
    FakeGateway,
    Home,
    MemoryConsumers,
    MemoryData,
    at_home,
)

EVERY: list[dict[str, Any]] = [
    {"method": "smgw-info"},
    {"method": "user-info"},
    {"method": "usage-point-info", "usage-point-id": POINT},
    {"method": "readings", "usage-point-id": POINT, "database": "origin", "last-reading": True},
    {"method": "log"},
    {"method": "self-test"},
]
GET = b"GET /smgw/m2m HTTP/1.1\r\nHost: smgw.local\r\n\r\n"
ASKED_AS = {"log": Function.READ_CONSUMER_LOG, "self-test": Function.READ_CONSUMER_LOG}
IN_USE = {State.OPERATION, State.REVERSIBLE_FAULT, State.IRREVERSIBLE_FAULT}


@contextlib.contextmanager
def line_to(home: Home) -> Iterator[ssl.SSLSocket]:
    """A bare TLS connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    raw = socket.create_connection(("127.0.0.1", home.port), timeout=20)
    with context.wrap_socket(raw) as line:
        yield line


def said(line: ssl.SSLSocket) -> bytes:
    """Everything until the other side ends."""
    found = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):  # and not a time-out: then nobody has ended it
        while chunk := line.recv(65536):
            found += chunk
    return found


def answer_on(line: ssl.SSLSocket) -> bytes:
    """One answer, and nothing after it."""
    found = b""
    while not found.endswith(b"}"):
        chunk = line.recv(65536)
        assert chunk
        found += chunk
    return found


def test_it_is_there_in_just_the_states_that_open_it(home: Home) -> None:
    assert len(State) == 20
    for state in State:
        gate = Gate(state, NOTHING)
        home.gateway.turn(gate)
        assert (home.interface.address is not None) == (state in IN_USE)
        if home.interface.address is not None:
            with home.client() as client:
                assert client.post(JSON_PATH, json=EVERY[0]).status_code == 200


def test_every_request_asks_the_gate_in_every_state(home: Home) -> None:
    """Nobody has told the interface to close: it is the door that is shut."""
    with home.client() as client:
        for gate in [*(Gate(state, NOTHING) for state in State), *(shut_gate(shut) for shut in Shut)]:
            home.gateway.turn(gate, tell=False)
            home.ticking.forward(601)
            home.data.asked.clear()
            for request in EVERY:
                answer = client.post(JSON_PATH, json=request)
                assert answer.status_code == (200 if gate.state in IN_USE and gate.shut is None else 403)
                if answer.status_code == 403:
                    assert "is refused" in answer.json()["error"]
                    assert home.data.asked == []
            assert client.get(PATH).status_code == (307 if gate.state in IN_USE and gate.shut is None else 403)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_takes_away_what_the_gate_says(home: Home, name: str) -> None:
    """A full log, for one, keeps nobody from reading it."""
    subject = OTHER if FAULTS[name].per_subject else ""
    gate = Gate(FAULTS[name].leads_to, NOTHING.with_fault(OpenFault(name, subject)))
    home.gateway.turn(gate, tell=False)
    opened = {grant.function for grant in gate.opened if grant.interface is Interface.HAN_CONSUMER}
    with home.client() as client:
        for request in EVERY:
            function = ASKED_AS.get(request["method"], Function.READ_OWN_DATA)
            status = client.post(JSON_PATH, json=request).status_code
            assert status == (200 if function in opened else 403), request


def test_a_fault_that_shuts_the_interface_cuts_who_is_connected(home: Home) -> None:
    port = home.port
    with line_to(home) as line:
        line.sendall(b"POST /smgw/m2m HTTP/1.1\r\n")
        home.gateway.turn(Gate(State.REVERSIBLE_FAULT, NOTHING.with_fault(OpenFault("wan-han-not-separated"))))
        assert home.interface.address is None
        assert said(line) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    home.gateway.turn(Gate(State.OPERATION, NOTHING))
    with home.client() as client:
        assert client.get(PATH).status_code == 307


def test_an_address_that_is_taken_is_an_error_at_the_start(home: Home) -> None:
    gateway = FakeGateway(Gate(State.OPERATION, NOTHING))
    with pytest.raises(HanAddressError, match="in use"):
        HanInterface(gateway, ("127.0.0.1", home.port), home.own, home.consumers, MemoryData(), clock=lambda: NOW)


@pytest.mark.parametrize(
    ("request_", "status", "reason"),
    [
        (b"", 400, "no JSON"),
        (b"[]", 400, "no JSON object"),
        (b"{}", 400, "method is one of"),
        (b'{"method": "reboot"}', 400, "method is one of"),
        (b'{"method": ["log"]}', 400, "method is one of"),
        (b"[" * 5000, 400, "no JSON"),
        (b'{"method": "readings"}', 400, "usage-point-id is needed"),
        (b'{"method": "readings", "usage-point-id": "x", "database": "all"}', 400, "database is one of"),
        (b'{"method": "log", "count": 0}', 400, "count is a whole number"),
        (b'{"method": "log", "fromtime": "yesterday"}', 400, "fromtime is no time"),
        (b'{"method": "log", "fromtime": "0001-01-01T00:00:00+14:00"}', 400, "fromtime is no time"),
    ],
)
def test_what_is_wrong_is_named(home: Home, request_: bytes, status: int, reason: str) -> None:
    with home.client() as client:
        answer = client.post(JSON_PATH, content=request_)
    assert answer.status_code == status
    assert reason in answer.json()["error"]


def readings(**more: Any) -> dict[str, Any]:
    return {"method": "readings", "usage-point-id": POINT, "database": "origin"} | more


@pytest.mark.parametrize(
    ("request_", "status", "reason"),
    [
        (readings(), 400, "fromtime is needed"),
        (readings(fromtime="2026-01-01T00:00:00", totime="2026-02-01T00:00:01"), 400, "longer than 31 days"),
        (readings(fromtime="2026-02-01T00:00:00", totime="2026-01-01T00:00:00"), 400, "before fromtime"),
        (readings(database="calculated", fromtime="2026-02-28T00:00:00Z"), 404, "no database calculated"),
        (readings(channels=[{"channel": "ffffffffffff"}], fromtime="2026-02-28T00:00:00Z"), 404, "no channel"),
        (readings(channels=[{"channel": "x"}], fromtime="2026-02-28T00:00:00Z"), 400, "12 hexadecimal digits"),
        (readings(channels="x", fromtime="2026-02-28T00:00:00Z"), 400, "channels is a list"),
    ],
)
def test_ranges_and_channels_that_are_none(home: Home, request_: dict[str, Any], status: int, reason: str) -> None:
    with home.client() as client:
        answer = client.post(JSON_PATH, json=request_)
    assert answer.status_code == status
    assert reason in answer.json()["error"]
    assert answer.json()["method"] == "readings"


def test_the_longest_month_and_the_last_reading(home: Home) -> None:
    home.data.begun = datetime(2025, 9, 1, tzinfo=UTC)
    with home.client() as client:
        october = client.post(
            JSON_PATH, json=readings(fromtime="2025-10-01T00:00:00", totime="2025-11-01T00:00:00")
        ).json()
        last = client.post(JSON_PATH, json=readings(**{"last-reading": "true"})).json()
    for channel in october["readings"]["channels"]:
        assert len(channel["readings"]) == 31 * 96 + 4  # the hour that happens twice is there twice
    assert [channel["readings"][0]["capture-time"] for channel in last["readings"]["channels"]] == [
        "2026-03-01T12:00:00Z"
    ] * 2


def test_a_channel_that_is_asked_for_often_is_answered_once(home: Home) -> None:
    request = {"method": "readings", "usage-point-id": POINT, "database": "origin", "last-reading": True}
    with home.client() as client:
        twice = [{"channel": IMPORT}, {"channel": IMPORT.upper()}]
        answer = client.post(JSON_PATH, json={**request, "channels": twice * 9})
    assert [each["obis"] for each in answer.json()["readings"]["channels"]] == [f"{IMPORT}.{METER}.sm"]


def test_paging_leaves_nothing_out_and_says_nothing_twice(home: Home) -> None:
    found: list[str] = []
    query = readings(fromtime="2026-02-27T00:00:00Z", totime="2026-02-28T00:00:00Z", count="17")
    with home.client() as client:
        pages = 0
        while True:
            answer = client.post(JSON_PATH, json=query).json()
            found += [one["capture-time"] for one in answer["readings"]["channels"][0]["readings"]]
            pages += 1
            if "next-fromtime" not in answer:
                break
            query["fromtime"] = answer["next-fromtime"]
    assert pages == 6
    assert len(found) == len(set(found)) == 96


def test_the_log_by_time_and_by_index(home: Home) -> None:
    for number in range(2000):
        home.data.note(USER, f"entry {number}")
    with home.client() as client:

        def log(**more: Any) -> list[str]:
            answer = client.post(JSON_PATH, json={"method": "log"} | more).json()
            assert answer["records"] == str(len(answer["log"]["entries"]))
            return [entry["index"] for entry in answer["log"]["entries"]]

        assert len(log()) == len(log(count=9999)) == 1500
        assert log(fromindex=1501)[0] == "1501"
        assert log(fromindex="1999", count="1") == ["1999"]
        assert len(log(fromtime="2026-03-01T12:00:00Z")) == 1500
        assert log(totime="2026-03-01T12:00:00Z") == []


def test_a_self_test_waits_ten_minutes_and_for_the_one_that_runs(home: Home) -> None:
    with home.client() as client:

        def status() -> int:
            return client.post(JSON_PATH, json={"method": "self-test"}).status_code

        home.data.testing = True
        assert status() == 403
        home.data.testing = False
        assert status() == 200
        home.ticking.forward(599)
        assert status() == 403
        home.ticking.forward(1)
        assert status() == 200


def test_addresses_that_are_none(home: Home) -> None:
    with home.client() as client:
        assert client.get(JSON_PATH).status_code == 405
        assert client.delete(PATH).status_code == 405
        assert client.get("/").status_code == 404
        assert client.get("/docs").status_code == 404
        assert "error" in client.get("/openapi.json").json()


def test_a_defect_of_ours_says_nothing(home: Home) -> None:
    home.data.broken = True
    with home.client() as client:
        answer = client.post(JSON_PATH, json={"method": "smgw-info"})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["error"]


def test_a_replayed_request_is_refused(home: Home) -> None:
    with home.client() as client:
        old = client.post(JSON_PATH, json={"method": "log"}).request.headers["authorization"]
    with httpx.Client(verify=False, base_url=home.url) as bare:  # noqa: S501
        again = bare.post(JSON_PATH, json={"method": "user-info"}, headers={"Authorization": old})
        assert again.status_code == 401
        assert "used before" in again.json()["error"]
        elsewhere = bare.post(PATH, headers={"Authorization": old})
        assert elsewhere.status_code == 401
        twice = bare.post(JSON_PATH, headers=[("Authorization", old), ("Authorization", old)])
        assert twice.status_code == 400
    assert home.data.asked == []


def test_parallel_polling_is_served(home: Home) -> None:
    """Several programs of one consumer's, each as fast as it can."""

    def poll(_number: int) -> list[int]:
        with home.client() as client:
            return [client.post(JSON_PATH, json=request).status_code for request in EVERY[:5] * 8]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(poll, range(8))) == [[200] * 40] * 8


def test_who_asks_too_often_is_told_to_wait_and_nothing_else(tmp_path: Path) -> None:
    limits = Limits(requests=Rate(2, 5), challenges=Rate(1e6, 10**6), failures=Rate(1, 3))
    with at_home(tmp_path, limits=limits) as home, home.client() as client:
        answers = [client.post(JSON_PATH, json={"method": "log"}) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        assert answers[-1].headers["retry-after"] == "1"
        assert "too many requests" in answers[-1].json()["error"]
        with home.client(OTHER, OTHER_PASSWORD) as other:
            assert other.get(PATH).status_code == 307
        home.ticking.forward(0.5)
        assert client.post(JSON_PATH, json={"method": "log"}).status_code == 200


def test_guessing_passwords_is_slow_and_shuts_nobody_else_out(tmp_path: Path) -> None:
    limits = Limits(requests=Rate(1e6, 10**6), challenges=Rate(1e6, 10**6), failures=Rate(1, 3))
    with at_home(tmp_path, limits=limits) as home:
        with home.client(USER, "wrong") as guessing:
            answers = [guessing.get(PATH).status_code for _ in range(4)]
        assert answers == [401, 401, 429, 429]  # the second time it tries with the old nonce first
        with home.client(OTHER, OTHER_PASSWORD) as other:
            assert other.get(PATH).status_code == 307
        home.ticking.forward(1)
        with home.client() as client:
            assert client.get(PATH).status_code == 307


def test_challenges_are_limited_too(tmp_path: Path) -> None:
    limits = Limits(requests=GENEROUS.requests, challenges=Rate(1, 2), failures=GENEROUS.failures)
    with at_home(tmp_path, limits=limits) as home, httpx.Client(verify=False) as bare:  # noqa: S501
        assert [bare.get(home.url + PATH).status_code for _ in range(3)] == [401, 401, 429]


def test_too_many_connections_get_a_reason(tmp_path: Path) -> None:
    limits = Limits(GENEROUS.requests, GENEROUS.challenges, GENEROUS.failures, connections_each=3)
    with at_home(tmp_path, limits=limits) as home:
        with contextlib.ExitStack() as stack:
            lines = [stack.enter_context(line_to(home)) for _ in range(4)]
            for line in lines:
                line.sendall(GET)
            assert [answer_on(line).split(b" ")[1] for line in lines] == [b"401", b"401", b"401", b"429"]
        until = time.monotonic() + 10
        status = 429
        while status == 429 and time.monotonic() < until:  # until the server has seen the others leave
            with home.client() as client:
                status = client.get(PATH).status_code
        assert status == 307


def test_too_large(home: Home) -> None:
    with home.client() as client:
        stated = client.post(JSON_PATH, content=b" " * (requests.LARGEST_BODY + 1))
        assert stated.status_code == 413
    with httpx.Client(verify=False) as bare:  # noqa: S501
        chunked = bare.post(home.url + JSON_PATH, content=(b" " * 1024 for _ in range(17)))
        assert chunked.status_code == 413
    with home.client() as client:
        fits = client.post(JSON_PATH, content=json.dumps({"method": "log"}).encode().ljust(requests.LARGEST_BODY))
        assert fits.status_code == 200


@pytest.mark.parametrize(
    "head",
    [
        b"GET /smgw/m2m HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000 + b"\r\n\r\n",
        b"GET /smgw/m2m HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 200 + b"\r\n",
        b"GET /smgw/m2m HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"GET /smgw/m2m HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /smgw/m2m HTTP/1.1\r\nHost: x\r\nBad Header\r\n\r\n",
        b"GET /smgw/m2m HTTP/1.1\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"GET /" + b"a" * 70_000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_header_abuse(home: Home, head: bytes) -> None:
    answer = b""
    with line_to(home) as line, contextlib.suppress(ConnectionError, ssl.SSLError):
        line.sendall(head)
        answer = line.recv(65536)
    if answer or len(head) < requests.LARGEST_HEAD:  # who sends on while he is refused may not hear why
        assert answer.split(b" ")[1] in {b"400", b"404", b"431"}
    with home.client() as client:
        assert client.get(PATH).status_code == 307


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /smgw/m2m HTTP/1.0\r\nHost: smgw.local\r\n\r\nwhat no length announces",
        b"POST /nowhere HTTP/1.1\r\nHost: smgw.local\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n",
        b"HEAD /smgw/m2m HTTP/1.1\r\nHost: smgw.local\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n",
    ],
)
def test_what_stops_being_http_is_no_error_of_ours(home: Home, sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with line_to(home) as line:
        head, end, rest = sent.partition(b"\r\n\r\n")
        if sent.startswith(b"HEAD"):
            line.sendall(sent)
        else:
            line.sendall(head + end)
            if b"/nowhere" in head:
                answer_on(line)
            line.sendall(rest)
        assert said(line).count(b"HTTP/1.1 ") <= 1
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_slow_clients_are_let_go_and_nobody_waits_for_them(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.4)
    monkeypatch.setattr(requests, "BODY_SECONDS", 0.4)
    with contextlib.ExitStack() as stack:
        silent, headless, bodiless, later = (stack.enter_context(line_to(home)) for _ in range(4))
        headless.sendall(b"POST /smgw/m2m HTTP/1.1\r\nHost:")
        bodiless.sendall(b"POST /smgw/m2m HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        later.sendall(GET)
        assert b" 401 " in answer_on(later)
        with home.client() as client:
            assert client.get(PATH).status_code == 307
        later.sendall(b"GET /smgw")
        assert said(silent) == b""
        assert said(headless) == b""
        assert b" 408 " in said(bodiless)
        assert said(later) == b""


def test_a_connection_that_is_idle_between_requests_stays(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    with line_to(home) as line:
        for _ in range(2):
            line.sendall(GET)
            assert b" 401 " in answer_on(line)
            threading.Event().wait(0.4)


def test_who_does_not_shake_hands_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HANDSHAKE_SECONDS", 0.3)
    with at_home(tmp_path) as home, socket.create_connection(("127.0.0.1", home.port), timeout=20) as raw:
        assert raw.recv(1) == b""


def test_a_resumed_session_ends_when_the_first_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with at_home(tmp_path) as home:

        def connect(session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
            raw = socket.create_connection(("127.0.0.1", home.port), timeout=10)
            return context.wrap_socket(raw, session=session)

        with connect() as first:
            session = first.session
            assert session is not None
            ends = session.time + protocol.SESSION_SECONDS
            monkeypatch.setattr("time.time", lambda: ends)
            with connect(session) as second, connect() as third:
                assert second.session_reused
                assert said(second) == b""
                third.sendall(GET)
                assert b" 401 " in answer_on(third)


def test_it_follows_a_real_gateway(at: At, tmp_path: Path) -> None:
    device = at(State.OPERATION)
    own = OwnCertificate.open_or_make(tmp_path / "han.pem", device.id, lambda: datetime.now(UTC))
    data, consumers = MemoryData(), MemoryConsumers({USER: Consumer.known_by(USER, PASSWORD)})
    with HanInterface(device.gateway, ("127.0.0.1", 0), own, consumers, data, clock=lambda: NOW) as opened:
        assert opened.address is not None
        url = f"https://127.0.0.1:{opened.address[1]}{JSON_PATH}"
        with httpx.Client(verify=False, auth=httpx.DigestAuth(USER, PASSWORD)) as client:  # noqa: S501
            assert client.post(url, json={"method": "user-info"}).status_code == 200
        device.gateway.distrust("a test says so")
        assert opened.address is None


def test_a_key_that_is_gone_is_an_error_that_says_so(home: Home) -> None:
    home.gateway.turn(Gate(State.OUTAGE, NOTHING))
    home.own.path.unlink()
    home.gateway.turn(Gate(State.OPERATION, NOTHING))  # logged: nobody is there to be told
    assert home.interface.address is None
    with pytest.raises(HanAddressError, match="key of the HAN interface"):
        home.interface.refresh()


def test_a_session_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "SESSION_SECONDS", 0.3)
    with at_home(tmp_path) as home, line_to(home) as line:
        assert said(line) == b""
    assert protocol.IDLE_SECONDS == 600


VALIDATORS = {name: jsonschema_rs.validator_for(schema(name)) for name in [*Method, ERROR]}
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
TIMES = st.datetimes().map(lambda time: time.strftime("%Y-%m-%dT%H:%M:%S")) | st.sampled_from(
    ["2026-03-29T02:30:00", "2025-10-26T02:30:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z"]
)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, httpx.Client]]:
    with at_home(tmp_path_factory.mktemp("han")) as home, home.client() as client:
        yield home, client


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    request=st.fixed_dictionaries(
        {"method": st.sampled_from(Method) | JSON_VALUES},
        optional={
            "usage-point-id": st.just(POINT) | JSON_VALUES,
            "database": st.sampled_from(["origin", "daily", "calculated"]) | JSON_VALUES,
            "channels": JSON_VALUES | st.just([{"channel": "0100010800ff"}]),
            "last-reading": JSON_VALUES,
            "fromtime": TIMES | JSON_VALUES,
            "totime": TIMES | JSON_VALUES,
            "fromindex": JSON_VALUES,
            "count": JSON_VALUES,
        },
    )
)
def test_whatever_is_asked_there_is_an_answer(lasting: tuple[Home, httpx.Client], request: dict[str, Any]) -> None:
    answer = lasting[1].post(JSON_PATH, content=json.dumps(request).encode())
    assert answer.status_code in {200, 400, 403, 404}
    name = answer.json()["method"] if answer.status_code == 200 else ERROR
    VALIDATORS[name].validate(answer.json())


@settings(max_examples=150, deadline=None)
@given(body=st.binary(max_size=300), header=st.text(st.characters(max_codepoint=255, exclude_categories=["C"])))
def test_whatever_is_sent_there_is_an_answer(lasting: tuple[Home, httpx.Client], body: bytes, header: str) -> None:
    home, client = lasting
    assert client.post(JSON_PATH, content=body).status_code == 400
    shown = {b"Authorization": ("Digest " + header).encode("latin-1").strip()}
    with httpx.Client(verify=False) as bare:  # noqa: S501
        assert bare.post(home.url + JSON_PATH, content=body, headers=shown).status_code == 401
