"""How often somebody may ask: buckets that fill by themselves. Who has emptied his waits, and is never locked out."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

KEPT_BUCKETS: Final = 4096
"""How many of one kind are kept; ours. The one used longest ago makes room, and is full when it comes back."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something may happen.

    :ivar per_second: in the long run.
    :ivar burst: at once.
    """

    per_second: float
    burst: int


class Buckets:
    """One bucket a key. For several threads."""

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        """:param clock: seconds that pass, never back."""
        self._rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, key: Hashable) -> float:
        """Take one. 0 if there was one, otherwise the seconds until there is."""
        return self._look(key, 1.0)

    def wait(self, key: Hashable) -> float:
        """As :meth:`take`, without taking it."""
        return self._look(key, 0.0)

    def _look(self, key: Hashable, taken: float) -> float:
        with self._lock:
            now = self._clock()
            left, since = self._buckets.get(key, (float(self._rate.burst), now))
            left = min(self._rate.burst, left + (now - since) * self._rate.per_second)
            short = left < 1.0
            if not short and taken == 0.0 and key not in self._buckets:
                return 0.0
            self._buckets[key] = (left if short else left - taken, now)
            self._buckets.move_to_end(key)
            if len(self._buckets) > KEPT_BUCKETS:
                self._buckets.popitem(last=False)
            return (1.0 - left) / self._rate.per_second if short else 0.0
