"""A signer of digests with a key in this process, in the place of the security module's."""

from __future__ import annotations

import hashlib
from functools import cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

_PREHASHED = ec.ECDSA(Prehashed(hashes.SHA256()))


class SoftwareSigner:
    """Signs with a P-256 key of its own.

    :ivar signed: how often it has signed.
    """

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())
        public = self._private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._key = hashlib.sha256(public).hexdigest()
        self.signed = 0

    @property
    def key(self) -> str:
        """Which key it is."""
        return self._key

    def sign_digest(self, digest: bytes) -> bytes:
        """The signature over a digest."""
        self.signed += 1
        return self._private.sign(digest, _PREHASHED)

    def verifies(self, key: str, digest: bytes, signature: bytes) -> bool:
        """Whether a signature is this key's."""
        if key != self._key:
            return False
        try:
            self._private.public_key().verify(signature, digest, _PREHASHED)
        except InvalidSignature:
            return False
        return True


@cache
def signer() -> SoftwareSigner:
    """One for the whole run."""
    return SoftwareSigner()
