"""Canonical bytes, times and signatures: one way of writing each, and everything else refused."""

from __future__ import annotations

import binascii
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.canonical import (
    JournalError,
    canonical,
    check_canonical,
    decode_signature,
    encode_signature,
    format_time,
    parse_time,
)
from lifecycle.states import State
from tests.support.lives import START

LARGEST = 2**53 - 1
names = st.text(st.characters(max_codepoint=127), max_size=12)
texts = st.text(st.characters(exclude_categories=["Cs"]))
leaves = texts | st.integers(-LARGEST, LARGEST) | st.booleans() | st.none()
subset = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4))
anything = st.recursive(
    leaves
    | st.integers()
    | st.floats()
    | st.binary()
    | st.text()
    | st.tuples(st.integers())
    | st.sampled_from(State)
    | st.datetimes(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text() | st.integers() | st.sampled_from(State), inner, max_size=3)
    ),
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


@given(subset)
def test_the_bytes_are_those_of_rfc_8785(value: Any) -> None:
    if depth(value) > 8:
        with pytest.raises(JournalError, match="nested deeper"):
            canonical(value)
    else:
        assert canonical(value) == rfc8785.dumps(value)
        assert json.loads(canonical(value)) == value


@given(anything)
def test_whatever_it_is_given_it_writes_rfc_8785_or_refuses(value: Any) -> None:
    try:
        written = canonical(value)
    except JournalError:
        return
    assert written == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value",
    [
        "".join(map(chr, range(0x20))) + '"\\/\x7f\x80\u2028\u2029',
        {"b": 1, "a": 2, "B": 3, "": 4, "aa": 5},
        [LARGEST, -LARGEST, 0, True, None],
        "Zähler €𝄞",
        {"state": State.OPERATION, "deep": [[[[[[[1]]]]]]]},
    ],
)
def test_hard_cases_are_written_like_the_peer_writes_them(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (1.0, "float"),
        (float("nan"), "float"),
        (LARGEST + 1, "53 bits"),
        (-LARGEST - 1, "53 bits"),
        ({"ä": 1}, "not ASCII"),
        ({1: 1}, "not ASCII"),
        ({State.OPERATION: 1}, "name"),
        ("\ud800", "surrogate"),
        (["\udfff"], "surrogate"),
        ((1, 2), "tuple"),
        (b"bytes", "bytes"),
        ({1, 2}, "set"),
        (datetime(2026, 1, 1, tzinfo=UTC), "datetime"),
        ([[[[[[[[[1]]]]]]]]], "deeper than 8"),
    ],
)
def test_what_the_record_does_not_hold_is_refused(value: Any, reason: str) -> None:
    with pytest.raises(JournalError, match=reason):
        canonical(value)
    with pytest.raises(JournalError, match=reason):
        check_canonical({"inside": [value]} if reason != "deeper than 8" else value)


zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
# No zone takes one of these out of what can be said; datetimes() wants its limits without a zone.
times = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=zones)  # noqa: DTZ001


@given(times, times)
def test_a_time_is_written_one_way_and_texts_compare_like_times(one: datetime, other: datetime) -> None:
    text = format_time(one)
    assert len(text) == 27
    assert parse_time(text) == one
    assert parse_time(text).tzinfo is UTC
    assert (format_time(one) < format_time(other)) == (one < other)
    assert (format_time(one) == format_time(other)) == (one == other)


def test_a_time_looks_like_this() -> None:
    assert format_time(datetime(2026, 1, 31, 13, 0, tzinfo=timezone(timedelta(hours=1)))) == (
        "2026-01-31T12:00:00.000000Z"
    )


@pytest.mark.parametrize(
    "time",
    [
        START.replace(tzinfo=None),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
    ],
)
def test_a_time_that_cannot_be_said_in_utc_is_refused(time: datetime) -> None:
    with pytest.raises(JournalError, match="time"):
        format_time(time)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-31",
        "2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00.000Z",
        "2026-01-31T12:00:00.000000",
        "2026-01-31T12:00:00.000000+00:00",
        "2026-01-31 12:00:00.000000Z",
        "2026-01-31t12:00:00.000000z",
        "2026-01-31T12:00:00.000000Z\n",
        " 2026-01-31T12:00:00.000000Z",
        "2026-02-30T12:00:00.000000Z",
        "2026-13-01T12:00:00.000000Z",
        "2026-01-31T24:00:00.000000Z",
        "2026-01-31T12:60:00.000000Z",
        "2026-06-30T23:59:60.000000Z",
        "0000-01-31T12:00:00.000000Z",
        "２026-01-31T12:00:00.000000Z",
    ],
)
def test_a_time_written_otherwise_is_none(text: str) -> None:
    with pytest.raises(JournalError, match="no time"):
        parse_time(text)


@given(st.binary())
def test_a_signature_is_written_one_way(signature: bytes) -> None:
    assert decode_signature(encode_signature(signature)) == signature


@given(st.binary(max_size=80), st.data())
def test_no_other_text_gives_the_same_signature(signature: bytes, data: st.DataObject) -> None:
    text = encode_signature(signature)
    place = data.draw(st.integers(0, len(text)))
    other = text[:place] + data.draw(st.text(max_size=2)) + text[place + data.draw(st.integers(0, 2)) :]
    if other != text:
        try:
            assert decode_signature(other) != signature
        except JournalError as error:
            assert "Base64" in str(error)  # noqa: PT017  either answer is right, as long as it is no other


@pytest.mark.parametrize("text", ["A", "AA", "AA=", "AB==", "AAB=", "AA==\n", "AA==AA==", "A A=", "ÄÄ==", "AA-_"])
def test_other_ways_to_write_base64_are_refused(text: str) -> None:
    with pytest.raises(JournalError, match="Base64"):
        decode_signature(text)


def test_the_peer_would_take_bits_that_carry_nothing() -> None:
    """Why decoding alone is not enough: two texts for the same bytes."""
    assert binascii.a2b_base64("AB==") == binascii.a2b_base64("AA==")
