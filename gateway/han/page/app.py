"""The page over HTTP: who asks is found out as at the machine interface, and the gate is asked for each thing shown.

Pages answer people: what is refused is told on a page, in their language. The page's own calls get JSON.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final
from urllib.parse import quote, urlencode

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

from gateway.han.app import Asked, Han, failed, read_request
from gateway.han.digest import NotAuthenticated
from gateway.han.errors import HanError
from gateway.han.languages import Language, language_of
from gateway.han.page import library
from gateway.han.page.desk import Desk
from gateway.han.page.explained import closed_texts
from gateway.han.page.queries import read_choice, read_date, read_index, read_query
from gateway.han.page.rendering import render
from gateway.han.page.spans import View
from gateway.han.page.texts import WORDS
from gateway.han.page.view import PageView
from gateway.han.page_data import Export, ExportFile, PageData
from gateway.tariffing.periods import DAY, local_date, midnight
from lifecycle.functions import Function
from lifecycle.gate import Closed

ROOT: Final = "/page"
COOKIE: Final = "__Host-smgw_language"
"""Holds the language and nothing else; the prefix binds it to this host and to TLS."""
LOG_ENTRIES: Final = 50
"""On one page of the log."""

_LANGUAGE_SECONDS: Final = 365 * 24 * 3600
_EVERYWHERE: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_NOTHING: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
_UNSAFE_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a browser says with its request.

    :ivar headers: names in lower case.
    :ivar chosen: the language that the address asks for, ``None`` where it asks for none.
    """

    path: str
    query: str
    headers: Mapping[str, str]
    language: Language
    chosen: Language | None

    @classmethod
    def of(cls, request: Request) -> Wanted:
        """What this request says."""
        headers = {name.lower(): text for name, text in request.headers.items()}
        asked = request.query_params.get("lang", "")
        language = language_of(asked, request.cookies.get(COOKIE, ""), accepted=headers.get("accept-language", ""))
        chosen = language if asked == language else None
        query = request.scope["query_string"].decode("latin-1")
        return cls(request.scope["path"], query, headers, language, chosen)

    @property
    def is_call(self) -> bool:
        """Whether it is one of the page's own calls."""
        return self.path == f"{ROOT}/values"

    @property
    def comes_from_elsewhere(self) -> bool:
        """Whether another site's page has the browser fetch this in the background (Fetch Metadata)."""
        site = self.headers.get("sec-fetch-site", "none")
        return site not in {"none", "same-origin"} and self.headers.get("sec-fetch-dest", "") != "document"


class Pages:
    """The pages of one gateway."""

    def __init__(self, han: Han, data: PageData) -> None:
        """:param han: whom it shares the sign-in, the gate and the clock with."""
        self._han = han
        self._data = data

    def serve(self, asked: Asked, wanted: Wanted) -> Response:
        """The answer to a request; blocks for as long as the data takes."""
        try:
            consumer, credential = self._han.who(asked)
        except NotAuthenticated as error:
            return self._han.challenged(self.refused(wanted, 401, str(error), signed_in=False), error)
        except HanError as error:
            return self.refused(wanted, error.status, str(error), error.headers, signed_in=False)
        view = PageView(consumer.userid, self._han.gate, self._data)
        try:
            return self._answer(wanted, Desk(view, credential, self._han.clock(), wanted.language))
        except HanError as error:
            return self.refused(wanted, error.status, str(error), error.headers)
        except Closed as closed:
            return self._closed(wanted, closed, view)

    def _answer(self, wanted: Wanted, desk: Desk) -> Response:
        if wanted.comes_from_elsewhere:
            raise HanError(403, "another site asked for it")
        query = read_query(wanted.query)
        if wanted.path.startswith(library.STATIC):
            return _secured(library.serve(wanted.path.removeprefix(library.STATIC), wanted.headers), _NOTHING)
        today = local_date(desk.now)
        match wanted.path.removeprefix(ROOT).rstrip("/"):
            case "":
                return self._page(wanted, "overview.html", overview=desk.overview())
            case "/consumption":
                return self._page(wanted, "consumption.html", looked=desk.history(*_history(query, today)))
            case "/values":
                looked = desk.history(*_history(query, today))
                shown = render("shown.html", wanted.language, looked=looked)
                return _json(200, {"title": looked.title, "shown": shown})
            case "/contracts":
                return self._page(wanted, "contracts.html", contracts=desk.contracts())
            case "/log":
                log = desk.log(read_index(query, "before"), LOG_ENTRIES)
                return self._page(wanted, "log.html", log=log)
            case "/export":
                return self._page(wanted, "export.html", offer=desk.offer(query.get("contract", "")))
            case "/file":
                first, last = read_date(query, "from", today), read_date(query, "to", today)
                if last < first:
                    raise HanError(400, "the last day is before the first")
                kind = read_choice(query, "kind", Export)
                return _file(desk.file(query.get("contract", ""), midnight(first), midnight(last + DAY), kind))
            case _:
                raise HanError(404, "there is no such page")

    def refused(
        self,
        wanted: Wanted,
        status: int,
        reason: str,
        headers: Mapping[str, str] | None = None,
        *,
        signed_in: bool = True,
    ) -> Response:
        """A page that says what is wrong. Whoever is not signed in gets one that loads nothing more."""
        words = WORDS[wanted.language]
        told = words.problem(status)
        seconds = (headers or {}).get("Retry-After", "")
        advice = words["wait"].format(seconds=seconds) if seconds else ""
        if wanted.is_call:
            return _json(status, {"error": f"{told}. {advice}".strip(), "reason": reason}, headers)
        return self._page(
            wanted,
            "problem.html" if signed_in else "bare.html",
            status,
            headers,
            told=told,
            advice=advice,
            reason=reason,
            code=status,
        )

    def _closed(self, wanted: Wanted, closed: Closed, view: PageView) -> Response:
        words = WORDS[wanted.language]
        told = words["closed_log" if closed.request.function is Function.READ_CONSUMER_LOG else "closed"]
        gate = view.gate()
        reasons = closed_texts(closed, gate, wanted.language)
        shows_log = closed.request._replace(function=Function.READ_CONSUMER_LOG) in gate.opened
        if wanted.is_call:
            return _json(403, {"error": f"{told}. {' '.join(reasons)}", "reason": str(closed.refused)})
        reason = str(closed.refused)
        return self._page(wanted, "closed.html", 403, told=told, reasons=reasons, shows_log=shows_log, reason=reason)

    def _page(
        self, wanted: Wanted, name: str, status: int = 200, headers: Mapping[str, str] | None = None, **context: object
    ) -> Response:
        shared = {
            "here": wanted.path,
            "switch": _switch(wanted),
            "address_of": library.address_of,
            "style_ids": library.style_ids,
        }
        made = render(name, wanted.language, **shared, **context)
        answer = Response(made, status, headers, media_type="text/html; charset=utf-8")
        answer.headers["Content-Language"] = wanted.language
        answer.headers["Vary"] = "Accept-Language, Cookie"
        answer.headers["Cache-Control"] = "no-store"
        if wanted.chosen is not None:
            answer.set_cookie(
                COOKIE, wanted.chosen, _LANGUAGE_SECONDS, path="/", secure=True, httponly=True, samesite="lax"
            )
        return _secured(answer, _POLICY)


def add_page(app: FastAPI, han: Han, data: PageData) -> None:
    """Have the application of the machine interface serve the page too: ``/`` and everything under ``/page``.

    :param data: what consumers may see on it.
    """
    pages = Pages(han, data)

    async def ask(request: Request) -> Response:
        wanted = Wanted.of(request)
        try:
            asked = await read_request(request, time.perf_counter())
        except HanError as error:
            headers = {**error.headers, "Connection": "close"}
            return pages.refused(wanted, error.status, str(error), headers, signed_in=False)
        return await run_in_threadpool(pages.serve, asked, wanted)

    async def broken(request: Request, error: Exception) -> Response:
        answer = await failed(request, error)
        if not is_page(request.scope["path"]):
            return answer
        # The server ends the connection, for nobody knows what state a defect leaves it in.
        headers = {"Connection": "close"}
        return pages.refused(Wanted.of(request), 500, "a defect of the gateway's", headers, signed_in=False)

    app.add_api_route("/", ask, methods=["GET"])
    app.add_api_route(ROOT, ask, methods=["GET"])
    app.add_api_route(f"{ROOT}/{{rest:path}}", ask, methods=["GET"])
    app.add_exception_handler(Exception, broken)


def is_page(path: str) -> bool:
    """Whether an address is the page's."""
    return path in {"/", ROOT} or path.startswith(f"{ROOT}/")


def _history(query: Mapping[str, str], today: date) -> tuple[str, str, View, date]:
    view = read_choice(query, "view", View, View.DAY)
    return query.get("contract", ""), query.get("register", ""), view, read_date(query, "date", today)


def _switch(wanted: Wanted) -> str:
    """This page in the other language."""
    try:
        query = dict(read_query(wanted.query))
    except HanError:
        query = {}
    return f"{quote(wanted.path)}?{urlencode({**query, 'lang': wanted.language.other})}"


def _file(file: ExportFile) -> Response:
    name = _UNSAFE_NAME.sub("_", file.name).strip("._") or "export"
    answer = Response(file.content, media_type=file.media_type)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Cache-Control"] = "no-store"
    return _secured(answer, _NOTHING)


def _json(status: int, content: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Response:
    answer = Response(orjson.dumps(content), status, headers, "application/json")
    answer.headers["Cache-Control"] = "no-store"
    return _secured(answer, _NOTHING)


def _secured(answer: Response, policy: str) -> Response:
    answer.headers.update(_EVERYWHERE)
    answer.headers["Content-Security-Policy"] = policy
    return answer
