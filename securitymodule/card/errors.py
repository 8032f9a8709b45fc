"""What can go wrong with a module in a directory, and how a command is refused.

The first family belongs to :mod:`securitymodule.errors` and reaches whoever opens a module; beside it are
:class:`securitymodule.errors.NoModule` and :class:`securitymodule.errors.ModuleBusy`. :class:`Refused` never leaves the
card: the dispatcher turns it into a status word.
"""

from __future__ import annotations

from securitymodule.errors import ModuleError


class ModuleExists(ModuleError):
    """There is a module in the directory already, and nothing is written over a module."""


class StateDamaged(ModuleError):
    """What the directory holds is not what the module wrote."""


class StateRestored(ModuleError):
    """The directory holds a state that the module has left behind: somebody put it back, and service is refused."""


class StateNotWritten(ModuleError):
    """A new state could not be made durable. Which one the directory holds is known when it has been read again."""


class Refused(Exception):
    """A command is refused; nothing has changed.

    :ivar status: SW1 SW2 to answer with.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"{status:04X}")
        self.status = int(status)
