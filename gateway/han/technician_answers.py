"""The answers of the technician's interface for programs: JSON objects, names in lower case with hyphens, times UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway.technician import ConnectionView, LogPage, Look, SystemStatus
from gateway.technician_guide import Guide
from gateway.technician_questions import Answer, Text
from lifecycle.canonical import format_time
from lifecycle.law import Law

Object = dict[str, Any]


def text(words: Text | None) -> Object | None:
    """Words in both languages."""
    return None if words is None else {"german": words.german, "english": words.english}


def status(gateway: str, told: SystemStatus, look: Look, law: Law, here: Mapping[str, datetime]) -> Object:
    """The state of the system.

    :param here: when the certificates of this connection end, by whose they are.
    """
    phase = law.phases[told.state]
    return {
        "gateway": gateway,
        "time": format_time(look.time),
        "state": told.state,
        "phase": {"german": phase.german, "chapter": phase.chapter},
        "faults": [fault(one.name, law) for one in told.faults],
        "parts": [{"part": part.name, "sound": part.sound, "found": text(part.found)} for part in look.parts],
        "lines": [
            {"line": line.line, "heard": line.heard and format_time(line.heard), "silent": line.silent}
            for line in look.lines
        ],
        "certificates": None
        if look.certificates is None
        else [
            {
                "key": one.key,
                "use": one.use,
                "operational": one.operational,
                "ends": format_time(one.ends),
                "over": one.over,
            }
            for one in look.certificates
        ],
        "connection-certificates": {name: format_time(ends) for name, ends in here.items()},
        "versions": dict(look.versions),
    }


def fault(name: str, law: Law) -> Object:
    """An open fault, as the catalogue has it."""
    known = law.catalogue[name]
    return {
        "fault": known.name,
        "german": known.german,
        "leads-to": known.leads_to,
        "affects": sorted(known.affects),
        "shuts": sorted(known.shuts),
        "clearing": text(Text(known.german_clearing or known.clearing, known.clearing)),
        "cleared-by": sorted(known.cleared_by),
        "source": known.source,
    }


def log(page: LogPage) -> Object:
    """Entries of the system log."""
    return {
        "end": page.end,
        "entries": [
            {
                "number": entry.number,
                "time": format_time(entry.time),
                "event": entry.event,
                "level": entry.level,
                "text": text(entry.text),
            }
            for entry in page.entries
        ],
    }


def connection(view: ConnectionView) -> Object:
    """Where the connection test stands, and what the last one found."""
    last = view.last
    return {
        "running": view.running,
        "last": None
        if last is None
        else {
            "began": format_time(last.began),
            "reached": last.reached,
            "name": None
            if last.name is None
            else {
                "host": last.name.host,
                "addresses": list(last.name.addresses),
                "seconds": round(last.name.seconds, 3),
                "trouble": last.name.trouble,
            },
            "tcp": None
            if last.connection is None
            else {
                "host": last.connection.host,
                "port": last.connection.port,
                "reached": last.connection.reached,
                "seconds": round(last.connection.seconds, 3),
                "trouble": last.connection.trouble,
            },
        },
    }


def guide(found: Guide, gateway: str, connected: bool | None) -> Object:
    """The questions, and the findings in which they end now."""
    questions: Mapping[str, Object] = {
        name: {
            "question": text(question.text),
            "look": [text(one) for one in question.look],
            "chapter": question.chapter,
            "answers": [_answer(answer, gateway, connected) for answer in question.answers],
        }
        for name, question in found.questions.items()
    }
    return {"first": found.first, "questions": questions}


def _answer(answer: Answer, gateway: str, connected: bool | None) -> Object:
    told: Object = {"answer": text(answer.text)}
    if answer.to:
        return told | {"to": answer.to}
    return told | {
        "finding": {"says": answer.finding.says, "fault": answer.finding.fault or None},
        "then": text(answer.then),
        "command": answer.finding.command(gateway, connected),
    }
