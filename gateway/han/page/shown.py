"""What a register counted, made ready to be looked at: columns for stages, rows for buckets, and the drawing's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum, unique
from html import escape
from typing import Final
from urllib.parse import urlencode

import orjson

from gateway.han.languages import Language
from gateway.han.page.numbers import amount_text, figure, plain, unit_text, value_of
from gateway.han.page.spans import Span
from gateway.han.page.texts import WORDS
from gateway.han.page_data import Bucket, Consumption, ContractView, RegisterView, StageAmount, StageView
from gateway.lmn.obis import format_obis
from gateway.tariffing.periods import local_date

PLACES: Final = 2
"""Decimal places of large figures."""
SLOTS: Final = 4
"""Colours for the stages of what is taken from the grid; as many again are for what is fed in."""


@unique
class Filled(StrEnum):
    """What is known of a bucket."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    """A reading is missing or doubtful in it."""
    GAP = "gap"
    """Nothing is known."""
    RUNNING = "running"
    LATER = "later"
    """It has not begun."""
    OUTSIDE = "outside"
    """The contract does not hold then."""


@dataclass(frozen=True, slots=True)
class Column:
    """One stage.

    :ivar slot: which colour it has.
    :ivar large: its total, rounded.
    :ivar total: its total, every place.
    """

    register: str
    name: str
    slot: str
    large: str
    total: str


@dataclass(frozen=True, slots=True)
class Row:
    """One bucket.

    :ivar texts: amount in each column, empty where nothing is known.
    :ivar values: the same for programs.
    :ivar closer: where it can be looked at by itself, empty where nowhere.
    """

    label: str
    tick: tuple[int, str] | None
    texts: tuple[str, ...]
    values: tuple[str, ...]
    total: str
    filled: Filled
    closer: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What one register counted in a span.

    :ivar large: the total, rounded.
    :ivar empty: whether there are no values at all.
    :ivar gaps: how many buckets lack values.
    """

    span: Span
    unit: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    large: str
    total: str
    empty: bool
    gaps: int
    marked: tuple[str, ...]

    def drawing(self, language: Language) -> str:
        """The drawing's data, JSON."""
        return orjson.dumps(
            {
                "unit": self.unit,
                "decimal": figure(Decimal("0.1"), language)[1],
                "gap": WORDS[language]["gap_legend"],
                "ticks": [[at, *row.tick] for at, row in enumerate(self.rows) if row.tick is not None],
                "stages": [
                    {
                        "name": _escaped(column.name),
                        "slot": column.slot,
                        "values": [row.values[at] for row in self.rows],
                    }
                    for at, column in enumerate(self.columns)
                ],
                "filled": [row.filled for row in self.rows],
                "closer": [row.closer for row in self.rows],
                "spoken": [self._spoken(row, language) for row in self.rows],
                "hover": [self._hover(row, language) for row in self.rows],
            }
        ).decode()

    def _lines(self, row: Row, language: Language) -> list[str]:
        # A stage that counted nothing is left out, but for one that is the only one.
        told = [at for at, value in enumerate(row.values) if Decimal(value) or len(row.values) == 1]
        lines = [f"{self.columns[at].name}: {row.texts[at]}" for at in told if row.texts[at]]
        if len(lines) != 1 and row.total:
            lines.append(f"{WORDS[language]['total']}: {row.total}")
        note = WORDS[language][row.filled]
        return [*lines, note] if note else lines

    def _spoken(self, row: Row, language: Language) -> str:
        return ", ".join((row.label, *self._lines(row, language)))

    def _hover(self, row: Row, language: Language) -> str:
        # No bold type: the library makes style attributes of it, which the policy lets nobody add.
        return "<br>".join(map(_escaped, (row.label, *self._lines(row, language))))


def _escaped(text: str) -> str:
    """A text without the markup that the drawing library would follow; it knows no escaped quotes."""
    return escape(text, quote=False)


def history_address(contract: str, obis: str, span: Span) -> str:
    """Where a register is looked at."""
    query = {"contract": contract, "register": obis, "view": span.view, "date": span.first.isoformat()}
    return f"/page/consumption?{urlencode(query)}"


def register_name(register: RegisterView, language: Language) -> str:
    """A register in words."""
    words = WORDS[language]
    if not register.counts:
        return words.quantity(register.unit)
    return words["fed_in" if register.feeds_in else "imported"]


def stage_name(stage: StageView, language: Language) -> str:
    """A stage as the contract calls it, or else by its number or its register."""
    words = WORDS[language]
    if stage.name:
        return stage.name
    if stage.is_error:
        return words["error_stage"]
    return obis_text(stage.register) if stage.number is None else f"{words['stage']} {stage.number}"


def obis_text(obis: str) -> str:
    """An OBIS code as people write it."""
    return format_obis(bytes.fromhex(obis))


def show(
    contract: ContractView,
    register: RegisterView,
    consumption: Consumption,
    span: Span,
    now: datetime,
    language: Language,
) -> Shown:
    """Make it ready."""
    scaler, unit = consumption.scaler, consumption.unit
    totals = _sums(consumption.totals)
    columns = tuple(
        Column(
            one.register,
            one.name,
            one.slot,
            amount_text(totals.get(one.register, 0), scaler, unit, language, PLACES),
            amount_text(totals.get(one.register, 0), scaler, unit, language),
        )
        for one in _columns(contract, register, consumption, language)
    )
    rows = tuple(
        _row(contract, register, columns, bucket, _Setting(consumption, span, now, language))
        for bucket in consumption.buckets
    )
    whole = sum(totals.values())
    return Shown(
        span=span,
        unit=unit_text(unit),
        columns=columns,
        rows=rows,
        large=amount_text(whole, scaler, unit, language, PLACES),
        total=amount_text(whole, scaler, unit, language),
        empty=not any(any(row.texts) for row in rows),
        gaps=sum(row.filled in {Filled.GAP, Filled.PARTIAL} for row in rows),
        marked=consumption.marked,
    )


@dataclass(frozen=True, slots=True)
class _Setting:
    consumption: Consumption
    span: Span
    now: datetime
    language: Language


@dataclass(frozen=True, slots=True)
class _Stage:
    register: str
    name: str
    slot: str


def _columns(
    contract: ContractView, register: RegisterView, consumption: Consumption, language: Language
) -> Sequence[_Stage]:
    """The stages that count this register, in the contract's order; what else was counted besides."""
    amounts = [*consumption.totals, *(one for bucket in consumption.buckets for one in bucket.amounts)]
    counted = {one.register for one in amounts}
    in_error = {one.register for one in amounts if one.amount}
    # A stage's register differs from the original one in group E alone.
    same = register.obis[:8]
    stages = [stage for stage in contract.stages if stage.register in counted or stage.register.startswith(same)]
    found: list[_Stage] = []
    ordinary = 0
    for stage in stages:
        if stage.is_error:
            if stage.register in in_error:
                found.append(_Stage(stage.register, stage_name(stage, language), "error"))
            continue
        name = stage_name(stage, language)
        if stage.register == register.obis and stage.number is None:
            name = register_name(register, language)
        found.append(_Stage(stage.register, name, _slot(register, ordinary)))
        ordinary += 1
    named = {stage.register for stage in stages}
    for obis in sorted(counted - named) or ([] if found else [register.obis]):
        name = register_name(register, language) if obis == register.obis else obis_text(obis)
        found.append(_Stage(obis, name, _slot(register, ordinary)))
        ordinary += 1
    return found


def _slot(register: RegisterView, number: int) -> str:
    return str(number % SLOTS + (SLOTS if register.feeds_in else 0))


def _row(
    contract: ContractView, register: RegisterView, columns: Sequence[Column], bucket: Bucket, setting: _Setting
) -> Row:
    scaler, unit, language = setting.consumption.scaler, setting.consumption.unit, setting.language
    amounts = _sums(bucket.amounts)
    filled = _filled(contract, bucket, amounts, setting.now)
    known = bool(amounts) and filled is not Filled.GAP
    closer = setting.span.view.closer
    return Row(
        label=setting.span.bucket_text(bucket, language),
        tick=setting.span.tick(bucket, language),
        texts=tuple(
            amount_text(amounts.get(each.register, 0), scaler, unit, language) if known else "" for each in columns
        ),
        values=tuple(
            plain(value_of(amounts.get(each.register, 0), scaler, unit)) if known else "0" for each in columns
        ),
        total=amount_text(sum(amounts.values()), scaler, unit, language) if known else "",
        filled=filled,
        closer=(
            ""
            if closer is None or filled in {Filled.LATER, Filled.OUTSIDE}
            else history_address(contract.id, register.obis, Span.of(closer, local_date(bucket.begin)))
        ),
    )


def _filled(contract: ContractView, bucket: Bucket, amounts: Mapping[str, int], now: datetime) -> Filled:
    if bucket.complete:
        return Filled.COMPLETE
    if bucket.end <= contract.start or (contract.end is not None and contract.end <= bucket.begin):
        return Filled.OUTSIDE
    if now <= bucket.begin:
        return Filled.LATER
    if now < bucket.end + contract.registers_every:  # its last reading may be on its way
        return Filled.RUNNING
    return Filled.PARTIAL if any(amounts.values()) else Filled.GAP


def _sums(amounts: Sequence[StageAmount]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in amounts:
        found[one.register] = found.get(one.register, 0) + one.amount
    return found
