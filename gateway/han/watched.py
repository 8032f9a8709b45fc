"""What becomes of requests, for whoever counts them: the status and how long it took, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FAILED: Final = 500
Watch = Callable[[int, float], None]
"""Told the status of an answer, 0 where there was none, and the seconds that it took."""


class Watched:
    """An application whose answers are told of."""

    def __init__(self, app: ASGIApp, watch: Watch) -> None:
        self._app = app
        self._watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = 0, time.perf_counter()

        async def send_watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_watched)
        except Exception:
            status = status or _FAILED  # it is answered further out
            raise
        finally:
            self._watch(status, time.perf_counter() - began)
