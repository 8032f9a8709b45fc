"""Reading typed values out of SML elements, and the one compound value every message shares: SML_Time."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, Self

from gateway.lmn.sml_elements import Element, Number, Octets, SmlList, integer, octets, sml_list, unsigned
from gateway.lmn.sml_errors import SmlStructureError


def items_of(element: Element, count: int, what: str) -> tuple[Element, ...]:
    """The items of a list that must have ``count`` of them. :raises SmlStructureError: if it is another element."""
    if not isinstance(element, SmlList) or len(element.items) != count:
        raise SmlStructureError(f"{what} is no list of {count}")
    return element.items


def octets_of(element: Element, what: str) -> bytes:
    """The bytes of an octet string. :raises SmlStructureError: if it is another element or absent."""
    if not isinstance(element, Octets):
        raise SmlStructureError(f"{what} is no octet string")
    return element.data


def optional_octets_of(element: Element, what: str) -> bytes | None:
    """As :func:`octets_of`; None for an absent field."""
    return None if element is None else octets_of(element, what)


def unsigned_of(element: Element, what: str) -> int:
    """The value of an Unsigned of any width. :raises SmlStructureError: if it is another element or absent."""
    if not isinstance(element, Number) or element.signed:
        raise SmlStructureError(f"{what} is no unsigned integer")
    return element.value


def optional_byte_of(element: Element, what: str) -> int | None:
    """An Unsigned8, None for an absent field. :raises SmlStructureError: if it is anything else or above 255."""
    if element is None:
        return None
    if not isinstance(element, Number) or element.signed or element.value > 0xFF:
        raise SmlStructureError(f"{what} is no unsigned byte")
    return element.value


def optional_octets(data: bytes | None) -> Element:
    """The element of an optional octet string."""
    return None if data is None else octets(data)


def optional_byte(value: int | None) -> Element:
    """The element of an optional Unsigned8. :raises SmlEncodeError: if it is no byte."""
    return None if value is None else unsigned(value, 1)


class TimeKind(enum.Enum):
    """What an SML_Time counts. The values of the first three are the tags of the choice on the wire."""

    SECONDS_INDEX = 1
    """Seconds since the meter started to count (Sekundenindex); no date."""
    TIMESTAMP = 2
    """Seconds since 1970-01-01 UTC."""
    LOCAL_TIMESTAMP = 3
    """Seconds since 1970-01-01 UTC with the offsets of local time and of summer time, in minutes."""
    UNTAGGED = 0
    """A bare unsigned number without its choice, a fault of HOLLEY meters; a seconds index, as far as known."""


_KINDS: Final = {kind.value: kind for kind in TimeKind if kind is not TimeKind.UNTAGGED}


@dataclass(frozen=True, slots=True)
class SmlTime:
    """A time (SML_Time) as a meter states it."""

    kind: TimeKind
    seconds: int
    local_offset: int | None = None
    season_offset: int | None = None

    @classmethod
    def from_element(cls, element: Element) -> Self | None:
        """Read a time; None for an absent one. :raises SmlStructureError: if it is something else."""
        if element is None:
            return None
        if isinstance(element, Number):
            return cls(TimeKind.UNTAGGED, unsigned_of(element, "an untagged time"))
        tag, value = items_of(element, 2, "a time")
        kind = _KINDS.get(unsigned_of(tag, "the choice of a time"))
        if kind is None:
            raise SmlStructureError("a time of unknown kind")
        if kind is TimeKind.LOCAL_TIMESTAMP:
            seconds, local, season = items_of(value, 3, "a local timestamp")
            return cls(kind, unsigned_of(seconds, "a local timestamp"), _minutes_of(local), _minutes_of(season))
        return cls(kind, unsigned_of(value, "the seconds of a time"))

    def to_element(self) -> Element:
        """The time in its regular wire form: seconds as Unsigned32, offsets as Integer16.

        :raises SmlEncodeError: if a part does not fit.
        """
        seconds: Element = unsigned(self.seconds, 4)
        if self.kind is TimeKind.UNTAGGED:
            return seconds
        if self.kind is TimeKind.LOCAL_TIMESTAMP:
            seconds = sml_list([seconds, integer(self.local_offset or 0, 2), integer(self.season_offset or 0, 2)])
        return sml_list([unsigned(self.kind.value, 1), seconds])


def optional_time(time: SmlTime | None) -> Element:
    """The element of an optional time."""
    return None if time is None else time.to_element()


def _minutes_of(element: Element) -> int:
    if not isinstance(element, Number):
        raise SmlStructureError("an offset of a local timestamp is no integer")
    return element.value
