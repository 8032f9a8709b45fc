"""Where the bytes of meters come from: serial ports, TCP in both directions, files. One small interface for all.

A :class:`Receiver` is iterated: it yields ``(line, chunk)`` until it is closed, from whatever thread, or until there is
no more to come. No receiver starts a thread. One whose other side goes away tries again, each time after twice as long
a pause; the clock and the waiting are injected. A line that comes up, a pause in the bytes and a break are yielded as
an empty chunk, so that whoever reads gets a turn.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import structlog

from gateway.lmn.serial_port import CHUNK, SerialSettings, open_port

MAX_CONNECTIONS: Final = 16
"""Senders a listening receiver serves at the same time; further ones are turned away."""
SENDER: Final = "/"
"""What stands between a listening receiver's line and the number of one of its senders."""

_TURN_SECONDS: Final = 1.0

_log = structlog.get_logger()


class ReceiverError(Exception):
    """A receiver that cannot be set up as it was asked to be."""


class Receiver(Protocol):
    """Yields what arrives on a line."""

    line: str

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """Line and bytes, as they come; ends when the receiver is closed or there is no more."""

    def close(self) -> None:
        """End it, at once and from any thread. Closing twice is no error."""


@dataclass(frozen=True, slots=True)
class BackOff:
    """How long to wait before the next try: ``first`` seconds, then twice as long each time, at most ``longest``.

    A connection that held for ``longest`` seconds makes the next wait short again.
    """

    first: float = 0.5
    longest: float = 60.0

    def pause(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row, the first being 1."""
        return min(self.longest, self.first * 2.0 ** min(failures - 1, 32))


class _Closing:
    """What wakes a receiver that waits: a pipe beside whatever it waits for, and an event for its pauses."""

    def __init__(self) -> None:
        self._ear, self._voice = os.pipe()
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._released = False

    @property
    def asked(self) -> bool:
        return self._event.is_set()

    def ask(self) -> None:
        with self._lock:
            if not self._event.is_set():
                self._event.set()
                if not self._released:
                    os.write(self._voice, b"x")

    def release(self) -> None:
        with self._lock:
            self._event.set()
            if not self._released:
                self._released = True
                os.close(self._ear)
                os.close(self._voice)

    def pause(self, seconds: float) -> None:
        self._event.wait(seconds)

    def readable(self, descriptors: list[int], seconds: float) -> list[int]:
        """Which of the descriptors have something to read; none on closing or when the time is over."""
        if self.asked:
            return []
        waiting = select.poll()
        for descriptor in (*descriptors, self._ear):
            waiting.register(descriptor, select.POLLIN)
        ready = [descriptor for descriptor, _ in waiting.poll(1000 * seconds)]
        return [] if self.asked else [descriptor for descriptor in ready if descriptor != self._ear]


class Reconnecting:
    """A receiver of one descriptor that is opened anew whenever it was lost."""

    def __init__(
        self,
        line: str,
        back_off: BackOff | None,
        clock: Callable[[], float],
        wait: Callable[[float], None] | None,
    ) -> None:
        self.line = line
        self._back_off = BackOff() if back_off is None else back_off
        self._clock = clock
        self._closing = _Closing()
        self._wait = self._closing.pause if wait is None else wait
        self._iterating = False

    def close(self) -> None:
        """See :class:`Receiver`."""
        self._closing.ask()
        if not self._iterating:
            self._closing.release()

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """See :class:`Receiver`."""
        self._iterating = True
        failures = 0
        try:
            while not self._closing.asked:
                begun = self._clock()
                try:
                    yield from self._read_one()
                except OSError as error:
                    reason = str(error)
                else:
                    reason = "the other side has closed"
                if self._closing.asked:
                    return
                failures = 1 if self._clock() - begun >= self._back_off.longest else failures + 1
                pause = self._back_off.pause(failures)
                _log.warning("line lost", line=self.line, reason=reason, failures=failures, pause=pause)
                yield self.line, b""
                if not self._closing.asked:
                    self._wait(pause)
        finally:
            self._iterating = False
            self._closing.release()

    def _read_one(self) -> Iterator[tuple[str, bytes]]:
        descriptor, close = self._open()
        try:
            yield self.line, b""
            while not self._closing.asked:
                if not self._closing.readable([descriptor], _TURN_SECONDS):
                    if not self._closing.asked:
                        yield self.line, b""
                    continue
                try:
                    chunk = os.read(descriptor, CHUNK)
                except BlockingIOError:
                    continue
                if not chunk:
                    return
                yield self.line, chunk
        finally:
            close()

    def _open(self) -> tuple[int, Callable[[], None]]:
        raise NotImplementedError


class SerialReceiver(Reconnecting):
    """A serial port that is only listened to."""

    def __init__(
        self,
        line: str,
        port: Path,
        settings: SerialSettings | None = None,
        *,
        back_off: BackOff | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] | None = None,
    ) -> None:
        super().__init__(line, back_off, clock, wait)
        self._port, self._settings = port, SerialSettings() if settings is None else settings

    def _open(self) -> tuple[int, Callable[[], None]]:
        descriptor = open_port(self._port, self._settings)
        return descriptor, lambda: os.close(descriptor)


class TcpClientReceiver(Reconnecting):
    """Connects to a sender: a radio receiver or serial server in the network."""

    def __init__(
        self,
        line: str,
        address: tuple[str, int],
        *,
        connect_seconds: float = 5.0,
        back_off: BackOff | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] | None = None,
    ) -> None:
        super().__init__(line, back_off, clock, wait)
        self._address, self._connect_seconds = address, connect_seconds

    def _open(self) -> tuple[int, Callable[[], None]]:
        connection = socket.create_connection(self._address, self._connect_seconds)
        connection.setblocking(False)
        return connection.fileno(), connection.close


class TcpServerReceiver:
    """Listens; each sender is a line of its own, named after the receiver and the order in which they came."""

    def __init__(self, line: str, address: tuple[str, int]) -> None:
        """:raises ReceiverError: if it cannot listen there."""
        self.line = line
        self._closing = _Closing()
        self._iterating = False
        self._count = 0
        try:
            self._listener = socket.create_server(address, backlog=MAX_CONNECTIONS)
        except OSError as error:
            self._closing.release()
            raise ReceiverError(f"cannot listen on {address[0]}:{address[1]}: {error.strerror}") from error
        self._listener.setblocking(False)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port it listens on."""
        host, port = self._listener.getsockname()[:2]
        return str(host), int(port)

    def close(self) -> None:
        """See :class:`Receiver`."""
        self._closing.ask()
        if not self._iterating:
            self._listener.close()
            self._closing.release()

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """See :class:`Receiver`."""
        self._iterating = True
        senders: dict[int, tuple[str, socket.socket]] = {}
        try:
            while not self._closing.asked:
                ready = self._closing.readable([self._listener.fileno(), *senders], _TURN_SECONDS)
                if not ready and not self._closing.asked:
                    yield self.line, b""
                for descriptor in ready:
                    if descriptor == self._listener.fileno():
                        self._welcome(senders)
                        continue
                    name, sender = senders[descriptor]
                    chunk = _received(sender)
                    if chunk is None:
                        continue
                    if not chunk:
                        del senders[descriptor]
                        sender.close()
                    yield name, chunk
        finally:
            for _, sender in senders.values():
                sender.close()
            self._listener.close()
            self._iterating = False
            self._closing.release()

    def _welcome(self, senders: dict[int, tuple[str, socket.socket]]) -> None:
        try:
            sender, peer = self._listener.accept()
        except OSError as error:  # the sender has gone again
            _log.info("sender gone before it was served", line=self.line, reason=str(error))
            return
        if len(senders) >= MAX_CONNECTIONS:
            _log.warning("too many senders, turned away", line=self.line, peer=str(peer))
            sender.close()
            return
        sender.setblocking(False)
        self._count += 1
        senders[sender.fileno()] = (f"{self.line}{SENDER}{self._count}", sender)


class FileReceiver:
    """A file with what a line delivered once; ends with it."""

    def __init__(self, line: str, path: Path) -> None:
        self.line = line
        self._path = path
        self._closed = threading.Event()

    def close(self) -> None:
        """See :class:`Receiver`."""
        self._closed.set()

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """See :class:`Receiver`. :raises OSError: if the file cannot be read."""
        with self._path.open("rb") as file:
            while not self._closed.is_set():
                chunk = file.read(CHUNK)
                if not chunk:
                    return
                yield self.line, chunk


def line_of(name: str) -> str:
    """The line that a name is of: of one of its senders, that of the listening receiver."""
    return name.partition(SENDER)[0]


def _received(sender: socket.socket) -> bytes | None:
    """What a sender sent; empty if it has gone, None if there is nothing yet."""
    try:
        return sender.recv(CHUNK)
    except BlockingIOError:
        return None
    except OSError:
        return b""
