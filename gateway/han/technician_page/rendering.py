"""Templates, and what they can call."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gateway.han.languages import Language
from gateway.han.technician_page.texts import WORDS, moment
from gateway.technician_questions import Says

_FOLDER: Final = Path(__file__).parent
STYLE: Final = (_FOLDER / "static" / "technician.css").read_bytes()
"""The pages' style."""


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = moment
    environment.globals.update(Language=Language, Says=Says)
    return environment


_ENVIRONMENT: Final = _environment()


def render(name: str, language: Language, **context: object) -> str:
    """A page from its template."""
    return _ENVIRONMENT.get_template(name).render(t=WORDS[language], **context)
