"""What takes a sentence to say: the tariff use cases, and why the gate is shut, in German and in English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.han.languages import Language
from gateway.tariffing.profile import UseCase
from lifecycle.faults import FAULT_STATES, FAULTS, Fault
from lifecycle.gate import Closed, Gate, Shut
from lifecycle.law import LAW, Reason
from lifecycle.states import State

_USE_CASES: Final[Mapping[UseCase, tuple[str, str, str, str]]] = {
    UseCase.DATA_SPARING: (
        "Datensparsamer Tarif",
        "Das Gateway zählt nur, wie viel es insgesamt war, und meldet höchstens einen Stand je Monat.",
        "Data-sparing tariff",
        "The gateway counts only how much it was in all, and reports one value a month at most.",
    ),
    UseCase.TIME_VARIABLE: (
        "Zeitvariabler Tarif",
        "Das Gateway zählt zu festen Zeiten in verschiedene Stufen; wann welche gilt, steht im Kalender des Tarifs.",
        "Time-variable tariff",
        "The gateway counts into different stages at fixed times; the tariff’s calendar says when which one holds.",
    ),
    UseCase.LOAD_VARIABLE: (
        "Lastvariabler Tarif",
        "Das Gateway zählt in eine andere Stufe, sobald die Leistung eine vereinbarte Grenze überschreitet.",
        "Load-variable tariff",
        "The gateway counts into another stage once the power crosses an agreed limit.",
    ),
    UseCase.CONSUMPTION_VARIABLE: (
        "Verbrauchsvariabler Tarif",
        "Das Gateway zählt in die nächste Stufe, sobald eine vereinbarte Menge verbraucht ist.",
        "Consumption-variable tariff",
        "The gateway counts into the next stage once an agreed amount is used up.",
    ),
    UseCase.EVENT_VARIABLE: (
        "Ereignisvariabler Tarif",
        "Das Gateway wechselt die Stufe, wenn ein vereinbartes Ereignis eintritt, etwa eine Meldung des Lieferanten.",
        "Event-variable tariff",
        "The gateway changes the stage when an agreed event happens, such as a message of the supplier’s.",
    ),
    UseCase.ON_DEMAND: (
        "Ablesung im Bedarfsfall",
        "Das Gateway gibt einen Zählerstand heraus, wenn er gebraucht wird, etwa bei Umzug oder Lieferantenwechsel.",
        "Reading on demand",
        "The gateway gives out a meter value when one is needed, such as on moving house or changing supplier.",
    ),
    UseCase.READING_SERIES: (
        "Zählerstandsgang",
        "Das Gateway schickt die Zählerstände jeder Viertelstunde; der Tarif wird beim Lieferanten ausgerechnet.",
        "Series of readings",
        "The gateway sends the meter value of each quarter of an hour; the supplier works out the tariff.",
    ),
    UseCase.EXTREME_VALUES: (
        "Extremwerte",
        "Das Gateway merkt sich die höchsten oder niedrigsten Leistungen eines Zeitraums.",
        "Extreme values",
        "The gateway keeps the highest or lowest powers of a period.",
    ),
    UseCase.ACTUAL_FEED_IN: (
        "Abruf der Einspeisung",
        "Der Netzbetreiber erfährt, wie viel Ihre Anlage gerade einspeist.",
        "Actual feed-in",
        "The grid operator is told how much your plant is feeding in.",
    ),
    UseCase.GRID_STATE: (
        "Netzzustandsdaten",
        "Der Netzbetreiber erfährt Spannung und ähnliche Werte, um sein Netz zu betreiben; abgerechnet wird das nicht.",
        "Grid state",
        "The grid operator is told voltage and the like to run his grid; nothing is billed by it.",
    ),
    UseCase.CONTROLLABLE_LOAD: (
        "Steuerbare Anlagen",
        "Das Gateway zählt getrennt, was war, während eine Anlage von außen gesteuert wurde.",
        "Controllable devices",
        "The gateway counts apart what was used while a device was controlled from outside.",
    ),
    UseCase.PREPAYMENT: (
        "Prepaid",
        "Das Gateway zählt, wie viel der im Voraus bezahlten Energie noch übrig ist.",
        "Prepayment",
        "The gateway counts how much of the energy paid in advance is left.",
    ),
    UseCase.VISUALISATION: (
        "Werte zum Ansehen",
        "Das Gateway zeigt Ihnen die Werte; niemand rechnet danach ab.",
        "Values to look at",
        "The gateway shows you the values; nobody bills by them.",
    ),
    UseCase.HIGH_FREQUENCY: (
        "Häufige Werte",
        "Das Gateway gibt Werte in kurzen Abständen weiter, etwa für einen Dienst, den Sie bestellt haben.",
        "Frequent values",
        "The gateway passes values on at short intervals, such as for a service you have ordered.",
    ),
}

_SHUT: Final[Mapping[Shut, tuple[str, str]]] = {
    Shut.TRANSITION_IN_PROGRESS: (
        "Das Gateway wechselt gerade in einen anderen Betriebszustand. Das dauert meist nur kurz.",
        "The gateway is changing to another state just now. This rarely takes long.",
    ),
    Shut.INTEGRITY_FAILURE: (
        "Das Gateway hat an sich eine Veränderung festgestellt, die es nicht geben darf, und schützt Ihre Daten.",
        "The gateway has found something in itself changed that must not change, and protects your data.",
    ),
    Shut.STATE_UNREADABLE: (
        "Das Gateway kann nicht feststellen, in welchem Zustand es ist, und schützt Ihre Daten.",
        "The gateway cannot tell what state it is in, and protects your data.",
    ),
}
_FAULT_IN_REASON: Final = {f"the fault {name} is open": name for name in FAULTS}


def use_case_name(taf: int, language: Language) -> str:
    """What a Tarifanwendungsfall is called, with its number; only the number of one that nobody knows."""
    if taf not in set(UseCase):
        return f"TAF-{taf}"
    case = UseCase(taf)
    return f"{_USE_CASES[case][0 if language is Language.GERMAN else 2]} ({case})"


def use_case_text(taf: int, language: Language) -> str:
    """What it does in a sentence, empty for one that nobody knows."""
    return _USE_CASES[UseCase(taf)][1 if language is Language.GERMAN else 3] if taf in set(UseCase) else ""


def closed_texts(closed: Closed, gate: Gate, language: Language) -> list[str]:
    """Why the gate is shut, a sentence for each reason.

    :param gate: the one that is shut.
    """
    german = language is Language.GERMAN
    sentences = [_reason_text(reason, gate.state, german) for reason in closed.refused.reasons]
    if gate.state in FAULT_STATES:
        # What concerns one consumer alone is not for the others.
        open_faults = (FAULTS[fault.name] for fault in gate.evidence.faults if fault.name in FAULTS)
        sentences += [_fault_text(fault, german) for fault in open_faults if not fault.per_subject]
    return list(dict.fromkeys(sentences))


def _reason_text(reason: Reason, state: State | None, german: bool) -> str:
    if reason.condition == "gate-shut" and reason.found in set(Shut):
        return _SHUT[Shut(reason.found)][0 if german else 1]
    if reason.found in _FAULT_IN_REASON:
        return _fault_text(FAULTS[_FAULT_IN_REASON[reason.found]], german)
    if reason.condition in {"fault-known", "interface-on"}:
        return "Ein Teil des Gateways ist abgeschaltet." if german else "A part of the gateway is switched off."
    phase = LAW.phases[state].german if state is not None else ""
    if german:
        return f"Das Gateway ist in der Phase „{phase}“. In ihr zeigt es keine Werte."
    return f"The gateway is in the phase “{phase}”, in which it shows no values."


def _fault_text(fault: Fault, german: bool) -> str:
    passing = bool(fault.cleared_by)
    if german:
        end = "Ist sie behoben, zeigt es wieder Werte." if passing else "Sie lässt sich nicht beheben."
        return f"Das Gateway meldet eine Störung: {fault.german}. {end}"
    end = "Once it is cleared, values are shown again." if passing else "It cannot be cleared."
    return f"The gateway reports a fault: {fault.name.replace('-', ' ')}. {end}"
