"""The evaluation profile (Auswertungsprofil): what a rule set is told for one Tarifanwendungsfall (TAF)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import Final

from gateway.lmn.obis import format_obis
from gateway.tariffing.calendar import TariffCalendar
from gateway.tariffing.errors import ProfileError
from gateway.tariffing.periods import SECOND, Period

ERROR_STAGE: Final = 63
"""OBIS group E of the error register (Fehlerregister)."""


LONGEST_PERIOD: Final = timedelta(days=3_660)
"""A billing period may last ten years."""


class UseCase(IntEnum):
    """The fourteen Tarifanwendungsfälle."""

    DATA_SPARING = 1
    TIME_VARIABLE = 2
    LOAD_VARIABLE = 3
    CONSUMPTION_VARIABLE = 4
    EVENT_VARIABLE = 5
    ON_DEMAND = 6
    READING_SERIES = 7
    EXTREME_VALUES = 8
    ACTUAL_FEED_IN = 9
    GRID_STATE = 10
    CONTROLLABLE_LOAD = 11
    PREPAYMENT = 12
    VISUALISATION = 13
    HIGH_FREQUENCY = 14

    def __str__(self) -> str:
        return f"TAF-{self.value}"


@dataclass(frozen=True, slots=True)
class TariffStage:
    """A stage (Tarifstufe) and the register that counts in it.

    :raises ProfileError: if the register is no OBIS code of six bytes.
    """

    number: int
    register: bytes
    description: str = ""

    def __post_init__(self) -> None:
        if len(self.register) != 6:
            raise ProfileError(f"stage {self.number} has no register of six bytes")

    @property
    def is_error_register(self) -> bool:
        """Whether what cannot be assigned is counted here."""
        return self.register[4] == ERROR_STAGE


@dataclass(frozen=True, slots=True)
class Quantity:
    """An integer, the power of ten it is multiplied by, and its DLMS unit."""

    value: int
    scaler: int
    unit: int | None

    def in_scaler(self, scaler: int, what: str) -> int:
        """The same in another power of ten.

        :raises ProfileError: if it is no integer there.
        """
        if self.scaler >= scaler:
            return int(self.value * 10 ** (self.scaler - scaler))
        value, rest = divmod(self.value, 10 ** (scaler - self.scaler))
        if rest:
            raise ProfileError(f"{what} of {self.value} times ten to {self.scaler} is finer than the meter counts")
        return int(value)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A limit (Schwellwert): crossed upwards above *over*, downwards below *under*.

    :ivar reading_list: the reading list it looks at (meterReadingId).
    """

    over: Quantity
    under: Quantity
    reading_list: str = ""
    direction: int | None = None


@dataclass(frozen=True, slots=True)
class ExternalEvent:
    """A stage that holds while something is the case outside (Ereignis)."""

    number: int
    period: Period
    stage: int
    thresholds: tuple[Threshold, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepayment:
    """Energy paid for in advance (Prepaid).

    :ivar tolerance: how long supply goes on when it is used up (Toleranzzeitraum); begins at its own begin.
    :ivar breakers: device ids of the breakers (Unterbrecher) that then open.
    """

    available: Quantity
    tolerance: Period
    breakers: tuple[str, ...] = ()
    thresholds: tuple[Threshold, ...] = ()


@dataclass(frozen=True, slots=True)
class ExtremeCount:
    """How many extreme values are kept."""

    count: int
    maximum: bool


@dataclass(frozen=True)
class EvaluationProfile:
    """What one rule set computes, for which period, into which registers.

    :ivar use_case: the TAF.
    :ivar period: the billing period (Abrechnungszeitraum).
    :ivar default_stage: the stage that holds where nothing switches.
    :ivar calendars: time triggers; each register has at most one that knows its stages.
    :raises ProfileError: if there is no stage, two count in one register, one that is switched to is missing, or the
        period is longer than :data:`LONGEST_PERIOD`.
    """

    use_case: UseCase
    tariff_id: str
    period: Period
    stages: tuple[TariffStage, ...]
    default_stage: int
    calendars: tuple[TariffCalendar, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    events: tuple[ExternalEvent, ...] = ()
    prepayment: Prepayment | None = None
    extremes: tuple[ExtremeCount, ...] = ()
    description: str = ""

    def __post_init__(self) -> None:
        if not self.stages:
            raise ProfileError("an evaluation profile has at least one stage")
        if self.period.seconds > LONGEST_PERIOD // SECOND:
            raise ProfileError(f"a billing period of {self.period.seconds} s is longer than ten years")
        registers = [stage.register for stage in self.stages]
        twice = next((register for register in registers if registers.count(register) > 1), None)
        if twice is not None:
            raise ProfileError(f"two stages count in {format_obis(twice)}")
        known = {stage.number for stage in self.stages}
        used = {stage for calendar in self.calendars for stage in calendar.stages}
        used |= {event.stage for event in self.events}
        for number in sorted(used - known - {ERROR_STAGE}):
            raise ProfileError(f"stage {number} is switched to, and there is none; there are: {_numbers(known)}")

    def stages_of(self, obis: bytes) -> Stages:
        """The stages that count what an original register measures: those with its OBIS groups A to D and F.

        :raises ProfileError: if two of them have one number.
        """
        own = [stage for stage in self.stages if same_quantity(stage.register, obis)]
        return Stages(obis, own)


class Stages:
    """The stages of one original register, and its error register."""

    def __init__(self, obis: bytes, stages: Sequence[TariffStage]) -> None:
        self.error_register = next(
            (stage.register for stage in stages if stage.is_error_register), obis[:4] + bytes((ERROR_STAGE,)) + obis[5:]
        )
        self.billed = tuple(stage for stage in stages if not stage.is_error_register)
        numbers = [stage.number for stage in self.billed]
        if len(set(numbers)) < len(numbers):
            raise ProfileError(f"two stages of {format_obis(obis)} have one number: {_numbers(numbers)}")
        self.registers = {stage.number: stage.register for stage in self.billed}
        self._obis = obis

    def register(self, number: int) -> bytes:
        """The register of a stage.

        :raises ProfileError: if the register has no such stage.
        """
        if number not in self.registers:
            raise ProfileError(
                f"{format_obis(self._obis)} has no stage {number}; its stages: {_numbers(self.registers) or 'none'}"
            )
        return self.registers[number]

    def at_start(self, default: int) -> int:
        """The stage where nothing switches: the only one there is, else the profile's default.

        That may be one of another register; this is an error only where it comes to hold.
        """
        return default if default in self.registers or len(self.registers) != 1 else next(iter(self.registers))


def same_quantity(one: bytes, other: bytes) -> bool:
    """Whether two registers count the same, be it in different stages: OBIS groups A to D and F."""
    return one[:4] == other[:4] and one[5] == other[5]


def _numbers(numbers: object) -> str:
    assert isinstance(numbers, set | list | dict)  # noqa: S101  called here only
    return ", ".join(map(str, sorted(numbers)))
