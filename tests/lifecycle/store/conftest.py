"""A record in a fresh database of each backend, and what is needed to see whether anything in it has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, select

from lifecycle.store.engine import open_database
from lifecycle.store.repository import Repository
from tests.support.lives import SettableClock, cast

Dump = dict[str, list[tuple[Any, ...]]]


@pytest.fixture
def clock() -> SettableClock:
    """The store's time, which stands still until a test moves it."""
    return SettableClock()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A database with the schema, empty."""
    opened = open_database(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def repository(engine: Engine, clock: SettableClock) -> Repository:
    """A repository on that database, kept by the cast's keeper."""
    return Repository(engine, cast().trust, cast().keeper, clock=clock)


@pytest.fixture
def another(engine: Engine, clock: SettableClock) -> Repository:
    """Another repository on the same database, as another process has it: neither knows what the other remembers."""
    return Repository(engine, cast().trust, cast().keeper, clock=clock)


@pytest.fixture
def dump(engine: Engine) -> Callable[[], Dump]:
    """Everything in every table of the database."""

    def everything() -> Dump:
        tables = MetaData()
        tables.reflect(engine)
        with engine.connect() as connection:
            return {
                name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
                for name, table in tables.tables.items()
            }

    return everything
