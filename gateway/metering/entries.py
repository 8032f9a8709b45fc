"""What is on an original reading list: its entries, where it begins and ends, and what was deleted of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.lmn.status import CombinedStatus, PtbStatus
from gateway.metering.rules import Cause
from gateway.metering.status import Mark
from gateway.sealing import End, Line, Seal
from lifecycle.canonical import parse_time


@dataclass(frozen=True, slots=True)
class ListEntry:
    """A line of the original reading list.

    :ivar meter: server id of the meter, hexadecimal.
    :ivar obis: OBIS code, 12 hexadecimal digits.
    :ivar number: running number in the list of the register.
    :ivar consumer: whose metering it is.
    :ivar epoch: how often the clock had been set back.
    :ivar target: target time, the raster point that it counts for, UTC; of a gap, the first point missed.
    :ivar captured: capture time, ``None`` in a gap.
    :ivar value: integer as the meter sent it, ``None`` in a gap; times ten to the power of *scaler* it is in *unit*.
    :ivar scaler: power of ten.
    :ivar unit: DLMS unit, ``None`` where the meter names none.
    :ivar status: 64 bits, the gateway's word before the meter's.
    :ivar marks: what the gateway noticed.
    :ivar flags: what the codec noticed.
    :ivar until: of a gap, the last point missed.
    :ivar missing: of a gap, how many points were missed; else 0.
    :ivar cause: of a gap, why.
    :ivar hash: SHA-256 of the entry, hexadecimal.
    :ivar seal: the gateway's signature, where it is relevant for billing.
    """

    meter: str
    obis: str
    number: int
    consumer: str
    epoch: int
    target: datetime | None
    captured: datetime | None
    value: int | None
    scaler: int
    unit: int | None
    status: int
    marks: frozenset[Mark]
    flags: tuple[str, ...]
    until: datetime | None
    missing: int
    cause: Cause | None
    hash: str
    seal: Seal | None

    @property
    def is_gap(self) -> bool:
        """Whether it says that there is no reading."""
        return self.missing > 0

    @property
    def ptb(self) -> PtbStatus:
        """What it is worth for billing."""
        return CombinedStatus.of_word(self.status).ptb


@dataclass(frozen=True, slots=True)
class Extent:
    """Where the list of a register begins and ends.

    :ivar first: number of the oldest entry that is kept; that of the next one where none is.
    :ivar end: the newest entry.
    :ivar epoch: how often the clock was set back.
    :ivar target: newest raster point of this epoch, met or missed.
    """

    first: int
    end: End
    epoch: int
    target: datetime | None


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a deletion took away.

    :ivar meter: server id of the meter.
    :ivar obis: OBIS code.
    :ivar first: number of the first entry deleted.
    :ivar last: number of the last.
    :ivar count: how many.
    :ivar since: time of the first, UTC.
    :ivar until: time of the last.
    :ivar deleted: when they were deleted.
    :ivar last_hash: hash of the last entry deleted, which the list goes on from.
    :ivar digest: SHA-256 over the hashes of all of them, in order, hexadecimal.
    :ivar retention: how long they had to be kept, whole seconds.
    """

    meter: str
    obis: str
    first: int
    last: int
    count: int
    since: datetime
    until: datetime
    deleted: datetime
    last_hash: str
    digest: str
    retention: timedelta

    def covers(self, lines: Sequence[Line]) -> bool:
        """Whether these lines, kept elsewhere, are just what was deleted."""
        return (
            [line.number for line in lines] == list(range(self.first, self.last + 1))
            and all(hashlib.sha256(line.body).hexdigest() == line.hash for line in lines)
            and digest_of(line.hash for line in lines) == self.digest
        )


def digest_of(hashes: Iterable[str]) -> str:
    """What stands for several lines, by their hashes."""
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def entry_of(line: Line) -> ListEntry:
    """The entry that a line says."""
    told = line.told
    value, cause = told.get("value"), told.get("cause")
    return ListEntry(
        told["meter"],
        told["obis"],
        line.number,
        told["consumer"],
        told["epoch"],
        _read(told["target"]),
        _read(told.get("captured")),
        None if value is None else int(value),
        told.get("scaler", 0),
        told.get("unit"),
        int(told["status"], 16),
        frozenset(map(Mark, told.get("marks", ()))),
        tuple(told.get("flags", ())),
        _read(told.get("until")),
        told.get("missing", 0),
        None if cause is None else Cause(cause),
        line.hash,
        line.seal,
    )


def deletion_of(line: Line) -> Deletion:
    """The deletion that a line says."""
    told = line.told
    return Deletion(
        told["meter"],
        told["obis"],
        told["first"],
        told["last"],
        told["count"],
        parse_time(told["since"]),
        parse_time(told["until"]),
        parse_time(told["time"]),
        told["last_hash"],
        told["digest"],
        timedelta(seconds=told["retention"]),
    )


def _read(text: str | None) -> datetime | None:
    return None if text is None else parse_time(text)
