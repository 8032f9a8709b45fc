"""The factory: gateways made, each beside the bare work that cannot be left out, in turns in one run.

What stands beside a unit is the sum of what it takes whoever does it: its module's key pairs generated, the CA's
signatures, and a durable write for each entry of its record and each state that its module went through. Nothing else:
no PACE, no commands, no local interface, no certificates read or checked. So the ratio says what all of that costs.
"""

from __future__ import annotations

import os
import statistics
from datetime import timedelta
from pathlib import Path
from time import perf_counter

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from pytest_benchmark.fixture import BenchmarkFixture
from sqlalchemy import Column, Engine, LargeBinary, MetaData, Table, insert

from lifecycle.store.engine import connect
from securitymodule.card import durable
from smgw.factory_demo import write_demo
from smgw.factory_place import Bench, FactoryPlace
from smgw.pki_place import PkiPlace
from smgw.workplace import Workplace
from smpki.algorithms import curve_of
from smpki.names import Environment
from stations.integrator.order import Unit, read_order

UNITS = 30
KEYS = 4
"""Pairs that a module generates: its attestation key and the preliminary triple."""
CERTIFICATES = 3
COMMITS_BESIDE = 2
"""Commits beside a record's entries: its beginning, and the PKI's."""
ROW = os.urandom(2_000)
STATE = os.urandom(8_000)
MOST = 10


class Bare:
    """The work that cannot be left out."""

    def __init__(self, folder: Path, ca: ec.EllipticCurve, engine: Engine) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ca)
        self._engine = engine
        metadata = MetaData()
        self._table = Table("bare", metadata, Column("row", LargeBinary))
        metadata.create_all(engine)

    def unit(self, entries: int, states: int) -> float:
        """Do it once; the seconds it took."""
        begun = perf_counter()
        for _ in range(KEYS):
            ec.generate_private_key(ec.BrainpoolP256R1())
        for _ in range(CERTIFICATES):
            self._key.sign(ROW, ec.ECDSA(hashes.SHA384()))
        for _ in range(entries + COMMITS_BESIDE):
            with self._engine.begin() as connection:
                connection.execute(insert(self._table), {"row": ROW})
        for _ in range(states):
            durable.replace(self._folder / "state", STATE)
        return perf_counter() - begun


@pytest.mark.benchmark(group="factory")
def bench_gateways_made_beside_their_bare_work(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """From nothing to the hand-over, in both arrangements by turns, by one process."""
    workplace = Workplace(tmp_path / "home")
    pki = PkiPlace(workplace)
    pki.found("Energie", Environment.TEST)
    curve = curve_of(pki.authority().public_key).domain
    pki.close()
    units = read_order(write_demo(workplace, tmp_path / "order", UNITS + 2, timedelta(days=1))).units
    engine = connect(f"sqlite:///{tmp_path / 'bare.db'}")
    bare = Bare(tmp_path, curve, engine)
    taken, bare_taken = [], []
    FactoryPlace(workplace).close()
    place = FactoryPlace(workplace)
    entries = states = 0
    with Bench(workplace, logging=("error", "console"))() as make:

        def made(unit: Unit) -> float:
            outcome = make(unit)
            assert outcome.made, outcome.words
            return outcome.seconds

        for number, unit in enumerate(units[:-1]):
            seconds = made(unit)
            entries = len(place.repository.entries(unit.gateway))
            with place.connect(unit) as module:
                states = module.information().counter
            bare_seconds = bare.unit(entries, states)
            if number:  # the first warms both up
                taken.append(seconds)
                bare_taken.append(bare_seconds)
        benchmark.pedantic(made, args=(units[-1],), rounds=1)  # type: ignore[no-untyped-call]
    place.close()
    engine.dispose()
    ratio = statistics.median(taken) / statistics.median(bare_taken)
    benchmark.extra_info.update(
        {
            "ratio": ratio,
            "limit": f"<= {MOST}",
            "meets": ratio <= MOST,
            "what": f"a gateway made, against {KEYS} bare key pairs, {CERTIFICATES} signatures and the durable writes",
            "gateways an hour and process": round(3600 / statistics.median(taken)),
            "entries": entries,
            "states of the module": states,
            "bare ms": 1000 * statistics.median(bare_taken),
        }
    )
