"""The fourteen Tarifanwendungsfälle, each by itself. Hours and values here are small enough to add up by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lmn.status import PtbStatus
from gateway.tariffing import (
    rules,
    taf01,
    taf02,
    taf03,
    taf04,
    taf05,
    taf06,
    taf07,
    taf08,
    taf09,
    taf10,
    taf11,
    taf12,
    taf13,
    taf14,
)
from gateway.tariffing.booking import Mark
from gateway.tariffing.calendar import DayProfile, SpecialDay, TariffCalendar
from gateway.tariffing.errors import ProfileError, ReadingsError
from gateway.tariffing.periods import Period
from gateway.tariffing.profile import (
    EvaluationProfile,
    ExternalEvent,
    ExtremeCount,
    Prepayment,
    Quantity,
    TariffStage,
    Threshold,
    UseCase,
)
from gateway.tariffing.readings import MeterReading, ReadingList
from gateway.tariffing.series import grid_times
from tests.support.tariffs import (
    ERRORS,
    EXPORT,
    HT,
    HT_BY_DAY,
    METER,
    NT,
    QUARTER,
    days,
    local,
    profile,
    quarters,
    reading_list,
    special,
)

DAY = days("2017-11-04")
HOUR = Period(local("2017-11-04 12:00"), local("2017-11-04 13:00"))
ONE = (TariffStage(1, NT),)
POWER = bytes.fromhex("0100100700ff")


def limit(over: int, under: int | None = None, unit: int = 30, scaler: int = -1) -> Threshold:
    return Threshold(Quantity(over, scaler, unit), Quantity(over if under is None else under, scaler, unit))


def one(use_case: UseCase, period: Period = HOUR, **more: Any) -> EvaluationProfile:
    return replace(profile(period, use_case=use_case), **more)


def watts(*readings: tuple[datetime, int]) -> ReadingList:
    return ReadingList(POWER, METER, 0, 27, [MeterReading(at, value) for at, value in readings], 60)


def test_taf_1_takes_the_first_and_the_last() -> None:
    period = days("2017-10-01", 31)
    sparse = reading_list(period, 10, without=quarters(period)[1:-1])
    account = taf01.evaluate(profile(period, use_case=UseCase.DATA_SPARING, stages=ONE), sparse)
    assert account.registers == {NT: 29_800}
    assert (len(account.bookings), account.marked(Mark.GAP)) == (1, [])


def test_taf_1_knows_no_switching() -> None:
    night_only = profile(DAY, DayProfile(("1",), ((0, 1),)), use_case=UseCase.DATA_SPARING)
    assert taf01.evaluate(night_only, reading_list(DAY)).registers == {NT: 960, HT: 0}
    with pytest.raises(ProfileError, match="TAF-1 knows one stage"):
        taf01.evaluate(profile(DAY, HT_BY_DAY, use_case=UseCase.DATA_SPARING), reading_list(DAY))
    with pytest.raises(ReadingsError, match="falls from 1000 to 40"):
        taf01.evaluate(profile(DAY, use_case=UseCase.DATA_SPARING, stages=ONE), reading_list(DAY, -10))


def test_taf_2_with_import_and_export() -> None:
    stages = (TariffStage(1, NT), TariffStage(2, HT), TariffStage(3, bytes.fromhex("0100020801ff")))
    day = date(2017, 11, 4)
    calendar = (HT_BY_DAY, DayProfile(("e",), ((0, 3),)))
    billed = profile(DAY, *calendar, stages=stages, special_days=(special(day, "1"), special(day, "e")))
    assert taf02.evaluate(billed, reading_list(DAY)).registers == {NT: 360, HT: 600, ERRORS: 0}
    exported = taf02.evaluate(billed, reading_list(DAY, 7, obis=EXPORT))
    assert [(code.hex(), amount) for code, amount in exported.registers.items()] == [
        ("0100020801ff", 672),
        ("010002083fff", 0),
    ]


def test_taf_2_with_one_number_for_both_directions() -> None:
    stages = [TariffStage(number, bytes((1, 0, c, 8, number, 255))) for c in (1, 2) for number in (1, 2)]
    billed = profile(DAY, HT_BY_DAY, stages=stages)
    assert list(taf02.evaluate(billed, reading_list(DAY, 1, obis=EXPORT)).registers.values()) == [36, 60, 0]


def test_taf_2_has_the_profiles_own_error_register() -> None:
    stages = (TariffStage(1, NT), TariffStage(2, HT), TariffStage(3, ERRORS, "Fehlerregister"))
    account = taf02.evaluate(profile(DAY, HT_BY_DAY, stages=stages), reading_list(DAY))
    assert list(account.registers) == [NT, HT, ERRORS]


def test_taf_2_notes_days_without_a_profile() -> None:
    period = days("2017-11-04", 3)
    billed = profile(period, HT_BY_DAY, special_days=(special(date(2017, 11, 4), "1"),))
    account = taf02.evaluate(billed, reading_list(period))
    assert account.notes == ("no day profile for 2 days from 2017-11-05 to 2017-11-06: the default stage 1 holds",)
    assert account.registers == {NT: 360 + 2 * 960, HT: 600, ERRORS: 0}


def test_taf_2_needs_no_default_where_a_calendar_says_all() -> None:
    stages = [TariffStage(1, NT), *(TariffStage(1 + n, EXPORT[:4] + bytes((n, 255))) for n in (1, 2))]
    exported = DayProfile(("e",), ((0, 2), (12 * 3_600, 3)))
    billed = profile(DAY, DayProfile(("i",), ((0, 1),)), exported, stages=stages)
    assert list(taf02.evaluate(billed, reading_list(DAY, 1, obis=EXPORT)).registers.values()) == [48, 48, 0]
    from_noon = profile(DAY, DayProfile(("e",), ((12 * 3_600, 3),)), stages=stages)
    with pytest.raises(ProfileError, match=r"2\.8\.0\*255 has no stage 1; its stages: 2, 3"):
        taf02.evaluate(from_noon, reading_list(DAY, obis=EXPORT))


def test_taf_2_looks_at_no_day_beyond_the_period() -> None:
    unused = DayProfile(("2",), ((0, 1),)), DayProfile(("3",), ((0, 1),))
    billed = profile(DAY, HT_BY_DAY, *unused, special_days=(special(date(2017, 11, 4), "1"),))
    assert taf02.evaluate(billed, reading_list(DAY)).registers == {NT: 360, HT: 600, ERRORS: 0}


def test_taf_2_without_a_calendar_says_so() -> None:
    account = taf02.evaluate(profile(DAY), reading_list(DAY))
    assert account.registers == {NT: 960, HT: 0, ERRORS: 0}
    assert account.notes == ("no calendar: the default stage 1 holds",)


def test_taf_2_refuses_two_calendars() -> None:
    calendar = TariffCalendar((HT_BY_DAY,))
    with pytest.raises(ProfileError, match="2 time triggers switch the stages"):
        taf02.evaluate(replace(profile(DAY), calendars=(calendar, calendar)), reading_list(DAY))


def test_taf_3_goes_by_mean_power() -> None:
    steps = [10, 2_000, 1_500, 10]
    for threshold in (limit(1_800, 1_200), limit(720, 480, unit=27, scaler=0)):
        account = taf03.evaluate(one(UseCase.LOAD_VARIABLE, thresholds=(threshold,)), reading_list(HOUR, steps))
        assert account.registers == {NT: 20, HT: 3_500, ERRORS: 0}
    without = [HOUR.begin + QUARTER]
    account = taf03.evaluate(
        one(UseCase.LOAD_VARIABLE, thresholds=(limit(1_800),)), reading_list(HOUR, steps, without=without)
    )
    assert account.registers == {NT: 1_510, HT: 0, ERRORS: 2_010}
    assert account.marked(Mark.UNASSIGNED)[0].reason == "readings are missing: the load meanwhile is not known"


def test_taf_3_needs_fitting_limits() -> None:
    with pytest.raises(ProfileError, match=r"2 stages of .*, 0 limits"):
        taf03.evaluate(one(UseCase.LOAD_VARIABLE), reading_list(HOUR))
    with pytest.raises(ProfileError, match="a limit in DLMS unit 35 says nothing"):
        taf03.evaluate(one(UseCase.LOAD_VARIABLE, thresholds=(limit(1, unit=35),)), reading_list(HOUR))


def test_taf_4_divides_at_the_limit() -> None:
    account = taf04.evaluate(one(UseCase.CONSUMPTION_VARIABLE, thresholds=(limit(25),)), reading_list(HOUR))
    assert account.registers == {NT: 25, HT: 15, ERRORS: 0}
    assert [(booking.register, booking.amount) for booking in account.bookings] == [(NT, 25), (HT, 15)]
    at_once = reading_list(HOUR, without=quarters(HOUR)[1:-1])
    account = taf04.evaluate(
        one(UseCase.CONSUMPTION_VARIABLE, thresholds=(limit(25),)), replace(at_once, stated_period=900)
    )
    assert account.registers == {NT: 25, HT: 15, ERRORS: 0}
    assert len(account.marked(Mark.GAP)) == 2


@given(
    st.lists(st.integers(0, 10**6), min_size=4, max_size=4),
    st.lists(st.integers(1, 10**6), min_size=2, max_size=2, unique=True),
)
def test_taf_4_fills_stage_after_stage(steps: list[int], limits: list[int]) -> None:
    low, high = sorted(limits)
    stages = [TariffStage(number, NT[:4] + bytes((number, 0xFF))) for number in (1, 2, 3)]
    billed = one(UseCase.CONSUMPTION_VARIABLE, stages=tuple(stages), thresholds=(limit(low), limit(high)))
    total = sum(steps)
    amounts = list(taf04.evaluate(billed, reading_list(HOUR, steps)).registers.values())
    assert amounts == [min(total, low), max(min(total, high) - low, 0), max(total - high, 0), 0]


def test_taf_4_refuses_limits_that_do_not_rise_or_are_too_fine() -> None:
    stages = tuple(TariffStage(number, NT[:4] + bytes((number, 0xFF))) for number in (1, 2, 3))
    billed = one(UseCase.CONSUMPTION_VARIABLE, stages=stages, thresholds=(limit(25), limit(25)))
    with pytest.raises(ProfileError, match="limits have to rise"):
        taf04.evaluate(billed, reading_list(HOUR))
    with pytest.raises(ProfileError, match="finer than the meter counts"):
        taf04.evaluate(one(UseCase.CONSUMPTION_VARIABLE, thresholds=(limit(251, scaler=-2),)), reading_list(HOUR))


def event(number: int, begin: str, end: str, stage: int = 2) -> ExternalEvent:
    return ExternalEvent(number, Period(local(f"2017-11-04 {begin}"), local(f"2017-11-04 {end}")), stage)


def test_taf_5_follows_events() -> None:
    events = (event(2, "12:30", "12:45"), event(1, "12:15", "12:30"))
    account = taf05.evaluate(one(UseCase.EVENT_VARIABLE, events=events), reading_list(HOUR, [1, 20, 300, 4_000]))
    assert account.registers == {NT: 4_001, HT: 320, ERRORS: 0}
    account = taf05.evaluate(one(UseCase.EVENT_VARIABLE, events=(event(1, "12:20", "12:30"),)), reading_list(HOUR))
    assert account.registers == {NT: 30, HT: 0, ERRORS: 10}


def test_taf_5_with_events_within_events() -> None:
    nested = (event(1, "12:00", "12:45"), event(2, "12:15", "12:30"))
    account = taf05.evaluate(one(UseCase.EVENT_VARIABLE, events=nested), reading_list(HOUR))
    assert account.registers == {NT: 10, HT: 30, ERRORS: 0}
    contradiction = (event(1, "12:00", "12:45"), event(2, "12:15", "12:30", stage=1))
    with pytest.raises(ProfileError, match="events 1 and 2 overlap"):
        taf05.evaluate(one(UseCase.EVENT_VARIABLE, events=contradiction), reading_list(HOUR))


def test_taf_6_hands_out_six_weeks_of_daily_readings() -> None:
    period = days("2017-10-01", 60)
    missing = local("2017-11-20 00:00")
    found = taf06.evaluate(reading_list(period, without=[missing]), local("2017-11-25 10:00"))
    assert len(found) == taf06.KEPT_DAYS
    assert (found[0].at, found[-1].at) == (local("2017-10-15 00:00"), local("2017-11-25 00:00"))
    assert [reading.at for reading in found if reading.missing] == [missing]
    assert found[-1].value == 1_000 + 55 * 960 + 40
    at_six = taf06.evaluate(reading_list(period), local("2017-11-25 05:59"), time(6))
    assert at_six[-1].at == local("2017-11-24 06:00")


def test_taf_7_is_a_series_with_holes() -> None:
    missing = HOUR.begin + QUARTER
    found = taf07.reading_series(reading_list(DAY, without=[missing]), HOUR)
    assert [reading.value for reading in found] == [1_480, None, 1_500, 1_510, 1_520]
    assert found[1].missing
    assert found[2].source is not None
    assert [reading.at for reading in taf07.reading_series(reading_list(DAY), HOUR, 1_800)] == quarters(HOUR)[::2]


def test_taf_7_with_a_suppliers_profile() -> None:
    billed = profile(DAY, HT_BY_DAY, use_case=UseCase.READING_SERIES)
    assert rules.account(billed, reading_list(DAY)).registers == {NT: 360, HT: 600, ERRORS: 0}
    single = profile(DAY, use_case=UseCase.READING_SERIES, stages=ONE)
    assert rules.account(single, reading_list(DAY)).registers == {NT: 960}


@pytest.mark.parametrize(("day", "count"), [("2017-11-04", 5), ("2018-03-25", 5), ("2017-10-29", 5)])
def test_a_series_beyond_an_hour_follows_the_clock(day: str, count: int) -> None:
    times = list(grid_times(days(day), 6 * 3_600))
    assert len(times) == count
    assert times[1] == local(f"{day} 06:00")
    with pytest.raises(ProfileError, match="no multiple"):
        list(grid_times(days(day), 7_000))


def test_taf_8_keeps_the_extremes() -> None:
    counts = (ExtremeCount(2, True), ExtremeCount(1, False))
    asked = one(UseCase.EXTREME_VALUES, extremes=counts)
    found = taf08.evaluate(asked, reading_list(HOUR, [10, 40, 5, 40]))
    assert [(each.begin.at, each.amount) for each in found.highest] == [
        (HOUR.begin + QUARTER, 40),
        (HOUR.begin + 3 * QUARTER, 40),
    ]
    assert [each.amount for each in found.lowest] == [5]
    in_a_gap = replace(reading_list(HOUR, [10, 40, 5, 40], without=[HOUR.begin + QUARTER]), stated_period=900)
    assert [each.amount for each in taf08.evaluate(asked, in_a_gap).highest] == [40, 5]
    with pytest.raises(ProfileError, match="how many"):
        taf08.evaluate(one(UseCase.EXTREME_VALUES), reading_list(HOUR))
    with pytest.raises(ProfileError, match="not known"):
        taf08.evaluate(asked, reading_list(HOUR, without=quarters(HOUR)[1:]))


def test_taf_9_gives_what_is_fed_in_now() -> None:
    now = HOUR.end
    original = watts((now - timedelta(minutes=2), 900), (now - timedelta(minutes=1), 1_200), (now + QUARTER, 5))
    assert taf09.evaluate(original, now).value == 1_200
    assert taf09.evaluate(original, now + timedelta(hours=2)).source is None
    broken = replace(original, readings=[replace(original.readings[1], status=PtbStatus.FATAL_ERROR)])
    assert taf09.evaluate(broken, now).value is None
    with pytest.raises(ProfileError, match="no power"):
        taf09.evaluate(reading_list(HOUR), now)


def test_taf_9_tells_when_a_limit_is_crossed() -> None:
    values = [100, 1_001, 900, 1_100, 799, 100]
    original = watts(*((HOUR.begin + number * QUARTER, value) for number, value in enumerate(values)))
    found = taf09.crossings(original, limit(1_000, 800, unit=27, scaler=0))
    assert [reading.value for reading in found] == [1_001, 799]


def test_taf_10_names_nobody() -> None:
    voltage = replace(
        watts(*((at, 230 + n) for n, at in enumerate(quarters(HOUR)))), obis=bytes.fromhex("0100200700ff")
    )
    current = replace(watts((HOUR.begin, 5)), obis=bytes.fromhex("01001f0700ff"))
    rows = taf10.evaluate([voltage, current], HOUR, 900, "grid-7f3a")
    assert [row.values for row in rows[:2]] == [
        {voltage.obis: 230, current.obis: 5},
        {voltage.obis: 231, current.obis: None},
    ]
    assert rows[1].sources == {voltage.obis: voltage.readings[1]}
    assert METER not in str([row.delivered() for row in rows])
    assert rows[0].delivered()["values"] == {"0100200700ff": 230, "01001f0700ff": 5}
    with pytest.raises(ProfileError, match="names no meter"):
        taf10.evaluate([voltage], HOUR, 900, f"x-{METER.lower()}")
    with pytest.raises(ProfileError, match="of one register"):
        taf10.evaluate([voltage, voltage], HOUR, 900, "grid-7f3a")


def test_taf_11_counts_by_control_state() -> None:
    commands = [
        taf11.ControlCommand(HOUR.begin + 2 * QUARTER, 1, "wallbox"),
        taf11.ControlCommand(HOUR.begin + QUARTER, 2, "wallbox"),
    ]
    controlled = one(UseCase.CONTROLLABLE_LOAD)
    account = taf11.evaluate(controlled, reading_list(HOUR, [1, 20, 300, 4_000]), commands)
    assert account.registers == {NT: 4_301, HT: 20, ERRORS: 0}
    with pytest.raises(ProfileError, match="several devices"):
        taf11.evaluate(controlled, reading_list(HOUR), [*commands, replace(commands[0], device="heat pump")])
    with pytest.raises(ProfileError, match="differ"):
        taf11.evaluate(controlled, reading_list(HOUR), [*commands, replace(commands[0], stage=2)])
    with pytest.raises(ProfileError, match="no stage 9"):
        taf11.evaluate(controlled, reading_list(HOUR), [replace(commands[0], stage=9)])


def test_taf_12_runs_out() -> None:
    tolerance = Period(HOUR.begin, HOUR.begin + timedelta(hours=2))
    prepaid = Prepayment(Quantity(3, 0, 30), tolerance, ("breaker-1",), (limit(20), limit(5)))
    asked = one(UseCase.PREPAYMENT, stages=ONE, prepayment=prepaid)
    credit = taf12.evaluate(asked, reading_list(HOUR))
    assert [left.amount for left in credit.left] == [30, 20, 10, 0, -10]
    assert credit.warned_at == (HOUR.begin + QUARTER, HOUR.begin + 3 * QUARTER)
    assert credit.used_up_at == HOUR.begin + 3 * QUARTER
    assert credit.open_at == HOUR.begin + 3 * QUARTER + timedelta(hours=2)
    assert rules.account(asked, reading_list(HOUR)).registers == {NT: 40}
    plenty = replace(prepaid, available=Quantity(1, 3, 30))
    credit = taf12.evaluate(replace(asked, prepayment=plenty), reading_list(HOUR))
    assert (credit.used_up_at, credit.open_at, credit.warned_at) == (None, None, (None, None))
    with pytest.raises(ProfileError, match="how much energy"):
        taf12.evaluate(one(UseCase.PREPAYMENT, stages=ONE), reading_list(HOUR))


def test_taf_13_shows_use_by_span() -> None:
    period = days("2018-03-24", 10)
    missing = local("2018-03-27 00:00")
    original = reading_list(period, without=[missing])
    by_day = taf13.evaluate(original, period, taf13.Span.DAY)
    assert [use.amount for use in by_day] == [960, 920, None, None, *[960] * 6]
    by_week = taf13.evaluate(original, period, taf13.Span.WEEK)
    assert [(use.first.day, use.last.day, use.amount) for use in by_week] == [
        (24, 25, 1_880),
        (26, 1, 6_720),
        (2, 2, 960),
    ]
    assert [use.amount for use in taf13.evaluate(original, period, taf13.Span.MONTH)] == [7_640, 1_920]
    assert [use.amount for use in taf13.evaluate(original, period, taf13.Span.YEAR)] == [9_560]
    assert by_day[1].end is not None
    assert by_day[2].end is None


def test_taf_14_has_a_row_each_minute() -> None:
    minutes = [(HOUR.begin + timedelta(minutes=minute), minute) for minute in range(61) if minute != 7]
    rows = taf14.evaluate([watts(*minutes), replace(watts(*minutes), obis=EXPORT)], HOUR)
    assert len(rows) == 61
    assert [row.complete for row in rows].count(False) == 1
    assert rows[9].readings[POWER].value == 9
    with pytest.raises(ProfileError, match="do not divide"):
        taf14.evaluate([], HOUR, 7)
    with pytest.raises(ProfileError, match="of one register"):
        taf14.evaluate([watts(), watts()], HOUR)


@pytest.mark.parametrize("use_case", [case for case in UseCase if case not in rules.BILLED])
def test_what_bills_nothing(use_case: UseCase) -> None:
    with pytest.raises(ProfileError, match=f"{use_case} has no registers"):
        rules.account(one(use_case), reading_list(HOUR))


def test_profiles_that_contradict_themselves() -> None:
    good = profile(DAY, HT_BY_DAY)
    with pytest.raises(ProfileError, match="at least one stage"):
        replace(good, stages=())
    with pytest.raises(ProfileError, match="two stages count in"):
        replace(good, stages=(TariffStage(1, NT), TariffStage(2, NT)))
    with pytest.raises(ProfileError, match="stage 2 is switched to, and there is none; there are: 1"):
        replace(good, stages=ONE)
    with pytest.raises(ProfileError, match="have one number"):
        replace(good, calendars=(), stages=(TariffStage(1, NT), TariffStage(1, HT))).stages_of(reading_list(DAY).obis)
    with pytest.raises(ProfileError, match="longer than ten years"):
        profile(days("2017-11-04", 3_661))
    with pytest.raises(ProfileError, match="no register of six bytes"):
        TariffStage(1, b"")
    with pytest.raises(ProfileError, match="no stage 9; its stages: 1, 2"):
        taf02.evaluate(replace(good, default_stage=9, calendars=()), reading_list(DAY))
    assert SpecialDay("1", 2017, 11, 4).named_date == date(2017, 11, 4)
