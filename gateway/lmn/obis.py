"""OBIS codes (OBIS-Kennzahlen, IEC 62056-6-1) and DLMS units (IEC 62056-6-2): six bytes and a number, made readable.

A code ``A-B:C.D.E*F`` is six bytes, one a group: ``1-0:1.8.0*255`` is ``0100010800ff``, the total of imported energy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

OBIS_LENGTH: Final = 6

_WRITTEN: Final = re.compile(r"(\d{1,3})-(\d{1,3}):(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\*(\d{1,3}))?", re.ASCII)
_HEX: Final = re.compile(r"[0-9a-fA-F]{12}")
_WHOLE: Final = 255
"""Group F when it is left out: the current value, not one of a past billing period."""


class ObisError(ValueError):
    """Text or bytes that are no OBIS code."""


IMPORT_ENERGY: Final = bytes.fromhex("0100010800ff")
EXPORT_ENERGY: Final = bytes.fromhex("0100020800ff")
ACTIVE_POWER: Final = bytes.fromhex("0100100700ff")
MANUFACTURER: Final = bytes.fromhex("010060320101")
DEVICE_ID: Final = bytes.fromhex("0100600100ff")

UNIT_WATT: Final = 27
UNIT_WATT_HOUR: Final = 30

NAMES: Final[Mapping[bytes, str]] = MappingProxyType(
    {
        IMPORT_ENERGY: "energy imported (Bezug)",
        bytes.fromhex("0100010801ff"): "energy imported, tariff 1",
        bytes.fromhex("0100010802ff"): "energy imported, tariff 2",
        EXPORT_ENERGY: "energy exported (Lieferung)",
        bytes.fromhex("0100020801ff"): "energy exported, tariff 1",
        bytes.fromhex("0100020802ff"): "energy exported, tariff 2",
        bytes.fromhex("0100010700ff"): "power imported",
        bytes.fromhex("01000f0700ff"): "power, absolute",
        ACTIVE_POWER: "power (Wirkleistung)",
        bytes.fromhex("0100240700ff"): "power L1",
        bytes.fromhex("0100380700ff"): "power L2",
        bytes.fromhex("01004c0700ff"): "power L3",
        bytes.fromhex("0100200700ff"): "voltage L1",
        bytes.fromhex("0100340700ff"): "voltage L2",
        bytes.fromhex("0100480700ff"): "voltage L3",
        bytes.fromhex("01001f0700ff"): "current L1",
        bytes.fromhex("0100330700ff"): "current L2",
        bytes.fromhex("0100470700ff"): "current L3",
        bytes.fromhex("0100510701ff"): "angle U-L2 to U-L1",
        bytes.fromhex("0100510702ff"): "angle U-L3 to U-L1",
        bytes.fromhex("0100510704ff"): "angle I-L1 to U-L1",
        bytes.fromhex("010051070fff"): "angle I-L2 to U-L2",
        bytes.fromhex("010051071aff"): "angle I-L3 to U-L3",
        bytes.fromhex("01000e0700ff"): "frequency",
        MANUFACTURER: "manufacturer (Hersteller)",
        bytes.fromhex("8181c78203ff"): "manufacturer (Hersteller)",
        DEVICE_ID: "device id (Geräte-ID)",
        bytes.fromhex("0100000000ff"): "device number",
        bytes.fromhex("0100000009ff"): "device id (Geräte-ID)",
        bytes.fromhex("00006001ffff"): "factory number",
        bytes.fromhex("8181c78205ff"): "public key",
        bytes.fromhex("010000020000"): "firmware version",
        bytes.fromhex("0100605a0201"): "firmware checksum",
        bytes.fromhex("0100600500ff"): "status word",
    }
)
"""What the codes met in meters of a household mean; a code that is not here is not wrong."""

UNITS: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "a",
        2: "mo",
        3: "wk",
        4: "d",
        5: "h",
        6: "min",
        7: "s",
        8: "°",
        9: "°C",
        10: "¤",
        11: "m",
        12: "m/s",
        13: "m³",
        14: "m³",
        15: "m³/h",
        16: "m³/h",
        17: "m³/d",
        18: "m³/d",
        19: "l",
        20: "kg",
        21: "N",
        22: "Nm",
        23: "Pa",
        24: "bar",
        25: "J",
        26: "J/h",
        27: "W",
        28: "VA",
        29: "var",
        30: "Wh",
        31: "VAh",
        32: "varh",
        33: "A",
        34: "C",
        35: "V",
        36: "V/m",
        37: "F",
        38: "Ω",
        39: "Ωm²/m",
        40: "Wb",
        41: "T",
        42: "A/m",
        43: "H",
        44: "Hz",
        45: "1/Wh",
        46: "1/varh",
        47: "1/VAh",
        48: "V²h",
        49: "A²h",
        50: "kg/s",
        51: "S",
        52: "K",
        53: "1/V²h",
        54: "1/A²h",
        55: "1/m³",
        56: "%",
        57: "Ah",
        60: "Wh/m³",
        61: "J/m³",
        62: "mol%",
        63: "g/m³",
        64: "Pa·s",
        65: "J/kg",
        70: "dBm",
        71: "dBµV",
        72: "dB",
    }
)
"""Symbols of the DLMS unit numbers; 255 (a count) and unknown numbers have none."""


def parse_obis(text: str) -> bytes:
    """The six bytes of ``A-B:C.D.E*F`` (``*F`` may be missing, then 255) or of twelve hexadecimal digits.

    :raises ObisError: if the text is neither, or a group is above 255.
    """
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    match = _WRITTEN.fullmatch(text)
    if match is None:
        raise ObisError(f"{text!r} is no OBIS code: neither A-B:C.D.E*F nor twelve hexadecimal digits")
    groups = [int(group) for group in match.groups(default=str(_WHOLE))]
    if max(groups) > 0xFF:
        raise ObisError(f"{text!r} is no OBIS code: a group is above 255")
    return bytes(groups)


def format_obis(obis: bytes) -> str:
    """``A-B:C.D.E*F`` of six bytes. :raises ObisError: if they are not six."""
    if len(obis) != OBIS_LENGTH:
        raise ObisError(f"an OBIS code has {OBIS_LENGTH} bytes, not {len(obis)}")
    a, b, c, d, e, f = obis
    return f"{a}-{b}:{c}.{d}.{e}*{f}"


def obis_name(obis: bytes) -> str:
    """What the code means, in English with the German term; empty if it is not in :data:`NAMES`."""
    return NAMES.get(obis, "")


def unit_symbol(unit: int | None) -> str:
    """The symbol of a DLMS unit number; ``unit 123`` for one without, empty for None and for 255 (a plain count)."""
    if unit is None or unit == 0xFF:
        return ""
    return UNITS.get(unit, f"unit {unit}")


def format_scaled(value: int, scaler: int) -> str:
    """``value`` times ten to the power of ``scaler`` as an exact decimal: all digits the meter sent, and no others.

    ``format_scaled(-10550, -2)`` is ``-105.50``, ``format_scaled(13, 3)`` is ``13000``.
    """
    if scaler >= 0:
        return str(value * 10**scaler)
    digits = str(abs(value)).rjust(1 - scaler, "0")
    return f"{'-' if value < 0 else ''}{digits[:scaler]}.{digits[scaler:]}"
