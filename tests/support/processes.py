"""Many at once: threads that start together, and children forked from a test, which start warm and tell over a pipe."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Tell = Callable[[str], None]
LIMIT = 60.0
"""Seconds after which a child that says nothing any more is taken for stuck."""


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """What each of these returned, or what it raised, done by threads that start together."""
    barrier = threading.Barrier(len(works))
    results: list[Any] = [None] * len(works)

    def run(number: int, work: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            results[number] = work()
        except Exception as error:  # for the test to judge
            results[number] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


class StartingLine:
    """Where children wait until all of them may go at once."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def wait(self) -> None:
        """Wait, in a child."""
        os.close(self._write)
        os.read(self._read, 1)  # nothing is ever written: it ends when nobody can write any more

    def go(self) -> None:
        """Let them go, in the parent, which forked them all."""
        os.close(self._write)
        os.close(self._read)


@dataclass
class Child:
    """A process forked from this one.

    :ivar pid: its process id.
    :ivar said: the lines it has told so far.
    """

    pid: int
    _pipe: int
    said: list[str] = field(default_factory=list)
    _rest: bytes = b""

    def hear(self) -> bool:
        """Take in what the child tells next; ``False`` when nothing more can come."""
        if not select.select([self._pipe], [], [], LIMIT)[0]:
            os.kill(self.pid, signal.SIGKILL)
            raise TimeoutError(f"the child said nothing for {LIMIT:.0f} s; before that: {self.said[-3:]}")
        told = os.read(self._pipe, 65536)
        *lines, self._rest = (self._rest + told).split(b"\n")
        self.said += [line.decode() for line in lines]
        return bool(told)

    def end(self) -> int:
        """Hear it out and wait for its end; its exit code, negative where a signal ended it."""
        while self.hear():
            pass
        os.close(self._pipe)
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)


def forked(work: Callable[[Tell], None]) -> Child:
    """Fork; the child does *work* and ends. What it tells, a line at a time, is on its way when the call returns."""
    read, write = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.close(write)
        return Child(pid, read)
    # From here on this is the child: whatever happens, it must not come back into the test.
    code = 1
    try:
        os.close(read)
        work(lambda line: _write_all(write, line.encode() + b"\n"))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _write_all(pipe: int, data: bytes) -> None:
    while data:
        data = data[os.write(pipe, data) :]
