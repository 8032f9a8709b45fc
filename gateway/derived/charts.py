"""Accounts for charts: as the rule sets make them, for any stretch of time, and also where no bill could be made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from gateway.contracts import Contract
from gateway.derived import buckets
from gateway.derived.sums import DerivedList, DerivedLists, Sums
from gateway.han.page_data import Bucket, Consumption, StageAmount, Step
from gateway.tariffing import taf02, taf03, taf04, taf05, taf11
from gateway.tariffing.booking import Account, Booking, merged, unassigned
from gateway.tariffing.errors import ProfileError
from gateway.tariffing.periods import Period
from gateway.tariffing.profile import EvaluationProfile, Stages, TariffStage, UseCase, same_quantity
from gateway.tariffing.readings import Point, ReadingList
from gateway.tariffing.rules import RuleSet
from gateway.tariffing.taf11 import ControlCommand

NO_UNIT: Final = 255
"""DLMS unit of what has none, or none that is known yet."""
MOST_MARKS: Final = 100
"""Reasons in one answer; ours."""
BY_BILLING_PERIOD: Final = frozenset({UseCase.LOAD_VARIABLE, UseCase.CONSUMPTION_VARIABLE})
"""The TAFs whose stage depends on what was before in the billing period."""
_RULES: Final[Mapping[UseCase, RuleSet]] = MappingProxyType(
    {
        UseCase.DATA_SPARING: taf02.evaluate,
        UseCase.TIME_VARIABLE: taf02.evaluate,
        UseCase.LOAD_VARIABLE: taf03.evaluate,
        UseCase.CONSUMPTION_VARIABLE: taf04.evaluate,
        UseCase.EVENT_VARIABLE: taf05.evaluate,
        UseCase.READING_SERIES: taf02.evaluate,
        UseCase.PREPAYMENT: taf02.evaluate,
    }
)
"""TAF-1, TAF-7 and TAF-12 count as TAF-2 does in one stage; a bill by them fails where the meter falls, a chart shows
it in the error register."""


def account(
    contract: Contract,
    original: ReadingList,
    chunk: Period,
    points: Sequence[Point],
    commands: Sequence[ControlCommand] = (),
) -> Account | None:
    """What was counted in a stretch of time; ``None`` where there are fewer than two readings.

    :param chunk: the stretch; a billing period for those of :data:`BY_BILLING_PERIOD`.
    :param points: its usable readings, the one before it first.
    """
    if len(points) < 2:
        return None
    by_billing = contract.use_case in BY_BILLING_PERIOD
    own = [point for point in points if point.at >= chunk.begin] if by_billing else points
    whole = Period(points[0].at, chunk.end)
    try:
        if len(own) < 2:
            return _unassignable(original, whole, points, _BETWEEN)
        made = _by_rules(contract, original, Period(own[0].at, chunk.end), commands)
    except ProfileError as error:
        return _unassignable(original, whole, points, str(error))
    if own[0].at == points[0].at:
        return made
    # What lies across the begin of a billing period belongs to none for sure.
    crossing = unassigned(made.stages.error_register, points[0], own[0], _BETWEEN)
    return replace(made, bookings=(crossing, *made.bookings), with_errors=True)


_BETWEEN: Final = "readings are missing where one billing period ends and the next begins"


def _by_rules(contract: Contract, original: ReadingList, period: Period, commands: Sequence[ControlCommand]) -> Account:
    if not contract.stages or contract.use_case not in (*_RULES, UseCase.CONTROLLABLE_LOAD):
        only = EvaluationProfile(
            UseCase.TIME_VARIABLE, contract.id, period, (TariffStage(1, original.obis),), default_stage=1
        )
        return taf02.evaluate(only, original)
    profile = contract.evaluation(period)
    if contract.use_case is UseCase.CONTROLLABLE_LOAD:
        return taf11.evaluate(profile, original, commands)
    return _RULES[contract.use_case](profile, original)


def _unassignable(original: ReadingList, period: Period, points: Sequence[Point], reason: str) -> Account:
    stages = EvaluationProfile(
        UseCase.TIME_VARIABLE, "", period, (TariffStage(1, original.obis),), default_stage=1
    ).stages_of(original.obis)
    bookings: list[Booking] = [unassigned(stages.error_register, *pair, reason) for pair in pairwise(points)]
    return Account(original, period, stages, merged(bookings, period), with_errors=True)


def consumption(
    contract: Contract, obis: bytes, step: Step, limits: Sequence[datetime], parts: Sequence[Sums]
) -> Consumption:
    """The buckets of several stretches of time as one answer, in the finest scaler of them."""
    known = [part for part in parts if part.unit is not None]
    unit = known[-1].unit if known else None
    same = [part for part in parts if part.unit == unit]
    scaler = min((part.scaler for part in same), default=0)
    by_begin: dict[datetime, buckets.Sum] = {}
    for part in parts:
        factor = 10 ** (part.scaler - scaler) if part.unit == unit else 0
        for begin, each in part.by_begin.items():
            if not limits[0] <= begin < limits[-1]:
                continue
            scaled = {register: amount * factor for register, amount in each.amounts.items()}
            mine = buckets.Sum(scaled, complete=each.complete and bool(factor))
            if begin in by_begin:
                by_begin[begin].add(mine)
            else:
                by_begin[begin] = mine
    registers = registers_of(contract, obis)
    made = [
        Bucket(begin, end, _amounts(each.amounts, registers), each.complete)
        for begin, end, each in buckets.joined(limits, by_begin)
    ]
    totals: dict[bytes, int] = {}
    for each in by_begin.values():
        for register, amount in each.amounts.items():
            totals[register] = totals.get(register, 0) + amount
    marks = dict.fromkeys(words for part in parts for at, words in part.marks if limits[0] < at <= limits[-1])
    return Consumption(
        contract.id,
        obis.hex(),
        scaler,
        NO_UNIT if unit is None else unit,
        step,
        tuple(made),
        _amounts(totals, registers),
        tuple(marks)[:MOST_MARKS],
    )


def registers_of(contract: Contract, obis: bytes) -> tuple[bytes, ...]:
    """The registers that an original register is counted into, the error register last."""
    stages = Stages(obis, [stage for stage in contract.stages if same_quantity(stage.register, obis)])
    return (*(stage.register for stage in stages.billed or (TariffStage(1, obis),)), stages.error_register)


def lists_of(account: Account) -> DerivedLists:
    """The derived lists of an account."""
    lasts = {
        (earlier.register, earlier.end.at)
        for earlier, later in pairwise(account.bookings)
        if earlier.register != later.register
    }
    lists = []
    for register in account.register_codes:
        readings = tuple(account.derived_list(register))
        switches = tuple(each for each in readings if (register, each.at) in lasts)
        original = account.original
        lists.append(DerivedList(original.obis, register, original.scaler, original.unit, readings, switches))
    return DerivedLists(tuple(lists))


def _amounts(amounts: Mapping[bytes, int], registers: Sequence[bytes]) -> tuple[StageAmount, ...]:
    return tuple(StageAmount(register.hex(), amounts.get(register, 0)) for register in registers)
