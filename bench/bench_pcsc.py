"""The way to a module: APDU round trips a second over PC/SC, beside the same in this process.

Both ways carry the same bytes to the same card, which only gives them back, so that the way is measured and nothing
else. Over PC/SC that is: pyscard, the daemon, the virtual reader's driver, TCP, and a thread that answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from securitymodule.apdu import CommandApdu
from securitymodule.connection import Card, Connection, EmbeddedConnection
from securitymodule.reader import connect
from tests.support.cards import PlainCard

LEAST = 3_000
"""Round trips a second that PC/SC must reach."""
TRIPS = 500
TURNS = 10


def talk(connection: Connection, command: CommandApdu) -> None:
    """So many round trips."""
    for _ in range(TRIPS):
        assert connection.transmit(command).data == command.data


def trips_a_second(connection: Connection, command: CommandApdu) -> float:
    """The rate of the best of several turns."""
    best = float("inf")
    for _ in range(TURNS):
        begun = time.perf_counter()
        talk(connection, command)
        best = min(best, time.perf_counter() - begun)
    return TRIPS / best


@pytest.mark.benchmark(group="module")
def bench_round_trips_over_pcsc(benchmark: BenchmarkFixture, plug_in: Callable[[Card], str]) -> None:
    """Commands of a signature's size; beside them some of a certificate's, and the same in this process."""
    command = CommandApdu(0, 0xB0, 0, 0, bytes(64))
    long_command = CommandApdu(0, 0xB0, 0, 0, bytes(2_000), 2_000)
    with connect(plug_in(PlainCard())) as over_pcsc, EmbeddedConnection(PlainCard(), "module:bench") as embedded:
        benchmark(talk, over_pcsc, command)
        rate = trips_a_second(over_pcsc, command)
        long_rate = trips_a_second(over_pcsc, long_command)
        beside = trips_a_second(embedded, command)
    benchmark.extra_info["ratio"] = rate / LEAST
    benchmark.extra_info["limit"] = f">= 1 ({LEAST:,} a second)"
    benchmark.extra_info["meets"] = rate >= LEAST
    benchmark.extra_info["round trips a second"] = round(rate)
    benchmark.extra_info["with 2,000 bytes"] = round(long_rate)
    benchmark.extra_info["in process"] = round(beside)
    benchmark.extra_info["in process / PC/SC"] = beside / rate
