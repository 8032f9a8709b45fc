"""Stretches of time, and German local time (gesetzliche Zeit) with its days of 23 and 25 hours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from gateway.tariffing.errors import TariffingError

LOCAL: Final = ZoneInfo("Europe/Berlin")
SECOND: Final = timedelta(seconds=1)
DAY: Final = timedelta(days=1)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Period:
    """From *begin* on until *end*, which is no longer part of it; both aware.

    :raises TariffingError: if a time has no zone, or the end is not after the begin.
    """

    begin: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.begin.tzinfo is None or self.end.tzinfo is None:
            raise TariffingError("a period's begin and end need a zone")
        if self.end.astimezone(UTC) <= self.begin.astimezone(UTC):
            raise TariffingError(f"a period ends after it begins, not from {self.begin} to {self.end}")

    @classmethod
    def of_seconds(cls, begin: datetime, seconds: int) -> Period:
        """From *begin* for so many seconds that pass, whatever clocks are set to meanwhile."""
        return cls(begin, (begin.astimezone(UTC) + timedelta(seconds=seconds)).astimezone(begin.tzinfo))

    @property
    def seconds(self) -> int:
        """How long it is; in UTC, for within one zone clocks would be subtracted, and they are set twice a year."""
        return int((self.end.astimezone(UTC) - self.begin.astimezone(UTC)) // SECOND)

    def days(self) -> Iterator[tuple[date, Period]]:
        """The local days it touches, each with the part of it that lies in the period."""
        for day in dates(local_date(self.begin), local_date(self.end)):
            begin, end = max(midnight(day), self.begin), min(midnight(day + DAY), self.end)
            if begin < end:
                yield day, Period(begin.astimezone(UTC), end.astimezone(UTC))


def dates(first: date, last: date) -> Iterator[date]:
    """Every date from the first to the last."""
    for number in range((last - first).days + 1):
        yield first + number * DAY


def local_date(instant: datetime) -> date:
    """The date in Germany at an instant."""
    return instant.astimezone(LOCAL).date()


def midnight(day: date) -> datetime:
    """The instant at which a German day begins, UTC."""
    return datetime.combine(day, time(), LOCAL).astimezone(UTC)


def offset_seconds(instant: datetime) -> int:
    """Seconds that German clocks are ahead of UTC at an instant."""
    offset = instant.astimezone(LOCAL).utcoffset()
    assert offset is not None  # noqa: S101  an aware time in a zone has one
    return int(offset // SECOND)


def clock_change(begin: datetime, end: datetime) -> datetime | None:
    """The instant (UTC) between *begin* and *end* at which German clocks are set; None if they are not."""
    before = offset_seconds(begin)
    if before == offset_seconds(end):
        return None
    low, high = begin.astimezone(UTC), end.astimezone(UTC)
    while high - low > SECOND:
        middle = low + (high - low) // SECOND // 2 * SECOND
        low, high = (middle, high) if offset_seconds(middle) == before else (low, middle)
    return high


def local_text(instant: datetime) -> str:
    """An instant as German clocks show it, with offset: ``2017-11-04T06:00:00+01:00``."""
    return instant.astimezone(LOCAL).isoformat()
