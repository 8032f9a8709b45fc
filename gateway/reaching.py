"""Whether the GWA is reached from here (Verbindungsprüfung, ch. 9, 15): its name, then TCP. Nothing is sent."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.configuration import ConfigurationError, is_address
from gateway.configuration_folder import ConfigurationFolder

CONNECT_SECONDS: Final = 10.0
"""How long a connection test waits; ours."""


@dataclass(frozen=True, slots=True)
class ConnectionReport:
    """What a connection test found.

    :ivar host: host that was tried: the proxy's where there is one.
    :ivar port: its TCP port.
    :ivar reached: whether it answered.
    :ivar seconds: how long that took, or until it failed.
    :ivar trouble: why it was not reached, in words; empty where it was.
    """

    host: str
    port: int
    reached: bool
    seconds: float
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class NameReport:
    """What the resolution of a name found (Namensauflösung).

    :ivar host: the name.
    :ivar addresses: its IP addresses; of an IP address itself.
    :ivar seconds: how long that took, or until it failed.
    :ivar trouble: why there are none, in words; empty where there are.
    """

    host: str
    addresses: tuple[str, ...]
    seconds: float
    trouble: str = ""

    @property
    def is_address(self) -> bool:
        """Whether there is no name to resolve: an IP address is configured."""
        return is_address(self.host)


Connect = Callable[[str, int, float], None]
"""Connects to a host and port over TCP within some seconds, and lets go.

:raises OSError: if that fails.
"""
Resolve = Callable[[str], tuple[str, ...]]
"""The IP addresses of a host name.

:raises OSError: if there are none.
"""


def connect_tcp(host: str, port: int, seconds: float) -> None:
    """See :data:`Connect`."""
    with socket.create_connection((host, port), timeout=seconds):
        pass


def resolve_name(host: str) -> tuple[str, ...]:
    """See :data:`Resolve`."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def way_to_administrator(folder: ConfigurationFolder) -> tuple[str, int]:
    """Host and TCP port of the GWA, or of the proxy on the way, as they are configured.

    :raises ConfigurationError: if nothing says where the GWA is, or what is kept cannot be read.
    """
    initial, set_here = folder.initial(), folder.communication()
    if set_here is not None and set_here.proxy_host is not None and set_here.proxy_port is not None:
        return set_here.proxy_host, set_here.proxy_port
    host = set_here.host if set_here is not None else None
    port = set_here.port if set_here is not None else None
    if initial is not None:
        host, port = host or initial.communication.host, port or initial.communication.port
    if host is None or port is None:
        raise ConfigurationError("neither the initial configuration nor the parameters say where the GWA is")
    return host, port


def try_name(host: str, resolve: Resolve = resolve_name) -> NameReport:
    """Resolve a host's name."""
    if is_address(host):
        return NameReport(host, (host,), 0.0)
    began = time.monotonic()
    try:
        addresses = resolve(host)
    except OSError as error:
        return NameReport(host, (), time.monotonic() - began, _words(error))
    return NameReport(host, addresses, time.monotonic() - began)


def try_connection(host: str, port: int, connect: Connect = connect_tcp) -> ConnectionReport:
    """Try to reach a host over TCP; nothing is sent."""
    began = time.monotonic()
    try:
        connect(host, port, CONNECT_SECONDS)
    except OSError as error:
        return ConnectionReport(host, port, False, time.monotonic() - began, _words(error))
    return ConnectionReport(host, port, True, time.monotonic() - began)


def _words(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
