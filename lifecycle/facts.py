"""The facts that can be put on record of one gateway: by whose word, in which state, after what.

A fact is something that happened, attested by the signed word of a role that may say so, in a state where it can
happen. Facts are for good: nothing un-happens in a life. Handing over is two facts and so takes two signatures: of who
gives, and then of who takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, unique

from lifecycle.functions import Interface
from lifecycle.roles import Role
from lifecycle.states import State


@unique
class Fact(StrEnum):
    """Something attested of one gateway."""

    DEVELOPMENT_COMPLETE = "DEVELOPMENT_COMPLETE"
    MODULE_INITIALISED = "MODULE_INITIALISED"
    ROOT_CERTIFICATE_IN_MODULE = "ROOT_CERTIFICATE_IN_MODULE"
    PRELIMINARY_KEYS_IN_MODULE = "PRELIMINARY_KEYS_IN_MODULE"
    SEAL_CERTIFICATES_IN_MODULE = "SEAL_CERTIFICATES_IN_MODULE"
    MODULE_INTEGRATED = "MODULE_INTEGRATED"
    INITIAL_CONFIGURATION_IMPORTED = "INITIAL_CONFIGURATION_IMPORTED"
    GWA_CERTIFICATES_VERIFIED = "GWA_CERTIFICATES_VERIFIED"
    CONFIGURATION_SIGNATURE_VERIFIED = "CONFIGURATION_SIGNATURE_VERIFIED"
    GWA_PUBLIC_KEYS_IN_MODULE = "GWA_PUBLIC_KEYS_IN_MODULE"
    GWA_COMMUNICATION_ENABLED = "GWA_COMMUNICATION_ENABLED"
    GWH_HANDED_OVER = "GWH_HANDED_OVER"
    MSB_TOOK_OVER = "MSB_TOOK_OVER"
    MSB_HANDED_OVER_TO_MONTEUR = "MSB_HANDED_OVER_TO_MONTEUR"
    MONTEUR_TOOK_OVER = "MONTEUR_TOOK_OVER"
    ARRIVED_IN_FIELD = "ARRIVED_IN_FIELD"
    MOUNTED = "MOUNTED"
    COMMUNICATION_PARAMETERS_SET = "COMMUNICATION_PARAMETERS_SET"
    COMMUNICATION_PARAMETERS_NOT_NEEDED = "COMMUNICATION_PARAMETERS_NOT_NEEDED"
    LOCAL_INTERFACE_OFF = "LOCAL_INTERFACE_OFF"
    OPERATIONAL_CERTIFICATES_IN_MODULE = "OPERATIONAL_CERTIFICATES_IN_MODULE"
    EVERY_CERTIFICATE_REVOKED = "EVERY_CERTIFICATE_REVOKED"
    MODULE_TERMINATED = "MODULE_TERMINATED"
    REMOVAL_COMPLETE = "REMOVAL_COMPLETE"
    MSB_HANDED_OVER_TO_RECYCLER = "MSB_HANDED_OVER_TO_RECYCLER"
    RECYCLER_TOOK_OVER = "RECYCLER_TOOK_OVER"
    MODULE_DESTROYED = "MODULE_DESTROYED"


@dataclass(frozen=True, slots=True)
class FactDescription:
    """What it takes to put a fact on record.

    :ivar text: the fact in words.
    :ivar german: the German term.
    :ivar chapter: chapter of the Anlage.
    :ivar attested_by: roles whose signed word makes it a fact.
    :ivar recordable_in: states in which it can happen.
    :ivar after: facts that must be on record before it.
    :ivar never_after: facts after which it cannot happen any more.
    :ivar shuts: interfaces that are off once it is on record, whatever the state grants.
    """

    text: str
    german: str
    chapter: str
    attested_by: frozenset[Role]
    recordable_in: frozenset[State]
    after: frozenset[Fact] = frozenset()
    never_after: frozenset[Fact] = frozenset()
    shuts: frozenset[Interface] = frozenset()


def _fact(
    text: str,
    german: str,
    chapter: str,
    by: Iterable[Role],
    states: Iterable[State],
    *,
    after: Iterable[Fact] = (),
    never_after: Iterable[Fact] = (),
    shuts: Iterable[Interface] = (),
) -> FactDescription:
    return FactDescription(
        text,
        german,
        chapter,
        frozenset(by),
        frozenset(states),
        frozenset(after),
        frozenset(never_after),
        frozenset(shuts),
    )


_PREPERSONALISATION_1 = (State.PREPERSONALISATION_1_SEPARATE, State.PREPERSONALISATION_1_ASSEMBLED)
_TO_RECYCLING = (State.DELIVERY_FOR_SCRAPPING, State.DELIVERY_FOR_SM_DESTRUCTION)
_REMOVALS = (State.REMOVAL_FOR_SCRAPPING, State.REMOVAL_FOR_SM_DESTRUCTION)
_VERIFIED_INSIDE = (Role.GWH, Role.GATEWAY)

FACTS: dict[Fact, FactDescription] = {
    Fact.DEVELOPMENT_COMPLETE: _fact(
        "development is declared complete", "Ende der Entwicklung", "2, 3", [Role.GWH], [State.DEVELOPMENT]
    ),
    Fact.MODULE_INITIALISED: _fact(
        "the module is initialised from its initialisation file",
        "SM mittels Initialisierungsfile initialisiert",
        "4, 5",
        [Role.GWH],
        [State.PRODUCTION],
    ),
    Fact.ROOT_CERTIFICATE_IN_MODULE: _fact(
        "the SM-PKI root certificate is in the module",
        "SM-PKI-Root-Zertifikat im SM",
        "4",
        _VERIFIED_INSIDE,
        _PREPERSONALISATION_1,
    ),
    Fact.PRELIMINARY_KEYS_IN_MODULE: _fact(
        "preliminary key pairs are generated in the module",
        "vorläufige Schlüsselpaare im SM",
        "4",
        _VERIFIED_INSIDE,
        _PREPERSONALISATION_1,
    ),
    Fact.SEAL_CERTIFICATES_IN_MODULE: _fact(
        "the seal certificates (TLS, SIG, ENC) are in the module",
        "Gütesiegelzertifikate im SM",
        "4",
        _VERIFIED_INSIDE,
        _PREPERSONALISATION_1,
        after=[Fact.ROOT_CERTIFICATE_IN_MODULE, Fact.PRELIMINARY_KEYS_IN_MODULE],
    ),
    Fact.MODULE_INTEGRATED: _fact(
        "the module is integrated into the gateway", "SM in das SMGW integriert", "5", [Role.GWH], [State.INTEGRATION]
    ),
    Fact.INITIAL_CONFIGURATION_IMPORTED: _fact(
        "the initial configuration file signed by the GWA is imported, its certificates stored",
        "Initiale Konfigurationsdatei eingespielt",
        "6",
        _VERIFIED_INSIDE,
        [State.PREPERSONALISATION_2],
    ),
    Fact.GWA_CERTIFICATES_VERIFIED: _fact(
        "the GWA's certificate chain is verified by the module",
        "Zertifikate des GWA überprüft",
        "6",
        _VERIFIED_INSIDE,
        [State.PREPERSONALISATION_2],
        after=[Fact.INITIAL_CONFIGURATION_IMPORTED],
    ),
    Fact.CONFIGURATION_SIGNATURE_VERIFIED: _fact(
        "the signature of the initial configuration file is verified by the module",
        "Signatur der Initialen Konfigurationsdatei überprüft",
        "6",
        _VERIFIED_INSIDE,
        [State.PREPERSONALISATION_2],
        after=[Fact.GWA_CERTIFICATES_VERIFIED],
    ),
    Fact.GWA_PUBLIC_KEYS_IN_MODULE: _fact(
        "the GWA's public keys are in the module",
        "Public Keys des GWA importiert",
        "6",
        _VERIFIED_INSIDE,
        [State.PREPERSONALISATION_2],
        after=[Fact.CONFIGURATION_SIGNATURE_VERIFIED],
    ),
    Fact.GWA_COMMUNICATION_ENABLED: _fact(
        "the GWA's communication data are enabled",
        "Kommunikationsdaten des GWA freigeschaltet",
        "6",
        _VERIFIED_INSIDE,
        [State.PREPERSONALISATION_2],
        after=[Fact.CONFIGURATION_SIGNATURE_VERIFIED],
    ),
    Fact.GWH_HANDED_OVER: _fact(
        "the GWH has handed over to the MSB", "Übergabe durch den GWH", "7, 8", [Role.GWH], [State.DELIVERY_TO_MSB]
    ),
    Fact.MSB_TOOK_OVER: _fact(
        "the MSB has taken over from the GWH",
        "Übernahme durch den MSB",
        "7, 8",
        [Role.MSB],
        [State.DELIVERY_TO_MSB],
        after=[Fact.GWH_HANDED_OVER],
    ),
    Fact.MSB_HANDED_OVER_TO_MONTEUR: _fact(
        "the MSB has handed over to the Monteur",
        "Übergabe an den Monteur",
        "8, 9",
        [Role.MSB],
        [State.FIRST_DELIVERY],
    ),
    Fact.MONTEUR_TOOK_OVER: _fact(
        "the Monteur has taken over from the MSB",
        "Übernahme durch den Monteur",
        "8, 9",
        [Role.MONTEUR],
        [State.FIRST_DELIVERY],
        after=[Fact.MSB_HANDED_OVER_TO_MONTEUR],
    ),
    Fact.ARRIVED_IN_FIELD: _fact(
        "the place is the field",
        "Ort ist die Einsatzumgebung",
        "9",
        [Role.MONTEUR],
        [State.FIRST_DELIVERY],
        after=[Fact.MONTEUR_TOOK_OVER],
    ),
    Fact.MOUNTED: _fact("the gateway is mounted", "SMGW montiert", "9, 10", [Role.MONTEUR], [State.FIRST_INSTALLATION]),
    Fact.COMMUNICATION_PARAMETERS_SET: _fact(
        "the communication parameters are set",
        "Kommunikationsparameter konfiguriert",
        "9, 10",
        [Role.ERSTKONFIGURATOR],
        [State.FIRST_INSTALLATION],
        never_after=[Fact.LOCAL_INTERFACE_OFF],
    ),
    Fact.COMMUNICATION_PARAMETERS_NOT_NEEDED: _fact(
        "the site needs no communication parameters",
        "keine Konfiguration der Kommunikationsparameter notwendig",
        "9, 10",
        [Role.MONTEUR, Role.ERSTKONFIGURATOR],
        [State.FIRST_INSTALLATION],
        never_after=[Fact.COMMUNICATION_PARAMETERS_SET],
    ),
    Fact.LOCAL_INTERFACE_OFF: _fact(
        "the local interface is off",
        "lokale Schnittstelle deaktiviert",
        "10",
        [Role.GATEWAY],
        [State.FIRST_INSTALLATION],
        shuts=[Interface.LOCAL],
    ),
    Fact.OPERATIONAL_CERTIFICATES_IN_MODULE: _fact(
        "the operational certificates (TLS, SIG, ENC) are in the module",
        "Wirkzertifikate im SM",
        "10, 11",
        [Role.GWA, Role.GATEWAY],
        [State.PERSONALISATION],
    ),
    Fact.EVERY_CERTIFICATE_REVOKED: _fact(
        "the GWA had every certificate of the gateway revoked in the SM-PKI",
        "sämtliche Zertifikate des SMGW gesperrt",
        "11, 12, 16, 17",
        [Role.GWA],
        [State.OPERATION, State.IRREVERSIBLE_FAULT, State.OUTAGE],
    ),
    Fact.MODULE_TERMINATED: _fact(
        # Chapters 11 and 16 speak of it; chapter 15 leaves the GWA whatever the fault does not affect, so it can happen
        # there too, and what can happen must find its place in the record.
        "the GWA has terminated the module",
        "SM terminiert",
        "11, 15, 16",
        [Role.GWA],
        [State.OPERATION, State.REVERSIBLE_FAULT, State.IRREVERSIBLE_FAULT],
        shuts=list(Interface),
    ),
    Fact.REMOVAL_COMPLETE: _fact(
        "the removal is reported complete", "Ausbau abgeschlossen", "12, 13, 18, 19", [Role.MONTEUR], _REMOVALS
    ),
    Fact.MSB_HANDED_OVER_TO_RECYCLER: _fact(
        "the MSB has handed over to the Recycler",
        "Übergabe an den Recycler",
        "13, 14, 19, 20",
        [Role.MSB],
        _TO_RECYCLING,
    ),
    Fact.RECYCLER_TOOK_OVER: _fact(
        "the Recycler has taken over from the MSB",
        "Übernahme durch den Recycler",
        "13, 14, 19, 20",
        [Role.RECYCLER],
        _TO_RECYCLING,
        after=[Fact.MSB_HANDED_OVER_TO_RECYCLER],
    ),
    Fact.MODULE_DESTROYED: _fact(
        "the module is physically destroyed", "SM zerstört", "14, 20", [Role.RECYCLER], [State.SM_DESTRUCTION]
    ),
}
"""Every fact with its description; total over :class:`Fact` (tested)."""
