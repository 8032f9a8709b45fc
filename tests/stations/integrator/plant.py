"""A production site to test with: a PKI, records, an integrator, and files that GWAs have signed. One clock for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from gateway.configuration import CommunicationData, InitialConfiguration, compose_initial
from gateway.core import Gateway
from gateway.evidence import ModuleWitness
from gateway.module import SECRET_FILE, DeviceSecret, ModuleSlot
from lifecycle.journal import SignedEntry
from lifecycle.replay import Verdict, replay
from lifecycle.roles import Role
from lifecycle.store.errors import UnknownGatewayError
from lifecycle.store.repository import Repository
from securitymodule.client import SecurityModule
from securitymodule.connection import Connection
from smpki.inprocess import InProcessCa
from smpki.names import Environment, Function
from smpki.profiles import RequestType
from stations.integrator.checks import Inspector
from stations.integrator.order import Arrangement, Unit
from stations.integrator.told import Told
from stations.integrator.unit import Integrator, Manufacturer
from tests.support.gateways import ClockedSlot
from tests.support.lives import START, cast
from tests.support.pki import Holder, TestClock, World

DAY = timedelta(days=1)


@dataclass
class Plant:
    """A site, and everybody who has to do with it. Satisfies :class:`stations.integrator.site.Site`."""

    folder: Path
    world: World
    gwh: Holder
    gwa: Holder
    taken: dict[str, str] = field(default_factory=dict)
    wrap: Callable[[Connection], Connection] = field(default=lambda connection: connection)

    @classmethod
    def in_folder(cls, folder: Path) -> Plant:
        world = World.in_folder(folder, TestClock(START))
        return cls(folder, world, world.enrol("Werk", Function.GWH), world.enrol("Verwalter", Function.GWA))

    @property
    def repository(self) -> Repository:
        """The records, by somebody who remembers nothing."""
        return Repository(self.world.engine, cast().trust, cast().keeper, clock=self.world.clock)

    @property
    def ca(self) -> InProcessCa:
        return InProcessCa(self.world.sub)

    def integrator(self, key: str = "factory.key") -> Integrator:
        """The station, as it is after a restart."""
        maker = Manufacturer(
            cast()[Role.GWH],
            self.gwh.signer,
            DeviceSecret.open_or_make(self.folder / key),
            self.ca,
            self.world.root.certificate,
            Environment.TEST,
        )
        return Integrator(self, maker, self.world.clock)

    @property
    def inspector(self) -> Inspector:
        return Inspector(self, self.world.root.certificate, self.world.clock)

    def unit(
        self,
        number: int = 1,
        arrangement: Arrangement = Arrangement.SEPARATE,
        serial: str | None = None,
        reader: str | None = None,
    ) -> Unit:
        """A unit with its file."""
        gateway = f"EXXX{number:010}"
        path = self.folder / f"{gateway}.p7m"
        if not path.exists():
            path.write_bytes(self.file(gateway))
        return Unit(gateway, serial or f"SM-{number}", arrangement, path, reader, f"line {number}")

    def file(
        self,
        gateway: str,
        *,
        gwa: Holder | None = None,
        signer: Holder | None = None,
        world: World | None = None,
        lifetime: timedelta = 3 * DAY,
    ) -> bytes:
        """An initial configuration file."""
        gwa, world, now = gwa or self.gwa, world or self.world, self.world.clock()
        configuration = InitialConfiguration.of(
            gateway,
            world.sub.certificate,
            gwa.certificates,
            [*InProcessCa(world.sub).crls(), world.root.crl()],
            CommunicationData("gwa.example", 8443),
            now,
            now + lifetime,
        )
        return compose_initial(configuration, (signer or gwa).signer)

    def told(self, unit: Unit) -> Told:
        told = self.inspector.told(unit.gateway)
        assert told is not None
        return told

    def verdict(self, unit: Unit) -> Verdict:
        """The record replayed, its module's attestations examined."""
        return replay(self.repository.chain(unit.gateway), cast().trust, witness=ModuleWitness())

    def seals(self, unit: Unit) -> list[str]:
        """The seal certificates that the PKI has issued to a unit's gateway, by fingerprint."""
        with self.world.store.unit() as pki:
            kept = pki.of_holder(f"{unit.gateway}.SMGW")
        return sorted(one.fingerprint for one in kept if one.profile.label.startswith(str(RequestType.SMGW_G)))

    def slot(self, unit: Unit) -> ClockedSlot:
        """Where a unit's module goes."""
        home = self.folder / "gateways" / unit.gateway
        home.mkdir(parents=True, exist_ok=True)
        slot = ClockedSlot(home / "module", DeviceSecret.open_or_make(home / SECRET_FILE), self.world.clock)
        slot.wrap = self.wrap
        return slot

    # What the station asks of its site

    @contextmanager
    def alone(self, gateway: str) -> Iterator[None]:  # noqa: ARG002  the site asks with it
        """Nobody else is here."""
        yield

    def taken_for(self, serial: str) -> str | None:
        return self.taken.get(serial)

    def begin(self, unit: Unit) -> None:
        self.repository.register(unit.gateway, by="site", key=unit.serial)
        self.taken[unit.serial] = unit.gateway

    def entries(self, gateway: str) -> list[SignedEntry] | None:
        try:
            self.repository.kept(gateway)
        except UnknownGatewayError:
            return None
        return self.repository.entries(gateway)

    def url(self, unit: Unit) -> str:
        return f"pcsc:{unit.reader}" if unit.reader else self.slot(unit).url

    def connect(self, unit: Unit) -> SecurityModule:
        return SecurityModule.open(self.url(unit)) if unit.reader else self.slot(unit).connect()

    def device(self, unit: Unit) -> Gateway:
        slot = self.slot(unit)
        folder = slot.directory.parent
        if unit.reader:
            in_reader = ModuleSlot(self.url(unit), DeviceSecret.open_or_make(folder / SECRET_FILE))
            return Gateway(unit.gateway, self.repository, slot=in_reader, folder=folder)
        return Gateway(unit.gateway, self.repository, slot=slot, folder=folder)
