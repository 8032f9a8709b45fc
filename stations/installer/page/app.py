"""The page for a phone: one FastAPI application over the works of one record. It needs no script and nothing from afar.

Every step goes over two taps: the first shows what will be signed, the second signs. The form that signs carries an
idempotency key, made when it was shown: sent twice, by a double tap or because the connection was lost after it had
arrived, it acts once. Whoever is not the paired phone is shown nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

from anyio import to_thread
from fastapi import APIRouter, Depends, FastAPI, Form, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment
from starlette.exceptions import HTTPException

from gateway.configuration import CommunicationParameters, ConfigurationError
from gateway.han.languages import Language, language_of
from gateway.han.pages import environment_of
from gateway.han.requests import is_same_origin
from gateway.local import LocalError
from lifecycle.gate import Closed
from lifecycle.law import Unlawful
from lifecycle.parties import PartyError
from lifecycle.roles import ROLES, Role
from lifecycle.service.observed import Observed
from lifecycle.service.security import STATIC, BodyLimit, SecurityHeaders
from lifecycle.store.errors import StoreError, UnknownGatewayError
from stations.installer.page.pairing import LIFETIME, Pairing
from stations.installer.page.texts import WORDS, moment
from stations.installer.site import LineLostError, Site
from stations.installer.works import STAGE_OF, Installer, Plan, Refusal, Stage, View, Work, look_at

FOLDER: Final = Path(__file__).parent
"""Where templates and static files are."""
_SESSION: Final = "smgw_install"
_LANGUAGE: Final = "smgw_language"
_LONGEST: Final = 300
_FAILURES: Final = (Closed, LocalError, LineLostError, StoreError, PartyError)
"""What can go wrong with a work or a test and is to be told; nothing has changed then that a repetition would not."""

router = APIRouter(include_in_schema=False, default_response_class=Response)


@dataclass(frozen=True, slots=True)
class Desk:
    """What the page works with.

    :ivar site: the works, and the devices.
    :ivar gateways: the gateways that it shows.
    :ivar pairing: who may use it.
    """

    site: Site
    gateways: tuple[str, ...]
    pairing: Pairing

    @property
    def installer(self) -> Installer:
        """The works."""
        return self.site.installer


class NotPairedError(Exception):
    """The phone is not paired (any more)."""


def create_app(site: Site, gateways: Sequence[str], pairing: Pairing) -> FastAPI:
    """The page over these gateways.

    :param pairing: the code that lets one phone in.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.desk = Desk(site, tuple(gateways), pairing)
    app.include_router(router)
    static = StaticFiles(directory=FOLDER / "static", packages=[("gateway.han", "static")])
    app.mount(STATIC.rstrip("/"), static, name="static")
    app.add_exception_handler(NotPairedError, _not_paired)
    for kind in (HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _problem)
    # The last one added is the outermost.
    app.add_middleware(BodyLimit)
    app.add_middleware(Observed, failed=_failed)
    app.add_middleware(SecurityHeaders)
    return app


def _desk(request: Request) -> Desk:
    desk = request.app.state.desk
    assert isinstance(desk, Desk)  # noqa: S101  create_app puts it there
    return desk


async def _paired(request: Request) -> Desk:
    desk = _desk(request)
    if not desk.pairing.is_paired(request.cookies.get(_cookie(request, _SESSION), "")):
        raise NotPairedError
    return desk


async def _asked(request: Request, word: Annotated[str, Form(max_length=_LONGEST)] = "") -> Desk:
    """As :func:`_paired`, for what changes something: the form has to be the page's own."""
    desk = await _paired(request)
    if not (is_same_origin(request) and desk.pairing.is_form_word(word)):
        raise HTTPException(403, "stale")
    return desk


Paired = Annotated[Desk, Depends(_paired)]
Asked = Annotated[Desk, Depends(_asked)]


@router.get("/")
async def beginning(request: Request, code: Annotated[str, Query(max_length=_LONGEST)] = "") -> Response:
    """The gateways, or the one there is; whoever brings the code is paired."""
    if code:
        return await _pair(request, code)
    desk = await _paired(request)
    if len(desk.gateways) == 1:
        return RedirectResponse(f"/gateways/{desk.gateways[0]}", status_code=303)
    views = [await to_thread.run_sync(_look, desk, gateway) for gateway in desk.gateways]
    return await _page(request, "gateways.html", desk=desk, views=views)


@router.post("/pair")
async def pair(request: Request, code: Annotated[str, Form(max_length=_LONGEST)] = "") -> Response:
    """Pair by a code that was typed."""
    if not is_same_origin(request):
        raise HTTPException(403, "stale")
    return await _pair(request, code)


@router.post("/leave")
async def leave(request: Request, desk: Asked) -> Response:
    """Let go of this phone."""
    desk.pairing.end()
    response = RedirectResponse("/", status_code=303)
    response.delete_cookie(_cookie(request, _SESSION), path="/", httponly=True, samesite="strict")
    return response


@router.post("/language")
async def language(
    request: Request,
    to: Annotated[Language, Form()],
    back: Annotated[str, Form(max_length=_LONGEST)] = "/",
) -> Response:
    """Choose the language; anybody may, for it changes nothing but the words."""
    if not is_same_origin(request):
        raise HTTPException(403, "stale")
    safe = back.startswith("/") and not back.startswith("//") and "\\" not in back and back.isprintable()
    response = RedirectResponse(back if safe else "/", status_code=303)
    _set_cookie(request, response, _LANGUAGE, str(to))
    return response


@router.get("/gateways/{gateway}")
async def gateway_page(
    request: Request,
    desk: Paired,
    gateway: str,
    did: Annotated[Work | None, Query()] = None,
    again: bool = False,
    tested: bool = False,
) -> Response:
    """One gateway, step by step."""
    return await _gateway(request, desk, gateway, did=did, again=again, tested=tested)


@router.get("/gateways/{gateway}/works/{work}")
async def work_page(request: Request, desk: Paired, gateway: str, work: Work) -> Response:
    """What a work would sign; nothing is done."""
    return await _ask(request, desk, _known(desk, gateway), work)


@router.post("/gateways/{gateway}/works/{work}")
async def do_work(
    request: Request, desk: Asked, gateway: str, work: Work, key: Annotated[str, Form(min_length=8, max_length=100)]
) -> Response:
    """Do a work: sign, and put on record."""
    _known(desk, gateway)
    if work is Work.CONFIGURE:
        raise HTTPException(404)
    try:
        done = await to_thread.run_sync(partial(desk.installer.do, gateway, work, key=key))
    except Unlawful:
        return await _ask(request, desk, gateway, work, status=409)
    except _FAILURES as error:
        return await _ask(request, desk, gateway, work, status=409, trouble=str(error))
    return _to(gateway, did=work, again=done.repeated)


@router.post("/gateways/{gateway}/parameters")
async def set_parameters(
    request: Request, desk: Asked, gateway: str, key: Annotated[str, Form(min_length=8, max_length=100)]
) -> Response:
    """Set communication parameters over the local interface, and attest it."""
    _known(desk, gateway)
    form = await request.form()
    given = {name: str(form.get(name, "")).strip()[:_LONGEST] for name in PARAMETERS}
    try:
        parameters = parameters_of(given)
        done = await to_thread.run_sync(partial(desk.site.configure, gateway, parameters, key=key))
    except ConfigurationError as error:
        return await _ask(request, desk, gateway, Work.CONFIGURE, status=422, wrong=str(error), given=given, key=key)
    except Unlawful:
        return await _ask(request, desk, gateway, Work.CONFIGURE, status=409)
    except _FAILURES as error:
        return await _ask(request, desk, gateway, Work.CONFIGURE, status=409, trouble=str(error), given=given, key=key)
    return _to(gateway, did=Work.CONFIGURE, again=done.repeated)


@router.post("/gateways/{gateway}/test")
async def test_connection(request: Request, desk: Asked, gateway: str) -> Response:
    """Have the gateway try to reach its GWA."""
    _known(desk, gateway)
    try:
        await to_thread.run_sync(desk.site.test, gateway)
    except (*_FAILURES, ConfigurationError) as error:
        return await _gateway(request, desk, gateway, trouble=str(error), status=409)
    return RedirectResponse(f"/gateways/{gateway}?tested=1", status_code=303)


PARAMETERS: Final = tuple(field.name for field in fields(CommunicationParameters))
"""The names of the communication parameters, as the form has them."""
NUMBERS: Final = tuple(name for name in PARAMETERS if name.endswith("port"))
"""Those of them that are numbers."""


def parameters_of(given: dict[str, str]) -> CommunicationParameters:
    """Communication parameters from texts; an empty one sets nothing.

    :raises gateway.configuration.ConfigurationError: naming what is wrong.
    """
    values: dict[str, Any] = {}
    for name, text in given.items():
        if not text:
            continue
        if name in NUMBERS:
            if not (text.isascii() and text.isdecimal()):
                raise ConfigurationError(f"{text!r} is no port")
            values[name] = int(text)
        else:
            values[name] = text
    return CommunicationParameters(**values)


def _known(desk: Desk, gateway: str) -> str:
    if gateway not in desk.gateways:
        raise HTTPException(404)
    return gateway


def _look(desk: Desk, gateway: str) -> View:
    try:
        return look_at(desk.installer, gateway, desk.site.reports.has_succeeded)
    except UnknownGatewayError as error:
        raise HTTPException(404) from error


async def _gateway(request: Request, desk: Desk, gateway: str, *, status: int = 200, **context: Any) -> Response:
    view = await to_thread.run_sync(_look, desk, _known(desk, gateway))
    report = await to_thread.run_sync(desk.site.reports.last, gateway)
    told = {"did": None, "again": False, "tested": False, "trouble": "", **context}
    return await _page(request, "gateway.html", status, desk=desk, view=view, report=report, **told)


async def _ask(
    request: Request, desk: Desk, gateway: str, work: Work, *, status: int = 200, **context: Any
) -> Response:
    """The page of a work: what it would sign, or why it is refused."""
    planned = await to_thread.run_sync(desk.installer.ask, gateway, work)
    plan, refusal = (None, planned) if isinstance(planned, Refusal) else (planned, None)
    told = {"trouble": "", "wrong": "", "given": {}, "key": secrets.token_urlsafe(16), **context}
    return await _page(
        request,
        "work.html",
        409 if refusal is not None and status == 200 else status,
        desk=desk,
        gateway=gateway,
        work=work,
        plan=plan,
        refusal=refusal,
        missing=None if plan is None else _missing_key(desk.installer, plan),
        **told,
    )


def _missing_key(installer: Installer, plan: Plan) -> Role | None:
    """Whose key a plan would take that is not here; ``None`` where all are."""
    for signing in plan.signings:
        try:
            installer.party(plan.gateway, signing.actor.role)
        except PartyError:
            return signing.actor.role
    return None


def _to(gateway: str, *, did: Work, again: bool) -> Response:
    return RedirectResponse(f"/gateways/{gateway}?did={did}{'&again=1' if again else ''}", status_code=303)


async def _pair(request: Request, code: str) -> Response:
    pairing = _desk(request).pairing
    if pairing.is_paired(request.cookies.get(_cookie(request, _SESSION), "")):
        return RedirectResponse("/", status_code=303)  # the link was opened again
    secret = pairing.pair(code)
    if secret is None:
        return await _page(request, "pair.html", 403, desk=None, wrong="code_void" if pairing.void else "code_wrong")
    response = RedirectResponse("/", status_code=303)
    _set_cookie(request, response, _SESSION, secret)
    return response


async def _not_paired(request: Request, _error: Exception) -> Response:
    void = _desk(request).pairing.void
    return await _page(request, "pair.html", 403, desk=None, wrong="code_void" if void else "")


async def _problem(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 422
    message = "not_found" if status in {404, 405} else "stale"
    return await _page(request, "problem.html", status, desk=None, message=message)


async def _failed(request: Request, _identifier: str) -> Response:
    return await _page(request, "problem.html", 500, desk=None, message="defect")


def _cookie(request: Request, name: str) -> str:
    # The prefix binds the cookie to this host and to TLS; browsers refuse it without.
    return f"__Host-{name}" if request.url.scheme == "https" else name


def _set_cookie(request: Request, response: Response, name: str, value: str) -> None:
    response.set_cookie(
        _cookie(request, name),
        value,
        max_age=int(LIFETIME.total_seconds()),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def _environment() -> Environment:
    environment = environment_of(FOLDER)
    environment.filters["moment"] = moment
    environment.globals.update(
        Work=Work,
        Stage=Stage,
        Language=Language,
        parameters=PARAMETERS,
        numbers=NUMBERS,
        stage_of=STAGE_OF,
        role_de={role: description.german for role, description in ROLES.items()},
    )
    return environment


_ENVIRONMENT: Final = _environment()


async def _page(request: Request, name: str, status: int = 200, *, desk: Desk | None, **context: Any) -> Response:
    chosen = language_of(
        request.cookies.get(_cookie(request, _LANGUAGE), ""), accepted=request.headers.get("accept-language", "")
    )
    made = _ENVIRONMENT.get_template(name).render(
        t=WORDS[chosen],
        here=request.url.path if request.method == "GET" else "/",
        word="" if desk is None else desk.pairing.form_word(),
        paired=desk is not None,
        many=desk is not None and len(desk.gateways) > 1,
        law=None if desk is None else desk.installer.law,
        **context,
    )
    return Response(made, status_code=status, media_type="text/html; charset=utf-8")
