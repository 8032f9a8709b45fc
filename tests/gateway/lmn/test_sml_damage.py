"""Damaged and hostile SML: the codec raises nothing but its own errors, ends, and never invents a reading.

What "invents" means: a frame reported with readings encodes to the very bytes at its place in the damaged input, and
over those bytes all checksums hold, computed here by another implementation. If these bytes stood in the original,
the readings are the original's. Bytes that did not stand there can only come through if two 16-bit checksums hold by
chance; such a frame is counted, and its checksums are what the property demands of it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.lmn import crc16
from gateway.lmn.crc16 import CrcKind
from gateway.lmn.sml import Decoder, Message, Reading, Skipped, SmlError, SmlFrame, decode_messages, decode_stream
from gateway.lmn.sml_elements import encode_element
from gateway.lmn.sml_transport import END_MARK, ESCAPE, START, encode_frame
from stations.meter import HouseholdMeter
from tests.gateway.lmn.test_crc16 import bit_by_bit
from tests.shared_data import sml_captures
from tests.support.campaign import Campaign

SHORTEST_EVENT = 8
"""Bytes that an intact frame or a resumed search takes at least; only the first and last range may be shorter."""


def synthetic() -> bytes:
    """Frames of the project's own meter, so that the campaign also runs where no captures are."""
    begin = datetime(2025, 3, 1, tzinfo=UTC)
    meter = HouseholdMeter("1EMH0012345678", begin, 3)
    minute = timedelta(minutes=1)
    return b"".join(frame for _, frame in meter.frames(begin + minute, begin + 12 * minute, minute))


ORIGINALS = [synthetic(), *sml_captures().values()]
READINGS_OF = {
    data[event.offset : event.end]: event.readings
    for data in ORIGINALS
    for event in decode_stream(data)
    if isinstance(event, SmlFrame)
}

INSERTED = st.binary(min_size=1, max_size=20) | st.sampled_from(
    [
        START,
        ESCAPE,
        ESCAPE + ESCAPE,
        ESCAPE + START,
        b"\x1b",
        ESCAPE + bytes((END_MARK, 0, 0, 0)),
        b"\0",
        b"\x76",
        b"\xff" * 8,
    ]
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A capture with up to six injuries: flipped bits, lost, repeated, inserted or moved bytes, cut ends."""
    data = bytearray(draw(st.sampled_from(ORIGINALS)))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        length = draw(st.integers(1, 40) | st.integers(1, 1200))
        kind = draw(st.sampled_from(["flip", "delete", "insert", "duplicate", "move", "overwrite", "head", "tail"]))
        if kind == "flip" and data:
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "delete":
            del data[place : place + length]
        elif kind == "insert":
            data[place:place] = draw(INSERTED)
        elif kind == "overwrite":
            new = draw(INSERTED)
            data[place : place + len(new)] = new
        elif kind == "duplicate":
            data[place:place] = data[place : place + length]
        elif kind == "move":
            piece = data[place : place + length]
            del data[place : place + length]
            to = draw(st.integers(0, len(data)))
            data[to:to] = piece
        elif kind == "head":
            del data[:place]
        elif kind == "tail":
            del data[place:]
    return bytes(data)


def checksum_holds(covered: bytes, sent: int, kind: CrcKind) -> bool:
    if kind is CrcKind.KERMIT:
        return bit_by_bit(covered, 0, 0) == sent
    return bit_by_bit(covered, 0xFFFF, 0xFFFF).to_bytes(2, "little") == sent.to_bytes(2, "big")


def assert_checksums_hold(frame: SmlFrame, raw: bytes) -> None:
    assert checksum_holds(raw[:-2], int.from_bytes(raw[-2:], "big"), frame.crc)
    for message in frame.messages:
        sent = message.wire[-1]
        covered = message.encode()[: -len(encode_element(sent)) - 1]
        assert isinstance(sent, tuple)
        assert isinstance(sent[0], int)
        assert checksum_holds(covered, sent[0], message.crc)


def assert_sound(data: bytes, events: list[SmlFrame | Skipped]) -> int:
    """What must hold of any input; returns how many frames came through that were in no original."""
    place = by_chance = 0
    for event in events:
        assert event.offset == place
        assert event.end > place
        place = event.end
        if isinstance(event, Skipped):
            assert event.reason
            continue
        assert event.ok == bool(event.readings) == (event.error is None)
        if event.ok:
            raw = data[event.offset : event.end]
            assert event.encode() == raw
            original: tuple[Reading, ...] | None = READINGS_OF.get(raw)
            if original is not None:
                assert event.readings == original
            else:
                by_chance += 1
                assert_checksums_hold(event, raw)
    assert place == len(data)
    assert len(events) <= len(data) // SHORTEST_EVENT + 2
    return by_chance


def test_originals_are_sound() -> None:
    for data in ORIGINALS:
        assert assert_sound(data, decode_stream(data)) == 0
    for raw in READINGS_OF:
        (frame,) = decode_stream(raw)
        assert isinstance(frame, SmlFrame)
        assert_checksums_hold(frame, raw)


@pytest.mark.campaign
def test_damaged_captures(campaign: Campaign) -> None:
    tries = campaign.count(2_000)
    figures = {"frames": 0, "skipped": 0, "by_chance": 0}

    @settings(max_examples=tries)
    @given(damaged(), st.integers(1, 700))
    def never_invents(data: bytes, size: int) -> None:
        events = decode_stream(data)
        figures["by_chance"] += assert_sound(data, events)
        figures["frames"] += sum(isinstance(event, SmlFrame) for event in events)
        figures["skipped"] += sum(isinstance(event, Skipped) for event in events)
        decoder = Decoder()
        pieces = [event for at in range(0, len(data), size) for event in decoder.feed(data[at : at + size])]
        assert pieces + decoder.finish() == events

    never_invents()
    campaign.report(
        f"SML: damaged captures of {len(ORIGINALS) - 1} meters and one of ours",
        intact_frames=figures["frames"],
        skipped_ranges=figures["skipped"],
        unknown_frames_with_right_checksums=figures["by_chance"],
    )


@st.composite
def hostile_payloads(draw: st.DrawFn) -> bytes:
    """Payloads of intact frames, injured, then given right message checksums as far as they still are messages."""
    raw = draw(st.sampled_from(sorted(READINGS_OF)))
    (frame,) = decode_stream(raw)
    assert isinstance(frame, SmlFrame)
    parts = []
    for message in frame.messages:
        covered = bytearray(message.encode()[: -len(encode_element(message.wire[-1])) - 1])
        for _ in range(draw(st.integers(0, 2))):
            place = draw(st.integers(0, len(covered) - 1))
            if draw(st.booleans()):
                covered[place] = draw(st.integers(0, 255))
            else:
                covered[place : place + draw(st.integers(0, 3))] = draw(INSERTED)
        kind = draw(st.sampled_from(CrcKind))
        parts.append(bytes(covered) + b"\x63" + crc16.as_sent(bytes(covered), kind).to_bytes(2, "big") + b"\0")
    return b"".join(parts)


@pytest.mark.campaign
def test_hostile_senders(campaign: Campaign) -> None:
    """Whoever can compute checksums can send anything: it must decode or be refused, and encode to what it was."""
    tries = campaign.count(2_000)
    figures = {"decoded": 0, "refused": 0}

    @settings(max_examples=tries)
    @given(hostile_payloads())
    def decodes_or_refuses(payload: bytes) -> None:
        try:
            messages: tuple[Message, ...] = decode_messages(payload)
        except SmlError:
            figures["refused"] += 1
        else:
            figures["decoded"] += 1
            assert b"".join(message.encode() for message in messages) == payload
        data = encode_frame(payload)
        for event in decode_stream(data):
            assert event.ok == (event.error is None)
            if isinstance(event, SmlFrame) and event.messages:
                assert event.encode() == data[event.offset : event.end]

    decodes_or_refuses()
    campaign.report("SML: injured messages with right checksums", **figures)


@given(st.binary(max_size=200))
def test_any_payload_decodes_or_is_refused(payload: bytes) -> None:
    try:
        messages = decode_messages(payload)
    except SmlError:
        return
    assert b"".join(message.encode() for message in messages) == payload


@pytest.mark.parametrize("opening", [b"\x71", b"\x7f", b"\xf1\x8f\x0f", b"\x76"])
def test_lists_within_lists_do_not_exhaust_the_stack(opening: bytes) -> None:
    data = encode_frame(b"\x76" + opening * (12_000 // len(opening)))
    (event,) = decode_stream(data)
    assert not event.ok
