"""Sessions of the cockpit: a cookie in place of the reader's token, in memory and gone with the process."""

from __future__ import annotations

import hashlib
import secrets
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from fastapi import Request, Response

from lifecycle.parties import Clock, utc_now
from lifecycle.service.problems import ProblemError
from lifecycle.service.readers import Reader, Readers

LIFETIME = timedelta(hours=12)
"""How long somebody stays signed in."""
MOST = 1_000
"""How many sessions there are at once; beyond that the oldest ends."""


@dataclass(frozen=True, slots=True)
class _Session:
    token_hash: str
    ends: datetime


class Sessions:
    """Who is signed in. A session never outlives the token it was opened with."""

    def __init__(self, readers: Readers, clock: Clock = utc_now) -> None:
        self._readers = readers
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, _Session] = {}

    def open(self, token: str) -> str | None:
        """Begin a session with a reader's token.

        :returns: what its cookie holds, or ``None`` where the token is not good.
        """
        reader = self._readers.find(token)
        if reader is None:
            return None
        secret = secrets.token_urlsafe(32)
        with self._lock:
            while len(self._open) >= MOST:
                self._open.pop(next(iter(self._open)))
            self._open[_digest(secret)] = _Session(reader.token_hash, self._clock() + LIFETIME)
        return secret

    def reader(self, secret: str) -> Reader | None:
        """Whose session this is, ``None`` where it is none, has ended, or its token is not good any more."""
        session = self._open.get(_digest(secret))
        if session is None:
            return None
        reader = self._readers.by_hash(session.token_hash) if session.ends > self._clock() else None
        if reader is None:
            self.close(secret)
        return reader

    def close(self, secret: str) -> None:
        """End a session."""
        with self._lock:
            self._open.pop(_digest(secret), None)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def _cookie_name(request: Request) -> str:
    # The prefix binds the cookie to this host and to TLS; browsers refuse it without.
    return "__Host-smgw_session" if request.url.scheme == "https" else "smgw_session"


def cookie_of(request: Request) -> str:
    """What the session cookie of a request holds; empty where there is none."""
    return request.cookies.get(_cookie_name(request), "")


def set_cookie(request: Request, response: Response, secret: str) -> None:
    """Give the browser its session: out of reach of scripts, never sent along from another site."""
    response.set_cookie(
        _cookie_name(request),
        secret,
        max_age=int(LIFETIME.total_seconds()),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def clear_cookie(request: Request, response: Response) -> None:
    """Take the session back from the browser."""
    response.delete_cookie(
        _cookie_name(request), path="/", secure=request.url.scheme == "https", httponly=True, samesite="strict"
    )


def require_same_origin(request: Request) -> None:
    """Refuse a form that another site had the browser send (signing somebody in or out unasked).

    :raises ProblemError: if the browser says that the request comes from elsewhere.
    """
    origin = request.headers.get("origin")
    host = request.headers.get("host", "")
    elsewhere = origin is not None and urlsplit(origin).netloc != host
    if elsewhere or request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise ProblemError("cross-site", "the request does not come from the cockpit's own page")
