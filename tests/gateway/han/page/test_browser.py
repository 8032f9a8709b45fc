"""The page in Chromium, over TLS on loopback, signed in with HTTP Digest."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from lifecycle.evidence import NOTHING, OpenFault
from lifecycle.gate import Gate
from lifecycle.states import State
from tests.gateway.han.page.accessibility import faint_slots, faint_texts, flaws, not_reached_by_keyboard
from tests.support.browser import console_errors, requested_urls
from tests.support.han import PASSWORD, USER, Home
from tests.support.page import EXPORT, MemoryPage

pytestmark = pytest.mark.browser

DAY = "/page/consumption?date=2026-02-20"
MONTH = "/page/consumption?view=month&date=2026-02-01"
PAGES = ("/", DAY, MONTH, "/page/consumption?view=year", "/page/contracts", "/page/log", "/page/export", "/page/no")
BARS = ".chart .overplot > .xy > .barlayer .trace:first-child .point path"


def visit(driver: webdriver.Chrome, home: Home, path: str, *, dark: bool = False, lang: str = "de") -> None:
    """Open a page, signed in, and wait until it is drawn."""
    requested_urls(driver)
    console_errors(driver)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": [scheme]})
    signed_in = f"https://{quote(USER)}:{quote(PASSWORD)}@127.0.0.1:{home.port}"
    driver.get(f"{signed_in}{path}{'&' if '?' in path else '?'}lang={lang}")
    if driver.find_elements(By.ID, "chart"):
        wait(driver, lambda: driver.find_elements(By.CSS_SELECTOR, BARS))


def wait(driver: webdriver.Chrome, until: Callable[[], object]) -> None:
    """Wait for something to come true."""
    WebDriverWait(driver, 20, poll_frequency=0.05).until(lambda _: until())


def script(driver: webdriver.Chrome, source: str) -> Any:
    """What a script in the page returns."""
    return driver.execute_script(source)


def text(driver: webdriver.Chrome, selector: str) -> str:
    """The text of an element."""
    return str(script(driver, f"return document.querySelector({json.dumps(selector)}).textContent.trim()"))


def shown_range(driver: webdriver.Chrome) -> list[float]:
    """What of the drawing is seen."""
    return list(script(driver, "return document.getElementById('chart').layout.xaxis.range"))


def only_ours(driver: webdriver.Chrome, home: Home) -> None:
    """Nothing was asked of anybody else, and nothing went wrong."""
    asked = {urlsplit(url).port for url in requested_urls(driver)}
    assert asked <= {home.port}
    errors = [each for each in console_errors(driver) if "status of 4" not in each]
    assert errors == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("path", PAGES)
def test_everybody_can_use_it(desktop: webdriver.Chrome, portal: Home, path: str, dark: bool) -> None:
    visit(desktop, portal, path, dark=dark, lang="en" if dark else "de")
    assert script(desktop, "return document.documentElement.lang") == ("en" if dark else "de")
    for details in desktop.find_elements(By.TAG_NAME, "details"):
        script(desktop, "document.querySelector('details').open = true")
        assert details.get_attribute("open") is not None
    assert faint_texts(desktop) == []
    assert faint_slots(desktop) == []
    assert flaws(desktop) == []
    only_ours(desktop, portal)


@pytest.mark.parametrize("path", ["/", MONTH, "/page/log", "/page/export"])
def test_the_keyboard_reaches_everything(desktop: webdriver.Chrome, portal: Home, path: str) -> None:
    visit(desktop, portal, path)
    assert not_reached_by_keyboard(desktop) == []


@pytest.mark.parametrize(("path", "lang"), [*((path, "de") for path in PAGES), ("/", "en"), (MONTH, "en")])
def test_it_fits_on_a_phone(phone: webdriver.Chrome, portal: Home, path: str, lang: str) -> None:
    visit(phone, portal, path, lang=lang)
    assert script(phone, "return document.documentElement.scrollWidth") <= 390
    assert flaws(phone) == []
    only_ours(phone, portal)


def test_a_day_is_drawn_quarter_by_quarter_with_its_gap(desktop: webdriver.Chrome, portal: Home) -> None:
    visit(desktop, portal, DAY)
    assert len(desktop.find_elements(By.CSS_SELECTOR, BARS)) == 96
    hatched = script(
        desktop,
        "return [...document.querySelectorAll('.chart .overplot > .xy2 .point path')]"
        ".filter((path) => getComputedStyle(path).fill.startsWith('url')).length",
    )
    assert hatched == 26
    name = desktop.find_element(By.ID, "chart").accessible_name
    assert "Freitag, 20. Februar 2026" in name
    assert "26\N{NO-BREAK SPACE}Viertelstunden" in name
    assert desktop.find_element(By.ID, "chart").aria_role in {"img", "image"}


def test_a_tooltip_tells_time_and_unit(desktop: webdriver.Chrome, portal: Home) -> None:
    visit(desktop, portal, DAY)
    chart = desktop.find_element(By.ID, "chart")
    webdriver.ActionChains(desktop).move_to_element_with_offset(chart, -chart.size["width"] // 4, 20).perform()
    wait(desktop, lambda: desktop.find_elements(By.CSS_SELECTOR, ".chart .hoverlayer .hovertext text"))
    told = script(desktop, "return document.querySelector('.chart .hoverlayer').textContent")
    assert "–" in told
    assert "kWh" in told
    assert "tarif: " in told
    only_ours(desktop, portal)


def test_arrow_keys_tell_each_bar_and_enter_looks_closer(desktop: webdriver.Chrome, portal: Home) -> None:
    visit(desktop, portal, MONTH)
    chart = desktop.find_element(By.ID, "chart")
    script(desktop, "document.getElementById('chart').focus()")
    chart.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    wait(desktop, lambda: "Montag, 2. Februar 2026" in text(desktop, "#announcement"))
    assert "Hochtarif: " in text(desktop, "#announcement")
    assert desktop.find_elements(By.CSS_SELECTOR, ".chart .hoverlayer .hovertext")
    chart.send_keys(Keys.END, Keys.HOME, Keys.ENTER)
    wait(desktop, lambda: "Sonntag, 1. Februar 2026" in text(desktop, "h1"))
    wait(desktop, lambda: len(desktop.find_elements(By.CSS_SELECTOR, BARS)) == 96)
    only_ours(desktop, portal)


def test_zooming_in_and_out(desktop: webdriver.Chrome, portal: Home) -> None:
    visit(desktop, portal, DAY)
    assert shown_range(desktop) == [-0.5, 95.5]
    desktop.find_element(By.CSS_SELECTOR, "[data-zoom=in]").click()
    wait(desktop, lambda: shown_range(desktop) == [23.5, 71.5])
    desktop.find_element(By.CSS_SELECTOR, "[data-zoom=out]").click()
    wait(desktop, lambda: shown_range(desktop) == [-0.5, 95.5])
    desktop.find_element(By.ID, "chart").send_keys("++")
    wait(desktop, lambda: shown_range(desktop) == [35.5, 59.5])
    desktop.find_element(By.CSS_SELECTOR, "[data-zoom=all]").click()
    wait(desktop, lambda: shown_range(desktop) == [-0.5, 95.5])
    chart = desktop.find_element(By.ID, "chart")
    dragged = webdriver.ActionChains(desktop).move_to_element_with_offset(chart, -200, 0).click_and_hold()
    dragged.move_by_offset(200, 0).release().perform()
    wait(desktop, lambda: shown_range(desktop)[1] - shown_range(desktop)[0] < 40)


def test_walking_through_time_without_leaving_the_page(desktop: webdriver.Chrome, portal: Home) -> None:
    visit(desktop, portal, DAY)
    script(desktop, "window.here = true")
    desktop.find_element(By.TAG_NAME, "summary").click()
    desktop.find_element(By.ID, "before").click()
    wait(desktop, lambda: "Donnerstag, 19. Februar 2026" in text(desktop, "h1"))
    assert "date=2026-02-19" in desktop.current_url
    assert text(desktop, "#announcement").startswith("Donnerstag, 19. Februar 2026")
    assert script(desktop, "return document.title").startswith("Donnerstag, 19. Februar 2026, Bezug")
    assert script(desktop, "return document.activeElement.id") == "before"
    assert desktop.find_element(By.TAG_NAME, "details").get_attribute("open") is not None
    desktop.find_element(By.LINK_TEXT, "Einspeisung ins Netz").click()
    wait(desktop, lambda: "Einspeisung" in text(desktop, "h1"))
    assert f"register={EXPORT}" in desktop.current_url
    desktop.back()
    wait(desktop, lambda: "Donnerstag, 19. Februar 2026, Bezug" in text(desktop, "h1"))
    script(desktop, "document.getElementById('date').value = '2026-01-15'")
    desktop.find_element(By.CSS_SELECTOR, ".pick button").click()
    wait(desktop, lambda: "Donnerstag, 15. Januar 2026" in text(desktop, "h1"))
    assert script(desktop, "return window.here") is True
    desktop.find_element(By.CLASS_NAME, "language").click()
    wait(desktop, lambda: "Thursday, 15 January 2026" in text(desktop, "h1"))
    assert desktop.get_cookies() == [
        cookie
        for cookie in desktop.get_cookies()
        if cookie["name"] == "__Host-smgw_language" and cookie["value"] == "en"
    ]
    only_ours(desktop, portal)


def test_a_gate_that_shuts_meanwhile_is_told_where_one_is(desktop: webdriver.Chrome, portal: Home) -> None:
    visit(desktop, portal, DAY)
    fault = OpenFault("wan-han-not-separated")
    portal.gateway.turn(Gate(State.REVERSIBLE_FAULT, NOTHING.with_fault(fault)), tell=False)
    desktop.find_element(By.ID, "before").click()
    wait(desktop, lambda: "Trennung von WAN und HAN" in text(desktop, "#trouble"))
    assert desktop.find_element(By.ID, "trouble").aria_role == "alert"
    portal.gateway.turn(Gate(State.OPERATION, NOTHING), tell=False)
    desktop.find_element(By.ID, "before").click()
    wait(desktop, lambda: "19. Februar" in text(desktop, "h1"))
    assert not desktop.find_element(By.ID, "trouble").is_displayed()


def test_a_gateway_that_is_gone_is_told(desktop: webdriver.Chrome, portal: Home) -> None:
    visit(desktop, portal, DAY)
    portal.gateway.turn(Gate(State.PERSONALISATION, NOTHING))
    desktop.find_element(By.ID, "before").click()
    wait(desktop, lambda: text(desktop, "#trouble") == "Das Gateway ist nicht erreichbar.")


def test_without_a_script_the_same_is_there(desktop: webdriver.Chrome, portal: Home) -> None:
    desktop.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        signed_in = f"https://{quote(USER)}:{quote(PASSWORD)}@127.0.0.1:{portal.port}"
        desktop.get(f"{signed_in}{MONTH}&lang=de")
        assert "Die Tabelle zeigt dieselben Werte" in desktop.find_element(By.TAG_NAME, "main").text
        desktop.find_element(By.ID, "before").click()
        assert "Januar 2026" in desktop.find_element(By.TAG_NAME, "h1").text
        desktop.find_element(By.TAG_NAME, "summary").click()
        assert "Donnerstag, 15. Januar 2026" in desktop.find_element(By.TAG_NAME, "table").text
    finally:
        desktop.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_what_is_printed_is_light_and_without_buttons(desktop: webdriver.Chrome, portal: Home) -> None:
    visit(desktop, portal, DAY, dark=True)
    screen = script(desktop, "return document.getElementById('chart').layout.font.color")
    script(desktop, "window.dispatchEvent(new Event('beforeprint'))")
    desktop.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert script(desktop, "return document.getElementById('chart').layout.font.color") != screen
    for selector in (".pages", ".steer", ".zoom"):
        assert not desktop.find_element(By.CSS_SELECTOR, selector).is_displayed()
    assert faint_texts(desktop) == []
    scheme = {"name": "prefers-color-scheme", "value": "dark"}
    desktop.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": [scheme]})
    script(desktop, "window.dispatchEvent(new Event('afterprint'))")
    assert script(desktop, "return document.getElementById('chart').layout.font.color") == screen


def test_a_name_from_outside_stays_text_in_the_drawing(
    desktop: webdriver.Chrome, portal: Home, shown: MemoryPage
) -> None:
    own = shown.views[0]
    evil = '<a href="https://evil.example">x</a><img src=x onerror=window.evil=1>'
    stages = tuple(type(stage)(stage.register, stage.number, evil, stage.is_error) for stage in own.stages)
    shown.views[0] = type(own)(**{**{name: getattr(own, name) for name in own.__slots__}, "stages": stages})
    visit(desktop, portal, MONTH)
    desktop.find_element(By.ID, "chart").send_keys(Keys.ARROW_RIGHT)
    wait(desktop, lambda: desktop.find_elements(By.CSS_SELECTOR, ".chart .hoverlayer .hovertext"))
    assert desktop.find_elements(By.CSS_SELECTOR, "#shown img, .hoverlayer a") == []
    assert script(desktop, "return window.evil ?? null") is None
    assert evil in text(desktop, ".hoverlayer")
    only_ours(desktop, portal)
