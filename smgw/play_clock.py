"""A clock for playing: it stands, is set, or runs faster than time, and waits where something is still to happen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NANOSECONDS: Final = 1_000
"""In a microsecond."""


class PlayClock:
    """One clock for everything that is played. Called from several threads; never goes back.

    Where somebody holds it, it stands still until it is held later: so what is sent at a moment is received at that
    moment, however fast it runs.
    """

    def __init__(self, start: datetime, monotonic: Callable[[], float] = time.monotonic) -> None:
        """It stands at *start*, which has a zone.

        :param monotonic: seconds that pass, never back.
        """
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._since = start.astimezone(UTC), monotonic()
        self._speed = 0.0
        self._held: datetime | None = None

    def __call__(self) -> datetime:
        """What time it is, UTC."""
        with self._lock:
            return self._now()

    def elapsed(self) -> int:
        """Nanoseconds that have passed evenly: nobody sets this clock."""
        return (self() - _EPOCH) // _MICROSECOND * _NANOSECONDS

    def forward(self, to: datetime) -> None:
        """Set it forward. :raises ValueError: if it would go back."""
        with self._lock:
            if to < self._now():
                raise ValueError(f"the clock says {self._now().isoformat()} already, and does not go back to {to}")
            self._since = to.astimezone(UTC), self._monotonic()

    def run(self, speed: float) -> None:
        """Run so many times as fast as time from now on; 0 stands."""
        with self._lock:
            self._since = self._now(), self._monotonic()
            self._speed = speed

    def hold_at(self, moment: datetime) -> None:
        """Stand still at a moment, instead of at any before."""
        with self._lock:
            self._since = self._now(), self._monotonic()
            self._held = moment.astimezone(UTC)

    def seconds_until(self, moment: datetime) -> float:
        """Real seconds until it says so; infinite while it stands."""
        with self._lock:
            left = (moment - self._now()).total_seconds()
            if left <= 0:
                return 0.0
            return left / self._speed if self._speed else float("inf")

    def _now(self) -> datetime:
        begun, at = self._since
        now = begun + timedelta(seconds=(self._monotonic() - at) * self._speed)
        return now if self._held is None else max(begun, min(now, self._held))
