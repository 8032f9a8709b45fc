"""When which tariff stage holds, day by day, days alike put together (Umschaltzeiten)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from gateway.han.languages import Language
from gateway.han.page.languages import clock_text, weekday
from gateway.han.page.shown import stage_name
from gateway.han.page_data import ContractView, SwitchView
from gateway.tariffing.periods import DAY, dates, local_date, midnight

DAYS: Final = 7
"""As many days as switches are given for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Days on which the same holds.

    :ivar days: in words.
    :ivar entries: time of day, and what holds from then on.
    """

    days: str
    entries: tuple[tuple[str, str], ...]


def plans(contract: ContractView, language: Language) -> tuple[Plan, ...]:
    """What the calendar of a contract switches, from Monday on; empty where it has none."""
    if not contract.switches:
        return ()
    names = {stage.number: stage_name(stage, language) for stage in contract.stages if not stage.is_error}
    first = local_date(contract.switches[0].at)
    alike: dict[tuple[tuple[str, str], ...], list[date]] = {}
    for day in sorted(dates(first, first + (DAYS - 1) * DAY), key=date.weekday):
        entries = tuple(
            (clock_text(switch.at, language), names.get(switch.stage, str(switch.stage)))
            for switch in _of_day(contract.switches, day)
        )
        alike.setdefault(entries, []).append(day)
    return tuple(Plan(_days_text(days, language), entries) for entries, days in alike.items())


def _of_day(switches: Sequence[SwitchView], day: date) -> Iterator[SwitchView]:
    begin, end = midnight(day), midnight(day + DAY)
    holds = next((switch for switch in reversed(switches) if switch.at <= begin), None)
    if holds is not None:
        yield SwitchView(begin, holds.stage)
    for switch in switches:
        if begin < switch.at < end and (holds is None or switch.stage != holds.stage):
            holds = switch
            yield switch


def _days_text(days: Sequence[date], language: Language) -> str:
    """Days of a week in words; three or more in a row by the first and the last."""
    runs: list[list[date]] = []
    for day in days:
        if runs and day.weekday() == runs[-1][-1].weekday() + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    until = "bis" if language is Language.GERMAN else "to"
    texts: list[str] = []
    for run in runs:
        if len(run) > 2:
            texts.append(f"{weekday(run[0], language)} {until} {weekday(run[-1], language)}")
        else:
            texts += [weekday(day, language) for day in run]
    return ", ".join(texts)
