"""How long the entries of each original reading list are kept (Aufbewahrungsdauer), and deleting those that are over.

A list keeps itself by which retention its entries were promised to be kept: so they go in time too when the contract
or the meter is gone from the profiles. As long as there is a profile, what it says holds, also for what is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from gateway.logs.events import EventId, Log
from gateway.logs.store import LogStore, LogWriting, Note
from gateway.metering.entries import Deletion, deletion_of, digest_of
from gateway.metering.rules import ListProfile, Register
from gateway.metering.schema import list_deletions, list_entries, list_registers, of_register
from gateway.sealing import DigestSigner, End, columns_of, genesis, line_after
from lifecycle.canonical import format_time

_DELETED_TOGETHER: Final = timedelta(days=1)
# Statements are made once: they are executed for each register every few seconds or each hour.
_PROMISED: Final = select(list_registers.c.meter, list_registers.c.obis, list_registers.c.retention).where(
    list_registers.c.gateway == bindparam("gateway")
)
_PROMISE: Final = update(list_registers).where(
    list_registers.c.gateway == bindparam("of_gateway"),
    list_registers.c.meter == bindparam("of_meter"),
    list_registers.c.obis == bindparam("of_obis"),
)
_OLDEST: Final = (
    select(list_entries.c.time)
    .where(
        list_entries.c.gateway == bindparam("gateway"),
        list_entries.c.meter == bindparam("meter"),
        list_entries.c.obis == bindparam("obis"),
    )
    .order_by(list_entries.c.number)
    .limit(1)
)


class Retention:
    """The retention of one gateway's lists. For one caller at a time.

    :param gateway: identification, DIN 43863-5.
    :param logs: the gateway's logs, in the storage of its lists.
    :param signer: signs what a deletion says.
    """

    def __init__(self, gateway: str, logs: LogStore, signer: DigestSigner | None) -> None:
        self._gateway = gateway
        self._logs = logs
        self._engine = logs.storage.engine
        self._signer = signer
        self._said: dict[Register, int] = {}

    def promise(self, profiles: Mapping[Register, ListProfile]) -> None:
        """Let each list keep what its profile says now; one without a profile keeps what was said of it last.

        :raises gateway.storage.StorageFull: if there is no room; what was promised before holds on.
        """
        said = {register: profile.retention_seconds for register, profile in profiles.items()}
        if said != self._said:
            self._promised(profiles)
            self._said = said

    def delete_expired(self, profiles: Mapping[Register, ListProfile], now: datetime) -> list[Deletion]:
        """Delete what is older than its list has it kept; see :meth:`gateway.metering.reading_list.ReadingList`.

        :raises gateway.storage.StorageFull: if there is no room; what was deleted before stays deleted.
        """
        done = []
        promised = self._promised(profiles)
        with self._engine.connect() as connection:
            due = [each for each in promised.items() if self._is_due(connection, *each, now)]
        for register, retention in due:
            with self._logs.writing() as writing:
                deletion = self._delete(writing, register, retention, now)
            if deletion is not None:
                done.append(deletion)
        return done

    def _promised(self, profiles: Mapping[Register, ListProfile]) -> dict[Register, timedelta]:
        """How long each list's entries are kept, when that says what the profiles say."""
        with self._engine.connect() as connection:
            rows = connection.execute(_PROMISED, {"gateway": self._gateway}).all()
        kept = {(row.meter, row.obis): row.retention for row in rows}
        differing = {
            register: profiles[register].retention_seconds
            for register, seconds in kept.items()
            if register in profiles and profiles[register].retention_seconds != seconds
        }
        if differing:
            with self._logs.writing() as writing:
                writing.connection.execute(
                    _PROMISE,
                    [
                        {"of_gateway": self._gateway, "of_meter": meter, "of_obis": obis, "retention": seconds}
                        for (meter, obis), seconds in differing.items()
                    ],
                )
        return {register: timedelta(seconds=seconds) for register, seconds in {**kept, **differing}.items()}

    def _is_due(self, connection: Connection, register: Register, retention: timedelta, now: datetime) -> bool:
        of_it = {"gateway": self._gateway, "meter": register[0], "obis": register[1]}
        oldest = connection.execute(_OLDEST, of_it).scalar_one_or_none()
        over_since = now - retention - min(retention / 100, _DELETED_TOGETHER)
        return oldest is not None and bool(oldest < format_time(over_since))

    def _delete(self, writing: LogWriting, register: Register, retention: timedelta, now: datetime) -> Deletion | None:
        connection, (meter, obis) = writing.connection, register
        keep_from = format_time(now - retention)
        columns = list_entries.c
        query = of_register(list_entries, self._gateway, register).with_only_columns(
            columns.number, columns.time, columns.hash, columns.consumer
        )
        first_kept = connection.execute(query.where(columns.time >= keep_from).limit(1)).one_or_none()
        if first_kept is not None:
            query = query.where(columns.number < first_kept.number)
        gone = connection.execute(query).all()
        if not gone:
            return None
        deletions = of_register(list_deletions, self._gateway, register).order_by(None)
        said = connection.execute(deletions.order_by(list_deletions.c.number.desc()).limit(1)).one_or_none()
        begin = genesis(gateway=self._gateway, meter=meter, obis=obis, list="deletions")
        beside = {"gateway": self._gateway, "meter": meter, "obis": obis}
        told = {
            **beside,
            "first": gone[0].number,
            "last": gone[-1].number,
            "count": len(gone),
            "since": gone[0].time,
            "until": gone[-1].time,
            "time": format_time(now),
            "last_hash": gone[-1].hash,
            "digest": digest_of(row.hash for row in gone),
            "retention": retention // timedelta(seconds=1),
        }
        line = line_after(End(said.number, said.hash) if said is not None else begin, told, self._signer)
        connection.execute(insert(list_deletions).values(**beside, **columns_of(line)))
        connection.execute(
            delete(list_entries).where(
                columns.gateway == self._gateway,
                columns.meter == meter,
                columns.obis == obis,
                columns.number <= gone[-1].number,
            )
        )
        for consumer in sorted({row.consumer for row in gone}):
            _tell_deleted(writing, consumer, register, [row for row in gone if row.consumer == consumer])
        return deletion_of(line)


def _tell_deleted(writing: LogWriting, consumer: str, register: Register, gone: Sequence[Row[Any]]) -> None:
    if writing.takes(Log.CONSUMER, consumer):
        told: dict[str, str | int] = {
            "count": len(gone),
            "meter": register[0],
            "obis": register[1],
            "since": gone[0].time,
            "until": gone[-1].time,
            "hash": digest_of(row.hash for row in gone),
        }
        writing.write(Note(EventId.OWN_READINGS_DELETED, told, consumer))
