"""A software module at work: signatures through the secure channel, over PC/SC beside the same in this process.

Over PC/SC the module runs in a process of its own, as a chip would. What a signature takes there is what it takes in
the module, and the way: that must not be what a gateway waits for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from securitymodule.card.module import SoftwareModule
from securitymodule.client import SecurityModule
from securitymodule.coding import Algorithm, KeyRef
from securitymodule.curves import BRAINPOOL_P256R1
from securitymodule.statements import InitialisationFile
from smgw.pcsc import PcscStand
from tests.support.pcsc import PcscDaemon

MOST = 2.0
"""How much longer a signature may take over PC/SC than in this process."""
COUNT = 100
TURNS = 5
PIN = "1029384756"
DIGEST = bytes(range(32))
KEY = KeyRef.PRELIMINARY_SIG


def sign(module: SecurityModule) -> None:
    """So many signatures."""
    for _ in range(COUNT):
        assert len(module.sign(KEY, Algorithm.ECDSA_SHA256, DIGEST)) == 64


def seconds(work: Callable[[], object], count: int) -> float:
    """What one takes in the best of several turns."""
    best = float("inf")
    for _ in range(TURNS):
        begun = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begun)
    return best / count


def module_in(directory: Path) -> str:
    """A module with a key to sign with."""
    SoftwareModule.create(directory, InitialisationFile("BENCH", PIN, "9081726354")).close()
    url = f"module:{directory}"
    with SecurityModule.open(url, lambda: PIN) as module:
        module.generate_key_pair(KEY, BRAINPOOL_P256R1)
    return url


@pytest.mark.benchmark(group="module")
def bench_signatures_over_pcsc(benchmark: BenchmarkFixture, pcsc_daemon: PcscDaemon, tmp_path: Path) -> None:
    """Signatures with brainpoolP256r1, and beside them reading, random numbers and the secure channel itself."""
    url = module_in(tmp_path / "module")
    with SecurityModule.open(url, lambda: PIN) as embedded:
        beside = seconds(lambda: sign(embedded), COUNT)
    with (
        PcscStand(pcsc_daemon) as stand,
        stand.holding(url) as inserted,
        SecurityModule.open(inserted, lambda: PIN) as module,
    ):
        benchmark(sign, module)
        taken = seconds(lambda: sign(module), COUNT)
        challenge = seconds(lambda: [module.challenge(16) for _ in range(COUNT)], COUNT)
        channel = seconds(lambda: module.authenticate(lambda: PIN), 1)
    benchmark.extra_info["ratio"] = taken / beside
    benchmark.extra_info["limit"] = f"<= {MOST:g}"
    benchmark.extra_info["meets"] = taken / beside <= MOST
    benchmark.extra_info["signatures a second"] = round(1 / taken)
    benchmark.extra_info["in process"] = round(1 / beside)
    benchmark.extra_info["protected round trips a second"] = round(1 / challenge)
    benchmark.extra_info["PACE, milliseconds"] = 1000 * channel
