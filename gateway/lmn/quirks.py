"""Known quirks of meters: each a rule with a name, applied only to a meter whose profile names it.

A value that merely looks as if a rule would fit is left as it is, with the flag the codec gave it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from gateway.lmn.sml_bodies import GetListResponse
from gateway.lmn.sml_elements import Number
from gateway.lmn.sml_fields import SmlTime, TimeKind
from gateway.lmn.sml_messages import Message
from gateway.lmn.sml_readings import Reading

FLAG_SUSPECT_SIGN: Final = "suspect-sign"
FLAG_UNTAGGED_TIME: Final = "time-untagged"
FLAG_KERMIT: Final = "crc-kermit"

Rule = Callable[[Reading, Number | None], Reading]
"""Puts a reading right, given the number as it was on the wire where that is known. It may return it unchanged."""


@dataclass(frozen=True, slots=True)
class Quirk:
    """One rule. ``flag`` is what the codec marks such readings with, and what the rule answers for."""

    name: str
    meters: str
    flag: str
    rule: Rule


def _shortened_sign(reading: Reading, number: Number | None) -> Reading:
    if FLAG_SUSPECT_SIGN not in reading.flags or number is None:
        return reading
    return _marked(reading, FLAG_SUSPECT_SIGN, "sign-shortened", value=number.value % (1 << 8 * number.width))


def _untagged_time(reading: Reading, _: Number | None) -> Reading:
    if reading.time is None or reading.time.kind is not TimeKind.UNTAGGED:
        return reading
    return replace(
        _marked(reading, FLAG_UNTAGGED_TIME, "time-untagged"),
        time=SmlTime(TimeKind.SECONDS_INDEX, reading.time.seconds),
    )


def _kermit(reading: Reading, _: Number | None) -> Reading:
    return _marked(reading, FLAG_KERMIT, "crc-kermit") if FLAG_KERMIT in reading.flags else reading


QUIRKS: Final[Mapping[str, Quirk]] = MappingProxyType(
    {
        quirk.name: quirk
        for quirk in (
            Quirk(
                "sign-shortened",
                "DZG DVS-7420, DWS: sends a positive power signed in fewer bytes than its sign bit needs",
                FLAG_SUSPECT_SIGN,
                _shortened_sign,
            ),
            Quirk(
                "time-untagged",
                "HOLLEY DTZ541: sends the seconds index without the choice that says what it is",
                FLAG_UNTAGGED_TIME,
                _untagged_time,
            ),
            Quirk("crc-kermit", "HOLLEY DTZ541: computes CRC-16/KERMIT instead of X-25", FLAG_KERMIT, _kermit),
        )
    }
)
"""All rules by name."""


def apply_quirks(names: Iterable[str], reading: Reading, number: Number | None = None) -> Reading:
    """The reading after the rules a profile names, in their order. :raises KeyError: if there is no such rule."""
    for name in names:
        reading = QUIRKS[name].rule(reading, number)
    return reading


def wire_numbers(messages: Iterable[Message]) -> tuple[Number, ...]:
    """The numbers of all GetList responses as they were on the wire, one a reading and in the readings' order."""
    return tuple(
        entry.value
        for message in messages
        if isinstance(message.body, GetListResponse)
        for entry in message.body.entries
        if isinstance(entry.value, Number)
    )


def _marked(reading: Reading, flag: str, name: str, *, value: int | None = None) -> Reading:
    flags = tuple(f"quirk:{name}" if kept == flag else kept for kept in reading.flags)
    return replace(reading, flags=flags, value=reading.value if value is None else value)
