"""Series of readings at set times: a value for each time, or that there is none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from gateway.tariffing.errors import ProfileError
from gateway.tariffing.periods import DAY, EPOCH, LOCAL, SECOND, Period, dates, local_date
from gateway.tariffing.readings import MeterReading, ReadingList

_HOUR = 3_600


@dataclass(frozen=True, slots=True)
class SeriesReading:
    """One line of a derived list that keeps values as they are.

    :ivar at: the time it is for, UTC.
    :ivar value: the register's value then; None if there is no usable reading.
    :ivar source: the original reading it is, None if there is none.
    """

    at: datetime
    value: int | None
    source: MeterReading | None

    @property
    def missing(self) -> bool:
        """Whether there is no usable reading of this time."""
        return self.source is None


def series(original: ReadingList, times: Sequence[datetime]) -> list[SeriesReading]:
    """The register's values at some times."""
    points = {point.at: point for point in original.points(times)}
    found = ((at, points.get(at)) for at in times)
    return [
        SeriesReading(at, None, None) if point is None else SeriesReading(at, point.value, point.source)
        for at, point in found
    ]


def grid_times(period: Period, seconds: int) -> Iterator[datetime]:
    """The times of a period, its end among them, at which a registration period of so many seconds ends.

    Up to an hour they follow the seconds that pass; beyond, the time that German clocks show.

    :raises ProfileError: if the day is no multiple of it.
    """
    if seconds <= 0 or DAY % timedelta(seconds=seconds):
        raise ProfileError(f"a day is no multiple of a registration period of {seconds} s")
    begin, end = period.begin.astimezone(UTC), period.end.astimezone(UTC)
    if _HOUR % seconds == 0:
        at = begin + (EPOCH - begin) % timedelta(seconds=seconds)
        while at <= end:
            yield at
            at += seconds * SECOND
        return
    for day in dates(local_date(begin), local_date(end)):
        for second in range(0, 24 * _HOUR, seconds):
            shown = datetime.combine(day, time(second // _HOUR, second // 60 % 60, second % 60), LOCAL)
            if begin <= shown.astimezone(UTC) <= end:
                yield shown.astimezone(UTC)
