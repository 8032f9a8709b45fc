"""TAF-9, actual feed-in (Abruf der Ist-Einspeisung): the power that a plant feeds in now, on demand or on an event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.lmn.obis import UNIT_WATT
from gateway.tariffing.errors import ProfileError
from gateway.tariffing.profile import Threshold
from gateway.tariffing.readings import MeterReading, ReadingList

OLDEST: Final = timedelta(minutes=15)
"""A reading that is older says nothing about now."""


@dataclass(frozen=True, slots=True)
class ActualFeedIn:
    """The feed-in when it was asked for.

    :ivar value: in the register's unit and scaler, None if no recent reading is usable.
    :ivar source: the original reading.
    """

    asked: datetime
    value: int | None
    source: MeterReading | None


def evaluate(original: ReadingList, asked: datetime, oldest: timedelta = OLDEST) -> ActualFeedIn:
    """The newest usable reading of a power register at the moment it is asked for.

    :raises ProfileError: if the register measures no power in watts.
    """
    if original.unit != UNIT_WATT:
        raise ProfileError(f"{original} measures no power in watts")
    recent = [each for each in original.readings if each.usable and asked - oldest <= each.captured <= asked]
    newest = max(recent, key=lambda reading: reading.captured, default=None)
    return ActualFeedIn(asked, newest.value if newest else None, newest)


def crossings(original: ReadingList, limit: Threshold) -> Iterable[MeterReading]:
    """The readings at which feed-in rose above the limit's *over* or fell below its *under*: the events.

    :raises ProfileError: if the limit is finer than the meter counts.
    """
    over = limit.over.in_scaler(original.scaler, "a limit")
    under = limit.under.in_scaler(original.scaler, "a limit")
    above = False
    for reading in original.readings:
        if reading.value is None or not reading.usable:
            continue
        if reading.value < under if above else reading.value > over:
            above = not above
            yield reading
