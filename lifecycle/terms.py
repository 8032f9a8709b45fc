"""German terms for what the law names in English only: interfaces, functions, credentials, kinds, places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lifecycle.functions import Credential, Function, Interface
from lifecycle.journal import Kind
from lifecycle.phases import Advice
from lifecycle.states import Place

INTERFACES: Final[Mapping[Interface, str]] = {
    Interface.SM_DIRECT: "Sicherheitsmodul, direkt",
    Interface.LOCAL: "lokale Schnittstelle",
    Interface.LMN: "Lokales Metrologisches Netz",
    Interface.HAN_CONSUMER: "HAN, Anschlussnutzer",
    Interface.HAN_TECHNICIAN: "HAN, Servicetechniker",
    Interface.CLS: "steuerbare lokale Systeme",
    Interface.WAN_ADMIN: "WAN, Administration",
    Interface.WAN_PARTICIPANT: "WAN, Marktteilnehmer",
    Interface.INSIDE: "im Gateway selbst",
}

CREDENTIALS: Final[Mapping[Credential, str]] = {
    Credential.MODULE_CONTACT: "Sicherheitsmodul in der Hand",
    Credential.PRODUCTION_SITE: "Produktionsstätte",
    Credential.INTEGRATOR_PIN: "Integrator-PIN",
    Credential.CONFIGURATOR_CREDENTIAL: "Nachweis des Erstkonfigurators",
    Credential.GWA_CERTIFICATE: "GWA-Zertifikat",
    Credential.EMT_CERTIFICATE: "EMT-Zertifikat",
    Credential.METER_CERTIFICATE: "Zählerzertifikat",
    Credential.METER_KEY: "Zählerschlüssel",
    Credential.CONSUMER_CERTIFICATE: "HAN-Zertifikat",
    Credential.CONSUMER_PASSWORD: "Benutzername und Passwort",
    Credential.TECHNICIAN_CERTIFICATE: "HAN-Zertifikat des Servicetechnikers",
    Credential.CLS_CERTIFICATE: "CLS-Zertifikat",
    Credential.INSIDE: "keiner",
}

FUNCTIONS: Final[Mapping[Function, str]] = {
    Function.IMPORT_ROOT_CERTIFICATE: "Wurzelzertifikat einbringen",
    Function.GENERATE_PRELIMINARY_KEYS: "vorläufige Schlüssel erzeugen",
    Function.EXPORT_PUBLIC_KEYS: "öffentliche Schlüssel auslesen",
    Function.IMPORT_SEAL_CERTIFICATES: "Gütesiegelzertifikate einbringen",
    Function.INTEGRATE_MODULE: "Sicherheitsmodul integrieren",
    Function.TERMINATE_MODULE: "Sicherheitsmodul terminieren",
    Function.IMPORT_INITIAL_CONFIGURATION: "Initiale Konfigurationsdatei einspielen",
    Function.SET_COMMUNICATION_PARAMETERS: "Kommunikationsparameter setzen",
    Function.TEST_CONNECTION: "Verbindung prüfen",
    Function.INSTALL_OPERATIONAL_CERTIFICATES: "Wirkzertifikate einbringen",
    Function.RENEW_CERTIFICATES: "Zertifikate erneuern",
    Function.SET_TIME: "Zeit stellen",
    Function.SYNCHRONISE_TIME: "Zeit synchronisieren",
    Function.READ_STATUS: "Status lesen",
    Function.RECEIVE_READINGS: "Messwerte empfangen",
    Function.STORE_READINGS: "Messwerte speichern",
    Function.DERIVE_REGISTERS: "abgeleitete Register bilden",
    Function.READ_OWN_DATA: "eigene Daten lesen",
    Function.READ_CONSUMER_LOG: "Anschlussnutzer-Log lesen",
    Function.READ_SYSTEM_LOG: "System-Log lesen",
    Function.READ_CALIBRATION_LOG: "Eichlog lesen",
    Function.WRITE_LOGS: "Logs schreiben",
    Function.OPEN_CHANNEL: "CLS-Kanal öffnen",
    Function.MANAGE_PROFILES: "Profile verwalten",
    Function.MANAGE_KEYS: "Schlüssel verwalten",
    Function.MANAGE_METERS: "Messeinrichtungen verwalten",
    Function.MANAGE_LOGS: "Logs verwalten",
    Function.UPDATE_FIRMWARE: "Firmware aktualisieren",
    Function.DELIVER_VALUES: "Messwerte versenden",
    Function.HANDLE_WAKE_UP: "Wake-up behandeln",
    Function.SELF_TEST: "Selbsttest",
}

KINDS: Final[Mapping[Kind, str]] = {
    Kind.EVIDENCE: "Nachweis",
    Kind.TRANSITION: "Phasenübergang",
    Kind.FAULT: "Störung gemeldet",
    Kind.RESTORED: "Störung behoben",
}

PLACES: Final[Mapping[Place, str]] = {
    Place.PRODUCTION_SITE: "Produktionsstätte",
    Place.IN_TRANSIT: "Lieferweg",
    Place.FIELD: "Einsatzumgebung",
    Place.RECYCLING: "Recycling",
}

ADVICE: Final[Mapping[Advice, str]] = {
    Advice.NEUTRAL: "neutral",
    Advice.RECOMMENDED: "empfohlen",
    Advice.NOT_RECOMMENDED: "nicht empfohlen",
}
