"""The household meter: deterministic, plausible, monotone, and its frames read back as what it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lmn.device_id import DeviceIdError
from gateway.lmn.sml import SmlFrame, SmlTime, TimeKind, decode_stream
from stations.meter import HouseholdMeter

START = datetime(2025, 3, 3, tzinfo=UTC)  # a Monday
DEVICE = "1EMH0012345678"
BERLIN = ZoneInfo("Europe/Berlin")
DAY = timedelta(days=1)


def meter(seed: int = 1, solar_peak_watt: int = 0, start: datetime = START) -> HouseholdMeter:
    return HouseholdMeter(DEVICE, start, seed, solar_peak_watt=solar_peak_watt)


def decoded(data: bytes) -> SmlFrame:
    (frame,) = decode_stream(data)
    assert isinstance(frame, SmlFrame)
    assert frame.encode() == data
    return frame


def average_watt(household: HouseholdMeter, begin: datetime, end: datetime) -> float:
    energy = household.energy_at(end)[0] - household.energy_at(begin)[0]
    return energy / 10 / ((end - begin) / timedelta(hours=1))


def test_a_frame_says_what_the_meter_says() -> None:
    household = meter(solar_peak_watt=5000)
    time = START + timedelta(days=2, hours=11, seconds=17)
    imported, exported = household.energy_at(time)
    frame = decoded(household.frame_at(time))
    assert frame.server_id == bytes.fromhex("0a01454d480000bc614e") == household.server_id
    assert {reading.obis.hex(): (reading.value, reading.scaler, reading.unit) for reading in frame.readings} == {
        "0100010800ff": (imported, -1, 30),
        "0100020800ff": (exported, -1, 30),
        "0100100700ff": (household.power_at(time), 0, 27),
    }
    assert {each.obis.hex(): each.data for each in frame.octet_values} == {
        "010060320101": b"EMH",
        "0100600100ff": household.server_id,
    }
    assert frame.readings[0].sensor_time == SmlTime(TimeKind.SECONDS_INDEX, (2 * 24 + 11) * 3600 + 17)


def test_same_question_same_bytes() -> None:
    time = START + timedelta(days=3, hours=19)
    first = meter().frame_at(time)
    asked_before = meter()
    asked_before.energy_at(time + DAY)
    assert asked_before.frame_at(time) == first
    assert asked_before.frame_at(time.astimezone(BERLIN)) == first
    assert meter(seed=2).frame_at(time) != first
    assert HouseholdMeter("1EMH0012345679", START, 1).power_at(time) != meter().power_at(time)


def test_a_plausible_day() -> None:
    for seed in range(5):
        household = meter(seed)
        midnight = datetime(2025, 3, 5, tzinfo=BERLIN)

        def between(begin: float, end: float, household: HouseholdMeter = household) -> float:
            day = datetime(2025, 3, 5, tzinfo=BERLIN)
            return average_watt(household, day + timedelta(hours=begin), day + timedelta(hours=end))

        night = between(1, 5)
        assert 100 < night < 350
        assert between(6.25, 7.75) > 2 * night
        assert between(12, 13) > 1.5 * night
        assert between(17.5, 20.5) > 2 * night
        kilowatt_hours = average_watt(household, midnight, midnight + DAY) * 24 / 1000
        assert 5 < kilowatt_hours < 25


def test_days_differ() -> None:
    household = meter()
    totals = {
        household.energy_at(START + (day + 1) * DAY)[0] - household.energy_at(START + day * DAY)[0] for day in range(14)
    }
    assert len(totals) == 14


def test_export_with_a_solar_system_only() -> None:
    assert meter().energy_at(START + 3 * DAY)[1] == 0
    household = meter(solar_peak_watt=6000)
    midnight, noon, evening = START + DAY, START + DAY + timedelta(hours=11), START + DAY + timedelta(hours=20)
    assert household.power_at(noon) < 0 < household.power_at(midnight)
    assert household.energy_at(evening)[1] > household.energy_at(midnight)[1]
    exporting = decoded(household.frame_at(noon))
    assert "sum-direction-negative" in exporting.readings[0].flags
    assert not any("suspect-sign" in reading.flags for reading in exporting.readings)
    assert "sum-direction-negative" not in decoded(household.frame_at(midnight)).readings[0].flags


@given(st.lists(st.integers(0, 3 * 86_400 * 1_000_000), min_size=2, max_size=12), st.sampled_from([0, 4000]))
def test_registers_only_rise(microseconds: list[int], solar: int) -> None:
    household = meter(solar_peak_watt=solar, start=START + timedelta(seconds=123, microseconds=456_789))
    registers = [household.energy_at(household.start + timedelta(microseconds=each)) for each in sorted(microseconds)]
    for before, after in pairwise(registers):
        assert after[0] >= before[0]
        assert after[1] >= before[1]
    assert household.energy_at(household.start) == (0, 0)


def test_energy_is_the_integral_of_power() -> None:
    household = meter(solar_peak_watt=3000)
    imported = exported = 0
    for second in range(0, 6 * 3600, 60):
        net = household.power_at(START + timedelta(seconds=second)) * 60
        imported, exported = imported + max(net, 0), exported + max(-net, 0)
    assert household.energy_at(START + timedelta(hours=6)) == (imported // 360, exported // 360)


def test_frames_over_a_period() -> None:
    household = meter()
    quarter = timedelta(minutes=15)
    pushed = list(household.frames(START, START + timedelta(hours=1), quarter))
    assert [time for time, _ in pushed] == [START + number * quarter for number in range(4)]
    assert [data for _, data in pushed] == [household.frame_at(time) for time, _ in pushed]
    stream = decode_stream(b"".join(data for _, data in pushed))
    assert len(stream) == 4
    assert all(event.ok for event in stream)
    identifiers = [m.transaction_id for event in stream if isinstance(event, SmlFrame) for m in event.messages]
    assert len(set(identifiers)) == 12


def test_clock_changes_do_not_disturb_the_registers() -> None:
    """The night in which German clocks go forward has 23 hours; energy counts seconds, not hours of the clock."""
    begin = datetime(2025, 3, 30, tzinfo=BERLIN)
    household = meter()
    pushed = list(household.frames(begin, begin + DAY, timedelta(hours=1)))
    assert len(pushed) == 23
    values = [decoded(data).readings[0].value for _, data in pushed]
    assert values == sorted(values)


def test_what_is_refused() -> None:
    household = meter()
    with pytest.raises(ValueError, match="says nothing about"):
        household.frame_at(START - timedelta(seconds=1))
    with pytest.raises(ValueError, match="no time zone"):
        household.frame_at(datetime(2025, 3, 4))  # noqa: DTZ001  the naive time is what is tested
    with pytest.raises(ValueError, match="a step takes time"):
        next(household.frames(START, START + DAY, timedelta(0)))
    with pytest.raises(ValueError, match="yields -1 W"):
        meter(solar_peak_watt=-1)
    with pytest.raises(DeviceIdError):
        HouseholdMeter("no device", START, 1)
    with pytest.raises(ValueError, match="no time zone"):
        meter(start=datetime(2025, 3, 4))  # noqa: DTZ001  the naive time is what is tested


def test_any_time_zone_will_do() -> None:
    east = START.astimezone(timezone(timedelta(hours=9)))
    assert meter(start=east).frame_at(START + DAY) == meter().frame_at(START + DAY)
