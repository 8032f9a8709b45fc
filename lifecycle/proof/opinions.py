"""What a second opinion is: a model checker's verdict on the same law, by its own search."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Progress = Callable[[str], None]
"""Told what is being done, in a few words."""

TIME_LIMIT = 300.0
"""Seconds after which a model checker that should take two is given up."""


class ToolMissing(Exception):
    """A model checker is not there; the message says what to install."""


class ToolFailed(Exception):
    """A model checker ended without an answer; the message ends with what it printed last."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a model checker says of one property.

    :ivar id: ``P1`` to ``P5``.
    :ivar holds: whether it holds.
    :ivar states: how many states of its model it explored for this.
    :ivar claims: the names of the model's claims that make up the property.
    :ivar broken: those of them that do not hold.
    """

    id: str
    holds: bool
    states: int
    claims: tuple[str, ...]
    broken: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Opinion:
    """A model checker's second opinion.

    :ivar tool: its name and version.
    :ivar verdicts: one a property.
    :ivar standings: how many pairs of state and evidence it found, ``None`` where it does not count these.
    """

    tool: str
    verdicts: tuple[Verdict, ...]
    standings: int | None = None

    @property
    def states(self) -> int:
        """The most states explored for one property."""
        return max(verdict.states for verdict in self.verdicts)


def run(command: Sequence[str], directory: Path) -> str:
    """What a program prints on either channel, run in a directory of ours.

    :raises ToolFailed: if it takes longer than :data:`TIME_LIMIT`.
    """
    try:
        finished = subprocess.run(  # noqa: S603  programs found on this machine, arguments of our own making
            command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIME_LIMIT, check=False
        )
    except subprocess.TimeoutExpired as expired:
        raise ToolFailed(f"{command[0]} gave no answer within {TIME_LIMIT:.0f} s") from expired
    return finished.stdout.decode(errors="replace")


def failed(command: Sequence[str], output: str) -> ToolFailed:
    """The error for a program whose output is not what it should be."""
    return ToolFailed(f"{' '.join(command)} gave no verdict; it printed last:\n{output[-2000:]}")
