"""The PKI: issuing, content data security, path validation, each beside the bare operations in one run.

What stands beside ours does the same signatures, agreements and ciphers, and nothing else: no requests to check, no
record, no profile, no CMS. So each ratio says what the rest costs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap
from pytest_benchmark.fixture import BenchmarkFixture

from smpki.cms import open_message, seal
from smpki.names import Function
from smpki.profiles import END_ENTITIES, KeyUse, RequestType
from smpki.requests import request_triple
from smpki.validation import PathValidator
from tests.smpki.test_cms import recipient, sender
from tests.support.pki import World, name, new_keys

TURNS = 7
CONTENT = os.urandom(2_000)


def seconds(act: Callable[[], object], times: int) -> float:
    """How long one act takes, over many."""
    begun = time.perf_counter()
    for _ in range(times):
        act()
    return (time.perf_counter() - begun) / times


def compare(
    benchmark: BenchmarkFixture,
    ours: Callable[[], object],
    bare: Callable[[], object],
    *,
    times: int,
    units: int,
    limit: float,
    what: str,
) -> None:
    """Take both in turns, the best of each, and put the ratio where the table finds it.

    :param units: of *what* that one act makes.
    """
    mine = theirs = float("inf")
    for _ in range(TURNS):
        mine = min(mine, seconds(ours, times))
        theirs = min(theirs, seconds(bare, times))
    benchmark.extra_info["ratio"] = mine / theirs
    benchmark.extra_info["limit"] = f"<= {limit:g}"
    benchmark.extra_info["meets"] = mine / theirs <= limit
    benchmark.extra_info[f"{what} a second"] = round(units / mine)
    benchmark.extra_info["bare"] = round(units / theirs)


@pytest.mark.benchmark(group="smpki")
def bench_issue_beside_bare_signatures(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Triples issued from request packages, on record, beside three certificates signed by the same key."""
    world = World.in_folder(tmp_path)
    packages = iter(
        [request_triple(RequestType.EMT, name(f"Wer-{n}", Function.EMT), new_keys()) for n in range(TURNS * 20 + 200)]
    )
    key = ec.generate_private_key(ec.BrainpoolP384R1())
    public = [one.public_key for one in new_keys().values()]
    now = world.clock()

    def bare() -> None:
        for (_, use), one in zip(END_ENTITIES, public, strict=False):
            profile = END_ENTITIES[RequestType.EMT, use]
            (
                x509.CertificateBuilder()
                .subject_name(name("Wer", Function.EMT).distinguished())
                .issuer_name(world.sub.certificate.subject)
                .public_key(one)
                .serial_number(x509.random_serial_number())
                .not_valid_before(now)
                .not_valid_after(now + timedelta(days=730))
                .add_extension(x509.BasicConstraints(False, None), critical=True)
                .add_extension(profile.usage, critical=True)
                .sign(key, hashes.SHA384())
            )

    def issued() -> object:
        return world.sub.issue(next(packages), operator=True)

    benchmark.pedantic(issued, rounds=60)  # type: ignore[no-untyped-call]
    compare(benchmark, issued, bare, times=20, units=3, limit=8, what="certificates")
    world.engine.dispose()


@pytest.mark.benchmark(group="smpki")
def bench_seal_beside_bare_operations(benchmark: BenchmarkFixture) -> None:
    """Messages of 2,000 bytes encrypted and signed, beside the same agreement, wrap, cipher and signature alone."""
    to, by = recipient(), sender()
    public, private = to.key.public_key, ec.generate_private_key(ec.BrainpoolP256R1())

    def bare() -> None:
        ephemeral = ec.generate_private_key(ec.BrainpoolP256R1())
        kek = X963KDF(hashes.SHA256(), 16, b"shared").derive(ephemeral.exchange(ec.ECDH(), public))
        key = os.urandom(16)
        aes_key_wrap(kek, key)
        private.sign(AESGCM(key).encrypt(os.urandom(12), CONTENT, None), ec.ECDSA(hashes.SHA256()))

    def sealed() -> object:
        return seal(CONTENT, to.certificate, by.signer)

    benchmark(sealed)
    compare(benchmark, sealed, bare, times=100, units=1, limit=2, what="messages")


@pytest.mark.benchmark(group="smpki")
def bench_open_beside_bare_operations(benchmark: BenchmarkFixture) -> None:
    """The same messages verified and opened, the sender believed without asking."""
    to, by = recipient(), sender()
    sealed = seal(CONTENT, to.certificate, by.signer)
    own, other = ec.generate_private_key(ec.BrainpoolP256R1()), ec.generate_private_key(ec.BrainpoolP256R1())
    signature = other.sign(CONTENT, ec.ECDSA(hashes.SHA256()))
    key, nonce = os.urandom(16), os.urandom(12)
    kek = X963KDF(hashes.SHA256(), 16, b"shared").derive(own.exchange(ec.ECDH(), other.public_key()))
    wrapped, ciphertext = aes_key_wrap(kek, key), AESGCM(key).encrypt(nonce, CONTENT, None)

    def bare() -> None:
        other.public_key().verify(signature, CONTENT, ec.ECDSA(hashes.SHA256()))
        derived = X963KDF(hashes.SHA256(), 16, b"shared").derive(own.exchange(ec.ECDH(), other.public_key()))
        AESGCM(aes_key_unwrap(derived, wrapped)).decrypt(nonce, ciphertext, None)

    def opened() -> object:
        return open_message(sealed, to.certificate, to.key, lambda certificate: certificate)

    benchmark(opened)
    compare(benchmark, opened, bare, times=100, units=1, limit=2, what="messages")


@pytest.mark.benchmark(group="smpki")
def bench_validate_beside_bare_verification(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Paths of gateways validated with CRLs, beside the one signature verification that a new certificate costs."""
    world = World.in_folder(tmp_path)
    holders = [world.enrol(f"Wer-{n}", Function.EMT).certificates[KeyUse.SIG] for n in range(100)]
    with world.store.unit() as unit:
        crls = unit.current_crls()

    def bare() -> None:
        for certificate in holders:
            certificate.verify_directly_issued_by(world.sub.certificate)

    def validated() -> None:
        validator = PathValidator(world.root.certificate)
        for certificate in holders:
            validator.validate(
                certificate, at=world.clock(), intermediates=[world.sub.certificate], crls=crls, use=KeyUse.SIG
            )

    benchmark.pedantic(validated, rounds=3)  # type: ignore[no-untyped-call]
    compare(benchmark, validated, bare, times=1, units=100, limit=12, what="paths")
    world.engine.dispose()
