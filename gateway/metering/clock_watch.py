"""Whether the gateway's clock was moved, as far as metering sees it: against what passes evenly, and what was read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from sqlalchemy import Engine, func, select

from gateway.logs.events import EventId
from gateway.logs.store import Note
from gateway.metering.rules import DEFAULT_PERIOD, MIN_PERIOD, ListProfile, tolerance
from gateway.metering.schema import list_registers
from lifecycle.canonical import format_time, parse_time


class ClockWatch:
    """The clock of one gateway.

    :param gateway: identification, DIN 43863-5.
    :param engine: the database, with the readings that were kept.
    :param clock: the time, UTC.
    :param elapsed: nanoseconds that pass evenly whatever the clock is set to.
    """

    def __init__(self, gateway: str, engine: Engine, clock: Callable[[], datetime], elapsed: Callable[[], int]) -> None:
        self._gateway = gateway
        self._engine = engine
        self._clock = clock
        self._elapsed = elapsed
        self._watched: tuple[datetime, int] | None = None

    def moved(self, profiles: Iterable[ListProfile]) -> tuple[Note, datetime] | None:
        """What to log if the clock was moved by more than 3 % of the smallest period, and when it was found to be."""
        now, ticks = self._clock(), self._elapsed()
        if self._watched is not None:
            off = now - self._watched[0] - timedelta(microseconds=(ticks - self._watched[1]) // 1000)
            if abs(off) <= 3 * tolerance(MIN_PERIOD):  # whatever the periods are
                return None
        period = min((each.period for each in profiles if each.period is not None), default=DEFAULT_PERIOD)
        if self._watched is None:
            latest = self._latest_captured()
            if latest is not None and now < latest - tolerance(period):
                told = {"before": format_time(latest), "now": format_time(now)}
                return Note(EventId.CLOCK_SET_BACK, told), now
            self._watched = (now, ticks)
            return None
        if abs(off) <= 3 * tolerance(period):
            return None
        milliseconds = off // timedelta(milliseconds=1)
        return Note(EventId.CLOCK_JUMPED, {"milliseconds": milliseconds, "now": format_time(now)}), now

    def go_on(self) -> None:
        """From now on: what there was to say of it is written down."""
        self._watched = (self._clock(), self._elapsed())

    def _latest_captured(self) -> datetime | None:
        query = select(func.max(list_registers.c.captured)).where(list_registers.c.gateway == self._gateway)
        with self._engine.connect() as connection:
            found = connection.execute(query).scalar_one()
        return None if found is None else parse_time(found)
