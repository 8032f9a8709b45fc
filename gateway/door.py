"""Ask at the door: every entry point of every subsystem declares its function once, and is let in or not by the gate.

A test walks every declared entry point in every state and compares with the gate; one that declares none fails it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from lifecycle.functions import Credential, Function, Interface
from lifecycle.gate import Gate
from lifecycle.phases.model import Grant
from lifecycle.roles import Role

P = ParamSpec("P")
R = TypeVar("R")


class Gated(Protocol):
    """Something with a gate before it."""

    def gate(self) -> Gate:
        """The gate as it is now."""
        ...


G = TypeVar("G", bound=Gated)


@dataclass(frozen=True, slots=True)
class Door:
    """What an entry point declares: who may come, where, to do what. What they show is theirs to bring."""

    role: Role
    interface: Interface
    function: Function

    def grant(self, credential: Credential) -> Grant:
        """What the gate is asked."""
        return Grant(self.role, self.interface, self.function, credential)


DOOR_ATTRIBUTE = "__door__"
"""Where an entry point carries its declaration."""


def entry_point(
    role: Role, interface: Interface, function: Function, *, subject: str | None = None
) -> Callable[[Callable[Concatenate[G, P], R]], Callable[Concatenate[G, Credential, P], R]]:
    """Declare an entry point.

    Callers bring one argument more, before all others: the credential that was shown, and checked by the subsystem.
    The call raises :class:`lifecycle.gate.Closed` where the gate refuses, before anything of it has run.

    :param subject: the keyword argument that names the consumer concerned, where a fault may affect some consumers and
        not others; a call without it concerns them all.
    """
    door = Door(role, interface, function)

    def declare(method: Callable[Concatenate[G, P], R]) -> Callable[Concatenate[G, Credential, P], R]:
        @wraps(method)
        def asked(self: G, credential: Credential, /, *args: P.args, **kwargs: P.kwargs) -> R:
            concerned = kwargs.get(subject) if subject is not None else None
            self.gate().require(door.grant(credential), concerned if isinstance(concerned, str) else None)
            return method(self, *args, **kwargs)

        setattr(asked, DOOR_ATTRIBUTE, door)
        return asked

    return declare
