"""TAF-14, high-frequency readings for added services (Hochfrequente Messwertbereitstellung): a row each minute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.tariffing.errors import ProfileError
from gateway.tariffing.periods import Period
from gateway.tariffing.readings import QUARTER_HOUR, ReadingList
from gateway.tariffing.series import SeriesReading, grid_times, series

SHORTEST: Final = 1
"""Seconds between two rows at least."""


@dataclass(frozen=True, slots=True)
class Row:
    """The values of all registers at one time, by OBIS code."""

    at: datetime
    readings: Mapping[bytes, SeriesReading]

    @property
    def complete(self) -> bool:
        """Whether every register has a usable reading."""
        return not any(reading.missing for reading in self.readings.values())


def evaluate(originals: Sequence[ReadingList], period: Period, seconds: int = 60) -> list[Row]:
    """A row each so many seconds.

    :raises ProfileError: if two lists are of one register, or the seconds do not divide a quarter of an hour.
    """
    if len({original.obis for original in originals}) < len(originals):
        raise ProfileError("two reading lists are of one register")
    if seconds < SHORTEST or QUARTER_HOUR % seconds:
        raise ProfileError(f"rows of {seconds} s do not divide a quarter of an hour")
    times = list(grid_times(period, seconds))
    columns = {original.obis: series(original, times) for original in originals}
    return [Row(at, {obis: column[number] for obis, column in columns.items()}) for number, at in enumerate(times)]
