"""Contracts as tables: a ``[[contract]]`` of a TOML file, and the same as JSON. What is wrong is named with its key.

    [[contract]]
    id = "01005e318021.taf2-1.sm"
    name = "Strom Tag und Nacht"
    consumer = "anna.sm"
    metering_point = "DE0001234567890000000000000000042"
    meter = "1EMH0012345678"
    registers = ["1-0:1.8.0"]
    taf = 2
    start = 2026-01-01                   # the day's begin in Germany; or a time with its offset
    billing = "month"                    # or "quarter", "year"
    supplier = "9900000000001"
    retention_days = 1100
    default_stage = 1

    [[contract.stage]]
    number = 1
    register = "1-0:1.8.1"
    name = "NT"

    [[contract.stage]]
    number = 2
    register = "1-0:1.8.2"
    name = "HT"

    [[contract.calendar]]
    [[contract.calendar.day_profile]]
    names = ["every day"]
    switches = { "00:00" = 1, "06:00" = 2, "21:00" = 1 }

Further keys: ``end``, ``participants``, ``delivery``, ``on_demand``, ``transparent``. A calendar also has tables
``week`` (``name``, ``monday`` to ``sunday``: names of day profiles), ``season`` (``name``, ``start``, ``week``) and
``special_day`` (``day_profile``, and of ``year``, ``month``, ``day_of_month``, ``day_of_week`` those that are named). A
contract also has ``threshold`` (``over``, ``under``: ``value``, ``scaler``, ``unit``; ``reading_list``, ``direction``),
``event`` (``number``, ``begin``, ``end``, ``stage``, ``threshold``), ``extreme`` (``count``, ``maximum``) and one
``prepayment`` (``available``, ``begin``, ``end``, ``breakers``, ``threshold``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from gateway.contract_table import ContractFileError, Table
from gateway.contracts import Billing, Contract
from gateway.lmn.obis import format_obis
from gateway.tariffing.calendar import DayProfile, Season, SpecialDay, TariffCalendar, WeekProfile
from gateway.tariffing.errors import ProfileError
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
from lifecycle.canonical import canonical, format_time

__all__ = ["ContractFileError", "canonical_contract", "contract_table", "read_contract"]

_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_USE_CASES: Final = {int(use_case): use_case for use_case in UseCase}
_LONGEST_RETENTION: Final = 3_660
_UNITS: Final = 255


def read_contract(table: Mapping[str, object], where: str) -> Contract:
    """The contract of one table, as TOML or JSON has it.

    :param where: what the table stands in; begins each error.
    :raises ContractFileError: if anything in it is wrong.
    """
    name = table.get("id")
    top = Table(f"{where}: contract {name}" if isinstance(name, str) else f"{where}: contract", table)
    try:
        contract = _contract(top)
    except ContractFileError:
        raise
    except ProfileError as error:
        raise ContractFileError(f"{where}: {error}") from error
    top.close()
    return contract


def _contract(top: Table) -> Contract:
    return Contract(
        id=top.text("id"),
        name=top.text("name"),
        consumer=top.text("consumer"),
        metering_point=top.text("metering_point"),
        meter=top.text("meter"),
        registers=tuple(top.obis_of("registers", code) for code in top.texts("registers")),
        use_case=top.choice("taf", _USE_CASES),
        start=top.instant("start"),
        end=top.instant("end") if "end" in top else None,
        billing=top.choice("billing", {each.value: each for each in Billing}),
        supplier=top.text("supplier"),
        retention=timedelta(days=top.integer("retention_days", 1, _LONGEST_RETENTION)),
        stages=tuple(map(_stage, top.tables("stage"))),
        default_stage=top.integer("default_stage", 0, _UNITS, otherwise=1),
        calendars=tuple(map(_calendar, top.tables("calendar"))),
        thresholds=tuple(map(_threshold, top.tables("threshold"))),
        events=tuple(map(_event, top.tables("event"))),
        prepayment=_prepayment(top.table("prepayment")) if "prepayment" in top else None,
        extremes=tuple(map(_extreme, top.tables("extreme"))),
        participants=tuple(top.texts("participants", otherwise=())),
        delivery=top.text("delivery", otherwise=""),
        on_demand=top.boolean("on_demand", otherwise=False),
        transparent=top.boolean("transparent", otherwise=True),
    )


def _stage(table: Table) -> TariffStage:
    register = table.obis_of("register", table.text("register"))
    return TariffStage(table.integer("number", 0, _UNITS), register, table.text("name", otherwise=""))


def _calendar(table: Table) -> TariffCalendar:
    profiles = tuple(map(_day_profile, table.tables("day_profile")))
    weeks: dict[str, WeekProfile] = {}
    for each in table.tables("week"):
        week = WeekProfile(each.text("name"), tuple(each.text(day) if day in each else None for day in _WEEKDAYS))
        if weeks.setdefault(week.name, week) is not week:
            raise each.error("name", f"a second week {week.name!r}")
    seasons = tuple(
        Season(each.text("name"), each.day("start"), each.choice("week", weeks)) for each in table.tables("season")
    )
    specials = tuple(map(_special_day, table.tables("special_day")))
    with table.naming():
        return TariffCalendar(profiles, tuple(weeks.values()), seasons, specials)


def _day_profile(table: Table) -> DayProfile:
    names = tuple(table.texts("names"))
    switches = table.table("switches")
    entries = tuple((table.second_of("switches", at), switches.integer(at, 0, _UNITS)) for at in switches)
    with table.naming():
        return DayProfile(names, entries)


def _special_day(table: Table) -> SpecialDay:
    parts = (("year", 0xFFFF), ("month", 0xFF), ("day_of_month", 0xFF), ("day_of_week", 0xFF))
    year, month, day, weekday = (table.integer(name, 1, most) if name in table else None for name, most in parts)
    with table.naming():
        return SpecialDay(table.text("day_profile"), year, month, day, weekday)


def _quantity(table: Table) -> Quantity:
    unit = table.integer("unit", 1, _UNITS) if "unit" in table else None
    return Quantity(table.integer("value"), table.integer("scaler", -12, 12, otherwise=0), unit)


def _threshold(table: Table) -> Threshold:
    over, under = _quantity(table.table("over")), _quantity(table.table("under"))
    direction = table.integer("direction", 0, _UNITS) if "direction" in table else None
    return Threshold(over, under, table.text("reading_list", otherwise=""), direction)


def _period(table: Table) -> Period:
    with table.naming():
        return Period(table.instant("begin"), table.instant("end"))


def _event(table: Table) -> ExternalEvent:
    number, stage = table.integer("number", 0), table.integer("stage", 0, _UNITS)
    return ExternalEvent(number, _period(table), stage, tuple(map(_threshold, table.tables("threshold"))))


def _prepayment(table: Table) -> Prepayment:
    breakers = tuple(table.texts("breakers", otherwise=()))
    thresholds = tuple(map(_threshold, table.tables("threshold")))
    return Prepayment(_quantity(table.table("available")), _period(table), breakers, thresholds)


def _extreme(table: Table) -> ExtremeCount:
    return ExtremeCount(table.integer("count", 1, 1_000), table.boolean("maximum"))


def canonical_contract(contract: Contract) -> bytes:
    """The bytes of a contract that are signed (RFC 8785): :func:`contract_table`, which :func:`read_contract` reads."""
    return canonical(contract_table(contract))


def contract_table(contract: Contract) -> dict[str, Any]:
    """A contract as a table of texts, integers and truth values."""
    return _without_nothing(
        {
            "id": contract.id,
            "name": contract.name,
            "consumer": contract.consumer,
            "metering_point": contract.metering_point,
            "meter": contract.meter,
            "registers": [format_obis(register) for register in contract.registers],
            "taf": int(contract.use_case),
            "start": format_time(contract.start),
            "end": None if contract.end is None else format_time(contract.end),
            "billing": str(contract.billing),
            "supplier": contract.supplier,
            "retention_days": contract.retention // timedelta(days=1),
            "default_stage": contract.default_stage,
            "stage": [
                {"number": stage.number, "register": format_obis(stage.register), "name": stage.description}
                for stage in contract.stages
            ],
            "calendar": list(map(_calendar_table, contract.calendars)),
            "threshold": list(map(_threshold_table, contract.thresholds)),
            "event": [
                {"number": event.number, "stage": event.stage, **_timed(event.period, event.thresholds)}
                for event in contract.events
            ],
            "prepayment": None if contract.prepayment is None else _prepayment_table(contract.prepayment),
            "extreme": [{"count": each.count, "maximum": each.maximum} for each in contract.extremes],
            "participants": list(contract.participants),
            "delivery": contract.delivery,
            "on_demand": contract.on_demand,
            "transparent": contract.transparent,
        }
    )


def _calendar_table(calendar: TariffCalendar) -> dict[str, Any]:
    weeks = {week.name: week for week in (*calendar.weeks, *(season.week for season in calendar.seasons))}
    return {
        "day_profile": [
            {"names": list(each.day_ids), "switches": {_clock(second): stage for second, stage in each.entries}}
            for each in calendar.day_profiles
        ],
        "week": [
            _without_nothing({"name": week.name, **dict(zip(_WEEKDAYS, week.day_ids, strict=True))})
            for week in weeks.values()
        ],
        "season": [
            {"name": each.name, "start": each.start.isoformat(), "week": each.week.name} for each in calendar.seasons
        ],
        "special_day": [
            _without_nothing(
                {
                    "day_profile": each.day_id,
                    "year": each.year,
                    "month": each.month,
                    "day_of_month": each.day_of_month,
                    "day_of_week": each.day_of_week,
                }
            )
            for each in calendar.special_days
        ],
    }


def _clock(second: int) -> str:
    return f"{second // 3_600:02}:{second // 60 % 60:02}:{second % 60:02}"


def _quantity_table(quantity: Quantity) -> dict[str, Any]:
    return _without_nothing({"value": quantity.value, "scaler": quantity.scaler, "unit": quantity.unit})


def _threshold_table(threshold: Threshold) -> dict[str, Any]:
    return _without_nothing(
        {
            "over": _quantity_table(threshold.over),
            "under": _quantity_table(threshold.under),
            "reading_list": threshold.reading_list,
            "direction": threshold.direction,
        }
    )


def _timed(period: Period, thresholds: tuple[Threshold, ...]) -> dict[str, Any]:
    return {
        "begin": format_time(period.begin),
        "end": format_time(period.end),
        "threshold": list(map(_threshold_table, thresholds)),
    }


def _prepayment_table(prepaid: Prepayment) -> dict[str, Any]:
    return {
        "available": _quantity_table(prepaid.available),
        "breakers": list(prepaid.breakers),
        **_timed(prepaid.tolerance, prepaid.thresholds),
    }


def _without_nothing(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value is not None}
