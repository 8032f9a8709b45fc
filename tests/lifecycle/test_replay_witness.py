"""A witness in a replay: what it is asked, what becomes of its word, and that it is asked once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from lifecycle.chains import BreakKind
from lifecycle.journal import Entry, read_entry
from lifecycle.replay import Verdict, replay
from tests.lifecycle.tampering import (
    LENGTH,
    RECORD,
    TRUST,
    K,
    assert_broken,
    at,
    flipped,
    in_both_forms,
    standing_after,
)
from tests.support.lives import START


@dataclass
class Doubter:
    """Contradicts the entries of some sequences, and remembers what it was asked.

    :ivar doubts: those sequences.
    """

    doubts: frozenset[int] = frozenset()
    asked: list[Entry] = field(default_factory=list)

    def examine(self, entry: Entry) -> str | None:
        """The next entry."""
        self.asked.append(entry)
        return f"entry {entry.sequence} is not so" if entry.sequence in self.doubts else None


@in_both_forms
def test_a_witness_with_nothing_to_say_changes_nothing(as_file: bool) -> None:
    witness = Doubter()
    verdict = replay(RECORD.chain(as_file=as_file), TRUST, witness=witness)
    assert (
        verdict
        == replay(RECORD.chain(as_file=as_file), TRUST)
        == Verdict(RECORD.gateway, LENGTH, RECORD.standing, RECORD.position)
    )
    assert witness.asked == [read_entry(entry.body) for entry in RECORD.entries]


@in_both_forms
@pytest.mark.parametrize("sequence", [1, K, LENGTH])
def test_what_a_witness_contradicts_breaks_the_record_there(sequence: int, as_file: bool) -> None:
    witness = Doubter(frozenset({sequence, LENGTH}))
    verdict = replay(RECORD.chain(as_file=as_file), TRUST, witness=witness)
    assert_broken(verdict, sequence, BreakKind.CONTRADICTED_ATTESTATION)
    assert verdict.entries == verdict.position.sequence == sequence - 1
    assert verdict.standing == standing_after(sequence - 1)
    assert str(verdict).endswith(
        f"BROKEN at entry {sequence}: contradicted attestation: entry {sequence} is not so "
        f"({sequence - 1} entries before it are good)"
    )
    assert [entry.sequence for entry in witness.asked] == list(range(1, sequence + 1))


def test_a_wrong_signature_on_the_contradicted_entry_is_the_earlier_break() -> None:
    entries = at(K, signature=flipped(RECORD.entries[K - 1].signature, 300))(list(RECORD.entries))
    verdict = replay(RECORD.chain(entries), TRUST, witness=Doubter(frozenset({K})))
    assert_broken(verdict, K, BreakKind.FLIPPED_BIT)


def test_a_witness_is_not_asked_twice_where_the_signatures_break() -> None:
    entries = at(K, signature=b"")(list(RECORD.entries))
    witness = Doubter()
    verdict = replay(RECORD.chain(entries), TRUST, witness=witness)
    assert_broken(verdict, K, BreakKind.FLIPPED_BIT)
    assert verdict.standing == standing_after(K - 1)
    assert [entry.sequence for entry in witness.asked] == list(range(1, LENGTH + 1))


def test_a_witness_is_not_asked_of_what_breaks_by_itself() -> None:
    entries = at(K, body=flipped(RECORD.entries[K - 1].body, 990))(list(RECORD.entries))
    witness = Doubter(frozenset({K}))
    assert_broken(replay(RECORD.chain(entries), TRUST, witness=witness), K, BreakKind.FLIPPED_BIT)
    assert [entry.sequence for entry in witness.asked] == list(range(1, K))


@pytest.mark.parametrize("until", [K, START + timedelta(seconds=K - 1)])
def test_a_witness_is_not_asked_of_what_comes_later(until: object) -> None:
    witness = Doubter(frozenset({K + 1}))
    verdict = replay(RECORD.chain(), TRUST, until=until, witness=witness)  # type: ignore[arg-type]
    assert verdict.ok
    assert verdict.entries == len(witness.asked) == K
