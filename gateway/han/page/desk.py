"""What each page shows one consumer in his language: everything comes through the doors of his view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

from gateway.han.data import TafState
from gateway.han.errors import HanError
from gateway.han.languages import Language
from gateway.han.page.languages import day_text
from gateway.han.page.numbers import amount_text
from gateway.han.page.shown import Shown, history_address, register_name, show
from gateway.han.page.spans import EARLIEST, Span, View
from gateway.han.page.switching import Plan, plans
from gateway.han.page.texts import WORDS
from gateway.han.page.view import PageView
from gateway.han.page_data import (
    Consumption,
    ContractView,
    Export,
    ExportFile,
    LatestReading,
    PlainLogEntry,
    RegisterView,
    Step,
)
from gateway.tariffing.periods import DAY, local_date, midnight
from lifecycle.functions import Credential

DAYS_DRAWN: Final = 31
"""Days of the small drawing; no month has more."""
BAR_HEIGHT: Final = 100
"""Of its highest bar."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A piece of a bar in the small drawing."""

    day: int
    top: int
    height: int
    slot: str


@dataclass(frozen=True, slots=True)
class RegisterCard:
    """One register on the overview.

    :ivar empty: whether there are no values of the days drawn.
    :ivar bars: each of :data:`DAYS_DRAWN` days, the last is today.
    :ivar address: where its history is.
    """

    name: str
    today: Shown
    month: Shown
    empty: bool
    bars: tuple[Bar, ...]
    address: str


@dataclass(frozen=True, slots=True)
class ContractCard:
    """One contract on the overview."""

    contract: ContractView
    registers: tuple[RegisterCard, ...]


@dataclass(frozen=True, slots=True)
class ReadingRow:
    """The newest value of a register.

    :ivar name: what it counts, empty where no contract says it.
    """

    name: str
    reading: LatestReading
    text: str
    state: str
    good: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """The first page."""

    now: datetime
    cards: tuple[ContractCard, ...]
    readings: tuple[ReadingRow, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Something to choose on the page of the history."""

    name: str
    address: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Looked:
    """The page of the history. Without a register there is nothing to look at.

    :ivar before: address of the span before, empty where there is none; so *after*, and *today*.
    """

    title: str
    contract: ContractView | None
    register: RegisterView | None
    shown: Shown | None
    registers: tuple[Choice, ...]
    views: tuple[Choice, ...]
    before: str
    after: str
    today: str
    latest_day: date
    drawing: str


@dataclass(frozen=True, slots=True)
class ContractPage:
    """One contract explained."""

    contract: ContractView
    registers: tuple[tuple[str, RegisterView], ...]
    plans: tuple[Plan, ...]


@dataclass(frozen=True, slots=True)
class LogPage:
    """A page of the log.

    :ivar older: index to go on before, ``None`` where nothing is left.
    """

    entries: tuple[PlainLogEntry, ...]
    older: int | None
    newest: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be exported.

    :ivar billing: billing periods in words, each with its first and last day.
    """

    contracts: tuple[ContractView, ...]
    chosen: ContractView | None
    first: date
    last: date
    kinds: tuple[Export, ...]
    billing: tuple[tuple[str, date, date], ...]


class Desk:
    """What the pages show.

    :ivar now: the time, UTC.
    """

    def __init__(self, view: PageView, credential: Credential, now: datetime, language: Language) -> None:
        self.now = now
        self._view = view
        self._credential = credential
        self._language = language
        self._words = WORDS[language]
        self._today = local_date(now)

    def contracts(self) -> tuple[ContractPage, ...]:
        """The contracts, explained."""
        return tuple(
            ContractPage(
                one,
                tuple((register_name(register, self._language), register) for register in one.registers),
                plans(one, self._language),
            )
            for one in self._contracts()
        )

    def overview(self) -> Overview:
        """The first page."""
        contracts = self._contracts()
        cards = tuple(
            ContractCard(one, tuple(self._card(one, register) for register in _counting(one) if one.start <= self.now))
            for one in contracts
            if one.state is not TafState.ARCHIVE
        )
        names = {each.obis: register_name(each, self._language) for one in contracts for each in one.registers}
        readings = tuple(self._reading(one, names) for one in self._view.latest(self._credential))
        return Overview(self.now, cards, readings)

    def history(self, contract: str, obis: str, view: View, day: date) -> Looked:
        """What a register counted; of the first contract and its first register where none is named.

        :raises HanError: 404 if it is not his.
        """
        contracts = self._contracts()
        his = next((one for one in contracts if not contract or one.id == contract), None)
        if his is None and contract:
            raise HanError(404, "there is no such contract")
        register = None if his is None else _register(his, obis)
        span = Span.of(view, min(day, self._today))
        choices = tuple(
            Choice(
                self._name(one, each, contracts),
                history_address(one.id, each.obis, span),
                one is his and each is register,
            )
            for one in contracts
            for each in _counting(one)
        )
        if his is None or register is None:
            return Looked(self._words["consumption"], his, None, None, choices, (), "", "", "", self._today, "")

        def at(wanted: Span | None) -> str:
            return "" if wanted is None else history_address(his.id, register.obis, wanted)

        consumption = self._consumption(his, register, span)
        shown = show(his, register, consumption, span, self.now, self._language)
        return Looked(
            title=f"{span.title(self._language)}, {register_name(register, self._language)}",
            contract=his,
            register=register,
            shown=shown,
            registers=choices,
            views=tuple(Choice(self._words[one], at(Span.of(one, self._closest(span))), one is view) for one in View),
            before=at(span.before),
            after=at(span.after(self._today)),
            today="" if span.holds(self._today) else at(Span.of(view, self._today)),
            latest_day=self._today,
            drawing=shown.drawing(self._language),
        )

    def log(self, before: int | None, count: int) -> LogPage:
        """A page of his log, newest first."""
        found = tuple(self._view.log(self._credential, before, count + 1))
        entries = found[:count]
        return LogPage(entries, entries[-1].index if len(found) > count else None, before is None)

    def offer(self, contract: str) -> Offer:
        """What can be exported; with the last billing period that is over, or else this month."""
        contracts = tuple(self._contracts())
        chosen = next((one for one in contracts if not contract or one.id == contract), None)
        if chosen is None and contract:
            raise HanError(404, "there is no such contract")
        billing = () if chosen is None else tuple(self._billing(chosen))
        over = [(first, last) for _, first, last in billing if last < self._today]
        first, last = over[-1] if over else (self._today.replace(day=1), self._today)
        return Offer(contracts, chosen, first, last, tuple(Export), billing)

    def file(self, contract: str, begin: datetime, end: datetime, kind: Export) -> ExportFile:
        """The values of one of his contracts as a file.

        :raises HanError: 404 if it is not his; 400 if the range is too long.
        """
        his = self._view.contract(self._credential, contract)
        return self._view.export(self._credential, his.id, begin, end, kind)

    def _contracts(self) -> Sequence[ContractView]:
        """His contracts, running ones first."""
        order = (TafState.RUNNING, TafState.READY, TafState.ARCHIVE)
        return sorted(self._view.contracts(self._credential), key=lambda one: order.index(one.state))

    def _closest(self, span: Span) -> date:
        """The day that the other views of a span are of: today where that is in it."""
        return self._today if span.holds(self._today) else span.first

    def _consumption(self, contract: ContractView, register: RegisterView, span: Span) -> Consumption:
        return self._view.consumption(
            self._credential, contract.id, register.obis, span.begin, span.end, span.view.step
        )

    def _card(self, contract: ContractView, register: RegisterView) -> RegisterCard:
        first = self._today - (DAYS_DRAWN - 1) * DAY
        begin, end = midnight(first), midnight(self._today + DAY)
        whole = self._view.consumption(self._credential, contract.id, register.obis, begin, end, Step.DAY)

        def part(span: Span) -> Shown:
            buckets = tuple(bucket for bucket in whole.buckets if span.holds(local_date(bucket.begin)))
            totals = tuple(one for bucket in buckets for one in bucket.amounts)
            consumption = replace(whole, buckets=buckets, totals=totals)
            return show(contract, register, consumption, span, self.now, self._language)

        drawn = part(Span(View.MONTH, first, self._today + DAY))
        return RegisterCard(
            register_name(register, self._language),
            part(Span.of(View.DAY, self._today)),
            part(Span.of(View.MONTH, self._today)),
            drawn.empty,
            tuple(_bars(whole, drawn)),
            history_address(contract.id, register.obis, Span.of(View.DAY, self._today)),
        )

    def _reading(self, reading: LatestReading, names: Mapping[str, str]) -> ReadingRow:
        text = amount_text(reading.value, reading.scaler, reading.unit, self._language)
        return ReadingRow(names.get(reading.obis, ""), reading, text, self._words.ptb(reading.ptb), reading.ptb == 0)

    def _name(self, contract: ContractView, register: RegisterView, contracts: Sequence[ContractView]) -> str:
        name = register_name(register, self._language)
        return name if len(contracts) == 1 else f"{contract.name}: {name}"

    def _billing(self, contract: ContractView) -> list[tuple[str, date, date]]:
        found = []
        for period in contract.billing_periods:
            first = max(local_date(period.start), EARLIEST)
            last = self._today if period.end is None else local_date(period.end - timedelta.resolution)
            if first <= last:
                found.append((f"{day_text(first, self._language)} – {day_text(last, self._language)}", first, last))
        return found


def _counting(contract: ContractView) -> list[RegisterView]:
    return [register for register in contract.registers if register.counts]


def _register(contract: ContractView, obis: str) -> RegisterView | None:
    """:raises HanError: 404 if the contract evaluates no such register."""
    found = next((one for one in _counting(contract) if not obis or one.obis == obis), None)
    if found is None and obis:
        raise HanError(404, "there is no such register")
    return found


def _bars(whole: Consumption, shown: Shown) -> list[Bar]:
    highest = max((sum(one.amount for one in bucket.amounts) for bucket in whole.buckets), default=0)
    slots = {column.register: column.slot for column in shown.columns}
    bars = []
    for day, bucket in enumerate(whole.buckets):
        below = 0
        for one in bucket.amounts:
            height = 0 if highest <= 0 else BAR_HEIGHT * max(0, one.amount) // highest
            below += height
            if height:
                bars.append(Bar(day, BAR_HEIGHT - below, height, slots[one.register]))
    return bars
