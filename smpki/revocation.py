"""Whether a certificate is on its issuer's CRL (RFC 5280 6.3), for the CRLs that the SM-PKI has: complete and direct.

The path validator that :mod:`smpki.validation` stands on could do this too; but it reads a list from end to end for
each certificate, and takes one that was revoked in the very second it is asked about for good. So it stands here: a
CRL is believed under its issuer's key only, the newest that was there at the time counts, and it must be in force.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from smpki.algorithms import Digest, suite_of
from smpki.errors import PolicyError
from smpki.keys import digest_of


@dataclass(frozen=True, slots=True)
class Listed:
    """A certificate is on the CRL."""

    since: datetime
    """Since when, UTC."""
    reason: x509.ReasonFlags
    """Why; certificateHold where it is only suspended."""

    @property
    def suspended(self) -> bool:
        """Whether it may come back (RFC 5280 5.3.1, certificateHold)."""
        return self.reason is x509.ReasonFlags.certificate_hold


@dataclass(frozen=True, slots=True)
class CrlTrouble:
    """There is no CRL to go by."""

    words: str
    """What is the matter, to follow the name of the CA."""
    missing: bool
    """Whether there is none at all; else there is one that is not in force."""


class SignatureMemory:
    """Remembers signatures that were found good, so that a CA's certificate and its CRLs are verified once.

    Only successes are remembered, under a hash of key, signature and data together. Safe across threads.
    """

    def __init__(self, size: int = 4096) -> None:
        self._size = size
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._lock = Lock()

    def knows(self, mark: bytes) -> bool:
        """Whether this was found good before."""
        with self._lock:
            return mark in self._known

    def keep(self, mark: bytes) -> None:
        """Remember it, and forget the oldest where there are too many."""
        with self._lock:
            self._known[mark] = None
            if len(self._known) > self._size:
                self._known.popitem(last=False)

    @staticmethod
    def mark(key_der: bytes, signature: bytes, data: bytes) -> bytes:
        """The hash under which a signature is remembered; lengths stand in it, so that no two cases share one."""
        lengths = b"".join(len(part).to_bytes(8, "big") for part in (key_der, signature, data))
        return digest_of(lengths + key_der + signature + data, _SHA256)


_SHA256: Final = Digest.SHA256.algorithm


def find_crl(
    issuer: x509.Certificate, crls: Iterable[x509.CertificateRevocationList], at: datetime, memory: SignatureMemory
) -> x509.CertificateRevocationList | CrlTrouble:
    """The CRL of *issuer* that counts at a time: of those it signed, the newest that had been published by then.

    An older one does not count although it may still be in force: a suspension in it may have been lifted since.
    """
    own = [crl for crl in crls if crl.issuer == issuer.subject]
    if not own:
        return CrlTrouble("has no CRL here, and without one nothing it issued is believed", missing=True)
    signed = [crl for crl in own if _signed_by(crl, issuer, memory)]
    if not signed:
        return CrlTrouble("has a CRL here that it did not sign, or not by its own algorithm", missing=True)
    published = [crl for crl in signed if crl.last_update_utc <= at]
    if not published:
        first = min(crl.last_update_utc for crl in signed)
        return CrlTrouble(f"has no CRL here that is older than {in_words(first)}", missing=False)
    newest = max(published, key=lambda crl: (crl.last_update_utc, _number(crl)))
    if newest.next_update_utc is None or newest.next_update_utc < at:
        end = newest.next_update_utc
        until = f"ended on {in_words(end)}" if end else "names no next update"
        return CrlTrouble(f"has a CRL here that {until}; a newer one is needed", missing=False)
    if unknown := [e.oid.dotted_string for e in newest.extensions if e.critical]:
        return CrlTrouble(f"has a CRL with critical extensions that are not known: {', '.join(unknown)}", missing=False)
    return newest


def find_revocation(certificate: x509.Certificate, crl: x509.CertificateRevocationList) -> Listed | None:
    """What the CRL of its issuer says about a certificate."""
    entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
    if entry is None:
        return None
    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        reason = x509.ReasonFlags.unspecified
    return Listed(entry.revocation_date_utc, reason)


def in_words(time: datetime) -> str:
    """A time as messages write it: to the second, in UTC."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def _signed_by(crl: x509.CertificateRevocationList, issuer: x509.Certificate, memory: SignatureMemory) -> bool:
    key = issuer.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not _may_sign_crls(issuer):
        return False
    try:
        if crl.signature_algorithm_oid != suite_of(key).signature_oid:
            return False
    except PolicyError:
        return False
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    mark = memory.mark(der, crl.signature, crl.tbs_certlist_bytes)
    if memory.knows(mark):
        return True
    try:
        good = crl.is_signature_valid(key)
    except (ValueError, TypeError):
        return False
    if good:
        memory.keep(mark)
    return good


def _may_sign_crls(issuer: x509.Certificate) -> bool:
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return False


def _number(crl: x509.CertificateRevocationList) -> int:
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return -1
