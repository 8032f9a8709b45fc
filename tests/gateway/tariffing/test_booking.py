"""Bookings: nothing is lost, nothing is invented, and what nobody can know is in the error register."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lmn.status import PtbStatus
from gateway.tariffing import taf02
from gateway.tariffing.booking import Account, Mark
from gateway.tariffing.calendar import DayProfile
from gateway.tariffing.errors import ProfileError, ReadingsError
from gateway.tariffing.periods import LOCAL, Period, midnight
from gateway.tariffing.profile import TariffStage
from gateway.tariffing.readings import MeterReading, ReadingList
from tests.support.tariffs import (
    ERRORS,
    EXPORT,
    HT,
    HT_BY_DAY,
    IMPORT,
    NT,
    QUARTER,
    days,
    local,
    profile,
    quarters,
    reading_list,
)

DAY = days("2017-11-04")


def evaluated(original: ReadingList, period: Period = DAY) -> Account:
    return taf02.evaluate(profile(period, HT_BY_DAY), original)


def between(begin: str, end: str) -> list[datetime]:
    return [at for at in quarters(DAY) if local(begin) < at < local(end)]


def test_a_whole_day() -> None:
    account = evaluated(reading_list(DAY))
    assert account.registers == {NT: 360, HT: 600, ERRORS: 0}
    assert [(booking.register, booking.amount) for booking in account.bookings] == [(NT, 240), (HT, 600), (NT, 120)]
    assert account.uncovered is None


def test_a_gap_with_a_switch_inside() -> None:
    account = evaluated(reading_list(DAY, without=between("2017-11-04 04:45", "2017-11-04 07:00")))
    assert account.registers == {NT: 310, HT: 560, ERRORS: 90}
    (lost,) = account.marked(Mark.UNASSIGNED)
    assert (lost.begin.at, lost.end.at, lost.amount) == (local("2017-11-04 04:45"), local("2017-11-04 07:00"), 90)
    assert lost.reason == "readings are missing, and the stage changes from 1 to 2 at 2017-11-04T06:00:00+01:00"
    assert account.marked(Mark.GAP) == []


def test_a_gap_with_two_switches_that_come_back() -> None:
    account = evaluated(reading_list(DAY, without=between("2017-11-04 05:00", "2017-11-04 22:00")))
    assert account.registers == {NT: 280, HT: 0, ERRORS: 680}
    assert account.marked(Mark.UNASSIGNED)[0].reason.endswith("06:00:00+01:00 and 1 more")


def test_a_gap_without_a_switch_is_marked_and_stays() -> None:
    account = evaluated(reading_list(DAY, without=between("2017-11-04 10:00", "2017-11-04 12:00")))
    assert account.registers == {NT: 360, HT: 600, ERRORS: 0}
    (gap,) = account.marked(Mark.GAP)
    assert (gap.register, gap.amount, gap.stage) == (HT, 80, 2)
    assert "readings are missing" in gap.reason


@pytest.mark.parametrize(
    ("grade", "errors"),
    [(PtbStatus.WARNING, 0), (PtbStatus.TEMPORARY_ERROR, 0), (PtbStatus(3), 20), (PtbStatus(4), 20)],
)
def test_an_invalid_reading_at_a_switch(grade: PtbStatus, errors: int) -> None:
    account = evaluated(reading_list(DAY, status={local("2017-11-04 06:00"): grade}))
    assert account.registers == {NT: 360 - errors // 2, HT: 600 - errors // 2, ERRORS: errors}


def test_a_gap_that_ends_at_the_switch() -> None:
    account = evaluated(reading_list(DAY, without=between("2017-11-04 04:00", "2017-11-04 06:00")))
    assert account.registers == {NT: 360, HT: 600, ERRORS: 0}


def test_the_reason_says_what_is_wrong_with_readings() -> None:
    six, after = local("2017-11-04 06:00"), local("2017-11-04 06:15")
    original = reading_list(DAY, status={six: PtbStatus(4), after: PtbStatus(3)})

    def reason(readings: list[MeterReading]) -> str:
        (lost,) = evaluated(replace(original, readings=readings)).marked(Mark.UNASSIGNED)
        return lost.reason.partition(", and the stage changes")[0]

    readings = list(original.readings)
    assert reason(readings) == "2 readings are not usable (status 3 and 4)"
    valid = {each.captured: replace(each, status=PtbStatus.OK) for each in readings}
    number = readings[24].position
    assert readings[number].captured == six
    none, late = list(valid.values()), list(valid.values())
    none[number] = replace(none[number], value=None)
    assert reason(none) == "a reading is not usable (without a value)"
    late[number] = replace(late[number], captured=six + timedelta(seconds=30))
    assert reason(late) == "readings were captured too far beside the time that they would count for"


def test_a_switch_beside_the_grid_without_a_reading() -> None:
    beside = DayProfile(("1",), ((0, 1), (6 * 3_600 + 420, 2)))
    account = taf02.evaluate(profile(DAY, beside), reading_list(DAY))
    assert account.registers == {NT: 240, HT: 710, ERRORS: 10}
    assert account.marked(Mark.UNASSIGNED)[0].reason.startswith("there is no reading of the switch, and")


def test_days() -> None:
    period = days("2017-10-28", 3)
    midnights = {local("2017-10-29 00:00"), local("2017-10-29 00:15"), local("2017-10-28 23:45")}
    account = evaluated(reading_list(period, without=midnights), period)
    results = account.days()
    assert [result.day for result in results] == [date(2017, 10, 28), date(2017, 10, 29), date(2017, 10, 30)]
    assert [result.period.seconds // 3_600 for result in results] == [24, 25, 24]
    assert [result.complete for result in results] == [False, False, True]
    amounts = [result.registers(account.register_codes) for result in results]
    assert [sum(each.values()) for each in amounts] == [940, 1_020, 960]
    assert amounts[2] == {NT: 360, HT: 600, ERRORS: 0}
    assert sum(sum(each.values()) for each in amounts) == account.total == 2_920


def test_a_meter_that_falls() -> None:
    steps = [10] * 40 + [-70] + [10] * 55
    account = evaluated(reading_list(DAY, steps))
    assert account.registers == {NT: 360, HT: 590, ERRORS: -70}
    assert "falls from 1400 to 1330" in account.marked(Mark.UNASSIGNED)[0].reason
    net = bytes.fromhex("0100100800ff")
    stages = (TariffStage(1, bytes.fromhex("0100100801ff")), TariffStage(2, bytes.fromhex("0100100802ff")))
    account = taf02.evaluate(profile(DAY, HT_BY_DAY, stages=stages), reading_list(DAY, steps, obis=net))
    assert list(account.registers.values()) == [360, 520, 0]


def test_the_ends_of_the_period_lack_readings() -> None:
    account = evaluated(reading_list(DAY, without=[DAY.begin, DAY.end]))
    assert account.total == 940
    assert account.uncovered == (
        "no usable reading at the begin 2017-11-04T00:00:00+01:00, the first is of 2017-11-04T00:15:00+01:00; "
        "no usable reading at the end 2017-11-05T00:00:00+01:00, the last is of 2017-11-04T23:45:00+01:00"
    )


def test_readings_of_another_day() -> None:
    with pytest.raises(ReadingsError, match=r"no usable readings .*\(the list goes from 2017-11-06T00:00"):
        evaluated(reading_list(days("2017-11-06")))
    with pytest.raises(ReadingsError, match="the list is empty"):
        evaluated(ReadingList(IMPORT, "M", -1, 30, []))


@pytest.mark.parametrize(
    "stages",
    [
        (TariffStage(1, NT), TariffStage(2, EXPORT)),
        (TariffStage(1, NT), TariffStage(3, HT), TariffStage(2, EXPORT)),
        (TariffStage(3, NT), TariffStage(4, HT), TariffStage(1, EXPORT), TariffStage(2, EXPORT[:4] + b"\x02\xff")),
    ],
)
def test_a_day_profile_of_several_registers(stages: tuple[TariffStage, ...]) -> None:
    with pytest.raises(ProfileError, match=r"no day profile has only stages of|has no stage 1"):
        taf02.evaluate(profile(DAY, HT_BY_DAY, stages=stages), reading_list(DAY))


def test_a_derived_list_names_its_originals() -> None:
    original = reading_list(DAY, without=between("2017-11-04 04:45", "2017-11-04 07:00"))
    account = evaluated(original)
    for register, amount in account.registers.items():
        derived = account.derived_list(register)
        assert derived[-1].value == amount
        before = [0, *(each.value for each in derived)]
        for value, each in zip(before, derived, strict=False):
            assert each.value - value == each.end.value - each.begin.value
    assert original.readings[account.bookings[0].begin.source.position] is account.bookings[0].begin.source


def naive(original: ReadingList, period: Period, entries: dict[int, int]) -> dict[int | None, int]:
    """The same by brute force: what the clock shows each quarter of an hour between two usable readings."""
    amounts: dict[int | None, int] = {}
    usable = [each for each in original.readings if each.usable and period.begin <= each.captured <= period.end]
    for begin, end in pairwise(usable):
        assert begin.value is not None
        assert end.value is not None
        shown = set()
        at = begin.captured
        while at < end.captured:
            clock = at.astimezone(LOCAL)
            quarter = clock.hour * 4 + clock.minute // 15
            begun = [entry for entry in entries if entry <= quarter]
            shown.add(entries[max(begun)] if begun else 1)
            at += QUARTER
        stage = shown.pop() if len(shown) == 1 else None
        amounts[stage] = amounts.get(stage, 0) + end.value - begin.value
    return amounts


@given(
    first=st.dates(date(2016, 1, 1), date(2028, 1, 1)) | st.sampled_from([date(2018, 3, 24), date(2017, 10, 28)]),
    count=st.integers(1, 3),
    entries=st.dictionaries(st.integers(0, 95), st.integers(1, 3), min_size=1, max_size=8),
    steps=st.lists(st.integers(0, 10**9), min_size=1, max_size=20),
    missing=st.sets(st.integers(0, 299), max_size=120),
    invalid=st.sets(st.integers(0, 299), max_size=20),
)
def test_registers_sum_to_the_meters_difference(
    first: date, count: int, entries: dict[int, int], steps: list[int], missing: set[int], invalid: set[int]
) -> None:
    period = Period(midnight(first), midnight(first + timedelta(days=count)))
    times = quarters(period)
    original = reading_list(
        period,
        steps,
        without=[at for number, at in enumerate(times) if number in missing],
        status={at: PtbStatus.FATAL_ERROR for number, at in enumerate(times) if number in invalid},
    )
    stages = [TariffStage(number, NT[:4] + bytes((number, 0xFF))) for number in (1, 2, 3)]
    day = DayProfile(("1",), tuple((quarter * 900, stage) for quarter, stage in entries.items()))
    try:
        account = taf02.evaluate(profile(period, day, stages=stages), original)
    except ReadingsError:
        assert sum(reading.usable for reading in original.readings) < 2
        return
    usable = [reading.value for reading in original.readings if reading.usable]
    assert sum(account.registers.values()) == account.total == (usable[-1] or 0) - (usable[0] or 0)
    expected = naive(original, period, entries)
    assert account.registers == {
        **{stage.register: expected.get(stage.number, 0) for stage in stages},
        ERRORS: expected.get(None, 0),
    }
    by_day = [result.registers(account.register_codes) for result in account.days()]
    assert account.registers == {code: sum(each[code] for each in by_day) for code in account.register_codes}
    for booking in account.bookings:
        assert booking.amount == booking.end.value - booking.begin.value
