"""The configuration of a running gateway: one TOML file, read strictly, with every mistake in it named.

``example.toml`` beside this module is the reference: every table and key with what it means. Paths are relative to the
file. No secret stands in it in the clear: passwords are the hashes of HTTP Digest, and keys are files of their own. The
hashes are as good as the passwords to whoever wants to come in, so that others may not read a file that has some.
"""

from __future__ import annotations

import ipaddress
import re
import stat
import tomllib
from collections import Counter
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from gateway.contract_file import read_contract
from gateway.contracts import Contract
from gateway.han.consumers import Consumer, DigestAlgorithm
from gateway.han.interface import PORT
from gateway.han.mdns import LocalName, NoMulticastDns
from gateway.han.own_key import CURVES
from gateway.han.technician_interface import PORT as TECHNICIAN_PORT
from gateway.lmn.profile_file import read_meter
from gateway.lmn.profiles import MeterProfile, ProfileBook
from gateway.lmn.profiles import ProfileError as MeterProfileError
from gateway.logs.store import LogError, LogPolicy, WhenFull
from gateway.profiles import KnownConsumer, ProfileError, Profiles
from gateway.settings_lines import ListenSettings, read_line, wrong_with_meters
from gateway.settings_parts import DeviceSettings, HanSettings, Settings, TechnicianSettings
from gateway.settings_table import Checked, read_limited
from lifecycle.journal import GATEWAY_ID

__all__ = [
    "DeviceSettings",
    "HanSettings",
    "Settings",
    "SettingsError",
    "TechnicianSettings",
    "example",
    "hash_lines",
    "read_settings",
]

EXAMPLE: Final = "example.toml"
MAX_LINES: Final = 32
"""How many lines may be configured; ours. A gateway follows twice as many, senders of listening ones among them."""
_HASHES: Final = {
    DigestAlgorithm.SHA_256: ("password_sha256", re.compile(r"[0-9a-f]{64}", re.ASCII)),
    DigestAlgorithm.MD5: ("password_md5", re.compile(r"[0-9a-f]{32}", re.ASCII)),
}
_OTHERS: Final = stat.S_IRWXO | stat.S_IWGRP


class SettingsError(ValueError):
    """A configuration that cannot be used.

    :ivar mistakes: everything that is wrong with it, each with file, table and key.
    """

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)


def example() -> str:
    """The commented example."""
    return files("gateway").joinpath(EXAMPLE).read_text(encoding="utf-8")


def hash_lines(consumer: Consumer) -> list[str]:
    """The lines of a ``[[consumer]]`` table that stand for his password."""
    return [f'{key} = "{consumer.ha1[algorithm]}"' for algorithm, (key, _) in _HASHES.items()]


def read_settings(path: Path) -> Settings:
    """What a file says. Reads the files that it names, opens no port and no database.

    :raises SettingsError: with everything that is wrong.
    """
    return _Reading(path).settings(_loaded(path))


def _loaded(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_limited(path).decode("utf-8"))
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror or error}"]) from error
    except (ValueError, RecursionError) as error:  # of the TOML, of its encoding, or of a number without end
        raise SettingsError([f"{path}: no TOML: {error}"]) from error


class _Reading:
    """Reads one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._base = path.parent
        self._mistakes: list[str] = []
        self._content: dict[str, Any] = {}

    def settings(self, content: dict[str, Any]) -> Settings:
        self._content = content
        unknown = [key for key in content if key not in _TABLES]
        self._mistakes += [f"{self._path}: {key}: unknown key; there are {', '.join(_TABLES)}" for key in unknown]
        device = self._device()
        lines = tuple(line for table in self._tables("line") if (line := read_line(table)) is not None)
        if len(lines) > MAX_LINES:
            self._note(f"line: {len(lines)} of them; {MAX_LINES} are the most")
        self._mistakes += [f"{self._path}: line {name}: is there twice" for name in _twice(each.name for each in lines)]
        meters = self._meters()
        if len(lines) == len(self._raw_tables("line")) and len(meters) == len(self._raw_tables("meter")):
            self._mistakes += [f"{self._path}: {wrong}" for wrong in wrong_with_meters(lines, meters)]
        profiles = self._profiles(meters)
        logs, han, technician, monitor = self._logs(), self._han(), self._technician(), self._monitor()
        listening = [line.way.address for line in lines if isinstance(line.way, ListenSettings)]
        listening += [each.address for each in (han, technician) if each is not None]
        listening += [monitor] if monitor is not None else []
        for host, port in _twice(address for address in listening if address[1]):
            self._note(f"two things are to listen on {host}, port {port}")
        if self._mistakes or device is None:
            raise SettingsError(self._mistakes)
        return Settings(self._path, device, lines, profiles, logs, han, technician, monitor)

    def _note(self, what: str) -> None:
        self._mistakes.append(f"{self._path}: {what}")

    def _table(self, name: str) -> Checked | None:
        """A table, ``None`` where it is not there."""
        table = self._content.get(name)
        if table is not None and not isinstance(table, dict):
            self._note(f"{name}: not a [{name}] table")
            return None
        return None if table is None else Checked(f"{self._path}: [{name}]", table, self._base, self._mistakes)

    def _raw_tables(self, name: str) -> list[dict[str, Any]]:
        tables = self._content.get(name, [])
        if isinstance(tables, list) and all(isinstance(table, dict) for table in tables):
            return tables
        self._content[name] = []  # so that it is noted once
        self._note(f"{name}: not [[{name}]] tables")
        return []

    def _tables(self, name: str) -> list[Checked]:
        return [
            Checked(_called(f"{self._path}: [[{name}]] {number}", table), table, self._base, self._mistakes)
            for number, table in enumerate(self._raw_tables(name), 1)
        ]

    def _device(self) -> DeviceSettings | None:
        table = self._table("gateway")
        if table is None:
            self._note("[gateway] is missing")
            return None
        name, home = table.text("id"), table.path("home")
        if name and GATEWAY_ID.fullmatch(name) is None:
            table.wrong("id", f"{name!r} is no identification of a gateway, such as EXXX0012345678")
        folder = table.path("folder", home / "gateways" / name)
        module = table.text("module") if "module" in table else None
        kind, _, where = (module or "").partition(":")
        if module and (kind not in {"module", "pcsc"} or not where):
            table.wrong("module", f"{module!r} is neither module:FOLDER nor pcsc:READER")
        if kind == "module":
            module = f"module:{self._base / where}"
        database = self._database(table)
        return DeviceSettings(name, home, folder, module, database) if table.sound() else None

    def _database(self, table: Checked) -> str | None:
        if "database" not in table:
            return None
        try:
            url = make_url(table.text("database"))
        except (ArgumentError, ValueError):
            table.wrong("database", "no database URL, such as sqlite:///smgw.db or postgresql://host/name")
            return None
        if url.password is not None or "password" in url.query:
            table.wrong("database", "has a password in it; PostgreSQL reads it from ~/.pgpass or PGPASSFILE")
        if url.get_backend_name() not in {"sqlite", "postgresql"}:
            table.wrong("database", f"{url.get_backend_name()} is not supported; use sqlite or postgresql")
        return _beside(url, self._base).render_as_string(hide_password=False)

    def _meters(self) -> tuple[MeterProfile, ...]:
        found = []
        for number, table in enumerate(self._raw_tables("meter"), 1):
            try:
                found.append(read_meter(self._path, number, table))
            except MeterProfileError as error:
                self._mistakes.append(str(error))
        return tuple(found)

    def _contracts(self) -> tuple[Contract, ...]:
        found = []
        for number, table in enumerate(self._raw_tables("contract"), 1):
            try:
                found.append(read_contract(table, f"{self._path}: [[contract]] {number}"))
            except ProfileError as error:
                self._mistakes.append(str(error))
        return tuple(found)

    def _consumer(self, table: Checked) -> KnownConsumer | None:
        userid, name = table.text("id"), table.text("name", "")
        ha1 = {}
        for algorithm, (key, form) in _HASHES.items():
            if key in table:
                ha1[algorithm] = table.text(key)
                if form.fullmatch(ha1[algorithm]) is None:
                    table.wrong(key, "not as 'smgw gateway password' prints it")
        certificates = table.certificates("certificates")
        fingerprints = frozenset(one.fingerprint(hashes.SHA256()) for one in certificates)
        try:
            consumer = Consumer(userid, ha1, fingerprints)
        except ValueError as error:
            table.wrong("id", str(error))
            return None
        return KnownConsumer(consumer, certificates, name) if table.sound() else None

    def _profiles(self, meters: tuple[MeterProfile, ...]) -> Profiles:
        consumers = [known for table in self._tables("consumer") if (known := self._consumer(table)) is not None]
        if any(known.consumer.ha1 for known in consumers):
            self._check_mode()
        contracts, book = self._contracts(), ProfileBook()
        try:
            book = ProfileBook(meters)
            whole = len(meters), len(consumers), len(contracts)
            if whole != tuple(len(self._raw_tables(name)) for name in ("meter", "consumer", "contract")):
                return Profiles()  # what is missing has been noted, and would be named as a contradiction here
            return Profiles(book, contracts, tuple(consumers))
        except (MeterProfileError, ProfileError) as error:
            self._note(str(error))
        return Profiles()

    def _check_mode(self) -> None:
        try:
            mode = stat.S_IMODE(self._path.stat().st_mode)
        except OSError as error:  # it was there a moment ago
            self._note(str(error.strerror))
            return
        if mode & _OTHERS:
            self._note(f"has hashes of passwords, and others can open it (mode {mode:04o}): chmod 640 or 600")

    def _logs(self) -> LogPolicy:
        table = self._table("logs")
        if table is None:
            return LogPolicy()
        usual = LogPolicy()
        system, calibration, consumer = (
            table.integer(name, 1, 10**9, getattr(usual, name)) for name in ("system", "calibration", "consumer")
        )
        overwrite = table.boolean("overwrite", otherwise=usual.consumer_full is WhenFull.OVERWRITE)
        warn_at = table.integers("warn_at", usual.warn_at)
        if table.sound():
            try:
                when_full = WhenFull.OVERWRITE if overwrite else WhenFull.STOP
                return LogPolicy(system, calibration, consumer, when_full, warn_at)
            except LogError as error:
                table.wrong("", str(error))
        return usual

    def _han(self) -> HanSettings | None:
        table = self._table("han")
        if table is None:
            return None
        address = table.address(port=PORT)
        usual = next(iter(CURVES))
        curve = table.choice("curve", {name: name for name in CURVES}, usual) if "curve" in table else usual
        mdns = table.boolean("mdns", otherwise=False)
        if mdns:
            self._check_mdns(table, address[0])
        return HanSettings(address, curve, mdns) if table.sound() else None

    @staticmethod
    def _check_mdns(table: Checked, host: str) -> None:
        if not _one_ipv4(host):
            table.wrong("mdns", "smgw.local takes one IPv4 address as host")
        try:
            LocalName("", [host])
        except NoMulticastDns as error:
            table.wrong("mdns", str(error))

    def _technician(self) -> TechnicianSettings | None:
        table = self._table("technician")
        if table is None:
            return None
        found = TechnicianSettings(table.address(port=TECHNICIAN_PORT), table.certificates("certificates"))
        return found if table.sound() else None

    def _monitor(self) -> tuple[str, int] | None:
        table = self._table("monitor")
        if table is None:
            return None
        address = table.address(loopback=True)
        return address if table.sound() else None


_TABLES: Final = ("gateway", "line", "meter", "consumer", "contract", "han", "technician", "logs", "monitor")


def _called(name: str, table: Mapping[str, object]) -> str:
    own = table.get("id", table.get("name"))
    return f"{name} ({own})" if isinstance(own, str) and own.isprintable() else name


def _twice(names: Any) -> list[Any]:
    return [name for name, count in Counter(names).items() if count > 1]


def _one_ipv4(host: str) -> bool:
    try:
        parsed = ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return not parsed.is_unspecified


def _beside(url: URL, base: Path) -> URL:
    """A URL whose SQLite file is where the configuration says it from."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return url
    return url.set(database=str(base / url.database))
