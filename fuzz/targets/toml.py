"""TOML and JSON that somebody with the administrator's rights writes: meter profiles, settings, contracts."""

from __future__ import annotations

import json
import tempfile
import tomllib
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any, Final

from fuzz.mutation import Mutator
from fuzz.target import ACCEPTED, hold, keeps_secret, reason_class
from gateway.contract_file import ContractFileError, canonical_contract, read_contract
from gateway.lmn.profile_file import ProfileFileError, load_profiles
from gateway.settings import SettingsError, example, read_settings
from tests.support.settings import KEY_DIGITS, example_in

_PROFILES: Final = """\
[[meter]]
device_id = "7ELS3312345678"
medium = "gas"
protocol = "wmbus"
capture = ["7-0:3.1.0"]
period = 3600
key_file = "keys/7ELS3312345678"
gas_volume = "temperature-converted"

[[meter]]
device_id = "1EMH0012345678"
medium = "electricity"
protocol = "sml-hdlc"
capture = ["1-0:1.8.0", "1-0:2.8.0*255"]
period = 900
line = "lmn0"
server_ids = ["0a01454d480000bc614e"]
hdlc_address = [1, 17, 2]
quirks = []

[[meter]]
device_id = "8KAM1900000042"
medium = "cold-water"
protocol = "wmbus"
capture = ["8-0:1.0.0"]
period = 86400
security = "mode-5"
partly_clear = true
key_file = "keys/7ELS3312345678"
"""
_WORDS: Final = (
    b'"',
    b"'",
    b'"""',
    b"[[meter]]\n",
    b"[",
    b"[" * 60,
    b"= " + b"[" * 1_500,
    b"{a=" * 60,
    b"a." * 200,
    b"= ",
    b"\n",
    b"\0",
    b"\xff",
    b"\\u0000",
    b"\\uD800",
    b"9" * 30,
    b"9" * 5_000,
    b"-1",
    b"1e400",
    b"nan",
    b"true",
    b"[]",
    b"{}",
    b'"x"',
    b'"' + b"n" * 300 + b'"',
    b"2026-03-29T02:30:00",
    b"9999-12-31T23:59:59-23:59",
    b"0001-01-01",
    b"07:32:00",
    "Ü".encode(),
    b"../../../../etc/passwd",
    b"/dev/zero",
    b"key_file = ",
)
_VALUES: Final = (
    "0",
    "-1",
    "1",
    "2",
    "86400",
    "9223372036854775808",
    "9" * 5_000,
    "1.5",
    "inf",
    "true",
    "[]",
    "{}",
    '""',
    '"x"',
    '"none"',
    '"mode-7"',
    '"1EMH0012345678"',
    '"7-0:3.1.0"',
    '["1-0:1.8.0"]',
    "[1, 17, 2]",
    "[[1]]",
    "1979-05-27",
    "9999-12-31",
    "0001-01-01",
    "2026-10-25T02:30:00+02:00",
    '"keys/7ELS3312345678"',
    f'"{"n" * 300}"',
    '"a\\u0000b"',
    f'"{KEY_DIGITS}"',
)


class _Lines:
    """Injures a file line by line: values replaced, lines left out, said twice, moved; then its bytes."""

    def __init__(self, text: str) -> None:
        self._lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        self._mutator = Mutator(_WORDS, [text.encode()])

    def injured(self, random: Random) -> bytes:
        """The file, most of it as it was."""
        lines = list(self._lines)
        for _ in range(random.choice((0, 1, 1, 2, 3))):
            at = random.randrange(len(lines))
            way = random.random()
            if way < 0.6 and " = " in lines[at]:
                lines[at] = f"{lines[at].partition(' = ')[0]} = {random.choice(_VALUES)}"
            elif way < 0.75:
                del lines[at]
            elif way < 0.82:
                lines.insert(random.randrange(len(lines) + 1), lines[at])
            else:
                lines[at] = lines[at].replace(" = ", random.choice(("=", " == ", ".x = ", "")))
        return self._mutator.perhaps(random, "\n".join(lines).encode(), 0.3, 2)


class _Beside:
    """A file, injured, in a folder with all that the example needs.

    :param text: of the file.
    """

    def __init__(self, text: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="smgw-fuzz-")
        base = Path(self._folder.name)
        example_in(base)
        self._path = base / "changed.toml"
        self._path.touch(mode=0o600)
        self._lines = _Lines(text)

    def build(self, random: Random) -> bytes:
        """The file, injured."""
        return self._lines.injured(random)

    def close(self) -> None:
        """Remove the folder."""
        self._folder.cleanup()

    def _written(self, data: bytes) -> tuple[str, ...]:
        """Write the file; what nobody may be told of what lies beside it."""
        self._path.write_bytes(data)
        return () if KEY_DIGITS.encode() in data else (KEY_DIGITS, KEY_DIGITS.upper())


class MeterProfiles(_Beside):
    """:func:`load_profiles`: a book of sound profiles, or :class:`ProfileFileError` without a digit of a key."""

    def __init__(self) -> None:
        super().__init__(_PROFILES)

    def check(self, data: bytes) -> str:
        """See the class."""
        secrets = self._written(data)
        try:
            book = load_profiles(self._path)
        except ProfileFileError as error:
            hold(str(error).startswith(str(self._path)), "an error that does not name the file")
            keeps_secret(secrets, str(error), repr(error.__cause__))
            return reason_class(str(error).replace(str(self._path), "meters"))
        keeps_secret(secrets, *map(repr, book))
        for profile in book:
            found = book.by_server_id(profile.server_id)
            hold(found is profile and bool(profile.capture), "a profile that is not found or captures nothing")
        return ACCEPTED


class GatewaySettings(_Beside):
    """:func:`read_settings`: settings, or :class:`SettingsError` that names file and mistake, without a key's digit."""

    def __init__(self) -> None:
        super().__init__(example())

    def check(self, data: bytes) -> str:
        """See the class."""
        secrets = self._written(data)
        try:
            settings = read_settings(self._path)
        except SettingsError as error:
            hold(bool(error.mistakes), "an error without a mistake")
            for mistake in error.mistakes:
                hold(mistake.startswith(str(self._path)), "a mistake that does not name the file")
            keeps_secret(secrets, str(error))
            return reason_class(error.mistakes[0].replace(str(self._path), "settings"))
        keeps_secret(secrets, repr(settings))
        return ACCEPTED


class ContractTables:
    """:func:`read_contract`: a contract that its own table reads again the same, or :class:`ContractFileError`."""

    def __init__(self) -> None:
        self._tables: list[dict[str, Any]] = tomllib.loads(example())["contract"]
        threshold = {"over": {"value": 5, "unit": 27}, "under": {"value": 4, "scaler": 3}, "direction": 1}
        period = {"begin": "2026-03-01T00:00:00+01:00", "end": "2026-04-01T00:00:00Z"}
        self._parts: dict[str, Any] = {
            "threshold": [threshold],
            "event": [{"number": 1, "stage": 2, **period, "threshold": [threshold]}],
            "extreme": [{"count": 3, "maximum": True}],
            "prepayment": {"available": {"value": 9, "unit": 30}, "breakers": ["1EMH0012345678"], **period},
            "participants": ["9900000000003"],
            "end": "2027-01-01",
            "calendar": [
                {
                    "day_profile": [{"names": ["a", "b"], "switches": {"00:00": 1, "06:00:30": 2}}],
                    "week": [{"name": "w", "monday": "a", "sunday": "b"}],
                    "season": [{"name": "s", "start": "2026-01-01", "week": "w"}],
                    "special_day": [{"day_profile": "b", "month": 12, "day_of_month": 25}],
                }
            ],
        }
        self._odd: tuple[Any, ...] = (
            *(None, True, -1, 0, 1, 255, 256, 2**53, 2**63, 1.5, "", "x", "\0", "\ud800", [], {}, [[]], [{}], "a" * 99),
            *("0001-01-01", "9999-12-31", "2026-02-30", "2026-10-25T02:30:00", "9999-12-31T23:59:59-23:59"),
            *("24:00", "1-0:1.8.0", "1-0:1.8.63", "quarter", 14, {"00:00": 1}, {"25:00": 1}),
        )

    def build(self, random: Random) -> bytes:
        """A table as JSON, with parts of every kind, some of them replaced."""
        table: dict[str, Any] = json.loads(json.dumps(random.choice(self._tables), default=str))
        for name, part in self._parts.items():
            if random.random() < 0.3:
                table[name] = json.loads(json.dumps(part))
        for _ in range(random.choice((0, 1, 1, 2, 4))):
            self._replace(random, table)
        return json.dumps(table).encode()

    def _replace(self, random: Random, inside: Any) -> None:
        """Replace, remove or add something somewhere in it."""
        while True:
            keys = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
            if not keys:
                return
            key = random.choice(keys)
            if isinstance(inside[key], dict | list) and random.random() < 0.8:
                inside = inside[key]
                continue
            way = random.random()
            if way < 0.6:
                inside[key] = deepcopy(random.choice(self._odd))
            elif way < 0.8:
                del inside[key]
            elif isinstance(inside, list):
                inside.append(deepcopy(inside[key]))
            else:
                inside[random.choice(("number", "x", "end", "unit", "year", "id"))] = deepcopy(random.choice(self._odd))
            return

    def check(self, data: bytes) -> str:
        """See the class."""
        table = json.loads(data)
        try:
            contract = read_contract(table, "fuzz")
        except ContractFileError as error:
            hold(str(error).startswith("fuzz"), "an error that does not say where")
            return reason_class(str(error))
        written = canonical_contract(contract)
        again = read_contract(json.loads(written), "fuzz")
        hold(canonical_contract(again) == written, "a contract is not read again as it was written")
        return ACCEPTED

    def close(self) -> None:
        """Nothing is held."""
