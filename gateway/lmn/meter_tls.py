"""TLS towards a meter on the wired bus (TLS im LMN): certificates known one by one, sessions that end in time.

Source: TR-03116-3 ch. 6 and 4.2, TR-03109-1. Both sides show self-signed certificates, believed only if they are the
very ones that were exchanged. The gateway is client. A session ends after 31 days or 5,000,000 bytes at most, whichever
comes first, and the next one begins with a full handshake.

Only TLS 1.2 is offered: the standard library cannot keep a suite that TR-03116-3 does not permit out of TLS 1.3. One
connection has one curve, for the agreement and both certificates, since the library takes no list of them. A session
runs over a socket, or over whatever else carries bytes both ways, such as HDLC.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

MAX_AGE: Final = timedelta(days=31)
MAX_BYTES: Final = 5_000_000
MAX_YEARS: Final = 7
"""How long a certificate may be valid (table 17)."""

CIPHERS: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-SHA384",
)
"""The suites of TR-03116-3 ch. 4.2.1, and no other."""

_CURVES: Final = {
    "brainpoolP256r1": "brainpoolP256r1",
    "brainpoolP384r1": "brainpoolP384r1",
    "brainpoolP512r1": "brainpoolP512r1",
    "secp256r1": "prime256v1",
    "secp384r1": "secp384r1",
}
"""Curves of TR-03116-3 table 4, and OpenSSL's names of them."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


_TURN_SECONDS: Final = 1.0
_SEND_SECONDS: Final = 60.0
_Result = TypeVar("_Result")


class MeterTlsError(Exception):
    """A certificate that may not be used, a handshake that failed, or a broken connection."""


class SessionExpired(MeterTlsError):
    """The session has reached its age or its bytes; it is closed, and a new one must be opened."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long one session may live. :raises MeterTlsError: if that is more than TR-03116-3 permits, or nothing."""

    age: timedelta = MAX_AGE
    octets: int = MAX_BYTES

    def __post_init__(self) -> None:
        if not timedelta(0) < self.age <= MAX_AGE:
            raise MeterTlsError(f"a session of {self.age}, {MAX_AGE.days} days are the most")
        if not 0 < self.octets <= MAX_BYTES:
            raise MeterTlsError(f"a session of {self.octets} bytes, {MAX_BYTES} are the most")


def checked_certificate(certificate: x509.Certificate, at: datetime, whose: str) -> str:
    """OpenSSL's name of the certificate's curve.

    :raises MeterTlsError: unless it is self-signed, on a curve of table 4, valid at ``at`` and for seven years at most.
    """
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _CURVES:
        raise MeterTlsError(f"{whose} certificate is on no curve of TR-03116-3 table 4")
    try:
        certificate.verify_directly_issued_by(certificate)
    except (InvalidSignature, ValueError, TypeError) as error:
        raise MeterTlsError(f"{whose} certificate is not self-signed") from error
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if (end.year - begin.year, end.timetuple()[1:6]) > (MAX_YEARS, begin.timetuple()[1:6]):
        raise MeterTlsError(f"{whose} certificate is valid for more than {MAX_YEARS} years")
    if not begin <= at <= end:
        raise MeterTlsError(f"{whose} certificate is valid from {begin.isoformat()} to {end.isoformat()}")
    return _CURVES[key.curve.name]


class MeterTls:
    """What the gateway needs to open sessions with one meter: its own certificate and key, and the meter's."""

    def __init__(
        self,
        certificate: Path,
        key: Path,
        meter: x509.Certificate,
        *,
        limits: SessionLimits | None = None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        """
        :param certificate: file of the gateway's LMN certificate (PEM); ``key``: of its private key.
        :param meter: the meter's certificate, as exchanged.
        :raises MeterTlsError: if a certificate may not be used, or the two are on different curves.
        """
        self._limits = SessionLimits() if limits is None else limits
        self._clock = clock
        self._meter = meter
        try:
            self._own = x509.load_pem_x509_certificate(certificate.read_bytes())
        except (OSError, ValueError) as error:
            raise MeterTlsError(f"{certificate} holds no certificate") from error
        curve = self._check()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.minimum_version = self._context.maximum_version = ssl.TLSVersion.TLSv1_2
        self._context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
        self._context.set_ciphers(":".join(CIPHERS))
        self._context.set_ecdh_curve(curve)
        self._context.load_verify_locations(cadata=meter.public_bytes(serialization.Encoding.DER))
        try:
            self._context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise MeterTlsError(f"{key} holds no private key that fits {certificate}") from error

    def open(self, connection: socket.socket) -> MeterSession:
        """A session over a connection, which belongs to it from then on; a failure closes it.

        :raises MeterTlsError: if a certificate has run out, the handshake fails, or another certificate is shown.
        """
        try:
            self._check()
            secured = self._context.wrap_socket(connection, suppress_ragged_eofs=False)
        except (OSError, MeterTlsError) as error:
            connection.close()
            if isinstance(error, MeterTlsError):
                raise
            raise MeterTlsError(f"no session with the meter: {error}") from error
        return self._session(secured)

    def open_over(
        self,
        send: Callable[[bytes], object],
        receive: Callable[[float], bytes],
        seconds: float = 30.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> MeterSession:
        """A session over anything that carries bytes; what carries them is left open when the session ends.

        :param send: takes bytes for the meter.
        :param receive: waits at most so many seconds for bytes of the meter and returns them, perhaps none; raises
            OSError when no more can come.
        :param seconds: within which the handshake must be done.
        :raises MeterTlsError: as :meth:`open`.
        """
        self._check()
        tunnel = _Tunnel(self._context, send, receive, monotonic)
        tunnel.settimeout(seconds)
        try:
            tunnel.handshake()
        except OSError as error:
            raise MeterTlsError(f"no session with the meter: {error}") from error
        tunnel.settimeout(None)
        return self._session(tunnel)

    def _session(self, secured: ssl.SSLSocket | _Tunnel) -> MeterSession:
        shown = secured.getpeercert(binary_form=True)
        if shown != self._meter.public_bytes(serialization.Encoding.DER):
            secured.close()
            raise MeterTlsError("the meter shows another certificate than the one exchanged")
        return MeterSession(secured, self._limits, self._clock)

    def _check(self) -> str:
        now = self._clock()
        own = checked_certificate(self._own, now, "the gateway's")
        meter = checked_certificate(self._meter, now, "the meter's")
        if own != meter:
            raise MeterTlsError(
                f"the gateway's certificate is on {own}, the meter's on {meter}: one connection, one curve"
            )
        return own


class _Tunnel:
    """TLS over two functions, with the methods of a socket that a session needs."""

    def __init__(
        self,
        context: ssl.SSLContext,
        send: Callable[[bytes], object],
        receive: Callable[[float], bytes],
        monotonic: Callable[[], float],
    ) -> None:
        self._send, self._receive, self._monotonic = send, receive, monotonic
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing)
        self._seconds: float | None = None

    def settimeout(self, seconds: float | None) -> None:
        self._seconds = seconds

    def handshake(self) -> None:
        self._run(self._tls.do_handshake)

    def getpeercert(self, binary_form: bool) -> bytes | None:
        return self._tls.getpeercert(binary_form) if binary_form else None

    def cipher(self) -> tuple[str, str, int] | None:
        return self._tls.cipher()

    def sendall(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._run(lambda part=left: self._tls.write(part)) :]  # type: ignore[misc]

    def recv(self, most: int) -> bytes:
        return self._run(lambda: self._tls.read(most))

    def close(self) -> None:
        """Say that the session ends. The meter need not hear it: it may be why the session ends."""
        with contextlib.suppress(OSError):
            self._tls.unwrap()
        with contextlib.suppress(OSError):
            self._flush()

    def _run(self, step: Callable[[], _Result]) -> _Result:
        deadline = None if self._seconds is None else self._monotonic() + self._seconds
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush()
                left = _TURN_SECONDS if deadline is None else deadline - self._monotonic()
                if left <= 0:
                    raise TimeoutError("the meter did not answer in time") from None
                self._incoming.write(self._receive(left))
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        waiting = self._outgoing.read()
        if waiting:
            self._send(waiting)


class MeterSession:
    """An open session. Every call first looks whether it may still be used; use it as a context manager."""

    def __init__(self, secured: ssl.SSLSocket | _Tunnel, limits: SessionLimits, clock: Callable[[], datetime]) -> None:
        self._secured = secured
        self._limits = limits
        self._clock = clock
        self._begun = clock()
        self._octets = 0
        self._open = True
        self._ended = False

    def __enter__(self) -> MeterSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def octets(self) -> int:
        """Bytes of content sent and received so far."""
        return self._octets

    @property
    def ended(self) -> bool:
        """Whether the meter has ended the session: nothing more will come."""
        return self._ended

    @property
    def cipher(self) -> str:
        """OpenSSL's name of the suite in use."""
        suite = self._secured.cipher()
        return suite[0] if suite else ""

    def send(self, data: bytes) -> None:
        """Send all of ``data``.

        :raises SessionExpired: if the session has reached its age, or would reach more than its bytes by this.
        :raises MeterTlsError: if the connection breaks, or the session was closed.
        """
        self._check(len(data))
        try:
            self._secured.settimeout(_SEND_SECONDS)
            self._secured.sendall(data)
        except OSError as error:
            raise self._broken(error) from error
        self._octets += len(data)

    def receive(self, most: int, seconds: float | None = None) -> bytes:
        """What the meter sent, at most so many bytes; empty when it has ended the session or nothing came in time.

        :raises SessionExpired: if the session has reached its age or its bytes.
        :raises MeterTlsError: if the connection breaks (also where it is cut instead of ended), or was closed.
        """
        self._check(1)
        try:
            self._secured.settimeout(seconds)
            data = self._secured.recv(min(most, self._limits.octets - self._octets))
        except TimeoutError:
            return b""
        except ssl.SSLZeroReturnError:
            self._ended = True
            return b""
        except OSError as error:
            raise self._broken(error) from error
        self._octets += len(data)
        self._ended = not data
        return data

    def close(self) -> None:
        """End the session. Closing twice is no error."""
        self._open = False
        self._secured.close()

    def _check(self, octets: int) -> None:
        if not self._open:
            raise MeterTlsError("the session is closed")
        age = self._clock() - self._begun
        if age >= self._limits.age:
            self.close()
            raise SessionExpired(f"the session is {age} old, {self._limits.age} are the most")
        if self._octets + octets > self._limits.octets:
            self.close()
            raise SessionExpired(f"the session has carried {self._octets} bytes, {self._limits.octets} are the most")

    def _broken(self, error: OSError) -> MeterTlsError:
        self.close()
        return MeterTlsError(f"the connection to the meter broke: {error}")
