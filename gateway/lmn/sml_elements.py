"""SML elements: type-length fields (TL-Felder) and what they announce, decoded and encoded byte-identically.

Source: SML 1.04 (BSI TR-03109-1, Anlage IV), binary encoding. An element keeps its *wire form*, that is how wide its
TL field and its integer were sent: meters shorten integers to 3, 5, 6 or 7 bytes and need not choose the shortest TL
field. An omitted optional field (``01``) is ``None``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from gateway.lmn.sml_errors import SmlEncodeError, SmlSyntaxError

MAX_DEPTH: Final = 24
"""Lists in lists. The deepest regular message, a parameter tree, stays below a dozen; more is an attack."""

MAX_TL_WIDTH: Final = 8
"""Bytes of one TL field: 32 bits of length, more than any frame holds."""

MAX_INTEGER_WIDTH: Final = 8

_OCTETS, _BOOLEAN, _INTEGER, _UNSIGNED, _LIST = 0x00, 0x40, 0x50, 0x60, 0x70
_END_OF_MESSAGE: Final = 0x00
_ABSENT: Final = 0x01
_ONE_BYTE_INTEGER: Final = 0x52
_ONE_BYTE_UNSIGNED: Final = 0x62
_MORE: Final = 0x80


class Octets(NamedTuple):
    """An octet string (Oktett-Folge)."""

    data: bytes
    tl_width: int = 1


class Number(NamedTuple):
    """An integer: its value, the bytes it took on the wire (1 to 8), whether it was sent as Integer or as Unsigned."""

    value: int
    width: int
    signed: bool
    tl_width: int = 1


class Boolean(NamedTuple):
    """A boolean as sent: 0 is false, any other byte is true."""

    raw: int
    tl_width: int = 1


class SmlList(NamedTuple):
    """A list (Liste) of elements; sequences and choices of the standard are lists too."""

    items: tuple[Element, ...]
    tl_width: int = 1


Element = Octets | Number | Boolean | SmlList | None

_new = tuple.__new__  # what a NamedTuple's own constructor calls, at twice its speed

_BYTE_INTEGERS: Final = tuple(Number(byte - 256 if byte > 127 else byte, 1, True) for byte in range(256))
_BYTE_UNSIGNEDS: Final = tuple(Number(byte, 1, False) for byte in range(256))


def octets(data: bytes) -> Octets:
    """An octet string with the shortest TL field."""
    return Octets(bytes(data), _shortest_tl(len(data), counts_itself=True))


def unsigned(value: int, width: int) -> Number:
    """An Unsigned of ``width`` bytes. :raises SmlEncodeError: if it does not fit."""
    return _checked(Number(value, width, False))


def integer(value: int, width: int) -> Number:
    """A (signed) Integer of ``width`` bytes. :raises SmlEncodeError: if it does not fit."""
    return _checked(Number(value, width, True))


def sml_list(items: Iterable[Element]) -> SmlList:
    """A list with the shortest TL field."""
    kept = tuple(items)
    return SmlList(kept, _shortest_tl(len(kept), counts_itself=False))


def decode_element(data: bytes, position: int = 0, depth: int = MAX_DEPTH) -> tuple[Element, int]:
    """Decode the element at ``position`` and say where the next one begins.

    :param depth: how many lists may be nested.
    :raises SmlSyntaxError: whatever is wrong with the bytes.
    """
    (element,), end = decode_items(data, position, 1, depth)
    return element, end


def decode_items(data: bytes, position: int, count: int, depth: int = MAX_DEPTH) -> tuple[list[Element], int]:
    """Decode ``count`` elements from ``position`` on and say where the next one begins.

    This is where the time goes, so one loop does the common cases without a call each.

    :param depth: how many lists may be nested.
    :raises SmlSyntaxError: whatever is wrong with the bytes.
    """
    size = len(data)
    if count > size - position:  # every item takes a byte at least: refuse before collecting any
        raise SmlSyntaxError(f"{count} elements were expected where {size - position} bytes are left", position)
    items: list[Element] = []
    for _ in range(count):
        tl = data[position] if position < size else _END_OF_MESSAGE
        if tl == _ABSENT:
            items.append(None)
            position += 1
            continue
        if tl < _MORE:
            kind, length, width, start = tl & 0x70, tl & 0x0F, 1, position + 1
        else:
            kind, length, width, start = decode_tl_field(data, position)
        if kind == _LIST:
            if depth <= 0:
                raise SmlSyntaxError("lists are nested too deeply", position)
            nested, position = decode_items(data, start, length, depth - 1)
            items.append(_new(SmlList, (tuple(nested), width)))
            continue
        stop = position + length
        if not start <= stop <= size:
            raise SmlSyntaxError(_why_no_value(kind, length, position, size), position)
        if kind == _OCTETS:
            items.append(_new(Octets, (data[start:stop], width)))
        elif tl == _ONE_BYTE_UNSIGNED:
            items.append(_BYTE_UNSIGNEDS[data[start]])
        elif tl == _ONE_BYTE_INTEGER:
            items.append(_BYTE_INTEGERS[data[start]])
        else:
            items.append(_decode_scalar(kind, data[start:stop], width, position))
        position = stop
    return items, position


def decode_tl_field(data: bytes, position: int) -> tuple[int, int, int, int]:
    """Type, length, width of the TL field at ``position``, and where it ends. Lengths are as sent: of a list the
    number of its items, of all else the bytes including the TL field itself.

    :raises SmlSyntaxError: if it is truncated, too wide or has reserved bits set.
    """
    kind = length = 0
    for width in range(1, MAX_TL_WIDTH + 1):
        at = position + width - 1
        if at >= len(data):
            raise SmlSyntaxError("a TL field is truncated", position)
        byte = data[at]
        if width == 1:
            kind = byte & 0x70
        elif byte & 0x70:
            raise SmlSyntaxError(f"byte {byte:02x} has reserved bits set inside a TL field", at)
        length = length << 4 | byte & 0x0F
        if byte < _MORE:
            return kind, length, width, at + 1
    raise SmlSyntaxError(f"a TL field of more than {MAX_TL_WIDTH} bytes", position)


def decode_list_head(data: bytes, position: int) -> tuple[int, int, int]:
    """Number of items and TL width of the list at ``position``, and where its first item begins.

    :raises SmlSyntaxError: if there is no list.
    """
    if position >= len(data):
        raise SmlSyntaxError("a list was expected where the bytes end", position)
    kind, count, width, start = decode_tl_field(data, position)
    if kind != _LIST:
        raise SmlSyntaxError(f"a list was expected, not TL field {data[position]:02x}", position)
    return count, width, start


def encode_element(element: Element) -> bytes:
    """The bytes of an element in its wire form.

    :raises SmlEncodeError: if the value does not fit the width, or the length the TL field.
    """
    if element is None:
        return b"\x01"
    if isinstance(element, SmlList):
        head = encode_list_head(len(element.items), element.tl_width)
        return head + b"".join([encode_element(item) for item in element.items])
    if isinstance(element, Octets):
        return _encode_tl_field(_OCTETS, element.tl_width + len(element.data), element.tl_width) + element.data
    if isinstance(element, Boolean):
        if not 0 <= element.raw <= 0xFF:
            raise SmlEncodeError(f"{element.raw} does not fit the byte of a boolean")
        return _encode_tl_field(_BOOLEAN, element.tl_width + 1, element.tl_width) + bytes((element.raw,))
    _checked(element)
    kind = _INTEGER if element.signed else _UNSIGNED
    value = element.value.to_bytes(element.width, "big", signed=element.signed)
    return _encode_tl_field(kind, element.tl_width + element.width, element.tl_width) + value


def encode_list_head(count: int, tl_width: int) -> bytes:
    """The TL field of a list of ``count`` items. :raises SmlEncodeError: if the count does not fit."""
    return _encode_tl_field(_LIST, count, tl_width)


def _decode_scalar(kind: int, value: bytes, tl_width: int, position: int) -> Element:
    if kind in (_UNSIGNED, _INTEGER):
        if not 1 <= len(value) <= MAX_INTEGER_WIDTH:
            raise SmlSyntaxError(f"an integer of {len(value)} bytes", position)
        signed = kind == _INTEGER
        return _new(Number, (int.from_bytes(value, "big", signed=signed), len(value), signed, tl_width))
    if kind == _BOOLEAN:
        if len(value) != 1:
            raise SmlSyntaxError(f"a boolean of {len(value)} bytes", position)
        return Boolean(value[0], tl_width)
    raise SmlSyntaxError(f"an element of the reserved type {kind >> 4}", position)


def _why_no_value(kind: int, length: int, position: int, size: int) -> str:
    if position >= size:
        return "the bytes end where an element was expected"
    if kind == _OCTETS and length == 0:
        return "the end of a message where an element was expected"
    if position + length > size:
        return f"an element of {length} bytes runs over the end"
    return f"a length of {length}, less than the TL field itself takes"


def _encode_tl_field(kind: int, length: int, width: int) -> bytes:
    if not 1 <= width <= MAX_TL_WIDTH or length >> 4 * width:
        raise SmlEncodeError(f"a length of {length} does not fit a TL field of {width} bytes")
    if width == 1:
        return bytes((kind | length,))
    nibbles = [length >> 4 * place & 0x0F for place in reversed(range(width))]
    return bytes((_MORE | kind | nibbles[0], *(_MORE | nibble for nibble in nibbles[1:-1]), nibbles[-1]))


def _shortest_tl(length: int, *, counts_itself: bool) -> int:
    for width in range(1, MAX_TL_WIDTH + 1):
        if not (length + width * counts_itself) >> 4 * width:
            return width
    raise SmlEncodeError(f"nothing of length {length} can be announced")


def _checked(number: Number) -> Number:
    if 1 <= number.width <= MAX_INTEGER_WIDTH:
        bits = 8 * number.width
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if number.signed else (0, (1 << bits) - 1)
        if low <= number.value <= high:
            return number
    kind = "Integer" if number.signed else "Unsigned"
    raise SmlEncodeError(f"{number.value} does not fit an {kind} of {number.width} bytes")
