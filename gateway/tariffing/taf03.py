"""TAF-3, load-variable tariffs (Lastvariable Tarife): the stage depends on mean power."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from gateway.lmn.obis import UNIT_WATT, UNIT_WATT_HOUR
from gateway.tariffing.booking import (
    MAY_FALL,
    Account,
    Booking,
    assigned,
    billed_points,
    merged,
    unassigned,
    what_lacks,
)
from gateway.tariffing.errors import ProfileError
from gateway.tariffing.levels import levels_of
from gateway.tariffing.periods import SECOND
from gateway.tariffing.profile import EvaluationProfile, Quantity, Stages, Threshold
from gateway.tariffing.readings import Point, ReadingList

_HOUR = 3_600


def evaluate(profile: EvaluationProfile, original: ReadingList) -> Account:
    """Each registration period's energy in the stage of its mean power.

    A stage is left upwards above its limit's *over*, and downwards below its *under*. What a gap leaves open goes to
    the error register: the load of each of its periods is not known.

    :raises ProfileError: if limits and stages do not fit, or a limit is neither power nor the register's energy.
    :raises ReadingsError: if there are fewer than two usable readings.
    """
    stages = profile.stages_of(original.obis)
    levels = levels_of(profile, stages)
    points = billed_points(original, profile.period)
    bookings = merged(_pieces(original, points, profile.thresholds, levels, stages), profile.period)
    return Account(original, profile.period, stages, bookings, with_errors=True)


def _pieces(
    original: ReadingList, points: Sequence[Point], limits: Sequence[Threshold], levels: Sequence[int], stages: Stages
) -> Iterator[Booking]:
    level = 0
    for begin, end in pairwise(points):
        amount = end.value - begin.value
        if original.is_gap(begin.at, end.at):
            reason = f"{what_lacks(original, begin, end)}: the load meanwhile is not known"
            yield unassigned(stages.error_register, begin, end, reason)
            continue
        if amount < 0 and original.obis[2] not in MAY_FALL:
            reason = f"the meter's value falls from {begin.value} to {end.value}"
            yield unassigned(stages.error_register, begin, end, reason)
            continue
        seconds = int((end.at - begin.at) // SECOND)
        while level < len(limits) and compare_power(original, amount, seconds, limits[level].over) > 0:
            level += 1
        while level and compare_power(original, amount, seconds, limits[level - 1].under) < 0:
            level -= 1
        yield assigned(original, stages.register(levels[level]), levels[level], begin, end)


def compare_power(original: ReadingList, amount: int, seconds: int, limit: Quantity) -> int:
    """Positive if the mean power of an amount in some seconds is above a limit, negative if below; exact.

    The limit is a power in watts, or an energy in the register's unit, then meant for one such stretch of time.

    :raises ProfileError: if it is neither.
    """
    measured, allowed = amount, limit.value
    if limit.unit == UNIT_WATT and original.unit in (UNIT_WATT_HOUR, None):
        measured, allowed = measured * _HOUR, allowed * seconds
    elif limit.unit != original.unit:
        raise ProfileError(f"a limit in DLMS unit {limit.unit} says nothing about {original}")
    lower = min(original.scaler, limit.scaler)
    return int(measured * 10 ** (original.scaler - lower) - allowed * 10 ** (limit.scaler - lower))
