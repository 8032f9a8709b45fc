"""TAF-11, controllable load and feed-in (Steuerung von unterbrechbaren Verbrauchseinrichtungen und Erzeugungsanlagen).

Each control state (released, limited, off) is a stage; its register counts while it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from gateway.tariffing.booking import Account, book
from gateway.tariffing.errors import ProfileError
from gateway.tariffing.plans import StagePlan, Switch
from gateway.tariffing.profile import EvaluationProfile
from gateway.tariffing.readings import ReadingList


@dataclass(frozen=True, slots=True)
class ControlCommand:
    """From a time on a device is in a control state.

    :ivar stage: the stage that stands for the state.
    :ivar device: the controlled device (CLS).
    """

    at: datetime
    stage: int
    device: str


def evaluate(profile: EvaluationProfile, original: ReadingList, commands: Sequence[ControlCommand]) -> Account:
    """What was used or fed in in each control state; the error register for a command without a reading.

    :param commands: of one device, any order; before the first the default stage holds.
    :raises ProfileError: if they are of several devices, two of one time differ, or a state is no stage here.
    :raises ReadingsError: if there are fewer than two usable readings.
    """
    if len({command.device for command in commands}) > 1:
        raise ProfileError("the commands are of several devices; each has a profile of its own")
    ordered = sorted(commands, key=lambda command: command.at)
    for earlier, later in pairwise(ordered):
        if earlier.at == later.at and earlier.stage != later.stage:
            raise ProfileError(f"two commands of {later.at} differ")
    stages = profile.stages_of(original.obis)
    switches = [Switch(command.at.astimezone(UTC), command.stage) for command in ordered]
    plan = StagePlan.of(profile.period, switches, stages.at_start(profile.default_stage))
    bookings = book(original, profile.period, plan, stages)
    return Account(original, profile.period, stages, bookings, with_errors=True)
