"""Writing to the gateway's database, with a clear word when there is no room left (Datenträger voll)."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg.errors
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

_SQLITE_NO_ROOM = frozenset({sqlite3.SQLITE_FULL})


class StorageFull(Exception):
    """There is no room left on the disk: nothing of what was tried is kept, and nothing before it is lost."""


def no_room(error: BaseException | None) -> bool:
    """Whether an error of a database's driver says that there is no room left."""
    if isinstance(error, sqlite3.Error):
        return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _SQLITE_NO_ROOM
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    return isinstance(error, psycopg.errors.DiskFull)


def _nobody(_full: bool) -> None:
    """Nobody wants to be told."""


class Storage:
    """The database as logs and lists write to it; all of a transaction is kept, or nothing.

    :param engine: the database.
    :param on_full: told ``True`` when the disk becomes full, ``False`` when something could be kept again, so that the
        fault ``disk-full`` is opened and closed. It must not raise, nor wait for a thread that writes logs.
    """

    def __init__(self, engine: Engine, on_full: Callable[[bool], None] = _nobody) -> None:
        self.engine = engine
        self._on_full = on_full
        self._full = False

    @property
    def full(self) -> bool:
        """Whether there was no room when something was last tried."""
        return self._full

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction; when it ends, what was done in it survives the loss of power.

        :raises StorageFull: if there is no room; nothing of it is kept.
        """
        try:
            with self.engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            if not no_room(error.orig):
                raise
            self._become(full=True)
            raise StorageFull("no room left on the disk of the gateway's database; nothing was kept") from error
        self._become(full=False)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A transaction to read in: all of it is as it was at one moment, whatever others write meanwhile."""
        with self.engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")  # its driver would begin one only with the first row written
            else:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection

    def _become(self, *, full: bool) -> None:
        if full is not self._full:
            self._full = full
            self._on_full(full)
