"""Meter profiles from a TOML file: one ``[[meter]]`` table a meter. What is wrong is named with file, meter and key.

    [[meter]]
    device_id = "7ELS3312345678"
    medium = "gas"
    protocol = "wmbus"
    capture = ["7-0:3.1.0"]
    period = 3600                        # seconds
    key_file = "keys/7ELS3312345678"     # 32 hexadecimal digits, readable by its owner only
    gas_volume = "temperature-converted"

Further keys: ``line``, ``server_ids`` (hexadecimal), ``security`` ("mode-7", "mode-5", "none"), ``partly_clear``,
``certificate`` (file), ``hdlc_address`` (one number, or three: upper, lower, width), ``quirks``. Paths are relative to
the file. A key's digits are in no error.
"""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar

from gateway.lmn.device_id import DeviceIdError
from gateway.lmn.hdlc import HdlcAddress, HdlcError
from gateway.lmn.mbus_obis import GasVolume
from gateway.lmn.obis import ObisError, parse_obis
from gateway.lmn.profiles import Medium, MeterProfile, ProfileBook, ProfileError, Protocol
from gateway.lmn.sml_bodies import MAX_SERVER_ID
from gateway.lmn.wmbus_layers import Mode
from gateway.lmn.wmbus_security import KEY_LENGTH, MeterKey

_MEDIA: Final = {medium.name.lower().replace("_", "-"): medium for medium in Medium}
_PROTOCOLS: Final = {protocol.value: protocol for protocol in Protocol}
_MODES: Final = {"mode-7": Mode.MODE_7, "mode-5": Mode.MODE_5, "none": Mode.NONE}
_GAS_VOLUMES: Final = {volume.value: volume for volume in GasVolume if volume is not GasVolume.UNSAID}
_ADDRESS_PARTS: Final = 3
_REQUIRED: Final = ("device_id", "medium", "protocol", "capture", "period")
_OPTIONAL: Final = (
    "line",
    "server_ids",
    "security",
    "partly_clear",
    "key_file",
    "certificate",
    "hdlc_address",
    "gas_volume",
    "quirks",
)
_Choice = TypeVar("_Choice")


class ProfileFileError(ProfileError):
    """A file of profiles that cannot be used; the text names file, meter, key and what is wrong."""


def load_profiles(path: Path) -> ProfileBook:
    """All profiles of a file. :raises ProfileFileError: if anything in it is wrong; then none are used."""
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise ProfileFileError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # of the TOML, of its encoding, or of a number without end
        raise ProfileFileError(f"{path}: no TOML: {error}") from error
    unknown = [key for key in content if key != "meter"]
    if unknown:
        raise ProfileFileError(f"{path}: unknown key {unknown[0]!r}, only [[meter]] tables are expected")
    tables = content.get("meter", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ProfileFileError(f"{path}: meter: not [[meter]] tables")
    profiles = [read_meter(path, number, table) for number, table in enumerate(tables, 1)]
    try:
        return ProfileBook(profiles)
    except ProfileError as error:
        raise ProfileFileError(f"{path}: {error}") from error


def read_meter(path: Path, number: int, table: Mapping[str, object]) -> MeterProfile:
    """The profile of one ``[[meter]]`` table of a file, counted from 1.

    :raises ProfileFileError: if anything in it is wrong.
    """
    return _Table(path, number, table).profile()


class _Table:
    """One ``[[meter]]`` table and what to say of it."""

    def __init__(self, path: Path, number: int, table: Mapping[str, object]) -> None:
        self._path, self._table = path, table
        name = table.get("device_id")
        self._name = f"meter {number}" + (f" ({name})" if isinstance(name, str) else "")

    def profile(self) -> MeterProfile:
        for key in self._table:
            if key not in (*_REQUIRED, *_OPTIONAL):
                raise self._error(key, "unknown key")
        for key in _REQUIRED:
            if key not in self._table:
                raise self._error(key, "missing")
        try:
            return MeterProfile(
                device_id=self._text("device_id"),
                medium=self._choice("medium", _MEDIA),
                protocol=self._choice("protocol", _PROTOCOLS),
                capture=tuple(self._obis(text) for text in self._texts("capture")),
                period=timedelta(seconds=self._integer("period", 1, 86_400)),
                line=self._text("line") if "line" in self._table else None,
                server_ids=tuple(self._server_id(text) for text in self._texts("server_ids")),
                mode=self._optional_choice("security", _MODES, Mode.MODE_7),
                key=self._key(),
                partly_clear=self._boolean("partly_clear"),
                certificate=self._file("certificate") if "certificate" in self._table else None,
                hdlc_address=self._hdlc_address(),
                gas_volume=self._choice("gas_volume", _GAS_VOLUMES)
                if "gas_volume" in self._table
                else GasVolume.UNSAID,
                quirks=tuple(self._texts("quirks")),
            )
        except ProfileFileError:
            raise
        except (ProfileError, DeviceIdError) as error:
            raise ProfileFileError(f"{self._path}: {self._name}: {error}") from error

    def _error(self, key: str, what: str) -> ProfileFileError:
        return ProfileFileError(f"{self._path}: {self._name}: {key}: {what}")

    def _text(self, key: str) -> str:
        value = self._table[key]
        if not isinstance(value, str) or not value:
            raise self._error(key, "no text")
        return value

    def _texts(self, key: str) -> list[str]:
        value = self._table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._error(key, "no list of texts")
        return value

    def _integer(self, key: str, lowest: int, highest: int) -> int:
        value = self._table[key]
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            raise self._error(key, f"no whole number from {lowest} to {highest}")
        return value

    def _boolean(self, key: str) -> bool:
        value = self._table.get(key, False)
        if not isinstance(value, bool):
            raise self._error(key, "neither true nor false")
        return value

    def _choice(self, key: str, choices: Mapping[str, _Choice]) -> _Choice:
        value = self._text(key)
        if value not in choices:
            raise self._error(key, f"{value!r} is none of {', '.join(choices)}")
        return choices[value]

    def _optional_choice(self, key: str, choices: Mapping[str, _Choice], otherwise: _Choice) -> _Choice:
        return self._choice(key, choices) if key in self._table else otherwise

    def _obis(self, text: str) -> bytes:
        try:
            return parse_obis(text)
        except ObisError as error:
            raise self._error("capture", str(error)) from error

    def _server_id(self, text: str) -> bytes:
        try:
            server_id = bytes.fromhex(text)
        except ValueError:
            raise self._error("server_ids", f"{text!r} is not hexadecimal") from None
        if not 0 < len(server_id) <= MAX_SERVER_ID:
            raise self._error("server_ids", f"{len(server_id)} bytes, 1 to {MAX_SERVER_ID} make a server id")
        return server_id

    def _file(self, key: str) -> Path:
        path = self._path.parent / self._text(key)
        try:
            there = path.is_file()
        except OSError as error:
            raise self._error(key, f"{path}: {error.strerror}") from error
        if not there:
            raise self._error(key, f"no file {path}")
        return path

    def _key(self) -> MeterKey | None:
        if "key_file" not in self._table:
            return None
        path = self._file("key_file")
        try:
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise self._error("key_file", f"{path} can be read by others than its owner")
            text = path.read_text(encoding="ascii").strip()
        except OSError as error:
            raise self._error("key_file", f"{path}: {error.strerror}") from error
        except UnicodeDecodeError:
            raise self._error("key_file", f"{path} does not hold {2 * KEY_LENGTH} hexadecimal digits") from None
        if len(text) != 2 * KEY_LENGTH or not all(character in "0123456789abcdefABCDEF" for character in text):
            raise self._error("key_file", f"{path} does not hold {2 * KEY_LENGTH} hexadecimal digits")
        return MeterKey(bytes.fromhex(text))

    def _hdlc_address(self) -> HdlcAddress | None:
        value = self._table.get("hdlc_address")
        if value is None:
            return None
        parts = [value] if isinstance(value, int) else value
        if (
            not isinstance(parts, list)
            or len(parts) not in (1, _ADDRESS_PARTS)
            or not all(isinstance(part, int) and not isinstance(part, bool) for part in parts)
        ):
            raise self._error("hdlc_address", "neither one number nor upper, lower and width")
        try:
            return HdlcAddress(*parts)
        except HdlcError as error:
            raise self._error("hdlc_address", str(error)) from error
