"""Random damage to a file of a record: it never replays as sound, nothing is ever raised, and the place is named."""

from __future__ import annotations

import io
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.chains import BreakKind, Chain, chains_of
from lifecycle.head import Head
from lifecycle.journal import SignedEntry
from lifecycle.replay import Verdict, replay
from lifecycle.states import State
from tests.lifecycle.tampering import TRUST
from tests.support.campaign import Campaign
from tests.support.lives import GATEWAY, Record, cast, shortest_way

LENGTHS = (20, 29, 37, 44, 60)
ENDINGS = (State.HARDWARE_SCRAPPING, State.SM_DESTRUCTION, State.PREPERSONALISATION_1_ASSEMBLED)


@cache
def file_of(length_or_ending: int | State) -> tuple[bytes, ...]:
    """The lines of a file, with their line feeds, the header first."""
    if isinstance(length_or_ending, State):
        record = Record.living(shortest_way(length_or_ending))
    else:
        record = Record.of_length(length_or_ending)
    return tuple(line + b"\n" for line in record.lines)


files = st.sampled_from([*LENGTHS, *ENDINGS]).map(file_of)


def replayed(file: bytes) -> list[Verdict]:
    """What replaying a file finds: a verdict for each chain in it."""
    return [replay(chain, TRUST) for chain in chains_of(io.BytesIO(file))]


def found_sound(file: bytes) -> bool:
    verdicts = replayed(file)
    return bool(verdicts) and all(verdict.ok for verdict in verdicts)


@pytest.mark.parametrize("which", [*LENGTHS, *ENDINGS], ids=str)
def test_undamaged_files_are_found_sound(which: int | State) -> None:
    assert found_sound(b"".join(file_of(which)))


@pytest.mark.campaign
def test_a_flipped_bit_is_found_in_its_entry(campaign: Campaign) -> None:
    """Anywhere: in the header, which is 0, in an entry, its hash, its signature, between them, in a line feed."""
    kinds: dict[str, int] = {}
    tries = campaign.count(10_000)

    @settings(max_examples=tries)
    @given(files, st.data())
    def flip(lines: tuple[bytes, ...], data: st.DataObject) -> None:
        sequence = data.draw(st.integers(0, len(lines) - 1), label="line")
        bit = data.draw(st.integers(0, len(lines[sequence]) * 8 - 1), label="bit")
        damaged = bytearray(lines[sequence])
        damaged[bit // 8] ^= 1 << bit % 8
        verdict, *others = replayed(b"".join([*lines[:sequence], bytes(damaged), *lines[sequence + 1 :]]))
        assert verdict.broken is not None, verdict
        assert verdict.broken.seq == sequence, verdict
        assert verdict.entries == max(sequence - 1, 0)
        assert verdict.broken.kind in {BreakKind.FLIPPED_BIT, BreakKind.MISSING_ENTRY}
        assert verdict.broken.kind is BreakKind.FLIPPED_BIT or sequence == 0
        assert not others
        kinds[verdict.broken.kind] = kinds.get(verdict.broken.kind, 0) + 1

    flip()
    campaign.report(
        "replay: one flipped bit anywhere in a file", **{f"found as {kind}": n for kind, n in kinds.items()}
    )


@pytest.mark.campaign
def test_moved_and_missing_lines_are_found(campaign: Campaign) -> None:
    tries = campaign.count(5_000)

    @settings(max_examples=tries)
    @given(files, st.sampled_from(["delete", "repeat", "swap", "truncate", "reverse"]), st.data())
    def move(lines: tuple[bytes, ...], how: str, data: st.DataObject) -> None:
        places = st.integers(0, len(lines) - 1)
        one, other = sorted((data.draw(places), data.draw(places)))
        moved = list(lines)
        if how == "delete":
            seq = one
            del moved[one]
        elif how == "repeat":
            # A copy further up stands where another entry should, one further down claims a place that is taken.
            copied, to = (one, other) if data.draw(st.booleans()) else (other, one)
            seq = min(copied, to + 1)
            moved.insert(to + 1, lines[copied])
        elif how == "swap":
            seq = one
            moved[one], moved[other] = moved[other], moved[one]
        elif how == "truncate":
            seq = one
            del moved[one:]
        else:
            seq = one
            moved[one : other + 1] = reversed(moved[one : other + 1])
        verdicts = replayed(b"".join(moved))
        if moved == list(lines):
            assert [verdict.ok for verdict in verdicts] == [True]
            return
        assert not (verdicts and all(verdict.ok for verdict in verdicts))
        header_stays = moved[:1] == [lines[0]] and lines[0] not in moved[1:]
        if header_stays:
            (verdict,) = verdicts
            assert verdict.broken is not None
            assert verdict.broken.seq == seq, verdict

    move()
    campaign.report("replay: lines deleted, repeated, swapped, cut off, reversed", files=tries)


@pytest.mark.campaign
def test_bytes_overwritten_inserted_and_cut_out_are_found(campaign: Campaign) -> None:
    tries = campaign.count(5_000)

    @settings(max_examples=tries)
    @given(files, st.binary(max_size=40) | st.integers(0, 40), st.data())
    def overwrite(lines: tuple[bytes, ...], put: bytes | int, data: st.DataObject) -> None:
        file = b"".join(lines)
        start = data.draw(st.integers(0, len(file)))
        end = data.draw(st.integers(start, min(start + 3000, len(file))))
        if isinstance(put, int):  # a piece of the file itself, which is harder to tell from what belongs there
            source = data.draw(st.integers(0, len(file)))
            put = file[source : source + 20 * put]
        damaged = file[:start] + put + file[end:]
        # The last line feed says nothing: a file without it is the same file.
        same = damaged.removesuffix(b"\n") == file.removesuffix(b"\n")
        assert found_sound(damaged) is same

    overwrite()
    campaign.report("replay: bytes overwritten, inserted, cut out", files=tries)


stored = st.builds(SignedEntry, st.binary(), st.text(max_size=70), st.binary()) | st.sampled_from(
    Record.of_length(24).entries
)
heads = st.none() | st.builds(
    Head,
    st.text() | st.just(GATEWAY),
    st.integers(0, 40),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.integers(),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from([cast().keeper.actor.certificate, ""]) | st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(),
)
certificates = st.dictionaries(
    st.sampled_from([party.actor.certificate for party in cast().parties.values()]) | st.text(),
    st.binary() | st.sampled_from([party.certificate_der for party in cast().parties.values()]),
)


@settings(max_examples=300)
@given(st.lists(stored, max_size=30), heads, certificates)
def test_whatever_is_in_a_store_replay_answers(
    entries: list[SignedEntry], head: Head | None, beside: dict[str, bytes]
) -> None:
    verdict = replay(Chain(GATEWAY, entries, beside, head), TRUST)
    assert verdict.broken is not None
    assert 0 <= verdict.entries <= len(entries)


@settings(max_examples=300)
@given(st.binary(max_size=2000))
def test_whatever_is_in_a_file_replay_answers(file: bytes) -> None:
    assert not found_sound(file)
