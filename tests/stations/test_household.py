"""The household: three meters whose bytes the gateway's own decoders read as what the meters say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from gateway.lmn.device_id import device_id_from_server_id
from gateway.lmn.hdlc_link import HdlcDecoder, HdlcMessage
from gateway.lmn.intake import Capture, Event, Intake
from gateway.lmn.profiles import ProfileBook
from gateway.lmn.sml import Decoder
from gateway.lmn.wmbus import Telegram, WmbusDecoder
from gateway.lmn.wmbus_link import FrameFormat
from stations.household import (
    BUS_LINE,
    GAS_VOLUME,
    HOUR,
    QUARTER_HOUR,
    RADIO_LINE,
    SML_LINE,
    GasMeter,
    Household,
    first_quarter,
)
from tests.gateway.lmn.counters import Counters

START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
KEY = bytes(range(16))


class Listening:
    """The three lines decoded as the gateway does it."""

    def __init__(self, household: Household) -> None:
        self.now = START
        book = ProfileBook(household.profiles)
        self._intake = Intake(lambda: book, lambda: self.now)
        self._lines: dict[str, Decoder | HdlcDecoder | WmbusDecoder] = {
            SML_LINE: Decoder(),
            BUS_LINE: HdlcDecoder(),
            RADIO_LINE: WmbusDecoder(FrameFormat.A, book.agreement, Counters()),
        }

    def hear(self, time: datetime, line: str, data: bytes) -> tuple[list[Event], list[Capture]]:
        self.now = time
        events: list[Event] = list(self._lines[line].feed(data))
        return events, self._intake.take(line, events)


def test_every_meter_is_read_over_its_line_and_its_registers_only_rise() -> None:
    household = Household(START, 7, KEY)
    listening = Listening(household)
    values: dict[tuple[str, bytes], list[int]] = {}
    time = START + timedelta(days=1)
    for quarter in range(96):
        for sent in household.sent_at(time + quarter * QUARTER_HOUR):
            events, captures = listening.hear(sent.time, sent.line, sent.data)
            assert [event.error for event in events if not isinstance(event, HdlcMessage)] in ([None], [])
            for capture in captures:
                values.setdefault((capture.profile.device_id, capture.reading.obis), []).append(capture.reading.value)
    bought, fed_in, gas = (profile.device_id for profile in household.profiles)
    assert {key: len(each) for key, each in values.items()} == {
        (bought, household.profiles[0].capture[0]): 96,
        (fed_in, household.profiles[1].capture[0]): 96,
        (gas, GAS_VOLUME): 24,
    }
    for each in values.values():
        assert all(before <= after for before, after in pairwise(each))
        assert each[-1] > each[0]


def test_the_gas_meter_is_named_as_its_address_says() -> None:
    gas = Household(START, 7, KEY).profiles[2]
    assert gas.device_id == "7ELS3312345678"
    assert device_id_from_server_id(gas.server_id) == gas.device_id
    assert "MeterKey(...)" not in repr(gas), "a key is not even hinted at"


def test_nothing_is_sent_beside_the_raster() -> None:
    household = Household(START, 7, KEY)
    assert list(household.sent_at(START + timedelta(seconds=1))) == []
    assert [sent.line for sent in household.sent_at(START + QUARTER_HOUR)] == [SML_LINE, BUS_LINE]
    assert [sent.line for sent in household.sent_at(START + HOUR)] == [SML_LINE, BUS_LINE, RADIO_LINE]


def test_a_telegram_is_authentic_and_nobody_without_the_key_reads_it() -> None:
    household = Household(START, 7, KEY)
    stranger = Household(START, 7, bytes(16))
    (*_, sent) = household.sent_at(START + HOUR)
    (event,), captures = Listening(stranger).hear(sent.time, sent.line, sent.data)
    assert isinstance(event, Telegram)
    assert event.error is not None
    assert captures == []


def test_a_cold_day_burns_more_than_a_warm_one() -> None:
    meter = GasMeter(Household(START, 7, KEY)._gas.address, KEY, START, 7)
    day, summer = timedelta(days=1), datetime(2026, 7, 6, tzinfo=UTC)
    cold = meter.volume_at(START + day) - meter.volume_at(START)
    warm = meter.volume_at(summer + day) - meter.volume_at(summer)
    assert 3_000 < cold < 12_000
    assert 0 < warm < cold // 5
    with pytest.raises(ValueError, match="says nothing about"):
        meter.volume_at(START - HOUR)


def test_the_next_quarter_of_an_hour() -> None:
    assert first_quarter(START) == START
    assert first_quarter(START + timedelta(microseconds=1)) == START + QUARTER_HOUR
    assert first_quarter(START + QUARTER_HOUR) == START + QUARTER_HOUR
