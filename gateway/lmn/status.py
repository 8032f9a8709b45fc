"""Status words: the meter's, the gateway's, and both in one word (Statuswort nach FNN), as typed flags.

Source: the layout and the classes of the official checking software. The combined word has 64 bits, the gateway's 32
before the meter's 32. From both follows one of five classes (PTB-Status) that say what a reading may be used for.
Words of older meters (EDL21) have another layout: their bits are not named, and say nothing about the class.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

WORD_BITS: Final = 32
_WORD: Final = (1 << WORD_BITS) - 1
_COMBINED_LENGTH: Final = 8
_NOTED: Final = re.compile(r"status:0x([0-9a-f]{6}|[0-9a-f]{8})")


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

_METER_WIDTHS: Final = (3, 4)
"""Bytes that an FNN meter's word is sent in; leading zeros may be left out."""

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
    """What a reading is good for, best first (PTB-A 50.8)."""

    OK = 0
    WARNING = 1
    TEMPORARY_ERROR = 2
    """Usable as a substitute value (Ersatzwert)."""
    CRITICAL_TEMPORARY_ERROR = 3
    """Not even a substitute value."""
    FATAL_ERROR = 4

    @property
    def usable(self) -> bool:
        """Whether the value may be billed."""
        return self < PtbStatus.CRITICAL_TEMPORARY_ERROR


_CRITICAL_OF_GATEWAY: Final = GatewayStatus.SYSTEM_TIME_INVALID | GatewayStatus.PTB_TEMPORARY_ERROR_INVALID
_CRITICAL_OF_METER: Final = MeterStatus.MAGNETIC_FIELD | MeterStatus.MANIPULATION


@dataclass(frozen=True, slots=True)
class CombinedStatus:
    """Gateway's and meter's status in one word of 64 bits.

    :ivar gateway: the gateway's flags.
    :ivar meter: the meter's; ``None`` where it has sent none, or one of another layout: then its 32 bits are zero.
    """

    gateway: GatewayStatus
    meter: MeterStatus | None

    @classmethod
    def decode(cls, data: bytes) -> CombinedStatus:
        """From eight bytes, high byte first. :raises StatusError: if a bit is set or missing that may not be."""
        if len(data) != _COMBINED_LENGTH:
            raise StatusError(f"a combined status word has {_COMBINED_LENGTH} bytes, not {len(data)}")
        number = int.from_bytes(data, "big")
        meter = number & _WORD
        return cls(gateway_status(number >> WORD_BITS), meter_status(meter) if meter else None)

    @classmethod
    def of_word(cls, word: int) -> CombinedStatus:
        """From 64 bits that another has written; a half of another layout says nothing."""
        gateway, meter = word >> WORD_BITS & _WORD, word & _WORD
        known = gateway & GATEWAY_FIXED == GATEWAY_FIXED
        return cls(
            GatewayStatus(gateway & ~GATEWAY_FIXED if known else 0),
            meter_status(meter) if _is_meter_word(meter) else None,
        )

    @property
    def word(self) -> int:
        """The 64 bits."""
        meter = METER_FIXED | int(self.meter) if self.meter is not None else 0
        return (GATEWAY_FIXED | int(self.gateway)) << WORD_BITS | meter

    def encode(self) -> bytes:
        """Eight bytes, high byte first."""
        return self.word.to_bytes(_COMBINED_LENGTH, "big")

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
    if not 0 <= word <= _WORD or not _is_meter_word(word):
        raise StatusError(f"{word:#010x} is no status word of an FNN meter")
    return MeterStatus(word & ~0xFF)


def has_meter_layout(word: int, width: int) -> bool:
    """Whether a status word that was sent in so many bytes is an FNN meter's."""
    return width in _METER_WIDTHS and _is_meter_word(word)


def _is_meter_word(word: int) -> bool:
    return word & 0xFF == METER_FIXED


def noted_meter_status(flags: Iterable[str]) -> MeterStatus | None:
    """The meter's status as the codec noted its word among a reading's flags; ``None`` where there is no FNN word."""
    for flag in flags:
        found = _NOTED.fullmatch(flag)
        if found is not None:
            word = int(found[1], 16)
            return meter_status(word) if _is_meter_word(word) else None
    return None


def ptb_status(gateway: GatewayStatus, meter: MeterStatus | None) -> PtbStatus:
    """The class that follows from both words; the worst reason counts.

    What a meter measures in a magnetic field or manipulated is as invalid as with the gateway's time invalid.
    """
    of_meter = MeterStatus(0) if meter is None else meter
    if GatewayStatus.FATAL_ERROR in gateway or MeterStatus.FATAL_ERROR in of_meter:
        return PtbStatus.FATAL_ERROR
    if gateway & _CRITICAL_OF_GATEWAY or of_meter & _CRITICAL_OF_METER:
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
