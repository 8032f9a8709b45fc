"""``smgw.local`` at the HAN by multicast DNS (RFC 6762), for as long as the interface is open; otherwise silence.

It takes the library *zeroconf*, which the extra ``mdns`` installs. Without it the interface is reached by its address.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final

import structlog

from gateway.han.own_key import HOST

SERVICE: Final = "_https._tcp.local."
"""What the interface is, for whoever looks for services (RFC 6763)."""
_log = structlog.get_logger()


class NoMulticastDns(Exception):
    """The library for multicast DNS is not installed."""


class LocalName:
    """Makes a gateway known as ``smgw.local``. Whoever starts and stops it does not wait for the network."""

    def __init__(self, gateway: str, addresses: Sequence[str]) -> None:
        """:param gateway: identification, DIN 43863-5; the name of the service.
        :param addresses: where it is reached at the HAN, IPv4; it speaks there and nowhere else.
        :raises NoMulticastDns: if the library is not installed.
        """
        if find_spec("zeroconf") is None:
            raise NoMulticastDns("multicast DNS takes the extra mdns: pip install smgw[mdns]")
        self._gateway = gateway
        self._addresses = list(addresses)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, port: int) -> None:
        """Make it known: the first answers come after about a second.

        That it cannot be made known is logged: by its address the interface is reached all the same.
        """
        with self._lock:
            if self._thread is not None and not self._stopped.is_set():
                return
            self._stopped = threading.Event()
            words = (port, self._stopped, self._thread)
            self._thread = threading.Thread(target=self._speak, args=words, name="HAN name", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Say that it is gone, and be silent: within about a second."""
        with self._lock:
            self._stopped.set()

    def join(self) -> None:
        """Wait until it is silent, after :meth:`stop`."""
        if self._thread is not None:
            self._thread.join()

    def _speak(self, port: int, stopped: threading.Event, before: threading.Thread | None) -> None:
        from zeroconf import Error, ServiceInfo, Zeroconf

        if before is not None:  # its good-bye would take the name away again
            before.join()
        if stopped.is_set():
            return
        service = ServiceInfo(
            SERVICE,
            f"{self._gateway}.{SERVICE}",
            addresses=[socket.inet_aton(address) for address in self._addresses],
            port=port,
            properties={"path": "/smgw/m2m"},
            server=f"{HOST}.",
        )
        try:
            with Zeroconf(interfaces=self._addresses) as speaking:
                speaking.register_service(service, allow_name_change=True)
                stopped.wait()
        except (Error, OSError) as error:
            _log.warning("no multicast DNS at the HAN", gateway=self._gateway, error=str(error))
