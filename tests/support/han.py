"""A HAN interface to test with: real TLS on loopback, data in memory, a gate and clocks that tests own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.han.app import Limits
from gateway.han.consumers import Consumer
from gateway.han.data import (
    BillingPeriod,
    Channel,
    ChannelReadings,
    Database,
    FirmwarePart,
    GatewayInformation,
    HanReading,
    LogEntry,
    LogQuery,
    ReadingsQuery,
    TafState,
    UsagePoint,
    UsagePointProfile,
    WanCertificate,
)
from gateway.han.interface import HanInterface, Name
from gateway.han.own_key import OwnCertificate
from gateway.han.page_data import PageData
from gateway.han.rates import Rate
from lifecycle.evidence import NOTHING
from lifecycle.gate import Gate
from lifecycle.states import State

GATEWAY = "EXXX0012345678"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
METER = "1emh0012345678"
IMPORT, EXPORT = "0100010800ff", "0100020800ff"
USER, PASSWORD = "consumer1.sm", "correct horse battery staple"
OTHER, OTHER_PASSWORD = "consumer2.sm", "Grüße aus dem Keller"
POINT, OTHER_POINT = "01005e318021.taf1-1.sm", "01005e318021.taf1-2.sm"
PATH, JSON_PATH = "/smgw/m2m", f"/smgw/m2m/{USER}/json"
GENEROUS = Limits(requests=Rate(1e6, 10**6), challenges=Rate(1e6, 10**6), failures=Rate(1e6, 10**6))
"""Limits that no test meets by chance."""


def usage_point(number: int) -> UsagePoint:
    """A usage point of TAF 1."""
    begin = datetime(2026, 1, 31, 23, tzinfo=UTC)
    return UsagePoint(
        id=f"01005e318021.taf1-{number}.sm",
        name=f"Strom {number}",
        metering_point="DE" + str(number).zfill(31),
        meters=(METER,),
        taf=1,
        state=TafState.RUNNING,
        start=begin - timedelta(days=31),
        end=None,
        registers_every=QUARTER,
        billing_periods=(BillingPeriod(begin - timedelta(days=31), begin), BillingPeriod(begin, None)),
    )


def profile(number: int) -> UsagePointProfile:
    """The whole of it."""
    channels = (Channel(IMPORT, -1, 30), Channel(EXPORT, -1, 30))
    databases = {Database.ORIGIN: channels, Database.DERIVED: channels, Database.DAILY: channels[:1]}
    point = usage_point(number)
    return UsagePointProfile(point.id, point.name, ("emt1.sm",), True, b"0\x80profile", databases)


def reading(captured: datetime) -> HanReading:
    """A reading whose value tells the time."""
    seconds = round(captured.timestamp())
    gateway, meter = b"\xa0\0\0\0", b"\x20\0\0\0"
    return HanReading(seconds, captured, captured, gateway, meter, gateway + meter, 1, b"signed")


@dataclass
class MemoryData:
    """What consumers may see, in memory.

    :ivar begun: when the lists begin.
    :ivar ended: when they end.
    :ivar asked: consumers for whom something was asked.
    """

    begun: datetime = NOW - timedelta(days=60)
    ended: datetime = NOW
    entries: dict[str, list[LogEntry]] = field(default_factory=dict)
    testing: bool = False
    asked: list[str] = field(default_factory=list)
    broken: bool = False

    def information(self) -> GatewayInformation:
        """What the gateway says of itself."""
        if self.broken:
            raise RuntimeError("secret detail")
        firmware = (FirmwarePart("smgw", "0.1.0", bytes(32)),)
        return GatewayInformation(GATEWAY, NOW, b"\xa0\0\0\0", firmware, (WanCertificate(0, b"sig", b"sub"),))

    def usage_points(self, consumer: str) -> Sequence[UsagePoint]:
        """Each consumer has one."""
        self.asked.append(consumer)
        return [usage_point(1 if consumer == USER else 2)]

    def usage_point(self, consumer: str, usage_point: str) -> UsagePointProfile | None:
        """His own."""
        own = profile(1 if consumer == USER else 2)
        return own if own.id == usage_point else None

    def readings(self, consumer: str, query: ReadingsQuery) -> Sequence[ChannelReadings]:
        """One reading each quarter of an hour."""
        assert query.usage_point == (POINT if consumer == USER else OTHER_POINT)
        wanted = [channel.obis for channel in query.channels] or [IMPORT, EXPORT]
        return [ChannelReadings(obis, METER, self._list(query)) for obis in wanted]

    def _list(self, query: ReadingsQuery) -> tuple[HanReading, ...]:
        after = max(query.after or self.begun, self.begun)
        until = min(query.until or self.ended, self.ended)
        first, last = (after - self.begun) // QUARTER + 1, (until - self.begun) // QUARTER
        numbers = range(max(first, last), last + 1) if query.last else range(first, last + 1)[: query.limit]
        return tuple(reading(self.begun + number * QUARTER) for number in numbers)

    def log(self, consumer: str, query: LogQuery) -> Sequence[LogEntry]:
        """His own."""
        return [
            entry
            for entry in self.entries.get(consumer, [])
            if entry.index >= query.index
            and (query.since is None or entry.time >= query.since)
            and (query.before is None or entry.time < query.before)
        ][: query.limit]

    def self_test_running(self) -> bool:
        """Whether one is running."""
        return self.testing

    def start_self_test(self, consumer: str) -> None:
        """Starts and ends at once."""
        self.note(consumer, "Selbsttest bestanden")

    def note(self, consumer: str, message: str, time: datetime = NOW) -> None:
        """An entry in a consumer's log."""
        own = self.entries.setdefault(consumer, [])
        own.append(LogEntry(len(own) + 1, 16001, 0, "INFO", message, "SUCCESS", "gateway", consumer, time, "SMGW", "1"))


@dataclass
class MemoryConsumers:
    """Consumers in memory."""

    known: dict[str, Consumer]
    pinned: list[x509.Certificate] = field(default_factory=list)

    def named(self, userid: str) -> Consumer | None:
        """By name."""
        return self.known.get(userid)

    def certified(self, fingerprint: bytes) -> Consumer | None:
        """By certificate."""
        return next((one for one in self.known.values() if fingerprint in one.fingerprints), None)

    def certificates(self) -> Sequence[x509.Certificate]:
        """All."""
        return self.pinned


class FakeGateway:
    """A gate that tests turn."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._followers: list[Callable[[], None]] = []

    def gate(self) -> Gate:
        """The gate as it is now."""
        return self._gate

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Follow."""
        self._followers.append(callback)
        return lambda: self._followers.remove(callback)

    def turn(self, gate: Gate, *, tell: bool = True) -> None:
        """Another gate; without *tell* nobody hears of it."""
        self._gate = gate
        if tell:
            for follower in tuple(self._followers):
                follower()


class Ticking:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        """Seconds."""
        with self._lock:
            return self.now

    def forward(self, seconds: float) -> None:
        """Time passes."""
        with self._lock:
            self.now += seconds


@dataclass
class Home:
    """A HAN interface and who is around it."""

    interface: HanInterface
    gateway: FakeGateway
    data: MemoryData
    consumers: MemoryConsumers
    ticking: Ticking
    own: OwnCertificate

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self.interface.address is not None
        return self.interface.address[1]

    @property
    def url(self) -> str:
        """Its root."""
        return f"https://127.0.0.1:{self.port}"

    def client(self, user: str = USER, password: str = PASSWORD, **more: Any) -> httpx.Client:
        """A client that answers challenges. It follows no redirects: httpx would show the old credentials there."""
        return httpx.Client(
            base_url=self.url,
            auth=httpx.DigestAuth(user, password),
            verify=False,  # noqa: S501  the name is looked at in a test of its own
            timeout=30,
            **more,
        )


@contextmanager
def at_home(
    folder: Path,
    *,
    limits: Limits = GENEROUS,
    certificates: Sequence[x509.Certificate] = (),
    curve: str = "secp256r1",
    name: Name | None = None,
    page: PageData | None = None,
) -> Iterator[Home]:
    """A HAN interface of a gateway in operation; *certificates* are the first consumer's."""
    gateway = FakeGateway(Gate(State.OPERATION, NOTHING))
    data, ticking = MemoryData(), Ticking()
    first = Consumer.known_by(USER, PASSWORD, certificates)
    consumers = MemoryConsumers(
        {USER: first, OTHER: Consumer.known_by(OTHER, OTHER_PASSWORD)}, pinned=list(certificates)
    )
    own = OwnCertificate.open_or_make(folder / "han.pem", GATEWAY, lambda: datetime.now(UTC), curve)
    with HanInterface(
        gateway,
        ("127.0.0.1", 0),
        own,
        consumers,
        data,
        clock=lambda: NOW,
        monotonic=ticking,
        limits=limits,
        name=name,
        page=page,
    ) as interface:
        yield Home(interface, gateway, data, consumers, ticking, own)


def consumer_certificate(folder: Path, name: str) -> tuple[x509.Certificate, Path]:
    """A self-signed certificate, and the PEM file with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{name}.pem"
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return certificate, path
