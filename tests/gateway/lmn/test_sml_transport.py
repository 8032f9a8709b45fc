"""Frames in a stream: escapes, damage, and that every byte is accounted for however the stream is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lmn import crc16
from gateway.lmn.crc16 import CrcKind
from gateway.lmn.sml_errors import SmlEncodeError
from gateway.lmn.sml_transport import ESCAPE, MAX_FRAME, START, FrameReader, Skipped, TransportFrame, encode_frame
from tests.support.streams import assert_tiles

PIECES = st.sampled_from(
    [ESCAPE, START, b"\x1b", b"\x1b\x1b", b"\x1a", b"\x01\x01\x01\x01", b"\x00", b"v\x05", b"\xff"]
)
AWKWARD = st.lists(PIECES | st.binary(max_size=6), max_size=20).map(b"".join)
"""Payloads full of what means something to the transport."""


def read(data: bytes, max_frame: int = MAX_FRAME) -> list[TransportFrame | Skipped]:
    reader = FrameReader(max_frame)
    return [*reader.feed(data), *reader.finish()]


def read_in_pieces(data: bytes, cuts: list[int], max_frame: int = MAX_FRAME) -> list[TransportFrame | Skipped]:
    reader = FrameReader(max_frame)
    found: list[TransportFrame | Skipped] = []
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for begin, end in pairwise(places):
        found += reader.feed(data[begin:end])
        assert reader.kept_bytes < max_frame
    return found + reader.finish()


def only_frame(data: bytes) -> TransportFrame:
    (frame,) = read(data)
    assert isinstance(frame, TransportFrame)
    return frame


def test_a_frame_byte_by_byte() -> None:
    encoded = bytes.fromhex("1b1b1b1b01010101 76010000 1b1b1b1b1a02 d583")
    assert encode_frame(b"\x76\x01") == encoded
    frame = only_frame(encoded)
    assert (frame.offset, frame.end, frame.payload, frame.fill, frame.crc) == (0, 20, b"\x76\x01", b"\0\0", CrcKind.X25)


def test_escape_in_the_payload_is_doubled_at_any_offset() -> None:
    encoded = encode_frame(bytes.fromhex("001b1b1b1b010203"))
    assert encoded[8:20] == bytes.fromhex("001b1b1b1b1b1b1b1b010203")
    assert only_frame(encoded).payload == bytes.fromhex("001b1b1b1b010203")


@pytest.mark.parametrize("count", range(1, 30))
@pytest.mark.parametrize("before", range(4))
def test_runs_of_escape_bytes_before_the_end(before: int, count: int) -> None:
    """The end sequence follows the payload's own escape bytes without a gap."""
    payload = b"\xaa" * before + b"\x1b" * count
    payload = b"\xbb" * (-len(payload) % 4) + payload
    assert only_frame(encode_frame(payload)).payload == payload


@given(AWKWARD, st.sampled_from(CrcKind))
def test_round_trip(payload: bytes, crc: CrcKind) -> None:
    encoded = encode_frame(payload, crc)
    frame = only_frame(encoded)
    assert len(encoded) % 4 == 0
    assert frame.payload == payload
    assert encode_frame(frame.payload, frame.crc, frame.fill) == encoded
    assert frame.crc is crc or frame.crc is CrcKind.X25


@given(st.binary(max_size=3), st.binary(max_size=30))
def test_fill_bytes_are_kept_as_sent(fill: bytes, payload: bytes) -> None:
    payload = payload + bytes(-(len(payload) + len(fill)) % 4)
    encoded = encode_frame(payload, CrcKind.X25, fill)
    frame = only_frame(encoded)
    assert (frame.payload, frame.fill) == (payload, fill)


@pytest.mark.parametrize(("payload", "fill"), [(b"abcd", bytes(4)), (b"abc", b""), (b"abcd", b"\0")])
def test_impossible_fill_is_refused(payload: bytes, fill: bytes) -> None:
    with pytest.raises(SmlEncodeError, match="fill bytes"):
        encode_frame(payload, CrcKind.X25, fill)


@given(st.lists(AWKWARD.map(encode_frame) | AWKWARD, max_size=6), st.lists(st.integers(0, 2**16), max_size=12))
def test_cuts_make_no_difference(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    whole = read(data)
    assert_tiles(whole, len(data))
    assert read_in_pieces(data, cuts) == whole
    assert read_in_pieces(data, list(range(len(data)))) == whole


@given(st.lists(AWKWARD.map(encode_frame) | AWKWARD, max_size=6), st.integers(16, 80))
def test_cuts_make_no_difference_when_frames_are_too_long(parts: list[bytes], max_frame: int) -> None:
    data = b"".join(parts)
    whole = read(data, max_frame)
    assert_tiles(whole, len(data))
    assert read_in_pieces(data, list(range(len(data))), max_frame) == whole
    assert all(item.end - item.offset <= max_frame for item in whole if isinstance(item, TransportFrame))


@given(AWKWARD, AWKWARD)
def test_a_frame_after_noise_is_found(noise: bytes, payload: bytes) -> None:
    """Whatever comes before: noise without a start sequence cannot hide the frame that follows."""
    if START in noise + START[:-1]:
        return
    encoded = encode_frame(payload)
    found = read(noise + encoded)
    assert isinstance(found[-1], TransportFrame)
    assert found[-1].payload == payload


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (b"garbage", "no start sequence"),
        (START + b"abcd", "the bytes end before the frame does"),
        (START, "the bytes end before the frame does"),
        (START[:-1], "no start sequence"),
        (encode_frame(b"abcd")[:-1], "the bytes end before the frame does"),
        (encode_frame(b"abcd")[:-1] + b"\xee", "transport CRC wrong"),
        (START + b"abcd" + ESCAPE + b"\x02\0\0\0", "unknown escape sequence 02000000 at byte 12"),
        (START + b"abcd" + b"\0" * MAX_FRAME, f"no end within {MAX_FRAME} bytes"),
    ],
)
def test_damage_is_named_and_the_next_frame_found(damaged: bytes, reason: str) -> None:
    intact = encode_frame(b"next")
    assert read(damaged) == [Skipped(0, len(damaged), reason)]
    skipped, frame = read(damaged + intact)
    assert isinstance(skipped, Skipped)
    assert isinstance(frame, TransportFrame)
    assert (skipped.offset, skipped.end) == (0, len(damaged))
    assert frame.payload == b"next"
    assert not skipped.ok
    assert skipped.error == skipped.reason


def test_a_start_inside_a_frame_begins_anew() -> None:
    intact = encode_frame(b"next")
    skipped, frame = read(START + b"lost its end" + intact)
    assert skipped == Skipped(0, 20, "a new frame starts where the end of this one was expected")
    assert isinstance(frame, TransportFrame)


def test_a_start_hidden_behind_half_an_end_is_found() -> None:
    """A frame cut off after the first four bytes of its end: with the next start they look like an escaped escape."""
    intact = encode_frame(b"next")
    skipped, frame = read(encode_frame(b"abcd")[:16] + intact)
    assert skipped == Skipped(0, 16, "transport CRC wrong")
    assert isinstance(frame, TransportFrame)
    assert frame.payload == b"next"


def test_lost_checksum_bytes_do_not_take_the_next_start_along() -> None:
    intact = encode_frame(b"next")
    skipped, frame = read(encode_frame(b"abcd")[:-2] + intact)
    assert skipped == Skipped(0, 18, "transport CRC wrong")
    assert isinstance(frame, TransportFrame)


def test_an_escaped_start_sequence_is_payload() -> None:
    payload = b"ab" + START + b"cd"
    assert only_frame(encode_frame(payload)).payload == payload


def test_wrong_lengths_are_damage_even_with_a_right_checksum() -> None:
    def closed(covered: bytes) -> bytes:
        return covered + crc16.as_sent(covered, CrcKind.X25).to_bytes(2, "big")

    assert read(closed(START + b"abc" + ESCAPE + b"\x1a\0")) == [
        Skipped(0, 19, "the frame's length is not a multiple of four")
    ]
    assert read(closed(START + b"abcd" + ESCAPE + b"\x1a\x04")) == [
        Skipped(0, 20, "impossible number of fill bytes: 4")
    ]
    assert read(closed(START + ESCAPE + b"\x1a\x01")) == [Skipped(0, 16, "impossible number of fill bytes: 1")]


@pytest.mark.parametrize(
    "pattern", [b"\0", b"\x1b", ESCAPE + START, b"\x1b\x1b\x1b\x01", START, b"v\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b"]
)
def test_endless_input_is_kept_within_bounds(pattern: bytes) -> None:
    reader = FrameReader()
    reader.feed(START)
    for _ in range(50):
        reader.feed(pattern * (4096 // len(pattern)))
        assert reader.kept_bytes < MAX_FRAME
    reader.finish()
    assert reader.kept_bytes == 0


def test_offsets_go_on_after_a_pause() -> None:
    reader = FrameReader()
    frame = encode_frame(b"abcd")
    assert reader.feed(frame + b"xy")[0].end == 20
    assert reader.finish() == [Skipped(20, 22, "no start sequence")]
    (second,) = reader.feed(frame)
    assert (second.offset, second.end) == (22, 42)


def test_a_bound_too_small_for_any_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16 bytes"):
        FrameReader(15)
