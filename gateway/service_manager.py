"""What the service manager (systemd) is told, by its own protocol: a datagram to the socket that it names (sd_notify).

Where there is none, nothing is told.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final

import structlog

_ADDRESS: Final = "NOTIFY_SOCKET"
_WATCHDOG: Final = "WATCHDOG_USEC"
_WATCHDOG_PROCESS: Final = "WATCHDOG_PID"
_MICROSECONDS: Final = 1_000_000
_log = structlog.get_logger()


class ServiceManager:
    """Tells how the service is.

    :ivar watchdog_seconds: how often it has to say that it is alive; ``None`` where nobody waits for that.
    """

    def __init__(
        self, environment: Mapping[str, str] | None = None, *, monotonic: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """:param environment: where the socket is named; by default that of this process."""
        known = os.environ if environment is None else environment
        self._address = known.get(_ADDRESS, "")
        self._monotonic = monotonic
        self.watchdog_seconds = _watchdog(known)

    def ready(self, status: str) -> None:
        """The service has started, or has read its configuration anew."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """The configuration is being read anew."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={self._monotonic() // 1000}")

    def stopping(self) -> None:
        """The service is about to end."""
        self._tell("STOPPING=1")

    def alive(self) -> None:
        """The service works."""
        if self.watchdog_seconds is not None:
            self._tell("WATCHDOG=1")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        # A name that begins with @ is one of the abstract namespace, which begins with a NUL.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as telling:
                telling.sendto("\n".join(line.replace("\n", " ") for line in lines).encode(), address)
        except OSError as error:
            _log.warning("service manager not told", what=lines[0], reason=str(error))


def _watchdog(environment: Mapping[str, str]) -> float | None:
    microseconds, process = environment.get(_WATCHDOG, ""), environment.get(_WATCHDOG_PROCESS, "")
    if not microseconds.isdecimal() or (process and process != str(os.getpid())):
        return None
    return int(microseconds) / _MICROSECONDS or None
