"""Readings and evaluation profiles made for a test, and AR 2418-6 documents of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gateway.lmn.status import PtbStatus
from gateway.tariffing.ar2418 import (
    Block,
    Certificate,
    Document,
    GatewayInfo,
    MeterReadings,
    ReadingType,
    StatedReading,
    UsagePoint,
)
from gateway.tariffing.calendar import DayProfile, SpecialDay, TariffCalendar
from gateway.tariffing.periods import LOCAL, Period, midnight
from gateway.tariffing.profile import EvaluationProfile, TariffStage, UseCase
from gateway.tariffing.readings import MeterReading, ReadingList

METER = "1EMH0012345678"
METER_HEX = "0A01454D480000BC614E"
GATEWAY = "EXXX0012345678"
POINT = "DE00012345678900000000000000000042"
IMPORT = bytes.fromhex("0100010800ff")
EXPORT = bytes.fromhex("0100020800ff")
NT, HT, ERRORS = (bytes.fromhex(code) for code in ("0100010801ff", "0100010802ff", "010001083fff"))
QUARTER = timedelta(minutes=15)
HOUR = 3_600

HT_BY_DAY = DayProfile(("1",), ((0, 1), (6 * HOUR, 2), (21 * HOUR, 1)))
"""Stage 2 from six to twenty-one, stage 1 else."""


def days(first: str, count: int = 1) -> Period:
    """Some local days."""
    begin = date.fromisoformat(first)
    return Period(midnight(begin), midnight(begin + timedelta(days=count)))


def local(text: str) -> datetime:
    """An instant by German clocks: ``2017-11-04 06:00``; a ``B`` behind it is the second of two."""
    fold = int(text.endswith("B"))
    return datetime.fromisoformat(text.rstrip("B")).replace(tzinfo=LOCAL, fold=fold).astimezone(UTC)


def quarters(period: Period) -> list[datetime]:
    """The ends of quarters of an hour of a period, and its begin."""
    count = period.seconds // 900
    return [period.begin + number * QUARTER for number in range(count + 1)]


def reading_list(
    period: Period,
    steps: int | Sequence[int] = 10,
    *,
    without: Iterable[datetime] = (),
    status: Mapping[datetime, PtbStatus] | None = None,
    obis: bytes = IMPORT,
    start: int = 1_000,
) -> ReadingList:
    """A reading each quarter of an hour; each is *steps* above the one before, in tenths of a watt-hour."""
    times, left_out, value = quarters(period), set(without), start
    readings: list[MeterReading] = []
    for number, at in enumerate(times):
        if number:
            value += steps if isinstance(steps, int) else steps[(number - 1) % len(steps)]
        if at not in left_out:
            grade = (status or {}).get(at, PtbStatus.OK)
            readings.append(MeterReading(at, value, grade, position=len(readings)))
    return ReadingList(obis, METER, -1, 30, readings)


def profile(
    period: Period,
    *day_profiles: DayProfile,
    use_case: UseCase = UseCase.TIME_VARIABLE,
    stages: Sequence[TariffStage] = (TariffStage(1, NT, "NT"), TariffStage(2, HT, "HT")),
    special_days: Sequence[SpecialDay] = (),
    default: int = 1,
) -> EvaluationProfile:
    """A profile whose calendar has these day profiles; without any it has no calendar."""
    calendars = (TariffCalendar(day_profiles, special_days=tuple(special_days)),) if day_profiles else ()
    return EvaluationProfile(use_case, "Strom Tag und Nacht", period, tuple(stages), default, calendars)


def special(day: date, day_id: str) -> SpecialDay:
    """A date with its day profile."""
    return SpecialDay(day_id, day.year, day.month, day.day)


def point(**fields: Any) -> UsagePoint:
    """A usage point with an owner, a gateway and a certificate."""
    known = UsagePoint(
        usage_point_id=POINT,
        customer="consumer1",
        invoicing_party="9900000000001",
        gateway=GatewayInfo(GATEWAY, (1,)),
        certificates=(Certificate(1, 1, b"\x30\x03\x02\x01\x05"),),
        tariff_name="Strom Tag und Nacht",
    )
    return replace(known, **fields)


def stated_list(original: ReadingList, period: Period, meter: str = METER_HEX) -> MeterReadings:
    """An original list as a gateway's document has it, capture times by German clocks."""
    readings = [
        StatedReading(each.captured.astimezone(LOCAL), each.value, target=each.target, status_ptb=each.status)
        for each in original.readings
    ]
    kind = ReadingType(original.obis, unit=72, scaler=original.scaler, name=f"{original.obis.hex()}.{meter}.sm")
    blocks = (Block(tuple(readings), period.begin.astimezone(LOCAL), period.seconds),)
    return MeterReadings(kind, blocks, meter, f"{original.obis.hex()}.{meter}.{POINT}")


def documents(evaluated: EvaluationProfile, *originals: ReadingList) -> tuple[Document, Document]:
    """What the gateway and what the supplier hand out."""
    lists = tuple(stated_list(original, evaluated.period) for original in originals)
    supplier = point(profile=evaluated, certificates=(), gateway=GatewayInfo(GATEWAY))
    return Document((point(lists=lists),)), Document((supplier,))
