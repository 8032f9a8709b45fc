"""The parties who sign the record: their keys, and the local operations CA that says who may sign in which role.

Every acting party has an ECDSA key on P-256 (FIPS 186-5) and a certificate of the operations CA (Betriebs-CA; ours, not
the Smart Metering PKI). The certificate's subject says who it is: CN the name, title (2.5.4.12) the role, OU the role
of its principal when the party acts *im Auftrag*. Signatures are ECDSA with SHA-256, DER-encoded (RFC 3279 2.2.3).

A private key stays in its file (PKCS #8 PEM, mode 0600) and in :class:`Party`, whose ``repr`` does not show it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lifecycle.roles import Actor, Role, may_act_for, principal_of

Clock = Callable[[], datetime]
"""Tells the time, UTC with zone. Injected everywhere, so that tests own the time."""

_ECDSA_SHA256 = ec.ECDSA(hashes.SHA256())
_NAME_LIMIT = 64  # X.520 ub-common-name
PARTY_LIFETIME = timedelta(days=730)
"""Validity of a party's certificate: ours, two years."""
AUTHORITY_LIFETIME = timedelta(days=3653)
"""Validity of the operations CA: ours, ten years."""


def utc_now() -> datetime:
    """The system's time, UTC with zone."""
    return datetime.now(UTC)


class PartyError(Exception):
    """A party, its key or its certificate is not what it must be."""


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody who can sign.

    :ivar certificate: the party's certificate.
    :ivar actor: who it is and for whom it acts, as the certificate says.
    """

    certificate: x509.Certificate
    actor: Actor
    _key: ec.EllipticCurvePrivateKey
    certificate_der: bytes = field(init=False)
    """The certificate, DER."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "certificate_der", self.certificate.public_bytes(serialization.Encoding.DER))

    def __repr__(self) -> str:
        return f"Party({self.actor!r})"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a party's private key is not serialised")

    def sign(self, data: bytes) -> bytes:
        """ECDSA with SHA-256 over *data*, DER."""
        return self._key.sign(data, _ECDSA_SHA256)

    def save(self, folder: Path) -> None:
        """Write ``party.key`` and ``party.pem`` into *folder*, which is made where it is missing.

        :raises PartyError: if a key lies there already: a key is never overwritten.
        """
        folder.mkdir(parents=True, exist_ok=True)
        _write_key(folder / "party.key", self._key)
        (folder / "party.pem").write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    @classmethod
    def load(cls, folder: Path) -> Party:
        """Read what :meth:`save` wrote.

        :raises PartyError: if files are missing, unreadable, or key and certificate do not belong together.
        """
        certificate, key = _read_pair(folder / "party.pem", folder / "party.key")
        return cls(certificate, actor_of(certificate), key)


class OperationsAuthority:
    """The operations CA: issues the parties' certificates.

    :ivar certificate: its self-signed certificate, the trust anchor of every record under it.
    """

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate = certificate
        self._key = key

    @classmethod
    def create(cls, name: str = "SMGW operations CA", clock: Clock = utc_now) -> OperationsAuthority:
        """A new CA with a new key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _checked_name(name))])
        now = clock().replace(microsecond=0)
        certificate = (
            _builder(subject, subject, key.public_key(), now, AUTHORITY_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def open(cls, folder: Path, clock: Clock = utc_now) -> OperationsAuthority:
        """The CA kept in *folder* (``ca.pem``, ``ca.key``), created where there is none.

        :raises PartyError: if its files are unreadable or do not belong together.
        """
        if not (folder / "ca.pem").exists():
            folder.mkdir(parents=True, exist_ok=True)
            authority = cls.create(clock=clock)
            _write_key(folder / "ca.key", authority._key)
            (folder / "ca.pem").write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
        return cls(*_read_pair(folder / "ca.pem", folder / "ca.key"))

    def enrol(self, role: Role, name: str, on_behalf_of: Role | None = None, clock: Clock = utc_now) -> Party:
        """A new party with a new key and a certificate.

        :param role: the role it will act in.
        :param name: its name, 1 to 64 characters.
        :param on_behalf_of: its principal; by default the one that the role always acts for.
        :raises PartyError: if the name is unusable or the role cannot act for that principal.
        """
        principal = on_behalf_of or principal_of(role)
        if not may_act_for(role, principal):
            raise PartyError(f"{role} cannot act for {principal}")
        attributes = [
            x509.NameAttribute(NameOID.COMMON_NAME, _checked_name(name)),
            x509.NameAttribute(NameOID.TITLE, str(role)),
        ]
        if principal is not None:
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, str(principal)))
        key = ec.generate_private_key(ec.SECP256R1())
        now = clock().replace(microsecond=0)
        certificate = (
            _builder(x509.Name(attributes), self.certificate.subject, key.public_key(), now, PARTY_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(certificates=False), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        return Party(certificate, actor_of(certificate), key)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A certificate that was found good: who it speaks for, and from when to when.

    :ivar actor: who signs with it.
    :ivar not_before: beginning of validity, UTC.
    :ivar not_after: end of validity, UTC.
    """

    actor: Actor
    not_before: datetime
    not_after: datetime
    _key: ec.EllipticCurvePublicKey

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether *signature* is this party's over *data*."""
        try:
            self._key.verify(signature, data, _ECDSA_SHA256)
        except InvalidSignature:
            return False
        return True


class Trust:
    """The pinned operations CA: turns a certificate into credentials, or says why not.

    :ivar authority: the CA's certificate.
    """

    def __init__(self, authority: x509.Certificate) -> None:
        self.authority = authority
        self._known: dict[bytes, Credentials] = {}

    @classmethod
    def load(cls, path: Path) -> Trust:
        """Pin the CA certificate in a PEM file.

        :raises PartyError: if the file cannot be read or holds no certificate.
        """
        try:
            return cls(x509.load_pem_x509_certificate(path.read_bytes()))
        except (OSError, ValueError) as error:
            raise PartyError(f"cannot read the operations CA's certificate from {path}: {error}") from error

    def credentials(self, certificate_der: bytes) -> Credentials:
        """Check a certificate under the pinned CA. Its validity is for the caller to compare with a time.

        :raises PartyError: naming what is wrong with it.
        """
        known = self._known.get(certificate_der)
        if known is None:
            known = self._check(certificate_der)
            if len(self._known) > 4096:
                self._known.clear()
            self._known[certificate_der] = known
        return known

    def _check(self, certificate_der: bytes) -> Credentials:
        try:
            certificate = x509.load_der_x509_certificate(certificate_der)
            certificate.verify_directly_issued_by(self.authority)
            constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
            usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
            key = certificate.public_key()
        except Exception as error:  # the library has many words for bytes that are no certificate; none of them passes
            raise PartyError(f"not issued by the pinned operations CA: {str(error) or type(error).__name__}") from error
        # The bits that end a signature's last byte carry nothing, and would give one certificate several fingerprints.
        if not certificate_der.endswith(b"\x00" + certificate.signature):
            raise PartyError("a certificate that is not DER: bits of its signature are said to be unused")
        if constraints.ca or not usage.digital_signature:
            raise PartyError("a certificate for something else than signing entries")
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise PartyError("a certificate whose key is not on P-256")
        return Credentials(
            actor_of(certificate), certificate.not_valid_before_utc, certificate.not_valid_after_utc, key
        )


def fingerprint_of(certificate_der: bytes) -> str:
    """SHA-256 of a certificate's DER, 64 hexadecimal digits: its address beside a record."""
    return hashlib.sha256(certificate_der).hexdigest()


def actor_of(certificate: x509.Certificate) -> Actor:
    """Who a party certificate speaks for.

    :raises PartyError: if its subject names no role, or a principal that the role cannot have.
    """
    subject = certificate.subject

    def single(oid: x509.ObjectIdentifier) -> str | None:
        values = subject.get_attributes_for_oid(oid)
        if len(values) > 1:
            raise PartyError(f"a subject with {len(values)} values for {oid.dotted_string}")
        return str(values[0].value) if values else None

    name, title, unit = (single(oid) for oid in (NameOID.COMMON_NAME, NameOID.TITLE, NameOID.ORGANIZATIONAL_UNIT_NAME))
    try:
        role = Role(title or "")
        principal = Role(unit) if unit is not None else None
    except ValueError as error:
        raise PartyError(f"a subject without a role: {subject.rfc4514_string()}") from error
    if not name or not may_act_for(role, principal):
        raise PartyError(
            f"a subject without a name or with a principal the role cannot have: {subject.rfc4514_string()}"
        )
    der = certificate.public_bytes(serialization.Encoding.DER)
    return Actor(role, name, principal, fingerprint_of(der))


def _checked_name(name: str) -> str:
    if not name.strip() or len(name) > _NAME_LIMIT or not name.isprintable():
        raise PartyError(f"a name has 1 to {_NAME_LIMIT} printable characters, not {len(name)}")
    return name


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + lifetime)
    )


def _key_usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise PartyError(f"{path} exists; a key is never overwritten: choose another folder") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)


def _read_pair(certificate_path: Path, key_path: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
    except OSError as error:
        raise PartyError(f"cannot read {error.filename}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise PartyError(f"{certificate_path} or {key_path} is no PEM certificate or unencrypted key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise PartyError(f"{key_path} does not belong to {certificate_path}")
    return certificate, key
