"""The original reading list: what comes in stays as it came, all of a batch or none of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from gateway.lmn.sml_readings import STATUS_BITS
from gateway.metering.store import OriginalReading, ReadingStore
from lifecycle.canonical import JournalError
from lifecycle.store.engine import open_database
from lifecycle.store.repository import Repository
from tests.support.lives import GATEWAY, OTHER_GATEWAY, SECOND, START, SettableClock, cast


def reading(value: int = 1, at: datetime = START, **others: object) -> OriginalReading:
    members = {"meter": "0a01454d480000bc614e", "obis": "0100010800ff", "scaler": -1, "unit": 30, "flags": ("signed",)}
    return OriginalReading(captured=at, value=value, **{**members, **others})  # type: ignore[arg-type]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A database with two gateways in it."""
    opened = open_database(database_url)
    repository = Repository(opened, cast().trust, cast().keeper, clock=SettableClock())
    for gateway in (GATEWAY, OTHER_GATEWAY):
        repository.register(gateway)
    yield opened
    opened.dispose()


@pytest.fixture
def store(engine: Engine) -> ReadingStore:
    return ReadingStore(engine)


def test_readings_come_back_as_they_came_newest_first(store: ReadingStore, engine: Engine) -> None:
    every_flag = ("unsigned", f"status:0x{'f' * 16}", *STATUS_BITS.values(), "suspect-sign", "time-untagged")
    came = [
        reading(0),
        reading(-1, scaler=-128, unit=None, flags=()),
        reading(2**64 - 1, scaler=127, unit=255, obis="8181c78203ff"),
        reading(-(2**63), flags=every_flag, meter="ff" * 32),
        reading(7, START.replace(microsecond=123456)),
    ]
    store.add(GATEWAY, came)
    assert ReadingStore(engine).latest(GATEWAY) == came[::-1]
    assert store.latest(GATEWAY, limit=2) == came[:-3:-1]
    assert store.count(GATEWAY) == len(came)


def test_of_one_moment_the_order_of_coming_is_kept(store: ReadingStore) -> None:
    for number in range(30):
        store.add(GATEWAY, [reading(number)])
    assert [one.value for one in store.latest(GATEWAY, limit=100)] == list(range(29, -1, -1))


def test_times_are_kept_in_utc(store: ReadingStore) -> None:
    store.add(GATEWAY, [reading(1, START.astimezone(timezone(timedelta(hours=2))))])
    (kept,) = store.latest(GATEWAY)
    assert kept.captured == START
    assert kept.captured.tzinfo == UTC


def test_each_gateway_has_its_own_list(store: ReadingStore) -> None:
    store.add(GATEWAY, [reading(1), reading(2)])
    store.add(OTHER_GATEWAY, [reading(3, START + SECOND)])
    assert [one.value for one in store.latest(GATEWAY)] == [2, 1]
    assert [one.value for one in store.latest(OTHER_GATEWAY)] == [3]
    assert (store.count(GATEWAY), store.count(OTHER_GATEWAY), store.count("EXXX0000000000")) == (2, 1, 0)


def test_nothing_is_added_for_nothing(store: ReadingStore) -> None:
    store.add(GATEWAY, [])
    assert store.count(GATEWAY) == 0
    assert store.latest(GATEWAY) == []


def test_a_batch_with_a_reading_that_cannot_be_kept_is_not_kept(store: ReadingStore) -> None:
    """Whether it cannot be written down, or the database refuses it."""
    store.add(GATEWAY, [reading(1)])
    with pytest.raises(JournalError, match="zone"):
        store.add(GATEWAY, [reading(2), reading(3, START.replace(tzinfo=None))])
    with pytest.raises(IntegrityError):
        store.add(GATEWAY, [reading(2), reading(3, obis=None)])
    assert [one.value for one in store.latest(GATEWAY)] == [1]


def test_readings_of_a_gateway_without_a_record_are_not_kept(store: ReadingStore) -> None:
    with pytest.raises(IntegrityError):
        store.add("EXXX0000000000", [reading()])
    assert store.count("EXXX0000000000") == 0


def test_more_flags_than_fit_are_cut_between_two_of_them(store: ReadingStore) -> None:
    many = tuple(f"flag-{number:03}" for number in range(50))
    store.add(GATEWAY, [reading(flags=many)])
    (kept,) = store.latest(GATEWAY)
    assert kept.flags == many[: len(kept.flags)]
    assert len(kept.flags) > 20
