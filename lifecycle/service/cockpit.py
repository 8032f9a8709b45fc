"""The cockpit: pages to look at the record with. They show; nothing on them changes the record."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from anyio import to_thread
from fastapi import APIRouter, Form, Header, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from lifecycle.journal import Position
from lifecycle.service.core import Listens, Service, ServiceOf
from lifecycle.service.live import FLEET
from lifecycle.service.looking import VERIFIED_UNASKED, look_at_fleet, look_at_gateway
from lifecycle.service.models import GatewayId
from lifecycle.service.pages import problems_page, render
from lifecycle.service.readers import Reader
from lifecycle.service.sessions import clear_cookie, cookie_of, require_same_origin, set_cookie
from lifecycle.states import State
from lifecycle.store.errors import UnreadableStateError
from lifecycle.store.rows import Kept

router = APIRouter(include_in_schema=False)

_LONGEST_TOKEN = 256
_SEQUENCE_MOST = 2**31 - 1


@router.get("/")
async def fleet_page(
    request: Request,
    service: ServiceOf,
    state: str = "",
    q: Annotated[str, Query(max_length=64)] = "",
    after: Annotated[str, Query(max_length=14)] = "",
    token: Annotated[str, Query(max_length=_LONGEST_TOKEN)] = "",
) -> Response:
    """The fleet: how many gateways are where, and a list of them."""
    if token:
        return await _sign_in(request, service, token, "/") if service.sign_in_by_link else _to_sign_in("/")
    reader = await _signed_in(request, service)
    if reader is None:
        return _to_sign_in(_here(request))
    # A form sends a filter that was left open as an empty text; one that names no state filters nothing.
    wanted = State(state) if state in set(State) else None
    view = await to_thread.run_sync(look_at_fleet, service.repository, wanted, q.strip().upper(), after)
    more = {"state": wanted or "", "q": q, "after": view.next}
    return await _page(
        "fleet.html",
        reader=reader,
        live="/events",
        seen=f"{view.figures.total}-{view.figures.entries}",
        view=view,
        law=service.repository.law,
        wanted=wanted,
        q=q,
        after=after,
        more=urlencode({name: value for name, value in more.items() if value}),
    )


@router.get("/gateways/{gateway}")
async def gateway_page(
    request: Request,
    service: ServiceOf,
    gateway: GatewayId,
    until: Annotated[int | None, Query(ge=0, le=_SEQUENCE_MOST)] = None,
    before: Annotated[int | None, Query(ge=1, le=_SEQUENCE_MOST)] = None,
    verify: bool = False,
) -> Response:
    """One gateway, now or as it was after an entry."""
    reader = await _signed_in(request, service)
    if reader is None:
        return _to_sign_in(_here(request))
    kept = await _kept(service, gateway)
    end = kept.position.sequence
    if until is not None and until >= end:
        until = None
    asked = verify or until is not None or end <= VERIFIED_UNASKED
    verdict = await service.verifier.verdict(gateway, until) if asked else None
    look = partial(look_at_gateway, service.repository, kept, verdict, until, before)
    view = await to_thread.run_sync(look)
    return await _page(
        "gateway.html",
        reader=reader,
        live=f"/events?gateway={gateway}",
        seen=str(end),
        view=view,
        law=service.repository.law,
        before=before,
    )


@router.get("/login")
async def login_page(request: Request, service: ServiceOf, to: Annotated[str, Query(max_length=512)] = "/") -> Response:
    """Where a reader signs in."""
    if await _signed_in(request, service) is not None:
        return RedirectResponse(_local(to), status_code=303)
    return await _page("login.html", reader=None, live=None, to=_local(to), refused=False)


@router.post("/login")
async def login(
    request: Request,
    service: ServiceOf,
    token: Annotated[str, Form(max_length=_LONGEST_TOKEN)] = "",
    to: Annotated[str, Form(max_length=512)] = "/",
) -> Response:
    """Sign in with a reader's token."""
    require_same_origin(request)
    return await _sign_in(request, service, token.strip(), _local(to))


@router.post("/logout")
async def logout(request: Request, service: ServiceOf) -> Response:
    """Sign out."""
    require_same_origin(request)
    service.sessions.close(cookie_of(request))
    response = RedirectResponse("/login", status_code=303)
    clear_cookie(request, response)
    return response


@router.get("/events")
async def events(
    service: ServiceOf,
    _reader: Listens,
    gateway: Annotated[GatewayId | None, Query()] = None,
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
) -> StreamingResponse:
    """Server-sent events, for a bearer token too: ``gateway`` for one, ``fleet`` for all; each says how it is now."""
    service.live.admit()
    stream = service.live.stream(gateway or FLEET, last_event_id)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


@router.get("/problems")
async def problems() -> HTMLResponse:
    """What each kind of problem means: where the ``type`` of a problem points."""
    return await to_thread.run_sync(problems_page)


async def _kept(service: Service, gateway: str) -> Kept:
    """What is kept of a gateway; where its stored state makes no sense, what the replay makes of its record."""
    try:
        return await to_thread.run_sync(service.repository.kept, gateway)
    except UnreadableStateError:
        chain = await service.verifier.chain(gateway)
        verdict = await service.verifier.verdict(gateway)
        assert chain.head is not None  # noqa: S101  a chain that is kept has one
        position = Position(chain.head.sequence, chain.head.hash, chain.head.time)
        return Kept(gateway, verdict.standing, position, chain.head)


async def _sign_in(request: Request, service: Service, token: str, to: str) -> Response:
    secret = await to_thread.run_sync(service.sessions.open, token)
    if secret is None:
        return await _page("login.html", status=403, reader=None, live=None, to=to, refused=True)
    response = RedirectResponse(to, status_code=303)
    set_cookie(request, response, secret)
    return response


async def _signed_in(request: Request, service: Service) -> Reader | None:
    secret = cookie_of(request)
    return await to_thread.run_sync(service.sessions.reader, secret) if secret else None


async def _page(name: str, **context: Any) -> HTMLResponse:
    return await to_thread.run_sync(partial(render, name, **context))


def _here(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _to_sign_in(to: str) -> RedirectResponse:
    return RedirectResponse(f"/login?to={quote(to, safe='/')}", status_code=303)


def _local(to: str) -> str:
    """An address of ours, whatever was asked for: nobody is sent elsewhere from here."""
    safe = to.startswith("/") and not to.startswith("//") and "\\" not in to and to.isprintable()
    return to if safe and not to.startswith("/login") else "/"
