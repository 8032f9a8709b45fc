"""How far a reading can be trusted: the PTB's five grades, and the 64-bit status word of the FNN that maps to them.

The word is written as hexadecimal digits of its bits in order, bit 0 first: ``a0000000...`` has bits 0 and 2 set. Its
first 32 bits are the gateway's, the others the meter's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import IntEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final


class PtbStatus(IntEnum):
    """Status by PTB-A 50.8; ``statusPTB`` in AR 2418-6."""

    NO_ERROR = 0
    WARNING = 1
    TEMPORARY_ERROR = 2
    """Marked invalid, but the value may stand in as a substitute (Ersatzwert)."""
    CRITICAL_TEMPORARY_ERROR = 3
    """Invalid; the value must not even be a substitute."""
    FATAL_ERROR = 4

    @property
    def usable(self) -> bool:
        """Whether the value may be billed."""
        return self < PtbStatus.CRITICAL_TEMPORARY_ERROR


_HALVES: Final = re.compile(r"([0-9a-fA-F]{8})([0-9a-fA-F]{8})?")
_IDENTIFIED: Final = 0b101
_GATEWAY: Final = (
    (1 << 8, PtbStatus.FATAL_ERROR),
    (1 << 9, PtbStatus.CRITICAL_TEMPORARY_ERROR),
    (1 << 14, PtbStatus.CRITICAL_TEMPORARY_ERROR),
    (1 << 13, PtbStatus.TEMPORARY_ERROR),
    (1 << 12, PtbStatus.WARNING),
)
"""Fatal error; system time invalid; temporary error, invalid; temporary error, substitute; warning."""
_METER: Final = (
    (1 << 17, PtbStatus.FATAL_ERROR),
    (1 << 9, PtbStatus.CRITICAL_TEMPORARY_ERROR),
    (1 << 10, PtbStatus.CRITICAL_TEMPORARY_ERROR),
)
"""Fatal error; magnetically influenced; manipulated."""


_FLAGS: Final[Mapping[str, PtbStatus]] = MappingProxyType(
    {
        "fatal-error": PtbStatus.FATAL_ERROR,
        "magnetic-field": PtbStatus.CRITICAL_TEMPORARY_ERROR,
        "manipulation": PtbStatus.CRITICAL_TEMPORARY_ERROR,
    }
)
"""The same of a meter, as the original reading list flags them."""


def ptb_of_flags(flags: Iterable[str]) -> PtbStatus:
    """The PTB's grade of an original reading by its flags; those that say nothing of it are left out."""
    return max((_FLAGS[flag] for flag in flags if flag in _FLAGS), default=PtbStatus.NO_ERROR)


@lru_cache(maxsize=1024)
def ptb_of_fnn(word: str) -> PtbStatus:
    """The PTB's grade of a status word.

    A word without the identification bits 0 and 2 of the gateway says nothing, and grades NO_ERROR.

    :raises ValueError: if it is not eight or sixteen hexadecimal digits.
    """
    halves = _HALVES.fullmatch(word)
    if halves is None:
        raise ValueError(f"{word!r} is no status word: eight or sixteen hexadecimal digits")
    gateway = _bit_zero_first(halves[1])
    if gateway & _IDENTIFIED != _IDENTIFIED:
        return PtbStatus.NO_ERROR
    meter = _bit_zero_first(halves[2] or "0" * 8)
    grades = [grade for bit, grade in _GATEWAY if gateway & bit] + [grade for bit, grade in _METER if meter & bit]
    return max(grades, default=PtbStatus.NO_ERROR)


def _bit_zero_first(digits: str) -> int:
    return int(f"{int(digits, 16):032b}"[::-1], 2)
