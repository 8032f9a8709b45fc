"""Contracts: billing periods by the German calendar, and contradictions that are named."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contracts import MAX_PARTS, Billing
from gateway.han.data import TafState
from gateway.lmn.obis import format_obis
from gateway.tariffing.errors import ProfileError
from gateway.tariffing.periods import LOCAL, Period, midnight
from gateway.tariffing.profile import ExtremeCount, TariffStage, UseCase
from tests.support.contracts import DAY_AND_NIGHT, ERRORS, EXPORT, HT, IMPORT, NT, START, contract, series_contract

DAY = timedelta(days=1)


def test_it_is_ready_runs_and_is_archived() -> None:
    ends = contract(end=START + 31 * DAY)
    states = [ends.state(at) for at in (START - DAY, START, START + 31 * DAY - DAY, START + 31 * DAY)]
    assert states == [TafState.READY, TafState.RUNNING, TafState.RUNNING, TafState.ARCHIVE]
    assert contract().state(START + 10_000 * DAY) is TafState.RUNNING


@pytest.mark.parametrize(
    ("billing", "local"),
    [
        (Billing.MONTH, ["2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01", "2026-05-01"]),
        (Billing.QUARTER, ["2026-01-01", "2026-04-01", "2026-07-01"]),
        (Billing.YEAR, ["2026-01-01", "2027-01-01"]),
    ],
)
def test_billing_periods_follow_the_local_calendar(billing: Billing, local: list[str]) -> None:
    bounds = [midnight(date.fromisoformat(day)) for day in local]
    found = contract(billing=billing).billing_periods(datetime(2026, 4, 15, tzinfo=UTC))
    assert found == [Period(*pair) for pair in pairwise(bounds)]


def test_a_period_ends_with_the_contract_and_none_begins_before_it() -> None:
    short = contract(end=START + 40 * DAY)
    assert [period.end for period in short.billing_periods(START + 400 * DAY)] == [START + 31 * DAY, START + 40 * DAY]
    assert short.billing_periods(START - DAY) == []


def test_a_month_without_the_day_ends_earlier_and_the_next_does_not() -> None:
    begun = contract(start=midnight(date(2026, 1, 31)))
    ends = [period.end.astimezone(LOCAL).date().isoformat() for period in begun.billing_periods(START + 140 * DAY)]
    assert ends == ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]


@given(
    st.integers(0, 3_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    st.sampled_from(Billing),
    st.integers(0, 2_000),
)
def test_billing_periods_join_and_the_last_holds_the_time(start: datetime, billing: Billing, days: int) -> None:
    at = start + days * DAY
    found = contract(start=start, billing=billing).billing_periods(at)
    assert found[0].begin == start
    assert all(before.end == after.begin for before, after in pairwise(found))
    assert found[-1].begin <= at < found[-1].end


def test_its_evaluation_profile_is_what_it_says() -> None:
    period = contract().billing_periods(START)[0]
    profile = contract().evaluation(period)
    assert (profile.use_case, profile.tariff_id) == (UseCase.TIME_VARIABLE, "01005e318021.taf2-1")
    assert (profile.period, profile.calendars) == (period, (DAY_AND_NIGHT,))
    with pytest.raises(ProfileError, match="at least one stage"):
        series_contract().evaluation(period)


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"name": ""}, "name is empty"),
        ({"name": "a\nb"}, "name is longer than 128 characters, or has one that is not printed"),
        ({"supplier": "x" * 129}, "supplier is longer"),
        ({"stages": (TariffStage(1, NT, "\x00"), TariffStage(2, HT))}, "description is longer"),
        ({"id": "01005e318021.taf7-1.sm"}, "id says TAF-7, and the use case is TAF-2"),
        ({"consumer": "a" * 65}, "consumer has more than 64 characters"),
        ({"metering_point": "DE42"}, "metering_point 'DE42' has not the 33 characters"),
        ({"meter": "EMH"}, "'EMH' is no device identification"),
        ({"participants": ("a", "a")}, "participants names one twice"),
        ({"start": datetime(2026, 1, 1)}, "start has no zone"),  # noqa: DTZ001  that is what is refused
        ({"start": datetime(1, 1, 1, tzinfo=UTC)}, "start is in the year 1"),
        ({"end": START}, "end is not after start"),
        ({"retention": timedelta(days=4_000)}, "retention of 4000 days"),
        ({"retention": 30 * DAY}, "retention of 30 days, and a billing period has 31"),
        ({"retention": 365 * DAY, "billing": Billing.YEAR}, "retention of 365 days, and a billing period has 366"),
        ({"registers": ()}, "registers names no OBIS code"),
        ({"registers": (b"\x01",)}, "registers has a code that is not of six bytes"),
        ({"registers": (IMPORT, IMPORT)}, "registers names an OBIS code twice"),
        ({"registers": (IMPORT, EXPORT)}, f"register {format_obis(EXPORT)} has no stage"),
        ({"registers": (EXPORT,)}, f"stage 1 counts in {format_obis(NT)}, of no register"),
        ({"stages": ()}, "stages are missing, and TAF-2 needs them"),
        ({"stages": (TariffStage(1, NT), TariffStage(1, HT)), "calendars": ()}, "have one number"),
        ({"stages": (TariffStage(1, NT), TariffStage(2, NT))}, f"two stages count in {format_obis(NT)}"),
        ({"stages": (TariffStage(1, NT),)}, "stage 2 is switched to, and there is none"),
        ({"stages": (TariffStage(63, ERRORS),), "calendars": (), "default_stage": 63}, "has no stage"),
        ({"default_stage": 3}, "default_stage is 3, and no stage has that number"),
        ({"calendars": (DAY_AND_NIGHT, DAY_AND_NIGHT)}, "2 time triggers switch the stages"),
        ({"use_case": UseCase.LOAD_VARIABLE, "id": "x"}, "needs a limit between each stage and the next"),
        ({"use_case": UseCase.PREPAYMENT, "id": "x"}, "prepayment is missing, and TAF-12 needs it"),
        ({"use_case": UseCase.EXTREME_VALUES, "id": "x"}, "extremes are missing, and TAF-8 needs them"),
        ({"use_case": UseCase.READING_SERIES, "id": "x", "stages": ()}, "calendars or events switch between them"),
        ({"extremes": (ExtremeCount(1, maximum=True),) * (MAX_PARTS + 1)}, "extremes has 1025 parts"),
    ],
)
def test_contradictions_are_named(others: dict[str, Any], said: str) -> None:
    with pytest.raises(ProfileError) as refused:
        contract(**others)
    assert said in str(refused.value)
    assert str(refused.value).startswith(f"contract {others.get('id', contract().id)}: ")


@pytest.mark.parametrize("id", ["", "a b", "../x", "x" * 65, "ä"])
def test_an_id_is_a_logical_name(id: str) -> None:
    with pytest.raises(ProfileError, match="is no id of a contract"):
        contract(id=id)
