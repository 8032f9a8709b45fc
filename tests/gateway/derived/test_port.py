"""Derived registers at their door: what they come from, what charts sum up, and what is remembered."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contracts import Billing, Contract
from gateway.derived import port as port_module
from gateway.derived.buckets import bounds
from gateway.derived.port import NoSuchContractError, RangeTooLongError, TariffPort
from gateway.han.page_data import Consumption, Step
from gateway.tariffing.errors import ProfileError
from gateway.tariffing.periods import LOCAL, Period, midnight
from gateway.tariffing.profile import Quantity, Threshold, UseCase
from gateway.tariffing.taf02 import evaluate
from gateway.tariffing.taf11 import ControlCommand
from lifecycle.evidence import NOTHING, OpenFault
from lifecycle.functions import Credential
from lifecycle.gate import Closed, Gate
from lifecycle.states import State
from tests.support.contracts import (
    ANNA,
    BERT,
    ERRORS,
    EXPORT,
    HT,
    IMPORT,
    METER,
    NT,
    POWER,
    START,
    contract,
    meter,
    profiles,
    series_contract,
)
from tests.support.desk import QUARTER, Served, database, rising, two_days

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
INSIDE = Credential.INSIDE
TAF2 = contract()


def chart(served: Served, begin: datetime, end: datetime, step: Step = Step.DAY, **others: Any) -> Consumption:
    members = {"contract": TAF2.id, "obis": IMPORT, "consumer": ANNA, **others}
    consumer = members.pop("consumer")
    return served.tariffs.consumption(INSIDE, members["contract"], members["obis"], begin, end, step, consumer=consumer)


def totals(found: Consumption) -> dict[bytes, int]:
    return {bytes.fromhex(each.register): each.amount for each in found.totals}


@pytest.fixture
def served() -> Served:
    """Two days of Anna's and Bert's readings."""
    return two_days()


def test_registers_are_those_of_the_rule_set_and_name_their_entries(served: Served) -> None:
    period = Period(START, START + DAY)
    (account,) = served.tariffs.derive(INSIDE, TAF2.id, period, consumer=ANNA)
    assert account.registers == {NT: 360, HT: 600, ERRORS: 0}
    assert account.registers == evaluate(TAF2.evaluation(period), account.original).registers
    entries = {each.number: each for each in served.meters.lists.entries(TAF2.server_id, IMPORT.hex())}
    for booking in account.bookings:
        for point in (booking.begin, booking.end):
            entry = entries[point.source.entry]
            assert (entry.hash, entry.value, entry.target) == (point.source.hash, point.value, point.at)


def test_derived_lists_have_what_the_account_has_and_where_it_was_switched(served: Served) -> None:
    lists = {
        each.register: each for each in served.tariffs.lists(INSIDE, TAF2.id, Period(START, START + DAY), consumer=ANNA)
    }
    assert {register: each.readings[-1].value for register, each in lists.items() if each.readings} == {
        NT: 360,
        HT: 600,
    }
    six, nine = START + 6 * HOUR, START + 21 * HOUR
    assert [(each.at, each.value) for each in lists[NT].switches] == [(six, 240)]
    assert [(each.at, each.value) for each in lists[HT].switches] == [(nine, 600)]
    assert lists[ERRORS].readings == ()


def test_where_there_is_nothing_to_derive_lists_are_empty() -> None:
    assert Served().tariffs.lists(INSIDE, TAF2.id, Period(START, START + DAY), consumer=ANNA) == ()


def test_nobody_derives_from_another_s_meter(served: Served) -> None:
    other, period = series_contract().id, Period(START, START + DAY)
    for consumer, id in ((ANNA, other), (BERT, TAF2.id), ("", TAF2.id), (ANNA, "x")):
        for call in (
            lambda consumer=consumer, id=id: served.tariffs.derive(INSIDE, id, period, consumer=consumer),
            lambda consumer=consumer, id=id: served.tariffs.lists(INSIDE, id, period, consumer=consumer),
            lambda consumer=consumer, id=id: served.tariffs.series(INSIDE, id, IMPORT, period, consumer=consumer),
            lambda consumer=consumer, id=id: served.tariffs.day_values(INSIDE, id, IMPORT, period, consumer=consumer),
            lambda consumer=consumer, id=id: chart(served, START, START + DAY, contract=id, consumer=consumer),
        ):
            with pytest.raises(NoSuchContractError, match="there is no such contract"):
                call()
    with pytest.raises(NoSuchContractError, match="no such register"):
        chart(served, START, START + DAY, obis=EXPORT)


def test_while_the_clock_is_wrong_nothing_is_derived(served: Served) -> None:
    served.gate = Gate(State.REVERSIBLE_FAULT, NOTHING.with_fault(OpenFault("clock-deviation")))
    with pytest.raises(Closed, match="clock-deviation"):
        chart(served, START, START + DAY)
    served.gate = Gate(State.OPERATION, NOTHING)
    with pytest.raises(Closed):
        served.tariffs.derive(Credential.CONSUMER_PASSWORD, TAF2.id, Period(START, START + DAY), consumer=ANNA)


def test_series_and_day_values_are_the_original_s(served: Served) -> None:
    id = series_contract().id
    rows = served.tariffs.series(INSIDE, id, IMPORT, Period(START, START + HOUR), consumer=BERT)
    assert [(each.at, each.value) for each in rows] == [(START + n * QUARTER, 1_000 + 7 * n) for n in range(5)]
    days = served.tariffs.day_values(INSIDE, id, IMPORT, Period(START, START + 3 * DAY), consumer=BERT)
    assert [each.value for each in days] == [1_000, 1_672, 2_344, None]
    assert [each.source.entry for each in days if each.source] == [1, 97, 193]


def test_charts_count_by_stages(served: Served) -> None:
    found = chart(served, START, START + 2 * DAY)
    assert totals(found) == {NT: 720, HT: 1_200, ERRORS: 0}
    assert [[each.amount for each in bucket.amounts] for bucket in found.buckets] == [[360, 600, 0]] * 2
    assert [bucket.complete for bucket in found.buckets] == [True, True]
    assert (found.scaler, found.unit, found.marked) == (-1, 30, ())
    hours = chart(served, START, START + DAY, Step.HOUR)
    assert [sum(each.amount for each in bucket.amounts) for bucket in hours.buckets] == [40] * 24
    assert [bucket.amounts[1].amount for bucket in hours.buckets] == [0] * 6 + [40] * 15 + [0] * 3
    quarters = chart(served, START, START + HOUR, Step.QUARTER_HOUR)
    assert [bucket.amounts[0].amount for bucket in quarters.buckets] == [10] * 4


def test_a_contract_without_stages_counts_in_its_own_register(served: Served) -> None:
    found = chart(served, START, START + DAY, contract=series_contract().id, consumer=BERT)
    assert totals(found) == {IMPORT: 672, ERRORS: 0}


def test_there_are_no_buckets_before_the_contract_nor_after_now(served: Served) -> None:
    served.meters.pass_time(HOUR)
    found = chart(served, START - 40 * DAY, START + 400 * DAY)
    assert [found.buckets[0].begin, found.buckets[-1].end] == [START, START + 3 * DAY]
    assert [bucket.complete for bucket in found.buckets] == [True, True, False]
    assert chart(served, START - 3 * DAY, START - DAY).buckets == ()
    assert chart(served, START + 4 * DAY, datetime.max.replace(tzinfo=UTC)).buckets == ()


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 7, 1), 24)])
def test_days_have_the_hours_that_they_have(day: date, hours: int) -> None:
    begin = midnight(day)
    served = Served(now=begin)
    served.read(rising(begin, hours * 4 + 1))
    (whole,) = chart(served, begin, begin + hours * HOUR).buckets
    assert (whole.begin, whole.end, whole.complete) == (begin, midnight(day + DAY), True)
    assert sum(each.amount for each in whole.amounts) == hours * 40
    for step, parts in ((Step.HOUR, hours), (Step.QUARTER_HOUR, 4 * hours)):
        found = chart(served, begin, whole.end, step)
        assert (len(found.buckets), totals(found)) == (parts, totals(chart(served, begin, whole.end)))
        assert all(bucket.complete for bucket in found.buckets)


def test_what_a_gap_leaves_open_is_in_the_error_register_and_said(served: Served) -> None:
    served.read(
        {at: value + 4_000 for at, value in rising(START + 3 * DAY, 97).items() if at.astimezone(LOCAL).hour != 6}
    )
    found = chart(served, START + 3 * DAY, START + 4 * DAY)
    # From 5:45 to 7:00 five quarters of an hour; at 6:00 the stage changed.
    assert totals(found)[ERRORS] == 50
    assert len(found.marked) == 1
    assert "the stage changes from 1 to 2 at 2026-01-04T06:00:00+01:00" in found.marked[0]
    assert not found.buckets[0].complete
    hours = chart(served, START + 3 * DAY, START + 4 * DAY, Step.HOUR).buckets
    assert [place for place, bucket in enumerate(hours) if not bucket.complete] == [5, 6]


def test_doubtful_readings_make_a_bucket_incomplete() -> None:
    served = Served()
    values = rising(START, 97)
    doubtful = START + 5 * HOUR
    served.read({at: value for at, value in values.items() if at < doubtful})
    served.read({doubtful: values[doubtful]}, flags=("unsigned", "status:0x00000204"))  # a magnetic field
    served.read({at: value for at, value in values.items() if at > doubtful})
    found = chart(served, START, START + DAY, Step.HOUR)
    assert [place for place, bucket in enumerate(found.buckets) if not bucket.complete] == [4, 5]
    assert sum(totals(found).values()) == 960


def test_a_power_does_not_count() -> None:
    shows = contract(id="y.sm", use_case=UseCase.HIGH_FREQUENCY, registers=(POWER,), stages=(), calendars=())
    served = Served(known=profiles(shows, meters=(meter(METER, POWER),)))
    with pytest.raises(ProfileError, match="is no register that counts"):
        chart(served, START, START + DAY, contract="y.sm", obis=POWER)


def test_stages_by_consumption_are_those_of_the_whole_billing_period() -> None:
    limit = Quantity(500, -1, 30)
    taf4 = contract(
        id="x.taf4-1.sm", use_case=UseCase.CONSUMPTION_VARIABLE, calendars=(), thresholds=(Threshold(limit, limit),)
    )
    served = Served(known=profiles(taf4))
    served.read(rising(START, 97, step=7))
    (account,) = served.tariffs.derive(INSIDE, taf4.id, taf4.billing_periods(START)[0], consumer=ANNA)
    whole = chart(served, START, START + DAY, contract=taf4.id)
    assert totals(whole) == {NT: 500, HT: 172, ERRORS: 0} == {**account.registers, ERRORS: 0}
    # 500 lies within the quarter of an hour that ends at 18:00: 71 times 7 are 497.
    quarters = chart(served, START, START + DAY, Step.QUARTER_HOUR, contract=taf4.id)
    assert [[each.amount for each in bucket.amounts] for bucket in quarters.buckets[70:73]] == [
        [7, 0, 0],
        [3, 4, 0],
        [0, 7, 0],
    ]
    assert totals(quarters) == totals(whole)
    assert totals(chart(served, START + 18 * HOUR, START + DAY, Step.HOUR, contract=taf4.id)) == {
        NT: 0,
        HT: 168,
        ERRORS: 0,
    }


def test_where_the_clock_was_set_back_the_later_epoch_counts() -> None:
    served = Served()
    served.read(rising(START, 9))  # until two o'clock, on a clock that is an hour ahead
    served.clock.now = START + HOUR
    later = {START + HOUR + number * QUARTER: 1_090 + number * 10 for number in range(1, 13)}
    for at, value in later.items():
        served.read({at: value})  # of the first the clock shows that it was set back
    # 1:15 has the reading that shows it, which is not to be billed; 1:30 to 2:00 are there twice.
    entries = served.meters.lists.entries(TAF2.server_id, IMPORT.hex())
    assert {entry.epoch for entry in entries} == {0, 1}
    (account,) = served.tariffs.derive(INSIDE, TAF2.id, Period(START, START + DAY), consumer=ANNA)
    assert account.total == later[START + 4 * HOUR] - 1_000
    by_hours = chart(served, START, START + 4 * HOUR, Step.HOUR)
    assert [bucket.amounts[0].amount for bucket in by_hours.buckets] == [40, 90, 40, 40]
    assert [bucket.complete for bucket in by_hours.buckets] == [True, False, False, True]
    assert chart(served, START, START + 4 * HOUR, Step.HOUR) == by_hours


def reads(served: Served, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collects how many entries each reading of the list gives."""
    counts: list[int] = []
    entries = served.meters.lists.entries

    def counted(*args: Any, **others: Any) -> Any:
        found = entries(*args, **others)
        counts.append(len(found))
        return found

    monkeypatch.setattr(served.meters.lists, "entries", counted)
    return counts


def test_polling_reads_nothing_anew_and_a_new_reading_its_own_month_only(monkeypatch: pytest.MonkeyPatch) -> None:
    served = Served()
    served.read(rising(START, 96 * 40))
    counts = reads(served, monkeypatch)
    first = chart(served, START, START + 40 * DAY)
    assert sum(counts) > 96 * 40
    counts.clear()
    assert chart(served, START, START + 40 * DAY) == first
    assert counts == []
    served.read({START + 40 * DAY: 1_000 + 96 * 400})
    counts.clear()
    assert sum(totals(chart(served, START, START + 40 * DAY)).values()) == 96 * 400
    assert 0 < sum(counts) < 96 * 10
    counts.clear()
    lists = served.tariffs.lists(INSIDE, TAF2.id, TAF2.billing_periods(START)[0], consumer=ANNA)
    counts.clear()
    assert served.tariffs.lists(INSIDE, TAF2.id, TAF2.billing_periods(START)[0], consumer=ANNA) == lists
    assert counts == []


def test_what_is_deleted_is_forgotten() -> None:
    served = Served()
    served.read(rising(START, 97))
    before = chart(served, START, START + DAY)
    register = next(iter(served.meters.profiles))
    served.meters.profiles[register] = replace(served.meters.profiles[register], retention=timedelta(hours=12))
    served.meters.pass_time(HOUR)
    assert served.meters.lists.delete_expired()
    after = chart(served, START, START + DAY)
    assert sum(totals(after).values()) < sum(totals(before).values())


def test_other_profiles_give_other_stages() -> None:
    served = Served()
    served.read(rising(START, 97))
    assert totals(chart(served, START, START + DAY))[HT] == 600
    served.profiles = profiles(contract(calendars=()), series_contract())
    assert totals(chart(served, START, START + DAY)) == {NT: 960, HT: 0, ERRORS: 0}


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_module, "MOST_REMEMBERED", 100)
    served = Served()
    served.read(rising(START, 97))
    for _ in range(3):
        for step in (Step.DAY, Step.HOUR, Step.MONTH):
            chart(served, START, START + DAY, step)
            assert len(served.tariffs._sums) <= 100
    assert len(served.tariffs._sums) == 31  # a month of hours is more than is remembered


def test_more_than_can_be_answered_is_refused() -> None:
    every_second = contract(id="y.sm", use_case=UseCase.HIGH_FREQUENCY, stages=(), calendars=())
    served = Served(known=profiles(every_second, meters=(meter(METER, IMPORT, period=timedelta(seconds=1)),)))
    served.meters.pass_time(10 * DAY)
    with pytest.raises(RangeTooLongError, match="read every 1 s"):
        chart(served, START, START + 9 * DAY, contract="y.sm")
    assert chart(served, START, START + DAY, contract="y.sm").buckets[0].complete is False


@st.composite
def metered(draw: st.DrawFn) -> dict[datetime, int]:
    """Readings of some hours about a change of clocks, some of them missing."""
    day = draw(st.sampled_from([date(2026, 3, 29), date(2026, 10, 25), date(2026, 2, 1)]))
    begin = midnight(day) - draw(st.integers(0, 12)) * HOUR
    count = draw(st.integers(2, 120))
    steps = draw(st.lists(st.integers(0, 9), min_size=count, max_size=count))
    there = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    values, value = {}, 0
    for number, (step, is_there) in enumerate(zip(steps, there, strict=True)):
        value += step
        if is_there or number == 0:
            values[begin + number * QUARTER] = value
    return values


def made(use_case: str) -> Contract:
    limit = Quantity(60, -1, 30)
    return {
        "taf1": contract(id="a.sm", use_case=UseCase.DATA_SPARING, stages=TAF2.stages[:1], calendars=()),
        "taf2": contract(id="b.sm", billing=Billing.YEAR),
        "taf4": contract(
            id="c.sm", use_case=UseCase.CONSUMPTION_VARIABLE, calendars=(), thresholds=(Threshold(limit, limit),)
        ),
        "taf7": contract(id="d.sm", use_case=UseCase.READING_SERIES, stages=(), calendars=()),
    }[use_case]


@settings(max_examples=40)
@given(metered(), st.sampled_from(["taf1", "taf2", "taf4", "taf7"]), st.data())
def test_buckets_sum_up_to_what_the_meter_counted(
    values: dict[datetime, int], use_case: str, data: st.DataObject
) -> None:
    agreed = made(use_case)
    served = Served(database(), profiles(agreed), now=min(values))
    served.read(values)
    times = sorted(values)
    reach = (times[-1] - times[0]) // QUARTER + 1
    begin = times[0] + data.draw(st.integers(-5, reach)) * QUARTER
    end = begin + data.draw(st.integers(1, reach + 5)) * QUARTER
    found = {step: chart(served, begin, end, step, contract=agreed.id) for step in Step}
    for step, consumption in found.items():
        buckets = consumption.buckets
        if not buckets:
            assert min(end, served.clock()) <= begin
            continue
        assert [bucket.begin for bucket in buckets[1:]] == [bucket.end for bucket in buckets[:-1]]
        assert all(sum(each.amount for each in bucket.amounts) >= 0 for bucket in buckets)
        first = max((at for at in times if at <= buckets[0].begin), default=times[0])
        last = max((at for at in times if at <= buckets[-1].end), default=times[0])
        counted = max(values[last] - values[first], 0)
        assert sum(each.amount for bucket in buckets for each in bucket.amounts) == counted
        assert sum(each.amount for each in consumption.totals) == counted
        for bucket in buckets:
            inside = [at for at in times if bucket.begin <= at <= bucket.end]
            whole = len(inside) == (bucket.end - bucket.begin) // QUARTER + 1
            assert bucket.complete is whole
        assert step is consumption.step


@given(
    st.integers(1_700_000_000, 1_900_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    st.integers(1, 5_000_000),
    st.sampled_from(Step),
)
def test_buckets_hold_the_range_and_join(begin: datetime, seconds: int, step: Step) -> None:
    end = begin + timedelta(seconds=seconds)
    limits = bounds(begin, end, step)
    assert limits[0] <= begin < limits[1]
    assert limits[-2] < end <= limits[-1]
    assert all(earlier < later for earlier, later in pairwise(limits))
    local = [limit.astimezone(LOCAL) for limit in limits]
    if step in (Step.DAY, Step.MONTH):
        assert all((at.hour, at.minute, at.second) == (0, 0, 0) for at in local)
    if step is Step.MONTH:
        assert all(at.day == 1 for at in local)


def test_what_is_used_in_each_control_state_is_counted() -> None:
    taf11 = contract(id="x.taf11-1.sm", use_case=UseCase.CONTROLLABLE_LOAD, calendars=())
    served = Served(known=profiles(taf11))
    served.read(rising(START, 97))
    limited = [ControlCommand(START + 6 * HOUR, 2, "CLS1"), ControlCommand(START + 8 * HOUR, 1, "CLS1")]
    asked: list[str] = []

    def commands(agreed: Contract) -> list[ControlCommand]:
        asked.append(agreed.id)
        return limited

    tariffs = TariffPort(
        lambda: served.gate, served.meters.lists, lambda: served.profiles, served.clock, commands=commands
    )
    (account,) = tariffs.derive(INSIDE, taf11.id, Period(START, START + DAY), consumer=ANNA)
    assert account.registers == {NT: 880, HT: 80, ERRORS: 0}
    hours = tariffs.consumption(INSIDE, taf11.id, IMPORT, START, START + DAY, Step.HOUR, consumer=ANNA).buckets
    assert [place for place, bucket in enumerate(hours) if bucket.amounts[1].amount] == [6, 7]
    assert set(asked) == {taf11.id}


def test_where_a_meter_falls_a_chart_says_so() -> None:
    taf1 = made("taf1")
    served = Served(known=profiles(taf1))
    served.read({START: 1_000, START + QUARTER: 1_010, START + 2 * QUARTER: 5, START + 3 * QUARTER: 15})
    found = chart(served, START, START + HOUR, Step.QUARTER_HOUR, contract=taf1.id)
    # What ran back is marked as not to be used, so the fall lies across it.
    assert totals(found) == {NT: 10, ERRORS: -995}
    assert "falls from 1010 to 15" in found.marked[0]
    assert [bucket.complete for bucket in found.buckets] == [True, False, False, False][: len(found.buckets)]


def test_what_lies_across_two_billing_periods_is_of_neither() -> None:
    taf4 = made("taf4")
    served = Served(known=profiles(taf4))
    turn = START + 31 * DAY
    served.read({turn - QUARTER: 100, turn + QUARTER: 150, turn + 2 * QUARTER: 155})
    found = chart(served, turn - DAY, turn + DAY, contract=taf4.id)
    assert totals(found) == {NT: 5, HT: 0, ERRORS: 50}
    assert found.marked == ("readings are missing where one billing period ends and the next begins",)
