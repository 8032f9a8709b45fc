"""The HAN interface on the network: it listens while the gate grants a consumer something, and is silent otherwise.

It follows the gateway: when the gate shuts, the port is closed and every connection cut at once. In between the gate
is asked for each request, behind the door.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Final, Protocol, Self

import anyio.to_thread
import structlog
from fastapi import FastAPI
from uvicorn import Config
from uvicorn.server import ServerState

from gateway.han import tls
from gateway.han.app import LARGEST_HEAD, Han, Limits, create_app
from gateway.han.consumers import Consumers
from gateway.han.data import ConsumerData
from gateway.han.own_key import OwnCertificate
from gateway.han.protocol import HANDSHAKE_SECONDS, IDLE_SECONDS, Connections, HanProtocol
from lifecycle.functions import Interface
from lifecycle.gate import Gate

PORT: Final = 443
"""Where clients look for it."""
WORKERS: Final = 8
"""How many requests work on the data at once."""
_BACKLOG: Final = 256
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 10.0
_log = structlog.get_logger()


class HanAddressError(Exception):
    """The interface cannot be opened at its address, or with its key."""


class Followed(Protocol):
    """The gateway, as far as this interface follows it."""

    def gate(self) -> Gate:
        """The gate as it is now."""
        ...

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have *callback* called whenever the gate may have changed; returns what ends that."""
        ...


class Name(Protocol):
    """Makes the interface known on the network."""

    def start(self, port: int) -> None:
        """Make it known."""
        ...

    def stop(self) -> None:
        """Be silent."""
        ...


class Serving:
    """One stretch of the interface being open: a socket, and a thread with the loop that serves it.

    :ivar port: where it listens.
    """

    def __init__(self, app: FastAPI, context: ssl.SSLContext, address: tuple[str, int], limits: Limits) -> None:
        """:raises HanAddressError: if the address cannot be had."""
        self._bound = _listening(*address)
        self.port: int = self._bound.getsockname()[1]
        self._config = Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            http=HanProtocol,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=IDLE_SECONDS,
            h11_max_incomplete_event_size=LARGEST_HEAD,
        )
        self._config.load()
        self._context = context
        self._connections = Connections(limits.connections, limits.connections_each)
        self._state = ServerState()
        self._over: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listens = threading.Event()
        self._silent = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="HAN interface", daemon=True)

    def start(self) -> None:
        """Begin to serve; when this returns, it listens."""
        self._thread.start()
        if not self._listens.wait(_START_SECONDS):
            raise HanAddressError("the HAN interface does not start")

    def shut(self) -> None:
        """Close the port and cut every connection, now; from any thread but the loop's. The thread ends by itself."""
        if self._loop is not None and self._over is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._over.set)
                self._silent.wait(_STOP_SECONDS)

    def join(self) -> None:
        """Wait for what is under way to end."""
        self._thread.join(_STOP_SECONDS)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        anyio.to_thread.current_default_thread_limiter().total_tokens = WORKERS
        server = await self._loop.create_server(
            lambda: HanProtocol(self._config, self._state, self._connections),
            sock=self._bound,
            ssl=self._context,
            backlog=_BACKLOG,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
        )
        self._listens.set()
        try:
            await self._over.wait()
        finally:
            server.close()
            for connection in tuple(self._state.connections):
                connection.transport.abort()
            self._silent.set()
            await asyncio.gather(*self._state.tasks, return_exceptions=True)


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens already.

    :raises HanAddressError: if the address cannot be had.
    """
    try:
        family, _, _, _, found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with contextlib.ExitStack() as unless_it_works:
            # Named as TCP, for only then asyncio sends small answers at once (TCP_NODELAY).
            bound = unless_it_works.enter_context(socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP))
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(found)
            bound.listen(_BACKLOG)
            unless_it_works.pop_all()
    except OSError as error:
        raise HanAddressError(f"cannot listen on {host}, port {port}: {error.strerror}") from None
    return bound


class HanInterface:
    """The consumer's machine interface of one gateway.

    It may be refreshed from any thread, and closed from any but a request's own.
    """

    def __init__(
        self,
        gateway: Followed,
        address: tuple[str, int],
        own: OwnCertificate,
        consumers: Consumers,
        data: ConsumerData,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        limits: Limits | None = None,
        name: Name | None = None,
    ) -> None:
        """It opens at once, if the gate wants it to.

        :param address: host and port; port 0 takes any that is free.
        :param own: its key and certificate.
        :param consumers: who may come in.
        :param data: what they may see.
        :param clock: the time, UTC.
        :param monotonic: seconds that pass, never back.
        :param name: makes it known on the network, see :mod:`gateway.han.mdns`.
        :raises HanAddressError: if it is to be open and the address cannot be had.
        """
        self._gateway = gateway
        self._asked_for = address
        self._own = own
        self._consumers = consumers
        self._name = name
        self._han = Han(
            gateway.gate, consumers, data, certificate=own.der, clock=clock, monotonic=monotonic, limits=limits
        )
        self._app = create_app(self._han)
        self._context: ssl.SSLContext | None = None
        self._serving: Serving | None = None
        self._closed = False
        self._lock = threading.Lock()
        self.refresh()
        self._unfollow = gateway.on_change(self._follow)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def address(self) -> tuple[str, int] | None:
        """Where it listens, ``None`` while it does not."""
        serving = self._serving
        return None if serving is None else (self._asked_for[0], serving.port)

    def refresh(self) -> None:
        """Open or close it as the gate wants it now, and take in certificates of consumers that are new.

        :raises HanAddressError: if it is to be open and the address cannot be had.
        """
        with self._lock:
            wanted = not self._closed and any(
                grant.interface is Interface.HAN_CONSUMER for grant in self._gateway.gate().opened
            )
            if not wanted:
                self._shut()
            elif self._serving is None:
                self._open()
            elif self._context is not None:
                tls.trust(self._context, self._consumers.certificates())

    def close(self) -> None:
        """Close it for good."""
        self._unfollow()
        with self._lock:
            self._closed = True
            serving = self._serving
            self._shut()
        if serving is not None:
            serving.join()

    def _follow(self) -> None:
        try:
            self.refresh()
        except HanAddressError as error:
            _log.error("HAN interface not open", error=str(error))

    def _open(self) -> None:
        try:
            self._context = tls.server_context(self._own, self._consumers.certificates())
        except OSError as error:  # of the standard library's TLS too
            raise HanAddressError(f"the key of the HAN interface {self._own.path} cannot be used: {error}") from None
        serving = Serving(self._app, self._context, self._asked_for, self._han.limits)
        serving.start()
        self._serving = serving
        if self._name is not None:
            self._name.start(serving.port)

    def _shut(self) -> None:
        serving, self._serving = self._serving, None
        if serving is None:
            return
        serving.shut()
        if self._name is not None:
            self._name.stop()
