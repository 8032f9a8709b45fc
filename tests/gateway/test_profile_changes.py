"""What is logged of other profiles: for the administrator, and for each consumer concerned, and nobody else."""

from __future__ import annotations

from dataclasses import replace

from gateway.han.consumers import Consumer
from gateway.logs.events import EventId, Log
from gateway.logs.store import Note
from gateway.profile_changes import notes_of
from gateway.profiles import KnownConsumer, Profiles
from tests.support.daily import ANNA, BERT, METER, OTHER_METER, QUARTER, house, meter


def told(notes: list[Note]) -> list[tuple[EventId, str]]:
    """The events, and for whom."""
    return [(note.event, note.consumer) for note in notes]


def test_nothing_is_said_where_nothing_has_changed() -> None:
    assert notes_of(house(), house(), "GWA") == []


def test_a_consumer_who_moves_in_reads_of_his_contract_only() -> None:
    notes = notes_of(house(), house(both=True), "GWA")
    assert told(notes) == [
        (EventId.METER_ADDED, ""),
        (EventId.PROFILES_CHANGED, ""),
        (EventId.OWN_PROFILE_CHANGED, BERT),
        (EventId.PROFILES_CHANGED, ""),
    ]
    assert notes[0].details == {"meter": OTHER_METER}
    assert {note.by for note in notes} == {"GWA"}


def test_one_who_moves_out_reads_of_it_too() -> None:
    assert (EventId.OWN_PROFILE_CHANGED, BERT) in told(notes_of(house(both=True), house(), "GWA"))
    assert (EventId.METER_REMOVED, "") in told(notes_of(house(both=True), house(), "GWA"))


def test_a_contract_that_changes_hands_is_told_to_both() -> None:
    both = house(both=True)
    mine = next(one for one in both.contracts if one.consumer == ANNA)
    after = replace(both, contracts=(replace(mine, consumer=BERT), both.contracts[1]))
    assert {consumer for event, consumer in told(notes_of(both, after, "GWA")) if consumer} == {ANNA, BERT}


def test_who_is_known_by_another_password_reads_of_it() -> None:
    after = replace(house(), consumers=(KnownConsumer(Consumer.known_by(ANNA, "another"), (), ANNA),))
    assert told(notes_of(house(), after, "GWA")) == [
        (EventId.PROFILES_CHANGED, ""),
        (EventId.OWN_PROFILE_CHANGED, ANNA),
    ]


def test_a_meter_that_is_metered_otherwise_is_in_the_calibration_log() -> None:
    after = replace(house(), meters=type(house().meters)([meter(METER, period=4 * QUARTER)]))
    (note,) = notes_of(house(), after, "GWA")
    assert note.event is EventId.METER_CHANGED
    assert note.event // 1000 == 2
    assert Log.CALIBRATION.value == "calibration"


def test_a_long_name_is_cut() -> None:
    (note, *_) = notes_of(Profiles(), house(), "x" * 1000)
    assert len(note.by) == 256
