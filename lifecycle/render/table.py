"""The law as plain text in aligned columns, for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from lifecycle.law import LAW, Law
from lifecycle.phases import transitions_of
from lifecycle.render.words import NOTHING, acting, advice, conditions, listed, openings

_LAST = 76
"""The width beyond which the last column is wrapped."""


def columns(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows under a header, each column as wide as its widest cell; the last is wrapped where it is long."""
    table = [tuple(header)]
    for *cells, last in rows:
        first, *more = textwrap.wrap(last, _LAST) or [""]
        table.append((*cells, first))
        table += [(*("" for _ in cells), line) for line in more]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    ruled = [table[0], tuple("─" * width for width in widths), *table[1:]]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in ruled)


def as_table(law: Law = LAW) -> str:
    """States, transitions and the gate, each as a table; ends with a newline."""
    transitions = transitions_of(dict(law.phases))
    parts = (
        f"{len(law.phases)} states (TR-03109-1 Anlage VIII; chapter 4 has two, for its two arrangements)",
        _states(law),
        f"{len(transitions)} transitions; any other is refused",
        columns(
            ("#", "from", "to", "who acts", "ch.", "holds only if"),
            (
                (
                    str(way.number),
                    source,
                    way.to,
                    listed(map(acting, way.actors)),
                    way.chapter,
                    conditions(way) + (f" ({advice(way)})" if advice(way) else ""),
                )
                for source, way in transitions
            ),
        ),
        "The gate: what is on, for whom, where; everything else is off",
        columns(
            ("state", "role", "interface", "credential", "functions"),
            (
                (state, opening.role, opening.interface, listed(opening.credentials, " or "), listed(opening.functions))
                for state, phase in law.phases.items()
                for opening in openings(phase.grants)
            ),
        ),
    )
    return "\n\n".join(parts) + "\n"


def _states(law: Law) -> str:
    return columns(
        ("#", "state", "ch.", "Phase", "Kategorie", "place", "responsible", "optional"),
        (
            (
                str(number),
                state,
                str(phase.chapter),
                phase.german,
                phase.category or NOTHING,
                phase.place or NOTHING,
                phase.responsible or "N/A",
                listed(phase.optional),
            )
            for number, (state, phase) in enumerate(law.phases.items(), 1)
        ),
    )
