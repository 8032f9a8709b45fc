"""Between rows of the tables and what they mean."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import Connection, Insert, Row, and_, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from lifecycle.canonical import canonical
from lifecycle.evidence import Evidence, OpenFault
from lifecycle.facts import Fact
from lifecycle.faults import Catalogue
from lifecycle.head import Head
from lifecycle.journal import Entry, Position, SignedEntry, genesis
from lifecycle.law import BEGINNING, Standing
from lifecycle.parties import fingerprint_of
from lifecycle.states import State
from lifecycle.store.errors import UnknownGatewayError, UnreadableStateError
from lifecycle.store.schema import certificates, entries, gateways

FIRST_COUNTER = 1
"""Counter of the head that is signed before any entry."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of one gateway.

    :ivar gateway: its identification.
    :ivar standing: its state, and what is on record.
    :ivar position: where its chain ends.
    :ivar head: the signed head.
    """

    gateway: str
    standing: Standing
    position: Position
    head: Head


_every = entries.alias()
_last = (
    select(func.max(_every.c.sequence)).where(_every.c.gateway == gateways.c.id).correlate(gateways).scalar_subquery()
)
_END = (
    select(gateways, *(column.label(f"entry_{column.name}") for column in entries.columns))
    .select_from(gateways.outerjoin(entries, and_(entries.c.gateway == gateways.c.id, entries.c.sequence == _last)))
    .where(gateways.c.id == bindparam("gateway"))
)
"""A gateway's row, with its last entry where there is one."""
_KEEP_CERTIFICATE: dict[str, Insert] = {
    "sqlite": sqlite.insert(certificates).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(certificates).on_conflict_do_nothing(),
}


def read_kept(connection: Connection, gateway: str, catalogue: Catalogue) -> Kept:
    """What is kept of a gateway.

    :raises UnknownGatewayError: if nothing is.
    :raises UnreadableStateError: if what is stored makes no sense.
    """
    row = _end(connection, gateway)
    head = _head(row, gateway)
    if row.entry_sequence is None:
        return Kept(gateway, BEGINNING, genesis(gateway), head)
    try:
        standing = Standing(State(row.entry_state), _evidence(row.entry_evidence, catalogue))
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableStateError(f"the stored state of gateway {gateway} makes no sense: {error}") from error
    return Kept(gateway, standing, Position(row.entry_sequence, row.entry_hash, row.entry_time), head)


def read_head(connection: Connection, gateway: str) -> Head:
    """The signed head as stored, whatever the chain beside it says.

    :raises UnknownGatewayError: if no record is kept of the gateway.
    """
    return _head(_end(connection, gateway), gateway)


def _end(connection: Connection, gateway: str) -> Row[Any]:
    row = connection.execute(_END, {"gateway": gateway}).one_or_none()
    if row is None:
        raise UnknownGatewayError(f"no record is kept of gateway {gateway}")
    return row


def _head(row: Row[Any], gateway: str) -> Head:
    return Head(
        gateway,
        row.head_sequence,
        row.head_hash,
        row.head_counter,
        row.head_time,
        row.head_certificate,
        as_bytes(row.head_signature),
    )


def as_bytes(stored: object) -> bytes:
    """A binary column as stored. SQLite keeps whatever somebody else wrote there; replay says what is wrong with it."""
    if isinstance(stored, str):
        return stored.encode("utf-8", "surrogateescape")
    return bytes(stored) if isinstance(stored, (bytes, bytearray, memoryview)) else b""


def _evidence(text: str, catalogue: Catalogue) -> Evidence:
    told = orjson.loads(text)
    evidence = Evidence.of(*(Fact(name) for name in told["facts"]))
    for name, subject in told["faults"]:
        evidence = evidence.with_fault(OpenFault(name, subject), catalogue)
    return evidence


def keep_certificate(connection: Connection, der: bytes) -> None:
    """Put a certificate beside the chains, where it does not lie yet. It comes and goes with the transaction."""
    connection.execute(keeping_certificates(connection.dialect.name), certificate_row(der))


def keeping_certificates(dialect: str) -> Insert:
    """The statement that puts a certificate where it does not lie yet."""
    return _KEEP_CERTIFICATE[dialect]


def certificate_row(der: bytes) -> dict[str, Any]:
    """A row of the certificates."""
    return {"fingerprint": fingerprint_of(der), "der": der}


@lru_cache(maxsize=1024)
def _evidence_text(evidence: Evidence) -> str:
    faults = [[fault.name, fault.subject] for fault in evidence.faults]
    return canonical({"facts": sorted(evidence.facts), "faults": faults}).decode()


def gateway_row(head: Head) -> dict[str, Any]:
    """The row of a gateway: its identification, and the head of its chain."""
    return {"id": head.gateway, "head_sequence": head.sequence, "head_hash": head.hash, **_head_columns(head)}


def entry_row(entry: Entry, signed: SignedEntry, standing: Standing) -> dict[str, Any]:
    """A row of the chain: the entry, and where it leaves the gateway."""
    return {
        "gateway": entry.gateway,
        "sequence": entry.sequence,
        "time": entry.time,
        "body": signed.body,
        "hash": signed.hash,
        "signature": signed.signature,
        "state": str(standing.state),
        "evidence": _evidence_text(standing.evidence),
    }


def append_row(entry: Entry, signed: SignedEntry, standing: Standing, head: Head) -> dict[str, Any]:
    """What is inserted to append an entry: its row, and the head at it."""
    return {**entry_row(entry, signed, standing), **_head_columns(head)}


def _head_columns(head: Head) -> dict[str, Any]:
    return {
        "head_counter": head.counter,
        "head_time": head.time,
        "head_certificate": head.certificate,
        "head_signature": head.signature,
    }


def command_row(certificate: str, key: str, intent: str, gateway: str, sequence: int) -> dict[str, Any]:
    """A row that makes a repeated command act once."""
    return {"certificate": certificate, "key": key, "intent": intent, "gateway": gateway, "sequence": sequence}


def digest(told: Any) -> str:
    """SHA-256 over the canonical bytes of *told*, hexadecimal."""
    return hashlib.sha256(canonical(told)).hexdigest()
