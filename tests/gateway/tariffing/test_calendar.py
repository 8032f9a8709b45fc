"""Which stage holds when: days of 23, 24 and 25 hours, weeks, seasons, special days; against the clock itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tariffing.calendar import DayProfile, Season, SpecialDay, TariffCalendar, WeekProfile
from gateway.tariffing.errors import ProfileError, TariffingError
from gateway.tariffing.periods import LOCAL, Period, clock_change, midnight
from gateway.tariffing.plans import StagePlan, Switch
from tests.support.tariffs import HOUR, HT_BY_DAY, days, local, special

CALENDAR = TariffCalendar((HT_BY_DAY,))
LOW = DayProfile(("low",), ((0, 1),))
HIGH = DayProfile(("high",), ((0, 2),))


def times(calendar: TariffCalendar, period: Period, default: int = 1) -> list[tuple[str, int]]:
    return [
        (switch.at.astimezone(LOCAL).strftime("%m-%d %H:%M%z"), switch.stage)
        for switch in calendar.plan(period, default).switches
    ]


def test_a_day() -> None:
    assert times(CALENDAR, days("2017-11-04")) == [
        ("11-04 00:00+0100", 1),
        ("11-04 06:00+0100", 2),
        ("11-04 21:00+0100", 1),
    ]


def test_days_whose_clocks_are_set() -> None:
    assert [period.seconds // HOUR for _, period in days("2018-03-25").days()] == [23]
    assert [period.seconds // HOUR for _, period in days("2017-10-29").days()] == [25]
    assert times(CALENDAR, days("2018-03-25"))[1:] == [("03-25 06:00+0200", 2), ("03-25 21:00+0200", 1)]
    assert times(CALENDAR, days("2017-10-29"))[1:] == [("10-29 06:00+0100", 2), ("10-29 21:00+0100", 1)]
    assert clock_change(midnight(date(2018, 3, 25)), midnight(date(2018, 3, 26))) == datetime(
        2018, 3, 25, 1, tzinfo=UTC
    )


def test_what_begins_in_the_hour_that_is_left_out_begins_after_it() -> None:
    at_half_past_two = TariffCalendar((DayProfile(("1",), ((0, 1), (2 * HOUR + 1800, 2))),))
    assert times(at_half_past_two, days("2018-03-25")) == [("03-25 00:00+0100", 1), ("03-25 03:00+0200", 2)]


def test_the_hour_that_comes_twice_is_switched_twice_alike() -> None:
    at_half_past_two = TariffCalendar((DayProfile(("1",), ((0, 1), (2 * HOUR + 1800, 2))),))
    assert times(at_half_past_two, days("2017-10-29")) == [
        ("10-29 00:00+0200", 1),
        ("10-29 02:30+0200", 2),
        ("10-29 02:00+0100", 1),
        ("10-29 02:30+0100", 2),
    ]
    at_two = TariffCalendar((DayProfile(("1",), ((0, 1), (2 * HOUR, 2), (3 * HOUR, 1))),))
    assert times(at_two, days("2017-10-29"))[1:] == [("10-29 02:00+0200", 2), ("10-29 03:00+0100", 1)]


@given(
    st.dates(date(2015, 1, 1), date(2030, 12, 31)) | st.sampled_from([date(2018, 3, 25), date(2017, 10, 29)]),
    st.dictionaries(st.integers(0, 95), st.integers(1, 4), min_size=1, max_size=96),
    st.integers(0, 24 * 60 - 1),
)
def test_a_stage_is_what_the_clock_shows(day: date, quarters: dict[int, int], minute: int) -> None:
    profile = DayProfile(("1",), tuple((quarter * 900, stage) for quarter, stage in quarters.items()))
    period = Period(midnight(day), midnight(day + timedelta(days=1)))
    instant = period.begin + timedelta(minutes=minute)
    shown = instant.astimezone(LOCAL)
    if shown.date() != day:
        return
    begun = [quarter for quarter in quarters if quarter * 15 <= shown.hour * 60 + shown.minute]
    expected = quarters[max(begun)] if begun else 9
    assert TariffCalendar((profile,)).plan(period, 9).stage_at(instant) == expected


def test_before_the_first_entry_the_default_holds() -> None:
    from_six = TariffCalendar((DayProfile(("1",), ((6 * HOUR, 2),)),))
    assert times(from_six, days("2017-11-04", 2), 7) == [
        ("11-04 00:00+0100", 7),
        ("11-04 06:00+0100", 2),
        ("11-05 00:00+0100", 7),
        ("11-05 06:00+0100", 2),
    ]


def test_a_period_may_begin_at_any_time() -> None:
    period = Period(local("2017-11-04 12:00"), local("2017-11-05 12:00"))
    assert times(CALENDAR, period) == [("11-04 12:00+0100", 2), ("11-04 21:00+0100", 1), ("11-05 06:00+0100", 2)]


def test_weeks() -> None:
    week = WeekProfile("w", ("high",) * 5 + ("low", None))
    calendar = TariffCalendar((LOW, HIGH), (week,))
    assert times(calendar, days("2017-11-03", 4), 7) == [
        ("11-03 00:00+0100", 2),
        ("11-04 00:00+0100", 1),
        ("11-05 00:00+0100", 7),
        ("11-06 00:00+0100", 2),
    ]
    assert calendar.days_without_profile(days("2017-11-03", 4)) == [date(2017, 11, 5)]


def test_seasons_of_one_year_return() -> None:
    summer = Season("summer", date(2017, 4, 1), WeekProfile("s", ("low",) * 7))
    winter = Season("winter", date(2017, 10, 1), WeekProfile("w", ("high",) * 7))
    calendar = TariffCalendar((LOW, HIGH), seasons=(summer, winter))
    assert [calendar.profile_of(date(*day)) for day in ((2017, 3, 31), (2017, 4, 1), (2019, 9, 30), (2019, 10, 1))] == [
        HIGH,
        LOW,
        LOW,
        HIGH,
    ]


def test_seasons_of_several_years_follow_one_another() -> None:
    first = Season("first", date(2017, 1, 1), WeekProfile("s", ("low",) * 7))
    second = Season("second", date(2018, 7, 1), WeekProfile("w", ("high",) * 7))
    calendar = TariffCalendar((LOW, HIGH), seasons=(second, first))
    assert calendar.profile_of(date(2018, 6, 30)) is LOW
    assert calendar.profile_of(date(2020, 1, 1)) is HIGH
    assert calendar.profile_of(date(2016, 1, 1)) is LOW


def test_a_special_day_weighs_more_the_more_it_names() -> None:
    calendar = TariffCalendar(
        (LOW, HIGH, HT_BY_DAY),
        (WeekProfile("w", ("high",) * 7),),
        special_days=(
            SpecialDay("low", month=12, day_of_month=25),
            SpecialDay("1", 2018, 12, 25),
            SpecialDay("low", 0xFFFF, 0xFF, 0xFF, 7),
            SpecialDay("low", month=2, day_of_month=254),
        ),
    )
    named = [
        calendar.profile_of(date(*day)) for day in ((2017, 12, 25), (2018, 12, 25), (2018, 12, 23), (2018, 12, 24))
    ]
    assert named == [LOW, HT_BY_DAY, LOW, HIGH]
    assert calendar.profile_of(date(2020, 2, 29)) is LOW
    assert calendar.profile_of(date(2020, 2, 28)) is HIGH


def test_the_day_of_the_week_says_nothing_of_a_date() -> None:
    assert SpecialDay("low", 2017, 11, 4, 1).matches(date(2017, 11, 4))


def test_special_days_alone_leave_the_others_to_the_one_that_is_left() -> None:
    calendar = TariffCalendar((LOW, HIGH), special_days=(special(date(2017, 11, 4), "low"),))
    assert calendar.profile_of(date(2017, 11, 4)) is LOW
    assert calendar.profile_of(date(2017, 11, 5)) is HIGH
    enrolled = TariffCalendar((LOW,), special_days=(special(date(2017, 11, 4), "low"),))
    assert enrolled.profile_of(date(2017, 11, 5)) is None


def test_each_register_has_its_own_part_of_a_calendar() -> None:
    day = date(2017, 11, 4)
    exported = DayProfile(("e",), ((0, 3),))
    both = TariffCalendar((HT_BY_DAY, exported), special_days=(special(day, "1"), special(day, "e")))
    imported, fed_in = both.restricted_to({1, 2}), both.restricted_to({3})
    assert imported is not None
    assert fed_in is not None
    assert imported.profile_of(day) is HT_BY_DAY
    assert fed_in.profile_of(day) is exported
    assert both.restricted_to({1}) is None
    with pytest.raises(ProfileError, match="special day with profiles 1 and e"):
        both.profile_of(day)


def test_restricting_keeps_weeks_and_seasons_that_are_concerned() -> None:
    weeks = (WeekProfile("i", ("low",) * 7), WeekProfile("e", ("high",) * 7))
    restricted = TariffCalendar((LOW, HIGH), weeks).restricted_to({2})
    assert restricted is not None
    assert restricted.weeks == (weeks[1],)
    assert restricted.profile_of(date(2017, 11, 4)) is HIGH


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: DayProfile(("1",), ()), "no entry"),
        (lambda: DayProfile(("1",), ((0, 1), (0, 2))), "two stages for one time"),
        (lambda: TariffCalendar((LOW, LOW)), "two day profiles are called low"),
        (lambda: TariffCalendar((LOW,), (WeekProfile("w", ("x",) * 7),)), "no day profile x; there are: low"),
        (lambda: TariffCalendar((LOW,), special_days=(SpecialDay("x", 2017, 1, 1),)), "no day profile x"),
        (lambda: WeekProfile("w", ("low",)), "has 1 days"),
        (lambda: SpecialDay("low"), "names no day"),
        (lambda: SpecialDay("low", 2017, 2, 30), "2017-2-30"),
        (lambda: SpecialDay("low", month=13), "month 13"),
        (lambda: SpecialDay("low", day_of_month=32), "day 32 of the month"),
        (lambda: SpecialDay("low", day_of_week=8), "day 8 of the week"),
        (lambda: TariffCalendar((LOW, HIGH)).profile_of(date(2017, 1, 1)), "neither week nor special day"),
        (
            lambda: TariffCalendar((LOW,), (WeekProfile("a", ("low",) * 7),) * 2).profile_of(date(2017, 1, 1)),
            "2 week profiles and no season",
        ),
        (lambda: Period(datetime(2017, 1, 1), datetime(2017, 1, 2)), "need a zone"),  # noqa: DTZ001
        (lambda: Period(midnight(date(2017, 1, 2)), midnight(date(2017, 1, 2))), "ends after it begins"),
    ],
)
def test_what_is_refused(make: object, reason: str) -> None:
    assert callable(make)
    with pytest.raises(TariffingError, match=reason):
        make()


def test_a_plan_leaves_out_switches_that_change_nothing() -> None:
    period = days("2017-11-04")
    hours = [Switch(period.begin + timedelta(hours=hour), 1 + (hour >= 6)) for hour in range(24)]
    plan = StagePlan.of(period, hours, 1)
    assert plan.switches == (Switch(period.begin, 1), Switch(period.begin + timedelta(hours=6), 2))
    assert plan.times == [period.begin + timedelta(hours=6)]
    assert plan.stages == {1, 2}
    with pytest.raises(ProfileError, match="not in order"):
        StagePlan.of(period, reversed(hours), 1)
