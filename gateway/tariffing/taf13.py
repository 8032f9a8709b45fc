"""TAF-13, readings for visualisation (Messwertsätze zur Visualisierung über WAN): use by day, week, month and year."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import groupby, pairwise
from types import MappingProxyType
from typing import Final

from gateway.tariffing.periods import DAY, Period, dates, local_date, midnight
from gateway.tariffing.readings import MeterReading, ReadingList
from gateway.tariffing.series import SeriesReading, series


class Span(StrEnum):
    """How much time one value is of."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


_BEGIN_OF: Final[Mapping[Span, Callable[[date], date]]] = MappingProxyType(
    {
        Span.DAY: lambda day: day,
        Span.WEEK: lambda day: day - timedelta(days=day.weekday()),
        Span.MONTH: lambda day: day.replace(day=1),
        Span.YEAR: lambda day: day.replace(month=1, day=1),
    }
)


@dataclass(frozen=True, slots=True)
class Use:
    """What was used in one span of local days.

    :ivar first: the first day of it that lies in the period; *last* the last.
    :ivar amount: in the register's unit and scaler; None if the reading of its begin or end is missing.
    :ivar begin, end: those original readings.
    """

    first: date
    last: date
    amount: int | None
    begin: MeterReading | None
    end: MeterReading | None


def evaluate(original: ReadingList, period: Period, span: Span) -> list[Use]:
    """The use of each span of a period, from the readings of midnights alone."""
    last_day = local_date(period.end) - (DAY if midnight(local_date(period.end)) == period.end else timedelta())
    first_day = local_date(period.begin)
    groups = [list(days) for _, days in groupby(dates(first_day, last_day), key=_BEGIN_OF[span])]
    bounds = [midnight(days[0]) for days in groups] + [midnight(last_day + DAY)]
    values = series(original, bounds)
    return [_use(days, *pair) for days, pair in zip(groups, pairwise(values), strict=True)]


def _use(days: Sequence[date], begin: SeriesReading, end: SeriesReading) -> Use:
    amount = None if begin.value is None or end.value is None else end.value - begin.value
    return Use(days[0], days[-1], amount, begin.source, end.source)
