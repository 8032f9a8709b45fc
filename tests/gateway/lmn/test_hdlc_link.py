"""SML over HDLC: segments put together, what was lost named, and a client that asks a simulated meter."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.lmn.hdlc import UI, HdlcAddress, HdlcError, encode_frame, information_control
from gateway.lmn.hdlc_client import HdlcClient, HdlcTimeout
from gateway.lmn.hdlc_link import MAX_SENDERS, HdlcDecoder, HdlcMessage
from gateway.lmn.sml_transport import Skipped
from gateway.lmn.sml_transport import encode_frame as encode_sml_frame
from tests.gateway.lmn.hdlc_meter import SERVER_ID, SimulatedBusMeter, sml_file
from tests.support.campaign import Campaign
from tests.support.streams import injured

METER = HdlcAddress(1, 17, 2)
OTHER = HdlcAddress(1, 18, 2)
GATEWAY = HdlcAddress(16)


def segments(source: HdlcAddress, content: bytes, size: int) -> list[bytes]:
    parts = [content[at : at + size] for at in range(0, len(content), size)]
    return [
        encode_frame(GATEWAY, source, information_control(number, 0), part, segmented=number < len(parts) - 1)
        for number, part in enumerate(parts)
    ]


def decode(data: bytes) -> list[HdlcMessage | Skipped]:
    decoder = HdlcDecoder()
    return [*decoder.feed(data), *decoder.finish()]


@pytest.mark.parametrize("llc", [b"", bytes.fromhex("e6e700")])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_pushed_message_is_read(llc: bytes, wrapped: bool) -> None:
    content = sml_file(1234)
    pushed = encode_frame(GATEWAY, METER, UI, llc + (encode_sml_frame(content) if wrapped else content))
    (message,) = decode(b"noise" + pushed)[1:]
    assert isinstance(message, HdlcMessage)
    assert message.ok
    assert (message.source, message.destination, message.offset) == (METER, GATEWAY, 5)
    assert (message.readings[0].server_id, message.readings[0].value) == (SERVER_ID, 1234)


@given(st.integers(20, 200), st.integers(0, 2**40), st.integers(1, 50))
def test_segments_of_several_meters_interleaved(size: int, value: int, piece: int) -> None:
    mine, theirs = segments(METER, sml_file(value), size)[:8], segments(OTHER, sml_file(value + 1), 2 * size)[:8]
    data = b"".join(frame for pair in zip(mine, theirs, strict=False) for frame in pair)
    data += b"".join(mine[len(theirs) :]) + b"".join(theirs[len(mine) :])
    whole = decode(data)
    found = {message.source: message for message in whole if isinstance(message, HdlcMessage)}
    for meter, expected in ((METER, value), (OTHER, value + 1)):
        if meter in found and found[meter].ok:
            assert found[meter].readings[0].value == expected
    decoder = HdlcDecoder()
    pieces = [event for at in range(0, len(data), piece) for event in decoder.feed(data[at : at + piece])]
    assert pieces + decoder.finish() == whole


def test_all_segments_make_a_message_and_one_lost_makes_none() -> None:
    frames = segments(METER, sml_file(5), 60)
    (message,) = decode(b"".join(frames))
    assert isinstance(message, HdlcMessage)
    assert message.ok
    for lost in range(1, len(frames) - 1):
        found = decode(b"".join(frames[:lost] + frames[lost + 1 :]))
        assert not any(isinstance(event, HdlcMessage) and event.ok for event in found)
        assert any(isinstance(event, Skipped) and "lost" in event.reason for event in found)


def test_a_segment_sent_twice_counts_once() -> None:
    frames = segments(METER, sml_file(5), 60)
    (message,) = decode(b"".join([frames[0], frames[0], *frames[1:]]))
    assert isinstance(message, HdlcMessage)
    assert message.ok


def test_what_never_ends_is_bounded_and_named() -> None:
    decoder = HdlcDecoder(max_message=1_000)
    frame = encode_frame(GATEWAY, METER, UI, bytes(400), segmented=True)
    found = [event for _ in range(4) for event in decoder.feed(frame)]
    assert any(isinstance(event, Skipped) and "no end within 1000 bytes" in event.reason for event in found)
    assert decoder.kept_bytes <= 1_000
    decoder = HdlcDecoder()
    for number in range(2 * MAX_SENDERS):
        decoder.feed(encode_frame(GATEWAY, HdlcAddress(1, number % 128, 2), UI, b"x", segmented=True))
    assert decoder.kept_bytes <= MAX_SENDERS
    left = decoder.finish()
    assert {event.reason for event in left if isinstance(event, Skipped)} == {
        "the bytes end before the message's last segment"
    }
    assert decoder.kept_bytes == 0


@pytest.mark.parametrize(
    ("content", "reason"), [(b"\x7a\x01", "a list of 10"), (encode_sml_frame(b"")[:-1], "0 SML frames")]
)
def test_content_that_is_no_sml_is_named(content: bytes, reason: str) -> None:
    (message,) = decode(encode_frame(GATEWAY, METER, UI, content))
    assert isinstance(message, HdlcMessage)
    assert not message.ok
    assert reason in (message.error or "")


def bus(meter: SimulatedBusMeter) -> tuple[HdlcClient, list[float], Callable[[], float]]:
    time = [0.0]

    def receive(seconds: float) -> bytes:
        sent = meter.take()
        if not sent:
            time[0] += seconds
        return sent

    def clock() -> float:
        return time[0]

    return HdlcClient(meter.hear, receive, clock, meter=meter.address, own=GATEWAY), time, clock


@pytest.mark.parametrize("segment", [16, 128, 1_000])
@pytest.mark.parametrize("llc", [False, True])
def test_a_list_is_asked_for_and_read(segment: int, llc: bool) -> None:
    meter = SimulatedBusMeter(METER, segment=segment, llc=llc)
    client, _, _ = bus(meter)
    with client:
        for value in (4711, 4712):
            meter.value = value
            message = client.get_list(b"gateway", SERVER_ID, bytes.fromhex("0100620affff"))
            assert message.error is None
            assert message.readings[0].value == value
        assert meter.connected
    assert not meter.connected
    assert [request.server_id for request in meter.requests] == [SERVER_ID, SERVER_ID]


def test_a_long_request_goes_in_segments() -> None:
    meter = SimulatedBusMeter(METER)
    client, _, _ = bus(meter)
    with client:
        assert client.get_list(b"gateway" * 60, SERVER_ID).ok
    assert meter.requests[0].client_id == b"gateway" * 60


def test_a_frame_that_got_lost_is_sent_again_and_a_silent_meter_named() -> None:
    meter = SimulatedBusMeter(METER)
    client, time, _ = bus(meter)
    meter.deaf = 2
    client.connect()
    assert time[0] == pytest.approx(4)
    meter.deaf = 99
    with pytest.raises(HdlcTimeout, match="meter 1/17 did not answer 3 times"):
        client.get_list(b"gateway")
    client.disconnect()
    with pytest.raises(HdlcError, match="no connection"):
        client.get_list(b"gateway")


def test_a_meter_that_lost_the_connection_is_named() -> None:
    meter = SimulatedBusMeter(METER)
    client, _, _ = bus(meter)
    client.connect()
    meter.connected = False
    with pytest.raises(HdlcError, match="disconnected"):
        client.get_list(b"gateway")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (encode_frame(GATEWAY, METER, information_control(3, 1), b"x"), "sent segment 3 where 0 was due"),
        (encode_frame(GATEWAY, METER, information_control(0, 5), b"x"), "acknowledges 5 instead of 1"),
    ],
)
def test_broken_numbering_is_named(answer: bytes, said: str) -> None:
    meter = SimulatedBusMeter(METER)
    client, _, _ = bus(meter)
    client.connect()
    client._send = lambda _: setattr(meter, "sent", answer)
    with pytest.raises(HdlcError, match=said):
        client.get_list(b"gateway")


ORIGINALS = [frame for value in range(3) for frame in segments(METER, sml_file(value), 70)]
ORIGINALS += [encode_frame(GATEWAY, OTHER, UI, sml_file(value)) for value in range(3, 6)]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Frames of two meters with up to five injuries: flipped bits, lost, repeated or inserted bytes, cut ends."""
    noise = st.binary(min_size=1, max_size=20) | st.just(b"\x7e\xa7\xff")
    return draw(injured(b"".join(ORIGINALS), st.integers(1, 5), st.integers(1, 20) | st.integers(1, 300), noise))


@pytest.mark.campaign
def test_damaged_frames_invent_no_reading(campaign: Campaign) -> None:
    """Two checksums of 16 bits and one a message stand in the way; in what comes through, each value was sent."""
    tries = campaign.count(2_000)
    figures = {"messages": 0, "refused": 0, "skipped": 0}

    @settings(max_examples=tries)
    @given(damaged(), st.integers(1, 400))
    def never_invents(data: bytes, size: int) -> None:
        events = decode(data)
        for event in events:
            if isinstance(event, Skipped):
                figures["skipped"] += 1
            elif event.ok:
                figures["messages"] += 1
                assert event.readings[0].server_id == SERVER_ID
                assert event.readings[0].value in (range(3) if event.source == METER else range(3, 6))
                assert [reading.value for reading in event.readings[1:]] == list(range(8))
            else:
                figures["refused"] += 1
        decoder = HdlcDecoder()
        pieces = [event for at in range(0, len(data), size) for event in decoder.feed(data[at : at + size])]
        assert sorted(map(repr, pieces + decoder.finish())) == sorted(map(repr, events))

    never_invents()
    campaign.report("HDLC: damaged frames of two meters", **figures)
