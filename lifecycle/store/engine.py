"""Opening a database: durable settings, schema by alembic, and a clear word where the schema is not the one needed."""

from __future__ import annotations

import importlib.resources
import sqlite3
import threading
import time
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from lifecycle.store.errors import SchemaError, StoreError
from lifecycle.store.schema import metadata

BUSY_SECONDS = 30
"""How long SQLite waits for another writer before it gives up."""
_SCHEMA_LOCK = 7364771903109  # any number; nobody else in this database takes the same
_ONE_AT_A_TIME = threading.Lock()  # alembic knows one environment a process


def connect(url: str) -> Engine:
    """An engine for a SQLAlchemy URL; nothing is opened yet.

    SQLite runs with a write-ahead log and ``synchronous=FULL``: what was committed survives the loss of power.
    ``postgresql://`` means the driver psycopg.

    :raises StoreError: if the URL cannot be understood or names another kind of database.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreError(f"{url!r} is no database URL, such as sqlite:///smgw.db or postgresql://host/name") from error
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        raise StoreError(f"{parsed.get_backend_name()} is not supported; use sqlite or postgresql")
    try:
        if parsed.get_backend_name() == "postgresql":
            return create_engine(_waiting_for_the_disk(parsed), pool_pre_ping=True)
        engine = create_engine(parsed, connect_args={"timeout": BUSY_SECONDS})
    except (ArgumentError, ImportError) as error:
        raise StoreError(f"no driver for {parsed.drivername}: {error}") from error
    event.listen(engine, "connect", _set_up)
    return engine


def _waiting_for_the_disk(url: URL) -> URL:
    """The URL, with ``synchronous_commit=on`` whatever the server, the database or the user have as a default."""
    options = url.query.get("options", "")
    told = options if isinstance(options, str) else " ".join(options)
    return url.update_query_dict({"options": f"{told} -c synchronous_commit=on".strip()})


def _set_up(connection: Any, _record: Any) -> None:
    connection.text_factory = _as_stored
    cursor = connection.cursor()
    deadline = time.monotonic() + BUSY_SECONDS
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        while True:
            try:
                cursor.execute(f"PRAGMA {pragma}")
            except sqlite3.OperationalError as error:
                # Of several who open a new database at once one makes the log; the others SQLite turns away at once.
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
            else:
                break
    cursor.close()


def _as_stored(text: bytes) -> str:
    """A text from SQLite, also where a bit flipped on the disk: replay says what is wrong with it, and where."""
    return text.decode("utf-8", "replace")


def alembic_config(engine: Engine | None = None) -> Config:
    """Alembic's configuration, with the migrations of the installed package."""
    config = Config()
    config.set_main_option("script_location", str(importlib.resources.files("migrations")).replace("%", "%%"))
    config.attributes["engine"] = engine
    return config


def needed_revision() -> str:
    """The revision that this version needs."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert head is not None  # noqa: S101  the package ships its migrations
    return head


def current_revision(engine: Engine) -> str | None:
    """The revision that a database is at; ``None`` where there is no schema yet.

    :raises StoreError: if it cannot be reached, or is no database.
    """
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    except (SQLAlchemyError, CommandError) as error:
        raise StoreError(f"cannot open {_shown(engine)}: {getattr(error, 'orig', None) or error}") from error


def upgrade(engine: Engine) -> tuple[str | None, str]:
    """Bring a database to the revision needed: all of it, or nothing. Others who do so at once wait.

    :returns: the revision before, and the one now.
    :raises SchemaError: if it is somebody else's, or of a version that is not known here.
    :raises StoreError: if it cannot be reached.
    """
    before = current_revision(engine)
    if before is None:
        _refuse_somebody_elses(engine)
    elif not _is_known(before):
        raise SchemaError(_unknown(engine, before))
    with _ONE_AT_A_TIME:
        event.listen(engine, "begin", _alone)
        try:
            command.upgrade(alembic_config(engine), "head")
        except SQLAlchemyError as error:
            raise StoreError(f"cannot upgrade {_shown(engine)}: {error}") from error
        finally:
            event.remove(engine, "begin", _alone)
    return before, needed_revision()


def _alone(connection: Connection) -> None:
    """Begin a transaction in which the schema is changed by nobody else, and which holds the changes themselves.

    SQLite's driver would begin one only with the first row written, and every table made before that would stay.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})")


def open_database(url: str) -> Engine:
    """An engine for a database whose schema is the one needed. An empty database is given it.

    :raises SchemaError: if the schema is of another version, or somebody else's.
    :raises StoreError: if the database cannot be reached.
    """
    engine = connect(url)
    current = current_revision(engine)
    if current is None:
        upgrade(engine)
    elif not _is_known(current):
        raise SchemaError(_unknown(engine, current))
    elif current != needed_revision():
        raise SchemaError(
            f"{_shown(engine)} is at schema {current}, this version needs {needed_revision()}: run 'smgw db upgrade'"
        )
    missing = sorted(set(metadata.tables) - _tables(engine))
    if missing:
        raise SchemaError(
            f"{_shown(engine)} is at schema {current} and yet has no {', '.join(missing)}: it is not ours"
        )
    return engine


def _tables(engine: Engine) -> set[str]:
    try:
        return set(inspect(engine).get_table_names())
    except SQLAlchemyError as error:
        raise StoreError(f"cannot open {_shown(engine)}: {error}") from error


def _refuse_somebody_elses(engine: Engine) -> None:
    names = _tables(engine)
    if names and "alembic_version" not in names:  # ours come with it, in one transaction
        raise SchemaError(f"{_shown(engine)} holds other tables and none of ours; choose another database")


def _is_known(revision: str) -> bool:
    try:
        ScriptDirectory.from_config(alembic_config()).get_revision(revision)
    except CommandError:
        return False
    return True


def _unknown(engine: Engine, revision: str) -> str:
    return (
        f"{_shown(engine)} is at schema {revision}, this version needs {needed_revision()} and knows no other like it: "
        "a newer version, or another program, has made it"
    )


def _shown(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)
