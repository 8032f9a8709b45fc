"""Chains, good and broken in one way each, and what OpenSSL says about them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from smpki.algorithms import Digest
from smpki.certificates import Issuer, Revocation, compose_crl
from smpki.keys import SoftwareKey
from smpki.names import Environment, Function, PkiName, namespace, root_name
from smpki.profiles import END_ENTITIES, ROOT, SUB_CA, KeyUse, Profile, RequestType

AT = datetime(2030, 6, 1, tzinfo=UTC)
"""When the chains are looked at."""
DAY = timedelta(days=1)


@cache
def key(label: str, curve: str = "brainpoolP256r1") -> ec.EllipticCurvePrivateKey:
    """A key that is the same whenever it is asked for by this label."""
    domains = {
        "brainpoolP256r1": ec.BrainpoolP256R1(),
        "brainpoolP384r1": ec.BrainpoolP384R1(),
        "brainpoolP512r1": ec.BrainpoolP512R1(),
        "secp256r1": ec.SECP256R1(),
        "secp256k1": ec.SECP256K1(),
    }
    return ec.generate_private_key(domains[curve])


@dataclass(frozen=True)
class Cert:
    """A certificate to be made; by default what its profile says."""

    profile: Profile
    name: x509.Name
    key: ec.EllipticCurvePrivateKey
    not_before: datetime = AT - 30 * DAY
    not_after: datetime = AT + 300 * DAY
    digest: Digest = Digest.SHA384
    serial: int = 7
    path_length: int | None = None
    constrained: bool = False
    drop: tuple[x509.ObjectIdentifier, ...] = ()
    extra: tuple[x509.ExtensionType, ...] = ()
    extra_critical: bool = False
    key_identifier_of: ec.EllipticCurvePrivateKey | None = None
    """Whose key the authority key identifier names, where it is not the issuer's."""

    def made(self, issuer: x509.Name, issuer_key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        """Signed."""
        public = self.key.public_key()
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(self.serial)
            .not_valid_before(self.not_before)
            .not_valid_after(self.not_after)
        )
        authority = (self.key_identifier_of or issuer_key).public_key()
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(self.profile.is_ca, self.path_length if self.profile.is_ca else None), True),
            (self.profile.usage, True),
            (x509.SubjectKeyIdentifier.from_public_key(public), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(authority), False),
        ]
        if self.profile.extended_key_usage:
            extensions.append((x509.ExtendedKeyUsage(self.profile.extended_key_usage), False))
        if self.profile.policy:
            policies = x509.CertificatePolicies([x509.PolicyInformation(self.profile.policy, None)])
            extensions.append((policies, False))
        if self.constrained:
            below = x509.DirectoryName(x509.Name(namespace(Environment.TEST)))
            extensions.append((x509.NameConstraints([below], None), True))
        extensions += [(extension, self.extra_critical) for extension in self.extra]
        for extension, critical in extensions:
            if extension.oid not in self.drop:
                builder = builder.add_extension(extension, critical)
        return builder.sign(issuer_key, self.digest.algorithm)


ROOT_KEY, SUB_KEY, LEAF_KEY = key("root", "brainpoolP512r1"), key("sub", "brainpoolP384r1"), key("leaf")
ROOT_NAME = root_name(Environment.TEST).distinguished()
SUB_NAME = PkiName("Energie", Function.CA, Environment.TEST).distinguished()
LEAF_NAME = PkiName("Admin", Function.GWA, Environment.TEST).distinguished()

ROOT_CERT = Cert(ROOT, ROOT_NAME, ROOT_KEY, digest=Digest.SHA512, serial=1, not_after=AT + 3000 * DAY)
SUB_CERT = Cert(
    SUB_CA, SUB_NAME, SUB_KEY, digest=Digest.SHA512, serial=2, path_length=0, constrained=True, not_after=AT + 900 * DAY
)
LEAF_CERT = Cert(END_ENTITIES[RequestType.GWA, KeyUse.TLS], LEAF_NAME, LEAF_KEY, serial=3)


@dataclass(frozen=True)
class Chain:
    """What a validator is given."""

    root: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]
    leaf: x509.Certificate
    crls: tuple[x509.CertificateRevocationList, ...]
    at: datetime = AT
    use: KeyUse | None = None


def crl(
    name: x509.Name,
    signing: ec.EllipticCurvePrivateKey,
    digest: Digest,
    *lines: Revocation,
    at: datetime = AT - DAY,
    lifetime: timedelta = 7 * DAY,
    number: int = 1,
) -> x509.CertificateRevocationList:
    """A CRL."""
    return compose_crl(lines, Issuer(PkiName.of(name), SoftwareKey(signing), digest), number, at, lifetime)


def chain(root: Cert = ROOT_CERT, sub: Cert = SUB_CERT, leaf: Cert = LEAF_CERT) -> Chain:
    """Root, Sub-CA, end entity and both CRLs."""
    root_certificate = root.made(root.name, root.key)
    return Chain(
        root_certificate,
        (sub.made(root.name, root.key),),
        leaf.made(sub.name, sub.key),
        (
            crl(ROOT_NAME, ROOT_KEY, Digest.SHA512, lifetime=30 * DAY),
            crl(SUB_NAME, SUB_KEY, Digest.SHA384),
        ),
    )


def revoked(serial: int, reason: x509.ReasonFlags, since: datetime = AT - 2 * DAY) -> Revocation:
    """A line of a CRL."""
    return Revocation(serial, since, reason)


def flipped(certificate: x509.Certificate) -> x509.Certificate:
    """The same with one bit of its signature turned over."""
    der = bytearray(certificate.public_bytes(serialization.Encoding.DER))
    der[-5] ^= 1
    return x509.load_der_x509_certificate(bytes(der))


def signed_with_sha1(certificate: x509.Certificate, issuer_key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """The same, signed by ecdsa-with-SHA1: cryptography does not make such a thing any more."""
    parsed = asn1_x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))
    parsed["tbs_certificate"]["signature"] = {"algorithm": "sha1_ecdsa"}
    parsed["signature_algorithm"] = {"algorithm": "sha1_ecdsa"}
    tbs = parsed["tbs_certificate"].dump(force=True)
    parsed["signature_value"] = issuer_key.sign(tbs, ec.ECDSA(hashes.SHA1()))  # noqa: S303  that is the point
    return x509.load_der_x509_certificate(parsed.dump(force=True))


def with_compressed_point(leaf: Cert, issuer: x509.Name, issuer_key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """A certificate whose key is encoded compressed (TR-03116-3 2.2 does not have that)."""
    certificate = leaf.made(issuer, issuer_key)
    parsed = asn1_x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))
    point = leaf.key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    parsed["tbs_certificate"]["subject_public_key_info"]["public_key"] = point
    tbs = parsed["tbs_certificate"].dump(force=True)
    parsed["signature_value"] = issuer_key.sign(tbs, ec.ECDSA(leaf.digest.algorithm))
    return x509.load_der_x509_certificate(parsed.dump(force=True))


def openssl_says(chain: Chain, folder: Path) -> str:
    """``OK`` or the errors of ``openssl verify``, with CRLs required for every certificate and strict checks."""
    pem = serialization.Encoding.PEM
    (folder / "root.pem").write_bytes(chain.root.public_bytes(pem))
    (folder / "sub.pem").write_bytes(b"".join(c.public_bytes(pem) for c in chain.intermediates))
    (folder / "leaf.pem").write_bytes(chain.leaf.public_bytes(pem))
    (folder / "crls.pem").write_bytes(b"".join(c.public_bytes(pem) for c in chain.crls))
    purpose = {KeyUse.TLS: ["-purpose", "sslclient"], KeyUse.SIG: ["-purpose", "smimesign"]}
    command = [
        *("openssl", "verify", "-x509_strict", "-crl_check_all", "-auth_level", "2"),
        *("-attime", str(int(chain.at.timestamp()))),
        *("-CAfile", "root.pem"),
        *(("-untrusted", "sub.pem") if chain.intermediates else ()),
        *(("-CRLfile", "crls.pem") if chain.crls else ()),
        *(purpose.get(chain.use, []) if chain.use else []),
        "leaf.pem",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return "OK" if done.returncode == 0 else done.stderr


Break = Callable[[], Chain]
