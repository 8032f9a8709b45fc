"""The lines that a local interface can have: loopback TCP, or a serial device. Opened, read, written, cut.

An address is ``tcp:127.0.0.1:PORT``, ``tcp:[::1]:PORT`` or ``serial:/dev/DEVICE``. No other TCP address is taken than a
loopback one, by either side: the local interface is for who stands before the device, not for a network.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import os
import select
import socket
import termios
import tty
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

CHUNK: Final = 4096
"""Bytes read at once."""
BAUD: Final = termios.B115200
"""Speed of a serial line: 115200 baud, 8 data bits, no parity, 1 stop bit. Ours."""
_BACKLOG: Final = 4
_LARGEST_PORT: Final = 65535


class LocalAddressError(ValueError):
    """Not an address that a local interface can have, or one that cannot be used now."""


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A TCP port on a loopback address.

    :ivar host: the loopback address, as a number: a name may come to mean something else.
    :ivar port: the port; 0 for any that is free, to listen on only.
    :raises LocalAddressError: if it is no loopback address, or no port.
    """

    host: str
    port: int

    def __post_init__(self) -> None:
        try:
            loopback = ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            loopback = False
        if not loopback:
            raise LocalAddressError(f"{self.host!r} is no loopback address (127.0.0.1, ::1); others are not local")
        if not 0 <= self.port <= _LARGEST_PORT:
            raise LocalAddressError(f"{self.port} is no port: 0 to {_LARGEST_PORT}")

    @property
    def family(self) -> socket.AddressFamily:
        """IPv4 or IPv6."""
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    def __str__(self) -> str:
        return f"tcp:[{self.host}]:{self.port}" if ":" in self.host else f"tcp:{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SerialAddress:
    """A serial device.

    :ivar device: its path.
    """

    device: Path

    def __str__(self) -> str:
        return f"serial:{self.device}"


LocalAddress = TcpAddress | SerialAddress


def parse_address(text: str) -> LocalAddress:
    """The address that a text names.

    :raises LocalAddressError: if it names none.
    """
    kind, _, rest = text.partition(":")
    if kind == "serial" and rest:
        return SerialAddress(Path(rest))
    host, _, port = rest.rpartition(":")
    if kind != "tcp" or not (port.isascii() and port.isdigit()):
        raise LocalAddressError(f"{text!r} is no local address: tcp:127.0.0.1:PORT or serial:/dev/DEVICE")
    return TcpAddress(host.removeprefix("[").removesuffix("]"), int(port))


class Stream(Protocol):
    """A line in use. Nothing of it blocks."""

    def fileno(self) -> int:
        """What to wait for."""

    def read(self) -> bytes | None:
        """Bytes that came, ``None`` where none have; empty when the other side is gone."""

    def write(self, data: bytes) -> int:
        """How many of these bytes could be sent now.

        :raises OSError: if the other side is gone.
        """

    def cut(self) -> None:
        """End it at once, from any thread: what others read or write then goes nowhere. It is still to be closed."""

    def close(self) -> None:
        """Let it go."""


class TcpStream:
    """A TCP connection."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection

    def fileno(self) -> int:
        return self._connection.fileno()

    def read(self) -> bytes | None:
        try:
            return self._connection.recv(CHUNK)
        except BlockingIOError:
            return None
        except OSError:  # reset, or cut by ourselves: nothing more comes
            return b""

    def write(self, data: bytes) -> int:
        try:
            return self._connection.send(data)
        except BlockingIOError:
            return 0

    def cut(self) -> None:
        with contextlib.suppress(OSError):  # the other side may have gone before
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._connection.close()


class SerialStream:
    """A serial device, raw, for ourselves alone."""

    def __init__(self, address: SerialAddress) -> None:
        """:raises LocalAddressError: if the device cannot be opened, or is none."""
        try:
            self._descriptor = os.open(address.device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise LocalAddressError(f"cannot open {address}: {error.strerror}") from None
        try:
            self._prepare()
        except (OSError, termios.error) as error:
            os.close(self._descriptor)
            raise LocalAddressError(f"{address} is no serial device: {error.args[-1]}") from None

    def _prepare(self) -> None:
        tty.setraw(self._descriptor)
        attributes = termios.tcgetattr(self._descriptor)
        attributes[2] |= termios.CLOCAL | termios.CREAD
        attributes[4] = attributes[5] = BAUD
        termios.tcsetattr(self._descriptor, termios.TCSANOW, attributes)
        fcntl.ioctl(self._descriptor, termios.TIOCEXCL)
        termios.tcflush(self._descriptor, termios.TCIFLUSH)

    def fileno(self) -> int:
        return self._descriptor

    def read(self) -> bytes | None:
        try:
            return os.read(self._descriptor, CHUNK)
        except BlockingIOError:
            return None
        except OSError:  # the device was pulled
            return b""

    def write(self, data: bytes) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0

    def cut(self) -> None:
        # The number stays ours while another thread may be using it; the device behind it goes at once.
        with contextlib.suppress(OSError):  # pulled before
            fcntl.ioctl(self._descriptor, termios.TIOCNXCL)
        nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.dup2(nowhere, self._descriptor, inheritable=False)
        finally:
            os.close(nowhere)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # pulled or cut before
            fcntl.ioctl(self._descriptor, termios.TIOCNXCL)
        os.close(self._descriptor)


def listen(address: TcpAddress) -> socket.socket:
    """A socket that listens there.

    :raises LocalAddressError: if that cannot be.
    """
    listener = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise LocalAddressError(f"cannot listen on {address}: {error.strerror}") from None
    listener.setblocking(False)
    return listener


def reach(address: LocalAddress, seconds: float) -> Stream:
    """The line to who listens there.

    :param seconds: how long to wait for a connection.
    :raises LocalAddressError: if nobody listens, or the device cannot be opened.
    """
    if isinstance(address, SerialAddress):
        return SerialStream(address)
    try:
        return TcpStream(socket.create_connection((address.host, address.port), seconds))
    except OSError as error:
        raise LocalAddressError(f"nobody answers at {address}: {error.strerror or error}") from None


def wait_for(stream: Stream, seconds: float, *, writing: bool = False) -> bool:
    """Whether the line can be read, or written, within so many seconds."""
    poll = select.poll()
    poll.register(stream.fileno(), select.POLLOUT if writing else select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))
