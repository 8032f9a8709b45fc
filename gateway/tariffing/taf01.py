"""TAF-1, data-sparing tariffs (Datensparsame Tarife): one reading a billing period, and no more."""

from __future__ import annotations

from itertools import pairwise

from gateway.tariffing.booking import MAY_FALL, Account, assigned, billed_points, merged
from gateway.tariffing.errors import ProfileError, ReadingsError
from gateway.tariffing.plans import StagePlan
from gateway.tariffing.profile import EvaluationProfile, Stages
from gateway.tariffing.readings import ReadingList
from gateway.tariffing.switching import plan_of


def evaluate(profile: EvaluationProfile, original: ReadingList) -> Account:
    """The difference of the readings at the end and the begin of the period, in the only stage.

    :raises ProfileError: if the profile switches between stages, or names several and does not say which holds.
    :raises ReadingsError: if there are fewer than two usable readings, or the meter has fallen.
    """
    stages = profile.stages_of(original.obis)
    stage, notes = _only_stage(profile, stages)
    register = stages.register(stage)
    points = billed_points(original, profile.period)
    begin, end = points[0], points[-1]
    if end.value < begin.value and original.obis[2] not in MAY_FALL:
        raise ReadingsError(f"{original} falls from {begin.value} to {end.value} within the billing period")
    pieces = (assigned(original, register, stage, *pair) for pair in pairwise(points))
    bookings = merged(pieces, profile.period)
    return Account(original, profile.period, stages, bookings, with_errors=False, notes=notes)


def _only_stage(profile: EvaluationProfile, stages: Stages) -> tuple[int, tuple[str, ...]]:
    if len(stages.billed) == 1:
        return stages.billed[0].number, ()
    plan, notes = plan_of(profile, stages)
    if plan != StagePlan.constant(profile.period, plan.switches[0].stage):
        raise ProfileError(f"{profile.use_case} knows one stage, and the profile switches between several")
    return plan.switches[0].stage, notes
