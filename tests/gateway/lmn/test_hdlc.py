"""HDLC frames in a stream: addresses, checksums, shared flags, damage, and that every byte is accounted for."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lmn.hdlc import (
    FLAG,
    LLC_RESPONSE,
    MAX_LENGTH,
    UI,
    HdlcAddress,
    HdlcError,
    HdlcFrame,
    HdlcReader,
    encode_frame,
    information_control,
    receive_ready_control,
)
from gateway.lmn.sml_transport import Skipped
from tests.gateway.lmn.test_crc16 import bit_by_bit
from tests.support.streams import assert_tiles

METER = HdlcAddress(1, 17, 2)
GATEWAY = HdlcAddress(16)

ADDRESSES = (
    st.builds(HdlcAddress, st.integers(0, 127))
    | st.builds(HdlcAddress, st.integers(0, 127), st.integers(0, 127), st.just(2))
    | st.builds(HdlcAddress, st.integers(0, 2**14 - 1), st.integers(0, 2**14 - 1), st.just(4))
)
INFORMATION = st.binary(max_size=60) | st.lists(st.sampled_from([b"\x7e", b"\x7e\xa0", b"\xe6\xe7\x00"])).map(b"".join)
FRAMES = st.builds(
    lambda destination, source, control, information, segmented: encode_frame(
        destination, source, control, information, segmented=segmented
    ),
    ADDRESSES,
    ADDRESSES,
    st.integers(0, 255),
    INFORMATION,
    st.booleans(),
)


def read(data: bytes) -> list[HdlcFrame | Skipped]:
    reader = HdlcReader()
    return [*reader.feed(data), *reader.finish()]


def only_frame(data: bytes) -> HdlcFrame:
    (frame,) = read(data)
    assert isinstance(frame, HdlcFrame)
    return frame


def test_the_frame_that_opens_a_connection_byte_by_byte() -> None:
    encoded = encode_frame(HdlcAddress(1), HdlcAddress(16), 0x93)
    assert encoded == bytes.fromhex("7ea0070321930f017e")
    decoded = only_frame(encoded)
    assert (decoded.destination, decoded.source, decoded.control) == (HdlcAddress(1), HdlcAddress(16), 0x93)


@pytest.mark.parametrize(
    ("address", "wire"),
    [
        (HdlcAddress(1), "03"),
        (HdlcAddress(0x10), "21"),
        (HdlcAddress(1, 17, 2), "0223"),
        (HdlcAddress(1, 17, 4), "00020023"),
        (HdlcAddress(0x3FFF, 0x3FFF, 4), "fefefeff"),
    ],
)
def test_addresses_as_the_standard_prints_them(address: HdlcAddress, wire: str) -> None:
    assert address.encode().hex() == wire
    assert HdlcAddress.decode(bytes.fromhex(wire)) == address


@given(ADDRESSES)
def test_addresses_round_trip(address: HdlcAddress) -> None:
    assert HdlcAddress.decode(address.encode()) == address


@pytest.mark.parametrize("parts", [(128,), (-1,), (1, 2, 3), (1, None, 2), (1, 2, 1), (1, 128, 2), (2**14, 0, 4)])
def test_impossible_addresses_are_refused(parts: tuple[int, ...]) -> None:
    with pytest.raises(HdlcError):
        HdlcAddress(*parts)


@pytest.mark.parametrize("wire", ["", "02", "0303", "020203", "0202020203"])
def test_bytes_that_are_no_address_are_refused(wire: str) -> None:
    with pytest.raises(HdlcError):
        HdlcAddress.decode(bytes.fromhex(wire))


@given(FRAMES)
def test_round_trip(encoded: bytes) -> None:
    frame = only_frame(encoded)
    again = encode_frame(frame.destination, frame.source, frame.control, frame.information, segmented=frame.segmented)
    assert again == encoded


def test_both_checksums_are_those_of_another_implementation() -> None:
    encoded = encode_frame(METER, GATEWAY, 0x10, b"content")
    hcs_at = encoded.index(b"content") - 2
    assert encoded[hcs_at : hcs_at + 2] == bit_by_bit(encoded[1:hcs_at], 0xFFFF, 0xFFFF).to_bytes(2, "little")
    assert encoded[-3:-1] == bit_by_bit(encoded[1:-3], 0xFFFF, 0xFFFF).to_bytes(2, "little")


@given(st.lists(FRAMES | st.binary(max_size=20), max_size=6), st.lists(st.integers(0, 400), max_size=8))
def test_cuts_make_no_difference(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    whole = read(data)
    assert_tiles(whole, len(data))
    reader = HdlcReader()
    found: list[HdlcFrame | Skipped] = []
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for begin, end in itertools.pairwise(places):
        found += reader.feed(data[begin:end])
        assert reader.kept_bytes <= MAX_LENGTH + 2
    assert found + reader.finish() == whole
    reader = HdlcReader()
    single = [event for byte in data for event in reader.feed(bytes((byte,)))]
    assert single + reader.finish() == whole


def test_frames_that_share_a_flag() -> None:
    first, second = encode_frame(METER, GATEWAY, 0x10, b"one"), encode_frame(GATEWAY, METER, 0x30, b"two")
    frames = read(first + second[1:])
    assert [frame.information for frame in frames if isinstance(frame, HdlcFrame)] == [b"one", b"two"]
    assert_tiles(frames, len(first) + len(second) - 1)


def test_a_flag_in_the_content_ends_nothing() -> None:
    assert only_frame(encode_frame(METER, GATEWAY, 0x10, b"\x7e\xa0\x07\x7e")).information == b"\x7e\xa0\x07\x7e"


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (b"noise", "no flag"),
        (b"\x7e\x7e\x7e", "no frame format type 3 behind the flag"),
        (b"\x7e\xa0\x03\x7e", "impossible frame length 3"),
        (encode_frame(METER, GATEWAY, 0x10, b"abc")[:-1], "the bytes end before the frame does"),
        (b"\x7e\xa0\x0a\x02\x02\x02\x02\x02\x02", "an address of more than four bytes"),
        (b"\x7e\xa0\x0e\x02\x02\x03\x21\x10\x00\x00", "an address of three bytes"),
        (b"\x7e\xa0\x07\x02\x02\x02\x02\x02", "the addresses are longer than the frame"),
    ],
)
def test_damage_is_named_and_the_next_frame_found(damaged: bytes, reason: str) -> None:
    assert read(damaged) == [Skipped(0, len(damaged), reason)]
    intact = encode_frame(METER, GATEWAY, 0x10, b"next")
    *_, frame = read(damaged + b"\x00" * 2_100 + intact)
    assert isinstance(frame, HdlcFrame)
    assert frame.information == b"next"


@given(FRAMES, st.data())
def test_one_flipped_bit_never_passes(encoded: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(1, len(encoded) - 2))
    damaged = bytearray(encoded)
    damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    assert all(isinstance(item, Skipped) or item.end - item.offset < len(encoded) for item in read(bytes(damaged)))


def test_a_frame_damaged_hides_none_behind_it() -> None:
    damaged = bytearray(encode_frame(METER, GATEWAY, 0x10, b"lost"))
    damaged[-2] ^= 1
    skipped, frame = read(bytes(damaged) + encode_frame(METER, GATEWAY, 0x10, b"next"))
    assert isinstance(skipped, Skipped)
    assert skipped.reason == "FCS wrong"
    assert isinstance(frame, HdlcFrame)
    assert frame.information == b"next"


@pytest.mark.parametrize("pattern", [b"\x7e", b"\x7e\xa7\xff", b"\xa7\xff", b"\x7e\xa7\xff\x03\x03", b"\0"])
def test_endless_input_is_kept_within_bounds(pattern: bytes) -> None:
    reader = HdlcReader()
    for _ in range(20):
        reader.feed(pattern * (4_096 // len(pattern)))
        assert reader.kept_bytes <= MAX_LENGTH + 2
    reader.finish()
    assert reader.kept_bytes == 0


def test_random_noise_makes_no_frames() -> None:
    noise = random.Random(7).randbytes(60_000)  # noqa: S311
    found = read(noise)
    assert all(isinstance(item, Skipped) for item in found)
    assert_tiles(found, len(noise))


def test_control_fields() -> None:
    frame = only_frame(encode_frame(METER, GATEWAY, information_control(5, 3), b"x"))
    assert (frame.is_information, frame.send_number, frame.receive_number, frame.poll_final) == (True, 5, 3, True)
    ready = only_frame(encode_frame(METER, GATEWAY, receive_ready_control(6)))
    assert (ready.is_information, ready.receive_number) == (False, 6)
    assert only_frame(encode_frame(METER, GATEWAY, UI, b"x")).is_unnumbered_information


def test_the_llc_header_is_taken_off_where_there_is_one() -> None:
    assert only_frame(encode_frame(METER, GATEWAY, 0x10, LLC_RESPONSE + b"v")).payload == b"v"
    assert only_frame(encode_frame(METER, GATEWAY, 0x10, b"v")).payload == b"v"


def test_what_fits_no_frame_is_refused() -> None:
    with pytest.raises(HdlcError, match="2047 is the most"):
        encode_frame(METER, GATEWAY, 0x10, bytes(2_040))
    with pytest.raises(HdlcError, match="no byte"):
        encode_frame(METER, GATEWAY, 256)
    with pytest.raises(ValueError, match="7 to 2047"):
        HdlcReader(6)
    assert encode_frame(METER, GATEWAY, 0x10)[0] == FLAG
