"""A real Chromium for the tests, headless, with Debian's driver; it downloads nothing and calls nobody."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

INSTRUCTION = (
    "no {program} on PATH. `make debian` installs it; by hand on Debian: apt-get install chromium chromium-driver"
)
DESKTOP = (1280, 900)
PHONE = (390, 844)

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # the tests may run as root, where Chromium has none
    "--disable-gpu",
    "--disable-dev-shm-usage",  # a small machine's /dev/shm is smaller than a page
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def _program(name: str) -> str:
    """The path of a program of Debian's, or the end of the test with what to install."""
    path = shutil.which(name)
    if path is None:
        pytest.fail(INSTRUCTION.format(program=name), pytrace=False)
    return path


@contextmanager
def chromium(profile: Path, *, phone: bool = False, self_signed: bool = False) -> Iterator[webdriver.Chrome]:
    """A browser with nothing remembered in ``profile``, closed whatever happens meanwhile.

    :param self_signed: whether it takes certificates that nobody has issued.
    """
    # Both paths are given below; should Selenium look all the same, then on this machine only.
    os.environ["SE_OFFLINE"] = "true"
    os.environ["SE_AVOID_STATS"] = "true"
    options = Options()
    options.binary_location = _program("chromium")
    options.accept_insecure_certs = self_signed
    for flag in FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={profile}")
    width, height = PHONE if phone else DESKTOP
    options.add_argument(f"--window-size={width},{height}")
    if phone:
        emulation = {"deviceMetrics": {"width": width, "height": height, "pixelRatio": 3.0, "touch": True}}
        options.add_experimental_option("mobileEmulation", emulation)
    # What the page wrote to its console, and what it asked of the network: both are for tests to look at.
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(_program("chromedriver")))
    try:
        driver.set_page_load_timeout(60)
        driver.set_script_timeout(60)
        yield driver
    finally:
        driver.quit()


def _log(driver: webdriver.Chrome, kind: str) -> list[dict[str, str]]:
    """What Chromium has logged of this kind since the last call."""
    entries: list[dict[str, str]] = driver.get_log(kind)  # type: ignore[no-untyped-call]  # Selenium has no type for it
    return entries


def requested_urls(driver: webdriver.Chrome) -> list[str]:
    """Every http(s) address that pages have asked for since the last call, in order."""
    messages = (json.loads(entry["message"])["message"] for entry in _log(driver, "performance"))
    urls = [
        str(message["params"]["request"]["url"])
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    return [url for url in urls if urlsplit(url).scheme in {"http", "https", "ws", "wss"}]


def console_errors(driver: webdriver.Chrome) -> list[str]:
    """What the browser's console has shown as an error since the last call."""
    return [entry["message"] for entry in _log(driver, "browser") if entry["level"] == "SEVERE"]


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """Chromium as on a desktop."""
    with chromium(tmp_path / "chromium-desktop") as driver:
        yield driver


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """Chromium as on a phone: 390 by 844, touch, mobile viewport."""
    with chromium(tmp_path / "chromium-phone", phone=True) as driver:
        yield driver
