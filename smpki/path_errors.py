"""Why a path is not believed, and how messages speak of a certificate."""

from __future__ import annotations

from enum import StrEnum, unique

from cryptography import x509
from cryptography.x509.oid import NameOID

from smpki.errors import SmPkiError
from smpki.names import PkiName
from smpki.profiles import profile_of


@unique
class Failure(StrEnum):
    """Why a path is not believed."""

    MALFORMED = "malformed"
    """A certificate cannot be read."""
    UNKNOWN_ISSUER = "unknown issuer"
    """The path does not reach the pinned Root with the certificates at hand."""
    SIGNATURE = "signature"
    """A certificate was not signed by the one that it names."""
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    REVOKED = "revoked"
    SUSPENDED = "suspended"
    """Revoked for the time being (certificateHold)."""
    NO_CRL = "no CRL"
    """There is none of a CA in the path, or none that it signed."""
    STALE_CRL = "stale CRL"
    """There is one, but it is not in force at the time."""
    NOT_A_CA = "not a CA"
    """A certificate was used to issue another and may not."""
    PATH_TOO_LONG = "path too long"
    NAME_CONSTRAINT = "name constraint"
    """A name outside the name space that its CA was given."""
    NAME = "name"
    """A name that the SM-PKI does not give."""
    ALGORITHM = "algorithm"
    """A signature algorithm or hash that is not the one of tier and year."""
    CURVE = "curve"
    """A key on another curve than that of tier and year."""
    USAGE = "usage"
    """A certificate for something else than what it is used for, or of no profile."""
    OTHER = "other"
    """Anything else that RFC 5280 asks for, such as an unknown critical extension."""


class PathInvalid(SmPkiError):
    """A path is not believed.

    :ivar failure: why.
    :ivar subject: which certificate of the path it is about, as :func:`describe` writes it.
    """

    def __init__(self, failure: Failure, subject: str, words: str) -> None:
        super().__init__(f"{subject} {words}")
        self.failure = failure
        self.subject = subject


def describe(certificate: x509.Certificate) -> str:
    """A certificate in a message: what it is and whose, such as ``the Sub-CA certificate of Energie.CA (1)``."""
    try:
        name = PkiName.of(certificate.subject)
        label = profile_of(certificate).label
    except (SmPkiError, ValueError):
        return f"the certificate of {common_name(certificate.subject)}"
    return f"the {label} certificate of {name} ({name.number})"


def read_certificate(der: bytes) -> x509.Certificate:
    """Read a certificate and everything in it.

    :raises PathInvalid: if it is malformed anywhere.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.public_key()
        _ = certificate.extensions, certificate.subject, certificate.issuer, certificate.signature_hash_algorithm
    except Exception as error:  # the parser raises several kinds, among them UnsupportedAlgorithm
        raise PathInvalid(Failure.MALFORMED, "a certificate", f"cannot be read: {error}") from error
    return certificate


def common_name(name: x509.Name) -> str:
    """The CN of any name, or the whole of it where there is none."""
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string() or "nobody"
