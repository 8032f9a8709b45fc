"""Gateways in whichever state a test begins with, and a database with two gateways in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from lifecycle.states import State
from lifecycle.store.engine import open_database
from lifecycle.store.repository import Repository
from tests.support.gateways import At, Device, ModuleOrder
from tests.support.lives import GATEWAY, OTHER_GATEWAY, SettableClock, cast


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


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A database with two gateways in it."""
    opened = open_database(database_url)
    repository = Repository(opened, cast().trust, cast().keeper, clock=SettableClock())
    for gateway in (GATEWAY, OTHER_GATEWAY):
        repository.register(gateway)
    yield opened
    opened.dispose()


@pytest.fixture
def clock() -> SettableClock:
    """The gateway's clock."""
    return SettableClock()
