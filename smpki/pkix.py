"""RFC 5280 path validation by pyhanko-certvalidator, and its verdicts in our words.

It is given one path, no clock and no network, and asks nobody: so its coroutine ends without ever waiting, and is run
without an event loop, which works inside one too. Whoever calls it has read every certificate with ``cryptography``
before, whose parser is strict.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, TypeVar

from asn1crypto import algos
from asn1crypto import x509 as asn1_x509
from asn1crypto.keys import PublicKeyInfo
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.context import ValidationContext
from pyhanko_certvalidator.errors import DisallowedAlgorithmError, ExpiredError, NotYetValidError, ValidationError
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.sig_validate import (
    DEFAULT_VALIDATION_CONTEXT,
    DefaultSignatureValidator,
    SignatureValidationContext,
    SignatureValidator,
)
from pyhanko_certvalidator.validate import async_validate_path

from smpki.path_errors import Failure, PathInvalid, describe
from smpki.revocation import SignatureMemory, in_words

T = TypeVar("T")
_NO_TOLERANCE: Final = timedelta(0)
"""Validity is taken to the second."""


class RememberingValidator(SignatureValidator):
    """Verifies signatures, and those of CAs once: see :class:`smpki.revocation.SignatureMemory`."""

    def __init__(self, memory: SignatureMemory) -> None:
        self._memory = memory
        self._verifier = DefaultSignatureValidator()

    def validate_signature(
        self,
        signature: bytes,
        signed_data: bytes,
        public_key_info: PublicKeyInfo,
        signature_algorithm: algos.SignedDigestAlgorithm,
        context: SignatureValidationContext = DEFAULT_VALIDATION_CONTEXT,
    ) -> None:
        """Return if the signature is good, raise as the library's own verifier does if not."""
        key = public_key_info.dump() + signature_algorithm.dump()
        mark = self._memory.mark(key, signature, signed_data)
        if not self._memory.knows(mark):
            self._verifier.validate_signature(signature, signed_data, public_key_info, signature_algorithm, context)
            self._memory.keep(mark)


def check_path(path: Sequence[x509.Certificate], at: datetime, signatures: SignatureValidator) -> None:
    """Whether each certificate of a path was rightly issued by the one before it and is good at a time.

    :param path: from the trusted Root, whose own signature and validity are not looked at here, to the last.
    :raises PathInvalid: naming the first certificate that is not.
    """
    if len(path) == 1:
        return
    chain = [_asn1(certificate.public_bytes(serialization.Encoding.DER)) for certificate in path]
    context = ValidationContext(
        trust_roots=[chain[0]],
        moment=at,
        time_tolerance=_NO_TOLERANCE,
        revocation_mode="soft-fail",
        signature_validator=signatures,
    )
    way = ValidationPath(CertTrustAnchor(chain[0], derive_default_quals_from_cert=True), chain[1:-1], chain[-1])
    try:
        _run(async_validate_path(context, way))
    except (ValidationError, ValueError, TypeError, KeyError) as error:
        # What it found good it has put on record; so the first that is not on record is the one that failed.
        found_good: Callable[[asn1_x509.Certificate], ValidationPath | None] = context.check_validation
        at_fault = next((i for i, link in enumerate(chain) if i and found_good(link) is None), 1)
        raise _explained(error, path, at_fault) from error


@lru_cache(maxsize=256)
def _asn1(der: bytes) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(der, strict=True)


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    coroutine.close()
    raise RuntimeError("path validation wanted to wait for something, and there is nothing to wait for")


def _explained(error: Exception, path: Sequence[x509.Certificate], at_fault: int) -> PathInvalid:
    certificate, issuer = path[at_fault], path[at_fault - 1]
    who = describe(certificate)
    if isinstance(error, ExpiredError):
        return PathInvalid(Failure.EXPIRED, who, f"expired on {in_words(certificate.not_valid_after_utc)}")
    if isinstance(error, NotYetValidError):
        words = f"is valid from {in_words(certificate.not_valid_before_utc)} only"
        return PathInvalid(Failure.NOT_YET_VALID, who, words)
    if isinstance(error, DisallowedAlgorithmError):
        found = certificate.signature_algorithm_oid.dotted_string
        return PathInvalid(Failure.ALGORITHM, who, f"was signed with an algorithm that is not admitted ({found})")
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        words = f"has a signature that {describe(issuer)} did not make"
        return PathInvalid(Failure.SIGNATURE, who, words)
    told = str(error).removeprefix("The path could not be validated because ").rstrip(".")
    below = at_fault < len(path) - 1
    if below and not _is_ca(certificate):
        return PathInvalid(Failure.NOT_A_CA, who, "may not issue certificates, and has issued one")
    if below and any(_path_length(above) is not None for above in path[:at_fault]) and "path length" in told:
        return PathInvalid(Failure.PATH_TOO_LONG, who, "stands where a CA above it allows no further CA")
    if "namespace" in told:
        return PathInvalid(Failure.NAME_CONSTRAINT, who, "has a name outside the name space of its CA")
    return PathInvalid(Failure.OTHER, who, f"is not admitted: {told}")


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        extensions = certificate.extensions
        return (
            extensions.get_extension_for_class(x509.BasicConstraints).value.ca
            and extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
        )
    except x509.ExtensionNotFound:
        return False


def _path_length(certificate: x509.Certificate) -> int | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    except x509.ExtensionNotFound:
        return None
