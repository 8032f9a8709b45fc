"""A service for the tests of a module; each test takes gateways of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from smgw.logs import configure_logging
from tests.support.service_client import House, running_house


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> None:
    """Log what goes wrong, not every request."""
    configure_logging("warning", "console")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A service over SQLite."""
    with running_house(f"sqlite:///{tmp_path_factory.mktemp('service') / 'smgw.db'}") as running:
        yield running


@pytest.fixture
def any_house(database_url: str) -> Iterator[House]:
    """A service over each backend."""
    with running_house(database_url) as running:
        yield running
