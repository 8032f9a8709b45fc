"""The life as a Mermaid state diagram, as GitHub and others draw it from text."""

from __future__ import annotations

from collections.abc import Iterator

from lifecycle.law import BEGINNING, LAW, Law
from lifecycle.phases import transitions_of
from lifecycle.render.palette import LIGHT
from lifecycle.states import Category


def mermaid(law: Law = LAW) -> str:
    """A ``stateDiagram-v2``; ends with a newline. An arrow carries its number and who acts."""
    return "\n".join([*_lines(law), ""])


def _lines(law: Law) -> Iterator[str]:
    yield "stateDiagram-v2"
    yield "    direction TB"
    for state, phase in law.phases.items():
        yield f'    state "{phase.german} ({state})" as {state}'
    for category in Category:
        members = [state for state, phase in law.phases.items() if phase.category is category]
        if members:
            colours = LIGHT[category]
            yield f"    classDef {category.name} fill:{colours.fill},stroke:{colours.stroke},color:{colours.ink}"
            yield f"    class {','.join(members)} {category.name}"
    yield f"    [*] --> {BEGINNING.state}"
    for source, way in transitions_of(dict(law.phases)):
        yield f"    {source} --> {way.to} : {way.number} {', '.join(way.actors)}"
    for state, phase in law.phases.items():
        if not phase.exits:
            yield f"    {state} --> [*]"
