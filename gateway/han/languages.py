"""The languages in which pages speak to people, and words in both of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum, unique
from typing import ClassVar, Final


@unique
class Language(StrEnum):
    """A language of a page."""

    GERMAN = "de"
    ENGLISH = "en"

    @property
    def other(self) -> Language:
        """The one to switch to."""
        return Language.ENGLISH if self is Language.GERMAN else Language.GERMAN


def language_of(*wishes: str, accepted: str) -> Language:
    """The first of these wishes that there is, else the first of the browser's, else German.

    :param wishes: such as that of the address, and the one chosen before.
    :param accepted: an ``Accept-Language`` header (RFC 9110 12.5.4); its weights are in descending order in practice.
    """
    for wish in (*wishes, *(part.partition(";")[0].strip()[:2].lower() for part in accepted.split(","))):
        if wish in set(Language):
            return Language(wish)
    return Language.GERMAN


class Bilingual:
    """A page's words in one language; a page adds what it says of its own things.

    :cvar texts: its texts by name, each in German and in English.
    :ivar language: the language.
    """

    texts: ClassVar[Mapping[str, tuple[str, str]]]

    def __init__(self, language: Language) -> None:
        self.language = language
        self._at = list(Language).index(language)

    def __getitem__(self, name: str) -> str:
        """The text of this name."""
        return self.said(self.texts[name])

    def said(self, text: tuple[str, str]) -> str:
        """A text in this language.

        :param text: in German and in English.
        """
        return text[self._at]


_ZONES: Final = {"CET": "MEZ", "CEST": "MESZ"}


def zone_name(local: datetime, language: Language) -> str:
    """The short name of a time's zone, such as ``MEZ`` or ``CET``."""
    zone = local.tzname() or ""
    return _ZONES.get(zone, zone) if language is Language.GERMAN else zone
