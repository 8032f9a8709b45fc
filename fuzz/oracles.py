"""What the properties are checked with: another implementation of the checksums, and the search for a value's bytes."""

from __future__ import annotations

from typing import Final


def _reflected(polynomial: int) -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        remainder = byte
        for _ in range(8):
            remainder = remainder >> 1 ^ (polynomial if remainder & 1 else 0)
        entries.append(remainder)
    return tuple(entries)


_CCITT: Final = _reflected(0x8408)
_EN13757: Final = _reflected(0xA6BC)
_TURNED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_WIDTHS: Final = range(1, 9)
_SML_MOST: Final = 1 << 64


def crc_ccitt(data: bytes, start: int) -> int:
    """The reflected CCITT remainder: X-25 from 0xFFFF (to be inverted), KERMIT from 0."""
    remainder = start
    for byte in data:
        remainder = remainder >> 8 ^ _CCITT[(remainder ^ byte) & 0xFF]
    return remainder


def x25_holds(data: bytes) -> bool:
    """Whether the last two bytes are the CRC-16/X-25 of those before, low byte first."""
    return len(data) > 2 and crc_ccitt(data[:-2], 0xFFFF) ^ 0xFFFF == int.from_bytes(data[-2:], "little")


def sml_crc_holds(data: bytes) -> bool:
    """The same, or KERMIT high byte first, as some meters have it."""
    return x25_holds(data) or crc_ccitt(data[:-2], 0) == int.from_bytes(data[-2:], "big")


def en13757_holds(block: bytes) -> bool:
    """Whether the last two bytes are the CRC-16/EN-13757 of those before, high byte first; reckoned with mirrored
    bits, which the code under test does not do."""
    remainder = 0
    for byte in block[:-2].translate(_TURNED):
        remainder = remainder >> 8 ^ _EN13757[(remainder ^ byte) & 0xFF]
    mirrored = _TURNED[remainder & 0xFF] << 8 | _TURNED[remainder >> 8]
    return len(block) > 2 and mirrored ^ 0xFFFF == int.from_bytes(block[-2:], "big")


def integer_is_in(data: bytes, value: int) -> bool:
    """Whether a big-endian integer of 1 to 8 bytes in the data is this value (SML)."""
    return any(
        value.to_bytes(width, "big", signed=value < 0) in data
        for width in _WIDTHS
        if -(1 << 8 * width - 1) <= value < 1 << 8 * width
    )


def record_value_is_in(data: bytes, value: int) -> bool:
    """Whether this value is in the data as M-Bus writes it: two's complement or decimal digits, low byte first."""
    for width in range(1, 10):
        fits = -(1 << 8 * width - 1) <= value < 1 << 8 * width - 1
        if fits and value.to_bytes(width, "little", signed=True) in data:
            return True
    digits = str(abs(value))
    for width in range(1, 10):
        if len(digits) > 2 * width:
            continue
        plain = bytes.fromhex(digits.zfill(2 * width))[::-1]
        if plain in data:
            return True
        if len(digits) < 2 * width and bytes.fromhex("f" + digits.zfill(2 * width - 1))[::-1] in data:
            return True
    return False
