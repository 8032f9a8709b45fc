"""Writing by the driver itself: the same transaction and the same errors as through SQLAlchemy, with less around it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from lifecycle.roles import Role
from lifecycle.store.engine import connect, open_database
from lifecycle.store.rows import certificate_row, command_row, keeping_certificates
from lifecycle.store.schema import certificates, commands
from lifecycle.store.writing import Prepared, write
from tests.lifecycle.store.conftest import Dump
from tests.support.lives import cast

Dumping = Callable[[], Dump]
ONE, OTHER = (certificate_row(cast()[role].certificate_der) for role in (Role.GWH, Role.MSB))


def test_rows_are_written_together(engine: Engine, dump: Dumping) -> None:
    plain, keeping = Prepared(engine, insert(certificates)), Prepared(engine, keeping_certificates(engine.dialect.name))
    write(engine, (plain, ONE), (keeping, ONE), (keeping, OTHER))
    kept = {name: bytes(der) for name, der in dump()["certificates"]}
    assert kept == {row["fingerprint"]: row["der"] for row in (ONE, OTHER)}
    write(engine)
    assert len(dump()["certificates"]) == 2


def test_of_rows_of_which_one_is_refused_none_is_written(engine: Engine, dump: Dumping) -> None:
    plain, noting = Prepared(engine, insert(certificates)), Prepared(engine, insert(commands))
    before = dump()
    with pytest.raises(IntegrityError):
        write(engine, (plain, ONE), (plain, OTHER), (plain, ONE))
    with pytest.raises(IntegrityError):
        write(engine, (plain, ONE), (noting, command_row("ab" * 32, "k", "cd" * 32, "EXXX0000000000", 1)))
    with pytest.raises(IntegrityError):
        write(engine, (plain, ONE), (plain, {**OTHER, "der": None}))
    assert dump() == before
    write(engine, (plain, ONE))


def test_an_interruption_writes_nothing(engine: Engine, dump: Dumping) -> None:
    class Interrupting(dict[str, object]):
        def __getitem__(self, name: str) -> object:
            raise KeyboardInterrupt

    plain, before = Prepared(engine, insert(certificates)), dump()
    interrupting = Interrupting(OTHER)
    with pytest.raises((KeyboardInterrupt, DBAPIError)):
        write(engine, (plain, ONE), (plain, interrupting))
    assert dump() == before


def test_errors_are_sqlalchemys_and_connections_go_back(engine: Engine) -> None:
    gone = Prepared(engine, insert(certificates))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE certificates RENAME TO elsewhere"))
    for _ in range(20):  # more than a pool would have
        with pytest.raises(DBAPIError) as caught:
            write(engine, (gone, ONE))
        assert isinstance(caught.value.orig, engine.dialect.loaded_dbapi.Error)
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO certificates"))
    write(engine, (gone, ONE))


@pytest.mark.postgresql
def test_a_connection_lost_while_writing_is_not_used_again(postgresql_url: str) -> None:
    engine, another = open_database(postgresql_url), connect(postgresql_url)
    plain = Prepared(engine, insert(certificates))
    with engine.connect(), engine.connect():  # so that the pool keeps two
        pass

    class Killing(dict[str, object]):
        def __getitem__(self, name: str) -> object:
            with another.connect() as connection:
                connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                )
            return super().__getitem__(name)

    with pytest.raises(DBAPIError) as caught:
        write(engine, (plain, Killing(ONE)))
    assert caught.value.connection_invalidated
    for row in (ONE, OTHER):
        write(engine, (plain, row))
    with another.connect() as connection:
        assert len(connection.execute(select(certificates)).all()) == 2
    engine.dispose()
    another.dispose()
