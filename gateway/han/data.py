"""What a consumer may see, and the protocol that the core gives it through. Values are integers, times UTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, unique
from typing import Protocol


@unique
class Database(StrEnum):
    """A list of readings (Messwertliste)."""

    ORIGIN = "origin"
    """Original list (originäre Messwertliste)."""
    DERIVED = "derived"
    """Derived list (abgeleitete Messwertliste)."""
    CALCULATED = "calculated"
    """Switching list of TAF 2 (Tarifumschaltliste)."""
    DAILY = "daily"
    """Day values (Tageswerte)."""


@unique
class TafState(StrEnum):
    """Where an evaluation profile (Auswertungsprofil) stands."""

    READY = "ready"
    RUNNING = "running"
    ARCHIVE = "archive"


@dataclass(frozen=True, slots=True)
class FirmwarePart:
    """A part of the firmware.

    :ivar hash: SHA-256.
    """

    component: str
    version: str
    hash: bytes


@dataclass(frozen=True, slots=True)
class WanCertificate:
    """One of the gateway's SIG certificates, DER.

    :ivar index: 0 is the seal certificate (Gütesiegel).
    """

    index: int
    sig: bytes
    sub_ca: bytes


@dataclass(frozen=True, slots=True)
class GatewayInformation:
    """What the gateway says of itself.

    :ivar gateway: identification, DIN 43863-5.
    :ivar time: its time.
    :ivar state: its status word.
    """

    gateway: str
    time: datetime
    state: bytes
    firmware: tuple[FirmwarePart, ...]
    certificates: tuple[WanCertificate, ...]


@dataclass(frozen=True, slots=True)
class BillingPeriod:
    """A billing period (Abrechnungszeitraum); without an end it is the current one."""

    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class UsagePoint:
    """An evaluation profile of a consumer's, in short.

    :ivar id: such as ``01005e318021.taf1-1.sm``.
    :ivar metering_point: 33 characters (Messlokation).
    :ivar meters: device identifications.
    :ivar taf: number of the Tarifanwendungsfall.
    :ivar registers_every: registration period.
    :ivar delivery: identification of its delivery, empty where there is none.
    :ivar on_demand: whether it is configured to be asked for when needed.
    """

    id: str
    name: str
    metering_point: str
    meters: tuple[str, ...]
    taf: int
    state: TafState
    start: datetime
    end: datetime | None
    registers_every: timedelta
    delivery: str = ""
    on_demand: bool = False
    billing_periods: tuple[BillingPeriod, ...] = ()


@dataclass(frozen=True, slots=True)
class Channel:
    """A register in a list.

    :ivar obis: 12 hexadecimal digits, lower case.
    :ivar scaler: power of ten.
    :ivar unit: DLMS unit.
    """

    obis: str
    scaler: int
    unit: int


@dataclass(frozen=True, slots=True)
class UsagePointProfile:
    """An evaluation profile of a consumer's, whole.

    :ivar participants: external market participants who get values (EMT).
    :ivar transparent: the transparency bit.
    :ivar profile: CMS SignedData over it, as the administrator sent it.
    """

    id: str
    name: str
    participants: tuple[str, ...]
    transparent: bool
    profile: bytes
    databases: dict[Database, tuple[Channel, ...]]


@dataclass(frozen=True, slots=True)
class HanReading:
    """One line of a list.

    :ivar captured: when it was captured.
    :ivar target: the time it stands for, ``None`` where it stands for none.
    :ivar gateway_status: the gateway's status word.
    :ivar meter_status: the meter's.
    :ivar cosem_status: both in one.
    :ivar signature: the gateway's, empty where there is none.
    """

    value: int
    captured: datetime
    target: datetime | None
    gateway_status: bytes
    meter_status: bytes
    cosem_status: bytes
    owner: int
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class ChannelReadings:
    """What a list has of one meter's register, by rising capture time, no two within one second."""

    obis: str
    meter: str
    readings: tuple[HanReading, ...]


@dataclass(frozen=True, slots=True)
class WantedChannel:
    """A register that is asked for; without a meter that of every meter."""

    obis: str
    meter: str | None = None


@dataclass(frozen=True, slots=True)
class ReadingsQuery:
    """Readings that are asked for: after < captured <= until.

    :ivar channels: empty for all.
    :ivar last: whether only the last of each channel.
    :ivar limit: how many of each channel at most, the earliest.
    """

    usage_point: str
    database: Database
    channels: tuple[WantedChannel, ...]
    last: bool
    after: datetime | None
    until: datetime | None
    limit: int


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Entries that are asked for: since <= time < before, index from *index* on; by rising index, *limit* at most."""

    since: datetime | None
    before: datetime | None
    index: int
    limit: int


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of the consumer's log (Anschlussnutzer-Log)."""

    index: int
    event: int
    sub_event: int
    level: str
    message: str
    outcome: str
    subject: str
    user: str
    time: datetime
    vendor: str
    version: str


class ConsumerData(Protocol):
    """What the gateway shows its consumers. Called from several threads, behind doors, the consumer named each time."""

    def information(self) -> GatewayInformation:
        """What it says of itself."""
        ...

    def usage_points(self, consumer: str) -> Sequence[UsagePoint]:
        """His evaluation profiles."""
        ...

    def usage_point(self, consumer: str, usage_point: str) -> UsagePointProfile | None:
        """One of them, ``None`` if there is none or it is not his."""
        ...

    def readings(self, consumer: str, query: ReadingsQuery) -> Sequence[ChannelReadings]:
        """Readings of one of his evaluation profiles."""
        ...

    def log(self, consumer: str, query: LogQuery) -> Sequence[LogEntry]:
        """Entries of his log."""
        ...

    def self_test_running(self) -> bool:
        """Whether the gateway is testing itself."""
        ...

    def start_self_test(self, consumer: str) -> None:
        """Have the gateway test itself, and return at once. The result goes into this consumer's log.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        ...
