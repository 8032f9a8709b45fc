"""The languages in which people are spoken to at the HAN."""

from __future__ import annotations

from enum import StrEnum, unique


@unique
class Language(StrEnum):
    """A language of a page."""

    GERMAN = "de"
    ENGLISH = "en"


def preferred(accepted: str) -> Language:
    """The first of a browser's languages that there is, else German.

    :param accepted: an ``Accept-Language`` header (RFC 9110 12.5.4); its weights are in descending order in practice.
    """
    for part in accepted.split(","):
        wish = part.partition(";")[0].strip()[:2].lower()
        if wish in set(Language):
            return Language(wish)
    return Language.GERMAN
