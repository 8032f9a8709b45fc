"""Documents of AR 2418-6 as trees of elements: parsed safely, and asked for with errors that name the line.

A document type declaration is refused, and with it every entity; nothing outside the document is read; the depth is
limited by the parser (256), the size by :data:`LARGEST`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Any, Final, TypeAlias

from lxml import etree

from gateway.tariffing.errors import DocumentError
from gateway.tariffing.periods import DAY, LOCAL

AR: Final = "http://vde.de/AR_2418-6.xsd"
ESPI: Final = "http://naesb.org/espi"
LARGEST: Final = 256 * 1024 * 1024
"""Bytes that a document may have: years of readings of every quarter of an hour."""

Element: TypeAlias = Any
"""An element of lxml, which has no type hints."""

_MIDNIGHT_24: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})T24:00:00(?:\.0+)?(.*)", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_YEARS: Final = range(1900, 3000)
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})*")


def ar(name: str) -> str:
    """An element's name in the namespace of AR 2418-6."""
    return f"{{{AR}}}{name}"


def espi(name: str) -> str:
    """An element's name in the namespace of ESPI."""
    return f"{{{ESPI}}}{name}"


def parse(data: bytes) -> Element:
    """The root of a document.

    :raises DocumentError: if it is not well-formed XML, declares a document type, nests too deep or is too large.
    """
    if len(data) > LARGEST:
        raise DocumentError(f"the document has {len(data)} bytes; {LARGEST} are read at most")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_pis=True,
        remove_comments=True,
        target=None,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise DocumentError(f"no readable XML: {error.msg}", error.lineno) from None
    except ValueError as error:
        raise DocumentError(f"no readable XML: {error}") from None
    if root.getroottree().docinfo.doctype:
        raise DocumentError("the document declares a document type (DOCTYPE); such documents are not read")
    return root


def short_name(element: Element) -> str:
    """An element's name without its namespace."""
    return str(etree.QName(element).localname)


def child(element: Element, name: str) -> Element:
    """The first child of a name.

    :raises DocumentError: if there is none.
    """
    found = element.find(name)
    if found is None:
        raise lacks(element, name)
    return found


def lacks(element: Element, name: str) -> DocumentError:
    """The error for a missing child."""
    return DocumentError(f"{short_name(element)} has no {etree.QName(name).localname}", element.sourceline)


def children(element: Element, name: str) -> Iterator[Element]:
    """Every child of a name."""
    return iter(element.findall(name))


def text_of(element: Element) -> str:
    """An element's text without the white space around it."""
    return (element.text or "").strip()


def text(element: Element, name: str) -> str:
    """The text of a child; empty if there is none."""
    found = element.find(name)
    return "" if found is None else text_of(found)


def needed_text(element: Element, name: str) -> str:
    """The text of a child.

    :raises DocumentError: if there is none, or it is empty.
    """
    found = text_of(child(element, name))
    if not found:
        raise DocumentError(f"{etree.QName(name).localname} is empty", child(element, name).sourceline)
    return found


def integer_of(element: Element) -> int:
    """An element's integer.

    :raises DocumentError: if it is none.
    """
    written = text_of(element)
    if not _INTEGER.fullmatch(written):
        raise DocumentError(f"{short_name(element)} is {_quoted(written)}, not an integer", element.sourceline)
    return int(written)


def integer(element: Element, name: str) -> int | None:
    """The integer of a child, None if there is none.

    :raises DocumentError: if it is no integer.
    """
    found = element.find(name)
    return None if found is None else integer_of(found)


def needed_integer(element: Element, name: str) -> int:
    """The integer of a child.

    :raises DocumentError: if there is none.
    """
    return integer_of(child(element, name))


def octets(element: Element, name: str) -> bytes | None:
    """The bytes of a child in hexadecimal, None if there is none.

    :raises DocumentError: if they are not hexadecimal.
    """
    found = element.find(name)
    if found is None:
        return None
    written = text_of(found)
    if not _HEX.fullmatch(written):
        raise DocumentError(f"{short_name(found)} is not hexadecimal", found.sourceline)
    return bytes.fromhex(written)


def instant_of(element: Element, after: datetime | None = None) -> datetime:
    """An element's time, in the zone that it names. Without one it is German local time, given in UTC; of an hour that
    comes twice, the one after *after*.

    :raises DocumentError: if it is no date and time, or one of a year in which nobody measures.
    """
    written = text_of(element)
    try:
        found = _instant(written)
    except (ValueError, OverflowError):
        raise DocumentError(
            f"{short_name(element)} is {_quoted(written)}, not a date and time", element.sourceline
        ) from None
    year = found.astimezone(LOCAL).year if found.year in _YEARS else found.year
    if year not in _YEARS:
        raise DocumentError(f"{short_name(element)} is of the year {year}", element.sourceline)
    if found.tzinfo is not LOCAL:
        return found
    if after is not None and found.astimezone(UTC) <= after.astimezone(UTC):
        found = found.replace(fold=1)
    return found.astimezone(UTC)


def _instant(written: str) -> datetime:
    whole = _MIDNIGHT_24.fullmatch(written)
    if whole:
        day = date(int(whole[1]), int(whole[2]), int(whole[3])) + DAY
        written = f"{day.isoformat()}T00:00:00{whole[4]}"
    elif "T" not in written:
        raise ValueError(written)
    found = datetime.fromisoformat(written)
    return found if found.tzinfo is not None else found.replace(tzinfo=LOCAL)


def instant(element: Element, name: str) -> datetime | None:
    """The time of a child, None if there is none.

    :raises DocumentError: if it is no date and time.
    """
    found = element.find(name)
    return None if found is None else instant_of(found)


def clock(element: Element) -> int:
    """A TimeVarType as the second of the day; a part that is left out is zero.

    :raises DocumentError: if there is no such time.
    """
    parts = [integer(element, ar(name)) or 0 for name in ("hour", "minute", "second")]
    try:
        found = time(parts[0], parts[1], parts[2])
    except (ValueError, OverflowError) as error:
        raise DocumentError(f"{short_name(element)}: {error}", element.sourceline) from None
    return found.hour * 3_600 + found.minute * 60 + found.second


def _quoted(written: str) -> str:
    return repr(written if len(written) <= 40 else written[:40] + "...")
