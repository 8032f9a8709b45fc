"""The technician's interface over HTTP: JSON for programs under ``/technician``, plain pages for people.

It is read-only but for the beginning of a connection test, which takes a POST of its own origin. Who is there has shown
a pinned certificate in the TLS handshake; the gate is asked at each door behind.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import orjson
import structlog
from cryptography import x509
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from gateway.firmware import FirmwareError
from gateway.han import technician_answers as answers
from gateway.han.errors import HanError
from gateway.han.languages import Language, language_of
from gateway.han.rates import Buckets, Rate
from gateway.han.requests import is_same_origin, not_too_often, whole_body
from gateway.han.technician_page.rendering import STYLE, render
from gateway.technician import NotFitted, TechnicianPort
from gateway.technician_connection import TestRunning
from gateway.technician_questions import Shows
from lifecycle.functions import Credential
from lifecycle.gate import Closed

JSON: Final = "/technician"
"""Where the answers for programs are."""
LOG_ENTRIES: Final = 50
"""On one page of the log."""
MOST_LOG_ENTRIES: Final = 500
"""In one answer."""
RECENT: Final = timedelta(minutes=15)
"""How old a connection test may be to count for a finding; ours."""

_SHOWN: Final = Credential.TECHNICIAN_CERTIFICATE
_NUMBER: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_EVERYWHERE: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer": with that, browsers send "Origin: null" with the page's own form.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_NOTHING: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_PAGE: Final = (
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TechnicianLimits:
    """How much the interface serves. All ours.

    :ivar requests: of one certificate.
    :ivar tests: connection tests, of all together.
    :ivar connections: at once.
    :ivar connections_each: at once from one address.
    """

    requests: Rate = Rate(10, 60)  # noqa: RUF009  it is frozen
    tests: Rate = Rate(1 / 15, 3)  # noqa: RUF009
    connections: int = 32
    connections_each: int = 16


class TechnicianSite:
    """What stands behind the application."""

    def __init__(
        self,
        port: TechnicianPort,
        own: x509.Certificate,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        limits: TechnicianLimits | None = None,
    ) -> None:
        """:param port: where the Servicetechniker plugs in.
        :param own: the certificate of this interface.
        :param clock: the time, UTC.
        :param monotonic: seconds that pass, never back.
        """
        self.limits = limits or TechnicianLimits()
        self._port = port
        self._own = own
        self._clock = clock
        self._requests = Buckets(self.limits.requests, monotonic)
        self._tests = Buckets(self.limits.tests, monotonic)

    def let_in(self, request: Request) -> None:
        """Count a request.

        :raises HanError: 429 if there were too many; 403 without a certificate, which the handshake keeps out; 404 if
            its address has a language that there is not.
        """
        certificate: bytes | None = getattr(request.state, "peer", None)
        if certificate is None:
            raise HanError(403, "a technician shows a certificate")
        not_too_often(self._requests.take(hashlib.sha256(certificate).digest()), "requests")
        if request.path_params.get("language", Language.GERMAN) not in set(Language):
            raise HanError(404, "Not Found")

    # For programs

    def status(self, request: Request) -> Response:
        """The state of the system."""
        told, look = self._port.status(_SHOWN), self._port.look(_SHOWN)
        return _json(answers.status(self._port.gateway, told, look, self._port.law, self._here(request)))

    def log(self, request: Request) -> Response:
        """Entries of the system log."""
        limit = _number(request, "limit") or LOG_ENTRIES
        if limit > MOST_LOG_ENTRIES:
            raise HanError(400, f"limit is at most {MOST_LOG_ENTRIES}")
        after, before = _number(request, "after"), _number(request, "before")
        return _json(answers.log(self._port.log(_SHOWN, after=after, before=before, limit=limit)))

    def connection(self, _request: Request) -> Response:
        """Where the connection test stands."""
        return _json(answers.connection(self._port.connection(_SHOWN)))

    def begin_test(self, request: Request) -> Response:
        """Begin a connection test."""
        self._begin(request)
        return _json(answers.connection(self._port.connection(_SHOWN)), 202)

    def guide(self, _request: Request) -> Response:
        """The diagnosis as a whole."""
        return _json(answers.guide(self._port.guide(_SHOWN), self._port.gateway, self._connected()))

    # For people

    def beginning(self, request: Request) -> Response:
        """To the page in the browser's language."""
        return _to(f"/{_language(request)}/")

    def status_page(self, request: Request) -> Response:
        """State, faults and parts."""
        return self._page(request, "status.html", look=self._port.look(_SHOWN), here=self._here(request))

    def log_page(self, request: Request) -> Response:
        """The system log, the last entry first."""
        page = self._port.log(_SHOWN, before=_number(request, "before"), limit=LOG_ENTRIES)
        entries = page.entries[::-1]
        older = entries[-1].number if len(entries) == LOG_ENTRIES and entries[-1].number > 1 else None
        newer = entries[0].number + LOG_ENTRIES + 1 if entries and entries[0].number < page.end else None
        return self._page(request, "log.html", entries=entries, older=older, newer=newer)

    def connection_page(self, request: Request) -> Response:
        """The connection test."""
        return self._page(request, "connection.html", connection=self._port.connection(_SHOWN))

    def begin_test_on_page(self, request: Request) -> Response:
        """Begin one, and go back to where it is shown."""
        self._begin(request)
        question = request.query_params.get("for", "")
        known = question in self._port.guide(_SHOWN).questions
        return _to(f"/{_language(request)}/guide/{question}" if known else f"/{_language(request)}/connection")

    def question_page(self, request: Request) -> Response:
        """One question of the diagnosis, the first where none is named."""
        guide = self._port.guide(_SHOWN)
        question = guide.questions.get(request.path_params.get("question", guide.first))
        if question is None:
            raise HanError(404, "this is not asked where the gateway stands now")
        look = self._port.look(_SHOWN) if question.shows is Shows.PARTS else None
        connection = self._port.connection(_SHOWN) if question.shows is Shows.CONNECTION else None
        return self._page(request, "question.html", question=question, look=look, connection=connection)

    def finding_page(self, request: Request) -> Response:
        """What an answer ends in, and the command for it."""
        question = self._port.guide(_SHOWN).questions.get(request.path_params["question"])
        number = int(request.path_params["number"]) if _NUMBER.fullmatch(request.path_params["number"]) else 0
        if question is None or not 1 <= number <= len(question.answers) or question.answers[number - 1].to:
            raise HanError(404, "this is no end of the diagnosis where the gateway stands now")
        answer = question.answers[number - 1]
        command = answer.finding.command(self._port.gateway, self._connected())
        return self._page(request, "finding.html", question=question, answer=answer, command=command)

    def style(self, _request: Request) -> Response:
        """The pages' style."""
        return Response(STYLE, headers=_EVERYWHERE | {"Content-Security-Policy": _NOTHING}, media_type="text/css")

    def _begin(self, request: Request) -> None:
        """Begin a connection test.

        :raises HanError: if another site asks for it, one is running, or the last ones were a moment ago.
        """
        if not is_same_origin(request):
            raise HanError(403, "this was asked for by another site")
        self._port.status(_SHOWN)  # who is not let in, takes none
        not_too_often(self._tests.take(""), "connection tests")
        self._port.test_connection(_SHOWN)

    def _here(self, request: Request) -> dict[str, datetime]:
        """When the certificates of this connection end."""
        shown = x509.load_der_x509_certificate(request.state.peer)
        return {"interface": self._own.not_valid_after_utc, "yours": shown.not_valid_after_utc}

    def _connected(self) -> bool | None:
        """Whether the GWA was reached just now; ``None`` where nobody has tried."""
        last = self._port.connection(_SHOWN).last
        if last is None or last.name is None or self._clock() - last.began > RECENT:
            return None
        return last.reached

    def _page(self, request: Request, template: str, **context: object) -> Response:
        told = self._port.status(_SHOWN)
        law = self._port.law
        made = render(
            template,
            _language(request),
            path=request.url.path.removeprefix(f"/{_language(request)}"),
            gateway=self._port.gateway,
            phase=law.phases[told.state],
            faults=[law.catalogue[fault.name] for fault in told.faults],
            law=law,
            **context,
        )
        return _html(made)


Work = Callable[[TechnicianSite, Request], Response]

_WORKS: Final[Mapping[tuple[str, str], Work]] = {
    ("GET", f"{JSON}/status"): TechnicianSite.status,
    ("GET", f"{JSON}/log"): TechnicianSite.log,
    ("GET", f"{JSON}/connection"): TechnicianSite.connection,
    ("POST", f"{JSON}/connection"): TechnicianSite.begin_test,
    ("GET", f"{JSON}/guide"): TechnicianSite.guide,
    ("GET", "/"): TechnicianSite.beginning,
    ("GET", "/style.css"): TechnicianSite.style,
    ("GET", "/{language}/"): TechnicianSite.status_page,
    ("GET", "/{language}/log"): TechnicianSite.log_page,
    ("GET", "/{language}/connection"): TechnicianSite.connection_page,
    ("POST", "/{language}/connection"): TechnicianSite.begin_test_on_page,
    ("GET", "/{language}/guide"): TechnicianSite.question_page,
    ("GET", "/{language}/guide/{question}"): TechnicianSite.question_page,
    ("GET", "/{language}/guide/{question}/{number}"): TechnicianSite.finding_page,
}
"""Every address, and what is done there."""


def create_app(site: TechnicianSite) -> FastAPI:
    """The application. TLS, certificates and the number of connections are the server's.

    The server puts ``peer`` (certificate, DER) and ``crowded`` (too many connections) into each request's state.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    for (method, path), work in _WORKS.items():
        app.add_api_route(path, _answering(site, work), methods=[method])
    app.add_exception_handler(HTTPException, _not_there)
    app.add_exception_handler(Exception, _failed)
    return app


def _answering(site: TechnicianSite, work: Work) -> Callable[[Request], object]:
    async def ask(request: Request) -> Response:
        try:
            await whole_body(request)
        except HanError as error:  # what is left of the request is not waited for
            return _refusal(request, error.status, str(error), {**error.headers, "Connection": "close"})
        return await run_in_threadpool(_work, site, work, request)

    return ask


def _work(site: TechnicianSite, work: Work, request: Request) -> Response:
    try:
        site.let_in(request)
        return work(site, request)
    except HanError as error:
        return _refusal(request, error.status, str(error), error.headers)
    except Closed as closed:
        return _refusal(request, 403, str(closed))
    except TestRunning as error:
        return _refusal(request, 409, str(error))
    except NotFitted as error:
        return _refusal(request, 404, str(error))
    except FirmwareError as error:
        _log.error("installed software not read", error=str(error))
        return _refusal(request, 500, "the installed software cannot be read")


def _number(request: Request, name: str) -> int | None:
    """A number of the query, ``None`` where it is not there.

    :raises HanError: 400 if it is none.
    """
    found = request.query_params.get(name)
    if found is None:
        return None
    if _NUMBER.fullmatch(found) is None:
        raise HanError(400, f"{name} is a whole number of up to 12 digits")
    return int(found)


def _language(request: Request) -> Language:
    return language_of(request.path_params.get("language", ""), accepted=request.headers.get("accept-language", ""))


def _json(content: answers.Object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    whole = _EVERYWHERE | {"Content-Security-Policy": _NOTHING, **(headers or {})}
    return Response(orjson.dumps(content), status, whole, "application/json")


def _html(content: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    whole = _EVERYWHERE | {"Content-Security-Policy": _PAGE, **(headers or {})}
    return Response(content, status, whole, "text/html; charset=utf-8")


def _to(path: str) -> Response:
    return Response(status_code=303, headers=_EVERYWHERE | {"Content-Security-Policy": _NOTHING, "Location": path})


def _refusal(request: Request, status: int, reason: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that gives a reason, and nothing else: to programs JSON, to people a page."""
    if request.url.path == JSON or request.url.path.startswith(f"{JSON}/"):
        return _json({"error": reason}, status, headers)
    return _html(render("problem.html", _language(request), status=status, reason=reason, path="/"), status, headers)


async def _not_there(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  it is registered for this one
    return _refusal(request, error.status_code, error.detail, error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    """The answer to a defect of ours. What it was is for the log."""
    _log.error("technician's request failed", error=type(error).__name__)
    return _refusal(request, 500, "the gateway could not do it")
