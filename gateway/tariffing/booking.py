"""Energy booked to registers: each piece the difference of two original readings, so that nothing is lost or invented.

What is measured between two usable readings belongs to the stage that holds meanwhile. If the stage changes between
them, nobody knows how much belongs to which: it goes to the error register (Fehlerregister, OBIS group E = 63). If only
readings are missing, and the stage stays, it goes to that stage and is marked.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Final

from gateway.tariffing.errors import ReadingsError
from gateway.tariffing.periods import Period, local_text
from gateway.tariffing.plans import StagePlan
from gateway.tariffing.profile import Stages
from gateway.tariffing.readings import Point, ReadingList, within

MAY_FALL: Final = frozenset({16})
"""OBIS groups C of net registers (import less export), whose values also fall."""


class Mark(StrEnum):
    """What is to be known of a booking."""

    NONE = ""
    GAP = "gap"
    """Readings are missing inside, and the stage did not change."""
    UNASSIGNED = "unassigned"
    """It could not be assigned to a stage, and is in the error register."""


@dataclass(frozen=True, slots=True)
class Booking:
    """Energy of one register (Buchung).

    :ivar begin: the original reading before it.
    :ivar end: the original reading after it.
    :ivar amount: in the original list's unit and scaler; the difference of the two unless one interval was divided.
    :ivar stage: the stage that held, None where the amount is unassigned.
    :ivar reason: why it is marked, empty if it is not.
    """

    register: bytes
    begin: Point
    end: Point
    amount: int
    stage: int | None
    mark: Mark = Mark.NONE
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DerivedReading:
    """One line of a derived reading list (abgeleitete Messwertliste).

    :ivar at: the time it is of, UTC.
    :ivar value: what the register counted from the begin of the period until then.
    :ivar begin, end: the original readings whose difference was added last.
    :ivar mark: what is to be known of that difference.
    """

    at: datetime
    value: int
    begin: Point
    end: Point
    mark: Mark


@dataclass(frozen=True)
class DayResult:
    """What the registers counted on one local day; what spans midnight is counted on the day on which it ends."""

    day: date
    period: Period
    bookings: tuple[Booking, ...]

    def registers(self, of: Sequence[bytes]) -> dict[bytes, int]:
        """The amounts of the day."""
        return _sums(self.bookings, of)

    @property
    def complete(self) -> bool:
        """Whether readings of its first and its last moment bound it."""
        return (
            bool(self.bookings)
            and self.bookings[0].begin.at == self.period.begin
            and self.bookings[-1].end.at == self.period.end
        )


@dataclass(frozen=True)
class Account:
    """The registers derived from one original list for one period.

    :ivar bookings: in order of time, from the first usable reading of the period to the last.
    :ivar with_errors: whether there is an error register.
    :ivar notes: what else is to be known, in words.
    """

    original: ReadingList
    period: Period
    stages: Stages
    bookings: tuple[Booking, ...]
    with_errors: bool
    notes: tuple[str, ...] = ()

    @property
    def register_codes(self) -> list[bytes]:
        """The registers in the order of the profile, the error register last."""
        own = [stage.register for stage in self.stages.billed]
        return [*own, self.stages.error_register] if self.with_errors else own

    @property
    def registers(self) -> dict[bytes, int]:
        """What each register counted in the period. Together they are :attr:`total`."""
        return _sums(self.bookings, self.register_codes)

    @property
    def total(self) -> int:
        """What the meter counted from the first usable reading of the period to the last."""
        return self.bookings[-1].end.value - self.bookings[0].begin.value

    @property
    def uncovered(self) -> str | None:
        """What of the period no reading covers, in words; None if it is covered."""
        lacking = []
        if self.bookings[0].begin.at != self.period.begin:
            lacking.append(
                f"no usable reading at the begin {local_text(self.period.begin)}, the first is of "
                f"{local_text(self.bookings[0].begin.at)}"
            )
        if self.bookings[-1].end.at != self.period.end:
            lacking.append(
                f"no usable reading at the end {local_text(self.period.end)}, the last is of "
                f"{local_text(self.bookings[-1].end.at)}"
            )
        return "; ".join(lacking) or None

    def marked(self, mark: Mark) -> list[Booking]:
        """The bookings with a mark."""
        return [booking for booking in self.bookings if booking.mark is mark]

    def days(self) -> list[DayResult]:
        """The local days on which something was counted."""
        results, place = [], 0
        for day, period in self.period.days():
            first = place
            while place < len(self.bookings) and self.bookings[place].end.at <= period.end:
                place += 1
            if place > first:
                results.append(DayResult(day, period, self.bookings[first:place]))
        return results

    def derived_list(self, register: bytes) -> list[DerivedReading]:
        """The register's values as they grew, each with the original readings it comes from."""
        value, readings = 0, []
        for booking in self.bookings:
            if booking.register == register:
                value += booking.amount
                readings.append(DerivedReading(booking.end.at, value, booking.begin, booking.end, booking.mark))
        return readings


def _sums(bookings: Sequence[Booking], registers: Sequence[bytes]) -> dict[bytes, int]:
    sums = dict.fromkeys(registers, 0)
    for booking in bookings:
        sums[booking.register] += booking.amount
    return sums


def billed_points(original: ReadingList, period: Period, also: Sequence[datetime] = ()) -> Sequence[Point]:
    """The usable readings of a period.

    :raises ReadingsError: if there are fewer than two.
    """
    points = within(original.points([period.begin, period.end, *also]), period)
    if len(points) < 2:
        raise ReadingsError(
            f"{original} has {len(points) or 'no'} usable reading{'' if len(points) == 1 else 's'} from "
            f"{local_text(period.begin)} to {local_text(period.end)} ({_held(original)}); two are needed"
        )
    return points


def _held(original: ReadingList) -> str:
    times = [reading.captured for reading in original.readings]
    if not times:
        return "the list is empty"
    return f"the list goes from {local_text(min(times))} to {local_text(max(times))}"


def book(original: ReadingList, period: Period, plan: StagePlan, stages: Stages) -> tuple[Booking, ...]:
    """The energy of a period, by the stages of a plan.

    :raises ReadingsError: if there are fewer than two usable readings in the period.
    :raises ProfileError: if the plan names a stage that the register does not have.
    """
    points = billed_points(original, period, plan.times)
    registers = {stage: stages.register(stage) for stage in plan.stages}
    return merged(_pieces(original, points, plan, registers, stages.error_register), period)


def _pieces(
    original: ReadingList, points: Sequence[Point], plan: StagePlan, registers: dict[int, bytes], error_register: bytes
) -> Iterator[Booking]:
    switches, place, may_fall = plan.switches, 0, original.obis[2] in MAY_FALL
    for begin, end in pairwise(points):
        while place + 1 < len(switches) and switches[place + 1].at <= begin.at:
            place += 1
        stage, amount = switches[place].stage, end.value - begin.value
        if place + 1 < len(switches) and switches[place + 1].at < end.at:
            yield unassigned(error_register, begin, end, _switched_inside(original, plan, begin, end))
        elif amount < 0 and not may_fall:
            yield unassigned(error_register, begin, end, f"the meter's value falls from {begin.value} to {end.value}")
        else:
            yield assigned(original, registers[stage], stage, begin, end)


def assigned(original: ReadingList, register: bytes, stage: int, begin: Point, end: Point) -> Booking:
    """What lies between two readings, in a stage; marked if readings are missing between them."""
    amount = end.value - begin.value
    if original.is_gap(begin.at, end.at):
        reason = f"{what_lacks(original, begin, end)}; stage {stage} held all the while"
        return Booking(register, begin, end, amount, stage, Mark.GAP, reason)
    return Booking(register, begin, end, amount, stage)


def unassigned(error_register: bytes, begin: Point, end: Point, reason: str) -> Booking:
    """What lies between two readings, in the error register."""
    return Booking(error_register, begin, end, end.value - begin.value, None, Mark.UNASSIGNED, reason)


def what_lacks(original: ReadingList, begin: Point, end: Point) -> str:
    """Why there is no reading between two points that counts, in words."""
    between = original.readings[begin.source.position + 1 : end.source.position]
    inside = [reading for reading in between if begin.at < reading.captured < end.at]
    unusable = [reading for reading in inside if not reading.usable]
    if unusable:
        grades = sorted({int(reading.status) for reading in unusable if not reading.status.usable})
        why = f"status {' and '.join(map(str, grades))}" if grades else "without a value"
        count = f"{len(unusable)} readings are" if len(unusable) > 1 else "a reading is"
        return f"{count} not usable ({why})"
    if inside:
        return "readings were captured too far beside the time that they would count for"
    return "readings are missing" if original.is_gap(begin.at, end.at) else "there is no reading of the switch"


def _switched_inside(original: ReadingList, plan: StagePlan, begin: Point, end: Point) -> str:
    inside = [switch for switch in plan.switches[1:] if begin.at < switch.at < end.at]
    first = inside[0]
    more = f" and {len(inside) - 1} more" if len(inside) > 1 else ""
    change = f"the stage changes from {plan.stage_at(begin.at)} to {first.stage} at {local_text(first.at)}{more}"
    return f"{what_lacks(original, begin, end)}, and {change}"


def merged(pieces: Iterable[Booking], period: Period) -> tuple[Booking, ...]:
    """Bookings in order of time, with unmarked neighbours of one register and one local day as one."""
    midnights = {part.end for _, part in period.days()}
    whole: list[Booking] = []
    run: list[Booking] = []
    for piece in pieces:
        if run and not _continues(run[0], piece, midnights):
            whole.append(_as_one(run))
            run = []
        run.append(piece)
    if run:
        whole.append(_as_one(run))
    return tuple(whole)


def _continues(begun: Booking, piece: Booking, midnights: Container[datetime]) -> bool:
    unmarked = begun.mark is piece.mark is Mark.NONE
    return unmarked and begun.register == piece.register and piece.begin.at not in midnights


def _as_one(run: Sequence[Booking]) -> Booking:
    first, last = run[0], run[-1]
    if first is last:
        return first
    return Booking(first.register, first.begin, last.end, sum(each.amount for each in run), first.stage)
