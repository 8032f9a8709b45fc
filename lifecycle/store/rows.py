"""Between rows of the tables and what they mean."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from lifecycle.canonical import canonical
from lifecycle.evidence import Evidence, OpenFault
from lifecycle.facts import Fact
from lifecycle.faults import Catalogue
from lifecycle.head import Head
from lifecycle.journal import Entry, Position, SignedEntry
from lifecycle.law import Standing
from lifecycle.parties import fingerprint_of
from lifecycle.states import State
from lifecycle.store.errors import UnknownGatewayError
from lifecycle.store.schema import certificates, gateways


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


def read_kept(connection: Connection, gateway: str, catalogue: Catalogue) -> Kept:
    """What is kept of a gateway.

    :raises UnknownGatewayError: if nothing is.
    """
    row = connection.execute(select(gateways).where(gateways.c.id == gateway)).one_or_none()
    if row is None:
        raise UnknownGatewayError(f"no record is kept of gateway {gateway}")
    head = Head(
        gateway,
        row.sequence,
        row.hash,
        row.head_counter,
        row.head_time,
        row.head_certificate,
        bytes(row.head_signature),
    )
    told = orjson.loads(row.evidence)
    evidence = Evidence.of(*(Fact(name) for name in told["facts"]))
    for name, subject in told["faults"]:
        evidence = evidence.with_fault(OpenFault(name, subject), catalogue)
    return Kept(gateway, Standing(State(row.state), evidence), Position(row.sequence, row.hash, row.time), head)


def keep_certificate(connection: Connection, der: bytes) -> None:
    """Put a certificate beside the chains, where it does not lie yet."""
    fingerprint = fingerprint_of(der)
    known = select(certificates.c.fingerprint).where(certificates.c.fingerprint == fingerprint)
    if connection.execute(known).one_or_none() is not None:
        return
    try:
        with connection.begin_nested():
            connection.execute(insert(certificates), {"fingerprint": fingerprint, "der": der})
    except IntegrityError:
        return  # somebody else was first with the same certificate


def gateway_columns(standing: Standing, position: Position, head: Head) -> dict[str, Any]:
    """Everything in a gateway's row but its identification."""
    evidence = {
        "facts": sorted(standing.evidence.facts),
        "faults": [[fault.name, fault.subject] for fault in standing.evidence.faults],
    }
    return {
        "state": str(standing.state),
        "evidence": canonical(evidence).decode(),
        "sequence": position.sequence,
        "hash": position.hash,
        "time": position.time,
        "head_counter": head.counter,
        "head_time": head.time,
        "head_certificate": head.certificate,
        "head_signature": head.signature,
    }


def entry_row(entry: Entry, signed: SignedEntry) -> dict[str, Any]:
    """A row of the chain."""
    return {
        "gateway": entry.gateway,
        "sequence": entry.sequence,
        "body": signed.body,
        "hash": signed.hash,
        "signature": signed.signature,
    }


def command_row(certificate: str, key: str, intent: str, gateway: str, sequence: int) -> dict[str, Any]:
    """A row that makes a repeated command act once."""
    return {"certificate": certificate, "key": key, "intent": intent, "gateway": gateway, "sequence": sequence}


def digest(told: Any) -> str:
    """SHA-256 over the canonical bytes of *told*, hexadecimal."""
    return hashlib.sha256(canonical(told)).hexdigest()
