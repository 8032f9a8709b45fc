"""The five phases in no category of Table 1.1: Entwicklung, Produktion, Erstinstallation, Personalisierung, Betrieb."""

from __future__ import annotations

from lifecycle.evidence import (
    COMMUNICATION_PARAMETERS,
    DEVELOPMENT_ENDED,
    IRREVERSIBLE,
    LOCAL_OFF,
    MODULE_INITIALISED,
    MOUNTED,
    OPERATIONAL_CERTIFICATES,
    OUT,
    REVERSIBLE,
    REVOKED,
    TERMINATED,
)
from lifecycle.functions import Credential, Function, Interface
from lifecycle.phases.model import Exit, Grant, Phase, grants
from lifecycle.roles import Role
from lifecycle.states import Event, Place, State

DEVICE_OR_GWA: tuple[Role, ...] = (Role.GATEWAY, Role.GWA)
"""Who may move a gateway into a fault and back: itself, or its administrator (ch. 15 to 17)."""

OPERATION_GRANTS: tuple[Grant, ...] = (
    *grants(
        Role.MESSEINRICHTUNG,
        Interface.LMN,
        (Function.RECEIVE_READINGS,),
        Credential.METER_CERTIFICATE,
        Credential.METER_KEY,
    ),
    *grants(
        Role.ANSCHLUSSNUTZER,
        Interface.HAN_CONSUMER,
        (Function.READ_OWN_DATA, Function.READ_CONSUMER_LOG),
        Credential.CONSUMER_CERTIFICATE,
        Credential.CONSUMER_PASSWORD,
    ),
    *grants(
        Role.SERVICETECHNIKER,
        Interface.HAN_TECHNICIAN,
        (Function.READ_STATUS, Function.READ_SYSTEM_LOG),
        Credential.TECHNICIAN_CERTIFICATE,
    ),
    *grants(Role.CLS, Interface.CLS, (Function.OPEN_CHANNEL,), Credential.CLS_CERTIFICATE),
    *grants(
        Role.GWA,
        Interface.WAN_ADMIN,
        (
            Function.MANAGE_PROFILES,
            Function.MANAGE_KEYS,
            Function.MANAGE_METERS,
            Function.MANAGE_LOGS,
            Function.UPDATE_FIRMWARE,
            Function.READ_STATUS,
            Function.READ_SYSTEM_LOG,
            Function.READ_CALIBRATION_LOG,
            Function.SET_TIME,
            Function.INSTALL_OPERATIONAL_CERTIFICATES,
            Function.SELF_TEST,
            Function.TERMINATE_MODULE,
        ),
        Credential.GWA_CERTIFICATE,
    ),
    *grants(
        Role.EMT_ACTIVE,
        Interface.WAN_PARTICIPANT,
        (Function.OPEN_CHANNEL, Function.DELIVER_VALUES),
        Credential.EMT_CERTIFICATE,
    ),
    *grants(Role.EMT_PASSIVE, Interface.WAN_PARTICIPANT, (Function.DELIVER_VALUES,), Credential.EMT_CERTIFICATE),
    *grants(
        Role.GATEWAY,
        Interface.INSIDE,
        (
            Function.STORE_READINGS,
            Function.DERIVE_REGISTERS,
            Function.WRITE_LOGS,
            Function.RENEW_CERTIFICATES,
            Function.SELF_TEST,
            Function.HANDLE_WAKE_UP,
            Function.SYNCHRONISE_TIME,
        ),
        Credential.INSIDE,
    ),
)
"""Everything that is on in OPERATION; the phases of the category Störung subtract from it."""

PHASES: tuple[Phase, ...] = (
    Phase(
        State.DEVELOPMENT,
        2,
        "Entwicklung",
        None,
        None,
        Role.GWH,
        "none: it does not exist yet",
        exits=(Exit(1, Event.BEGIN_PRODUCTION, State.PRODUCTION, (Role.GWH,), (DEVELOPMENT_ENDED,), "2, 3"),),
    ),
    Phase(
        State.PRODUCTION,
        3,
        "Produktion",
        None,
        Place.PRODUCTION_SITE,
        Role.GWH,
        "none in the sense of the lifecycle",
        exits=(
            Exit(
                2,
                Event.BEGIN_PREPERSONALISATION_1,
                State.PREPERSONALISATION_1_SEPARATE,
                (Role.GWH,),
                (MODULE_INITIALISED,),
                "3, 4",
            ),
            Exit(3, Event.BEGIN_INTEGRATION, State.INTEGRATION, (Role.GWH,), (MODULE_INITIALISED,), "3, 5"),
        ),
        note="Import keys and test functions are the manufacturer's own and outside the law (ch. 3).",
    ),
    Phase(
        State.FIRST_INSTALLATION,
        9,
        "Erstinstallation",
        None,
        Place.FIELD,
        Role.MONTEUR,
        "as at the end of Vorpersonalisierung II; the Erstkonfigurator may set communication parameters over the "
        "local interface",
        exits=(
            Exit(
                11,
                Event.BEGIN_PERSONALISATION,
                State.PERSONALISATION,
                (Role.GWA,),
                (MOUNTED, COMMUNICATION_PARAMETERS, LOCAL_OFF),
                "9, 10",
            ),
        ),
        grants=grants(
            Role.ERSTKONFIGURATOR,
            Interface.LOCAL,
            (Function.SET_COMMUNICATION_PARAMETERS, Function.TEST_CONNECTION),
            Credential.CONFIGURATOR_CREDENTIAL,
        ),
        optional=(Role.ERSTKONFIGURATOR,),
        note=(
            "Chapter 10 has the local interface off from Personalisierung on; the gateway attests it while still here, "
            "and the gate shuts the interface with that word."
        ),
    ),
    Phase(
        State.PERSONALISATION,
        10,
        "Personalisierung",
        None,
        Place.FIELD,
        Role.GWA,
        "install operational certificates; the local interface is off from here on",
        exits=(Exit(12, Event.BEGIN_OPERATION, State.OPERATION, (Role.GWA,), (OPERATIONAL_CERTIFICATES,), "10, 11"),),
        grants=grants(
            Role.GWA,
            Interface.WAN_ADMIN,
            (Function.INSTALL_OPERATIONAL_CERTIFICATES, Function.SET_TIME, Function.READ_STATUS),
            Credential.GWA_CERTIFICATE,
        ),
    ),
    Phase(
        State.OPERATION,
        11,
        "Betrieb",
        None,
        Place.FIELD,
        Role.GWA,
        "full, in certified configuration",
        exits=(
            Exit(13, Event.ENTER_REVERSIBLE_FAULT, State.REVERSIBLE_FAULT, DEVICE_OR_GWA, (REVERSIBLE,), "15"),
            Exit(15, Event.ENTER_IRREVERSIBLE_FAULT, State.IRREVERSIBLE_FAULT, DEVICE_OR_GWA, (IRREVERSIBLE,), "16"),
            Exit(17, Event.ENTER_OUTAGE, State.OUTAGE, DEVICE_OR_GWA, (OUT,), "17"),
            Exit(
                20,
                Event.REMOVE_FOR_SCRAPPING,
                State.REMOVAL_FOR_SCRAPPING,
                (Role.MONTEUR,),
                (REVOKED,),
                "11, 12",
                recommended=(TERMINATED,),
            ),
        ),
        grants=OPERATION_GRANTS,
        optional=(Role.SERVICETECHNIKER,),
        note="Only the GWA terminates the module; a Servicetechniker cannot, not even on its behalf (ch. 11).",
    ),
)
