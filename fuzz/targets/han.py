"""The parts of the HAN interface that read what a client says: JSON bodies and HTTP Digest credentials."""

from __future__ import annotations

import json
from random import Random
from typing import Any, Final

from fuzz.mutation import Mutator
from fuzz.target import ACCEPTED, hold, keeps_secret, reason_class
from gateway.han.consumers import REALM, Consumer, DigestAlgorithm
from gateway.han.digest import DigestCheck, Nonces, NotAuthenticated, read_parameters
from gateway.han.errors import HanError
from gateway.han.queries import (
    LONGEST_LOG,
    MOST_CHANNELS,
    MOST_READINGS,
    Method,
    log_request,
    read_body,
    readings_request,
    usage_point_request,
)
from tests.support.han import EXPORT, IMPORT, METER, PASSWORD, POINT, USER, MemoryConsumers

SECRETS: Final = (PASSWORD, *(one.of(USER, REALM, PASSWORD) for one in DigestAlgorithm))
"""The consumer's password, and the hashes that are as good as it."""

NONCE_MARK: Final = "@NONCE@"
RESPONSE_MARK: Final = "@RESPONSE@"
TARGETS: Final = (
    f"/smgw/m2m/{USER}/json",
    "/smgw/m2m",
    f"/smgw/m2m/{USER}/json?a=1",
    "/smgw/m2m/consumer2.sm/json",
    "/smgw/m2m/%2e%2e/json",
    "/",
)

_TIMES: Final = (
    "2026-03-01T00:00:00Z",
    "2026-02-28T23:00:00+01:00",
    "2026-10-25T02:30:00",
    "2026-03-29T02:30:00",
    "0001-01-01T00:00:00",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-23:59",
    "2026-02-30T00:00:00Z",
    "2026-03-01T24:00:00Z",
    "2026-03-01T00:00:00+99:99",
    "",
    "٢٠٢٦-03-01T00:00:00Z",
)
_ODD: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    0,
    1,
    2**63 - 1,
    2**63,
    1e308,
    "",
    "x" * 200,
    [],
    {},
    [[]],
    "\0",
    "7",
    "٣",
)
_WORDS: Final = (
    b'"',
    b"{",
    b"}",
    b"[" * 40,
    b'{"a":' * 40,
    b"\\u0000",
    b"\\ud800",
    b"1e999",
    b"-0",
    b"NaN",
    b"9" * 400,
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b'"method":"log",',
    b"null",
)


def asked(random: Random) -> dict[str, Any]:
    """The parameters of a request, most of them possible."""
    method = random.choice(tuple(Method)) if random.random() < 0.95 else random.choice(_ODD)
    read: dict[str, Any] = {"method": method}
    for name, value in (
        ("usage-point-id", random.choice((POINT, POINT, POINT, "01005e318021.taf1-2.sm"))),
        ("database", random.choice(("origin", "derived", "calculated", "daily", "origin"))),
        ("last-reading", random.choice((True, False, "true", "FALSE"))),
        ("fromtime", random.choice(_TIMES)),
        ("totime", random.choice(_TIMES)),
        ("fromindex", random.choice((0, 1, "7", 2**63 - 1))),
        ("count", random.choice((1, 2, "50", MOST_READINGS))),
        ("channels", _channels(random)),
    ):
        way = random.random()
        if way < 0.65:
            read[name] = value
        elif way < 0.72:
            read[name] = random.choice(_ODD)
    return read


def _channels(random: Random) -> list[Any]:
    codes = (IMPORT, EXPORT, IMPORT.upper(), f"{IMPORT}.{METER}.sm", "0100100700ff", "x", "")
    number = random.choice((0, 1, 1, 2, 2, MOST_CHANNELS, MOST_CHANNELS + 1)) if random.random() < 0.3 else 1
    return [
        {"channel": random.choice(codes[:2]) if random.random() < 0.9 else random.choice((*codes, None))}
        for _ in range(number)
    ]


def credentials(random: Random, target: str) -> str:
    """An Authorization header with marks where nonce and response go, most of them for this request."""
    fields = {
        "username": USER,
        "realm": REALM,
        "nonce": NONCE_MARK,
        "uri": target,
        "response": RESPONSE_MARK,
        "algorithm": random.choice(("SHA-256", "MD5", "sha-256")),
        "qop": "auth",
        "nc": f"{random.choice((1, 2, 255, 256, 257, 0xFFFFFFFF)):08x}",
        "cnonce": random.choice(("0a4f113b", "", "x" * 300, 'a\\"b')),
    }
    while random.random() < 0.15:
        name = random.choice(tuple(fields))
        way = random.random()
        if way < 0.3:
            del fields[name]
            if not fields:
                break
        else:
            fields[name] = random.choice(("", "0", "00000000", "auth-int", "MD5-sess", "ü", "nobody", "'", "a:b", "\\"))
    parts = [f"{name}={value}" if name in ("nc", "qop") else f'{name}="{value}"' for name, value in fields.items()]
    if random.random() < 0.1:
        parts.append(random.choice(parts or [""]))
    if random.random() < 0.1:
        random.shuffle(parts)
    return random.choice(("Digest ",) * 12 + ("digest  ", "Basic ")) + ", ".join(parts)


class JsonBody:
    """:func:`read_body` and the readers of parameters: a request within its bounds, or :class:`HanError` 400."""

    def __init__(self) -> None:
        self._mutator = Mutator(_WORDS, [json.dumps({"method": "log", "count": 5}).encode()])

    def build(self, random: Random) -> bytes:
        """A body, half of them injured."""
        if random.random() < 0.02:
            opening = random.choice((b"[", b'{"method":'))
            return opening * random.choice((100, 1_000, 1_023, 1_024, 1_025, 3_000))
        body = json.dumps(asked(random), ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")
        return self._mutator.perhaps(random, body, 0.4, 3)

    def check(self, data: bytes) -> str:
        """See the class."""
        try:
            method, read = read_body(data)
            if method is Method.USAGE_POINT_INFO:
                hold(0 < len(usage_point_request(read).usage_point) <= 128, "a name out of bounds")
            elif method is Method.READINGS:
                wanted = readings_request(read)
                hold(len(wanted.channels) <= MOST_CHANNELS, "more channels than are read")
                hold(all(len(bytes.fromhex(one.obis)) == 6 for one in wanted.channels), "a channel that is none")
                hold(wanted.count is None or 1 <= wanted.count <= MOST_READINGS, "a count out of bounds")
                for time in (wanted.after, wanted.until):
                    hold(time is None or time.tzinfo is not None, "a time without zone")
            elif method is Method.LOG:
                log = log_request(read)
                hold(1 <= log.count <= LONGEST_LOG and 0 <= log.index < 2**63, "a count out of bounds")
        except HanError as error:
            hold(error.status == 400, f"status {error.status} for a body")
            return reason_class(str(error))
        return ACCEPTED

    def close(self) -> None:
        """Nothing is held."""


class Digest:
    """:func:`read_parameters` and :class:`DigestCheck`: in by the right response only, and once by each."""

    def __init__(self) -> None:
        self.consumers = MemoryConsumers({USER: Consumer.known_by(USER, PASSWORD)})
        self._mutator = Mutator(
            (
                b'"',
                b"\\",
                b",",
                b"=",
                b" ",
                b'username="',
                b"nc=00000001",
                b'\\"' * 30,
                b'a="' * 20,
                b"Digest ",
                b"\xe4",
            ),
            [b'Digest username="x", uri="/"'],
        )

    def build(self, random: Random) -> bytes:
        """Method, target and header, one a line."""
        method, target = random.choice(("POST", "GET")), random.choice(TARGETS)
        header = credentials(random, target).encode("latin-1")
        return f"{method}\n{target}\n".encode() + self._mutator.perhaps(random, header, 0.4, 2)

    def check(self, data: bytes) -> str:
        """See the class."""
        method, _, rest = data.decode("latin-1").partition("\n")
        target, _, written = rest.partition("\n")
        nonces = Nonces(lambda: 1_000.0)
        nonce = nonces.issue()
        header, right = answered(written, method, nonce)
        check = DigestCheck(self.consumers, nonces)
        try:
            shown = read_parameters(header)
            found = check.check(shown, method, target)
        except NotAuthenticated as error:
            keeps_secret(SECRETS, str(error))
            hold(right or not error.stale, "who does not know the password is told that his nonce is stale")
            hold(not error.stale or shown["nonce"] != nonce, "a fresh nonce is called stale")
            return reason_class(str(error))
        hold(right and found.userid == USER, "somebody is let in without the password")
        try:
            check.check(shown, method, target)
        except NotAuthenticated as error:
            hold(error.stale, "what was used before is refused for another reason")
        else:
            hold(False, "the same credentials are taken twice")
        return ACCEPTED

    def close(self) -> None:
        """Nothing is held."""


def answered(header: str, method: str, nonce: str) -> tuple[str, bool]:
    """The header with a nonce and the response that who knows the password gives for what it says; whether it has one.

    What it says is read leniently here: the value of the first parameter of each name.
    """
    filled = header.replace(NONCE_MARK, nonce)
    if RESPONSE_MARK not in filled:
        return filled, False
    fields = {name: _value(filled, name) for name in ("username", "nonce", "uri", "nc", "cnonce", "qop", "algorithm")}
    algorithm = DigestAlgorithm.MD5 if fields["algorithm"].upper() in ("", "MD5") else DigestAlgorithm.SHA_256
    ha1 = algorithm.of(USER, REALM, PASSWORD)
    parts = (fields["nonce"], fields["nc"], fields["cnonce"], fields["qop"])
    response = algorithm.of(ha1, *parts, algorithm.of(method, fields["uri"]))
    return filled.replace(RESPONSE_MARK, response), True


def _value(header: str, name: str) -> str:
    at = header.lower().find(f"{name}=")
    if at < 0:
        return ""
    rest = header[at + len(name) + 1 :]
    if not rest.startswith('"'):
        return rest.split(",")[0].strip()
    value, place = "", 1
    while place < len(rest) and rest[place] != '"':
        place += rest[place] == "\\"
        value += rest[place : place + 1]
        place += 1
    return value
