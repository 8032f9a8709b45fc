"""Where the logs are written, read and freed: each asked for at its own door.

The consumer's own log is read with the name under which the consumer showed himself; there is no way to another's.
What leaves for whom is written into the consumer's log first: where that cannot be, nothing leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.door import entry_point
from gateway.logs.events import EventId, Log
from gateway.logs.store import MAX_READ, LogEntry, LogError, LogStore, Note
from lifecycle.canonical import format_time
from lifecycle.functions import Function, Interface
from lifecycle.gate import Gate
from lifecycle.roles import Role


@dataclass(frozen=True, slots=True)
class Delivery:
    """What leaves the gateway of a consumer's data.

    :ivar consumer: whose data.
    :ivar recipient: who gets them, by name.
    :ivar what: of which tariff application or kind.
    :ivar count: how many readings.
    :ivar since: time of the first of them, UTC.
    :ivar until: time of the last.
    """

    consumer: str
    recipient: str
    what: str
    count: int
    since: datetime
    until: datetime


class LogPort:
    """The logs, behind the gate.

    :param gate: the gateway's gate as it is now.
    :param store: where they are kept.
    """

    def __init__(self, gate: Callable[[], Gate], store: LogStore) -> None:
        self._gate = gate
        self._store = store

    def gate(self) -> Gate:
        """The gate as it is now."""
        return self._gate()

    @entry_point(Role.GATEWAY, Interface.INSIDE, Function.WRITE_LOGS)
    def write(self, notes: Sequence[Note]) -> None:
        """Write entries, all of them or none.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises LogFull: if one of the logs takes no more.
        :raises gateway.storage.StorageFull: if there is no room.
        """
        self._store.write(*notes)

    @entry_point(Role.GATEWAY, Interface.INSIDE, Function.WRITE_LOGS)
    def note_delivery(self, delivery: Delivery) -> None:
        """Write down what is about to leave for whom; whoever delivers does so only after this returned.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises LogFull: if the consumer's log takes no more: then nothing may leave.
        :raises gateway.storage.StorageFull: if there is no room: then neither.
        """
        told: dict[str, str | int] = {
            "recipient": delivery.recipient,
            "what": delivery.what,
            "count": delivery.count,
            "since": format_time(delivery.since),
            "until": format_time(delivery.until),
        }
        self._store.write(Note(EventId.DATA_DELIVERED, told, delivery.consumer))

    @entry_point(Role.GATEWAY, Interface.INSIDE, Function.WRITE_LOGS)
    def filled(self) -> dict[Log, float]:
        """How full the logs are; see :meth:`LogStore.filled`.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        return self._store.filled()

    @entry_point(Role.GWA, Interface.WAN_ADMIN, Function.READ_SYSTEM_LOG)
    def system_log(self, *, after: int = 0, limit: int = MAX_READ) -> list[LogEntry]:
        """The system log for the administrator, oldest first.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises LogError: if *limit* is too large.
        """
        return self._store.read(Log.SYSTEM, after=after, limit=limit)

    @entry_point(Role.SERVICETECHNIKER, Interface.HAN_TECHNICIAN, Function.READ_SYSTEM_LOG)
    def system_log_on_site(self, *, after: int = 0, limit: int = MAX_READ) -> list[LogEntry]:
        """The system log for the Servicetechniker, oldest first.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises LogError: if *limit* is too large.
        """
        return self._store.read(Log.SYSTEM, after=after, limit=limit)

    @entry_point(Role.SERVICETECHNIKER, Interface.HAN_TECHNICIAN, Function.READ_SYSTEM_LOG)
    def system_log_end_on_site(self) -> int:
        """The number of the last entry of the system log for the Servicetechniker, 0 where there is none.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        return self._store.end(Log.SYSTEM).number

    @entry_point(Role.GWA, Interface.WAN_ADMIN, Function.READ_CALIBRATION_LOG)
    def calibration_log(self, *, after: int = 0, limit: int = MAX_READ) -> list[LogEntry]:
        """The calibration log, oldest first.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises LogError: if *limit* is too large.
        """
        return self._store.read(Log.CALIBRATION, after=after, limit=limit)

    @entry_point(Role.ANSCHLUSSNUTZER, Interface.HAN_CONSUMER, Function.READ_CONSUMER_LOG)
    def own_log(self, consumer: str, *, after: int = 0, limit: int = MAX_READ) -> list[LogEntry]:
        """A consumer's own log, oldest first.

        :param consumer: as whom the caller showed himself.
        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises LogError: if *limit* is too large, or *consumer* is empty.
        """
        if not consumer:
            raise LogError("a consumer log is somebody's; nobody was named")
        return self._store.read(Log.CONSUMER, consumer, after=after, limit=limit)

    @entry_point(Role.ANSCHLUSSNUTZER, Interface.HAN_CONSUMER, Function.READ_CONSUMER_LOG)
    def own_log_end(self, consumer: str) -> int:
        """The number of the last entry of a consumer's own log, 0 where there is none.

        :param consumer: as whom the caller showed himself.
        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises LogError: if *consumer* is empty.
        """
        if not consumer:
            raise LogError("a consumer log is somebody's; nobody was named")
        return self._store.end(Log.CONSUMER, consumer).number

    @entry_point(Role.GWA, Interface.WAN_ADMIN, Function.MANAGE_LOGS)
    def free_consumer_log(self, consumer: str, *, keep: int, by: str) -> int:
        """Take the oldest entries out of a consumer's log, unread. See :meth:`LogStore.free`.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises LogError: if *keep* leaves too little room, or *consumer* is empty.
        """
        if not consumer:
            raise LogError("a consumer log is somebody's; nobody was named")
        return self._store.free(consumer, keep=keep, by=by)
