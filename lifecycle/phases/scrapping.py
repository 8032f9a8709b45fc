"""Verschrottung: the module is destroyed where it must be, and the hardware is scrapped. There is no way back."""

from __future__ import annotations

from lifecycle.evidence import DESTROYED
from lifecycle.phases.model import Exit, Phase
from lifecycle.roles import Role
from lifecycle.states import Category, Event, Place, State

PHASES: tuple[Phase, ...] = (
    Phase(
        State.HARDWARE_SCRAPPING,
        14,
        "Hardware Verschrottung",
        Category.SCRAPPING,
        Place.RECYCLING,
        Role.RECYCLER,
        "none; final, no way out",
        exits=(),
    ),
    Phase(
        State.SM_DESTRUCTION,
        20,
        "SM Zerstörung",
        Category.SCRAPPING,
        Place.RECYCLING,
        Role.RECYCLER,
        "none",
        exits=(Exit(28, Event.SCRAP_HARDWARE, State.HARDWARE_SCRAPPING, (Role.RECYCLER,), (DESTROYED,), "14, 20"),),
    ),
)
