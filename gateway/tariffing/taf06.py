"""TAF-6, readings on demand (Abruf von Messwerten im Bedarfsfall): each day's first reading, for six weeks."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Final

from gateway.tariffing.periods import DAY, LOCAL, dates, local_date
from gateway.tariffing.readings import ReadingList
from gateway.tariffing.series import SeriesReading, series

KEPT_DAYS: Final = 42


def evaluate(original: ReadingList, asked: datetime, begin_of_day: time = time()) -> list[SeriesReading]:
    """The daily readings that may be handed out when it is asked, oldest first.

    :param begin_of_day: by German clocks (Beginn des abrechnungstechnischen Kalendertags).
    """
    today = local_date(asked)
    begins = (datetime.combine(day, begin_of_day, LOCAL) for day in dates(today - KEPT_DAYS * DAY, today))
    times = [begin.astimezone(UTC) for begin in begins if asked - KEPT_DAYS * DAY < begin <= asked]
    return series(original, times)
