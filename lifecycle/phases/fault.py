"""Störung: what is left of OPERATION when something is wrong (ch. 15 to 17).

What an open fault affects is off by the fault's own entry in :mod:`lifecycle.faults`, in whatever state it is open;
here stands what the phases grant before that is taken away.
"""

from __future__ import annotations

from lifecycle.evidence import IRREVERSIBLE, NO_FAULT, OUT, REVOKED, TERMINATED
from lifecycle.functions import METERING
from lifecycle.phases.model import Advice, Exit, Phase
from lifecycle.phases.uncategorised import DEVICE_OR_GWA, OPERATION_GRANTS
from lifecycle.roles import Role
from lifecycle.states import Category, Event, Place, State

PHASES: tuple[Phase, ...] = (
    Phase(
        State.REVERSIBLE_FAULT,
        15,
        "Reversible Störung",
        Category.FAULT,
        Place.FIELD,
        Role.GWA,
        "OPERATION less what the fault affects; holds what the GWA needs to restore",
        exits=(
            Exit(14, Event.RESTORE_OPERATION, State.OPERATION, DEVICE_OR_GWA, (NO_FAULT,), "11, 15"),
            Exit(
                16, Event.ENTER_IRREVERSIBLE_FAULT, State.IRREVERSIBLE_FAULT, DEVICE_OR_GWA, (IRREVERSIBLE,), "15, 16"
            ),
            Exit(18, Event.ENTER_OUTAGE, State.OUTAGE, DEVICE_OR_GWA, (OUT,), "15, 17"),
        ),
        grants=OPERATION_GRANTS,
        optional=(Role.SERVICETECHNIKER,),
    ),
    Phase(
        State.IRREVERSIBLE_FAULT,
        16,
        "Irreversible Störung",
        Category.FAULT,
        Place.FIELD,
        Role.GWA,
        "OPERATION less what the fault affects; metering is among it; the GWA still reaches the gateway",
        exits=(
            Exit(19, Event.ENTER_OUTAGE, State.OUTAGE, DEVICE_OR_GWA, (OUT,), "16, 17"),
            Exit(
                21,
                Event.REMOVE_FOR_SCRAPPING,
                State.REMOVAL_FOR_SCRAPPING,
                (Role.MONTEUR,),
                (REVOKED,),
                "12, 16",
                recommended=(TERMINATED,),
            ),
        ),
        grants=tuple(grant for grant in OPERATION_GRANTS if grant.function not in METERING),
        optional=(Role.SERVICETECHNIKER,),
        note=(
            "Chapter 16 counts a connection beyond repair as irreversible and yet has the GWA reach the gateway. Both "
            "are kept: that fault affects deliveries, channels and wake-up; administration stays granted."
        ),
    ),
    Phase(
        State.OUTAGE,
        17,
        "Ausfall",
        Category.FAULT,
        Place.FIELD,
        None,
        "none; no technical role can talk to it. The module is not terminated",
        exits=(
            Exit(
                22,
                Event.REMOVE_FOR_SCRAPPING,
                State.REMOVAL_FOR_SCRAPPING,
                (Role.MONTEUR,),
                (REVOKED,),
                "12, 17",
                advice=Advice.NOT_RECOMMENDED,
            ),
            Exit(
                23,
                Event.REMOVE_FOR_SM_DESTRUCTION,
                State.REMOVAL_FOR_SM_DESTRUCTION,
                (Role.MONTEUR,),
                (),
                "17, 18",
                advice=Advice.RECOMMENDED,
            ),
        ),
        optional=(Role.SERVICETECHNIKER,),
        note=(
            "The Servicetechniker's diagnosis is a look at the device, not a function of it. Chapter 17 has the module "
            "not terminated; where the GWA had terminated it before the outage, the record says so."
        ),
    ),
)
