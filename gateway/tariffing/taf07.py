"""TAF-7, series of meter readings (Zählerstandsgangmessung): one each registration period; others compute the tariff.

Where a supplier's profile comes with it, :func:`evaluate` computes the registers as TAF-2 does: that is what a consumer
checks a bill with.
"""

from __future__ import annotations

from gateway.tariffing import taf01, taf02
from gateway.tariffing.booking import Account
from gateway.tariffing.periods import Period
from gateway.tariffing.profile import EvaluationProfile
from gateway.tariffing.readings import QUARTER_HOUR, ReadingList
from gateway.tariffing.series import SeriesReading, grid_times, series


def reading_series(original: ReadingList, period: Period, seconds: int | None = None) -> list[SeriesReading]:
    """The value at each end of a registration period, those of the period's begin and end among them.

    :param seconds: the registration period; that of the original list if it is not given.
    :raises ProfileError: if a day is no multiple of it.
    """
    step = seconds or original.registration_period or QUARTER_HOUR
    return series(original, list(grid_times(period, step)))


def evaluate(profile: EvaluationProfile, original: ReadingList) -> Account:
    """The registers that a supplier computes from the series outside the gateway.

    :raises ProfileError: if the calendar does not say which stage of this register holds.
    :raises ReadingsError: if there are fewer than two usable readings.
    """
    if len(profile.stages_of(original.obis).billed) == 1:
        return taf01.evaluate(profile, original)
    return taf02.evaluate(profile, original)
