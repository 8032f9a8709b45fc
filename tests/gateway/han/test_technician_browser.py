"""The technician's page in a real Chromium: on a phone, in both languages, without a script and within its policy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.logs.events import EventId
from gateway.logs.store import Note
from lifecycle.evidence import NOTHING, OpenFault
from lifecycle.gate import Gate
from lifecycle.states import State
from tests.support.browser import console_errors, requested_urls
from tests.support.serving import served
from tests.support.technician import OnSite, database, on_site

pytestmark = pytest.mark.browser

FAULTY = Gate(
    State.REVERSIBLE_FAULT,
    NOTHING.with_fault(OpenFault("connection-fault")).with_fault(OpenFault("consumer-log-full", "anna")),
)


class Certified:
    """The application as the interface serves it, the certificate shown already: Chromium has none here."""

    def __init__(self, app: ASGIApp, certificate: bytes) -> None:
        self._app = app
        self._certificate = certificate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        scope.setdefault("state", {})["peer"] = self._certificate
        await self._app(scope, receive, send)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[OnSite]:
    """A gateway with faults, and something in its log."""
    with database(tmp_path) as engine, on_site(tmp_path, engine, gate=FAULTY) as site:
        site.way.works = False
        site.meters.logs.write(
            Note(EventId.STARTED, {"firmware": "0.1.0"}),
            Note(EventId.SELF_TEST_PASSED),
            Note(EventId.CONNECTION_FAILED, {"peer": "gwa.example"}),
            Note(EventId.CONSUMER_LOG_FULL, {"consumer": "anna"}),
        )
        yield site


@pytest.fixture
def url(site: OnSite) -> Iterator[str]:
    """Where its pages are."""
    app = Certified(site.interface._app, site.certificate.public_bytes(serialization.Encoding.DER))
    with served(app) as port:  # type: ignore[arg-type]
        yield f"http://127.0.0.1:{port}"


def says(driver: Chrome) -> str:
    """What the page says now; in one step, for another may come at any time."""
    return str(driver.execute_script("return document.querySelector('main')?.innerText") or "")


def tap(driver: Chrome, text: str, then: str) -> None:
    """Tap the link or button with this text, and wait for a page that says *then*."""
    driver.find_element(By.XPATH, f"//*[self::a or self::button][normalize-space()='{text}']").click()
    WebDriverWait(driver, 20, poll_frequency=0.05).until(lambda page: then in says(page))


def fits(driver: Chrome) -> bool:
    """Whether nothing is wider than the screen."""
    return bool(driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth"))


def test_a_diagnosis_by_thumb(site: OnSite, url: str, phone: Chrome, tmp_path: Path) -> None:
    phone.get(f"{url}/de/")
    assert phone.find_element(By.TAG_NAME, "html").get_attribute("lang") == "de"
    pages = {"status": fits(phone)}
    phone.save_screenshot(str(tmp_path / "status.png"))
    way = (
        ("Diagnose", "Plomben und Siegel heil"),
        ("Ja, alles ist heil", "Was ist vom Sicherheitsmodul zu sehen?"),
        ("Es antwortet und ist das eingebaute, oder das Gerät bleibt zu", "Beanstandet ein Selbsttest"),
        ("Nein", "Arbeitet das SMGW?"),
        ("Ja, wenn auch eingeschränkt", "Noch nicht geprüft"),
        ("Verbindung prüfen", "Connection refused"),
        ("Nein", "Lässt sich die Verbindung hier wiederherstellen?"),
        ("Nein, sie ist nicht behebbar", "--fault connection-beyond-repair --not-connected"),
        ("System-Log", "Selbsttest bestanden"),
        ("EN", "consumer log full: •••"),
    )
    for number, (text, then) in enumerate(way):
        tap(phone, text, then)
        pages[then] = fits(phone)
        phone.save_screenshot(str(tmp_path / f"page-{number}.png"))
    assert phone.current_url == f"{url}/en/log"
    assert all(pages.values()), pages
    assert console_errors(phone) == []
    assert all(asked.startswith(url) for asked in requested_urls(phone))
    assert phone.find_elements(By.TAG_NAME, "script") == []


def test_it_waits_for_a_test_without_a_script(site: OnSite, url: str, browser: Chrome) -> None:
    site.way.waiting = []
    browser.get(f"{url}/en/connection")
    tap(browser, "Test the connection", "The test is running")
    site.way.go_on()
    WebDriverWait(browser, 20).until(lambda page: "not reached" in says(page))
    assert console_errors(browser) == []


def test_what_is_tapped_is_large_enough(site: OnSite, url: str, phone: Chrome) -> None:
    for path in ("/de/", "/de/guide", "/de/connection", "/de/log"):
        phone.get(url + path)
        sizes = phone.execute_script(
            "return [...document.querySelectorAll('a:not(.skip), button')].map(e => e.getBoundingClientRect().height)"
        )
        assert sizes
        assert min(sizes) >= 44, path
