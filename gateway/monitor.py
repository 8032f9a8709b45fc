"""Health and metrics over HTTP, on this machine only: for whoever keeps the device running. It shows no measured value.

``GET /health`` answers 200 and ``{"ok": true, ...}``, or 503 and what is not; ``GET /metrics`` is for Prometheus.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import orjson
import structlog

from gateway.metrics import CONTENT_TYPE

MAX_REQUESTS: Final = 8
"""How many are answered at once; further ones are turned away."""
_SECONDS: Final = 5.0
_log = structlog.get_logger()


class MonitorError(Exception):
    """The monitor cannot listen at its address."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a gateway is.

    :ivar state: its state, in words.
    :ivar not_ok: what is not as it should be; empty where all is.
    """

    state: str
    not_ok: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether all is as it should be."""
        return not self.not_ok


class Monitor:
    """Answers until it is closed."""

    def __init__(self, address: tuple[str, int], health: Callable[[], Health], metrics: Callable[[], bytes]) -> None:
        """It listens at once, and answers from :meth:`start` on.

        :raises MonitorError: if it cannot listen there, or others than this machine could reach it.
        """
        host, port = address
        try:
            parsed = ipaddress.ip_address(host)
        except ValueError:
            raise MonitorError(f"{host!r} is no IP address") from None
        if not parsed.is_loopback:
            raise MonitorError(f"health and metrics are for this machine only, and {host} can be reached from others")
        family = socket.AF_INET if parsed.version == 4 else socket.AF_INET6
        try:
            self._server = _Server((host, port), family, health, metrics)
        except OSError as error:
            raise MonitorError(f"cannot listen on {host}, port {port}: {error.strerror or error}") from error
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="monitor", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(
        self,
        address: tuple[str, int],
        family: socket.AddressFamily,
        health: Callable[[], Health],
        metrics: Callable[[], bytes],
    ) -> None:
        self.address_family = family
        self.health, self.metrics = health, metrics
        self._room = threading.BoundedSemaphore(MAX_REQUESTS)
        super().__init__(address, _Request)

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own, as long as there are not too many."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """See :class:`socketserver.ThreadingMixIn`."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  the library hands it over
        """Whoever asked has gone, or an answer failed."""
        _log.warning("monitor: no answer", exc_info=True)


class _Request(BaseHTTPRequestHandler):
    server: _Server
    timeout = _SECONDS

    def do_GET(self) -> None:
        """Answer."""
        if not _is_this_machine(self.headers.get("Host", "")):  # a page in a browser, under a name of its own
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, b"", "text/plain")
        elif self.path == "/health":
            health = self.server.health()
            told = orjson.dumps({"ok": health.ok, "state": health.state, "not_ok": health.not_ok})
            status = HTTPStatus.OK if health.ok else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, told + b"\n", "application/json")
        elif self.path == "/metrics":
            self._answer(HTTPStatus.OK, self.server.metrics(), CONTENT_TYPE)
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"there are /health and /metrics\n", "text/plain")

    def _answer(self, status: HTTPStatus, content: bytes, media_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def version_string(self) -> str:
        """What the server calls itself."""
        return "smgw"

    def log_message(self, format: str, *args: Any) -> None:
        """One log in one form."""
        _log.debug("monitor", request=format % args)


def _is_this_machine(host: str) -> bool:
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    try:
        return name == "localhost" or ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
