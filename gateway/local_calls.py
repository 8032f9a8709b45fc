"""What can be asked for over the local interface: the gated functions of :class:`LocalFunctions`, and nothing else.

Their names, what they take and what they give are read from that class; there is no second list.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.door import DOOR_ATTRIBUTE, Door
from gateway.local_functions import LocalFunctions
from lifecycle.functions import Credential, Interface
from lifecycle.gate import Gate

AUTHENTICATE_INTEGRATOR: Final = "authenticate-integrator"
"""``{"pin"}``: the Integrator-PIN, padded."""
AUTHENTICATE_CONFIGURATOR: Final = "authenticate-configurator"
"""``{"certificate", "signature"}``: of the Erstkonfigurator, over :func:`configurator_statement`."""


@dataclass(frozen=True, slots=True)
class Call:
    """One function that can be asked for.

    :ivar name: its name.
    :ivar door: what it declares.
    :ivar parameters: what it takes after the credential, by name, with types.
    :ivar result: the type of what it gives.
    """

    name: str
    door: Door
    parameters: Mapping[str, Any]
    result: Any


def _call(name: str, method: Any) -> Call:
    plain = inspect.unwrap(method)
    hints = typing.get_type_hints(plain)
    result = hints.pop("return")
    return Call(name, getattr(method, DOOR_ATTRIBUTE), hints, result)


CALLS: Final[Mapping[str, Call]] = {
    name: _call(name, method)
    for name, method in inspect.getmembers(LocalFunctions, inspect.isfunction)
    if hasattr(method, DOOR_ATTRIBUTE)
}
"""Every function by its name."""


def is_on(gate: Gate, credential: Credential | None = None) -> bool:
    """Whether a gate grants anything at LOCAL, to who shows this credential or to anybody."""
    return any(grant.interface is Interface.LOCAL and credential in {None, grant.credential} for grant in gate.opened)
