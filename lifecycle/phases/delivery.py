"""Auslieferung: the gateway changes its place. No role set here can use it; what it could do, it could do before."""

from __future__ import annotations

from lifecycle.evidence import (
    HANDED_OVER_TO_MONTEUR,
    HANDED_OVER_TO_MSB,
    HANDED_OVER_TO_RECYCLER,
    IN_THE_FIELD,
)
from lifecycle.phases.model import Exit, Phase
from lifecycle.roles import Role
from lifecycle.states import Category, Event, Place, State

_UNUSED = "as at the end of Vorpersonalisierung II; no role set here can use it"

PHASES: tuple[Phase, ...] = (
    Phase(
        State.DELIVERY_TO_MSB,
        7,
        "Auslieferung zum MSB",
        Category.DELIVERY,
        Place.IN_TRANSIT,
        Role.GWH,
        _UNUSED,
        exits=(Exit(9, Event.BEGIN_FIRST_DELIVERY, State.FIRST_DELIVERY, (Role.MSB,), (HANDED_OVER_TO_MSB,), "7, 8"),),
    ),
    Phase(
        State.FIRST_DELIVERY,
        8,
        "Erstauslieferung",
        Category.DELIVERY,
        Place.IN_TRANSIT,
        Role.MSB,
        _UNUSED,
        exits=(
            Exit(
                10,
                Event.BEGIN_FIRST_INSTALLATION,
                State.FIRST_INSTALLATION,
                (Role.MONTEUR,),
                (HANDED_OVER_TO_MONTEUR, IN_THE_FIELD),
                "8, 9",
            ),
        ),
    ),
    Phase(
        State.DELIVERY_FOR_SCRAPPING,
        13,
        "Auslieferung zur Verschrottung",
        Category.DELIVERY,
        Place.IN_TRANSIT,
        Role.MSB,
        "none",
        exits=(
            Exit(
                25,
                Event.SCRAP_HARDWARE,
                State.HARDWARE_SCRAPPING,
                (Role.RECYCLER,),
                (HANDED_OVER_TO_RECYCLER,),
                "13, 14",
            ),
        ),
    ),
    Phase(
        State.DELIVERY_FOR_SM_DESTRUCTION,
        19,
        "Auslieferung zur SM Zerstörung",
        Category.DELIVERY,
        Place.IN_TRANSIT,
        Role.MSB,
        "none",
        exits=(
            Exit(
                27,
                Event.BEGIN_SM_DESTRUCTION,
                State.SM_DESTRUCTION,
                (Role.RECYCLER,),
                (HANDED_OVER_TO_RECYCLER,),
                "19, 20",
            ),
        ),
    ),
)
