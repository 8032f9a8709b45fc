"""What addresses of the page ask for, read strictly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Final, TypeVar
from urllib.parse import parse_qsl

from gateway.han.errors import HanError
from gateway.han.page.spans import EARLIEST, LATEST
from gateway.tariffing.periods import DAY

LONGEST_QUERY: Final = 1024
"""Characters; ours."""
_MOST_PARTS: Final = 16
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INDEX: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
E = TypeVar("E", bound=StrEnum)


def read_query(text: str) -> Mapping[str, str]:
    """The parameters of an address.

    :raises HanError: 400 if they cannot be read, or one is there twice.
    """
    if len(text) > LONGEST_QUERY:
        raise HanError(400, f"an address has up to {LONGEST_QUERY} characters behind the question mark")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_PARTS, errors="strict")
    except ValueError:
        raise HanError(400, "the address cannot be read") from None
    found = dict(pairs)
    if len(found) < len(pairs):
        raise HanError(400, "the address says something twice")
    return found


def read_choice(query: Mapping[str, str], name: str, choices: type[E], default: E | None = None) -> E:
    """One of several.

    :raises HanError: 400 if it is none of them.
    """
    text = query.get(name, "")
    if not text and default is not None:
        return default
    try:
        return choices(text)
    except ValueError:
        raise HanError(400, f"{name} is one of {', '.join(choices)}") from None


def read_date(query: Mapping[str, str], name: str, default: date) -> date:
    """A date.

    :raises HanError: 400 if it is none, or none that can be looked at.
    """
    text = query.get(name, "")
    if not text:
        return default
    try:
        found = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None:
        raise HanError(400, f"{name} is no date of the form YYYY-MM-DD")
    if not EARLIEST <= found <= LATEST - DAY:
        raise HanError(400, f"{name} is before {EARLIEST.year} or after {LATEST.year}")
    return found


def read_index(query: Mapping[str, str], name: str) -> int | None:
    """The number of an entry, ``None`` where none is named.

    :raises HanError: 400 if it is none.
    """
    text = query.get(name, "")
    if not text:
        return None
    if _INDEX.fullmatch(text) is None:
        raise HanError(400, f"{name} is no number of an entry")
    return int(text)
