"""Who acts in one gateway's life: the stations of a workplace with their keys, and the gateway that they work on."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final, Protocol, Self

from gateway.configuration import CommunicationData, CommunicationParameters
from gateway.core import Gateway
from gateway.module import MODULE_FOLDER, ModuleSlot, software_module_url
from gateway.profiles import Profiles
from lifecycle.roles import Role
from lifecycle.store.errors import GatewayExistsError, UnknownGatewayError
from lifecycle.store.repository import Repository
from securitymodule.card.module import SoftwareModule
from smgw.factory_place import FactoryPlace
from smgw.workplace import Workplace
from smpki.errors import StoreError
from smpki.inprocess import InProcessCa
from smpki.names import Environment, Function, PkiName
from stations.administrator.station import Administrator
from stations.installer.report import Reports, TestReport
from stations.installer.site import Site as InstallationSite
from stations.installer.site import reach_device
from stations.installer.works import Installer, Work
from stations.integrator.order import Arrangement, Unit
from stations.recycler import Recycler, destroy_software_module
from stations.technician import Site as TechnicianSite
from stations.technician import Technician

NAMES: Final = {
    Role.GWH: "Line 3",
    Role.MSB: "Stadtwerke",
    Role.GWA: "Administration",
    Role.MONTEUR: "Monteur 7",
    Role.ERSTKONFIGURATOR: "Configurator 2",
    Role.SERVICETECHNIKER: "Technician 4",
    Role.RECYCLER: "Recycling yard",
}
"""Who signs the record."""
_SUB_CA: Final = "Energie"
_GWA: Final = "Administration"
_LOOPBACK: Final = "127.0.0.1"


class Reader(Protocol):
    """Where software modules are put in to be reached over PC/SC; such as :class:`smgw.pcsc.PcscStand`."""

    def insert(self, url: str) -> str:
        """Put in what is at ``module:DIR``: gives ``pcsc:READER NAME``."""
        ...

    def pull(self, url: str) -> None:
        """Take it out again."""
        ...


class _LifeSite(FactoryPlace):
    """A production site whose records are those of the life, and whose gateways are watched."""

    def __init__(self, workplace: Workplace, repository: Repository, watch: Callable[[], None]) -> None:
        super().__init__(workplace, repository)
        self._watch = watch

    def device(self, unit: Unit) -> Gateway:
        """See :class:`stations.integrator.site.Site`."""
        device = super().device(unit)
        device.on_change(self._watch)
        return device


class Cast:
    """The stations, for one gateway. Close it, or use it as a context manager.

    A workplace without a Smart Metering PKI is given one.

    :param workplace: where keys, PKI, modules and record are.
    :param gateway: the gateway's identification.
    :param clock: what the gateway takes for the time, UTC.
    :param elapsed: nanoseconds that pass evenly beside it.
    :param profiles: the meters, contracts and consumers that the gateway knows.
    :param watch: called whenever the gateway's record may have grown.
    :param reader: where its module is put in; ``None`` for use within this process.
    :raises GatewayExistsError: if it has a record already.
    """

    def __init__(
        self,
        workplace: Workplace,
        repository: Repository,
        gateway: str,
        *,
        clock: Callable[[], datetime],
        elapsed: Callable[[], int],
        profiles: Profiles,
        watch: Callable[[], None],
        reader: Reader | None = None,
    ) -> None:
        try:
            repository.kept(gateway)
        except UnknownGatewayError:
            pass
        else:
            raise GatewayExistsError(f"gateway {gateway} has a record already")
        self.gateway = gateway
        self.repository = repository
        self._clock = clock
        self._elapsed = elapsed
        self._profiles = profiles
        self._watch = watch
        self._reader = reader
        self._inserted: str | None = None
        self._device: Gateway | None = None
        self.parties = {role: workplace.party(role, name) for role, name in NAMES.items()}
        self.parties[Role.GATEWAY] = workplace.party(Role.GATEWAY, gateway, workplace.gateway_key_folder(gateway))
        self._site = _LifeSite(workplace, repository, watch)
        self.folder = self._site.folder(gateway)
        environment = self._founded()
        self.administrator = Administrator(
            self.parties[Role.GWA],
            self._site.pki.enrolled(PkiName(_GWA, Function.GWA, environment), (_LOOPBACK,)),
            InProcessCa(self._site.pki.authority()),
            repository.clock,
            root=self._site.pki.pinned(),
        )
        self.technician = Technician(self.parties[Role.SERVICETECHNIKER], repository)
        self.recycler = Recycler(self.parties[Role.RECYCLER], repository)
        self._installer = Installer(repository, self.parties, {gateway: self.parties[Role.GATEWAY]})
        self._reports = Reports(workplace.home / "tests")
        self._management = socket.create_server((_LOOPBACK, 0))  # the GWA's service, as far as a connection test goes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let everything go."""
        self._let_go()
        self._management.close()
        self._site.pki.close()

    def _founded(self) -> Environment:
        try:
            return self._site.pki.environment()
        except StoreError:
            self._site.pki.found(_SUB_CA, Environment.TEST)
            return self._site.pki.environment()

    @property
    def device(self) -> Gateway:
        """The gateway, once it has been made."""
        assert self._device is not None  # noqa: S101  a life begins with the factory
        return self._device

    # Ch. 3 to 7

    def make(self, arrangement: Arrangement) -> None:
        """Have the factory integrator make the gateway, with the GWA's initial configuration file for it."""
        file = self.folder.parent / f"{self.gateway}.p7m"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.initial_configuration())
        url = self._module_url()
        reader = url.partition(":")[2] if self._inserted else None
        try:
            self._site.integrator().make(
                Unit(self.gateway, f"SM-{self.gateway}", arrangement, file, reader, "the life of one gateway")
            )
        finally:
            file.unlink()
        slot = ModuleSlot.in_folder(self.folder, url)
        self._device = Gateway(
            self.gateway,
            self.repository,
            clock=self._clock,
            slot=slot,
            folder=self.folder,
            own=self.parties[Role.GATEWAY],
            profiles=self._profiles,
            elapsed=self._elapsed,
        )
        self._device.start()
        self._device.on_change(self._watch)

    def initial_configuration(self) -> bytes:
        """The GWA's initial configuration file for this gateway, as of now."""
        host, port = self._management.getsockname()[:2]
        return self.administrator.initial_configuration(self.gateway, CommunicationData(host, port))

    def _module_url(self) -> str:
        url = software_module_url(self.folder)
        if self._reader is None:
            return url
        SoftwareModule.create(self.folder / MODULE_FOLDER).close()  # as it comes from its maker
        self._inserted = self._reader.insert(url)
        return self._inserted

    # Ch. 8, 9, 12, 18

    def install(self, *works: Work) -> None:
        """Have the installer do these works."""
        for work in works:
            self._installer.do(self.gateway, work)
            self._watch()

    def configure(self) -> TestReport:
        """Have the Erstkonfigurator set the communication parameters over the local interface, and test them."""
        site = InstallationSite(self._installer, self._reports, reach_device(self.device))
        host, port = self._management.getsockname()[:2]
        site.configure(self.gateway, CommunicationParameters(host=host, port=port))
        self._watch()
        return site.test(self.gateway)

    # Ch. 15 to 17, 20

    def diagnose_dead(self, order: bytes) -> bytes:
        """Have the Servicetechniker look at a gateway that shows no sign of life."""
        diagnosis = self.technician.diagnose(TechnicianSite(self.gateway, None), order)
        self._watch()
        return diagnosis

    def recycle(self) -> None:
        """Have the Recycler take it over; where the module is to be destroyed, it is."""
        self._let_go()
        state = self.recycler.take_over(self.gateway)
        self._watch()
        if self.repository.law.phases[state].exits:
            self.recycler.destroy_module(self.gateway, self._destroy)
            self._watch()

    def _destroy(self) -> str:
        return destroy_software_module(self.folder / MODULE_FOLDER)

    def _let_go(self) -> None:
        if self._device is not None:
            self._device.close()
        if self._reader is not None and self._inserted is not None:
            self._reader.pull(self._inserted)
            self._inserted = None


@contextmanager
def reader_for(kind: str) -> Iterator[Reader | None]:
    """Where modules are put in.

    :param kind: ``software`` for use within this process, ``pcsc`` for virtual readers of a real PC/SC daemon.
    :raises ReaderUnavailable: if there is no daemon, and none can be started.
    """
    if kind != "pcsc":
        yield None
        return
    from smgw.pcsc import PcscStand

    with PcscStand() as stand:
        yield stand
