"""Switch times of one register from an evaluation profile's calendars."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from gateway.tariffing.errors import ProfileError
from gateway.tariffing.plans import StagePlan
from gateway.tariffing.profile import EvaluationProfile, Stages


def plan_of(profile: EvaluationProfile, stages: Stages) -> tuple[StagePlan, tuple[str, ...]]:
    """The stages of a register in the billing period (Tarifumschaltzeitpunkte), and what is to be known of them.

    :raises ProfileError: if two calendars switch the register's stages, or none switches only them.
    """
    restricted = (calendar.restricted_to(stages.registers) for calendar in profile.calendars)
    calendars = [calendar for calendar in restricted if calendar is not None]
    if len(calendars) > 1:
        raise ProfileError(f"{len(calendars)} time triggers switch the stages {sorted(stages.registers)}")
    default = stages.at_start(profile.default_stage)
    if not calendars:
        if len(stages.billed) > 1 and not profile.calendars:
            return StagePlan.constant(profile.period, default), (f"no calendar: the default stage {default} holds",)
        mentioned = any(calendar.stages & stages.registers.keys() for calendar in profile.calendars)
        if mentioned or len(stages.billed) > 1:
            raise ProfileError(f"no day profile has only stages of {sorted(stages.registers)}")
        return StagePlan.constant(profile.period, default), ()
    lacking = calendars[0].days_without_profile(profile.period)
    return calendars[0].plan(profile.period, default), _notes(lacking, default)


def _notes(lacking: Sequence[date], default: int) -> tuple[str, ...]:
    if not lacking:
        return ()
    days = f"{lacking[0]}" if len(lacking) == 1 else f"{len(lacking)} days from {lacking[0]} to {lacking[-1]}"
    return (f"no day profile for {days}: the default stage {default} holds",)
