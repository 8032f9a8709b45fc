"""Chains as they are found, in a file or a store, before anything in them is believed, and how they can be broken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any, NamedTuple

import orjson

from lifecycle.canonical import JournalError
from lifecycle.head import HEADER_BEGINS, Head, read_header
from lifecycle.journal import MAX_ENTRY_BYTES, SignedEntry, entry_of


@unique
class BreakKind(StrEnum):
    """What is wrong where a record breaks."""

    FLIPPED_BIT = "flipped bit"
    """The bytes are not those that were hashed or signed."""
    MISSING_ENTRY = "missing entry"
    SWAPPED_PAIR = "swapped pair"
    CUT_TAIL = "cut tail"
    """The chain ends before its signed head, or nothing signed shows its end."""
    FORK = "fork"
    """Two entries claim one place, or an entry continues another chain."""
    CLOCK_SET_BACK = "clock set back"
    WRONG_ROLE = "wrong role"
    """Somebody acted in a role that the certificate, or the law, does not give."""
    UNLAWFUL_TRANSITION = "unlawful transition"
    UNLAWFUL_EVIDENCE = "unlawful evidence"
    """A fact or fault that could not be recorded then."""
    UNKNOWN_CERTIFICATE = "unknown certificate"
    """Not beside the chain, not under the pinned CA, or not valid at the time."""
    MALFORMED_ENTRY = "malformed entry"
    """Hashed and chained, yet no entry."""
    STATE_DIFFERS = "state differs"
    """The stored state is not the one that the record folds to."""


class Break(NamedTuple):
    """Where a record first breaks.

    :ivar seq: sequence of the entry, 0 for what stands before the first.
    :ivar kind: what is wrong.
    :ivar reason: in words.
    """

    seq: int
    kind: BreakKind
    reason: str


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain as it was found: nothing in it is believed yet.

    :ivar gateway: whose it says it is.
    :ivar lines: its entries, each a line of a file or a stored entry.
    :ivar certificates: certificates (DER) by fingerprint.
    :ivar head: the head that came with it.
    :ivar damage: what is wrong before its first entry.
    """

    gateway: str
    lines: Sequence[bytes | SignedEntry]
    certificates: Mapping[str, bytes]
    head: Head | None
    damage: Break | None = None


class Found(NamedTuple):
    """One entry as it was found."""

    told: Any
    body: bytes
    stated_hash: str
    signature: bytes | str


class Damaged(Exception):
    """Bytes that are no entry any more."""


def chains_of(lines: Iterable[bytes]) -> Iterator[Chain]:
    """The chains of a file, each with the header before it."""
    header_line: bytes | None = None
    entries: list[bytes] = []
    for raw in lines:
        line = raw.removesuffix(b"\n")
        if line.startswith(HEADER_BEGINS):
            if header_line is not None or entries:
                yield _chain_under(header_line, entries)
            header_line, entries = line, []
        else:
            entries.append(line)
    if header_line is not None or entries:
        yield _chain_under(header_line, entries)


def _chain_under(header_line: bytes | None, entries: list[bytes]) -> Chain:
    if header_line is None:
        broken = Break(0, BreakKind.MISSING_ENTRY, "the first line, with head and certificates, is missing")
        return Chain(_gateway_named_in(entries), entries, {}, None, broken)
    try:
        header = read_header(header_line)
    except JournalError as error:
        broken = Break(0, BreakKind.FLIPPED_BIT, f"in the first line: {error}")
        return Chain(_gateway_named_in(entries), entries, {}, None, broken)
    return Chain(header.head.gateway, entries, header.certificates, header.head)


def _gateway_named_in(lines: list[bytes]) -> str:
    """The gateway that the first readable entry names, where no header says it."""
    for line in lines:
        try:
            return entry_of(_from_file(line).told).gateway
        except (Damaged, JournalError):
            continue
    return "unknown"


_BEFORE_BODY = b'{"entry":'
_BEFORE_HASH = b',"hash":"'
_BEFORE_SIGNATURE = b'","signature":"'
_HASH_DIGITS = 64


def _from_file(line: bytes) -> Found:
    """Every byte of a line is accounted for: fixed ones here, the body by its hash, the signature by its Base64."""
    after_hash = line.rfind(_BEFORE_SIGNATURE)
    before_hash = after_hash - _HASH_DIGITS - len(_BEFORE_HASH)
    if (
        before_hash < 0
        or len(line) > 2 * MAX_ENTRY_BYTES
        or not line.startswith(_BEFORE_BODY)
        or not line.startswith(_BEFORE_HASH, before_hash)
        or not line.endswith(b'"}')
    ):
        raise Damaged("the line is not written as the record writes")
    body = line[len(_BEFORE_BODY) : before_hash]
    try:
        told = orjson.loads(body)
        stated = line[before_hash + len(_BEFORE_HASH) : after_hash].decode("ascii")
        return Found(told, body, stated, line[after_hash + len(_BEFORE_SIGNATURE) : -2].decode("ascii"))
    except (orjson.JSONDecodeError, UnicodeDecodeError) as error:
        raise Damaged(f"no entry can be read: {error}") from error


def _from_store(stored: SignedEntry) -> Found:
    try:
        return Found(orjson.loads(stored.body), stored.body, stored.hash, stored.signature)
    except orjson.JSONDecodeError as error:
        raise Damaged(f"no entry can be read: {error}") from error


def read(line: bytes | SignedEntry) -> Found:
    """One entry as it was found.

    :raises Damaged: if no entry can be read.
    """
    return _from_store(line) if isinstance(line, SignedEntry) else _from_file(line)
