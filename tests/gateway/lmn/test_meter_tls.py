"""TLS to a meter that is a real TLS server on loopback: pinned certificates, limits of age and bytes, curves."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from gateway.lmn.meter_tls import (
    CIPHERS,
    MAX_AGE,
    MeterTls,
    MeterTlsError,
    SessionExpired,
    SessionLimits,
    checked_certificate,
)

PATIENCE = 10.0
NOW = datetime.now(UTC).replace(microsecond=0)
BRAINPOOL = ec.BrainpoolP256R1()
_OPENSSL = {"secp256r1": "prime256v1"}


@dataclass(frozen=True)
class Identity:
    certificate: x509.Certificate
    certificate_file: Path
    key_file: Path
    curve: str


def identity(
    folder: Path,
    name: str,
    curve: ec.EllipticCurve = BRAINPOOL,
    *,
    begin: datetime = NOW - timedelta(days=1),
    end: datetime = NOW + timedelta(days=365),
) -> Identity:
    key = ec.generate_private_key(curve)
    certificate = self_signed(key, name, begin, end)
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Identity(certificate, *paths, _OPENSSL.get(curve.name, curve.name))


def self_signed(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, name: str, begin: datetime, end: datetime
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
    return builder.sign(key, hashes.SHA256())


class TlsMeter:
    """A meter that sends back what it gets, 3,000 bytes for ``big``; it ends on ``end`` and vanishes on ``cut``."""

    def __init__(self, own: Identity, gateway: Identity, **settings: object) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(own.certificate_file, own.key_file)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.load_verify_locations(gateway.certificate_file)
        self.context.set_ecdh_curve(own.curve)
        self.context.set_ciphers(str(settings.get("ciphers", ":".join(CIPHERS))))
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.handshakes = 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def connect(self) -> socket.socket:
        return socket.create_connection(self.server.getsockname()[:2], PATIENCE)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE)
            try:
                with self.context.wrap_socket(connection, server_side=True) as secured:
                    self.handshakes += 1
                    while (data := secured.recv(4_096)) and data not in (b"end", b"cut"):
                        secured.sendall(bytes(3_000) if data == b"big" else data)
                    if data == b"end":
                        secured.unwrap()
            except OSError:
                connection.close()

    def close(self) -> None:
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()


@contextmanager
def meter_of(own: Identity, gateway: Identity, **settings: object) -> Iterator[TlsMeter]:
    meter = TlsMeter(own, gateway, **settings)
    try:
        yield meter
    finally:
        meter.close()


def tls(gateway: Identity, meter: x509.Certificate, **more: object) -> MeterTls:
    return MeterTls(gateway.certificate_file, gateway.key_file, meter, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "curve",
    [ec.BrainpoolP256R1(), ec.BrainpoolP384R1(), ec.BrainpoolP512R1(), ec.SECP256R1(), ec.SECP384R1()],
    ids=lambda curve: curve.name,
)
def test_a_session_on_every_curve_of_the_guideline(tmp_path: Path, curve: ec.EllipticCurve) -> None:
    gateway, own = identity(tmp_path, "gateway", curve), identity(tmp_path, "meter", curve)
    with meter_of(own, gateway) as meter, tls(gateway, own.certificate).open(meter.connect()) as session:
        session.send(b"reading?")
        assert session.receive(100) == b"reading?"
        assert session.octets == 16
        assert session.cipher in CIPHERS
        session.send(b"end")
        assert session.receive(100) == b""


@pytest.mark.parametrize("cipher", CIPHERS)
def test_every_suite_of_the_guideline(tmp_path: Path, cipher: str) -> None:
    gateway, own = identity(tmp_path, "gateway"), identity(tmp_path, "meter")
    with (
        meter_of(own, gateway, ciphers=cipher) as meter,
        tls(gateway, own.certificate).open(meter.connect()) as session,
    ):
        assert session.cipher == cipher


def test_no_other_suite(tmp_path: Path) -> None:
    gateway, own = identity(tmp_path, "gateway"), identity(tmp_path, "meter")
    with (
        meter_of(own, gateway, ciphers="ECDHE-ECDSA-CHACHA20-POLY1305") as meter,
        pytest.raises(MeterTlsError, match="no session"),
    ):
        tls(gateway, own.certificate).open(meter.connect())


def test_another_meter_with_the_same_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    gateway, own = identity(tmp_path, "gateway"), identity(tmp_path, "meter")
    impostor = identity(tmp_path / "other", "meter")
    with meter_of(impostor, gateway) as meter, pytest.raises(MeterTlsError, match="no session"):
        tls(gateway, own.certificate).open(meter.connect())


def test_a_certificate_that_the_pinned_key_issued_is_not_the_pinned_one(tmp_path: Path) -> None:
    """Same name and key, so that the chain holds: only the comparison of the bytes tells them apart."""
    gateway, own = identity(tmp_path, "gateway"), identity(tmp_path, "meter")
    key = serialization.load_pem_private_key(own.key_file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    renewed = self_signed(key, "meter", NOW - timedelta(hours=1), NOW + timedelta(days=9))
    with meter_of(own, gateway) as meter, pytest.raises(MeterTlsError):
        tls(gateway, renewed).open(meter.connect())


def test_a_meter_that_knows_another_gateway_refuses(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    gateway, own = identity(tmp_path, "gateway"), identity(tmp_path, "meter")
    stranger = identity(tmp_path / "other", "gateway")
    with meter_of(own, gateway) as meter, pytest.raises(MeterTlsError):
        tls(stranger, own.certificate).open(meter.connect()).receive(1, PATIENCE)


class Wire:
    """A connection seen as two functions, as HDLC would offer it; it delivers in small pieces."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.sent = 0

    def send(self, data: bytes) -> None:
        self.sent += len(data)
        self.connection.sendall(data)

    def receive(self, seconds: float) -> bytes:
        self.connection.settimeout(seconds)
        try:
            data = self.connection.recv(100)
        except TimeoutError:
            return b""
        if not data:
            raise ConnectionResetError("nobody there")
        return data


def test_a_session_over_two_functions(tmp_path: Path) -> None:
    gateway, own = identity(tmp_path, "gateway"), identity(tmp_path, "meter")
    with meter_of(own, gateway) as meter, meter.connect() as connection:
        wire = Wire(connection)
        with tls(gateway, own.certificate).open_over(wire.send, wire.receive) as session:
            session.send(b"big")
            received = b""
            while len(received) < 3_000:
                received += session.receive(4_096)
            assert session.octets == 3_003
            assert session.cipher in CIPHERS
            assert session.receive(1, 0.01) == b""
            session.send(b"end")
            assert session.receive(1, PATIENCE) == b""
        with pytest.raises(MeterTlsError, match="closed"):
            session.send(b"x")


def test_the_other_way_pins_and_limits_as_well(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    gateway, own = identity(tmp_path, "gateway"), identity(tmp_path, "meter")
    impostor = identity(tmp_path / "other", "meter")
    with meter_of(impostor, gateway) as meter, meter.connect() as connection:
        wire = Wire(connection)
        with pytest.raises(MeterTlsError, match="no session"):
            tls(gateway, own.certificate).open_over(wire.send, wire.receive)
    with meter_of(own, gateway) as meter, meter.connect() as connection:
        wire = Wire(connection)
        session = tls(gateway, own.certificate, limits=SessionLimits(octets=5)).open_over(wire.send, wire.receive)
        with pytest.raises(SessionExpired):
            session.send(b"123456")


def test_a_meter_that_never_answers_is_given_up(tmp_path: Path) -> None:
    gateway, own = identity(tmp_path, "gateway"), identity(tmp_path, "meter")
    times = iter(range(100))
    with pytest.raises(MeterTlsError, match="did not answer in time"):
        tls(gateway, own.certificate).open_over(lambda _: None, lambda _: b"", 5, lambda: float(next(times)))
    assert next(times) == 6


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def test_a_session_ends_with_its_age(tmp_path: Path) -> None:
    gateway, own = identity(tmp_path, "gateway"), identity(tmp_path, "meter")
    clock = Clock()
    with meter_of(own, gateway) as meter:
        peer = tls(gateway, own.certificate, clock=clock)
        session = peer.open(meter.connect())
        clock.now += MAX_AGE - timedelta(seconds=1)
        session.send(b"still")
        assert session.receive(100) == b"still"
        clock.now += timedelta(seconds=1)
        with pytest.raises(SessionExpired, match="31 days"):
            session.send(b"too late")
        with pytest.raises(MeterTlsError, match="closed"):
            session.receive(1)
        with peer.open(meter.connect()) as renewed:
            renewed.send(b"again")
            assert renewed.receive(100) == b"again"
        assert meter.handshakes == 2


def test_a_session_ends_with_its_bytes_in_both_directions_together(tmp_path: Path) -> None:
    gateway, own = identity(tmp_path, "gateway"), identity(tmp_path, "meter")
    with meter_of(own, gateway) as meter:
        peer = tls(gateway, own.certificate, limits=SessionLimits(octets=1_003))
        session = peer.open(meter.connect())
        session.send(b"big")
        received = b""
        while len(received) < 1_000:
            received += session.receive(4_096)
        with pytest.raises(SessionExpired, match="1003 are the most"):
            session.receive(4_096)
        assert (len(received), session.octets) == (1_000, 1_003)
        session = peer.open(meter.connect())
        with pytest.raises(SessionExpired):
            session.send(bytes(1_004))
        assert session.octets == 0


@pytest.mark.parametrize("tunnelled", [False, True])
def test_a_session_that_is_cut_is_told_from_one_that_ends(tmp_path: Path, tunnelled: bool) -> None:
    gateway, own = identity(tmp_path, "gateway"), identity(tmp_path, "meter")
    with meter_of(own, gateway) as meter, meter.connect() as connection:
        wire = Wire(connection)
        peer = tls(gateway, own.certificate)
        session = peer.open_over(wire.send, wire.receive) if tunnelled else peer.open(connection)
        session.send(b"cut")
        with pytest.raises(MeterTlsError, match="broke"):
            session.receive(1, PATIENCE)


def test_nothing_in_time_and_a_broken_connection(tmp_path: Path) -> None:
    gateway, own = identity(tmp_path, "gateway"), identity(tmp_path, "meter")
    with meter_of(own, gateway) as meter, tls(gateway, own.certificate).open(meter.connect()) as session:
        assert session.receive(1, 0.001) == b""
        session.send(bytes(20_000))
        assert session.receive(10, PATIENCE)
    with pytest.raises(MeterTlsError, match="closed"):
        session.send(b"x")


@pytest.mark.parametrize(
    ("age", "octets"), [(timedelta(days=32), 1), (timedelta(0), 1), (MAX_AGE, 5_000_001), (MAX_AGE, 0)]
)
def test_limits_beyond_the_guideline_are_refused(age: timedelta, octets: int) -> None:
    with pytest.raises(MeterTlsError, match="are the most"):
        SessionLimits(age, octets)


def test_certificates_that_may_not_be_used(tmp_path: Path) -> None:
    def refused(certificate: x509.Certificate, said: str) -> None:
        with pytest.raises(MeterTlsError, match=said):
            checked_certificate(certificate, NOW, "the meter's")

    long = identity(tmp_path, "long", end=(NOW - timedelta(days=1)).replace(year=NOW.year + 7) + timedelta(days=2))
    refused(long.certificate, "more than 7 years")
    seven = identity(tmp_path, "seven", begin=datetime(2024, 2, 28, tzinfo=UTC), end=datetime(2031, 2, 28, tzinfo=UTC))
    assert checked_certificate(seven.certificate, datetime(2030, 1, 1, tzinfo=UTC), "the meter's") == "brainpoolP256r1"
    refused(identity(tmp_path, "over", end=NOW - timedelta(hours=1)).certificate, "valid from")
    refused(identity(tmp_path, "curve", ec.SECP521R1()).certificate, "no curve of")
    key = rsa.generate_private_key(65_537, 2_048)
    refused(self_signed(key, "rsa", NOW, NOW + timedelta(days=1)), "no curve of")
    issuer, subject = ec.generate_private_key(BRAINPOOL), ec.generate_private_key(BRAINPOOL)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "meter")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(subject.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    refused(builder.sign(issuer, hashes.SHA256()), "not self-signed")


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    gateway, own = identity(tmp_path, "gateway"), identity(tmp_path, "meter", ec.SECP256R1())
    with pytest.raises(MeterTlsError, match="one connection, one curve"):
        tls(gateway, own.certificate)
    other = identity(tmp_path, "other")
    with pytest.raises(MeterTlsError, match="no private key that fits") as refused:
        MeterTls(gateway.certificate_file, other.key_file, other.certificate)
    assert "PRIVATE" not in str(refused.value)
    with pytest.raises(MeterTlsError, match="holds no certificate"):
        MeterTls(gateway.key_file, gateway.key_file, other.certificate)


def test_a_certificate_that_ran_out_since_opens_no_session(tmp_path: Path) -> None:
    gateway, own = identity(tmp_path, "gateway"), identity(tmp_path, "meter")
    clock = Clock()
    with meter_of(own, gateway) as meter:
        peer = tls(gateway, own.certificate, clock=clock)
        clock.now += timedelta(days=400)
        connection = meter.connect()
        with pytest.raises(MeterTlsError, match="valid from"):
            peer.open(connection)
        assert connection.fileno() == -1
