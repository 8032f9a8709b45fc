"""The record: how fast it is replayed, and what a durable transition costs beside the barest durable insert."""

from __future__ import annotations

import gc
import os
import statistics
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from time import perf_counter

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from pytest_benchmark.fixture import BenchmarkFixture
from sqlalchemy import Column, Engine, MetaData, Table, insert, select

from lifecycle.chains import Chain
from lifecycle.desk import sign_step
from lifecycle.replay import replay
from lifecycle.signatures import Signed, first_wrong_signature
from lifecycle.states import State
from lifecycle.store.engine import open_database
from lifecycle.store.repository import Appended, Repository
from lifecycle.store.schema import entries
from tests.support.lives import GATEWAY, Record, SettableClock, cast, disturbances, live, shortest_way

ENTRIES = 20_000
SIGNATURES = 4_000
TRANSITIONS = 600
REPLAYED_A_SECOND = 100_000
ALMOST_RAW = 0.9
OF_BARE = 0.7


@cache
def long_record() -> Record:
    """A gateway that was disturbed and restored for years; really signed, as a file has it."""
    return Record.of_length(ENTRIES)


def long_chain() -> Chain:
    return long_record().chain(as_file=True)


@pytest.mark.benchmark(group="replay")
def bench_replay_of_structure_chain_and_law(benchmark: BenchmarkFixture) -> None:
    """A file's lines folded through the law again on one core, signatures left out."""
    chain = long_chain()
    taken = []

    def replay_all() -> None:
        begun = perf_counter()
        verdict = replay(chain, cast().trust, signatures=False)
        taken.append(perf_counter() - begun)
        assert verdict.ok
        assert verdict.entries == ENTRIES

    benchmark(replay_all)
    rate = ENTRIES / min(taken)
    benchmark.extra_info.update(
        {
            "ratio": rate / REPLAYED_A_SECOND,
            "limit": ">= 1",
            "meets": rate >= REPLAYED_A_SECOND,
            "what": "entries a second, against 100,000",
            "entries a second": round(rate),
        }
    )


@pytest.mark.benchmark(group="replay")
def bench_signatures_beside_raw_verification(benchmark: BenchmarkFixture) -> None:
    """The second pass of a replay beside bare calls of the library, on the same number of cores."""
    record, trust = long_record(), cast().trust
    tasks: list[Signed] = []
    raw: list[tuple[ec.EllipticCurvePublicKey, bytes, bytes]] = []
    for entry in record.entries[:SIGNATURES]:
        der = record.certificates[_certificate_of(entry.body)]
        tasks.append((trust.credentials(der), entry.signature, entry.body))
        key = x509.load_der_x509_certificate(der).public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        raw.append((key, entry.signature, entry.body))
    cores = len(os.sched_getaffinity(0))
    algorithm = ec.ECDSA(hashes.SHA256())

    def verify_some(start: int) -> None:
        for key, signature, body in raw[start::cores]:
            key.verify(signature, body, algorithm)

    def bare() -> None:
        try:
            with ThreadPoolExecutor(cores) as pool:
                list(pool.map(verify_some, range(cores)))
        except InvalidSignature:
            pytest.fail("the record's signatures are good")

    def ours() -> None:
        assert first_wrong_signature(tasks) is None

    benchmark(ours)
    taken, bare_taken = _in_turns(ours, bare, 7)
    ratio = min(bare_taken) / min(taken)
    benchmark.extra_info.update(
        {
            "ratio": ratio,
            "limit": f">= {ALMOST_RAW}",
            "meets": ratio >= ALMOST_RAW,
            "what": f"signatures verified, of what cryptography verifies raw on {cores} cores",
            "signatures a second": round(SIGNATURES / min(taken)),
        }
    )


def _certificate_of(body: bytes) -> str:
    return body.split(b'"certificate":"', 1)[1][:64].decode()


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A durable database of each kind."""
    if request.param == "sqlite":
        opened = open_database(f"sqlite:///{tmp_path / 'bench.db'}")
        yield opened
        opened.dispose()
        return
    opened = open_database(request.getfixturevalue("postgresql_url"))
    yield opened
    opened.dispose()


@pytest.mark.parametrize("way", ["own", "foreign"])
@pytest.mark.benchmark(group="transition")
def bench_durable_transition_beside_a_bare_insert(benchmark: BenchmarkFixture, engine: Engine, way: str) -> None:
    """Decided, signed or verified, chained, with a signed head and durable; beside the same row, only inserted."""
    clock = SettableClock()
    repository = Repository(engine, cast().trust, cast().keeper, clock=clock)
    live(repository, shortest_way(State.OPERATION))
    steps = disturbances()
    bare = MetaData()
    columns = (Column(column.name, column.type, primary_key=column.primary_key) for column in entries.columns)
    copy = Table("bare_entries", bare, *columns, sqlite_with_rowid=False)
    bare.create_all(engine)
    with engine.connect() as connection:
        row = dict(connection.execute(select(entries).order_by(entries.c.sequence.desc())).mappings().first() or {})
    statement = insert(copy)
    number = 0

    def insert_bare() -> float:
        nonlocal number
        number += 1
        values = {**row, "sequence": number}
        begun = perf_counter()
        with engine.begin() as connection:
            connection.execute(statement, values)
        return perf_counter() - begun

    def transition() -> float:
        step, party = cast().played(next(steps))
        clock.move()
        if way == "own":
            begun = perf_counter()
            done = repository.act(GATEWAY, party, step)
        else:
            kept = repository.kept(GATEWAY)
            signed = sign_step(step, party, GATEWAY, kept.standing, kept.position, clock())
            begun = perf_counter()
            done = repository.append(signed, party.certificate_der)
        taken = perf_counter() - begun
        assert isinstance(done, Appended)
        return taken

    for _ in range(20):
        transition()
        insert_bare()
    taken, bare_taken = [], []
    gc.collect()
    gc.freeze()  # the collector runs for both, but not over what other benchmarks keep in memory
    for _ in range(TRANSITIONS):
        taken.append(transition())
        bare_taken.append(insert_bare())
    gc.unfreeze()
    benchmark(transition)
    bare.drop_all(engine)
    ratio = statistics.median(bare_taken) / statistics.median(taken)
    benchmark.extra_info.update(
        {
            "ratio": ratio,
            "limit": f">= {OF_BARE}",
            "meets": ratio >= OF_BARE,
            "what": "durable transitions, of bare inserts of the same row: "
            + ("signed and recorded in one process" if way == "own" else "a foreign entry, verified"),
            "transitions a second": round(1 / statistics.median(taken)),
        }
    )


def _in_turns(one: Callable[[], None], other: Callable[[], None], rounds: int) -> tuple[list[float], list[float]]:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for work, kept in zip((one, other), times, strict=True):
            begun = perf_counter()
            work()
            kept.append(perf_counter() - begun)
    return times
