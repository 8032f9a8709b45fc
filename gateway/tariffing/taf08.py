"""TAF-8, extreme values (Erfassung von Extremwerten): the highest and lowest mean power of registration periods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from gateway.tariffing.booking import billed_points
from gateway.tariffing.errors import ProfileError
from gateway.tariffing.periods import Period
from gateway.tariffing.profile import EvaluationProfile
from gateway.tariffing.readings import Point, ReadingList


@dataclass(frozen=True, slots=True)
class Extreme:
    """The energy of one registration period, which over its seconds is the mean power (Leistungsmittelwert).

    :ivar begin, end: the original readings that bound it.
    :ivar amount: in the register's unit and scaler.
    """

    begin: Point
    end: Point
    amount: int


@dataclass(frozen=True, slots=True)
class Extremes:
    """The extremes of a billing period: highest first, lowest first; of equals the earlier."""

    highest: tuple[Extreme, ...]
    lowest: tuple[Extreme, ...]


def evaluate(profile: EvaluationProfile, original: ReadingList) -> Extremes:
    """As many maxima and minima as the profile asks for. Registration periods inside a gap are no candidates.

    :raises ProfileError: if the profile does not say how many, or the registration period is not known.
    :raises ReadingsError: if there are fewer than two usable readings.
    """
    if not profile.extremes:
        raise ProfileError(f"{profile.use_case} needs to be told how many extreme values are asked for")
    maxima = sum(each.count for each in profile.extremes if each.maximum)
    minima = sum(each.count for each in profile.extremes if not each.maximum)
    candidates = _candidates(original, profile.period)
    highest = sorted(candidates, key=lambda extreme: (-extreme.amount, extreme.begin.at))
    lowest = sorted(candidates, key=lambda extreme: (extreme.amount, extreme.begin.at))
    return Extremes(tuple(highest[:maxima]), tuple(lowest[:minima]))


def _candidates(original: ReadingList, period: Period) -> Sequence[Extreme]:
    if original.registration_period is None:
        raise ProfileError(f"the registration period of {original} is not known")
    return [
        Extreme(begin, end, end.value - begin.value)
        for begin, end in pairwise(billed_points(original, period))
        if original.duration_seconds(begin.at, end.at) == original.registration_period
    ]
