"""Counters kept in memory, for tests that are not about keeping them."""

from __future__ import annotations

from gateway.lmn.wmbus_security import check_rising


class Counters:
    """Satisfies :class:`gateway.lmn.wmbus_security.CounterStore`."""

    def __init__(self) -> None:
        self.kept: dict[bytes, int] = {}

    def last(self, meter: bytes) -> int | None:
        return self.kept.get(meter)

    def accept(self, meter: bytes, counter: int) -> None:
        check_rising(self.kept.get(meter), counter)
        self.kept[meter] = counter
