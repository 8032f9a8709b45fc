"""Streams of bytes from meters, injured, and what decoders make of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hypothesis import strategies as st


class Ranged(Protocol):
    """Something found in a stream."""

    @property
    def offset(self) -> int:
        """Where it begins."""
        ...

    @property
    def end(self) -> int:
        """Where it ends."""
        ...


def assert_tiles(found: Sequence[Ranged], length: int) -> None:
    """Every byte belongs to one range, in order."""
    place = 0
    for item in found:
        assert item.offset == place
        assert item.end > item.offset
        place = item.end
    assert place == length


@st.composite
def injured(
    draw: st.DrawFn,
    whole: bytes,
    times: st.SearchStrategy[int],
    lengths: st.SearchStrategy[int],
    inserted: st.SearchStrategy[bytes],
) -> bytes:
    """A stream with flipped bits, lost, repeated or inserted bytes and cut ends.

    :param times: how many injuries.
    :param lengths: how many bytes are lost or repeated at once.
    :param inserted: what comes between.
    """
    data = bytearray(whole)
    for _ in range(draw(times)):
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        length = draw(lengths)
        kind = draw(st.sampled_from(["flip", "delete", "insert", "duplicate", "tail"]))
        if kind == "flip" and data:
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "delete":
            del data[place : place + length]
        elif kind == "insert":
            data[place:place] = draw(inserted)
        elif kind == "duplicate":
            data[place:place] = data[place : place + length]
        elif kind == "tail":
            del data[place:]
    return bytes(data)
