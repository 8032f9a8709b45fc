"""What is logged when a gateway is given other profiles: for the administrator, and for each consumer concerned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from gateway.logs.events import EventId
from gateway.logs.store import MAX_DETAIL, Note
from gateway.profiles import Profiles

_Profile = TypeVar("_Profile")


def notes_of(before: Profiles, after: Profiles, by: str) -> list[Note]:
    """What changed, entry by entry; nothing where nothing did.

    :param by: whose doing it is.
    """
    who = by[:MAX_DETAIL]
    notes = []
    old_meters, new_meters = ({meter.device_id: meter for meter in each.meters} for each in (before, after))
    for device_id in _changed(old_meters, new_meters):
        notes.append(Note(_event(device_id, old_meters, new_meters), {"meter": device_id}, by=who))
    old, new = ({contract.id: contract for contract in each.contracts} for each in (before, after))
    for name in _changed(old, new):
        told = {"profile": name, "who": who}
        notes.append(Note(EventId.PROFILES_CHANGED, told, by=who))
        for consumer in sorted({each[name].consumer for each in (old, new) if name in each}):
            notes.append(Note(EventId.OWN_PROFILE_CHANGED, told, consumer, by=who))
    known_before, known_after = ({known.consumer.userid: known for known in each.consumers} for each in (before, after))
    for userid in _changed(known_before, known_after):
        told = {"profile": userid, "who": who}
        notes.append(Note(EventId.PROFILES_CHANGED, told, by=who))
        if userid in known_before and userid in known_after:  # who gets in as him may be another
            notes.append(Note(EventId.OWN_PROFILE_CHANGED, told, userid, by=who))
    return notes


def _changed(before: Mapping[str, _Profile], after: Mapping[str, _Profile]) -> list[str]:
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _event(meter: str, before: Mapping[str, object], after: Mapping[str, object]) -> EventId:
    if meter not in before:
        return EventId.METER_ADDED
    return EventId.METER_CHANGED if meter in after else EventId.METER_REMOVED
