"""Chains as they are found, in a file or a store, before anything in them is believed, and how they can be broken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any, NamedTuple, TypeAlias

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
    CONTRADICTED_ATTESTATION = "contradicted attestation"
    """What an entry tells is not what the attestation in it shows, or none is there where one must be."""
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


Found: TypeAlias = tuple[Any, bytes, str, bytes | str]
"""One entry as it was found: what its JSON tells, its bytes, the hash stated of them, and the signature (DER, or its
Base64 where it comes from a file). A bare tuple: there is one for every entry of every replay."""


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
            return entry_of(_from_file(line)[0]).gateway
        except (Damaged, JournalError):
            continue
    return "unknown"


_BEFORE_BODY = b'{"entry":'
_BEFORE_HASH = b',"hash":"'
_BEFORE_SIGNATURE = b'","signature":"'
_BEHIND = b'"}'
_BODY_AT = len(_BEFORE_BODY)
_HASH_AT = -64  # from where the signature begins
_BODY_ENDS = _HASH_AT - len(_BEFORE_HASH)


def _from_file(line: bytes) -> Found:
    """Every byte of a line is accounted for: fixed ones here, the body by its hash, the signature by its Base64."""
    end = line.rfind(_BEFORE_SIGNATURE)
    body_ends = end + _BODY_ENDS
    if (
        body_ends < _BODY_AT
        or line[:_BODY_AT] != _BEFORE_BODY
        or line[body_ends : end + _HASH_AT] != _BEFORE_HASH
        or line[-2:] != _BEHIND
        or len(line) > 2 * MAX_ENTRY_BYTES
    ):
        raise Damaged("the line is not written as the record writes")
    body = line[_BODY_AT:body_ends]
    try:
        told = orjson.loads(body)
        stated_hash = line[end + _HASH_AT : end].decode("ascii")
        return told, body, stated_hash, line[end + len(_BEFORE_SIGNATURE) : -2].decode("ascii")
    except (orjson.JSONDecodeError, UnicodeDecodeError) as error:
        raise Damaged(f"no entry can be read: {error}") from error


def _from_store(stored: SignedEntry) -> Found:
    body, stated_hash, signature = stored
    try:
        return orjson.loads(body), body, stated_hash, signature
    except orjson.JSONDecodeError as error:
        raise Damaged(f"no entry can be read: {error}") from error


def read(line: bytes | SignedEntry) -> Found:
    """One entry as it was found.

    :raises Damaged: if no entry can be read.
    """
    return _from_store(line) if isinstance(line, SignedEntry) else _from_file(line)
