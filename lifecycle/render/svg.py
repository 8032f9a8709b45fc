"""The life as a drawing: one SVG, complete in itself, readable on light and dark ground.

The same function draws the page in ``docs`` and the place of one gateway in its life. A page may style it further:
every box has the class ``state``, ``data-state`` and ``data-category``; every arrow ``way`` and ``data-number``; all
colours are custom properties of ``.smgw-life``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import pairwise

from lifecycle.law import LAW, Law
from lifecycle.phases import Advice, Phase, Transition, transitions_of
from lifecycle.render.palette import DARK, LIGHT, Colours
from lifecycle.render.svg_layout import BOXES, FRAMES, HEIGHT, LEGEND, WIDTH, Box, Point, Route, route
from lifecycle.roles import Role
from lifecycle.states import Category, State

_BEND = 9
"""Radius of a corner of an arrow."""


def life_svg(current: State | None = None, visited: Sequence[State] = (), law: Law = LAW) -> str:
    """The drawing as an ``svg`` element; ends with a newline.

    :param current: the state in which a gateway is, drawn as "you are here"; ``None`` for the life as such.
    :param visited: the states that it has been in, in order, *current* or not; the ways between them are drawn as gone.
    """
    been = [*visited, *([current] if current is not None and list(visited[-1:]) != [current] else [])]
    gone, marked = set(pairwise(been)), frozenset(been)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" class="smgw-life'
            f'{" placed" if marked else ""}" role="img" aria-labelledby="life-title life-desc">',
            f'<title id="life-title">{escape(_title(current, law))}</title>',
            f'<desc id="life-desc">{escape(_description(current, visited, law))}</desc>',
            _STYLE,
            *_ground(),
            *(line for category, box in FRAMES for line in _frame(category, box)),
            *(line for transition in transitions_of(dict(law.phases)) for line in _way(transition, gone)),
            *(line for phase in law.phases.values() for line in _state(phase, current, marked)),
            *_legend(),
            "</svg>",
            "",
        ]
    )


def _title(current: State | None, law: Law) -> str:
    if current is None:
        return "The life of a smart meter gateway (TR-03109-1 Anlage VIII)"
    return f"The life of a smart meter gateway: it is in {law.phases[current].german} ({current})"


def _description(current: State | None, visited: Sequence[State], law: Law) -> str:
    text = f"{len(law.phases)} states and the ways between them, from Entwicklung to Hardware Verschrottung."
    if visited:
        text += f" Been in, in order: {', '.join(law.phases[state].german for state in visited)}."
    if current is not None:
        onward = [f"{law.phases[way.to].german} by {_roles(way.actors)}" for way in law.phases[current].exits]
        text += f" Ways out of {law.phases[current].german}: {'; '.join(onward) or 'none, it is final'}."
    return text


def _roles(roles: Sequence[Role]) -> str:
    return ", ".join(
        "SMGW" if role is Role.GATEWAY else role if len(role) <= 3 else role.capitalize() for role in roles
    )


def _key(category: Category | None) -> str:
    return category.name.lower().replace("_", "-") if category is not None else "none"


def _theme(ground: Mapping[str, str], palette: Mapping[Category | None, Colours]) -> str:
    """The custom properties of one ground."""
    properties = {f"--life-{name}": value for name, value in ground.items()}
    for category, colours in palette.items():
        properties |= {f"--life-{_key(category)}-{name}": value for name, value in colours._asdict().items()}
    return " ".join(f"{name}: {value};" for name, value in properties.items())


_ON_LIGHT = {"ground": "#ffffff", "line": "#5a6676", "text": "#1b2430", "quiet": "#566172", "here": "#0b7a4b"}
_ON_DARK = {"ground": "#12161c", "line": "#9aa7b8", "text": "#e8edf4", "quiet": "#a3afbf", "here": "#3ddc97"}

_STYLE = "\n".join(
    [
        "<style>",
        f".smgw-life {{ {_theme(_ON_LIGHT, LIGHT)} }}",
        f"@media (prefers-color-scheme: dark) {{ .smgw-life {{ {_theme(_ON_DARK, DARK)} }} }}",
        *(
            f".smgw-life .{_key(category)} rect {{ fill: var(--life-{_key(category)}-fill);"
            f" stroke: var(--life-{_key(category)}-stroke); }}\n"
            f".smgw-life .{_key(category)} text {{ fill: var(--life-{_key(category)}-ink); }}\n"
            f".smgw-life .frame.{_key(category)} text {{ fill: var(--life-{_key(category)}-stroke); }}"
            for category in LIGHT
        ),
        """\
.smgw-life text { font-family: system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
.smgw-life .ground { fill: var(--life-ground); }
.smgw-life .frame rect { fill-opacity: .38; stroke-width: 1.2; stroke-dasharray: 5 4; }
.smgw-life .frame text { font-size: 12px; font-weight: 600; letter-spacing: .04em; }
.smgw-life .way path { fill: none; stroke: var(--life-line); stroke-width: 1.6; }
.smgw-life .way polygon { fill: var(--life-line); }
.smgw-life .way circle { fill: var(--life-ground); stroke: var(--life-line); stroke-width: 1.2; }
.smgw-life .way .number { fill: var(--life-text); font-size: 11px; font-weight: 600; text-anchor: middle; }
.smgw-life .way .actors { fill: var(--life-quiet); font-size: 10.5px; }
.smgw-life .way .actors { paint-order: stroke; stroke: var(--life-ground); stroke-width: 4px; stroke-linejoin: round; }
.smgw-life .not-recommended path { stroke-dasharray: 6 4; }
.smgw-life .recommended path { stroke-width: 3; }
.smgw-life .state rect { stroke-width: 1.6; }
.smgw-life .state text { text-anchor: middle; }
.smgw-life .german { font-size: 12.8px; font-weight: 650; }
.smgw-life .id { font-size: 9.6px; font-family: ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", Menlo, monospace; }
.smgw-life .facts { font-size: 10.5px; opacity: .82; }
.smgw-life .legend { fill: var(--life-quiet); font-size: 11px; }
.smgw-life.placed .ahead { opacity: .7; }
.smgw-life .gone path { stroke: var(--life-here); stroke-width: 3; }
.smgw-life .gone polygon { fill: var(--life-here); }
.smgw-life .gone circle { stroke: var(--life-here); stroke-width: 2; }
.smgw-life .visited rect { stroke: var(--life-here); stroke-width: 2.2; }
.smgw-life .current rect { stroke: var(--life-here); stroke-width: 4; }
.smgw-life .here rect { fill: var(--life-here); stroke: none; }
.smgw-life .here text { fill: var(--life-ground); font-size: 11px; font-weight: 700; text-anchor: middle; }
.smgw-life .been circle { fill: var(--life-here); }
.smgw-life .been path { fill: none; stroke: var(--life-ground); stroke-width: 2; }""",
        "</style>",
    ]
)


def _ground() -> Iterator[str]:
    yield f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}" rx="14"/>'


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _rectangle(box: Box, radius: float) -> str:
    x, y, width, height = map(_number, box)
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{_number(radius)}"/>'


def _text(kind: str, at: Point, content: str, anchor: str = "") -> str:
    anchored = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text class="{kind}" x="{_number(at.x)}" y="{_number(at.y)}"{anchored}>{escape(content)}</text>'


def _frame(category: Category, box: Box) -> Iterator[str]:
    yield f'<g class="frame {_key(category)}">'
    yield _rectangle(box, 12)
    yield _text("name", Point(box.x + 14, box.y + 20), category)
    yield "</g>"


def _state(phase: Phase, current: State | None, marked: frozenset[State]) -> Iterator[str]:
    box = BOXES[phase.state]
    place = "current visited" if phase.state is current else "visited" if phase.state in marked else "ahead"
    here = ' aria-current="step"' if phase.state is current else ""
    yield (
        f'<g class="state {_key(phase.category)} {place}" id="life-{phase.state}" data-state="{phase.state}"'
        f' data-category="{escape(phase.category or "")}"{here}>'
    )
    yield f"<title>{escape(_told(phase))}</title>"
    yield _rectangle(box, 9)
    if not phase.exits:
        yield _rectangle(Box(box.x + 4, box.y + 4, box.width - 8, box.height - 8), 6)
    middle = Point(box.x + box.width / 2, box.y + box.height / 2)
    yield _text("german", Point(middle.x, middle.y - 9), phase.german)
    yield _text("id", Point(middle.x, middle.y + 7), phase.state)
    responsible = _roles([phase.responsible]) if phase.responsible is not None else "N/A"
    facts = [f"ch. {phase.chapter}", responsible, *([phase.place] if phase.place is not None else [])]
    yield _text("facts", Point(middle.x, middle.y + 23), " · ".join(facts))
    yield "</g>"
    if phase.state is current:
        yield from _here(box)
    elif phase.state in marked:
        yield from _been(box)


def _told(phase: Phase) -> str:
    optional = f"; optional: {_roles(phase.optional)}" if phase.optional else ""
    return f"{phase.german} ({phase.state}), chapter {phase.chapter}{optional}. Functionality: {phase.functionality}."


def _here(box: Box) -> Iterator[str]:
    yield '<g class="here">'
    yield _rectangle(Box(box.x + box.width / 2 - 42, box.y - 11, 84, 20), 10)
    yield _text("flag", Point(box.x + box.width / 2, box.y + 3), "hier · here")
    yield "</g>"


def _been(box: Box) -> Iterator[str]:
    x, y = box.x + box.width - 2, box.y + 2
    yield f'<g class="been"><circle cx="{_number(x)}" cy="{_number(y)}" r="8"/>'
    yield f'<path d="M{_number(x - 4)} {_number(y)}l3 3.5l5 -6.5"/></g>'


def _way(transition: Transition, gone: set[tuple[State, State]]) -> Iterator[str]:
    source, exit_ = transition
    kinds = ["way"]
    if exit_.advice is not Advice.NEUTRAL:
        kinds.append(exit_.advice.replace(" ", "-"))
    kinds.append("gone" if (source, exit_.to) in gone else "ahead")
    run = route(source, exit_.to)
    yield f'<g class="{" ".join(kinds)}" data-number="{exit_.number}" data-event="{exit_.event}">'
    conditions = "; ".join(condition.text for condition in exit_.conditions) or "no condition"
    yield f"<title>{exit_.number}: {exit_.event} by {escape(_roles(exit_.actors))}. {escape(conditions)}.</title>"
    yield f'<path d="{_path(run)}"/>'
    yield _head(run)
    yield f'<circle cx="{_number(run.label.x)}" cy="{_number(run.label.y)}" r="10.5"/>'
    yield _text("number", Point(run.label.x, run.label.y + 4), str(exit_.number))
    beneath = _is_level(run)
    at = Point(run.label.x, run.label.y + 23) if beneath else Point(run.label.x + 15, run.label.y + 4)
    yield _text("actors", at, _roles(exit_.actors), "middle" if beneath else "start")
    yield "</g>"


def _is_level(run: Route) -> bool:
    """Whether the arrow runs level where its number stands."""
    return any(
        one.y == other.y == run.label.y and min(one.x, other.x) <= run.label.x <= max(one.x, other.x)
        for one, other in pairwise(run.points)
    )


def _toward(start: Point, end: Point, distance: float) -> Point:
    """The point so far from *start* on the way to *end*."""
    length = abs(end.x - start.x) + abs(end.y - start.y)
    share = distance / length if length else 0
    return Point(start.x + share * (end.x - start.x), start.y + share * (end.y - start.y))


def _path(run: Route) -> str:
    """The line, its corners rounded, ended where the arrow head begins."""
    first, *corners, last = run.points
    parts = [f"M{_number(first.x)} {_number(first.y)}"]
    for before, corner, after in zip(run.points, corners, run.points[2:], strict=False):
        bend = min(_BEND, *(abs(a.x - b.x) / 2 + abs(a.y - b.y) / 2 for a, b in ((before, corner), (corner, after))))
        into, out = _toward(corner, before, bend), _toward(corner, after, bend)
        parts.append(f"L{_number(into.x)} {_number(into.y)}")
        parts.append(f"Q{_number(corner.x)} {_number(corner.y)} {_number(out.x)} {_number(out.y)}")
    end = _toward(last, run.points[-2], 7)
    return "".join([*parts, f"L{_number(end.x)} {_number(end.y)}"])


def _head(run: Route) -> str:
    before, tip = run.points[-2:]
    base = _toward(tip, before, 10)
    across = Point(tip.y - base.y, base.x - tip.x)
    wings = [Point(base.x + side * across.x * 0.45, base.y + side * across.y * 0.45) for side in (1, -1)]
    return f'<polygon points="{" ".join(f"{_number(p.x)},{_number(p.y)}" for p in (tip, *wings))}"/>'


def _legend() -> Iterator[str]:
    lines = (
        "in a circle: the number of the transition",
        "beside it: who acts",
        "heavy line: the way is recommended",
        "broken line: the way is not recommended",
    )
    for number, line in enumerate(lines):
        yield _text("legend", Point(LEGEND.x, LEGEND.y + 18 * number), line)
