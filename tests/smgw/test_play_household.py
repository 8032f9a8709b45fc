"""The played household: its past as fast as it is taken, then quarter by quarter as the clock runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.lmn.profiles import Protocol
from gateway.settings_lines import SPOKEN
from gateway.tariffing.profile import UseCase
from smgw.play_clock import PlayClock
from smgw.play_household import CONSUMER, LINES, HouseholdReceiver, household_profiles
from stations.household import BUS_LINE, RADIO_LINE, SML_LINE, Household

START = datetime(2026, 3, 1, 23, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
KEY = bytes(range(16))


def household() -> Household:
    return Household(START - timedelta(days=1), 7, KEY)


def test_what_the_gateway_knows_of_it_fits_its_lines() -> None:
    profiles = household_profiles(household(), "a password", START)
    assert {SPOKEN[LINES[meter.line or ""]] for meter in profiles.meters} == set(Protocol)
    assert [contract.use_case for contract in profiles.contracts] == [
        UseCase.TIME_VARIABLE,
        UseCase.READING_SERIES,
        UseCase.READING_SERIES,
    ]
    assert len(profiles.list_profiles(START)) == 3
    assert [known.consumer.userid for known in profiles.consumers] == [CONSUMER]
    assert "a password" not in repr(profiles)


def test_the_past_comes_at_once_and_the_rest_as_the_clock_runs() -> None:
    real = 0.0

    def monotonic() -> float:
        nonlocal real
        real += 0.125  # each look at the clock takes a while
        return real

    clock = PlayClock(START, monotonic)
    receiver = HouseholdReceiver(household(), clock, START + 4 * QUARTER, 1_440.0, wait=lambda _: None)
    came: list[tuple[datetime, str]] = []
    for line, data in receiver:
        assert data
        came.append((clock(), line))
        if len(came) == 18:
            receiver.close()
    hourly = [(START, RADIO_LINE), (START + 4 * QUARTER, RADIO_LINE)]
    expected = [(START + n * QUARTER, line) for n in range(8) for line in (SML_LINE, BUS_LINE)]
    assert sorted(came) == sorted(expected + hourly), "every chunk is received at the very moment it is sent"
    assert receiver.caught_up.is_set()
    assert receiver.sent >= 7


def test_closing_ends_it_while_the_past_comes() -> None:
    clock = PlayClock(START)
    receiver = HouseholdReceiver(household(), clock, START + timedelta(days=30), 1_440.0)
    for number, _ in enumerate(receiver):
        if number == 10:
            receiver.close()
    assert receiver.sent < 10
