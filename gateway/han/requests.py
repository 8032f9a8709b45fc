"""A request as it comes over the wire, read whole before anything looks at it: never too large, never too slow."""

from __future__ import annotations

import asyncio
import math
from typing import Final

from fastapi import Request
from starlette.requests import ClientDisconnect

from gateway.han.errors import HanError

LARGEST_BODY: Final = 16 * 1024
"""Bytes of a request's body; ours: the longest that is sensible has 64 channels."""
LARGEST_HEAD: Final = 16 * 1024
"""Bytes of its headers; ours."""
MOST_HEADERS: Final = 64
"""How many it may have; ours."""
BODY_SECONDS: Final = 20.0
"""How long its body may take to come; ours."""


async def whole_body(request: Request) -> bytes:
    """The body of a request. Where it is refused, what is left of it is not to be waited for.

    The server puts ``crowded`` (too many connections) into each request's state.

    :raises HanError: if it is too large or too slow, or there are too many connections.
    """
    if getattr(request.state, "crowded", False):
        raise HanError(429, "too many connections at once: close some, and try again", {"Retry-After": "1"})
    raw: list[tuple[bytes, bytes]] = request.scope["headers"]
    if len(raw) > MOST_HEADERS or sum(len(name) + len(value) for name, value in raw) > LARGEST_HEAD:
        raise HanError(431, f"a request has up to {MOST_HEADERS} headers with {LARGEST_HEAD} bytes")
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated[:20]) > LARGEST_BODY:
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST_BODY:
                    raise _too_large()
    except TimeoutError:
        raise HanError(408, f"the request took longer than {BODY_SECONDS:.0f} seconds to come") from None
    except ClientDisconnect:
        raise HanError(400, "the request ended before it was whole") from None
    return bytes(body)


def is_same_origin(request: Request) -> bool:
    """Whether a request comes from a page of this origin, or from no page at all, as far as its browser says."""
    origin = request.headers.get("origin")
    here = f"{request.url.scheme}://{request.headers.get('host', '')}"
    site = request.headers.get("sec-fetch-site", "same-origin")
    return origin in {None, here} and site in {"same-origin", "none"}


def not_too_often(seconds: float, what: str) -> None:
    """Refuse what comes too often.

    :param seconds: until the next is taken, 0 for at once.
    :param what: what there was too much of.
    :raises HanError: 429 if it is not taken yet.
    """
    if seconds > 0:
        whole = max(1, math.ceil(seconds))
        words = f"too many {what} in a short time: the next is taken in {seconds:.1f} seconds"
        raise HanError(429, words, {"Retry-After": str(whole)})


def _too_large() -> HanError:
    return HanError(413, f"a request has up to {LARGEST_BODY} bytes")
