"""Keys and certificates in folders: those of a participant, a generation a subfolder; and those of a CA.

::

    FOLDER/             a participant (Teilnehmer)
      name              its common name and its PKI
      1/                the first generation: tls.key, sig.key, enc.key (PKCS #8, mode 0600) and, once issued,
      2/                tls.pem, sig.pem, enc.pem; the highest that has certificates is the current one

    FOLDER/             a CA
      ca.key, ca.pem

Keys are written before a request leaves, so that a request cut short is asked again for the same keys and no
certificate is wasted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from smpki.algorithms import END_ENTITY_SUITE, Curve
from smpki.errors import KeyStoreError
from smpki.keys import SoftwareKey
from smpki.names import Environment, PkiName
from smpki.profiles import KeyUse
from smpki.signed import Signer


@dataclass(frozen=True, slots=True)
class Generation:
    """One triple in a participant's folder."""

    keys: Mapping[KeyUse, SoftwareKey]
    """Its keys."""
    certificates: Mapping[KeyUse, x509.Certificate]
    """Its certificates; empty until they have been issued."""

    @property
    def signer(self) -> Signer:
        """Who signs with its SIG key.

        :raises KeyStoreError: if it has not been certified yet.
        """
        if KeyUse.SIG not in self.certificates:
            raise KeyStoreError("these keys have not been certified yet")
        return Signer(self.certificates[KeyUse.SIG], self.keys[KeyUse.SIG])


class PartyFolder:
    """A participant's folder.

    :ivar path: where it is.
    :ivar name: whose it is.
    """

    def __init__(self, path: Path, name: PkiName) -> None:
        self.path = path
        self.name = name

    @classmethod
    def make(cls, path: Path, name: PkiName) -> PartyFolder:
        """The folder of a participant, made where it is missing.

        :raises KeyStoreError: if it is somebody else's.
        """
        if (path / "name").exists():
            found = cls.open(path)
            if found.name != name.numbered(1):
                raise KeyStoreError(f"{path} is the folder of {found.name}, not of {name}")
            return found
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        (path / "name").write_text(f"{name.common_name}\n{name.environment}\n")
        return cls(path, name.numbered(1))

    @classmethod
    def open(cls, path: Path) -> PartyFolder:
        """The folder of a participant that there is.

        :raises KeyStoreError: if it is none.
        :raises NameRuleError: if the name in it is none.
        """
        try:
            common_name, environment = (path / "name").read_text().split()
            return cls(path, PkiName.parse(common_name, Environment(environment)))
        except (OSError, ValueError) as error:
            raise KeyStoreError(f"{path} is no participant's folder; 'smgw pki issue' makes one") from error

    def current(self) -> Generation | None:
        """The newest triple that has been certified."""
        return next(self.generations(), None)

    def generations(self) -> Iterator[Generation]:
        """Every triple that has been certified, the newest first."""
        for number in reversed(self._numbers()):
            generation = self._read(number)
            if generation.certificates:
                yield generation

    def signer(self) -> Signer:
        """Who signs with the current SIG key.

        :raises KeyStoreError: if nothing has been certified yet.
        """
        current = self.current()
        if current is None:
            raise KeyStoreError(f"{self.name} has no certificates yet in {self.path}")
        return current.signer

    def begin(self) -> tuple[int, Mapping[KeyUse, SoftwareKey]]:
        """Keys to ask certificates for: those of a generation that has none yet, or new ones.

        :returns: the generation's number, and its keys.
        """
        numbers = self._numbers()
        if numbers and not self._read(numbers[-1]).certificates:
            return numbers[-1], self._read(numbers[-1]).keys
        number = numbers[-1] + 1 if numbers else 1
        unready = self.path / f".{number}"
        for use in KeyUse:
            path = unready / f"{use.lower()}.key"
            if not path.exists():
                SoftwareKey.generate(END_ENTITY_SUITE.curve).save(path)
        unready.rename(self.path / str(number))  # a generation is there with all its keys, or not at all
        return number, self._read(number).keys

    def finish(self, number: int, certificates: Sequence[x509.Certificate]) -> Generation:
        """Put the certificates of a generation beside its keys.

        :param certificates: in the order TLS, SIG, ENC.
        :raises KeyStoreError: if they do not belong to those keys.
        """
        keys = self._read(number).keys
        for use, certificate in zip(KeyUse, certificates, strict=True):
            if certificate.public_key() != keys[use].public_key:
                raise KeyStoreError(f"the {use} certificate is not for the key in {self.path / str(number)}")
        for use, certificate in zip(KeyUse, certificates, strict=True):
            write_pem(self.path / str(number) / f"{use.lower()}.pem", certificate)
        return self._read(number)

    def _numbers(self) -> list[int]:
        return sorted(int(entry.name) for entry in self.path.iterdir() if entry.name.isdigit())

    def _read(self, number: int) -> Generation:
        folder = self.path / str(number)
        keys = {use: SoftwareKey.load(folder / f"{use.lower()}.key") for use in KeyUse}
        if not all((folder / f"{use.lower()}.pem").exists() for use in KeyUse):
            return Generation(keys, {})
        return Generation(keys, {use: read_pem(folder / f"{use.lower()}.pem") for use in KeyUse})


def ca_key(folder: Path, curve: Curve) -> SoftwareKey:
    """The key of the CA in a folder; a new one where there is none.

    :raises KeyStoreError: if it cannot be read or written.
    """
    path = folder / "ca.key"
    if not path.exists():
        SoftwareKey.generate(curve).save(path)
    return SoftwareKey.load(path)


def write_pem(path: Path, *certificates: x509.Certificate) -> None:
    """Write certificates as PEM; a file is there as a whole, or as it was."""
    unready = path.with_name(f".{path.name}.new")
    with unready.open("wb") as file:
        file.write(b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates))
        file.flush()
        os.fsync(file.fileno())
    unready.replace(path)


def read_pem(path: Path) -> x509.Certificate:
    """Read one certificate from a PEM file.

    :raises KeyStoreError: if there is none.
    """
    return read_all_pem(path)[0]


def read_all_pem(path: Path) -> list[x509.Certificate]:
    """Read all certificates of a PEM file.

    :raises KeyStoreError: if there is none, or one cannot be read.
    """
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise KeyStoreError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise KeyStoreError(f"{path} holds no certificate in PEM that can be read") from error
