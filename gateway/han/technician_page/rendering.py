"""Templates, and what they can call."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jinja2 import Environment

from gateway.han.languages import Language
from gateway.han.pages import BASE_STYLE, environment_of
from gateway.han.technician_page.texts import WORDS, moment
from gateway.technician_questions import Says

_FOLDER: Final = Path(__file__).parent
STYLE: Final = BASE_STYLE + (_FOLDER / "static" / "technician.css").read_bytes()
"""The pages' style."""


def _environment() -> Environment:
    environment = environment_of(_FOLDER)
    environment.filters["moment"] = moment
    environment.globals.update(Language=Language, Says=Says)
    return environment


_ENVIRONMENT: Final = _environment()


def render(name: str, language: Language, **context: object) -> str:
    """A page from its template."""
    return _ENVIRONMENT.get_template(name).render(t=WORDS[language], **context)
