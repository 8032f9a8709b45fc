"""What goes wrong again and again is logged once in a while, with how often it happened."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import structlog

COMPLAINT_SECONDS: Final = 60.0
"""How often the same complaint is logged; ours."""
_log = structlog.get_logger()


class Complaints:
    """Logs each kind of complaint at most once in a while. Called from several threads."""

    def __init__(self, monotonic: Callable[[], float], seconds: float = COMPLAINT_SECONDS) -> None:
        """:param monotonic: seconds that pass, never back.
        :param seconds: how long the same is not logged again.
        """
        self._monotonic = monotonic
        self._seconds = seconds
        self._lock = threading.Lock()
        self._told: dict[tuple[str, str], tuple[float, int]] = {}

    def tell(self, what: str, line: str, reason: str) -> None:
        """Something went wrong.

        :param what: what it is; together with *line* what counts as the same.
        :param reason: why, this time.
        """
        with self._lock:
            now = self._monotonic()
            last, times = self._told.get((what, line), (now - self._seconds, 0))
            if now - last < self._seconds:
                self._told[what, line] = last, times + 1
                return
            self._told[what, line] = now, 0
        _log.warning(what, line=line, reason=reason, times=times + 1)
