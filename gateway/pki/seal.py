"""The gateway's signature over what bills stand on (FCO_NRO.2): by its SIG key in the security module.

Certificates that have signed are kept beside the module's, so that an entry can be examined when the keys have long
been renewed.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from gateway.pki.certificates import Certificates
from gateway.pki.keys import CertificateRefused, ModuleSigningKey, der_of
from securitymodule.card import durable
from securitymodule.client import SecurityModule
from smpki.profiles import KeyUse
from smpki.signed import Signer

FOLDER: Final = "seals"
"""Name of the folder of such certificates in a gateway's folder."""
QUALITY: Final = "guetesiegel"
"""Name of the folder of the seal's certificate (Gütesiegelzertifikat), which the module gives up when personalised."""
ISSUERS: Final = "issuers"
"""Name of the folder of the certificates of Sub-CAs that issued the gateway's."""
_SUFFIX: Final = ".der"
_SHA_256: Final = ec.ECDSA(Prehashed(hashes.SHA256()))


class KeptCertificates:
    """Certificates that the gateway keeps, by SHA-256, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __iter__(self) -> Iterator[x509.Certificate]:
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            certificate = self.get(path.stem)
            if certificate is not None:
                yield certificate

    def get(self, key: str) -> x509.Certificate | None:
        """The certificate of a fingerprint; ``None`` where there is none, or what there is has another."""
        if len(key) != 2 * hashlib.sha256().digest_size or not set(key) <= set("0123456789abcdef"):
            return None
        try:
            der = (self._folder / f"{key}{_SUFFIX}").read_bytes()
        except FileNotFoundError:
            return None
        if hashlib.sha256(der).hexdigest() != key:
            return None
        return x509.load_der_x509_certificate(der)

    def add(self, certificate: x509.Certificate) -> str:
        """Keep one; when this returns it survives the loss of power.

        :returns: its fingerprint, SHA-256, hexadecimal.
        :raises OSError: if it cannot be written.
        """
        der = der_of(certificate)
        key = hashlib.sha256(der).hexdigest()
        if self.get(key) is None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=durable.PRIVATE_FOLDER)
            durable.replace(self._folder / f"{key}{_SUFFIX}", der)
            durable.sync_folder(self._folder)
        return key

    def verifies(self, key: str, digest: bytes, signature: bytes) -> bool:
        """Whether a signature is this gateway's. See :data:`gateway.sealing.Verifies`."""
        certificate = self.get(key)
        public = certificate.public_key() if certificate is not None else None
        if not isinstance(public, ec.EllipticCurvePublicKey):
            return False
        try:
            public.verify(signature, digest, _SHA_256)
        except InvalidSignature:
            return False
        return True


class ModuleSealer:
    """Signs digests with the gateway's SIG key. Satisfies :class:`gateway.sealing.DigestSigner`."""

    def __init__(
        self, module: Callable[[], SecurityModule], certificates: Certificates, kept: KeptCertificates
    ) -> None:
        """:param module: the gateway's module, its secure channel open.
        :param certificates: what is in it.
        :param kept: where certificates that have signed are kept.
        """
        self._module = module
        self._certificates = certificates
        self._kept = kept
        self._lock = threading.Lock()
        self._using: tuple[SecurityModule, Signer, str] | None = None

    @property
    def key(self) -> str:
        """SHA-256 of the certificate in use, hexadecimal.

        :raises CertificateRefused: if the gateway has no certificates.
        :raises ModuleError: if the module cannot be asked.
        """
        return self._in_use()[1]

    @property
    def signer(self) -> Signer:
        """Certificate and key, for messages (CMS).

        :raises CertificateRefused: if the gateway has no certificates.
        :raises ModuleError: if the module cannot be asked.
        """
        return self._in_use()[0]

    def sign_digest(self, digest: bytes) -> bytes:
        """The signature over a SHA-256 digest: DER of ECDSA-Sig-Value.

        :raises CertificateRefused: if the gateway has no certificates.
        :raises ModuleError: if the module does not do it.
        """
        return self._in_use()[0].key.sign(digest)

    def forget(self) -> None:
        """Look anew which certificate is in use, the next time: they may have been renewed."""
        with self._lock:
            self._using = None

    def verifies(self, key: str, digest: bytes, signature: bytes) -> bool:
        """See :meth:`KeptCertificates.verifies`."""
        return self._kept.verifies(key, digest, signature)

    def _in_use(self) -> tuple[Signer, str]:
        module = self._module()
        with self._lock:
            if self._using is None or self._using[0] is not module:
                signing = self._certificates.current().get(KeyUse.SIG)
                if signing is None:
                    raise CertificateRefused("the gateway has no certificates yet, and so nothing to sign with")
                signer = Signer(signing.certificate, ModuleSigningKey(module, signing.key))
                self._using = (module, signer, self._kept.add(signing.certificate))
            return self._using[1:]
