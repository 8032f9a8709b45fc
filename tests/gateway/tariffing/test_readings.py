"""Which reading counts for which time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.lmn.status import PtbStatus
from gateway.metering.readings import OriginalReading
from gateway.tariffing.errors import ReadingsError
from gateway.tariffing.readings import MeterReading, ReadingList, reading_lists, within
from tests.support.tariffs import IMPORT, METER, QUARTER, days, local, reading_list

DAY = days("2017-11-04")
NOON = local("2017-11-04 12:00")


def made(*readings: tuple[datetime, int | None], period: int | None = 900) -> ReadingList:
    return ReadingList(IMPORT, METER, -1, 30, [MeterReading(at, value) for at, value in readings], period)


def counted(original: ReadingList, *also: datetime) -> list[tuple[datetime, int]]:
    return [(point.at, point.value) for point in original.points(also)]


@pytest.mark.parametrize(
    ("seconds", "counts"), [(0, True), (9, True), (-9, True), (10, False), (-10, False), (450, False)]
)
def test_nine_seconds_beside_a_quarter_of_an_hour(seconds: int, counts: bool) -> None:
    original = made((NOON + timedelta(seconds=seconds), 5))
    assert counted(original) == ([(NOON, 5)] if counts else [])


def test_a_hundredth_of_other_periods() -> None:
    original = made((NOON + timedelta(seconds=36), 5), period=3_600)
    assert counted(original) == [(NOON, 5)]
    assert counted(made((NOON + timedelta(seconds=37), 5), period=3_600)) == []


def test_a_period_beyond_an_hour_follows_the_clock() -> None:
    midnights = [local("2018-03-25 00:00"), local("2018-03-26 00:01")]
    original = made(*((at, 5) for at in midnights), period=86_400)
    assert [at for at, _ in counted(original)] == [local("2018-03-25 00:00"), local("2018-03-26 00:00")]
    assert not original.is_gap(*[at for at, _ in counted(original)])
    assert original.is_gap(local("2018-03-25 00:00"), local("2018-03-27 00:00"))


def test_a_target_time_says_it_all() -> None:
    late = MeterReading(NOON + timedelta(minutes=3), 5, target=NOON)
    assert counted(ReadingList(IMPORT, METER, -1, 30, [late])) == [(NOON, 5)]


def test_times_that_are_named_count_too() -> None:
    switch = NOON + timedelta(minutes=7)
    original = made((NOON, 5), (switch, 6), (switch + timedelta(minutes=3, seconds=4), 7))
    assert counted(original, switch, switch + timedelta(minutes=3)) == [
        (NOON, 5),
        (switch, 6),
        (switch + timedelta(minutes=3), 7),
    ]
    assert counted(original) == [(NOON, 5)]


def test_the_nearest_of_two_counts() -> None:
    assert counted(made((NOON + timedelta(seconds=5), 6), (NOON - timedelta(seconds=2), 5))) == [(NOON, 5)]
    assert counted(made((NOON, 5), (NOON, 5))) == [(NOON, 5)]
    with pytest.raises(ReadingsError, match=r"1-0:1\.8\.0\*255 of 1EMH0012345678 has two readings .* 5 and 6"):
        made((NOON, 5), (NOON, 6)).points()


def test_what_is_not_usable_does_not_count() -> None:
    readings = [
        MeterReading(NOON, 5, PtbStatus.CRITICAL_TEMPORARY_ERROR),
        MeterReading(NOON + QUARTER, 6, PtbStatus.TEMPORARY_ERROR),
        MeterReading(NOON + 2 * QUARTER, None),
        MeterReading(NOON + 3 * QUARTER, 7, PtbStatus.FATAL_ERROR),
    ]
    assert counted(ReadingList(IMPORT, METER, -1, 30, readings)) == [(NOON + QUARTER, 6)]


def test_the_registration_period_shows() -> None:
    assert reading_list(DAY).registration_period == 900
    every_hour = [reading for number, reading in enumerate(reading_list(DAY).readings) if number % 4 == 0]
    original = replace(reading_list(DAY), readings=list(reversed(every_hour)))
    assert original.registration_period == 3_600
    assert made((NOON, 1), (NOON + timedelta(days=30), 2), period=None).registration_period is None
    assert made(period=None).registration_period is None
    assert replace(original, stated_period=1_800).registration_period == 1_800


def test_a_period_has_its_begin_and_its_end() -> None:
    points = reading_list(days("2017-11-03", 3)).points()
    found = within(points, DAY)
    assert (found[0].at, found[-1].at, len(found)) == (DAY.begin, DAY.end, 97)


def test_the_original_list_of_the_store() -> None:
    stored = [
        OriginalReading(METER, obis, at, value, -1, 30, ("unsigned", "status:0x00020104") if value == 6 else ())
        for at, value in ((NOON, 5), (NOON + QUARTER, 6))
        for obis in ("0100010800ff", "0100020800ff")
    ]
    imported, exported = reading_lists(stored, 900)
    assert (imported.obis, imported.meter, imported.scaler, imported.unit) == (IMPORT, METER, -1, 30)
    assert [(each.captured, each.value, each.status, each.position) for each in exported.readings] == [
        (NOON, 5, PtbStatus.OK, 0),
        (NOON + QUARTER, 6, PtbStatus.FATAL_ERROR, 1),
    ]
    assert exported.obis.hex() == "0100020800ff"
    with pytest.raises(ReadingsError, match="changes its scaler or unit"):
        reading_lists([*stored, OriginalReading(METER, "0100010800ff", NOON.astimezone(UTC), 7, 0, 30)])
