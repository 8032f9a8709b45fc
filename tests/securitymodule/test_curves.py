"""Curves: the parameters against OpenSSL's, keys, signatures and points that are none."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from securitymodule import tlv
from securitymodule.curves import (
    BRAINPOOL_P256R1,
    CURVES,
    SECP256R1,
    Curve,
    CurveError,
    InvalidPointError,
    agree,
    curve_by_domain,
    curve_by_name,
    curve_by_oid,
    curve_of,
    decode_point,
    der_signature,
    encode_point,
    generate_key,
    plain_signature,
    private_key,
    sign_digest,
    verify_digest,
)

each_curve = pytest.mark.parametrize("curve", CURVES, ids=str)
SHA256 = hashes.SHA256()
DIGEST = hashlib.sha256(b"Zaehlerstand").digest()


@each_curve
def test_parameters_are_those_of_openssl(curve: Curve) -> None:
    base = private_key(curve, 1).public_key().public_numbers()
    assert (base.y**2 - base.x**3 - curve.a * base.x - curve.b) % curve.p == 0
    opposite = private_key(curve, curve.order - 1).public_key().public_numbers()
    assert (opposite.x, opposite.y) == (base.x, curve.p - base.y)
    encoded = private_key(curve, 1).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert tlv.encode(0x06, tlv.encode_oid(curve.oid)) in encoded


@each_curve
def test_every_name_leads_to_the_curve(curve: Curve) -> None:
    assert curve_by_name(curve.name) is curve_by_oid(curve.oid) is curve_by_domain(curve.domain) is curve
    assert curve_of(generate_key(curve)) is curve


def test_other_curves_are_refused() -> None:
    with pytest.raises(CurveError, match="secp521r1"):
        curve_by_name("secp521r1")
    with pytest.raises(CurveError):
        curve_by_oid("1.3.132.0.35")
    with pytest.raises(CurveError):
        curve_by_domain(18)
    with pytest.raises(CurveError):
        curve_of(ec.generate_private_key(ec.SECP521R1()))


@each_curve
def test_points_survive_a_round_trip(curve: Curve) -> None:
    key = generate_key(curve).public_key()
    assert len(encode_point(key)) == curve.point_size
    assert decode_point(curve, encode_point(key)).public_numbers() == key.public_numbers()


@each_curve
def test_what_is_no_point(curve: Curve) -> None:
    good = encode_point(generate_key(curve).public_key())
    x, y = good[1 : 1 + curve.size], good[1 + curve.size :]
    too_large = (int.from_bytes(x, "big") + curve.p).to_bytes(curve.size + 1, "big")
    wrong = {
        "empty": b"",
        "infinity": b"\x00",
        "infinity, padded": b"\x04" + bytes(2 * curve.size),
        "compressed": bytes((2 + y[-1] % 2,)) + x,
        "hybrid": bytes((6 + y[-1] % 2,)) + x + y,
        "not on the curve": good[:-1] + bytes((good[-1] ^ 1,)),
        "too short": good[:-1],
        "too long": good + b"\x00",
        "coordinates exchanged": b"\x04" + y + x,
        "x not reduced": b"\x04" + too_large[-curve.size :] + y,
        "p": b"\x04" + curve.p.to_bytes(curve.size, "big") + y,
    }
    taken = []
    for what, encoded in wrong.items():
        with suppress(InvalidPointError):
            decode_point(curve, encoded)
            taken.append(what)
    assert taken == []


def test_a_point_of_another_curve_is_none() -> None:
    with pytest.raises(InvalidPointError):
        decode_point(BRAINPOOL_P256R1, encode_point(generate_key(SECP256R1).public_key()))


@each_curve
@pytest.mark.parametrize("scalar", ["0", "order", "-1"])
def test_private_keys_have_their_range(curve: Curve, scalar: str) -> None:
    value = curve.order if scalar == "order" else int(scalar)
    with pytest.raises(CurveError) as caught:
        private_key(curve, value)
    assert str(curve.order) not in str(caught.value)


@each_curve
@pytest.mark.parametrize("algorithm", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()], ids=lambda found: found.name)
def test_signatures(curve: Curve, algorithm: hashes.HashAlgorithm) -> None:
    key = generate_key(curve)
    digest = hashlib.new(algorithm.name, b"Zaehlerstand").digest()
    signature = sign_digest(key, algorithm, digest)
    assert len(signature) == 2 * curve.size
    assert verify_digest(key.public_key(), algorithm, digest, signature)
    key.public_key().verify(der_signature(curve, signature), b"Zaehlerstand", ec.ECDSA(algorithm))
    assert plain_signature(curve, der_signature(curve, signature)) == signature
    broken = bytes((signature[0] ^ 1,)) + signature[1:]
    assert not verify_digest(key.public_key(), algorithm, digest, broken)
    assert not verify_digest(generate_key(curve).public_key(), algorithm, digest, signature)
    for no_signature in (b"", signature[:-1], signature + b"\x00", bytes(len(signature))):
        assert not verify_digest(key.public_key(), algorithm, digest, no_signature)
    with pytest.raises(InvalidSignature):
        key.public_key().verify(der_signature(curve, broken), b"Zaehlerstand", ec.ECDSA(algorithm))


def test_a_hash_has_its_length() -> None:
    key = generate_key(BRAINPOOL_P256R1)
    with pytest.raises(CurveError, match="32 bytes"):
        sign_digest(key, SHA256, DIGEST[:-1])
    with pytest.raises(CurveError, match="32 bytes"):
        verify_digest(key.public_key(), SHA256, DIGEST + b"\x00", bytes(64))


@pytest.mark.parametrize("der", [b"", b"\x30\x00", bytes.fromhex("3026022100" + "FF" * 33 + "020101")])
def test_what_is_no_signature(der: bytes) -> None:
    with pytest.raises(CurveError):
        plain_signature(BRAINPOOL_P256R1, der)


@each_curve
def test_agreement(curve: Curve) -> None:
    one, other = generate_key(curve), generate_key(curve)
    secret = agree(one, other.public_key())
    assert secret == agree(other, one.public_key())
    assert len(secret) == curve.size


def test_nobody_agrees_across_curves() -> None:
    with pytest.raises(CurveError):
        agree(generate_key(BRAINPOOL_P256R1), generate_key(SECP256R1).public_key())
