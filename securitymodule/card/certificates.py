"""Certificates that the module takes: what it checks before it believes one.

Every import is of one certificate under a key that is believed already: the root first, self-signed; a following root
and Sub-CAs under a root; the GWA's and the gateway's own under a Sub-CA. So each step checks one link: the issuer's
name, its signature (ECDSA with SHA-256, -384 or -512, TR-03116-3, table 5), the validity of both, what the extensions
allow (name constraints, path length, key usage), and whether the name says what the certificate is imported as.

Names in the Smart Metering PKI have the common name ``organisation.function`` with an optional third part, such as
``EXXX0012345678.SMGW`` or ``Name.GWA``; a TLS certificate carries an extended key usage, a SIG certificate signs
without one, an ENC certificate agrees on keys. That is common knowledge and not from TR-03109-4, which is not public.
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID, NameOID

from securitymodule.apdu import StatusWord
from securitymodule.card.errors import Refused
from securitymodule.coding import CERTIFICATE_BYTES, ENC_KEYS, GWA_KEYS, OWN_KEYS, TLS_KEYS, KeyRef
from securitymodule.curves import CurveError, curve_of, encode_point

_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_UNDERSTOOD: Final = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.NAME_CONSTRAINTS,
}
"""Extensions that may be critical. One that is critical and not understood refuses the certificate (RFC 5280, 4.2)."""
_Rdns = list[x509.RelativeDistinguishedName]
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What reading a certificate may raise; these exceptions of ``cryptography`` have no base of their own."""


class Certificate:
    """A certificate as far as the module looks into it.

    :ivar der: its bytes.
    :ivar key: its public key.
    :ivar domain: standardised domain parameters of the key's curve.
    :ivar point: the public key, uncompressed.
    """

    def __init__(self, der: bytes) -> None:
        """:raises Refused: 6A80, that is no certificate, too long, on no known curve, or not understood."""
        try:
            parsed = x509.load_der_x509_certificate(der)
            key = parsed.public_key()
            if len(der) > CERTIFICATE_BYTES or not isinstance(key, ec.EllipticCurvePublicKey):
                raise Refused(StatusWord.INCORRECT_DATA)
            self.der, self.key, self._parsed = der, key, parsed
            self.domain, self.point = curve_of(key).domain, encode_point(key)
            self.not_before, self.not_after = parsed.not_valid_before_utc, parsed.not_valid_after_utc
            self._subject, self._issuer = parsed.subject, parsed.issuer
            names = self._subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            self._function = str(names[0].value).split(".")[1:2] if len(names) == 1 else []
            self._extensions = {extension.oid: extension for extension in parsed.extensions}
            self._permitted, self._excluded = self._name_constraints()
        except (CurveError, *_UNREADABLE):
            raise Refused(StatusWord.INCORRECT_DATA) from None
        unknown = self._extensions.keys() - _UNDERSTOOD
        if any(self._extensions[oid].critical for oid in unknown):
            raise Refused(StatusWord.INCORRECT_DATA)

    @property
    def is_authority(self) -> bool:
        """Whether it may sign certificates."""
        constraints, usage = self._constraints, self._usage
        return constraints is not None and constraints.ca and usage is not None and usage.key_cert_sign

    def admits_below(self, authorities: int) -> bool:
        """Whether a path may have so many more authorities below this one (RFC 5280, 4.2.1.9)."""
        constraints = self._constraints
        return constraints is not None and (constraints.path_length is None or constraints.path_length >= authorities)

    def admits_name_of(self, other: Certificate) -> bool:
        """Whether its name constraints let it certify *other*'s name (RFC 5280, 4.2.1.10)."""
        rdns = list(other._subject.rdns)
        if any(rdns[: len(excluded)] == excluded for excluded in self._excluded):
            return False
        return not self._permitted or any(rdns[: len(permitted)] == permitted for permitted in self._permitted)

    def valid_at(self, seconds: float) -> bool:
        """Whether its validity covers a time, in seconds since 1970."""
        return self.not_before <= datetime.fromtimestamp(seconds, UTC) <= self.not_after

    @property
    def hash_algorithm(self) -> hashes.HashAlgorithm | None:
        """What was hashed with before it was signed, ``None`` if that cannot be told."""
        try:
            return self._parsed.signature_hash_algorithm
        except _UNREADABLE:
            return None

    def signed_by(self, issuer: Certificate) -> bool:
        """Whether *issuer* issued it: by name, signature and an algorithm that is allowed."""
        if self._issuer != issuer._subject or not isinstance(self.hash_algorithm, _HASHES):
            return False
        try:
            self._parsed.verify_directly_issued_by(issuer._parsed)
        except (InvalidSignature, *_UNREADABLE):
            return False
        return True

    def fits(self, key: KeyRef) -> bool:
        """Whether an end entity's certificate may be imported as *key*, by its function and its purpose."""
        constraints, usage = self._constraints, self._usage
        if (constraints is not None and constraints.ca) or usage is None:
            return False
        if self._function != ["GWA" if key in GWA_KEYS else "SMGW"]:
            return False
        if key is KeyRef.GWA_ENC or key in ENC_KEYS:
            return usage.key_agreement and not usage.digital_signature
        for_tls = key is KeyRef.GWA_TLS or key in TLS_KEYS
        return usage.digital_signature and (ExtensionOID.EXTENDED_KEY_USAGE in self._extensions) is for_tls

    def _name_constraints(self) -> tuple[list[_Rdns], list[_Rdns]]:
        """Name spaces that are permitted and excluded.

        :raises Refused: 6A80, there are some of another kind than directory names.
        """
        found = self._extensions.get(ExtensionOID.NAME_CONSTRAINTS)
        if found is None:
            return [], []
        constraints = found.value
        spaces: list[list[_Rdns]] = []
        for names in (constraints.permitted_subtrees, constraints.excluded_subtrees):
            if not all(isinstance(name, x509.DirectoryName) for name in names or ()):
                raise Refused(StatusWord.INCORRECT_DATA)
            spaces.append([list(name.value.rdns) for name in names or ()])
        return spaces[0], spaces[1]

    @property
    def _constraints(self) -> x509.BasicConstraints | None:
        found = self._extensions.get(ExtensionOID.BASIC_CONSTRAINTS)
        return found.value if found is not None and isinstance(found.value, x509.BasicConstraints) else None

    @property
    def _usage(self) -> x509.KeyUsage | None:
        found = self._extensions.get(ExtensionOID.KEY_USAGE)
        return found.value if found is not None and isinstance(found.value, x509.KeyUsage) else None


@functools.lru_cache(maxsize=64)
def certificate_of(der: bytes) -> Certificate:
    """A certificate that is in the module; read once, as long as it is not forgotten.

    :raises Refused: as :class:`Certificate`.
    """
    return Certificate(der)


def check_root(root: Certificate, now: float) -> None:
    """Whether a certificate may become the root (SM-PKI-Root-Zertifikat): self-signed, an authority, valid.

    :param now: seconds since 1970.
    :raises Refused: 6A80, if not.
    """
    if not (root.is_authority and root.admits_below(1) and root.valid_at(now) and root.signed_by(root)):
        raise Refused(StatusWord.INCORRECT_DATA)


def check_issued(
    certificate: Certificate, key: KeyRef, issuer: Certificate, issuer_key: KeyRef, root: Certificate, now: float
) -> None:
    """Whether a certificate may be imported as *key* under *issuer*, which was imported as *issuer_key*.

    :param root: what *issuer* was imported under; *issuer* itself where that is a root.
    :param now: seconds since 1970.
    :raises Refused: 6985, such a key is not certified by such an issuer; 6A80, the certificate is not in order.
    """
    below_sub_ca = key in GWA_KEYS or key in OWN_KEYS
    if below_sub_ca is not (issuer_key is KeyRef.SUB_CA):
        raise Refused(StatusWord.CONDITIONS_NOT_SATISFIED)
    if below_sub_ca:
        fits = certificate.fits(key)
    else:
        fits = certificate.is_authority and certificate.admits_below(0 if key is KeyRef.SUB_CA else 1)
        # A Sub-CA has no authority of its own below it; a link certificate stands in the root's place.
        fits = fits and issuer.admits_below(0 if key is KeyRef.SUB_CA else 1)
    fits = fits and issuer.admits_name_of(certificate) and root.admits_name_of(certificate)
    if not (fits and issuer.valid_at(now) and certificate.valid_at(now) and certificate.signed_by(issuer)):
        raise Refused(StatusWord.INCORRECT_DATA)
