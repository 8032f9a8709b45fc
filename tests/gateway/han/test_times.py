"""Times of requests: with a zone or without, on the days on which clocks are changed too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.han.times import LOCAL, read_time, too_long, write_time


@pytest.mark.parametrize(
    ("text", "ends", "utc"),
    [
        ("2026-03-01T12:00:00Z", False, "2026-03-01T12:00:00Z"),
        ("2026-03-01T12:00:00+01:00", False, "2026-03-01T11:00:00Z"),
        ("2026-03-01T12:00:00-0530", False, "2026-03-01T17:30:00Z"),
        ("2026-03-01T12:00:00", False, "2026-03-01T11:00:00Z"),
        ("2026-07-01T12:00:00", True, "2026-07-01T10:00:00Z"),
        ("2025-10-26T02:30:00", False, "2025-10-26T00:30:00Z"),
        ("2025-10-26T02:30:00", True, "2025-10-26T01:30:00Z"),
        ("2026-03-29T02:30:00", False, "2026-03-29T00:30:00Z"),
        ("2026-03-29T02:30:00", True, "2026-03-29T01:30:00Z"),
    ],
)
def test_a_time_is_read(text: str, ends: bool, utc: str) -> None:
    assert write_time(read_time(text, ends=ends)) == utc


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-03-01",
        "2026-03-01 12:00:00",
        "2026-02-30T12:00:00",
        "2026-03-01T12:00:00.5Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T12:00:00z",
        "0001-01-01T00:00:00",
        "9999-12-31T23:59:59-01:00",
        "２026-03-01T12:00:00",
    ],
)
def test_a_time_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"not of the form|no year|out of range|must be in"):
        read_time(text)


@given(st.integers(0, 7_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)))
def test_what_is_written_is_read_again(aware: datetime) -> None:
    assert read_time(write_time(aware)) == aware
    local = aware.astimezone(LOCAL).strftime("%Y-%m-%dT%H:%M:%S")
    assert read_time(local) <= aware <= read_time(local, ends=True)


def test_a_month_fits_whatever_the_clocks_do() -> None:
    for year, month in ((2025, 10), (2026, 3), (2026, 1)):
        begin = datetime(year, month, 1, tzinfo=LOCAL)
        end = begin + timedelta(days=31)  # by the calendar, as zones of the standard library reckon
        assert not too_long(begin.astimezone(UTC), end.astimezone(UTC))
        assert too_long(begin.astimezone(UTC), (end + timedelta(seconds=1)).astimezone(UTC))


def test_no_time_is_written_as_nothing() -> None:
    assert write_time(None) == ""
