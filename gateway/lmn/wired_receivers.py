"""Receivers of the wired meters' network that speak before they hear: the bus whose meters are asked, and TLS.

By TLS only the meter whose certificate is known is heard. On the bus it is who is asked: an answer is handed on whole,
so that nobody else's frames are taken for a meter's.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import structlog

from gateway.lmn.hdlc import HdlcAddress, HdlcError, HdlcFrame
from gateway.lmn.hdlc_client import HdlcClient
from gateway.lmn.hdlc_link import HdlcMessage, read_message
from gateway.lmn.meter_tls import MeterTls, MeterTlsError, SessionExpired
from gateway.lmn.receivers import BackOff, Reconnecting
from gateway.lmn.serial_port import CHUNK
from gateway.lmn.sml_transport import MAX_FRAME

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TURN_SECONDS: Final = 1.0
_SESSION_SECONDS: Final = 30.0
_ANSWER_SECONDS: Final = 5.0
_log = structlog.get_logger()


class Bus(Protocol):
    """A port to send on and to receive from; such as :class:`gateway.lmn.serial_port.SerialLine`."""

    def send(self, data: bytes) -> None:
        """Put bytes on the bus."""
        ...

    def receive(self, seconds: float) -> bytes:
        """What came within so many seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A meter that is asked.

    :ivar address: on the bus.
    :ivar server_id: its server id.
    :ivar tls: what a session with it is opened with, as of now; ``None`` for one that is asked in the clear.
    """

    address: HdlcAddress
    server_id: bytes
    tls: Callable[[], MeterTls] | None = None


class BusReceiver:
    """Asks the meters on a bus for their values at every multiple of a span of time.

    It is iterated like a :class:`gateway.lmn.receivers.Receiver`, but yields answers instead of bytes. Meters that did
    not answer the last time are asked last, so that others need not wait for them.
    """

    def __init__(
        self,
        line: str,
        bus: Callable[[], AbstractContextManager[Bus]],
        meters: Callable[[], Iterable[Asked]],
        *,
        own: HdlcAddress,
        client_id: bytes,
        every: timedelta,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        """
        :param bus: opens the port, anew for each round.
        :param meters: whom to ask, as of now.
        :param client_id: as what the gateway asks (SML).
        :param clock: the time, UTC.
        :param wait: waits so many seconds, or less.
        """
        self.line = line
        self._bus, self._meters = bus, meters
        self._own, self._client_id, self._every = own, client_id, every
        self._clock, self._monotonic = clock, monotonic
        self._closed = threading.Event()
        self._wait = self._closed.wait if wait is None else wait
        self._silent: set[HdlcAddress] = set()

    def close(self) -> None:
        """See :class:`gateway.lmn.receivers.Receiver`. A meter that is being asked may answer yet."""
        self._closed.set()

    def __iter__(self) -> Iterator[tuple[str, HdlcMessage]]:
        """Line and answers, until it is closed."""
        round_ = (self._clock() - _EPOCH) // self._every
        while not self._closed.is_set():
            left = (_EPOCH + (round_ + 1) * self._every - self._clock()).total_seconds()
            if left > 0:
                self._wait(min(left, _TURN_SECONDS))
                continue
            round_ = (self._clock() - _EPOCH) // self._every  # rounds that were missed are not made up for
            try:
                yield from self._ask_all()
            except OSError as error:
                _log.warning("line lost", line=self.line, reason=str(error))

    def _ask_all(self) -> Iterator[tuple[str, HdlcMessage]]:
        with self._bus() as bus:
            for meter in sorted(self._meters(), key=lambda each: each.address in self._silent):
                if self._closed.is_set():
                    return
                answer = self._ask(bus, meter)
                if answer is not None:
                    yield self.line, answer

    def _ask(self, bus: Bus, meter: Asked) -> HdlcMessage | None:
        """The answer of one meter."""
        client = HdlcClient(bus.send, bus.receive, self._monotonic, meter=meter.address, own=self._own)
        try:
            with client:
                answer = (
                    client.get_list(self._client_id, meter.server_id)
                    if meter.tls is None
                    else self._ask_secured(client, meter, meter.tls())
                )
        except (HdlcError, MeterTlsError) as error:
            self._silent.add(meter.address)
            _log.warning("meter gave no answer", line=self.line, meter=meter.server_id.hex(), reason=str(error))
            return None
        self._silent.discard(meter.address)
        return answer

    def _ask_secured(self, client: HdlcClient, meter: Asked, tls: MeterTls) -> HdlcMessage:
        """The same by TLS, whose records are what the frames carry."""
        to_send = bytearray()

        def receive(_: float) -> bytes:
            content = bytes(to_send)
            to_send.clear()
            return client.exchange(content)

        with tls.open_over(to_send.extend, receive, _SESSION_SECONDS, self._monotonic) as session:
            session.send(client.list_request(self._client_id, meter.server_id))
            content = bytearray()
            while True:
                part = session.receive(CHUNK, _ANSWER_SECONDS)
                content += part
                last = HdlcFrame(0, len(content), self._own, meter.address, 0)
                answer = read_message(last, 0, bytes(content))
                if answer.ok or not part or len(content) > MAX_FRAME:
                    return answer


class TlsReceiver(Reconnecting):
    """Connects to one meter by TLS and hears what it sends; when a session reached its limits, another is opened."""

    def __init__(
        self,
        line: str,
        address: tuple[str, int],
        tls: Callable[[], MeterTls],
        *,
        connect_seconds: float = 5.0,
        back_off: BackOff | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] | None = None,
    ) -> None:
        """:param tls: what a session is opened with, as of now."""
        super().__init__(line, back_off, clock, wait)
        self._address, self._tls, self._connect_seconds = address, tls, connect_seconds

    def _read_one(self) -> Iterator[tuple[str, bytes]]:
        connection = socket.create_connection(self._address, self._connect_seconds)
        try:
            session = self._tls().open(connection)
        except MeterTlsError as error:
            connection.close()
            raise OSError(str(error)) from error
        with session:
            yield self.line, b""
            try:
                while not self._closing.asked and not session.ended:
                    yield self.line, session.receive(CHUNK, _TURN_SECONDS)
            except SessionExpired as error:
                _log.info("session at its limits, a new one is opened", line=self.line, reason=str(error))
            except MeterTlsError as error:
                raise OSError(str(error)) from error
