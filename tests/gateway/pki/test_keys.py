"""The module's keys do what the PKI asks of keys, and no more."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.pki.keys import (
    ADMINISTRATOR,
    ALGORITHMS,
    OPERATIONAL_PLACES,
    PRELIMINARY,
    CertificateRefused,
    ModuleAgreementKey,
    ModuleSigningKey,
    algorithm_of,
    certificate_in,
    import_sub_ca,
)
from lifecycle.states import State
from securitymodule.coding import ENC_KEYS, SIG_KEYS, TLS_KEYS, Algorithm, KeyRef
from securitymodule.errors import CommandRefused
from smpki.algorithms import Curve, Digest
from smpki.errors import KeyStoreError, PolicyError
from smpki.keys import AgreementKey, SigningKey, SoftwareKey, digest_of, uncompressed
from smpki.oids import DATA
from smpki.profiles import KeyUse
from smpki.signed import Signer, read_signed, sign
from tests.support.gateways import At
from tests.support.pki import World


def test_places_are_in_the_order_of_their_uses() -> None:
    for places in (PRELIMINARY, *OPERATIONAL_PLACES, ADMINISTRATOR):
        assert list(places) == [KeyUse.TLS, KeyUse.SIG, KeyUse.ENC]
    own = (PRELIMINARY, *OPERATIONAL_PLACES)
    assert {places[KeyUse.TLS] for places in own} == set(TLS_KEYS)
    assert {places[KeyUse.SIG] for places in own} == set(SIG_KEYS)
    assert {places[KeyUse.ENC] for places in own} == set(ENC_KEYS)


def test_every_hash_has_its_algorithm() -> None:
    assert {digest: algorithm.name for digest, algorithm in ALGORITHMS.items()} == {
        Digest.SHA256: "ECDSA_SHA256",
        Digest.SHA384: "ECDSA_SHA384",
        Digest.SHA512: "ECDSA_SHA512",
    }


def test_a_key_in_the_module_signs_as_one_in_software(at: At) -> None:
    device = at(State.OPERATION)
    gateway = device.gateway
    current = gateway.certificates.current()[KeyUse.SIG]
    key: SigningKey = ModuleSigningKey(gateway.module(), current.key)
    assert key.public_key == current.certificate.public_key()
    for algorithm in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
        signature = key.sign(digest_of(b"Zaehlerstand", algorithm))
        key.public_key.verify(signature, b"Zaehlerstand", ec.ECDSA(algorithm))
    message = sign(b"Zaehlerstand", DATA, Signer(current.certificate, key), device.clock())
    assert read_signed(message, DATA).verify() == current.certificate
    with pytest.raises(PolicyError, match="20 bytes"):
        key.sign(bytes(20))


def test_a_key_in_the_module_agrees_as_one_in_software(at: At) -> None:
    device = at(State.OPERATION)
    gateway = device.gateway
    current = gateway.certificates.current()[KeyUse.ENC]
    key: AgreementKey = ModuleAgreementKey(gateway.module(), current.key)
    ephemeral = SoftwareKey.generate(Curve.BRAINPOOL_P256R1)
    assert key.agree(uncompressed(ephemeral.public_key)) == ephemeral.agree(uncompressed(key.public_key))
    other = SoftwareKey.generate(Curve.BRAINPOOL_P384R1)
    for point in (b"", b"\x04" + bytes(64), uncompressed(other.public_key)):
        with pytest.raises(KeyStoreError):
            key.agree(point)


def test_a_key_that_is_not_there_is_said_not_to_be(at: At) -> None:
    device = at(State.OPERATION)
    module = device.gateway.module()
    for kind in (ModuleSigningKey, ModuleAgreementKey):
        key = kind(module, KeyRef.PRELIMINARY_SIG)
        with pytest.raises(KeyStoreError, match="no key PRELIMINARY_SIG"):
            _ = key.public_key
        assert repr(key) == f"{kind.__name__}(PRELIMINARY_SIG)"
    assert certificate_in(module, KeyRef.PRELIMINARY_SIG) is None


def test_a_key_for_encryption_signs_nothing_any_more(at: At) -> None:
    device = at(State.OPERATION)
    gateway = device.gateway
    key = ModuleSigningKey(gateway.module(), gateway.certificates.current()[KeyUse.ENC].key)
    with pytest.raises(CommandRefused):
        key.sign(bytes(32))


def test_how_a_certificate_is_signed_is_told_for_the_module(at: At) -> None:
    device = at(State.DEVELOPMENT)
    assert algorithm_of(device.world.root.certificate) is Algorithm.ECDSA_SHA512
    assert algorithm_of(device.world.sub.certificate) is Algorithm.ECDSA_SHA512
    assert algorithm_of(device.gwa.certificates[KeyUse.TLS]) is Algorithm.ECDSA_SHA384


def test_a_sub_ca_of_another_root_is_refused(at: At, tmp_path_factory: pytest.TempPathFactory) -> None:
    device = at(State.OPERATION)
    module = device.gateway.module()
    stranger = World.in_folder(tmp_path_factory.mktemp("stranger"), device.clock)
    with pytest.raises(CommandRefused):  # its root has the same name
        import_sub_ca(module, stranger.sub.certificate)
    with pytest.raises(CertificateRefused, match=r"Energie.*is not in the module"):
        import_sub_ca(module, device.gwa.certificates[KeyUse.SIG])
