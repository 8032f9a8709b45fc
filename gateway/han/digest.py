"""HTTP Digest (RFC 7616), ``qop=auth`` alone: nonces that cannot be replayed, answers compared in constant time.

A nonce carries when it was made and a MAC of the gateway's, so that handing one out costs no memory. The gateway keeps
what was spent by somebody who knew a password: of each nonce the counts seen, in a window, since requests in parallel
arrive in any order. What is forgotten to make room is never believed again.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from gateway.han.consumers import LONGEST_USERID, REALM, Consumer, Consumers, DigestAlgorithm

NONCE_SECONDS: Final = 600.0
"""How long a nonce is good for; ours, as long as an idle session."""
KEPT_NONCES: Final = 1024
"""How many spent nonces are kept of each consumer; ours."""
COUNT_WINDOW: Final = 256
"""How far behind the highest count one may arrive; ours."""

_MICROSECONDS: Final = 1_000_000
_TIME_BYTES, _RANDOM_BYTES, _MAC_BYTES = 8, 8, 16
_PARAMETER: Final = re.compile(
    r"""[ \t]*([A-Za-z*][A-Za-z0-9*_-]{0,31})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s",;=]+))[ \t]*(?:,|$)"""
)
_NEEDED: Final = ("username", "realm", "nonce", "uri", "response", "qop", "nc", "cnonce")
_COUNT: Final = re.compile(r"[0-9a-fA-F]{8}", re.ASCII)


class NotAuthenticated(Exception):
    """Whoever asks has not shown who he is.

    :ivar stale: whether the password was right and only the nonce is no longer good.
    """

    def __init__(self, reason: str, *, stale: bool = False) -> None:
        super().__init__(reason)
        self.stale = stale


class Spent(Enum):
    """What became of a nonce and its count."""

    FRESH = auto()
    STALE = auto()
    REPLAYED = auto()


@dataclass(slots=True)
class _Counts:
    highest: int = 0
    seen: int = 0

    def take(self, count: int) -> bool:
        """Whether this count was not seen before; from now on it was."""
        if count > self.highest:
            ahead = count - self.highest
            self.seen = ((self.seen << ahead) | 1) & ((1 << COUNT_WINDOW) - 1) if ahead < COUNT_WINDOW else 1
            self.highest = count
            return True
        behind = self.highest - count
        if behind >= COUNT_WINDOW or self.seen >> behind & 1:
            return False
        self.seen |= 1 << behind
        return True


@dataclass(slots=True)
class _Kept:
    counts: OrderedDict[str, _Counts] = field(default_factory=OrderedDict)
    forgotten: int = -1
    """No nonce made up to here is believed that is not kept; microseconds."""


class Nonces:
    """Hands out nonces and lets each count of each be spent once."""

    def __init__(self, clock: Callable[[], float], seconds: float = NONCE_SECONDS, kept: int = KEPT_NONCES) -> None:
        """:param clock: seconds that pass, never back.
        :param seconds: how long a nonce is good for.
        :param kept: how many are kept of each consumer.
        """
        self._clock = clock
        self._lifetime = round(seconds * _MICROSECONDS)
        self._kept_each = kept
        self._key = secrets.token_bytes(hashlib.sha256().digest_size)
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def issue(self) -> str:
        """A new nonce, hexadecimal."""
        body = self._now().to_bytes(_TIME_BYTES, "big") + secrets.token_bytes(_RANDOM_BYTES)
        return (body + self._mac(body)).hex()

    def spend(self, consumer: str, nonce: str, count: int) -> Spent:
        """Use up one count of a nonce. To be called once the password has been found right."""
        made = self._made(nonce)
        with self._lock:
            now = self._now()
            if made is None or not 0 <= now - made <= self._lifetime:
                return Spent.STALE
            kept = self._kept.setdefault(consumer, _Kept())
            counts = kept.counts.get(nonce)
            if counts is None:
                if made <= kept.forgotten:
                    return Spent.STALE
                counts = kept.counts[nonce] = _Counts()
                if len(kept.counts) > self._kept_each:
                    oldest, _ = kept.counts.popitem(last=False)
                    kept.forgotten = max(kept.forgotten, self._made(oldest) or 0)
            return Spent.FRESH if counts.take(count) else Spent.REPLAYED

    def _now(self) -> int:
        return round(self._clock() * _MICROSECONDS)

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_MAC_BYTES]

    def _made(self, nonce: str) -> int | None:
        """When it was made, microseconds; ``None`` if it is none of ours."""
        if re.fullmatch(r"[0-9a-f]{64}", nonce, re.ASCII) is None:
            return None
        raw = bytes.fromhex(nonce)
        body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(body)):
            return None
        return int.from_bytes(body[:_TIME_BYTES], "big")


def read_parameters(header: str) -> Mapping[str, str]:
    """The parameters of an ``Authorization`` header with the scheme Digest, names in lower case.

    :raises NotAuthenticated: if it is another scheme or cannot be read, or something is said twice or missing.
    """
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() != "digest":
        raise NotAuthenticated("HTTP Digest credentials or a certificate are needed")
    found: dict[str, str] = {}
    at, rest = 0, rest.strip()
    while at < len(rest):
        match = _PARAMETER.match(rest, at)
        if match is None:
            raise NotAuthenticated("the Digest credentials cannot be read")
        name, quoted, token = match.groups()
        if name.lower() in found:
            raise NotAuthenticated(f"the Digest credentials say {name.lower()} twice")
        found[name.lower()] = token if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        at = match.end()
    missing = [name for name in _NEEDED if name not in found]
    if missing:
        raise NotAuthenticated(f"the Digest credentials lack {', '.join(missing)}")
    if len(found["username"]) > LONGEST_USERID:  # it is kept for a while, to slow guessing down
        raise NotAuthenticated("user name or password is wrong")
    return found


class DigestCheck:
    """Finds out who asks. Keeps no password, and no answer tells whether a name is known."""

    def __init__(self, consumers: Consumers, nonces: Nonces) -> None:
        self._consumers = consumers
        self._nonces = nonces
        # For names that nobody has, so that they take as long as the others.
        self._nobody = Consumer.known_by("nobody", secrets.token_hex())

    def challenges(self, *, stale: bool = False) -> list[str]:
        """The values of the ``WWW-Authenticate`` headers, the preferred algorithm first. They share one nonce."""
        nonce = self._nonces.issue()
        end = ", stale=true" if stale else ""
        return [
            f'Digest realm="{REALM}", nonce="{nonce}", qop="auth", algorithm={algorithm}{end}'
            for algorithm in DigestAlgorithm
        ]

    def check(self, parameters: Mapping[str, str], method: str, target: str) -> Consumer:
        """Who shows these credentials, which must be for this request.

        :param parameters: of the header, see :func:`read_parameters`.
        :param target: path and query as they were sent.
        :raises NotAuthenticated: if they are not right, not for this request, or were used before.
        """
        try:
            algorithm = DigestAlgorithm(parameters.get("algorithm", "MD5").upper())
        except ValueError:
            raise NotAuthenticated("the algorithm of the Digest credentials is not one of those offered") from None
        if parameters["realm"] != REALM or parameters["qop"].lower() != "auth":
            raise NotAuthenticated("the Digest credentials are not for the challenge that was given")
        if _COUNT.fullmatch(parameters["nc"]) is None or int(parameters["nc"], 16) == 0:
            raise NotAuthenticated("nc of the Digest credentials is no count: eight hexadecimal digits, from 1")
        if parameters["uri"] != target:
            raise NotAuthenticated("the Digest credentials are for another address")
        known = self._consumers.named(parameters["username"])
        ha1 = (known.ha1.get(algorithm) if known is not None else None) or self._nobody.ha1[algorithm]
        expected = algorithm.of(
            ha1,
            parameters["nonce"],
            parameters["nc"],
            parameters["cnonce"],
            parameters["qop"],
            algorithm.of(method, target),
        )
        right = hmac.compare_digest(expected.encode(), parameters["response"].encode())
        if not right or known is None or algorithm not in known.ha1:
            raise NotAuthenticated("user name or password is wrong")
        spent = self._nonces.spend(known.userid, parameters["nonce"], int(parameters["nc"], 16))
        if spent is Spent.REPLAYED:
            raise NotAuthenticated("the Digest credentials were used before", stale=True)
        if spent is Spent.STALE:
            raise NotAuthenticated("the nonce is not good any more", stale=True)
        return known
