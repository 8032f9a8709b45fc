"""Metering: from a frame's bytes to readings on the original reading list, beside what nobody can do without.

What is on the list when a quarter of an hour is over was signed in the module and survives the loss of power. So a
frame cannot cost less than its signatures in the module and one durable insert of its rows; both are taken here, by
turns with the whole way. Between two points of the raster nothing is written, and a frame can cost no less than it
takes to decode it.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from time import perf_counter

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from sqlalchemy import Column, Engine, MetaData, Table, insert, select

from bench.bench_securitymodule import KEY, PIN, module_in
from gateway.lmn import obis
from gateway.lmn.intake import Intake
from gateway.lmn.profiles import Medium, MeterProfile, ProfileBook, Protocol
from gateway.lmn.sml import Decoder
from gateway.metering.reading_list import Taken
from gateway.metering.readings import OriginalReading
from gateway.metering.rules import ListProfile, Verdict
from gateway.metering.schema import list_entries
from gateway.pki.keys import ModuleSigningKey
from lifecycle.store.engine import open_database
from lifecycle.store.repository import Repository
from securitymodule.client import SecurityModule
from stations.meter import HouseholdMeter
from tests.support.lists import ANNA, QUARTER, YEAR, Meters
from tests.support.lives import GATEWAY, START, SettableClock, cast

FRAMES = 400
WARM_UP = 20
MOST = 2.0
"""How many times what signatures and one durable insert take."""
MOST_IDLE = 2.0
"""How many times what decoding takes, where nothing is to be kept."""
DEVICE = "1EMH0012345678"
PROFILE = MeterProfile(
    DEVICE, Medium.ELECTRICITY, Protocol.SML, (obis.IMPORT_ENERGY, obis.EXPORT_ENERGY), QUARTER, line="lmn0"
)
DIGEST = bytes(range(32))


class Sealer:
    """Signs with a key in the module, as the gateway does."""

    key = "5e" * 32

    def __init__(self, module: SecurityModule) -> None:
        self._key = ModuleSigningKey(module, KEY)

    def sign_digest(self, digest: bytes) -> bytes:
        """The signature over a digest."""
        return self._key.sign(digest)


class Line:
    """A meter on a line, and a gateway's lists at its end."""

    def __init__(self, engine: Engine, signer: Sealer | None) -> None:
        registers = [ListProfile(PROFILE.server_id.hex(), code.hex(), ANNA, YEAR) for code in PROFILE.capture]
        self.meters = Meters(engine, registers, signer=signer)
        self.meters.lists.start()
        book = ProfileBook([PROFILE])
        self._intake = Intake(lambda: book, self.meters.clock)
        self._decoder = Decoder()
        self._meter = HouseholdMeter(DEVICE, START - timedelta(days=1), 7, solar_peak_watt=6_000)

    def frame(self, step: timedelta) -> bytes:
        """Time passes; what the meter then pushes."""
        return self._meter.frame_at(self.meters.pass_time(step))

    def take(self, data: bytes) -> list[Taken]:
        """All the way."""
        return self.meters.lists.take(
            list(map(OriginalReading.of, self._intake.take("lmn0", self._decoder.feed(data))))
        )

    def decode(self, data: bytes) -> None:
        """Decode, and nothing else."""
        (frame,) = self._decoder.feed(data)
        assert frame is not None


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A durable database with the gateway in it."""
    opened = open_database(f"sqlite:///{tmp_path / 'bench.db'}")
    Repository(opened, cast().trust, cast().keeper, clock=SettableClock()).register(GATEWAY)
    yield opened
    opened.dispose()


@pytest.fixture
def sealer(tmp_path: Path) -> Iterator[Sealer]:
    """A software module in this process."""
    with SecurityModule.open(module_in(tmp_path / "module"), lambda: PIN) as module:
        yield Sealer(module)


def seconds_for(work: Callable[[], object]) -> float:
    """How long something takes."""
    begun = perf_counter()
    work()
    return perf_counter() - begun


def bare_insert(engine: Engine) -> Callable[[], None]:
    """A durable insert of as many rows as a frame has entries: the same rows, into a table of the same form."""
    bare = MetaData()
    columns = (Column(column.name, column.type, primary_key=column.primary_key) for column in list_entries.columns)
    copy = Table("bare_entries", bare, *columns, sqlite_with_rowid=False)
    bare.create_all(engine)
    with engine.connect() as connection:
        newest = select(list_entries).order_by(list_entries.c.number.desc()).limit(len(PROFILE.capture))
        rows = [dict(row) for row in connection.execute(newest).mappings()]
    statement = insert(copy)

    def insert_rows() -> None:
        for row in rows:
            row["number"] += 1
        with engine.begin() as connection:
            connection.execute(statement, rows)

    return insert_rows


@pytest.mark.benchmark(group="metering")
def bench_readings_stored_and_signed(benchmark: BenchmarkFixture, engine: Engine, sealer: Sealer) -> None:
    """A frame on a raster point: two registers, two signed entries, one durable transaction."""
    line = Line(engine, sealer)

    def frame() -> float:
        data = line.frame(QUARTER)
        begun = perf_counter()
        taken = line.take(data)
        lasted = perf_counter() - begun
        assert [each.verdict for each in taken] == [Verdict.KEPT] * len(PROFILE.capture)
        return lasted

    for _ in range(WARM_UP):
        frame()
    insert_rows = bare_insert(engine)
    whole, inserts, signatures = [], [], []
    gc.collect()
    gc.freeze()  # the collector runs for all, but not over what other benchmarks keep in memory
    for _ in range(FRAMES):
        whole.append(frame())
        inserts.append(seconds_for(insert_rows))
        signatures.append(seconds_for(lambda: sealer.sign_digest(DIGEST)))
    gc.unfreeze()
    benchmark(frame)
    entries = len(PROFILE.capture)
    # What the disk and other processes disturb is in the upper quarters, of all three.
    ours, stored, signed = (statistics.quantiles(each, n=4)[0] for each in (whole, inserts, signatures))
    ratio = ours / (stored + entries * signed)
    benchmark.extra_info["ratio"] = ratio
    benchmark.extra_info["limit"] = f"<= {MOST:g}"
    benchmark.extra_info["meets"] = ratio <= MOST
    benchmark.extra_info["what"] = "a frame's two entries, beside two signatures in the module and one durable insert"
    benchmark.extra_info["entries a second"] = round(entries / ours)
    benchmark.extra_info["microseconds an entry"] = round(1e6 * ours / entries)
    benchmark.extra_info["of that signature"] = round(1e6 * signed)
    benchmark.extra_info["of that insert"] = round(1e6 * stored / entries)
    benchmark.extra_info["inserted only"] = round(entries / stored)
    benchmark.extra_info["signed only"] = round(1 / signed)


@pytest.mark.benchmark(group="metering")
def bench_readings_between_raster_points(benchmark: BenchmarkFixture, engine: Engine) -> None:
    """A frame between two raster points, of which nothing is kept."""
    line = Line(engine, None)
    line.take(line.frame(QUARTER))
    frames = [line.frame(timedelta(seconds=1)) for _ in range(FRAMES)]

    def take() -> None:
        for data in frames:
            assert line.take(data)[0].verdict in {Verdict.SURPLUS, Verdict.OFF_RASTER}

    def decode() -> None:
        for data in frames:
            line.decode(data)

    benchmark(take)
    pairs = [(seconds_for(take), seconds_for(decode)) for _ in range(15)]
    ratio = statistics.median(ours / bare for ours, bare in pairs)
    benchmark.extra_info["ratio"] = ratio
    benchmark.extra_info["limit"] = f"<= {MOST_IDLE:g}"
    benchmark.extra_info["meets"] = ratio <= MOST_IDLE
    benchmark.extra_info["what"] = "a frame of which nothing is kept, beside decoding it"
    benchmark.extra_info["frames a second"] = round(FRAMES / min(ours for ours, _ in pairs))
    benchmark.extra_info["microseconds for what is not decoding"] = round(
        1e6 * statistics.median(ours - bare for ours, bare in pairs) / FRAMES
    )
