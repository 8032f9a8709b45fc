"""Serial ports by the standard library (termios): 8 data bits, no flow control, raw.

:class:`SerialLine` speaks and listens, as :class:`gateway.lmn.hdlc_client.HdlcClient` needs it on the wired bus; for
listening alone there is :class:`gateway.lmn.receivers.SerialReceiver`.
"""

from __future__ import annotations

import os
import select
import termios
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

CHUNK: Final = 4_096

PARITIES: Final[Mapping[str, int]] = MappingProxyType(
    {"none": 0, "even": termios.PARENB, "odd": termios.PARENB | termios.PARODD}
)


class SerialError(ValueError):
    """A setting that no serial port here has."""


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """Speed in baud and parity ("none", "even", "odd"). :raises SerialError: if the system does not know one."""

    baud: int = 9_600
    parity: str = "none"

    def __post_init__(self) -> None:
        if self.baud <= 0 or not isinstance(getattr(termios, f"B{self.baud}", None), int):
            raise SerialError(f"{self.baud} baud is no speed of a serial port here")
        if self.parity not in PARITIES:
            raise SerialError(f"parity {self.parity!r} is none of {', '.join(PARITIES)}")

    @property
    def speed(self) -> int:
        """The number by which termios knows the speed."""
        return int(getattr(termios, f"B{self.baud}"))


def open_port(port: Path, settings: SerialSettings, *, writing: bool = False) -> int:
    """A descriptor that does not block. :raises OSError: if there is no such port, or it is none."""
    descriptor = os.open(port, (os.O_RDWR if writing else os.O_RDONLY) | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        parity = PARITIES[settings.parity]
        special = termios.tcgetattr(descriptor)[6]
        special[termios.VMIN], special[termios.VTIME] = 1, 0
        control = termios.CS8 | termios.CREAD | termios.CLOCAL | parity
        check = termios.INPCK if parity else 0
        attributes = [check, 0, control, 0, settings.speed, settings.speed, special]
        termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
    except termios.error as error:
        os.close(descriptor)
        raise OSError(f"{port} is no serial port: {error.args[-1]}") from error
    return descriptor


class SerialLine:
    """A port to send on and to receive from. Use it as a context manager."""

    def __init__(self, port: Path, settings: SerialSettings | None = None) -> None:
        """:raises OSError: if there is no such port, or it is none."""
        self._descriptor = open_port(port, SerialSettings() if settings is None else settings, writing=True)

    def __enter__(self) -> SerialLine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        """Put all of ``data`` on the line. :raises OSError: if the port is gone."""
        left = memoryview(data)
        while left:
            select.select([], [self._descriptor], [])
            left = left[os.write(self._descriptor, left) :]

    def receive(self, seconds: float) -> bytes:
        """What came within so many seconds, empty if nothing did. :raises OSError: if the port is gone."""
        ready, _, _ = select.select([self._descriptor], [], [], max(0.0, seconds))
        return os.read(self._descriptor, CHUNK) if ready else b""

    def close(self) -> None:
        """Let the port go. Closing twice is no error."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
