"""What the consumer's page shows beyond :mod:`gateway.han.data`, and the protocol that the core gives it through.

Amounts are integers that count in ten to *scaler* of a DLMS unit. Times are aware, UTC; steps begin and end on German
local quarter hours, hours, days and months, so that a day has 23, 24 or 25 hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, unique
from typing import Protocol

from gateway.han.data import BillingPeriod, TafState


@unique
class Step(StrEnum):
    """How long one bucket is."""

    QUARTER_HOUR = "quarter-hour"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@unique
class Export(StrEnum):
    """What a file with values is written as."""

    AR2418 = "xml"
    """VDE-AR-E 2418-6."""
    CSV = "csv"
    SIGNED = "signed"
    """CMS SignedData (DER) over the signed originals."""


@dataclass(frozen=True, slots=True)
class StageView:
    """A tariff stage (Tarifstufe) and the register that counts in it.

    :ivar register: 12 hexadecimal digits, lower case.
    :ivar number: ``None`` for what counts without a stage.
    :ivar is_error: whether it is the error register (Fehlerregister).
    """

    register: str
    number: int | None
    name: str
    is_error: bool


@dataclass(frozen=True, slots=True)
class RegisterView:
    """A meter's register that a contract evaluates.

    :ivar obis: 12 hexadecimal digits, lower case.
    :ivar scaler: power of ten.
    :ivar unit: DLMS unit.
    :ivar feeds_in: whether it counts what goes to the grid.
    :ivar counts: whether it counts at all; of one that shows a power or a voltage there is no consumption.
    """

    obis: str
    scaler: int
    unit: int
    feeds_in: bool
    counts: bool = True


@dataclass(frozen=True, slots=True)
class SwitchView:
    """From when on a stage holds (Umschaltzeitpunkt).

    :ivar stage: its number.
    """

    at: datetime
    stage: int


@dataclass(frozen=True, slots=True)
class ContractView:
    """An evaluation profile (Auswertungsprofil) with what is agreed around it.

    :ivar id: such as ``01005e318021.taf2-1.sm``.
    :ivar metering_point: 33 characters (Messlokation).
    :ivar meter: device identification, DIN 43863-5.
    :ivar taf: number of the Tarifanwendungsfall.
    :ivar participants: external market participants who get values (EMT).
    :ivar registers: original registers it evaluates.
    :ivar stages: every register that it counts into.
    :ivar registers_every: registration period.
    :ivar retention: how long its values are kept.
    :ivar switches: what the calendar switches in the seven local days from today on, the stage that holds at their
        beginning first; empty where no calendar switches.
    """

    id: str
    name: str
    metering_point: str
    meter: str
    taf: int
    state: TafState
    start: datetime
    end: datetime | None
    supplier: str
    participants: tuple[str, ...]
    registers: tuple[RegisterView, ...]
    stages: tuple[StageView, ...]
    billing_periods: tuple[BillingPeriod, ...]
    registers_every: timedelta
    retention: timedelta
    switches: tuple[SwitchView, ...] = ()


@dataclass(frozen=True, slots=True)
class StageAmount:
    """What was counted in one register.

    :ivar register: 12 hexadecimal digits, lower case.
    """

    register: str
    amount: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was counted from *begin* until *end*.

    :ivar complete: ``False`` if a reading is missing or doubtful in it.
    """

    begin: datetime
    end: datetime
    amounts: tuple[StageAmount, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Consumption:
    """What one original register counted, by stages, bucket by bucket with rising time.

    :ivar obis: the original register, 12 hexadecimal digits, lower case.
    :ivar scaler: power of ten.
    :ivar unit: DLMS unit.
    :ivar totals: of all buckets.
    :ivar marked: why energy is in the error register, in words.
    """

    contract: str
    obis: str
    scaler: int
    unit: int
    step: Step
    buckets: tuple[Bucket, ...]
    totals: tuple[StageAmount, ...]
    marked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LatestReading:
    """The newest reading of a register.

    :ivar obis: 12 hexadecimal digits, lower case.
    :ivar meter: device identification, DIN 43863-5.
    :ivar scaler: power of ten.
    :ivar unit: DLMS unit.
    :ivar ptb: PTB status; 0 is no error.
    """

    obis: str
    meter: str
    value: int
    scaler: int
    unit: int
    captured: datetime
    ptb: int


@dataclass(frozen=True, slots=True)
class PlainLogEntry:
    """An entry of the consumer's log (Anschlussnutzer-Log) in plain words.

    :ivar level: as in :mod:`gateway.logs.events`.
    :ivar outcome: as there.
    :ivar event: number of the event.
    """

    index: int
    time: datetime
    level: int
    outcome: int
    event: int
    german: str
    english: str


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A file to take away.

    :ivar name: proposed for saving it.
    """

    name: str
    media_type: str
    content: bytes


class PageData(Protocol):
    """What the gateway shows on the page. Called from several threads, behind doors, the consumer named each time."""

    def contracts(self, consumer: str) -> Sequence[ContractView]:
        """His contracts."""
        ...

    def consumption(
        self, consumer: str, contract: str, obis: str, begin: datetime, end: datetime, step: Step
    ) -> Consumption:
        """What a register of one of his contracts counted. The buckets fill the range, future ones are empty.

        :param obis: the original register.
        :raises gateway.han.errors.HanError: 404 if it is not his; 400 if the range is too long for the step: up to
            31 days of quarter hours, 93 days of hours, 2 years of days, 10 years of months.
        """
        ...

    def latest(self, consumer: str) -> Sequence[LatestReading]:
        """The newest reading of each of his registers."""
        ...

    def plain_log(self, consumer: str, *, before: int | None, limit: int) -> Sequence[PlainLogEntry]:
        """Entries of his log, newest first.

        :param before: entries with a lower index only.
        """
        ...

    def export(self, consumer: str, contract: str, begin: datetime, end: datetime, kind: Export) -> ExportFile:
        """The values of one of his contracts as a file.

        :raises gateway.han.errors.HanError: 404 if it is not his; 400 if the range is too long.
        """
        ...
