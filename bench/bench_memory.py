"""Memory and room: a gateway with a hundred meters and a year of quarters of an hour on its original reading lists.

A process of its own starts metering on such a database, takes a quarter of an hour of readings each second of all
meters, reads a month for one consumer, bills a year of one meter by TAF-2, and follows its list. None of that may take
memory that grows with what is kept of the other meters: a year of one meter is the most that is looked at. Measured is
the highest resident size (VmHWM) of each step above that before the first. The rows are true ones, chained and with
signatures of a signature's length.

A full year is 3.5 million entries and takes some minutes to fill and 3.5 GB; ``SMGW_BENCH_YEAR=1`` asks for it. Without
it, it is a fiftieth.
"""

from __future__ import annotations

import math
import multiprocessing
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from time import perf_counter

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from sqlalchemy import Engine

from bench.bench_tariffing import CALENDAR, STAGES
from gateway.derived.originals import original_list
from gateway.metering.entries import ListEntry
from gateway.metering.list_reading import MAX_READ
from gateway.metering.list_writing import ListWriting, told_of_reading
from gateway.metering.readings import OriginalReading
from gateway.metering.rules import ListProfile, Ruling, Seen, Verdict, after
from gateway.tariffing import taf02
from gateway.tariffing.periods import Period
from gateway.tariffing.profile import EvaluationProfile, UseCase
from lifecycle.store.engine import connect, open_database
from lifecycle.store.repository import Repository
from tests.support.lists import IMPORT, QUARTER, Meters, reading
from tests.support.lives import GATEWAY, SECOND, SettableClock, cast

METERS = 100
YEAR = timedelta(days=366)
MONTH = timedelta(days=31)
POINTS_A_YEAR = 365 * 96
DEFAULT_YEAR = 0.02
MOST_MEBIBYTES = 96.0
"""What any step may take, however many meters there are and however long they are kept."""
END = datetime(2026, 1, 1, tzinfo=UTC)
LATE = 3 * SECOND
"""How long after its point a reading is captured."""


class ConstantSigner:
    """Signs with as many bytes as a signature has."""

    key = "5e" * 32

    def sign_digest(self, digest: bytes) -> bytes:
        """No signature, but as long as one."""
        return b"\x30" + digest + digest + bytes(6)


def share_of_a_year() -> float:
    """How much of a year is filled."""
    text = os.environ.get("SMGW_BENCH_YEAR", "").strip()
    value = float(text) if text else DEFAULT_YEAR
    if not (math.isfinite(value) and 0 < value <= 1):
        raise pytest.UsageError(f"SMGW_BENCH_YEAR={text!r}: expected a share of a year, such as 0.02 or 1")
    return value


def server_id(number: int) -> str:
    """A meter's name."""
    return f"0a01454d4800{number:08x}"


def profiles() -> list[ListProfile]:
    """Each meter is another consumer's."""
    return [ListProfile(server_id(number), IMPORT, f"consumer-{number}", YEAR) for number in range(METERS)]


def fill(engine: Engine, profile: ListProfile, points: int) -> None:
    """A reading on each point of the raster up to the end, in one transaction."""
    with engine.begin() as connection:
        lists = ListWriting(connection, GATEWAY, ConstantSigner())
        seen = Seen()
        for number in range(points):
            target = END - (points - 1 - number) * QUARTER
            original = the_reading(profile.meter, number, target + LATE)
            ruling = Ruling(Verdict.KEPT, target)
            seen = after(seen, original, ruling)
            lists.append(profile, told_of_reading(original, ruling), seen)
        lists.finish()


def the_reading(meter: str, number: int, captured: datetime) -> OriginalReading:
    """What a meter shows."""
    flags = ("unsigned", "status:0x001c0104")
    return replace(reading(1_000_000 + 75 * number, captured, meter=meter), flags=flags)


def all_entries(meters: Meters, profile: ListProfile, since: datetime, until: datetime) -> Iterator[ListEntry]:
    """Entries of a consumer, read as often as it takes."""
    number = 0
    while True:
        found = meters.lists.entries(
            profile.meter, profile.obis, consumer=profile.consumer, since=since, until=until, number=number
        )
        yield from found
        if len(found) < MAX_READ:
            return
        number = found[-1].number


def metering(meters: Meters) -> None:
    """A quarter of an hour, each second of all meters; at its end each has a new entry."""
    known = list(meters.profiles.values())
    meters.lists.start()
    for second in count(1):
        at = meters.pass_time(SECOND)
        for profile in known:
            (taken,) = meters.lists.take([the_reading(profile.meter, 10**6 + second, at)])
        if taken.verdict is Verdict.KEPT:
            return


def month(meters: Meters, profile: ListProfile) -> int:
    """A month for one consumer."""
    return sum(1 for _ in all_entries(meters, profile, END - MONTH, END))


def bill(meters: Meters, profile: ListProfile, begin: datetime) -> int:
    """The registers of TAF-2 for all that is kept of one meter."""
    period = Period(begin, END)
    entries = all_entries(meters, profile, begin - SECOND, END)
    original = original_list(entries, bytes.fromhex(IMPORT), profile.meter, QUARTER)
    billed = EvaluationProfile(UseCase.TIME_VARIABLE, "bench", period, STAGES, 1, (CALENDAR,))
    account = taf02.evaluate(billed, original)
    assert sum(account.registers.values()) == account.total
    return account.total


def follow(meters: Meters, profile: ListProfile) -> None:
    """The chain of one list."""
    assert meters.lists.verify(profile.meter, profile.obis) is None


def work(url: str, points: int, pipe: Pipe) -> None:
    """All steps, in a process that has done nothing else; what each took at most above the size before the first."""
    engine = connect(url)
    known = profiles()
    meters = Meters(engine, known, signer=ConstantSigner(), now=END + LATE)
    begin = END - (points - 1) * QUARTER
    steps: dict[str, Callable[[], object]] = {
        "metering": lambda: metering(meters),
        "month": lambda: month(meters, known[1]),
        "bill": lambda: bill(meters, known[2], begin),
        "follow": lambda: follow(meters, known[3]),
    }
    before = resident("VmRSS")
    told: dict[str, tuple[float, float]] = {}
    for name, step in steps.items():
        Path("/proc/self/clear_refs").write_text("5")  # the highest size begins anew
        begun = perf_counter()
        step()
        told[name] = ((resident("VmHWM") - before) / 1024, perf_counter() - begun)
    engine.dispose()
    pipe.send(told)


def resident(which: str) -> int:
    """Resident size in KiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == which:
            return int(value.split()[0])
    raise LookupError(which)


@pytest.mark.benchmark(group="memory")
def bench_memory_of_a_hundred_meters(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """What each step takes at most, and the room an entry takes on the disk."""
    points = max(96, round(POINTS_A_YEAR * share_of_a_year()))
    file = tmp_path / "year.db"
    url = f"sqlite:///{file}"
    engine = open_database(url)
    Repository(engine, cast().trust, cast().keeper, clock=SettableClock()).register(GATEWAY)
    empty = file.stat().st_size
    for profile in profiles():
        fill(engine, profile, points)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    room = (file.stat().st_size - empty) / (METERS * points)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(url, points, theirs))

    def steps() -> dict[str, tuple[float, float]]:
        process.start()
        theirs.close()  # so that a process that fails is noticed
        told: dict[str, tuple[float, float]] = ours.recv()
        process.join()
        return told

    told = benchmark.pedantic(steps, rounds=1)  # type: ignore[no-untyped-call]  # pytest-benchmark has no hints
    most = max(mebibytes for mebibytes, _ in told.values())
    benchmark.extra_info["ratio"] = most / MOST_MEBIBYTES
    benchmark.extra_info["limit"] = "<= 1"
    benchmark.extra_info["meets"] = most <= MOST_MEBIBYTES
    benchmark.extra_info["what"] = f"highest growth of a step, of {MOST_MEBIBYTES:g} MiB"
    benchmark.extra_info["entries"] = METERS * points
    benchmark.extra_info["bytes on disk an entry"] = round(room)
    for name, (mebibytes, seconds) in told.items():
        benchmark.extra_info[f"{name}, MiB"] = mebibytes
        benchmark.extra_info[f"{name}, seconds"] = seconds
    assert most <= MOST_MEBIBYTES
