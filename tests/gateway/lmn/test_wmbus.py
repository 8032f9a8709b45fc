"""Wireless M-Bus from bytes on air to readings: public examples of OMS, round trips, fragments, damage."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.lmn.mbus_obis import GasVolume
from gateway.lmn.mbus_values import MbusTime
from gateway.lmn.obis import format_obis
from gateway.lmn.sml_transport import MAX_FRAME, Skipped
from gateway.lmn.sml_transport import encode_frame as encode_sml_frame
from gateway.lmn.wmbus import FLAG_NOT_AUTHENTIC, Agreement, Telegram, WmbusDecoder
from gateway.lmn.wmbus_build import build_telegram
from gateway.lmn.wmbus_layers import Mode
from gateway.lmn.wmbus_link import FrameFormat, MbusAddress, build_link, crc_en13757, with_crcs
from gateway.lmn.wmbus_security import MeterKey, aes_cbc_encrypted, aes_cmac
from tests.gateway.lmn.counters import Counters
from tests.gateway.lmn.hdlc_meter import SERVER_ID, sml_file
from tests.support.campaign import Campaign
from tests.support.streams import injured

KEY = bytes(range(16))
KEY_A = bytes.fromhex("0102030405060708090A0B0C0D0E0F11")

# Examples of OMS Vol. 2, annex N: a gas meter with security profile A, with profile B, with profile B behind a radio
# adapter, and a heat cost allocator that encrypts a part.
PROFILE_A = bytes.fromhex(
    "2E44931578563412330333637A2A0020255923C95AAA26D1B2E7493BC2AD013EC4A6F6D3529B520EDFF0EA6DEFC955B29D6D69EBF3EC8A"
)
PROFILE_B = bytes.fromhex(
    "434493157856341233037AC98C2075900F002C25B30A000021924D4FBA372FB66E017A75002007109058475F4BC9D1281DF878B80A1B0F98"
    "B629024AAC7279429398BFC549233C0140829B93BAA1"
)
ADAPTER_B = bytes.fromhex(
    "53082448443322110337D0468E80753A63665544330A31900F002C25E00AB30A0000AF5D74DF73A600D972785634C0271293153303750020"
    "07109058475F4BC955CF1DF878B80A1B0F98B629024AAC7279429398BFC549233C0140829B93BAA1"
)
PARTLY_CLEAR = bytes.fromhex(
    "2D44934444332211553769EF7288776655934455080004100500DFE227F9A782146D1513581CD2F83F39040CFD1040C4785634128134"
)

GAS_METER = MbusAddress("ELS", "12345678", 0x33, 0x03)
WATER_METER = MbusAddress("KAM", "00000042", 0x19, 0x07)
POWER_METER = MbusAddress("EMH", "12345678", 0x00, 0x02)


def decoder(
    agreement: Agreement | None, counters: Counters | None = None, form: FrameFormat = FrameFormat.A
) -> WmbusDecoder:
    return WmbusDecoder(form, lambda _: agreement, Counters() if counters is None else counters)


def decode(data: bytes, agreement: Agreement | None, counters: Counters | None = None) -> list[Telegram | Skipped]:
    reader = decoder(agreement, counters)
    return [*reader.feed(data), *reader.finish()]


def only_telegram(data: bytes, agreement: Agreement | None, counters: Counters | None = None) -> Telegram:
    (telegram,) = decode(data, agreement, counters)
    assert isinstance(telegram, Telegram)
    return telegram


def agreed(mode: Mode = Mode.MODE_7, key: bytes = KEY, **more: bool) -> Agreement:
    return Agreement(mode, None if mode is Mode.NONE else MeterKey(key), GasVolume.CONVERTED, **more)


@pytest.mark.parametrize(
    ("data", "agreement", "link"),
    [
        (PROFILE_A, agreed(Mode.MODE_5, KEY_A), GAS_METER),
        (PROFILE_B, agreed(), GAS_METER),
        (ADAPTER_B, agreed(), MbusAddress("RAD", "11223344", 0x03, 0x37)),
    ],
)
def test_the_gas_meter_of_annex_n(data: bytes, agreement: Agreement, link: MbusAddress) -> None:
    telegram = only_telegram(data, agreement)
    assert (telegram.link, telegram.address, telegram.error) == (link, GAS_METER, None)
    (reading,) = telegram.readings
    assert format_obis(reading.obis) == "7-0:3.1.0*255"
    assert (reading.value, reading.scaler, reading.unit) == (2_850_427, -2, 13)
    assert telegram.meter_time == MbusTime(2008, 5, 31, 23, 50)
    assert telegram.counter == (2739 if agreement.mode is Mode.MODE_7 else None)
    assert (FLAG_NOT_AUTHENTIC in reading.flags) == (agreement.mode is Mode.MODE_5)


@pytest.mark.parametrize("permitted", [False, True])
def test_the_heat_cost_allocator_of_annex_n(permitted: bool) -> None:
    telegram = only_telegram(PARTLY_CLEAR, agreed(Mode.MODE_5, partly_clear=permitted))
    assert telegram.address == MbusAddress("QDS", "55667788", 0x55, 0x08)
    assert [(format_obis(reading.obis), reading.value) for reading in telegram.readings] == [
        ("4-0:1.0.0*255", 1234),
        ("4-0:1.2.0*255", 23456),
    ]
    assert "battery-low" in telegram.readings[0].flags
    assert ("sent in clear" in [raw.reason for raw in telegram.raw]) is not permitted


def test_a_telegram_sent_again_is_refused_and_an_older_one_too() -> None:
    counters = Counters()
    assert only_telegram(PROFILE_B, agreed(), counters).ok
    again = only_telegram(PROFILE_B, agreed(), counters)
    assert "sent before" in (again.error or "")
    assert not again.readings
    assert not again.raw


def test_an_unknown_meter_is_not_even_decrypted() -> None:
    telegram = only_telegram(PROFILE_B, None)
    assert (telegram.known, telegram.error) == (False, "no profile for this meter")


def test_a_wrong_key_gives_no_reading() -> None:
    assert only_telegram(PROFILE_B, agreed(key=bytes(16))).error == "MAC wrong"
    assert "wrong key" in (only_telegram(PROFILE_A, agreed(Mode.MODE_5)).error or "")


@pytest.mark.parametrize("agreement", [agreed(Mode.NONE), agreed(Mode.MODE_5)])
def test_less_protection_than_agreed_is_refused_and_more_as_well(agreement: Agreement) -> None:
    assert "agreed for this meter" in (only_telegram(PROFILE_B, agreement).error or "")
    plain = build_telegram(WATER_METER, bytes.fromhex("0C1378563412"), mode=Mode.NONE)
    assert "agreed for this meter is 7" in (only_telegram(plain, agreed()).error or "")
    assert only_telegram(plain, agreed(Mode.NONE)).readings[0].value == 12_345_678


@pytest.mark.parametrize("form", FrameFormat)
@pytest.mark.parametrize("mode", Mode)
@given(value=st.integers(-(2**31) + 1, 2**31 - 1), counter=st.integers(0, 2**32 - 1), mac=st.sampled_from([5, 7]))
def test_round_trip(form: FrameFormat, mode: Mode, value: int, counter: int, mac: int) -> None:
    application = b"\x04\x13" + value.to_bytes(4, "little", signed=True)
    data = build_telegram(
        WATER_METER, application, mode=mode, key=KEY, counter=counter, authentication_type=mac, frame_format=form
    )
    reader = decoder(agreed(mode), form=form)
    (telegram,) = [*reader.feed(data), *reader.finish()]
    assert isinstance(telegram, Telegram)
    assert telegram.error is None
    assert (telegram.readings[0].value, telegram.readings[0].scaler) == (value, -3)
    assert telegram.readings[0].server_id == WATER_METER.server_id


@pytest.mark.parametrize("filler", [b"", b"\x2f\x2f\x2f"])
@pytest.mark.parametrize("content", [sml_file(99, 1), encode_sml_frame(sml_file(99, 1))], ids=["file", "frame"])
def test_sml_where_the_ci_field_says_so(content: bytes, filler: bytes) -> None:
    data = build_telegram(POWER_METER, content + filler, mode=Mode.MODE_7, key=KEY, counter=1, ci=0x7F)
    telegram = only_telegram(data, agreed())
    assert telegram.error is None
    assert {reading.server_id for reading in telegram.readings} == {SERVER_ID}
    assert telegram.readings[0].value == 99


def test_an_sml_frame_whose_checksum_looks_like_filler_is_whole() -> None:
    frames = (encode_sml_frame(sml_file(value, 1)) for value in range(1_000))
    frame = next(frame for frame in frames if frame.endswith(b"\x2f"))
    for filler in (b"", b"\x2f\x2f\x2f"):
        data = build_telegram(POWER_METER, frame + filler, mode=Mode.MODE_7, key=KEY, counter=1, ci=0x7F)
        assert only_telegram(data, agreed()).error is None


def test_sml_that_is_none_is_named() -> None:
    data = build_telegram(POWER_METER, b"\x76\x01", mode=Mode.MODE_7, key=KEY, counter=1, ci=0x7F)
    assert "message 1" in (only_telegram(data, agreed()).error or "")


def test_a_register_below_zero_is_flagged() -> None:
    data = build_telegram(WATER_METER, b"\x04\x13\xff\xff\xff\xff", mode=Mode.NONE)
    (reading,) = only_telegram(data, agreed(Mode.NONE)).readings
    assert reading.value == -1
    assert "suspect-sign" in reading.flags


def test_other_applications_are_kept_raw() -> None:
    data = build_telegram(POWER_METER, b"\x01\x02", mode=Mode.MODE_7, key=KEY, counter=1, ci=0x7D)
    telegram = only_telegram(data, agreed())
    assert telegram.error == "DLMS/COSEM: kept raw"
    assert telegram.raw[0].data.startswith(b"\x2f\x2f\x01\x02")


def fragmented(application: bytes, count: int, counter: int = 5, *, swap: bool = False) -> list[bytes]:
    """A message of mode 7 in fragments: control and counter in the first, the MAC in the last."""
    key = MeterKey(KEY)
    plaintext = b"\x2f\x2f" + application
    plaintext += b"\x2f" * (-len(plaintext) % 16)
    ciphertext = aes_cbc_encrypted(key.derive(0, counter, WATER_METER.identification), bytes(16), plaintext)
    transport = bytes((0x7A, 1, 0, len(ciphertext) // 16 << 4, 0x07, 0x10)) + ciphertext
    control = bytes((0x65,))
    fields = counter.to_bytes(4, "little")
    length = len(transport).to_bytes(2, "little")
    mac_key = key.derive(1, counter, WATER_METER.identification)
    mac = aes_cmac(mac_key, control + fields + length + transport)[:8]
    size = -(-len(transport) // count)
    parts = [transport[at : at + size] for at in range(0, len(transport), size)]
    telegrams = []
    for number, part in enumerate(parts, 1):
        last = number == len(parts)
        fcl = number | (0 if last else 0x4000)
        body = b""
        if number == 1:
            fcl |= 0x3800
            body = control + fields
        if last:
            fcl |= 0x0400
            body += mac
        if number == 1:
            body += length
        afl = bytes((0x90, len(body) + 2)) + fcl.to_bytes(2, "little") + body
        telegrams.append(with_crcs(build_link(0x44, WATER_METER, afl + part), FrameFormat.A))
    return telegrams[::-1] if swap else telegrams


APPLICATION = bytes.fromhex("0C1378563412") + bytes.fromhex("0C1301000000") * 12


def test_fragments_make_a_message() -> None:
    telegram = only_telegram(b"".join(fragmented(APPLICATION, 3)), agreed())
    assert telegram.error is None
    assert (telegram.readings[0].value, len(telegram.readings), telegram.counter) == (12_345_678, 13, 5)


def test_lost_swapped_or_mixed_fragments_make_none() -> None:
    first, second, third = fragmented(APPLICATION, 3)
    for sent in (
        [first, third],
        [second, third],
        [third],
        [first, first, third],
        fragmented(APPLICATION, 3, swap=True),
    ):
        events = decode(b"".join(sent), agreed())
        assert not any(isinstance(event, Telegram) and event.ok for event in events)
    other = fragmented(APPLICATION, 3, 6)
    (mixed,) = decode(first + other[1] + third, agreed())
    assert isinstance(mixed, Telegram)
    assert mixed.error == "MAC wrong"


def test_fragments_that_never_end_are_bounded() -> None:
    reader = decoder(agreed())
    for number in range(1, 200):
        afl = bytes((0x90, 2)) + (0x4000 | number).to_bytes(2, "little")
        reader.feed(with_crcs(build_link(0x44, WATER_METER, afl + bytes(200)), FrameFormat.A))
        assert reader.kept_bytes <= MAX_FRAME
    reader.finish()
    assert reader.kept_bytes == 0


def test_a_fragment_found_when_the_stream_ends_is_given_up_too() -> None:
    first, *_ = fragmented(APPLICATION, 3)
    reader = decoder(agreed())
    cut_off = with_crcs(build_link(0x44, WATER_METER, bytes(240)), FrameFormat.A)[:12]
    assert reader.feed(cut_off + first) == []  # it might yet be the content of what was cut off
    reader.finish()
    assert reader.kept_bytes == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("8c20", "the extended link layer ends"),
        ("8d2001000000200000", "encryption in the extended link layer"),
        ("8d200100000000ffff7a0000", "checksum of the extended link layer wrong"),
        ("900200", "the AFL ends"),
        ("9003000000", "1 bytes longer than its fields"),
        ("50", "CI field 50"),
        ("7a0000", "the transport layer ends"),
        ("7a00002005", "32 bytes are said to be encrypted, 0 are there"),
        ("7a00000008", "security mode 8"),
    ],
)
def test_broken_layers_are_named(content: str, said: str) -> None:
    data = with_crcs(build_link(0x44, WATER_METER, bytes.fromhex(content)), FrameFormat.A)
    assert said in (only_telegram(data, agreed()).error or "")


def test_an_extended_link_layer_with_a_session_but_no_encryption_is_read() -> None:
    inner = bytes.fromhex("7a00000000 0c1378563412")
    content = bytes.fromhex("8d200100000000") + crc_en13757(inner).to_bytes(2, "little") + inner
    data = with_crcs(build_link(0x44, WATER_METER, content), FrameFormat.A)
    assert only_telegram(data, agreed(Mode.NONE)).readings[0].value == 12_345_678


def test_what_no_meter_sends_is_refused() -> None:
    data = with_crcs(build_link(0x73, WATER_METER, bytes.fromhex("7a00000000")), FrameFormat.A)
    assert "control field 73" in (only_telegram(data, agreed(Mode.NONE)).error or "")


def test_bare_telegrams_come_one_a_chunk() -> None:
    bare = build_telegram(WATER_METER, b"\x01\x13\x05", mode=Mode.NONE, frame_format=FrameFormat.BARE)
    reader = decoder(agreed(Mode.NONE), form=FrameFormat.BARE)
    assert reader.feed(b"") == []
    (cut,) = reader.feed(bare[:-1])
    assert isinstance(cut, Skipped)
    (telegram,) = reader.feed(bare)
    assert isinstance(telegram, Telegram)
    assert (telegram.offset, telegram.readings[0].value) == (len(bare) - 1, 5)


ORIGINALS = [
    build_telegram(WATER_METER, b"\x04\x13" + bytes((n, 0, 0, 0)), mode=Mode.MODE_7, key=KEY, counter=n)
    for n in range(1, 6)
] + fragmented(APPLICATION, 3, 9)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Telegrams with up to four injuries: flipped bits, lost, repeated or inserted bytes, cut ends, replays."""
    sent = b"".join(draw(st.lists(st.sampled_from(ORIGINALS), min_size=1, max_size=8)))
    return draw(injured(sent, st.integers(0, 4), st.integers(1, 80), st.binary(min_size=1, max_size=20)))


@pytest.mark.campaign
def test_damaged_telegrams_invent_no_reading(campaign: Campaign) -> None:
    tries = campaign.count(3_000)
    figures = {"authentic": 0, "refused": 0, "skipped": 0}

    @settings(max_examples=tries)
    @given(damaged(), st.integers(1, 200))
    def never_invents(data: bytes, size: int) -> None:
        events = decode(data, agreed())
        counted = 0
        for event in events:
            if isinstance(event, Skipped):
                figures["skipped"] += 1
                continue
            assert event.ok == bool(event.readings) == (event.error is None)
            if not event.ok:
                figures["refused"] += 1
                continue
            figures["authentic"] += 1
            assert event.counter is not None
            assert event.counter > counted
            counted = event.counter
            expected = 12_345_678 if counted == 9 else counted
            assert event.readings[0].value == expected
        reader = decoder(agreed())
        pieces = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
        assert pieces + reader.finish() == events

    never_invents()
    campaign.report("wM-Bus: damaged telegrams of mode 7", **figures)


@given(st.binary(max_size=200))
def test_hostile_content_is_read_or_named(content: bytes) -> None:
    for mode in Mode:
        data = build_link(0x44, WATER_METER, content or b"\0")
        reader = decoder(agreed(mode), form=FrameFormat.BARE)
        (event,) = reader.feed(data) or [Skipped(0, 1, "a fragment")]
        assert event.ok == (event.error is None)


@given(st.binary(max_size=200), st.sampled_from([0x72, 0x7A, 0x7D, 0x7E, 0x7F, 0x6E, 0x8A]))
def test_whoever_has_the_key_can_send_anything(application: bytes, ci: int) -> None:
    """The MAC is right: what it protects must be read or named all the same."""
    data = build_telegram(WATER_METER, application, mode=Mode.MODE_7, key=KEY, counter=1, ci=ci)
    telegram = only_telegram(data, agreed())
    assert telegram.ok == bool(telegram.readings) == (telegram.error is None)
    for reading in telegram.readings:
        assert len(reading.obis) == 6
        assert -128 <= reading.scaler <= 127
