"""``smgw`` as a process of its own, as its operator runs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

COMMAND = [sys.executable, "-c", "from smgw.cli import main; main(prog_name='smgw')"]
PATIENCE = 60.0
"""Seconds within which a command ends that was told to."""


@contextmanager
def started(
    *words: object, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running command, and what it printed until it can be stopped; stopped whatever happens meanwhile.

    :param environment: in place of the test's own.
    """
    process = subprocess.Popen(
        [*COMMAND, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if "Ctrl-C" in line:
                break
        else:
            pytest.fail(f"it did not start: {printed} {process.communicate()}")
        yield process, printed
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)
