"""The outside of every request: one line in the log, and an answer even where the service fails."""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable

import structlog
from fastapi import Request, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = structlog.get_logger("lifecycle.service")

Failed = Callable[[Request, str], Awaitable[Response]]
"""Makes the answer to a request that failed, given the identifier in the log."""


class Observed:
    """Logs each request by method, path, status and duration; neither query nor headers, which may hold a token.

    An exception that nothing has caught is logged with its traceback and answered by *failed*.
    """

    def __init__(self, app: ASGIApp, failed: Failed) -> None:
        self._app = app
        self._failed = failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0
        began = time.perf_counter()

        async def send_observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_observed)
        except Exception:
            identifier = str(uuid.uuid4())
            _log.exception("request failed", method=scope["method"], path=scope["path"], identifier=identifier)
            if status:
                raise  # the answer has begun: all that is left is to cut the connection
            response = await self._failed(Request(scope), identifier)
            await response(scope, receive, send_observed)
        finally:
            milliseconds = round((time.perf_counter() - began) * 1000, 1)
            _log.info("request", method=scope["method"], path=scope["path"], status=status, ms=milliseconds)
