"""The HAN interface's own private key and self-signed certificate (TR-03116-3 5.1.1), in a file of its own.

It is not in the security module, whose keys are for the WAN. The curve is secp256r1 unless asked otherwise: clients on
a stock OpenSSL refuse a certificate on a brainpool curve.
"""

from __future__ import annotations

import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.module import DeviceError
from securitymodule.card import durable

FILE: Final = "han.pem"
"""Name of the file in a gateway's folder."""
HOST: Final = "smgw.local"
"""Name by which the gateway is reached at the HAN."""
LIFETIME: Final = timedelta(days=7 * 365)
"""Validity of a certificate; ours, that of the LMN's self-signed ones."""
CURVES: Final = MappingProxyType(
    {curve.name: curve for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.BrainpoolP256R1())}
)
"""Curves that the key may be on."""


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """Key and certificate of the interface.

    :ivar path: PEM file with both, readable by its owner only.
    :ivar certificate: the certificate.
    """

    path: Path
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        """The certificate, DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @classmethod
    def open_or_make(
        cls, path: Path, gateway: str, clock: Callable[[], datetime], curve: str = "secp256r1"
    ) -> OwnCertificate:
        """The one in a file; a new one, durably written, where there is no file or its certificate has ended.

        :param gateway: identification, DIN 43863-5.
        :param clock: the time, UTC.
        :param curve: one of :data:`CURVES`; for a new key.
        :raises DeviceError: if the file cannot be read or written, others can read it, or it holds something else.
        """
        try:
            if path.exists():
                kept = cls._open(path)
                if kept.certificate.not_valid_after_utc > clock():
                    return kept
            return cls._make(path, gateway, clock(), curve)
        except OSError as error:
            raise DeviceError(f"cannot read or write the key of the HAN interface {path}: {error.strerror}") from error

    @classmethod
    def _open(cls, path: Path) -> OwnCertificate:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise DeviceError(f"others than its owner can open the key of the HAN interface {path} (mode {mode:04o})")
        data = path.read_bytes()
        try:
            certificate = x509.load_pem_x509_certificate(data)
            key = serialization.load_pem_private_key(data, None)
        except (ValueError, TypeError):
            raise DeviceError(f"{path} does not hold the key and certificate of a HAN interface") from None
        if key.public_key() != certificate.public_key():
            raise DeviceError(f"{path} holds a key and another one's certificate")
        return cls(path, certificate)

    @classmethod
    def _make(cls, path: Path, gateway: str, now: datetime, curve: str) -> OwnCertificate:
        key = ec.generate_private_key(CURVES[curve])
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, gateway)])
        usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + LIFETIME)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.parent.mkdir(parents=True, exist_ok=True, mode=durable.PRIVATE_FOLDER)
        beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            durable.create(beside, private + certificate.public_bytes(serialization.Encoding.PEM))
            beside.replace(path)
            durable.sync_folder(path.parent)
        finally:
            beside.unlink(missing_ok=True)
        return cls(path, certificate)
