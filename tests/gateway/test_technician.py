"""The technician's port opens just where the gate says, and shows the state of the system."""

from __future__ import annotations

import pytest

from gateway.door import DOOR_ATTRIBUTE, Door
from gateway.technician import SystemStatus, TechnicianPort
from lifecycle.evidence import NOTHING, OpenFault
from lifecycle.faults import FAULTS
from lifecycle.functions import Credential
from lifecycle.gate import Closed, Gate, Shut, shut_gate
from lifecycle.law import Standing
from lifecycle.states import State


def standings() -> list[Standing]:
    """Every state, alone and under every fault."""
    faults = [OpenFault(name, "consumer-1" if fault.per_subject else "") for name, fault in FAULTS.items()]
    return [Standing(state, NOTHING.with_fault(fault)) for state in State for fault in faults] + [
        Standing(state, NOTHING) for state in State
    ]


def test_it_opens_just_where_the_gate_says() -> None:
    door: Door = getattr(TechnicianPort.status, DOOR_ATTRIBUTE)
    opened = set()
    for standing in standings():
        gate = Gate(*standing)
        port = TechnicianPort(lambda gate=gate: gate)  # type: ignore[misc]
        for credential in Credential:
            if gate.ask(door.grant(credential)):
                told = port.status(credential)
                assert told == SystemStatus(standing.state, standing.evidence.faults)
                opened.add((standing.state, credential))
            else:
                with pytest.raises(Closed):
                    port.status(credential)
    assert opened == {
        (state, Credential.TECHNICIAN_CERTIFICATE)
        for state in (State.OPERATION, State.REVERSIBLE_FAULT, State.IRREVERSIBLE_FAULT)
    }


def test_a_shut_gate_shows_nothing() -> None:
    for shut in Shut:
        with pytest.raises(Closed, match="gate-shut"):
            TechnicianPort(lambda shut=shut: shut_gate(shut)).status(Credential.TECHNICIAN_CERTIFICATE)  # type: ignore[misc]
