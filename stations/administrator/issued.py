"""A certificate of a gateway's and what it is by the GWA's own sight; and the archive of what the GWA has received."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path
from typing import Final

from cryptography import x509

from securitymodule.card import durable
from smpki.certificates import fingerprint
from smpki.folder import read_pem, write_pem
from smpki.names import PkiName
from smpki.profiles import END_ENTITIES, KeyUse, RequestType, profile_of

_OPERATIONAL: Final = frozenset(END_ENTITIES[RequestType.SMGW_W, use] for use in KeyUse)


_TERMINATING: Final = "terminating"


class AdministrationError(Exception):
    """The GWA cannot do that, or cannot say it with a good conscience."""


@unique
class Standing(StrEnum):
    """What a certificate is, as the GWA sees it for itself."""

    GOOD = "good"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    ENDED = "ended"
    """Its validity is over: nobody believes it any more, revoked or not, and CRLs need not list it (RFC 5280 5)."""
    UNCLEAR = "unclear"
    """It cannot be told: no CRL in force, or no path to the pinned Root."""


@dataclass(frozen=True, slots=True)
class Looked:
    """A certificate, and what it is.

    :ivar certificate: the certificate.
    :ivar standing: what validated CRLs say.
    :ivar words: the same in words; empty where there is nothing to say.
    :ivar listed_by: number of the CA that lists it; ``None`` where none does, and the GWA has it from the issue itself.
    """

    certificate: x509.Certificate
    standing: Standing
    words: str = ""
    listed_by: int | None = None

    @property
    def mark(self) -> str:
        """Its fingerprint, SHA-256 of the DER."""
        return fingerprint(self.certificate)

    @property
    def number(self) -> int:
        """Its generation."""
        return PkiName.of(self.certificate.subject).number

    @property
    def is_operational(self) -> bool:
        """Whether it is a Wirkzertifikat, or else a Gütesiegelzertifikat."""
        return profile_of(self.certificate) in _OPERATIONAL

    @property
    def may_be_revoked(self) -> bool:
        """Whether there is something left to revoke, as far as it can be told."""
        return self.standing in {Standing.GOOD, Standing.SUSPENDED, Standing.UNCLEAR}


class Archive:
    """What the GWA has received for its gateways, and what it has begun that cannot be undone. Nothing is taken out.

    ::

        FOLDER/GATEWAY/FINGERPRINT.pem     a certificate
        FOLDER/GATEWAY/terminating         the GWA has set about terminating the module
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, gateway: str, certificates: Iterable[x509.Certificate]) -> None:
        """Put certificates away; durable when this returns.

        :raises OSError: if they cannot be written.
        """
        folder = self._folder / gateway
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for certificate in certificates:
            path = folder / f"{fingerprint(certificate)}.pem"
            if not path.exists():
                write_pem(path, certificate)

    def of(self, gateway: str) -> list[x509.Certificate]:
        """Everything that was received for a gateway.

        :raises KeyStoreError: if something of it cannot be read.
        """
        return [read_pem(path) for path in sorted((self._folder / gateway).glob("*.pem"))]

    def begin_termination(self, gateway: str) -> None:
        """Note that the module is being terminated, before it is; durable when this returns.

        :raises OSError: if it cannot be written.
        """
        folder = self._folder / gateway
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        mark = folder / _TERMINATING
        if not mark.exists():
            durable.create(mark, b"")
            durable.sync_folder(folder)

    def termination_begun(self, gateway: str) -> bool:
        """Whether this GWA has set about terminating the module."""
        return (self._folder / gateway / _TERMINATING).exists()
