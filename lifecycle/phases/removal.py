"""Ausbau: the Monteur takes the gateway out of the field, on behalf of the MSB. It talks to nobody any more."""

from __future__ import annotations

from lifecycle.evidence import REMOVED
from lifecycle.phases.model import Exit, Phase
from lifecycle.roles import Role
from lifecycle.states import Category, Event, Place, State

PHASES: tuple[Phase, ...] = (
    Phase(
        State.REMOVAL_FOR_SCRAPPING,
        12,
        "Ausbau zur Verschrottung",
        Category.REMOVAL,
        Place.FIELD,
        Role.MONTEUR,
        "none; the module should be irreversibly deactivated",
        exits=(Exit(24, Event.DELIVER_FOR_SCRAPPING, State.DELIVERY_FOR_SCRAPPING, (Role.MSB,), (REMOVED,), "12, 13"),),
    ),
    Phase(
        State.REMOVAL_FOR_SM_DESTRUCTION,
        18,
        "Ausbau zur SM Zerstörung",
        Category.REMOVAL,
        Place.FIELD,
        Role.MONTEUR,
        "none",
        exits=(
            Exit(
                26,
                Event.DELIVER_FOR_SM_DESTRUCTION,
                State.DELIVERY_FOR_SM_DESTRUCTION,
                (Role.MSB,),
                (REMOVED,),
                "18, 19",
            ),
        ),
    ),
)
