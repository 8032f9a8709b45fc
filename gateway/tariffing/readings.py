"""Original reading lists (originäre Messwertlisten) as the rule sets see them, and which reading counts for which time.

A meter is read a moment before or after the time that is meant. A reading counts for a point of the grid of the
registration period (Registrierperiode) if it was captured at most one hundredth of the period beside it: nine seconds
beside a quarter of an hour. What was captured elsewhere counts for no point.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Final, NamedTuple

from gateway.lmn.obis import format_obis
from gateway.lmn.status import GatewayStatus, PtbStatus, noted_meter_status, ptb_status
from gateway.metering.readings import OriginalReading
from gateway.tariffing.errors import ReadingsError
from gateway.tariffing.periods import EPOCH, SECOND, Period, local_text, offset_seconds

QUARTER_HOUR: Final = 900
_HOUR: Final = 3_600
_USUAL_PERIODS: Final = (
    *(60, 120, 180, 240, 300, 600, 900, 1_800, 2_400, 3_600, 5_400, 7_200),
    *(hours * _HOUR for hours in (3, 4, 6, 8, 12, 24)),
)
"""Registration periods, in seconds, that are recognised from readings alone."""


@dataclass(frozen=True, slots=True)
class MeterReading:
    """One original reading.

    :ivar captured: when the gateway took it (capture time), aware.
    :ivar value: the register's value as the meter sent it; None where there is none.
    :ivar status: how far it can be trusted.
    :ivar target: the time that it was taken for (target time), where the gateway says so.
    :ivar position: its place in the original list, from 0.
    :ivar entry: number of its entry on the gateway's list, 0 where it is on none.
    :ivar hash: hash of that entry, SHA-256, hexadecimal.
    """

    captured: datetime
    value: int | None
    status: PtbStatus = PtbStatus.OK
    target: datetime | None = None
    position: int = 0
    entry: int = 0
    hash: str = ""

    @property
    def usable(self) -> bool:
        """Whether the value may be billed."""
        return self.value is not None and self.status.usable


class Point(NamedTuple):
    """A usable reading and the time that it counts for, UTC."""

    at: datetime
    value: int
    source: MeterReading


@dataclass(frozen=True)
class ReadingList:
    """The original readings of one register of one meter.

    :ivar obis: the register, six bytes.
    :ivar meter: the meter (Geräte-ID).
    :ivar scaler: power of ten by which values are multiplied to be in *unit*.
    :ivar unit: DLMS unit number, None where none is known.
    :ivar readings: in the order of the list.
    :ivar stated_period: registration period in seconds, None where the list does not state it.
    """

    obis: bytes
    meter: str
    scaler: int
    unit: int | None
    readings: Sequence[MeterReading] = field(repr=False)
    stated_period: int | None = None

    def __str__(self) -> str:
        return f"{format_obis(self.obis)} of {self.meter}"

    @cached_property
    def registration_period(self) -> int | None:
        """Seconds from one reading to the next: as stated, else as most usable readings show; None if they do not."""
        if self.stated_period:
            return self.stated_period
        times = sorted(reading.captured for reading in self.readings if reading.usable)
        spans = Counter(int((later - earlier) // SECOND) for earlier, later in pairwise(times))
        near: Counter[int] = Counter()
        for span, often in spans.items():
            near[next((period for period in _USUAL_PERIODS if abs(span - period) * 50 <= period), 0)] += often
        period, often = near.most_common(1)[0] if near else (0, 0)
        return period if period and often * 2 >= len(times) - 1 else None

    @property
    def tolerance(self) -> int:
        """Seconds beside a grid point within which a reading still counts for it."""
        return (self.registration_period or QUARTER_HOUR) // 100

    def points(self, also: Iterable[datetime] = ()) -> list[Point]:
        """The usable readings in order of the times they count for.

        :param also: times beside the grid that count too: switch times, begin and end of the billing period.
        :raises ReadingsError: if two readings of one moment differ.
        """
        return self._points_of_targets if self._has_targets else self._points(also)

    @cached_property
    def _has_targets(self) -> bool:
        return all(reading.target is not None for reading in self.readings)

    @cached_property
    def _points_of_targets(self) -> list[Point]:
        """Where the list says itself what each reading counts for, other times change nothing: found once."""
        return self._points(())

    def _points(self, also: Iterable[datetime]) -> list[Point]:
        grid = _Grid(self.registration_period or QUARTER_HOUR, self.tolerance, also)
        found: dict[datetime, Point] = {}
        for reading in self.readings:
            if reading.value is None or not reading.status.usable:
                continue
            at = grid.point_of(reading)
            if at is None:
                continue
            new = Point(at, reading.value, reading)
            known = found.get(at)
            found[at] = new if known is None else self._nearer(known, new)
        return sorted(found.values())

    def _nearer(self, known: Point, new: Point) -> Point:
        distances = [abs(point.source.captured - point.at) for point in (known, new)]
        if distances[0] == distances[1] and known.value != new.value:
            raise ReadingsError(
                f"{self} has two readings of {local_text(new.at)} that differ: {known.value} and {new.value}"
            )
        return new if distances[1] < distances[0] else known

    def duration_seconds(self, begin: datetime, end: datetime) -> int:
        """Seconds between two points as the registration period counts them: a day is a day on all days."""
        seconds = int((end - begin) // SECOND)
        if (self.registration_period or QUARTER_HOUR) <= _HOUR:
            return seconds
        return seconds + offset_seconds(end) - offset_seconds(begin)

    def is_gap(self, begin: datetime, end: datetime) -> bool:
        """Whether a reading is missing between two points."""
        if end - begin <= self._shortest_period:
            return False
        period = self.registration_period
        return period is not None and self.duration_seconds(begin, end) > period

    @cached_property
    def _shortest_period(self) -> timedelta:
        """No two points this near have room for another between them, whatever clocks are set to."""
        period = self.registration_period or QUARTER_HOUR
        return (period if period <= _HOUR else period - _HOUR) * SECOND


class _Grid:
    """Times that a reading can count for."""

    def __init__(self, period: int, tolerance: int, also: Iterable[datetime]) -> None:
        self._period = period * SECOND
        self._tolerance = tolerance * SECOND
        self._also = sorted({time.astimezone(UTC) for time in also})
        self._named = set(self._also)
        self._by_clock = _HOUR % period != 0

    def point_of(self, reading: MeterReading) -> datetime | None:
        if reading.target is not None:
            return reading.target.astimezone(UTC)
        captured = reading.captured.astimezone(UTC)
        if captured in self._named:
            return captured
        beside = self._beside(captured)
        if beside is not None:
            return captured - beside if beside else captured
        return self._near_a_named(captured)

    def _beside(self, captured: datetime) -> timedelta | None:
        """How far a time lies behind the grid point it counts for; None if it counts for none."""
        passed = captured - EPOCH
        if self._by_clock:
            passed += offset_seconds(captured) * SECOND
        rest = passed % self._period
        if rest <= self._tolerance:
            return rest
        ahead = rest - self._period
        return ahead if -ahead <= self._tolerance else None

    def _near_a_named(self, captured: datetime) -> datetime | None:
        place = bisect_left(self._also, captured)
        near = self._also[max(place - 1, 0) : place + 1]
        nearest = min(near, key=lambda time: abs(time - captured), default=None)
        return nearest if nearest is not None and abs(nearest - captured) <= self._tolerance else None


def reading_lists(originals: Iterable[OriginalReading], period: int | None = None) -> list[ReadingList]:
    """The original readings of a gateway by register and meter, each list in the order given.

    :param period: the registration period in seconds that the evaluation profile names.
    :raises ReadingsError: if a register changes its scaler or unit.
    """
    sorted_out: dict[tuple[str, bytes], list[OriginalReading]] = {}
    for original in originals:
        sorted_out.setdefault((original.meter, bytes.fromhex(original.obis)), []).append(original)
    lists = []
    for (meter, obis), of_register in sorted_out.items():
        scales = {(each.scaler, each.unit) for each in of_register}
        if len(scales) > 1:
            raise ReadingsError(f"{format_obis(obis)} of {meter} changes its scaler or unit")
        ((scaler, unit),) = scales
        readings = [
            MeterReading(
                each.captured, each.value, ptb_status(GatewayStatus(0), noted_meter_status(each.flags)), position=number
            )
            for number, each in enumerate(of_register)
        ]
        lists.append(ReadingList(obis, meter, scaler, unit, readings, period))
    return lists


def within(points: Sequence[Point], period: Period) -> Sequence[Point]:
    """The points of a period, its begin and its end among them."""
    first = bisect_left(points, period.begin, key=lambda point: point.at)
    last = bisect_right(points, period.end, key=lambda point: point.at)
    return points[first:last]
