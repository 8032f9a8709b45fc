"""The rules of the original reading list: raster, gaps, duplicates, registers that run back, clocks that are moved."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metering.rules import (
    Gap,
    ListProfile,
    ProfileError,
    Seen,
    Verdict,
    after,
    is_less,
    missed,
    nearest_point,
    rule,
    target_of,
    tolerance,
)
from gateway.metering.status import Mark
from tests.support.lists import ANNA, IMPORT, METER, PROFILE, QUARTER, YEAR, reading
from tests.support.lives import START

SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)
PERIODS = st.sampled_from([60, 300, 900, 1800, 3600, 86400]).map(lambda seconds: timedelta(seconds=seconds))
MOMENTS = st.datetimes(min_value=START.replace(tzinfo=None)).map(lambda at: at.replace(tzinfo=START.tzinfo))
OFFSETS = st.integers(min_value=-(10**10), max_value=10**10).map(lambda number: number * MICROSECOND)


def seen_after(*readings: Any, profile: ListProfile = PROFILE) -> Seen:
    """What is seen of a register after these readings."""
    seen = Seen()
    for each in readings:
        ruling = rule(profile, seen, each)
        assert ruling.verdict is Verdict.KEPT
        seen = after(seen, each, ruling)
    return seen


@pytest.mark.parametrize(
    ("period", "seconds"),
    [(QUARTER, 9), (timedelta(hours=1), 36), (timedelta(minutes=1), 0.6), (timedelta(days=1), 864)],
)
def test_the_tolerance_is_one_percent(period: timedelta, seconds: float) -> None:
    assert tolerance(period) == timedelta(seconds=seconds)


@pytest.mark.parametrize("sign", [-1, 1])
def test_nine_seconds_count_and_a_microsecond_more_does_not(sign: int) -> None:
    assert target_of(START + sign * 9 * SECOND, QUARTER) == START
    assert target_of(START + sign * (9 * SECOND + MICROSECOND), QUARTER) is None


@given(OFFSETS, PERIODS)
def test_a_reading_counts_for_the_nearest_point_or_for_none(offset: timedelta, period: timedelta) -> None:
    at = START + offset
    point = nearest_point(at, period)
    midnight = point.replace(hour=0, minute=0, second=0, microsecond=0)
    assert (point - midnight) % period == timedelta(0)
    assert abs(at - point) <= period / 2
    assert target_of(at, period) == (point if abs(at - point) * 100 <= period else None)


@given(OFFSETS.filter(lambda offset: offset >= timedelta(0)), PERIODS)
def test_missed_are_the_points_whose_time_is_over(offset: timedelta, period: timedelta) -> None:
    begin = nearest_point(START, period)
    at = begin + offset
    over, point = 0, begin + period
    if offset // period < 500:
        while point + tolerance(period) < at:
            over, point = over + 1, point + period
        expected = Gap(begin + period, begin + over * period, over) if over else None
        assert missed(begin, at, period) == expected


@given(st.integers(), st.integers(-128, 127), st.integers(), st.integers(-128, 127))
def test_amounts_of_other_scalers_are_compared_exactly(one: int, scaler: int, two: int, its_scaler: int) -> None:
    shift = 128
    assert is_less(one, scaler, two, its_scaler) is (one * 10 ** (scaler + shift) < two * 10 ** (its_scaler + shift))


def test_the_first_reading_within_the_tolerance_counts() -> None:
    seen = seen_after(reading(1, START - 9 * SECOND))
    assert seen.target == START
    ruling = rule(PROFILE, seen, reading(1, START + SECOND))
    assert (ruling.verdict, ruling.is_idle) == (Verdict.SURPLUS, True)
    between = rule(PROFILE, seen, reading(1, START + 100 * SECOND))
    assert (between.verdict, between.gap, between.is_idle) == (Verdict.OFF_RASTER, None, True)
    next_one = rule(PROFILE, seen, reading(2, START + QUARTER + 9 * SECOND))
    assert (next_one.verdict, next_one.target, next_one.gap) == (Verdict.KEPT, START + QUARTER, None)


def test_what_passed_without_a_reading_is_a_gap() -> None:
    seen = seen_after(reading(1))
    ruling = rule(PROFILE, seen, reading(2, START + 4 * QUARTER))
    assert ruling.target == START + 4 * QUARTER
    assert ruling.gap == Gap(START + QUARTER, START + 3 * QUARTER, 3)
    late = rule(PROFILE, seen, reading(2, START + QUARTER + 10 * SECOND))
    assert (late.verdict, late.gap) == (Verdict.OFF_RASTER, Gap(START + QUARTER, START + QUARTER, 1))


def test_before_the_first_reading_there_is_no_gap() -> None:
    ruling = rule(PROFILE, Seen(), reading(1, START + 5 * SECOND))
    assert (ruling.verdict, ruling.gap, ruling.marks) == (Verdict.KEPT, None, frozenset())


def test_the_same_again_is_a_duplicate_and_another_value_a_contradiction() -> None:
    seen = seen_after(reading(7))
    assert rule(PROFILE, seen, reading(7)).verdict is Verdict.DUPLICATE
    for other in (reading(8), reading(7, scaler=0), reading(7, unit=None)):
        assert rule(PROFILE, seen, other).verdict is Verdict.CONTRADICTION


def test_a_register_that_runs_back_is_kept_and_marked() -> None:
    seen = seen_after(reading(100))
    later = START + QUARTER
    assert rule(PROFILE, seen, reading(99, later)).marks == {Mark.RAN_BACK}
    assert rule(PROFILE, seen, reading(99, later)).verdict is Verdict.KEPT
    assert rule(PROFILE, seen, reading(100, later)).marks == frozenset()
    assert rule(PROFILE, seen, reading(10, later, scaler=0)).marks == frozenset()
    assert rule(PROFILE, seen, reading(9, later, scaler=0)).marks == {Mark.RAN_BACK}
    assert rule(PROFILE, seen, reading(1, later, unit=27)).marks == {Mark.UNIT_CHANGED}
    power = ListProfile(METER, IMPORT, ANNA, YEAR, monotone=False)
    assert rule(power, seen, reading(99, later)).marks == frozenset()


def test_a_fatal_error_of_the_meter_is_marked() -> None:
    flags = ("unsigned", "status:0x00020104", "fatal-error")
    assert rule(PROFILE, Seen(), reading(1, flags=flags)).marks == {Mark.METER_FATAL}
    assert rule(PROFILE, Seen(), reading(1, flags=("status:0x00020180",))).marks == frozenset()  # an older meter's word


def test_a_clock_that_is_set_back_begins_a_new_epoch() -> None:
    seen = seen_after(reading(1), reading(2, START + QUARTER), reading(3, START + 2 * QUARTER))
    ruling = rule(PROFILE, seen, reading(4, START + QUARTER))
    assert (ruling.verdict, ruling.epoch, ruling.target, ruling.gap) == (Verdict.KEPT, 1, START + QUARTER, None)
    assert ruling.marks == {Mark.CLOCK_SET_BACK, Mark.POINT_REPEATED}
    seen = after(seen, reading(4, START + QUARTER), ruling)
    again = rule(PROFILE, seen, reading(5, START + 2 * QUARTER))
    assert again.epoch == 1
    assert again.marks == {Mark.POINT_REPEATED}
    seen = after(seen, reading(5, START + 2 * QUARTER), again)
    assert rule(PROFILE, seen, reading(6, START + 3 * QUARTER)).marks == frozenset()


def test_a_step_back_within_the_tolerance_is_none() -> None:
    seen = seen_after(reading(1, START + 9 * SECOND))
    ruling = rule(PROFILE, seen, reading(1, START))
    assert (ruling.verdict, ruling.epoch) == (Verdict.SURPLUS, 0)


def test_after_a_gap_into_the_future_the_list_goes_on_when_the_clock_is_right_again() -> None:
    seen = Seen(target=START + YEAR, highest=START + YEAR, captured=START, value=1, scaler=-1, unit=30)
    ruling = rule(PROFILE, seen, reading(2, START + QUARTER))
    assert (ruling.verdict, ruling.epoch) == (Verdict.KEPT, 1)


def test_without_a_raster_every_reading_is_kept() -> None:
    every = ListProfile(METER, IMPORT, ANNA, YEAR, period=None)
    seen = seen_after(reading(1), reading(1, START + SECOND), profile=every)
    assert seen.target is None
    assert rule(every, seen, reading(1, START + SECOND)).verdict is Verdict.DUPLICATE
    assert rule(every, seen, reading(1, START)).marks == {Mark.CLOCK_SET_BACK}


def test_a_clock_that_jumped_marks_the_reading() -> None:
    seen = seen_after(reading(1))
    assert rule(PROFILE, seen, reading(2, START + QUARTER), jumped=True).marks == {Mark.CLOCK_JUMPED}


@given(st.lists(st.tuples(st.integers(1, 3000), st.integers(0, 5)), max_size=60))
def test_each_point_is_met_once_or_missed_once(steps: list[tuple[int, int]]) -> None:
    """Whenever readings come, as long as time goes on: readings and gaps tile the raster without a hole."""
    seen, at, value = Seen(), START, 0
    points: list[Any] = []
    met = []
    for seconds, more in steps:
        at, value = at + seconds * SECOND, value + more
        ruling = rule(PROFILE, seen, reading(value, at))
        if ruling.gap is not None:
            assert ruling.gap.last + tolerance(QUARTER) < at
            points += [ruling.gap.first + number * QUARTER for number in range(ruling.gap.count)]
            assert points[-1] == ruling.gap.last
            seen = Seen(seen.epoch, ruling.gap.last, ruling.gap.last, seen.captured, seen.value, seen.scaler, seen.unit)
        if ruling.verdict is Verdict.KEPT:
            assert ruling.target is not None
            assert abs(at - ruling.target) <= 9 * SECOND
            assert not ruling.marks
            points.append(ruling.target)
            met.append(ruling.target)
            seen = after(seen, reading(value, at), ruling)
        elif target_of(at, QUARTER) is not None:
            assert ruling.verdict is Verdict.SURPLUS
            assert target_of(at, QUARTER) in met
    assert points == [points[0] + number * QUARTER for number in range(len(points))] if points else not met


@given(MOMENTS, MOMENTS, st.integers(), st.integers(-128, 127))
def test_whatever_comes_after_whatever_there_is_a_rule(first: Any, second: Any, value: int, scaler: int) -> None:
    for profile in (PROFILE, ListProfile(METER, IMPORT, ANNA, YEAR, period=None)):
        seen = Seen()
        for at in (first, second, first):
            ruling = rule(profile, seen, reading(value, at, scaler=scaler))
            if ruling.verdict is Verdict.KEPT:
                seen = after(seen, reading(value, at, scaler=scaler), ruling)
        assert seen.epoch <= 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"meter": ""},
        {"meter": "xyz"},
        {"meter": "a" * 65},
        {"obis": "0100010800"},
        {"obis": "0100010800FF"},
        {"consumer": ""},
        {"consumer": "x" * 65},
        {"period": timedelta(0)},
        {"period": timedelta(minutes=7)},
        {"period": timedelta(days=2)},
        {"period": -QUARTER},
        {"retention": timedelta(0)},
        {"retention": timedelta(minutes=14)},
        {"period": None, "retention": -YEAR},
    ],
)
def test_a_profile_that_no_list_can_be_kept_by_is_refused(wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {"meter": METER, "obis": IMPORT, "consumer": ANNA, "retention": YEAR}
    with pytest.raises(ProfileError):
        ListProfile(**{**right, **wrong})


@pytest.mark.parametrize("scaler", [-129, 128])
def test_a_scaler_of_more_than_a_byte_is_refused(scaler: int) -> None:
    with pytest.raises(ProfileError, match="scaler"):
        rule(PROFILE, Seen(), reading(1, scaler=scaler))
