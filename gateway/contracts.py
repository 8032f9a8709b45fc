"""Contracts: what is evaluated of a meter for whom, by which tariff, and who is told (Auswertungsprofil, Vertrag)."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum, unique
from typing import Final

from gateway.han.data import TafState
from gateway.lmn.device_id import DeviceIdError, server_id_from_device_id
from gateway.lmn.obis import OBIS_LENGTH, format_obis
from gateway.metering.schema import CONSUMER_LENGTH
from gateway.tariffing.calendar import TariffCalendar
from gateway.tariffing.errors import ProfileError
from gateway.tariffing.levels import levels_of
from gateway.tariffing.periods import LOCAL, Period
from gateway.tariffing.profile import (
    LONGEST_PERIOD,
    EvaluationProfile,
    ExternalEvent,
    ExtremeCount,
    Prepayment,
    TariffStage,
    Threshold,
    UseCase,
    same_quantity,
)
from gateway.tariffing.switching import plan_of

MAX_TEXT: Final = 128
"""Characters of a text in a contract; ours."""
MAX_PARTS: Final = 1_024
"""How many stages, day profiles and the like a contract has of each; ours."""
NEEDS_STAGES: Final = frozenset(
    {
        UseCase.DATA_SPARING,
        UseCase.TIME_VARIABLE,
        UseCase.LOAD_VARIABLE,
        UseCase.CONSUMPTION_VARIABLE,
        UseCase.EVENT_VARIABLE,
        UseCase.CONTROLLABLE_LOAD,
        UseCase.PREPAYMENT,
    }
)
"""The TAFs whose registers the gateway computes; of the others a contract may say the supplier's stages (TAF-7)."""
NOT_BILLED: Final = frozenset({UseCase.VISUALISATION, UseCase.HIGH_FREQUENCY})
"""The TAFs that nothing is billed by: they show readings, and no more."""

_BY_LIMITS: Final = frozenset({UseCase.LOAD_VARIABLE, UseCase.CONSUMPTION_VARIABLE})
_BY_CALENDAR_IF_SEVERAL: Final = frozenset({UseCase.DATA_SPARING, UseCase.READING_SERIES, UseCase.PREPAYMENT})
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_TAF_IN_ID: Final = re.compile(r"\.taf([0-9]{1,2})-", re.ASCII)
_METERING_POINT: Final = re.compile(r"[A-Z]{2}[A-Z0-9]{31}", re.ASCII)
_YEARS: Final = range(1970, 2970)


@unique
class Billing(StrEnum):
    """How long a billing period (Abrechnungszeitraum) is."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"

    @property
    def months(self) -> int:
        """In months."""
        return {Billing.MONTH: 1, Billing.QUARTER: 3, Billing.YEAR: 12}[self]


@dataclass(frozen=True, kw_only=True)
class Contract:
    """An evaluation profile (Auswertungsprofil) with what is agreed around it.

    :ivar id: of the usage point, such as ``01005e318021.taf2-1.sm``.
    :ivar name: of the tariff.
    :ivar consumer: userid of the consumer (Anschlussnutzer).
    :ivar metering_point: 33 characters (Messlokation).
    :ivar meter: device id, DIN 43863-5.
    :ivar registers: original OBIS codes that it evaluates, six bytes each.
    :ivar start: from when on; aware.
    :ivar end: until when, ``None`` where it is open.
    :ivar billing: how long its billing periods are, from *start* on.
    :ivar supplier: code or name (Lieferant).
    :ivar participants: who else gets values (EMT).
    :ivar delivery: identification of the delivery, empty where there is none.
    :ivar on_demand: whether it is asked for when needed.
    :ivar transparent: the transparency bit.
    :ivar retention: how long the original readings it needs are kept.
    :raises ProfileError: if its parts contradict one another; the text names contract and part.
    """

    id: str
    name: str
    consumer: str
    metering_point: str
    meter: str
    registers: tuple[bytes, ...]
    use_case: UseCase
    start: datetime
    end: datetime | None
    billing: Billing
    supplier: str
    retention: timedelta
    stages: tuple[TariffStage, ...] = ()
    default_stage: int = 1
    calendars: tuple[TariffCalendar, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    events: tuple[ExternalEvent, ...] = ()
    prepayment: Prepayment | None = None
    extremes: tuple[ExtremeCount, ...] = ()
    participants: tuple[str, ...] = ()
    delivery: str = ""
    on_demand: bool = False
    transparent: bool = True

    def __post_init__(self) -> None:
        """:raises ProfileError: if its parts contradict one another."""
        if _ID.fullmatch(self.id) is None:
            raise ProfileError(f"{self.id!r} is no id of a contract: up to 64 letters, digits, '.', '_' and '-'")
        try:
            self._check()
        except (ProfileError, DeviceIdError) as error:
            raise ProfileError(f"contract {self.id}: {error}") from error

    def _check(self) -> None:
        self._check_names()
        self._check_time()
        if not self.registers:
            raise ProfileError("registers names no OBIS code")
        if any(len(register) != OBIS_LENGTH for register in self.registers):
            raise ProfileError("registers has a code that is not of six bytes")
        if len(set(self.registers)) < len(self.registers):
            raise ProfileError("registers names an OBIS code twice")
        self._check_stages()
        if self.use_case is UseCase.PREPAYMENT and self.prepayment is None:
            raise ProfileError(f"prepayment is missing, and {self.use_case} needs it")
        if self.use_case is UseCase.EXTREME_VALUES and not self.extremes:
            raise ProfileError(f"extremes are missing, and {self.use_case} needs them")

    def _check_names(self) -> None:
        for what, text in _texts(self):
            if len(text) > MAX_TEXT or not text.isprintable():
                raise ProfileError(f"{what} is longer than {MAX_TEXT} characters, or has one that is not printed")
        said = _TAF_IN_ID.search(self.id)
        if said is not None and int(said[1]) != self.use_case:
            raise ProfileError(f"id says TAF-{int(said[1])}, and the use case is {self.use_case}")
        for what, needed in (("name", self.name), ("consumer", self.consumer), ("supplier", self.supplier)):
            if not needed:
                raise ProfileError(f"{what} is empty")
        if len(self.consumer) > CONSUMER_LENGTH:
            raise ProfileError(f"consumer has more than {CONSUMER_LENGTH} characters")
        if _METERING_POINT.fullmatch(self.metering_point) is None:
            raise ProfileError(f"metering_point {self.metering_point!r} has not the 33 characters of one")
        server_id_from_device_id(self.meter)
        if len(set(self.participants)) < len(self.participants) or "" in self.participants:
            raise ProfileError("participants names one twice, or nobody")

    def _check_time(self) -> None:
        for what, at in (("start", self.start), ("end", self.end)):
            if at is not None and at.tzinfo is None:
                raise ProfileError(f"{what} has no zone")
            if at is not None and at.year not in _YEARS:
                raise ProfileError(f"{what} is in the year {at.year}; {_YEARS[0]} to {_YEARS[-1]} are known")
        if self.end is not None and self.end <= self.start:
            raise ProfileError("end is not after start")
        if not timedelta(days=1) <= self.retention <= LONGEST_PERIOD:
            raise ProfileError(f"retention of {self.retention}: one day to {LONGEST_PERIOD.days} days")
        longest = timedelta(days={1: 31, 3: 92, 12: 366}[self.billing.months])
        if self.use_case not in NOT_BILLED and self.retention < longest:
            raise ProfileError(f"retention of {self.retention.days} days, and a billing period has {longest.days}")

    def _check_stages(self) -> None:
        if self.use_case in NEEDS_STAGES and not self.stages:
            raise ProfileError(f"stages are missing, and {self.use_case} needs them")
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, tuple) and len(value) > MAX_PARTS:
                raise ProfileError(f"{each.name} has {len(value)} parts, more than {MAX_PARTS}")
        if not self.stages:
            if self.calendars or self.events:
                raise ProfileError("stages are missing, and calendars or events switch between them")
            return
        if self.default_stage not in {stage.number for stage in self.stages}:
            raise ProfileError(f"default_stage is {self.default_stage}, and no stage has that number")
        for stage in self.stages:
            if not any(same_quantity(stage.register, register) for register in self.registers):
                raise ProfileError(f"stage {stage.number} counts in {format_obis(stage.register)}, of no register")
        profile = self.evaluation(next(self._periods()))
        for register in self.registers:
            stages = profile.stages_of(register)
            if not stages.billed:
                raise ProfileError(f"register {format_obis(register)} has no stage")
            if self.use_case in _BY_LIMITS:
                levels_of(profile, stages)
            elif self.use_case is UseCase.TIME_VARIABLE or (
                self.use_case in _BY_CALENDAR_IF_SEVERAL and len(stages.billed) > 1
            ):
                plan_of(profile, stages)

    @property
    def server_id(self) -> str:
        """The meter's server id, hexadecimal: by what its lists are kept."""
        return server_id_from_device_id(self.meter).hex()

    @property
    def billed(self) -> bool:
        """Whether anything is billed by it."""
        return self.use_case not in NOT_BILLED

    def state(self, at: datetime) -> TafState:
        """Where it stands at a time."""
        if at < self.start:
            return TafState.READY
        return TafState.RUNNING if self.end is None or at < self.end else TafState.ARCHIVE

    def billing_periods(self, at: datetime) -> list[Period]:
        """The billing periods that have begun at a time, oldest first; the last one ends when it is planned to."""
        begun = []
        for period in self._periods():
            if period.begin > at:
                break
            begun.append(period)
        return begun

    def _periods(self) -> Iterator[Period]:
        first, number = self.start.astimezone(LOCAL), 0
        begin = self.start.astimezone(UTC)
        while self.end is None or begin < self.end:
            number += self.billing.months
            end = _months_after(first, number)
            yield Period(begin, end if self.end is None else min(end, self.end.astimezone(UTC)))
            begin = end

    def evaluation(self, period: Period) -> EvaluationProfile:
        """The evaluation profile for a period.

        :raises ProfileError: if it has no stages, or the period is too long.
        """
        return EvaluationProfile(
            self.use_case,
            self.id.removesuffix(".sm"),
            period,
            self.stages,
            self.default_stage,
            self.calendars,
            self.thresholds,
            self.events,
            self.prepayment,
            self.extremes,
            self.name,
        )


def _months_after(first: datetime, months: int) -> datetime:
    """The same day and time by German clocks, months later, UTC; the last day of a month that has no such day."""
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    day = min(first.day, calendar.monthrange(year, month + 1)[1])
    at = time(first.hour, first.minute, first.second, first.microsecond)
    return datetime.combine(date(year, month + 1, day), at, LOCAL).astimezone(UTC)


def _texts(value: object, what: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a contract, with where it stands."""
    if isinstance(value, str):
        yield what, value
    elif is_dataclass(value):
        for each in fields(value):
            yield from _texts(getattr(value, each.name), each.name)
    elif isinstance(value, Iterable) and not isinstance(value, bytes):
        for item in value:
            yield from _texts(item, what)
