"""What serves at the HAN: a port that is open while the gate wants it, and silent otherwise.

It follows the gateway: when the gate shuts, the port is closed and every connection cut at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Protocol, Self

import anyio.to_thread
import structlog
from fastapi import FastAPI
from uvicorn import Config
from uvicorn.server import ServerState

from gateway.han.protocol import HANDSHAKE_SECONDS, IDLE_SECONDS, Admits, Connections, HanProtocol, everybody
from gateway.han.requests import LARGEST_HEAD
from lifecycle.functions import Interface
from lifecycle.gate import Gate

WORKERS: Final = 8
"""How many requests work on the data at once."""
_BACKLOG: Final = 256
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 10.0
_log = structlog.get_logger()


class HanAddressError(Exception):
    """The interface cannot be opened at its address, or with its key."""


class Followed(Protocol):
    """The gateway, as far as its interfaces follow it."""

    def gate(self) -> Gate:
        """The gate as it is now."""
        ...

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have *callback* called whenever the gate may have changed; returns what ends that."""
        ...


class Serving:
    """One stretch of the interface being open: a socket, and a thread with the loop that serves it.

    :ivar port: where it listens.
    """

    def __init__(
        self,
        app: FastAPI,
        context: ssl.SSLContext,
        address: tuple[str, int],
        connections: Connections,
        *,
        name: str = "HAN interface",
        admits: Admits = everybody,
    ) -> None:
        """:param connections: how many there may be.
        :param name: its name, for its thread and its errors.
        :param admits: says of a peer's certificate, after the handshake, whether it is answered at all.
        :raises HanAddressError: if the address cannot be had.
        """
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
        self._connections = connections
        self._admits = admits
        self._name = name
        self._state = ServerState()
        self._over: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listens = threading.Event()
        self._silent = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name=name, daemon=True)

    def start(self) -> None:
        """Begin to serve; when this returns, it listens."""
        self._thread.start()
        if not self._listens.wait(_START_SECONDS):
            raise HanAddressError(f"the {self._name} does not start")

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
            lambda: HanProtocol(self._config, self._state, self._connections, self._admits),
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


class FollowingInterface:
    """A port at the HAN that is open while the gate grants something at an interface.

    It may be refreshed from any thread, and closed from any but a request's own.
    """

    def __init__(self, gateway: Followed, address: tuple[str, int], interface: Interface) -> None:
        """:param address: host and port; port 0 takes any that is free.
        :param interface: what it is open for.
        """
        self._gateway = gateway
        self._asked_for = address
        self._interface = interface
        self._serving: Serving | None = None
        self._closed = False
        self._lock = threading.RLock()
        self._unfollow: Callable[[], None] = lambda: None

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
        """Open or close it as the gate wants it now, and take in certificates that are new.

        :raises HanAddressError: if it is to be open and the address cannot be had.
        """
        with self._lock:
            wanted = not self._closed and self._has_somebody()
            wanted = wanted and any(grant.interface is self._interface for grant in self._gateway.gate().opened)
            if not wanted:
                self._shut()
            elif self._serving is None:
                serving = self._made()
                serving.start()
                self._serving = serving
                self._opened(serving.port)
            else:
                self._renew()

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
        """Open it if it is to be, and go with the gate from now on."""
        self.refresh()
        self._unfollow = self._gateway.on_change(self._changed)

    def _changed(self) -> None:
        try:
            self.refresh()
        except HanAddressError as error:
            _log.error("interface not open", interface=self._interface, error=str(error))

    def _shut(self) -> None:
        serving, self._serving = self._serving, None
        if serving is None:
            return
        serving.shut()
        self._silent()

    def _made(self) -> Serving:
        """What is to serve.

        :raises HanAddressError: if it cannot.
        """
        raise NotImplementedError

    def _has_somebody(self) -> bool:
        """Whether there is anybody who could come in."""
        return True

    def _opened(self, port: int) -> None:
        """It listens."""

    def _renew(self) -> None:
        """It is open, and stays so."""

    def _silent(self) -> None:
        """It listens no more."""
