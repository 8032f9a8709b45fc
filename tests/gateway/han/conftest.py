"""A HAN interface of a gateway in operation, on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.han import Home, at_home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """It, with limits that nobody meets by chance."""
    with at_home(tmp_path) as home:
        yield home
