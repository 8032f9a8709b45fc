"""What the gateway shows of itself: its software, and the certificates that its signatures are checked with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from cryptography import x509

from gateway.configuration_folder import ConfigurationFolder
from gateway.firmware import SOFTWARE, installed_firmware, own_version
from gateway.han.data import FirmwarePart, WanCertificate
from gateway.pki.certificates import Certificates, HeldCertificate
from gateway.pki.keys import der_of
from gateway.pki.seal import KeptCertificates
from securitymodule.errors import ModuleError
from smpki.profiles import KeyUse


def own_firmware() -> tuple[FirmwarePart, ...]:
    """The installed software.

    :raises gateway.firmware.FirmwareError: if it cannot be read.
    """
    return (FirmwarePart(SOFTWARE, own_version(), installed_firmware()),)


class PresentedCertificates:
    """The SIG certificates: those in the module, and those that have signed and were renewed since.

    Number 0 is the seal's (Gütesiegel), which is kept when the module gives it up; the others are counted from 1,
    oldest first. One whose Sub-CA's certificate the gateway has not is left out: nobody could follow it.
    """

    def __init__(
        self,
        certificates: Certificates,
        kept: KeptCertificates,
        quality: KeptCertificates,
        issuers: KeptCertificates,
        configuration: ConfigurationFolder | None,
    ) -> None:
        """:param certificates: those in the module.
        :param kept: those that have signed.
        :param quality: that of the seal.
        :param issuers: those of the Sub-CAs that issued what came later.
        :param configuration: where the certificate of the first Sub-CA came with the initial configuration.
        """
        self._certificates = certificates
        self._kept = kept
        self._quality = quality
        self._issuers = issuers
        self._configuration = configuration
        self._remembered: tuple[WanCertificate, ...] | None = None

    def forget(self) -> None:
        """Look anew the next time: they may have been renewed."""
        self._remembered = None

    def __call__(self) -> tuple[WanCertificate, ...]:
        """Them as they are now. Where the module cannot be asked, those that have signed."""
        remembered = self._remembered
        if remembered is None:
            try:
                remembered = self._remembered = self._found(self._certificates.held())
            except ModuleError:
                return self._found([])
        return remembered

    def _found(self, every: Sequence[HeldCertificate]) -> tuple[WanCertificate, ...]:
        held = [found for found in every if found.use is KeyUse.SIG]
        seals = [found.certificate for found in held if not found.operational] or list(self._quality)[:1]
        others = {
            der_of(one): one for one in (*self._kept, *(found.certificate for found in held if found.operational))
        }
        for seal in seals:
            others.pop(der_of(seal), None)
        ordered = sorted(
            others.values(), key=lambda one: (one.not_valid_before_utc, hashlib.sha256(der_of(one)).digest())
        )
        issuers = self._known_issuers()
        return tuple(
            WanCertificate(number, der_of(one), issuers[one.issuer])
            for number, one in [*((0, seal) for seal in seals), *enumerate(ordered, start=1)]
            if one.issuer in issuers
        )

    def _known_issuers(self) -> dict[x509.Name, bytes]:
        """The certificates of Sub-CAs, DER, by name."""
        initial = self._configuration.initial() if self._configuration is not None else None
        first = [x509.load_der_x509_certificate(initial.certificates[0])] if initial is not None else []
        return {one.subject: der_of(one) for one in (*first, *self._issuers)}
