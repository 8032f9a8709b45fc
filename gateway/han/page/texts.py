"""What the page says, in German and in English."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from gateway.han.data import TafState
from gateway.han.languages import Bilingual, Language
from gateway.han.page_data import Export, Step
from gateway.lmn.status import PtbStatus

_TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "brand": ("Mein Smart-Meter-Gateway", "My smart meter gateway"),
    "skip": ("Zum Inhalt", "Skip to the content"),
    "main": ("Seiten", "Pages"),
    "language": ("Sprache", "Language"),
    "other": ("English", "Deutsch"),
    "foot": (
        "Ihr Gateway zeigt hier, was es für Sie misst und wer davon erfährt. Ändern lässt sich hier nichts.",
        "Your gateway shows here what it measures for you and who is told. Nothing can be changed here.",
    ),
    "sign_out": ("Zum Abmelden alle Fenster des Browsers schließen.", "To sign out, close all windows of the browser."),
    "overview": ("Übersicht", "Overview"),
    "consumption": ("Verlauf", "History"),
    "contracts": ("Verträge", "Contracts"),
    "log": ("Protokoll", "Log"),
    "export": ("Export", "Export"),
    "as_of": ("Stand", "As of"),
    "today": ("Heute", "Today"),
    "this_month": ("Dieser Monat", "This month"),
    "so_far": ("bisher", "so far"),
    "each_day": ("Die letzten 31 Tage", "The last 31 days"),
    "to_history": ("Zum Verlauf", "To the history"),
    "imported": ("Bezug aus dem Netz", "Taken from the grid"),
    "fed_in": ("Einspeisung ins Netz", "Fed into the grid"),
    "supplier": ("Lieferant", "Supplier"),
    "meter": ("Zähler", "Meter"),
    "metering_point": ("Messlokation", "Metering point"),
    "tariff": ("Tarifanwendungsfall", "Tariff use case"),
    "meter_values": ("Zählerstände", "Meter values"),
    "meter_values_caption": ("Neuester Stand jedes Registers", "Newest value of each register"),
    "register": ("Register", "Register"),
    "value": ("Stand", "Value"),
    "captured": ("Erfasst", "Captured"),
    "state": ("Zustand", "State"),
    "rounded": (
        "Die großen Zahlen sind gerundet. Zählerstände und Tabellen zeigen alle Stellen; sie gelten.",
        "The large figures are rounded. Meter values and tables show every place; they count.",
    ),
    "no_contract": (
        "Das Gateway hat noch keinen Vertrag für Sie. Ihr Messstellenbetreiber richtet ihn ein.",
        "The gateway has no contract of yours yet. Your metering point operator sets it up.",
    ),
    "no_data": (
        "Noch keine Werte. Sie erscheinen, sobald das Gateway den Zähler abgelesen hat.",
        "No values yet. They appear once the gateway has read the meter.",
    ),
    "no_data_span": ("Für diesen Zeitraum gibt es keine Werte.", "There are no values for this time."),
    "no_register": (
        "Dieser Vertrag wertet kein Register aus, das sich zeichnen lässt.",
        "This contract evaluates no register that can be drawn.",
    ),
    "contract": ("Vertrag", "Contract"),
    "what": ("Vertrag und Register", "Contract and register"),
    "view": ("Zeitraum", "Period"),
    "day": ("Tag", "Day"),
    "month": ("Monat", "Month"),
    "year": ("Jahr", "Year"),
    "before": ("Zurück", "Back"),
    "after": ("Weiter", "Forward"),
    "to_today": ("Heute", "Today"),
    "date": ("Datum", "Date"),
    "go": ("Anzeigen", "Show"),
    "total": ("Summe", "Total"),
    "time": ("Zeit", "Time"),
    "note": ("Hinweis", "Note"),
    "drawing": ("Zeichnung", "Drawing"),
    "drawing_help": (
        "Mit den Pfeiltasten von Balken zu Balken, mit Eingabe näher heran. Alle Werte stehen in der Tabelle.",
        "Arrow keys move from bar to bar, Enter looks closer. The table has all the values.",
    ),
    "drawing_needs_script": (
        "Die Zeichnung braucht JavaScript. Die Tabelle zeigt dieselben Werte.",
        "The drawing needs JavaScript. The table shows the same values.",
    ),
    "zoom_in": ("Vergrößern", "Zoom in"),
    "zoom_out": ("Verkleinern", "Zoom out"),
    "zoom_all": ("Ganzer Zeitraum", "Whole period"),
    "table": ("Werte als Tabelle", "Values as a table"),
    "marked": ("Warum Energie im Fehlerregister steht", "Why energy is in the error register"),
    "gap_legend": ("Fehlend oder unsicher", "Missing or doubtful"),
    "complete": ("", ""),
    "gap": ("Werte fehlen", "values missing"),
    "partial": ("fehlt zum Teil oder ist unsicher", "partly missing or doubtful"),
    "outside": ("außerhalb des Vertrags", "outside the contract"),
    "running": ("läuft noch", "still running"),
    "later": ("", ""),
    "loading": ("Wird geladen …", "Loading …"),
    "lost": ("Das Gateway ist nicht erreichbar.", "The gateway cannot be reached."),
    "use_case": ("Was das Gateway ausrechnet", "What the gateway computes"),
    "stages": ("Tarifstufen", "Tariff stages"),
    "stage": ("Stufe", "Stage"),
    "error_stage": ("Fehlerregister", "Error register"),
    "error_stage_told": (
        "Das Fehlerregister zählt, was sich keiner Stufe sicher zuordnen lässt.",
        "The error register counts what cannot be assigned to a stage for certain.",
    ),
    "switches": ("Wann welche Stufe gilt", "When which stage holds"),
    "switches_caption": ("Die Umschaltzeiten der nächsten sieben Tage", "The switch times of the next seven days"),
    "days": ("Tage", "Days"),
    "from": ("ab", "from"),
    "periods": ("Abrechnungszeiträume", "Billing periods"),
    "still_open": ("läuft", "current"),
    "recipients": ("Wer Werte bekommt", "Who receives values"),
    "nobody": ("Niemand außer Ihnen.", "Nobody but you."),
    "retention": ("Aufbewahrung", "Kept for"),
    "registers_every": ("Registrierperiode", "Registration period"),
    "runs": ("Laufzeit", "Term"),
    "open_end": ("auf unbestimmte Zeit", "open-ended"),
    "until": ("bis", "until"),
    "log_lead": (
        "Wer Ihre Daten bekommen oder gelesen hat, wann und warum. Das Neueste steht oben.",
        "Who was given or has read your data, when and why. The newest is at the top.",
    ),
    "log_caption": ("Einträge Ihres Protokolls", "Entries of your log"),
    "log_empty": ("Noch kein Eintrag.", "No entry yet."),
    "number": ("Nr.", "No."),
    "warning": ("Hinweis", "Notice"),
    "failed": ("Gescheitert", "Failed"),
    "older": ("Ältere Einträge", "Older entries"),
    "newest": ("Zu den neuesten", "To the newest"),
    "export_lead": (
        "Ihre Werte zum Mitnehmen. Die Datei wird nur auf diesem Gerät gespeichert.",
        "Your values to take away. The file is stored on this device only.",
    ),
    "export_period": ("Welcher Zeitraum?", "Which period?"),
    "export_kind": ("Welche Datei?", "Which file?"),
    "first_day": ("Erster Tag", "First day"),
    "last_day": ("Letzter Tag", "Last day"),
    "save": ("Datei speichern", "Save the file"),
    "billing_choice": ("Ein Abrechnungszeitraum:", "A billing period:"),
    "to_overview": ("Zur Übersicht", "To the overview"),
    "in_words": ("Im Wortlaut", "In the gateway’s own words"),
    "closed": ("Das Gateway zeigt jetzt keine Werte", "The gateway shows no values now"),
    "closed_log": ("Das Gateway zeigt jetzt kein Protokoll", "The gateway shows no log now"),
    "closed_advice": (
        "Sie brauchen nichts zu tun. Bei Fragen hilft Ihr Messstellenbetreiber.",
        "You need not do anything. Your metering point operator helps with questions.",
    ),
    "see_log": ("Was geschah, steht im Protokoll.", "The log tells what happened."),
    "wait": ("Bitte {seconds} Sekunden warten.", "Please wait {seconds} seconds."),
}

_PROBLEMS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("Das versteht das Gateway nicht", "The gateway does not understand this"),
    401: ("Bitte anmelden", "Please sign in"),
    403: ("Das ist nicht erlaubt", "This is not allowed"),
    404: ("Das gibt es hier nicht", "There is no such thing here"),
    408: ("Die Anfrage kam zu langsam", "The request came too slowly"),
    413: ("Die Anfrage ist zu groß", "The request is too large"),
    429: ("Zu viele Anfragen", "Too many requests"),
    431: ("Die Anfrage ist zu groß", "The request is too large"),
    503: ("Das Gateway kann es jetzt nicht", "The gateway cannot do it now"),
    500: ("Das Gateway konnte es nicht", "The gateway could not do it"),
}

_QUANTITIES: Final[Mapping[int, tuple[str, str]]] = {
    27: ("Leistung", "Power"),
    33: ("Stromstärke", "Current"),
    35: ("Spannung", "Voltage"),
    44: ("Frequenz", "Frequency"),
}
"""What registers show that do not count, by DLMS unit."""

_LENGTHS: Final[Mapping[Step, tuple[tuple[str, str], tuple[str, str]]]] = {
    Step.QUARTER_HOUR: (("Viertelstunde", "quarter of an hour"), ("Viertelstunden", "quarters of an hour")),
    Step.HOUR: (("Stunde", "hour"), ("Stunden", "hours")),
    Step.DAY: (("Tag", "day"), ("Tage", "days")),
    Step.MONTH: (("Monat", "month"), ("Monate", "months")),
}

_TAF_STATES: Final[Mapping[TafState, tuple[str, str]]] = {
    TafState.READY: ("beginnt erst noch", "has not begun"),
    TafState.RUNNING: ("läuft", "running"),
    TafState.ARCHIVE: ("beendet", "ended"),
}

_PTB: Final[Mapping[PtbStatus, tuple[str, str]]] = {
    PtbStatus.OK: ("in Ordnung", "good"),
    PtbStatus.WARNING: ("mit Warnung", "with a warning"),
    PtbStatus.TEMPORARY_ERROR: ("Ersatzwert", "substitute value"),
    PtbStatus.CRITICAL_TEMPORARY_ERROR: ("vorübergehend gestört, gilt nicht", "temporarily disturbed, does not count"),
    PtbStatus.FATAL_ERROR: ("gestört, gilt nicht", "disturbed, does not count"),
}

_EXPORTS: Final[Mapping[Export, tuple[tuple[str, str], tuple[str, str]]]] = {
    Export.AR2418: (
        ("XML nach VDE-AR-E 2418-6", "XML after VDE-AR-E 2418-6"),
        (
            "Um eine Rechnung zu prüfen: Die amtliche Transparenz- und Displaysoftware (TRuDI) liest diese Datei und "
            "rechnet selbst nach.",
            "To check a bill: the official transparency and display software (TRuDI) reads this file and does the sums "
            "itself.",
        ),
    ),
    Export.CSV: (
        ("Tabelle (CSV)", "Table (CSV)"),
        (
            "Um selbst damit zu rechnen: Jede Tabellenkalkulation öffnet sie. Sie ist nicht signiert.",
            "To do your own sums: every spreadsheet opens it. It is not signed.",
        ),
    ),
    Export.SIGNED: (
        ("Signiertes Original (CMS)", "Signed original (CMS)"),
        (
            "Um jemandem zu beweisen, was gemessen wurde: die Originalwerte mit der Signatur des Gateways. Jede "
            "Änderung fällt auf.",
            "To prove to somebody what was measured: the original values with the gateway’s signature. Every change "
            "shows.",
        ),
    ),
}


class Words(Bilingual):
    """The page's words in one language."""

    texts = _TEXTS

    def problem(self, status: int) -> str:
        """What a status of HTTP means."""
        return self.said(_PROBLEMS.get(status, _PROBLEMS[400 if status < 500 else 500]))

    def taf_state(self, state: TafState) -> str:
        """Where a contract stands."""
        return self.said(_TAF_STATES[state])

    def ptb(self, status: int) -> str:
        """What a reading is worth; one that nobody knows is worth nothing."""
        known = PtbStatus(status) if status in set(PtbStatus) else PtbStatus.FATAL_ERROR
        return self.said(_PTB[known])

    def file(self, kind: Export) -> tuple[str, str]:
        """A kind of file, and what it is good for."""
        name, good_for = _EXPORTS[kind]
        return self.said(name), self.said(good_for)

    def quantity(self, unit: int) -> str:
        """What a register of this DLMS unit shows."""
        return self.said(_QUANTITIES.get(unit, ("Messwert", "Value")))

    def count(self, number: int, step: Step) -> str:
        """So many buckets."""
        one, many = _LENGTHS[step]
        return f"{number}\N{NO-BREAK SPACE}{self.said(one if number == 1 else many)}"

    def lasts(self, time: timedelta) -> str:
        """How long something is, in the largest unit that fits."""
        for size, one, many in (
            (timedelta(days=365), ("Jahr", "year"), ("Jahre", "years")),
            (timedelta(days=1), ("Tag", "day"), ("Tage", "days")),
            (timedelta(hours=1), ("Stunde", "hour"), ("Stunden", "hours")),
            (timedelta(minutes=1), ("Minute", "minute"), ("Minuten", "minutes")),
        ):
            if time >= size and time % size == timedelta():
                count = time // size
                return f"{count}\N{NO-BREAK SPACE}{self.said(one if count == 1 else many)}"
        seconds = time // timedelta(seconds=1)
        return f"{seconds}\N{NO-BREAK SPACE}{self.said(('Sekunden', 'seconds'))}"


WORDS: Final[Mapping[Language, Words]] = MappingProxyType({language: Words(language) for language in Language})
"""The words in each language."""
