"""A consumer's own log (Anschlussnutzer-Log) for the desk: read by machines and people, and written when he reads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

import structlog

from gateway.consumer_words import Access, access_detail, sentence_of
from gateway.han.data import LogEntry, LogQuery
from gateway.han.page_data import PlainLogEntry
from gateway.logs.events import EventId
from gateway.logs.port import LogPort
from gateway.logs.store import MAX_READ, LogError, Note
from gateway.logs.store import LogEntry as Kept
from gateway.storage import StorageFull
from lifecycle.functions import Credential
from lifecycle.gate import Closed

NOTED_EVERY: Final = timedelta(days=1)
"""How often the same kind of access is noted at most, so that polling does not fill the log."""
_SHOWN: Final = Credential.CONSUMER_PASSWORD
"""By what who asks has shown himself; the HAN interface has checked it, or a certificate in its place."""
_VENDOR: Final = "SMGW"
_VERSION: Final = "1"
_MOST_NOTED: Final = 4_096

_log = structlog.get_logger()


class ConsumerLog:
    """The logs of all consumers, each for himself."""

    def __init__(self, gateway: str, logs: LogPort, clock: Callable[[], datetime]) -> None:
        """:param gateway: identification, DIN 43863-5.
        :param logs: the logs.
        :param clock: the time, UTC.
        """
        self._gateway = gateway
        self._logs = logs
        self._clock = clock
        self._noted: dict[tuple[str, str], datetime] = {}
        self._lock = threading.Lock()

    def entries(self, consumer: str, query: LogQuery) -> list[LogEntry]:
        """Entries for machines: since <= time < before, index from *index* on.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        found: list[LogEntry] = []
        for entry in self._from(consumer, max(query.index - 1, 0)):
            if len(found) >= query.limit:
                break
            if (query.since is None or entry.time >= query.since) and (
                query.before is None or entry.time < query.before
            ):
                found.append(self._for_machines(consumer, entry))
        return found

    def within(self, consumer: str, begin: datetime, end: datetime, limit: int) -> list[Kept]:
        """The newest entries of a stretch of time, oldest first.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        return [entry for entry in self._from(consumer, 0) if begin <= entry.time < end][-limit:]

    def plain(self, consumer: str, before: int | None, limit: int) -> list[PlainLogEntry]:
        """Entries in words, newest first.

        :param before: entries with a lower index only.
        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        last = self._logs.own_log_end(_SHOWN, consumer)
        end = last if before is None else min(before - 1, last)
        count = min(max(limit, 0), MAX_READ, max(end, 0))
        entries = self._logs.own_log(_SHOWN, consumer, after=end - count, limit=count) if count else []
        return [_plain(entry) for entry in reversed(entries) if entry.number <= end]

    def note_access(self, consumer: str, access: Access, contract: str = "") -> None:
        """Note what the consumer reads himself, once in :data:`NOTED_EVERY` for each kind.

        Where the log takes nothing more he reads all the same: it is his own data, and nobody else learns them.
        """
        what, now = access_detail(access, contract), self._clock()
        with self._lock:
            noted = self._noted.get((consumer, what))
            if noted is not None and noted <= now < noted + NOTED_EVERY:
                return
            if len(self._noted) >= _MOST_NOTED:
                self._noted.clear()
            self._noted[consumer, what] = now
        self.write(Note(EventId.OWN_DATA_READ, {"what": what}, consumer, by=consumer))

    def write(self, note: Note) -> None:
        """Write an entry; that it could not be is told in the gateway's own trace."""
        try:
            self._logs.write(Credential.INSIDE, [note])
        except (LogError, StorageFull, Closed) as error:
            _log.warning("not noted in the consumer's log", consumer=note.consumer, reason=str(error))

    def _from(self, consumer: str, after: int) -> Iterator[Kept]:
        while page := self._logs.own_log(_SHOWN, consumer, after=after, limit=MAX_READ):
            yield from page
            after = page[-1].number

    def _for_machines(self, consumer: str, entry: Kept) -> LogEntry:
        return LogEntry(
            entry.number,
            int(entry.event.number),
            0,
            entry.level.name,
            sentence_of(entry).german,
            entry.outcome.name,
            entry.by or self._gateway.lower(),
            consumer,
            entry.time,
            _VENDOR,
            _VERSION,
        )


def _plain(entry: Kept) -> PlainLogEntry:
    said = sentence_of(entry)
    return PlainLogEntry(
        entry.number,
        entry.time,
        int(entry.level),
        int(entry.outcome),
        int(entry.event.number),
        said.german,
        said.english,
    )
