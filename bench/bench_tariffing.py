"""Tariffing: a year of one meter against a second, and what a meter costs when there are a hundred of them."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache
from time import perf_counter

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from gateway.tariffing import taf02
from gateway.tariffing.booking import Account
from gateway.tariffing.calendar import DayProfile, TariffCalendar, WeekProfile
from gateway.tariffing.periods import Period, midnight
from gateway.tariffing.profile import EvaluationProfile, TariffStage, UseCase
from gateway.tariffing.readings import MeterReading, ReadingList

IMPORT = bytes.fromhex("0100010800ff")
STAGES = tuple(TariffStage(number, IMPORT[:4] + bytes((number, 255))) for number in (1, 2))
QUARTER = timedelta(minutes=15)
HOUR = 3_600
FLEETS = (1, 10, 100)
TURNS = 5
AT_MOST_A_YEAR = 1.0
STILL_LINEAR = 1.25

CALENDAR = TariffCalendar(
    (DayProfile(("work",), ((0, 1), (6 * HOUR, 2), (21 * HOUR, 1))), DayProfile(("rest",), ((0, 1),))),
    (WeekProfile("all", ("work",) * 5 + ("rest",) * 2),),
)


@cache
def profile(months: int) -> EvaluationProfile:
    """TAF-2 with a switch at six and at twenty-one on working days."""
    end = date(2025, 1 + months, 1) if months < 12 else date(2026, 1, 1)
    period = Period(midnight(date(2025, 1, 1)), midnight(end))
    return EvaluationProfile(UseCase.TIME_VARIABLE, "bench", period, STAGES, 1, (CALENDAR,))


def readings_of(meter: int, period: Period) -> ReadingList:
    """A reading each quarter of an hour; one in a hundred is missing."""
    count = period.seconds // 900 + 1
    readings = [
        MeterReading(period.begin + number * QUARTER, number * (100 + meter), position=number)
        for number in range(count)
        if (number + meter) % 100 or number == count - 1
    ]
    return ReadingList(IMPORT, f"1EMH{meter:010}", -1, 30, readings)


def evaluate(billed: EvaluationProfile, lists: Sequence[ReadingList]) -> list[Account]:
    """The registers of some meters; each sums to what the meter counted."""
    accounts = [taf02.evaluate(billed, original) for original in lists]
    assert all(sum(account.registers.values()) == account.total for account in accounts)
    return accounts


@pytest.mark.benchmark(group="tariffing")
def bench_a_year_of_one_meter(benchmark: BenchmarkFixture) -> None:
    """A year of quarters of an hour under TAF-2, from original readings to registers."""
    billed = profile(12)
    original = readings_of(1, billed.period)
    taken = []

    def year() -> None:
        # What the list finds out about itself is found out anew each time.
        fresh = ReadingList(original.obis, original.meter, original.scaler, original.unit, original.readings)
        begun = perf_counter()
        evaluate(billed, [fresh])
        taken.append(perf_counter() - begun)

    benchmark(year)
    seconds = min(taken)
    benchmark.extra_info.update(
        {
            "ratio": seconds / AT_MOST_A_YEAR,
            "limit": "<= 1",
            "meets": seconds <= AT_MOST_A_YEAR,
            "what": "a year of one meter under TAF-2, of a second",
            "readings a second": round(len(original.readings) / seconds),
        }
    )


@pytest.mark.benchmark(group="tariffing")
def bench_a_hundred_meters_beside_one(benchmark: BenchmarkFixture) -> None:
    """A month of 1, 10 and 100 meters in turns: what one meter takes among many, of what it takes alone."""
    billed = profile(1)
    lists = [readings_of(meter, billed.period) for meter in range(FLEETS[-1])]
    evaluate(billed, lists)
    gc.collect()
    gc.freeze()  # the collector runs in all turns alike, but not over what other benchmarks keep in memory
    each: dict[int, list[float]] = {fleet: [] for fleet in FLEETS}
    for _ in range(TURNS):
        for fleet in FLEETS:
            # As many meters are evaluated in every turn, so that none is measured on a shorter stretch of time.
            begun = perf_counter()
            for first in range(0, FLEETS[-1], fleet):
                evaluate(billed, lists[first : first + fleet])
            each[fleet].append((perf_counter() - begun) / FLEETS[-1])
    gc.unfreeze()
    benchmark(evaluate, billed, lists[:10])
    alone, ten, hundred = (min(each[fleet]) for fleet in FLEETS)
    benchmark.extra_info.update(
        {
            "ratio": hundred / alone,
            "limit": f"<= {STILL_LINEAR}",
            "meets": hundred <= STILL_LINEAR * alone,
            "what": "a meter's month among 100 meters, of its month alone",
            "among 10": ten / alone,
            "readings a second": round(len(lists[0].readings) / hundred),
        }
    )
