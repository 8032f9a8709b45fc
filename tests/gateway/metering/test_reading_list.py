"""The original reading list: what counts is kept, chained, signed; what is missing is known; what is over is gone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, event, func, select, update

from gateway.lmn.status import PtbStatus
from gateway.logs.events import EventId, Log
from gateway.logs.store import Limit, LogFull, LogPolicy, Note
from gateway.metering.reading_list import ReadingList
from gateway.metering.rules import Cause, ListProfile, ProfileError, Verdict
from gateway.metering.schema import list_deletions, list_entries, list_registers
from gateway.metering.status import Mark
from gateway.sealing import Broken
from gateway.storage import StorageFull
from lifecycle.store.engine import connect, open_database
from lifecycle.store.repository import Repository
from tests.support.lists import (
    ANNA,
    BERT,
    IMPORT,
    METER,
    OTHER_METER,
    OTHER_PROFILE,
    PROFILE,
    QUARTER,
    YEAR,
    Meters,
    reading,
)
from tests.support.lives import GATEWAY, START, SettableClock, cast
from tests.support.sealing import signer

SECOND = timedelta(seconds=1)


def logged(meters: Meters, log: Log, consumer: str = "") -> list[EventId]:
    return [entry.event.number for entry in meters.logs.read(log, consumer)]


def day(meters: Meters, quarters: int = 8, begin: int = 0) -> None:
    """Readings on every point of the raster, the first now."""
    for number in range(begin, begin + quarters):
        assert meters.take(number) == Verdict.KEPT
        meters.pass_time(QUARTER)


def test_a_reading_is_kept_as_it_came_with_its_point_and_status(engine: Engine) -> None:
    meters = Meters(engine, signer=signer(), now=START + 3 * SECOND)
    flags = ("unsigned", "status:0x001c0104")
    assert meters.take(2**64 - 1, scaler=-4, unit=None, flags=flags) == Verdict.KEPT
    (entry,) = meters.lists.entries(METER, IMPORT)
    assert (entry.meter, entry.obis, entry.number, entry.consumer) == (METER, IMPORT, 1, ANNA)
    assert (entry.target, entry.captured) == (START, START + 3 * SECOND)
    assert (entry.value, entry.scaler, entry.unit, entry.flags) == (2**64 - 1, -4, None, flags)
    assert (entry.status, entry.ptb, entry.is_gap) == (0x00000005_001C0104, PtbStatus.OK, False)
    assert entry.seal is not None
    assert signer().verifies(entry.seal.key, bytes.fromhex(entry.hash), entry.seal.signature)


def test_only_what_is_relevant_for_billing_is_signed(engine: Engine) -> None:
    power = ListProfile(METER, "0100100700ff", ANNA, YEAR, billing=False, monotone=False)
    meters = Meters(engine, [PROFILE, power], signer=signer())
    meters.lists.take([reading(1), reading(2, obis=power.obis)])
    assert meters.lists.entries(METER, IMPORT)[0].seal is not None
    assert meters.lists.entries(METER, power.obis)[0].seal is None
    for obis in (IMPORT, power.obis):
        assert meters.lists.verify(METER, obis, verifies=signer().verifies) is None


def test_between_the_points_nothing_is_written(engine: Engine) -> None:
    meters = Meters(engine)
    meters.take(1)
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    for _ in range(800):
        meters.pass_time(SECOND)
        assert meters.take(1) in {Verdict.OFF_RASTER, Verdict.SURPLUS}
    assert statements == []
    assert len(meters.lists.entries(METER, IMPORT)) == 1


def test_the_registers_of_a_frame_are_one_transaction(engine: Engine) -> None:
    """However many there are: the disk is waited for once, and no statement is executed once a register."""
    codes = [f"010001080{number}ff" for number in range(9)]
    profiles = [ListProfile(METER, obis, ANNA, YEAR) for obis in codes]
    meters = Meters(engine, profiles, signer=signer())
    statements: list[str] = []

    def frame() -> list[Verdict]:
        at = meters.pass_time(QUARTER)
        return [taken.verdict for taken in meters.lists.take([reading(1, at, obis=obis) for obis in codes])]

    frame()
    event.listen(engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    event.listen(engine, "commit", lambda _: statements.append("COMMIT"))
    assert frame() == [Verdict.KEPT] * len(codes)
    assert [statement.split()[0] for statement in statements] == ["UPDATE", "SELECT", "INSERT", "UPDATE", "COMMIT"]


def test_what_is_remembered_is_bounded_by_the_registers_with_a_profile(engine: Engine) -> None:
    meters = Meters(engine)
    for number in range(20):
        obis = f"0100010{number:03x}ff"
        meters.profiles = {(METER, obis): ListProfile(METER, obis, ANNA, YEAR)}
        meters.pass_time(QUARTER)
        assert meters.take(number, obis=obis) == Verdict.KEPT
        meters.lists.close_gaps()
        assert set(meters.lists._seen) <= set(meters.profiles)
    for number in range(100):
        meters.take(number, meter=f"0a{number:018x}")
    assert len(meters.lists._unknown) == 64


def test_what_was_missed_is_a_gap_before_the_next_reading(engine: Engine) -> None:
    meters = Meters(engine)
    day(meters, 2)
    meters.pass_time(3 * QUARTER)
    meters.take(2)
    gap = meters.lists.entries(METER, IMPORT)[2]
    assert gap.is_gap
    assert (gap.target, gap.until, gap.missing) == (START + 2 * QUARTER, START + 4 * QUARTER, 3)
    assert (gap.value, gap.captured, gap.cause) == (None, None, Cause.NOTHING_CAME)
    assert gap.marks == {Mark.MISSING}
    assert gap.ptb is PtbStatus.CRITICAL_TEMPORARY_ERROR
    assert meters.lists.entries(METER, IMPORT)[3].target == START + 5 * QUARTER
    assert logged(meters, Log.SYSTEM) == [EventId.READINGS_MISSING]
    assert meters.lists.verify(METER, IMPORT) is None


def test_gaps_are_closed_without_a_reading_too(engine: Engine) -> None:
    meters = Meters(engine)
    meters.take(1)
    assert meters.lists.close_gaps() == 0
    meters.pass_time(QUARTER + 9 * SECOND)
    assert meters.lists.close_gaps() == 0
    meters.pass_time(SECOND)
    assert meters.lists.close_gaps() == 1
    assert meters.lists.close_gaps() == 0
    meters.pass_time(QUARTER - 10 * SECOND)
    assert meters.take(2) == Verdict.KEPT
    assert [entry.missing for entry in meters.lists.entries(METER, IMPORT)] == [0, 1, 0]


def test_a_restart_knows_what_it_missed_and_says_so(engine: Engine) -> None:
    first = Meters(engine)
    day(first, 3)
    again = Meters(engine, now=START + 10 * QUARTER)
    assert again.lists.start() == 1
    assert logged(again, Log.SYSTEM) == [EventId.METERING_STARTED, EventId.READINGS_MISSING]
    assert again.take(9) == Verdict.KEPT
    gap, kept = again.lists.entries(METER, IMPORT)[3:]
    assert (gap.cause, gap.target, gap.missing) == (Cause.RESTART, START + 3 * QUARTER, 7)
    assert kept.target == START + 10 * QUARTER
    assert kept.marks == {Mark.RESTARTED}
    assert kept.ptb is PtbStatus.OK
    again.pass_time(QUARTER)
    again.take(9)
    assert again.lists.entries(METER, IMPORT)[-1].marks == frozenset()


def test_a_year_without_readings_is_one_entry(engine: Engine) -> None:
    meters = Meters(engine)
    meters.take(1)
    again = Meters(engine, now=START + YEAR)
    assert again.take(2) == Verdict.KEPT
    assert [entry.missing for entry in again.lists.entries(METER, IMPORT)] == [0, 365 * 96 - 1, 0]


def test_a_reading_sent_twice_is_kept_once_and_logged(engine: Engine) -> None:
    meters = Meters(engine)
    assert [meters.take(7), meters.take(7), meters.take(8)] == ["kept", "duplicate", "contradiction"]
    assert [entry.value for entry in meters.lists.entries(METER, IMPORT)] == [7]
    assert logged(meters, Log.SYSTEM) == [EventId.READING_REPEATED, EventId.READING_CONTRADICTED]


def test_in_one_batch_too(engine: Engine) -> None:
    meters = Meters(engine)
    taken = meters.lists.take([reading(7), reading(7), reading(7, START + SECOND)])
    assert [(each.verdict, each.number) for each in taken] == [
        (Verdict.KEPT, 1),
        (Verdict.DUPLICATE, None),
        (Verdict.SURPLUS, None),
    ]


def test_a_register_that_runs_back_is_told_once_while_it_lasts(engine: Engine) -> None:
    """A faulty meter marks each of its readings, and does not fill the calibration log."""
    meters = Meters(engine)
    for value in (100, 99, 98, 97, 98, 90):
        meters.take(value)
        meters.pass_time(QUARTER)
    entries = meters.lists.entries(METER, IMPORT)
    assert [bool(entry.marks) for entry in entries] == [False, True, True, True, False, True]
    assert {entry.ptb for entry in entries if entry.marks} == {PtbStatus.CRITICAL_TEMPORARY_ERROR}
    told = meters.logs.read(Log.CALIBRATION)
    assert [(entry.event.number, entry.details["entry"]) for entry in told] == [
        (EventId.REGISTER_RAN_BACK, 2),
        (EventId.REGISTER_RAN_BACK, 6),
    ]


@pytest.mark.parametrize(
    ("others", "mark", "number"),
    [
        ({"unit": 27}, Mark.UNIT_CHANGED, EventId.UNIT_CHANGED),
        ({"flags": ("status:0x00020104", "fatal-error")}, Mark.METER_FATAL, EventId.METER_FATAL),
    ],
)
def test_what_concerns_calibration_is_in_its_log(
    engine: Engine, others: dict[str, object], mark: Mark, number: EventId
) -> None:
    meters = Meters(engine)
    meters.take(1)
    meters.pass_time(QUARTER)
    meters.take(2, **others)
    assert meters.lists.entries(METER, IMPORT)[1].marks == {mark}
    assert logged(meters, Log.CALIBRATION) == [number]


def test_a_clock_that_jumps_ahead_is_logged_once_and_marks_each_register(engine: Engine) -> None:
    meters = Meters(engine)
    meters.lists.take([reading(1), reading(1, meter=OTHER_METER)])
    meters.pass_time(60 * SECOND)
    meters.clock.move(2 * QUARTER - 60 * SECOND)
    assert meters.take(2) == Verdict.KEPT
    assert meters.take(2, meter=OTHER_METER) == Verdict.KEPT
    (told,) = meters.logs.read(Log.CALIBRATION)
    assert told.event.number is EventId.CLOCK_JUMPED
    assert told.details["milliseconds"] == (2 * QUARTER).total_seconds() * 1000 - 60_000
    for meter in (METER, OTHER_METER):
        gap, after_it = meters.lists.entries(meter, IMPORT)[1:]
        assert gap.cause is Cause.CLOCK_JUMPED
        assert after_it.marks == {Mark.CLOCK_JUMPED}
        assert after_it.ptb is PtbStatus.CRITICAL_TEMPORARY_ERROR
    meters.pass_time(QUARTER)
    meters.take(3)
    assert meters.lists.entries(METER, IMPORT)[-1].marks == frozenset()


@pytest.mark.parametrize(("seconds", "logs"), [(27, 0), (-27, 0), (28, 1), (-28, 1)])
def test_three_percent_of_the_period_are_a_jump(engine: Engine, seconds: int, logs: int) -> None:
    meters = Meters(engine)
    meters.take(1)
    meters.pass_time(QUARTER / 2)
    meters.clock.move(seconds * SECOND)
    meters.take(1)
    assert len(logged(meters, Log.CALIBRATION)) == logs


def test_a_jump_is_found_by_looking_for_gaps_too(engine: Engine) -> None:
    meters = Meters(engine)
    meters.take(1)
    meters.clock.move(4 * QUARTER)
    assert meters.lists.close_gaps() == 1
    assert meters.lists.entries(METER, IMPORT)[1].cause is Cause.CLOCK_JUMPED
    assert logged(meters, Log.CALIBRATION) == [EventId.CLOCK_JUMPED]


@pytest.mark.parametrize("restarted", [False, True])
def test_a_clock_that_is_set_back_begins_a_new_epoch(engine: Engine, restarted: bool) -> None:
    meters = Meters(engine)
    day(meters, 4)
    if restarted:
        meters = Meters(engine, now=START + QUARTER)
    else:
        meters.clock.now = START + QUARTER
    assert meters.take(4) == Verdict.KEPT
    entry = meters.lists.entries(METER, IMPORT)[-1]
    assert (entry.epoch, entry.target) == (1, START + QUARTER)
    assert entry.marks == {Mark.CLOCK_SET_BACK, Mark.POINT_REPEATED}
    assert logged(meters, Log.CALIBRATION) == [EventId.CLOCK_SET_BACK if restarted else EventId.CLOCK_JUMPED]
    meters.pass_time(QUARTER)
    assert meters.take(5) == Verdict.KEPT
    assert len(logged(meters, Log.CALIBRATION)) == 1
    assert meters.lists.verify(METER, IMPORT) is None


def test_what_nobody_ordered_is_not_kept_and_told_once(engine: Engine) -> None:
    meters = Meters(engine)
    for _ in range(3):
        assert meters.take(1, meter="0a") == Verdict.NO_PROFILE
        assert meters.take(1, obis="0100020800ff") == Verdict.NO_PROFILE
    for number in range(100):
        meters.take(1, meter=f"{number:04x}")
    assert logged(meters, Log.SYSTEM) == [EventId.METER_UNKNOWN] * 64
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(list_registers)).scalar_one() == 0


def test_by_a_profile_in_the_archive_nothing_is_taken_and_nothing_is_missed(engine: Engine) -> None:
    meters = Meters(engine)
    day(meters, 2)
    meters.profiles[PROFILE.register] = ListProfile(METER, IMPORT, ANNA, 8 * QUARTER, active=False)
    meters.pass_time(20 * QUARTER)
    assert meters.take(3) == Verdict.NO_PROFILE
    assert meters.lists.close_gaps() == 0
    (deletion,) = meters.lists.delete_expired()
    assert deletion.count == 2


def test_of_a_batch_all_is_kept_or_nothing(engine: Engine) -> None:
    meters = Meters(engine)
    with pytest.raises(ProfileError):
        meters.lists.take([reading(1), reading(2, meter=OTHER_METER, scaler=500)])
    assert meters.lists.entries(METER, IMPORT) == []
    meters.lists.take([reading(1), reading(2, meter=OTHER_METER)])
    assert len(meters.lists.entries(METER, IMPORT)) == 1


def test_a_signer_that_fails_keeps_nothing_and_the_same_reading_can_come_again(engine: Engine) -> None:
    class Failing:
        key = signer().key

        def sign_digest(self, digest: bytes) -> bytes:
            raise OSError(f"the module is gone, and {digest.hex()} unsigned")

    meters = Meters(engine, signer=Failing())
    with pytest.raises(OSError, match="gone"):
        meters.take(1)
    again = Meters(engine, signer=signer())
    assert again.lists.entries(METER, IMPORT) == []
    assert again.take(1) == Verdict.KEPT


def test_with_a_full_calibration_log_what_has_to_be_in_it_is_not_metered(engine: Engine) -> None:
    meters = Meters(engine, policy=LogPolicy(calibration=4))
    meters.take(100)
    while meters.told[-1:] == [] or meters.told[-1].limit is not Limit.FULL:
        meters.logs.write(Note(EventId.FIRMWARE_UPDATED, {"firmware": "1"}))
    meters.pass_time(QUARTER)
    with pytest.raises(LogFull):
        meters.take(99)
    assert len(meters.lists.entries(METER, IMPORT)) == 1


def test_entries_are_read_by_consumer_range_and_number(engine: Engine) -> None:
    meters = Meters(engine)
    day(meters, 5)
    meters.profiles[PROFILE.register] = ListProfile(METER, IMPORT, BERT, YEAR)
    day(meters, 2, begin=5)
    read: Callable[..., list[Any]] = meters.lists.entries
    assert [entry.value for entry in read(METER, IMPORT, consumer=ANNA)] == [0, 1, 2, 3, 4]
    assert [entry.value for entry in read(METER, IMPORT, consumer=BERT)] == [5, 6]
    assert [entry.value for entry in read(METER, IMPORT, since=START, until=START + 2 * QUARTER)] == [1, 2]
    assert [entry.value for entry in read(METER, IMPORT, number=5, limit=1)] == [5]
    for limit in (-1, 5001):
        with pytest.raises(ProfileError, match="at most 5000"):
            read(METER, IMPORT, limit=limit)


def test_a_range_of_time_is_not_looked_for_through_the_whole_list(engine: Engine) -> None:
    if engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL plans by how much there is")
    meters = Meters(engine)
    statements: list[tuple[str, tuple[Any, ...]]] = []
    event.listen(engine, "before_cursor_execute", lambda *told: statements.append(told[2:4]))
    meters.lists.entries(METER, IMPORT, consumer=ANNA, since=START)
    meters.lists.entries(METER, IMPORT, consumer=ANNA, number=7)
    used = []
    with engine.connect() as connection:
        for statement, parameters in list(statements):
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            used.append(next(row.detail for row in plan))
    assert "ix_list_entries_gateway_meter_obis_time" in used[0]
    assert "number>" in used[1]


# Deletion

SHORT = ListProfile(METER, IMPORT, ANNA, 4 * QUARTER)


def test_what_is_kept_long_enough_is_deleted_and_leaves_a_line(engine: Engine) -> None:
    meters = Meters(engine, [SHORT, OTHER_PROFILE], signer=signer())
    day(meters, 10)
    before = meters.lists.lines(METER, IMPORT)
    (deletion,) = meters.lists.delete_expired()
    assert (deletion.first, deletion.last, deletion.count) == (1, 6, 6)
    assert (deletion.since, deletion.until) == (START, START + 5 * QUARTER)
    assert deletion.deleted == meters.clock()
    assert meters.lists.deletions(METER, IMPORT) == [deletion]
    assert [entry.number for entry in meters.lists.entries(METER, IMPORT)] == [7, 8, 9, 10]
    assert deletion.covers(before[:6])
    assert not deletion.covers(before[:5])
    assert not deletion.covers(before[1:7])
    assert meters.lists.delete_expired() == []
    (told,) = meters.logs.read(Log.CONSUMER, ANNA)
    assert told.event.number is EventId.OWN_READINGS_DELETED
    assert told.details["hash"] == deletion.digest
    assert meters.lists.verify(METER, IMPORT, verifies=signer().verifies) is None
    day(meters, 6, begin=10)
    meters.lists.delete_expired()
    assert [each.first for each in meters.lists.deletions(METER, IMPORT)] == [1, 7]
    assert meters.lists.verify(METER, IMPORT, verifies=signer().verifies) is None


def test_entries_that_are_over_are_deleted_by_the_day(engine: Engine) -> None:
    """Else each of them would leave a line of its own, and one in the consumer's log."""
    meters = Meters(engine, [ListProfile(METER, IMPORT, ANNA, YEAR)])
    day(meters, 200)
    meters.pass_time(YEAR - 200 * QUARTER)
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *told: statements.append(told[2].split()[0]))
    for hours, deleted in ((0, []), (24, []), (1, [100]), (1, []), (22, []), (5, [100])):
        meters.pass_time(timedelta(hours=hours))
        statements.clear()
        assert [deletion.count for deletion in meters.lists.delete_expired()] == deleted
        assert deleted or set(statements) == {"SELECT"}


def test_everything_can_be_over(engine: Engine) -> None:
    meters = Meters(engine, [SHORT])
    day(meters, 3)
    meters.pass_time(YEAR)
    meters.lists.delete_expired()
    assert meters.lists.entries(METER, IMPORT) == []
    assert meters.lists.verify(METER, IMPORT) is None
    assert meters.take(5) == Verdict.KEPT
    assert [entry.number for entry in meters.lists.entries(METER, IMPORT)] == [4, 5]
    assert meters.lists.verify(METER, IMPORT) is None


def test_a_full_consumer_log_does_not_keep_what_has_to_go(engine: Engine) -> None:
    meters = Meters(engine, [SHORT], policy=LogPolicy(consumer=4))
    day(meters, 10)
    while not meters.logs.limits():
        meters.logs.write(Note(EventId.OWN_DATA_READ, {"what": "x"}, ANNA))
    (deletion,) = meters.lists.delete_expired()
    assert meters.lists.deletions(METER, IMPORT) == [deletion]


TAMPERING: dict[str, tuple[Any, int, str]] = {
    "an entry changed": (update(list_entries).where(list_entries.c.number == 8).values(body=b"{}"), 8, "another hash"),
    "an entry gone": (delete(list_entries).where(list_entries.c.number == 9), 9, "missing"),
    "the oldest gone": (delete(list_entries).where(list_entries.c.number == 7), 7, "missing"),
    "the newest gone": (delete(list_entries).where(list_entries.c.number == 10), 10, "missing"),
    "another consumer": (update(list_entries).where(list_entries.c.number == 8).values(consumer=BERT), 8, "consumer"),
    "another time": (update(list_entries).where(list_entries.c.number == 8).values(time="x"), 8, "kept with time"),
    "a signature gone": (update(list_entries).where(list_entries.c.number == 7).values(key=None), 7, "is missing"),
    "the deletion gone": (delete(list_deletions), 1, "missing"),
    "the deletion changed": (update(list_deletions).values(body=b"{}"), 1, "of the deletions: it has another hash"),
    "the deletion unsigned": (update(list_deletions).values(signature=None), 1, "of the deletions: its signature"),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_the_first_broken_line_is_named(engine: Engine, how: str) -> None:
    meters = Meters(engine, [SHORT], signer=signer())
    day(meters, 10)
    meters.lists.delete_expired()
    statement, number, words = TAMPERING[how]
    with engine.begin() as connection:
        assert connection.execute(statement).rowcount > 0
    broken = meters.lists.verify(METER, IMPORT, verifies=signer().verifies)
    assert isinstance(broken, Broken)
    assert (broken.number, words in broken.reason) == (number, True), broken


@pytest.mark.parametrize("read", ["list_registers", "list_deletions", "list_entries"])
@pytest.mark.parametrize("written", ["take", "delete_expired"])
def test_what_another_writes_while_a_list_is_followed_does_not_break_it(
    engine: Engine, database_url: str, read: str, written: str
) -> None:
    """Another process with the same database: it knows nothing of the locks of this one."""
    day(Meters(engine, [SHORT], signer=signer()), 10)
    followed = connect(database_url)
    meters = Meters(followed, [SHORT], signer=signer())
    other = Meters(engine, [SHORT], signer=signer(), now=START + 10 * QUARTER)
    done: list[object] = []

    def write(*told: Any) -> None:
        if f"FROM {read}" in told[2]:
            done.extend(other.lists.delete_expired() if written == "delete_expired" else [other.take(9)])
            other.pass_time(QUARTER)

    event.listen(followed, "before_cursor_execute", write)
    assert meters.lists.verify(METER, IMPORT, verifies=signer().verifies) is None
    event.remove(followed, "before_cursor_execute", write)
    assert len(done) == 1
    assert meters.lists.verify(METER, IMPORT, verifies=signer().verifies) is None
    followed.dispose()


# A full disk


def fill_the_disk(engine: Engine) -> Callable[[], None]:
    """Leave the database no room, by its own means; what makes room again."""
    if engine.dialect.name == "sqlite":

        def limit(pages: int) -> None:
            with engine.connect() as connection:
                connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

        engine.pool.dispose()
        limit(1)  # it takes the pages that there are

        return lambda: limit(2**30)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE disk_full USING MESSAGE = 'could not extend file'; END $$"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER no_room BEFORE INSERT ON list_entries FOR EACH ROW EXECUTE FUNCTION no_room()"
        )

    def make_room() -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TRIGGER no_room ON list_entries")

    return make_room


def test_a_full_disk_loses_nothing_is_told_and_is_recovered_from(engine: Engine) -> None:
    meters = Meters(engine, signer=signer())
    day(meters, 3)
    make_room = fill_the_disk(engine)
    kept, large = 3, tuple(f"flag-{number}" for number in range(200))
    with suppress(StorageFull):
        for _ in range(500):
            meters.take(kept, flags=large)
            kept += 1
            meters.pass_time(QUARTER)
    assert meters.full == [True]
    assert len(meters.lists.entries(METER, IMPORT)) == kept
    with pytest.raises(StorageFull, match="no room left on the disk"):
        meters.take(kept, flags=large)
    assert meters.full == [True]
    make_room()
    assert meters.take(kept) == Verdict.KEPT
    assert meters.full == [True, False]
    assert [entry.value for entry in meters.lists.entries(METER, IMPORT)] == list(range(kept + 1))
    assert logged(meters, Log.SYSTEM) == [EventId.DISK_WAS_FULL]
    assert meters.lists.verify(METER, IMPORT, verifies=signer().verifies) is None


# Whatever happens

ACTIONS = st.one_of(
    st.tuples(st.just("pass"), st.integers(0, 4000)),
    st.tuples(st.just("clock"), st.integers(-8000, 8000)),
    st.tuples(st.just("take"), st.integers(0, 50)),
    st.tuples(st.just("gaps"), st.just(0)),
    st.tuples(st.just("restart"), st.just(0)),
    st.tuples(st.just("delete"), st.just(0)),
)


@settings(max_examples=30)
@given(st.lists(ACTIONS, max_size=25))
def test_whatever_happens_the_list_is_whole_and_what_was_taken_is_on_it(actions: list[tuple[str, int]]) -> None:
    engine = open_database("sqlite://")
    Repository(engine, cast().trust, cast().keeper, clock=SettableClock()).register(GATEWAY)
    profile = ListProfile(METER, IMPORT, ANNA, 20 * QUARTER)
    meters = Meters(engine, [profile])
    kept: dict[int, tuple[int, datetime]] = {}
    for action, number in actions:
        if action == "pass":
            meters.pass_time(number * SECOND)
        elif action == "clock":
            meters.clock.move(number * SECOND)
        elif action == "take":
            (taken,) = meters.lists.take([reading(number, meters.clock())])
            if taken.number is not None:
                assert taken.number not in kept
                kept[taken.number] = (number, meters.clock())
        elif action == "gaps":
            meters.lists.close_gaps()
        elif action == "restart":
            meters = Meters(engine, [profile], now=meters.clock())
            meters.lists.start()
        else:
            for deletion in meters.lists.delete_expired():
                kept = {number: its for number, its in kept.items() if number > deletion.last}
    entries = meters.lists.entries(METER, IMPORT)
    assert {each.number: (each.value, each.captured) for each in entries if not each.is_gap} == kept
    for one, following in pairwise(entries):
        if one.epoch == following.epoch:
            assert following.target == (one.until or one.target or START) + QUARTER
    assert meters.lists.verify(METER, IMPORT) is None
    assert all(meters.logs.verify(log) is None for log in (Log.SYSTEM, Log.CALIBRATION))
    engine.dispose()


def test_lists_of_gateways_are_apart(engine: Engine) -> None:
    meters = Meters(engine)
    meters.take(1)
    other = ReadingList("EXXX0012345679", meters.logs, lambda: meters.profiles, clock=meters.clock)
    assert other.entries(METER, IMPORT) == []
    assert other.verify(METER, IMPORT) is None
