"""The local interface (lokale Schnittstelle, ch. 4, 6, 9): a listener that is there exactly while the gate wants it.

It listens, on loopback TCP or a serial device, while the gate grants anything at LOCAL for the gateway's standing. The
moment a transition, a fact such as LOCAL_INTERFACE_OFF (ch. 10) or a lost integrity takes that away, the port is closed
and a running connection is cut. Off means that nobody answers. While a transition is being made the line stays as it
is, and whatever is asked meanwhile is refused at the gate.

One caller at a time: the module has one session, and whoever presented the PIN in it opened it for everybody who would
share it. A second caller is told so and let go. What is said on the line is in :mod:`gateway.local_protocol`.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

import structlog

from gateway.local_calls import is_on
from gateway.local_client import LocalClient
from gateway.local_coding import LocalError, LocalLineError, NotAuthenticated
from gateway.local_line import LocalAddressError, parse_address
from gateway.local_listening import Listening, Monotonic
from gateway.local_session import LocalGateway
from lifecycle.gate import Shut

__all__ = [
    "LocalAddressError",
    "LocalClient",
    "LocalError",
    "LocalInterface",
    "LocalLineError",
    "NotAuthenticated",
]

_log = structlog.get_logger()


class LocalInterface:
    """A gateway's local interface. Close it, or use it as a context manager.

    It follows the gateway's steps by itself; :meth:`refresh` is for changes that others made.
    """

    def __init__(self, gateway: LocalGateway, address: str, *, clock: Monotonic = time.monotonic) -> None:
        """
        :param address: ``tcp:127.0.0.1:PORT``, ``tcp:[::1]:PORT`` (port 0: any that is free) or ``serial:/dev/DEVICE``.
        :param clock: seconds that pass, for callers who are slow.
        :raises LocalAddressError: if it is no such address, or cannot be listened at.
        """
        self._gateway = gateway
        self._address = parse_address(address)
        self._clock = clock
        self._lock = threading.RLock()
        self._line: Listening | None = None
        self._closed = False
        self._unfollow = gateway.on_change(self._follow)
        try:
            self.refresh()
        except BaseException:
            self._unfollow()
            raise

    @property
    def address(self) -> str:
        """Where it listens, or would; with the port that it was given where any would do."""
        return str(self._address)

    @property
    def is_on(self) -> bool:
        """Whether it listens."""
        with self._lock:
            return self._line is not None and not self._line.is_over

    def refresh(self) -> None:
        """Bring it in line with the gate: listen, or close the port and cut who is connected. From any thread.

        :raises LocalAddressError: if it should listen and cannot.
        """
        with self._lock:
            if self._closed:
                return
            gate = self._gateway.gate()
            if gate.shut is Shut.TRANSITION_IN_PROGRESS:
                return  # whoever makes it calls again when it is made
            if not is_on(gate):
                self._switch_off()
            elif self._line is None or self._line.is_over:
                self._switch_off()
                self._line = Listening(self._gateway, self._address, self._clock, self._follow)
                self._address = self._line.address
                _log.info("local interface on", gateway=self._gateway.id, address=self.address)
                self._line.start()
            else:
                self._line.wake()

    def close(self) -> None:
        """Stop listening, cut who is connected, and follow the gateway no more."""
        with self._lock:
            if not self._closed:
                self._unfollow()
            self._closed = True
            line = self._line
            self._switch_off()
        if line is not None:
            line.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()

    def _follow(self) -> None:
        try:
            self.refresh()
        except LocalAddressError as error:  # then it stays off, and what moved the gateway has moved it all the same
            _log.error("local interface cannot listen", gateway=self._gateway.id, error=str(error))

    def _switch_off(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.shut()
            _log.info("local interface off", gateway=self._gateway.id, address=self.address)
