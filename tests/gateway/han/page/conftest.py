"""A HAN interface with the page, on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from tests.support.browser import chromium
from tests.support.han import Home, at_home
from tests.support.page import MemoryPage


@pytest.fixture
def shown() -> MemoryPage:
    """What the page shows."""
    return MemoryPage()


@pytest.fixture
def portal(tmp_path: Path, shown: MemoryPage) -> Iterator[Home]:
    """The interface, with limits that nobody meets by chance."""
    with at_home(tmp_path, page=shown) as home:
        yield home


@pytest.fixture(scope="module")
def desktop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Chromium as on a desktop."""
    with chromium(tmp_path_factory.mktemp("chromium-desktop"), self_signed=True) as driver:
        yield driver


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Chromium as on a phone."""
    with chromium(tmp_path_factory.mktemp("chromium-phone"), phone=True, self_signed=True) as driver:
        yield driver
