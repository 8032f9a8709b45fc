"""Key pairs of the module: made inside, used inside, and never given out.

A private key exists in the clear only inside a call of this module, as an object of OpenSSL's and a buffer that is
overwritten; between calls it is a wrapped string (:mod:`securitymodule.card.vault`), so there is nothing in a
:class:`KeyPair` that a repr, a log, a traceback, a pickle or a copy could show.

Source: BSI TR-03111, 4.1.3 (key pairs), 4.2.1 (ECDSA), 4.3 (ECKA); which key may do what: :mod:`securitymodule.coding`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from securitymodule import tlv
from securitymodule.apdu import StatusWord
from securitymodule.card.contents import Contents, KeyPair
from securitymodule.card.errors import Refused, StateDamaged
from securitymodule.card.vault import Vault
from securitymodule.coding import Algorithm, Tag
from securitymodule.curves import (
    Curve,
    CurveError,
    agree,
    curve_by_domain,
    decode_point,
    encode_point,
    generate_key,
    sign_digest,
)
from securitymodule.wiping import wipe

HASHES: Final[dict[int, hashes.HashAlgorithm]] = {
    Algorithm.ECDSA_SHA256: hashes.SHA256(),
    Algorithm.ECDSA_SHA384: hashes.SHA384(),
    Algorithm.ECDSA_SHA512: hashes.SHA512(),
}
"""Hash algorithms of the signature algorithms."""

_NAME: Final = b"private key of "


def generated(vault: Vault, curve: Curve) -> KeyPair:
    """A new key pair (TR-03111, 4.1.3), its private key wrapped before this returns."""
    key = generate_key(curve)
    point = encode_point(key.public_key())
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    try:
        return KeyPair(curve.domain, point, vault.wrap(_NAME + point, plain))
    finally:
        wipe(plain)


@contextlib.contextmanager
def _private(vault: Vault, pair: KeyPair) -> Iterator[ec.EllipticCurvePrivateKey]:
    with vault.opened(_NAME + pair.point, pair.private) as plain:
        key = load_der_private_key(plain, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise StateDamaged("a private key that is on no curve")
    yield key


def signature(vault: Vault, pair: KeyPair, algorithm: int, digest: bytes) -> bytes:
    """An ECDSA signature over a hash, in plain format r || s.

    :param algorithm: which of :data:`HASHES` made the hash.
    :raises Refused: 6A80, the hash has not the length of the algorithm's.
    """
    try:
        with _private(vault, pair) as key:
            return sign_digest(key, HASHES[algorithm], digest)
    except CurveError:
        raise Refused(StatusWord.INCORRECT_DATA) from None


def shared_secret(vault: Vault, pair: KeyPair, peer: bytes) -> bytes:
    """ZAB of ECKA (TR-03111, 4.3.1): the x-coordinate of the shared point.

    :param peer: the other's public key on the same curve, uncompressed.
    :raises Refused: 6A80, that is no point on the curve.
    """
    try:
        point = decode_point(curve_by_domain(pair.domain), peer)
    except CurveError:
        raise Refused(StatusWord.INCORRECT_DATA) from None
    with _private(vault, pair) as key:
        return agree(key, point)


def public_key_object(domain: int, point: bytes) -> bytes:
    """A public key as the module gives it out: 7F49 {06 object identifier of the curve, 86 point}."""
    parts = {Tag.OBJECT_IDENTIFIER: tlv.encode_oid(curve_by_domain(domain).oid), Tag.PUBLIC_POINT: point}
    return tlv.encode(Tag.PUBLIC_KEY, tlv.encode_all(parts))


def pair_of(contents: Contents, key: int) -> KeyPair:
    """A key pair by its reference.

    :raises Refused: 6A88, there is none.
    """
    for held, pair in contents.pairs.items():
        if held == key:
            return pair
    raise Refused(StatusWord.REFERENCE_NOT_FOUND)
