"""A PKI for each test that asks for one, and one that all may look at and none may change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pki import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A PKI of the test's own."""
    made = World.in_folder(tmp_path)
    yield made
    made.engine.dispose()


@pytest.fixture(scope="session")
def common_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A PKI to look at."""
    made = World.in_folder(tmp_path_factory.mktemp("pki"))
    yield made
    made.engine.dispose()
