"""The logs: bounded, chained, warned about; what a full one means; and whoever tampers is found, with the place."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, event, select, update

from gateway.logs.events import EventId, Log
from gateway.logs.schema import log_books, log_entries
from gateway.logs.store import Limit, LimitReached, LogError, LogFull, LogPolicy, LogStore, Note, WhenFull
from gateway.sealing import Broken, End
from gateway.storage import Storage
from lifecycle.canonical import JournalError
from lifecycle.evidence import OpenFault
from lifecycle.faults import FAULTS
from lifecycle.store.engine import connect, open_database
from lifecycle.store.repository import Repository
from tests.support.lives import GATEWAY, OTHER_GATEWAY, START, SettableClock, cast
from tests.support.processes import StartingLine, Tell, forked
from tests.support.sealing import signer

SMALL = LogPolicy(system=20, calibration=12, consumer=10, warn_at=(50, 80))
ANNA, BERT = "anna", "bert"


def kept(engine: Engine, policy: LogPolicy = SMALL, gateway: str = GATEWAY, **others: Any) -> LogStore:
    return LogStore(Storage(engine), gateway, policy=policy, clock=SettableClock(), **others)


def read_own(consumer: str = ANNA, what: str = "values") -> Note:
    return Note(EventId.OWN_DATA_READ, {"what": what}, consumer)


def updated(what: str = "1.0") -> Note:
    return Note(EventId.FIRMWARE_UPDATED, {"firmware": what})


FAILED = Note(EventId.CONNECTION_FAILED, {"peer": "gwa.example"})


def fill(store: LogStore, note: Note) -> int:
    """Write until the log takes no more; how often it took it."""
    for taken in range(1000):
        try:
            store.write(note)
        except LogFull:
            return taken
    raise AssertionError("it is never full")


def test_what_is_written_is_read_in_order(engine: Engine) -> None:
    store = kept(engine)
    store.write(FAILED, read_own(), Note(EventId.SELF_TEST_PASSED, by="GWA 1"))
    first, second = store.read(Log.SYSTEM)
    assert (first.number, second.number) == (1, 2)
    assert first.text(german=False) == "connection to gwa.example failed"
    assert first.text() == "Verbindung zu gwa.example gescheitert"
    assert (first.time, first.by, second.by) == (START, "", "GWA 1")
    assert store.read(Log.SYSTEM, after=1) == [second]
    assert store.read(Log.SYSTEM, limit=1) == [first]
    (own,) = store.read(Log.CONSUMER, ANNA)
    assert own.details == {"what": "values"}
    assert store.read(Log.CALIBRATION) == []


def test_logs_of_others_are_others(engine: Engine) -> None:
    store, other = kept(engine), kept(engine, gateway=OTHER_GATEWAY)
    store.write(read_own(ANNA, "Anna's"), read_own(BERT, "Bert's"))
    other.write(read_own(ANNA, "another Anna's"))
    assert [entry.details["what"] for entry in store.read(Log.CONSUMER, ANNA)] == ["Anna's"]
    assert [entry.details["what"] for entry in store.read(Log.CONSUMER, BERT)] == ["Bert's"]
    assert [entry.details["what"] for entry in other.read(Log.CONSUMER, ANNA)] == ["another Anna's"]
    assert store.read(Log.CONSUMER) == []
    assert other.read(Log.CONSUMER, BERT) == []


@pytest.mark.parametrize(
    ("event", "details", "consumer", "words"),
    [
        (EventId.SELF_TEST_PASSED, {"more": "x"}, "", "has the details"),
        (EventId.CONNECTION_FAILED, {}, "", "has the details"),
        (EventId.CONNECTION_FAILED, {"peer": "x" * 257}, "", "256 fit"),
        (EventId.OWN_DATA_READ, {"what": "x"}, "", "of the consumer log"),
        (EventId.SELF_TEST_PASSED, {}, ANNA, "of the system log"),
        (EventId.OWN_DATA_READ, {"what": "x"}, "x" * 65, "at most 64"),
    ],
)
def test_a_note_that_the_table_does_not_know_is_refused(
    event: EventId, details: dict[str, str | int], consumer: str, words: str
) -> None:
    with pytest.raises(LogError, match=words):
        Note(event, details, consumer)


def test_of_several_notes_all_are_kept_or_none(engine: Engine) -> None:
    store = kept(engine)
    with pytest.raises(JournalError):
        store.write(FAILED, Note(EventId.CONNECTION_FAILED, {"peer": 2**60}))
    assert store.read(Log.SYSTEM) == []
    assert store.end(Log.SYSTEM).number == 0
    fill(store, read_own())
    ends = store.end(Log.SYSTEM), store.end(Log.CALIBRATION)
    with pytest.raises(LogFull):
        store.write(FAILED, updated(), read_own())
    assert (store.end(Log.SYSTEM), store.end(Log.CALIBRATION)) == ends


@pytest.mark.parametrize("limit", [-1, 1001])
def test_a_read_is_bounded(engine: Engine, limit: int) -> None:
    with pytest.raises(LogError, match="at most 1000"):
        kept(engine).read(Log.SYSTEM, limit=limit)


@pytest.mark.parametrize("policy", [{"system": 3}, {"warn_at": ()}, {"warn_at": (90, 80)}, {"warn_at": (100,)}])
def test_a_policy_that_warns_nobody_is_refused(policy: dict[str, Any]) -> None:
    with pytest.raises(LogError):
        LogPolicy(**policy)


# Full


def test_a_full_calibration_log_takes_nothing_more_for_good(engine: Engine) -> None:
    told: list[LimitReached] = []
    store = kept(engine, follow=told.append)
    assert fill(store, updated()) == SMALL.calibration - 1
    entries = store.read(Log.CALIBRATION)
    assert len(entries) == SMALL.calibration
    assert entries[-1].event.number is EventId.CALIBRATION_LOG_FULL
    assert [(each.limit, each.count) for each in told if each.log is Log.CALIBRATION] == [
        (Limit.NEARLY_FULL, 6),
        (Limit.NEARLY_FULL, 10),
        (Limit.FULL, 12),
    ]
    assert told[-1].fault == OpenFault("calibration-log-full")
    assert told[0].fault is None
    assert not FAULTS["calibration-log-full"].cleared_by
    again = kept(engine)
    with pytest.raises(LogFull, match="calibration log is full; nothing was written"):
        again.write(updated())
    assert [each.fault for each in again.limits()] == [OpenFault("calibration-log-full")]
    assert again.verify(Log.CALIBRATION) is None
    again.write(FAILED, read_own())


def test_a_full_consumer_log_concerns_that_consumer_until_it_is_freed(engine: Engine) -> None:
    told: list[LimitReached] = []
    store = kept(engine, follow=told.append)
    fill(store, read_own())
    own = store.read(Log.CONSUMER, ANNA)
    assert len(own) == SMALL.consumer
    assert own[-1].event.number is EventId.OWN_LOG_FULL
    assert [entry.event.number for entry in own].count(EventId.OWN_LOG_NEARLY_FULL) == 1
    assert [each.limit for each in told] == [Limit.NEARLY_FULL, Limit.NEARLY_FULL, Limit.FULL]
    fault = OpenFault("consumer-log-full", ANNA)
    assert told[-1].fault == fault
    assert FAULTS[fault.name].per_subject
    assert [each.fault for each in store.limits()] == [fault]
    system = [(entry.event.number, entry.details.get("consumer")) for entry in store.read(Log.SYSTEM)]
    assert system == [
        (EventId.LOG_NEARLY_FULL, ANNA),
        (EventId.LOG_NEARLY_FULL, ANNA),
        (EventId.CONSUMER_LOG_FULL, ANNA),
    ]
    store.write(read_own(BERT))
    last_gone = own[-4]
    assert store.free(ANNA, keep=3, by="GWA 1") == 7
    assert told[-1] == LimitReached(Limit.FREED, Log.CONSUMER, ANNA, 4, SMALL.consumer)
    assert told[-1].fault == fault
    assert store.limits() == []
    freed = store.read(Log.CONSUMER, ANNA)[-1]
    assert freed.details == {"count": 7, "last": 7, "hash": last_gone.hash}
    assert freed.by == "GWA 1"
    assert store.read(Log.SYSTEM)[-1].details == {"consumer": ANNA, "count": 7, "last": 7, "hash": last_gone.hash}
    assert [entry.number for entry in store.read(Log.CONSUMER, ANNA)] == [8, 9, 10, 11]
    assert store.verify(Log.CONSUMER, ANNA) is None
    assert fill(store, read_own()) > 3
    assert store.verify(Log.CONSUMER, ANNA) is None


def test_how_full_the_logs_are_is_told_by_kind_and_for_the_fullest(engine: Engine) -> None:
    store = kept(engine)
    assert store.filled() == {Log.SYSTEM: 0, Log.CALIBRATION: 0, Log.CONSUMER: 0}
    store.write(FAILED, updated(), read_own(), read_own(), read_own(BERT))
    kept(engine, gateway=OTHER_GATEWAY).write(read_own(), read_own(), read_own())
    assert store.filled() == {Log.SYSTEM: 1 / 20, Log.CALIBRATION: 1 / 12, Log.CONSUMER: 2 / 10}


def test_freeing_leaves_room_or_is_refused(engine: Engine) -> None:
    store = kept(engine)
    store.write(read_own())
    for keep in (-1, 4):
        with pytest.raises(LogError, match="0 to 3"):
            store.free(ANNA, keep=keep, by="GWA 1")
    assert store.free(ANNA, keep=1, by="GWA 1") == 0
    assert store.free("nobody", keep=0, by="GWA 1") == 0
    assert len(store.read(Log.CONSUMER, ANNA)) == 1
    assert store.read(Log.SYSTEM) == []


def test_by_policy_a_consumer_log_overwrites_its_oldest(engine: Engine) -> None:
    told: list[LimitReached] = []
    policy = LogPolicy(system=20, consumer=10, consumer_full=WhenFull.OVERWRITE)
    store = kept(engine, policy, follow=told.append)
    for number in range(25):
        store.write(read_own(what=str(number)))
    entries = store.read(Log.CONSUMER, ANNA)
    assert len(entries) == policy.consumer
    assert entries[-1].details == {"what": "24"}
    assert {each.limit for each in told} == {Limit.NEARLY_FULL}
    assert store.limits() == []
    assert store.verify(Log.CONSUMER, ANNA) is None


def test_the_system_log_warns_once_and_overwrites_its_oldest(engine: Engine) -> None:
    store = kept(engine)
    for _ in range(100):
        store.write(FAILED)
    entries = store.read(Log.SYSTEM)
    assert len(entries) == SMALL.system
    assert entries[-1].number == 102
    assert store.verify(Log.SYSTEM) is None


def test_limits_are_told_after_what_reached_them_is_kept(engine: Engine) -> None:
    seen: list[int] = []
    store = kept(engine, follow=lambda _: seen.append(len(kept(engine).read(Log.CALIBRATION))))
    fill(store, updated())
    assert seen == [6, 10, 12]


# Tampering


def test_only_the_calibration_log_is_signed(engine: Engine) -> None:
    store = kept(engine, signer=signer())
    store.write(updated(), FAILED, read_own())
    (entry,) = store.read(Log.CALIBRATION)
    assert entry.seal is not None
    assert signer().verifies(entry.seal.key, bytes.fromhex(entry.hash), entry.seal.signature)
    assert store.read(Log.SYSTEM)[0].seal is None
    assert store.read(Log.CONSUMER, ANNA)[0].seal is None
    assert store.verify(Log.CALIBRATION, verifies=signer().verifies) is None
    unsigned = kept(engine, gateway=OTHER_GATEWAY)
    unsigned.write(updated())
    assert unsigned.verify(Log.CALIBRATION) is None
    assert unsigned.verify(Log.CALIBRATION, verifies=signer().verifies) == Broken(1, "its signature is missing")


def change(number: int, **values: Any) -> Any:
    """Write something else into an entry of the calibration log."""
    return update(log_entries).where(log_entries.c.log == "calibration", log_entries.c.number == number).values(values)


def drop(number: int) -> Any:
    """Take an entry out of the calibration log."""
    return delete(log_entries).where(log_entries.c.log == "calibration", log_entries.c.number == number)


def book(log: str = "calibration", **values: Any) -> Any:
    """Have a log begin or end elsewhere."""
    return update(log_books).where(log_books.c.log == log).values(values)


TAMPERING: dict[str, tuple[Any, int, str]] = {
    "a body changed": (change(3, body=b"{}"), 3, "another hash"),
    "a body and its hash": (change(3, body=b"{}", hash=sha256(b"{}").hexdigest()), 3, "its number is None"),
    "no JSON": (change(3, body=b"{", hash=sha256(b"{").hexdigest()), 3, "cannot be read"),
    "not canonical": (change(3, body=b"{ }", hash=sha256(b"{ }").hexdigest()), 3, "not written canonically"),
    "no object": (change(3, body=b"[]", hash=sha256(b"[]").hexdigest()), 3, "not written canonically"),
    "a hash changed": (change(4, hash="0" * 64), 4, "another hash"),
    "an entry gone": (drop(2), 2, "missing"),
    "the first gone": (drop(1), 1, "missing"),
    "the last gone": (drop(5), 5, "missing"),
    "another time": (change(2, time="x"), 2, "kept with time"),
    "another event": (change(5, event=1001), 5, "kept with event"),
    "a signature gone": (change(3, key=None), 3, "its signature is missing"),
    "a signature changed": (change(3, signature=b"0"), 3, "is not by the key"),
    "moved beginning": (book(first=3), 1, "nothing is ever taken out"),
    "shorter book": (book(last=4), 5, "the end of the chain is kept as 4"),
    "no entries": (delete(log_entries), 1, "missing"),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_the_first_broken_entry_is_named(engine: Engine, how: str) -> None:
    store = kept(engine, signer=signer())
    store.write(*(updated(str(number)) for number in range(5)))
    assert store.verify(Log.CALIBRATION, verifies=signer().verifies) is None
    statement, number, words = TAMPERING[how]
    with engine.begin() as connection:
        assert connection.execute(statement).rowcount > 0
    broken = store.verify(Log.CALIBRATION, verifies=signer().verifies)
    assert broken is not None
    assert (broken.number, words in broken.reason) == (number, True), broken


@pytest.mark.parametrize("read", ["log_books", "log_entries"])
@pytest.mark.parametrize("log", [Log.SYSTEM, Log.CALIBRATION])
def test_what_another_writes_while_a_chain_is_followed_does_not_break_it(
    engine: Engine, database_url: str, read: str, log: Log
) -> None:
    """Another process with the same database: it knows nothing of the locks of this one, and overwrites the oldest."""
    store = kept(engine, signer=signer())
    note = FAILED if log is Log.SYSTEM else updated()
    store.write(*[note] * (SMALL.system if log is Log.SYSTEM else 3))
    followed = connect(database_url)
    written: list[str] = []

    def write(*told: Any) -> None:
        if f"FROM {read}" in told[2]:
            written.append(told[2])
            store.write(note)

    event.listen(followed, "before_cursor_execute", write)
    end = store.end(log)
    assert kept(followed).verify(log, verifies=signer().verifies, known=end) is None
    event.remove(followed, "before_cursor_execute", write)
    assert written
    assert kept(followed).verify(log, verifies=signer().verifies, known=end) is None
    assert store.end(log).number == end.number + len(written)
    followed.dispose()


def test_a_tail_cut_off_with_its_book_shows_against_an_end_that_is_known(engine: Engine) -> None:
    store = kept(engine)
    store.write(*(updated(str(number)) for number in range(3)))
    before = store.end(Log.CALIBRATION)
    store.write(updated("3"))
    after = store.end(Log.CALIBRATION)
    assert store.verify(Log.CALIBRATION, known=before) is None
    assert store.verify(Log.CALIBRATION, known=after) is None
    with engine.begin() as connection:
        connection.execute(drop(4))
        connection.execute(book(last=3, last_hash=before.hash))
    assert store.verify(Log.CALIBRATION) is None
    assert store.verify(Log.CALIBRATION, known=after) == Broken(4, "missing: the log once ended at 4")
    assert store.verify(Log.CALIBRATION, known=End(3, "0" * 64)) == Broken(
        3, "it is another entry than the one that was known"
    )


def test_oldest_entries_taken_out_of_a_log_that_overwrites_show(engine: Engine) -> None:
    store = kept(engine)
    for _ in range(30):
        store.write(FAILED)
    first = store.read(Log.SYSTEM)[0].number
    with engine.begin() as connection:
        connection.execute(delete(log_entries).where(log_entries.c.number <= first + 2))
    assert store.verify(Log.SYSTEM) == Broken(first, f"missing: {first + 3} follows {first - 1}")
    with engine.begin() as connection:
        connection.execute(book("system", first=first + 3))
    assert store.verify(Log.SYSTEM) == Broken(first, f"missing: the log is kept as beginning with {first + 3}")


def test_an_entry_serves_in_no_other_log(engine: Engine) -> None:
    """Whose it is stands in it, and in what its chain begins with."""
    store = kept(engine)
    store.write(read_own(ANNA), read_own(BERT), read_own(BERT))
    with engine.begin() as connection:
        connection.execute(delete(log_entries).where(log_entries.c.consumer == ANNA))
        connection.execute(update(log_entries).where(log_entries.c.number == 1).values(consumer=ANNA))
        moved = connection.execute(select(log_entries.c.hash).where(log_entries.c.number == 1)).scalar_one()
        connection.execute(update(log_books).values(last_hash=moved))
    broken = store.verify(Log.CONSUMER, ANNA)
    assert broken == Broken(1, "it follows another line than the one before it")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.lists(st.sampled_from(["system", "calibration", ANNA, BERT, "free"]), max_size=30),
    stops=st.booleans(),
    capacity=st.integers(min_value=4, max_value=8),
)
def test_whatever_is_written_logs_are_bounded_and_whole(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[str], stops: bool, capacity: int
) -> None:
    engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('logs') / 'smgw.db'}")
    Repository(engine, cast().trust, cast().keeper, clock=SettableClock()).register(GATEWAY)
    when_full = WhenFull.STOP if stops else WhenFull.OVERWRITE
    policy = LogPolicy(capacity, capacity, capacity, when_full)
    store = kept(engine, policy)
    actions: dict[str, Callable[[], Any]] = {
        "system": lambda: store.write(FAILED),
        "calibration": lambda: store.write(updated()),
        ANNA: lambda: store.write(read_own(ANNA)),
        BERT: lambda: store.write(read_own(BERT)),
        "free": lambda: store.free(ANNA, keep=0, by="GWA 1"),
    }
    books = [(Log.SYSTEM, ""), (Log.CALIBRATION, ""), (Log.CONSUMER, ANNA), (Log.CONSUMER, BERT)]
    for kind in kinds:
        full = {(each.log, each.consumer) for each in store.limits()}
        is_full = {"calibration": (Log.CALIBRATION, ""), ANNA: books[2], BERT: books[3]}.get(kind) in full
        with pytest.raises(LogFull) if is_full else nullcontext():
            actions[kind]()
        for log, consumer in books:
            assert len(store.read(log, consumer)) <= capacity
            assert store.verify(log, consumer) is None
    engine.dispose()


def test_those_who_write_at_once_write_one_chain(engine: Engine, database_url: str) -> None:
    engine.dispose()
    line = StartingLine()

    def write(_: Tell) -> None:
        own = connect(database_url)
        store = kept(own, LogPolicy())
        line.wait()
        for _round in range(10):
            store.write(FAILED, updated(), read_own())

    children = [forked(write) for _ in range(3)]
    line.go()
    assert [child.end() for child in children] == [0] * 3
    store = kept(engine, LogPolicy())
    for log, consumer in ((Log.SYSTEM, ""), (Log.CALIBRATION, ""), (Log.CONSUMER, ANNA)):
        assert store.end(log, consumer).number == 30
        assert store.verify(log, consumer) is None
