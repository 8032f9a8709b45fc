"""What the technician's page says, in German and in English. Terms of the field are German in both."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from gateway.han.languages import Bilingual, Language, zone_name
from gateway.logs.events import Level
from gateway.technician_parts import PartName
from gateway.technician_questions import Says, Text
from lifecycle.faults import Fault
from lifecycle.functions import Function, Interface
from lifecycle.roles import ROLES, Role
from lifecycle.terms import FUNCTIONS, INTERFACES

_BERLIN: Final = ZoneInfo("Europe/Berlin")

_TEXTS: Final[Mapping[str, Text]] = {
    "title": Text("Servicetechniker", "Servicetechniker"),
    "skip": Text("Zum Inhalt", "Skip to the content"),
    "language": Text("Sprache", "Language"),
    "menu": Text("Seiten", "Pages"),
    "status": Text("Zustand", "State"),
    "log": Text("System-Log", "System log"),
    "connection": Text("Verbindung", "Connection"),
    "guide": Text("Diagnose", "Diagnosis"),
    "chapter": Text("Kap.", "ch."),
    "faults": Text("Offene Störungen", "Open faults"),
    "no_faults": Text("Keine Störung ist offen.", "No fault is open."),
    "leads_to": Text("Führt zu", "Leads to"),
    "affects": Text("Eingeschränkt", "Limited"),
    "affects_nothing": Text("nichts", "nothing"),
    "affects_everything": Text("alles", "everything"),
    "shuts": Text("Abgeschaltet", "Switched off"),
    "clearing": Text("Was sie behebt", "What clears it"),
    "cleared_by": Text("Wer sie aufhebt", "Who clears it"),
    "nobody": Text("niemand", "nobody"),
    "parts": Text("Teile des SMGW", "Parts of the gateway"),
    "clock_compare": Text("Uhr des SMGW", "Clock of the gateway"),
    "lines": Text("LMN-Leitungen, zuletzt gehört", "LMN lines, last heard"),
    "no_lines": Text("Keine LMN-Leitung ist eingerichtet.", "No LMN line is configured."),
    "never": Text("seit dem Start nicht", "not since the start"),
    "certificates": Text("Zertifikate", "Certificates"),
    "no_certificates": Text("Keine im Sicherheitsmodul.", "None in the security module."),
    "certificates_unread": Text("Sie sind nicht lesbar.", "They cannot be read."),
    "of_interface": Text("HAN-Schnittstelle des SMGW", "HAN interface of the gateway"),
    "of_yours": Text("Ihr eigenes, für diesen Zugang", "Your own, for this access"),
    "operational": Text("Wirkzertifikat", "Wirkzertifikat"),
    "seal": Text("Gütesiegelzertifikat", "Gütesiegelzertifikat"),
    "until": Text("bis", "until"),
    "ended": Text("abgelaufen", "ended"),
    "versions": Text("Versionen", "Versions"),
    "sound": Text("in Ordnung", "in order"),
    "unsound": Text("nicht in Ordnung", "not in order"),
    "silent": Text("still", "silent"),
    "log_empty": Text("Das Log ist leer.", "The log is empty."),
    "older": Text("Ältere", "Older"),
    "newer": Text("Neuere", "Newer"),
    "test": Text("Verbindung prüfen", "Test the connection"),
    "test_help": Text(
        "Geprüft wird, ob der Name des GWA aufgelöst wird und ob er, oder der Proxy davor, über TCP antwortet. "
        "Gesendet wird nichts.",
        "It is tested whether the GWA’s name is resolved, and whether it, or the proxy before it, answers over TCP. "
        "Nothing is sent.",
    ),
    "test_running": Text("Die Prüfung läuft …", "The test is running …"),
    "test_none": Text("Noch nicht geprüft.", "Not tested yet."),
    "test_good": Text("Der GWA ist erreichbar", "The GWA is reached"),
    "test_bad": Text("Der GWA ist nicht erreichbar", "The GWA is not reached"),
    "test_nowhere": Text(
        "Es steht nirgends, oder ist nicht lesbar, wo der GWA ist", "Nothing says, or says readably, where the GWA is"
    ),
    "when": Text("Geprüft", "Tested"),
    "name": Text("Name", "Name"),
    "name_none": Text("keiner, eine IP-Adresse", "none, an IP address"),
    "reached": Text("antwortet", "answers"),
    "not_tried": Text("nicht versucht", "not tried"),
    "look": Text("Ansehen", "Look at"),
    "answers": Text("Antwort", "Answer"),
    "begin_again": Text("Diagnose von vorn", "Diagnosis from the beginning"),
    "back": Text("Zurück zur Frage", "Back to the question"),
    "finding": Text("Befund", "Finding"),
    "command": Text("An der eigenen Station", "At your own station"),
    "command_help": Text(
        "Hier wird nichts eingetragen. Gibt es einen Auftrag des GWA, gehört „--order“ mit seiner Datei dazu.",
        "Nothing is recorded here. If there is an order of the GWA, “--order” with its file belongs to it.",
    ),
    "for_good": Text("Das ist endgültig: niemand hebt es auf.", "This is for good: nobody clears it."),
    "problem": Text("Das geht nicht", "That does not work"),
    "closed": Text(
        "Das SMGW gibt das jetzt nicht frei. Bleibt es dabei: Was vom Gerät und seinem Sicherheitsmodul zu sehen ist, "
        "stellt die eigene Station fest.",
        "The gateway does not open this now. If it stays so: what is to be seen of the device and its module is for "
        "your own station to find.",
    ),
    "no_values": Text(
        "Messwerte sind hier nicht zu sehen, auch nicht für den Servicetechniker.",
        "No measured values are to be seen here, not for a Servicetechniker either.",
    ),
}
_PARTS: Final[Mapping[PartName, Text]] = {
    PartName.MODULE: Text("Sicherheitsmodul", "Security module"),
    PartName.RECORD: Text("Lebenslaufakte", "Record"),
    PartName.DISK: Text("Datenträger", "Disk"),
    PartName.CLOCK: Text("Uhr", "Clock"),
}
_SAYS: Final[Mapping[Says, Text]] = {
    Says.FOUND: Text("Befund", "Finding"),
    Says.CLEARED: Text("Befund: behoben", "Finding: cleared"),
    Says.NOTHING: Text("Kein Befund", "No finding"),
}
_LEVELS: Final[Mapping[Level, Text]] = {
    Level.INFO: Text("Information", "information"),
    Level.WARNING: Text("Warnung", "warning"),
    Level.ERROR: Text("Fehler", "error"),
    Level.FATAL: Text("fatal", "fatal"),
}


class Words(Bilingual):
    """The page's words in one language."""

    texts = _TEXTS

    def part(self, name: PartName) -> str:
        """A part of the gateway."""
        return self.said(_PARTS[name])

    def says(self, says: Says) -> str:
        """What a finding says."""
        return self.said(_SAYS[says])

    def level(self, level: int) -> str:
        """How grave an event is."""
        return self.said(_LEVELS[Level(level)])

    def affected(self, fault: Fault) -> str:
        """The functions that a fault takes away."""
        if not fault.affects:
            return self["affects_nothing"]
        if fault.affects == frozenset(Function):
            return self["affects_everything"]
        return ", ".join(
            self._term(FUNCTIONS[function], function) for function in Function if function in fault.affects
        )

    def shut(self, fault: Fault) -> str:
        """The interfaces that a fault takes away."""
        found = (interface for interface in Interface if interface in fault.shuts)
        return "; ".join(self._term(INTERFACES[interface], interface) for interface in found)

    def clearing(self, fault: Fault) -> str:
        """What clears a fault."""
        return self.said(Text(fault.german_clearing or fault.clearing, fault.clearing))

    def source(self, fault: Fault) -> str:
        """Where a fault is named; in German only the chapters, for other sources are told in English."""
        if self.language is Language.ENGLISH:
            return fault.source
        return f"{self['chapter']} {fault.source[4:]}" if fault.source.startswith("ch. ") else ""

    def clearers(self, fault: Fault) -> str:
        """Who clears a fault."""
        names = [ROLES[role].german for role in Role if role in fault.cleared_by]
        return ", ".join(names) or self["nobody"]

    def _term(self, german: str, term: Function | Interface) -> str:
        return self.said(Text(german, term.name.lower().replace("_", " ")))


WORDS: Final[Mapping[Language, Words]] = MappingProxyType({language: Words(language) for language in Language})
"""The words in each language."""


def moment(time: datetime) -> str:
    """A time for people: German legal time (gesetzliche Zeit), to the second."""
    local = time.astimezone(_BERLIN)
    return f"{local:%d.%m.%Y %H:%M:%S} {zone_name(local, Language.GERMAN)}"
