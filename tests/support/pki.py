"""A Smart Metering PKI to test with: Root, Sub-CA, a manufacturer, two administrators, a participant, a gateway."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from sqlalchemy import Engine

from lifecycle.store.engine import connect, upgrade
from smpki.algorithms import Curve, generation_of_year
from smpki.authority import Authority
from smpki.desk import Desk
from smpki.keys import SoftwareKey
from smpki.names import Environment, Function, PkiName
from smpki.profiles import SUB_CA, KeyUse, RequestType
from smpki.requests import authorise, pack, request_key, request_triple, sign_package
from smpki.signed import Signer
from smpki.store import PkiStore
from smpki.validation import PathValidator, ValidatedPath

BEGINNING = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
"""When a test's PKI is founded."""
GATEWAY = "EXXX0012345678"


class TestClock:
    """Tells the time that a test sets."""

    __test__ = False

    def __init__(self, now: datetime = BEGINNING) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, by: timedelta) -> datetime:
        """Let time pass."""
        self.now += by
        return self.now


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody with a triple: keys and certificates."""

    name: PkiName
    keys: Mapping[KeyUse, SoftwareKey]
    certificates: Mapping[KeyUse, x509.Certificate]

    @property
    def signer(self) -> Signer:
        """Who signs with the SIG key."""
        return Signer(self.certificates[KeyUse.SIG], self.keys[KeyUse.SIG])


def new_keys() -> dict[KeyUse, SoftwareKey]:
    """A triple of keys."""
    return {use: SoftwareKey.generate(Curve.BRAINPOOL_P256R1) for use in KeyUse}


def name(organisation: str, function: Function) -> PkiName:
    """A name in the test PKI."""
    return PkiName(organisation, function, Environment.TEST)


@cache
def _empty_database() -> Path:
    """A database with its schema and nothing in it, to be copied."""
    path = Path(tempfile.mkdtemp(prefix="smgw-pki-")) / "empty.db"
    atexit.register(shutil.rmtree, path.parent)
    engine = connect(f"sqlite:///{path}")
    upgrade(engine)
    engine.dispose()
    return path


@dataclass(slots=True)
class World:
    """A PKI at work."""

    engine: Engine
    clock: TestClock = field(default_factory=TestClock)
    store: PkiStore = field(init=False)
    root: Authority = field(init=False)
    sub: Authority = field(init=False)
    root_key: SoftwareKey = field(init=False)
    sub_key: SoftwareKey = field(init=False)

    def __post_init__(self) -> None:
        self.store = PkiStore(self.engine)
        generation = generation_of_year(self.clock.now.year)
        self.root_key = SoftwareKey.generate(generation.root.curve)
        self.root = Authority.found(self.store, self.root_key, clock=self.clock)
        self.sub, self.sub_key = self.new_sub("Energie", generation.sub_ca.curve)

    @classmethod
    def in_folder(cls, folder: Path, clock: TestClock | None = None) -> World:
        """A PKI in a new SQLite file."""
        shutil.copy(_empty_database(), folder / "pki.db")
        return cls(connect(f"sqlite:///{folder / 'pki.db'}"), clock or TestClock())

    @property
    def desk(self) -> Desk:
        """Where the Sub-CA takes orders."""
        return Desk(self.sub)

    def new_sub(self, organisation: str, curve: Curve) -> tuple[Authority, SoftwareKey]:
        """Another Sub-CA under the Root."""
        key = SoftwareKey.generate(curve)
        package = pack([request_key(SUB_CA, name(organisation, Function.CA), key)])
        (certificate,) = self.root.issue(package, operator=True)
        authority = Authority(self.store, certificate, key, self.root.certificate, self.clock)
        authority.crl()
        return authority, key

    def enrol(self, organisation: str, function: Function, hosts: tuple[str, ...] = ()) -> Holder:
        """A GWA, GWH or EMT whose first request the operator takes in person."""
        who, keys = name(organisation, function), new_keys()
        package = request_triple(RequestType(str(function)), who, keys, hosts)
        return Holder(who, keys, dict(zip(KeyUse, self.sub.issue(package, operator=True), strict=True)))

    def seal(self, gwh: Holder, gateway: str = GATEWAY, keys: Mapping[KeyUse, SoftwareKey] | None = None) -> Holder:
        """A gateway's preliminary triple, authorised by its manufacturer."""
        who, keys = name(gateway, Function.SMGW), keys or new_keys()
        package = authorise(request_triple(RequestType.SMGW_G, who, keys), gwh.signer, self.clock())
        return Holder(who, keys, dict(zip(KeyUse, self.sub.issue(package), strict=True)))

    def operate(self, gwa: Holder, sealed: Holder, keys: Mapping[KeyUse, SoftwareKey] | None = None) -> Holder:
        """A gateway's operational triple, signed with the key it has and authorised by its administrator."""
        keys = keys or new_keys()
        package = sign_package(request_triple(RequestType.SMGW_W, sealed.name, keys), sealed.signer, self.clock())
        package = authorise(package, gwa.signer, self.clock())
        return Holder(sealed.name, keys, dict(zip(KeyUse, self.sub.issue(package), strict=True)))

    def believe(self, certificate: x509.Certificate, use: KeyUse | None = None) -> ValidatedPath:
        """Validate a certificate now, with everything on record."""
        with self.store.unit() as unit:
            crls = unit.current_crls()
        intermediates = [self.sub.certificate]
        validator = PathValidator(self.root.certificate)
        return validator.validate(certificate, at=self.clock(), intermediates=intermediates, crls=crls, use=use)
