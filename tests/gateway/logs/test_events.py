"""The event catalogue: one table, whole, in two languages, and with nothing in it that others must not see."""

from __future__ import annotations

import pytest

from gateway.logs.events import EVENTS, READ_BY, Event, EventId, Level, Log, Outcome, readers_of
from lifecycle.roles import Role


def test_the_table_is_total() -> None:
    assert list(EVENTS) == list(EventId)
    assert all(EVENTS[number].number is number for number in EventId)


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: event.number.name)
def test_every_event_says_the_same_in_both_languages(event: Event) -> None:
    told: dict[str, str | int] = {name: f"<{name}>" for name in event.details}
    for german in (True, False):
        text = event.text(told, german=german)
        assert "[" not in text
        assert all(f"<{name}>" in text for name in event.details)
    assert event.german != event.english
    assert (event.outcome is Outcome.FAILURE) <= (event.level > Level.INFO)


def test_the_number_says_the_log() -> None:
    for number, event in EVENTS.items():
        assert event.log is {1: Log.SYSTEM, 2: Log.CALIBRATION, 3: Log.CONSUMER}[number // 1000]


def test_who_may_read_is_what_the_law_grants() -> None:
    assert {log: readers_of(log) for log in Log} == {
        Log.SYSTEM: {Role.GWA, Role.SERVICETECHNIKER},
        Log.CALIBRATION: {Role.GWA},
        Log.CONSUMER: {Role.ANSCHLUSSNUTZER},
    }
    assert READ_BY.keys() == set(Log)
    assert all(event.readers == readers_of(event.log) for event in EVENTS.values())


def test_no_measured_value_is_a_detail() -> None:
    """The administrator and the Servicetechniker read the first two logs, and neither is to learn a value."""
    assert not any({"value", "reading", "energy", "power"} & event.details for event in EVENTS.values())
