"""TAF-4, consumption-variable tariffs (Verbrauchsvariable Tarife): the stage depends on what was used so far.

The amount alone decides, so that no gap leaves anything open: what lies between two readings is divided where the limit
is, to the unit the meter counts in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from gateway.tariffing.booking import MAY_FALL, Account, Booking, Mark, billed_points, merged, unassigned, what_lacks
from gateway.tariffing.errors import ProfileError
from gateway.tariffing.levels import levels_of
from gateway.tariffing.profile import EvaluationProfile, Stages
from gateway.tariffing.readings import Point, ReadingList


def evaluate(profile: EvaluationProfile, original: ReadingList) -> Account:
    """The first energy of the period in the lowest stage, and each stage's until its limit.

    :raises ProfileError: if limits and stages do not fit, limits do not rise, or one is finer than the meter counts.
    :raises ReadingsError: if there are fewer than two usable readings.
    """
    stages = profile.stages_of(original.obis)
    levels = levels_of(profile, stages)
    limits = [limit.over.in_scaler(original.scaler, "a limit") for limit in profile.thresholds]
    if sorted(set(limits)) != limits:
        raise ProfileError(f"limits have to rise, and these do not: {limits}")
    points = billed_points(original, profile.period)
    bookings = merged(_pieces(original, points, limits, levels, stages), profile.period)
    return Account(original, profile.period, stages, bookings, with_errors=original.obis[2] not in MAY_FALL)


def _pieces(
    original: ReadingList, points: Sequence[Point], limits: Sequence[int], levels: Sequence[int], stages: Stages
) -> Iterator[Booking]:
    used = 0
    for begin, end in pairwise(points):
        amount = end.value - begin.value
        if amount < 0:
            reason = f"the meter's value falls from {begin.value} to {end.value}"
            yield unassigned(stages.error_register, begin, end, reason)
            continue
        mark = Mark.GAP if original.is_gap(begin.at, end.at) else Mark.NONE
        reason = f"{what_lacks(original, begin, end)}; the amount decides, not the time" if mark else ""
        for level, part in _divided(used, amount, limits):
            stage = levels[level]
            yield Booking(stages.register(stage), begin, end, part, stage, mark, reason)
        used += amount


def _divided(used: int, amount: int, limits: Sequence[int]) -> Iterator[tuple[int, int]]:
    """An amount by levels: those it reaches into, with its part in each."""
    level = sum(limit <= used for limit in limits)
    while level < len(limits) and used + amount > limits[level]:
        part = limits[level] - used
        yield level, part
        used, amount, level = used + part, amount - part, level + 1
    yield level, amount
