"""The connection test on site (Verbindungsprüfung, ch. 15): one at a time, and only to where its GWA is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from gateway.configuration import ConfigurationError
from gateway.reaching import (
    Connect,
    ConnectionReport,
    NameReport,
    Resolve,
    connect_tcp,
    resolve_name,
    try_connection,
    try_name,
)

_log = structlog.get_logger()

Begin = Callable[[Callable[[], None]], None]
"""Has something done, at once or in a while."""


class TestRunning(Exception):
    """A connection test is running; there is one at a time."""

    __test__ = False

    def __init__(self) -> None:
        super().__init__("a connection test is running; there is one at a time")


@dataclass(frozen=True, slots=True)
class Tested:
    """What a connection test found.

    :ivar began: when it began, UTC.
    :ivar name: the resolution of the name; ``None`` where nothing says where the GWA is.
    :ivar connection: what TCP found; ``None`` where there was no address to try.
    """

    began: datetime
    name: NameReport | None = None
    connection: ConnectionReport | None = None

    @property
    def reached(self) -> bool:
        """Whether the GWA, or the proxy on the way, answered."""
        return self.connection is not None and self.connection.reached


class ConnectionTests:
    """The connection tests of one gateway. For several threads."""

    def __init__(
        self,
        way: Callable[[], tuple[str, int]],
        *,
        clock: Callable[[], datetime],
        resolve: Resolve = resolve_name,
        connect: Connect = connect_tcp,
        begin: Begin | None = None,
    ) -> None:
        """:param way: host and port of the GWA, see :func:`gateway.reaching.way_to_administrator`.
        :param clock: the time, UTC.
        :param resolve: how a name is resolved.
        :param connect: how it connects.
        :param begin: who does the work; by default a thread of its own.
        """
        self._way = way
        self._clock = clock
        self._resolve = resolve
        self._connect = connect
        self._begin = begin or _in_thread
        self._lock = threading.Lock()
        self._running = False
        self._last: Tested | None = None

    @property
    def seen(self) -> tuple[bool, Tested | None]:
        """Whether one is running, and what the last one found, ``None`` before the first."""
        with self._lock:
            return self._running, self._last

    def start(self) -> None:
        """Begin one.

        :raises TestRunning: if one is running.
        """
        with self._lock:
            if self._running:
                raise TestRunning
            self._running = True
        try:
            self._begin(self._run)
        except BaseException:
            with self._lock:
                self._running = False
            raise

    def _run(self) -> None:
        found: Tested | None = None
        try:
            found = self._test()
        finally:
            with self._lock:
                self._running, self._last = False, found or self._last

    def _test(self) -> Tested:
        began = self._clock()
        try:
            host, port = self._way()
        except ConfigurationError as error:
            _log.warning("no way to the GWA", error=str(error))  # which may name a file, and so is not shown
            return Tested(began)
        name = try_name(host, self._resolve)
        if not name.addresses:
            return Tested(began, name)
        return Tested(began, name, try_connection(host, port, self._connect))


def _in_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="connection test", daemon=True).start()
