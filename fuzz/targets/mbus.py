"""M-Bus records: headers of every kind, cut and injured."""

from __future__ import annotations

from random import Random
from typing import Final

from fuzz.mutation import Mutator
from fuzz.oracles import record_value_is_in
from fuzz.target import ACCEPTED, NOTHING, hold, reason_class
from gateway.lmn.mbus_obis import GasVolume, obis_of
from gateway.lmn.mbus_records import Record, Records, read_records

_LENGTHS: Final = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 4, 6: 6, 7: 8, 8: 0, 9: 1, 10: 2, 11: 3, 12: 4, 14: 6}
_VIFS: Final = (0x03, 0x06, 0x13, 0x14, 0x2B, 0x3B, 0x5A, 0x6C, 0x6D, 0x6E, 0x78, 0x7C, 0x7F, 0x93, 0x94, 0xFB, 0xFD)
_VIFES: Final = (0x00, 0x3A, 0x3B, 0x3C, 0x3E, 0x70, 0x77, 0x7D, 0x15, 0x18, 0x1D, 0x17, 0xBB, 0xBC, 0xF7, 0xFD)
_WORDS: Final = (
    b"\x2f",
    b"\x0f",
    b"\x1f",
    b"\x0d",
    b"\x7c\x03hWk",
    b"\x8c\x01",
    b"\xff" * 12,
    b"\x0d\x7c\xff",
    b"\xf4",
)
_MEDIA: Final = (None, 1, 4, 5, 6, 7, 8, 9)


def record(random: Random) -> bytes:
    """One record, possible for the most part; of three one is such that it has a code with some medium."""
    if random.random() < 0.35:
        coding = random.choice((1, 2, 3, 4, 6, 7, 9, 10, 11, 12, 14))
        vif = random.choice((0x03, 0x06, 0x13, 0x14, 0x15, 0x2B, 0x6E))
        return bytes((coding, vif)) + _content(random, coding, _LENGTHS[coding])
    coding = random.choice((*_LENGTHS, 13))
    storage = random.random() < 0.15
    function = random.randrange(4) if random.random() < 0.2 else 0
    difes = [random.randrange(128) for _ in range(random.choice((0,) * 14 + (1, 1, 2, 3, 9, 10, 11)))]
    dif = (0x80 if difes else 0) | storage << 6 | function << 4 | coding
    header = bytes((dif, *(dife | 0x80 for dife in difes[:-1]), *difes[-1:]))
    vif = random.choice(_VIFS) if random.random() < 0.9 else random.randrange(256)
    if random.random() < 0.2:
        vif |= 0x80
    header += bytes((vif,))
    if vif & 0x7F == 0x7C:
        header += b"\x03hWk"
    while vif & 0x80:
        vif = random.choice(_VIFES)
        header += bytes((vif,))
    if coding == 13:
        length = random.choice((0, 5, 0xC4, 0xD9, 0xE8, 0xEF, 0xF4, 0xBF, 0xCA, 0xFF))
        size = length if length < 0xC0 else length & 0x0F if length < 0xF0 else 4 * (length - 0xEC) & 0xFF
        return header + bytes((length,)) + _content(random, coding, size)
    return header + _content(random, coding, _LENGTHS[coding])


def records(random: Random) -> bytes:
    """An application of a few records, now and then with fillers or data of the manufacturer's."""
    parts = [record(random) for _ in range(random.choice((1, 2, 3, 5)))]
    if random.random() < 0.2:
        parts.append(random.choice((b"\x2f" * 5, b"\x0f" + random.randbytes(9), b"\x1f")))
    return b"".join(parts)


def _content(random: Random, coding: int, size: int) -> bytes:
    if coding in (9, 10, 11, 12, 14) and random.random() < 0.8:
        digits = "".join(random.choice("0123456789") for _ in range(2 * size))
        return bytes.fromhex(digits)
    if coding == 13 and random.random() < 0.5:
        return random.choice((b"A", b"9", b"\x1b")) * size
    return random.choice((random.randbytes(size), bytes(size), b"\xff" * size, (bytes(size) + b"\x80")[-size:]))


class MbusRecords:
    """:func:`read_records` and :func:`obis_of`: never raise, and a number is in the record's own bytes."""

    def __init__(self) -> None:
        self._mutator = Mutator(_WORDS, [bytes.fromhex("0c1427048502046d32371f1502fd1700002f2f2f2f2f")])

    def build(self, random: Random) -> bytes:
        """Records, half of them injured; some nothing but chance."""
        if random.random() < 0.05:
            return random.randbytes(random.randrange(80))
        return self._mutator.perhaps(random, records(random), 0.5, 4)

    def check(self, data: bytes) -> str:
        """See the class."""
        found = read_records(data)
        coded = check_records(found, data)
        if coded:
            return ACCEPTED
        first = found.records[0].reason if found.records else None
        return reason_class(found.error or first or NOTHING)

    def close(self) -> None:
        """Nothing is held."""


def check_records(found: Records, data: bytes) -> int:
    """How many of them have a code for some medium.

    :raises Violation: if a record is not where it says, or its value not in its bytes.
    """
    coded = place = 0
    for each in found.records:
        hold(each.offset >= place, "records overlap")
        raw = data[each.offset :]
        hold(raw.startswith(each.header), "a header that is not in the bytes")
        place = each.offset + len(each.header) + len(each.data)
        hold(each.data == b"" or each.data in raw, "a value's bytes that are not there")
        hold((each.value is None) <= (each.reason is not None), "no value and no reason")
        if isinstance(each.value, int):
            hold(_is_said(each), "a value that is not in the record")
        if isinstance(each.value, str):
            hold(each.value.isprintable(), "a control character in a text")
        codes = [obis_of(each, medium, volume) for medium in _MEDIA for volume in GasVolume]
        numbers = [code for code in codes if isinstance(code, bytes)]
        coded += bool(numbers)
        hold(all(len(code) == 6 for code in numbers), "a code of other than six bytes")
        hold(not numbers or (isinstance(each.value, int) and each.reason is None), "a code for no value")
    hold(place <= len(data), "a record is longer than the bytes")
    return coded


def _is_said(each: Record) -> bool:
    assert isinstance(each.value, int)
    data = each.data
    of_negated_decimals = each.value <= 0 and data[::-1].hex().strip("0") == str(-each.value).strip("0")
    unsigned = int.from_bytes(data, "little") == each.value
    return unsigned or of_negated_decimals or record_value_is_in(data, each.value)
