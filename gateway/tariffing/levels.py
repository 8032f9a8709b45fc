"""Stages in an order, with a limit (Schwellwert) between each and the next: for tariffs by load and by consumption."""

from __future__ import annotations

from gateway.lmn.obis import format_obis
from gateway.tariffing.errors import ProfileError
from gateway.tariffing.profile import EvaluationProfile, Stages


def levels_of(profile: EvaluationProfile, stages: Stages) -> list[int]:
    """The stages from the lowest: the default, then the others in the profile's order.

    :raises ProfileError: if the default is no stage of the register, or limits are not one fewer than stages.
    """
    lowest = stages.at_start(profile.default_stage)
    stages.register(lowest)
    levels = [lowest, *(stage.number for stage in stages.billed if stage.number != lowest)]
    if len(profile.thresholds) != len(levels) - 1:
        raise ProfileError(
            f"{profile.use_case} needs a limit between each stage and the next: {len(levels)} stages of "
            f"{format_obis(stages.billed[0].register)}, {len(profile.thresholds)} limits"
        )
    return levels
