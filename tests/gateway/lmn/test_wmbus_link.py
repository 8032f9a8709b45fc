"""Wireless M-Bus frame formats A and B, addresses, and telegrams found in a damaged stream."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lmn.sml_transport import Skipped
from gateway.lmn.wmbus_link import (
    MAX_TELEGRAM,
    FrameFormat,
    LinkTelegram,
    MbusAddress,
    TelegramReader,
    WmbusError,
    build_link,
    crc_en13757,
    read_telegram,
    size_on_air,
    with_crcs,
    without_crcs,
)
from tests.support.streams import assert_tiles

FRAMED = [FrameFormat.A, FrameFormat.B]
GAS_METER = MbusAddress("ELS", "12345678", 0x33, 0x03)

ADDRESSES = st.builds(
    MbusAddress,
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3),
    st.integers(0, 99_999_999).map(lambda number: f"{number:08}"),
    st.integers(0, 255),
    st.integers(0, 255),
)
BARE = st.builds(build_link, st.integers(0, 255), ADDRESSES, st.binary(min_size=1, max_size=240))


def crc_bit_by_bit(data: bytes) -> int:
    """CRC-16/EN-13757 by its definition, one bit after the other."""
    remainder = 0
    for bit in (byte >> place & 1 for byte in data for place in range(7, -1, -1)):
        carried = remainder >> 15
        remainder = remainder << 1 & 0xFFFF
        if carried ^ bit:
            remainder ^= 0x3D65
    return remainder ^ 0xFFFF


def test_the_published_check_value() -> None:
    assert crc_en13757(b"123456789") == 0xC2B7


@given(st.binary(max_size=60))
def test_the_table_computes_what_the_definition_says(data: bytes) -> None:
    assert crc_en13757(data) == crc_bit_by_bit(data)


def test_format_b_of_a_water_meter() -> None:
    """A telegram of a water meter in format B, 876.543 m3, as it is passed around in public."""
    data = bytes.fromhex("1444AE0C7856341201078C2027780B134365877AC5")
    telegram = read_telegram(data, FrameFormat.B)
    assert telegram.address == MbusAddress("CEN", "12345678", 1, 7)
    assert telegram.content == bytes.fromhex("8C2027780B13436587")
    assert with_crcs(without_crcs(data, FrameFormat.B), FrameFormat.B) == data


@pytest.mark.parametrize("frame_format", FrameFormat)
@given(bare=BARE)
def test_round_trip(frame_format: FrameFormat, bare: bytes) -> None:
    data = with_crcs(bare, frame_format)
    assert len(data) == size_on_air(data[0], frame_format)
    assert without_crcs(data, frame_format) == bare
    telegram = read_telegram(data, frame_format)
    assert build_link(telegram.control, telegram.address, telegram.content) == bare


def test_formats_by_their_lengths() -> None:
    bare = build_link(0x44, GAS_METER, bytes(200))
    assert len(with_crcs(bare, FrameFormat.A)) == 210 + 2 * (1 + 13)
    assert len(with_crcs(bare, FrameFormat.B)) == 210 + 4
    assert with_crcs(bare, FrameFormat.B)[0] == 209 + 4
    with pytest.raises(WmbusError, match="does not fit format B"):
        with_crcs(build_link(0x44, GAS_METER, bytes(246)), FrameFormat.B)
    with pytest.raises(WmbusError, match="256 is the most"):
        build_link(0x44, GAS_METER, bytes(247))


@given(ADDRESSES)
def test_addresses_round_trip(address: MbusAddress) -> None:
    assert MbusAddress.from_link(address.encode()) == address
    wire = address.encode()
    assert MbusAddress.from_transport(wire[2:6] + wire[:2] + wire[6:]) == address
    assert address.server_id == b"\x01" + wire


def test_device_ids_of_din_43863_5() -> None:
    assert GAS_METER.device_id == "7ELS3312345678"
    assert MbusAddress("ELS", "12345678", 0x3A, 0x03).device_id is None
    assert MbusAddress("ELS", "12345678", 0x33, 0x37).device_id is None
    assert MbusAddress("KAM", "00000001", 0x19, 0x16).device_id == "8KAM1900000001"


@pytest.mark.parametrize("wire", ["0000785634123303", "ffff785634123303", "931578563f123303"])
def test_impossible_addresses_are_refused(wire: str) -> None:
    with pytest.raises(WmbusError):
        MbusAddress.from_link(bytes.fromhex(wire))


@pytest.mark.parametrize(
    "address",
    [
        MbusAddress("els", "12345678", 1, 7),
        MbusAddress("EL", "12345678", 1, 7),
        MbusAddress("ELS", "1234567", 1, 7),
        MbusAddress("ELS", "1234567a", 1, 7),
        MbusAddress("ELS", "12345678", 256, 7),
    ],
)
def test_addresses_that_do_not_fit_are_refused(address: MbusAddress) -> None:
    with pytest.raises(WmbusError):
        address.encode()


def read(data: bytes, frame_format: FrameFormat) -> list[LinkTelegram | Skipped]:
    reader = TelegramReader(frame_format)
    return [*reader.feed(data), *reader.finish()]


@pytest.mark.parametrize("frame_format", FRAMED)
@given(
    parts=st.lists(BARE | st.binary(max_size=20).map(lambda noise: b"\0" + noise)), cuts=st.lists(st.integers(0, 999))
)
def test_cuts_make_no_difference(frame_format: FrameFormat, parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(part if part[0] == 0 else with_crcs(part, frame_format) for part in parts)
    whole = read(data, frame_format)
    assert_tiles(whole, len(data))
    reader = TelegramReader(frame_format)
    found: list[LinkTelegram | Skipped] = []
    for begin, end in pairwise([0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]):
        found += reader.feed(data[begin:end])
        assert reader.kept_bytes < 2 * MAX_TELEGRAM
    assert found + reader.finish() == whole


@pytest.mark.parametrize("frame_format", FRAMED)
def test_telegrams_among_noise_are_found(frame_format: FrameFormat) -> None:
    telegram = with_crcs(build_link(0x44, GAS_METER, bytes(40)), frame_format)
    damaged = bytearray(telegram)
    damaged[20] ^= 1
    found = read(b"\x03\x05noise" + telegram + bytes(damaged) + telegram + telegram[:9], frame_format)
    assert sum(isinstance(item, LinkTelegram) for item in found) == 2
    assert isinstance(found[-1], Skipped)


@pytest.mark.parametrize("frame_format", FRAMED)
@given(bare=BARE, place=st.integers(0, 999), bit=st.integers(0, 7))
def test_one_flipped_bit_never_passes(frame_format: FrameFormat, bare: bytes, place: int, bit: int) -> None:
    data = bytearray(with_crcs(bare, frame_format))
    data[place % len(data)] ^= 1 << bit
    with pytest.raises(WmbusError):
        read_telegram(bytes(data), frame_format)


def test_endless_input_is_kept_within_bounds() -> None:
    for pattern in (b"\xff", b"\x2e\x44", b"\0"):
        reader = TelegramReader(FrameFormat.A)
        for _ in range(20):
            reader.feed(pattern * 2_048)
            assert reader.kept_bytes < 2 * MAX_TELEGRAM
        reader.finish()
        assert reader.kept_bytes == 0


def test_what_is_no_telegram_is_refused() -> None:
    with pytest.raises(WmbusError, match="holds nothing"):
        read_telegram(build_link(0x44, GAS_METER, b""), FrameFormat.BARE)
    with pytest.raises(WmbusError, match="L field says 1"):
        read_telegram(b"", FrameFormat.BARE)
    with pytest.raises(WmbusError, match="L field does not count"):
        with_crcs(b"\x05abc", FrameFormat.A)
    with pytest.raises(ValueError, match="cannot be told from noise"):
        TelegramReader(FrameFormat.BARE)
