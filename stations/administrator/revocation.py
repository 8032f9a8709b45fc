"""What a gateway was ever issued, looked at and revoked; when the GWA may say that all of it is revoked (ch. 11, 12).

A CA may be wrong, late, or lie: it may leave a certificate out of its directory, take an order and do nothing, or give
a CRL of yesterday. So what the GWA, the record and the gateway know of has to be in the directory, and what the GWA
attests it has seen on a CRL that is in force.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core import Gateway
from gateway.evidence import ATTESTATION
from gateway.module import DeviceError
from lifecycle.canonical import JournalError, decode_signature
from lifecycle.functions import Credential
from lifecycle.gate import Closed
from lifecycle.journal import Json, SignedEntry, read_entry
from lifecycle.parties import Clock
from securitymodule.coding import OWN_KEYS
from securitymodule.errors import ModuleError
from securitymodule.statements import Attestation, SignedAttestation, StatementError
from smpki.certificates import fingerprint
from smpki.errors import SmPkiError
from smpki.inprocess import PublishingAuthority
from smpki.names import Function, PkiName
from smpki.orders import Change, Reason, StatusOrder
from smpki.path_errors import Failure, PathInvalid, describe
from smpki.signed import Signer
from smpki.validation import PathValidator
from stations.administrator.issued import AdministrationError, Archive, Looked, Standing

_BY_FAILURE = {
    Failure.REVOKED: Standing.REVOKED,
    Failure.SUSPENDED: Standing.SUSPENDED,
    Failure.EXPIRED: Standing.ENDED,
}


@dataclass(frozen=True, slots=True)
class Revocation:
    """Every certificate of a gateway, seen revoked.

    :ivar certificates: fingerprints of those that are on a CRL in force.
    :ivar ended: fingerprints of those whose validity is over; nobody believes them, and no CRL need list them.
    :ivar crls: the CRLs: of whom, which number, SHA-256 of the DER.
    """

    certificates: tuple[str, ...]
    ended: tuple[str, ...]
    crls: tuple[tuple[str, int, str], ...]

    def told(self) -> dict[str, Json]:
        """As the record tells it."""
        return {
            "certificates": list(self.certificates),
            "ended": list(self.ended),
            "crls": [{"issuer": issuer, "number": number, "sha256": digest} for issuer, number, digest in self.crls],
        }


@dataclass(frozen=True, slots=True)
class _Sight:
    """What the CAs say at one time."""

    looked: list[Looked]
    crls: list[x509.CertificateRevocationList]


class Issued:
    """What was issued to gateways.

    :param cas: the CAs that have issued, or may have.
    :param validator: with the pinned Root.
    :param archive: what the GWA has received itself.
    """

    def __init__(
        self, cas: Sequence[PublishingAuthority], validator: PathValidator, archive: Archive, clock: Clock
    ) -> None:
        self._cas = tuple(cas)
        self._validator = validator
        self._archive = archive
        self._clock = clock

    def look(self, gateway: str) -> list[Looked]:
        """Every certificate that the CAs list or the archive holds, and what it is; the oldest generation first.

        :param gateway: identification, DIN 43863-5.
        :raises NameRuleError: if it is none.
        :raises Refused: if a CA does not say.
        :raises AdministrationError: if a CA tells of somebody else's.
        """
        return self._sight(gateway).looked

    def revoke(self, looked: Sequence[Looked], reason: Reason, signer: Signer) -> None:
        """Order each CA to revoke what it issued.

        :raises Refused: if one does not.
        """
        for number, ca in enumerate(self._cas):
            if marks := tuple(one.mark for one in looked if one.listed_by == number):
                ca.change_status(StatusOrder(Change.REVOKE, marks, reason, self._clock()).signed(signer))

    def seen_revoked(self, gateway: Gateway, entries: Iterable[SignedEntry]) -> Revocation:
        """See that every certificate of a gateway is revoked, by directories and CRLs fetched now.

        :param entries: the gateway's record.
        :raises AdministrationError: if one is not, or it cannot be told, or one is known of that no CA lists.
        """
        sight = self._sight(gateway.id)
        if not sight.looked:
            raise AdministrationError(f"no CA lists any certificate of {gateway.id}, which cannot be")
        listed = {one.mark for one in sight.looked if one.listed_by is not None}
        known = {
            "the GWA has received": {one.mark for one in sight.looked if one.listed_by is None},
            "the record tells of": set(_attested(entries)),
            "the gateway uses": set(_used(gateway)),
        }
        for whence, marks in known.items():
            if missing := sorted(marks - listed):
                raise AdministrationError(f"no CA lists what {whence}: {', '.join(missing)}")
        if open_ := [one for one in sight.looked if one.standing not in {Standing.REVOKED, Standing.ENDED}]:
            told = "; ".join(f"{describe(one.certificate)} is {one.standing}{_because(one)}" for one in open_)
            raise AdministrationError(f"not every certificate of {gateway.id} is seen revoked: {told}")
        issuers = {one.certificate.issuer for one in sight.looked}
        return Revocation(
            tuple(one.mark for one in sight.looked if one.standing is Standing.REVOKED),
            tuple(one.mark for one in sight.looked if one.standing is Standing.ENDED),
            tuple(_told_crl(crl) for crl in sight.crls if crl.issuer in issuers),
        )

    def _sight(self, gateway: str) -> _Sight:
        root = PkiName.of(self._validator.root.subject)
        holder = PkiName(gateway, Function.SMGW, root.environment).common_name
        found: dict[str, tuple[x509.Certificate, int | None]] = {}
        intermediates: list[x509.Certificate] = []
        crls: list[x509.CertificateRevocationList] = []
        for number, ca in enumerate(self._cas):
            listed = ca.certificates(holder)
            for issuer in {certificate.issuer for certificate in listed}:
                intermediates += ca.chain(issuer)
            crls += [crl for crl in ca.crls() if crl not in crls]
            found |= {fingerprint(certificate): (certificate, number) for certificate in listed}
        for certificate in self._archive.of(gateway):
            found.setdefault(fingerprint(certificate), (certificate, None))
        looked = [self._look(gateway, *one, intermediates, crls) for one in found.values()]
        return _Sight(sorted(looked, key=lambda one: (one.number, one.is_operational, one.mark)), crls)

    def _look(
        self,
        gateway: str,
        certificate: x509.Certificate,
        listed_by: int | None,
        intermediates: Sequence[x509.Certificate],
        crls: Sequence[x509.CertificateRevocationList],
    ) -> Looked:
        try:
            name = PkiName.of(certificate.subject)
        except SmPkiError as error:
            raise AdministrationError(f"a certificate is said to be of {gateway}: {error}") from error
        if (name.organisation, name.function) != (gateway, Function.SMGW):
            raise AdministrationError(f"a certificate of {name} is said to be one of {gateway}")
        try:
            self._validator.validate(certificate, at=self._clock(), intermediates=intermediates, crls=crls)
        except PathInvalid as error:
            ours = error.subject == describe(certificate)
            standing = _BY_FAILURE.get(error.failure, Standing.UNCLEAR) if ours else Standing.UNCLEAR
            return Looked(certificate, standing, str(error), listed_by)
        return Looked(certificate, Standing.GOOD, "", listed_by)


def _because(one: Looked) -> str:
    return f" ({one.words})" if one.standing is Standing.UNCLEAR else ""


def _told_crl(crl: x509.CertificateRevocationList) -> tuple[str, int, str]:
    number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    return str(PkiName.of(crl.issuer)), number, hashlib.sha256(crl.public_bytes(Encoding.DER)).hexdigest()


def _attested(entries: Iterable[SignedEntry]) -> Iterator[str]:
    """Fingerprints of the gateway's own certificates that its module has told of in the record."""
    for signed in entries:
        entry = read_entry(signed.body)
        told = entry.payload.get("detail", {}).get(ATTESTATION)
        if told is None:
            continue
        try:
            attestation = Attestation.decode(SignedAttestation.decode(decode_signature(told)).body)
        except (JournalError, StatementError, TypeError) as error:
            raise AdministrationError(f"the attestation in entry {entry.sequence} cannot be read: {error}") from error
        for statement in attestation.keys:
            if statement.key in OWN_KEYS and statement.certificate_hash is not None:
                yield statement.certificate_hash.hex()


def _used(gateway: Gateway) -> list[str]:
    """Fingerprints of the certificates that the gateway says it uses; none where it does not answer any more."""
    try:
        status = gateway.administration.status(Credential.GWA_CERTIFICATE)
    except (Closed, ModuleError, DeviceError):
        return []
    return [fingerprint(held.certificate) for held in status.certificates.values()]
