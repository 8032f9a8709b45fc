"""What every answer carries for the browser's sake, and what no request may exceed.

Pages load their own style and script and nothing from elsewhere; the drawing of the life brings its style with it,
which is let in by its hash. No answer may be framed, sniffed or, static files aside, stored.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, MutableMapping
from typing import Any, Final

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES: Final = 64 * 1024
"""Largest request body: four times the largest entry, so that its JSON escapes and certificate fit."""

_EVERYWHERE: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer": with that, browsers send "Origin: null" with the cockpit's own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_NOTHING: Final = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_HSTS: Final = "max-age=31536000"
STATIC: Final = "/static/"
"""Where the pages' style and script are."""


def style_hashes(markup: str) -> list[str]:
    """What a content security policy says to let in the style elements in a piece of markup."""
    styles = re.findall(r"<style>(.*?)</style>", markup, re.DOTALL)
    digests = (hashlib.sha256(style.encode()).digest() for style in styles)
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


class SecurityHeaders:
    """Puts the headers on every answer, errors among them; outermost of the middlewares."""

    def __init__(self, app: ASGIApp, styles: Iterable[str] = ()) -> None:
        self._app = app
        allowed = " ".join(("'self'", *styles))
        self._page_policy = (
            f"default-src 'none'; script-src 'self'; style-src {allowed}; img-src 'self'; connect-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._secure(scope, MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, send_secured)

    def _secure(self, scope: Scope, headers: MutableHeaders) -> None:
        for name, value in _EVERYWHERE.items():
            headers[name] = value
        is_page = headers.get("content-type", "").startswith("text/html")
        headers["Content-Security-Policy"] = self._page_policy if is_page else _NOTHING
        headers["Cache-Control"] = "no-cache" if scope["path"].startswith(STATIC) else "no-store"
        if scope["scheme"] == "https":
            headers["Strict-Transport-Security"] = _HSTS


class BodyLimit:
    """Refuses bodies that are too large, by what they say of themselves and by what comes."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        stated = Headers(scope=scope).get("content-length", "")
        excess = self._too_large() if stated.isdecimal() and int(stated) > self._limit else None
        received = 0

        async def receive_limited() -> MutableMapping[str, Any]:
            nonlocal received
            if excess is not None:
                raise excess
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise self._too_large()
            return message

        await self._app(scope, receive_limited, send)

    def _too_large(self) -> HTTPException:
        # The framework lets its own exception pass where it reads bodies, and no other.
        return HTTPException(413, f"more than {self._limit} bytes")
