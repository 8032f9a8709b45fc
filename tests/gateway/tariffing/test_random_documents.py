"""Documents like those in use, put together as text, and their registers reckoned another way: reading by the clock.

Calendars are enrolled: a profile of ninety-six quarters of an hour for each date, for import and export by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest

from gateway.tariffing.ar2418_read import read
from gateway.tariffing.booking import Mark
from gateway.tariffing.check import check

BERLIN = ZoneInfo("Europe/Berlin")
NAMES = 'xmlns="http://vde.de/AR_2418-6.xsd" xmlns:espi="http://naesb.org/espi"'
QUARTER = timedelta(minutes=15)
METER = "0A01454D4800005DE461"
FIRST_DAYS = ("2018-03-24", "2018-03-25", "2017-10-28", "2017-10-29", "2017-11-04", "2020-02-28", "2017-10-01")
FNN = ("A0000000", "A0080000", "A0040000", "A0020000", "A0840000")


def instant(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=BERLIN).astimezone(UTC)


def text(at: datetime) -> str:
    return at.astimezone(BERLIN).isoformat()


def period(name: str, begin: datetime, end: datetime) -> str:
    seconds = int((end - begin).total_seconds())
    return f"<{name}><duration>{seconds}</duration><start>{text(begin)}</start></{name}>"


@dataclass
class Direction:
    """One register: its readings, and for each date the stage of each quarter of an hour."""

    group: int
    stages: list[int]
    profiles: dict[int, list[int]]
    dates: dict[date, int]
    readings: list[tuple[datetime, int, int]]

    def code(self, group_e: int) -> str:
        return f"0100{self.group:02x}08{group_e:02x}ff"

    def expected(self, begin: datetime, end: datetime) -> tuple[dict[str, int], int]:
        """The registers, and how often something could not be assigned."""
        amounts = {self.code(number + 1): 0 for number in range(len(self.stages))} | {self.code(63): 0}
        usable = [(at, value) for at, value, status in self.readings if status < 3 and begin <= at <= end]
        lost = 0
        for (earlier, low), (later, high) in pairwise(usable):
            quarters = (later - earlier) // QUARTER
            shown = {self.stage_at(earlier + number * QUARTER) for number in range(quarters)}
            lost += len(shown) > 1
            group_e = self.stages.index(shown.pop()) + 1 if len(shown) == 1 else 63
            amounts[self.code(group_e)] += high - low
        return amounts, lost

    def stage_at(self, at: datetime) -> int:
        clock = at.astimezone(BERLIN)
        return self.profiles[self.dates[clock.date()]][clock.hour * 4 + clock.minute // 15]


def direction(
    random: Random, group: int, first_stage: int, first_id: int, days: list[date], beside: timedelta
) -> Direction:
    stages = [first_stage + number for number in range(random.randint(1, 4))]
    profiles: dict[int, list[int]] = {}
    for number in range(random.randint(1, 3)):
        stage, table = random.choice(stages), []
        for _ in range(96):
            stage = random.choice(stages) if random.random() < 0.06 else stage
            table.append(stage)
        profiles[first_id + number] = table
    begin, end = instant(days[0]), instant(days[-1] + timedelta(days=1))
    found = Direction(group, stages, profiles, {day: random.choice(list(profiles)) for day in days}, [])
    at, value, gap = begin - beside, random.randrange(10**6), 0
    while at <= end + beside:
        bound = at in (begin, end)
        gap = max(gap - 1, 0) or (random.randint(1, 40) if random.random() < 0.005 else 0)
        if bound or (not gap and random.random() > 0.01):
            status = 0 if bound else random.choices(range(5), (90, 5, 2, 2, 1))[0]
            found.readings.append((at, value, status))
        value += random.randrange(500)
        at += QUARTER
    return found


def gateway_document(random: Random, directions: list[Direction], begin: datetime, end: datetime) -> str:
    lists = ""
    for each in directions:
        readings = ""
        for at, value, status in each.readings:
            captured = text(at + timedelta(seconds=random.choice((0, 0, 2, -5, 9, -9))))
            grade = random.choice((f"<statusPTB>{status}</statusPTB>", f"<statusFNN>{FNN[status]}20000000</statusFNN>"))
            readings += (
                f"<IntervalReading><espi:value>{value}</espi:value>"
                f"<timePeriod><duration>0</duration><start>{captured}</start></timePeriod>{grade}</IntervalReading>"
            )
        code = each.code(0).upper()
        lists += (
            f"<MeterReading><Meter><meterId>{METER}</meterId></Meter><meterReadingId>{code}</meterReadingId>"
            f"<ReadingType><espi:powerOfTenMultiplier>0</espi:powerOfTenMultiplier><espi:uom>72</espi:uom>"
            f"<scaler>-1</scaler><obisCode>{code}</obisCode>"
            f"<qualifiedLogicalName>{code}.{METER}.sm</qualifiedLogicalName></ReadingType>"
            f"<IntervalBlock>{period('interval', begin, end)}{readings}</IntervalBlock></MeterReading>"
        )
    return f'\ufeff<?xml version="1.0"?><UsagePoints {NAMES}><UsagePoint>{lists}</UsagePoint></UsagePoints>'


def supplier_document(directions: list[Direction], begin: datetime, end: datetime) -> str:
    stages = "".join(
        f"<TariffStage><tariffNumber>{stage}</tariffNumber><obisCode>{each.code(number)}</obisCode></TariffStage>"
        for each in directions
        for number, stage in enumerate(each.stages, 1)
    )
    profiles = "".join(
        f"<DayProfile><dayId>{day_id}</dayId>{''.join(entry(quarter, stage) for quarter, stage in enumerate(table))}"
        "</DayProfile>"
        for each in directions
        for day_id, table in each.profiles.items()
    )
    special = "".join(
        f"<SpecialDayProfile><specialDayDate><year>{day.year}</year><month>{day.month}</month>"
        f"<day_of_month>{day.day:02}</day_of_month></specialDayDate><dayId>{day_id}</dayId></SpecialDayProfile>"
        for each in directions
        for day, day_id in each.dates.items()
    )
    return (
        f"<UsagePoints {NAMES}><UsagePoint><AnalysisProfile><tariffUseCase>2</tariffUseCase><tariffId>t</tariffId>"
        f"{period('billingPeriod', begin, end)}{stages}<defaultTariffNumber>1</defaultTariffNumber>"
        f"<TariffChangeTrigger><TimeTrigger>{profiles}{special}</TimeTrigger></TariffChangeTrigger></AnalysisProfile>"
        "</UsagePoint></UsagePoints>"
    )


def entry(quarter: int, stage: int) -> str:
    start = f"<startTime><hour>{quarter // 4}</hour><minute>{quarter % 4 * 15}</minute></startTime>"
    return f"<DayTimeProfile>{start}<tariffNumber>{stage}</tariffNumber></DayTimeProfile>"


@pytest.mark.parametrize("seed", range(30))
def test_registers_by_another_reckoning(seed: int) -> None:
    random = Random(seed)  # noqa: S311  nothing secret
    first = date.fromisoformat(random.choice(FIRST_DAYS))
    days = [first + timedelta(days=number) for number in range(random.choice((1, 1, 2, 3, 7)))]
    begin, end = instant(days[0]), instant(days[-1] + timedelta(days=1))
    beside = timedelta(hours=random.choice((0, 3)))
    directions = [direction(random, 1, 1, 1, days, beside)]
    if random.random() < 0.5:
        directions.append(direction(random, 2, len(directions[0].stages) + 1, 10, days, beside))
    gateway = gateway_document(random, directions, begin, end).encode()
    outcome = check(read(gateway), read(supplier_document(directions, begin, end).encode()))
    expected: dict[str, int] = {}
    lost = 0
    for each in directions:
        amounts, times = each.expected(begin, end)
        expected |= amounts
        lost += times
    assert {code.hex(): amount for code, amount in outcome.registers.items()} == expected
    assert sum(len(account.marked(Mark.UNASSIGNED)) for account in outcome.accounts) == lost
    assert (outcome.good, outcome.notes) == (True, ())
