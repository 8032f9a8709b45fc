"""The page, served by a real uvicorn, over a record of its own and a device that remembers what it is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway.configuration import CommunicationParameters
from gateway.local import LocalLineError
from gateway.reaching import ConnectionReport
from lifecycle.desk import attest
from lifecycle.facts import Fact
from lifecycle.parties import Party
from lifecycle.roles import Role
from lifecycle.states import State
from lifecycle.store.engine import open_database
from lifecycle.store.repository import Repository
from stations.installer.page.app import create_app
from stations.installer.page.pairing import Pairing
from stations.installer.report import Reports
from stations.installer.site import Device, Site
from stations.installer.works import Installer
from tests.stations.installer.conftest import DEVICES, PARTIES
from tests.support.lives import GATEWAY, SettableClock, cast, live, shortest_way
from tests.support.serving import served

REACHED = ConnectionReport("gwa.example", 8443, True, 0.183)
NOT_REACHED = ConnectionReport("gwa.example", 8443, False, 10.0, "timed out")


@dataclass
class Remembering:
    """A device as its local interface shows it, without one.

    :ivar told: the parameters that it was told, in order.
    :ivar callers: who came.
    :ivar report: what its next connection test finds.
    :ivar gone: whether nobody answers.
    """

    told: list[CommunicationParameters] = field(default_factory=list)
    callers: list[Party] = field(default_factory=list)
    report: ConnectionReport = REACHED
    gone: bool = False

    def set_communication_parameters(self, parameters: CommunicationParameters) -> None:
        """Remember them."""
        self.told.append(parameters)

    def test_connection(self) -> ConnectionReport:
        """Find what a test wants found."""
        return self.report

    def reach(self, _gateway: str, configurator: Party, _module_key: bytes | None) -> Iterator[Device]:
        """A session."""
        if self.gone:
            raise LocalLineError("nobody answers at tcp:127.0.0.1:7401: Connection refused")
        self.callers.append(configurator)
        yield self


@dataclass
class Cellar:
    """Where the page is used.

    :ivar address: where it is served.
    :ivar pairing: the code.
    :ivar repository: the record.
    :ivar device: the device.
    :ivar site: the works.
    :ivar clock: the record's time.
    """

    address: str
    pairing: Pairing
    repository: Repository
    device: Remembering
    site: Site
    clock: SettableClock

    @property
    def link(self) -> str:
        """The link that is printed."""
        return f"{self.address}/?code={self.pairing.code}"

    @property
    def page(self) -> str:
        """Where the gateway's steps are."""
        return f"{self.address}/gateways/{GATEWAY}"

    @property
    def entries(self) -> int:
        """How many entries the record has."""
        return self.repository.kept(GATEWAY).position.sequence


@contextmanager
def cellar(
    folder: Path, state: State = State.FIRST_DELIVERY, *, gateways: tuple[str, ...] = (GATEWAY,)
) -> Iterator[Cellar]:
    """The page over a gateway in a state; of one in delivery, the MSB has handed it over."""
    clock = SettableClock()
    repository = Repository(
        open_database(f"sqlite:///{folder / 'cellar.db'}"), cast().trust, cast().keeper, clock=clock
    )
    for gateway in gateways:
        live(repository, shortest_way(state), gateway)
        if state is State.FIRST_DELIVERY:
            msb = cast()[Role.MSB]
            repository.act(gateway, msb, attest(msb, Fact.MSB_HANDED_OVER_TO_MONTEUR))
    device = Remembering()
    site = Site(Installer(repository, PARTIES, DEVICES), Reports(folder / "tests"), device.reach)
    pairing = Pairing(clock)
    with served(create_app(site, gateways, pairing)) as port:
        yield Cellar(f"http://127.0.0.1:{port}", pairing, repository, device, site, clock)
    repository.engine.dispose()
