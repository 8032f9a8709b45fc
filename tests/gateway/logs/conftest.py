"""A database with two gateways in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from lifecycle.store.engine import open_database
from lifecycle.store.repository import Repository
from tests.support.lives import GATEWAY, OTHER_GATEWAY, SettableClock, cast


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
