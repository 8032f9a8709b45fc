"""Each line has the decoder of what is spoken on it; nobody makes a gateway keep more of them than it may."""

from __future__ import annotations

import pytest

from gateway.lmn.hdlc import HdlcAddress, encode_frame
from gateway.lmn.hdlc_link import HdlcMessage
from gateway.lmn.lines import MAX_LINES, LineError, LineProtocol, Lines
from gateway.lmn.profiles import ProfileBook
from gateway.lmn.sml import SmlFrame
from gateway.lmn.wmbus import Telegram
from gateway.lmn.wmbus_build import build_telegram
from gateway.lmn.wmbus_layers import Mode
from gateway.lmn.wmbus_link import FrameFormat, MbusAddress
from gateway.lmn.wmbus_security import CounterStore
from stations.meter import HouseholdMeter
from tests.gateway.lmn.counters import Counters
from tests.support.lives import START


def lines(**protocols: LineProtocol) -> Lines:
    """Lines with these protocols."""
    return Lines(protocols, ProfileBook, Counters)


@pytest.fixture
def frame() -> bytes:
    return HouseholdMeter("1EMH0012345678", START, seed=1).frame_at(START)


def test_sml_is_spoken_where_nothing_is_said(frame: bytes) -> None:
    (event,) = lines().feed("any", frame)
    assert isinstance(event, SmlFrame)


def test_hdlc_is_spoken_on_the_wired_bus() -> None:
    sent = encode_frame(HdlcAddress(16), HdlcAddress(17), 0x13, b"no SML")
    (event,) = lines(bus=LineProtocol.SML_HDLC).feed("bus", sent)
    assert isinstance(event, HdlcMessage)


@pytest.mark.parametrize("protocol", [LineProtocol.WMBUS_A, LineProtocol.WMBUS_B])
def test_a_radio_line_keeps_counters_from_its_first_bytes_on(protocol: LineProtocol) -> None:
    opened: list[CounterStore] = []

    def open_counters() -> CounterStore:
        opened.append(Counters())
        return opened[-1]

    radio = Lines({"radio": protocol, "other": protocol}, ProfileBook, open_counters)
    assert not opened
    address = MbusAddress("EMH", "12345678", 1, 2)
    form = FrameFormat.A if protocol is LineProtocol.WMBUS_A else FrameFormat.B
    (event,) = radio.feed("radio", build_telegram(address, bytes(6), mode=Mode.NONE, frame_format=form))
    assert isinstance(event, Telegram)
    radio.feed("other", b"")
    assert len(opened) == 1


def test_a_frame_that_comes_in_pieces_on_two_lines_is_whole_on_each(frame: bytes) -> None:
    heard = lines()
    for at in range(len(frame) - 1):
        assert not heard.feed("one", frame[at : at + 1])
        assert not heard.feed("two", frame[at : at + 1])
    assert len(heard.feed("one", frame[-1:])) == len(heard.feed("two", frame[-1:])) == 1


def test_a_sender_that_has_gone_is_forgotten(frame: bytes) -> None:
    heard = lines(net=LineProtocol.SML)
    for number in range(3 * MAX_LINES):
        heard.feed(f"net/{number}", frame[:20])
        heard.feed(f"net/{number}", b"")


def test_there_are_only_so_many_lines() -> None:
    heard = lines()
    for number in range(MAX_LINES):
        heard.feed(f"lmn{number}", b"")
    with pytest.raises(LineError, match=f"listens to {MAX_LINES}"):
        heard.feed("one too many", b"")


def test_senders_that_went_unheard_make_room_for_others(frame: bytes) -> None:
    heard = lines(net=LineProtocol.SML)
    heard.feed("one", frame[:20])
    for number in range(3 * MAX_LINES):
        heard.feed(f"net/{number}", frame[:20])
    assert len(heard.feed("one", frame[20:])) == 1, "a line of its own is not forgotten"
