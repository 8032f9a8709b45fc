"""What the decoders found, through the profiles: quirks by name, unknown meters dropped."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from gateway.lmn import obis
from gateway.lmn.crc16 import CrcKind
from gateway.lmn.hdlc import UI, HdlcAddress, encode_frame
from gateway.lmn.hdlc_link import HdlcDecoder
from gateway.lmn.intake import MAX_REMEMBERED, Capture, Event, Intake
from gateway.lmn.mbus_obis import GasVolume
from gateway.lmn.profiles import Medium, MeterProfile, ProfileBook, Protocol
from gateway.lmn.quirks import QUIRKS, apply_quirks, wire_numbers
from gateway.lmn.sml import (
    GetListResponse,
    ListEntry,
    Number,
    SmlFrame,
    SmlTime,
    TimeKind,
    build_frame,
    decode_stream,
    status_word,
    unsigned,
)
from gateway.lmn.sml_readings import Reading
from gateway.lmn.sml_transport import Skipped
from gateway.lmn.wmbus import Telegram, WmbusDecoder
from gateway.lmn.wmbus_build import build_telegram
from gateway.lmn.wmbus_layers import Mode
from gateway.lmn.wmbus_link import FrameFormat, MbusAddress
from gateway.lmn.wmbus_security import MeterKey
from tests.gateway.lmn.counters import Counters
from tests.gateway.lmn.hdlc_meter import SERVER_ID, sml_file
from tests.shared_data import sml_captures

QUARTER = timedelta(minutes=15)
START = datetime(2025, 3, 1, 12, 0, 3, tzinfo=UTC)
KEY = bytes(range(16))
WATER = MbusAddress("KAM", "00000042", 0x19, 0x16)
WATER_VOLUME = bytes.fromhex("0800010000ff")

ELECTRIC = MeterProfile("1EMH0012345678", Medium.ELECTRICITY, Protocol.SML, (obis.IMPORT_ENERGY,), QUARTER)
POWER = replace(ELECTRIC, capture=(obis.ACTIVE_POWER,), quirks=("sign-shortened",))
WATER_PROFILE = MeterProfile(
    "8KAM1900000042", Medium.COLD_WATER, Protocol.WMBUS, (WATER_VOLUME,), QUARTER, key=MeterKey(KEY)
)


class Clock:
    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def frame_of(*entries: ListEntry, server_id: bytes = SERVER_ID, crc: CrcKind = CrcKind.X25) -> SmlFrame:
    response = GetListResponse(None, server_id, None, None, entries)
    (event,) = decode_stream(build_frame([response], b"\x01", crc))
    assert isinstance(event, SmlFrame)
    return event


def energy(value: int = 4711, **more: object) -> ListEntry:
    return ListEntry(obis.IMPORT_ENERGY, unsigned(value, 8), unit=30, scaler=-1, **more)  # type: ignore[arg-type]


def take(profiles: list[MeterProfile], *events: Event, line: str = "one") -> list[Capture]:
    return Intake(lambda: ProfileBook(profiles), Clock()).take(line, events)


def test_a_reading_of_a_known_meter_is_captured() -> None:
    (capture,) = take([ELECTRIC], frame_of(energy(), ListEntry(obis.EXPORT_ENERGY, unsigned(1, 8))))
    assert (capture.profile, capture.captured) == (ELECTRIC, START)
    assert (capture.reading.obis, capture.reading.value) == (obis.IMPORT_ENERGY, 4711)


def test_a_meter_without_a_profile_is_logged_and_dropped() -> None:
    intake = Intake(lambda: ProfileBook([]), Clock())
    with structlog.testing.capture_logs() as logs:
        for _ in range(9):
            assert intake.take("one", [frame_of(energy())]) == []
    assert [entry["times"] for entry in logs] == [1, 2, 4, 8]
    assert logs[0]["event"] == "meter without a profile, dropped"
    assert logs[0]["meter"] == SERVER_ID.hex()


def test_what_is_remembered_of_unknown_meters_is_bounded() -> None:
    intake = Intake(lambda: ProfileBook([]), Clock())
    with structlog.testing.capture_logs() as logs:
        for number in range(MAX_REMEMBERED + 5):
            intake.take("one", [Skipped(0, 1, f"reason {number}")])
    assert len(logs) == MAX_REMEMBERED + 5
    assert len(intake._complaints) <= MAX_REMEMBERED


def test_every_reading_is_taken_each_time() -> None:
    clock = Clock()
    intake = Intake(lambda: ProfileBook([ELECTRIC]), clock)
    taken = []
    for minute in (0, 1, -60):
        clock.now = START + timedelta(minutes=minute)
        taken += intake.take("one", [frame_of(energy(minute + 60))])
    assert [capture.reading.value for capture in taken] == [60, 61, 0]


def test_the_line_and_the_protocol_must_be_those_of_the_profile() -> None:
    assert take([replace(ELECTRIC, line="one")], frame_of(energy()))
    assert take([replace(ELECTRIC, line="one")], frame_of(energy()), line="one/3"), "a sender of a listening receiver"
    pushed = encode_frame(HdlcAddress(16), HdlcAddress(1, 17, 2), UI, sml_file(5))
    hdlc = HdlcDecoder().feed(pushed)
    with structlog.testing.capture_logs() as logs:
        assert not take([replace(ELECTRIC, line="two")], frame_of(energy()))
        assert not take([ELECTRIC], *hdlc)
    assert list(dict.fromkeys(entry["event"] for entry in logs)) == [
        "line not as in the profile, dropped",
        "protocol not as in the profile, dropped",
    ]
    wired = replace(ELECTRIC, protocol=Protocol.SML_HDLC)
    for address in (None, HdlcAddress(1, 17, 2)):
        (capture,) = take([replace(wired, hdlc_address=address)], *hdlc)
        assert capture.reading.value == 5
    with structlog.testing.capture_logs() as logs:
        assert not take([replace(wired, hdlc_address=HdlcAddress(1, 18, 2))], *hdlc)
    assert logs[0]["event"] == "address not as in the profile, dropped"


def telegram(counter: int, book: ProfileBook, counters: Counters, **more: object) -> Telegram:
    data = build_telegram(WATER, b"\x0c\x13\x78\x56\x34\x12", mode=Mode.MODE_7, key=KEY, counter=counter, **more)  # type: ignore[arg-type]
    (event,) = WmbusDecoder(FrameFormat.A, book.agreement, counters).feed(data)
    assert isinstance(event, Telegram)
    return event


def test_a_wireless_meter_by_its_profile() -> None:
    book, counters = ProfileBook([WATER_PROFILE]), Counters()
    intake = Intake(lambda: book, Clock())
    (capture,) = intake.take("radio", [telegram(5, book, counters)])
    assert (capture.reading.value, capture.reading.server_id) == (12_345_678, WATER.server_id)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            assert intake.take("radio", [telegram(5, book, counters)]) == []
    assert [(entry["event"], entry["times"]) for entry in logs] == [("telegram dropped", 1), ("telegram dropped", 2)]
    assert "# is not above #" in logs[0]["reason"]
    with structlog.testing.capture_logs() as logs:
        assert Intake(lambda: ProfileBook([]), Clock()).take("radio", [telegram(9, ProfileBook([]), counters)]) == []
    assert logs[0]["event"] == "meter without a profile, dropped"


def test_a_meter_that_speaks_for_another_is_dropped() -> None:
    book = ProfileBook([replace(WATER_PROFILE, capture=(obis.IMPORT_ENERGY,)), ELECTRIC])
    data = build_telegram(WATER, sml_file(5, 1), mode=Mode.MODE_7, key=KEY, counter=1, ci=0x7F)
    events = WmbusDecoder(FrameFormat.A, book.agreement, Counters()).feed(data)
    with structlog.testing.capture_logs() as logs:
        assert Intake(lambda: book, Clock()).take("radio", events) == []
    assert logs[0]["event"] == "meter names another, dropped"


def test_frames_without_readings_are_logged() -> None:
    with structlog.testing.capture_logs() as logs:
        assert take([ELECTRIC], frame_of(), Skipped(0, 4, "transport CRC wrong")) == []
    assert [entry["event"] for entry in logs] == ["frame dropped", "bytes skipped"]


def test_a_clock_without_zone_is_refused() -> None:
    clock = Clock(datetime(2025, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="without zone"):
        Intake(ProfileBook, clock).take("one", [])


SUSPECT = ListEntry(obis.ACTIVE_POWER, Number(-9, 1, True), unit=27, scaler=0)
IMPORTING = energy(1, status=status_word(0x001C0104))


def test_a_wrong_sign_is_put_right_only_where_the_profile_says_so() -> None:
    (capture,) = take([POWER], frame_of(IMPORTING, SUSPECT))
    assert capture.reading.value == 247
    assert "quirk:sign-shortened" in capture.reading.flags
    (capture,) = take([replace(POWER, quirks=())], frame_of(IMPORTING, SUSPECT))
    assert capture.reading.value == -9
    assert "suspect-sign" in capture.reading.flags


def test_a_sign_that_is_right_stays() -> None:
    exporting = energy(1, status=status_word(0x001C0904))
    (capture,) = take([POWER], frame_of(exporting, SUSPECT))
    assert capture.reading.value == -9


def test_an_untagged_time_is_a_seconds_index_only_where_the_profile_says_so() -> None:
    entry = energy(1, time=SmlTime(TimeKind.UNTAGGED, 77))
    (capture,) = take([replace(ELECTRIC, quirks=("time-untagged",))], frame_of(entry))
    assert capture.reading.time == SmlTime(TimeKind.SECONDS_INDEX, 77)
    assert "quirk:time-untagged" in capture.reading.flags
    (capture,) = take([ELECTRIC], frame_of(entry))
    assert capture.reading.time == SmlTime(TimeKind.UNTAGGED, 77)
    assert "time-untagged" in capture.reading.flags


def test_another_checksum_is_accepted_only_where_the_profile_says_so() -> None:
    frame = frame_of(energy(), crc=CrcKind.KERMIT)
    assert take([ELECTRIC], frame) == []
    (capture,) = take([replace(ELECTRIC, quirks=("crc-kermit",))], frame)
    assert "quirk:crc-kermit" in capture.reading.flags


def test_quirks_change_nothing_that_they_are_not_about() -> None:
    reading = Reading(SERVER_ID, obis.IMPORT_ENERGY, -3, 0, None, None, None, None, ("signed",))
    assert apply_quirks(QUIRKS, reading, Number(-3, 1, True)) == reading
    assert apply_quirks(QUIRKS, reading) == reading
    assert all(name == quirk.name and quirk.meters for name, quirk in QUIRKS.items())


@pytest.mark.parametrize("name", sorted(sml_captures()))
def test_numbers_of_captures_lie_beside_their_readings(name: str) -> None:
    for event in decode_stream(sml_captures()[name]):
        if isinstance(event, SmlFrame) and event.ok:
            numbers = wire_numbers(event.messages)
            assert [number.value for number in numbers] == [reading.value for reading in event.readings]


@pytest.mark.parametrize("name", sorted(sml_captures()))
def test_a_sign_that_is_not_suspect_is_never_changed(name: str) -> None:
    for event in decode_stream(sml_captures()[name]):
        if isinstance(event, SmlFrame) and event.ok:
            for reading, number in zip(event.readings, wire_numbers(event.messages), strict=True):
                if "suspect-sign" not in reading.flags:
                    assert apply_quirks(("sign-shortened",), reading, number) == reading


@pytest.mark.parametrize("name", sorted(sml_captures()))
def test_every_meter_of_the_captures_is_known_by_a_profile(name: str) -> None:
    """Also those that name themselves in a form older than DIN 43863-5:2012, or in free text."""
    events = decode_stream(sml_captures()[name])
    (server_id,) = {event.server_id for event in events if isinstance(event, SmlFrame) and event.server_id}
    codes = {reading.obis for event in events if isinstance(event, SmlFrame) for reading in event.readings}
    profile = replace(ELECTRIC, server_ids=(server_id,), capture=tuple(codes), quirks=tuple(QUIRKS))
    with structlog.testing.capture_logs():
        captures = take([profile], *events)
        assert take([ELECTRIC], *events) == []
    assert {capture.reading.obis for capture in captures} == codes
    assert all("time-untagged" not in capture.reading.flags for capture in captures)


def test_gas_volume_is_the_profiles_word() -> None:
    profile = MeterProfile(
        "7ELS3312345678",
        Medium.GAS,
        Protocol.WMBUS,
        (bytes.fromhex("0700030000ff"),),
        QUARTER,
        key=MeterKey(KEY),
        gas_volume=GasVolume.METERING,
    )
    book = ProfileBook([profile])
    address = MbusAddress("ELS", "12345678", 0x33, 0x03)
    data = build_telegram(address, b"\x0c\x14\x27\x04\x85\x02", mode=Mode.MODE_7, key=KEY, counter=1)
    events = WmbusDecoder(FrameFormat.A, book.agreement, Counters()).feed(data)
    (capture,) = Intake(lambda: book, Clock()).take("radio", events)
    assert capture.reading.obis.hex() == "0700030000ff"
