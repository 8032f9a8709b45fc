"""TAF-2, time-variable tariffs (Zeitvariable Tarife): the stage depends on the calendar."""

from __future__ import annotations

from gateway.tariffing.booking import Account, book
from gateway.tariffing.profile import EvaluationProfile
from gateway.tariffing.readings import ReadingList
from gateway.tariffing.switching import plan_of


def evaluate(profile: EvaluationProfile, original: ReadingList) -> Account:
    """A register for each stage, and the error register for what a missing reading at a switch leaves open.

    :raises ProfileError: if the calendar does not say which stage of this register holds.
    :raises ReadingsError: if there are fewer than two usable readings.
    """
    stages = profile.stages_of(original.obis)
    plan, notes = plan_of(profile, stages)
    bookings = book(original, profile.period, plan, stages)
    return Account(original, profile.period, stages, bookings, with_errors=True, notes=notes)
