"""One stretch of a local interface being on: the socket or device that is open, and the thread that serves it.

Whoever switches it off closes the port and cuts the caller at once, from whichever thread; the thread that serves finds
out, gives back what it held and ends. Nothing here asks the gate: it has it asked, for every caller and every request.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Callable
from typing import Final

import structlog

from gateway.local_coding import LocalError, error_to_plain
from gateway.local_line import (
    LocalAddress,
    LocalAddressError,
    SerialAddress,
    SerialStream,
    Stream,
    TcpAddress,
    TcpStream,
    listen,
)
from gateway.local_protocol import (
    END,
    GREETING,
    LARGEST_HELLO,
    Identity,
    Incoming,
    LocalProtocolError,
    encode_message,
    frame,
    identity_bound,
)
from gateway.local_session import LocalGateway, LocalSession
from gateway.module import DeviceError
from securitymodule.errors import ModuleError

AUTHENTICATE_SECONDS: Final = 30.0
"""How long a caller may take until it has authenticated; ours."""
IDLE_SECONDS: Final = 120.0
"""How long it may then take until its next request is complete; ours."""
SEND_SECONDS: Final = 30.0
"""How long it may take to take an answer; ours. The longest takes 9 seconds at 115200 baud."""

Monotonic = Callable[[], float]
"""Seconds that pass, from an arbitrary start and never back."""

_NONCE_BYTES: Final = 16
_log = structlog.get_logger()


class _Over(Exception):
    """The line was shut."""


class _Gone(Exception):
    """The caller was too slow."""


class _Ended(_Gone):
    """The caller is gone, and the line with it."""


class Listening:
    """A listening socket or an open device, and its callers, one at a time.

    :ivar address: where; with the port that it was given where any would do.
    """

    def __init__(
        self, gateway: LocalGateway, address: LocalAddress, clock: Monotonic, check: Callable[[], None]
    ) -> None:
        """
        :param clock: for callers who are slow.
        :param check: has the gate asked, and :meth:`shut` called if it wants no callers any more.
        :raises LocalAddressError: if it cannot be opened.
        """
        self._gateway = gateway
        self._clock = clock
        self._check = check
        self._lock = threading.Lock()
        self._over = False
        self._identity = Identity()
        self._attestation: bytes | None = None
        self._listener: socket.socket | None = None
        self._stream: Stream | None = None
        self.address = address
        try:
            self._waker, self._woken = socket.socketpair()
        except OSError as error:
            raise LocalAddressError(f"cannot listen on {address}: {error.strerror}") from None
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        try:
            if isinstance(address, TcpAddress):
                self._listener = listen(address)
                self.address = TcpAddress(address.host, self._listener.getsockname()[1])
            else:
                self._stream = SerialStream(address)
        except LocalAddressError:
            self._release()
            raise
        self._thread = threading.Thread(target=self._serve, name="local interface", daemon=True)

    @property
    def is_over(self) -> bool:
        """Whether it serves nobody any more."""
        return self._over

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def wake(self) -> None:
        """Have the thread look at the clock."""
        with contextlib.suppress(BlockingIOError, OSError):  # it has been woken often enough, or is no more
            self._waker.send(b"\x00")

    def shut(self) -> None:
        """Close the port and cut who is connected, now. From any thread; the thread that serves ends by itself."""
        with self._lock:
            self._over = True
            if self._listener is not None:
                with contextlib.suppress(OSError):
                    self._listener.shutdown(socket.SHUT_RDWR)
            if self._stream is not None:
                self._stream.cut()
        self.wake()

    def join(self) -> None:
        """Wait for the thread, unless this is it."""
        if self._thread is not threading.current_thread():
            self._thread.join()

    # In the thread

    def _serve(self) -> None:
        try:
            if self._listener is not None:
                while True:
                    self._wait(None)
            else:
                self._serve_device()
        except _Over:
            pass
        finally:
            self._release()

    def _release(self) -> None:
        with self._lock:
            self._over = True
            for held in (self._stream, self._listener, self._waker, self._woken):
                if held is not None:
                    held.close()
            self._stream = self._listener = None

    def _wait(self, deadline: float | None, stream: Stream | None = None, *, writing: bool = False) -> None:
        """Wait until the stream can be read or written; meanwhile take or turn away callers.

        :raises _Over: if the line was shut.
        :raises _Gone: if the time is over.
        """
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        if self._listener is not None:
            poll.register(self._listener, select.POLLIN)
        if stream is not None:
            poll.register(stream.fileno(), select.POLLOUT if writing else select.POLLIN)
        while not self._over:
            ready = dict(poll.poll(None if deadline is None else max(0.0, deadline - self._clock()) * 1000 + 1))
            if deadline is not None and self._clock() >= deadline:
                raise _Gone("it was too slow")
            if ready.get(self._woken.fileno()):
                self._drain()
            if stream is not None and ready.get(stream.fileno()):
                return  # first: who has just said goodbye is no reason to turn the next one away
            if self._listener is not None and ready.get(self._listener.fileno()) and not self._over:
                self._accept(busy=stream is not None)
        raise _Over

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._woken.recv(64):
                pass

    def _accept(self, *, busy: bool) -> None:
        assert self._listener is not None  # noqa: S101  the caller has looked
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):  # the caller is gone again
            return
        except OSError as error:
            if not self._over:  # no descriptors left, say: rather off than listening without an ear
                _log.error("local interface cannot take callers", gateway=self._gateway.id, error=str(error))
            raise _Over from None
        stream = TcpStream(connection)
        self._check()
        if busy or self._over:
            if not self._over:
                with contextlib.suppress(OSError):
                    stream.write(_busy())
            stream.close()
            return
        with self._lock:
            self._stream = stream
            if self._over:
                stream.cut()
        try:
            self._session(stream, Incoming(searching=False))
        except _Gone as gone:
            _log.info("local interface: caller gone", gateway=self._gateway.id, reason=str(gone))
        finally:
            with self._lock:
                self._stream = None
                stream.close()

    def _serve_device(self) -> None:
        assert self._stream is not None  # noqa: S101  a device is open as long as its line
        stream, incoming = self._stream, Incoming(searching=True)
        while True:
            try:
                self._session(stream, incoming)
            except _Ended:
                _log.error("local interface: the device is gone", gateway=self._gateway.id, address=str(self.address))
                return
            except _Gone as gone:
                _log.info("local interface: caller gone", gateway=self._gateway.id, reason=str(gone))
            incoming.restart()

    def _session(self, stream: Stream, incoming: Incoming) -> None:
        """Serve one caller until it goes.

        :raises _Over: if the line was shut.
        :raises _Gone: if the caller went without a word, or was too slow.
        """
        session: LocalSession | None = None
        try:
            deadline = self._greeted(stream, incoming)
            session = LocalSession(self._gateway, self._identity, self._attested())
            while not session.ended:
                incoming.largest = session.largest
                request = self._frame(stream, incoming, deadline)
                if not request:
                    return
                self._check()
                if self._over:
                    raise _Over
                answer = session.receive(request)
                if session.is_authenticated:
                    deadline = self._clock() + IDLE_SECONDS
                self._send(stream, answer)
            self._send(stream, END)
        except LocalProtocolError as error:
            _log.warning("local interface: session ended", gateway=self._gateway.id, reason=str(error))
            self._send(stream, END)
        finally:
            if session is not None:
                session.close()

    def _greeted(self, stream: Stream, incoming: Incoming) -> float:
        """Until when a caller has to authenticate. On a device nobody may come for long, on a connection somebody has.

        :raises LocalProtocolError: as :meth:`Incoming.next_frame`.
        """
        deadline = None if isinstance(self.address, SerialAddress) else self._clock() + AUTHENTICATE_SECONDS
        while not incoming.greeted():
            self._read(stream, incoming, deadline)
        return self._clock() + AUTHENTICATE_SECONDS if deadline is None else deadline

    def _frame(self, stream: Stream, incoming: Incoming, deadline: float) -> bytes:
        while True:
            found = incoming.next_frame()
            if found is not None:
                return found
            self._read(stream, incoming, deadline)

    def _read(self, stream: Stream, incoming: Incoming, deadline: float | None) -> None:
        self._wait(deadline, stream)
        received = stream.read()
        if received == b"":
            raise _Over if self._over else _Ended("the line ended")
        incoming.feed(received or b"")

    def _send(self, stream: Stream, data: bytes) -> None:
        deadline = self._clock() + SEND_SECONDS
        while data:
            self._wait(deadline, stream, writing=True)
            try:
                data = data[stream.write(data) :]
            except OSError:
                raise _Ended("the line ended") from None

    def _attested(self) -> bytes | None:
        """The module's word for the identity: asked for once, when the first caller comes."""
        if self._attestation is None:
            bound = identity_bound(self._gateway.id, self._identity.point)
            try:
                self._attestation = self._gateway.module().attest(os.urandom(_NONCE_BYTES), bound).encode()
            except (ModuleError, DeviceError) as error:  # callers who know the module go away then
                _log.warning("local interface: not attested", gateway=self._gateway.id, reason=str(error))
        return self._attestation


def _busy() -> bytes:
    message = "somebody else is at the local interface; it takes one caller at a time"
    told = encode_message({"error": error_to_plain(LocalError("busy", message))})
    return GREETING + frame(told, LARGEST_HELLO)
