"""The second pass of a replay: verifying many signatures, on all cores when there are many."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

from lifecycle.canonical import JournalError, decode_signature
from lifecycle.parties import Credentials

Progress = Callable[[int], None]
"""Told how many entries more were done."""

PARALLEL_FROM = 4_000
"""From how many signatures on more than one core is worth its start."""


class Signed(NamedTuple):
    """A signature to verify.

    :ivar credentials: whose it should be.
    :ivar signature: DER, or its Base64 where it comes from a file.
    :ivar body: what is signed.
    """

    credentials: Credentials
    signature: bytes | str
    body: bytes


_shared_tasks: Sequence[Signed] = ()


def first_wrong_signature(tasks: Sequence[Signed], progress: Progress | None) -> int | None:
    """Index of the first task whose signature is wrong, ``None`` where all are right."""
    workers = len(os.sched_getaffinity(0))
    if len(tasks) < PARALLEL_FROM or workers < 2:
        return _first_wrong(tasks, progress)
    # Workers are forked, so that they find the tasks in their memory and nothing has to be sent but bounds.
    global _shared_tasks  # noqa: PLW0603  what a forked worker inherits has to be a global
    _shared_tasks = tasks
    size = max(500, len(tasks) // (workers * 8))
    bounds = [(start, min(start + size, len(tasks))) for start in range(0, len(tasks), size)]
    try:
        with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
            for (start, end), wrong in zip(bounds, pool.map(_first_wrong_between, bounds), strict=True):
                if wrong is not None:
                    pool.shutdown(cancel_futures=True)
                    return wrong
                if progress is not None:
                    progress(end - start)
    finally:
        _shared_tasks = ()
    return None


def _first_wrong_between(bounds: tuple[int, int]) -> int | None:
    start, end = bounds
    wrong = _first_wrong(_shared_tasks[start:end], None)
    return None if wrong is None else start + wrong


def _first_wrong(tasks: Sequence[Signed], progress: Progress | None) -> int | None:
    for index, (credentials, signature, body) in enumerate(tasks):
        try:
            raw = decode_signature(signature) if isinstance(signature, str) else signature
        except JournalError:
            return index
        if not credentials.verifies(raw, body):
            return index
        if progress is not None and not index % 500:
            progress(500)
    return None
