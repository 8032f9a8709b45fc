"""Who acts on a gateway: the responsible roles (Table 1.2), the participants, the device itself and its record keeper.

Table 1.2 gives eight values for the phase attribute *Rolle*: seven roles and N/A, which is ``None`` here. A role may do
another's work *im Auftrag* (1.2): the record names both, who acted and for whom.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique

from lifecycle.functions import Credential


@unique
class Nature(StrEnum):
    """How a role meets the gateway (Table 1.2)."""

    TECHNICAL = "technical"
    PHYSICAL = "physical"


@unique
class Role(StrEnum):
    """A party that may stand in the record or before the gate."""

    GWH = "GWH"
    """Gateway-Hersteller: develops, produces, integrates, delivers."""
    MSB = "MSB"
    """Messstellenbetreiber: responsible for metering after the MsbG; the physical role of deliveries."""
    GWA = "GWA"
    """Smart-Meter-Gateway-Administrator."""
    MONTEUR = "MONTEUR"
    """Monteur: mounts and removes, on behalf of the MSB."""
    ERSTKONFIGURATOR = "ERSTKONFIGURATOR"
    """Erstkonfigurator: sets communication parameters where needed, on behalf of the GWA."""
    SERVICETECHNIKER = "SERVICETECHNIKER"
    """Servicetechniker: diagnoses and repairs on site, on behalf of the GWA."""
    RECYCLER = "RECYCLER"
    """Recycler: destroys the module where needed and scraps the gateway, on behalf of the MSB."""
    ANSCHLUSSNUTZER = "ANSCHLUSSNUTZER"
    """Anschlussnutzer (consumer): a participant, not a responsible role (1.2)."""
    EMT_ACTIVE = "EMT_ACTIVE"
    """Aktiver externer Marktteilnehmer: a participant that may reach a CLS."""
    EMT_PASSIVE = "EMT_PASSIVE"
    """Passiver externer Marktteilnehmer: a participant that receives deliveries."""
    MESSEINRICHTUNG = "MESSEINRICHTUNG"
    """Messeinrichtung (meter): a participant."""
    CLS = "CLS"
    """Controllable local system: a participant."""
    GATEWAY = "GATEWAY"
    """The gateway itself, which notices faults (ch. 15 to 17) and works inside."""
    KEEPER = "KEEPER"
    """Whoever keeps a copy of the record and signs its head; moves no gateway and opens no function."""


@dataclass(frozen=True, slots=True)
class RoleDescription:
    """What Table 1.2 and 1.2 say of a role.

    :ivar german: the German term.
    :ivar chapter: where the Anlage speaks of it.
    :ivar nature: technical, physical, or ``None`` where the Anlage does not say.
    :ivar responsible: whether it is a value of Table 1.2, so that it may be set in a phase.
    :ivar acts_for: the principal of a role that always acts *im Auftrag*, else ``None``.
    :ivar credentials: what the role may show at the gate.
    """

    german: str
    chapter: str
    nature: Nature | None
    responsible: bool
    acts_for: Role | None
    credentials: frozenset[Credential]


def _description(
    german: str,
    *credentials: Credential,
    chapter: str = "1.2",
    nature: Nature | None = None,
    responsible: bool = False,
    acts_for: Role | None = None,
) -> RoleDescription:
    return RoleDescription(german, chapter, nature, responsible, acts_for, frozenset(credentials))


ROLES: dict[Role, RoleDescription] = {
    Role.GWH: _description(
        "Gateway-Hersteller",
        Credential.MODULE_CONTACT,
        Credential.PRODUCTION_SITE,
        Credential.INTEGRATOR_PIN,
        nature=Nature.TECHNICAL,
        responsible=True,
    ),
    Role.MSB: _description("Messstellenbetreiber", nature=Nature.PHYSICAL, responsible=True),
    Role.GWA: _description("Smart-Meter-Gateway-Administrator", Credential.GWA_CERTIFICATE, responsible=True),
    Role.MONTEUR: _description("Monteur", nature=Nature.PHYSICAL, responsible=True, acts_for=Role.MSB),
    Role.ERSTKONFIGURATOR: _description(
        "Erstkonfigurator",
        Credential.CONFIGURATOR_CREDENTIAL,
        nature=Nature.TECHNICAL,
        responsible=True,
        acts_for=Role.GWA,
    ),
    Role.SERVICETECHNIKER: _description(
        "Servicetechniker", Credential.TECHNICIAN_CERTIFICATE, responsible=True, acts_for=Role.GWA
    ),
    Role.RECYCLER: _description("Recycler", nature=Nature.PHYSICAL, responsible=True, acts_for=Role.MSB),
    Role.ANSCHLUSSNUTZER: _description(
        "Anschlussnutzer", Credential.CONSUMER_CERTIFICATE, Credential.CONSUMER_PASSWORD
    ),
    Role.EMT_ACTIVE: _description("aktiver externer Marktteilnehmer", Credential.EMT_CERTIFICATE),
    Role.EMT_PASSIVE: _description("passiver externer Marktteilnehmer", Credential.EMT_CERTIFICATE),
    Role.MESSEINRICHTUNG: _description("Messeinrichtung", Credential.METER_CERTIFICATE, Credential.METER_KEY),
    Role.CLS: _description("steuerbares lokales System", Credential.CLS_CERTIFICATE),
    Role.GATEWAY: _description("Smart-Meter-Gateway", Credential.INSIDE, chapter="15 to 17"),
    Role.KEEPER: _description("Aktenführer", chapter="ours: the record is not a subject of the Anlage"),
}
"""Every role with its description; total over :class:`Role` (tested)."""

PARTICIPANTS: frozenset[Role] = frozenset(
    {Role.ANSCHLUSSNUTZER, Role.EMT_ACTIVE, Role.EMT_PASSIVE, Role.MESSEINRICHTUNG, Role.CLS}
)
"""They talk to a gateway in operation, hold it in no phase and move it to none (1.2)."""

MAY_BE_REPRESENTED: frozenset[Role] = frozenset({Role.GWH, Role.MSB})
"""Roles whose tasks a service provider (Dienstleister) may take over in their name (ch. 7, 8, 13, 19)."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and for whom.

    :ivar role: the role acted in.
    :ivar name: the acting party's name as in its certificate.
    :ivar on_behalf_of: the principal's role when acting *im Auftrag*; always set for Monteur, Erstkonfigurator,
        Servicetechniker and Recycler; a service provider of GWH or MSB names that same role.
    :ivar certificate: SHA-256 fingerprint (hex) of the party's certificate; empty where none is involved.
    """

    role: Role
    name: str = ""
    on_behalf_of: Role | None = None
    certificate: str = ""


def principal_of(role: Role) -> Role | None:
    """The principal that a role always acts for, or ``None`` when it acts for itself."""
    return ROLES[role].acts_for


def may_act_for(role: Role, on_behalf_of: Role | None) -> bool:
    """Whether *role* may act with this principal: its fixed one; or none; or itself for a service provider."""
    fixed = ROLES[role].acts_for
    if fixed is not None:
        return on_behalf_of is fixed
    return on_behalf_of is None or (on_behalf_of is role and role in MAY_BE_REPRESENTED)


def may_sign_for(actor: Actor, gateway: str) -> bool:
    """Whether an actor may stand in the record of this gateway: a gateway only in its own."""
    return actor.role is not Role.GATEWAY or actor.name == gateway
