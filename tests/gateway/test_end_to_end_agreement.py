"""Whatever is missing or comes beside its time: registers, lists, file and chart say the same of a day."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.contracts import Contract
from gateway.han.data import Database, ReadingsQuery
from gateway.han.page_data import Export, Step
from gateway.tariffing.ar2418_read import read
from gateway.tariffing.check import check
from gateway.tariffing.periods import Period, midnight
from gateway.tariffing.profile import Quantity, TariffStage, Threshold, UseCase
from lifecycle.functions import Credential
from tests.support.contracts import ANNA, IMPORT, NT, contract, profiles
from tests.support.desk import QUARTER, Served

DAYS = [date(2026, 3, 10), date(2026, 3, 29), date(2026, 3, 31), date(2026, 10, 25)]
"""One as others, one of 23 hours, one before a month's turn, one of 25 hours."""
LIMIT = Quantity(600, -1, 30)


def contracts(begin: datetime) -> dict[UseCase, Contract]:
    """A contract of each kind, from a time on."""
    one_stage = (TariffStage(1, NT, "Strom"),)
    return {
        UseCase.TIME_VARIABLE: contract(start=begin),
        UseCase.DATA_SPARING: contract(
            id="a.taf1-1.sm", use_case=UseCase.DATA_SPARING, stages=one_stage, calendars=(), start=begin
        ),
        UseCase.CONSUMPTION_VARIABLE: contract(
            id="a.taf4-1.sm",
            use_case=UseCase.CONSUMPTION_VARIABLE,
            calendars=(),
            thresholds=(Threshold(LIMIT, LIMIT),),
            start=begin,
        ),
    }


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    day=st.sampled_from(DAYS),
    use_case=st.sampled_from(list(contracts(midnight(DAYS[0])))),
    missing=st.sets(st.integers(0, 101), max_size=60),
    beside=st.dictionaries(st.integers(0, 101), st.integers(-20, 20)),
    steps=st.lists(st.integers(0, 60), min_size=1, max_size=7),
)
def test_everybody_says_the_same(
    day: date, use_case: UseCase, missing: set[int], beside: dict[int, int], steps: list[int]
) -> None:
    begin, end = midnight(day), midnight(day + timedelta(days=1))
    agreed = contracts(begin)[use_case]
    served = Served(known=profiles(agreed), now=begin)
    value, readings = 1_000, {}
    for number in range((end - begin) // QUARTER + 1):
        value += steps[number % len(steps)]
        if number not in missing:
            readings[begin + number * QUARTER + timedelta(seconds=beside.get(number, 0))] = value
    served.read(readings)
    served.clock.now = end + timedelta(seconds=30)
    entries = served.meters.lists.entries(agreed.server_id, IMPORT.hex())
    kept = [entry.value for entry in entries if entry.value is not None]
    if len(kept) < 2:
        return

    (account,) = served.tariffs.derive(Credential.INSIDE, agreed.id, Period(begin, end), consumer=ANNA)
    registers = {register: amount for register, amount in account.registers.items() if amount}
    assert sum(registers.values()) == kept[-1] - kept[0]

    query = ReadingsQuery(agreed.id, Database.DERIVED, (), last=False, after=begin, until=end, limit=1_000)
    lists = {each.obis: each.readings[-1].value for each in served.desk.readings(ANNA, query) if each.readings}
    assert {bytes.fromhex(obis): amount for obis, amount in lists.items() if amount} == registers

    document = read(served.desk.export(ANNA, agreed.id, begin, end, Export.AR2418).content)
    found = check(document, document)
    assert {register: amount for register, amount in found.registers.items() if amount} == registers
    assert all(figure.agrees for figure in found.stated)

    for step in Step:
        chart = served.desk.consumption(ANNA, agreed.id, IMPORT.hex(), begin, end, step)
        totals = {bytes.fromhex(each.register): each.amount for each in chart.totals if each.amount}
        assert totals == registers
        inside = [amount for bucket in chart.buckets for amount in bucket.amounts]
        assert sum(each.amount for each in inside) == sum(registers.values())
