"""The words of the gate: what a gateway does (``Function``), where (``Interface``), shown by what (``Credential``).

A function is named ``subsystem:action``. Whether it handles or shows a measured value, and whether it belongs to
metering, is said here once; the proof (P6, P7) and the fault catalogue read it from here.
"""

from __future__ import annotations

from enum import StrEnum, unique


@unique
class Interface(StrEnum):
    """Where somebody reaches a gateway (Schnittstelle)."""

    SM_DIRECT = "SM_DIRECT"
    """The contacts of a security module (Sicherheitsmodul) that is not yet built in (ch. 4)."""
    LOCAL = "LOCAL"
    """The local interface (lokale Schnittstelle) of the integrator and the Erstkonfigurator (ch. 4, 6, 9)."""
    LMN = "LMN"
    """Local metrological network: the meters (Messeinrichtungen)."""
    HAN_CONSUMER = "HAN_CONSUMER"
    """Home area network, the consumer's side (Anschlussnutzer)."""
    HAN_TECHNICIAN = "HAN_TECHNICIAN"
    """Home area network, the Servicetechniker's side."""
    CLS = "CLS"
    """Controllable local systems (steuerbare lokale Systeme)."""
    WAN_ADMIN = "WAN_ADMIN"
    """Wide area network, the channel of the administrator (GWA)."""
    WAN_PARTICIPANT = "WAN_PARTICIPANT"
    """Wide area network, the channels of external market participants (EMT)."""
    INSIDE = "INSIDE"
    """No interface: what the gateway does by itself."""


@unique
class Credential(StrEnum):
    """What a caller shows to be let in. The key or PIN itself is the subsystem's business, never the gate's."""

    MODULE_CONTACT = "MODULE_CONTACT"
    """Possession of the bare module in the production site (ch. 4: direct access)."""
    PRODUCTION_SITE = "PRODUCTION_SITE"
    """Presence at the production site with module and gateway in hand (ch. 5)."""
    INTEGRATOR_PIN = "INTEGRATOR_PIN"
    """Integrator-PIN (ch. 4 and 6, TR-03109-2 2.1.3.1)."""
    CONFIGURATOR_CREDENTIAL = "CONFIGURATOR_CREDENTIAL"
    """What the GWA gives its Erstkonfigurator (TR-03109-6 3.3.6; not described interoperably, ch. 9)."""
    GWA_CERTIFICATE = "GWA_CERTIFICATE"
    """The GWA's certificates of the Smart Metering PKI."""
    EMT_CERTIFICATE = "EMT_CERTIFICATE"
    """An EMT's certificates of the Smart Metering PKI."""
    METER_CERTIFICATE = "METER_CERTIFICATE"
    """A meter's own certificate, pinned by its profile (TR-03116-3 ch. 6)."""
    METER_KEY = "METER_KEY"
    """A meter's symmetric key (TR-03116-3 ch. 7)."""
    CONSUMER_CERTIFICATE = "CONSUMER_CERTIFICATE"
    """The consumer's HAN certificate."""
    CONSUMER_PASSWORD = "CONSUMER_PASSWORD"  # noqa: S105  the name of a kind of credential, not one
    """The consumer's user name and password (HTTP Digest)."""
    TECHNICIAN_CERTIFICATE = "TECHNICIAN_CERTIFICATE"
    """The Servicetechniker's own HAN certificate."""
    CLS_CERTIFICATE = "CLS_CERTIFICATE"
    """The certificate of a controllable local system."""
    INSIDE = "inside"
    """None: the gateway itself is the caller."""


@unique
class Function(StrEnum):
    """What can be done with or by a gateway, as ``subsystem:action``."""

    IMPORT_ROOT_CERTIFICATE = "module:import-root-certificate"
    GENERATE_PRELIMINARY_KEYS = "module:generate-preliminary-keys"
    EXPORT_PUBLIC_KEYS = "module:export-public-keys"
    IMPORT_SEAL_CERTIFICATES = "module:import-seal-certificates"
    INTEGRATE_MODULE = "module:integrate"
    TERMINATE_MODULE = "module:terminate"
    IMPORT_INITIAL_CONFIGURATION = "configuration:import-initial-file"
    SET_COMMUNICATION_PARAMETERS = "configuration:set-communication-parameters"
    TEST_CONNECTION = "configuration:test-connection"
    INSTALL_OPERATIONAL_CERTIFICATES = "certificates:install-operational"
    RENEW_CERTIFICATES = "certificates:renew"
    SET_TIME = "clock:set-time"
    SYNCHRONISE_TIME = "clock:synchronise"
    READ_STATUS = "status:read"
    RECEIVE_READINGS = "metering:receive-readings"
    STORE_READINGS = "metering:store-readings"
    DERIVE_REGISTERS = "tariffing:derive-registers"
    READ_OWN_DATA = "han:read-own-data"
    READ_CONSUMER_LOG = "logs:read-consumer-log"
    READ_SYSTEM_LOG = "logs:read-system-log"
    READ_CALIBRATION_LOG = "logs:read-calibration-log"
    WRITE_LOGS = "logs:write"
    OPEN_CHANNEL = "cls:open-channel"
    MANAGE_PROFILES = "administration:manage-profiles"
    MANAGE_KEYS = "administration:manage-keys"
    MANAGE_METERS = "administration:manage-meters"
    MANAGE_LOGS = "administration:manage-logs"
    UPDATE_FIRMWARE = "administration:update-firmware"
    DELIVER_VALUES = "wan:deliver-values"
    HANDLE_WAKE_UP = "wan:handle-wake-up"
    SELF_TEST = "selftest:run"


METERING: frozenset[Function] = frozenset({Function.RECEIVE_READINGS, Function.STORE_READINGS})
"""Metering (Messbetrieb): always restricted in an irreversible fault (ch. 16)."""

SHOWS_MEASURED_VALUES: frozenset[Function] = frozenset({Function.READ_OWN_DATA, Function.DELIVER_VALUES})
"""Functions whose caller learns a measured value."""

HANDLES_READINGS: frozenset[Function] = METERING | {Function.DERIVE_REGISTERS} | SHOWS_MEASURED_VALUES
"""Functions by which a reading is received, stored, derived, shown or delivered (P6)."""
