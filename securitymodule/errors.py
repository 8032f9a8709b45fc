"""What can go wrong between a caller and a security module: one tree, so that :class:`ModuleError` catches it all."""

from __future__ import annotations

from securitymodule.apdu import meaning


class ModuleError(Exception):
    """Anything that kept a module from doing what it was asked."""


class ReaderUnavailable(ModuleError):
    """There is no way to the module: no PC/SC daemon, no such reader, or the PC/SC binding is not installed."""


class NoModule(ModuleError):
    """The way is there, but no module at its end: an empty reader, or a folder without one."""


class ModuleRemoved(ModuleError):
    """The module was pulled or reset while connected. Connect anew; whether the last command was done is not known."""


class ModuleBusy(ModuleError):
    """Somebody else has the module for himself."""


class CommandRefused(ModuleError):
    """The module answered with another status word than 9000.

    :ivar sw: the status word.
    """

    def __init__(self, command: str, sw: int) -> None:
        """:param command: what was asked, in words, for the message."""
        super().__init__(f"{command}: {meaning(sw)} ({sw:04X})")
        self.sw = sw


class WrongPin(CommandRefused):
    """A wrong PIN was presented.

    :ivar left: tries left.
    """

    def __init__(self, command: str, sw: int, left: int) -> None:
        super().__init__(command, sw)
        self.left = left


class PinBlocked(CommandRefused):
    """The PIN has no tries left."""


class ProtocolError(ModuleError):
    """What came back is no answer to what was asked."""


class PaceError(ModuleError):
    """PACE did not come to an end: the other side does not know the PIN, or does not speak the protocol."""


class SecureMessagingError(ModuleError):
    """The secure channel broke. It is closed then, its keys are gone, and PACE must be run anew."""


class SessionExpired(SecureMessagingError):
    """The secure channel is older than it may get."""
