"""``smgw serve`` and ``smgw reader``: the service started and stopped as its operator does, and who may read."""

from __future__ import annotations

import ipaddress
import os
import re
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lifecycle.parties import Party
from lifecycle.roles import Role
from tests.smgw.conftest import Run, json_lines
from tests.support.commands import started


@contextmanager
def serving(home: Path, *words: object, log: str = "warning") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running ``smgw serve`` and what it printed at its start; stopped whatever happens meanwhile."""
    environment = {**os.environ, "SMGW_HOME": str(home), "SMGW_LOG_FORMAT": "json", "SMGW_LOG_LEVEL": log}
    environment.pop("SMGW_DATABASE", None)
    with started("serve", "--port", "0", *words, environment=environment) as running:
        yield running


def test_dev_prints_a_link_that_signs_in_and_makes_a_party_for_each_role(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with serving(home, "--dev", log="info") as (process, printed):
        link = re.search(r"http://127\.0\.0\.1:\d+/\?token=(\S+)", printed)
        assert link is not None, printed
        with httpx.Client(follow_redirects=True) as client:
            page = client.get(link[0])
            assert page.status_code == 200
            assert page.url.query == b""
            assert "Fleet" in page.text
            api = str(page.url.copy_with(path="/api/v1/gateways"))
            told = httpx.get(api, headers={"Authorization": f"Bearer {link[1]}"})
            assert told.json()["total"] == 0
        for role in (Role.GWH, Role.MSB, Role.GWA, Role.MONTEUR, Role.SERVICETECHNIKER, Role.RECYCLER):
            assert Party.load(home / "parties" / role.lower()).actor.role is role
        process.send_signal(signal.SIGINT)
        rest, log = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "Stopped." in rest
    assert '"path": "/api/v1/gateways"' in log
    assert link[1] not in log, "a token is in the log"


def test_it_stops_in_order_while_somebody_listens(smgw: Run, home: Path) -> None:
    token = json_lines(smgw("reader", "create", "--name", "listener", "--json"))[0]["token"]
    with serving(home) as (process, printed):
        address = re.search(r"http://\S+:\d+", printed)
        assert address is not None
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.stream("GET", f"{address[0]}/events", headers=headers, timeout=20) as events:
            assert events.status_code == 200
            process.send_signal(signal.SIGTERM)
            for _ in events.iter_lines():
                pass
        process.wait(20)
        assert process.returncode == -signal.SIGTERM


def test_what_cannot_work_is_said_at_the_start(smgw: Run, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = smgw("serve", "--port", port, exit_code=2).output
    assert f"cannot listen on 127.0.0.1 port {port}" in said
    assert "tokens would travel in the clear" in smgw("serve", "--host", "0.0.0.0", "--port", 0, exit_code=2).output  # noqa: S104
    assert "cannot listen on" in smgw("serve", "--host", "no.such.host.invalid", exit_code=2).output
    some = tmp_path / "some.pem"
    some.write_text("nothing")
    assert "belong together" in smgw("serve", "--tls-cert", some, exit_code=2).output
    assert "no certificate" in smgw("serve", "--tls-cert", some, "--tls-key", some, exit_code=2).output
    assert "is not supported" in smgw("serve", "--port", 0, "--database", "mysql://x/y", exit_code=2).output


def test_it_serves_over_tls(smgw: Run, home: Path, tmp_path: Path) -> None:
    certificate, key = _server_certificate(tmp_path)
    token = json_lines(smgw("reader", "create", "--name", "auditor", "--json"))[0]["token"]
    with serving(home, "--tls-cert", certificate, "--tls-key", key) as (_, printed):
        address = re.search(r"https://127\.0\.0\.1:\d+", printed)
        assert address is not None
        with httpx.Client(base_url=address[0], verify=ssl.create_default_context(cafile=str(certificate))) as client:
            signed_in = client.post("/login", data={"token": token})
            assert "__Host-smgw_session=" in signed_in.headers["set-cookie"]
            assert "Secure" in signed_in.headers["set-cookie"]
            assert signed_in.headers["strict-transport-security"]
            assert client.get("/").status_code == 200


def _server_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "server.pem", folder / "server.key"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    key_file.write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    return certificate_file, key_file


def test_readers_are_made_listed_and_taken_back(smgw: Run) -> None:
    made = json_lines(smgw("reader", "create", "--name", "Audit", "--days", 30, "--json"))[0]
    assert made["name"] == "Audit"
    assert len(made["token"]) >= 43
    printed = smgw("reader", "create", "--name", "Audit")
    assert printed.stdout.strip() not in {"", made["token"]}
    assert "not shown again" in printed.stderr
    listed = json_lines(smgw("reader", "list", "--json"))
    assert [reader["name"] for reader in listed] == ["Audit", "Audit"]
    assert made["expires"] in smgw("reader", "list").output
    assert "2 tokens" in smgw("reader", "revoke", "Audit").output
    assert smgw("reader", "list").output == ""
    assert "there is no token" in smgw("reader", "revoke", "Audit", exit_code=2).output
    assert "printable" in smgw("reader", "create", "--name", " ", exit_code=2).output
    smgw("reader", "create", "--name", "x", "--days", 0, exit_code=2)
