"""What the page says, in German and in English, and the law's refusals in German besides the law's own words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from gateway.han.languages import Bilingual, Language
from lifecycle.canonical import parse_time
from lifecycle.evidence import Condition, Evidence
from lifecycle.facts import Fact
from lifecycle.law import LAW, Law, Reason
from lifecycle.states import State
from stations.installer.works import Refusal, Stage, Work

_TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "title": ("Montage", "Installation"),
    "skip": ("Zum Inhalt", "Skip to the content"),
    "gateways": ("Mitgenommene Gateways", "Gateways taken along"),
    "gateway": ("Gateway", "Gateway"),
    "language": ("Sprache", "Language"),
    "chapter": ("Kap.", "ch."),
    "entries": ("Einträge", "entries"),
    "entry": ("Nr.", "no."),
    "steps": ("Schritte", "Steps"),
    "removal": ("Ausbau", "Removal"),
    "done": ("erledigt", "done"),
    "next": ("als Nächstes", "next"),
    "later": ("später", "later"),
    "missed": ("nicht getan", "not done"),
    "why_not": ("Warum noch nicht?", "Why not yet?"),
    "law_says": ("Im Wortlaut", "In the law’s own words"),
    "for": ("für", "for"),
    "pair": ("Telefon koppeln", "Pair this phone"),
    "pair_help": (
        "Der Code steht dort, wo „smgw install serve“ läuft. Er gilt einmal.",
        "The code is printed where “smgw install serve” runs. It works once.",
    ),
    "code": ("Kopplungscode", "Pairing code"),
    "pair_do": ("Koppeln", "Pair"),
    "code_wrong": ("Dieser Code stimmt nicht.", "This code is wrong."),
    "code_void": (
        "Der Code gilt nicht mehr: Er wurde schon benutzt oder zu oft falsch eingegeben. "
        "„smgw install serve“ neu starten.",
        "The code is void: it was used, or wrong codes were given too often. Start “smgw install serve” anew.",
    ),
    "leave": ("Kopplung beenden", "Unpair"),
    "will_sign": ("Das wird unterschrieben:", "This will be signed:"),
    "for_good": (
        "Was in der Akte steht, bleibt. Rückgängig machen geht nicht.",
        "What is on record stays. It cannot be undone.",
    ),
    "leads_to": ("Danach:", "After it:"),
    "signs": ("unterschreibt", "signs"),
    "no_key": (
        "Dafür ist hier kein Schlüssel. Unterschreiben muss: ",
        "There is no key for it here. To sign: ",
    ),
    "sign": ("Unterschreiben und eintragen", "Sign and record"),
    "back": ("Zurück", "Back"),
    "not_recommended": (
        "Die Anlage VIII empfiehlt diesen Weg nicht (Kap. 17). Empfohlen ist der Ausbau zur SM-Zerstörung.",
        "Anlage VIII does not recommend this way (ch. 17). It recommends the removal for destruction of the module.",
    ),
    "not_met": ("Empfohlen, aber nicht erfüllt:", "Recommended, and not met:"),
    "recorded": ("Eingetragen:", "Recorded:"),
    "repeated": (
        "Das war schon eingetragen; nichts geschah doppelt.",
        "That was recorded before; nothing was done twice.",
    ),
    "refused": ("Abgelehnt. Nichts wurde geändert.", "Refused. Nothing was changed."),
    "set_for": ("Kommunikationsparameter", "Communication parameters"),
    "set_help": (
        "Nur ausfüllen, was hier anders ist als in der Konfigurationsdatei des GWA.",
        "Fill in only what differs here from the GWA’s configuration file.",
    ),
    "host": ("Adresse des GWA", "Address of the GWA"),
    "port": ("Port des GWA", "Port of the GWA"),
    "apn": ("Zugangspunkt (APN)", "Access point (APN)"),
    "proxy_host": ("Adresse des Proxys", "Address of the proxy"),
    "proxy_port": ("Port des Proxys", "Port of the proxy"),
    "set_do": ("Setzen und unterschreiben", "Set and sign"),
    "set_wrong": ("So können die Parameter nicht gesetzt werden:", "The parameters cannot be set like this:"),
    "failed": ("Das hat nicht geklappt:", "That did not work:"),
    "test_do": ("Verbindung prüfen", "Test the connection"),
    "test_again": ("Noch einmal prüfen", "Test again"),
    "test_good": ("Verbindung steht", "Connected"),
    "test_bad": ("Keine Verbindung", "No connection"),
    "test_not_recorded": (
        "Die Prüfung steht nicht in der Akte; das Gesetz verlangt sie nicht.",
        "The test is not recorded; the law does not ask for it.",
    ),
    "test_tried": ("Versucht", "Tried"),
    "test_result": ("Ergebnis", "Result"),
    "test_when": ("Zuletzt", "Last"),
    "took": ("Dauer", "Took"),
    "sending": ("Wird gesendet …", "Sending …"),
    "offline": (
        "Keine Verbindung zum Werkzeug. Nichts geschieht doppelt: einfach noch einmal tippen.",
        "No connection to the tool. Nothing happens twice: just tap again.",
    ),
    "stale": (
        "Die Seite war veraltet oder kam von woanders. Nichts wurde geändert; bitte von vorn.",
        "The page was stale or came from elsewhere. Nothing was changed; please start again.",
    ),
    "not_found": ("Diese Seite gibt es nicht.", "There is no such page."),
    "defect": (
        "Das Werkzeug hat einen Fehler. Was eingetragen ist, bleibt; bitte neu laden.",
        "The tool has failed. What is recorded stays; please reload.",
    ),
    "begin": ("Zum Anfang", "To the beginning"),
    "all_done": (
        "Hier ist alles getan. Zu Hause: „smgw install return“.",
        "All is done here. At home: “smgw install return”.",
    ),
}

_STAGES: Final[Mapping[Stage, tuple[str, str]]] = {
    Stage.TAKEN_OVER: ("Vom MSB übernommen", "Taken over from the MSB"),
    Stage.ARRIVED: ("Am Einsatzort", "On site"),
    Stage.MOUNTED: ("Montiert", "Mounted"),
    Stage.PARAMETERS: ("Kommunikationsparameter", "Communication parameters"),
    Stage.TESTED: ("Verbindungsprüfung", "Connection test"),
    Stage.HANDED_OVER: ("An den GWA übergeben", "Handed over to the GWA"),
    Stage.REMOVAL_BEGUN: ("Ausbau begonnen", "Removal begun"),
    Stage.REMOVED: ("Ausbau gemeldet", "Removal reported"),
}

_WORKS: Final[Mapping[Work, tuple[str, str]]] = {
    Work.TAKE_OVER: ("Übernehmen", "Take over"),
    Work.ARRIVE: ("Ankunft melden", "Report arrival"),
    Work.MOUNT: ("Montage melden", "Report mounted"),
    Work.CONFIGURE: ("Parameter setzen", "Set parameters"),
    Work.NOT_NEEDED: ("Nicht nötig", "Not needed"),
    Work.HAND_OVER: ("Übergeben", "Hand over"),
    Work.REMOVE_FOR_SCRAPPING: ("Ausbau zur Verschrottung", "Remove for scrapping"),
    Work.REMOVE_FOR_SM_DESTRUCTION: ("Ausbau zur SM-Zerstörung", "Remove for SM destruction"),
    Work.REPORT_REMOVED: ("Ausbau melden", "Report removed"),
}


_BERLIN: Final = ZoneInfo("Europe/Berlin")


def moment(text: str) -> str:
    """A time of the record in German legal time, to the minute, as ``21.11.2026 14:05``."""
    return f"{parse_time(text).astimezone(_BERLIN):%d.%m.%Y %H:%M}"


class Words(Bilingual):
    """The page's words in one language."""

    texts = _TEXTS

    def stage(self, stage: Stage) -> str:
        """A stage's name."""
        return self.said(_STAGES[stage])

    def work(self, work: Work) -> str:
        """What the button of a work says."""
        return self.said(_WORKS[work])

    def fact(self, fact: Fact, law: Law = LAW) -> str:
        """A fact in words."""
        described = law.facts[fact]
        return self.said((described.german, described.text))

    def state(self, state: State, law: Law = LAW) -> str:
        """A phase by its German name, for it is a term."""
        return law.phases[state].german

    def reasons(self, refusal: Refusal, law: Law = LAW) -> list[str]:
        """Why a work is refused: in German from what the law knows, in English in the law's own words."""
        if self.language is Language.ENGLISH:
            return [f"{reason.needed}; {_found(reason)}" for reason in refusal.refused.reasons]
        return [_german(refusal, reason, law) for reason in refusal.refused.reasons]


WORDS: Final[Mapping[Language, Words]] = MappingProxyType({language: Words(language) for language in Language})
"""The words in each language."""


def _found(reason: Reason) -> str:
    return f"found {reason.found} (ch. {reason.chapter})"


def _german(refusal: Refusal, reason: Reason, law: Law) -> str:
    return f"{_german_reason(refusal, reason, law)} (Kap. {reason.chapter.replace(' to ', ' bis ')})"


def _german_reason(refusal: Refusal, reason: Reason, law: Law) -> str:
    state, evidence = refusal.standing
    if reason.condition == "way-out-named":
        return f"Aus der Phase „{law.phases[state].german}“ führt dieser Schritt nicht"
    if isinstance(refusal.what, Fact):
        return _german_of_fact(refusal.what, reason, state, evidence, law)
    condition = _condition(reason.condition, state, law)
    if condition is None:
        return str(reason)
    wanted = [fact for fact in Fact if fact in condition.all_of and fact not in evidence]
    if wanted:
        return f"In der Akte fehlt: {_listed(wanted, law)}"
    return f"In der Akte fehlt eines von: {_listed([fact for fact in Fact if fact in condition.any_of], law)}"


def _german_of_fact(fact: Fact, reason: Reason, state: State, evidence: Evidence, law: Law) -> str:
    described = law.facts[fact]
    match reason.condition:
        case "fact-in-its-state":
            phases = dict.fromkeys(law.phases[each].german for each in State if each in described.recordable_in)
            names = " oder ".join(f"„{name}“" for name in phases)
            return f"Das geht nur in der Phase {names}; jetzt ist „{law.phases[state].german}“"
        case "fact-once":
            return f"„{described.german}“ steht schon in der Akte"
        case "fact-in-order":
            missing = [other for other in Fact if other in described.after and other not in evidence]
            if missing:
                return f"Vorher muss in der Akte stehen: {_listed(missing, law)}"
            too_late = [other for other in Fact if other in described.never_after and other in evidence]
            return f"Zu spät; in der Akte steht schon: {_listed(too_late, law)}"
        case _:
            return str(reason)


def _condition(identifier: str, state: State, law: Law) -> Condition | None:
    conditions = (condition for way in law.phases[state].exits for condition in way.conditions)
    return next((condition for condition in conditions if condition.id == identifier), None)


def _listed(facts: Iterable[Fact], law: Law) -> str:
    return ", ".join(f"„{law.facts[fact].german}“" for fact in facts)
