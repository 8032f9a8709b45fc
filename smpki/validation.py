"""Path validation (RFC 5280 ch. 6) against one pinned Root, with CRLs required, at a given time.

A certificate is believed if a path leads from it to the pinned Root, if every certificate in it is good at the time,
is on no CRL in force, follows one of our profiles, and was made with the algorithms of its tier and year. Nothing is
fetched. What fails is said in words, with the certificate that it fails at.

The path itself is for pyhanko-certvalidator, a maintained implementation that knows Brainpool curves: signatures,
validity, names, constraints, path length, critical extensions. Ours are the choice of the path (there is one at
most), the CRLs (:mod:`smpki.revocation`) and the policy. ``cryptography``'s own verifier refuses Brainpool.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from smpki.certificates import fingerprint
from smpki.names import Function, PkiName
from smpki.path_errors import Failure, PathInvalid, common_name, describe
from smpki.path_policy import check_algorithms, check_order, profile_in_path
from smpki.pkix import RememberingValidator, check_path
from smpki.profiles import LINK, ROOT, KeyUse, Profile
from smpki.revocation import CrlTrouble, SignatureMemory, find_crl, find_revocation, in_words

_LONGEST_PATH: Final = 8
"""Certificates in a path at most, the Root's among them: Root, link certificates, Sub-CA, end entity; ours."""


@dataclass(frozen=True, slots=True)
class ValidatedPath:
    """A path that is believed at a time."""

    certificates: tuple[x509.Certificate, ...]
    """From the Root to the certificate asked about."""
    name: PkiName
    """Whose certificate the last one is."""
    profile: Profile
    """Which kind it is."""


class PathValidator:
    """Validates against one pinned Root. It holds no state but what it has verified, and may be shared by threads.

    :param root: the pinned Root's certificate; its own signature is verified here, once.
    :raises PathInvalid: if it is no Root.
    """

    def __init__(self, root: x509.Certificate) -> None:
        self.root = root
        self._memory = SignatureMemory()
        self._signatures = RememberingValidator(self._memory)
        self._fingerprint = fingerprint(root)
        if profile_in_path(root) is not ROOT:
            raise PathInvalid(Failure.USAGE, describe(root), "is pinned as a Root and is none")
        try:
            root.verify_directly_issued_by(root)
        except (InvalidSignature, ValueError, TypeError) as error:
            raise PathInvalid(Failure.SIGNATURE, describe(root), "did not sign itself") from error

    def validate(
        self,
        certificate: x509.Certificate,
        *,
        at: datetime,
        intermediates: Iterable[x509.Certificate] = (),
        crls: Iterable[x509.CertificateRevocationList] = (),
        use: KeyUse | None = None,
        functions: Collection[Function] = (),
    ) -> ValidatedPath:
        """Whether a certificate is believed.

        :param at: the time, with zone.
        :param intermediates: Sub-CA and link certificates to build the path with; others in it are passed over.
        :param crls: CRLs of all CAs in the path; others are passed over.
        :param use: what its key is wanted for; ``None`` for anything.
        :param functions: who may hold it; none named means anybody.
        :raises PathInvalid: naming the certificate and the reason.
        """
        path = self._path(certificate, list(intermediates))
        self._check_root(at)
        check_path(path, at, self._signatures)
        self._check_crls(path, list(crls), at)
        profiles = [profile_in_path(link) for link in path]
        check_order(path, profiles)
        check_algorithms(path, profiles)
        leaf, profile = path[-1], profiles[-1]
        name = PkiName.of(leaf.subject)
        if use is not None and profile.use is not use:
            raise PathInvalid(Failure.USAGE, describe(leaf), f"is for {profile.use or 'a CA'}, not for {use}")
        if functions and name.function not in functions:
            wanted = " or ".join(functions)
            raise PathInvalid(
                Failure.USAGE, describe(leaf), f"is the certificate of a {name.function}, not of {wanted}"
            )
        return ValidatedPath(tuple(path), name, profile)

    def succeeded_by(
        self,
        root: x509.Certificate,
        *,
        at: datetime,
        links: Iterable[x509.Certificate],
        crls: Iterable[x509.CertificateRevocationList],
    ) -> PathValidator:
        """Pin another Root instead, to which link certificates lead from the one that is pinned.

        :param links: link certificates, one of them for the new Root's key.
        :param crls: CRLs of every Root in between, the new one's not among them.
        :raises PathInvalid: if none leads there, or one is not believed.
        """
        known = list(links)
        for link in known:
            if (link.subject, link.public_key()) == (root.subject, root.public_key()):
                path = self.validate(link, at=at, intermediates=known, crls=crls)
                if path.profile is LINK:
                    return PathValidator(root)
        raise PathInvalid(Failure.UNKNOWN_ISSUER, describe(root), "is led to by no link certificate here")

    def _path(self, certificate: x509.Certificate, intermediates: Sequence[x509.Certificate]) -> list[x509.Certificate]:
        """From the Root down. A certificate says by name and key identifier who issued it, so there is one way up."""
        path = [certificate]
        while fingerprint(path[0]) != self._fingerprint:
            below = path[0]
            issuer = next((above for above in (self.root, *intermediates) if _names_issuer(below, above)), None)
            if issuer is None or issuer in path:
                who = common_name(below.issuer)
                words = f"was issued by {who}, which is not the pinned Root and whose certificate is not here"
                raise PathInvalid(Failure.UNKNOWN_ISSUER, describe(below), words)
            path.insert(0, issuer)
            if len(path) > _LONGEST_PATH:
                words = f"is at the end of a path of more than {_LONGEST_PATH} certificates"
                raise PathInvalid(Failure.PATH_TOO_LONG, describe(certificate), words)
        return path

    def _check_root(self, at: datetime) -> None:
        # RFC 5280 leaves a trust anchor's validity to whoever trusts it: ours ends.
        if at < self.root.not_valid_before_utc:
            words = f"is valid from {in_words(self.root.not_valid_before_utc)} only"
            raise PathInvalid(Failure.NOT_YET_VALID, describe(self.root), words)
        if at > self.root.not_valid_after_utc:
            words = f"expired on {in_words(self.root.not_valid_after_utc)}"
            raise PathInvalid(Failure.EXPIRED, describe(self.root), words)

    def _check_crls(
        self, path: Sequence[x509.Certificate], crls: Sequence[x509.CertificateRevocationList], at: datetime
    ) -> None:
        for issuer, below in pairwise(path):
            crl = find_crl(issuer, crls, at, self._memory)
            if isinstance(crl, CrlTrouble):
                raise PathInvalid(Failure.NO_CRL if crl.missing else Failure.STALE_CRL, describe(issuer), crl.words)
            listed = find_revocation(below, crl)
            if listed is not None and listed.suspended:
                words = f"is suspended since {in_words(listed.since)}"
                raise PathInvalid(Failure.SUSPENDED, describe(below), words)
            if listed is not None:
                words = f"was revoked on {in_words(listed.since)}: {listed.reason.value}"
                raise PathInvalid(Failure.REVOKED, describe(below), words)


def _names_issuer(below: x509.Certificate, above: x509.Certificate) -> bool:
    if below.issuer != above.subject:
        return False
    try:
        wanted = below.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        found = above.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except (x509.ExtensionNotFound, ValueError):
        return True
    return wanted is None or wanted == found
