"""The events that are logged: one table. Who may read an event is who may read its log, and that the law says.

Texts name their details in brackets, as the FNN's logbook does. No event of the system log or the calibration log has a
measured value among its details, and none that concerns a consumer's data stands in a log that others read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum, unique
from typing import Final

from lifecycle.functions import Function
from lifecycle.phases.uncategorised import OPERATION_GRANTS
from lifecycle.roles import Role

_PLACEHOLDER = re.compile(r"\[([a-z_]+)\]")


@unique
class Log(StrEnum):
    """The three logs."""

    SYSTEM = "system"
    """System log (System-Log), for the administrator."""
    CALIBRATION = "calibration"
    """Calibration log (eichtechnisches Log, Eichlog)."""
    CONSUMER = "consumer"
    """Consumer log (Anschlussnutzer-Log), one for each consumer."""


READ_BY: Final[Mapping[Log, Function]] = {
    Log.SYSTEM: Function.READ_SYSTEM_LOG,
    Log.CALIBRATION: Function.READ_CALIBRATION_LOG,
    Log.CONSUMER: Function.READ_CONSUMER_LOG,
}
"""The function of the gate by which a log is read."""


def readers_of(log: Log) -> frozenset[Role]:
    """Who may read a log, as the law grants it in OPERATION. A consumer log only its own consumer."""
    return frozenset(grant.role for grant in OPERATION_GRANTS if grant.function is READ_BY[log])


@unique
class Level(IntEnum):
    """How grave an event is (FNN logbook)."""

    INFO = 1
    WARNING = 2
    ERROR = 3
    FATAL = 4


@unique
class Outcome(IntEnum):
    """How what is told of ended (FNN logbook)."""

    SUCCESS = 0
    FAILURE = 1


@unique
class EventId(IntEnum):
    """The number of each event: 1xxx of the system log, 2xxx of the calibration log, 3xxx of the consumer logs."""

    STARTED = 1001
    SELF_TEST_PASSED = 1002
    SELF_TEST_FAILED = 1003
    STATE_CHANGED = 1010
    FAULT_OPENED = 1011
    FAULT_CLEARED = 1012
    CERTIFICATES_RENEWED = 1020
    CERTIFICATE_ENDS = 1021
    PROFILES_CHANGED = 1030
    ACCESS_REFUSED = 1040
    CONNECTION_FAILED = 1041
    LOG_NEARLY_FULL = 1050
    CONSUMER_LOG_FULL = 1051
    CONSUMER_LOG_FREED = 1052
    DISK_WAS_FULL = 1060
    METERING_STARTED = 1070
    METER_UNKNOWN = 1071
    READING_REPEATED = 1072
    READING_CONTRADICTED = 1073
    READINGS_MISSING = 1074
    FIRMWARE_UPDATED = 2001
    INTEGRITY_LOST = 2002
    CLOCK_JUMPED = 2010
    CLOCK_SET_BACK = 2011
    TIME_SYNCHRONISATION_FAILING = 2012
    REGISTER_RAN_BACK = 2020
    UNIT_CHANGED = 2021
    METER_FATAL = 2022
    METER_ADDED = 2023
    METER_CHANGED = 2024
    METER_REMOVED = 2025
    CALIBRATION_LOG_FULL = 2099
    DATA_DELIVERED = 3001
    OWN_DATA_READ = 3002
    ACCESS_TO_OWN_DATA_REFUSED = 3003
    OWN_PROFILE_CHANGED = 3004
    OWN_READINGS_DELETED = 3010
    OWN_SELF_TEST_PASSED = 3020
    OWN_SELF_TEST_FAILED = 3021
    OWN_LOG_NEARLY_FULL = 3050
    OWN_LOG_FREED = 3052
    OWN_LOG_FULL = 3099


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    :ivar number: its number.
    :ivar log: the log it stands in.
    :ivar level: how grave it is.
    :ivar outcome: how it ended.
    :ivar german: the German text, details in brackets.
    :ivar english: the English text, with the same details.
    """

    number: EventId
    log: Log
    level: Level
    outcome: Outcome
    german: str
    english: str

    @property
    def details(self) -> frozenset[str]:
        """The names of its details."""
        return frozenset(_PLACEHOLDER.findall(self.german))

    @property
    def readers(self) -> frozenset[Role]:
        """Who may read it."""
        return readers_of(self.log)

    def text(self, details: Mapping[str, str | int], *, german: bool = True) -> str:
        """The text with its details in place."""
        return _PLACEHOLDER.sub(lambda found: str(details[found[1]]), self.german if german else self.english)


_ROWS: Final = (
    # number, level, outcome, German, English; the log follows from the number
    (EventId.STARTED, 1, 0, "SMGW gestartet, Firmware [firmware]", "gateway started, firmware [firmware]"),
    (EventId.SELF_TEST_PASSED, 1, 0, "Selbsttest bestanden", "self-test passed"),
    (EventId.SELF_TEST_FAILED, 3, 1, "Selbsttest nicht bestanden: [finding]", "self-test failed: [finding]"),
    (EventId.STATE_CHANGED, 1, 0, "Phasenübergang von [before] nach [after]", "moved from [before] to [after]"),
    (EventId.FAULT_OPENED, 3, 1, "Störung aufgetreten: [fault]", "fault opened: [fault]"),
    (EventId.FAULT_CLEARED, 1, 0, "Störung behoben: [fault]", "fault cleared: [fault]"),
    (
        EventId.CERTIFICATES_RENEWED,
        1,
        0,
        "Zertifikate erneuert, gültig bis [ends]",
        "certificates renewed until [ends]",
    ),
    (EventId.CERTIFICATE_ENDS, 2, 0, "Zertifikat [key] läuft am [ends] ab", "certificate [key] ends at [ends]"),
    (EventId.PROFILES_CHANGED, 1, 0, "Profil [profile] geändert durch [who]", "profile [profile] changed by [who]"),
    (
        EventId.ACCESS_REFUSED,
        2,
        1,
        "Zugriff an [interface] abgewiesen: [reason]",
        "access at [interface] refused: [reason]",
    ),
    (EventId.CONNECTION_FAILED, 2, 1, "Verbindung zu [peer] gescheitert", "connection to [peer] failed"),
    (
        EventId.LOG_NEARLY_FULL,
        2,
        0,
        "Log [name] zu [percent] % belegt ([consumer])",
        "log [name] is [percent] % full ([consumer])",
    ),
    (
        EventId.CONSUMER_LOG_FULL,
        3,
        1,
        "Kapazitätsgrenze des Anschlussnutzer-Logs erreicht: [consumer]",
        "consumer log full: [consumer]",
    ),
    (
        EventId.CONSUMER_LOG_FREED,
        1,
        0,
        "Anschlussnutzer-Log [consumer] freigegeben, [count] Einträge bis Nr. [last], Prüfwert [hash]",
        "consumer log [consumer] freed of [count] entries up to no. [last], hash [hash]",
    ),
    (EventId.DISK_WAS_FULL, 3, 1, "Datenträger war voll", "the disk was full"),
    (EventId.METERING_STARTED, 1, 0, "Messbetrieb aufgenommen", "metering started"),
    (EventId.METER_UNKNOWN, 2, 1, "Messwert ohne Profil: Zähler [meter]", "reading without a profile: meter [meter]"),
    (
        EventId.READING_REPEATED,
        2,
        0,
        "Messwert doppelt: Zähler [meter], Register [obis]",
        "reading sent twice: meter [meter], register [obis]",
    ),
    (
        EventId.READING_CONTRADICTED,
        3,
        1,
        "Widersprüchliche Messwerte zu einem Zeitpunkt: Zähler [meter], Register [obis]",
        "contradictory readings of one moment: meter [meter], register [obis]",
    ),
    (
        EventId.READINGS_MISSING,
        2,
        1,
        "Messwertlücke: Zähler [meter], Register [obis], [count] Werte von [since] bis [until] ([cause])",
        "gap: meter [meter], register [obis], [count] readings from [since] to [until] ([cause])",
    ),
    (EventId.FIRMWARE_UPDATED, 1, 0, "Firmware [firmware] installiert", "firmware [firmware] installed"),
    (EventId.INTEGRITY_LOST, 4, 1, "Integrität verletzt: [finding]", "integrity lost: [finding]"),
    (
        EventId.CLOCK_JUMPED,
        3,
        1,
        "Zeitsprung um [milliseconds] ms auf [now]",
        "clock jumped by [milliseconds] ms to [now]",
    ),
    (
        EventId.CLOCK_SET_BACK,
        3,
        1,
        "Uhr zurückgestellt von [before] auf [now]",
        "clock set back from [before] to [now]",
    ),
    (
        EventId.TIME_SYNCHRONISATION_FAILING,
        3,
        1,
        "Zeitsynchronisation wiederholt fehlgeschlagen",
        "time synchronisation failing again and again",
    ),
    (
        EventId.REGISTER_RAN_BACK,
        3,
        1,
        "Zählerstand rückläufig: Zähler [meter], Register [obis], Listeneintrag [entry]",
        "register ran back: meter [meter], register [obis], entry [entry] of its list",
    ),
    (
        EventId.UNIT_CHANGED,
        3,
        1,
        "Einheit geändert: Zähler [meter], Register [obis], Listeneintrag [entry]",
        "unit changed: meter [meter], register [obis], entry [entry] of its list",
    ),
    (
        EventId.METER_FATAL,
        3,
        1,
        "Zähler meldet fatalen Fehler: [meter], Register [obis], Listeneintrag [entry]",
        "meter reports a fatal error: [meter], register [obis], entry [entry] of its list",
    ),
    (EventId.METER_ADDED, 1, 0, "Zähler [meter] aufgenommen", "meter [meter] added"),
    (EventId.METER_CHANGED, 1, 0, "Profil des Zählers [meter] geändert", "profile of meter [meter] changed"),
    (EventId.METER_REMOVED, 1, 0, "Zähler [meter] entfernt", "meter [meter] removed"),
    (EventId.CALIBRATION_LOG_FULL, 4, 1, "Kapazitätsgrenze des Eichlogs erreicht", "calibration log full"),
    (
        EventId.DATA_DELIVERED,
        1,
        0,
        "[count] Messwerte von [since] bis [until] an [recipient] übertragen ([what])",
        "[count] readings from [since] to [until] delivered to [recipient] ([what])",
    ),
    (EventId.OWN_DATA_READ, 1, 0, "Eigene Daten gelesen: [what]", "own data read: [what]"),
    (EventId.ACCESS_TO_OWN_DATA_REFUSED, 2, 1, "Zugriff abgewiesen: [reason]", "access refused: [reason]"),
    (EventId.OWN_PROFILE_CHANGED, 1, 0, "Profil [profile] geändert durch [who]", "profile [profile] changed by [who]"),
    (
        EventId.OWN_READINGS_DELETED,
        1,
        0,
        "[count] Listeneinträge gelöscht: Zähler [meter], Register [obis], [since] bis [until], Prüfwert [hash]",
        "[count] entries deleted: meter [meter], register [obis], [since] to [until], hash [hash]",
    ),
    (EventId.OWN_SELF_TEST_PASSED, 1, 0, "Selbsttest des SMGW bestanden", "the gateway's self-test passed"),
    (
        EventId.OWN_SELF_TEST_FAILED,
        3,
        1,
        "Selbsttest des SMGW nicht bestanden: [finding]",
        "the gateway's self-test failed: [finding]",
    ),
    (EventId.OWN_LOG_NEARLY_FULL, 2, 0, "Ihr Log ist zu [percent] % belegt", "your log is [percent] % full"),
    (
        EventId.OWN_LOG_FREED,
        1,
        0,
        "[count] Einträge bis Nr. [last] durch den GWA freigegeben, Prüfwert [hash]",
        "[count] entries up to no. [last] freed by the GWA, hash [hash]",
    ),
    (
        EventId.OWN_LOG_FULL,
        3,
        1,
        "Kapazitätsgrenze Ihres Logs erreicht, Messbetrieb eingeschränkt (Kap. 15)",
        "your log is full, metering is limited (ch. 15)",
    ),
)

_LOG_OF: Final = {1: Log.SYSTEM, 2: Log.CALIBRATION, 3: Log.CONSUMER}

EVENTS: Final[Mapping[EventId, Event]] = {
    number: Event(number, _LOG_OF[number // 1000], Level(level), Outcome(outcome), german, english)
    for number, level, outcome, german, english in _ROWS
}
"""Every event, by its number; total over :class:`EventId` (tested)."""
