"""Contracts as tables: what is written is read again, and what is wrong is named with its key."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gateway.contract_file
from gateway.contract_file import ContractFileError, canonical_contract, contract_table, read_contract
from gateway.contracts import Billing, Contract
from gateway.tariffing.calendar import DayProfile, Season, SpecialDay, TariffCalendar, WeekProfile
from gateway.tariffing.periods import Period
from gateway.tariffing.profile import (
    ExternalEvent,
    ExtremeCount,
    Prepayment,
    Quantity,
    TariffStage,
    Threshold,
    UseCase,
)
from tests.support.contracts import HT, IMPORT, NT, START, contract, series_contract

WHERE = "gateway.toml"


def from_toml(text: str) -> dict[str, Any]:
    (table,) = tomllib.loads(text)["contract"]
    assert isinstance(table, dict)
    return table


def example() -> str:
    """The one in the module's own words."""
    words = gateway.contract_file.__doc__
    assert words is not None
    return "\n".join(line.removeprefix("    ") for line in words.splitlines() if line.startswith("    "))


def test_the_example_is_one() -> None:
    assert read_contract(from_toml(example()), WHERE) == contract(
        calendars=(TariffCalendar((DayProfile(("every day",), ((0, 1), (21_600, 2), (75_600, 1))),)),)
    )


FULL = """
[[contract]]
id = "x.taf5-1.sm"
name = "alles"
consumer = "anna.sm"
metering_point = "DE0001234567890000000000000000042"
meter = "1EMH0012345678"
registers = ["0100010800ff"]
taf = 5
start = 2026-03-29
end = 2026-03-30T00:00:00+02:00
billing = "quarter"
supplier = "x"
participants = ["emt1", "emt2"]
retention_days = 100
default_stage = 2
delivery = "d"
on_demand = true
transparent = false
stage = [{ number = 1, register = "1-0:1.8.1" }, { number = 2, register = "1-0:1.8.2", name = "HT" }]
extreme = [{ count = 3, maximum = true }]
threshold = [{ over = { value = 5, scaler = 3, unit = 27 }, under = { value = 4500, unit = 27 } }]

[[contract.event]]
number = 7
begin = 2026-03-29T01:00:00Z
end = 2026-03-29T02:00:00Z
stage = 1

[[contract.calendar]]
day_profile = [
    { names = ["w"], switches = { "00:00" = 1, "23:59:59" = 2 } },
    { names = ["s"], switches = { "00:00" = 1 } },
]
week = [{ name = "all", monday = "w", sunday = "s" }]
season = [{ name = "summer", start = 2026-04-01, week = "all" }]
special_day = [{ day_profile = "s", month = 12, day_of_month = 254 }]

[contract.prepayment]
available = { value = 100, scaler = 3, unit = 30 }
begin = 2026-03-29
end = 2026-03-30
breakers = ["1EMH0012345678"]
threshold = []
"""


def test_everything_that_an_evaluation_profile_holds_is_read() -> None:
    read = read_contract(from_toml(FULL), WHERE)
    week = WeekProfile("all", ("w", None, None, None, None, None, "s"))
    day = Period(datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC))
    assert (read.start, read.end, read.retention) == (day.begin, day.end, timedelta(days=100))
    assert read.calendars == (
        TariffCalendar(
            (DayProfile(("w",), ((0, 1), (86_399, 2))), DayProfile(("s",), ((0, 1),))),
            (week,),
            (Season("summer", date(2026, 4, 1), week),),
            (SpecialDay("s", month=12, day_of_month=254),),
        ),
    )
    assert read.thresholds == (Threshold(Quantity(5, 3, 27), Quantity(4_500, 0, 27)),)
    event = Period(datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 3, 29, 2, tzinfo=UTC))
    assert read.events == (ExternalEvent(7, event, 1),)
    assert read.prepayment == Prepayment(Quantity(100, 3, 30), day, ("1EMH0012345678",))
    assert read.extremes == (ExtremeCount(3, maximum=True),)
    assert (read.participants, read.delivery) == (("emt1", "emt2"), "d")
    assert (read.on_demand, read.transparent, read.default_stage) == (True, False, 2)
    assert read_contract(contract_table(read), WHERE) == read


def changed(**others: Any) -> dict[str, Any]:
    return {key: value for key, value in {**from_toml(FULL), **others}.items() if value is not None}


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"colour": "red"}, "colour: unknown key"),
        ({"name": None}, "name: missing"),
        ({"name": ""}, "name: no text"),
        ({"name": 5}, "name: no text"),
        ({"taf": 15}, "taf: 15 is none of 1, 2, 3"),
        ({"taf": True}, "taf: True is none of"),
        ({"taf": "2"}, "taf: '2' is none of"),
        ({"billing": "week"}, "billing: 'week' is none of month, quarter, year"),
        ({"registers": "1-0:1.8.0"}, "registers: no list of texts"),
        ({"registers": ["1.8.0"]}, "registers: '1.8.0' is no OBIS code"),
        ({"start": datetime(2026, 1, 1)}, "start: a time without an offset"),  # noqa: DTZ001  that is refused
        ({"start": 5}, "start: neither a date nor a time"),
        ({"start": "soon"}, "start: no time"),
        ({"start": "0001-01-01T00:00:00+14:00"}, "is no time in UTC"),
        ({"retention_days": 0}, "retention_days: no whole number from 1 to 3660"),
        ({"retention_days": True}, "retention_days: no whole number"),
        ({"on_demand": 1}, "on_demand: neither true nor false"),
        ({"stage": {}}, "stage: not [[stage]] tables"),
        ({"stage": [5]}, "stage: no table"),
        ({"stage": [{"number": 1}]}, "stage 1: register: missing"),
        ({"stage": [{"number": 2, "register": "1-0:1.8.1"}]}, "stage 1 is switched to, and there is none"),
        ({"threshold": [{"over": {"value": 2**60}}]}, "threshold 1: over: value: no whole number"),
        ({"calendar": [{"day_profile": [{"names": ["a"], "switches": {"24:00": 1}}]}]}, "'24:00' is no time of a day"),
        ({"calendar": [{"day_profile": [{"names": ["a"], "switches": {}}]}]}, "day profile a has no entry"),
        ({"calendar": [{"week": [{"name": "a"}, {"name": "a"}]}]}, "calendar 1: week 2: name: a second week 'a'"),
        ({"calendar": [{"week": [{"name": "a", "monday": "b"}]}]}, "calendar 1: there is no day profile b"),
        ({"calendar": [{"season": [{"name": "a", "start": 1, "week": "w"}]}]}, "season 1: start: no date"),
        (
            {"calendar": [{"special_day": [{"day_profile": "a"}]}]},
            "special_day 1: a special day with profile a names no",
        ),
        (
            {"event": [{"number": 1, "begin": START, "end": START, "stage": 1}]},
            "event 1: a period ends after it begins",
        ),
        ({"meter": "1EMH"}, "contract x.taf5-1.sm: '1EMH' is no device identification"),
    ],
)
def test_what_is_wrong_is_named_with_its_key(others: dict[str, Any], said: str) -> None:
    with pytest.raises(ContractFileError) as refused:
        read_contract(changed(**others), WHERE)
    assert str(refused.value).startswith(f"{WHERE}: contract x.taf5-1.sm: ")
    assert said in str(refused.value)


def test_an_unknown_key_is_found_at_any_depth() -> None:
    table = from_toml(example())
    table["calendar"][0]["day_profile"][0]["colour"] = "red"
    with pytest.raises(ContractFileError, match=r"calendar 1: day_profile 1: colour: unknown key"):
        read_contract(table, WHERE)


def test_a_contract_without_an_id_is_named_by_where_it_stands() -> None:
    with pytest.raises(ContractFileError, match=r"gateway.toml: contract: id: missing"):
        read_contract({}, WHERE)


NAMES = st.sampled_from(["a", "Ä€", "weekday", "x y"])
TEXTS = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=12)
INSTANTS = st.integers(1_000_000_000, 3_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
PERIODS = st.builds(
    lambda begin, seconds: Period(begin, begin + timedelta(seconds=seconds)), INSTANTS, st.integers(1, 9**9)
)
QUANTITIES = st.builds(
    Quantity, st.integers(-(2**53) + 1, 2**53 - 1), st.integers(-12, 12), st.none() | st.integers(1, 255)
)
THRESHOLDS = st.builds(Threshold, QUANTITIES, QUANTITIES, st.just("") | TEXTS, st.none() | st.integers(0, 255))


@st.composite
def calendars(draw: st.DrawFn) -> TariffCalendar:
    names = draw(st.lists(NAMES, min_size=1, unique=True))
    entries = st.dictionaries(st.integers(0, 86_399), st.sampled_from([1, 2]), min_size=1).map(
        lambda switches: tuple(switches.items())
    )
    of_week = st.tuples(*[st.none() | st.sampled_from(names)] * 7)
    week = st.builds(WeekProfile, NAMES, of_week)
    weeks = tuple(draw(st.lists(week, max_size=2, unique_by=lambda each: each.name)))
    seasons = st.builds(Season, TEXTS, st.dates(date(1990, 1, 1)), st.sampled_from(weeks or (None,)))
    special = st.builds(
        SpecialDay,
        st.sampled_from(names),
        st.none() | st.sampled_from([2028, 0xFFFF]),
        st.sampled_from([2, 12]),
        st.none() | st.sampled_from([1, 29, 253, 254, 255]),
        st.none() | st.sampled_from([1, 7, 255]),
    )
    return TariffCalendar(
        tuple(DayProfile((name,), draw(entries)) for name in names),
        weeks,
        tuple(draw(st.lists(seasons, max_size=2))) if weeks else (),
        tuple(draw(st.lists(special, max_size=3))),
    )


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    """Of a TAF that follows no calendar, so that any fits."""
    others: dict[str, Any] = {
        "id": draw(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True).filter(lambda id: ".taf" not in id)),
        "name": draw(TEXTS),
        "use_case": UseCase.EVENT_VARIABLE,
        "start": draw(INSTANTS),
        "billing": draw(st.sampled_from(Billing)),
        "retention": timedelta(days=draw(st.integers(366, 3_660))),
        "stages": (TariffStage(1, NT, draw(st.just("") | TEXTS)), TariffStage(2, HT)),
        "default_stage": draw(st.sampled_from([1, 2])),
        "calendars": tuple(draw(st.lists(calendars(), max_size=2))),
        "thresholds": tuple(draw(st.lists(THRESHOLDS, max_size=2))),
        "events": tuple(
            draw(
                st.lists(
                    st.builds(
                        ExternalEvent,
                        st.integers(0, 99),
                        PERIODS,
                        st.sampled_from([1, 2]),
                        st.lists(THRESHOLDS, max_size=1).map(tuple),
                    ),
                    max_size=2,
                )
            )
        ),
        "prepayment": draw(
            st.none()
            | st.builds(
                Prepayment,
                QUANTITIES,
                PERIODS,
                st.lists(TEXTS, max_size=2).map(tuple),
                st.lists(THRESHOLDS, max_size=1).map(tuple),
            )
        ),
        "extremes": tuple(
            draw(st.lists(st.builds(ExtremeCount, st.integers(1, 1_000), maximum=st.booleans()), max_size=2))
        ),
        "participants": tuple(draw(st.lists(TEXTS, max_size=2, unique=True))),
        "delivery": draw(st.just("") | TEXTS),
        "on_demand": draw(st.booleans()),
        "transparent": draw(st.booleans()),
    }
    return contract(**others, end=others["start"] + timedelta(days=draw(st.integers(1, 9_000))))


@given(contracts())
def test_a_contract_survives_being_written(made: Contract) -> None:
    assert read_contract(orjson.loads(canonical_contract(made)), WHERE) == made


def test_the_canonical_bytes_are_one_and_can_be_read() -> None:
    for made in (contract(), series_contract(), read_contract(from_toml(FULL), WHERE)):
        body = canonical_contract(made)
        assert read_contract(orjson.loads(body), WHERE) == made
        assert orjson.loads(body)["registers"] == ["1-0:1.8.0*255"]
        assert made.registers == (IMPORT,)
