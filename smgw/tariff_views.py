"""How ``smgw tariff check`` shows its outcome: tables for a person, stable keys for a machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from gateway.lmn.obis import format_obis, format_scaled, unit_symbol
from gateway.lmn.status import PtbStatus
from gateway.tariffing.booking import Mark
from gateway.tariffing.periods import local_text

if TYPE_CHECKING:
    from gateway.tariffing.booking import Account, Booking, DayResult
    from gateway.tariffing.check import StatedFigure, TariffCheck
    from gateway.tariffing.periods import Period
    from gateway.tariffing.readings import MeterReading

MOST_DAYS: Final = 62
"""A table of more days is shown only if it is asked for."""


def as_json(outcome: TariffCheck) -> dict[str, Any]:
    """The outcome with stable keys; register codes are twelve hexadecimal digits, amounts integers."""
    accounts = outcome.accounts
    return {
        "usage_point": outcome.usage_point.usage_point_id,
        "taf": int(outcome.profile.use_case),
        "tariff": outcome.profile.tariff_id,
        "period": _period(outcome.profile.period),
        "registers": _amounts(outcome.registers),
        "days": [day for days in _days_by_date(accounts).values() for day in [_day(days)]],
        "unassigned": [_marked(each) for account in accounts for each in account.marked(Mark.UNASSIGNED)],
        "gaps": [_marked(each) for account in accounts for each in account.marked(Mark.GAP)],
        "originals": {account.original.obis.hex(): _original(account) for account in accounts},
        "stated": [_stated(figure) for figure in outcome.stated],
        "notes": [*outcome.uncovered, *outcome.notes],
        "good": outcome.good,
    }


def _period(period: Period) -> dict[str, str]:
    return {"from": local_text(period.begin), "to": local_text(period.end)}


def _amounts(registers: dict[bytes, int]) -> dict[str, int]:
    return {register.hex(): amount for register, amount in registers.items()}


def _original(account: Account) -> dict[str, Any]:
    return {
        "meter": account.original.meter,
        "amount": account.total,
        "unit": account.original.unit,
        "scaler": account.original.scaler,
        "from": account.bookings[0].begin.value,
        "to": account.bookings[-1].end.value,
        "covers": account.uncovered is None,
    }


def _days_by_date(accounts: Sequence[Account]) -> dict[str, list[tuple[Account, DayResult]]]:
    days: dict[str, list[tuple[Account, DayResult]]] = {}
    for account in accounts:
        for result in account.days():
            days.setdefault(result.day.isoformat(), []).append((account, result))
    return dict(sorted(days.items()))


def _day(results: list[tuple[Account, DayResult]]) -> dict[str, Any]:
    first = results[0][1]
    registers: dict[str, int] = {}
    for account, result in results:
        registers |= _amounts(result.registers(account.register_codes))
    complete = all(result.complete for _, result in results)
    return {"date": first.day.isoformat(), **_period(first.period), "registers": registers, "complete": complete}


def _marked(booking: Booking) -> dict[str, Any]:
    return {
        "from": local_text(booking.begin.at),
        "to": local_text(booking.end.at),
        "amount": booking.amount,
        "reason": booking.reason,
        "register": booking.register.hex(),
    }


def _stated(figure: StatedFigure) -> dict[str, Any]:
    return {
        "by": figure.by,
        "register": figure.register.hex(),
        "stated": figure.stated,
        "scaler": figure.scaler,
        "computed": figure.computed,
        "agrees": figure.agrees,
    }


def as_text(outcome: TariffCheck, with_days: bool | None) -> Iterator[str]:
    """The outcome for a person, paragraph by paragraph.

    :param with_days: whether to show the table of days; None: if there are not too many.
    """
    yield from _head(outcome)
    for account in outcome.accounts:
        yield ""
        yield from _registers(account)
        yield from _marks(account)
    days = _days_by_date(outcome.accounts)
    if with_days or (with_days is None and 1 < len(days) <= MOST_DAYS):
        yield ""
        yield from _day_table(outcome, days)
    if outcome.stated:
        yield ""
        yield from _stated_table(outcome)
    notes = [*outcome.uncovered, *outcome.notes]
    if notes:
        yield ""
        yield from (f"note: {note}" for note in notes)


def _head(outcome: TariffCheck) -> Iterator[str]:
    profile = outcome.profile
    usage_point = outcome.usage_point.usage_point_id or "(without an id)"
    yield f"usage point {usage_point}, {profile.use_case} {profile.tariff_id}"
    days = sum(1 for _ in profile.period.days())
    length = f"{days} day{'s' if days > 1 else ''}, {profile.period.seconds / 3_600:g} h"
    yield f"billing period {local_text(profile.period.begin)} to {local_text(profile.period.end)} ({length})"


def _scaled(account: Account, amount: int) -> str:
    return f"{format_scaled(amount, account.original.scaler)} {unit_symbol(account.original.unit)}".rstrip()


def _registers(account: Account) -> Iterator[str]:
    original = account.original
    period = original.registration_period
    every = f", every {period // 60} min" if period else ""
    count = f"{len(original.readings)} readings{every}{_quality(original.readings)}"
    yield f"{format_obis(original.obis)} of meter {original.meter}: {count}"
    names = {stage.register: f"stage {stage.number} {stage.description}".rstrip() for stage in account.stages.billed}
    names[account.stages.error_register] = "error register (Fehlerregister)"
    rows = [
        (format_obis(register), names[register], _scaled(account, amount))
        for register, amount in account.registers.items()
    ]
    first, last = account.bookings[0].begin.value, account.bookings[-1].end.value
    ends = f"the meter: {format_scaled(first, original.scaler)} to {format_scaled(last, original.scaler)}"
    yield from _table([*rows, (format_obis(original.obis), ends, _scaled(account, account.total))])


def _quality(readings: Sequence[MeterReading]) -> str:
    unusable = sum(not reading.usable for reading in readings)
    substitutes = sum(reading.status is PtbStatus.TEMPORARY_ERROR for reading in readings)
    return (f", not usable: {unusable}" if unusable else "") + (
        f", substitute values (status 2): {substitutes}" if substitutes else ""
    )


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Columns side by side: the first two to the left, the others, which are amounts, to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  " + "  ".join(cells).rstrip()


def _marks(account: Account) -> Iterator[str]:
    for mark, heading in (
        (Mark.UNASSIGNED, "In the error register, because nobody can say which stage it belongs to:"),
        (Mark.GAP, "Readings are missing, but the stage did not change meanwhile:"),
    ):
        bookings = account.marked(mark)
        if bookings:
            yield heading
        for each in bookings:
            amount = _scaled(account, each.amount)
            yield f"  {local_text(each.begin.at)} to {local_text(each.end.at)}  {amount}  {each.reason}"


def _day_table(outcome: TariffCheck, days: dict[str, list[tuple[Account, DayResult]]]) -> Iterator[str]:
    codes = [code for account in outcome.accounts for code in account.register_codes]
    scales = {code: account for account in outcome.accounts for code in account.register_codes}
    rows: list[tuple[str, ...]] = [("day", "hours", *(format_obis(code) for code in codes))]
    for date, results in days.items():
        amounts = {
            code: _scaled(scales[code], amount)
            for account, result in results
            for code, amount in result.registers(account.register_codes).items()
        }
        hours = f"{results[0][1].period.seconds / 3_600:g}"
        incomplete = "" if all(result.complete for _, result in results) else " *"
        rows.append((date, hours + incomplete, *(amounts.get(code, "-") for code in codes)))
    yield from _table(rows)
    if any(row[1].endswith("*") for row in rows):
        yield "  * no reading of its first or last moment: what spans midnight counts on the day on which it ends"


def _stated_table(outcome: TariffCheck) -> Iterator[str]:
    yield "Figures in the documents:"
    scales = {code: account for account in outcome.accounts for code in account.register_codes}
    scales |= {account.original.obis: account for account in outcome.accounts}
    rows: list[tuple[str, ...]] = []
    for figure in outcome.stated:
        unit = unit_symbol(scales[figure.register].original.unit)
        stated = f"{format_scaled(figure.stated, figure.scaler)} {unit}".rstrip()
        computed = f"{format_scaled(figure.computed, figure.computed_scaler)} {unit}".rstrip()
        verdict = "agrees" if figure.agrees else f"DIFFERS: computed {computed}"
        rows.append((f"the {figure.by}'s", format_obis(figure.register), stated, verdict))
    yield from _table(rows)
