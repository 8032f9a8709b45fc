"""The status of a reading: 64 bits, the gateway's word before the meter's, and what they mean for billing (PTB)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum, IntFlag, StrEnum, unique
from typing import Final


class SmgwStatus(IntFlag):
    """The gateway's word (FNN)."""

    IDENTIFICATION = 1 << 0
    FIXED = 1 << 2
    FATAL_ERROR = 1 << 8
    TIME_INVALID = 1 << 9
    WARNING = 1 << 12
    ERROR_SIGNED_INVALID = 1 << 13
    ERROR_INVALID = 1 << 14


METER_FATAL: Final = 1 << 17
"""Fatal error in the meter's word."""
_ALWAYS: Final = SmgwStatus.IDENTIFICATION | SmgwStatus.FIXED
_WORD: Final = 0xFFFF_FFFF
_METER_STATUS = re.compile(r"status:0x([0-9a-f]{1,8})")


@unique
class PtbStatus(IntEnum):
    """What a reading is worth for billing."""

    OK = 0
    WARNING = 1
    SUBSTITUTE = 2
    """Temporary error; usable as a substitute value."""
    CRITICAL = 3
    """Temporary error; not to be used."""
    FATAL = 4


@unique
class Mark(StrEnum):
    """What the gateway noticed about a reading or a gap."""

    CLOCK_JUMPED = "clock-jumped"
    """The clock was moved between the reading before and this one."""
    CLOCK_SET_BACK = "clock-set-back"
    """It was captured before the reading before it: a new epoch of the list begins."""
    POINT_REPEATED = "point-repeated"
    """Its raster point was passed once already, in an earlier epoch."""
    RAN_BACK = "ran-back"
    """The register shows less than before."""
    UNIT_CHANGED = "unit-changed"
    """The register is in another unit than before."""
    METER_FATAL = "meter-fatal"
    """The meter reports a fatal error."""
    RESTARTED = "restarted"
    """Metering was started anew between the reading before and this one."""
    MISSING = "missing"
    """There is no reading: a gap."""


_BITS: Final = {
    Mark.CLOCK_JUMPED: SmgwStatus.TIME_INVALID,
    Mark.CLOCK_SET_BACK: SmgwStatus.TIME_INVALID,
    Mark.POINT_REPEATED: SmgwStatus.WARNING,
    Mark.RAN_BACK: SmgwStatus.ERROR_INVALID,
    Mark.UNIT_CHANGED: SmgwStatus.ERROR_INVALID,
    Mark.METER_FATAL: SmgwStatus(0),  # the meter's own word says it
    Mark.RESTARTED: SmgwStatus(0),  # of interest, and no doubt about the value
    Mark.MISSING: SmgwStatus.ERROR_INVALID,
}


def meter_word(flags: Iterable[str]) -> int:
    """The meter's status word as the codec noted it among a reading's flags; 0 where there is none of 32 bits."""
    for flag in flags:
        found = _METER_STATUS.fullmatch(flag)
        if found is not None:
            return int(found[1], 16)
    return 0


def status_of(marks: Iterable[Mark], flags: Iterable[str]) -> int:
    """The 64 bits of a reading."""
    word = _ALWAYS
    for mark in marks:
        word |= _BITS[mark]
    return int(word) << 32 | meter_word(flags)


def ptb_status(status: int) -> PtbStatus:
    """What 64 bits mean for billing."""
    gateway, meter = SmgwStatus(status >> 32 & _WORD), status & _WORD
    if gateway & SmgwStatus.FATAL_ERROR or meter & METER_FATAL:
        return PtbStatus.FATAL
    if gateway & (SmgwStatus.TIME_INVALID | SmgwStatus.ERROR_INVALID):
        return PtbStatus.CRITICAL
    if gateway & SmgwStatus.ERROR_SIGNED_INVALID:
        return PtbStatus.SUBSTITUTE
    return PtbStatus.WARNING if gateway & SmgwStatus.WARNING else PtbStatus.OK
