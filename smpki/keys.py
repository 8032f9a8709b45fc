"""Private keys behind two small protocols, so that a security module can hold them; and one that lies in a file.

Nothing in this package asks for more than a signature over a digest or the agreement with a point. A key in software
is there for a PKI to test with and for whoever has no module; it is kept as PKCS #8 PEM (RFC 5958) in a file that
only its owner can read, and its ``repr`` shows nothing of it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NoReturn, Protocol

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from smpki.algorithms import Curve, Digest, curve_of
from smpki.errors import KeyStoreError


class SigningKey(Protocol):
    """A private key that signs."""

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public part."""

    def sign(self, digest: bytes) -> bytes:
        """ECDSA (TR-03111 4.2.1) over a SHA-256, SHA-384 or SHA-512 value; DER of ECDSA-Sig-Value (TR-03111 5.2.2)."""


class AgreementKey(Protocol):
    """A private key that agrees on secrets."""

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public part."""

    def agree(self, point: bytes) -> bytes:
        """ECKA (TR-03111 4.3.1) with the sender's point, uncompressed (TR-03111 3.2.1).

        The holder of the key checks that the point is on its curve.

        :returns: Z_AB, the x coordinate of the shared point, as long as the curve's prime.
        :raises KeyStoreError: if the point is none of the curve.
        """


class SoftwareKey:
    """A private key in this process, for signing and for agreeing."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        curve_of(key)
        self._key = key
        self._public = key.public_key()

    @classmethod
    def generate(cls, curve: Curve) -> SoftwareKey:
        """A new key, from the operating system's random numbers."""
        return cls(ec.generate_private_key(curve.domain))

    def __repr__(self) -> str:
        return f"SoftwareKey({curve_of(self._public)})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is not serialised")

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """See :class:`SigningKey`."""
        return self._public

    def sign(self, digest: bytes) -> bytes:
        """See :class:`SigningKey`.

        :raises smpki.errors.PolicyError: if the digest is of no length that is known.
        """
        return self._key.sign(digest, ec.ECDSA(utils.Prehashed(Digest.of_length(len(digest)).algorithm)))

    def agree(self, point: bytes) -> bytes:
        """See :class:`AgreementKey`."""
        return self._key.exchange(ec.ECDH(), point_on(self._key.curve, point))

    def for_tls(self) -> bytes:
        """PKCS #8 PEM, unencrypted, for a TLS library that takes no key but its own."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def save(self, path: Path) -> None:
        """Write the key to a new file that only its owner can read.

        :raises KeyStoreError: if there is a file already: a key is never overwritten.
        """
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise KeyStoreError(f"{path} exists; a key is never overwritten: choose another place") from error
        with os.fdopen(descriptor, "wb") as file:
            file.write(self.for_tls())
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def load(cls, path: Path) -> SoftwareKey:
        """Read what :meth:`save` wrote.

        :raises KeyStoreError: if there is no such file, or no such key in it.
        """
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except OSError as error:
            raise KeyStoreError(f"cannot read the key {path}: {error.strerror}") from error
        except (ValueError, TypeError) as error:
            raise KeyStoreError(f"{path} holds no unencrypted PEM key") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise KeyStoreError(f"{path} holds a key that is not on an elliptic curve")
        return cls(key)


def point_on(curve: ec.EllipticCurve, point: bytes) -> ec.EllipticCurvePublicKey:
    """Decode an uncompressed point (TR-03111 3.2.1; TR-03116-3 2.2 admits no other encoding).

    :raises KeyStoreError: if it is not on the curve, the point at infinity, or encoded otherwise.
    """
    if not point.startswith(b"\x04"):
        raise KeyStoreError("a point that is not encoded uncompressed")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
    except ValueError as error:
        raise KeyStoreError(f"no point of {curve.name}") from error


def uncompressed(key: ec.EllipticCurvePublicKey) -> bytes:
    """A public key as uncompressed point (TR-03111 3.2.1)."""
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


class BuilderKey(ec.EllipticCurvePrivateKey):
    """Lets the certificate builders of :mod:`cryptography` sign with a key that is held elsewhere.

    They ask a key for its public part and for a signature over data, and for nothing else. So this takes the digest
    and hands it on; every other use is an error.
    """

    def __init__(self, held: SigningKey) -> None:
        self._held = held

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public part."""
        return self._held.public_key

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Hash *data* and have the digest signed."""
        algorithm = signature_algorithm.algorithm
        assert isinstance(algorithm, hashes.HashAlgorithm)  # noqa: S101  the builders never pass a Prehashed
        return self._held.sign(digest_of(bytes(data), algorithm))

    @property
    def curve(self) -> ec.EllipticCurve:
        """Of the key."""
        return self._held.public_key.curve

    @property
    def key_size(self) -> int:
        """Bits of the key."""
        return self._held.public_key.key_size

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:  # noqa: ARG002
        """Not this way."""
        raise TypeError("this key signs certificates")

    def private_numbers(self) -> NoReturn:
        """Not to be had."""
        raise TypeError("the key is held elsewhere")

    def private_bytes(self, *_: object) -> NoReturn:
        """Not to be had."""
        raise TypeError("the key is held elsewhere")

    def __copy__(self) -> BuilderKey:
        return self

    def __deepcopy__(self, memo: dict[Any, Any]) -> BuilderKey:
        return self


def digest_of(data: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
    """The hash value of *data*."""
    context = hashes.Hash(algorithm)
    context.update(data)
    return context.finalize()
