"""Entries of the record in words, for people: who did what, when, and whether it was found good."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from lifecycle.canonical import JournalError, parse_time
from lifecycle.evidence import OpenFault
from lifecycle.journal import Entry, Kind, SignedEntry, read_entry, step_of
from lifecycle.law import Attest, Law, Move, Report, Restore
from lifecycle.phases import Advice
from lifecycle.replay import Verdict
from lifecycle.roles import ROLES, Actor
from lifecycle.states import State
from lifecycle.terms import ADVICE, KINDS

_BERLIN = ZoneInfo("Europe/Berlin")
_ZONES = {"CET": "MEZ", "CEST": "MESZ"}


class Moment(NamedTuple):
    """A time for people.

    :ivar machine: as the record writes it.
    :ivar utc: in UTC, to the second.
    :ivar berlin: German legal time, with the zone's German name.
    """

    machine: str
    utc: str
    berlin: str


def moment(text: str) -> Moment:
    """A time of the record for people; what is no time is shown as it is."""
    try:
        time = parse_time(text)
        local = time.astimezone(_BERLIN)
    except (JournalError, OverflowError):
        return Moment(text, text, "")
    zone = _ZONES.get(local.tzname() or "", local.tzname() or "")
    return Moment(text, f"{time:%Y-%m-%d %H:%M:%S} UTC", f"{_day(time, local)}{local:%H:%M:%S} {zone}")


def _day(time: datetime, local: datetime) -> str:
    """The local day, where it is another."""
    return "" if time.date() == local.date() else f"{local:%d.%m.} "


class Line(NamedTuple):
    """One entry for the timeline.

    :ivar sequence: its place in the chain, 0 where it cannot be read.
    :ivar kind: what it tells; ``None`` where it cannot be read.
    :ivar kind_de: the same in German.
    :ivar moment: when it was signed.
    :ivar who: role and name of who acted.
    :ivar who_de: the role in German, and for whom.
    :ivar text: what it tells, in words.
    :ivar german: the same in German.
    :ivar notes: what else it tells.
    :ivar advice: what the Anlage says of the way, empty where nothing.
    :ivar mark: ``good``, ``broken`` or ``unseen``: whether it was verified.
    :ivar hash: its hash.
    :ivar body: its canonical bytes as text.
    """

    sequence: int
    kind: Kind | None
    kind_de: str
    moment: Moment
    who: str
    who_de: str
    text: str
    german: str
    notes: tuple[str, ...]
    advice: str
    mark: str
    hash: str
    body: str


def line_of(signed: SignedEntry, sequence: int, verdict: Verdict | None, law: Law) -> Line:
    """An entry for the timeline.

    :param sequence: the place in which it was found.
    :param verdict: what the replay found; ``None`` where there was none.
    """
    mark = _mark(sequence, verdict)
    body = signed.body.decode(errors="replace")
    try:
        entry = read_entry(signed.body)
        text, german, notes, advice = _telling(entry, law)
    except (JournalError, ValueError, KeyError) as error:
        shown = f"cannot be read: {error}"
        return Line(sequence, None, "unlesbar", moment(""), "", "", shown, "", (), "", mark, signed.hash, body)
    return Line(
        entry.sequence,
        entry.kind,
        KINDS[entry.kind],
        moment(entry.time),
        f"{entry.actor.role} “{entry.actor.name}”",
        _for_whom(entry.actor),
        text,
        german,
        notes,
        advice,
        mark,
        signed.hash,
        body,
    )


def _mark(sequence: int, verdict: Verdict | None) -> str:
    if verdict is None:
        return "unseen"
    if sequence <= verdict.entries:
        return "good"
    return "broken" if verdict.broken is not None and sequence == verdict.broken.seq else "unseen"


def _for_whom(actor: Actor) -> str:
    german = ROLES[actor.role].german
    return f"{german}, im Auftrag: {actor.on_behalf_of}" if actor.on_behalf_of else german


def state_in_words(state: State, law: Law) -> str:
    """A state as ``Betrieb · OPERATION``."""
    return f"{law.phases[state].german} · {state}"


def _telling(entry: Entry, law: Law) -> tuple[str, str, tuple[str, ...], str]:
    """What an entry tells: in English, in German, what else, and the advice on the way."""
    payload = entry.payload
    detail = tuple(f"{name}: {value}" for name, value in payload.get("detail", {}).items())
    match step_of(entry):
        case Move(event, _):
            source, target = State(payload["from"]), State(payload["to"])
            advice = Advice(payload["way"])
            text = f"{event}: from {source} to {target}"
            german = f"{law.phases[source].german} → {law.phases[target].german}"
            shown = "" if advice is Advice.NEUTRAL else f"{advice} · {ADVICE[advice]}"
            return text, german, (*_recommended(payload), *detail), shown
        case Attest(fact, _):
            described = law.facts[fact]
            return f"{described.text} ({fact})", described.german, detail, ""
        case Report(fault, _):
            known = law.catalogue[fault.name]
            leads = f"leads to {state_in_words(known.leads_to, law)} ({known.source})"
            return f"fault reported: {_named(fault)}", known.german, (leads, *detail), ""
        case Restore(fault, _):
            known = law.catalogue[fault.name]
            return f"fault cleared: {_named(fault)}", known.german, (f"cleared by: {known.clearing}", *detail), ""


def _named(fault: OpenFault) -> str:
    return f"{fault.name} of {fault.subject}" if fault.subject else fault.name


def _recommended(payload: dict[str, list[str]]) -> Iterator[str]:
    for name in payload["recommended_met"]:
        yield f"recommended, and done: {name} · empfohlen und erfüllt"
    for name in payload["recommended_unmet"]:
        yield f"recommended, not done: {name} · empfohlen, nicht erfüllt"
