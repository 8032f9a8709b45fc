"""Reading the original reading lists of a gateway: their entries, their extent, what was deleted, whether all is whole.

Nothing is written here, so that whoever examines lists needs neither profiles nor a key.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, TypedDict, Unpack

from sqlalchemy import Connection, Row, func, select

from gateway.metering.entries import Deletion, Extent, ListEntry, deletion_of, entry_of
from gateway.metering.list_writing import first_end, seen_of
from gateway.metering.rules import ProfileError, Register, Seen
from gateway.metering.schema import list_deletions, list_entries, list_registers, of_register
from gateway.sealing import Broken, End, Line, Verifies, first_broken, genesis, kept_line
from gateway.storage import Storage
from lifecycle.canonical import format_time

MAX_READ = 5000
"""How many entries are read at once."""
_READ_TOGETHER: Final = 500
"""How many entries are in memory while a list is followed."""
_OF_LINE: Final = [list_entries.c[name] for name in ("number", "body", "hash", "key", "signature")]
"""What of an entry is read: the body says the rest, and a year of entries is many."""
_FEW: Final = 8
"""How many entries are looked at for the newest reading: mostly it is the first or, before a gap, the second."""
_BESIDE: Final = timedelta(minutes=15)
"""How far beside its raster point no reading is captured: more than 1 % of a day."""


class Wanted(TypedDict, total=False):
    """Which entries of a list are asked for; what is not said leaves none out.

    :ivar since: only those whose time is later.
    :ivar until: only those whose time is not later.
    :ivar number: only those with a higher number.
    :ivar limit: how many at most, up to :data:`MAX_READ`, which it is else.
    """

    since: datetime | None
    until: datetime | None
    number: int
    limit: int


class ListReading:
    """The original reading lists of one gateway, to be read. Whether they may be is for the port to ask.

    :param gateway: identification, DIN 43863-5.
    :param storage: the database.
    :param signed: whether the gateway signs what it deletes.
    """

    def __init__(self, gateway: str, storage: Storage, *, signed: bool) -> None:
        self._gateway = gateway
        self._storage = storage
        self._engine = storage.engine
        self._signed = signed

    def entries(
        self, meter: str, obis: str, *, consumer: str | None = None, **wanted: Unpack[Wanted]
    ) -> list[ListEntry]:
        """Entries of a register's list, oldest first.

        :param consumer: only those of this consumer.
        :raises ProfileError: if *limit* is too large or negative.
        """
        query = self._selected((meter, obis), consumer, **wanted)
        with self._engine.connect() as connection:
            return [entry_of(kept_line(row)) for row in connection.execute(query)]

    def lines_of(self, meter: str, obis: str, *, consumer: str | None = None, **wanted: Unpack[Wanted]) -> list[Line]:
        """The lines of :meth:`entries` as they are kept.

        :raises ProfileError: as there.
        """
        query = self._selected((meter, obis), consumer, **wanted)
        with self._engine.connect() as connection:
            return [kept_line(row) for row in connection.execute(query)]

    def _selected(
        self,
        register: Register,
        consumer: str | None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        number: int = 0,
        limit: int = MAX_READ,
    ) -> Any:
        if not 0 <= limit <= MAX_READ:
            raise ProfileError(f"{limit} entries at once; at most {MAX_READ} are read")
        # Where a range of time is asked for, the database shall find that, and not look through the list by number.
        by_time = since is not None or until is not None
        running = list_entries.c.number + 0 if by_time else list_entries.c.number
        query = of_register(list_entries, self._gateway, register).order_by(None)
        query = query.where(running > number).order_by(running).limit(limit)
        if consumer is not None:
            query = query.where(list_entries.c.consumer == consumer)
        if since is not None:
            query = query.where(list_entries.c.time > format_time(since))
        if until is not None:
            query = query.where(list_entries.c.time <= format_time(until))
        return query.with_only_columns(*_OF_LINE)

    def latest(self, meter: str, obis: str, *, consumer: str, until: datetime | None = None) -> ListEntry | None:
        """The newest reading of a register that is this consumer's; ``None`` where there is none.

        :param until: only those captured not later.
        """
        query = of_register(list_entries, self._gateway, (meter, obis)).where(list_entries.c.consumer == consumer)
        if until is not None:  # it may count for a time later than that
            query = query.where(list_entries.c.time <= format_time(until + _BESIDE))
        newest = query.with_only_columns(*_OF_LINE).order_by(None).order_by(list_entries.c.number.desc())
        with self._engine.connect() as connection:
            rows = connection.execute(newest.limit(_FEW)).all()
            while rows:
                entries = (entry_of(kept_line(row)) for row in rows)
                found = next((each for each in entries if _is_captured(each, until)), None)
                if found is not None:
                    return found
                older = newest.where(list_entries.c.number < rows[-1].number)
                rows = connection.execute(older.limit(_FEW)).all()
        return None

    def extent(self, meter: str, obis: str) -> Extent:
        """Where the list of a register begins and ends now: of what was read of it, what still holds."""
        register = (meter, obis)
        oldest = select(func.min(list_entries.c.number)).where(
            list_entries.c.gateway == self._gateway, list_entries.c.meter == meter, list_entries.c.obis == obis
        )
        with self._engine.connect() as connection:
            kept = connection.execute(of_register(list_registers, self._gateway, register)).one_or_none()
            first = connection.execute(oldest).scalar_one()
        end = first_end(self._gateway, register) if kept is None else End(kept.last, kept.last_hash)
        seen = Seen() if kept is None else seen_of(kept)
        return Extent(end.number + 1 if first is None else first, end, seen.epoch, seen.target)

    def lines(self, meter: str, obis: str) -> list[Line]:
        """The lines of a register's list as they are kept, oldest first."""
        with self._engine.connect() as connection:
            return [
                kept_line(row) for row in connection.execute(of_register(list_entries, self._gateway, (meter, obis)))
            ]

    def deletions(self, meter: str, obis: str) -> list[Deletion]:
        """What was deleted of a register's list, oldest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(of_register(list_deletions, self._gateway, (meter, obis))).all()
        return [deletion_of(kept_line(row)) for row in rows]

    def verify(self, meter: str, obis: str, *, verifies: Verifies | None = None) -> Broken | None:
        """Follow a register's list, from what was deleted of it to its end; all of it as it is at one moment.

        :param verifies: checks signatures.
        :returns: the first broken line, of the deletions or of the entries; ``None`` where all are whole.
        """
        with self._storage.snapshot() as connection:
            return self._broken(connection, (meter, obis), verifies)

    def _broken(self, connection: Connection, register: Register, verifies: Verifies | None) -> Broken | None:
        meter, obis = register
        kept = connection.execute(of_register(list_registers, self._gateway, register)).one_or_none()
        deleted = connection.execute(of_register(list_deletions, self._gateway, register)).all()
        begin = genesis(gateway=self._gateway, meter=meter, obis=obis, list="deletions")
        lines = [(kept_line(row), _beside(row)) for row in deleted]
        end = End(lines[-1][0].number, lines[-1][0].hash) if lines else begin
        broken = first_broken(lines, begin, end, sealed=lambda _: self._signed, verifies=verifies)
        if broken is not None:
            return Broken(broken.number, f"of the deletions: {broken.reason}")
        start = first_end(self._gateway, register)
        if lines:
            last = deletion_of(lines[-1][0])
            start = End(last.last, last.last_hash)
        query = of_register(list_entries, self._gateway, register)
        with connection.execute(query, execution_options={"yield_per": _READ_TOGETHER}) as rows:
            return first_broken(
                ((kept_line(row), {**_beside(row), "consumer": row.consumer, "time": row.time}) for row in rows),
                start,
                End(kept.last, kept.last_hash) if kept is not None else start,
                sealed=lambda told: bool(told.get("billing")),
                verifies=verifies,
            )


def _is_captured(entry: ListEntry, until: datetime | None) -> bool:
    return entry.captured is not None and (until is None or entry.captured <= until)


def _beside(row: Row[Any]) -> dict[str, Any]:
    return {"gateway": row.gateway, "meter": row.meter, "obis": row.obis}
