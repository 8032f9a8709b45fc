"""Many units at once: workers of one process each, who get a unit at a time and share nothing.

A worker that ends, however it ends, costs the unit it was at nothing but time: the unit says so, and whoever runs the
order again goes on with it. When whoever runs the batch is gone, killed for instance, each worker ends after its unit.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final

from stations.integrator.order import Unit


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a unit.

    :ivar gateway: its identification.
    :ivar serial: its module's serial number.
    :ivar made: whether it is delivered.
    :ivar state: the state that it is in, empty where it has no record.
    :ivar words: what was done, or why it could not be.
    :ivar seconds: how long it took.
    """

    gateway: str
    serial: str
    made: bool
    state: str
    words: str
    seconds: float


Work = Callable[[Unit], Outcome]
"""Makes a unit. Whatever goes wrong with it becomes its outcome."""
Station = Callable[[], AbstractContextManager[Work]]
"""Sets up a worker's station: everything that is open belongs to that worker alone. Travels to another process."""

_SPAWN: Final = multiprocessing.get_context("spawn")  # a forked process would share an open database, which SQLite bars


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    connection: Connection
    unit: Unit | None = None


def run_batch(units: Iterable[Unit], station: Station, workers: int, tell: Callable[[Outcome], None]) -> None:
    """Make these units.

    :param workers: how many processes; with one, this process does the work.
    :param tell: told each outcome as it comes, in this process.
    """
    waiting = list(units)[::-1]
    if workers <= 1 or len(waiting) <= 1:
        with station() as work:
            while waiting:
                tell(work(waiting.pop()))
        return
    crew = [_start(station) for _ in range(min(workers, len(waiting)))]
    try:
        while waiting or any(worker.unit for worker in crew):
            for number, worker in enumerate(crew):
                if worker.unit is None and waiting:
                    crew[number] = _give(worker, waiting.pop(), station)
            busy = {worker.connection: worker for worker in crew if worker.unit is not None}
            for connection in wait(list(busy)):
                worker = busy[connection]  # type: ignore[index]  # of what it waited for, which are connections
                tell(_outcome(worker))
    finally:
        for worker in crew:
            worker.connection.close()  # its worker ends when it has done its unit
        for worker in crew:
            worker.process.join()


def _start(station: Station) -> _Worker:
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_serve, args=(theirs, station), name="integrator")
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _give(worker: _Worker, unit: Unit, station: Station) -> _Worker:
    """Give a worker its next unit; one that is gone is replaced."""
    try:
        worker.connection.send(unit)
    except OSError:
        worker.connection.close()
        worker.process.join()
        worker = _start(station)
        worker.connection.send(unit)
    worker.unit = unit
    return worker


def _outcome(worker: _Worker) -> Outcome:
    unit, worker.unit = worker.unit, None
    assert unit is not None  # noqa: S101  nobody waits for a worker without one
    try:
        outcome: Any = worker.connection.recv()
    except (EOFError, OSError):
        worker.process.join()
        words = f"its worker ended with code {worker.process.exitcode} in the midst of it; run the order again"
        return Outcome(unit.gateway, unit.serial, False, "", words, 0.0)
    assert isinstance(outcome, Outcome)  # noqa: S101  _serve sends nothing else
    return outcome


def _serve(connection: Connection, station: Station) -> None:
    """A worker's life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted batch ends between units, not within one
    with station() as work:
        while True:
            try:
                unit = connection.recv()
            except (EOFError, OSError):
                return
            outcome = work(unit)
            try:
                connection.send(outcome)
            except OSError:
                return
