"""What is fuzzed: a target builds an input by chance and says what must hold of whatever comes of it."""

from __future__ import annotations

import re
from random import Random
from typing import Final, Protocol

ACCEPTED: Final = "accepted"
"""The outcome of an input that something came of: a reading, a document, an answer with data."""

NOTHING: Final = "nothing found"

_NUMBER: Final = re.compile(r"0x[0-9a-f]+|[0-9a-f]*\d[0-9a-f]*", re.IGNORECASE)
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_LONGEST_CLASS: Final = 64


class Violation(Exception):
    """A property that does not hold for an input."""


class Target(Protocol):
    """One interface. Inputs are bytes; the same bytes always get the same verdict."""

    def build(self, random: Random) -> bytes:
        """An input."""
        ...

    def check(self, data: bytes) -> str:
        """Feed an input; :data:`ACCEPTED`, or the class of reasons for which nothing came of it.

        :raises Violation: if a property does not hold; any other exception is one that nobody documented.
        """
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


def hold(condition: bool, what: str) -> None:
    """:raises Violation: unless the condition holds."""
    if not condition:
        raise Violation(what)


def reason_class(reason: str) -> str:
    """A reason without its numbers and quotations, so that alike ones are counted together."""
    return _NUMBER.sub("#", _QUOTED.sub("'...'", reason))[:_LONGEST_CLASS]


def keeps_secret(secrets: tuple[str, ...], *texts: str) -> None:
    """:raises Violation: if a text holds a secret; it is not named."""
    for text in texts:
        hold(not any(secret in text for secret in secrets), "a secret is in what is said")
