"""The clock of a play: it stands, is set forward, runs, and waits where it is held."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smgw.play_clock import PlayClock

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


class Seconds:
    """Real time."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def clock() -> tuple[PlayClock, Seconds]:
    seconds = Seconds()
    return PlayClock(START, seconds), seconds


def test_it_stands_until_it_runs_and_then_runs_as_fast_as_it_is_told() -> None:
    played, real = clock()
    real.now += 60
    assert played() == START
    assert played.seconds_until(START + QUARTER) == float("inf")
    played.run(1_440)
    assert played() == START
    assert played.seconds_until(START + QUARTER) == pytest.approx(0.625)
    real.now += 60
    assert played() == START + timedelta(days=1)
    played.run(0)
    real.now += 60
    assert played() == START + timedelta(days=1)


def test_it_waits_where_it_is_held_and_loses_nothing_afterwards() -> None:
    played, real = clock()
    played.hold_at(START + QUARTER)
    played.run(1_440)
    real.now += 10  # long enough for hours
    assert played() == START + QUARTER
    assert played.seconds_until(START + QUARTER) == 0
    played.hold_at(START + 2 * QUARTER)
    assert played() == START + QUARTER, "what was waited is not made up for at once"
    real.now += 0.3125
    assert played() == START + QUARTER + QUARTER / 2


def test_it_is_set_forward_and_never_back() -> None:
    played, _ = clock()
    played.forward(START + QUARTER)
    assert played() == START + QUARTER
    with pytest.raises(ValueError, match="does not go back"):
        played.forward(START)
    assert played() == START + QUARTER


def test_what_passes_evenly_passes_as_the_clock_does() -> None:
    played, real = clock()
    before = played.elapsed()
    played.forward(START + QUARTER)
    assert played.elapsed() - before == 900 * 10**9
    played.run(10)
    real.now += 1
    assert played.elapsed() - before == 910 * 10**9


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["pass", "run", "hold", "forward"]), st.floats(0, 5_000, allow_nan=False, allow_infinity=False)
    ),
    max_size=20,
)


@given(STEPS)
def test_it_never_goes_back_whatever_is_done(steps: list[tuple[str, float]]) -> None:
    played, real = clock()
    seen = played()
    for what, amount in steps:
        match what:
            case "pass":
                real.now += amount
            case "run":
                played.run(amount)
            case "hold":
                played.hold_at(START + timedelta(seconds=amount))
            case _:
                played.forward(played() + timedelta(seconds=amount))
        assert played() >= seen
        seen = played()
