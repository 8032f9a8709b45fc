"""Data objects (BER-TLV) as smart cards use them: one- and two-byte tags, lengths in the fewest octets.

Source: ISO/IEC 7816-4, 5.2.2, and BSI TR-03110-3, appendix D: the distinguished rules, so that there is one encoding
of everything and a second one is an error; at most 65,535 bytes a value. Decoding looks at one level at a time, so that
no nesting, however deep, costs more than its bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

MAX_VALUE: Final = 65_535
"""Longest value of a data object, in bytes (TR-03110-3, appendix D)."""

MAX_OBJECTS: Final = 1_024
"""Most data objects on one level that decoding accepts."""


class TlvError(ValueError):
    """The bytes are no data objects, or not those that were expected."""


class DataObject(NamedTuple):
    """One data object (Datenobjekt, DO).

    :ivar tag: its tag as a number, 0x80 or 0x7F49 for example.
    :ivar value: its bytes, uninterpreted.
    """

    tag: int
    value: bytes


def _tag_bytes(tag: int) -> bytes:
    if 0 < tag <= 0xFF and tag & 0x1F != 0x1F:
        return bytes((tag,))
    # A second byte below 1F would fit into one byte; one with bit 8 announces a third.
    if 0 < tag <= 0xFFFF and (tag >> 8) & 0x1F == 0x1F and 0x1F <= tag & 0xFF < 0x80:
        return tag.to_bytes(2, "big")
    raise TlvError(f"{tag:#x} is no tag of one or two bytes")


def encode(tag: int, value: bytes) -> bytes:
    """One data object.

    :raises TlvError: if *tag* is none, or *value* is longer than :data:`MAX_VALUE`.
    """
    length = len(value)
    if length < 0x80:
        head = bytes((length,))
    elif length <= 0xFF:
        head = bytes((0x81, length))
    elif length <= MAX_VALUE:
        head = b"\x82" + length.to_bytes(2, "big")
    else:
        raise TlvError(f"a value of {length} bytes; a data object takes at most {MAX_VALUE}")
    return _tag_bytes(tag) + head + value


def encode_all(objects: Mapping[int, bytes]) -> bytes:
    """Data objects one after another, in the order of *objects*.

    :raises TlvError: as :func:`encode`.
    """
    return b"".join(encode(tag, value) for tag, value in objects.items())


def _decode_at(data: bytes, at: int) -> tuple[DataObject, int]:
    """The data object at offset *at*, and the offset behind it."""
    start = at
    tag = data[at]
    at += 1
    if tag & 0x1F == 0x1F:
        if at >= len(data):
            raise TlvError(f"the bytes end within the tag at byte {start}")
        tag = tag << 8 | data[at]
        at += 1
    try:
        _tag_bytes(tag)
    except TlvError as error:
        raise TlvError(f"{error} (byte {start})") from None
    if at >= len(data):
        raise TlvError(f"the bytes end before the length of the data object at byte {start}")
    length = data[at]
    at += 1
    if length >= 0x80:
        octets = length & 0x7F
        if octets not in {1, 2}:
            raise TlvError(f"a length of {octets} octets in the data object at byte {start}")
        if at + octets > len(data):
            raise TlvError(f"the bytes end within the length of the data object at byte {start}")
        length = int.from_bytes(data[at : at + octets], "big")
        at += octets
        if length < (0x80, 0x100)[octets - 1]:
            raise TlvError(f"a length in more octets than it needs in the data object at byte {start}")
    if at + length > len(data):
        raise TlvError(f"the bytes end within the value of the data object at byte {start}")
    return DataObject(tag, data[at : at + length]), at + length


def decode_all(data: bytes) -> tuple[DataObject, ...]:
    """All data objects of one level, in order.

    :raises TlvError: if the bytes are anything else, or there are more than :data:`MAX_OBJECTS`.
    """
    found: list[DataObject] = []
    at = 0
    while at < len(data):
        if len(found) == MAX_OBJECTS:
            raise TlvError(f"more than {MAX_OBJECTS} data objects on one level")
        found_here, at = _decode_at(data, at)
        found.append(found_here)
    return tuple(found)


def decode_unique(data: bytes) -> dict[int, bytes]:
    """The data objects of one level by tag, in order, where each tag stands at most once.

    :raises TlvError: as :func:`decode_all`, or if a tag stands twice.
    """
    found: dict[int, bytes] = {}
    for tag, value in decode_all(data):
        if tag in found:
            raise TlvError(f"data object {tag:02X} stands twice")
        found[tag] = value
    return found


def decode_one(data: bytes, tag: int) -> bytes:
    """The value of the data object *tag*, which must be all there is.

    :raises TlvError: if there is another one, more than one, or none.
    """
    objects = decode_all(data)
    if [found.tag for found in objects] != [tag]:
        told = " ".join(f"{found.tag:02X}" for found in objects) or "nothing"
        raise TlvError(f"expected data object {tag:02X} alone, found {told}")
    return objects[0].value


def first_length(data: bytes) -> int:
    """How many bytes the first data object in *data* takes, its tag and length counted; more may follow.

    :raises TlvError: if *data* does not begin with a whole data object.
    """
    if not data:
        raise TlvError("no bytes, so no data object")
    return _decode_at(data, 0)[1]


def encode_oid(dotted: str) -> bytes:
    """The value of an OBJECT IDENTIFIER written with dots, tag and length left out (X.690, 8.19).

    :raises TlvError: if it is none.
    """
    try:
        arcs = [int(arc) for arc in dotted.split(".")]
    except ValueError:
        arcs = []
    if len(arcs) < 2 or min(arcs) < 0 or arcs[0] > 2 or (arcs[0] < 2 and arcs[1] > 39):
        raise TlvError(f"{dotted!r} is no object identifier")
    encoded = bytearray()
    for number in (arcs[0] * 40 + arcs[1], *arcs[2:]):
        groups = max(1, (number.bit_length() + 6) // 7)
        encoded += bytes(number >> 7 * group & 0x7F | (0x80 if group else 0) for group in reversed(range(groups)))
    return bytes(encoded)


def decode_oid(value: bytes) -> str:
    """The reverse of :func:`encode_oid`.

    :raises TlvError: if *value* is no OBJECT IDENTIFIER, or one of more than 64 bytes.
    """
    if not 0 < len(value) <= 64 or value[-1] & 0x80:
        raise TlvError("no object identifier")
    numbers: list[int] = []
    number = 0
    fresh = True
    for octet in value:
        if fresh and octet == 0x80:
            raise TlvError("an arc of the object identifier in more octets than it needs")
        number = number << 7 | octet & 0x7F
        fresh = not octet & 0x80
        if fresh:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(str(arc) for arc in (first, numbers[0] - 40 * first, *numbers[1:]))
