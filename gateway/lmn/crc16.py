"""The two checksums (Prüfsummen) met in SML: CRC-16/X-25, and CRC-16/KERMIT where a meter got it wrong.

Both are the reflected CCITT polynomial 0x1021. The standard library has the unreflected one in C
(:func:`binascii.crc_hqx`); with the bits of every byte mirrored before, and those of the result after, the two are the
same, so a frame costs a microsecond instead of a Python loop over its bytes.

Byte order on the wire: X-25 goes low byte first (SML 1.04, chapters on the transport protocol and on SML_Message).
KERMIT, a fault of some HOLLEY DTZ541, goes high byte first, in the messages as well as in the end sequence.
"""

from __future__ import annotations

import enum
from binascii import crc_hqx
from typing import Final

_MIRRORED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class CrcKind(enum.Enum):
    """Which checksum held over some bytes."""

    X25 = "x25"
    KERMIT = "kermit"


def x25(data: bytes) -> int:
    """CRC-16/X-25 of ``data``: start 0xFFFF, reflected, final XOR 0xFFFF; check value 0x906E for ``123456789``."""
    return _reflected(data, 0xFFFF) ^ 0xFFFF


def kermit(data: bytes) -> int:
    """CRC-16/KERMIT of ``data``: start 0, reflected, no final XOR; check value 0x2189 for ``123456789``."""
    return _reflected(data, 0)


def as_sent(data: bytes, kind: CrcKind) -> int:
    """The checksum of ``data`` as the 16-bit number its two bytes make on the wire, read high byte first."""
    return kermit(data) if kind is CrcKind.KERMIT else _low_byte_first(x25(data))


def matching(data: bytes, sent: int) -> CrcKind | None:
    """Which checksum of ``data`` the number ``sent`` is (see :func:`as_sent`); None if neither."""
    if _low_byte_first(x25(data)) == sent:
        return CrcKind.X25
    return CrcKind.KERMIT if kermit(data) == sent else None


def _low_byte_first(checksum: int) -> int:
    return (checksum & 0xFF) << 8 | checksum >> 8


def _reflected(data: bytes, start: int) -> int:
    remainder = crc_hqx(data.translate(_MIRRORED), start)
    return _MIRRORED[remainder & 0xFF] << 8 | _MIRRORED[remainder >> 8]
