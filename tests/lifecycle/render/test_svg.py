"""The drawing: complete, in order, accessible, and legible where a real browser draws it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from selenium import webdriver

from lifecycle.phases import PHASES, TRANSITIONS
from lifecycle.render.svg import life_svg
from lifecycle.render.svg_layout import BOXES, FRAMES, HEIGHT, ROUTES, WIDTH, Box, Point, Route, route
from lifecycle.states import State

SVG = "{http://www.w3.org/2000/svg}"
LIFE = (State.DEVELOPMENT, State.PRODUCTION, State.INTEGRATION, State.PREPERSONALISATION_1_ASSEMBLED)


def drawn(current: State | None = None, visited: tuple[State, ...] = ()) -> ET.Element:
    return ET.fromstring(life_svg(current, visited))  # noqa: S314  our own text


def groups(svg: ET.Element, word: str) -> list[ET.Element]:
    """The groups of which a word is a class."""
    return [group for group in svg.iter(f"{SVG}g") if word in (group.get("class") or "").split()]


def segments(run: Route) -> Iterator[tuple[Point, Point]]:
    return pairwise(run.points)


def inside(box: Box, point: Point, margin: float = 0) -> bool:
    return (
        box.x + margin < point.x < box.x + box.width - margin and box.y + margin < point.y < box.y + box.height - margin
    )


def on_border(box: Box, point: Point) -> bool:
    on_side = point.x in (box.x, box.x + box.width) and box.y <= point.y <= box.y + box.height
    on_edge = point.y in (box.y, box.y + box.height) and box.x <= point.x <= box.x + box.width
    return on_side or on_edge


def meet(one: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    """Whether two level or upright lines have a point in common."""
    (a, b), (c, d) = one, other
    return max(min(a.x, b.x), min(c.x, d.x)) <= min(max(a.x, b.x), max(c.x, d.x)) and max(
        min(a.y, b.y), min(c.y, d.y)
    ) <= min(max(a.y, b.y), max(c.y, d.y))


def test_places_are_total() -> None:
    assert set(BOXES) == set(State)
    assert set(ROUTES) == {(source, way.to) for source, way in TRANSITIONS}


def test_boxes_stand_apart_and_on_the_page() -> None:
    page = Box(0, 0, WIDTH, HEIGHT)
    for box in BOXES.values():
        assert inside(page, box.left(0))
        assert inside(page, box.right(1))
    for one, other in combinations(BOXES.values(), 2):
        apart = one.x + one.width < other.x or other.x + other.width < one.x
        assert apart or one.y + one.height < other.y or other.y + other.height < one.y


def test_frames_hold_their_category_and_nothing_else() -> None:
    held: set[State] = set()
    for category, frame in FRAMES:
        members = {state for state, box in BOXES.items() if inside(frame, box.left(0)) and inside(frame, box.right(1))}
        touched = {
            state
            for state, box in BOXES.items()
            if any(inside(frame, corner) for corner in (box.left(0), box.right(1)))
        }
        assert members == touched
        assert {PHASES[state].category for state in members} == {category}
        held |= members
    assert held == {state for state, phase in PHASES.items() if phase.category is not None}


@pytest.mark.parametrize("pair", ROUTES, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def test_an_arrow_runs_from_box_to_box_and_through_none(pair: tuple[State, State]) -> None:
    run = ROUTES[pair]
    assert on_border(BOXES[pair[0]], run.points[0])
    assert on_border(BOXES[pair[1]], run.points[-1])
    for start, end in segments(run):
        assert (start.x == end.x) is not (start.y == end.y)
        steps = 200
        for step in range(1, steps):
            point = Point(start.x + (end.x - start.x) * step / steps, start.y + (end.y - start.y) * step / steps)
            assert not any(inside(box, point) for box in BOXES.values())
    label = (run.label, run.label)
    assert any(meet(label, segment) for segment in segments(run))


def test_no_arrow_crosses_another() -> None:
    for one, other in combinations(ROUTES.values(), 2):
        assert not any(meet(a, b) for a in segments(one) for b in segments(other))


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (State.DEVELOPMENT, State.OUTAGE),
        (State.OUTAGE, State.DEVELOPMENT),
        (State.DEVELOPMENT, State.PREPERSONALISATION_1_SEPARATE),
        (State.PREPERSONALISATION_1_SEPARATE, State.DEVELOPMENT),
    ],
)
def test_a_way_that_was_not_foreseen_is_drawn_straight(source: State, target: State) -> None:
    start, end = route(source, target).points
    assert on_border(BOXES[source], start)
    assert on_border(BOXES[target], end)


def test_every_state_and_every_way_is_drawn_with_its_words() -> None:
    svg = drawn()
    states = groups(svg, "state")
    assert [group.get("data-state") for group in states] == list(State)
    for group in states:
        phase = PHASES[State(group.get("data-state") or "")]
        texts = [text.text or "" for text in group.iter(f"{SVG}text")]
        assert texts[:2] == [phase.german, phase.state]
        assert f"ch. {phase.chapter}" in texts[2]
        assert group.get("data-category") == (phase.category or "")
        assert phase.functionality in (group.findtext(f"{SVG}title") or "")
    ways = groups(svg, "way")
    assert [int(group.get("data-number") or 0) for group in ways] == [way.number for _, way in TRANSITIONS]
    for group, (_, way) in zip(ways, TRANSITIONS, strict=True):
        told = group.findtext(f"{SVG}title") or ""
        assert all(condition.text in told for condition in way.conditions)


def test_what_is_recommended_and_what_is_not_look_different() -> None:
    svg = drawn()
    assert [group.get("data-number") for group in groups(svg, "not-recommended")] == ["22"]
    assert [group.get("data-number") for group in groups(svg, "recommended")] == ["23"]


def test_it_is_complete_in_itself_and_accessible() -> None:
    text = life_svg()
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|url\(|@import|<script|href", text)
    svg = ET.fromstring(text)  # noqa: S314  our own text
    assert svg.get("role") == "img"
    ids = [element.get("id") for element in svg.iter() if element.get("id")]
    assert len(set(ids)) == len(ids)
    assert (svg.get("aria-labelledby") or "").split() == [svg[0].get("id"), svg[1].get("id")]
    assert (svg[0].tag, svg[1].tag) == (f"{SVG}title", f"{SVG}desc")
    assert svg[0].text
    assert svg[1].text
    assert "prefers-color-scheme: dark" in text


def test_the_life_as_such_marks_nothing() -> None:
    svg = drawn()
    assert not groups(svg, "current")
    assert not groups(svg, "visited")
    assert not groups(svg, "gone")
    assert "placed" not in (svg.get("class") or "")


@pytest.mark.parametrize("visited", [LIFE, LIFE[:-1]], ids=["with the current state", "before it"])
def test_a_gateway_is_shown_where_it_is_and_where_it_was(visited: tuple[State, ...]) -> None:
    svg = drawn(LIFE[-1], visited)
    (current,) = groups(svg, "current")
    assert current.get("data-state") == LIFE[-1]
    assert current.get("aria-current") == "step"
    assert {group.get("data-state") for group in groups(svg, "visited")} == set(LIFE)
    assert [group.get("data-number") for group in groups(svg, "gone")] == ["1", "3", "5"]
    assert len(groups(svg, "here")) == 1
    assert len(groups(svg, "been")) == len(LIFE) - 1
    title, description = svg[0].text or "", svg[1].text or ""
    assert "it is in Vorpersonalisierung I (PREPERSONALISATION_1_ASSEMBLED)" in title
    assert "Been in, in order: Entwicklung, Produktion, Integration" in description
    assert "Ways out of Vorpersonalisierung I: Vorpersonalisierung II by GWH." in description


def test_the_end_has_no_way_out() -> None:
    description = drawn(State.HARDWARE_SCRAPPING)[1].text or ""
    assert "Ways out of Hardware Verschrottung: none, it is final." in description


@pytest.mark.browser
def test_words_fit_where_they_stand(browser: webdriver.Chrome, tmp_path: Path) -> None:
    """In a real browser, with whatever fonts it has: no name leaves its box, no number its circle, nothing the page."""
    page = tmp_path / "life.html"
    page.write_text(f"<meta charset=utf-8><body style='margin:0;width:{WIDTH}px'>{life_svg()}", encoding="utf-8")
    browser.get(page.as_uri())
    leaving = browser.execute_script(
        """
        const out = [];
        const within = (small, large, margin) => small.x >= large.x + margin && small.y >= large.y + margin
            && small.x + small.width <= large.x + large.width - margin
            && small.y + small.height <= large.y + large.height - margin;
        for (const group of document.querySelectorAll('.state, .way, .frame')) {
            const around = (group.querySelector('rect') || group.querySelector('circle')).getBBox();
            for (const text of group.querySelectorAll('text:not(.actors)'))
                if (!within(text.getBBox(), around, 2)) out.push(text.textContent);
        }
        const view = document.querySelector('svg').viewBox.baseVal;
        for (const text of document.querySelectorAll('text'))
            if (!within(text.getBBox(), view, 4)) out.push('page: ' + text.textContent);
        return out;
        """
    )
    assert leaving == []
