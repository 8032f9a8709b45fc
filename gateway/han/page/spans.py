"""The stretch of time that is looked at: a German day, month or year, and those before and after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum, unique
from typing import Final

from gateway.han.languages import Language
from gateway.han.page.languages import clock_text, day_text, month_name, weekday
from gateway.han.page_data import Bucket, Step
from gateway.tariffing.periods import DAY, LOCAL, midnight

EARLIEST: Final = date(2000, 1, 1)
LATEST: Final = date(2199, 12, 31)
"""Days that can be looked at; ours."""


@unique
class View(StrEnum):
    """How much is looked at."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"

    @property
    def step(self) -> Step:
        """How long its buckets are."""
        return {View.DAY: Step.QUARTER_HOUR, View.MONTH: Step.DAY, View.YEAR: Step.MONTH}[self]

    @property
    def closer(self) -> View | None:
        """What one of its buckets is when looked at by itself, ``None`` where that is not possible."""
        return {View.DAY: None, View.MONTH: View.DAY, View.YEAR: View.MONTH}[self]


@dataclass(frozen=True, slots=True)
class Span:
    """A day, a month or a year.

    :ivar first: its first day.
    :ivar following: the first day after it.
    """

    view: View
    first: date
    following: date

    @classmethod
    def of(cls, view: View, day: date) -> Span:
        """The one that a day lies in."""
        if view is View.DAY:
            return cls(view, day, day + DAY)
        if view is View.MONTH:
            first = day.replace(day=1)
            return cls(view, first, (first + timedelta(days=31)).replace(day=1))
        return cls(view, date(day.year, 1, 1), date(day.year + 1, 1, 1))

    @property
    def begin(self) -> datetime:
        """When it begins, UTC."""
        return midnight(self.first)

    @property
    def end(self) -> datetime:
        """When it is over, UTC."""
        return midnight(self.following)

    @property
    def before(self) -> Span | None:
        """The one before, ``None`` where nobody can look at it."""
        return None if self.first <= EARLIEST else Span.of(self.view, self.first - DAY)

    def after(self, today: date) -> Span | None:
        """The one after, ``None`` where it has not begun."""
        return None if self.following > min(today, LATEST) else Span.of(self.view, self.following)

    def holds(self, day: date) -> bool:
        """Whether a day lies in it."""
        return self.first <= day < self.following

    def title(self, language: Language) -> str:
        """It in words, such as ``Sonntag, 1. März 2026``, ``März 2026``, ``2026``."""
        match self.view:
            case View.DAY:
                return f"{weekday(self.first, language)}, {day_text(self.first, language)}"
            case View.MONTH:
                return f"{month_name(self.first, language)} {self.first.year}"
            case View.YEAR:
                return str(self.first.year)

    def bucket_text(self, bucket: Bucket, language: Language) -> str:
        """One of its buckets in words."""
        day = bucket.begin.astimezone(LOCAL).date()
        match self.view:
            case View.DAY:
                return f"{clock_text(bucket.begin, language)} – {clock_text(bucket.end, language)}"
            case View.MONTH:
                return f"{weekday(day, language)}, {day_text(day, language)}"
            case View.YEAR:
                return f"{month_name(day, language)} {day.year}"

    def tick(self, bucket: Bucket, language: Language) -> tuple[int, str] | None:
        """What stands below a bucket in the drawing, with its number from 0, ``None`` for nothing."""
        local = bucket.begin.astimezone(LOCAL)
        match self.view:
            case View.DAY:
                return (local.hour, f"{local:%H:%M}") if local.minute == 0 and not local.fold else None
            case View.MONTH:
                return local.day - 1, str(local.day)
            case View.YEAR:
                return local.month - 1, month_name(local.date(), language)[:3]
