"""Captures of real meters all the way: decoded, through their profiles, onto the original reading list and back.

What each must yield is read off the capture by smllib, which shares no line with what is tested.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import structlog
from smllib.errors import CrcError
from smllib.reader import SmlStreamReader
from smllib.sml.response_get_list import SmlGetListResponse
from sqlalchemy import Engine

from gateway.lmn.device_id import server_id_from_device_id
from gateway.lmn.intake import Capture, Intake
from gateway.lmn.profiles import Medium, MeterProfile, ProfileBook, Protocol
from gateway.lmn.sml import Decoder, SmlFrame, TimeKind
from gateway.lmn.sml_transport import Skipped
from gateway.lmn.status import PtbStatus
from gateway.metering.entries import ListEntry
from gateway.metering.list_reading import MAX_READ
from gateway.metering.readings import OriginalReading
from gateway.metering.rules import ListProfile, Register, Verdict
from gateway.metering.status import Mark
from lifecycle.store.engine import open_database
from lifecycle.store.repository import Repository
from tests.shared_data import shared_data, sml_captures
from tests.support.lists import ANNA, QUARTER, YEAR, Meters
from tests.support.lives import GATEWAY, SECOND, START, SettableClock, cast

WATT_HOUR, WATT, VOLT, AMPERE, DEGREE, HERTZ = 30, 27, 35, 33, 8, 44
PLAUSIBLE: Mapping[int, tuple[float, float]] = {
    WATT_HOUR: (0, 10**9),
    WATT: (-45_000, 45_000),  # three phases of 63 A
    VOLT: (207, 253),  # EN 50160
    AMPERE: (0, 63),
    DEGREE: (0, 360),
    HERTZ: (49.5, 50.5),
}
"""What a household's meter can show, by DLMS unit."""
UNIT_OF_C: Mapping[int, int] = {
    **dict.fromkeys((31, 51, 71), AMPERE),
    **dict.fromkeys((32, 52, 72), VOLT),
    **dict.fromkeys((1, 2, 15, 16, 36, 56, 76), WATT),
    14: HERTZ,
    81: DEGREE,
}
"""What group C of an OBIS code is measured in, as an instantaneous value (group D 7)."""
STATUS_WORD = "0100600500ff"
SUSPECT = {"suspect-sign", "crc-kermit"}


@dataclass(frozen=True)
class Meter:
    """A meter that captures are of: what a profile says of it, and what its status words are."""

    device_id: str
    server_id: str
    captures: tuple[str, ...]
    quirks: tuple[str, ...] = ()
    status: int = 0

    @property
    def on_list(self) -> str:
        """What it is called on the list, whatever it calls itself."""
        return server_id_from_device_id(self.device_id).hex()


METERS = (
    Meter("1DZG0060694611", "0a01445a4700039e2053", ("DZG_DVS-7420.2V.G2_mtr2_neg",), ("sign-shortened",), 0x1C6904),
    Meter("1DNT0100008240", "0901444e540100002030", ("DrNeuhaus_SMARTY_ix-130",)),
    Meter("1EMH0000041038", "06454d4801027156cd45", ("EMH-ED300L_consumption", "EMH-ED300L_delivery")),
    Meter("1EMH0002280816", "3032323830383136", ("EMH_eHZ-GW8E2A500AK2",)),
    Meter("1ESY1162232997", "09014553591103b599a5", ("EasyMeter_Q3A_A1064V1009",)),
    Meter("1HLY0200239888", "0a01484c59020003a910", ("HOLLEY_DTZ541-ZDBA",), ("time-untagged",), 0x1C0104),
    Meter("1ISK0075126084", "0a0149534b00047a5544", ("ISKRA_MT631-D1A52-K0z-H01_with_PIN",), (), 0x100104),
    Meter("1ISK0070409925", "0a0149534b0004325ec5", ("ISKRA_MT691_eHZ-MS2020",), (), 0x1C8104),
    Meter("1EBZ0100191547", "090145425a010002ec3b", ("eBZ_DD3_DD32R06DTA-SMZ1",)),
)
METER_OF = {capture: meter for meter in METERS for capture in meter.captures}
Values = dict[str, list[tuple[int, int, int | None]]]
"""Value, scaler and unit in the order of the frames, by OBIS code."""


@cache
def told_by_smllib(name: str) -> tuple[str, Values]:
    """Server id and integer values of a capture; its own transport CRC check decides which frames count."""
    reader = SmlStreamReader()
    reader.add(sml_captures()[name])
    server_ids: set[str] = set()
    values: Values = {}
    while True:
        try:
            frame = reader.get_frame()
        except CrcError:
            continue
        if frame is None:
            (server_id,) = server_ids
            return server_id, values
        for message in frame.parse_frame():
            body = message.message_body
            if isinstance(body, SmlGetListResponse):
                server_ids.add(str(body.server_id))
                for entry in body.val_list:
                    if isinstance(entry.value, int) and not isinstance(entry.value, bool):
                        told = (entry.value, entry.scaler or 0, entry.unit)
                        values.setdefault(str(entry.obis), []).append(told)


@cache
def book(*, quirks: bool = True) -> ProfileBook:
    """A profile for each meter: every code it sends is captured."""
    profiles = []
    for meter in METERS:
        codes = dict.fromkeys(bytes.fromhex(obis) for name in meter.captures for obis in told_by_smllib(name)[1])
        server_id = bytes.fromhex(meter.server_id)
        known = () if meter.on_list == meter.server_id else (server_id,)
        profiles.append(
            MeterProfile(
                meter.device_id,
                Medium.ELECTRICITY,
                Protocol.SML,
                tuple(codes),
                QUARTER,
                server_ids=known,
                quirks=meter.quirks if quirks else (),
            )
        )
    return ProfileBook(profiles)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A database with the gateway in it."""
    opened = open_database(f"sqlite:///{tmp_path / 'captures.db'}")
    Repository(opened, cast().trust, cast().keeper, clock=SettableClock()).register(GATEWAY)
    yield opened
    opened.dispose()


def lists_for(engine: Engine, meter: Meter, period: timedelta | None) -> Meters:
    """The original reading lists of all of a meter's registers."""
    codes = {obis for name in meter.captures for obis in told_by_smllib(name)[1]}
    return Meters(
        engine,
        [ListProfile(meter.on_list, obis, ANNA, YEAR, period, monotone=is_energy(obis)) for obis in codes],
    )


def is_energy(obis: str) -> bool:
    return bytes.fromhex(obis)[3] == 8


def expected_unit(obis: str) -> int | None:
    _, _, c, d, _, _ = bytes.fromhex(obis)
    if d == 8:
        assert c in (1, 2)
        return WATT_HOUR
    return None if obis == STATUS_WORD else UNIT_OF_C[c]


def captured(name: str, meters: Meters, *, quirks: bool = True) -> Iterator[list[Capture]]:
    """The captures of each frame, a second after those of the one before; bytes come in pieces as a line has them."""
    intake, decoder = Intake(lambda: book(quirks=quirks), meters.clock), Decoder()
    data = sml_captures()[name]
    pieces = [data[place : place + 97] for place in range(0, len(data), 97)]
    for events in [*map(decoder.feed, pieces), decoder.finish()]:
        for event in events:
            found = intake.take("lmn0", [event])
            if isinstance(event, SmlFrame):
                yield found
                meters.pass_time(SECOND)


def taken_down(engine: Engine, name: str) -> dict[Register, list[ListEntry]]:
    """A capture's readings after they were on the list, by register."""
    meters = lists_for(engine, METER_OF[name], None)
    meters.lists.start()
    for found in captured(name, meters):
        taken = meters.lists.take([OriginalReading.of(each) for each in found])
        assert {each.verdict for each in taken} == {Verdict.KEPT}
    for register in meters.profiles:
        assert meters.lists.verify(*register) is None
    return {register: meters.lists.entries(*register, limit=MAX_READ) for register in meters.profiles}


def test_every_capture_has_a_profile() -> None:
    shared_data()
    assert METER_OF.keys() == sml_captures().keys()
    for name, meter in METER_OF.items():
        profile = book().by_server_id(bytes.fromhex(told_by_smllib(name)[0]))
        assert profile is not None
        assert profile.device_id == meter.device_id


@pytest.mark.parametrize("name", METER_OF)
def test_the_list_has_what_the_meter_sent(engine: Engine, name: str) -> None:
    shared_data()
    _, expected = told_by_smllib(name)
    found = taken_down(engine, name)
    assert {
        obis: [(entry.value, entry.scaler, entry.unit) for entry in entries]
        for (_, obis), entries in found.items()
        if entries
    } == expected


@pytest.mark.parametrize("name", METER_OF)
def test_what_is_on_the_list_is_plausible_or_flagged(engine: Engine, name: str) -> None:
    shared_data()
    for (_, obis), entries in taken_down(engine, name).items():
        for entry in entries:
            unit = expected_unit(obis)
            assert entry.unit == unit
            if unit is not None and not SUSPECT & set(entry.flags):
                lowest, highest = PLAUSIBLE[unit]
                assert lowest <= (entry.value or 0) * 10**entry.scaler <= highest
            assert entry.marks == frozenset()
            assert entry.ptb is PtbStatus.OK
        if is_energy(obis):
            assert all((former.value or 0) <= (later.value or 0) for former, later in pairwise(entries))


@pytest.mark.parametrize("name", METER_OF)
def test_the_status_is_the_gateways_and_the_meters(engine: Engine, name: str) -> None:
    """An FNN meter's word is in it as sent; an older meter's word is among the flags only, its bits without names."""
    shared_data()
    with_status = without = 0
    for entries in taken_down(engine, name).values():
        for entry in entries:
            noted = [flag for flag in entry.flags if flag.startswith("status:")]
            word = METER_OF[name].status if noted else 0
            assert entry.status == 0x5 << 32 | word
            if noted and not word:
                assert set(entry.flags) <= {"signed", "unsigned", *noted}
            with_status += bool(noted)
            without += not noted
    assert with_status
    assert without


@pytest.mark.parametrize("name", METER_OF)
def test_what_is_not_taken_has_a_reason_that_is_logged(engine: Engine, name: str) -> None:
    shared_data()
    data, decoder = sml_captures()[name], Decoder()
    skipped = {event.reason for event in [*decoder.feed(data), *decoder.finish()] if isinstance(event, Skipped)}
    with structlog.testing.capture_logs() as logs:
        list(captured(name, lists_for(engine, METER_OF[name], None)))
    assert {entry["reason"] for entry in logs} == skipped
    assert {entry["event"] for entry in logs} <= {"bytes skipped"}
    assert skipped <= {"no start sequence", "the bytes end before the frame does", "transport CRC wrong"}


@pytest.mark.parametrize("name", METER_OF)
def test_on_a_raster_one_reading_of_each_register_is_kept(engine: Engine, name: str) -> None:
    """All captures are shorter than a quarter of an hour, and their first frame comes on the raster point."""
    shared_data()
    meters = lists_for(engine, METER_OF[name], QUARTER)
    meters.lists.start()
    verdicts: dict[str, list[Verdict]] = {}
    for found in captured(name, meters):
        for taken in meters.lists.take([OriginalReading.of(each) for each in found]):
            verdicts.setdefault(taken.reading.obis, []).append(taken.verdict)
    for obis, of_register in verdicts.items():
        assert of_register[0] is Verdict.KEPT
        assert set(of_register[1:]) <= {Verdict.SURPLUS, Verdict.OFF_RASTER}
        (entry,) = meters.lists.entries(METER_OF[name].on_list, obis)
        assert (entry.target, entry.value) == (START, told_by_smllib(name)[1][obis][0][0])


def test_only_a_named_quirk_is_put_right(engine: Engine) -> None:
    shared_data()
    name = "HOLLEY_DTZ541-ZDBA"
    for quirks, flag, kind in (
        (True, "quirk:time-untagged", TimeKind.SECONDS_INDEX),
        (False, "time-untagged", TimeKind.UNTAGGED),
    ):
        meters = lists_for(engine, METER_OF[name], None)
        readings = [each.reading for found in captured(name, meters, quirks=quirks) for each in found]
        energy = [reading for reading in readings if is_energy(reading.obis.hex())]
        assert energy
        assert all(flag in reading.flags for reading in energy)
        assert {reading.time.kind for reading in energy if reading.time is not None} == {kind}


def test_an_export_that_the_status_confirms_stays_negative(engine: Engine) -> None:
    """The profile names the quirk of that make; it is not what this meter did here, and nothing is put right."""
    shared_data()
    name = "DZG_DVS-7420.2V.G2_mtr2_neg"
    power = taken_down(engine, name)[METER_OF[name].on_list, "0100100700ff"]
    assert [entry.value for entry in power] == [-10550, -10678, -10438]
    assert all(Mark.RAN_BACK not in entry.marks for entry in power)
    assert {entry.flags for entry in power} == {("signed",)}
