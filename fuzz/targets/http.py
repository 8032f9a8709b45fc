"""HTTP of the HAN interface: bytes into the protocol that serves its port, the whole application behind it, no network.

An input is what a client sends on one connection, in pieces. ``@NONCE@`` and ``@RESPONSE@`` in it become a nonce of the
gateway's and the response that somebody who knows the password gives, so that inputs repeat although nonces do not.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any, Final
from zlib import crc32

from fastapi import Response
from uvicorn import Config
from uvicorn.server import ServerState

from fuzz.mutation import Mutator, cuts
from fuzz.target import ACCEPTED, NOTHING, Violation, hold, keeps_secret, reason_class
from fuzz.targets.han import NONCE_MARK, SECRETS, TARGETS, answered, asked, credentials
from gateway.han.app import Han, create_app
from gateway.han.consumers import Consumer
from gateway.han.digest import NotAuthenticated
from gateway.han.protocol import Connections, HanProtocol
from gateway.han.requests import LARGEST_HEAD
from lifecycle.evidence import NOTHING as NO_EVIDENCE
from lifecycle.gate import Gate
from lifecycle.states import State
from tests.support.han import GENEROUS, NOW, PASSWORD, USER, MemoryConsumers, MemoryData

_STATUS: Final = frozenset((200, 307, 400, 401, 403, 404, 405, 408, 413, 429, 431))
_METHODS: Final = ("POST", "POST", "POST", "GET", "GET", "HEAD", "OPTIONS", "PUT", "TRACE", "CONNECT", "PRI", "x")
_HEADERS: Final = (
    "Content-Type: application/json",
    "Transfer-Encoding: chunked",
    "Content-Length: 5",
    "Content-Length: 99999999999999999999",
    "Expect: 100-continue",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Connection: close",
    "X-Forwarded-For: 127.0.0.1",
    "Accept-Encoding: gzip",
    "Cookie: " + "a" * 9_000,
    "X: " + "b" * 17_000,
    "Authorization: Basic Og==",
)
_WORDS: Final = (
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b"\0",
    b": ",
    b"Content-Length: 1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"0\r\n\r\n",
    b"ffffffff\r\n",
    b"Host: a\r\n",
    b"GET / HTTP/1.1\r\n",
    b"HTTP/2.0",
    b"%00",
    b"..%2f",
    b"?",
    b"\x16\x03\x01",
)
_NO_HTTP: Final = b"Invalid HTTP request received."
"""The server's own answer, before there is a request."""
_PATIENCE: Final = 20.0
_AUTHORIZATION: Final = re.compile(rb"(?im)^authorization:[ \t]*([^\r\n]*)")


class _Tls:
    """A TLS session as the protocol looks at it: without a client's certificate, new."""

    session_reused = False
    session = None

    def getpeercert(self, *, binary_form: bool) -> None:
        """None was shown."""


class _Wire(asyncio.Transport):
    """Keeps what is sent. ``aborted`` is whether the connection was cut."""

    def __init__(self) -> None:
        super().__init__({"ssl_object": _Tls(), "peername": ("192.0.2.7", 50_000), "sockname": ("192.0.2.1", 443)})
        self.sent = bytearray()
        self.closing = self.aborted = self.paused = False

    def write(self, data: Any) -> None:
        """Keep it."""
        if not self.closing:
            self.sent += data

    def close(self) -> None:
        """No more is read."""
        self.closing = True

    def abort(self) -> None:
        """Cut."""
        self.closing = self.aborted = True

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.closing

    def pause_reading(self) -> None:
        """What comes waits."""
        self.paused = True

    def resume_reading(self) -> None:
        """It comes again."""
        self.paused = False


class _Failures(logging.Handler):
    """What the server reports as an error of ours."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[BaseException | str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        error = record.exc_info[1] if record.exc_info else None
        self.found.append(error or record.getMessage())


class HanConnection:
    """:class:`HanProtocol` with :func:`create_app`: an answer of those documented to whatever comes, never a 500, and
    data for nobody but who answers the challenge, once by each answer."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        # One task for all of it, in a thread of its own: as long as it lasts, the threads that answer do too.
        lasting = self._over.wait()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(lasting), daemon=True)
        self._thread.start()
        self._mutator = Mutator(_WORDS, [b"GET /smgw/m2m HTTP/1.1\r\nHost: smgw\r\n\r\n"])
        gate = Gate(State.OPERATION, NO_EVIDENCE)
        data = MemoryData(begun=NOW - timedelta(hours=6))
        self._data = data
        self.han = Han(
            lambda: gate,
            MemoryConsumers({USER: Consumer.known_by(USER, PASSWORD)}),
            data,
            certificate=b"\x30\x00",
            clock=lambda: NOW,
            monotonic=itertools.count(1_000.0, 0.001).__next__,
            limits=GENEROUS,
        )
        self._config = Config(
            create_app(self.han),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            h11_max_incomplete_event_size=LARGEST_HEAD,
        )
        self._config.load()
        self._failures = _Failures()
        logger = logging.getLogger("uvicorn.error")
        logger.setLevel(logging.ERROR)
        self._propagate, logger.propagate = logger.propagate, False
        logger.addHandler(self._failures)

    def build(self, random: Random) -> bytes:
        """One to three requests, a third of them injured."""
        requests = b"".join(self._request(random) for _ in range(random.choice((1, 1, 1, 2, 3))))
        return self._mutator.perhaps(random, requests, 0.35, 4)

    def _request(self, random: Random) -> bytes:
        method = random.choice(_METHODS) if random.random() < 0.12 else "POST"
        target = TARGETS[0] if random.random() < 0.8 else random.choice(TARGETS)
        lines = [f"{method} {target} HTTP/1.{random.choice('11110')}", "Host: smgw.local"]
        if random.random() < 0.93:
            lines.append(f"Authorization: {credentials(random, target)}")
        while random.random() < 0.12:
            lines.append(random.choice(_HEADERS))
        if random.random() < 0.02:
            lines += [f"X-{number}: y" for number in range(random.choice((62, 64, 200)))]
        body = b"" if method == "GET" else json.dumps(asked(random)).encode()
        if random.random() < 0.1:
            body = self._mutator.mutated(random, body)
        if random.random() < 0.01:
            body = body.ljust(random.choice((16_383, 16_384, 16_385, 70_000)))
        if random.random() < 0.15:
            lines.append("Transfer-Encoding: chunked")
            size = random.choice((1, 7, 300))
            pieces = [body[at : at + size] for at in range(0, min(len(body), 40 * size), size)]
            body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        elif body or random.random() < 0.5:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    def check(self, data: bytes) -> str:
        """See the class."""
        sent, right = self._answered(data)
        self._failures.found.clear()
        self._data.entries.clear()
        self._data.asked.clear()
        pieces = cuts(Random(crc32(data)), sent, 20)
        wire = asyncio.run_coroutine_threadsafe(self._talk(pieces), self._loop).result(_PATIENCE)
        for failure in self._failures.found:
            if isinstance(failure, BaseException):
                raise Violation(f"the application fails with {type(failure).__name__}") from failure
            raise Violation(f"the server complains: {failure}")
        answers = list(_answers(bytes(wire.sent)))
        keeps_secret(SECRETS, wire.sent.decode("latin-1"))
        let_in = sum(status in (200, 307) for status, _ in answers)
        hold(let_in <= right, "somebody is let in without the password, or twice by the same credentials")
        hold(right > 0 or not self._data.asked, "data is asked for nobody")
        for status, body in answers:
            hold(status in _STATUS, f"an answer with status {status}")
            hold(not body or status == 200 or "error" in _read(status, body), "a refusal without a reason")
        if not answers:
            return NOTHING
        if any(status == 200 for status, _ in answers):
            return ACCEPTED
        status, body = answers[0]
        said = _read(status, body)["error"] if body else ""
        return reason_class(f"HTTP {status} {said}").replace("HTTP #", f"{status}")

    async def _talk(self, pieces: list[bytes]) -> _Wire:
        """Send the pieces, as fast as they are read, then end; the wire when all that was begun has ended."""
        state = ServerState()
        protocol = HanProtocol(self._config, state, Connections(8, 8))
        wire = _Wire()
        protocol.connection_made(wire)
        try:
            for piece in pieces:
                while wire.paused and state.tasks and not _starved(protocol):
                    await asyncio.wait(state.tasks)
                if wire.closing:
                    break
                protocol.data_received(piece)
                await asyncio.sleep(0)
            while state.tasks and not _starved(protocol):
                await asyncio.wait(state.tasks, timeout=0.05)
        finally:
            protocol.connection_lost(None)
        if state.tasks:
            await asyncio.wait(state.tasks)
        hold(not state.connections, "a connection is still counted")
        return wire

    def _answered(self, data: bytes) -> tuple[bytes, int]:
        """The input with nonces and responses, and how many different credentials in it are right."""
        nonce = (
            self.han.challenged(Response(), NotAuthenticated(""))
            .headers["www-authenticate"]
            .split('nonce="')[1]
            .split('"')[0]
        )
        right: set[bytes] = set()

        def fill(match: re.Match[bytes]) -> bytes:
            before = data[: match.start()].rpartition(b" HTTP/1.")[0].rpartition(b"\n")[2]
            method = before.split(b" ")[0].decode("latin-1")
            header, has_response = answered(match[1].decode("latin-1"), method, nonce)
            written = header.encode("latin-1")
            if has_response:
                right.add(written)
            return b"Authorization: " + written

        filled = _AUTHORIZATION.sub(fill, data)
        return filled.replace(NONCE_MARK.encode(), nonce.encode()), len(right)

    def close(self) -> None:
        """End the loop and its threads."""
        logger = logging.getLogger("uvicorn.error")
        logger.removeHandler(self._failures)
        logger.propagate = self._propagate
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self._loop.close()


def _starved(protocol: HanProtocol) -> bool:
    """Whether a request waits for a body that does not come any more."""
    cycle = protocol.cycle
    return cycle is not None and cycle.more_body and not cycle.response_complete


def _answers(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Status and body of each answer in what was sent. :raises Violation: if it is none."""
    while data:
        end = data.find(b"\r\n\r\n")
        hold(end > 0 and data.startswith(b"HTTP/1.1 "), "an answer that is no HTTP")
        status, head, data = int(data[9:12]), data[:end].lower(), data[end + 4 :]
        if status == 100:
            continue
        found = re.search(rb"content-length: (\d+)", head)
        length = int(found[1]) if found else len(data)
        if b"transfer-encoding: chunked" in head:  # the server's own 400, in one chunk, the last before the end
            data = data.partition(b"\r\n")[2].removesuffix(b"\r\n0\r\n\r\n")
            length = len(data)
        if data.startswith(b"HTTP/1.1 "):  # an answer to HEAD announces what it does not send
            length = 0
        body, data = data[:length], data[length:]
        yield status, body


def _read(status: int, body: bytes) -> dict[str, Any]:
    """The JSON object of an answer. :raises Violation: if it is none."""
    if status == 400 and body == _NO_HTTP:
        return {"error": body.decode()}
    try:
        read = json.loads(body)
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise Violation("an answer that is no JSON object")
    return read
