"""The tariff calendar (Tarifschaltuhr): day profiles, weeks, seasons and special days, in German local time.

What holds at an instant is what the day's profile says of the time that clocks show then. When clocks are set back in
October, the hour from two to three is therefore switched twice alike; when they are set forward in March, what was to
begin between two and three begins at three. Before the first entry of a day, and on a day that has no profile, the
default stage holds.
"""

from __future__ import annotations

import calendar
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Final

from gateway.tariffing.errors import ProfileError
from gateway.tariffing.periods import DAY, SECOND, Period, clock_change, midnight, offset_seconds
from gateway.tariffing.plans import StagePlan, Switch

_ANY_YEAR: Final = 0xFFFF
_ANY: Final = 0xFF
_LAST_OF_MONTH: Final = 0xFE
_SECOND_LAST: Final = 0xFD
_LONGEST_CYCLE: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class DayProfile:
    """The stages of a day (Tagesprofil).

    :ivar day_ids: the names that weeks and special days call it by.
    :ivar entries: second of the day and the stage from then on, in order.
    :raises ProfileError: if there is no entry, or two are of the same time but differ.
    """

    day_ids: tuple[str, ...]
    entries: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        ordered = tuple(sorted(set(self.entries)))
        if not ordered:
            raise ProfileError(f"day profile {self} has no entry")
        if len({second for second, _ in ordered}) < len(ordered):
            raise ProfileError(f"day profile {self} names two stages for one time")
        object.__setattr__(self, "entries", ordered)

    def __str__(self) -> str:
        return "/".join(self.day_ids)

    @property
    def stages(self) -> set[int]:
        """The stages that it switches to."""
        return {stage for _, stage in self.entries}

    def stage_at(self, second: int, default: int) -> int:
        """The stage at a second of the day by the clock."""
        return next((stage for begin, stage in reversed(self.entries) if begin <= second), default)


@dataclass(frozen=True, slots=True)
class WeekProfile:
    """The day profiles of a week (Wochenprofil), Monday first; None for a day without one."""

    name: str
    day_ids: tuple[str | None, ...]

    def __post_init__(self) -> None:
        if len(self.day_ids) != 7:
            raise ProfileError(f"week profile {self.name} has {len(self.day_ids)} days")


@dataclass(frozen=True, slots=True)
class Season:
    """A week profile that holds from a date on (Saisonprofil). Seasons within one year return every year."""

    name: str
    start: date
    week: WeekProfile


@dataclass(frozen=True, slots=True)
class SpecialDay:
    """A date, or a rule for dates, with its day profile (Sondertag). None stands for any.

    :ivar day_of_week: 1 is Monday; of no meaning where year, month and day name one date.
    :ivar day_of_month: 1 to 31; 254 is the last of the month, 253 the one before.
    :raises ProfileError: if it names no day at all, or an impossible one.
    """

    day_id: str
    year: int | None = None
    month: int | None = None
    day_of_month: int | None = None
    day_of_week: int | None = None

    def __post_init__(self) -> None:
        if self.fixed == 0:
            raise ProfileError(f"a special day with profile {self.day_id} names no day")
        if self.month not in (None, _ANY) and not 1 <= self.month <= 12:
            raise ProfileError(f"a special day with profile {self.day_id} is in month {self.month}")
        if self._day not in (None, _LAST_OF_MONTH, _SECOND_LAST) and not 1 <= self._day <= 31:
            raise ProfileError(f"a special day with profile {self.day_id} is day {self._day} of the month")
        if self.named_date is None and self._weekday is not None and not 1 <= self._weekday <= 7:
            raise ProfileError(f"a special day with profile {self.day_id} is day {self._weekday} of the week")

    @property
    def _year(self) -> int | None:
        return None if self.year == _ANY_YEAR else self.year

    @property
    def _month(self) -> int | None:
        return None if self.month == _ANY else self.month

    @property
    def _day(self) -> int | None:
        return None if self.day_of_month == _ANY else self.day_of_month

    @property
    def _weekday(self) -> int | None:
        return None if self.day_of_week == _ANY else self.day_of_week

    @property
    def named_date(self) -> date | None:
        """The one date that it is; None if it is a rule.

        :raises ProfileError: if there is no such date.
        """
        if (
            self._year is None
            or self._month is None
            or self._day is None
            or self._day in (_LAST_OF_MONTH, _SECOND_LAST)
        ):
            return None
        try:
            return date(self._year, self._month, self._day)
        except (ValueError, OverflowError) as error:
            raise ProfileError(
                f"a special day with profile {self.day_id} is {self._year}-{self._month}-{self._day}: {error}"
            ) from error

    @property
    def fixed(self) -> int:
        """How many of its parts are named: the more, the more it weighs."""
        return sum(part is not None for part in (self._year, self._month, self._day, self._weekday))

    def matches(self, day: date) -> bool:
        """Whether a date is this special day."""
        if self._year not in (None, day.year) or self._month not in (None, day.month):
            return False
        if self._day is not None and day.day != self._day_in(day):
            return False
        return self.named_date is not None or self._weekday in (None, day.isoweekday())

    def _day_in(self, day: date) -> int | None:
        if self._day in (_LAST_OF_MONTH, _SECOND_LAST):
            return calendar.monthrange(day.year, day.month)[1] - (self._day == _SECOND_LAST)
        return self._day


@dataclass(frozen=True)
class TariffCalendar:
    """When which stage holds, as an evaluation profile says it.

    :raises ProfileError: if a day is called by a name that no day profile has, or by one that two have.
    """

    day_profiles: tuple[DayProfile, ...]
    weeks: tuple[WeekProfile, ...] = ()
    seasons: tuple[Season, ...] = ()
    special_days: tuple[SpecialDay, ...] = ()

    def __post_init__(self) -> None:
        names = [name for profile in self.day_profiles for name in profile.day_ids]
        if len(set(names)) < len(names):
            raise ProfileError(f"two day profiles are called {next(name for name in names if names.count(name) > 1)}")
        for name in sorted(self._called() - set(names)):
            raise ProfileError(f"there is no day profile {name}; there are: {', '.join(names)}")

    def _called(self) -> set[str]:
        in_weeks = {name for week in self._all_weeks() for name in week.day_ids if name is not None}
        return in_weeks | {special.day_id for special in self.special_days}

    def _all_weeks(self) -> Iterator[WeekProfile]:
        yield from self.weeks
        yield from (season.week for season in self.seasons)

    @property
    def stages(self) -> set[int]:
        """The stages that it ever switches to."""
        return {stage for profile in self.day_profiles for stage in profile.stages}

    def restricted_to(self, stages: Container[int]) -> TariffCalendar | None:
        """What of it concerns one register: the day profiles that know only its stages. None if there are none.

        Import and export can have profiles of their own for the same days.
        """
        kept = tuple(profile for profile in self.day_profiles if all(stage in stages for stage in profile.stages))
        if not kept:
            return None
        names = {name for profile in kept for name in profile.day_ids}

        def week(whole: WeekProfile) -> WeekProfile:
            return replace(whole, day_ids=tuple(name if name in names else None for name in whole.day_ids))

        weeks = (week(each) for each in self.weeks)
        seasons = (replace(season, week=week(season.week)) for season in self.seasons)
        return TariffCalendar(
            kept,
            tuple(each for each in weeks if any(each.day_ids)),
            tuple(season for season in seasons if any(season.week.day_ids)),
            tuple(special for special in self.special_days if special.day_id in names),
        )

    def profile_of(self, day: date) -> DayProfile | None:
        """The profile of a date: the special day's, else the season's or the week's, else the one for all days.

        :raises ProfileError: if two equally special days claim it, or weeks or day profiles leave open which holds.
        """
        name = self._special(day) or self._of_week(day)
        if name is not None:
            return next(profile for profile in self.day_profiles if name in profile.day_ids)
        return None if self.weeks or self.seasons else self._for_all_days()

    def _special(self, day: date) -> str | None:
        matching = [special for special in self._special_days_of(day) if special.matches(day)]
        weight = max((special.fixed for special in matching), default=0)
        names = sorted({special.day_id for special in matching if special.fixed == weight})
        if len(names) > 1:
            raise ProfileError(f"{day} is a special day with profiles {' and '.join(names)}")
        return names[0] if names else None

    def _special_days_of(self, day: date) -> list[SpecialDay]:
        by_date, rules = self._special_by_date
        return by_date.get(day, []) + rules

    @cached_property
    def _special_by_date(self) -> tuple[dict[date, list[SpecialDay]], list[SpecialDay]]:
        by_date: dict[date, list[SpecialDay]] = {}
        rules = []
        for special in self.special_days:
            named = special.named_date
            if named is None:
                rules.append(special)
            else:
                by_date.setdefault(named, []).append(special)
        return by_date, rules

    def _of_week(self, day: date) -> str | None:
        if self.seasons:
            return self._season_of(day).week.day_ids[day.weekday()]
        if len(self.weeks) > 1:
            raise ProfileError(f"{len(self.weeks)} week profiles and no season that says which holds")
        return self.weeks[0].day_ids[day.weekday()] if self.weeks else None

    def _season_of(self, day: date) -> Season:
        ordered = sorted(self.seasons, key=lambda season: season.start)
        if ordered[-1].start - ordered[0].start >= _LONGEST_CYCLE:
            return next((season for season in reversed(ordered) if season.start <= day), ordered[0])
        in_year = sorted(ordered, key=lambda season: (season.start.month, season.start.day))
        begun = [season for season in in_year if (season.start.month, season.start.day) <= (day.month, day.day)]
        return (begun or in_year)[-1]

    def _for_all_days(self) -> DayProfile | None:
        special = {each.day_id for each in self.special_days}
        ordinary = [profile for profile in self.day_profiles if special.isdisjoint(profile.day_ids)]
        if len(ordinary) > 1:
            raise ProfileError(
                f"day profiles {', '.join(map(str, ordinary))}, and neither week nor special day says which holds when"
            )
        return ordinary[0] if ordinary else None

    def plan(self, period: Period, default: int) -> StagePlan:
        """The stages of a period."""
        switches: list[Switch] = []
        for day, _ in period.days():
            profile = self.profile_of(day)
            switches += [Switch(midnight(day), default)] if profile is None else _switches(day, profile, default)
        return StagePlan.of(period, switches, default)

    def days_without_profile(self, period: Period) -> list[date]:
        """The dates of a period on which only the default holds."""
        return [day for day, _ in period.days() if self.profile_of(day) is None]


def _switches(day: date, profile: DayProfile, default: int) -> Iterator[Switch]:
    """What a day's profile switches, at the instants at which clocks show its times."""
    begin, end = midnight(day), midnight(day + DAY)
    change = clock_change(begin, end)
    yield Switch(begin, default)
    if change is None:
        yield from (Switch(begin + second * SECOND, stage) for second, stage in profile.entries)
        return
    shown = _shown_at(change)
    yield from _until(profile, begin, change)
    yield Switch(change, profile.stage_at(shown, default))
    yield from (
        Switch(change + (second - shown) * SECOND, stage) for second, stage in profile.entries if second > shown
    )


def _until(profile: DayProfile, begin: datetime, change: datetime) -> Iterator[Switch]:
    for second, stage in profile.entries:
        if begin + second * SECOND < change:
            yield Switch(begin + second * SECOND, stage)


def _shown_at(change: datetime) -> int:
    """The second of the day that clocks show just after they were set."""
    shown = change.astimezone(UTC) + offset_seconds(change) * SECOND
    return shown.hour * 3_600 + shown.minute * 60 + shown.second
