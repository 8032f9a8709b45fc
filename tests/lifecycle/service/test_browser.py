"""The cockpit in a real Chromium: seen, told of changes, used by keyboard and on a phone, asking nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from lifecycle.evidence import OpenFault
from lifecycle.law import Move, Report
from lifecycle.roles import Actor, Role
from lifecycle.states import Event, State
from tests.support.browser import console_errors, requested_urls
from tests.support.service_client import House

pytestmark = pytest.mark.browser

GWA = Actor(Role.GWA)
PAGES = ["/", "/gateways/{gateway}", "/gateways/{gateway}?until=3", "/login", "/problems", "/nothing"]


def until(driver: Chrome, holds: Callable[[Chrome], Any]) -> Any:
    """Wait until something holds in the page; what it gave."""
    return WebDriverWait(driver, 20, poll_frequency=0.05).until(holds)


def shows(driver: Chrome, selector: str) -> WebElement:
    """Wait for an element."""
    found: WebElement = until(driver, lambda page: page.find_elements(By.CSS_SELECTOR, selector))[0]
    return found


def text(driver: Chrome, selector: str) -> str:
    """What an element says now; in one step, for it may be replaced at any time."""
    return str(driver.execute_script("return document.querySelector(arguments[0]).textContent", selector))


def sign_in(driver: Chrome, house: House, path: str = "/") -> None:
    """Sign in by keyboard, and arrive where one wanted to go."""
    driver.get(house.address + path)
    field = shows(driver, "#token")
    assert driver.switch_to.active_element == field
    field.send_keys(house.token, Keys.ENTER)
    until(driver, lambda page: page.current_url == house.address + path)


@pytest.fixture
def gateway(house: House) -> str:
    """A gateway in operation."""
    return house.gateway(State.OPERATION)


@pytest.fixture
def unsuspicious(house: House, browser: Chrome) -> Iterator[Chrome]:
    """A browser of which, at the end, no request has left the service and no error was shown."""
    yield browser
    asked = requested_urls(browser)
    assert asked
    assert [url for url in asked if not url.startswith(house.address + "/")] == []
    assert console_errors(browser) == []


def test_a_reader_signs_in_and_finds_a_gateway_in_its_place(house: House, unsuspicious: Chrome, gateway: str) -> None:
    page = unsuspicious
    sign_in(page, house)
    assert page.find_element(By.CSS_SELECTOR, "h1").text.startswith("Fleet")
    search = page.find_element(By.ID, "q")
    search.send_keys(gateway[-6:], Keys.ENTER)
    until(page, lambda _: f"q={gateway[-6:]}" in page.current_url)
    (link,) = page.find_elements(By.CSS_SELECTOR, "#gateways a.gateway")
    link.send_keys(Keys.ENTER)
    until(page, lambda _: page.current_url.endswith(gateway))
    assert page.find_element(By.CSS_SELECTOR, "#drawing .state.current").get_attribute("data-state") == "OPERATION"
    # The drawing's own style is let in by the page's policy.
    fill = "return getComputedStyle(document.querySelector('#drawing .current rect')).strokeWidth"
    assert page.execute_script(fill) == "4px"
    assert page.execute_script("return performance.getEntriesByType('resource').length") > 0
    shows(page, "#connection.live")


def test_a_change_shows_by_itself_and_disturbs_nobody(house: House, unsuspicious: Chrome, gateway: str) -> None:
    page = unsuspicious
    sign_in(page, house, f"/gateways/{gateway}")
    shows(page, "#connection.live")
    entry = f"bytes-{house.end(gateway).sequence}"
    page.execute_script("window.sameDocument = true")
    summary = page.find_element(By.CSS_SELECTOR, f"#{entry} summary")
    summary.send_keys(Keys.ENTER)
    assert page.find_element(By.ID, entry).get_attribute("open")
    place = f"return document.querySelector('#{entry} summary').getBoundingClientRect().top"
    before = page.execute_script(place)
    assert house.send(gateway, Report(OpenFault("disk-full"), GWA)).status_code == 201
    assert house.send(gateway, Move(Event.ENTER_REVERSIBLE_FAULT, GWA)).status_code == 201
    shows(page, "#drawing[data-state='REVERSIBLE_FAULT'] .state.current[data-state='REVERSIBLE_FAULT']")
    shows(page, f"#entry-{house.end(gateway).sequence}.transition.good")
    assert page.execute_script("return window.sameDocument")
    assert "REVERSIBLE_FAULT" in text(page, "#announcement")
    # What was open is open, the focus is where it was, and what one looks at has not moved.
    assert page.execute_script("return document.getElementById(arguments[0]).open", entry)
    assert page.execute_script("return document.activeElement.closest('details').id") == entry
    assert page.execute_script(place) == pytest.approx(before, abs=2)
    assert "disk-full" in text(page, "#on-record")
    assert "gesperrt" in text(page, "#grants")


def test_the_fleet_changes_by_itself(house: House, unsuspicious: Chrome) -> None:
    page = unsuspicious
    sign_in(page, house)
    shows(page, "#connection.live")
    page.execute_script("window.sameDocument = true")
    before = text(page, "#totals")
    assert house.post("/gateways", house.registration(house.new_id())).status_code == 201
    until(page, lambda _: text(page, "#totals") != before)
    assert page.execute_script("return window.sameDocument")


def test_the_slider_shows_the_gateway_as_it_was_and_back_leads_back(
    house: House, unsuspicious: Chrome, gateway: str
) -> None:
    page = unsuspicious
    sign_in(page, house, f"/gateways/{gateway}")
    slider = page.find_element(By.ID, "until")
    slider.send_keys(Keys.HOME)
    until(page, lambda _: page.current_url.endswith("until=0"))
    shows(page, "#drawing[data-state='DEVELOPMENT']")
    assert page.find_elements(By.CSS_SELECTOR, "#verdict .past")
    # What happens now does not tear the past away.
    house.send(gateway, Report(OpenFault("disk-full"), GWA))
    end = str(house.end(gateway).sequence)
    until(page, lambda _: page.execute_script("return document.getElementById('until').max") == end)
    assert page.find_elements(By.CSS_SELECTOR, "#drawing[data-state='DEVELOPMENT']")
    page.back()
    shows(page, "#drawing[data-state='OPERATION']")
    assert not page.find_elements(By.CSS_SELECTOR, "#verdict .past")


_FOCUSABLE = """
return [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, summary, [tabindex="0"]')]
  .filter(e => e.checkVisibility({checkVisibilityCSS: true})).map((e, i) => { e.dataset.stop = i; return e; }).length
"""
_FOCUSED = """
const e = document.activeElement, s = getComputedStyle(e), box = e.getBoundingClientRect();
return {stop: e.dataset.stop, seen: s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2,
        onScreen: box.bottom > 0 && box.top < innerHeight}
"""


def test_everything_is_reached_by_keyboard_and_seen_when_it_is(house: House, browser: Chrome, gateway: str) -> None:
    page = browser
    sign_in(page, house, "/?q=none")
    for path in (f"/gateways/{gateway}?until=3", "/?q=none"):
        page.get(house.address + path)
        count = page.execute_script(_FOCUSABLE)
        reached = set()
        for _ in range(count):
            ActionChains(page).send_keys(Keys.TAB).perform()
            focused = page.execute_script(_FOCUSED)
            assert focused["seen"], focused
            assert focused["onScreen"], focused
            reached.add(focused["stop"])
        assert reached == {str(number) for number in range(count)}
    # The first stop leads past the bar to the content.
    page.get(f"{house.address}/gateways/{gateway}")
    ActionChains(page).send_keys(Keys.TAB, Keys.ENTER).perform()
    assert page.execute_script("return document.activeElement.id") == "content"
    sign_out = page.find_element(By.CSS_SELECTOR, ".who button")
    sign_out.send_keys(Keys.ENTER)
    until(page, lambda _: page.current_url == f"{house.address}/login")


_WIDTH = "return [document.documentElement.scrollWidth, innerWidth]"


def test_a_phone_shows_everything_without_scrolling_sideways(house: House, phone: Chrome, gateway: str) -> None:
    house.act(gateway, Report(OpenFault("consumer-log-full", "a-consumer-with-a-very-long-name-indeed"), GWA))
    sign_in(phone, house)
    for path in PAGES:
        phone.get(house.address + path.format(gateway=gateway))
        width, screen = phone.execute_script(_WIDTH)
        assert (width, screen) == (390, 390), path
    phone.get(f"{house.address}/gateways/{gateway}")
    for details in phone.find_elements(By.CSS_SELECTOR, "details"):
        phone.execute_script("arguments[0].open = true", details)
    assert phone.execute_script(_WIDTH) == [390, 390]
    # The drawing is wider than the phone, and begins where the gateway is.
    inside = """
    const here = document.querySelector('#drawing .current').getBoundingClientRect();
    return here.left < innerWidth && here.right > 0
    """
    assert phone.execute_script(inside)
    assert [url for url in requested_urls(phone) if not url.startswith(house.address + "/")] == []


_FAINT = """
const linear = x => x / 255 <= .03928 ? x / 255 / 12.92 : ((x / 255 + .055) / 1.055) ** 2.4;
const luminance = c => .2126 * linear(c[0]) + .7152 * linear(c[1]) + .0722 * linear(c[2]);
const parse = text => text.match(/[0-9.]+/g).map(Number);
const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
                      if (c.length < 4 || c[3] > 0) return c } return [255, 255, 255] };
return [...document.querySelectorAll('body *')].filter(e => !e.closest('svg') && e.checkVisibility() &&
    [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())).map(e => {
  const [a, b] = [luminance(parse(getComputedStyle(e).color)), luminance(ground(e))].sort((x, y) => y - x);
  return {text: e.textContent.trim().slice(0, 40), ratio: (a + .05) / (b + .05)} }).filter(e => e.ratio < 4.5)
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_on_light_and_on_dark_ground(house: House, browser: Chrome, scheme: str) -> None:
    disturbed = house.gateway(State.REVERSIBLE_FAULT)
    preference = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", preference)
    sign_in(browser, house)
    grounds = set()
    for path in (*PAGES, "/gateways/{gateway}?until=3"):
        browser.get(house.address + path.format(gateway=disturbed))
        assert browser.execute_script(_FAINT) == [], path
        grounds.add(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
    (ground,) = grounds
    assert (ground == "rgb(12, 15, 20)") is (scheme == "dark")


def test_without_scripts_the_cockpit_works_all_the_same(house: House, browser: Chrome, gateway: str) -> None:
    page = browser
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    sign_in(page, house, f"/gateways/{gateway}")
    assert not page.find_element(By.ID, "connection").is_displayed()
    refresh = page.find_element(By.CSS_SELECTOR, "noscript meta")
    assert refresh.get_attribute("content") == "30"
    page.find_element(By.ID, "until").send_keys(Keys.HOME)
    page.find_element(By.CSS_SELECTOR, ".until button").click()
    until(page, lambda _: page.current_url.endswith("until=0"))
    assert "DEVELOPMENT" in page.find_element(By.CSS_SELECTOR, "#place .state").text
