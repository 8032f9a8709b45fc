"""A target's inputs shared out among processes: one that hangs or dies takes nobody along, and is told of."""

from __future__ import annotations

import faulthandler
import logging
import multiprocessing
import sys
import time
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Final

import structlog

from fuzz.run import STEP, Fault, Figures, Share, run_share

HANG: Final = 60.0
"""Seconds after which a process that says nothing is ended, with what it was doing in the report."""

_SHOWN_EVERY: Final = 2.0


def run_target(name: str, seed: int, count: int, jobs: int, folder: Path) -> Figures:
    """What comes of a target's inputs.

    :param folder: for what a process that hangs was doing.
    """
    context = multiprocessing.get_context("spawn")
    each = -(-count // jobs)
    shares = [Share(name, seed, first, min(each, count - first)) for first in range(0, count, each)]
    working: dict[Connection, tuple[SpawnProcess, Share, int]] = {}
    for share in shares:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(share, theirs, folder / f"{name}-{share.first}.txt"))
        process.start()
        theirs.close()
        working[ours] = process, share, share.first
    total, shown = Figures(), 0.0
    try:
        while working:
            for connection in wait(list(working), timeout=_SHOWN_EVERY):
                assert isinstance(connection, Connection)
                process, share, number = working[connection]
                try:
                    said: int | Figures = connection.recv()
                except EOFError:
                    process.join()
                    said = _broken(share, number, folder / f"{name}-{share.first}.txt")
                if isinstance(said, int):
                    working[connection] = process, share, said
                else:
                    total.add(said)
                    process.join()
                    del working[connection]
            if sys.stderr.isatty() and time.monotonic() - shown > _SHOWN_EVERY:
                shown = time.monotonic()
                done = total.inputs + sum(number - share.first for _, share, number in working.values())
                print(f"\r{name}: {done:,} of {count:,}   ", end="", file=sys.stderr, flush=True)
    finally:
        for process, _, _ in working.values():
            process.terminate()
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return total


def _broken(share: Share, number: int, trace: Path) -> Figures:
    """What is to be said of a process that ended without a word, or hung and was ended."""
    said = trace.read_text(encoding="utf-8", errors="replace") if trace.exists() else ""
    what = f"the process hangs or ends within {STEP} inputs from number {number} on"
    fault = Fault(share.target, share.seed, number, what, said, b"")
    return Figures(number - share.first, faulty=1, faults={f"{share.target} {number}": fault})


def _work(share: Share, connection: Connection, trace: Path) -> None:
    """A process's part: it reports where it is, and what came of it; if it hangs, where that is goes into a file."""
    quiet()
    with trace.open("w") as file:

        def progress(number: int) -> None:
            faulthandler.dump_traceback_later(HANG, exit=True, file=file)
            connection.send(number)

        figures = run_share(share, progress)
        faulthandler.cancel_dump_traceback_later()
    connection.send(figures)
    connection.close()


def quiet() -> None:
    """What the gateway would log of every input is not wanted here."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
