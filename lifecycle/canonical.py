"""How the record writes things: canonical bytes, times, signatures; one way each.

Canonical bytes (RFC 8785) are made by orjson over a subset on which the two agree: strings, booleans, null, integers of
at most 53 bits, arrays, and objects with ASCII names. :func:`canonical` refuses anything else.
"""

from __future__ import annotations

import binascii
import re
from datetime import UTC, datetime
from typing import Any

import orjson

MAX_INTEGER = 2**53 - 1
"""Largest integer that every JSON reader reads alike (RFC 7493)."""
_MAX_DEPTH = 8
TIME_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z")
"""RFC 3339 in UTC with microseconds: of one length, so that texts compare like times."""


class JournalError(ValueError):
    """A record, an entry or a head is not formed as it must be."""


def canonical(value: Any) -> bytes:
    """RFC 8785 bytes of *value*.

    :raises JournalError: if it holds what the record does not use: floats, large integers, names beyond ASCII.
    """
    check_canonical(value, 0)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def check_canonical(value: Any, depth: int = 0) -> None:
    """Whether a value is of the subset.

    :raises JournalError: if it is not.
    """
    if depth > _MAX_DEPTH:
        raise JournalError(f"nested deeper than {_MAX_DEPTH}")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise JournalError("a text with half a surrogate pair") from error
    elif isinstance(value, bool) or value is None:
        pass
    elif isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise JournalError(f"an integer of more than 53 bits: {value}")
    elif isinstance(value, list):
        for item in value:
            check_canonical(item, depth + 1)
    elif isinstance(value, dict):
        for name, item in value.items():
            if type(name) is not str or not name.isascii():
                raise JournalError(f"a name that is not ASCII: {name!r}")
            check_canonical(item, depth + 1)
    else:
        raise JournalError(f"a value of type {type(value).__name__}, which the record does not hold")


def format_time(time: datetime) -> str:
    """A time as the record writes it.

    :raises JournalError: if it has no zone, or is no time in UTC.
    """
    if time.tzinfo is None:
        raise JournalError("a time without a zone")
    try:
        return time.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
    except OverflowError as error:
        raise JournalError(f"{time} is no time in UTC: {error}") from error


def is_time(text: str) -> bool:
    """Whether a text is a time as the record writes it, and of a day that there is."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return TIME_FORM.fullmatch(text) is not None


def parse_time(text: str) -> datetime:
    """A time as the record writes it, read.

    :raises JournalError: if it is written otherwise.
    """
    if not is_time(text):
        raise JournalError(f"{text!r} is no time of the form 2026-01-31T12:00:00.000000Z")
    return datetime.fromisoformat(text)


def encode_signature(signature: bytes) -> str:
    """A signature as Base64 (RFC 4648 ch. 4)."""
    return binascii.b2a_base64(signature, newline=False).decode()


def decode_signature(text: str) -> bytes:
    """A signature from Base64, in the one way of writing it.

    :raises JournalError: if it is written otherwise, even if it would decode to the same bytes.
    """
    try:
        signature = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise JournalError(f"no Base64: {error}") from error
    if encode_signature(signature) != text:
        raise JournalError("Base64 with bits set that carry nothing")
    return signature
