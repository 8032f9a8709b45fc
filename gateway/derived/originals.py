"""Entries of the gateway's original reading lists as the rule sets see them.

A gap is a reading that is not there. Where the clock was set back, points come again: from the first reading after it
on, what came before is of a clock that was wrong, and only the later epoch counts. The list itself keeps both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache

from gateway.lmn.status import CombinedStatus, PtbStatus
from gateway.metering.entries import ListEntry
from gateway.tariffing.periods import SECOND
from gateway.tariffing.readings import MeterReading, ReadingList


@lru_cache(maxsize=1024)
def ptb_of_word(word: int) -> PtbStatus:
    """What 64 bits of a status word say a reading is good for."""
    return CombinedStatus.of_word(word).ptb


def time_of(entry: ListEntry) -> datetime:
    """The time that an entry of a reading counts for."""
    at = entry.target or entry.captured
    assert at is not None  # noqa: S101  only a gap has neither, and it has a target
    return at


@dataclass(frozen=True, slots=True)
class Epochs:
    """When each epoch of a list began: the time of its first reading.

    :ivar begins: by epoch, those after the first.
    :ivar upto: number of the last entry that was looked at.
    """

    begins: Mapping[int, datetime] = field(default_factory=dict)
    upto: int = 0

    def after(self, entries: Sequence[ListEntry]) -> Epochs:
        """With the entries that follow."""
        begins = dict(self.begins)
        for entry in entries:
            if entry.epoch and not entry.is_gap and entry.epoch not in begins:
                begins[entry.epoch] = time_of(entry)
        return Epochs(begins, entries[-1].number if entries else self.upto)

    def holds(self, entry: ListEntry) -> bool:
        """Whether no later epoch took the time of an entry again."""
        if not self.begins:
            return True
        at = time_of(entry)
        return all(at < begin for epoch, begin in self.begins.items() if epoch > entry.epoch)


NO_EPOCHS = Epochs()
"""Of a list whose clock was never set back."""


def original_list(
    entries: Iterable[ListEntry], obis: bytes, meter: str, period: timedelta, epochs: Epochs = NO_EPOCHS
) -> ReadingList:
    """The readings of a register.

    A register that changed its unit is in its last one; readings in another have no value there. Of several scalers
    the finest holds for all, so that every value stays the integer that it was.

    Entries are looked at one by one, and none is held when the next is asked for.

    :param meter: device id.
    :param period: registration period.
    """
    readings: list[MeterReading] = []
    measures: list[_Measure] = []
    for entry in entries:
        if entry.is_gap or not epochs.holds(entry):
            continue
        if not measures or (measures[-1].scaler, measures[-1].unit) != (entry.scaler, entry.unit):
            measures.append(_Measure(len(readings), entry.scaler, entry.unit))
        readings.append(_reading(entry, len(readings)))
    unit = measures[-1].unit if measures else None
    scaler = min((measure.scaler for measure in measures if measure.unit == unit), default=0)
    begins = [*(measure.first for measure in measures), len(readings)]
    for measure, end in zip(measures, begins[1:], strict=True):
        if (measure.scaler, measure.unit) != (scaler, unit):
            for place in range(measure.first, end):
                readings[place] = measure.put(readings[place], scaler, unit)
    return ReadingList(obis, meter, scaler, unit, readings, period // SECOND)


@dataclass(frozen=True, slots=True)
class _Measure:
    """What readings are in, from one on: mostly the same for all.

    :ivar first: place of the first of them.
    """

    first: int
    scaler: int
    unit: int | None

    def put(self, reading: MeterReading, scaler: int, unit: int | None) -> MeterReading:
        """A reading in another scaler; without a value in another unit."""
        value = reading.value
        if self.unit != unit:
            value = None
        elif value is not None:
            value *= 10 ** (self.scaler - scaler)
        return replace(reading, value=value)


def _reading(entry: ListEntry, place: int) -> MeterReading:
    assert entry.captured is not None  # noqa: S101  it is no gap
    return MeterReading(
        entry.captured, entry.value, ptb_of_word(entry.status), entry.target, place, entry.number, entry.hash
    )
