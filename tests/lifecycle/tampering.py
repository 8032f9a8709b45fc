"""Ways to tamper with a record, each with where and how it must show, for files and for stores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from lifecycle.canonical import canonical
from lifecycle.chains import BreakKind
from lifecycle.journal import SignedEntry, genesis
from lifecycle.law import LAW, Standing
from lifecycle.replay import Verdict
from tests.support.lives import GATEWAY, OTHER_GATEWAY, Record, cast, life_of

TRUST = cast().trust
LENGTH = 40
RECORD = Record.of_length(LENGTH)
K = 12
"""The entry that most of these tests tamper with."""

ELSEWHERE = Record.of_length(LENGTH, OTHER_GATEWAY)
"""A record of the same length of another gateway."""

Entries = list[SignedEntry]


@dataclass(frozen=True)
class Tampering:
    """Something done to the record, and where and how it must show."""

    name: str
    do: Callable[[Entries], Entries]
    seq: int
    kind: BreakKind


def flipped(data: bytes, bit: int = 7) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def at(sequence: int, **changes: Any) -> Callable[[Entries], Entries]:
    """Replace parts of the entry of that sequence."""

    def change(entries: Entries) -> Entries:
        entries[sequence - 1] = entries[sequence - 1]._replace(**changes)
        return entries

    return change


def altered(entry: SignedEntry, **changes: Any) -> bytes:
    """The body of an entry with these members changed."""
    return canonical({**orjson.loads(entry.body), **changes})


def rehashed(entries: Entries, start: int) -> Entries:
    """What somebody without any key can do: every hash from there on put right, every link with it."""
    previous = entries[start - 2].hash if start > 1 else genesis(GATEWAY).hash
    for index in range(start - 1, len(entries)):
        body = altered(entries[index], previous=previous)
        previous = hashlib.sha256(body).hexdigest()
        entries[index] = SignedEntry(body, previous, entries[index].signature)
    return entries


def swap(one: int, other: int) -> Callable[[Entries], Entries]:
    def swapped(entries: Entries) -> Entries:
        entries[one - 1], entries[other - 1] = entries[other - 1], entries[one - 1]
        return entries

    return swapped


def alternative(sequence: int) -> SignedEntry:
    """Another lawful entry that claims the place of that sequence, signed by the same party."""
    record = Record.of_length(sequence - 1)
    *_, step = life_of(sequence)
    return record.tell(step, detail={"note": "the other way"})


def standing_after(sequence: int) -> Standing:
    return LAW.fold(life_of(sequence))


def assert_broken(verdict: Verdict, seq: int, kind: BreakKind) -> None:
    assert verdict.broken is not None, verdict
    assert (verdict.broken.seq, verdict.broken.kind) == (seq, kind), verdict
    assert verdict.broken.reason
    assert not verdict.ok


in_both_forms = pytest.mark.parametrize("as_file", [False, True], ids=["store", "file"])
"""Runs a test on the record as a store has it, and as the lines of a file."""


TAMPERINGS = [
    Tampering("a bit of the body", at(K, body=flipped(RECORD.entries[K - 1].body, 990)), K, BreakKind.FLIPPED_BIT),
    Tampering("a bit of the first body", at(1, body=flipped(RECORD.entries[0].body)), 1, BreakKind.FLIPPED_BIT),
    Tampering(
        "a bit of the hash",
        at(K, hash=flipped(RECORD.entries[K - 1].hash.encode(), 1).decode()),
        K,
        BreakKind.FLIPPED_BIT,
    ),
    Tampering(
        "a bit of the signature",
        at(K, signature=flipped(RECORD.entries[K - 1].signature, 300)),
        K,
        BreakKind.FLIPPED_BIT,
    ),
    Tampering("the signature of another", at(K, signature=RECORD.entries[K].signature), K, BreakKind.FLIPPED_BIT),
    Tampering("no signature", at(K, signature=b""), K, BreakKind.FLIPPED_BIT),
    Tampering("one missing", lambda e: e[: K - 1] + e[K:], K, BreakKind.MISSING_ENTRY),
    Tampering("the first missing", lambda e: e[1:], 1, BreakKind.MISSING_ENTRY),
    Tampering("several missing", lambda e: e[: K - 1] + e[K + 4 :], K, BreakKind.MISSING_ENTRY),
    Tampering("one moved to the end", lambda e: [*e[: K - 1], *e[K:], e[K - 1]], K, BreakKind.MISSING_ENTRY),
    Tampering("a pair swapped", swap(K, K + 1), K, BreakKind.SWAPPED_PAIR),
    Tampering("the first pair swapped", swap(1, 2), 1, BreakKind.SWAPPED_PAIR),
    Tampering("the last pair swapped", swap(LENGTH - 1, LENGTH), LENGTH - 1, BreakKind.SWAPPED_PAIR),
    Tampering("a pair far apart swapped", swap(K, K + 9), K, BreakKind.SWAPPED_PAIR),
    Tampering("first and last swapped", swap(1, LENGTH), 1, BreakKind.SWAPPED_PAIR),
    Tampering("the last cut off", lambda e: e[:-1], LENGTH, BreakKind.CUT_TAIL),
    Tampering("the tail cut off", lambda e: e[:K], K + 1, BreakKind.CUT_TAIL),
    Tampering("everything cut off", lambda _: [], 1, BreakKind.CUT_TAIL),
    Tampering("one twice", lambda e: e[:K] + e[K - 1 :], K, BreakKind.FORK),
    Tampering("an earlier one again", lambda e: [*e, e[K - 1]], K, BreakKind.FORK),
    Tampering("another in its place", lambda e: [*e[: K - 1], alternative(K), *e[K:]], K + 1, BreakKind.FORK),
    Tampering("two for one place", lambda e: [*e[:K], alternative(K), *e[K:]], K, BreakKind.FORK),
    Tampering("another as the last", lambda e: [*e[:-1], alternative(LENGTH)], LENGTH, BreakKind.FORK),
    Tampering(
        "one of another gateway", lambda e: [*e[:K], *ELSEWHERE.entries[K : K + 1], *e[K:]], K + 1, BreakKind.FORK
    ),
    Tampering("all of another gateway", lambda _: list(ELSEWHERE.entries), 1, BreakKind.FORK),
    Tampering(
        "rewritten without a key",
        lambda e: rehashed(at(K, body=altered(e[K - 1], time="2026-03-02T08:00:11.500000Z"))(e), K),
        K,
        BreakKind.FLIPPED_BIT,
    ),
    Tampering(
        "rewritten from the start without a key",
        lambda e: rehashed(at(1, body=altered(e[0], payload={"fact": "MOUNTED"}))(e), 1),
        1,
        BreakKind.FLIPPED_BIT,
    ),
    Tampering(
        "one left out and all after it rewritten without a key",
        lambda e: rehashed([*e[: K - 1], *(x._replace(body=altered(x, seq=K + i)) for i, x in enumerate(e[K:]))], K),
        K,
        BreakKind.FLIPPED_BIT,
    ),
]
"""Everything that can be done to a record by somebody who can write where it is kept."""
