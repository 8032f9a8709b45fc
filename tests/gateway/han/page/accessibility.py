"""What a page owes to people who do not see it, or not well, or use no mouse: checks that run in the browser."""

from __future__ import annotations

from typing import Any

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

NORMAL, LARGE = 4.5, 3.0
"""Least contrast of text (WCAG 2.2, 1.4.3)."""
TARGET = 24
"""Least size of what is pressed, CSS pixels (2.5.8)."""

_COLOURS = """
const parse = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return [n[0], n[1], n[2], n[3] ?? 1]; };
const light = ([r, g, b]) => {
  const [x, y, z] = [r, g, b].map((v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
  return .2126 * x + .7152 * y + .0722 * z;
};
const contrast = (a, b) => {
  const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
  return (x + .05) / (y + .05);
};
const behind = (element) => {
  for (let at = element; at !== null; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour[3] === 1) return colour;
  }
  return [255, 255, 255, 1];
};
"""

_FAINT = (
    _COLOURS
    + """
const [normal, large] = arguments;
const found = [];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const text = walk.currentNode.textContent.trim();
  const element = walk.currentNode.parentElement;
  if (!text || !element.checkVisibility() || ["SCRIPT", "NOSCRIPT", "TEMPLATE"].includes(element.tagName)) continue;
  const style = getComputedStyle(element);
  const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
  const least = size >= 24 || (bold && size >= 18.66) ? large : normal;
  const drawn = element.closest("svg") !== null;
  const colour = parse(drawn ? style.fill : style.color);
  const value = contrast(colour, behind(element));
  if (value < least) found.push([text.slice(0, 40), Math.round(value * 100) / 100, style.color]);
}
return found;
"""
)

_STRUCTURE = """
const found = [];
const say = (what) => found.push(what);
if (!document.documentElement.lang) say("no lang");
if (!document.title.trim()) say("no title");
for (const [name, count] of [["h1", 1], ["main", 1], ["body > header", 1], ["body > footer", 1]]) {
  if (document.querySelectorAll(name).length !== count) say(`not ${count} ${name}`);
}
let level = 0;
for (const heading of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
  const next = Number(heading.tagName[1]);
  if (next > level + 1) say(`${heading.tagName} after H${level}: ${heading.textContent.trim()}`);
  level = next;
}
const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
for (const id of ids) if (ids.filter((each) => each === id).length > 1) say(`id ${id} twice`);
for (const name of ["aria-labelledby", "aria-describedby"]) {
  for (const each of document.querySelectorAll(`[${name}]`)) {
    for (const id of each.getAttribute(name).split(" ")) if (!document.getElementById(id)) say(`${name} to no ${id}`);
  }
}
for (const table of document.querySelectorAll("table")) {
  if (!table.caption || !table.caption.textContent.trim()) say("a table without a caption");
  for (const th of table.querySelectorAll("th")) if (!th.scope) say(`a heading without scope: ${th.textContent}`);
}
for (const each of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
  if (!each.labels.length) say(`no label: ${each.name}`);
}
for (const each of document.querySelectorAll("nav")) {
  if (!each.getAttribute("aria-label")) say("a nav without a name");
}
for (const each of document.querySelectorAll("img:not([alt])")) say("an image without alt");
for (const each of document.querySelectorAll("[tabindex]")) if (each.tabIndex > 0) say("a tabindex above 0");
return found;
"""

_SMALL = """
const inText = (each) => getComputedStyle(each).display === "inline";
return [...document.querySelectorAll("a, button, input:not([type=hidden]), summary")]
  .filter((each) => each.checkVisibility() && !inText(each) && !each.classList.contains("skip"))
  .map((each) => [each.textContent.trim() || each.name, each.getBoundingClientRect()])
  .filter(([, box]) => box.width < arguments[0] || box.height < arguments[0])
  .map(([name, box]) => `${name}: ${box.width} x ${box.height}`);
"""

_REACHABLE = """
return [...document.querySelectorAll("a[href], button, input:not([type=hidden]), summary, [tabindex='0']")]
  .filter((each) => each.checkVisibility()).length;
"""

_FOCUSED = """
const at = document.activeElement;
if (at === null || at === document.body) return null;
at.dataset.seen = at.dataset.seen ?? String(document.querySelectorAll("[data-seen]").length);
const style = getComputedStyle(at);
const box = at.getBoundingClientRect();
return {
  number: at.dataset.seen, name: at.outerHTML.slice(0, 80),
  outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
  visible: box.width > 0 && box.bottom > 0 && box.top < innerHeight,
};
"""


def faint_texts(driver: webdriver.Chrome) -> list[Any]:
    """Texts with too little contrast."""
    return list(driver.execute_script(_FAINT, NORMAL, LARGE))


def faint_slots(driver: webdriver.Chrome) -> list[Any]:
    """Colours of the drawing with too little contrast to the card (1.4.11)."""
    script = (
        _COLOURS
        + """
    const probe = document.body.appendChild(document.createElement("i"));
    const of = (name) => { probe.style.color = `var(--${name})`; return parse(getComputedStyle(probe).color); };
    const names = [0, 1, 2, 3, 4, 5, 6, 7, "error"].map((each) => `slot-${each}`).concat("missing");
    const found = names.map((name) => [name, contrast(of(name), of("card"))]).filter(([, value]) => value < 3);
    probe.remove();
    return found;
    """
    )
    return list(driver.execute_script(script))


def flaws(driver: webdriver.Chrome) -> list[str]:
    """What is wrong with the structure, names and sizes of what is on the page."""
    found = list(driver.execute_script(_STRUCTURE))
    found += driver.execute_script(_SMALL, TARGET)
    for each in driver.find_elements(By.CSS_SELECTOR, "a, button, input:not([type=hidden]), [role=img], [role=group]"):
        if each.is_displayed() and not each.accessible_name.strip():
            found.append(f"no accessible name: {each.get_attribute('outerHTML')}")
    return found


def not_reached_by_keyboard(driver: webdriver.Chrome) -> list[str]:
    """What the tabulator does not reach, or what does not show that it is reached."""
    driver.execute_script("document.activeElement.blur(); window.scrollTo(0, 0);")
    wanted = int(driver.execute_script(_REACHABLE))
    body = driver.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    found: list[str] = []
    seen: set[str] = set()
    radios = len(driver.find_elements(By.CSS_SELECTOR, "input[type=radio]"))
    for _ in range(3 * wanted + 10):
        at = driver.execute_script(_FOCUSED)
        if at is not None:
            if not (at["outlined"] and at["visible"]):
                found.append(f"focus not seen: {at['name']}")
            seen.add(at["number"])
        webdriver.ActionChains(driver).send_keys(Keys.TAB).perform()
    # A group of radio buttons is one stop.
    if len(seen) < wanted - max(0, radios - 1):
        found.append(f"{len(seen)} of {wanted} reached")
    return found
