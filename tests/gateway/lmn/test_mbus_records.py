"""M-Bus data records: headers, values, units, and the OBIS codes that are certain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lmn import mbus_values
from gateway.lmn.mbus_obis import GasVolume, obis_of
from gateway.lmn.mbus_records import Function, Record, read_records
from gateway.lmn.mbus_values import MbusTime, MbusValueError
from gateway.lmn.mbus_vif import Direction, Quantity, value_information
from gateway.lmn.obis import format_obis, unit_symbol


def only_record(text: str) -> Record:
    records = read_records(bytes.fromhex(text))
    assert records.error is None
    (record,) = records.records
    return record


@pytest.mark.parametrize(
    ("text", "value", "scaler", "unit"),
    [
        ("0C1427048502", 2_850_427, -2, "m³"),
        ("0403D2040000", 1234, 0, "Wh"),
        ("040000000000", 0, -3, "Wh"),
        ("04030000FFFF", -65_536, 0, "Wh"),
        ("0B5A4000F0", -40, -1, "°C"),
        ("04FB00E8030000", 1000, 5, "Wh"),
        ("02FD48E508", 2277, -1, "V"),
        ("04FD590A000000", 10, -3, "A"),
        ("0E0A563412907856", 567_890_123_456, 2, "J"),
        ("07030000000000000001", 72_057_594_037_927_936, 0, "Wh"),
        ("0D13C3563412", 123_456, -3, "m³"),
        ("0D13D25634", -3456, -3, "m³"),
        ("04867001000000", 1, -3, "Wh"),
        ("04867D01000000", 1, 6, "Wh"),
    ],
)
def test_values_keep_every_digit(text: str, value: int, scaler: int, unit: str) -> None:
    record = only_record(text)
    assert (record.value, record.information.scaler) == (value, scaler)
    assert unit_symbol(record.information.unit) == unit


@pytest.mark.parametrize(
    ("text", "storage", "tariff", "unit_number", "function"),
    [
        ("040300000000", 0, 0, 0, Function.INSTANTANEOUS),
        ("440300000000", 1, 0, 0, Function.INSTANTANEOUS),
        ("540300000000", 1, 0, 0, Function.MAXIMUM),
        ("84100300000000", 0, 1, 0, Function.INSTANTANEOUS),
        ("84200300000000", 0, 2, 0, Function.INSTANTANEOUS),
        ("C4D1F20B0300000000", 1 | 1 << 1 | 2 << 5 | 11 << 9, 1 | 3 << 2, 3, Function.INSTANTANEOUS),
    ],
)
def test_headers(text: str, storage: int, tariff: int, unit_number: int, function: Function) -> None:
    record = only_record(text)
    assert (record.storage, record.tariff, record.unit_number, record.function) == (
        storage,
        tariff,
        unit_number,
        function,
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("050300000000", "floating point"),
        ("040300000080", "marks the value as invalid"),
        ("0B13AA0000", "no decimal number"),
        ("0003", "no value"),
        ("04837F00000000", "VIFE 7f"),
        ("04FF1300000000", "manufacturer's"),
        ("046F00000000", "no meaning here"),
        ("04831500000000", "no data available"),
        ("0C7C034B435401000000", "unit is text"),
        ("026CFFFF", "no date"),
        ("046DB7371F15", "marks the time as invalid"),
        ("0D13C0", "no value"),
        ("0D1301FF", "no printable text"),
        ("0D13E2ABCD", "coding without meaning"),
    ],
)
def test_what_cannot_be_understood_is_kept_with_a_reason(text: str, reason: str) -> None:
    record = only_record(text)
    assert reason in (record.reason or "")
    assert bytes.fromhex(text).startswith(record.header)


def test_dates_and_times() -> None:
    assert only_record("046D32371F15").value == MbusTime(2008, 5, 31, 23, 50)
    assert only_record("426CFE04").value == MbusTime(2007, 4, 30)
    assert str(only_record("046D32B71F15").value) == "2008-05-31T23:50"
    assert mbus_values.date_and_time(bytes.fromhex("32b71f15")).summer
    assert mbus_values.date_and_time(bytes.fromhex("1e0a0b1f1500")) == MbusTime(2008, 5, 31, 11, 10, 30)
    assert str(mbus_values.date_and_time(bytes.fromhex("1e0a0b"))) == "11:10:30"
    assert str(mbus_values.date(bytes.fromhex("7fcc"))) == "1999-12-31"


@pytest.mark.parametrize("wire", ["0000", "2000", "0001", "1f02", "ffff"])
def test_impossible_dates_are_refused(wire: str) -> None:
    with pytest.raises(MbusValueError):
        mbus_values.date(bytes.fromhex(wire))


@given(st.integers(-(10**11) + 1, 10**12 - 1))
def test_decimals_round_trip(value: int) -> None:
    digits = f"f{-value:011}" if value < 0 else f"{value:012}"
    assert mbus_values.bcd(bytes.fromhex(digits)[::-1]) == value


@given(st.sampled_from([1, 2, 3, 4, 6, 8]), st.data())
def test_integers_round_trip(width: int, data: st.DataObject) -> None:
    value = data.draw(st.integers(-(1 << 8 * width - 1) + 1, (1 << 8 * width - 1) - 1))
    assert mbus_values.signed_integer(value.to_bytes(width, "little", signed=True)) == value


def test_records_end_where_they_make_no_sense() -> None:
    records = read_records(bytes.fromhex("2F2F040301000000 3F 0403"))
    assert [record.value for record in records.records] == [1]
    assert records.error == "DIF 3f at byte 8 is reserved"
    assert read_records(bytes.fromhex("04030100")).error == "the bytes end before the record does (record at byte 0)"
    assert read_records(b"\x84" + b"\x80" * 12).error == "more than 10 DIFEs (record at byte 0)"
    assert read_records(b"\x04" + b"\x83" + b"\xf0" * 12).error == "more than 10 VIFEs (record at byte 0)"
    assert read_records(bytes.fromhex("0D13FF")).error == "length code ff is reserved (record at byte 0)"
    assert read_records(bytes.fromhex("01130A0FAABB")).manufacturer_data == b"\xaa\xbb"


@given(st.binary(max_size=120))
def test_any_bytes_are_read_or_named(data: bytes) -> None:
    records = read_records(data)
    place = 0
    for record in records.records:
        assert record.offset >= place
        place = record.offset + len(record.header) + len(record.data)
        assert (record.value is None) <= (record.reason is not None)
        code = obis_of(record, 1)
        assert isinstance(code, str) or len(code) == 6
    assert place <= len(data)


def test_value_information_is_total() -> None:
    for first in range(256):
        for second in (None, 0x00, 0x3C, 0x7D, 0xFF):
            information = value_information(bytes([first] if second is None else [first, second]))
            assert information.quantity is not None
    assert value_information(b"").problem
    assert value_information(b"\xfd").problem
    assert value_information(bytes.fromhex("833c")).direction is Direction.NEGATIVE
    assert value_information(bytes.fromhex("833b3c")).problem
    assert value_information(bytes.fromhex("13")).quantity is Quantity.VOLUME


@pytest.mark.parametrize(
    ("medium", "text", "code"),
    [
        (1, "040300000000", "1-0:1.8.0*255"),
        (1, "84100300000000", "1-0:1.8.1*255"),
        (1, "84200300000000", "1-0:1.8.2*255"),
        (1, "04833B00000000", "1-0:1.8.0*255"),
        (1, "04833C00000000", "1-0:2.8.0*255"),
        (1, "8410833C00000000", "1-0:2.8.1*255"),
        (1, "04AB3B00000000", "1-0:1.7.0*255"),
        (1, "04AB3C00000000", "1-0:2.7.0*255"),
        (6, "0C0600000000", "6-0:1.0.0*255"),
        (6, "4C0600000000", "6-0:1.2.0*255"),
        (6, "0C1400000000", "6-0:2.0.0*255"),
        (6, "0B2D000000", "6-0:8.0.0*255"),
        (6, "0B3B000000", "6-0:9.0.0*255"),
        (6, "0A5A0000", "6-0:10.0.0*255"),
        (6, "0A5E0000", "6-0:11.0.0*255"),
        (6, "0A620000", "6-0:12.0.0*255"),
        (5, "0C0600000000", "5-0:1.0.0*255"),
        (8, "0C1300000000", "8-0:1.0.0*255"),
        (8, "4C1300000000", "8-0:1.2.0*255"),
        (9, "0B3B000000", "9-0:2.0.0*255"),
        (4, "0B6E341200", "4-0:1.0.0*255"),
        (4, "4B6E341200", "4-0:1.2.0*255"),
        (7, "0C933A00000000", "7-0:3.0.0*255"),
        (7, "0C933E00000000", "7-0:3.2.0*255"),
    ],
)
def test_certain_codes(medium: int, text: str, code: str) -> None:
    found = obis_of(only_record(text), medium)
    assert isinstance(found, bytes)
    assert format_obis(found) == code


@pytest.mark.parametrize(
    ("medium", "text", "reason"),
    [
        (1, "042B00000000", "no certain OBIS code"),
        (1, "440300000000", "no certain OBIS code"),
        (1, "140300000000", "maximum value"),
        (1, "84400300000000", "unit 1"),
        (1, "02FD48E508", "no certain OBIS code"),
        (1, "84A0200300000000", "tariff 10"),
        (6, "84100600000000", "tariff 1"),
        (6, "04863C00000000", "one direction"),
        (7, "0C1400000000", "neither the record nor the profile"),
        (7, "040600000000", "no certain OBIS code"),
        (8, "0C0600000000", "no certain OBIS code"),
        (None, "0C1300000000", "no mapped medium"),
        (8, "046D32371F15", "no number"),
    ],
)
def test_what_is_not_certain_stays_raw(medium: int | None, text: str, reason: str) -> None:
    found = obis_of(only_record(text), medium)
    assert isinstance(found, str)
    assert reason in found


def test_the_profile_says_of_what_volume_a_gas_register_is() -> None:
    record = only_record("0C1427048502")
    codes = [obis_of(record, 7, volume) for volume in (GasVolume.METERING, GasVolume.CONVERTED)]
    assert [format_obis(code) for code in codes if isinstance(code, bytes)] == ["7-0:3.0.0*255", "7-0:3.1.0*255"]
    marked = only_record("0C933E00000000")
    assert obis_of(marked, 7, GasVolume.METERING) == obis_of(marked, 7)
