"""The page on a phone, in a real Chromium: by thumb, by keyboard, in the dark, and when the connection is lost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from lifecycle.facts import Fact
from lifecycle.states import State
from smgw.logs import configure_logging
from tests.stations.installer.pages import Cellar, cellar
from tests.support.browser import console_errors, requested_urls
from tests.support.lives import GATEWAY

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> None:
    """Log what goes wrong, not every request."""
    configure_logging("warning", "console")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Cellar]:
    """A gateway that the MSB has handed over."""
    with cellar(tmp_path) as running:
        yield running


def until(driver: Chrome, holds: Callable[[Chrome], Any]) -> Any:
    """Wait until something holds in the page; what it gave."""
    return WebDriverWait(driver, 20, poll_frequency=0.05).until(holds)


def tap(driver: Chrome, selector: str) -> None:
    """Tap what is there."""
    until(driver, lambda page: page.find_elements(By.CSS_SELECTOR, selector))[0].click()


def says(driver: Chrome, selector: str) -> str:
    """What an element says now; nothing where there is none. In one step, for it may be replaced at any time."""
    told = driver.execute_script("const e = document.querySelector(arguments[0]); return e && e.textContent", selector)
    return str(told or "")


def do(driver: Chrome, place: Cellar, work: str) -> None:
    """Both taps of a step, from the gateway's page."""
    tap(driver, f".bar a[href$='/works/{work}']")
    until(driver, lambda page: page.current_url.endswith(f"/works/{work}"))
    tap(driver, ".bar button.main")
    until(driver, lambda page: f"did={work}" in page.current_url and says(page, "[data-focus]"))


def narrow(driver: Chrome, width: int) -> None:
    """Make the window a phone of that width, in pixels."""
    metrics = {"width": width, "height": 640, "deviceScaleFactor": 2, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def test_the_whole_installation_by_thumb(place: Cellar, phone: Chrome) -> None:
    phone.get(place.link)
    until(phone, lambda page: page.current_url == place.page)
    assert place.pairing.code not in phone.page_source
    assert says(phone, "#taken-over.next h3")
    for work in ("take-over", "arrive", "mount"):
        do(phone, place, work)
    tap(phone, ".bar a[href$='/works/configure']")
    until(phone, lambda page: page.current_url.endswith("/works/configure"))
    phone.find_element(By.ID, "apn").send_keys("iot.example")
    tap(phone, ".bar button.main")
    until(phone, lambda page: "did=configure" in page.current_url)
    tap(phone, ".bar form[action$='/test'] button")
    until(phone, lambda page: "tested=1" in page.current_url)
    assert "183 ms" in says(phone, "#tested .report")
    do(phone, place, "hand-over")
    assert Fact.LOCAL_INTERFACE_OFF in place.repository.kept(GATEWAY).standing.evidence
    assert phone.execute_script("return document.querySelectorAll('.steps > .done').length") == 6
    assert place.entries == 26
    # What was done has the focus, so that it is read out.
    assert phone.execute_script("return document.activeElement.getAttribute('role')") == "status"
    asked = requested_urls(phone)
    assert [url for url in asked if not url.startswith(place.address + "/")] == []
    assert console_errors(phone) == []


def test_two_quick_taps_sign_once(place: Cellar, phone: Chrome) -> None:
    phone.get(place.link)
    phone.get(f"{place.page}/works/take-over")
    button = phone.find_element(By.CSS_SELECTOR, ".bar button.main")
    phone.execute_script("arguments[0].click(); arguments[0].click(); arguments[0].form.requestSubmit()", button)
    until(phone, lambda page: "did=take-over" in page.current_url)
    assert place.entries == 21
    assert [url for url in requested_urls(phone) if "/works/" in url].count(f"{place.page}/works/take-over") == 2


def test_without_scripts_everything_works(place: Cellar, browser: Chrome) -> None:
    narrow(browser, 390)
    browser.get(place.link)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(f"{place.page}/works/take-over")
    browser.find_element(By.CSS_SELECTOR, ".bar button.main").send_keys(Keys.ENTER)
    until(browser, lambda page: page.current_url.endswith("did=take-over"))
    assert place.entries == 21
    browser.get(place.page)
    browser.find_element(By.CSS_SELECTOR, ".languages button[value=de]").send_keys(Keys.ENTER)
    until(browser, lambda page: "Vom MSB übernommen" in page.page_source)
    browser.find_element(By.CSS_SELECTOR, "#handed-over summary").send_keys(Keys.ENTER)
    assert "state FIRST_DELIVERY" in browser.find_element(By.ID, "handed-over").text


def test_a_lost_connection_loses_nothing_and_doubles_nothing(place: Cellar, phone: Chrome) -> None:
    phone.get(place.link)
    phone.get(f"{place.page}/works/take-over")
    offline = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    phone.execute_cdp_cmd("Network.enable", {})
    phone.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    tap(phone, ".bar button.main")
    until(phone, lambda page: re.search("Nichts geschieht doppelt|Nothing happens twice", says(page, "#sending")))
    assert place.entries == 20
    assert phone.find_element(By.ID, "sending").get_attribute("aria-live") == "polite"
    # The answer is lost this time, the request was not: the same form, sent again, has acted already.
    phone.execute_cdp_cmd("Network.emulateNetworkConditions", {**offline, "offline": False})
    phone.execute_script(
        "const form = document.querySelector('form[data-once]');"
        "return fetch(form.action, {method: 'POST', body: new URLSearchParams(new FormData(form))}).then(() => 1)"
    )
    assert place.entries == 21
    tap(phone, ".bar button.main")
    until(phone, lambda page: "again=1" in page.current_url)
    assert place.entries == 21


def test_a_wrong_code_lets_nobody_in(place: Cellar, phone: Chrome) -> None:
    phone.get(f"{place.address}/?code=AAAA-AAAA-AA")
    assert says(phone, "[role=alert]")
    field = phone.find_element(By.ID, "code")
    assert field.get_attribute("aria-invalid") == "true"
    assert "wrong" in str(field.get_attribute("aria-describedby"))
    field.send_keys(place.pairing.code.lower(), Keys.ENTER)
    until(phone, lambda page: page.current_url == place.page)


def test_a_refusal_is_opened_by_a_tap(place: Cellar, phone: Chrome) -> None:
    phone.get(place.link)
    why = phone.find_element(By.CSS_SELECTOR, "#mounted details")
    assert "state FIRST_DELIVERY" not in why.text
    why.find_element(By.TAG_NAME, "summary").click()
    assert "state FIRST_DELIVERY" in why.text
    phone.get(f"{place.page}/works/mount")
    assert not phone.find_elements(By.CSS_SELECTOR, "form[data-once]")
    assert "state FIRST_DELIVERY" in says(phone, "main")


_SMALL = """
return [...document.querySelectorAll('a[href], button, input:not([type=hidden]), summary')]
  .filter(e => e.checkVisibility() && !e.classList.contains('skip')).map(e => {
    const box = e.getBoundingClientRect(); return {text: e.textContent.trim(), width: box.width, height: box.height}})
  .filter(e => e.width < 44 || e.height < 44)
"""
_WIDTH = "return [document.documentElement.scrollWidth, innerWidth]"


def pages(place: Cellar, first: str = "take-over") -> list[str]:
    """Every kind of page."""
    return [place.page, *(f"{place.page}/works/{work}" for work in (first, "mount", "configure")), f"{place.address}/x"]


@pytest.mark.parametrize("state", [State.FIRST_DELIVERY, State.FIRST_INSTALLATION, State.OUTAGE])
def test_everything_fits_a_narrow_phone_and_a_thumb(tmp_path: Path, browser: Chrome, state: State) -> None:
    narrow(browser, 360)
    with cellar(tmp_path, state) as place:
        browser.get(place.address)
        assert browser.execute_script(_SMALL) == []
        browser.get(place.link)
        for address in pages(place):
            browser.get(address)
            for details in browser.find_elements(By.CSS_SELECTOR, "details"):
                browser.execute_script("arguments[0].open = true", details)
            assert browser.execute_script(_WIDTH) == [360, 360], address
            assert browser.execute_script(_SMALL) == [], address


_FAINT = """
const linear = x => x / 255 <= .03928 ? x / 255 / 12.92 : ((x / 255 + .055) / 1.055) ** 2.4;
const luminance = c => .2126 * linear(c[0]) + .7152 * linear(c[1]) + .0722 * linear(c[2]);
const parse = text => text.match(/[0-9.]+/g).map(Number);
const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
                      if (c.length < 4 || c[3] > 0) return c } return [255, 255, 255] };
return [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() &&
    [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())).map(e => {
  const [a, b] = [luminance(parse(getComputedStyle(e).color)), luminance(ground(e))].sort((x, y) => y - x);
  return {text: e.textContent.trim().slice(0, 40), ratio: (a + .05) / (b + .05)} }).filter(e => e.ratio < 4.5)
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_on_light_and_on_dark_ground(place: Cellar, browser: Chrome, scheme: str) -> None:
    preference = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", preference)
    browser.get(f"{place.address}/?code=wrong")
    assert browser.execute_script(_FAINT) == []
    browser.get(place.link)
    for address in (*pages(place), f"{place.page}?did=take-over", f"{place.page}?did=take-over&again=1"):
        browser.get(address)
        for details in browser.find_elements(By.CSS_SELECTOR, "details"):
            browser.execute_script("arguments[0].open = true", details)
        assert browser.execute_script(_FAINT) == [], address
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(12, 15, 20)") is (scheme == "dark")


_FOCUSABLE = """
return [...document.querySelectorAll('a[href], button, input:not([type=hidden]), summary')]
  .filter(e => e.checkVisibility({checkVisibilityCSS: true})).map((e, i) => { e.dataset.stop = i; return e; }).length
"""
_FOCUSED = """
const e = document.activeElement, s = getComputedStyle(e), box = e.getBoundingClientRect();
return {stop: e.dataset.stop, seen: s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2,
        onScreen: box.bottom > 0 && box.top < innerHeight}
"""
_UNNAMED = """
return [...document.querySelectorAll('input:not([type=hidden])')].filter(e => !e.labels.length).map(e => e.id)
  .concat([...document.querySelectorAll('button, a[href]')].filter(e => !(e.textContent.trim() || e.ariaLabel)))
"""


def test_everything_is_reached_by_keyboard_named_and_seen_when_it_is(place: Cellar, phone: Chrome) -> None:
    phone.get(place.link)
    for work in ("take-over", "arrive"):
        do(phone, place, work)
    for address in (place.page, f"{place.page}/works/configure", f"{place.page}/works/hand-over"):
        phone.get(address)
        assert phone.execute_script(_UNNAMED) == []
        count = phone.execute_script(_FOCUSABLE)
        reached = set()
        for _ in range(count):
            ActionChains(phone).send_keys(Keys.TAB).perform()
            focused = phone.execute_script(_FOCUSED)
            assert focused["seen"], focused
            assert focused["onScreen"], focused
            reached.add(focused["stop"])
        assert reached == {str(number) for number in range(count)}
        assert phone.execute_script("return document.documentElement.lang") in {"de", "en"}
        levels = phone.execute_script("return [...document.querySelectorAll('h1,h2,h3')].map(e => e.tagName)")
        assert levels[0] == "H1"
