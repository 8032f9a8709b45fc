"""Vorpersonalisierung und Integration: the module gets its root, its keys and its seal, and its place in a gateway.

*Vorpersonalisierung I* and *Integration* may change places (ch. 4). That is structure here, not a flag: with module and
gateway apart it comes before INTEGRATION, assembled it comes after.
"""

from __future__ import annotations

from lifecycle.evidence import INITIAL_CONFIGURATION, MODULE_INTEGRATED, NO_SEAL_YET, ROOT_AND_SEAL
from lifecycle.functions import Credential, Function, Interface
from lifecycle.phases.model import Exit, Phase, grants
from lifecycle.roles import Role
from lifecycle.states import Category, Event, Place, State

_PREPARE_MODULE = (
    Function.IMPORT_ROOT_CERTIFICATE,
    Function.GENERATE_PRELIMINARY_KEYS,
    Function.EXPORT_PUBLIC_KEYS,
    Function.IMPORT_SEAL_CERTIFICATES,
)

PHASES: tuple[Phase, ...] = (
    Phase(
        State.PREPERSONALISATION_1_SEPARATE,
        4,
        "Vorpersonalisierung I",
        Category.PREPERSONALISATION_AND_INTEGRATION,
        Place.PRODUCTION_SITE,
        Role.GWH,
        "module full, reached directly",
        exits=(Exit(4, Event.BEGIN_INTEGRATION, State.INTEGRATION, (Role.GWH,), (ROOT_AND_SEAL,), "4, 5"),),
        grants=grants(Role.GWH, Interface.SM_DIRECT, _PREPARE_MODULE, Credential.MODULE_CONTACT),
        note="Gateway and module apart; the other arrangement of chapter 4 is PREPERSONALISATION_1_ASSEMBLED.",
    ),
    Phase(
        State.PREPERSONALISATION_1_ASSEMBLED,
        4,
        "Vorpersonalisierung I",
        Category.PREPERSONALISATION_AND_INTEGRATION,
        Place.PRODUCTION_SITE,
        Role.GWH,
        "module full, reached through the local interface with the Integrator-PIN",
        exits=(
            Exit(7, Event.BEGIN_PREPERSONALISATION_2, State.PREPERSONALISATION_2, (Role.GWH,), (ROOT_AND_SEAL,), "6"),
        ),
        grants=grants(Role.GWH, Interface.LOCAL, _PREPARE_MODULE, Credential.INTEGRATOR_PIN),
        note="Gateway and module assembled; the other arrangement of chapter 4 is PREPERSONALISATION_1_SEPARATE.",
    ),
    Phase(
        State.INTEGRATION,
        5,
        "Integration",
        Category.PREPERSONALISATION_AND_INTEGRATION,
        Place.PRODUCTION_SITE,
        Role.GWH,
        "module full; apart at the start, one device at the end",
        exits=(
            Exit(
                5,
                Event.BEGIN_PREPERSONALISATION_1,
                State.PREPERSONALISATION_1_ASSEMBLED,
                (Role.GWH,),
                (MODULE_INTEGRATED, NO_SEAL_YET),
                "4, 5",
            ),
            Exit(
                6,
                Event.BEGIN_PREPERSONALISATION_2,
                State.PREPERSONALISATION_2,
                (Role.GWH,),
                (MODULE_INTEGRATED, ROOT_AND_SEAL),
                "5, 6",
            ),
        ),
        grants=grants(Role.GWH, Interface.SM_DIRECT, (Function.INTEGRATE_MODULE,), Credential.PRODUCTION_SITE),
        note=(
            "Chapter 5 names no interface for building the module in; the module's contacts are what the integrator "
            "touches, so the grant stands at SM_DIRECT."
        ),
    ),
    Phase(
        State.PREPERSONALISATION_2,
        6,
        "Vorpersonalisierung II",
        Category.PREPERSONALISATION_AND_INTEGRATION,
        Place.PRODUCTION_SITE,
        Role.GWH,
        "restricted: key and certificate material through the local interface with the Integrator-PIN",
        exits=(Exit(8, Event.DISPATCH_TO_MSB, State.DELIVERY_TO_MSB, (Role.GWH,), (INITIAL_CONFIGURATION,), "6, 7"),),
        grants=grants(Role.GWH, Interface.LOCAL, (Function.IMPORT_INITIAL_CONFIGURATION,), Credential.INTEGRATOR_PIN),
        note="The initial configuration file can be imported in this state only (ch. 6).",
    ),
)
