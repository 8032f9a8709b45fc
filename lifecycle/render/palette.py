"""The colours of the diagrams: one hue a category of Table 1.1, on light ground and on dark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lifecycle.states import Category


class Colours(NamedTuple):
    """What a box is drawn with, as ``#rrggbb``.

    :ivar fill: its ground.
    :ivar stroke: its border.
    :ivar ink: the text on it.
    """

    fill: str
    stroke: str
    ink: str


LIGHT: Mapping[Category | None, Colours] = {
    None: Colours("#f3f5f8", "#66758a", "#1b2430"),
    Category.PREPERSONALISATION_AND_INTEGRATION: Colours("#e1ecfd", "#2f6bbf", "#10233f"),
    Category.DELIVERY: Colours("#ebe7fa", "#6a55b5", "#241b4a"),
    Category.FAULT: Colours("#ffe9d2", "#b8651b", "#4a2504"),
    Category.REMOVAL: Colours("#ece8dc", "#7d6d42", "#2f2811"),
    Category.SCRAPPING: Colours("#f9dfdf", "#a84040", "#451111"),
}
"""On light ground; ``None`` is what stands in no category."""

DARK: Mapping[Category | None, Colours] = {
    None: Colours("#262d37", "#8896aa", "#eef2f7"),
    Category.PREPERSONALISATION_AND_INTEGRATION: Colours("#17304f", "#6ea6f0", "#e3eefd"),
    Category.DELIVERY: Colours("#2b2450", "#a596ea", "#ece8fc"),
    Category.FAULT: Colours("#4a2c10", "#eda35a", "#ffecd6"),
    Category.REMOVAL: Colours("#38321f", "#c1ad77", "#f3eedd"),
    Category.SCRAPPING: Colours("#4d2020", "#ee8b8b", "#fde4e4"),
}
"""On dark ground."""
