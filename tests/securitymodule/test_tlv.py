"""Data objects: one encoding of everything, and nothing else decodes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from securitymodule import tlv
from securitymodule.tlv import DataObject, TlvError

TAGS = st.sampled_from([0x01, 0x06, 0x30, 0x7C, 0x80, 0x87, 0x8E, 0x99, 0xE0, 0x5F37, 0x7F21, 0x7F49, 0x5F7F])
OBJECTS = st.builds(DataObject, TAGS, st.binary(max_size=300))


@given(st.lists(OBJECTS, max_size=20))
def test_round_trip(objects: list[DataObject]) -> None:
    encoded = b"".join(tlv.encode(tag, value) for tag, value in objects)
    assert list(tlv.decode_all(encoded)) == objects


@given(st.binary(max_size=200))
def test_any_bytes_are_objects_or_an_error(encoded: bytes) -> None:
    try:
        objects = tlv.decode_all(encoded)
    except TlvError:
        return
    assert b"".join(tlv.encode(tag, value) for tag, value in objects) == encoded


@pytest.mark.parametrize(("length", "head"), [(0, "8000"), (127, "807F"), (128, "808180"), (256, "80820100")])
def test_lengths(length: int, head: str) -> None:
    assert tlv.encode(0x80, bytes(length))[: len(head) // 2].hex().upper() == head


@pytest.mark.parametrize(
    "encoded",
    [
        "80",
        "8002AA",
        "80810AAA",
        "80817F" + "00" * 127,  # one octet would do
        "80820010" + "00" * 16,
        "808300000100",
        "8080",  # indefinite
        "5F",
        "5F1E00",  # a tag that one byte would hold
        "5F813700",  # a tag of three bytes
        "1F",
        "0000",
        "7F",
    ],
)
def test_what_is_no_data_object(encoded: str) -> None:
    with pytest.raises(TlvError):
        tlv.decode_all(bytes.fromhex(encoded))


@pytest.mark.parametrize("tag", [0, -1, 0x1F, 0x5F1E, 0x5F80, 0x8001, 0x10000])
def test_what_is_no_tag(tag: int) -> None:
    with pytest.raises(TlvError):
        tlv.encode(tag, b"")


def test_a_value_has_its_bound() -> None:
    assert len(tlv.encode(0x80, bytes(tlv.MAX_VALUE))) == tlv.MAX_VALUE + 4
    with pytest.raises(TlvError):
        tlv.encode(0x80, bytes(tlv.MAX_VALUE + 1))


def test_so_has_their_number() -> None:
    with pytest.raises(TlvError, match="more than"):
        tlv.decode_all(b"\x80\x00" * (tlv.MAX_OBJECTS + 1))


def test_unique_and_alone() -> None:
    assert tlv.decode_unique(bytes.fromhex("8001AA8100")) == {0x80: b"\xaa", 0x81: b""}
    with pytest.raises(TlvError, match="twice"):
        tlv.decode_unique(bytes.fromhex("80008000"))
    assert tlv.decode_one(bytes.fromhex("7C028000"), 0x7C) == b"\x80\x00"
    for other in ("", "8000", "7C007C00", "7C008000"):
        with pytest.raises(TlvError, match="alone"):
            tlv.decode_one(bytes.fromhex(other), 0x7C)


def test_the_first_of_several() -> None:
    assert tlv.first_length(bytes.fromhex("3003010203FFFF")) == 5
    for other in ("", "3005010203"):
        with pytest.raises(TlvError):
            tlv.first_length(bytes.fromhex(other))


@pytest.mark.parametrize(
    ("dotted", "value"),
    [
        ("0.4.0.127.0.7.2.2.4.2.2", "04007F00070202040202"),
        ("1.2.840.10045.3.1.7", "2A8648CE3D030107"),
        ("2.999.3", "883703"),
        ("1.3", "2B"),
    ],
)
def test_object_identifiers(dotted: str, value: str) -> None:
    assert tlv.encode_oid(dotted).hex().upper() == value
    assert tlv.decode_oid(bytes.fromhex(value)) == dotted


@given(st.lists(st.integers(0, 2**40), max_size=6), st.integers(0, 39), st.integers(0, 2))
def test_object_identifiers_survive_a_round_trip(arcs: list[int], second: int, first: int) -> None:
    dotted = ".".join(map(str, [first, second, *arcs]))
    assert tlv.decode_oid(tlv.encode_oid(dotted)) == dotted


@given(st.binary(max_size=70))
def test_any_bytes_are_an_object_identifier_or_an_error(value: bytes) -> None:
    try:
        dotted = tlv.decode_oid(value)
    except TlvError:
        return
    assert tlv.encode_oid(dotted) == value


@pytest.mark.parametrize("dotted", ["", "1", "3.1", "1.40", "1.-2", "a.b", "1..2"])
def test_what_is_no_object_identifier(dotted: str) -> None:
    with pytest.raises(TlvError):
        tlv.encode_oid(dotted)
