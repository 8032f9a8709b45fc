"""Reading lists of the gateway as AR 2418-6 has them: the original list, and a derived list a register."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from gateway.lmn.status import PtbStatus
from gateway.tariffing.ar2418 import ESPI_OF_DLMS, Block, MeterReadings, ReadingType, StatedReading, UsagePoint
from gateway.tariffing.booking import Account, Mark
from gateway.tariffing.periods import SECOND, Period
from gateway.tariffing.readings import ReadingList

_STATUS: Final[Mapping[Mark, PtbStatus]] = MappingProxyType(
    {Mark.NONE: PtbStatus.OK, Mark.GAP: PtbStatus.WARNING, Mark.UNASSIGNED: PtbStatus.TEMPORARY_ERROR}
)
"""How a booking's mark is told with the reading that ends it."""


def original_list(original: ReadingList, usage_point: str, period: Period) -> MeterReadings:
    """An original list; of its readings those captured or meant for the period, its begin and end among them."""
    beside = original.tolerance * SECOND
    within = [
        StatedReading(each.captured, each.value, target=each.target, status_ptb=each.status)
        for each in original.readings
        if period.begin - beside <= (each.target or each.captured) <= period.end + beside
    ]
    kind = _kind(original, original.obis, f"{original.obis.hex()}.{original.meter}.sm", original.stated_period)
    return _list(kind, original.meter, usage_point, period, within)


def derived_lists(account: Account, tariff_id: str, usage_point: str) -> Iterator[MeterReadings]:
    """What each register counted, growing from zero at the begin of the period: a TAF's result lists.

    Unassigned energy has status 2, a stage's energy in spite of missing readings status 1.
    """
    first, last = account.bookings[0].begin.at, account.bookings[-1].end.at
    for register, amount in account.registers.items():
        values = [StatedReading(first, 0, status_ptb=PtbStatus.OK)]
        values += [
            StatedReading(each.at, each.value, status_ptb=_STATUS[each.mark]) for each in account.derived_list(register)
        ]
        if values[-1].at != last:
            values.append(StatedReading(last, amount, status_ptb=PtbStatus.OK))
        kind = _kind(account.original, register, f"{register.hex()}.{tariff_id}.sm", None)
        yield _list(kind, account.original.meter, usage_point, account.period, values)


def exported(point: UsagePoint, accounts: Sequence[Account]) -> UsagePoint:
    """A usage point with the lists of some accounts in place of its own, all else as it is."""
    profile_id = point.profile.tariff_id if point.profile else point.tariff_name
    lists = [original_list(account.original, point.usage_point_id, account.period) for account in accounts]
    for account in accounts:
        lists += derived_lists(account, profile_id or "TAF", point.usage_point_id)
    return replace(point, lists=tuple(lists))


def _kind(original: ReadingList, obis: bytes, name: str, period: int | None) -> ReadingType:
    unit = None if original.unit is None else ESPI_OF_DLMS.get(original.unit)
    return ReadingType(obis, unit=unit, scaler=original.scaler, name=name, period=period)


def _list(
    kind: ReadingType, meter: str, usage_point: str, period: Period, readings: Sequence[StatedReading]
) -> MeterReadings:
    block = Block(tuple(readings), period.begin, period.seconds)
    return MeterReadings(kind, (block,), meter, f"{kind.name.removesuffix('.sm')}.{usage_point}")
