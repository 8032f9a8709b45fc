"""Opening a database: durable settings, schema by alembic, and a clear word where the schema is not the one needed."""

from __future__ import annotations

import importlib.resources
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event, inspect, make_url
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from lifecycle.store.errors import SchemaError, StoreError

BUSY_SECONDS = 30
"""How long SQLite waits for another writer before it gives up."""


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
    if parsed.get_backend_name() == "postgresql":
        return create_engine(parsed, pool_pre_ping=True)
    engine = create_engine(parsed, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _make_durable)
    return engine


def _make_durable(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


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

    :raises StoreError: if it cannot be reached.
    """
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    except OperationalError as error:
        raise StoreError(f"cannot reach {engine.url.render_as_string(hide_password=True)}: {error.orig}") from error


def upgrade(engine: Engine) -> tuple[str | None, str]:
    """Bring a database to the revision needed.

    :returns: the revision before, and the one now.
    :raises StoreError: if it cannot be reached.
    """
    before = current_revision(engine)
    command.upgrade(alembic_config(engine), "head")
    return before, needed_revision()


def open_database(url: str) -> Engine:
    """An engine for a database whose schema is the one needed. An empty database is given it.

    :raises SchemaError: if the schema is of another version.
    :raises StoreError: if the database cannot be reached or is somebody else's.
    """
    engine = connect(url)
    try:
        current = current_revision(engine)
        if current is None:
            if inspect(engine).get_table_names():
                raise SchemaError(f"{_shown(engine)} holds other tables and none of ours; choose another database")
            upgrade(engine)
        elif current != needed_revision():
            raise SchemaError(
                f"{_shown(engine)} is at schema {current}, this version needs {needed_revision()}: "
                "run 'smgw db upgrade'"
            )
    except SQLAlchemyError as error:
        raise StoreError(f"cannot open {_shown(engine)}: {error}") from error
    return engine


def _shown(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)
