"""Meter profiles: what contradicts itself is refused, files are read with clear errors, and keys never show."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lmn.device_id import DeviceIdError
from gateway.lmn.hdlc import HdlcAddress
from gateway.lmn.mbus_obis import GasVolume
from gateway.lmn.obis import IMPORT_ENERGY
from gateway.lmn.profile_file import ProfileFileError, load_profiles
from gateway.lmn.profiles import Medium, MeterProfile, ProfileBook, ProfileError, Protocol
from gateway.lmn.wmbus_layers import Mode
from gateway.lmn.wmbus_link import MbusAddress
from gateway.lmn.wmbus_security import MeterKey

KEY_DIGITS = "000102030405060708090a0b0c0d0e0f"
KEY = MeterKey(bytes.fromhex(KEY_DIGITS))
QUARTER = timedelta(minutes=15)

ELECTRIC = MeterProfile("1EMH0012345678", Medium.ELECTRICITY, Protocol.SML, (IMPORT_ENERGY,), QUARTER)
GAS = MeterProfile("7ELS3312345678", Medium.GAS, Protocol.WMBUS, (bytes.fromhex("0700030100ff"),), QUARTER, key=KEY)

FILE = """
[[meter]]
device_id = "1EMH0012345678"
medium = "electricity"
protocol = "sml-hdlc"
capture = ["1-0:1.8.0", "0100020800ff"]
period = 900
line = "bus"
server_ids = ["0901454d480000bc614e"]
hdlc_address = [1, 17, 2]
certificate = "meter.pem"
quirks = ["sign-shortened"]

[[meter]]
device_id = "7ELS3312345678"
medium = "gas"
protocol = "wmbus"
capture = ["7-0:3.1.0"]
period = 3600
key_file = "gas.key"
gas_volume = "temperature-converted"

[[meter]]
device_id = "8KAM1900000042"
medium = "cold-water"
protocol = "wmbus"
security = "none"
capture = ["8-0:1.0.0"]
period = 86400
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "meter.pem").write_text("certificate")
    key = tmp_path / "gas.key"
    key.write_text(KEY_DIGITS + "\n")
    key.chmod(0o600)
    return tmp_path


def load(folder: Path, text: str) -> ProfileBook:
    path = folder / "meters.toml"
    path.write_text(text)
    return load_profiles(path)


def test_a_file_becomes_profiles(folder: Path) -> None:
    electric, gas, water = load(folder, FILE)
    assert electric.capture == (IMPORT_ENERGY, bytes.fromhex("0100020800ff"))
    assert (electric.period, electric.line, electric.hdlc_address) == (QUARTER, "bus", HdlcAddress(1, 17, 2))
    assert electric.certificate == folder / "meter.pem"
    assert electric.quirks == ("sign-shortened",)
    assert (gas.key, gas.mode, gas.gas_volume) == (KEY, Mode.MODE_7, GasVolume.CONVERTED)
    assert (water.mode, water.key, water.medium) == (Mode.NONE, None, Medium.COLD_WATER)


def test_a_meter_is_found_by_whatever_it_calls_itself(folder: Path) -> None:
    book = load(folder, FILE)
    assert len(book) == 3
    electric = book.by_server_id(bytes.fromhex("0a01454d480000bc614e"))
    assert electric is not None
    assert electric is book.by_server_id(bytes.fromhex("0901454d480000bc614e"))
    assert electric.server_id.hex() == "0a01454d480000bc614e"
    gas = MbusAddress("ELS", "12345678", 0x33, 0x03)
    agreement = book.agreement(gas)
    assert agreement is not None
    assert (agreement.key, agreement.gas_volume) == (KEY, GasVolume.CONVERTED)
    assert book.agreement(replace(gas, version=0x34)) is None
    assert book.agreement(replace(gas, device_type=0x07)) is None
    assert book.by_server_id(b"nobody") is None
    assert book.agreement(MbusAddress("EMH", "12345678", 0, 2)) is None, "a wired meter has no radio"


def test_an_address_without_a_device_id_is_claimed_by_its_server_id() -> None:
    address = MbusAddress("ELS", "12345678", 0x3A, 0x03)
    book = ProfileBook([replace(GAS, server_ids=(address.server_id,))])
    assert book.by_address(address) is not None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'medium = "gas"',
            'medium = "steam"',
            "meter 2 (7ELS3312345678): medium: 'steam' is none of electricity, heat",
        ),
        (
            'medium = "gas"',
            'medium = "heat"',
            "meter 2 (7ELS3312345678): device_id 7ELS3312345678 is of another medium",
        ),
        ('medium = "gas"', "medium = 7", "medium: no text"),
        ('medium = "gas"\n', "", "meter 2 (7ELS3312345678): medium: missing"),
        ('device_id = "7ELS3312345678"', 'device_id = "7els"', "meter 2 (7els): '7els' is no device identification"),
        ('device_id = "7ELS3312345678"', "device_id = 7", "meter 2: device_id: no text"),
        ("period = 3600", "period = 0", "period: no whole number from 1 to 86400"),
        ("period = 3600", "period = 900.5", "period: no whole number"),
        ("period = 3600", "period = true", "period: no whole number"),
        ("period = 3600", "period = 7000", "whole seconds that divide a day"),
        ('capture = ["7-0:3.1.0"]', 'capture = ["7-0:300.1.0"]', "capture: '7-0:300.1.0' is no OBIS code"),
        ('capture = ["7-0:3.1.0"]', "capture = []", "capture names no OBIS code"),
        ('capture = ["7-0:3.1.0"]', 'capture = "7-0:3.1.0"', "capture: no list of texts"),
        ('capture = ["7-0:3.1.0"]', 'capture = ["7-0:3.1.0", "0700030100ff"]', "names an OBIS code twice"),
        ('key_file = "gas.key"', 'key_file = "none.key"', "key_file: no file"),
        ('key_file = "gas.key"\n', "", "no key for a meter with security mode 7"),
        ('security = "none"', 'security = "none"\nkey_file = "gas.key"', "telegrams are to be unencrypted"),
        ('security = "none"', 'security = "mode-8"', "security: 'mode-8' is none of mode-7, mode-5, none"),
        ('security = "none"', 'security = "none"\npartly_clear = "yes"', "partly_clear: neither true nor false"),
        ('security = "none"', 'security = "none"\ncolour = "blue"', "colour: unknown key"),
        ('security = "none"', 'security = "none"\ngas_volume = "metering-conditions"', "a meter that is none of gas"),
        ('quirks = ["sign-shortened"]', 'quirks = ["magic"]', "quirks names 'magic', known are sign-shortened"),
        ('server_ids = ["0901454d480000bc614e"]', 'server_ids = ["xy"]', "server_ids: 'xy' is not hexadecimal"),
        ('server_ids = ["0901454d480000bc614e"]', 'server_ids = [""]', "server_ids: 0 bytes"),
        ("hdlc_address = [1, 17, 2]", "hdlc_address = [1, 17]", "hdlc_address: neither one number nor upper"),
        ("hdlc_address = [1, 17, 2]", "hdlc_address = 200", "hdlc_address: 200/None does not fit"),
        ('certificate = "meter.pem"', 'certificate = "none.pem"', "certificate: no file"),
        ('protocol = "sml-hdlc"', 'protocol = "sml"', "that is for sml-hdlc"),
        ('device_id = "8KAM1900000042"', 'device_id = "7ELS3312345678"', "of another medium"),
        ("[[meter]]", "[meter]\nx = 1\n[[meter]]", "no TOML"),
        ("[[meter]]", "[other]\n[[meter]]", "unknown key 'other'"),
        ("[[meter]]", "[[meter", "no TOML"),
    ],
)
def test_what_is_wrong_is_named(folder: Path, old: str, new: str, said: str) -> None:
    assert old in FILE
    with pytest.raises(ProfileFileError) as refused:
        load(folder, FILE.replace(old, new, 1))
    assert said in str(refused.value)
    assert str(refused.value).startswith(str(folder / "meters.toml"))
    assert KEY_DIGITS not in str(refused.value)


def test_a_file_that_is_not_there_or_holds_something_else(folder: Path) -> None:
    with pytest.raises(ProfileFileError, match="No such file"):
        load_profiles(folder / "none.toml")
    with pytest.raises(ProfileFileError, match="not \\[\\[meter\\]\\] tables"):
        load(folder, "meter = 3")
    (folder / "meters.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ProfileFileError, match="no TOML"):
        load_profiles(folder / "meters.toml")
    assert len(load(folder, "")) == 0


@pytest.mark.parametrize("value", ["9" * 5_000, "[" * 3_000], ids=["number without end", "lists within lists"])
def test_toml_that_no_parser_takes(folder: Path, value: str) -> None:
    with pytest.raises(ProfileFileError, match="no TOML"):
        load(folder, f"meter = {value}")


def test_a_name_that_no_file_can_have(folder: Path) -> None:
    with pytest.raises(ProfileFileError, match=r"key_file: .* File name too long"):
        load(folder, FILE.replace("gas.key", "n" * 300))


@pytest.mark.parametrize("content", ["", KEY_DIGITS[:-1], KEY_DIGITS + "00", "zz" * 16, "\xe4" * 32])
def test_a_wrong_key_is_named_without_its_digits(folder: Path, content: str) -> None:
    (folder / "gas.key").write_text(content)
    with pytest.raises(ProfileFileError, match="does not hold 32 hexadecimal digits") as refused:
        load(folder, FILE)
    assert not content or content not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_key_that_others_can_read_is_refused(folder: Path) -> None:
    (folder / "gas.key").chmod(0o640)
    with pytest.raises(ProfileFileError, match="can be read by others than its owner"):
        load(folder, FILE)


def test_keys_never_show(folder: Path) -> None:
    for profile in load(folder, FILE):
        assert KEY_DIGITS not in repr(profile).lower()
        assert "key=" not in repr(profile)


def test_two_profiles_for_one_meter_are_refused() -> None:
    with pytest.raises(ProfileError, match="two profiles for meter 7ELS3312345678"):
        ProfileBook([GAS, GAS])
    with pytest.raises(ProfileError, match="claimed by 1EMH0012345678 and 7ELS3312345678"):
        ProfileBook([ELECTRIC, replace(GAS, server_ids=(ELECTRIC.server_id,))])


def test_contradictions_are_refused() -> None:
    with pytest.raises(ProfileError, match="that is for wmbus"):
        replace(ELECTRIC, key=KEY)
    with pytest.raises(DeviceIdError):
        replace(ELECTRIC, device_id="1EMH")
    with pytest.raises(ProfileError, match="whole seconds"):
        replace(ELECTRIC, period=timedelta(seconds=0.5))


@given(st.sampled_from([n for n in range(1, 86_401) if 86_400 % n == 0]))
def test_every_period_that_divides_a_day_is_allowed(seconds: int) -> None:
    assert replace(ELECTRIC, period=timedelta(seconds=seconds)).period.total_seconds() == seconds
