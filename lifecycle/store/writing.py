"""Writing rows in one transaction, with as little around it as the driver allows: every transition waits for this.

SQLAlchemy says what the statements are, in the database's own dialect, and keeps the connections. It does so once; what
is spared is what it would do around each execution, which on a quick disk is a third of the whole.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from psycopg.pq import TransactionStatus
from sqlalchemy import Engine, Insert
from sqlalchemy.exc import DBAPIError


class Prepared:
    """An insert, compiled for the database of an engine."""

    def __init__(self, engine: Engine, statement: Insert) -> None:
        compiled = statement.compile(dialect=engine.dialect)
        self.sql = str(compiled)
        self._names: tuple[str, ...] | None = tuple(compiled.positiontup or ()) or None

    def parameters(self, row: Mapping[str, Any]) -> Any:
        """The values of a row as the driver wants them."""
        return [row[name] for name in self._names] if self._names is not None else row


def write(engine: Engine, *rows: tuple[Prepared, Mapping[str, Any]]) -> None:
    """Insert these rows, all of them or none; when this returns, they are durable.

    :raises sqlalchemy.exc.DBAPIError: as executing the statements with SQLAlchemy would.
    """
    driver_error = engine.dialect.loaded_dbapi.Error
    try:
        pooled = engine.raw_connection()
    except driver_error as error:
        raise _as_sqlalchemy_says(engine, error) from error
    try:
        if len(rows) == 1:
            _write_one(pooled.dbapi_connection, *rows[0])
        else:
            cursor = pooled.cursor()
            for statement, row in rows:
                cursor.execute(statement.sql, statement.parameters(row))
            pooled.commit()
    except driver_error as error:
        lost = engine.dialect.is_disconnect(error, pooled.dbapi_connection, None)
        if lost:
            pooled.invalidate(error)
            engine.dispose()  # the others in the pool led to the same server, and are as dead
        raise _as_sqlalchemy_says(engine, error, lost=lost) from error
    except BaseException:  # interrupted: nobody knows how far it is
        pooled.invalidate()
        raise
    finally:
        pooled.close()  # back to the pool, which takes back what was not committed


def _write_one(connection: Any, statement: Prepared, row: Mapping[str, Any]) -> None:
    """A single statement is a transaction by itself: it needs no word to begin it, and none to commit.

    The driver is told so for this statement only, for whoever uses the connection next counts on transactions.
    """
    parameters = statement.parameters(row)
    if isinstance(connection, sqlite3.Connection):
        usual, connection.isolation_level = connection.isolation_level, None
        try:
            connection.execute(statement.sql, parameters)
        finally:
            connection.isolation_level = usual
    else:
        connection.autocommit = True
        try:
            connection.execute(statement.sql, parameters)
        finally:
            if connection.info.transaction_status == TransactionStatus.IDLE:  # neither lost nor interrupted
                connection.autocommit = False


def _as_sqlalchemy_says(engine: Engine, error: Exception, *, lost: bool = False) -> BaseException:
    dialect = engine.dialect
    driver_error = dialect.loaded_dbapi.Error
    told = DBAPIError.instance(None, None, error, driver_error, connection_invalidated=lost, dialect=dialect)
    assert isinstance(told, BaseException)  # noqa: S101  nothing else is wrapped
    return told
