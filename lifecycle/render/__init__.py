"""The law in other forms, all derived from :mod:`lifecycle.phases`: for people, for pages and for other tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lifecycle.law import Law
from lifecycle.render.document import as_json
from lifecycle.render.dot import dot
from lifecycle.render.markdown import markdown
from lifecycle.render.mermaid import mermaid
from lifecycle.render.promela import promela
from lifecycle.render.scxml import scxml
from lifecycle.render.svg import life_svg
from lifecycle.render.table import as_table
from lifecycle.render.tla import tla

__all__ = ["FORMATS", "life_svg"]

FORMATS: Mapping[str, Callable[[Law], str]] = {
    "table": as_table,
    "markdown": markdown,
    "json": as_json,
    "mermaid": mermaid,
    "dot": dot,
    "scxml": scxml,
    "tla": tla,
    "promela": promela,
    "svg": lambda law: life_svg(law=law),
}
"""Every form by its name; each ends with a newline and is the same for the same law, to the byte."""
