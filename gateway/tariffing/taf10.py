"""TAF-10, grid state data (Abruf von Netzzustandsdaten): voltages, currents and the like, told without naming whose.

The grid operator learns what the grid is like, not who lives there: each row bears a pseudonym. Inside the gateway it
is still known which original reading each value is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.tariffing.errors import ProfileError
from gateway.tariffing.periods import Period
from gateway.tariffing.readings import MeterReading, ReadingList
from gateway.tariffing.series import grid_times, series


@dataclass(frozen=True, slots=True)
class GridState:
    """What was measured at one time.

    :ivar values: by OBIS code, in the register's unit and scaler; None where no reading is usable.
    :ivar sources: the original readings; never part of what is delivered.
    """

    pseudonym: str
    at: datetime
    values: Mapping[bytes, int | None]
    sources: Mapping[bytes, MeterReading]

    def delivered(self) -> dict[str, object]:
        """What leaves the gateway: pseudonym, time and values by OBIS code in hexadecimal."""
        values = {obis.hex(): value for obis, value in self.values.items()}
        return {"pseudonym": self.pseudonym, "at": self.at.isoformat(), "values": values}


def evaluate(originals: Sequence[ReadingList], period: Period, seconds: int, pseudonym: str) -> list[GridState]:
    """A row each registration period with a value of every register.

    :raises ProfileError: if two lists are of one register, the pseudonym names a meter, or the registration period does
        not fit the day.
    """
    if len({original.obis for original in originals}) < len(originals):
        raise ProfileError("two reading lists are of one register")
    if not pseudonym or any(original.meter.lower() in pseudonym.lower() for original in originals):
        raise ProfileError("a pseudonym names no meter")
    times = list(grid_times(period, seconds))
    columns = {original.obis: series(original, times) for original in originals}
    rows = []
    for number, at in enumerate(times):
        row = {obis: column[number] for obis, column in columns.items()}
        sources = {obis: each.source for obis, each in row.items() if each.source is not None}
        rows.append(GridState(pseudonym, at, {obis: each.value for obis, each in row.items()}, sources))
    return rows
