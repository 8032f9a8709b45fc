"""Entries are examined before they are written: what is contradicted never comes on record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from sqlalchemy import Engine

from lifecycle.desk import sign_step
from lifecycle.journal import Entry
from lifecycle.states import State
from lifecycle.store import examining
from lifecycle.store.errors import ConflictError, EntryRefusedError
from lifecycle.store.repository import Repository
from tests.lifecycle.store.conftest import Dump
from tests.support.lives import GATEWAY, OTHER_GATEWAY, SettableClock, cast, live, shortest_way

TO_PRODUCTION = shortest_way(State.PRODUCTION)


@dataclass
class Doubter:
    """Contradicts entries of one sequence, and checks that it sees them all in order.

    :ivar made: every witness that was made.
    """

    doubted: int
    made: list[list[int]]
    seen: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.made.append(self.seen)

    def examine(self, entry: Entry) -> str | None:
        """The next entry."""
        assert entry.sequence == len(self.seen) + 1
        self.seen.append(entry.sequence)
        return "not so" if entry.sequence == self.doubted else None


def examining_repository(engine: Engine, clock: SettableClock, doubted: int) -> tuple[Repository, list[list[int]]]:
    """A repository whose examiner doubts one sequence, and what its witnesses saw."""
    made: list[list[int]] = []
    repository = Repository(engine, cast().trust, cast().keeper, clock=clock, admits=lambda: Doubter(doubted, made))
    return repository, made


def test_what_is_contradicted_is_refused_and_changes_nothing(
    engine: Engine, clock: SettableClock, dump: Callable[[], Dump]
) -> None:
    repository, made = examining_repository(engine, clock, 2)
    live(repository, TO_PRODUCTION[:1])
    before = dump()
    step, party = cast().played(TO_PRODUCTION[1])
    for _ in range(2):
        with pytest.raises(EntryRefusedError, match="evidence is shown, not claimed: not so"):
            repository.act(GATEWAY, party, step)
        kept = repository.kept(GATEWAY)
        signed = sign_step(step, party, GATEWAY, kept.standing, kept.position, clock())
        with pytest.raises(EntryRefusedError, match="not so"):
            repository.append(signed, party.certificate_der)
    assert dump() == before
    assert made[0] == [1, 2]  # it went on from what it had seen
    assert made[1:] == [[1, 2]] * 3  # and began anew, for the refused entry was not written


def test_a_witness_goes_on_and_begins_anew_where_somebody_else_has_written(
    engine: Engine, clock: SettableClock, another: Repository
) -> None:
    repository, made = examining_repository(engine, clock, 0)
    live(repository, TO_PRODUCTION)
    assert made == [[1, 2]]
    further = shortest_way(State.PREPERSONALISATION_1_SEPARATE)[len(TO_PRODUCTION) :]
    step, party = cast().played(further[0])
    another.act(GATEWAY, party, step)
    clock.move()
    step, party = cast().played(further[1])
    repository.act(GATEWAY, party, step)
    assert made == [[1, 2], [1, 2, 3, 4]]


def test_an_entry_that_lost_its_place_leaves_no_trace(
    engine: Engine, clock: SettableClock, another: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, made = examining_repository(engine, clock, 0)
    live(repository, TO_PRODUCTION[:1])
    step, party = cast().played(TO_PRODUCTION[1])
    stale = repository.kept(GATEWAY)
    another.act(GATEWAY, party, step)
    monkeypatch.setattr(repository, "kept", lambda _: stale)
    with pytest.raises(ConflictError):
        repository.act(GATEWAY, party, step)
    monkeypatch.undo()
    clock.move()
    further = shortest_way(State.PREPERSONALISATION_1_SEPARATE)[len(TO_PRODUCTION) :]
    step, party = cast().played(further[0])
    repository.act(GATEWAY, party, step)
    assert made[-1] == [1, 2, 3]


def test_only_so_many_witnesses_are_kept(engine: Engine, clock: SettableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examining, "_REMEMBERED", 1)
    repository, made = examining_repository(engine, clock, 0)
    live(repository, TO_PRODUCTION[:1])
    live(repository, TO_PRODUCTION[:1], gateway=OTHER_GATEWAY)
    clock.move()
    step, party = cast().played(TO_PRODUCTION[1])
    repository.act(GATEWAY, party, step)
    assert made == [[1], [1], [1, 2]]
