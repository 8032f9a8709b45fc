"""Pages: the templates, what they can call, and the page that tells a problem."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from lifecycle import terms
from lifecycle.roles import ROLES
from lifecycle.service.problems import PROBLEMS, Occurrence
from lifecycle.service.words import moment

FOLDER: Final = Path(__file__).parent
"""Where templates and static files are."""


def breakable(text: object) -> Markup:
    """A long name that may be broken where its words end, so that it fits on a phone."""
    return Markup(re.sub(r"([_:/-])", r"\1<wbr>", str(escape(text))))  # noqa: S704  escaped before


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = breakable
    environment.filters["moment"] = moment
    environment.globals.update(
        version=version("smgw"),
        interface_de=terms.INTERFACES,
        function_de=terms.FUNCTIONS,
        credential_de=terms.CREDENTIALS,
        place_de=terms.PLACES,
        advice_de=terms.ADVICE,
        role_de={role: description.german for role, description in ROLES.items()},
    )
    return environment


_ENVIRONMENT: Final = _environment()


def render(name: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """A page from its template."""
    return HTMLResponse(_ENVIRONMENT.get_template(name).render(**context), status_code=status)


def problem_page(request: Request, occurrence: Occurrence, instance: str) -> HTMLResponse:
    """A page that tells a problem, for whoever asked with a browser."""
    response = render(
        "problem.html",
        status=occurrence.kind.status,
        reader=None,
        live=None,
        problem=occurrence,
        instance=instance,
        path=request.url.path,
    )
    response.headers.update(occurrence.headers)
    return response


def problems_page() -> HTMLResponse:
    """The page that says what each kind of problem means."""
    return render("problems.html", reader=None, live=None, problems=list(PROBLEMS.values()))
