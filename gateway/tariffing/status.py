"""The FNN's status word as AR 2418-6 writes it: hexadecimal digits of its bits in order, bit 0 first.

``a0000000...`` has bits 0 and 2 set. The first 32 bits are the gateway's, the others the meter's.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from gateway.lmn.status import WORD_BITS, CombinedStatus, PtbStatus

_HALVES: Final = re.compile(r"([0-9a-fA-F]{8})([0-9a-fA-F]{8})?")


@lru_cache(maxsize=1024)
def ptb_of_fnn(text: str) -> PtbStatus:
    """What a status word says a reading is good for; a half of another layout says nothing.

    :raises ValueError: if it is not eight or sixteen hexadecimal digits.
    """
    halves = _HALVES.fullmatch(text)
    if halves is None:
        raise ValueError(f"{text!r} is no status word: eight or sixteen hexadecimal digits")
    gateway, meter = (_bit_zero_first(half) for half in (halves[1], halves[2] or "0" * 8))
    return CombinedStatus.of_word(gateway << WORD_BITS | meter).ptb


def _bit_zero_first(digits: str) -> int:
    return int(f"{int(digits, 16):032b}"[::-1], 2)


@lru_cache(maxsize=1024)
def fnn_of_word(word: int) -> str:
    """How the 64 bits of a status word are written: sixteen hexadecimal digits, the gateway's half first."""
    halves = (word >> WORD_BITS, word & (1 << WORD_BITS) - 1)
    return "".join(f"{int(f'{half:032b}'[::-1], 2):08x}" for half in halves)
