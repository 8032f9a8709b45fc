"""Opening a database: durable settings, one schema whoever makes it, and a clear word where it is another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine

import gateway.logs.schema
import gateway.metering.schema
import smpki.schema
from lifecycle.store.engine import connect, current_revision, needed_revision, open_database, upgrade
from lifecycle.store.errors import SchemaError, StoreError
from lifecycle.store.schema import metadata
from tests.support.postgres import PostgresServer
from tests.support.processes import StartingLine, Tell, at_once, forked

RECORD = {"gateways", "entries", "certificates", "commands", "readers"}
LOGS_AND_LISTS = {"log_books", "log_entries", "list_registers", "list_entries", "list_deletions"}
TABLES = RECORD | LOGS_AND_LISTS | set(smpki.schema.metadata.tables)


def run(engine: Engine, *statements: str) -> list[Any]:
    """Run statements; what the last one says."""
    with engine.begin() as connection:
        results = [connection.execute(sa.text(statement)) for statement in statements]
        return list(results[-1].scalars()) if results[-1].returns_rows else []


def set_revision(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def tables(engine: Engine) -> set[str]:
    return set(sa.inspect(engine).get_table_names())


@pytest.fixture
def bare(database_url: str) -> Any:
    """An engine on a database in which there is nothing."""
    engine = connect(database_url)
    yield engine
    engine.dispose()


def test_an_empty_database_is_given_its_schema(database_url: str) -> None:
    engine = open_database(database_url)
    assert tables(engine) == {*TABLES, "alembic_version"}
    assert current_revision(engine) == needed_revision()
    again = open_database(database_url)
    assert current_revision(again) == needed_revision()
    for opened in (engine, again):
        opened.dispose()


def test_models_and_migrations_do_not_drift_apart(engine: Engine) -> None:
    assert gateway.metering.schema.list_entries.metadata is metadata
    assert {*metadata.tables, *smpki.schema.metadata.tables} == TABLES
    with engine.connect() as connection:
        every: Any = [metadata, smpki.schema.metadata]  # alembic takes several, and its hints do not say so
        options = {"compare_type": True, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), every) == []


def test_sqlite_stores_chains_in_the_order_of_their_keys(tmp_path: Path) -> None:
    """What alembic does not compare: tables without a row id beside their key."""
    engine = open_database(f"sqlite:///{tmp_path / 'smgw.db'}")
    made = run(engine, "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%WITHOUT ROWID%'")
    assert sorted(made) == ["entries", "gateways"]
    engine.dispose()


def test_what_was_committed_is_on_the_disk(database_url: str) -> None:
    engine = open_database(database_url)
    with engine.connect() as one, engine.connect() as other:
        for connection in (one, other):
            if engine.dialect.name == "sqlite":
                settings = {
                    name: connection.execute(sa.text(f"PRAGMA {name}")).scalar_one()
                    for name in ("journal_mode", "synchronous", "foreign_keys")
                }
                assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
            else:
                for name in ("fsync", "synchronous_commit", "full_page_writes"):
                    assert connection.execute(sa.text(f"SHOW {name}")).scalar_one() == "on"
    engine.dispose()


@pytest.mark.postgresql
def test_a_database_that_was_told_not_to_wait_for_the_disk_waits_for_us(
    postgresql_server: PostgresServer, postgresql_url: str
) -> None:
    name = sa.make_url(postgresql_url).database
    postgresql_server.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    engine = open_database(postgresql_url)
    assert run(engine, "SHOW synchronous_commit") == ["on"]
    engine.dispose()


@pytest.mark.postgresql
def test_options_of_the_url_are_kept(postgresql_url: str) -> None:
    url = sa.make_url(postgresql_url).update_query_dict({"options": "-c application_name=smgw-test"})
    engine = open_database(url.render_as_string(hide_password=False))
    assert run(engine, "SHOW application_name") == ["smgw-test"]
    assert run(engine, "SHOW synchronous_commit") == ["on"]
    engine.dispose()


def test_plain_postgresql_means_psycopg() -> None:
    assert connect("postgresql://host/name").url.drivername == "postgresql+psycopg"


@pytest.mark.parametrize(
    "url",
    ["", "smgw.db", "mysql://host/name", "oracle://host/name", "sqlite+nonsense:///x", "postgresql+nonsense://host/x"],
)
def test_a_url_of_something_else_is_refused(url: str) -> None:
    with pytest.raises(StoreError):
        connect(url)


def test_a_database_that_cannot_be_reached_is_named_without_its_password(tmp_path: Path) -> None:
    for url in (
        f"sqlite:///{tmp_path}/missing/smgw.db",
        "postgresql://smgw:secret@127.0.0.1:1/smgw?connect_timeout=2",
    ):
        for reach in (lambda url: current_revision(connect(url)), lambda url: upgrade(connect(url)), open_database):
            with pytest.raises(StoreError) as caught:
                reach(url)
            assert "secret" not in str(caught.value)
            assert "smgw" in str(caught.value)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("These are my notes, and no database. " * 200)
    before = path.read_bytes()
    for reach in (lambda url: current_revision(connect(url)), lambda url: upgrade(connect(url)), open_database):
        with pytest.raises(StoreError, match=r"notes\.db"):
            reach(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_somebody_elses_database_is_refused_and_left_alone(bare: Engine, database_url: str) -> None:
    run(bare, "CREATE TABLE books (title varchar(80))", "INSERT INTO books VALUES ('Der Zauberberg')")
    with pytest.raises(SchemaError, match="other tables and none of ours"):
        open_database(database_url)
    with pytest.raises(SchemaError, match="other tables and none of ours"):
        upgrade(bare)
    assert tables(bare) == {"books"}
    assert run(bare, "SELECT title FROM books") == ["Der Zauberberg"]


def test_an_older_revision_is_refused_with_what_to_do(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = current_revision(engine)
    monkeypatch.setattr("lifecycle.store.engine.needed_revision", lambda: "9999")
    with pytest.raises(SchemaError, match=rf"at schema {current}, this version needs 9999: run 'smgw db upgrade'"):
        open_database(database_url)


def test_a_revision_that_nobody_here_knows_is_not_upgraded(engine: Engine, database_url: str) -> None:
    set_revision(engine, "9999")
    with pytest.raises(SchemaError, match="9999"):
        upgrade(engine)
    with pytest.raises(SchemaError, match="newer version"):
        open_database(database_url)
    assert current_revision(engine) == "9999"


def test_another_programs_database_at_the_same_revision_is_refused(bare: Engine, database_url: str) -> None:
    run(
        bare,
        "CREATE TABLE alembic_version (version_num varchar(32))",
        "INSERT INTO alembic_version VALUES ('0000')",
        "CREATE TABLE books (title varchar(80))",
    )
    set_revision(bare, needed_revision())
    with pytest.raises(SchemaError, match="entries"):
        open_database(database_url)
    assert tables(bare) == {"alembic_version", "books"}


def test_an_upgrade_says_from_where_to_where_and_is_safe_to_repeat(bare: Engine) -> None:
    assert upgrade(bare) == (None, needed_revision())
    assert upgrade(bare) == (needed_revision(), needed_revision())
    assert tables(bare) == {*TABLES, "alembic_version"}


def test_an_upgrade_that_fails_half_way_leaves_nothing_behind(
    bare: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is killed while the schema is made can start again."""
    made = []

    def fail(*arguments: Any, **_: Any) -> None:
        made.append(arguments)
        if len(made) == 4:
            raise RuntimeError("the power is gone")

    sa.event.listen(sa.Table, "after_create", fail)
    try:
        with pytest.raises(RuntimeError, match="the power is gone"):
            upgrade(bare)
    finally:
        sa.event.remove(sa.Table, "after_create", fail)
    assert tables(bare) == set()
    engine = open_database(database_url)
    assert tables(engine) == {*TABLES, "alembic_version"}
    engine.dispose()


def test_threads_that_open_an_empty_database_at_once_all_get_it(database_url: str) -> None:
    def start() -> set[str]:
        engine = open_database(database_url)
        try:
            return tables(engine)
        finally:
            engine.dispose()

    assert at_once(*[start] * 4) == [{*TABLES, "alembic_version"}] * 4


def test_a_question_waits_for_a_writer(tmp_path: Path) -> None:
    """SQLite: one writes at a time, and whoever comes second waits instead of giving up at once."""
    engine = open_database(f"sqlite:///{tmp_path / 'smgw.db'}")
    with engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA busy_timeout")).scalar_one() >= 10_000
    engine.dispose()


def test_processes_that_open_an_empty_database_at_once_all_get_it(database_url: str) -> None:
    line = StartingLine()

    def start(tell: Tell) -> None:
        line.wait()
        tell(" ".join(sorted(tables(open_database(database_url)))))

    children = [forked(start) for _ in range(4)]
    line.go()
    assert [child.end() for child in children] == [0] * 4
    assert [child.said for child in children] == [[" ".join(sorted({*TABLES, "alembic_version"}))]] * 4
