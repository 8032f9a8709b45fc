"""How long entries are kept: as the profile promises, and as it last promised when there is none any more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event, select, update

from gateway.logs.events import EventId, Log
from gateway.metering.reading_list import ReadingList
from gateway.metering.rules import ListProfile, ProfileError, Verdict
from gateway.metering.schema import list_registers
from tests.support.lists import ANNA, IMPORT, METER, PROFILE, QUARTER, YEAR, Meters, reading
from tests.support.lives import OTHER_GATEWAY
from tests.support.sealing import signer

SECOND = timedelta(seconds=1)
SHORT = replace(PROFILE, retention=4 * QUARTER)
LONG = replace(PROFILE, retention=40 * QUARTER)


def fill(meters: Meters, count: int) -> None:
    """Readings on so many points of the raster, the first now."""
    for number in range(count):
        assert meters.take(number) == Verdict.KEPT
        meters.pass_time(QUARTER)


def kept(meters: Meters) -> list[int]:
    return [entry.number for entry in meters.lists.entries(METER, IMPORT)]


def promised(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(select(list_registers.c.retention)).scalars())


@pytest.mark.parametrize("restarted", [False, True])
def test_what_no_profile_has_any_more_goes_when_it_was_promised_to(engine: Engine, restarted: bool) -> None:
    meters = Meters(engine, [SHORT], signer=signer())
    fill(meters, 10)
    if restarted:
        meters = Meters(engine, [], signer=signer(), now=meters.clock())
    meters.profiles.clear()
    before = meters.lists.lines(METER, IMPORT)
    (deletion,) = meters.lists.delete_expired()
    assert (deletion.first, deletion.last, deletion.retention) == (1, 6, SHORT.retention)
    assert deletion.covers(before[:6])
    assert kept(meters) == [7, 8, 9, 10]
    (told,) = meters.logs.read(Log.CONSUMER, ANNA)
    assert (told.event.number, told.details["hash"]) == (EventId.OWN_READINGS_DELETED, deletion.digest)
    assert meters.lists.verify(METER, IMPORT, verifies=signer().verifies) is None
    assert meters.lists.delete_expired() == []
    meters.pass_time(5 * QUARTER)
    assert [each.count for each in meters.lists.delete_expired()] == [4]
    assert kept(meters) == []
    assert meters.lists.deletions(METER, IMPORT)[0] == deletion
    assert meters.lists.verify(METER, IMPORT, verifies=signer().verifies) is None
    assert meters.lists.delete_expired() == []


@pytest.mark.parametrize(("first", "then"), [(SHORT, LONG), (LONG, SHORT)])
@pytest.mark.parametrize("noticed", ["take", "close_gaps", "delete_expired", "start"])
def test_what_a_profile_said_last_holds_for_what_is_there(
    engine: Engine, first: ListProfile, then: ListProfile, noticed: str
) -> None:
    meters = Meters(engine, [first])
    fill(meters, 10)
    meters.lists.close_gaps()
    meters.profiles = {then.register: then}
    if noticed == "take":
        assert meters.take(10) == Verdict.KEPT
    else:
        getattr(meters.lists, noticed)()
    assert promised(engine) == [then.retention // SECOND]
    meters.profiles = {}
    meters.lists.close_gaps()
    meters.lists.delete_expired()
    assert promised(engine) == [then.retention // SECOND]
    assert kept(meters)[0] == (1 if then is LONG else 7)
    assert meters.lists.verify(METER, IMPORT) is None


def test_a_profile_in_the_archive_promises_too(engine: Engine) -> None:
    meters = Meters(engine, [SHORT])
    fill(meters, 3)
    meters.profiles = {LONG.register: replace(LONG, active=False)}
    meters.lists.close_gaps()
    meters.profiles = {}
    meters.pass_time(20 * QUARTER)
    assert meters.lists.delete_expired() == []
    meters.pass_time(20 * QUARTER)
    assert [each.count for each in meters.lists.delete_expired()] == [3]


def test_as_long_as_there_is_a_profile_it_holds_whatever_the_list_keeps(engine: Engine) -> None:
    """Who writes into the database does not have the gateway delete."""
    meters = Meters(engine, [LONG])
    fill(meters, 10)
    meters.lists.close_gaps()
    with engine.begin() as connection:
        connection.execute(update(list_registers).values(retention=1))
    assert meters.lists.delete_expired() == []
    assert promised(engine) == [LONG.retention // SECOND]


def test_a_retention_is_kept_in_whole_seconds_and_nothing_goes_before_it_is_over(engine: Engine) -> None:
    profile = replace(PROFILE, retention=4 * QUARTER + timedelta(milliseconds=1))
    assert profile.retention_seconds == 3601
    meters = Meters(engine, [profile])
    fill(meters, 1)
    assert promised(engine) == [3601]
    for retention, seconds in ((timedelta(days=36_500), 3_153_600_000), (YEAR, 31_536_000)):
        meters.profiles = {PROFILE.register: replace(PROFILE, retention=retention)}
        meters.lists.close_gaps()
        assert promised(engine) == [seconds]


def test_what_is_promised_already_is_not_written_again(engine: Engine) -> None:
    meters = Meters(engine, [SHORT])
    fill(meters, 2)
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *told: statements.append(told[2].split()[0]))
    meters.lists.close_gaps()
    assert set(statements) <= {"SELECT"}
    statements.clear()
    meters.lists.close_gaps()
    assert statements == []
    meters.lists.delete_expired()
    assert set(statements) == {"SELECT"}


def test_a_register_that_comes_again_goes_on_where_it_was(engine: Engine) -> None:
    meters = Meters(engine, [SHORT])
    fill(meters, 2)
    meters.profiles = {}
    meters.pass_time(YEAR)
    assert [each.count for each in meters.lists.delete_expired()] == [2]
    meters.profiles = {LONG.register: LONG}
    assert meters.take(5) == Verdict.KEPT
    assert promised(engine) == [LONG.retention // SECOND]
    assert kept(meters) == [3, 4]
    assert meters.lists.verify(METER, IMPORT) is None


def test_what_fails_promises_nothing(engine: Engine) -> None:
    meters = Meters(engine, [SHORT])
    fill(meters, 2)
    meters.profiles = {LONG.register: LONG}
    with pytest.raises(ProfileError):
        meters.lists.take([reading(3, meters.clock()), reading(4, meters.clock() + QUARTER, scaler=500)])
    assert promised(engine) == [SHORT.retention // SECOND]


def test_another_gateways_lists_are_left_alone(engine: Engine) -> None:
    meters = Meters(engine, [SHORT])
    fill(meters, 2)
    meters.pass_time(YEAR)
    other = ReadingList(OTHER_GATEWAY, meters.logs, lambda: {LONG.register: LONG}, clock=meters.clock)
    assert other.delete_expired() == []
    assert other.close_gaps() == 0
    assert promised(engine) == [SHORT.retention // SECOND]
    assert kept(meters) == [1, 2]
