"""A small Smart Metering PKI to test against: what certificates look like, right and wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from securitymodule.coding import ENC_KEYS, TLS_KEYS, KeyRef

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
"""The time that tests live at."""
SHA256, SHA384 = hashes.SHA256(), hashes.SHA384()
Digest = hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | hashes.SHA224


def name_of(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "SM-Test-PKI-DE"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def usage(*names: str) -> x509.KeyUsage:
    kinds = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{kind: kind in names for kind in kinds})


@dataclass(frozen=True)
class Authority:
    """A CA that can issue."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    hash_algorithm: Digest

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


@dataclass(frozen=True)
class Wish:
    """What a certificate is to say; the defaults are a good one."""

    common_name: str
    public_key: ec.EllipticCurvePublicKey
    key_usage: x509.KeyUsage | None = None
    extended: bool = False
    ca: bool | None = None
    path_length: int | None = None
    not_before: datetime = NOW - timedelta(days=30)
    not_after: datetime = NOW + timedelta(days=700)
    strange: bool = False
    names_within: x509.GeneralName | None = None


def issue(wish: Wish, issuer: Authority | None, own: ec.EllipticCurvePrivateKey, digest: Digest) -> bytes:
    """A certificate (DER), signed by *issuer*'s key, or by *own* where there is none."""
    subject = name_of(wish.common_name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer is not None else subject)
        .public_key(wish.public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(wish.not_before)
        .not_valid_after(wish.not_after)
    )
    if wish.ca is not None:
        constraints = x509.BasicConstraints(wish.ca, wish.path_length if wish.ca else None)
        builder = builder.add_extension(constraints, critical=True)
    if wish.key_usage is not None:
        builder = builder.add_extension(wish.key_usage, critical=True)
    if wish.extended:
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(purposes, critical=False)
    if wish.names_within is not None:
        builder = builder.add_extension(x509.NameConstraints([wish.names_within], None), critical=True)
    if wish.strange:
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
        builder = builder.add_extension(unknown, critical=True)
    return builder.sign(own, digest).public_bytes(Encoding.DER)


def authority(
    common_name: str,
    curve: ec.EllipticCurve,
    digest: Digest,
    issuer: Authority | None = None,
    path_length: int | None = None,
) -> Authority:
    """A root, or a CA below *issuer*."""
    key = ec.generate_private_key(curve)
    signs = usage("key_cert_sign", "crl_sign")
    wish = Wish(common_name, key.public_key(), signs, ca=True, path_length=path_length)
    signer = issuer.key if issuer is not None else key
    der = issue(wish, issuer, signer, issuer.hash_algorithm if issuer is not None else digest)
    return Authority(x509.load_der_x509_certificate(der), key, digest)


def wish_for(key: KeyRef, public_key: ec.EllipticCurvePublicKey, common_name: str) -> Wish:
    """What a good certificate says that is to be imported as *key*."""
    if key is KeyRef.GWA_ENC or key in ENC_KEYS:
        return Wish(common_name, public_key, usage("key_agreement"))
    return Wish(common_name, public_key, usage("digital_signature"), extended=key is KeyRef.GWA_TLS or key in TLS_KEYS)


class Pki:
    """A root on brainpoolP384r1, a Sub-CA on brainpoolP256r1, and an administrator (TR-03116-3, tables 5 and 6)."""

    def __init__(self) -> None:
        self.root = authority("SM-Test-Root.CA", ec.BrainpoolP384R1(), SHA384, path_length=1)
        self.sub_ca = authority("Testwerk.CA", ec.BrainpoolP256R1(), SHA256, self.root, path_length=0)
        self.administrator = {
            key: ec.generate_private_key(ec.BrainpoolP256R1())
            for key in (KeyRef.GWA_TLS, KeyRef.GWA_SIG, KeyRef.GWA_ENC)
        }

    def certificate(
        self, key: KeyRef, public_key: ec.EllipticCurvePublicKey, common_name: str = "EXXX0012345678.SMGW"
    ) -> bytes:
        """A certificate of the Sub-CA."""
        return issue(wish_for(key, public_key, common_name), self.sub_ca, self.sub_ca.key, SHA256)

    def administrator_certificate(self, key: KeyRef) -> bytes:
        """A certificate of the administrator."""
        return self.certificate(key, self.administrator[key].public_key(), "Testwerk.GWA")
