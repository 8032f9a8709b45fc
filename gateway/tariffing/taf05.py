"""TAF-5, event-variable tariffs (Ereignisvariable Tarife): the stage depends on what is the case outside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from itertools import pairwise

from gateway.tariffing.booking import Account, book
from gateway.tariffing.errors import ProfileError
from gateway.tariffing.periods import Period
from gateway.tariffing.plans import StagePlan, Switch
from gateway.tariffing.profile import EvaluationProfile, ExternalEvent
from gateway.tariffing.readings import ReadingList


def evaluate(profile: EvaluationProfile, original: ReadingList) -> Account:
    """Each event's stage while it lasts, the default else; the error register for a switch without a reading.

    :raises ProfileError: if two events overlap and name different stages.
    :raises ReadingsError: if there are fewer than two usable readings.
    """
    stages = profile.stages_of(original.obis)
    default = stages.at_start(profile.default_stage)
    own = [event for event in profile.events if event.stage in stages.registers]
    plan = plan_of_events(own, profile.period, default)
    bookings = book(original, profile.period, plan, stages)
    return Account(original, profile.period, stages, bookings, with_errors=True)


def plan_of_events(events: Sequence[ExternalEvent], period: Period, default: int) -> StagePlan:
    """The stages of a period with events in it.

    :raises ProfileError: if two events overlap and name different stages.
    """
    ordered = sorted(events, key=lambda event: (event.period.begin, event.period.end))
    for earlier, later in pairwise(ordered):
        if later.period.begin < earlier.period.end and later.stage != earlier.stage:
            raise ProfileError(f"events {earlier.number} and {later.number} overlap and name different stages")
    switches: list[Switch] = []
    for event in ordered:
        begin, end = event.period.begin.astimezone(UTC), event.period.end.astimezone(UTC)
        if switches and switches[-1].at >= begin:
            end = max(end, switches.pop().at)
        switches += [Switch(begin, event.stage), Switch(end, default)]
    return StagePlan.of(period, switches, default)
