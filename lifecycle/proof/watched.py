"""Evidence bits that tell which of them were looked at.

What a decision does not look at cannot change it. A :class:`Watched` number lets itself be looked at through a mask and
in no other way, and keeps every mask. So after one decision over it the answer is known for all evidence that agrees
under the masks kept: that is how a few evaluations stand for every combination of the thirty bits.
"""

from __future__ import annotations

from typing import NoReturn


class Watched(int):
    """An ``int`` that can only be and-ed, and remembers with what.

    :ivar seen: the bits looked at so far.
    """

    seen: int

    def __new__(cls, bits: int) -> Watched:
        watched = super().__new__(cls, bits)
        watched.seen = 0
        return watched

    def __and__(self, other: int) -> int:
        self.seen |= other
        return int.__and__(self, other)

    __rand__ = __and__

    def _unseen(self, *_: object) -> NoReturn:
        raise TypeError("evidence bits may be looked at through a mask only, or the proof could not tell which were")

    __or__ = __ror__ = __xor__ = __rxor__ = __lshift__ = __rshift__ = _unseen
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __floordiv__ = __mod__ = _unseen
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _unseen
    __bool__ = __invert__ = __neg__ = __index__ = __int__ = __hash__ = __str__ = __repr__ = __format__ = _unseen
