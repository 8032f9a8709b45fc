"""Batches: every unit is made once and told once, by however many processes, and whatever becomes of one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from stations.integrator.batch import Outcome, Work, run_batch
from stations.integrator.order import Arrangement, Unit

UNITS = [Unit(f"EXXX{number:010}", f"SM-{number}", Arrangement.SEPARATE, Path("file")) for number in range(9)]


@dataclass(frozen=True)
class Stand:
    """A station that notes what it makes; some units kill whoever makes them."""

    folder: Path
    deadly: tuple[str, ...] = ()

    @contextmanager
    def __call__(self) -> Iterator[Work]:
        yield self.make

    def make(self, unit: Unit) -> Outcome:
        """Note it, once."""
        (self.folder / unit.gateway).touch(exist_ok=False)
        if unit.gateway in self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return Outcome(unit.gateway, unit.serial, True, "", f"by {os.getpid()}", 0.0)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_unit_is_made_once_and_told_once(tmp_path: Path, workers: int) -> None:
    told: list[Outcome] = []
    run_batch(UNITS, Stand(tmp_path), workers, told.append)
    assert sorted(outcome.gateway for outcome in told) == [unit.gateway for unit in UNITS]
    assert all(outcome.made for outcome in told)
    assert (f"by {os.getpid()}" in {outcome.words for outcome in told}) is (workers == 1)


def test_a_worker_that_dies_costs_its_unit_and_no_other(tmp_path: Path) -> None:
    told: list[Outcome] = []
    deadly = UNITS[0].gateway, UNITS[5].gateway, UNITS[8].gateway
    run_batch(UNITS, Stand(tmp_path, deadly), 2, told.append)
    assert len(told) == len(UNITS)
    lost = {outcome.gateway: outcome.words for outcome in told if not outcome.made}
    assert sorted(lost) == sorted(deadly)
    assert all(
        "its worker ended with code -9 in the midst of it; run the order again" in words for words in lost.values()
    )


def test_nothing_to_do(tmp_path: Path) -> None:
    told: list[Outcome] = []
    run_batch([], Stand(tmp_path), 4, told.append)
    assert told == []
