"""The original reading list (originäre Messwertliste) as profiles have it kept: readings and gaps, chained and signed.

Each register of each meter has a list of its own. What :meth:`ReadingList.take` has returned survives the loss of
power; where the disk is full nothing of it is kept, and the same readings can be given again when there is room.
Entries are never changed. They are deleted when their time is over, the oldest first, and each deletion leaves a line
that says what it was.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from gateway.logs.events import EventId
from gateway.logs.store import LogStore, LogWriting, Note
from gateway.metering.clock_watch import ClockWatch
from gateway.metering.entries import Deletion
from gateway.metering.list_reading import ListReading
from gateway.metering.list_writing import ListWriting, seen_of, told_of_gap, told_of_reading
from gateway.metering.readings import OriginalReading
from gateway.metering.retention import Retention
from gateway.metering.rules import (
    Cause,
    Gap,
    ListProfile,
    Register,
    Ruling,
    Seen,
    Verdict,
    after,
    missed,
    rule,
)
from gateway.metering.schema import list_registers, of_register
from gateway.metering.status import Mark
from gateway.sealing import DigestSigner, Line

_MAX_UNKNOWN: Final = 64
"""How many meters without a profile are told of, until the next start."""
_LOGGED: Final = {
    Mark.RAN_BACK: EventId.REGISTER_RAN_BACK,
    Mark.UNIT_CHANGED: EventId.UNIT_CHANGED,
    Mark.METER_FATAL: EventId.METER_FATAL,
}
"""What the calibration log is told when a mark is on an entry and was not on the one before: what lasts is told once,
or a faulty meter would fill it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a reading.

    :ivar reading: the reading.
    :ivar verdict: what became of it.
    :ivar number: of its entry, ``None`` where it was not kept.
    """

    reading: OriginalReading
    verdict: Verdict
    number: int | None = None


class ReadingList(ListReading):
    """The original reading lists of one gateway. Whether they may be written or read is for the port to ask.

    :param gateway: identification, DIN 43863-5.
    :param logs: the gateway's logs; entries and what is logged of them are kept together, in the logs' storage.
    :param profiles: the profiles as they are now, by register.
    :param clock: the time, UTC.
    :param elapsed: nanoseconds that pass evenly whatever the clock is set to; shows that it was moved.
    :param signer: signs what is relevant for billing.
    """

    def __init__(
        self,
        gateway: str,
        logs: LogStore,
        profiles: Callable[[], Mapping[Register, ListProfile]],
        *,
        clock: Callable[[], datetime],
        elapsed: Callable[[], int] = time.monotonic_ns,
        signer: DigestSigner | None = None,
    ) -> None:
        super().__init__(gateway, logs.storage, signed=signer is not None)
        self._logs = logs
        self._profiles = profiles
        self._clock = clock
        self._signer = signer
        self._watch = ClockWatch(gateway, logs.storage.engine, clock, elapsed)
        self._retention = Retention(gateway, logs, signer)
        self._one_at_a_time = threading.RLock()
        self._seen: dict[Register, Seen] = {}
        self._unknown: set[str] = set()
        self._jumped: datetime | None = None
        self._started = clock()

    def start(self) -> int:
        """Metering starts, after whatever stopped it: that is logged, and what was missed meanwhile becomes gaps.

        :returns: how many gaps were written down.
        :raises gateway.logs.store.LogFull: if the calibration log is full: then there is no metering (ch. 16).
        :raises gateway.storage.StorageFull: if there is no room.
        """
        with self._one_at_a_time:
            self._started = self._clock()
            with self._logs.writing() as writing:
                writing.write(Note(EventId.METERING_STARTED))
            return self.close_gaps()

    def take(self, readings: Sequence[OriginalReading]) -> list[Taken]:
        """Take readings; those that count are on the list when this returns, and survive the loss of power.

        :returns: what became of each, in order.
        :raises ProfileError: if one of them is not as a meter sends it; nothing is kept.
        :raises gateway.logs.store.LogFull: if something has to be logged and cannot; nothing is kept.
        :raises gateway.storage.StorageFull: if there is no room; nothing is kept.
        """
        with self._one_at_a_time:
            profiles = self._profiles()
            moved = self._watch.moved(profiles.values())
            idle = self._idle(profiles, readings) if moved is None else None
            if idle is not None:
                return idle
            jumped = self._jumped if moved is None else moved[1]
            unknown: set[str] = set()
            with self._logs.writing() as writing:
                if moved is not None:
                    writing.write(moved[0])
                lists = ListWriting(writing.connection, self._gateway, self._signer)
                taken = [self._take(writing, lists, profiles, reading, unknown, jumped) for reading in readings]
                seen = lists.finish()
            # Only now is it on the disk: what failed has changed nothing here either.
            self._remember(profiles, seen)
            self._unknown |= unknown
            self._jumped = jumped
            self._watch.go_on()
            return taken

    def close_gaps(self) -> int:
        """Write down the raster points that have passed without a reading, of every register that has a profile.

        How long its entries are kept by that profile is written down too, where that is new.

        :returns: how many gaps were written down.
        :raises gateway.storage.StorageFull: if there is no room; those before it are kept.
        """
        with self._one_at_a_time:
            profiles = self._profiles()
            moved = self._watch.moved(profiles.values())
            if moved is not None:
                self._logs.write(moved[0])
                self._jumped = moved[1]
                self._watch.go_on()
            self._retention.promise(profiles)
            return sum(self._close_gap(profiles, profile) for profile in profiles.values() if profile.active)

    def _close_gap(self, profiles: Mapping[Register, ListProfile], profile: ListProfile) -> bool:
        seen, period, now = self._look(profile.register), profile.period, self._clock()
        if period is None or seen is None or seen.target is None or missed(seen.target, now, period) is None:
            return False
        with self._logs.writing() as writing:
            lists = ListWriting(writing.connection, self._gateway, self._signer)
            kept, _ = lists.place(profile)
            gap = missed(kept.target, now, period) if kept.target is not None else None
            if gap is not None:
                jumped = self._jumped is not None and kept.captured is not None and kept.captured < self._jumped
                self._keep_gap(writing, lists, profile, gap, self._cause(gap, jumped=jumped))
            of_registers = lists.finish()
        self._remember(profiles, of_registers)
        return gap is not None

    def delete_expired(self) -> list[Deletion]:
        """Delete what is older than its profile has it kept; the clock must be right when this is called.

        Of a register that no profile has any more, the last that there was holds.

        Each list loses its oldest entries only, so one whose time lies ahead of the clock keeps those after it too. The
        consumer's log says what was deleted, unless it is full; the list itself always does. So that this is not said
        of each entry by itself, the oldest may stay a hundredth longer than it has to, a day at most.

        :raises gateway.storage.StorageFull: if there is no room; what was deleted before stays deleted.
        """
        with self._one_at_a_time:
            profiles = self._profiles()
            return self._retention.delete_expired(profiles, self._clock())

    # One reading

    def _idle(
        self, profiles: Mapping[Register, ListProfile], readings: Sequence[OriginalReading]
    ) -> list[Taken] | None:
        """What becomes of readings that change nothing, as far as is remembered: most are between two raster points.

        :returns: ``None`` where there may be something to write down.
        """
        taken = []
        for reading in readings:
            profile = _profile_of(profiles, reading)
            if profile is None:
                if reading.meter not in self._unknown and len(self._unknown) < _MAX_UNKNOWN:
                    return None
                taken.append(Taken(reading, Verdict.NO_PROFILE))
                continue
            seen = self._seen.get(profile.register)
            ruling = None if seen is None else rule(profile, seen, reading)
            if ruling is None or not ruling.is_idle:
                return None
            taken.append(Taken(reading, ruling.verdict))
        return taken

    def _take(
        self,
        writing: LogWriting,
        lists: ListWriting,
        profiles: Mapping[Register, ListProfile],
        reading: OriginalReading,
        unknown: set[str],
        jumped_at: datetime | None,
    ) -> Taken:
        profile = _profile_of(profiles, reading)
        if profile is None:
            known = self._unknown | unknown
            if reading.meter not in known and len(known) < _MAX_UNKNOWN:
                unknown.add(reading.meter)
                writing.write(Note(EventId.METER_UNKNOWN, {"meter": reading.meter[:64]}))
            return Taken(reading, Verdict.NO_PROFILE)
        seen, _ = lists.place(profile)
        jumped = jumped_at is not None and seen.captured is not None and seen.captured < jumped_at <= reading.captured
        restarted = seen.captured is not None and seen.captured < self._started <= reading.captured
        ruling = rule(profile, seen, reading, jumped=jumped, restarted=restarted)
        if ruling.gap is not None:
            self._keep_gap(writing, lists, profile, ruling.gap, self._cause(ruling.gap, jumped=jumped))
        number = None
        if ruling.verdict is Verdict.KEPT:
            number = self._keep(writing, lists, profile, reading, ruling).number
        elif ruling.verdict in {Verdict.DUPLICATE, Verdict.CONTRADICTION}:
            twice = ruling.verdict is Verdict.DUPLICATE
            event = EventId.READING_REPEATED if twice else EventId.READING_CONTRADICTED
            writing.write(Note(event, {"meter": reading.meter, "obis": reading.obis}))
        return Taken(reading, ruling.verdict, number)

    @staticmethod
    def _keep(
        writing: LogWriting, lists: ListWriting, profile: ListProfile, reading: OriginalReading, ruling: Ruling
    ) -> Line:
        seen, _ = lists.place(profile)
        line = lists.append(profile, told_of_reading(reading, ruling), after(seen, reading, ruling))
        for mark in sorted(ruling.marks - seen.marks):
            if mark in _LOGGED:
                where: dict[str, str | int] = {"meter": reading.meter, "obis": reading.obis, "entry": line.number}
                writing.write(Note(_LOGGED[mark], where))
        return line

    @staticmethod
    def _keep_gap(writing: LogWriting, lists: ListWriting, profile: ListProfile, gap: Gap, cause: Cause) -> None:
        seen, _ = lists.place(profile)
        told = told_of_gap(gap, cause, seen.epoch)
        lists.append(profile, told, replace(seen, target=gap.last, highest=max(gap.last, seen.highest or gap.last)))
        writing.write(
            Note(
                EventId.READINGS_MISSING,
                {
                    "meter": profile.meter,
                    "obis": profile.obis,
                    "count": gap.count,
                    "since": told["target"],
                    "until": told["until"],
                    "cause": told["cause"],
                },
            )
        )

    def _cause(self, gap: Gap, *, jumped: bool) -> Cause:
        if jumped:
            return Cause.CLOCK_JUMPED
        return Cause.RESTART if gap.first <= self._started else Cause.NOTHING_CAME

    # What was seen of a register

    def _look(self, register: Register) -> Seen | None:
        """What was seen of a register, remembered or read; ``None`` where it has no list."""
        if register in self._seen:
            return self._seen[register]
        with self._engine.connect() as connection:
            row = connection.execute(of_register(list_registers, self._gateway, register)).one_or_none()
        return None if row is None else seen_of(row)

    def _remember(self, profiles: Mapping[Register, ListProfile], seen: Mapping[Register, Seen]) -> None:
        self._seen |= seen
        if len(self._seen) > len(profiles):  # of registers that have a profile no longer
            self._seen = {register: kept for register, kept in self._seen.items() if register in profiles}


def _profile_of(profiles: Mapping[Register, ListProfile], reading: OriginalReading) -> ListProfile | None:
    profile = profiles.get((reading.meter, reading.obis))
    return profile if profile is not None and profile.active else None
