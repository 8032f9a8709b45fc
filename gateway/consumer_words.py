"""The consumer's own log in words that people read.

The sentences are those of :mod:`gateway.logs.events`. Here only their details are written: times by German clocks,
meters and registers as they are printed on bills, and what was read or taken away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import Final

from gateway.lmn.device_id import DeviceIdError, device_id_from_server_id
from gateway.lmn.obis import ObisError, format_obis, parse_obis
from gateway.logs.store import LogEntry
from gateway.tariffing.periods import LOCAL
from lifecycle.canonical import is_time, parse_time

_GERMAN_ZONES: Final = {"CET": "MEZ", "CEST": "MESZ"}


@unique
class Access(StrEnum):
    """What a consumer reads or takes away."""

    VALUES = "values"
    AR2418 = "xml"
    CSV = "csv"
    SIGNED = "signed"


_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    Access.VALUES: ("Messwerte und Verträge", "readings and contracts"),
    Access.AR2418: ("Datei nach VDE-AR-E 2418-6", "file by VDE-AR-E 2418-6"),
    Access.CSV: ("Tabelle (CSV)", "table (CSV)"),
    Access.SIGNED: ("signierte Originalwerte (CMS)", "signed originals (CMS)"),
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """What an entry says, in two languages."""

    german: str
    english: str


def sentence_of(entry: LogEntry) -> Sentence:
    """What an entry of a consumer's log says, and whose doing it was."""
    return Sentence(_sentence(entry, german=True), _sentence(entry, german=False))


def access_detail(access: Access, contract: str = "") -> str:
    """What was read, as the log keeps it."""
    return f"{access} {contract}" if contract else str(access)


def _sentence(entry: LogEntry, *, german: bool) -> str:
    told = {name: _detail(name, detail, german=german) for name, detail in entry.details.items()}
    text = entry.event.text(told, german=german)
    whole = text[:1].upper() + text[1:]
    if not entry.by or entry.by == entry.details.get("who"):  # the text itself may say by whom
        return f"{whole}."
    return f"{whole} ({'durch' if german else 'by'} {entry.by})."


def _detail(name: str, detail: str | int, *, german: bool) -> str | int:
    if isinstance(detail, int):
        return detail
    if is_time(detail):
        return _time(detail, german=german)
    if name == "meter":
        return _meter(detail)
    if name == "obis":
        return _obis(detail)
    return _what(detail, german=german) if name == "what" else detail


def german_time(at: datetime) -> tuple[str, str]:
    """An instant as German clocks show it, and which of two times that is: ``29.03.2026 03:00:00``, ``MESZ``."""
    local = at.astimezone(LOCAL)
    zone = local.tzname() or ""
    return f"{local:%d.%m.%Y %H:%M:%S}", _GERMAN_ZONES.get(zone, zone)


def _time(text: str, *, german: bool) -> str:
    at = parse_time(text)
    if german:
        return " ".join(german_time(at))
    local = at.astimezone(LOCAL)
    return f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}"


def _meter(server_id: str) -> str:
    try:
        return device_id_from_server_id(bytes.fromhex(server_id))
    except (ValueError, DeviceIdError):
        return server_id


def _obis(code: str) -> str:
    try:
        return format_obis(parse_obis(code))
    except ObisError:
        return code


def _what(detail: str, *, german: bool) -> str:
    access, _, contract = detail.partition(" ")
    if access not in _WORDS:
        return detail
    words = _WORDS[access][0 if german else 1]
    return f"{words}, {contract}" if contract else words
