"""M-Bus data records (Datensätze): DIF and VIF with their extensions, and the value behind them. Total: never raises.

Source: EN 13757-3 ch. 6. A record that cannot be understood is kept with its bytes and the reason; bytes that are no
record end the list, again with the reason. Nothing is guessed beyond the first byte that makes no sense, since a record
ends where its header says.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from gateway.lmn import mbus_values
from gateway.lmn.mbus_values import MbusTime, MbusValueError
from gateway.lmn.mbus_vif import EXTENSION, MAX_VIFES, PLAIN_TEXT, Quantity, ValueInformation, value_information

IDLE_FILLER: Final = 0x2F
MAX_DIFES: Final = 10

_MANUFACTURER_DATA: Final = (0x0F, 0x1F)
_SPECIAL: Final = 0x0F
_VARIABLE: Final = 0x0D
_REAL: Final = 0x05
_LENGTHS: Final = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 4, 6: 6, 7: 8, 8: 0, 9: 1, 10: 2, 11: 3, 12: 4, 14: 6}
_INTEGERS: Final = frozenset((1, 2, 3, 4, 6, 7))
_DECIMALS: Final = frozenset((9, 10, 11, 12, 14))


class Function(enum.IntEnum):
    """Of what kind a value is (function field of the DIF)."""

    INSTANTANEOUS = 0
    MAXIMUM = 1
    MINIMUM = 2
    ERROR = 3


@dataclass(frozen=True, slots=True)
class Record:
    """One data record. ``value`` is an integer, a time, a text or None; with None, ``reason`` says why.

    ``offset`` is where it begins in the bytes given; ``header`` its DIF and VIF bytes, ``data`` those of the value.
    The number meant by an integer is ``value`` times ten to the power of ``information.scaler``.
    """

    offset: int
    header: bytes
    data: bytes
    function: Function
    storage: int
    tariff: int
    unit_number: int
    information: ValueInformation
    value: int | MbusTime | str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Records:
    """The records of a telegram, what the manufacturer added in its own form, and why reading ended early if it did."""

    records: tuple[Record, ...]
    manufacturer_data: bytes = field(repr=False, default=b"")
    error: str | None = None


class _Cut(Exception):
    """A record that does not end within the bytes, or breaks a rule that says where it ends."""


def read_records(data: bytes) -> Records:
    """All records of an application. Never raises."""
    records: list[Record] = []
    at = 0
    while at < len(data):
        dif = data[at]
        if dif == IDLE_FILLER:
            at += 1
        elif dif in _MANUFACTURER_DATA:
            return Records(tuple(records), data[at + 1 :])
        elif dif & 0x0F == _SPECIAL:
            return Records(tuple(records), error=f"DIF {dif:02x} at byte {at} is reserved")
        else:
            try:
                record, at = _record(data, at)
            except _Cut as cut:
                return Records(tuple(records), error=f"{cut} (record at byte {at})")
            records.append(record)
    return Records(tuple(records))


def _record(data: bytes, start: int) -> tuple[Record, int]:
    dif = data[start]
    storage, tariff, unit_number = dif >> 6 & 1, 0, 0
    at = start + 1
    extended = dif & EXTENSION
    count = 0
    while extended:
        if count == MAX_DIFES:
            raise _Cut(f"more than {MAX_DIFES} DIFEs")
        dife = _byte(data, at)
        storage |= (dife & 0x0F) << 1 + 4 * count
        tariff |= (dife >> 4 & 3) << 2 * count
        unit_number |= (dife >> 6 & 1) << count
        extended = dife & EXTENSION
        count += 1
        at += 1
    vif = _byte(data, at)
    at += 1
    if vif & 0x7F == PLAIN_TEXT:
        at += 1 + _byte(data, at)
    vifes = bytearray()
    extended = vif & EXTENSION
    while extended:
        if len(vifes) == MAX_VIFES:
            raise _Cut(f"more than {MAX_VIFES} VIFEs")
        vifes.append(_byte(data, at))
        extended = vifes[-1] & EXTENSION
        at += 1
    header = data[start:at]
    information = value_information(bytes((vif,)) + bytes(vifes))
    coding = dif & 0x0F
    if coding == _VARIABLE:
        coding, length = _variable(_byte(data, at))
        at += 1
    else:
        length = _LENGTHS[coding]
    content = _bytes(data, at, length)
    value, reason = _value(coding, content, information)
    function = Function(dif >> 4 & 3)
    record = Record(
        start,
        header,
        content,
        function,
        storage,
        tariff,
        unit_number,
        information,
        value,
        reason or information.problem,
    )
    return record, at + length


_TEXT, _BINARY, _MINUS_DECIMAL = 0x100, 0x101, 0x102
"""Codings of variable length beside the numbers of the DIF."""


def _variable(lvar: int) -> tuple[int, int]:
    """Coding and length of a value of variable length."""
    if lvar < 0xC0:
        return _TEXT, lvar
    if 0xC0 <= lvar <= 0xC9:
        return 12, lvar - 0xC0
    if 0xD0 <= lvar <= 0xD9:
        return _MINUS_DECIMAL, lvar - 0xD0
    if 0xE0 <= lvar <= 0xEF:
        return _BINARY, lvar - 0xE0
    if 0xF0 <= lvar <= 0xF4:
        return _BINARY, 4 * (lvar - 0xEC)
    raise _Cut(f"length code {lvar:02x} is reserved")


def _value(coding: int, data: bytes, information: ValueInformation) -> tuple[int | MbusTime | str | None, str | None]:
    if coding == _REAL:
        return None, "a floating point value: kept raw, since no float is made a reading"
    if not data:
        return None, "no value"
    reader: Callable[[bytes], int | MbusTime | str] | None
    if information.quantity in (Quantity.DATE, Quantity.DATE_TIME):
        reader = _TIMES[information.quantity] if coding in _INTEGERS else None
    elif coding in _INTEGERS:
        reader = _unsigned if information.quantity is Quantity.ERROR_FLAGS else mbus_values.signed_integer
    else:
        reader = _READERS.get(coding)
    if reader is None:
        return None, "a coding without meaning here"
    try:
        return reader(data), None
    except MbusValueError as wrong:
        return None, str(wrong)


def _unsigned(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _negated(data: bytes) -> int:
    return -mbus_values.bcd(data)


_TIMES: Final[dict[Quantity, Callable[[bytes], MbusTime]]] = {
    Quantity.DATE: mbus_values.date,
    Quantity.DATE_TIME: mbus_values.date_and_time,
}
_READERS: Final[dict[int, Callable[[bytes], int | MbusTime | str]]] = {
    **dict.fromkeys(_DECIMALS, mbus_values.bcd),
    _TEXT: mbus_values.text,
    _MINUS_DECIMAL: _negated,
}


def _byte(data: bytes, at: int) -> int:
    if at >= len(data):
        raise _Cut("the bytes end before the record does")
    return data[at]


def _bytes(data: bytes, at: int, length: int) -> bytes:
    if at + length > len(data):
        raise _Cut("the bytes end before the record does")
    return data[at : at + length]
