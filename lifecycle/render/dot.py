"""The life as a directed graph for Graphviz."""

from __future__ import annotations

from collections.abc import Iterator

from lifecycle.law import LAW, Law
from lifecycle.phases import Advice, Phase, Transition, transitions_of
from lifecycle.render.palette import LIGHT

_LINE_OF = {Advice.NEUTRAL: "solid", Advice.RECOMMENDED: "bold", Advice.NOT_RECOMMENDED: "dashed"}


def dot(law: Law = LAW) -> str:
    """A ``digraph``, coloured by category; ends with a newline. Dashed ways are not recommended, bold ones are."""
    return "\n".join(["digraph lifecycle {", *(f"    {line}" for line in _lines(law)), "}", ""])


def _lines(law: Law) -> Iterator[str]:
    yield "rankdir=LR;"
    yield 'node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=11];'
    yield 'edge [fontname="Helvetica", fontsize=9];'
    yield from map(_node, law.phases.values())
    yield from map(_edge, transitions_of(dict(law.phases)))


def _node(phase: Phase) -> str:
    label = rf"{_escaped(phase.german)}\n{phase.state}\nch. {phase.chapter}"
    colours = LIGHT[phase.category]
    drawn = f'fillcolor="{colours.fill}", color="{colours.stroke}", fontcolor="{colours.ink}"'
    borders = ", peripheries=2" if not phase.exits else ""
    return f'{phase.state} [label="{label}", tooltip="{_escaped(phase.category or "")}", {drawn}{borders}];'


def _edge(transition: Transition) -> str:
    source, way = transition
    tooltip = "; ".join(condition.text for condition in way.conditions) or "no condition"
    label = rf"{way.number}\n{', '.join(way.actors)}"
    attributes = f'label="{label}", tooltip="{_escaped(tooltip)}", style={_LINE_OF[way.advice]}'
    return f"{source} -> {way.to} [{attributes}];"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
