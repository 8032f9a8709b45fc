"""A counter that only rises (monotoner Zähler), in a file of two places written in turn.

A place holds the counter, the SHA-256 of the state that it counts, and an HMAC-SHA-256 over both. Raising the counter
overwrites the older place and flushes it, so that a power cut spoils at most the place being written. Then the newest
intact place is one behind the state on the disk, and only then: a spoilt place beside a state that is *not* ahead was
spoilt on purpose, to have the older place believed.
"""

from __future__ import annotations

import hmac
import os
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from securitymodule.card import durable
from securitymodule.card.errors import StateDamaged

DIGEST_BYTES: Final = 32
_COUNTER_BYTES: Final = 8
_PLACE_BYTES: Final = _COUNTER_BYTES + DIGEST_BYTES + 32
_PLACE_OFFSETS: Final = (0, 4096)
"""In different sectors, so that one torn write cannot spoil both."""


@dataclass(frozen=True, slots=True)
class Count:
    """What the counter says.

    :ivar value: how many states have been written; the first is 1.
    :ivar digest: SHA-256 of the sealed state that belongs to it; zeros for none.
    """

    value: int = 0
    digest: bytes = bytes(DIGEST_BYTES)

    def authenticated(self, key: bytes) -> bytes:
        """The bytes of a place."""
        body = self.value.to_bytes(_COUNTER_BYTES, "big") + self.digest
        return body + hmac.digest(key, body, "sha256")

    @classmethod
    def of(cls, place: bytes, key: bytes) -> Count | None:
        """What a place says, ``None`` if it is not intact."""
        count = cls(
            int.from_bytes(place[:_COUNTER_BYTES], "big"), place[_COUNTER_BYTES : _COUNTER_BYTES + DIGEST_BYTES]
        )
        return count if hmac.compare_digest(count.authenticated(key), place) else None


class RisingCounter:
    """The counter in its file, open for as long as the module is."""

    def __init__(self, path: Path, key: bytes) -> None:
        """Open the file and read it.

        :param key: key of the HMAC, 32 bytes.
        :raises StateDamaged: if neither place is intact, or they do not follow one another.
        :raises OSError: as the operating system does.
        """
        self._key = key
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        self.close = weakref.finalize(self, os.close, self._descriptor)
        """Close the file; done by itself when nobody refers to the counter any more."""
        try:
            intact = self._intact(path)
        except BaseException:
            self.close()
            raise
        self.now = intact[-1]
        """What it says now."""
        self.spoilt = len(intact) < len(_PLACE_OFFSETS)
        """Whether one place is not intact: a power cut while it was written, or somebody's doing."""

    def _intact(self, path: Path) -> list[Count]:
        places = [os.pread(self._descriptor, _PLACE_BYTES, offset) for offset in _PLACE_OFFSETS]
        intact = sorted(
            (count for place in places if (count := Count.of(place, self._key)) is not None),
            key=lambda count: count.value,
        )
        if not intact:
            raise StateDamaged(f"{path}: neither place of the counter is intact")
        if intact[-1].value - intact[0].value > 1:
            raise StateDamaged(f"{path}: the two places of the counter do not follow one another")
        return intact

    @staticmethod
    def create(path: Path, key: bytes) -> None:
        """Make the file, with the counter at zero.

        :raises FileExistsError: if there is one already.
        :raises OSError: as the operating system does.
        """
        place = Count().authenticated(key)
        durable.create(path, place.ljust(_PLACE_OFFSETS[1], b"\x00") + place)

    def raise_to(self, count: Count) -> None:
        """Make *count* the newest, durably.

        :raises ValueError: if it is not the next one.
        :raises OSError: as the operating system does; old or new holds then, and it takes a reading to know which.
        """
        if count.value != self.now.value + 1:
            raise ValueError(f"the counter stands at {self.now.value}, {count.value} is not the next")
        place = count.authenticated(self._key)
        os.pwrite(self._descriptor, place, _PLACE_OFFSETS[count.value % 2])
        os.fsync(self._descriptor)
        self.now = count
        self.spoilt = False
