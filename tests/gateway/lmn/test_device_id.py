"""Device identifications by DIN 43863-5, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lmn.device_id import DeviceIdError, device_id_from_server_id, server_id_from_device_id

PAIRS = [
    ("1EMH0012345678", "0a01454d480000bc614e"),
    ("EXXX0012345678", "0a0e5858580000bc614e"),
    ("1HLY0200239888", "0a01484c59020003a910"),
    ("1ESY1162232997", "0a014553591103b599a5"),
    ("7ABC9999999999", "0a074142439905f5e0ff"),
]


@pytest.mark.parametrize(("text", "data"), PAIRS)
def test_both_ways(text: str, data: str) -> None:
    assert server_id_from_device_id(text).hex() == data
    assert device_id_from_server_id(bytes.fromhex(data)) == text


@given(st.from_regex(r"[0-9E][A-Z]{3}[0-9]{2}[0-9]{8}", fullmatch=True))
def test_round_trip(text: str) -> None:
    assert device_id_from_server_id(server_id_from_device_id(text)) == text


@given(st.binary(min_size=10, max_size=10).map(lambda data: b"\x0a" + data[1:]))
def test_bytes_convert_or_are_refused(data: bytes) -> None:
    try:
        text = device_id_from_server_id(data)
    except DeviceIdError:
        return
    assert server_id_from_device_id(text) == data


def test_the_older_form_is_read() -> None:
    """An EasyMeter Q3A sends these bytes and, beside them, this text."""
    assert device_id_from_server_id(bytes.fromhex("09014553591103b599a5")) == "1ESY1162232997"


@pytest.mark.parametrize(
    "text",
    ["", "1EMH001234567", "1EMH00123456789", "1emh0012345678", "AEMH0012345678", "1EMH0012345678\n", "1EMH00１2345678"],
)
def test_texts_that_are_refused(text: str) -> None:
    with pytest.raises(DeviceIdError, match="no device identification"):
        server_id_from_device_id(text)


@pytest.mark.parametrize(
    "data",
    [
        "",
        "3032323830383136",  # free text of an old EMH
        "06454d4801027156cd45",  # an older form
        "0b01454d480000bc614e",
        "0a0a454d480000bc614e",  # medium 10
        "0a01656d680000bc614e",  # small letters
        "0a01454d480a00bc614e",  # block 0a
        "0a01454d480005f5e100",  # number 100,000,000
        "0a01454d480000bc614e00",
        "0a01ff4d480000bc614e",
    ],
)
def test_bytes_that_are_refused(data: str) -> None:
    with pytest.raises(DeviceIdError):
        device_id_from_server_id(bytes.fromhex(data))
