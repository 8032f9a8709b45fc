"""The gateway's own parts as the Servicetechniker sees them: module, record, disk, clock, LMN lines, certificates.

Of a line there is to be seen when it was last heard, and nothing of what was heard; of what fails, that it fails.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, unique
from pathlib import Path
from typing import Final, NamedTuple

import structlog
from sqlalchemy.exc import SQLAlchemyError

from gateway.module import DeviceError, NoModuleConfigured
from gateway.pki.certificates import HeldCertificate
from gateway.technician_questions import Text
from lifecycle.canonical import parse_time
from lifecycle.journal import Position
from lifecycle.store.errors import StoreError
from securitymodule.coding import ModuleState
from securitymodule.errors import ModuleBusy, ModuleError
from securitymodule.statements import ModuleInformation, StatementError

LONGEST_SILENCE: Final = timedelta(hours=1)
"""How long a line may be silent before that is remarkable; ours: meters speak at least each quarter of an hour."""
LITTLE_ROOM: Final = 0.05
"""The share of a disk below which room is little; ours."""
_GIGABYTE: Final = 1e9

_log = structlog.get_logger()


@unique
class PartName(StrEnum):
    """A part of the gateway."""

    MODULE = "module"
    """Security module (Sicherheitsmodul)."""
    RECORD = "record"
    """The record of its life (Lebenslaufakte)."""
    DISK = "disk"
    """Where readings and logs are kept."""
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the gateway.

    :ivar sound: whether it is as it should be.
    :ivar found: what was found.
    """

    name: PartName
    sound: bool
    found: Text


@dataclass(frozen=True, slots=True)
class LineHeard:
    """A line of the LMN.

    :ivar heard: when bytes last came over it, UTC, to the minute; ``None`` where none came since the start.
    :ivar silent: whether that is longer ago than it should be.
    """

    line: str
    heard: datetime | None
    silent: bool


@dataclass(frozen=True, slots=True)
class CertificateEnd:
    """When a certificate in the module ends.

    :ivar key: where its key is.
    :ivar use: what for.
    :ivar operational: whether it is a Wirkzertifikat, or else a Gütesiegelzertifikat.
    :ivar ends: when, UTC.
    :ivar over: whether it has ended.
    """

    key: str
    use: str
    operational: bool
    ends: datetime
    over: bool


class DiskRoom(NamedTuple):
    """Room on the disk, bytes."""

    free: int
    total: int


def room_on(path: Path) -> DiskRoom:
    """The room on the disk where a folder is.

    :raises OSError: if it cannot be seen.
    """
    usage = shutil.disk_usage(path)
    return DiskRoom(usage.free, usage.total)


def module_part(information: Callable[[], ModuleInformation]) -> Part:
    """What is to be seen of the security module."""
    try:
        told = information()
    except NoModuleConfigured:
        return Part(PartName.MODULE, False, Text("keines eingerichtet", "none is configured"))
    except ModuleBusy:
        return Part(PartName.MODULE, True, Text("da, und gerade in Gebrauch", "there, and in use just now"))
    except (ModuleError, DeviceError, StatementError) as error:
        _log.warning("module not reached", error=str(error))
        return Part(PartName.MODULE, False, Text("antwortet nicht", "does not answer"))
    terminated = told.state is ModuleState.TERMINATED
    words = f"{told.serial}, {told.state.name}, Version {told.version}"
    return Part(PartName.MODULE, not terminated, Text(words, words))


def record_part(position: Callable[[], Position]) -> tuple[Part, Position | None]:
    """What is to be seen of the record, and where it ends."""
    try:
        end = position()
    except (StoreError, SQLAlchemyError, OSError) as error:
        _log.warning("record not read", error=str(error))
        return Part(PartName.RECORD, False, Text("nicht lesbar", "cannot be read")), None
    return Part(PartName.RECORD, True, Text(f"{end.sequence} Einträge", f"{end.sequence} entries")), end


def disk_part(room: Callable[[], DiskRoom]) -> Part:
    """What is to be seen of the disk."""
    try:
        free, total = room()
    except OSError as error:
        _log.warning("disk not seen", error=str(error))
        return Part(PartName.DISK, False, Text("nicht erreichbar", "cannot be reached"))
    words = f"{free / _GIGABYTE:.1f} / {total / _GIGABYTE:.1f} GB"
    found = Text(f"{words} frei".replace(".", ","), f"{words} free")
    return Part(PartName.DISK, free >= total * LITTLE_ROOM, found)


def clock_part(now: datetime, end: Position | None) -> Part:
    """What is to be seen of the clock: it does not stand before the last entry of the record."""
    if end is not None and end.time and now < parse_time(end.time):
        return Part(PartName.CLOCK, False, Text("steht vor dem letzten Eintrag der Akte", "before the record’s end"))
    return Part(PartName.CLOCK, True, Text("läuft", "runs"))


def lines_heard(heard: Mapping[str, datetime | None], now: datetime) -> tuple[LineHeard, ...]:
    """The lines by name. To the minute: the very second a meter speaks is nobody's business."""
    return tuple(
        LineHeard(
            line,
            None if time is None else time.replace(second=0, microsecond=0),
            time is None or now - time > LONGEST_SILENCE,
        )
        for line, time in sorted(heard.items())
    )


def certificate_ends(held: Callable[[], Iterable[HeldCertificate]], now: datetime) -> tuple[CertificateEnd, ...] | None:
    """When the certificates in the module end, the first first; ``None`` where they cannot be read."""
    try:
        found = list(held())
    except (ModuleError, DeviceError) as error:
        _log.warning("certificates not read", error=str(error))
        return None
    ends = [
        CertificateEnd(
            one.key.name,
            one.use.name,
            one.operational,
            one.certificate.not_valid_after_utc,
            one.certificate.not_valid_after_utc < now,
        )
        for one in found
    ]
    return tuple(sorted(ends, key=lambda end: (end.ends, end.key)))
