"""A home and a replica that was taken along, each with a keeper of its own, under one operations CA and one clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, select

from lifecycle.roles import Role
from lifecycle.states import State
from lifecycle.store.engine import open_database
from lifecycle.store.repository import Repository
from stations.installer.works import Installer
from tests.support.lives import GATEWAY, SettableClock, cast, live, shortest_way

Dump = dict[str, list[tuple[Any, ...]]]
PARTIES = {role: cast()[role] for role in (Role.MONTEUR, Role.ERSTKONFIGURATOR)}
DEVICES = {GATEWAY: cast()[Role.GATEWAY]}


@pytest.fixture
def clock() -> SettableClock:
    """Everybody's time, which stands still until a test moves it."""
    return SettableClock()


def repository_in(path: Path, name: str, clock: SettableClock) -> Repository:
    """A repository in a SQLite file, with a keeper of its own."""
    enrolled_at = cast().keeper.certificate.not_valid_before_utc
    keeper = cast().authority.enrol(Role.KEEPER, name, clock=lambda: enrolled_at)
    return Repository(open_database(f"sqlite:///{path / name}.db"), cast().trust, keeper, clock=clock)


@pytest.fixture
def home(tmp_path: Path, clock: SettableClock) -> Iterator[Repository]:
    """The repository at home."""
    repository = repository_in(tmp_path, "home", clock)
    yield repository
    repository.engine.dispose()


@pytest.fixture
def replica(tmp_path: Path, clock: SettableClock) -> Iterator[Repository]:
    """The replica that is taken along."""
    repository = repository_in(tmp_path, "replica", clock)
    yield repository
    repository.engine.dispose()


@pytest.fixture
def standing_in(home: Repository) -> Callable[[State], Installer]:
    """An installer at home, the gateway having lived the shortest way to a state."""

    def brought(state: State) -> Installer:
        live(home, shortest_way(state))
        return Installer(home, PARTIES, DEVICES)

    return brought


def dump(repository: Repository) -> Dump:
    """Everything in every table of a repository's database."""
    tables = MetaData()
    tables.reflect(repository.engine)
    with repository.engine.connect() as connection:
        return {
            name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for name, table in tables.tables.items()
        }
