"""The keys in the module as the Smart Metering PKI asks for keys; and how certificates are brought into the module."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from securitymodule.client import SecurityModule
from securitymodule.coding import (
    GWA_KEYS,
    OPERATIONAL_A_KEYS,
    OPERATIONAL_B_KEYS,
    PRELIMINARY_KEYS,
    ROOT_KEYS,
    Algorithm,
    KeyRef,
)
from securitymodule.curves import CurveError, curve_of, decode_point
from smpki.algorithms import Digest
from smpki.errors import KeyStoreError
from smpki.profiles import KeyUse

ALGORITHMS: Final[Mapping[Digest, Algorithm]] = {
    Digest.SHA256: Algorithm.ECDSA_SHA256,
    Digest.SHA384: Algorithm.ECDSA_SHA384,
    Digest.SHA512: Algorithm.ECDSA_SHA512,
}
"""What the module calls ECDSA with each hash."""


def triple(keys: tuple[KeyRef, ...]) -> Mapping[KeyUse, KeyRef]:
    """Three key objects by use; they stand in the order TLS, SIG, ENC."""
    return dict(zip(KeyUse, keys, strict=True))


PRELIMINARY: Final = triple(PRELIMINARY_KEYS)
"""The places of the preliminary triple (vorläufige Schlüsselpaare)."""
OPERATIONAL_PLACES: Final = (triple(OPERATIONAL_A_KEYS), triple(OPERATIONAL_B_KEYS))
"""The two places of an operational triple (Wirkschlüssel)."""
ADMINISTRATOR: Final = triple(GWA_KEYS)
"""The places of the GWA's public keys."""


class CertificateRefused(Exception):
    """A certificate is not one that belongs where it was to go; nothing has changed."""


class _ModuleKey:
    """A key pair in the module."""

    def __init__(self, module: SecurityModule, key: KeyRef) -> None:
        self._module = module
        self._key = key

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._key.name})"

    @cached_property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public part.

        :raises KeyStoreError: if there is no such key in the module.
        """
        found = self._module.public_key(self._key)
        if found is None:
            raise KeyStoreError(f"there is no key {self._key.name} in the module")
        return found


class ModuleSigningKey(_ModuleKey):
    """A key pair in the module that signs. Satisfies :class:`smpki.keys.SigningKey`."""

    def sign(self, digest: bytes) -> bytes:
        """ECDSA in the module; DER of ECDSA-Sig-Value (TR-03111 5.2.2).

        :param digest: a SHA-256, SHA-384 or SHA-512 value.
        :raises PolicyError: if the digest is of no length that is known.
        :raises ModuleError: if the module does not do it.
        """
        algorithm = ALGORITHMS[Digest.of_length(len(digest))]
        return self._module.sign_der(self._key, algorithm, digest, curve_of(self.public_key))


class ModuleAgreementKey(_ModuleKey):
    """A key pair in the module that agrees on secrets. Satisfies :class:`smpki.keys.AgreementKey`."""

    def agree(self, point: bytes) -> bytes:
        """ECKA in the module with the sender's point, uncompressed (TR-03111 3.2.1, 4.3.1).

        :raises KeyStoreError: if the point is none of the curve.
        :raises ModuleError: if the module does not do it.
        """
        try:
            peer = decode_point(curve_of(self.public_key), point)
        except CurveError as error:
            raise KeyStoreError(str(error)) from error
        return self._module.agree(self._key, peer)


def der_of(certificate: x509.Certificate) -> bytes:
    """A certificate's bytes."""
    return certificate.public_bytes(Encoding.DER)


def certificate_in(module: SecurityModule, key: KeyRef) -> x509.Certificate | None:
    """The certificate that the module keeps of a key, ``None`` where there is none.

    :raises CertificateRefused: if what it keeps cannot be read.
    """
    der = module.certificate(key)
    try:
        return None if der is None else x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise CertificateRefused(f"the certificate of {key.name} in the module cannot be read: {error}") from error


def algorithm_of(certificate: x509.Certificate) -> Algorithm:
    """How a certificate is signed, as the module calls it.

    :raises CertificateRefused: if that is not ECDSA with a hash of the SHA-2 family.
    """
    try:
        used = certificate.signature_hash_algorithm
    except (UnsupportedAlgorithm, ValueError):
        used = None
    for digest, algorithm in ALGORITHMS.items():
        if used is not None and used.name == digest.algorithm.name:
            return algorithm
    who = certificate.subject.rfc4514_string()
    raise CertificateRefused(f"the certificate of {who} is not signed by ECDSA with SHA-256, -384 or -512")


def import_sub_ca(module: SecurityModule, sub_ca: x509.Certificate) -> None:
    """Let the module believe a Sub-CA for the rest of the session, under the root that issued it.

    :raises CertificateRefused: if that root is not in the module.
    :raises CommandRefused: if the module does not believe it.
    """
    for key in ROOT_KEYS:
        root = certificate_in(module, key)
        if root is not None and root.subject == sub_ca.issuer:
            module.import_certificate(KeyRef.SUB_CA, der_of(sub_ca), key, algorithm_of(sub_ca))
            return
    who = sub_ca.issuer.rfc4514_string()
    raise CertificateRefused(f"the root {who} that issued the Sub-CA's certificate is not in the module")


def import_issued(module: SecurityModule, key: KeyRef, certificate: x509.Certificate) -> bool:
    """Bring a certificate that the session's Sub-CA issued into the module, unless it is there already.

    :returns: whether it was not.
    :raises CommandRefused: if the module does not believe it, or has another one there.
    """
    der = der_of(certificate)
    if module.certificate(key) == der:
        return False
    module.import_certificate(key, der, KeyRef.SUB_CA, algorithm_of(certificate))
    return True
