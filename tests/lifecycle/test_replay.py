"""The verdict of a replay: over whole records, up to a moment, against heads, and over files of many chains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lifecycle.canonical import encode_signature
from lifecycle.chains import BreakKind, chains_of
from lifecycle.head import header_line, sign_head
from lifecycle.journal import genesis
from lifecycle.law import Law
from lifecycle.phases import PHASES
from lifecycle.replay import Verdict, replay
from lifecycle.roles import Role
from lifecycle.states import State
from tests.lifecycle.tampering import (
    ELSEWHERE,
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
from tests.support.lives import GATEWAY, OTHER_GATEWAY, START, Record, cast, life_of, shortest_way

GWH = cast()[Role.GWH]


@in_both_forms
def test_a_sound_record_is_found_sound(as_file: bool) -> None:
    verdict = replay(RECORD.chain(as_file=as_file), TRUST)
    assert verdict == Verdict(GATEWAY, LENGTH, RECORD.standing, RECORD.position)
    assert str(verdict) == f"{GATEWAY}: lawful, {LENGTH} entries, {RECORD.standing.state}"
    assert verdict.told() == {
        "gateway": GATEWAY,
        "ok": True,
        "entries": LENGTH,
        "state": str(RECORD.standing.state),
        "break": None,
    }


@in_both_forms
@pytest.mark.parametrize("state", State)
def test_a_life_to_any_state_is_found_lawful(state: State, as_file: bool) -> None:
    record = Record.living(shortest_way(state))
    verdict = replay(record.chain(as_file=as_file), TRUST)
    assert verdict.ok, verdict
    assert verdict.standing == record.standing
    assert verdict.standing.state is state


@in_both_forms
def test_the_tail_needs_a_head(as_file: bool) -> None:
    verdict = replay(replace(RECORD.chain(as_file=as_file), head=None), TRUST)
    assert_broken(verdict, LENGTH + 1, BreakKind.CUT_TAIL)
    assert verdict.entries == LENGTH
    assert replay(replace(RECORD.chain(as_file=as_file), head=None), TRUST, head=RECORD.head).ok


@pytest.mark.parametrize("outside", [False, True], ids=["head beside the chain", "head kept elsewhere"])
@pytest.mark.parametrize(
    ("spoil", "seq", "kind"),
    [
        (lambda h: replace(h, sequence=LENGTH + 1), LENGTH + 1, BreakKind.FLIPPED_BIT),
        (lambda h: replace(h, counter=99), LENGTH, BreakKind.FLIPPED_BIT),
        (lambda h: replace(h, signature=flipped(h.signature, 300)), LENGTH, BreakKind.FLIPPED_BIT),
        (lambda h: replace(h, signature=b""), LENGTH, BreakKind.FLIPPED_BIT),
        (lambda h: replace(h, certificate="ab" * 32), LENGTH, BreakKind.UNKNOWN_CERTIFICATE),
        (lambda _: sign_head(GATEWAY, RECORD.position, 1, START, GWH), LENGTH, BreakKind.WRONG_ROLE),
        (lambda _: sign_head(OTHER_GATEWAY, RECORD.position, 1, START, cast().keeper), LENGTH, BreakKind.FORK),
        (
            lambda _: sign_head(GATEWAY, RECORD.position._replace(hash="ab" * 32), 1, START, cast().keeper),
            LENGTH,
            BreakKind.FORK,
        ),
        (
            lambda _: sign_head(GATEWAY, RECORD.position._replace(sequence=0), 1, START, cast().keeper),
            0,
            BreakKind.FORK,
        ),
        (
            lambda _: sign_head(GATEWAY, RECORD.position._replace(sequence=LENGTH + 7), 1, START, cast().keeper),
            LENGTH + 1,
            BreakKind.CUT_TAIL,
        ),
        (
            lambda _: sign_head(GATEWAY, RECORD.position, 1, START + timedelta(days=731), cast().keeper),
            LENGTH,
            BreakKind.UNKNOWN_CERTIFICATE,
        ),
    ],
)
def test_a_head_that_is_not_the_keepers_word_is_found(
    spoil: Callable[[Any], Any], seq: int, kind: BreakKind, outside: bool
) -> None:
    spoilt = spoil(RECORD.head)
    if outside:
        verdict = replay(RECORD.chain(), TRUST, head=spoilt)
    else:
        verdict = replay(replace(RECORD.chain(), head=spoilt), TRUST)
    assert_broken(verdict, seq, kind)
    assert verdict.entries == LENGTH


@in_both_forms
def test_a_tail_cut_together_with_its_head_needs_a_head_kept_elsewhere(as_file: bool) -> None:
    cut = Record.of_length(K)
    assert replay(cut.chain(as_file=as_file), TRUST).ok
    assert_broken(replay(cut.chain(as_file=as_file), TRUST, head=RECORD.head), K + 1, BreakKind.CUT_TAIL)
    assert replay(RECORD.chain(as_file=as_file), TRUST, head=replace(RECORD, entries=[]).head).ok


def test_a_life_rewritten_with_every_partys_key_meets_the_head_kept_elsewhere() -> None:
    """Only the keeper's key was not stolen."""
    other = Record.of_length(K - 1)
    for number, step in enumerate(life_of(LENGTH), 1):
        if number >= K:
            other.tell(step, detail={"note": "rewritten"} if number == K else None)
    assert replay(other.chain(), TRUST).ok
    assert_broken(replay(other.chain(), TRUST, head=RECORD.head), LENGTH, BreakKind.FORK)
    assert_broken(replay(replace(other.chain(), head=RECORD.head), TRUST), LENGTH, BreakKind.FORK)


@in_both_forms
@pytest.mark.parametrize("until", [0, 1, K, LENGTH - 1, LENGTH, LENGTH + 1, 10**9])
def test_a_gateway_is_shown_as_it_was_after_an_entry(until: int, as_file: bool) -> None:
    verdict = replay(RECORD.chain(as_file=as_file), TRUST, until=until)
    assert verdict.ok
    assert verdict.entries == min(until, LENGTH)
    assert verdict.standing == standing_after(min(until, LENGTH))
    assert verdict.position.sequence == min(until, LENGTH)


@in_both_forms
@pytest.mark.parametrize(
    ("seconds", "entries"),
    [(-1, 0), (0, 1), (0.5, 1), (1, 2), (K, K + 1), (K + 0.999999, K + 1), (LENGTH - 1, LENGTH), (10**6, LENGTH)],
)
def test_a_gateway_is_shown_as_it_was_at_a_time(seconds: float, entries: int, as_file: bool) -> None:
    verdict = replay(RECORD.chain(as_file=as_file), TRUST, until=START + timedelta(seconds=seconds))
    assert verdict.ok
    assert verdict.entries == entries
    assert verdict.standing == standing_after(entries)


def test_a_time_that_was_put_later_does_not_hide_behind_until() -> None:
    """The entry that would be the first not looked at is believed when its bytes fit its hash."""
    body = RECORD.entries[K - 1].body.replace(b'"time":"2026', b'"time":"2027')
    chain = RECORD.chain(at(K, body=body)(list(RECORD.entries)))
    assert_broken(replay(chain, TRUST, until=START + timedelta(days=1)), K, BreakKind.FLIPPED_BIT)


def test_a_break_before_until_is_found() -> None:
    chain = RECORD.chain(at(K, hash="0" * 64)(list(RECORD.entries)))
    for until in (K, LENGTH, START + timedelta(seconds=K - 1)):
        assert_broken(replay(chain, TRUST, until=until), K, BreakKind.FLIPPED_BIT)
    wrong = RECORD.chain(at(K, signature=b"")(list(RECORD.entries)))
    assert_broken(replay(wrong, TRUST, until=K + 1), K, BreakKind.FLIPPED_BIT)
    assert replay(wrong, TRUST, until=K - 1).ok


def test_a_cut_tail_before_until_is_found() -> None:
    chain = RECORD.chain(RECORD.entries[:K])
    assert_broken(replay(chain, TRUST, until=K + 1), K + 1, BreakKind.CUT_TAIL)


def test_one_broken_chain_in_a_file_leaves_the_others_as_they_are() -> None:
    records = [Record.of_length(20, f"EXXX100000000{number}") for number in range(4)]
    files = [record.file for record in records]
    lines = files[1].splitlines(keepends=True)
    files[1] = b"".join([*lines[:7], *lines[8:]])
    files[2] = files[2].replace(b'"counter":', b'"counter":1')
    verdicts = [replay(chain, TRUST) for chain in chains_of(b"".join(files).splitlines(keepends=True))]
    assert [verdict.ok for verdict in verdicts] == [True, False, False, True]
    assert_broken(verdicts[1], 7, BreakKind.MISSING_ENTRY)
    assert_broken(verdicts[2], 0, BreakKind.FLIPPED_BIT)
    assert [verdict.gateway for verdict in verdicts] == [record.gateway for record in records]


def test_a_header_rewritten_with_the_right_hash_does_not_help() -> None:
    """Somebody writes the first line anew: fewer certificates, an older head, another gateway."""
    header, *rest = RECORD.lines
    short = Record.of_length(K)
    lines = [header_line(RECORD.head, [cast().keeper.certificate_der]), *rest]
    assert_broken(replay(next(chains_of(lines)), TRUST), 1, BreakKind.UNKNOWN_CERTIFICATE)
    lines = [header_line(short.head, RECORD.certificates.values()), *rest[: K - 1]]
    assert_broken(replay(next(chains_of(lines)), TRUST), K, BreakKind.CUT_TAIL)
    lines = [header_line(ELSEWHERE.head, RECORD.certificates.values()), *rest]
    assert_broken(replay(next(chains_of(lines)), TRUST), 1, BreakKind.FORK)
    assert header != lines[0]


@in_both_forms
def test_no_entry_at_all_is_a_life_that_has_not_begun(as_file: bool) -> None:
    verdict = replay(Record().chain(as_file=as_file), TRUST)
    assert verdict.ok
    assert (verdict.entries, verdict.standing.state) == (0, State.DEVELOPMENT)
    assert verdict.position == genesis(GATEWAY)


def test_another_law_finds_another_verdict() -> None:
    shorter = {
        state: replace(phase, exits=()) if state is State.PRODUCTION else phase for state, phase in PHASES.items()
    }
    sequence = 1 + next(n for n, s in enumerate(life_of(LENGTH), 1) if "MODULE_INITIALISED" in str(s))
    assert_broken(replay(RECORD.chain(), TRUST, law=Law(shorter)), sequence, BreakKind.UNLAWFUL_TRANSITION)


@pytest.mark.parametrize("length", [0, 1, LENGTH, 1000, 1499, 2001])
def test_progress_counts_every_entry_once_a_pass(length: int) -> None:
    record = Record.of_length(length)
    done: list[int] = []
    assert replay(record.chain(as_file=True), TRUST, progress=done.append).ok
    assert sum(done) == 2 * length


def test_signatures_in_a_file_are_written_one_way() -> None:
    """The same signature, in Base64 that another decoder would take as well."""
    header, *rest = RECORD.lines
    number, line = next(
        (n, line) for n, line in enumerate(rest, 1) if line.endswith(b'="}') and not line.endswith(b'=="}')
    )
    text = encode_signature(RECORD.entries[number - 1].signature)
    lenient = text[:-2] + chr(ord(text[-2]) + 1) + "="
    lines = [header, *rest]
    lines[number] = line.replace(text.encode(), lenient.encode())
    assert_broken(replay(next(chains_of(lines)), TRUST), number, BreakKind.FLIPPED_BIT)
