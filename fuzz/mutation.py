"""Injuries: what noise, broken senders and attackers do to bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

_BOUNDARIES: Final = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 63)
_BYTES: Final = (0x00, 0x01, 0x0F, 0x10, 0x1B, 0x2F, 0x7E, 0x7F, 0x80, 0xA0, 0xF1, 0xFE, 0xFF)
_LONGEST_BLOCK: Final = 64


class Mutator:
    """Injures bytes.

    :param words: what has a meaning in the format: marks, tags, delimiters.
    :param others: inputs to take pieces from.
    """

    def __init__(self, words: Sequence[bytes] = (), others: Sequence[bytes] = ()) -> None:
        self._words = tuple(words) or (b"\0",)
        self._others = tuple(others) or (b"\0",)
        self._kinds: tuple[Callable[[Random, bytearray], None], ...] = (
            self._flip,
            self._flip,
            self._byte,
            self._boundary,
            self._delete,
            self._insert,
            self._word,
            self._overwrite,
            self._duplicate,
            self._swap,
            self._cut,
            self._splice,
        )

    def mutated(self, random: Random, data: bytes, most: int = 5) -> bytes:
        """The bytes with one to *most* injuries, rarely many."""
        changed = bytearray(data)
        for _ in range(1 + int(random.random() ** 2 * most)):
            random.choice(self._kinds)(random, changed)
        return bytes(changed)

    def perhaps(self, random: Random, data: bytes, share: float = 0.5, most: int = 2) -> bytes:
        """The same, but only in a share of the cases."""
        return self.mutated(random, data, most) if random.random() < share else data

    def _flip(self, random: Random, data: bytearray) -> None:
        if data:
            data[_place(random, data)] ^= 1 << random.randrange(8)

    def _byte(self, random: Random, data: bytearray) -> None:
        if data:
            value = random.randrange(256) if random.random() < 0.5 else random.choice(_BYTES)
            data[_place(random, data)] = value

    def _boundary(self, random: Random, data: bytearray) -> None:
        width = random.choice((1, 2, 4, 8))
        value = random.choice(_BOUNDARIES) & (1 << 8 * width) - 1
        at = _place(random, data)
        data[at : at + width] = value.to_bytes(width, random.choice(("big", "little")))

    def _delete(self, random: Random, data: bytearray) -> None:
        at = _place(random, data)
        del data[at : at + _length(random)]

    def _insert(self, random: Random, data: bytearray) -> None:
        at = _place(random, data)
        data[at:at] = random.randbytes(_length(random))

    def _word(self, random: Random, data: bytearray) -> None:
        at = _place(random, data)
        data[at:at] = random.choice(self._words)

    def _overwrite(self, random: Random, data: bytearray) -> None:
        word = random.choice(self._words)
        at = _place(random, data)
        data[at : at + len(word)] = word

    def _duplicate(self, random: Random, data: bytearray) -> None:
        begin, length = _place(random, data), _length(random)
        block = data[begin : begin + length]
        at = begin + length if random.random() < 0.5 else _place(random, data)
        data[at:at] = block * random.choice((1, 1, 1, 2, 20))

    def _swap(self, random: Random, data: bytearray) -> None:
        """Two bytes change places: lengths among them, now and then."""
        if data:
            one, other = _place(random, data), _place(random, data)
            data[one], data[other] = data[other], data[one]

    def _cut(self, random: Random, data: bytearray) -> None:
        at = _place(random, data)
        if random.random() < 0.7:
            del data[at:]
        else:
            del data[:at]

    def _splice(self, random: Random, data: bytearray) -> None:
        other = random.choice(self._others)
        begin = random.randrange(len(other) + 1)
        at = _place(random, data)
        if random.random() < 0.3:
            data[at:] = other[begin:]
        else:
            data[at:at] = other[begin : begin + _length(random)]


def cuts(random: Random, data: bytes, most: int = 100) -> list[bytes]:
    """The bytes in pieces: single ones, small ones, or two halves; about *most* of them at most."""
    size = max(random.choice((1, 3, 17, 64, 400)), len(data) // most)
    pieces = []
    at = 0
    while at < len(data):
        step = 1 + int(random.random() * 2 * size)
        pieces.append(data[at : at + step])
        at += step
    return pieces


def _place(random: Random, data: bytearray) -> int:
    return int(random.random() * len(data))


def _length(random: Random) -> int:
    return 1 + int(random.random() ** 3 * _LONGEST_BLOCK)
