"""Keeping the logs: bounded, chained, warned about in good time.

What a full log means is decided here and told to whoever follows: the calibration log takes nothing more, for good
(ch. 16); a consumer log takes nothing more until the administrator frees it (ch. 15), or overwrites its oldest entries
where the policy says so (PP-0073); the system log overwrites its oldest. The last place of a log that stops is kept for
the entry that says that it is full.

Each entry says which is the oldest kept: whoever takes entries away at either end is found by :meth:`LogStore.verify`.
A tail cut off together with its book shows against an end that was noted elsewhere.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum, unique
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.logs.events import EVENTS, Event, EventId, Level, Log, Outcome
from gateway.logs.schema import CONSUMER_LENGTH, log_books, log_entries
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
from gateway.storage import Storage
from lifecycle.canonical import format_time, parse_time
from lifecycle.evidence import OpenFault

MAX_READ = 1000
"""How many entries are read at once."""
MAX_DETAIL = 256
"""Characters of a detail."""
_SMALLEST = 4
_LOCK_BOOKS: Final = (
    update(log_books)
    .where(
        log_books.c.gateway == bindparam("of_gateway"), log_books.c.log == str(Log.SYSTEM), log_books.c.consumer == ""
    )
    .values(last=log_books.c.last)
)
"""Made once: it is executed for each reading that is kept."""


class LogError(Exception):
    """A log cannot do what was asked."""


class LogFull(LogError):
    """A log is full and takes no entry any more.

    :ivar log: which log.
    :ivar consumer: whose, empty where it is nobody's.
    """

    def __init__(self, log: Log, consumer: str) -> None:
        super().__init__(f"the {log} log{' of ' + consumer if consumer else ''} is full; nothing was written")
        self.log = log
        self.consumer = consumer


@unique
class WhenFull(StrEnum):
    """What a full log does."""

    STOP = "stop"
    OVERWRITE = "overwrite"
    """Its oldest entry gives way to the new one."""


@dataclass(frozen=True, slots=True)
class LogPolicy:
    """How large the logs are, and when to warn.

    :ivar system: entries of the system log; it overwrites its oldest.
    :ivar calibration: entries of the calibration log, in the whole life of the gateway.
    :ivar consumer: entries of each consumer log.
    :ivar consumer_full: what a full consumer log does: STOP after the Anlage (ch. 15), OVERWRITE after PP-0073.
    :ivar warn_at: at which shares to warn, in percent of the capacity, rising.
    """

    system: int = 10_000
    calibration: int = 10_000
    consumer: int = 10_000
    consumer_full: WhenFull = WhenFull.STOP
    warn_at: tuple[int, ...] = (75, 90, 95)

    def __post_init__(self) -> None:
        """Refuse what gives no warning in time.

        :raises LogError: if a log is too small, or the shares are no percentages in rising order.
        """
        if min(self.system, self.calibration, self.consumer) < _SMALLEST:
            raise LogError(f"a log has at least {_SMALLEST} entries")
        if not self.warn_at or list(self.warn_at) != sorted(set(self.warn_at)) or not 0 < self.warn_at[0]:
            raise LogError(f"warnings at {self.warn_at} percent are not given, or not in rising order")
        if self.warn_at[-1] >= 100:
            raise LogError("a warning at 100 percent comes too late")

    def capacity(self, log: Log) -> int:
        """How many entries a log holds."""
        return {Log.SYSTEM: self.system, Log.CALIBRATION: self.calibration, Log.CONSUMER: self.consumer}[log]

    def when_full(self, log: Log) -> WhenFull:
        """What a log does when it is full."""
        if log is Log.CONSUMER:
            return self.consumer_full
        return WhenFull.STOP if log is Log.CALIBRATION else WhenFull.OVERWRITE

    def percent_warned(self, log: Log, count: int) -> int:
        """The highest share to warn at that this many entries reach, 0 where they reach none."""
        return max((share for share in self.warn_at if count * 100 >= share * self.capacity(log)), default=0)


@unique
class Limit(StrEnum):
    """What became of a log's room."""

    NEARLY_FULL = "nearly-full"
    FULL = "full"
    FREED = "freed"


_FAULTS: Final = {Log.CALIBRATION: "calibration-log-full", Log.CONSUMER: "consumer-log-full"}


@dataclass(frozen=True, slots=True)
class LimitReached:
    """A log came to a limit, or was freed.

    :ivar limit: which.
    :ivar log: of which log.
    :ivar consumer: whose, empty where it is nobody's.
    :ivar count: how many entries it has.
    :ivar capacity: how many it can have.
    """

    limit: Limit
    log: Log
    consumer: str
    count: int
    capacity: int

    @property
    def fault(self) -> OpenFault | None:
        """The fault of the catalogue that opens with FULL and closes with FREED; ``None`` where it is only a warning.

        What the calibration log's opens, nothing closes (ch. 16).
        """
        name = _FAULTS.get(self.log)
        return None if name is None or self.limit is Limit.NEARLY_FULL else OpenFault(name, self.consumer)


@dataclass(frozen=True, slots=True)
class Note:
    """Something to be logged.

    :ivar event: which event.
    :ivar details: its details: texts, or integers of at most 53 bits.
    :ivar consumer: whose log; needed for events of the consumer log, and only for them.
    :ivar by: whose doing it is (subject identity); empty: the gateway's own.
    """

    event: EventId
    details: Mapping[str, str | int] = field(default_factory=dict)
    consumer: str = ""
    by: str = ""

    def __post_init__(self) -> None:
        """Refuse what the table does not know.

        :raises LogError: if details are missing, unknown or too long, or it is nobody's and has to be somebody's.
        """
        event = EVENTS[self.event]
        if self.details.keys() != event.details:
            raise LogError(f"event {self.event} has the details {sorted(event.details)}, not {sorted(self.details)}")
        for name, detail in (*self.details.items(), ("by", self.by)):
            if isinstance(detail, str) and len(detail) > MAX_DETAIL:
                raise LogError(f"{name} of event {self.event} has {len(detail)} characters; {MAX_DETAIL} fit")
        if (event.log is Log.CONSUMER) is not bool(self.consumer):
            raise LogError(f"event {self.event} is of the {event.log} log, and its consumer is {self.consumer!r}")
        if len(self.consumer) > CONSUMER_LENGTH:
            raise LogError(f"a consumer's name has at most {CONSUMER_LENGTH} characters")


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An entry of a log.

    :ivar number: running number in its log.
    :ivar time: when it was written, UTC.
    :ivar event: which event.
    :ivar details: its details.
    :ivar by: whose doing it was, empty: the gateway's own.
    :ivar hash: SHA-256, hexadecimal.
    :ivar seal: the gateway's signature, in the calibration log.
    """

    number: int
    time: datetime
    event: Event
    details: Mapping[str, str | int]
    by: str
    hash: str
    seal: Seal | None

    @property
    def level(self) -> Level:
        """How grave it is."""
        return self.event.level

    @property
    def outcome(self) -> Outcome:
        """How it ended."""
        return self.event.outcome

    def text(self, *, german: bool = True) -> str:
        """What it says."""
        return self.event.text(self.details, german=german)


@dataclass(frozen=True, slots=True)
class _Book:
    log: Log
    consumer: str
    first: int
    end: End

    @property
    def count(self) -> int:
        return self.end.number - self.first + 1


class LogWriting:
    """A transaction in which log entries are written together with something else.

    :ivar connection: of the transaction.
    """

    def __init__(self, store: LogStore, connection: Connection) -> None:
        self.connection = connection
        self.reached: list[LimitReached] = []
        self._store = store

    def write(self, *notes: Note) -> None:
        """Write entries.

        :raises LogFull: if a log takes no more; the transaction is to be given up.
        """
        for note in notes:
            self.reached += self._store._write(self.connection, note)

    def takes(self, log: Log, consumer: str = "") -> bool:
        """Whether a log still takes entries."""
        return self._store._takes(self.connection, log, consumer)


class LogStore:
    """The logs of one gateway. Who may read what is for :class:`gateway.logs.port.LogPort` to ask.

    :param storage: the database.
    :param gateway: identification, DIN 43863-5.
    :param clock: the time, UTC.
    :param policy: how large the logs are.
    :param signer: signs the entries of the calibration log.
    :param follow: told of limits by the thread that reached them, when that is on the disk. It must not raise.
    """

    def __init__(
        self,
        storage: Storage,
        gateway: str,
        *,
        clock: Callable[[], datetime],
        policy: LogPolicy | None = None,
        signer: DigestSigner | None = None,
        follow: Callable[[LimitReached], None] | None = None,
    ) -> None:
        self.storage = storage
        self.policy = policy or LogPolicy()
        self._gateway = gateway
        self._clock = clock
        self._signer = signer
        self._follow = follow
        self._one_at_a_time = threading.RLock()

    @contextmanager
    def writing(self) -> Iterator[LogWriting]:
        """A transaction for entries and whatever belongs to them: all of it is kept, or nothing.

        :raises gateway.storage.StorageFull: if there is no room; nothing is kept.
        """
        with self._one_at_a_time, self.storage.writing() as connection:
            self._alone(connection)
            writing = LogWriting(self, connection)
            if self.storage.full:  # nobody could write it down then
                writing.write(Note(EventId.DISK_WAS_FULL))
            yield writing
        for reached in writing.reached:
            if self._follow is not None:
                self._follow(reached)

    def write(self, *notes: Note) -> None:
        """Write entries, all of them or none; when this returns they survive the loss of power.

        :raises LogFull: if one of the logs takes no more.
        :raises gateway.storage.StorageFull: if there is no room.
        """
        with self.writing() as writing:
            writing.write(*notes)

    def read(self, log: Log, consumer: str = "", *, after: int = 0, limit: int = MAX_READ) -> list[LogEntry]:
        """Entries of a log, oldest first.

        :param consumer: whose log, for consumer logs.
        :param after: number of the last entry that is known.
        :param limit: how many at most, up to :data:`MAX_READ`.
        :raises LogError: if *limit* is too large or negative.
        """
        if not 0 <= limit <= MAX_READ:
            raise LogError(f"{limit} entries at once; at most {MAX_READ} are read")
        query = self._entries(log, consumer).where(log_entries.c.number > after).limit(limit)
        with self.storage.engine.connect() as connection:
            return [_entry(kept_line(row)) for row in connection.execute(query)]

    def end(self, log: Log, consumer: str = "") -> End:
        """Where a log ends: to be noted elsewhere, for :meth:`verify`."""
        with self.storage.engine.connect() as connection:
            book = self._book(connection, log, consumer)
        return book.end if book is not None else self._genesis(log, consumer)

    def limits(self) -> list[LimitReached]:
        """The logs that are full and stopped now; a start brings the record's faults in line with it."""
        with self.storage.engine.connect() as connection:
            rows = connection.execute(select(log_books).where(log_books.c.gateway == self._gateway)).all()
        return [self._reached(Limit.FULL, book) for book in map(_book, rows) if self._is_full(book)]

    def filled(self) -> dict[Log, float]:
        """The share of each kind of log that is taken, 0 to 1; of the consumers' logs that of the fullest."""
        with self.storage.engine.connect() as connection:
            rows = connection.execute(select(log_books).where(log_books.c.gateway == self._gateway)).all()
        counts = dict.fromkeys(Log, 0)
        for book in map(_book, rows):
            counts[book.log] = max(counts[book.log], book.count)
        return {log: count / self.policy.capacity(log) for log, count in counts.items()}

    def verify(
        self, log: Log, consumer: str = "", *, verifies: Verifies | None = None, known: End | None = None
    ) -> Broken | None:
        """Follow a log's chain, as it is at one moment.

        :param verifies: checks the signatures of the calibration log.
        :param known: an end of this log as it was noted elsewhere; it must be in it.
        :returns: the first broken entry, ``None`` where all are whole.
        """
        with self.storage.snapshot() as connection:
            book = self._book(connection, log, consumer)
            rows = connection.execute(self._entries(log, consumer)).all()
        beside = [(kept_line(row), _beside(row)) for row in rows]
        start = self._genesis(log, consumer)
        if book is None:
            book = _Book(log, consumer, 1, start)
        if book.first > 1 and self.policy.when_full(log) is WhenFull.STOP and log is Log.CALIBRATION:
            return Broken(1, "missing: nothing is ever taken out of the calibration log")
        if book.first > 1 and beside:
            # The line before the oldest is gone; what it was says the oldest itself, and whether that is the oldest
            # says the newest.
            start = End(book.first - 1, _said(beside[0][0], "previous", ""))
        broken = first_broken(beside, start, book.end, sealed=lambda _: log is Log.CALIBRATION, verifies=verifies)
        if broken is not None:
            return broken
        if beside and _said(beside[-1][0], "first", 0) != book.first:
            return Broken(_said(beside[-1][0], "first", 0), f"missing: the log is kept as beginning with {book.first}")
        return self._against(known, beside, start)

    @staticmethod
    def _against(known: End | None, beside: list[tuple[Line, dict[str, Any]]], start: End) -> Broken | None:
        if known is None or known.number < start.number:
            return None
        ends = {start.number: start.hash, **{line.number: line.hash for line, _ in beside}}
        if known.number not in ends:
            return Broken(max(ends) + 1, f"missing: the log once ended at {known.number}")
        if ends[known.number] != known.hash:
            return Broken(known.number, "it is another entry than the one that was known")
        return None

    def free(self, consumer: str, *, keep: int, by: str) -> int:
        """Take the oldest entries out of a consumer log, so that it takes new ones.

        Both that log and the system log say how many, up to which, and the hash of the last of them.

        :param keep: how many of the newest to keep; at most what leaves the log below its first warning.
        :param by: who frees it.
        :returns: how many were taken out.
        :raises LogError: if *keep* leaves too little room.
        """
        most = self.policy.capacity(Log.CONSUMER) * self.policy.warn_at[0] // 100 - 2
        if not 0 <= keep <= most:
            raise LogError(f"keeping {keep} entries of a consumer log; 0 to {max(most, 0)} leave it room")
        with self.writing() as writing:
            connection = writing.connection
            book = self._book(connection, Log.CONSUMER, consumer)
            if book is None or book.count <= keep:
                return 0
            was_full = self._is_full(book)
            last = book.end.number - keep
            gone = connection.execute(self._entries(Log.CONSUMER, consumer).where(log_entries.c.number == last)).one()
            count = last - book.first + 1
            self._take_out(connection, book, last)
            told: dict[str, str | int] = {"count": count, "last": last, "hash": gone.hash}
            writing.write(
                Note(EventId.OWN_LOG_FREED, told, consumer, by),
                Note(EventId.CONSUMER_LOG_FREED, {**told, "consumer": consumer}, by=by),
            )
            if was_full:
                freed = _Book(Log.CONSUMER, consumer, last + 1, End(book.end.number + 1, ""))
                writing.reached.append(self._reached(Limit.FREED, freed))
        return count

    # Inside a transaction

    def _write(self, connection: Connection, note: Note) -> list[LimitReached]:
        event = EVENTS[note.event]
        log, policy = event.log, self.policy
        book = self._book(connection, log, note.consumer) or self._new_book(connection, log, note.consumer)
        if self._is_full(book):
            raise LogFull(log, note.consumer)
        before = policy.percent_warned(log, book.count)
        if policy.when_full(log) is WhenFull.OVERWRITE and book.count >= policy.capacity(log):
            book = self._take_out(connection, book, book.first)
        book = self._append(connection, book, note)
        reached: list[LimitReached] = []
        share = policy.percent_warned(log, book.count)
        if share > before:
            reached.append(self._reached(Limit.NEARLY_FULL, book))
            reached += self._warn(connection, log, note.consumer, share)
            book = self._book(connection, log, note.consumer) or book
        if policy.when_full(log) is WhenFull.STOP and book.count == policy.capacity(log) - 1:
            said = Note(EventId.CALIBRATION_LOG_FULL)
            if log is Log.CONSUMER:
                said = Note(EventId.OWN_LOG_FULL, consumer=note.consumer)
                reached += self._write(connection, Note(EventId.CONSUMER_LOG_FULL, {"consumer": note.consumer}))
            book = self._append(connection, book, said)
            reached.append(self._reached(Limit.FULL, book))
        return reached

    def _takes(self, connection: Connection, log: Log, consumer: str) -> bool:
        book = self._book(connection, log, consumer)
        return book is None or not self._is_full(book)

    def _warn(self, connection: Connection, log: Log, consumer: str, share: int) -> list[LimitReached]:
        told: dict[str, str | int] = {"name": str(log), "percent": share, "consumer": consumer or "-"}
        reached = self._write(connection, Note(EventId.LOG_NEARLY_FULL, told))
        if consumer:
            book = self._book(connection, log, consumer)
            # The last places are for the entry that is written now, and for the one that says that the log is full.
            if book is not None and book.count < self.policy.capacity(log) - 2:
                self._append(connection, book, Note(EventId.OWN_LOG_NEARLY_FULL, {"percent": share}, consumer))
        return reached

    def _append(self, connection: Connection, book: _Book, note: Note) -> _Book:
        time = format_time(self._clock())
        told = {
            "gateway": self._gateway,
            "log": str(book.log),
            "consumer": book.consumer,
            "first": book.first,
            "time": time,
            "event": int(note.event),
            "details": dict(note.details),
            "by": note.by,
        }
        line = line_after(book.end, told, self._signer if book.log is Log.CALIBRATION else None)
        connection.execute(
            insert(log_entries).values(
                gateway=self._gateway,
                log=str(book.log),
                consumer=book.consumer,
                time=time,
                event=int(note.event),
                **columns_of(line),
            )
        )
        connection.execute(self._of_book(book).values(last=line.number, last_hash=line.hash))
        return _Book(book.log, book.consumer, book.first, End(line.number, line.hash))

    def _take_out(self, connection: Connection, book: _Book, last: int) -> _Book:
        """Take the oldest entries out, up to that number."""
        connection.execute(
            delete(log_entries).where(
                log_entries.c.gateway == self._gateway,
                log_entries.c.log == str(book.log),
                log_entries.c.consumer == book.consumer,
                log_entries.c.number <= last,
            )
        )
        connection.execute(self._of_book(book).values(first=last + 1))
        return _Book(book.log, book.consumer, last + 1, book.end)

    def _alone(self, connection: Connection) -> None:
        """Let nobody else write this gateway's logs until the transaction ends: its system log's row is the lock."""
        this = {"of_gateway": self._gateway}
        if connection.execute(_LOCK_BOOKS, this).rowcount == 0:
            self._new_book(connection, Log.SYSTEM, "")
            connection.execute(_LOCK_BOOKS, this)

    def _new_book(self, connection: Connection, log: Log, consumer: str) -> _Book:
        begin = self._genesis(log, consumer)
        insert_into = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        connection.execute(
            insert_into(log_books)
            .values(gateway=self._gateway, log=str(log), consumer=consumer, first=1, last=0, last_hash=begin.hash)
            .on_conflict_do_nothing()
        )
        return _Book(log, consumer, 1, begin)

    def _book(self, connection: Connection, log: Log, consumer: str) -> _Book | None:
        row = connection.execute(
            select(log_books).where(
                log_books.c.gateway == self._gateway, log_books.c.log == str(log), log_books.c.consumer == consumer
            )
        ).one_or_none()
        return None if row is None else _book(row)

    def _of_book(self, book: _Book) -> Any:
        return update(log_books).where(
            log_books.c.gateway == self._gateway,
            log_books.c.log == str(book.log),
            log_books.c.consumer == book.consumer,
        )

    def _entries(self, log: Log, consumer: str) -> Any:
        return (
            select(log_entries)
            .where(
                log_entries.c.gateway == self._gateway,
                log_entries.c.log == str(log),
                log_entries.c.consumer == consumer,
            )
            .order_by(log_entries.c.number)
        )

    def _genesis(self, log: Log, consumer: str) -> End:
        return genesis(gateway=self._gateway, log=str(log), consumer=consumer)

    def _is_full(self, book: _Book) -> bool:
        return self.policy.when_full(book.log) is WhenFull.STOP and book.count >= self.policy.capacity(book.log)

    def _reached(self, limit: Limit, book: _Book) -> LimitReached:
        return LimitReached(limit, book.log, book.consumer, book.count, self.policy.capacity(book.log))


def _book(row: Row[Any]) -> _Book:
    return _Book(Log(row.log), row.consumer, row.first, End(row.last, row.last_hash))


def _beside(row: Row[Any]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("gateway", "log", "consumer", "time", "event")}


def _said(line: Line, name: str, otherwise: Any) -> Any:
    """What a line says, also where it cannot be read: then the chain is found broken there."""
    try:
        return line.told.get(name, otherwise)
    except (ValueError, AttributeError):
        return otherwise


def _entry(line: Line) -> LogEntry:
    told = line.told
    return LogEntry(
        line.number,
        parse_time(told["time"]),
        EVENTS[EventId(told["event"])],
        told["details"],
        told["by"],
        line.hash,
        line.seal,
    )
