"""Another GWA is let in just where the gate says; what the module makes of it is tested with the GWA's station."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.door import DOOR_ATTRIBUTE, Door
from gateway.pki.keys import CertificateRefused
from gateway.succession import Succession
from lifecycle.evidence import NOTHING, OpenFault
from lifecycle.faults import FAULTS
from lifecycle.functions import Credential
from lifecycle.gate import Closed, Gate
from lifecycle.law import Standing
from lifecycle.states import State
from securitymodule.client import SecurityModule
from smpki.names import Function
from tests.support.lives import START
from tests.support.pki import TestClock, World


class Reached(Exception):
    """The test's own: the gate has let it through to the module."""


def module() -> SecurityModule:
    """A module that nobody may come to."""
    raise Reached


def standings() -> list[Standing]:
    """Every state, alone and under every fault."""
    faults = [OpenFault(name, "consumer-1" if fault.per_subject else "") for name, fault in FAULTS.items()]
    return [Standing(state, NOTHING.with_fault(fault)) for state in State for fault in faults] + [
        Standing(state, NOTHING) for state in State
    ]


def test_it_opens_just_where_the_gate_says(tmp_path: Path) -> None:
    world = World.in_folder(tmp_path, TestClock(START + timedelta(days=1)))
    triple = list(world.enrol("Neu", Function.GWA).certificates.values())
    door: Door = getattr(Succession.admit, DOOR_ATTRIBUTE)
    opened = set()
    for standing in standings():
        gate = Gate(*standing)
        succession = Succession(lambda gate=gate: gate, module)  # type: ignore[misc]
        for credential in Credential:
            is_open = bool(gate.ask(door.grant(credential)))
            with pytest.raises(Reached if is_open else Closed):
                succession.admit(credential, triple, world.sub.certificate, bytes)
            if is_open:
                opened.add((standing.state, credential))
    assert opened == {
        (state, Credential.GWA_CERTIFICATE)
        for state in (State.OPERATION, State.REVERSIBLE_FAULT, State.IRREVERSIBLE_FAULT)
    }
    with pytest.raises(CertificateRefused, match="three certificates"):
        Succession(lambda: Gate(State.OPERATION, NOTHING), module).admit(
            Credential.GWA_CERTIFICATE, triple[:2], world.sub.certificate, bytes
        )
    world.engine.dispose()
