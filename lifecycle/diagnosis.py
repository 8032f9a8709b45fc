"""Order and diagnosis (Diagnose vor Ort, ch. 15 to 17): what the GWA sends the Servicetechniker to look at, and what
that one found.

To the GWA a broken connection, an irreversible fault behind it and a functionless gateway look the same; only a look
on site tells them apart. Both documents are JSON objects in canonical bytes, signed by a party as an entry of the
record is, and have a format of their own, so that none of the three passes for another. What a diagnosis can tell is
enumerated here: there is no place in it for a measured value. The form is ours.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import Any, Final

import orjson

from lifecycle.canonical import JournalError, canonical, decode_signature, encode_signature, format_time, parse_time
from lifecycle.evidence import OpenFault
from lifecycle.journal import check_gateway_id
from lifecycle.law import in_words
from lifecycle.parties import Party, PartyError, Trust
from lifecycle.roles import Actor, Role
from lifecycle.states import State

ORDER_FORMAT: Final = "smgw-diagnosis-order/1"
DIAGNOSIS_FORMAT: Final = "smgw-diagnosis/1"
LARGEST_DOCUMENT: Final = 16 * 1024
"""Largest order or diagnosis that is read, bytes; ours."""


class DiagnosisError(Exception):
    """An order or a diagnosis is not one, is not signed by whoever may, or answers something else."""


@unique
class ModuleSight(StrEnum):
    """What the Servicetechniker sees of the security module."""

    PRESENT = "present"
    ABSENT = "absent"
    DAMAGED = "damaged"
    """There, but it does not answer as a module does."""
    EXCHANGED = "exchanged"
    """Another than the one that the record began with."""
    TERMINATED = "terminated"
    UNSEEN = "unseen"
    """Nobody has looked."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What was seen on site.

    :ivar answers: whether the gateway answers the Servicetechniker at its HAN interface.
    :ivar state: the state that it says it is in; ``None`` where it does not answer.
    :ivar faults: the faults that it says are open.
    :ivar refused: why it answers nothing: ids of the law's or the gate's conditions.
    :ivar connected: whether its connection to the GWA works; ``None`` where nobody has tried.
    :ivar module: what is seen of the security module.
    """

    answers: bool
    state: State | None = None
    faults: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    connected: bool | None = None
    module: ModuleSight = ModuleSight.UNSEEN

    def told(self) -> dict[str, Any]:
        """As JSON, with stable keys."""
        return {
            "answers": self.answers,
            "state": str(self.state) if self.state is not None else None,
            "faults": list(self.faults),
            "refused": list(self.refused),
            "connected": self.connected,
            "module": str(self.module),
        }

    @classmethod
    def of(cls, told: Any) -> Findings:
        """Read what :meth:`told` gave.

        :raises DiagnosisError: if it is nothing of the kind.
        """
        members = _members(told, "findings", {"answers", "state", "faults", "refused", "connected", "module"})
        answers, connected = members["answers"], members["connected"]
        if not isinstance(answers, bool) or not (connected is None or isinstance(connected, bool)):
            raise DiagnosisError("findings say yes or no to whether the gateway answers, and is connected")
        try:
            state = State(members["state"]) if members["state"] is not None else None
            module = ModuleSight(members["module"])
        except ValueError as error:
            raise DiagnosisError(f"findings with {error}") from error
        return cls(answers, state, _texts(members["faults"]), _texts(members["refused"]), connected, module)


@dataclass(frozen=True, slots=True)
class DiagnosisOrder:
    """The GWA has the Servicetechniker look at a gateway.

    :ivar gateway: which.
    :ivar time: when it was ordered, UTC.
    :ivar nonce: what tells it from any other, hexadecimal.
    """

    gateway: str
    time: datetime
    nonce: str

    def signed(self, party: Party) -> bytes:
        """The order as the GWA hands it out.

        :raises JournalError: if the gateway's identification is none.
        """
        body = {
            "format": ORDER_FORMAT,
            "gateway": check_gateway_id(self.gateway),
            "time": format_time(self.time),
            "nonce": self.nonce,
        }
        return _signed(body, party)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the Servicetechniker found.

    :ivar gateway: of which gateway.
    :ivar order: :func:`mark_of` the order that it answers; empty where there was none.
    :ivar time: when, UTC.
    :ivar findings: what was seen.
    :ivar fault: the fault that it comes to; ``None`` for none.
    :ivar cleared: the fault that was cleared on site.
    """

    gateway: str
    order: str
    time: datetime
    findings: Findings
    fault: OpenFault | None = None
    cleared: OpenFault | None = None

    def signed(self, party: Party) -> bytes:
        """The diagnosis as the Servicetechniker hands it in.

        :raises JournalError: if the gateway's identification is none.
        """
        body = {
            "format": DIAGNOSIS_FORMAT,
            "gateway": check_gateway_id(self.gateway),
            "order": self.order,
            "time": format_time(self.time),
            "findings": self.findings.told(),
            "fault": _told_fault(self.fault),
            "cleared": _told_fault(self.cleared),
        }
        return _signed(body, party)


def mark_of(document: bytes) -> str:
    """What a signed order or diagnosis is referred to by: SHA-256 of its signed body, 64 hexadecimal digits.

    :raises DiagnosisError: if it is neither.
    """
    try:
        return hashlib.sha256(canonical(_opened(document)["body"])).hexdigest()
    except JournalError as error:
        raise DiagnosisError(f"a document with {error}") from error


def read_order(document: bytes, trust: Trust) -> tuple[DiagnosisOrder, Actor]:
    """An order, and the GWA who gave it.

    :param trust: the pinned operations CA.
    :raises DiagnosisError: if it is none, or not signed by a GWA whose certificate was valid then.
    """
    body, actor = _verified(document, trust, {"format", "gateway", "time", "nonce"}, ORDER_FORMAT, Role.GWA)
    gateway, time = _about(body)
    if not isinstance(body["nonce"], str) or not 16 <= len(body["nonce"]) <= 128:
        raise DiagnosisError("an order has a nonce of 16 to 128 digits")
    return DiagnosisOrder(gateway, time, body["nonce"]), actor


def read_diagnosis(document: bytes, trust: Trust) -> tuple[Diagnosis, Actor]:
    """A diagnosis, and the Servicetechniker who made it.

    :param trust: the pinned operations CA.
    :raises DiagnosisError: if it is none, or not signed by a Servicetechniker whose certificate was valid then.
    """
    names = {"format", "gateway", "order", "time", "findings", "fault", "cleared"}
    body, actor = _verified(document, trust, names, DIAGNOSIS_FORMAT, Role.SERVICETECHNIKER)
    gateway, time = _about(body)
    if not isinstance(body["order"], str):
        raise DiagnosisError("a diagnosis names its order by a text")
    findings = Findings.of(body["findings"])
    return Diagnosis(gateway, body["order"], time, findings, _fault(body["fault"]), _fault(body["cleared"])), actor


def _signed(body: dict[str, Any], party: Party) -> bytes:
    told = {
        "body": body,
        "certificate": encode_signature(party.certificate_der),
        "signature": encode_signature(party.sign(canonical(body))),
    }
    return canonical(told) + b"\n"


def _opened(document: bytes) -> dict[str, Any]:
    if len(document) > LARGEST_DOCUMENT:
        raise DiagnosisError(f"a document of {len(document)} bytes; {LARGEST_DOCUMENT} is the most")
    try:
        told = orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise DiagnosisError(f"no order and no diagnosis: {error}") from error
    return _members(told, "a signed document", {"body", "certificate", "signature"})


def _verified(document: bytes, trust: Trust, names: set[str], wanted: str, role: Role) -> tuple[dict[str, Any], Actor]:
    told = _opened(document)
    body = _members(told["body"], wanted, names)
    if body["format"] != wanted:
        raise DiagnosisError(f"a document of the format {body['format']!r}, not {wanted}")
    try:
        certificate, signature = decode_signature(told["certificate"]), decode_signature(told["signature"])
        credentials = trust.credentials(certificate)
        signed = canonical(body)
    except (PartyError, JournalError, TypeError) as error:
        raise DiagnosisError(f"a {wanted} whose signer is not believed: {error}") from error
    _, time = _about(body)
    if credentials.actor.role is not role:
        raise DiagnosisError(f"a {wanted} is signed by a {role}, not by {in_words(credentials.actor)}")
    if not credentials.verifies(signature, signed):
        raise DiagnosisError(f"the signature of {credentials.actor.name!r} does not fit the {wanted}")
    if not credentials.not_before <= time <= credentials.not_after:
        raise DiagnosisError(f"the certificate of {credentials.actor.name!r} was not valid at {format_time(time)}")
    return body, credentials.actor


def _about(body: dict[str, Any]) -> tuple[str, datetime]:
    try:
        return check_gateway_id(body["gateway"]), parse_time(body["time"])
    except (JournalError, TypeError) as error:
        raise DiagnosisError(f"a document with {error}") from error


def _members(told: Any, what: str, names: set[str]) -> dict[str, Any]:
    if not isinstance(told, dict) or set(told) != names:
        raise DiagnosisError(f"{what}: an object with just the members {', '.join(sorted(names))}")
    return told


def _texts(told: Any) -> tuple[str, ...]:
    if not isinstance(told, list) or len(told) > 64 or not all(isinstance(text, str) for text in told):
        raise DiagnosisError("faults and reasons are told as at most 64 texts")
    return tuple(told)


def _told_fault(fault: OpenFault | None) -> dict[str, str] | None:
    return None if fault is None else {"fault": fault.name, "subject": fault.subject}


def _fault(told: Any) -> OpenFault | None:
    if told is None:
        return None
    members = _members(told, "a fault", {"fault", "subject"})
    if not isinstance(members["fault"], str) or not isinstance(members["subject"], str):
        raise DiagnosisError("a fault is named by texts")
    return OpenFault(members["fault"], members["subject"])
