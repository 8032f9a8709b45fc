"""Values of M-Bus data records: integers, binary coded decimals, dates, strings. No float is ever made of them.

Source: EN 13757-3, annex on data types A (BCD), B (signed integer), F, G, I and J (dates and times).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_NIBBLE_MINUS: Final = "f"
_NO_DIGITS: Final = frozenset("abcdef")
_LENGTH_G, _LENGTH_J, _LENGTH_F, _LENGTH_I = 2, 3, 4, 6
_CENTURY_TURN: Final = 80
_HIGHEST_HOUR, _HIGHEST_SIXTIETH = 23, 59
_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class MbusValueError(ValueError):
    """Bytes that are no value of their type, or that the meter marks as no value."""


@dataclass(frozen=True, slots=True)
class MbusTime:
    """A date, a time of day or both as the meter shows them: its own local time, and no claim about UTC.

    Parts that the type does not have are None. ``summer`` is the meter's summer time bit.
    """

    year: int | None = None
    month: int | None = None
    day: int | None = None
    hour: int | None = None
    minute: int | None = None
    second: int | None = None
    summer: bool = False

    def __str__(self) -> str:
        date = "" if self.day is None else f"{self.year:04}-{self.month:02}-{self.day:02}"
        time = "" if self.hour is None else f"{self.hour:02}:{self.minute:02}"
        seconds = "" if self.second is None else f":{self.second:02}"
        return f"{date}{'T' if date and time else ''}{time}{seconds}"


def signed_integer(data: bytes) -> int:
    """Type B, low byte first. :raises MbusValueError: for the lowest number, which says that there is no value."""
    if data == bytes(len(data) - 1) + b"\x80":
        raise MbusValueError("the meter marks the value as invalid")
    return int.from_bytes(data, "little", signed=True)


def bcd(data: bytes) -> int:
    """Type A: two digits a byte, low byte first; a leading ``F`` is a minus.

    :raises MbusValueError: if there are other digits, by which meters mark an error.
    """
    digits = data[::-1].hex()
    negative = digits.startswith(_NIBBLE_MINUS)
    if negative:
        digits = digits[1:]
    if not digits or _NO_DIGITS.intersection(digits):
        raise MbusValueError(f"{data.hex()} is no decimal number")
    return -int(digits) if negative else int(digits)


def date(data: bytes) -> MbusTime:
    """Type G, two bytes. :raises MbusValueError: if it is no date."""
    if len(data) != _LENGTH_G:
        raise MbusValueError(f"a date of {len(data)} bytes")
    year, month, day = _date_parts(data[0], data[1])
    return MbusTime(_full_year(year), month, day)


def date_and_time(data: bytes) -> MbusTime:
    """Type F (four bytes), I (six) or J (three, time only). :raises MbusValueError: if it is none or marked invalid."""
    if len(data) == _LENGTH_F:
        if data[0] & 0x80:
            raise MbusValueError("the meter marks the time as invalid")
        year, month, day = _date_parts(data[2], data[3])
        century = data[1] >> 5 & 3
        hour, minute = _time_parts(data[1] & 0x1F, data[0] & 0x3F)
        full = 1900 + 100 * century + year if century else _full_year(year)
        return MbusTime(full, month, day, hour, minute, summer=bool(data[1] & 0x80))
    if len(data) == _LENGTH_I:
        if data[1] & 0x80:
            raise MbusValueError("the meter marks the time as invalid")
        year, month, day = _date_parts(data[3], data[4])
        hour, minute = _time_parts(data[2] & 0x1F, data[1] & 0x3F)
        return MbusTime(_full_year(year), month, day, hour, minute, _second(data[0]), summer=bool(data[0] & 0x40))
    if len(data) == _LENGTH_J:
        hour, minute = _time_parts(data[2] & 0x1F, data[1] & 0x3F)
        return MbusTime(hour=hour, minute=minute, second=_second(data[0]))
    raise MbusValueError(f"a time of {len(data)} bytes")


def text(data: bytes) -> str:
    """A string, sent last character first. :raises MbusValueError: unless it is printable ASCII throughout."""
    turned = data[::-1]
    if not all(0x20 <= byte < 0x7F for byte in turned):
        raise MbusValueError(f"{data.hex()} is no printable text")
    return turned.decode("ascii")


def _date_parts(low: int, high: int) -> tuple[int, int, int]:
    day, month, year = low & 0x1F, high & 0x0F, (high & 0xF0) >> 1 | low >> 5
    if not 1 <= month <= len(_DAYS) or not 1 <= day <= _DAYS[month - 1] or year > 99:
        raise MbusValueError(f"{low:02x}{high:02x} is no date")
    return year, month, day


def _full_year(year: int) -> int:
    return 2000 + year if year <= _CENTURY_TURN else 1900 + year


def _time_parts(hour: int, minute: int) -> tuple[int, int]:
    if hour > _HIGHEST_HOUR or minute > _HIGHEST_SIXTIETH:
        raise MbusValueError(f"{hour}:{minute:02} is no time of day")
    return hour, minute


def _second(byte: int) -> int:
    second = byte & 0x3F
    if second > _HIGHEST_SIXTIETH:
        raise MbusValueError(f"{second} is no second of a minute")
    return second
