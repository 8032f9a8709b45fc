"""Times in requests and answers: ``YYYY-MM-DDThh:mm:ss`` with ``Z``, an offset, or none (the gateway's local time).

Answers are in UTC. A local time that a change of clocks makes happen twice, or not at all, is read so that a range
includes whatever could be meant.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

LOCAL: Final = ZoneInfo("Europe/Berlin")
"""The gateway's local time."""
LONGEST_RANGE: Final = timedelta(days=31)
"""Of one request for readings, on the calendar: the hour that October has more than 31 days fits."""
_WRITTEN: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(Z|[+-]\d{2}:?\d{2})?", re.ASCII)


def read_time(text: str, *, ends: bool = False) -> datetime:
    """A time of a request, UTC.

    :param ends: whether it ends a range; of a local time that happens twice this is the later one.
    :raises ValueError: if it is no time.
    """
    match = _WRITTEN.fullmatch(text)
    if match is None:
        raise ValueError("not of the form YYYY-MM-DDThh:mm:ss, with Z, an offset or neither")
    read = datetime.fromisoformat(text)
    try:
        if read.tzinfo is not None:
            return read.astimezone(UTC)
        both = [read.replace(tzinfo=LOCAL, fold=fold).astimezone(UTC) for fold in (0, 1)]
    except OverflowError:
        raise ValueError("no year that can be reckoned with") from None
    return max(both) if ends else min(both)


def write_time(time: datetime | None) -> str:
    """A time of an answer, whole seconds in UTC; empty for none."""
    return "" if time is None else time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def too_long(after: datetime, until: datetime) -> bool:
    """Whether a range is longer than one request may ask for."""
    try:
        lasts = until.astimezone(LOCAL).replace(tzinfo=None) - after.astimezone(LOCAL).replace(tzinfo=None)
    except OverflowError:
        return True
    return lasts > LONGEST_RANGE
