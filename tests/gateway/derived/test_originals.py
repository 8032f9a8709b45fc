"""Entries of the original lists as the rule sets see them: epochs, units, scalers, status words."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.derived.originals import NO_EPOCHS, Epochs, original_list
from gateway.lmn.status import CombinedStatus, GatewayStatus, PtbStatus
from gateway.metering.entries import ListEntry
from gateway.tariffing.status import fnn_of_word, ptb_of_fnn
from tests.support.contracts import IMPORT, METER

QUARTER = timedelta(minutes=15)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = CombinedStatus(GatewayStatus(0), None).word
WRONG_TIME = CombinedStatus(GatewayStatus.SYSTEM_TIME_INVALID, None).word


def entry(number: int, place: int, value: int | None, **others: Any) -> ListEntry:
    """An entry for the point so many quarters of an hour after the begin; without a value a gap."""
    at = BEGIN + place * QUARTER
    members: dict[str, Any] = {
        "meter": "0a01454d480000bc614e",
        "obis": IMPORT.hex(),
        "number": number,
        "consumer": "anna",
        "epoch": 0,
        "target": at,
        "captured": None if value is None else at,
        "value": value,
        "scaler": -1,
        "unit": 30,
        "status": GOOD,
        "marks": frozenset(),
        "flags": (),
        "until": None,
        "missing": int(value is None),
        "cause": None,
        "hash": f"{number:064x}",
        "seal": None,
    }
    return ListEntry(**{**members, **others})


@dataclass(frozen=True, slots=True, weakref_slot=True)
class WatchedEntry(ListEntry):
    """An entry of which it shows whether somebody still has it."""


def watched(one: ListEntry) -> WatchedEntry:
    return WatchedEntry(**{each.name: getattr(one, each.name) for each in fields(one)})


def test_a_gap_is_a_reading_that_is_not_there_and_the_others_name_their_entry() -> None:
    found = original_list([entry(1, 0, 5), entry(2, 1, None), entry(7, 2, 9)], IMPORT, METER, QUARTER)
    assert [(each.entry, each.position, each.value, int(each.hash, 16)) for each in found.readings] == [
        (1, 0, 5, 1),
        (7, 1, 9, 7),
    ]
    assert (found.scaler, found.unit, found.stated_period, found.meter) == (-1, 30, 900, METER)


def test_what_a_later_epoch_took_again_counts_no_more() -> None:
    entries = [entry(number, number, number) for number in range(1, 9)]
    entries += [entry(9, 3, 90, epoch=1, status=WRONG_TIME), entry(10, 4, None, epoch=1), entry(11, 6, 110, epoch=1)]
    epochs = NO_EPOCHS.after(entries[:5]).after(entries[5:])
    assert epochs == Epochs({1: BEGIN + 3 * QUARTER}, 11)
    found = original_list(entries, IMPORT, METER, QUARTER, epochs)
    assert [each.entry for each in found.readings] == [1, 2, 9, 11]
    assert [point.value for point in found.points()] == [1, 2, 110]


def test_the_last_unit_counts_and_the_finest_scaler() -> None:
    entries = [entry(1, 0, 5, unit=31), entry(2, 1, 7, scaler=0), entry(3, 2, 71, scaler=-2)]
    found = original_list(entries, IMPORT, METER, QUARTER)
    assert [each.value for each in found.readings] == [None, 700, 71]
    assert (found.scaler, found.unit) == (-2, 30)
    assert original_list([], IMPORT, METER, QUARTER).readings == []


def test_no_entry_is_held_when_the_next_is_asked_for() -> None:
    """A year of entries is not there at once, only the readings."""
    held: list[weakref.ref[ListEntry]] = []

    def one_by_one() -> Iterator[ListEntry]:
        for number in range(1, 50):
            made = watched(entry(number, number, number, scaler=number // 20))
            held.append(weakref.ref(made))
            yield made
            del made
            assert sum(each() is not None for each in held) <= 1

    found = original_list(one_by_one(), IMPORT, METER, QUARTER)
    assert [each.value for each in found.readings[18:21]] == [19, 200, 210]


@given(st.lists(st.tuples(st.integers(-3, 3), st.sampled_from([None, 30, 31]), st.integers(-(2**63), 2**64 - 1))))
def test_every_value_is_what_it_was_in_the_last_unit(shown: list[tuple[int, int | None, int]]) -> None:
    entries = [
        entry(number + 1, number, value, scaler=scaler, unit=unit) for number, (scaler, unit, value) in enumerate(shown)
    ]
    found = original_list(entries, IMPORT, METER, QUARTER)
    assert [(each.position, each.entry) for each in found.readings] == [(n, n + 1) for n in range(len(shown))]
    for each, (scaler, unit, value) in zip(found.readings, shown, strict=True):
        if unit == shown[-1][1]:
            assert each.value is not None
            assert Fraction(each.value) * Fraction(10) ** found.scaler == Fraction(value) * Fraction(10) ** scaler
        else:
            assert each.value is None


def test_the_status_word_decides_what_a_reading_is_good_for() -> None:
    found = original_list([entry(1, 0, 5), entry(2, 1, 6, status=WRONG_TIME)], IMPORT, METER, QUARTER)
    assert [each.status for each in found.readings] == [PtbStatus.OK, PtbStatus.CRITICAL_TEMPORARY_ERROR]
    assert [each.usable for each in found.readings] == [True, False]


@given(st.integers(0, 2**64 - 1))
def test_a_status_word_is_written_as_the_official_software_reads_it(word: int) -> None:
    assert ptb_of_fnn(fnn_of_word(word)) == CombinedStatus.of_word(word).ptb


def test_bits_are_written_lowest_first() -> None:
    assert fnn_of_word(0x5_0000_0004) == "a000000020000000"
    assert fnn_of_word(1 << 40 | 5 << 32) == "a080000000000000"
