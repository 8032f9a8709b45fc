"""A production order (Fertigungsauftrag): which gateways are to be made, of which modules. CSV or JSON, read strictly.

A unit is one gateway::

    gateway        its identification, DIN 43863-5: E, three letters of the manufacturer, ten digits. It has no check
                   digit, so its form is all there is to check
    serial         the serial number that its module gets, 1 to 32 of A-Z a-z 0-9 . _ -
    arrangement    of Vorpersonalisierung I (ch. 4): separate, or assembled
    configuration  file with the initial configuration that the GWA has signed, from the order's folder on
    reader         PC/SC reader that its module is in; left empty for a software module

The file format is ours. What is wrong is told all at once, with the line or the unit that it is in.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path
from typing import Any, Final

from lifecycle.canonical import JournalError
from lifecycle.journal import check_gateway_id
from securitymodule.statements import StatementError, check_serial

LARGEST_ORDER: Final = 16 * 1024 * 1024
"""Largest order that is read, bytes; ours."""
LONGEST_READER: Final = 127
"""Longest name of a reader, characters (MAX_READERNAME of PC/SC, less its end)."""

FIELDS: Final = ("gateway", "serial", "arrangement", "configuration", "reader")
"""What a unit has; the last may be missing."""

SAMPLE_CSV: Final = """\
# A production order for 'smgw factory run': one line a gateway. Lines that begin with # are comments.
#
# gateway        identification by DIN 43863-5: E, three letters of the manufacturer, ten digits (no check digit)
# serial         serial number for its module: 1 to 32 of A-Z a-z 0-9 . _ -
# arrangement    Vorpersonalisierung I (Anlage VIII ch. 4) with module and gateway 'separate' or 'assembled'
# configuration  initial configuration file signed by the GWA; the path begins at this file's folder
# reader         PC/SC reader that the module is in ('smgw module list' names them); empty: a software module
gateway,serial,arrangement,configuration,reader
EXXX0000000001,SM-0001,separate,EXXX0000000001.p7m,
EXXX0000000002,SM-0002,assembled,EXXX0000000002.p7m,
EXXX0000000003,SM-0003,separate,EXXX0000000003.p7m,Virtual PCD 00 00
"""
"""An order to begin with, explained."""


@unique
class Arrangement(StrEnum):
    """How gateway and module lie in Vorpersonalisierung I (ch. 4)."""

    SEPARATE = "separate"
    """Apart: the module is reached at its contacts, and integrated afterwards."""
    ASSEMBLED = "assembled"
    """Assembled: integrated first, then reached through the gateway's local interface with the Integrator-PIN."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with an order, or with one of its units.

    :ivar where: line or unit, in words; empty where it is the order as a whole.
    :ivar words: what is wrong.
    """

    where: str
    words: str

    def __str__(self) -> str:
        return f"{self.where}: {self.words}" if self.where else self.words


class OrderError(Exception):
    """An order that cannot be carried out as it is written.

    :ivar problems: everything that is wrong with it.
    """

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        told = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"{path} cannot be carried out:\n{told}")


@dataclass(frozen=True, slots=True)
class Unit:
    """One gateway to be made.

    :ivar gateway: its identification (DIN 43863-5).
    :ivar serial: its module's serial number.
    :ivar arrangement: of Vorpersonalisierung I.
    :ivar configuration: where the initial configuration file is.
    :ivar reader: PC/SC reader of its module; ``None`` for a software module.
    :ivar where: where it stands in its order, in words.
    """

    gateway: str
    serial: str
    arrangement: Arrangement
    configuration: Path
    reader: str | None = None
    where: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """An order that was read.

    :ivar path: its file.
    :ivar units: what is to be made, as written.
    """

    path: Path
    units: tuple[Unit, ...]


def read_order(path: Path) -> Order:
    """Read an order; nothing but this file is looked at.

    :raises OrderError: with everything that is wrong with it.
    :raises OSError: if the file cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(LARGEST_ORDER + 1)
    if len(data) > LARGEST_ORDER:
        raise OrderError(path, [Problem("", f"an order has at most {LARGEST_ORDER:,} bytes")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise OrderError(path, [Problem(f"line {line}", "not UTF-8: save the file as UTF-8")]) from error
    reading = _Reading(path.absolute().parent)
    (reading.take_json if text.lstrip().startswith(("{", "[")) else reading.take_csv)(text)
    reading.check_unique()
    if not reading.problems and not reading.units:
        reading.problems.append(Problem("", "it has no units"))
    if reading.problems:
        raise OrderError(path, reading.problems)
    return Order(path, tuple(reading.units))


class _Reading:
    """What has been read of an order so far, and what is wrong with it."""

    def __init__(self, folder: Path) -> None:
        self.units: list[Unit] = []
        self.problems: list[Problem] = []
        self._folder = folder

    def take_csv(self, text: str) -> None:
        """Take lines: a header, then a unit each, separated by commas or, as spreadsheets write, semicolons."""
        lines = _told_lines(text)
        number, header = next(lines, (1, ""))
        separator = ";" if ";" in header else ","
        names = [name.strip() for name in header.split(separator)]
        if sorted(names) not in (sorted(FIELDS), sorted(FIELDS[:-1])):
            wanted = f"the first line names the columns {', '.join(FIELDS)} (the last may be left out)"
            self.problems.append(Problem(f"line {number}", f"{wanted}, not {header.strip()!r}"))
            return
        for number, line in lines:
            where = f"line {number}"
            try:
                (cells,) = csv.reader([line], delimiter=separator, strict=True)
            except (csv.Error, ValueError) as error:
                self.problems.append(Problem(where, f"no line of a CSV file: {error}"))
                continue
            if len(cells) != len(names):
                self.problems.append(Problem(where, f"{len(cells)} cells under {len(names)} columns"))
                continue
            self._take(where, dict(zip(names, (cell.strip() for cell in cells), strict=True)))

    def take_json(self, text: str) -> None:
        """Take ``{"units": [{...}, ...]}``."""
        try:
            told = json.loads(text, object_pairs_hook=_unique_members)
        except (ValueError, RecursionError) as error:
            self.problems.append(Problem("", f"no JSON: {error}"))
            return
        if not isinstance(told, dict) or told.keys() != {"units"} or not isinstance(told["units"], list):
            self.problems.append(Problem("", 'an order is {"units": [...]} and nothing beside it'))
            return
        for number, unit in enumerate(told["units"], 1):
            where = f"unit {number}"
            if not isinstance(unit, dict) or not set(FIELDS[:-1]) <= unit.keys() <= set(FIELDS):
                self.problems.append(Problem(where, f"a unit has the members {', '.join(FIELDS)}, the last if any"))
                continue
            cells = {name: value for name, value in unit.items() if value is not None or name != "reader"}
            wrong = [name for name, value in cells.items() if not isinstance(value, str)]
            if wrong:
                self.problems.append(Problem(where, f"{', '.join(wrong)}: texts are wanted"))
                continue
            self._take(where, cells)

    def _take(self, where: str, cells: Mapping[str, str]) -> None:
        """Take one unit, or everything that is wrong with it."""
        problems: list[Problem] = []

        def checked(check: Callable[[str], Any], name: str) -> Any:
            try:
                return check(cells[name])
            except (JournalError, StatementError, ValueError) as error:
                problems.append(Problem(where, str(error)))
                return None

        gateway = checked(check_gateway_id, "gateway")
        serial = checked(check_serial, "serial")
        arrangement = checked(_arrangement, "arrangement")
        configuration = checked(_path, "configuration")
        reader = _reader(cells.get("reader", ""), where, problems)
        if problems:
            self.problems += problems
            return
        self.units.append(Unit(gateway, serial, arrangement, self._folder / configuration, reader, where))

    def check_unique(self) -> None:
        """No gateway, no module, no reader and no file twice."""
        for what, of in (
            ("gateway", lambda unit: unit.gateway),
            ("module serial", lambda unit: unit.serial),
            ("configuration", lambda unit: str(unit.configuration)),
            ("reader", lambda unit: unit.reader),
        ):
            found: dict[str, list[str]] = defaultdict(list)
            for unit in self.units:
                if of(unit) is not None:
                    found[str(of(unit))].append(unit.where)
            for value, places in found.items():
                for place in places[1:]:
                    self.problems.append(Problem(place, f"{what} {value} stands in {places[0]} already"))


def _told_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, with their numbers."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice in one object")
    return members


def _arrangement(text: str) -> Arrangement:
    try:
        return Arrangement(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no arrangement: {' or '.join(Arrangement)}") from error


def _path(text: str) -> Path:
    if not text or not text.isprintable():
        raise ValueError("no configuration: a path is wanted, of printable characters")
    return Path(text)


def _reader(text: str, where: str, problems: list[Problem]) -> str | None:
    if len(text) > LONGEST_READER or not text.isprintable():
        problems.append(Problem(where, f"a reader's name has up to {LONGEST_READER} printable characters"))
    return text or None
