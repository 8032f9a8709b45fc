"""Cards that are no security modules, for tests of how cards are reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from securitymodule.apdu import ApduError, CommandApdu, ResponseApdu, StatusWord

ATR = bytes.fromhex("3B80800101")
"""The shortest answer to reset with T=1."""


def echo(command: CommandApdu) -> ResponseApdu:
    """The command's data come back; more if Le asks for more."""
    return ResponseApdu(command.data.ljust(min(command.le or 0, 65_000), b"\xa5"))


@dataclass
class PlainCard:
    """A card that does one thing, and remembers what was done to it.

    :ivar work: what it does with a command.
    :ivar events: ``on``, ``off``, ``reset``, and each instruction.
    """

    work: Callable[[CommandApdu], ResponseApdu] = echo
    atr: bytes = ATR
    events: list[str] = field(default_factory=list)

    def power_on(self) -> None:
        """Remember it."""
        self.events.append("on")

    def power_off(self) -> None:
        """Remember it."""
        self.events.append("off")

    def reset(self) -> None:
        """Remember it."""
        self.events.append("reset")

    def transmit(self, command: bytes) -> bytes:
        """Do the one thing."""
        try:
            decoded = CommandApdu.decode(command)
        except ApduError:
            return ResponseApdu(sw=StatusWord.WRONG_LENGTH).encode()
        self.events.append(f"{decoded.ins:02X}")
        return self.work(decoded).encode()
