"""A module's whole life through the client, in this process and over PC/SC."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from securitymodule.card.module import ATR, SoftwareModule
from securitymodule.client import SecurityModule
from securitymodule.coding import (
    FREE_FILES,
    GWA_KEYS,
    MOST_WAITING,
    OPERATIONAL_A_KEYS,
    PRELIMINARY_KEYS,
    RECORD_HEAD_BYTES,
    Algorithm,
    FileId,
    KeyRef,
    ModuleState,
    Pin,
)
from securitymodule.connection import Card, Connection
from securitymodule.curves import (
    BRAINPOOL_P256R1,
    BRAINPOOL_P384R1,
    CURVES,
    Curve,
    agree,
    decode_point,
    generate_key,
    sign_digest,
    verify_digest,
)
from securitymodule.errors import CommandRefused, WrongPin
from securitymodule.pace import PACE_INFOS
from securitymodule.session import Session
from securitymodule.statements import ATTESTATION_CURVE, InitialisationFile
from tests.securitymodule.card.pki import NOW, Pki
from tests.support.passwords import seeded
from tests.support.processes import at_once

TRANSPORT_PIN, SYSTEM_PIN, INTEGRATOR_PIN = "1029384756", "564738291056", "9081726354"
SHA256 = hashes.SHA256()
DIGEST = hashlib.sha256(b"Zaehlerstand").digest()
ECDSA = Algorithm.ECDSA_SHA256


@pytest.fixture
def module(tmp_path: Path, connected: Callable[[Card], Connection]) -> SecurityModule:
    """A new, blank module."""
    SoftwareModule.create(tmp_path / "module").close()
    card = SoftwareModule.open(tmp_path / "module", clock=lambda: NOW, random=seeded(7))
    return SecurityModule(Session(connected(card)))


def certify(module: SecurityModule, pki: Pki, keys: tuple[KeyRef, ...]) -> None:
    for key in keys:
        public = module.generate_key_pair(key, BRAINPOOL_P256R1)
        module.import_certificate(key, pki.certificate(key, public), KeyRef.SUB_CA, ECDSA)


def import_sub_ca(module: SecurityModule, pki: Pki) -> None:
    module.import_certificate(KeyRef.SUB_CA, pki.sub_ca.der, KeyRef.ROOT, Algorithm.ECDSA_SHA384)


def initialise(module: SecurityModule) -> None:
    module.initialise(InitialisationFile("SM-0001", TRANSPORT_PIN, INTEGRATOR_PIN))
    module.authenticate(lambda: TRANSPORT_PIN)


def make_ready(module: SecurityModule, pki: Pki) -> None:
    """In a gateway, with seal certificates, and the secure channel under its own system PIN."""
    initialise(module)
    module.import_root(pki.root.der)
    import_sub_ca(module, pki)
    certify(module, pki, PRELIMINARY_KEYS)
    module.activate(ModuleState.PREPERSONALISED)
    module.change_system_pin(TRANSPORT_PIN, SYSTEM_PIN)
    module.activate(ModuleState.READY)
    module.authenticate(lambda: SYSTEM_PIN)


def authenticate_gwa(module: SecurityModule, pki: Pki) -> None:
    def sign(message: bytes) -> bytes:
        return sign_digest(pki.administrator[KeyRef.GWA_SIG], SHA256, hashlib.sha256(message).digest())

    module.authenticate_externally(sign)


def hand_over(module: SecurityModule, pki: Pki) -> None:
    module.verify_pin(INTEGRATOR_PIN)
    import_sub_ca(module, pki)
    for key in GWA_KEYS:
        module.import_certificate(key, pki.administrator_certificate(key), KeyRef.SUB_CA, ECDSA)


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki()


def test_a_whole_life(module: SecurityModule, pki: Pki) -> None:
    assert module.information().state is ModuleState.CREATED
    make_ready(module, pki)
    hand_over(module, pki)
    with pytest.raises(CommandRefused):
        module.generate_key_pair(KeyRef.OPERATIONAL_A_SIG, BRAINPOOL_P256R1)
    authenticate_gwa(module, pki)
    certify(module, pki, OPERATIONAL_A_KEYS)
    module.activate(ModuleState.OPERATIONAL)

    told = module.attest(b"a nonce of its own", b"bound")
    key = decode_point(ATTESTATION_CURVE, module.information().attestation_point)
    attestation = told.verify(key, b"a nonce of its own")
    assert attestation.state is ModuleState.OPERATIONAL
    assert attestation.bound == b"bound"
    held = attestation.by_key
    assert {KeyRef.ROOT, *PRELIMINARY_KEYS, *OPERATIONAL_A_KEYS, *GWA_KEYS} <= held.keys()
    for each in OPERATIONAL_A_KEYS:
        certificate = module.certificate(each)
        assert certificate is not None
        assert held[each].certificate_hash == hashlib.sha256(certificate).digest()

    authenticate_gwa(module, pki)
    module.delete_key(KeyRef.PRELIMINARY_TLS)
    assert module.public_key(KeyRef.PRELIMINARY_TLS) is None
    assert module.certificate(KeyRef.PRELIMINARY_TLS) is None
    module.terminate()
    end = SecurityModule(module._session).attest(b"a nonce at the end").verify(key)
    assert end.state is ModuleState.TERMINATED
    assert end.keys == ()


def test_what_a_new_module_tells(module: SecurityModule) -> None:
    initialise(module)
    information = module.information()
    assert information.serial == "SM-0001"
    assert information.state is ModuleState.INITIALISED
    assert set(information.domains) == {curve.domain for curve in CURVES}
    assert module.pace_infos() == PACE_INFOS
    assert b"SM-0001" in module.read_file(FileId.EF_SERIAL)
    assert module.atr == ATR
    assert module.certificate(KeyRef.ROOT) is None
    assert module.public_key(KeyRef.ROOT) is None


def test_pins(module: SecurityModule) -> None:
    initialise(module)
    assert module.pin_tries() == 8
    with pytest.raises(WrongPin) as caught:
        module.verify_pin("0000000000")
    assert caught.value.left == module.pin_tries() == 7
    module.verify_pin(INTEGRATOR_PIN)
    assert module.pin_tries() is None
    module.change_pin(INTEGRATOR_PIN, "1122334455")
    module.verify_pin("1122334455", Pin.INTEGRATOR)


def test_files(module: SecurityModule, pki: Pki) -> None:
    make_ready(module, pki)
    head = (7).to_bytes(8, "big") + hashlib.sha256(b"entry").digest()
    assert len(head) == RECORD_HEAD_BYTES
    module.write_file(FileId.EF_RECORD_HEAD, head)
    assert module.read_file(FileId.EF_RECORD_HEAD) == head
    key = decode_point(ATTESTATION_CURVE, module.information().attestation_point)
    assert module.attest(bytes(8)).verify(key).record_head == head
    free = FREE_FILES[1]
    module.create_file(free, 6_000)
    module.write_file(free, b"x" * 5_000, offset=900)
    assert module.read_file(free) == bytes(900) + b"x" * 5_000 + bytes(100)
    module.delete_file(free)
    with pytest.raises(CommandRefused, match="no such file"):
        module.read_file(free)


def test_signing_and_verifying(module: SecurityModule, pki: Pki) -> None:
    make_ready(module, pki)
    public = module.public_key(KeyRef.PRELIMINARY_SIG)
    assert public is not None
    for algorithm, kind in (
        (Algorithm.ECDSA_SHA256, hashes.SHA256()),
        (Algorithm.ECDSA_SHA384, hashes.SHA384()),
        (Algorithm.ECDSA_SHA512, hashes.SHA512()),
    ):
        digest = hashlib.new(kind.name, b"Zaehlerstand").digest()
        assert verify_digest(public, kind, digest, module.sign(KeyRef.PRELIMINARY_SIG, algorithm, digest))
        der = module.sign_der(KeyRef.PRELIMINARY_TLS, algorithm, digest, BRAINPOOL_P256R1)
        tls = module.public_key(KeyRef.PRELIMINARY_TLS)
        assert tls is not None
        tls.verify(der, b"Zaehlerstand", ec.ECDSA(kind))
    hand_over(module, pki)
    theirs = sign_digest(pki.administrator[KeyRef.GWA_SIG], SHA256, DIGEST)
    assert module.verify(KeyRef.GWA_SIG, ECDSA, DIGEST, theirs)
    assert not module.verify(KeyRef.GWA_SIG, ECDSA, DIGEST, theirs[:-1] + bytes((theirs[-1] ^ 1,)))


def test_agreeing(module: SecurityModule, pki: Pki) -> None:
    make_ready(module, pki)
    sender = generate_key(BRAINPOOL_P256R1)
    static = module.public_key(KeyRef.PRELIMINARY_ENC)
    assert static is not None
    assert module.agree(KeyRef.PRELIMINARY_ENC, sender.public_key()) == agree(sender, static)


@pytest.mark.parametrize("curve", CURVES, ids=str)
def test_agreeing_with_ephemeral_keys(module: SecurityModule, curve: Curve) -> None:
    initialise(module)
    peer = generate_key(curve)
    for algorithm in (Algorithm.ECKA_DH, Algorithm.ECKA_EG):
        agreement = module.agree_ephemeral(peer.public_key(), algorithm)
        assert agreement.secret == agree(peer, agreement.own)
    own = module.begin_agreement(curve)
    assert module.finish_agreement(own, peer.public_key()) == agree(peer, own)
    with pytest.raises(CommandRefused, match="6A88"):
        module.finish_agreement(own, peer.public_key())
    with pytest.raises(CommandRefused):
        module.agree(KeyRef.PRELIMINARY_ENC, peer.public_key())


def test_agreements_overlap(module: SecurityModule) -> None:
    """Several handshakes at once: each gets its own key, whatever else is agreed on in between."""
    initialise(module)
    curves = [BRAINPOOL_P256R1, BRAINPOOL_P384R1, BRAINPOOL_P256R1]
    waiting = [(module.begin_agreement(curve), generate_key(curve)) for curve in curves]
    peer = generate_key(BRAINPOOL_P256R1)
    between = module.agree_ephemeral(peer.public_key())
    assert between.secret == agree(peer, between.own)
    assert len({own.public_numbers() for own, _ in waiting} | {between.own.public_numbers()}) == 4
    for own, other in reversed(waiting):
        assert module.finish_agreement(own, other.public_key()) == agree(other, own)


def test_handshakes_in_threads(module: SecurityModule) -> None:
    initialise(module)

    def shake_hands() -> bool:
        other = generate_key(BRAINPOOL_P256R1)
        own = module.begin_agreement(BRAINPOOL_P256R1)
        return module.finish_agreement(own, other.public_key()) == agree(other, own)

    assert at_once(*[shake_hands] * 8) == [True] * 8


def test_keys_that_wait_too_long_give_way(module: SecurityModule) -> None:
    initialise(module)
    peer = generate_key(BRAINPOOL_P256R1)
    first, second, *_ = [module.begin_agreement(BRAINPOOL_P256R1) for _ in range(MOST_WAITING + 1)]
    with pytest.raises(CommandRefused, match="6A88"):
        module.finish_agreement(first, peer.public_key())
    assert module.finish_agreement(second, peer.public_key()) == agree(peer, second)
    third = module.begin_agreement(BRAINPOOL_P256R1)
    module.authenticate(lambda: TRANSPORT_PIN)
    with pytest.raises(CommandRefused, match="6A88"):
        module.finish_agreement(third, peer.public_key())  # it went with its channel


def test_a_certified_pair_is_not_replaced(module: SecurityModule, pki: Pki) -> None:
    initialise(module)
    module.import_root(pki.root.der)
    import_sub_ca(module, pki)
    first = module.generate_key_pair(KeyRef.PRELIMINARY_TLS, BRAINPOOL_P256R1)
    assert module.generate_key_pair(KeyRef.PRELIMINARY_TLS, BRAINPOOL_P256R1).public_numbers() != first.public_numbers()
    certify(module, pki, (KeyRef.PRELIMINARY_TLS,))
    with pytest.raises(CommandRefused, match="6985"):
        module.generate_key_pair(KeyRef.PRELIMINARY_TLS, BRAINPOOL_P256R1)
    module.delete_key(KeyRef.PRELIMINARY_TLS)
    module.generate_key_pair(KeyRef.PRELIMINARY_TLS, BRAINPOOL_P256R1)
    assert module.certificate(KeyRef.PRELIMINARY_TLS) is None


def test_a_challenge_is_as_long_as_asked_for(module: SecurityModule) -> None:
    initialise(module)
    assert [len(module.challenge(count)) for count in (1, 16, 256)] == [1, 16, 256]


def test_somebody_elses_signature_is_not_the_gwas(module: SecurityModule, pki: Pki) -> None:
    make_ready(module, pki)
    hand_over(module, pki)

    def forge(message: bytes) -> bytes:
        return sign_digest(generate_key(BRAINPOOL_P256R1), SHA256, hashlib.sha256(message).digest())

    with pytest.raises(CommandRefused, match="6300"):
        module.authenticate_externally(forge)
