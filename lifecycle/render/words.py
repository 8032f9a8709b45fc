"""The law in words: what the tables for people and the pages have in common."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lifecycle.functions import Credential, Function, Interface
from lifecycle.phases import Advice, Exit, Grant
from lifecycle.roles import Role, principal_of
from lifecycle.states import State

NOTHING = "-"
"""What stands where the standard names nothing."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What one role may do at one interface, shown by one set of credentials.

    :ivar role: who.
    :ivar interface: where.
    :ivar functions: what.
    :ivar credentials: any one of these is shown.
    """

    role: Role
    interface: Interface
    functions: tuple[Function, ...]
    credentials: tuple[Credential, ...]


def openings(grants: Iterable[Grant]) -> tuple[Opening, ...]:
    """Grants gathered by who, where and shown by what, in the order of their first grant."""
    credentials: dict[tuple[Role, Interface, Function], list[Credential]] = {}
    for role, interface, function, credential in grants:
        credentials.setdefault((role, interface, function), []).append(credential)
    functions: dict[tuple[Role, Interface, tuple[Credential, ...]], list[Function]] = {}
    for (role, interface, function), shown in credentials.items():
        functions.setdefault((role, interface, tuple(shown)), []).append(function)
    return tuple(
        Opening(role, interface, tuple(gathered), shown) for (role, interface, shown), gathered in functions.items()
    )


def acting(role: Role) -> str:
    """A role that acts, with the principal that it always acts for."""
    principal = principal_of(role)
    return f"{role} for {principal}" if principal is not None else str(role)


def listed(parts: Iterable[str], joint: str = ", ") -> str:
    """Parts in a row; a dash where there are none."""
    return joint.join(parts) or NOTHING


def states(chosen: Iterable[State]) -> str:
    """States in the order of the life."""
    wanted = frozenset(chosen)
    return listed(state for state in State if state in wanted)


def conditions(way: Exit) -> str:
    """What must hold for a way out, and what is recommended besides."""
    required = listed((condition.text for condition in way.conditions), "; ") if way.conditions else "no condition"
    if not way.recommended:
        return required
    return f"{required}; recommended: {listed((condition.text for condition in way.recommended), '; ')}"


def advice(way: Exit) -> str:
    """What the Anlage says of a way out; nothing where it says nothing."""
    return "" if way.advice is Advice.NEUTRAL else str(way.advice)
