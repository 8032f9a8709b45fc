"""Captures of ten real meters: what each yields, byte-identical encoding, and agreement with an independent reader."""

from __future__ import annotations

from functools import cache

import pytest
from smllib.errors import CrcError
from smllib.reader import SmlStreamReader
from smllib.sml.response_get_list import SmlGetListResponse

from gateway.lmn.crc16 import CrcKind
from gateway.lmn.sml import Decoder, Reading, Skipped, SmlFrame, decode_stream
from tests.shared_data import shared_data, sml_captures

NO_START = "no start sequence"
NO_END = "the bytes end before the frame does"
BAD_CRC = "transport CRC wrong"

EXPECTED: dict[str, tuple[int, list[tuple[int, int, str]]]] = {
    "DZG_DVS-7420.2V.G2_mtr2_neg": (3, [(756, 956, NO_END)]),
    "DrNeuhaus_SMARTY_ix-130": (12, [(3888, 4096, NO_END)]),
    "EMH-ED300L_consumption": (1, [(0, 3281, NO_START), (3597, 4096, NO_END)]),
    "EMH-ED300L_delivery": (2, [(0, 1420, NO_START), (2052, 4080, NO_START), (4080, 4096, NO_END)]),
    "EMH_eHZ-GW8E2A500AK2": (16, [(4032, 4096, NO_END)]),
    "EasyMeter_Q3A_A1064V1009": (
        4,
        [
            (0, 445, NO_START),
            (445, 945, BAD_CRC),
            (1953, 2452, BAD_CRC),
            (2452, 2942, BAD_CRC),
            (3950, 4096, NO_END),
        ],
    ),
    "HOLLEY_DTZ541-ZDBA": (7, [(3696, 4096, NO_END)]),
    "ISKRA_MT631-D1A52-K0z-H01_with_PIN": (5, []),
    "ISKRA_MT691_eHZ-MS2020": (18, [(3888, 4096, NO_END)]),
    "eBZ_DD3_DD32R06DTA-SMZ1": (4, [(0, 119, NO_START)]),
}
"""By capture: how many frames have readings (all found do), and what is skipped."""


@cache
def decoded(name: str) -> list[SmlFrame | Skipped]:
    shared_data()
    return decode_stream(sml_captures()[name])


def frames(name: str) -> list[SmlFrame]:
    return [event for event in decoded(name) if isinstance(event, SmlFrame)]


def by_obis(frame: SmlFrame) -> dict[str, Reading]:
    return {reading.obis.hex(): reading for reading in frame.readings}


def test_every_capture_is_expected() -> None:
    shared_data()
    assert sml_captures().keys() == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_frames_and_skipped_ranges(name: str) -> None:
    count, skipped = EXPECTED[name]
    assert [(event.offset, event.end, event.reason) for event in decoded(name) if isinstance(event, Skipped)] == skipped
    assert len(frames(name)) == count
    for frame in frames(name):
        assert frame.ok
        assert frame.readings
        assert frame.server_id == frame.readings[0].server_id


@pytest.mark.parametrize("name", EXPECTED)
def test_every_byte_is_accounted_for(name: str) -> None:
    place = 0
    for event in decoded(name):
        assert event.offset == place
        place = event.end
    assert place == len(sml_captures()[name])


@pytest.mark.parametrize("name", EXPECTED)
def test_encodes_to_the_very_bytes(name: str) -> None:
    for frame in frames(name):
        assert frame.encode() == sml_captures()[name][frame.offset : frame.end]


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_cuts_make_no_difference(name: str, size: int) -> None:
    expected = decoded(name)
    data = sml_captures()[name]
    decoder = Decoder()
    found = [event for place in range(0, len(data), size) for event in decoder.feed(data[place : place + size])]
    assert found + decoder.finish() == expected


FrameValues = tuple[str, list[tuple[str, int, int, int | None]]]
"""Server id, and of each integer value the OBIS code, value, scaler and unit."""


def read_by_smllib(data: bytes) -> list[FrameValues]:
    """What smllib sees in each frame (it checks the transport CRC only)."""
    reader = SmlStreamReader()
    reader.add(data)
    found: list[FrameValues] = []
    while True:
        try:
            frame = reader.get_frame()
        except CrcError:
            continue
        if frame is None:
            return found
        for message in frame.parse_frame():
            body = message.message_body
            if isinstance(body, SmlGetListResponse):
                values = [
                    (str(entry.obis), entry.value, entry.scaler or 0, entry.unit)
                    for entry in body.val_list
                    if isinstance(entry.value, int) and not isinstance(entry.value, bool)
                ]
                found.append((str(body.server_id), values))


@pytest.mark.parametrize("name", EXPECTED)
def test_agrees_with_smllib(name: str) -> None:
    ours = [
        (
            (frame.server_id or b"").hex(),
            [(reading.obis.hex(), reading.value, reading.scaler, reading.unit) for reading in frame.readings],
        )
        for frame in frames(name)
    ]
    theirs = read_by_smllib(sml_captures()[name])
    assert ours == theirs


def test_all_checksums_are_the_regular_one() -> None:
    shared_data()
    for name in EXPECTED:
        for frame in frames(name):
            assert {frame.crc, *(message.crc for message in frame.messages)} == {CrcKind.X25}


def test_negative_power_is_what_the_wire_says() -> None:
    """53 d6ca, while the meter's status says that energy is exported and its export register rises: no doubt in it."""
    first, second, _ = frames("DZG_DVS-7420.2V.G2_mtr2_neg")
    power = by_obis(first)["0100100700ff"]
    assert (power.value, power.scaler, power.unit, power.flags) == (-10550, -2, 27, ("signed",))
    assert by_obis(second)["0100020800ff"].value == by_obis(first)["0100020800ff"].value + 1
    assert by_obis(first)["0100010800ff"].flags == (
        "unsigned",
        "status:0x1c6904",
        "sum-direction-negative",
        "l2-direction-negative",
        "l3-direction-negative",
    )


def test_untagged_times_of_holley() -> None:
    frame = frames("HOLLEY_DTZ541-ZDBA")[0]
    reading = by_obis(frame)["0100010802ff"]
    assert (reading.value, reading.scaler, reading.unit, reading.status) == (1773601, -1, 30, 0x1C0104)
    assert reading.flags == ("unsigned", "status:0x001c0104", "time-untagged")
    assert reading.time is not None
    assert reading.time.seconds == 1347075
    assert len(frame.messages[1].encode()) > 400  # 21 entries: a list with a TL field of two bytes


def test_integers_of_odd_widths() -> None:
    reading = by_obis(frames("EMH_eHZ-GW8E2A500AK2")[0])["0100010801ff"]
    assert (reading.value, reading.flags) == (147981129, ("signed", "status:0x0180"))


def test_a_shortened_message_checksum_holds() -> None:
    """One ISKRA frame sends a CRC whose first byte is 0 in one byte, and a third fill byte in its stead."""
    (shortened,) = (frame for frame in frames("ISKRA_MT691_eHZ-MS2020") if len(frame.fill) == 3)
    assert shortened.ok


def test_octet_values() -> None:
    frame = frames("EasyMeter_Q3A_A1064V1009")[0]
    values = {each.obis.hex(): each for each in frame.octet_values}
    assert values["8181c78203ff"].text == "ESY"
    assert values["0100000000ff"].text == "1ESY1162232997"
    assert values["8181c78205ff"].text is None
    assert len(values["8181c78205ff"].data) == 48
