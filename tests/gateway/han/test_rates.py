"""Buckets empty and fill again, one a key, and not without end."""

from __future__ import annotations

import pytest

from gateway.han import rates
from gateway.han.rates import Buckets, Rate
from tests.support.han import Ticking


def test_a_bucket_empties_and_fills() -> None:
    ticking = Ticking()
    buckets = Buckets(Rate(2, 3), ticking)
    assert buckets.wait("a") == 0
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a") == buckets.wait("a") == pytest.approx(0.5)
    assert buckets.take("b") == 0
    ticking.forward(0.5)
    assert buckets.take("a") == 0
    assert buckets.take("a") > 0
    ticking.forward(3600)
    assert [buckets.take("a") for _ in range(4)][-1] > 0


def test_asking_while_it_is_empty_costs_nothing() -> None:
    ticking = Ticking()
    buckets = Buckets(Rate(1, 1), ticking)
    buckets.take("a")
    for _ in range(10):
        ticking.forward(0.1)
        buckets.take("a") if ticking.now < 1000.95 else None
    assert buckets.take("a") == pytest.approx(0, abs=1e-6)


def test_it_keeps_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "KEPT_BUCKETS", 2)
    buckets = Buckets(Rate(1, 1), Ticking())
    for key in ("a", "b", "c"):
        assert buckets.take(key) == 0
    assert buckets.take("c") > 0
    assert buckets.take("b") > 0
    assert buckets.take("a") == 0
