"""Days and times as each language of the page writes them. Times are German legal time (gesetzliche Zeit)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

from gateway.han.languages import Language, zone_name
from gateway.tariffing.periods import LOCAL

_WEEKDAYS: Final = {
    Language.GERMAN: ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
    Language.ENGLISH: ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
_MONTHS: Final = {
    Language.GERMAN: (
        *("Januar", "Februar", "März", "April", "Mai", "Juni"),
        *("Juli", "August", "September", "Oktober", "November", "Dezember"),
    ),
    Language.ENGLISH: (
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
}


def weekday(day: date, language: Language) -> str:
    """The name of its day of the week."""
    return _WEEKDAYS[language][day.weekday()]


def month_name(day: date, language: Language) -> str:
    """The name of its month."""
    return _MONTHS[language][day.month - 1]


def day_text(day: date, language: Language) -> str:
    """A date, such as ``1. März 2026`` or ``1 March 2026``."""
    dot = "." if language is Language.GERMAN else ""
    return f"{day.day}{dot} {month_name(day, language)} {day.year}"


def clock_text(instant: datetime, language: Language) -> str:
    """The time of day, to the minute; with the zone where clocks show that time twice on that day."""
    local = instant.astimezone(LOCAL)
    text = f"{local:%H:%M}"
    if local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset():
        return text
    return f"{text} {zone_name(local, language)}"


def moment_text(instant: datetime, language: Language) -> str:
    """Date and time of day."""
    local = instant.astimezone(LOCAL)
    comma = "," if language is Language.GERMAN else " at"
    return f"{day_text(local.date(), language)}{comma} {clock_text(instant, language)}"
