"""What registers counted, by quarter hours, hours, days and months of German local time, for charts.

Each difference of two readings is counted where its later reading lies, so that the sum of all is what the meter
counted. Where that spans several buckets, a reading is missing or doubtful, or there is none yet, they are incomplete.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple

from gateway.han.page_data import Step
from gateway.tariffing.booking import Account, Booking, Mark
from gateway.tariffing.periods import DAY, EPOCH, Period, dates, local_date, midnight
from gateway.tariffing.readings import Point

_SPANS: Final = {Step.QUARTER_HOUR: timedelta(minutes=15), Step.HOUR: timedelta(hours=1)}


def bounds(begin: datetime, end: datetime, step: Step) -> list[datetime]:
    """Where buckets begin and end, UTC: the last one at or before *begin* first, the first at or after *end* last."""
    span = _SPANS.get(step)
    if span is not None:  # German clocks differ from UTC by whole hours
        first = EPOCH + (begin - EPOCH) // span * span
        count = -((first - end.astimezone(UTC)) // span)
        return [first + number * span for number in range(count + 1)]
    days = list(dates(local_date(begin), local_date(end) + DAY))
    if step is Step.MONTH:
        days = [days[0].replace(day=1), *(day for day in dates(days[0], _next_month(days[-1])) if day.day == 1)]
        days = list(dict.fromkeys(days))
    found = [midnight(day) for day in days]
    return found[: bisect_left(found, end) + 1]


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


class Piece(NamedTuple):
    """What one register counted between two readings."""

    begin: datetime
    end: datetime
    register: bytes
    amount: int
    sound: bool


def pieces(account: Account, points: Sequence[Point]) -> Iterator[Piece]:
    """The bookings of an account, divided at every reading.

    :param points: the usable readings of its period.
    """
    times = [point.at for point in points]
    taken: dict[datetime, int] = {}
    for number, booking in enumerate(account.bookings):
        first, last = bisect_left(times, booking.begin.at), bisect_left(times, booking.end.at)
        shared = _shared(account.bookings, number)
        left = booking.amount
        for place in range(first, last):
            begin, end = points[place], points[place + 1]
            whole = end.value - begin.value - taken.get(begin.at, 0)
            # The last interval has what is left: all of it, unless the next stage begins in it (TAF-4).
            amount = left if place + 1 == last else whole
            left -= amount
            if shared:
                taken = {begin.at: taken.get(begin.at, 0) + amount}
            yield Piece(begin.at, end.at, booking.register, amount, booking.mark is Mark.NONE)


def _shared(bookings: Sequence[Booking], number: int) -> bool:
    """Whether a booking has an interval in common with the one before or after it."""
    return (number > 0 and bookings[number].begin.at < bookings[number - 1].end.at) or (
        number + 1 < len(bookings) and bookings[number + 1].begin.at < bookings[number].end.at
    )


@dataclass(slots=True)
class Sum:
    """One bucket while it is filled."""

    amounts: dict[bytes, int]
    complete: bool = True

    def add(self, other: Sum) -> None:
        """Add another part of it."""
        for register, amount in other.amounts.items():
            self.amounts[register] = self.amounts.get(register, 0) + amount
        self.complete = self.complete and other.complete


def fill(chunk: Period, step: Step, account: Account | None, points: Sequence[Point]) -> dict[datetime, Sum]:
    """The buckets of a stretch of time, by their begin.

    :param account: what was counted in it, ``None`` where nothing was.
    :param points: its usable readings, that before it among them.
    """
    limits = bounds(chunk.begin, chunk.end, step)
    sums = [Sum({}) for _ in range(len(limits) - 1)]

    def spoil(begin: datetime, end: datetime) -> None:
        """What touches this stretch is incomplete."""
        first = max(bisect_right(limits, begin) - 1, 0)
        for place in range(first, min(bisect_left(limits, end), len(sums))):
            sums[place].complete = False

    if account is None:
        spoil(chunk.begin, chunk.end)
        return dict(zip(limits, sums, strict=False))
    for piece in pieces(account, points):
        place = bisect_left(limits, piece.end) - 1
        if place < 0:  # counted in the bucket before, which is in the stretch before
            continue
        amounts = sums[place].amounts
        amounts[piece.register] = amounts.get(piece.register, 0) + piece.amount
        if not piece.sound or piece.begin < limits[place]:
            spoil(piece.begin, piece.end)
    for reading in account.original.readings:
        if reading.status or reading.value is None:
            at = reading.target or reading.captured
            spoil(at - timedelta.resolution, at + timedelta.resolution)
    if points[0].at > chunk.begin:
        spoil(chunk.begin, points[0].at)
    if points[-1].at < chunk.end:
        spoil(points[-1].at, chunk.end)
    return dict(zip(limits, sums, strict=False))


def joined(limits: Sequence[datetime], parts: dict[datetime, Sum]) -> list[tuple[datetime, datetime, Sum]]:
    """Buckets of a step, each the sum of the parts that begin in it; one without parts is incomplete."""
    found: list[tuple[datetime, datetime, Sum]] = []
    begins = sorted(parts)
    for begin, end in pairwise(limits):
        inside = begins[bisect_left(begins, begin) : bisect_left(begins, end)]
        whole = Sum({}, complete=bool(inside))
        for each in inside:
            whole.add(parts[each])
        found.append((begin, end, whole))
    return found
