"""The Smart Metering PKI of a workplace: where its CAs and participants have their folders.

::

    HOME/pki/
      root.pem                 the pinned Root: what everything here is validated against
      ca/SM-Root.CA-1/         ca.pem, ca.key; a CA of a later generation has a folder of its own
      ca/Energie.CA-1/
      parties/EXXX….SMGW/      a participant that was made here; see smpki.folder

The record (certificates, their status, CRLs) is in the workplace's database.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from lifecycle.store.engine import open_database
from smgw.workplace import Workplace
from smpki.algorithms import END_ENTITY_SUITE, curve_of, generation_of_root, generation_of_year
from smpki.authority import Authority, Clock, utc_now
from smpki.certificates import san_of
from smpki.errors import KeyStoreError, StoreError
from smpki.folder import PartyFolder, ca_key, read_pem, write_pem
from smpki.keys import SoftwareKey
from smpki.names import Environment, Function, PkiName, root_name
from smpki.profiles import LINK, ROOT, SUB_CA, RequestType, profile_of
from smpki.requests import pack, request_key, request_triple
from smpki.store import PkiStore
from smpki.validation import PathValidator

_SOON: Final = timedelta(days=30)
"""A service's certificate that ends sooner is made anew; ours."""


@dataclass(frozen=True, slots=True)
class Founded:
    """What was made.

    :ivar root: the Root.
    :ivar sub_ca: the Sub-CA under it.
    :ivar link: the link certificate that leads to it, where it is not the first.
    """

    root: Authority
    sub_ca: Authority
    link: x509.Certificate | None = None


class PkiPlace:
    """The PKI in a workplace.

    :raises lifecycle.store.errors.StoreError: if the database cannot be used.
    """

    def __init__(self, workplace: Workplace, clock: Clock = utc_now) -> None:
        workplace.make()
        self.folder = workplace.home / "pki"
        self.clock = clock
        self._engine = open_database(workplace.database_url)
        self.store = PkiStore(self._engine)

    def close(self) -> None:
        """Let its database go."""
        self._engine.dispose()

    def found(self, organisation: str, environment: Environment) -> Founded:
        """A Root and a Sub-CA under it. What a run before this one has begun is gone on with.

        :raises StoreError: if there is a PKI here already.
        """
        if self._authorities():
            if len(self._authorities()) > 1:
                raise StoreError(f"there is a PKI in {self.folder} already; 'smgw pki show' shows it")
            root = self._open(self._authorities()[0])
        else:
            root = self._new_root(environment, 1)
        if not (self.folder / "root.pem").exists():
            write_pem(self.folder / "root.pem", root.certificate)
        return Founded(root, self._new_sub_ca(root, organisation))

    def succeed(self, organisation: str) -> Founded:
        """The next Root, a link certificate from the one before it, and a Sub-CA under it."""
        self.pinned()
        roots = [certificate for certificate in self._authorities() if profile_of(certificate) is ROOT]
        roots.sort(key=lambda certificate: PkiName.of(certificate.subject).number)
        newest = self._open(roots[-1])
        with self.store.unit() as unit:
            unfinished = all(kept.issuer != newest.mark for kept in unit.of_profiles(SUB_CA))
        if unfinished and len(roots) > 1:  # a run before this one got no further than the Root
            old, root = self._open(roots[-2]), newest
        else:
            old, root = newest, self._new_root(newest.name.environment, newest.name.number + 1)
        with self.store.unit() as unit:
            links = [kept.certificate for kept in unit.of_key(root.public_key) if kept.profile is LINK]
        link = links[0] if links else old.link(root.certificate)
        return Founded(root, self._new_sub_ca(root, organisation), link)

    def pinned(self) -> x509.Certificate:
        """The pinned Root.

        :raises StoreError: if there is no PKI here.
        """
        path = self.folder / "root.pem"
        if not path.exists():
            raise StoreError(f"there is no PKI in {self.folder} yet: 'smgw pki init' makes one")
        return read_pem(path)

    def environment(self) -> Environment:
        """Which PKI this is."""
        return PkiName.of(self.pinned().subject).environment

    def authority(self, name: str | None = None) -> Authority:
        """A CA by its common name, in its newest generation; without a name the newest Sub-CA.

        :raises StoreError: if there is none.
        """
        self.pinned()
        everyone = self._authorities()
        found = [
            certificate
            for certificate in everyone
            if PkiName.of(certificate.subject).common_name == name
            or (name is None and profile_of(certificate) is SUB_CA)
        ]
        if not found:
            raise StoreError(f"there is no CA {name or 'below the Root'} in {self.folder}")
        return self._open(max(found, key=_age))

    def authorities(self) -> list[Authority]:
        """Every CA whose key is here."""
        return [self._open(certificate) for certificate in self._authorities()]

    def issuer_of(self, mark: str) -> Authority:
        """The CA of this place that has issued a certificate.

        :raises StoreError: if the certificate is not known, or its CA has no key here.
        """
        with self.store.unit() as unit:
            kept = unit.certificate(mark)
            issuer = unit.certificate(kept.issuer) if kept else None
        if kept is None or issuer is None:
            raise StoreError(f"no certificate {mark} is on record")
        for certificate in self._authorities():
            if certificate == issuer.certificate:
                return self._open(certificate)
        raise StoreError(f"the key of {issuer.name} is not here")

    def party(self, name: PkiName, folder: Path | None) -> PartyFolder:
        """The folder of a participant, made where it is missing."""
        return PartyFolder.make(folder or self.folder / "parties" / name.common_name, name)

    def enrolled(self, name: PkiName, hosts: Sequence[str] = ()) -> PartyFolder:
        """A participant that was made here; the CA's operator takes its first request where it has no certificates yet.

        :param hosts: for the TLS certificate.
        """
        folder = self.party(name, None)
        if folder.current() is None:
            number, keys = folder.begin()
            package = request_triple(RequestType(str(name.function)), name, keys, hosts)
            folder.finish(number, self.authority().issue(package, operator=True))
        return folder

    def open_party(self, who: str) -> PartyFolder:
        """A participant by folder, or by common name where it was made here.

        :raises KeyStoreError: if there is none.
        """
        for path in (Path(who), self.folder / "parties" / who):
            if (path / "name").exists():
                return PartyFolder.open(path)
        raise KeyStoreError(f"{who} is neither a participant's folder nor the name of one made here")

    def validator(self, root: Path | None = None) -> PathValidator:
        """Validates against a Root: the pinned one unless another is named."""
        return PathValidator(read_pem(root) if root else self.pinned())

    def intermediates(self) -> list[x509.Certificate]:
        """Every Sub-CA and link certificate on record."""
        with self.store.unit() as unit:
            return [kept.certificate for kept in unit.of_profiles(SUB_CA, LINK)]

    def crls(self) -> list[x509.CertificateRevocationList]:
        """The last CRL of every CA on record; those whose keys are here are made anew where they are half over."""
        for authority in self.authorities():
            authority.crl()
        with self.store.unit() as unit:
            return unit.current_crls()

    def marks_of(self, who: str) -> Sequence[str]:
        """Fingerprints of what is meant: a fingerprint, the beginning of one, or all certificates of a holder.

        :raises StoreError: if nothing or too much is meant.
        """
        with self.store.unit() as unit:
            if found := [kept.fingerprint for kept in unit.of_holder(who)]:
                return found
            begun = [kept.fingerprint for kept in unit.all() if len(who) >= 8 and kept.fingerprint.startswith(who)]
        if len(begun) != 1:
            raise StoreError(
                f"{who} is {'the beginning of several fingerprints' if begun else 'no holder and no fingerprint'} here"
            )
        return begun

    def _authorities(self) -> list[x509.Certificate]:
        folder = self.folder / "ca"
        return [read_pem(path) for path in sorted(folder.glob("*/ca.pem"))]

    def _folder_of(self, name: PkiName) -> Path:
        return self.folder / "ca" / f"{name.common_name}-{name.number}"

    def _open(self, certificate: x509.Certificate) -> Authority:
        key = SoftwareKey.load(self._folder_of(PkiName.of(certificate.subject)) / "ca.key")
        pinned = certificate if profile_of(certificate) is ROOT else self.pinned()
        return Authority(self.store, certificate, key, pinned, self.clock)

    def _new_root(self, environment: Environment, number: int) -> Authority:
        folder = self._folder_of(root_name(environment, number))
        key = ca_key(folder, generation_of_year(self.clock().year).root.curve)
        with self.store.unit() as unit:
            known = next((kept for kept in unit.of_key(key.public_key) if kept.profile is ROOT), None)
        if known is not None:
            root = Authority(self.store, known.certificate, key, known.certificate, self.clock)
        else:
            root = Authority.found(self.store, key, environment, self.clock, number)
        write_pem(folder / "ca.pem", root.certificate)
        return root

    def _new_sub_ca(self, root: Authority, organisation: str) -> Authority:
        name = PkiName(organisation, Function.CA, root.name.environment)
        with self.store.unit() as unit:
            last = unit.last_number(name.common_name)
        folder = self._folder_of(name.numbered(max(last, 1)))
        if (folder / "ca.pem").exists():  # else a run before this one got no further than its key, or its request
            folder = self._folder_of(name.numbered(last + 1))
        curve = generation_of_root(curve_of(root.public_key)).sub_ca.curve
        key = ca_key(folder, curve)
        (certificate,) = root.issue(pack([request_key(SUB_CA, name, key)]), operator=True)
        write_pem(folder / "ca.pem", certificate)
        authority = Authority(self.store, certificate, key, self.pinned(), self.clock)
        authority.crl()
        return authority

    def service(self, authority: Authority, hosts: Sequence[str]) -> tuple[Path, Path]:
        """Certificate (with its CA's) and key that a CA's service authenticates itself with, made where missing.

        :param hosts: under which it is reached; where the certificate names others, or ends soon, there is a new one.
        """
        folder = self._folder_of(authority.name)
        certificate, key = folder / "service.pem", folder / "service.key"
        if not key.exists():
            SoftwareKey.generate(END_ENTITY_SUITE.curve).save(key)
        if not certificate.exists() or not self._serves(read_pem(certificate), hosts):
            with self.store.unit() as unit:
                known = next(iter(unit.of_key(SoftwareKey.load(key).public_key)), None)
            if known is not None:
                if self._serves(known.certificate, hosts):
                    write_pem(certificate, known.certificate, authority.certificate)
                    return certificate, key
                key.unlink()  # a key is certified once; other hosts or another term need another key
                SoftwareKey.generate(END_ENTITY_SUITE.curve).save(key)
            made = authority.certify_service(SoftwareKey.load(key), hosts)
            write_pem(certificate, made, authority.certificate)
        return certificate, key

    def _serves(self, certificate: x509.Certificate, hosts: Sequence[str]) -> bool:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        enough = certificate.not_valid_after_utc - self.clock() > _SOON
        return enough and names == san_of(hosts)

    def history(self, mark: str) -> Iterator[dict[str, str | None]]:
        """What was done to a certificate, as told in JSON."""
        with self.store.unit() as unit:
            for time, change, reason, by in unit.history(mark):
                yield {"time": _told(time), "change": change, "reason": reason, "by": by}


def _age(certificate: x509.Certificate) -> tuple[int, datetime, int]:
    """Orders CAs: by the Root above, then by when they were made, which is known to the second only."""
    issuer, name = PkiName.of(certificate.issuer), PkiName.of(certificate.subject)
    return issuer.number, certificate.not_valid_before_utc, name.number


def _told(time: datetime) -> str:
    return time.isoformat()
