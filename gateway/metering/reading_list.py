"""The original reading list (originäre Messwertliste) as profiles have it kept: readings and gaps, chained and signed.

Each register of each meter has a list of its own. What :meth:`ReadingList.take` has returned survives the loss of
power; where the disk is full nothing of it is kept, and the same readings can be given again when there is room.
Entries are never changed. They are deleted when their time is over, the oldest first, and each deletion leaves a line
that says what it was.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.logs.events import EventId, Log
from gateway.logs.store import LogStore, LogWriting, Note
from gateway.metering.rules import (
    DEFAULT_PERIOD,
    Cause,
    Gap,
    ListProfile,
    ProfileError,
    Ruling,
    Seen,
    Verdict,
    after,
    missed,
    rule,
    tolerance,
)
from gateway.metering.schema import list_deletions, list_entries, list_registers
from gateway.metering.status import Mark, PtbStatus, ptb_status, status_of
from gateway.metering.store import OriginalReading
from gateway.sealing import (
    Broken,
    DigestSigner,
    End,
    Line,
    Seal,
    Verifies,
    columns_of,
    first_broken,
    genesis,
    kept_line,
    line_after,
)
from lifecycle.canonical import format_time, parse_time

MAX_READ = 5000
"""How many entries are read at once."""
_MAX_UNKNOWN: Final = 64
"""How many meters without a profile are told of, until the next start."""
_LOGGED: Final = {
    Mark.RAN_BACK: EventId.REGISTER_RAN_BACK,
    Mark.UNIT_CHANGED: EventId.UNIT_CHANGED,
    Mark.METER_FATAL: EventId.METER_FATAL,
}
"""What the calibration log is told when a mark is on an entry and was not on the one before: what lasts is told once,
or a faulty meter would fill it."""

Register = tuple[str, str]
"""Meter and OBIS code."""


@dataclass(frozen=True, slots=True)
class ListEntry:
    """A line of the original reading list.

    :ivar meter: server id of the meter, hexadecimal.
    :ivar obis: OBIS code, 12 hexadecimal digits.
    :ivar number: running number in the list of the register.
    :ivar consumer: whose metering it is.
    :ivar epoch: how often the clock had been set back.
    :ivar target: target time, the raster point that it counts for, UTC; of a gap, the first point missed.
    :ivar captured: capture time, ``None`` in a gap.
    :ivar value: integer as the meter sent it, ``None`` in a gap; times ten to the power of *scaler* it is in *unit*.
    :ivar scaler: power of ten.
    :ivar unit: DLMS unit, ``None`` where the meter names none.
    :ivar status: 64 bits, the gateway's word before the meter's.
    :ivar marks: what the gateway noticed.
    :ivar flags: what the codec noticed.
    :ivar until: of a gap, the last point missed.
    :ivar missing: of a gap, how many points were missed; else 0.
    :ivar cause: of a gap, why.
    :ivar hash: SHA-256 of the entry, hexadecimal.
    :ivar seal: the gateway's signature, where it is relevant for billing.
    """

    meter: str
    obis: str
    number: int
    consumer: str
    epoch: int
    target: datetime | None
    captured: datetime | None
    value: int | None
    scaler: int
    unit: int | None
    status: int
    marks: frozenset[Mark]
    flags: tuple[str, ...]
    until: datetime | None
    missing: int
    cause: Cause | None
    hash: str
    seal: Seal | None

    @property
    def is_gap(self) -> bool:
        """Whether it says that there is no reading."""
        return self.missing > 0

    @property
    def ptb(self) -> PtbStatus:
        """What it is worth for billing."""
        return ptb_status(self.status)


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


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a deletion took away.

    :ivar meter: server id of the meter.
    :ivar obis: OBIS code.
    :ivar first: number of the first entry deleted.
    :ivar last: number of the last.
    :ivar count: how many.
    :ivar since: time of the first, UTC.
    :ivar until: time of the last.
    :ivar deleted: when they were deleted.
    :ivar last_hash: hash of the last entry deleted, which the list goes on from.
    :ivar digest: SHA-256 over the hashes of all of them, in order, hexadecimal.
    """

    meter: str
    obis: str
    first: int
    last: int
    count: int
    since: datetime
    until: datetime
    deleted: datetime
    last_hash: str
    digest: str

    def covers(self, lines: Sequence[Line]) -> bool:
        """Whether these lines, kept elsewhere, are just what was deleted."""
        return (
            [line.number for line in lines] == list(range(self.first, self.last + 1))
            and all(hashlib.sha256(line.body).hexdigest() == line.hash for line in lines)
            and _digest(line.hash for line in lines) == self.digest
        )


class ReadingList:
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
        self._gateway = gateway
        self._logs = logs
        self._engine = logs.storage.engine
        self._profiles = profiles
        self._clock = clock
        self._elapsed = elapsed
        self._signer = signer
        self._one_at_a_time = threading.RLock()
        self._seen: dict[Register, Seen] = {}
        self._unknown: set[str] = set()
        self._watched: tuple[datetime, int] | None = None
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
        profiles = self._profiles()
        with self._one_at_a_time:
            moved = self._clock_moved(profiles)
            if moved is None and all(self._is_idle(profiles, reading) for reading in readings):
                return [Taken(reading, self._ruled(profiles, reading).verdict) for reading in readings]
            jumped = self._jumped if moved is None else moved[1]
            seen: dict[Register, Seen] = {}
            unknown: set[str] = set()
            with self._logs.writing() as writing:
                if moved is not None:
                    writing.write(moved[0])
                taken = [self._take(writing, profiles, reading, seen, unknown, jumped) for reading in readings]
            # Only now is it on the disk: what failed has changed nothing here either.
            self._seen |= seen
            self._unknown |= unknown
            self._jumped = jumped
            self._watch()
            return taken

    def close_gaps(self) -> int:
        """Write down the raster points that have passed without a reading, of every register that has a profile.

        :returns: how many gaps were written down.
        :raises gateway.storage.StorageFull: if there is no room; those before it are kept.
        """
        profiles = self._profiles()
        with self._one_at_a_time:
            moved = self._clock_moved(profiles)
            if moved is not None:
                self._logs.write(moved[0])
                self._jumped = moved[1]
                self._watch()
            return sum(self._close_gap(profile) for profile in profiles.values() if profile.active)

    def _close_gap(self, profile: ListProfile) -> bool:
        seen, period, now = self._look(profile.register), profile.period, self._clock()
        if period is None or seen is None or seen.target is None or missed(seen.target, now, period) is None:
            return False
        gap = None
        with self._logs.writing() as writing:
            kept, end = self._row(writing.connection, profile.register)
            gap = missed(kept.target, now, period) if kept.target is not None else None
            if gap is not None:
                jumped = self._jumped is not None and kept.captured is not None and kept.captured < self._jumped
                kept, _ = self._keep_gap(writing, profile, kept, end, gap, self._cause(gap, jumped=jumped))
        self._seen[profile.register] = kept
        return gap is not None

    def entries(
        self,
        meter: str,
        obis: str,
        *,
        consumer: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        number: int = 0,
        limit: int = MAX_READ,
    ) -> list[ListEntry]:
        """Entries of a register's list, oldest first.

        :param consumer: only those of this consumer.
        :param since: only those whose time is later.
        :param until: only those whose time is not later.
        :param number: only those with a higher number.
        :param limit: how many at most, up to :data:`MAX_READ`.
        :raises ProfileError: if *limit* is too large or negative.
        """
        if not 0 <= limit <= MAX_READ:
            raise ProfileError(f"{limit} entries at once; at most {MAX_READ} are read")
        query = _of(list_entries, self._gateway, (meter, obis)).where(list_entries.c.number > number).limit(limit)
        if consumer is not None:
            query = query.where(list_entries.c.consumer == consumer)
        if since is not None:
            query = query.where(list_entries.c.time > format_time(since))
        if until is not None:
            query = query.where(list_entries.c.time <= format_time(until))
        with self._engine.connect() as connection:
            return [_entry(kept_line(row)) for row in connection.execute(query)]

    def lines(self, meter: str, obis: str) -> list[Line]:
        """The lines of a register's list as they are kept, oldest first."""
        with self._engine.connect() as connection:
            return [kept_line(row) for row in connection.execute(_of(list_entries, self._gateway, (meter, obis)))]

    def deletions(self, meter: str, obis: str) -> list[Deletion]:
        """What was deleted of a register's list, oldest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(_of(list_deletions, self._gateway, (meter, obis))).all()
        return [_deletion(kept_line(row)) for row in rows]

    def delete_expired(self) -> list[Deletion]:
        """Delete what is older than its profile has it kept; the clock must be right when this is called.

        Each list loses its oldest entries only, so one whose time lies ahead of the clock keeps those after it too. The
        consumer's log says what was deleted, unless it is full; the list itself always does.

        :raises gateway.storage.StorageFull: if there is no room; what was deleted before stays deleted.
        """
        done = []
        with self._one_at_a_time:
            for profile in self._profiles().values():
                with self._logs.writing() as writing:
                    deletion = self._delete(writing, profile, self._clock())
                if deletion is not None:
                    done.append(deletion)
        return done

    def verify(self, meter: str, obis: str, *, verifies: Verifies | None = None) -> Broken | None:
        """Follow a register's list, from what was deleted of it to its end.

        :param verifies: checks signatures.
        :returns: the first broken line, of the deletions or of the entries; ``None`` where all are whole.
        """
        register = (meter, obis)
        with self._engine.connect() as connection:
            deleted = connection.execute(_of(list_deletions, self._gateway, register)).all()
            rows = connection.execute(_of(list_entries, self._gateway, register)).all()
            kept = connection.execute(_of(list_registers, self._gateway, register)).one_or_none()
        signed = self._signer is not None
        begin = genesis(gateway=self._gateway, meter=meter, obis=obis, list="deletions")
        lines = [(kept_line(row), _beside(row)) for row in deleted]
        end = End(lines[-1][0].number, lines[-1][0].hash) if lines else begin
        broken = first_broken(lines, begin, end, sealed=lambda _: signed, verifies=verifies)
        if broken is not None:
            return Broken(broken.number, f"of the deletions: {broken.reason}")
        start = self._genesis(register)
        if lines:
            last = _deletion(lines[-1][0])
            start = End(last.last, last.last_hash)
        return first_broken(
            [(kept_line(row), {**_beside(row), "consumer": row.consumer, "time": row.time}) for row in rows],
            start,
            End(kept.last, kept.last_hash) if kept is not None else start,
            sealed=lambda told: bool(told.get("billing")),
            verifies=verifies,
        )

    # The clock

    def _clock_moved(self, profiles: Mapping[Register, ListProfile]) -> tuple[Note, datetime] | None:
        """What to log if the clock was moved by more than 3 % of the smallest period, and when it was found to be."""
        now, ticks = self._clock(), self._elapsed()
        period = min((each.period for each in profiles.values() if each.period is not None), default=DEFAULT_PERIOD)
        if self._watched is None:
            latest = self._latest_captured()
            if latest is not None and now < latest - tolerance(period):
                told = {"before": format_time(latest), "now": format_time(now)}
                return Note(EventId.CLOCK_SET_BACK, told), now
            self._watched = (now, ticks)
            return None
        before, its_ticks = self._watched
        off = now - before - timedelta(microseconds=(ticks - its_ticks) // 1000)
        if abs(off) <= 3 * tolerance(period):
            return None
        milliseconds = off // timedelta(milliseconds=1)
        return Note(EventId.CLOCK_JUMPED, {"milliseconds": milliseconds, "now": format_time(now)}), now

    def _watch(self) -> None:
        self._watched = (self._clock(), self._elapsed())

    def _latest_captured(self) -> datetime | None:
        query = select(func.max(list_registers.c.captured)).where(list_registers.c.gateway == self._gateway)
        with self._engine.connect() as connection:
            found = connection.execute(query).scalar_one()
        return None if found is None else parse_time(found)

    # One reading

    def _is_idle(self, profiles: Mapping[Register, ListProfile], reading: OriginalReading) -> bool:
        """Whether a reading changes nothing, as far as is remembered: most are between two raster points."""
        profile = _profile_of(profiles, reading)
        if profile is None:
            return reading.meter in self._unknown or len(self._unknown) >= _MAX_UNKNOWN
        return profile.register in self._seen and self._ruled(profiles, reading).is_idle

    def _ruled(self, profiles: Mapping[Register, ListProfile], reading: OriginalReading) -> Ruling:
        profile = _profile_of(profiles, reading)
        if profile is None:
            return Ruling(Verdict.NO_PROFILE)
        return rule(profile, self._seen[profile.register], reading)

    def _take(
        self,
        writing: LogWriting,
        profiles: Mapping[Register, ListProfile],
        reading: OriginalReading,
        seen_now: dict[Register, Seen],
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
        seen, end = self._row(writing.connection, profile.register)
        jumped = jumped_at is not None and seen.captured is not None and seen.captured < jumped_at <= reading.captured
        restarted = seen.captured is not None and seen.captured < self._started <= reading.captured
        ruling = rule(profile, seen, reading, jumped=jumped, restarted=restarted)
        if ruling.gap is not None:
            cause = self._cause(ruling.gap, jumped=jumped)
            seen, end = self._keep_gap(writing, profile, seen, end, ruling.gap, cause)
        number = None
        if ruling.verdict is Verdict.KEPT:
            number = end.number + 1
            seen = self._keep(writing, profile, seen, end, reading, ruling)
        elif ruling.verdict in {Verdict.DUPLICATE, Verdict.CONTRADICTION}:
            twice = ruling.verdict is Verdict.DUPLICATE
            event = EventId.READING_REPEATED if twice else EventId.READING_CONTRADICTED
            writing.write(Note(event, {"meter": reading.meter, "obis": reading.obis}))
        seen_now[profile.register] = seen
        return Taken(reading, ruling.verdict, number)

    def _keep(
        self,
        writing: LogWriting,
        profile: ListProfile,
        seen: Seen,
        end: End,
        reading: OriginalReading,
        ruling: Ruling,
    ) -> Seen:
        captured = format_time(reading.captured)
        target = _written(ruling.target)
        told = {
            "kind": "reading",
            "epoch": ruling.epoch,
            "time": target or captured,
            "target": target,
            "captured": captured,
            "value": str(reading.value),  # an unsigned 64-bit value is no integer that every JSON reader reads alike
            "scaler": reading.scaler,
            "unit": reading.unit,
            "status": f"{status_of(ruling.marks, reading.flags):016x}",
            "marks": sorted(map(str, ruling.marks)),
            "flags": list(reading.flags),
        }
        line = self._append(writing.connection, profile, end, told)
        for mark in sorted(ruling.marks - seen.marks):
            if mark in _LOGGED:
                where: dict[str, str | int] = {"meter": reading.meter, "obis": reading.obis, "entry": line.number}
                writing.write(Note(_LOGGED[mark], where))
        now = after(seen, reading, ruling)
        self._remember(writing.connection, profile.register, now, line)
        return now

    def _keep_gap(
        self, writing: LogWriting, profile: ListProfile, seen: Seen, end: End, gap: Gap, cause: Cause
    ) -> tuple[Seen, End]:
        since, until = format_time(gap.first), format_time(gap.last)
        told = {
            "kind": "gap",
            "epoch": seen.epoch,
            "time": until,
            "target": since,
            "until": until,
            "missing": gap.count,
            "cause": str(cause),
            "status": f"{status_of({Mark.MISSING}, ()):016x}",
            "marks": [str(Mark.MISSING)],
        }
        line = self._append(writing.connection, profile, end, told)
        writing.write(
            Note(
                EventId.READINGS_MISSING,
                {
                    "meter": profile.meter,
                    "obis": profile.obis,
                    "count": gap.count,
                    "since": since,
                    "until": until,
                    "cause": str(cause),
                },
            )
        )
        now = replace(seen, target=gap.last, highest=max(gap.last, seen.highest or gap.last))
        self._remember(writing.connection, profile.register, now, line)
        return now, End(line.number, line.hash)

    def _cause(self, gap: Gap, *, jumped: bool) -> Cause:
        if jumped:
            return Cause.CLOCK_JUMPED
        return Cause.RESTART if gap.first <= self._started else Cause.NOTHING_CAME

    def _append(self, connection: Connection, profile: ListProfile, end: End, told: Mapping[str, Any]) -> Line:
        beside = {"gateway": self._gateway, "meter": profile.meter, "obis": profile.obis, "consumer": profile.consumer}
        signer = self._signer if profile.billing else None
        line = line_after(end, {**beside, "billing": profile.billing, **told}, signer)
        connection.execute(insert(list_entries).values(**beside, time=told["time"], **columns_of(line)))
        return line

    # What was seen of a register

    def _look(self, register: Register) -> Seen | None:
        """What was seen of a register, remembered or read; ``None`` where it has no list."""
        if register in self._seen:
            return self._seen[register]
        with self._engine.connect() as connection:
            row = connection.execute(_of(list_registers, self._gateway, register)).one_or_none()
        return None if row is None else _seen(row)

    def _row(self, connection: Connection, register: Register) -> tuple[Seen, End]:
        """What was seen of a register as the disk has it, and where its list ends; a new list where there is none."""
        row = connection.execute(_of(list_registers, self._gateway, register)).one_or_none()
        if row is not None:
            return _seen(row), End(row.last, row.last_hash)
        begin = self._genesis(register)
        insert_into = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        meter, obis = register
        connection.execute(
            insert_into(list_registers)
            .values(gateway=self._gateway, meter=meter, obis=obis, last=0, last_hash=begin.hash, epoch=0, marks="")
            .on_conflict_do_nothing()
        )
        return Seen(), begin

    def _remember(self, connection: Connection, register: Register, seen: Seen, line: Line) -> None:
        meter, obis = register
        connection.execute(
            update(list_registers)
            .where(
                list_registers.c.gateway == self._gateway,
                list_registers.c.meter == meter,
                list_registers.c.obis == obis,
            )
            .values(
                last=line.number,
                last_hash=line.hash,
                epoch=seen.epoch,
                target=_written(seen.target),
                highest=_written(seen.highest),
                captured=_written(seen.captured),
                value=str(seen.value) if seen.captured is not None else None,
                scaler=seen.scaler if seen.captured is not None else None,
                unit=seen.unit,
                marks=" ".join(sorted(seen.marks)),
            )
        )

    def _genesis(self, register: Register) -> End:
        meter, obis = register
        return genesis(gateway=self._gateway, meter=meter, obis=obis, list="entries")

    # Deletion

    def _delete(self, writing: LogWriting, profile: ListProfile, now: datetime) -> Deletion | None:
        connection, register = writing.connection, profile.register
        keep_from = format_time(now - profile.retention)
        query = _of(list_entries, self._gateway, register)
        first_kept = connection.execute(query.where(list_entries.c.time >= keep_from).limit(1)).one_or_none()
        if first_kept is not None:
            query = query.where(list_entries.c.number < first_kept.number)
        gone = connection.execute(query).all()
        if not gone:
            return None
        said = connection.execute(_of(list_deletions, self._gateway, register)).all()
        begin = genesis(gateway=self._gateway, meter=profile.meter, obis=profile.obis, list="deletions")
        beside = {"gateway": self._gateway, "meter": profile.meter, "obis": profile.obis}
        told = {
            **beside,
            "first": gone[0].number,
            "last": gone[-1].number,
            "count": len(gone),
            "since": gone[0].time,
            "until": gone[-1].time,
            "time": format_time(now),
            "last_hash": gone[-1].hash,
            "digest": _digest(row.hash for row in gone),
        }
        line = line_after(End(said[-1].number, said[-1].hash) if said else begin, told, self._signer)
        connection.execute(insert(list_deletions).values(**beside, **columns_of(line)))
        connection.execute(
            delete(list_entries).where(
                list_entries.c.gateway == self._gateway,
                list_entries.c.meter == profile.meter,
                list_entries.c.obis == profile.obis,
                list_entries.c.number <= gone[-1].number,
            )
        )
        for consumer in sorted({row.consumer for row in gone}):
            self._tell_deleted(writing, consumer, profile, [row for row in gone if row.consumer == consumer])
        return _deletion(line)

    @staticmethod
    def _tell_deleted(writing: LogWriting, consumer: str, profile: ListProfile, gone: Sequence[Row[Any]]) -> None:
        if writing.takes(Log.CONSUMER, consumer):
            told: dict[str, str | int] = {
                "count": len(gone),
                "meter": profile.meter,
                "obis": profile.obis,
                "since": gone[0].time,
                "until": gone[-1].time,
                "hash": _digest(row.hash for row in gone),
            }
            writing.write(Note(EventId.OWN_READINGS_DELETED, told, consumer))


def _profile_of(profiles: Mapping[Register, ListProfile], reading: OriginalReading) -> ListProfile | None:
    profile = profiles.get((reading.meter, reading.obis))
    return profile if profile is not None and profile.active else None


def _of(table: Any, gateway: str, register: Register) -> Any:
    """The rows of a register."""
    meter, obis = register
    query = select(table).where(table.c.gateway == gateway, table.c.meter == meter, table.c.obis == obis)
    return query if table is list_registers else query.order_by(table.c.number)


def _digest(hashes: Iterable[str]) -> str:
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def _written(at: datetime | None) -> str | None:
    return None if at is None else format_time(at)


def _read(text: str | None) -> datetime | None:
    return None if text is None else parse_time(text)


def _beside(row: Row[Any]) -> dict[str, Any]:
    return {"gateway": row.gateway, "meter": row.meter, "obis": row.obis}


def _seen(row: Row[Any]) -> Seen:
    return Seen(
        row.epoch,
        _read(row.target),
        _read(row.highest),
        _read(row.captured),
        int(row.value or 0),
        row.scaler or 0,
        row.unit,
        frozenset(map(Mark, row.marks.split())),
    )


def _entry(line: Line) -> ListEntry:
    told = line.told
    value, cause = told.get("value"), told.get("cause")
    return ListEntry(
        told["meter"],
        told["obis"],
        line.number,
        told["consumer"],
        told["epoch"],
        _read(told["target"]),
        _read(told.get("captured")),
        None if value is None else int(value),
        told.get("scaler", 0),
        told.get("unit"),
        int(told["status"], 16),
        frozenset(map(Mark, told.get("marks", ()))),
        tuple(told.get("flags", ())),
        _read(told.get("until")),
        told.get("missing", 0),
        None if cause is None else Cause(cause),
        line.hash,
        line.seal,
    )


def _deletion(line: Line) -> Deletion:
    told = line.told
    return Deletion(
        told["meter"],
        told["obis"],
        told["first"],
        told["last"],
        told["count"],
        parse_time(told["since"]),
        parse_time(told["until"]),
        parse_time(told["time"]),
        told["last_hash"],
        told["digest"],
    )
