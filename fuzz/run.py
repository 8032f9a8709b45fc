"""A share of a target's inputs, fed one after the other: what came of them, how fast, and how memory did."""

from __future__ import annotations

import gc
import os
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from fuzz.target import ACCEPTED, Target
from fuzz.targets import TARGETS

SLOWEST: Final = 5.0
"""Seconds of work that no input may take; the slowest takes a tenth of one. Who waits for ever is ended otherwise."""
MOST_GROWTH: Final = 16 * 1024 * 1024
"""Bytes of memory that a share may take more at its end than after its first fifth."""
MOST_KINDS: Final = 20
"""Kinds of faults of which an input is kept; the rest is counted."""
STEP: Final = 256
"""Inputs between two words of progress."""

_WARM: Final = 0.2
_LEAST_FOR_MEMORY: Final = 10_000
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_STATM: Final = Path("/proc/self/statm")


@dataclass(frozen=True, slots=True)
class Share:
    """Inputs *first* to *first + count* of a target under a seed."""

    target: str
    seed: int
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Fault:
    """The first input with which something was found.

    :ivar what: the property, or the exception that nobody documented.
    :ivar trace: where.
    """

    target: str
    seed: int
    number: int
    what: str
    trace: str
    data: bytes = field(repr=False)


@dataclass(slots=True)
class Figures:
    """What came of some inputs.

    :ivar seconds: of work, however much else the machine did.
    :ivar grown: bytes of memory that it took more at its end than after its first fifth; None where it was not asked.
    """

    inputs: int = 0
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    grown: int | None = None
    memory: int = 0
    faulty: int = 0
    faults: dict[str, Fault] = field(default_factory=dict)

    @property
    def accepted(self) -> int:
        """Of how many something came."""
        return self.outcomes[ACCEPTED]

    def add(self, other: Figures) -> None:
        """Take those of another share in."""
        self.inputs += other.inputs
        self.seconds += other.seconds
        self.outcomes += other.outcomes
        self.slowest = max(self.slowest, other.slowest)
        if other.grown is not None:
            self.grown = max(other.grown, self.grown or other.grown)
        self.memory = max(self.memory, other.memory)
        self.faulty += other.faulty
        for kind, fault in other.faults.items():
            self.faults.setdefault(kind, fault)


def build(target: Target, share: Share, number: int) -> bytes:
    """The input of a number: each has chances of its own, so that it can be had without those before."""
    return target.build(Random(f"{share.seed}/{share.target}/{number}"))


def run_share(share: Share, progress: Callable[[int], None] = lambda _number: None) -> Figures:
    """Feed them.

    :param progress: told, now and then, the number of the input that is next.
    """
    target = TARGETS[share.target].make()
    figures = Figures()
    warm = 0
    begun = time.process_time()
    try:
        for done in range(share.count):
            if done % STEP == 0:
                progress(share.first + done)
            if done == int(_WARM * share.count):
                warm = _memory()
            _feed(target, share, share.first + done, figures)
    finally:
        target.close()
    figures.seconds = time.process_time() - begun
    figures.inputs = share.count
    figures.memory = _memory()
    if share.count >= _LEAST_FOR_MEMORY:
        figures.grown = figures.memory - warm
        if figures.grown > MOST_GROWTH:
            what = f"{figures.grown // 1024} KiB more memory than after the first fifth"
            _note(figures, Fault(share.target, share.seed, share.first, what, "", b""))
    return figures


def _feed(target: Target, share: Share, number: int, figures: Figures) -> None:
    data = b""
    begun = time.process_time()
    try:
        data = build(target, share, number)
        figures.outcomes[target.check(data)] += 1
        error = None
    except Exception as found:  # whatever it is, it is what this looks for
        error = found
    took = time.process_time() - begun
    figures.slowest = max(figures.slowest, took)
    if error is not None:
        _note(figures, fault_of(share, number, data, error))
    elif took > SLOWEST:
        _note(figures, Fault(share.target, share.seed, number, f"takes {took:.1f} seconds", "", data))


def fault_of(share: Share, number: int, data: bytes, error: Exception) -> Fault:
    """What is to be said of an exception."""
    what = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return Fault(share.target, share.seed, number, what, "".join(traceback.format_exception(error)), data)


def _note(figures: Figures, fault: Fault) -> None:
    figures.faulty += 1
    # The last line of code of a trace tells one fault from another; words may differ with each input.
    lines = [line for line in fault.trace.splitlines() if line.startswith("  File ")]
    kind = f"{fault.what.partition(':')[0]} {lines[-1] if lines else fault.what}"
    if fault.what.startswith("Violation"):
        kind = fault.what
    if len(figures.faults) < MOST_KINDS:
        figures.faults.setdefault(kind, fault)


def _memory() -> int:
    gc.collect()
    return int(_STATM.read_text().split()[1]) * _PAGE
