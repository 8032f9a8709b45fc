"""What becomes of a reading: does it count for a point of its raster, was something missed, is something wrong?

Pure: a profile, what was seen of the register before, and the reading decide. Times are counted in microseconds.

A reading within ± 1 % of the period of a raster point (± 9 s at 15 min) counts for it; the first of them is kept. A
point that passed without one is a gap. A reading captured before the one before it, or before a point that has passed,
by more than that tolerance, shows that the clock was set back: the list goes on in a new epoch, in which points may
come again and are marked so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum, unique
from typing import Final

from gateway.lmn.status import MeterStatus, noted_meter_status
from gateway.metering.readings import OriginalReading
from gateway.metering.schema import CONSUMER_LENGTH, METER_LENGTH, OBIS_LENGTH
from gateway.metering.status import Mark

DEFAULT_PERIOD: Final = timedelta(minutes=15)
"""The raster where a profile says no other (Registrierperiode)."""
MIN_PERIOD: Final = timedelta(seconds=1)
_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND: Final = timedelta(seconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = timedelta(days=1)
MIN_SCALER, MAX_SCALER = -128, 127

Register = tuple[str, str]
"""Meter and OBIS code."""


class ProfileError(ValueError):
    """A profile or a reading is not one that a list could be kept by."""


@dataclass(frozen=True, slots=True)
class ListProfile:
    """How the original reading list of one register is kept.

    :ivar meter: server id of the meter, hexadecimal.
    :ivar obis: OBIS code, 12 hexadecimal digits.
    :ivar consumer: whose metering it is (Anschlussnutzer).
    :ivar retention: how long an entry is kept.
    :ivar period: of the raster, counted from midnight UTC; ``None``: every reading is kept.
    :ivar billing: whether it is relevant for billing, so that its entries are signed.
    :ivar monotone: whether the register only ever rises (energy), so that one that runs back is wrong.
    :ivar active: ``False`` for one in the archive: nothing is taken by it any more, and what there is is kept until its
        time is over.
    """

    meter: str
    obis: str
    consumer: str
    retention: timedelta
    period: timedelta | None = DEFAULT_PERIOD
    billing: bool = True
    monotone: bool = True
    active: bool = True

    def __post_init__(self) -> None:
        """Refuse a profile that no list can be kept by.

        :raises ProfileError: if a name does not fit, the day is no multiple of the period, or nothing would be kept.
        """
        if not (0 < len(self.meter) <= METER_LENGTH and _is_hexadecimal(self.meter)):
            raise ProfileError(f"{self.meter!r} is no meter's server id")
        if not (len(self.obis) == OBIS_LENGTH and _is_hexadecimal(self.obis)):
            raise ProfileError(f"{self.obis!r} is no OBIS code of {OBIS_LENGTH} hexadecimal digits")
        if not 0 < len(self.consumer) <= CONSUMER_LENGTH:
            raise ProfileError(f"a consumer's name has 1 to {CONSUMER_LENGTH} characters")
        if self.period is not None and (self.period < MIN_PERIOD or _DAY % self.period):
            raise ProfileError(f"a day is no multiple of the period {self.period}")
        if self.retention < (self.period or timedelta(0)) or self.retention <= timedelta(0):
            raise ProfileError(f"an entry kept for {self.retention} would be gone before the next")

    @property
    def register(self) -> Register:
        """Meter and OBIS code."""
        return self.meter, self.obis

    @property
    def retention_seconds(self) -> int:
        """How long an entry is kept, in whole seconds; of a part of one, to its end."""
        return -(-self.retention // _SECOND)


def _is_hexadecimal(text: str) -> bool:
    return set(text) <= set("0123456789abcdef")


@unique
class Verdict(StrEnum):
    """What becomes of a reading."""

    KEPT = "kept"
    OFF_RASTER = "off-raster"
    """It counts for no point of the raster."""
    SURPLUS = "surplus"
    """Its point has a reading already."""
    DUPLICATE = "duplicate"
    """The very same came before."""
    CONTRADICTION = "contradiction"
    """Another value of the same moment came before; that one stays."""
    NO_PROFILE = "no-profile"
    """Nobody ordered a list of this register: it is not kept."""


@unique
class Cause(StrEnum):
    """Why there is a gap, as far as the gateway knows."""

    NOTHING_CAME = "nothing came"
    RESTART = "restart"
    CLOCK_JUMPED = "clock jumped"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a register before.

    :ivar epoch: how often the clock was set back.
    :ivar target: newest raster point of this epoch, met or missed.
    :ivar highest: latest raster point of any epoch.
    :ivar captured: when the newest reading kept was captured, UTC.
    :ivar value: its value.
    :ivar scaler: its scaler.
    :ivar unit: its DLMS unit.
    :ivar marks: what was noticed about it.
    """

    epoch: int = 0
    target: datetime | None = None
    highest: datetime | None = None
    captured: datetime | None = None
    value: int = 0
    scaler: int = 0
    unit: int | None = None
    marks: frozenset[Mark] = frozenset()


@dataclass(frozen=True, slots=True)
class Gap:
    """Raster points that passed without a reading.

    :ivar first: the first of them.
    :ivar last: the last.
    :ivar count: how many.
    """

    first: datetime
    last: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the rules say of a reading.

    :ivar verdict: what becomes of it.
    :ivar target: the raster point that it counts for.
    :ivar gap: what was missed before it.
    :ivar marks: what was noticed about it, if it is kept.
    :ivar epoch: the epoch that it is in.
    """

    verdict: Verdict
    target: datetime | None = None
    gap: Gap | None = None
    marks: frozenset[Mark] = field(default_factory=frozenset)
    epoch: int = 0

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to write down."""
        return self.gap is None and self.verdict in {Verdict.OFF_RASTER, Verdict.SURPLUS}


def tolerance(period: timedelta) -> timedelta:
    """How far from its raster point a reading may be captured: 1 % of the period."""
    return _MICROSECOND * (period // _MICROSECOND // 100)


def nearest_point(at: datetime, period: timedelta) -> datetime:
    """The raster point nearest to a time; of two, the later."""
    steps = (at - _EPOCH + period / 2) // period
    return _EPOCH + steps * period


def target_of(at: datetime, period: timedelta) -> datetime | None:
    """The raster point that a reading captured then counts for, ``None`` where it counts for none."""
    point = nearest_point(at, period)
    return point if abs(at - point) <= tolerance(period) else None


def missed(after: datetime, at: datetime, period: timedelta) -> Gap | None:
    """The raster points after one, whose time for a reading is over."""
    last = _EPOCH + (at - _EPOCH) // period * period
    if last + tolerance(period) >= at:  # a reading may still come for it, or is this one
        last -= period
    count = (last - after) // period
    return Gap(after + period, last, count) if count > 0 else None


def is_less(value: int, scaler: int, than: int, its_scaler: int) -> bool:
    """Whether an amount is less than another; in integers throughout."""
    lowest = min(scaler, its_scaler)
    return bool(value * 10 ** (scaler - lowest) < than * 10 ** (its_scaler - lowest))


def rule(
    profile: ListProfile,
    seen: Seen,
    reading: OriginalReading,
    *,
    jumped: bool = False,
    restarted: bool = False,
) -> Ruling:
    """What becomes of a reading.

    :param jumped: whether the clock was moved since the reading before.
    :param restarted: whether metering was started anew since the reading before.
    :raises ProfileError: if the reading is not as a meter sends it.
    """
    if not MIN_SCALER <= reading.scaler <= MAX_SCALER:
        raise ProfileError(f"a scaler of {reading.scaler}")
    at, period = reading.captured, profile.period
    if seen.captured is not None and at == seen.captured:
        same = (reading.value, reading.scaler, reading.unit) == (seen.value, seen.scaler, seen.unit)
        return Ruling(Verdict.DUPLICATE if same else Verdict.CONTRADICTION, epoch=seen.epoch)
    slack = tolerance(period) if period is not None else timedelta(0)
    latest = max((time for time in (seen.captured, seen.target) if time is not None), default=at)
    set_back = at < latest - slack
    epoch = seen.epoch + set_back
    known = frozenset({Mark.RESTARTED}) if restarted else frozenset()
    if set_back or jumped:
        known |= {Mark.CLOCK_SET_BACK if set_back else Mark.CLOCK_JUMPED}
    if period is None:
        return Ruling(Verdict.KEPT, None, None, known | _marks(profile, seen, reading, None), epoch)
    before = None if set_back else seen.target
    gap = missed(before, at, period) if before is not None else None
    target = target_of(at, period)
    if target is None:
        return Ruling(Verdict.OFF_RASTER, gap=gap, epoch=seen.epoch)
    if before is not None and target <= before:
        return Ruling(Verdict.SURPLUS, epoch=seen.epoch)
    return Ruling(Verdict.KEPT, target, gap, known | _marks(profile, seen, reading, target), epoch)


def _marks(profile: ListProfile, seen: Seen, reading: OriginalReading, target: datetime | None) -> frozenset[Mark]:
    """What there is to notice about the reading itself."""
    marks = set()
    if target is not None and seen.highest is not None and target <= seen.highest:
        marks.add(Mark.POINT_REPEATED)
    if seen.captured is not None:
        if reading.unit != seen.unit:
            marks.add(Mark.UNIT_CHANGED)
        elif profile.monotone and is_less(reading.value, reading.scaler, seen.value, seen.scaler):
            marks.add(Mark.RAN_BACK)
    meter = noted_meter_status(reading.flags)
    if meter is not None and MeterStatus.FATAL_ERROR in meter:
        marks.add(Mark.METER_FATAL)
    return frozenset(marks)


def after(seen: Seen, reading: OriginalReading, ruling: Ruling) -> Seen:
    """What has been seen of a register when a reading was kept."""
    highest = max((point for point in (seen.highest, ruling.target) if point is not None), default=None)
    return Seen(
        ruling.epoch,
        ruling.target,
        highest,
        reading.captured.astimezone(UTC),
        reading.value,
        reading.scaler,
        reading.unit,
        ruling.marks,
    )
