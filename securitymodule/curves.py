"""The curves that a security module must know, and what is done with keys on them.

Source: BSI TR-03116-3, table 4 (which curves), 2.2 (points uncompressed); TR-03110-3, A.2.1.1 (identifiers of the
standardised domain parameters); TR-03111, 4.2.1 (ECDSA), 4.3 (ECKA), 5.2.1.1 (plain signatures); RFC 5639 and
SEC 2 (the curves themselves). All of them have prime order, so the cofactor is 1: a point on the curve that is not the
point at infinity has the full order, and checking that it is on the curve validates it.

Every operation with a private key runs inside OpenSSL, through ``cryptography``. OpenSSL multiplies by a secret scalar
on these curves with a ladder whose course does not depend on it, and inverts nonces the same way; that is the state of
the art in software, not a claim of resistance against somebody who measures the power or the field of the device.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_UNCOMPRESSED: Final = 0x04


class CurveError(ValueError):
    """No such curve, no point on it, no private key for it, or no signature."""


class InvalidPointError(CurveError):
    """Bytes or coordinates that are no point of the curve, or one that must not be used (the point at infinity)."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve over a prime field, y² = x³ + ax + b, with its base point and identifiers.

    :ivar name: as ``cryptography`` and OpenSSL call it.
    :ivar oid: its object identifier, with dots.
    :ivar domain: identifier of the standardised domain parameters, one byte (TR-03110-3, table 4).
    :ivar p: the prime.
    :ivar a: first coefficient.
    :ivar b: second coefficient.
    :ivar order: the prime order n of the base point.
    :ivar implementation: the curve in ``cryptography``.
    """

    name: str
    oid: str
    domain: int
    p: int = field(repr=False)
    a: int = field(repr=False)
    b: int = field(repr=False)
    order: int = field(repr=False)
    implementation: ec.EllipticCurve = field(repr=False, compare=False)

    @property
    def size(self) -> int:
        """Bytes of a coordinate, of a private key, of either half of a plain signature and of a shared secret."""
        return (self.p.bit_length() + 7) // 8

    @property
    def point_size(self) -> int:
        """Bytes of an encoded point."""
        return 1 + 2 * self.size

    def __str__(self) -> str:
        return self.name


BRAINPOOL_P256R1: Final = Curve(
    "brainpoolP256r1",
    "1.3.36.3.3.2.8.1.1.7",
    13,
    p=0xA9FB57DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E5377,
    a=0x7D5A0975FC2C3057EEF67530417AFFE7FB8055C126DC5C6CE94A4B44F330B5D9,
    b=0x26DC5C6CE94A4B44F330B5D9BBD77CBF958416295CF7E1CE6BCCDC18FF8C07B6,
    order=0xA9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7,
    implementation=ec.BrainpoolP256R1(),
)
BRAINPOOL_P384R1: Final = Curve(
    "brainpoolP384r1",
    "1.3.36.3.3.2.8.1.1.11",
    16,
    p=0x8CB91E82A3386D280F5D6F7E50E641DF152F7109ED5456B412B1DA197FB71123ACD3A729901D1A71874700133107EC53,
    a=0x7BC382C63D8C150C3C72080ACE05AFA0C2BEA28E4FB22787139165EFBA91F90F8AA5814A503AD4EB04A8C7DD22CE2826,
    b=0x04A8C7DD22CE28268B39B55416F0447C2FB77DE107DCD2A62E880EA53EEB62D57CB4390295DBC9943AB78696FA504C11,
    order=0x8CB91E82A3386D280F5D6F7E50E641DF152F7109ED5456B31F166E6CAC0425A7CF3AB6AF6B7FC3103B883202E9046565,
    implementation=ec.BrainpoolP384R1(),
)
BRAINPOOL_P512R1: Final = Curve(
    "brainpoolP512r1",
    "1.3.36.3.3.2.8.1.1.13",
    17,
    p=int(
        "AADD9DB8DBE9C48B3FD4E6AE33C9FC07CB308DB3B3C9D20ED6639CCA70330871"
        "7D4D9B009BC66842AECDA12AE6A380E62881FF2F2D82C68528AA6056583A48F3",
        16,
    ),
    a=int(
        "7830A3318B603B89E2327145AC234CC594CBDD8D3DF91610A83441CAEA9863BC"
        "2DED5D5AA8253AA10A2EF1C98B9AC8B57F1117A72BF2C7B9E7C1AC4D77FC94CA",
        16,
    ),
    b=int(
        "3DF91610A83441CAEA9863BC2DED5D5AA8253AA10A2EF1C98B9AC8B57F1117A7"
        "2BF2C7B9E7C1AC4D77FC94CADC083E67984050B75EBAE5DD2809BD638016F723",
        16,
    ),
    order=int(
        "AADD9DB8DBE9C48B3FD4E6AE33C9FC07CB308DB3B3C9D20ED6639CCA70330870"
        "553E5C414CA92619418661197FAC10471DB1D381085DDADDB58796829CA90069",
        16,
    ),
    implementation=ec.BrainpoolP512R1(),
)
SECP256R1: Final = Curve(
    "secp256r1",
    "1.2.840.10045.3.1.7",
    12,
    p=0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF,
    a=0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFC,
    b=0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    order=0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    implementation=ec.SECP256R1(),
)
SECP384R1: Final = Curve(
    "secp384r1",
    "1.3.132.0.34",
    15,
    p=2**384 - 2**128 - 2**96 + 2**32 - 1,
    a=2**384 - 2**128 - 2**96 + 2**32 - 4,
    b=0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
    order=0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    implementation=ec.SECP384R1(),
)

CURVES: Final = (BRAINPOOL_P256R1, BRAINPOOL_P384R1, BRAINPOOL_P512R1, SECP256R1, SECP384R1)

_BY_NAME: Final = {curve.name: curve for curve in CURVES}
_BY_OID: Final = {curve.oid: curve for curve in CURVES}
_BY_DOMAIN: Final = {curve.domain: curve for curve in CURVES}


def _found(curve: Curve | None, what: str) -> Curve:
    if curve is None:
        raise CurveError(f"{what}: known are {', '.join(_BY_NAME)}")
    return curve


def curve_by_name(name: str) -> Curve:
    """The curve of this name.

    :raises CurveError: if it is none of :data:`CURVES`.
    """
    return _found(_BY_NAME.get(name), f"no curve {name!r}")


def curve_by_oid(oid: str) -> Curve:
    """The curve of this object identifier, with dots.

    :raises CurveError: if it is none of :data:`CURVES`.
    """
    return _found(_BY_OID.get(oid), f"no curve with the object identifier {oid!r}")


def curve_by_domain(domain: int) -> Curve:
    """The curve of these standardised domain parameters.

    :raises CurveError: if it is none of :data:`CURVES`.
    """
    return _found(_BY_DOMAIN.get(domain), f"no curve with the domain parameter identifier {domain}")


def curve_of(key: ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey) -> Curve:
    """The curve that a key is on.

    :raises CurveError: if it is none of :data:`CURVES`.
    """
    return curve_by_name(key.curve.name)


def encode_point(key: ec.EllipticCurvePublicKey) -> bytes:
    """A public key as 04 || x || y (TR-03111, 3.2.1)."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def decode_point(curve: Curve, encoded: bytes) -> ec.EllipticCurvePublicKey:
    """The public key that an uncompressed point is.

    :raises InvalidPointError: if the bytes are not 04 || x || y with coordinates below p on the curve. Compressed and
        hybrid encodings and the point at infinity are refused too.
    """
    if len(encoded) != curve.point_size or encoded[0] != _UNCOMPRESSED:
        raise InvalidPointError(
            f"not an uncompressed point on {curve}: that has {curve.point_size} bytes and begins with 04"
        )
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve.implementation, encoded)
    except ValueError:
        raise InvalidPointError(f"the coordinates are not of a point on {curve}") from None


def generate_key(curve: Curve) -> ec.EllipticCurvePrivateKey:
    """A new key pair from OpenSSL's random generator."""
    return ec.generate_private_key(curve.implementation)


def private_key(curve: Curve, scalar: int) -> ec.EllipticCurvePrivateKey:
    """The key pair with this private key.

    :raises CurveError: if *scalar* is not 1 to n - 1. The message does not tell it.
    """
    if not 0 < scalar < curve.order:
        raise CurveError(f"a private key on {curve} is 1 to the order less 1")
    return ec.derive_private_key(scalar, curve.implementation)


def _prehashed(hash_algorithm: hashes.HashAlgorithm, digest: bytes) -> ec.ECDSA:
    if len(digest) != hash_algorithm.digest_size:
        raise CurveError(f"a hash by {hash_algorithm.name} has {hash_algorithm.digest_size} bytes, not {len(digest)}")
    return ec.ECDSA(Prehashed(hash_algorithm))


def sign_digest(key: ec.EllipticCurvePrivateKey, hash_algorithm: hashes.HashAlgorithm, digest: bytes) -> bytes:
    """An ECDSA signature over a hash value, in plain format: r || s, each as long as the order (TR-03111, 5.2.1.1).

    :raises CurveError: if *digest* is not as long as *hash_algorithm* says.
    """
    return plain_signature(curve_of(key), key.sign(digest, _prehashed(hash_algorithm, digest)))


def verify_digest(
    key: ec.EllipticCurvePublicKey, hash_algorithm: hashes.HashAlgorithm, digest: bytes, signature: bytes
) -> bool:
    """Whether *signature*, in plain format, is *key*'s over this hash value. Bytes that are no signature are not.

    :raises CurveError: if *digest* is not as long as *hash_algorithm* says.
    """
    algorithm = _prehashed(hash_algorithm, digest)
    try:
        key.verify(der_signature(curve_of(key), signature), digest, algorithm)
    except (InvalidSignature, CurveError):
        return False
    return True


def plain_signature(curve: Curve, der: bytes) -> bytes:
    """A DER signature (ECDSA-Sig-Value) as r || s.

    :raises CurveError: if it is none, or its numbers do not fit the curve.
    """
    size = _order_size(curve)
    try:
        r, s = decode_dss_signature(der)
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    except (ValueError, OverflowError):
        raise CurveError(f"no signature on {curve}") from None


def der_signature(curve: Curve, plain: bytes) -> bytes:
    """A signature r || s as DER, the form of certificates and of TLS.

    :raises CurveError: if it has another length than the curve's.
    """
    size = _order_size(curve)
    if len(plain) != 2 * size:
        raise CurveError(f"a plain signature on {curve} has {2 * size} bytes, not {len(plain)}")
    return encode_dss_signature(int.from_bytes(plain[:size], "big"), int.from_bytes(plain[size:], "big"))


def _order_size(curve: Curve) -> int:
    return (curve.order.bit_length() + 7) // 8


def agree(key: ec.EllipticCurvePrivateKey, peer: ec.EllipticCurvePublicKey) -> bytes:
    """The shared secret value ZAB of ECKA: the x-coordinate, as long as the prime (TR-03111, 4.3.1).

    :raises CurveError: if the keys are on two curves.
    """
    if key.curve.name != peer.curve.name:
        raise CurveError(f"a key on {key.curve.name} agrees on nothing with one on {peer.curve.name}")
    return key.exchange(ec.ECDH(), peer)
