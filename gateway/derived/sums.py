"""What was derived and is remembered while the list it comes from has nothing new of its time; a bounded amount."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from gateway.contracts import Contract
from gateway.derived.buckets import Sum
from gateway.metering.entries import Extent
from gateway.tariffing.booking import DerivedReading


class Content(Protocol):
    """What can be remembered."""

    @property
    def size(self) -> int:
        """How many sums or lines it has."""
        ...


T = TypeVar("T", bound=Content)


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of one stretch of time.

    :ivar by_begin: the buckets, by their begin.
    :ivar scaler: power of ten.
    :ivar unit: DLMS unit.
    :ivar marks: why energy is in the error register: when it was counted, and in words.
    """

    by_begin: Mapping[datetime, Sum]
    scaler: int
    unit: int | None
    marks: tuple[tuple[datetime, str], ...]

    @property
    def size(self) -> int:
        """How many buckets and marks."""
        return len(self.by_begin) + len(self.marks)


@dataclass(frozen=True, slots=True)
class DerivedList:
    """A derived list (abgeleitete Messwertliste) of one register.

    :ivar original: the original register.
    :ivar register: the register that it counts into.
    :ivar readings: its values as they grew from the begin of the billing period.
    :ivar switches: those of them after which another stage held (Tarifumschaltliste).
    """

    original: bytes
    register: bytes
    scaler: int
    unit: int | None
    readings: tuple[DerivedReading, ...]
    switches: tuple[DerivedReading, ...]


@dataclass(frozen=True, slots=True)
class DerivedLists:
    """The derived lists of one original register."""

    lists: tuple[DerivedList, ...]

    @property
    def size(self) -> int:
        """How many lines."""
        return 1 + sum(len(each.readings) for each in self.lists)


@dataclass(frozen=True)
class Kept(Generic[T]):
    """Something derived, with what it holds by.

    :ivar contract: by which it was made.
    :ivar extent: the list when it was made.
    :ivar closed: whether the list was past its time then, so that only a clock set back brings more of it.
    :ivar oldest: number of the oldest entry it comes from.
    """

    content: T
    contract: Contract
    extent: Extent
    closed: bool
    oldest: int

    def holds(self, contract: Contract, extent: Extent) -> bool:
        """Whether it would come out the same now."""
        if self.contract is not contract or self.extent.epoch != extent.epoch:
            return False
        if extent.first > self.oldest and extent.first != self.extent.first:  # what it comes from is deleted
            return False
        return self.closed or self.extent.end == extent.end


class Remembered(Generic[T]):
    """What was used last. Safe to use from several threads."""

    def __init__(self, most: int) -> None:
        """:param most: how many sums or lines at most."""
        self._most = most
        self._count = 0
        self._kept: OrderedDict[Hashable, Kept[T]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._count

    def get(self, key: Hashable, contract: Contract, extent: Extent) -> T | None:
        """What is remembered, if it still holds."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            if not found.holds(contract, extent):
                self._forget(key)
                return None
            self._kept.move_to_end(key)
            return found.content

    def put(self, key: Hashable, kept: Kept[T]) -> None:
        """Remember something, and forget what was not used for the longest time."""
        with self._lock:
            self._forget(key)
            if kept.content.size > self._most:
                return
            self._kept[key] = kept
            self._count += kept.content.size
            while self._count > self._most:
                self._forget(next(iter(self._kept)))

    def _forget(self, key: Hashable) -> None:
        gone = self._kept.pop(key, None)
        if gone is not None:
            self._count -= gone.content.size
