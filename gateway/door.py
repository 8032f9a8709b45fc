"""Ask at the door: every entry point of every subsystem declares its function once, and is let in or not by the gate.

A test walks every declared entry point in every state and compares with the gate; one that declares none fails it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, Final, ParamSpec, Protocol, TypeVar

from lifecycle.functions import Credential, Function, Interface
from lifecycle.gate import Answer, Closed, Gate
from lifecycle.law import Refused
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
    """What an entry point declares: who may come, where, to do what. What they show is theirs to bring.

    :ivar each: whether whom it concerns shows only inside, see :func:`entry_point_for_each`.
    """

    role: Role
    interface: Interface
    function: Function
    each: bool = False

    def grant(self, credential: Credential) -> Grant:
        """What the gate is asked."""
        return Grant(self.role, self.interface, self.function, credential)

    def ask(self, gate: Gate, credential: Credential, consumer: str | None = None) -> Answer:
        """What the gate answers to whoever comes.

        :param consumer: whom it concerns, where that is known.
        """
        return gate.ask(self.grant(credential), NOBODY if self.each and consumer is None else consumer)

    def let_in(self, gate: Gate, credential: Credential, consumer: str | None = None) -> None:
        """As :meth:`ask`, for one who goes in.

        :raises lifecycle.gate.Closed: if the gate refuses.
        """
        answer = self.ask(gate, credential, consumer)
        if isinstance(answer, Refused):
            raise Closed(self.grant(credential), answer)


NOBODY: Final = ""
"""A name that no consumer has: what is open for it is open for anybody whom no fault concerns."""
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
            door.let_in(self.gate(), credential, concerned if isinstance(concerned, str) else None)
            return method(self, *args, **kwargs)

        setattr(asked, DOOR_ATTRIBUTE, door)
        return asked

    return declare


LetIn = Callable[[str], None]
"""Asks the gate for one consumer; raises :class:`lifecycle.gate.Closed` where it refuses."""


def entry_point_for_each(
    role: Role, interface: Interface, function: Function
) -> Callable[[Callable[Concatenate[G, LetIn, P], R]], Callable[Concatenate[G, Credential, P], R]]:
    """Declare an entry point of which it shows only inside whose data it concerns.

    It is open as soon as it is for anybody. The method is given, before all other arguments, what it has to ask with
    for each consumer before it does anything for him.
    """
    door = Door(role, interface, function, each=True)

    def declare(method: Callable[Concatenate[G, LetIn, P], R]) -> Callable[Concatenate[G, Credential, P], R]:
        @wraps(method)
        def asked(self: G, credential: Credential, /, *args: P.args, **kwargs: P.kwargs) -> R:
            door.let_in(self.gate(), credential)
            return method(self, lambda consumer: door.let_in(self.gate(), credential, consumer), *args, **kwargs)

        setattr(asked, DOOR_ATTRIBUTE, door)
        return asked

    return declare
