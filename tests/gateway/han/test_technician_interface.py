"""The technician's interface over real TLS: who gets in, when it is there, and that it tells nobody's values."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.han.own_key import OwnCertificate
from gateway.han.rates import Rate
from gateway.han.requests import LARGEST_BODY
from gateway.han.serving import HanAddressError
from gateway.han.technician_app import JSON, LOG_ENTRIES, TechnicianLimits
from gateway.han.technician_interface import TechnicianInterface
from gateway.logs.events import EventId
from gateway.logs.store import Note
from lifecycle.canonical import format_time
from lifecycle.desk import move, report
from lifecycle.evidence import NOTHING, OpenFault
from lifecycle.faults import FAULTS
from lifecycle.gate import Gate, Shut, shut_gate
from lifecycle.law import LAW
from lifecycle.roles import Role
from lifecycle.states import Event, State
from securitymodule.errors import NoModule
from tests.support.gateways import At
from tests.support.han import consumer_certificate
from tests.support.lists import ANNA, BERT, METER, OTHER_METER, QUARTER
from tests.support.lives import GATEWAY
from tests.support.technician import (
    ADDRESS,
    GENEROUS,
    HOST,
    PORT,
    OnSite,
    client_to,
    database,
    is_open,
    on_site,
    standings,
)

FORBIDDEN = ("gateway.metering", "gateway.tariffing", "gateway.consumer_data", "gateway.contracts", "gateway.profiles")
LANGUAGES = ("de", "en")
FULL = Gate(State.REVERSIBLE_FAULT, NOTHING.with_fault(OpenFault("consumer-log-full", ANNA)))
BROKEN = Gate(State.REVERSIBLE_FAULT, NOTHING.with_fault(OpenFault("connection-fault")))
VALUES = (74206319, 74206777, 918273645)
"""Readings' values that are found nowhere by chance."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[OnSite]:
    """It, of a gateway in operation, with limits that nobody meets by chance."""
    with database(tmp_path) as engine, on_site(tmp_path, engine) as site:
        yield site


def answers(client: httpx.Client) -> Iterator[tuple[str, httpx.Response]]:
    """Every answer that there is: all addresses of the application, and every link on its pages."""
    asked = ["/", "/style.css", *(f"{JSON}/{name}" for name in ("status", "log", "connection", "guide"))]
    asked += [f"/{language}/{name}" for language in LANGUAGES for name in ("", "log", "connection", "guide")]
    seen = set(asked)
    while asked:
        path = asked.pop()
        answer = client.get(path)
        yield path, answer
        links = {link for link in re.findall(r'href="(/[a-z0-9/-]*)"', answer.text) if link not in seen}
        asked += links
        seen |= links
    for path in (f"{JSON}/connection", "/de/connection", "/en/connection"):
        yield path, client.post(path)
    for path in (f"{JSON}/nothing", "/fr/", "/de/guide/nothing", "/de/guide/housing/9", f"{JSON}/log?limit=x"):
        yield path, client.get(path)


def refused(site: OnSite, pem: Path | None) -> None:
    """A client that is told nothing but that the handshake failed."""
    with site.client(pem, certificate=pem is not None) as client, pytest.raises(httpx.TransportError) as failed:
        client.get(f"{JSON}/status")
    assert not isinstance(failed.value, httpx.TimeoutException)


def issued_by(folder: Path, issuer_pem: Path) -> Path:
    """A certificate that a technician's key has signed for somebody else."""
    data = issuer_pem.read_bytes()
    issuer = x509.load_pem_x509_certificate(data)
    issuing_key = serialization.load_pem_private_key(data, None)
    assert isinstance(issuing_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a friend")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .sign(issuing_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "friend.pem"
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def authority(folder: Path) -> tuple[x509.Certificate, Path]:
    """A certificate that may certify others."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "technician with an authority")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "authority.pem"
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return certificate, path


# Who gets in


def test_without_a_pinned_certificate_there_is_no_answer(site: OnSite, tmp_path: Path) -> None:
    _, consumers = consumer_certificate(tmp_path, "consumer")
    refused(site, None)
    refused(site, consumers)
    with site.client() as client:
        assert client.get(f"{JSON}/status").json()["gateway"] == GATEWAY


def test_a_bare_handshake_without_a_certificate_fails(site: OnSite) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    assert site.interface.address is not None
    with (
        socket.create_connection(site.interface.address, timeout=10) as raw,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(raw)


def test_who_is_certified_by_a_technician_is_none(tmp_path: Path) -> None:
    issuer, pem = authority(tmp_path)
    friend = issued_by(tmp_path, pem)
    with database(tmp_path) as engine, on_site(tmp_path, engine, more=[issuer]) as site:
        refused(site, friend)
        with site.client(pem) as client:
            assert client.get(f"{JSON}/status").status_code == 200


def test_certificates_are_replaced_while_it_runs(site: OnSite, tmp_path: Path) -> None:
    successor, pem = consumer_certificate(tmp_path, "successor")
    with site.client() as before:
        assert before.get(f"{JSON}/status").status_code == 200
        site.interface.use([successor])
        with pytest.raises(httpx.TransportError):  # whoever was connected is cut
            before.get(f"{JSON}/status")
    refused(site, site.pem)
    with site.client(pem) as client:
        assert client.get(f"{JSON}/status").status_code == 200
        site.interface.use([successor])
        assert client.get(f"{JSON}/status").status_code == 200
    site.interface.use([])
    assert site.interface.address is None
    site.interface.use([site.certificate])
    with site.client() as client:
        assert client.get(f"{JSON}/status").status_code == 200


def test_an_address_that_is_taken_is_an_error_at_the_start(site: OnSite) -> None:
    assert site.interface.address is not None
    with pytest.raises(HanAddressError, match="in use"):
        TechnicianInterface(
            site.gateway,
            site.interface.address,
            site.interface._own,
            site.port(),
            [site.certificate],
            clock=site.meters.clock,
        )


# When it is there


def test_it_is_there_just_where_the_gate_grants_something(site: OnSite) -> None:
    """In every state and under every fault, told of each transition, and what it says is what the gate knows."""
    seen = set()
    for standing in standings():
        gate = Gate(*standing)
        site.gateway.turn(gate)
        assert (site.interface.address is not None) is is_open(gate), standing
        if site.interface.address is None:
            continue
        with site.client() as client:
            told = client.get(f"{JSON}/status").json()
            findings = client.get(f"{JSON}/guide").json()
        assert (told["state"], told["phase"]["chapter"]) == (standing.state, LAW.phases[standing.state].chapter)
        assert {fault["fault"] for fault in told["faults"]} == {fault.name for fault in standing.evidence.faults}
        assert findings["first"] in findings["questions"]
        seen.add(standing.state)
    assert seen == {State.OPERATION, State.REVERSIBLE_FAULT, State.IRREVERSIBLE_FAULT}


def test_a_transition_cuts_who_is_connected(site: OnSite) -> None:
    address = site.interface.address
    assert address is not None
    with site.client() as client:
        client.get(f"{JSON}/status")
        site.gateway.turn(shut_gate(Shut.TRANSITION_IN_PROGRESS))
        with pytest.raises(httpx.TransportError):
            client.get(f"{JSON}/status")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)
    site.gateway.turn(BROKEN)
    with site.client() as client:
        assert client.get(f"{JSON}/status").json()["faults"][0]["fault"] == "connection-fault"


def test_every_request_asks_the_gate(site: OnSite) -> None:
    """Nobody has told the interface to close: it is the door that is shut."""
    with site.client() as client:
        for gate in [*(Gate(*standing) for standing in standings()), *(shut_gate(shut) for shut in Shut)]:
            site.gateway.turn(gate, tell=False)
            wanted = 200 if is_open(gate) else 403
            for name in ("status", "log", "connection", "guide"):
                answer = client.get(f"{JSON}/{name}")
                assert answer.status_code == wanted, (name, gate.state, gate.evidence.faults)
                assert wanted == 200 or "is refused" in answer.json()["error"]
        assert client.post(f"{JSON}/connection").status_code == 403
        page = client.get("/de/")
    assert page.status_code == 403
    assert "gibt das jetzt nicht frei" in page.text
    assert site.way.tried == []


# What it says


def test_the_status_has_all_that_a_technician_needs(site: OnSite) -> None:
    site.gateway.turn(FULL, tell=False)
    with site.client() as client:
        told = client.get(f"{JSON}/status").json()
    (fault,) = told["faults"]
    assert fault["clearing"] == {"german": "der GWA gibt das Log frei", "english": "the GWA frees the log"}
    assert fault["affects"] == sorted(FAULTS["consumer-log-full"].affects)
    assert fault["cleared-by"] == ["GATEWAY", "GWA"]
    assert [part["part"] for part in told["parts"]] == ["module", "record", "disk", "clock"]
    assert all(part["sound"] for part in told["parts"])
    assert told["lines"] == [
        {"line": "lmn0", "heard": "2026-03-02T07:56:00.000000Z", "silent": False},
        {"line": "radio", "heard": None, "silent": True},
    ]
    assert told["certificates"][0]["key"] == "OPERATIONAL_A_TLS"
    assert told["connection-certificates"] == {
        "interface": format_time(site.interface._own.certificate.not_valid_after_utc),
        "yours": format_time(site.certificate.not_valid_after_utc),
    }
    assert told["versions"]["software"] == "0.1.0"


def test_a_part_that_fails_is_said_to_fail_and_the_rest_is_shown(site: OnSite) -> None:
    site.module = NoModule("/dev/reader7: no card")
    with site.client() as client:
        told = client.get(f"{JSON}/status").json()
        page = client.get("/de/").text
    assert [part["sound"] for part in told["parts"]] == [False, True, True, True]
    assert "reader7" not in json.dumps(told) + page
    assert "antwortet nicht" in page


def test_the_catalogue_is_shown_in_both_languages(site: OnSite) -> None:
    for name, fault in FAULTS.items():
        gate = Gate(fault.leads_to, NOTHING.with_fault(OpenFault(name, ANNA if fault.per_subject else "")))
        if not is_open(gate):
            continue
        site.gateway.turn(gate, tell=False)
        with site.client() as client:
            german, english = client.get("/de/").text, client.get("/en/").text
        assert fault.german in german
        assert fault.german_clearing in german
        assert fault.clearing in english
        assert LAW.phases[fault.leads_to].german in english


def test_the_log_is_paged(site: OnSite) -> None:
    for number in range(LOG_ENTRIES + 7):
        site.meters.logs.write(Note(EventId.STARTED, {"firmware": f"0.{number}"}))
    last = LOG_ENTRIES + 7
    with site.client() as client:
        told = client.get(f"{JSON}/log", params={"limit": 3}).json()
        assert [entry["number"] for entry in told["entries"]] == [last - 2, last - 1, last]
        assert told["end"] == last
        page = client.get("/de/log").text
        assert re.findall(r'<li value="(\d+)"', page) == [str(number) for number in range(last, 7, -1)]
        assert 'href="?before=8"' in page
        assert "Neuere" not in page
        older = client.get("/de/log", params={"before": 8}).text
        assert re.findall(r'<li value="(\d+)"', older) == [str(number) for number in range(7, 0, -1)]
        assert "Ältere" not in older
        assert f'href="?before={7 + LOG_ENTRIES + 1}"' in older
        assert client.get("/en/log", params={"before": 1}).text.count("empty") == 1
        for wrong in ({"limit": 501}, {"limit": "-1"}, {"after": "1e3"}, {"before": "٣"}):
            answer = client.get(f"{JSON}/log", params=wrong)
            assert (answer.status_code, bool(answer.json()["error"])) == (400, True)


def test_a_connection_is_tested_and_shown(site: OnSite) -> None:
    with site.client() as client:
        assert client.get(f"{JSON}/connection").json() == {"running": False, "last": None}
        assert "Noch nicht geprüft" in client.get("/de/connection").text
        answer = client.post(f"{JSON}/connection")
        assert answer.status_code == 202
        last = answer.json()["last"]
        assert (last["reached"], last["name"]["addresses"]) == (True, [ADDRESS])
        assert (last["tcp"]["host"], last["tcp"]["port"]) == (HOST, PORT)
        site.way.works = False
        back = client.post("/de/connection")
        assert (back.status_code, back.headers["location"]) == (303, "/de/connection")
        page = client.get("/de/connection").text
        assert "nicht erreichbar" in page
        assert "Connection refused" in page
        assert client.post("/en/connection?for=repair").headers["location"] == "/en/guide/repair"
        assert client.post("/en/connection?for=//evil.example").headers["location"] == "/en/connection"


def test_a_test_that_runs_is_waited_for_without_a_script(site: OnSite) -> None:
    site.way.waiting = []
    with site.client() as client:
        assert client.post(f"{JSON}/connection").json() == {"running": True, "last": None}
        assert client.post(f"{JSON}/connection").status_code == 409
        page = client.get("/de/connection").text
        assert '<meta http-equiv="refresh" content="2">' in page
        assert "<button" not in page
        site.way.go_on()
        assert "refresh" not in client.get("/de/connection").text


def test_another_site_begins_no_test(site: OnSite) -> None:
    with site.client() as client:
        for headers in (
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ):
            for path in (f"{JSON}/connection", "/de/connection"):
                assert client.post(path, headers=headers).status_code == 403
        assert site.way.tried == []
        assert client.post("/de/connection", headers={"Origin": site.url}).status_code == 303
        assert client.get(f"{JSON}/connection", headers={"Origin": "https://evil.example"}).status_code == 200
        assert len(site.way.tried) == 1


def test_who_asks_too_often_is_told_to_wait(tmp_path: Path) -> None:
    limits = TechnicianLimits(requests=Rate(1, 5), tests=Rate(1 / 60, 2))
    with database(tmp_path) as engine, on_site(tmp_path, engine, limits=limits) as site, site.client() as client:
        assert [client.post(f"{JSON}/connection").status_code for _ in range(3)] == [202, 202, 429]
        refusal = client.post("/en/connection")
        assert (refusal.status_code, refusal.headers["retry-after"]) == (429, "60")
        assert "too many connection tests" in refusal.text
        assert len(site.way.tried) == 2
        assert client.get(f"{JSON}/status").status_code == 200
        too_many = client.get(f"{JSON}/status")
        assert (too_many.status_code, too_many.headers["retry-after"]) == (429, "1")
        assert "too many requests" in too_many.json()["error"]
        site.ticking.forward(1.0)
        assert client.get(f"{JSON}/status").status_code == 200


def test_too_many_connections_are_told_so(tmp_path: Path) -> None:
    limits = TechnicianLimits(GENEROUS.requests, GENEROUS.tests, connections=2, connections_each=2)
    with (
        database(tmp_path) as engine,
        on_site(tmp_path, engine, limits=limits) as site,
        contextlib.ExitStack() as stack,
    ):
        clients = [stack.enter_context(site.client()) for _ in range(3)]
        assert [client.get(f"{JSON}/connection").status_code for client in clients] == [200, 200, 429]


def test_what_is_too_large_or_not_there_is_refused(site: OnSite) -> None:
    with site.client() as client:
        assert client.post(f"{JSON}/connection", content=b" " * (LARGEST_BODY + 1)).status_code == 413
        assert client.post(f"{JSON}/status").status_code == 405
        for path in (
            "/technician",
            f"{JSON}/readings",
            "/fr/",
            "/de/guide/x",
            "/de/guide/module/1",
            "/de/guide/module/0",
        ):
            assert client.get(path).status_code == 404
        assert "error" in client.get(f"{JSON}/x").json()
        assert client.get("/de/guide/%3Cscript%3E").text.count("<script") == 0


def test_a_defect_is_not_told_about(site: OnSite, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> dict[str, datetime | None]:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(site.interface._site._port, "_lines", broken)
    with site.client() as client, site.client() as another:
        answer = client.get(f"{JSON}/status")
        page = another.get("/de/")
    assert (answer.status_code, page.status_code) == (500, 500)
    assert "secret" not in answer.text + page.text


# The guide


def ends(site: OnSite, client: httpx.Client, language: str) -> set[tuple[str, ...]]:
    """The commands at the end of every way through the pages, beginning with the first, by following every link."""
    found, todo, seen = set(), [f"/{language}/guide"], set()
    while todo:
        path = todo.pop()
        seen.add(path)
        text = client.get(path).text
        command = re.search(r"<pre><code>(.*?)</code></pre>", text)
        if command:
            found.add(tuple(command[1].split()))
            continue
        links = re.findall(rf'href="(/{language}/guide/[a-z0-9/-]+)"', text)
        assert len(links) >= 2, path
        todo += [link for link in links if link not in seen]
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pages_lead_to_every_finding_of_the_guide(site: OnSite, language: str) -> None:
    for gate in (Gate(State.OPERATION, NOTHING), BROKEN):
        site.gateway.turn(gate, tell=False)
        with site.client() as client:
            told = client.get(f"{JSON}/guide").json()
            commands = {
                tuple(answer["command"].split())
                for question in told["questions"].values()
                for answer in question["answers"]
                if "command" in answer
            }
            assert ends(site, client, language) == commands
    assert (
        "smgw",
        "technician",
        "diagnose",
        GATEWAY,
        "--cleared",
        "connection-fault",
        "--out",
        "diagnosis.json",
    ) in commands


def test_a_command_says_what_the_test_of_a_moment_ago_found(site: OnSite) -> None:
    def command(client: httpx.Client) -> str:
        told: dict[str, Any] = client.get(f"{JSON}/guide").json()
        (answer,) = [
            one for one in told["questions"]["repair"]["answers"] if one["finding"]["fault"] == "connection-fault"
        ]
        return str(answer["command"])

    with site.client() as client:
        assert "connected" not in command(client)
        site.way.works = False
        client.post(f"{JSON}/connection")
        assert "--not-connected" in command(client)
        site.meters.clock.move(timedelta(hours=1))
        assert "connected" not in command(client)


# What it does not say


@pytest.mark.parametrize("gate", [Gate(State.OPERATION, NOTHING), FULL, BROKEN], ids=["operation", "full", "broken"])
def test_no_answer_has_a_reading_or_a_consumer_in_it(site: OnSite, gate: Gate) -> None:
    for value in VALUES[:2]:
        site.meters.take(value)
        site.meters.pass_time(QUARTER)
    site.meters.take(VALUES[2], meter=OTHER_METER)
    site.meters.logs.write(
        Note(EventId.CONSUMER_LOG_FULL, {"consumer": ANNA}),
        Note(EventId.FAULT_OPENED, {"fault": f"consumer-log-full of {BERT}"}),
        Note(EventId.OWN_DATA_READ, {"what": "own values"}, ANNA),
        Note(EventId.PROFILES_CHANGED, {"profile": f"{ANNA}.taf1", "who": "GWA 1"}, by=BERT),
    )
    lists = site.meters.lists
    stored = [entry.value for meter in (METER, OTHER_METER) for entry in lists.entries(meter, "0100010800ff")]
    assert {*VALUES} <= {*stored}
    site.gateway.turn(gate, tell=False)
    secrets = [str(value) for value in stored if value] + [ANNA, BERT, METER, OTHER_METER, "own values"]
    counted = 0
    with site.client() as client:
        for path, answer in answers(client):
            told = answer.text + str(answer.headers)
            assert not [secret for secret in secrets if secret in told], path
            assert not [str(value // 10) for value in VALUES if str(value // 10) in told], path
            assert answer.headers["cache-control"] == "no-store"
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "<script" not in answer.text
            assert " style=" not in answer.text
            counted += 1
    assert counted > 50


def test_nothing_of_it_reaches_metering() -> None:
    """Not the port, not the interface, and nothing that they import, however far off."""
    code = (
        "import sys, gateway.technician, gateway.han.technician_interface\n"
        "print('\\n'.join(name for name in sys.modules if name.startswith(('gateway', 'stations', 'smgw'))))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "gateway.technician" in loaded
    assert not [name for name in loaded if name.startswith(FORBIDDEN)]
    assert not [name for name in loaded if name.startswith(("gateway.han.data", "gateway.han.app", "stations", "smgw"))]


# Before a whole gateway


def test_it_follows_a_whole_gateway(at: At, tmp_path: Path) -> None:
    device = at(State.OPERATION)
    gateway, technician, gwa = device.gateway, device.party(Role.SERVICETECHNIKER), device.party(Role.GWA)
    certificate, pem = consumer_certificate(tmp_path, "technician")
    own = OwnCertificate.open_or_make(tmp_path / "han.pem", GATEWAY, lambda: datetime.now(UTC))
    address = ("127.0.0.1", 0)
    with TechnicianInterface(gateway, address, own, gateway.technician, [certificate], clock=device.clock) as interface:

        def status() -> dict[str, Any]:
            assert interface.address is not None
            with client_to(interface.address[1], pem) as client:
                told: dict[str, Any] = client.get(f"{JSON}/status").json()
            return told

        told = status()
        assert (told["gateway"], told["state"], told["faults"]) == (device.id, "OPERATION", [])
        assert {part["part"] for part in told["parts"]} == {"module", "record", "disk", "clock"}
        assert all(part["sound"] for part in told["parts"])
        assert {one["use"] for one in told["certificates"]} == {"TLS", "SIG", "ENC"}
        gateway.act(technician, report(technician, "connection-fault"))
        gateway.act(gwa, move(gwa, Event.ENTER_REVERSIBLE_FAULT))
        told = status()
        assert (told["state"], [fault["fault"] for fault in told["faults"]]) == (
            "REVERSIBLE_FAULT",
            ["connection-fault"],
        )
        gateway.act(technician, report(technician, "functionless"))
        assert interface.address is None
        gateway.act(gwa, move(gwa, Event.ENTER_OUTAGE))
        assert interface.address is None
