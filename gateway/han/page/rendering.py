"""Templates, and what they can call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

from jinja2 import Environment
from markupsafe import Markup

from gateway.han.languages import Language
from gateway.han.page import explained, languages
from gateway.han.page.shown import obis_text, stage_name
from gateway.han.page.texts import WORDS
from gateway.han.pages import environment_of
from gateway.tariffing.periods import local_date

T = TypeVar("T")
_FOLDER: Final = Path(__file__).parent


def render(name: str, language: Language, **context: object) -> str:
    """A page, or a part of one, from its template."""
    return _environment(language).get_template(name).render(**context)


@cache
def _environment(language: Language) -> Environment:
    environment = environment_of(_FOLDER)

    def spoken(write: Callable[[T, Language], str]) -> Callable[[T], str]:
        return lambda value: write(value, language)

    environment.filters.update(
        day=spoken(languages.day_text),
        moment=spoken(languages.moment_text),
        use_case=spoken(explained.use_case_name),
        use_case_text=spoken(explained.use_case_text),
        stage_name=spoken(stage_name),
        local_date=local_date,
        last_day=_last_day,
        obis=obis_text,
        breakable=_breakable,
    )
    environment.globals.update(t=WORDS[language], language=language)
    return environment


def _last_day(end: datetime) -> date:
    """The last day of what ends then."""
    return local_date(end - timedelta.resolution)


def _breakable(text: str) -> Markup:
    """A long identification that may be broken anywhere between four characters, so that it fits on a phone."""
    return Markup("<wbr>").join(text[at : at + 4] for at in range(0, len(text), 4))
