"""The record of one gateway's life (Lebenslaufakte): entries, the chain that binds them, signatures, the signed head.

An entry is a JSON object. Its canonical bytes (RFC 8785) are hashed (SHA-256), signed (ECDSA P-256, by who acted)
and stored; ``previous`` is the hash of the entry before, for the first one the hash of the gateway's genesis.
Certificates travel beside the chain, addressed by the SHA-256 of their DER.

The end of a chain and the form of a file are in :mod:`lifecycle.head`, the writing of bytes, times and signatures in
:mod:`lifecycle.canonical`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum, unique
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

import orjson

from lifecycle.canonical import MAX_INTEGER, JournalError, canonical, check_canonical, format_time, is_time
from lifecycle.evidence import OpenFault
from lifecycle.facts import Fact
from lifecycle.law import Attest, Move, Permitted, Report, Restore, Step
from lifecycle.parties import Party
from lifecycle.roles import Actor, Role
from lifecycle.states import Event

Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json] | None"

FORMAT = "smgw-journal/1"
"""Name and version of the file format and of the entries in it."""

GATEWAY_ID = re.compile(r"E[A-Z]{3}[0-9]{10}")
"""A gateway's identification after DIN 43863-5: E, three letters of the manufacturer, two and eight digits."""

MAX_ENTRY_BYTES = 16 * 1024
"""Largest canonical entry: ours, so that nobody fills a record with one signature."""


@unique
class Kind(StrEnum):
    """What an entry tells."""

    EVIDENCE = "evidence"
    TRANSITION = "transition"
    FAULT = "fault"
    RESTORED = "restored"


class Entry(NamedTuple):
    """One entry, read and well formed; whether it is true is for replay to say.

    :ivar gateway: the gateway's identification.
    :ivar sequence: its place in the chain, from 1.
    :ivar time: when it was signed, RFC 3339 in UTC with microseconds, as text (texts compare like times).
    :ivar kind: what it tells.
    :ivar payload: the telling.
    :ivar actor: who acted, and for whom.
    :ivar previous: hash of the entry before.
    """

    gateway: str
    sequence: int
    time: str
    kind: Kind
    payload: dict[str, Any]
    actor: Actor
    previous: str


class SignedEntry(NamedTuple):
    """An entry as it is stored and sent.

    :ivar body: the canonical bytes.
    :ivar hash: SHA-256 of the body, 64 hexadecimal digits.
    :ivar signature: the actor's over the body, DER.
    """

    body: bytes
    hash: str
    signature: bytes


class Position(NamedTuple):
    """Where a chain ends: what the next entry has to follow.

    :ivar sequence: sequence of the last entry, 0 when there is none.
    :ivar hash: its hash; the genesis hash when there is none.
    :ivar time: its time; empty when there is none.
    """

    sequence: int
    hash: str
    time: str


@lru_cache(maxsize=4096)
def _is_gateway_id(text: str) -> bool:
    return GATEWAY_ID.fullmatch(text) is not None


def check_gateway_id(gateway: str) -> str:
    """The identification itself, when it is one.

    :raises JournalError: if it is none.
    """
    if not _is_gateway_id(gateway):
        raise JournalError(f"{gateway!r} is no gateway identification (DIN 43863-5, such as EXXX0012345678)")
    return gateway


def genesis(gateway: str) -> Position:
    """Where the chain of a gateway begins: a hash that binds format and identification."""
    digest = hashlib.sha256(canonical({"format": FORMAT, "gateway": check_gateway_id(gateway)})).hexdigest()
    return Position(0, digest, "")


def payload_of(
    step: Step, decision: Permitted, detail: Mapping[str, Json] | None = None
) -> tuple[Kind, dict[str, Any]]:
    """What an entry tells of a step that the law permits.

    A transition tells state left and reached, and what the Anlage says of the way: recommended or not, and which
    recommended conditions were met.
    """
    told: dict[str, Any]
    match step:
        case Move():
            kind, told = Kind.TRANSITION, dict(decision.told)
        case Attest(fact, _):
            kind, told = Kind.EVIDENCE, {"fact": str(fact)}
        case Report(fault, _) | Restore(fault, _):
            kind = Kind.FAULT if isinstance(step, Report) else Kind.RESTORED
            told = {"fault": fault.name}
            if fault.subject:
                told["subject"] = fault.subject
    if detail:
        told["detail"] = dict(detail)
    return kind, told


def compose(
    gateway: str, position: Position, time: datetime, kind: Kind, payload: Mapping[str, Any], actor: Actor
) -> bytes:
    """Canonical bytes of the entry that would follow *position*.

    :raises JournalError: if a part of it cannot stand in the record.
    """
    told = {
        "gateway": check_gateway_id(gateway),
        "seq": position.sequence + 1,
        "time": format_time(time),
        "kind": str(kind),
        "payload": dict(payload),
        "actor": {
            "role": str(actor.role),
            "name": actor.name,
            "on_behalf_of": str(actor.on_behalf_of) if actor.on_behalf_of else None,
            "certificate": actor.certificate,
        },
        "previous": position.hash,
    }
    if not ("".join(payload).isascii() and _tells_texts(payload)):
        check_canonical(dict(payload), 1)
    try:
        body = orjson.dumps(told, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise JournalError(f"a text that cannot be written: {error}") from error
    if len(body) > MAX_ENTRY_BYTES:
        raise JournalError(f"an entry of {len(body)} bytes; {MAX_ENTRY_BYTES} is the most")
    return body


def sign_entry(body: bytes, party: Party) -> SignedEntry:
    """An entry's bytes with hash and signature."""
    return SignedEntry(body, hashlib.sha256(body).hexdigest(), party.sign(body))


_ENTRY_NAMES = ("actor", "gateway", "kind", "payload", "previous", "seq", "time")
_ACTOR_NAMES = ("certificate", "name", "on_behalf_of", "role")
_entry_members = itemgetter(*_ENTRY_NAMES)
_actor_members = itemgetter(*_ACTOR_NAMES)
_ROLES: dict[object, Role] = {str(role): role for role in Role}
_KINDS: dict[str, Kind] = {str(kind): kind for kind in Kind}
_EVENTS: dict[str, Event] = {str(event): event for event in Event}
_FACTS: dict[str, Fact] = {str(fact): fact for fact in Fact}
_EVIDENCE, _TRANSITION, _FAULT, _RESTORED = Kind
_TELLS: dict[Kind, str] = {_EVIDENCE: "fact", _TRANSITION: "event", _FAULT: "fault", _RESTORED: "fault"}
"""The member that every payload of a kind has."""


def read_entry(body: bytes) -> Entry:
    """An entry from its bytes, strictly.

    :raises JournalError: if they are no JSON, not canonical, or not an entry.
    """
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise JournalError(f"no JSON: {error}") from error
    return entry_in(told, body)


def entry_in(told: Any, body: bytes) -> Entry:
    """An entry from its bytes and the JSON read from them, strictly.

    :raises JournalError: if it is no entry, or too long, or the bytes are not canonical.
    """
    if len(body) > MAX_ENTRY_BYTES:
        raise JournalError(f"an entry of {len(body)} bytes; {MAX_ENTRY_BYTES} is the most")
    entry = entry_of(told)
    if not is_canonical(told, body):
        raise JournalError("the bytes are not canonical (RFC 8785)")
    return entry


def entry_of(told: Any) -> Entry:
    """An entry from its JSON object.

    :raises JournalError: naming the member that is missing, unknown or of the wrong form.
    """
    try:
        actor, gateway, kind, payload, previous, sequence, time = _entry_members(told)
    except (KeyError, TypeError) as error:
        raise JournalError(f"an entry has just the members {', '.join(_ENTRY_NAMES)}") from error
    if len(told) != len(_ENTRY_NAMES):
        raise JournalError(f"an entry has just the members {', '.join(_ENTRY_NAMES)}")
    if type(sequence) is not int or not 1 <= sequence <= MAX_INTEGER:
        raise JournalError(f"no sequence: {sequence!r}")
    if type(kind) is not str or kind not in _KINDS:
        raise JournalError(f"no kind of entry: {kind!r}")
    if type(gateway) is not str or not _is_gateway_id(gateway):
        raise JournalError(f"no gateway identification: {gateway!r}")
    if type(time) is not str or not is_time(time):
        raise JournalError(f"no time: {time!r}")
    if type(previous) is not str or type(payload) is not dict:
        raise JournalError("a previous hash is a text, and a payload an object")
    try:
        signer = _actor(*_actor_members(actor))
    except (KeyError, TypeError) as error:
        raise JournalError(f"an actor has just the members {', '.join(_ACTOR_NAMES)}, and they are texts") from error
    if len(actor) != len(_ACTOR_NAMES):
        raise JournalError(f"an actor has just the members {', '.join(_ACTOR_NAMES)}")
    return Entry(gateway, sequence, time, _KINDS[kind], payload, signer, previous)


@lru_cache(maxsize=4096)
def _actor(certificate: object, name: object, principal: object, role: object) -> Actor:
    if role not in _ROLES or (principal is not None and principal not in _ROLES):
        raise JournalError(f"no role: {role!r} on behalf of {principal!r}")
    if not isinstance(name, str) or not isinstance(certificate, str):
        raise JournalError("an actor's name and certificate are texts")
    return Actor(_ROLES[role], name, _ROLES[principal] if principal is not None else None, certificate)


def is_canonical(told: dict[str, Any], body: bytes) -> bool:
    """Whether the bytes of an entry that :func:`entry_of` accepts are the canonical ones.

    The same as comparing with :func:`canonical`, and a third of its cost: an accepted entry can hold what the record
    does not only in its payload, and there only where something else than texts is told.
    """
    if orjson.dumps(told, option=orjson.OPT_SORT_KEYS) != body:
        return False
    if body.isascii() and _tells_texts(told["payload"]):
        return True
    try:
        check_canonical(told["payload"], 1)
    except JournalError:
        return False
    return True


def _tells_texts(payload: Mapping[str, Any]) -> bool:
    """Whether the members of a payload are nothing but texts. Most are; under ASCII names they need no check."""
    for value in payload.values():  # noqa: SIM110  asked of every entry of every replay, and a loop is quicker
        if type(value) is not str and value != []:
            return False
    return True


def step_of(entry: Entry) -> Step:
    """The step of a life that an entry tells.

    What a transition tells beside its event is for the law to compare (:func:`payload_of`).

    :raises JournalError: if the payload does not fit the kind.
    """
    _, _, _, kind, payload, actor, _ = entry
    members = len(payload)
    if "detail" in payload:
        members -= 1
        if type(payload["detail"]) is not dict or not payload["detail"]:
            raise JournalError("a detail is an object with something in it")
        check_canonical(payload["detail"])
    word = payload.get(_TELLS[kind])
    if type(word) is str:
        if kind is _TRANSITION:
            if word in _EVENTS:
                return Move(_EVENTS[word], actor)
        elif kind is _EVIDENCE:
            if word in _FACTS and members == 1:
                return Attest(_FACTS[word], actor)
        else:
            subject = payload.get("subject", "")
            # What an entry can tell it tells in one way: a fault without a subject has no member for it.
            if type(subject) is str and members == 1 + bool(subject):
                fault = OpenFault(word, subject)
                return Report(fault, actor) if kind is _FAULT else Restore(fault, actor)
    raise JournalError(f"no {_TELLS[kind]} that an entry of kind {kind} can tell: {payload!r}")
