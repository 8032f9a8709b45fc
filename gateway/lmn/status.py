"""Status words: the meter's, the gateway's, and both in one word (Statuswort nach FNN), as typed flags.

Source: the layout the official checking software reads. The combined word has 64 bits, the gateway's 32 before the
meter's 32. From both follows one of five classes (PTB-Status) that say what a reading may be used for.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

WORD_BITS: Final = 32
_WORD: Final = (1 << WORD_BITS) - 1
_COMBINED_LENGTH: Final = 8


class StatusError(ValueError):
    """A number or bytes that are no status word."""


class MeterStatus(enum.IntFlag, boundary=enum.KEEP):
    """Status word of an FNN basic meter (Basiszähler); bits 0 to 7 are always :data:`METER_FIXED`."""

    ABOVE_STARTING_CURRENT = 1 << 8
    MAGNETIC_FIELD = 1 << 9
    MANIPULATION = 1 << 10
    SUM_DIRECTION_NEGATIVE = 1 << 11
    L1_DIRECTION_NEGATIVE = 1 << 12
    L2_DIRECTION_NEGATIVE = 1 << 13
    L3_DIRECTION_NEGATIVE = 1 << 14
    PHASE_SEQUENCE = 1 << 15
    BACKSTOP = 1 << 16
    FATAL_ERROR = 1 << 17
    VOLTAGE_L1_PRESENT = 1 << 18
    VOLTAGE_L2_PRESENT = 1 << 19
    VOLTAGE_L3_PRESENT = 1 << 20


METER_FIXED: Final = 0x04
"""What bits 0 to 7 of an FNN meter's word always are; older meters (EDL21) use another layout."""

METER_REGULAR: Final = (
    MeterStatus.ABOVE_STARTING_CURRENT
    | MeterStatus.VOLTAGE_L1_PRESENT
    | MeterStatus.VOLTAGE_L2_PRESENT
    | MeterStatus.VOLTAGE_L3_PRESENT
)
"""Bits that say the regular; the others ask for attention."""


class GatewayStatus(enum.IntFlag, boundary=enum.KEEP):
    """Status word of the gateway; :data:`GATEWAY_FIXED` is always set, what is in no flag never."""

    TRANSPARENCY = 1 << 1
    FATAL_ERROR = 1 << 8
    SYSTEM_TIME_INVALID = 1 << 9
    PTB_WARNING = 1 << 12
    PTB_TEMPORARY_ERROR_SIGNED_INVALID = 1 << 13
    PTB_TEMPORARY_ERROR_INVALID = 1 << 14


GATEWAY_FIXED: Final = 0x05
"""Bits 0 and 2, always set in the gateway's word."""


class PtbStatus(enum.IntEnum):
    """What a reading is good for, best first."""

    OK = 0
    WARNING = 1
    TEMPORARY_ERROR = 2
    """Usable as a substitute value (Ersatzwert)."""
    CRITICAL_TEMPORARY_ERROR = 3
    FATAL_ERROR = 4


@dataclass(frozen=True, slots=True)
class CombinedStatus:
    """Gateway's and meter's status in one word of 64 bits."""

    gateway: GatewayStatus
    meter: MeterStatus

    @classmethod
    def decode(cls, data: bytes) -> CombinedStatus:
        """From eight bytes, high byte first. :raises StatusError: if a bit is set or missing that may not be."""
        if len(data) != _COMBINED_LENGTH:
            raise StatusError(f"a combined status word has {_COMBINED_LENGTH} bytes, not {len(data)}")
        number = int.from_bytes(data, "big")
        return cls(gateway_status(number >> WORD_BITS), meter_status(number & _WORD))

    def encode(self) -> bytes:
        """Eight bytes, high byte first."""
        gateway = GATEWAY_FIXED | int(self.gateway)
        return (gateway << WORD_BITS | METER_FIXED | int(self.meter)).to_bytes(_COMBINED_LENGTH, "big")

    @property
    def ptb(self) -> PtbStatus:
        """The class that follows from both words."""
        return ptb_status(self.gateway, self.meter)


def gateway_status(word: int) -> GatewayStatus:
    """The flags of a gateway's word. :raises StatusError: if it does not fit the layout."""
    allowed = GATEWAY_FIXED
    for flag in GatewayStatus:
        allowed |= int(flag)
    if word & ~allowed or word & GATEWAY_FIXED != GATEWAY_FIXED:
        raise StatusError(f"{word:#010x} is no status word of a gateway")
    return GatewayStatus(word & ~GATEWAY_FIXED)


def meter_status(word: int) -> MeterStatus:
    """The flags of an FNN meter's word, bits without a name kept. :raises StatusError: if it has another layout."""
    if not 0 <= word <= _WORD or word & 0xFF != METER_FIXED:
        raise StatusError(f"{word:#010x} is no status word of an FNN meter")
    return MeterStatus(word & ~0xFF)


def ptb_status(gateway: GatewayStatus, meter: MeterStatus) -> PtbStatus:
    """The class that follows from both words; the worst reason counts."""
    if GatewayStatus.FATAL_ERROR in gateway or MeterStatus.FATAL_ERROR in meter:
        return PtbStatus.FATAL_ERROR
    if gateway & (GatewayStatus.SYSTEM_TIME_INVALID | GatewayStatus.PTB_TEMPORARY_ERROR_INVALID):
        return PtbStatus.CRITICAL_TEMPORARY_ERROR
    if GatewayStatus.PTB_TEMPORARY_ERROR_SIGNED_INVALID in gateway:
        return PtbStatus.TEMPORARY_ERROR
    return PtbStatus.WARNING if GatewayStatus.PTB_WARNING in gateway else PtbStatus.OK


def bit_of(flag: enum.IntFlag) -> int:
    """The number of a single flag's bit, counted from the lowest."""
    return flag.bit_length() - 1


def label_of(flag: enum.IntFlag) -> str:
    """How a flag is written among a reading's flags: ``magnetic-field``."""
    return (flag.name or "").lower().replace("_", "-")
