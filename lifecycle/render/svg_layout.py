"""Where everything stands in the drawing of the life: chosen by hand, after figure 1.1 of the Anlage.

Nothing of the law is here, only places: a box a state, a frame around neighbours of one category, a route a pair of
states. The life runs from the top to the bottom, in three columns, so that a page shows it at its own size. No route
crosses another or a box (tested).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from lifecycle.states import Category, State


class Point(NamedTuple):
    """A point, in pixels from the upper left."""

    x: float
    y: float


class Box(NamedTuple):
    """A rectangle, in pixels."""

    x: float
    y: float
    width: float
    height: float

    def left(self, share: float = 0.5) -> Point:
        """A point on the left side, *share* of the way down."""
        return Point(self.x, self.y + share * self.height)

    def right(self, share: float = 0.5) -> Point:
        """A point on the right side, *share* of the way down."""
        return Point(self.x + self.width, self.y + share * self.height)

    def top(self, share: float = 0.5) -> Point:
        """A point on the upper side, *share* of the way to the right."""
        return Point(self.x + share * self.width, self.y)

    def bottom(self, share: float = 0.5) -> Point:
        """A point on the lower side, *share* of the way to the right."""
        return Point(self.x + share * self.width, self.y + self.height)


WIDTH = 1116
HEIGHT = 1222

_WIDE, _HIGH = 240, 62
_A, _B, _C = 40, 396, 776
_ROW_1, _ROW_2, _ROW_3, _ROW_4, _ROW_5, _ROW_6, _ROW_7, _ROW_8, _ROW_9 = 60, 170, 312, 424, 616, 724, 832, 988, 1128
_OPERATION_TOP = 530


def _box(x: float, y: float) -> Box:
    return Box(x, y, _WIDE, _HIGH)


BOXES: Mapping[State, Box] = {
    State.DEVELOPMENT: _box(_A, _ROW_1),
    State.PRODUCTION: _box(_A, _ROW_2),
    State.PREPERSONALISATION_1_SEPARATE: _box(_B, _ROW_1),
    State.INTEGRATION: _box(_B, _ROW_2),
    State.PREPERSONALISATION_1_ASSEMBLED: _box(_C, _ROW_1),
    State.PREPERSONALISATION_2: _box(_C, _ROW_2),
    State.DELIVERY_TO_MSB: _box(_C, _ROW_3),
    State.FIRST_DELIVERY: _box(_B, _ROW_3),
    State.FIRST_INSTALLATION: _box(_A, _ROW_3),
    State.PERSONALISATION: _box(_A, _ROW_4),
    State.OPERATION: Box(_A, _OPERATION_TOP, _WIDE, _ROW_7 + _HIGH - _OPERATION_TOP),
    State.IRREVERSIBLE_FAULT: _box(_B, _ROW_5),
    State.REVERSIBLE_FAULT: _box(_B, _ROW_6),
    State.OUTAGE: _box(_B, _ROW_7),
    State.REMOVAL_FOR_SCRAPPING: _box(_C, _ROW_5),
    State.REMOVAL_FOR_SM_DESTRUCTION: _box(_C, _ROW_7),
    State.DELIVERY_FOR_SCRAPPING: _box(_C, _ROW_8),
    State.DELIVERY_FOR_SM_DESTRUCTION: _box(_B, _ROW_8),
    State.HARDWARE_SCRAPPING: _box(_C, _ROW_9),
    State.SM_DESTRUCTION: _box(_B, _ROW_9),
}
"""The box of every state; total over the states (tested)."""


LEGEND = Point(_A, _ROW_8 + 8)
"""Where the legend begins: in the corner that the life leaves free."""


def _frame(first: State, last: State) -> Box:
    """A frame around the boxes from one at the upper left to one at the lower right, with room for its name."""
    upper, lower = BOXES[first], BOXES[last]
    end = lower.bottom(1)
    return Box(upper.x - 16, upper.y - 32, end.x - upper.x + 32, end.y - upper.y + 48)


FRAMES: tuple[tuple[Category, Box], ...] = (
    (
        Category.PREPERSONALISATION_AND_INTEGRATION,
        _frame(State.PREPERSONALISATION_1_SEPARATE, State.PREPERSONALISATION_2),
    ),
    (Category.DELIVERY, _frame(State.FIRST_DELIVERY, State.DELIVERY_TO_MSB)),
    (Category.FAULT, _frame(State.IRREVERSIBLE_FAULT, State.OUTAGE)),
    (Category.REMOVAL, _frame(State.REMOVAL_FOR_SCRAPPING, State.REMOVAL_FOR_SM_DESTRUCTION)),
    (Category.DELIVERY, _frame(State.DELIVERY_FOR_SM_DESTRUCTION, State.DELIVERY_FOR_SCRAPPING)),
    (Category.SCRAPPING, _frame(State.SM_DESTRUCTION, State.HARDWARE_SCRAPPING)),
)
"""A frame around each group of neighbours of one category; Auslieferung stands in two places of the life."""


class Route(NamedTuple):
    """How an arrow runs.

    :ivar points: its corners, from the border of one box to the border of the other.
    :ivar label: where its number stands, on the line.
    """

    points: tuple[Point, ...]
    label: Point


def _direct(start: Point, end: Point) -> Route:
    return Route((start, end), Point((start.x + end.x) / 2, (start.y + end.y) / 2))


def _beside(start: Point, lane: float, end: Point, label_at: float = 0.5) -> Route:
    """Out to an upright lane, along it, and in."""
    corners = (start, Point(lane, start.y), Point(lane, end.y), end)
    return Route(corners, Point(lane, start.y + label_at * (end.y - start.y)))


def _between(start: Point, lane: float, end: Point, label_at: float = 0.5) -> Route:
    """Down to a level lane, along it, and down."""
    corners = (start, Point(start.x, lane), Point(end.x, lane), end)
    return Route(corners, Point(start.x + label_at * (end.x - start.x), lane))


def _right_then_down(start: Point, end: Point, label_at: float) -> Route:
    corner = Point(end.x, start.y)
    return Route((start, corner, end), Point(start.x + label_at * (corner.x - start.x), start.y))


def _sideways(source: State, target: State, share: float = 0.5) -> Route:
    """Level, at the height of the smaller of two neighbours."""
    one, other = BOXES[source], BOXES[target]
    height = min(one, other, key=lambda box: box.height).left(share).y
    start, end = (one.right(), other.left()) if one.x < other.x else (one.left(), other.right())
    return _direct(Point(start.x, height), Point(end.x, height))


def _down(source: State, target: State) -> Route:
    return _direct(BOXES[source].bottom(), BOXES[target].top())


def _up(source: State, target: State) -> Route:
    return _direct(BOXES[source].top(), BOXES[target].bottom())


def _routes() -> Iterator[tuple[State, State, Route]]:
    s = State
    for source, target in (
        (s.DEVELOPMENT, s.PRODUCTION),
        (s.PREPERSONALISATION_1_SEPARATE, s.INTEGRATION),
        (s.PREPERSONALISATION_1_ASSEMBLED, s.PREPERSONALISATION_2),
        (s.PREPERSONALISATION_2, s.DELIVERY_TO_MSB),
        (s.FIRST_INSTALLATION, s.PERSONALISATION),
        (s.PERSONALISATION, s.OPERATION),
        (s.REVERSIBLE_FAULT, s.OUTAGE),
        (s.DELIVERY_FOR_SCRAPPING, s.HARDWARE_SCRAPPING),
        (s.DELIVERY_FOR_SM_DESTRUCTION, s.SM_DESTRUCTION),
    ):
        yield source, target, _down(source, target)
    for source, target, share in (
        (s.PRODUCTION, s.INTEGRATION, 0.7),
        (s.INTEGRATION, s.PREPERSONALISATION_2, 0.7),
        (s.DELIVERY_TO_MSB, s.FIRST_DELIVERY, 0.5),
        (s.FIRST_DELIVERY, s.FIRST_INSTALLATION, 0.5),
        (s.OPERATION, s.IRREVERSIBLE_FAULT, 0.5),
        (s.OPERATION, s.REVERSIBLE_FAULT, 0.15),
        (s.REVERSIBLE_FAULT, s.OPERATION, 0.85),
        (s.OPERATION, s.OUTAGE, 0.5),
        (s.IRREVERSIBLE_FAULT, s.REMOVAL_FOR_SCRAPPING, 0.25),
        (s.OUTAGE, s.REMOVAL_FOR_SM_DESTRUCTION, 0.8),
        (s.SM_DESTRUCTION, s.HARDWARE_SCRAPPING, 0.5),
    ):
        yield source, target, _sideways(source, target, share)
    yield s.REVERSIBLE_FAULT, s.IRREVERSIBLE_FAULT, _up(s.REVERSIBLE_FAULT, s.IRREVERSIBLE_FAULT)
    for source, leaving, lane, target, entering, label_at in (
        (s.PRODUCTION, 0.3, (_A + _WIDE + _B) / 2 - 8, s.PREPERSONALISATION_1_SEPARATE, "left", 0.5),
        (s.INTEGRATION, 0.25, (_B + _WIDE + _C) / 2, s.PREPERSONALISATION_1_ASSEMBLED, "left", 0.5),
        (s.IRREVERSIBLE_FAULT, 0.8, _B + _WIDE + 30, s.OUTAGE, "right high", 0.36),
        (s.OUTAGE, 0.45, _C - 24, s.REMOVAL_FOR_SCRAPPING, "left low", 0.36),
        (s.REMOVAL_FOR_SCRAPPING, 0.5, _C + _WIDE + 40, s.DELIVERY_FOR_SCRAPPING, "right", 0.5),
    ):
        box = BOXES[target]
        end = {"left": box.left(), "left low": box.left(0.8), "right": box.right(), "right high": box.right(0.15)}
        yield source, target, _beside(BOXES[source].right(leaving), lane, end[entering], label_at)
    yield (
        s.OPERATION,
        s.REMOVAL_FOR_SCRAPPING,
        _right_then_down(Point(_A + _WIDE, _OPERATION_TOP + 20), BOXES[s.REMOVAL_FOR_SCRAPPING].top(), 0.4),
    )
    lane = (_ROW_7 + _HIGH + _ROW_8) / 2 - 16
    start, end_ = BOXES[s.REMOVAL_FOR_SM_DESTRUCTION].bottom(), BOXES[s.DELIVERY_FOR_SM_DESTRUCTION].top()
    yield s.REMOVAL_FOR_SM_DESTRUCTION, s.DELIVERY_FOR_SM_DESTRUCTION, _between(start, lane, end_)


ROUTES: Mapping[tuple[State, State], Route] = {(source, target): run for source, target, run in _routes()}
"""The route of every pair of states that a transition joins; total over the transitions (tested)."""


def route(source: State, target: State) -> Route:
    """The route between two states; for a pair that was not foreseen, straight from one box to the other."""
    planned = ROUTES.get((source, target))
    if planned is not None:
        return planned
    one, other = BOXES[source], BOXES[target]
    if one.bottom().y < other.top().y:
        return _direct(one.bottom(), other.top())
    if other.bottom().y < one.top().y:
        return _direct(one.top(), other.bottom())
    return _direct(one.right(), other.left()) if one.x < other.x else _direct(one.left(), other.right())
