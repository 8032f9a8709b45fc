"""What a phase consists of: its attributes, its grants and its ways out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import NamedTuple

from lifecycle.evidence import Condition
from lifecycle.functions import Credential, Function, Interface
from lifecycle.roles import Role
from lifecycle.states import Category, Event, Place, State


@unique
class Advice(StrEnum):
    """What the Anlage says of a way out that has an alternative."""

    NEUTRAL = "neutral"
    RECOMMENDED = "recommended"
    """Empfohlen (ch. 17)."""
    NOT_RECOMMENDED = "not recommended"
    """Nicht empfohlen (ch. 17)."""


class Grant(NamedTuple):
    """One thing that is on: who may do what, where, and shown by what. Everything not granted is off."""

    role: Role
    interface: Interface
    function: Function
    credential: Credential


@dataclass(frozen=True, slots=True)
class Exit:
    """A way out of a phase (Phasenübergang).

    :ivar number: number in the design's table of transitions, 1 to 28.
    :ivar event: what is asked for.
    :ivar to: the state it leads to.
    :ivar actors: roles that may make the transition.
    :ivar conditions: all of them must hold.
    :ivar chapter: chapter of the Anlage.
    :ivar recommended: conditions the Anlage recommends; recorded either way, never a reason to refuse.
    :ivar advice: whether the way itself is recommended.
    """

    number: int
    event: Event
    to: State
    actors: tuple[Role, ...]
    conditions: tuple[Condition, ...]
    chapter: str
    recommended: tuple[Condition, ...] = ()
    advice: Advice = Advice.NEUTRAL


@dataclass(frozen=True, slots=True)
class Phase:
    """One state of the life.

    :ivar state: the state.
    :ivar chapter: chapter of the Anlage, 2 to 20.
    :ivar german: the phase's German name.
    :ivar category: category of Table 1.1, or ``None``.
    :ivar place: where the gateway is, or ``None`` where it does not exist yet.
    :ivar responsible: the role set in the phase (Table 1.2), ``None`` for N/A.
    :ivar optional: roles that may act besides.
    :ivar functionality: the functionality of the gateway, in words.
    :ivar exits: the ways out; empty for the final phase.
    :ivar grants: everything that is on.
    :ivar note: how an open question of the text was settled, empty where there was none.
    """

    state: State
    chapter: int
    german: str
    category: Category | None
    place: Place | None
    responsible: Role | None
    functionality: str
    exits: tuple[Exit, ...]
    grants: tuple[Grant, ...] = ()
    optional: tuple[Role, ...] = ()
    note: str = ""


def grants(
    role: Role, interface: Interface, functions: Iterable[Function], *credentials: Credential
) -> tuple[Grant, ...]:
    """One grant for each of the functions, for each credential that carries it."""
    return tuple(Grant(role, interface, function, credential) for function in functions for credential in credentials)
