"""TL fields and elements: byte-identical both ways, and an error of the codec's own for all else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lmn.sml_elements import (
    MAX_DEPTH,
    Boolean,
    Element,
    Number,
    Octets,
    SmlList,
    decode_element,
    encode_element,
    integer,
    octets,
    sml_list,
    unsigned,
)
from gateway.lmn.sml_errors import SmlEncodeError, SmlError, SmlSyntaxError

WIRE_FORMS = [
    ("01", None),
    ("02ff", Octets(b"\xff")),
    ("0301ff", Octets(b"\x01\xff")),
    ("8302" + "aa" * 48, Octets(b"\xaa" * 48, 2)),
    ("8002", Octets(b"", 2)),
    ("4200", Boolean(0)),
    ("4201", Boolean(1)),
    ("42ff", Boolean(0xFF)),
    ("62ff", Number(255, 1, False)),
    ("52ff", Number(-1, 1, True)),
    ("53d6ca", Number(-10550, 2, True)),
    ("648e0000", Number(0x8E0000, 3, False)),
    ("54ffff00", Number(-256, 3, True)),
    ("650000ffff", Number(0xFFFF, 4, False)),
    ("560008d20349", Number(147981129, 5, True)),
    ("6900000000000000ff", Number(255, 8, False)),
    ("698000000000000000", Number(1 << 63, 8, False)),
    ("598000000000000000", Number(-(1 << 63), 8, True)),
    ("e00300", Number(0, 1, False, 2)),
    ("70", SmlList(())),
    ("7201520a", SmlList((None, Number(10, 1, True)))),
    ("f0016205", SmlList((Number(5, 1, False),), 2)),
    ("f101" + "01" * 17, SmlList((None,) * 17, 2)),
]


@pytest.mark.parametrize(("wire", "element"), WIRE_FORMS)
def test_wire_forms(wire: str, element: Element) -> None:
    data = bytes.fromhex(wire)
    assert decode_element(data) == (element, len(data))
    assert encode_element(element) == data


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        ("", "1 elements were expected where 0 bytes"),
        ("00", "end of a message"),
        ("05aabb", "runs over the end"),
        ("65ffff", "runs over the end"),
        ("61", "an integer of 0 bytes"),
        ("6a" + "00" * 9, "an integer of 9 bytes"),
        ("41", "a boolean of 0 bytes"),
        ("430000", "a boolean of 2 bytes"),
        ("1200", "reserved type 1"),
        ("2200", "reserved type 2"),
        ("3200", "reserved type 3"),
        ("73", "3 elements were expected where 0 bytes"),
        ("7201", "2 elements were expected where 1 bytes"),
        ("ff8f8f8f8f8f8f0f", "elements were expected"),
        ("8f8f8f8f8f8f8f8f01", "more than 8 bytes"),
        ("8f", "TL field is truncated"),
        ("8012", "reserved bits"),
        ("8001", "less than the TL field itself"),
        ("71" * (MAX_DEPTH + 1) + "01", "nested too deeply"),
    ],
)
def test_errors(wire: str, reason: str) -> None:
    with pytest.raises(SmlSyntaxError, match=reason):
        decode_element(bytes.fromhex(wire))


def test_deepest_list_that_is_taken() -> None:
    data = b"\x71" * MAX_DEPTH + b"\x01"
    element, end = decode_element(data)
    assert end == len(data)
    assert encode_element(element) == data


def numbers() -> st.SearchStrategy[Number]:
    """Numbers of every width and sign that fit."""

    def of_width(width: int, signed: bool) -> st.SearchStrategy[Number]:
        bits = 8 * width
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        return st.builds(Number, st.integers(low, high), st.just(width), st.just(signed), st.integers(1, 3))

    return st.tuples(st.integers(1, 8), st.booleans()).flatmap(lambda form: of_width(*form))


def octet_strings() -> st.SearchStrategy[Octets]:
    """Octet strings; the empty one needs a TL field of two bytes, or it were an absent element."""
    wide = st.builds(Octets, st.binary(max_size=200), st.integers(2, 4))
    return wide | st.builds(Octets, st.binary(min_size=1, max_size=14), st.just(1))


def elements() -> st.SearchStrategy[Element]:
    """Any element in any wire form."""
    scalars = st.none() | octet_strings() | numbers() | st.builds(Boolean, st.integers(0, 255), st.integers(1, 3))
    return st.recursive(
        scalars,
        lambda inner: st.builds(SmlList, st.lists(inner, max_size=15).map(tuple), st.integers(1, 3)),
        max_leaves=30,
    )


@given(elements(), st.binary(max_size=8), st.binary(max_size=8))
def test_round_trip_keeps_the_wire_form(element: Element, before: bytes, after: bytes) -> None:
    data = encode_element(element)
    assert decode_element(before + data + after, len(before)) == (element, len(before) + len(data))


@given(st.binary(max_size=120))
def test_any_bytes_give_an_element_or_an_error(data: bytes) -> None:
    try:
        element, end = decode_element(data)
    except SmlError:
        return
    assert encode_element(element) == data[:end]


@given(st.binary(min_size=1, max_size=5000))
def test_shortest_tl_field_of_octets(data: bytes) -> None:
    element = octets(data)
    assert decode_element(encode_element(element)) == (element, len(data) + element.tl_width)
    if element.tl_width > 1:
        with pytest.raises(SmlEncodeError):
            encode_element(Octets(data, element.tl_width - 1))


@given(st.integers(0, 5000))
def test_shortest_tl_field_of_lists(count: int) -> None:
    element = sml_list([None] * count)
    assert element.tl_width == (1 if count < 16 else 2 if count < 256 else 3 if count < 4096 else 4)
    assert decode_element(encode_element(element))[0] == element


@pytest.mark.parametrize(
    "element",
    [
        Number(256, 1, False),
        Number(-1, 1, False),
        Number(128, 1, True),
        Number(-129, 1, True),
        Number(1, 0, False),
        Number(1, 9, False),
        Number(1, -1, True),
        Boolean(256),
        Boolean(-1),
        Octets(b"a" * 15, 1),
        Octets(b"", 0),
        Octets(b"", 9),
        SmlList((None,) * 16, 1),
    ],
)
def test_what_does_not_fit_is_refused(element: Element) -> None:
    with pytest.raises(SmlEncodeError):
        encode_element(element)


def test_constructors_refuse_what_does_not_fit() -> None:
    assert unsigned(255, 1) == Number(255, 1, False)
    assert integer(-128, 1) == Number(-128, 1, True)
    with pytest.raises(SmlEncodeError, match="256 does not fit an Unsigned of 1 bytes"):
        unsigned(256, 1)
    with pytest.raises(SmlEncodeError, match="-129 does not fit an Integer of 1 bytes"):
        integer(-129, 1)
