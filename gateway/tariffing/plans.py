"""Which tariff stage (Tarifstufe) holds when: the switch times of a period, whatever they come from."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from gateway.tariffing.errors import ProfileError
from gateway.tariffing.periods import Period


class Switch(NamedTuple):
    """From an instant (UTC) on a stage holds."""

    at: datetime
    stage: int


@dataclass(frozen=True, slots=True)
class StagePlan:
    """The stages of a period without a hole. The first switch is its begin; each other changes the stage."""

    switches: tuple[Switch, ...]

    @classmethod
    def of(cls, period: Period, switches: Iterable[Switch], at_begin: int) -> StagePlan:
        """The plan of a period from switches in order; before the first of them *at_begin* holds."""
        stage, later = at_begin, []
        begin, end = period.begin.astimezone(UTC), period.end.astimezone(UTC)
        for switch in switches:
            if switch.at <= begin:
                stage = switch.stage
            elif switch.at < end:
                later.append(switch)
        kept = [Switch(begin, stage)]
        for switch in later:
            if switch.at < kept[-1].at:
                raise ProfileError("switch times are not in order")
            if switch.at == kept[-1].at:
                kept.pop()
            if not kept or switch.stage != kept[-1].stage:
                kept.append(switch)
        return cls(tuple(kept))

    @classmethod
    def constant(cls, period: Period, stage: int) -> StagePlan:
        """One stage for the whole period."""
        return cls((Switch(period.begin.astimezone(UTC), stage),))

    @property
    def times(self) -> list[datetime]:
        """When the stage changes."""
        return [switch.at for switch in self.switches[1:]]

    @property
    def stages(self) -> set[int]:
        """The stages that ever hold."""
        return {switch.stage for switch in self.switches}

    def stage_at(self, instant: datetime) -> int:
        """The stage that holds at an instant of the period."""
        place = bisect_right(self.switches, instant, key=lambda switch: switch.at)
        return self.switches[max(place - 1, 0)].stage
