"""A password for the card's side of PACE, and randomness that a test decides."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from securitymodule.curves import Curve
from securitymodule.wiping import copy_of


@dataclass
class Password:
    """A password with its tries, which remembers what became of them.

    :ivar events: ``taken`` and ``restored``.
    """

    password: bytes
    most_tries: int = 5
    left: int = 5
    events: list[str] = field(default_factory=list)

    def tries_left(self) -> int:
        """Those left."""
        return self.left

    def value(self) -> bytes:
        """The password, in a copy that its user wipes."""
        return copy_of(self.password)

    def take_try(self) -> None:
        """One less."""
        self.left -= 1
        self.events.append("taken")

    def restore_tries(self) -> None:
        """All of them."""
        self.left = self.most_tries
        self.events.append("restored")


def seeded(seed: int) -> Callable[[int], bytes]:
    """Randomness that is the same each time."""
    return random.Random(seed).randbytes  # noqa: S311  that is the point of it


def given(values: Iterable[bytes]) -> Callable[[int], bytes]:
    """Randomness that consists of these values, each asked for by its length."""
    left: Iterator[bytes] = iter(values)

    def draw(count: int) -> bytes:
        value = next(left)
        assert len(value) == count
        return value

    return draw


def as_randomness(curve: Curve, scalar: int) -> bytes:
    """What :func:`securitymodule.pace.random_scalar` makes this private key of."""
    return (scalar - 1).to_bytes(curve.size + 8, "big")
