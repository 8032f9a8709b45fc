"""TLS as TR-03116-3 ch. 4 has it: what is negotiated, and with whom nothing is."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from smpki.algorithms import Curve
from smpki.authority import utc_now
from smpki.errors import PolicyError
from smpki.folder import write_pem
from smpki.keys import SoftwareKey
from smpki.names import Function
from smpki.profiles import KeyUse
from smpki.service import PeerProtocol
from smpki.tls import client_context, server_context, set_groups
from tests.support.pki import TestClock, World
from tests.support.serving import served


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path, World]]:
    """A server with a certificate of the PKI, and a folder with a client's."""
    folder = tmp_path_factory.mktemp("tls")
    world = World.in_folder(folder, TestClock(utc_now()))
    key = SoftwareKey.generate(Curve.BRAINPOOL_P256R1)
    key.save(folder / "server.key")
    write_pem(folder / "server.pem", world.sub.certify_service(key, ["127.0.0.1"]), world.sub.certificate)
    gwa = world.enrol("Admin", Function.GWA)
    gwa.keys[KeyUse.TLS].save(folder / "client.key")
    write_pem(folder / "client.pem", gwa.certificates[KeyUse.TLS], world.sub.certificate)
    context = server_context(folder / "server.pem", folder / "server.key", world.root.certificate)
    with served(FastAPI(), context, PeerProtocol) as port:
        yield port, folder, world
    world.engine.dispose()


def _client(ends: tuple[int, Path, World]) -> ssl.SSLContext:
    _, folder, world = ends
    return client_context(folder / "client.pem", folder / "client.key", world.root.certificate)


def _shake(ends: tuple[int, Path, World], context: ssl.SSLContext) -> tuple[str | None, str]:
    with (
        socket.create_connection(("127.0.0.1", ends[0]), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        cipher = secure.cipher()
        assert cipher is not None
        secure.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert secure.recv(1).startswith(b"H")
        return secure.version(), cipher[0]


def test_what_is_negotiated(ends: tuple[int, Path, World]) -> None:
    version, cipher = _shake(ends, _client(ends))
    assert version in {"TLSv1.2", "TLSv1.3"}
    assert version == "TLSv1.3" or cipher == "ECDHE-ECDSA-AES128-GCM-SHA256"
    other = _client(ends)
    other.maximum_version = ssl.TLSVersion.TLSv1_2
    other.set_ciphers("ECDHE-ECDSA-AES128-SHA256")
    assert _shake(ends, other) == ("TLSv1.2", "ECDHE-ECDSA-AES128-SHA256")


@pytest.mark.parametrize(
    "cipher", ["ECDHE-ECDSA-AES256-SHA", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-SHA"]
)
def test_other_cipher_suites_are_not(ends: tuple[int, Path, World], cipher: str) -> None:
    context = _client(ends)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(cipher)
    with pytest.raises(ssl.SSLError):
        _shake(ends, context)


def test_other_curves_are_not(ends: tuple[int, Path, World]) -> None:
    context = _client(ends)
    set_groups(context, ["secp521r1"])
    with pytest.raises(ssl.SSLError):
        _shake(ends, context)
    with pytest.raises(PolicyError, match="does not take the curves no-such-curve"):
        set_groups(context, ["no-such-curve"])


def test_nobody_without_a_certificate(ends: tuple[int, Path, World]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    set_groups(context, ["brainpoolP256r1"])
    with pytest.raises((ssl.SSLError, ConnectionError)):
        _shake(ends, context)


def test_the_server_is_the_one_that_was_asked_for(ends: tuple[int, Path, World]) -> None:
    with (
        socket.create_connection(("127.0.0.1", ends[0]), timeout=20) as plain,
        pytest.raises(ssl.SSLCertVerificationError, match=r"(?i)mismatch"),
    ):
        _client(ends).wrap_socket(plain, server_hostname="ca.example")
