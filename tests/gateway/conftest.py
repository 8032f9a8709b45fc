"""Gateways in whichever state a test begins with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lifecycle.states import State
from tests.support.gateways import At, Device, ModuleOrder


@pytest.fixture
def at(tmp_path: Path) -> Iterator[At]:
    """Gives gateways with module, PKI and record in a state; their modules are let go at the end."""
    given: list[Device] = []

    def give(state: State, order: ModuleOrder = ModuleOrder.SEPARATE) -> Device:
        given.append(Device.at(tmp_path / f"device-{len(given)}", state, order))
        return given[-1]

    yield give
    for device in given:
        device.gateway.close()
