"""The HAN interface's other side: what a gateway shows the Servicetechniker on site (ch. 11, 15, 16).

The state of the system, and never a measured value. There is no way from here to anything else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.door import entry_point
from lifecycle.evidence import OpenFault
from lifecycle.functions import Function, Interface
from lifecycle.gate import Gate
from lifecycle.roles import Role
from lifecycle.states import State


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """What the Servicetechniker is shown.

    :ivar state: the state that the gateway is in.
    :ivar faults: the faults that are open.
    """

    state: State
    faults: tuple[OpenFault, ...]


class TechnicianPort:
    """Where the Servicetechniker plugs in.

    :param gate: the gateway's gate as it is now.
    """

    def __init__(self, gate: Callable[[], Gate]) -> None:
        self._gate = gate

    def gate(self) -> Gate:
        """The gate as it is now."""
        return self._gate()

    @entry_point(Role.SERVICETECHNIKER, Interface.HAN_TECHNICIAN, Function.READ_STATUS)
    def status(self) -> SystemStatus:
        """The state of the system.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        gate = self._gate()
        assert gate.state is not None  # noqa: S101  a gate without a state opens nothing
        return SystemStatus(gate.state, gate.evidence.faults)
