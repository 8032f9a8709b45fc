"""OBIS codes, DLMS units and exact decimals."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lmn import obis
from gateway.lmn.obis import ObisError, format_obis, format_scaled, obis_name, parse_obis, unit_symbol


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1-0:1.8.0*255", "0100010800ff"),
        ("1-0:1.8.0", "0100010800ff"),
        ("0100100700FF", "0100100700ff"),
        ("129-129:199.130.3*255", "8181c78203ff"),
        ("0-0:0.0.0*0", "000000000000"),
    ],
)
def test_parse(text: str, code: str) -> None:
    assert parse_obis(text).hex() == code


@pytest.mark.parametrize(
    "text", ["", "1.8.0", "1-0:1.8", "1-0:1.8.256*255", "1-0:1.8.0*1000", "0100010800f", "1-0:1.8.٠"]
)
def test_what_is_no_code(text: str) -> None:
    with pytest.raises(ObisError):
        parse_obis(text)


@given(st.binary(min_size=6, max_size=6))
def test_round_trip(code: bytes) -> None:
    assert parse_obis(format_obis(code)) == code
    assert parse_obis(code.hex()) == code


@pytest.mark.parametrize("code", [b"", b"12345", b"1234567"])
def test_format_needs_six_bytes(code: bytes) -> None:
    with pytest.raises(ObisError, match="6 bytes"):
        format_obis(code)


def test_names_and_units() -> None:
    assert obis_name(obis.IMPORT_ENERGY) == "energy imported (Bezug)"
    assert obis_name(b"\0" * 6) == ""
    assert all(len(code) == obis.OBIS_LENGTH for code in obis.NAMES)
    symbols = {8: "°", 27: "W", 29: "var", 30: "Wh", 33: "A", 35: "V", 44: "Hz", 56: "%", 13: "m³"}
    assert {unit: unit_symbol(unit) for unit in symbols} == symbols
    assert [unit_symbol(unit) for unit in (None, 255, 200)] == ["", "", "unit 200"]


@pytest.mark.parametrize(
    ("value", "scaler", "text"),
    [
        (-10550, -2, "-105.50"),
        (13, 3, "13000"),
        (0, -1, "0.0"),
        (5, -3, "0.005"),
        (-5, -3, "-0.005"),
        (-7, 0, "-7"),
        (2**64 - 1, -4, "1844674407370955.1615"),
    ],
)
def test_scaled(value: int, scaler: int, text: str) -> None:
    assert format_scaled(value, scaler) == text


@given(st.integers(-(2**63), 2**64 - 1), st.integers(-128, 127))
def test_scaled_is_exact(value: int, scaler: int) -> None:
    text = format_scaled(value, scaler)
    assert Fraction(text) == value * Fraction(10) ** scaler
    assert len(text.partition(".")[2]) == max(0, -scaler)
