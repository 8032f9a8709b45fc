"""The second pass of a replay: verifying many signatures, on all cores when there are many.

Threads are enough: OpenSSL verifies without holding the interpreter.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

from lifecycle.canonical import JournalError, decode_signature
from lifecycle.parties import Credentials

Progress = Callable[[int], None]
"""Told how many entries more were done."""

PARALLEL_FROM = 1_000
"""From how many signatures on more than one core is worth its start."""
_TELL_EVERY = 500


Signed: TypeAlias = tuple[Credentials, bytes | str, bytes]
"""A signature to verify: whose it should be, the signature (DER, or its Base64 where it comes from a file), and what
is signed. A bare tuple: there is one for every entry of every replay."""


def first_wrong_signature(tasks: Sequence[Signed], progress: Progress | None = None) -> int | None:
    """Index of the first task whose signature is wrong, ``None`` where all are right."""
    workers = len(os.sched_getaffinity(0))
    if len(tasks) < PARALLEL_FROM or workers < 2:
        return _first_wrong(tasks, 0, len(tasks), progress)
    size = max(250, min(5_000, len(tasks) // (workers * 8)))
    starts = range(0, len(tasks), size)
    with ThreadPoolExecutor(workers) as pool:
        parts = [pool.submit(_first_wrong, tasks, start, start + size, progress) for start in starts]
        for part in parts:
            wrong = part.result()
            if wrong is not None:
                pool.shutdown(wait=False, cancel_futures=True)
                return wrong
    return None


def _first_wrong(tasks: Sequence[Signed], start: int, end: int, progress: Progress | None) -> int | None:
    told = start
    for index, (credentials, signature, body) in enumerate(tasks[start:end], start):
        try:
            raw = decode_signature(signature) if isinstance(signature, str) else signature
        except JournalError:
            return index
        if not credentials.verifies(raw, body):
            return index
        if progress is not None and index - told == _TELL_EVERY:
            progress(_TELL_EVERY)
            told = index
    if progress is not None:
        progress(min(end, len(tasks)) - told)
    return None
