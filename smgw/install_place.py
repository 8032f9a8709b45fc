"""Where an installer works: a trip that was taken along, or the home itself; which keys are at hand, which devices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.configuration import ConfigurationError
from gateway.core import Gateway
from gateway.local import LocalError
from gateway.module import SECRET_FILE, DeviceError, ModuleSlot
from lifecycle.parties import Party
from lifecycle.roles import Role
from lifecycle.store.errors import BrokenChainError, ForkError
from lifecycle.store.repository import Repository
from smgw.failing import RefusedFailure, UsageFailure
from smgw.trip_place import Trip
from smgw.workplace import Workplace
from stations.installer.report import Reports
from stations.installer.site import LineLostError, Reach, Site, reach_at, reach_device
from stations.installer.works import Installer

REPORTS = "tests"
"""Folder with the reports of connection tests, at home and on a trip."""


@dataclass(frozen=True, slots=True)
class Hand:
    """What was given by options.

    :ivar workplace: the home.
    :ivar trip: folder that was taken along.
    :ivar monteur: folder with the Monteur's key; the same of *configurator*.
    :ivar device_key: folder with the gateway's own key, where the gateway is at hand.
    :ivar local: address of the gateway's local interface.
    :ivar device: folder of the gateway, to run it here.
    """

    workplace: Workplace
    trip: Path | None
    monteur: Path | None
    configurator: Path | None
    device_key: Path | None
    local: str | None
    device: Path | None

    @contextmanager
    def place(self, gateway: str | None, *, signing: bool = True) -> Iterator[InstallPlace]:
        """The place, with its database and devices open while it lasts.

        :param gateway: whose works are to be done; ``None`` where there is only one, or for all.
        :param signing: whether something may be signed: a Monteur or Erstkonfigurator whose key is missing at home is
            enrolled then, as every party of a home is. The gateway's own key is never made here.
        """
        if self.local is not None and self.device is not None:
            raise UsageFailure("--local or --device, not both")
        with ExitStack() as stack:
            trip = Trip(self.trip) if self.trip is not None else None
            if trip is None and gateway is None:
                raise UsageFailure("name the GATEWAY, or the folder that was taken along with --trip")
            workplace = trip.workplace if trip is not None else self.workplace
            gateways = self._gateways(trip, gateway)
            repository = workplace.repository()
            stack.callback(repository.engine.dispose)
            for each in gateways:
                repository.kept(each)
            devices = {each: key for each in gateways if (key := self._device_key(workplace, each)) is not None}
            folders = {Role.MONTEUR: self.monteur, Role.ERSTKONFIGURATOR: self.configurator}
            parties = {
                role: workplace.acting(role, folder)
                for role, folder in folders.items()
                if signing or folder is not None or _has_key(workplace.party_folder(role))
            }
            installer = Installer(repository, parties, devices)
            site = Site(installer, Reports(workplace.home / REPORTS), self._reach(repository, gateways, stack))
            yield InstallPlace(trip, gateways, site)

    @staticmethod
    def _gateways(trip: Trip | None, gateway: str | None) -> tuple[str, ...]:
        if trip is not None:
            return trip.gateways if gateway is None else (trip.only(gateway),)
        return () if gateway is None else (gateway,)

    def _device_key(self, workplace: Workplace, gateway: str) -> Party | None:
        folder = self.device_key or workplace.gateway_key_folder(gateway)
        if not _has_key(folder):
            return None
        party = Party.load(folder)
        if party.actor.role is not Role.GATEWAY:
            raise UsageFailure(f"{folder} is a {party.actor.role}, and the gateway itself is needed")
        return party if party.actor.name == gateway else None

    def _reach(self, repository: Repository, gateways: tuple[str, ...], stack: ExitStack) -> Reach:
        if self.device is None:
            return reach_at(lambda _: self.local)
        if len(gateways) != 1:
            raise UsageFailure(f"--device is one gateway's folder; name which of {', '.join(gateways)}")
        if not (self.device / SECRET_FILE).exists():
            raise UsageFailure(f"{self.device} is no gateway's folder: it has no {SECRET_FILE}")
        slot = ModuleSlot.in_folder(self.device)
        return reach_device(stack.enter_context(Gateway(gateways[0], repository, slot=slot, folder=self.device)))


@dataclass(frozen=True, slots=True)
class InstallPlace:
    """Where an installer works, open.

    :ivar trip: the folder that was taken along, ``None`` at home.
    :ivar gateways: whose works can be done.
    :ivar site: the works, and the devices.
    """

    trip: Trip | None
    gateways: tuple[str, ...]
    site: Site

    @property
    def installer(self) -> Installer:
        """The works."""
        return self.site.installer

    def only(self) -> str:
        """The gateway meant.

        :raises UsageFailure: if there are several.
        """
        if len(self.gateways) != 1:
            raise UsageFailure(f"there are {', '.join(self.gateways)}: name one")
        return self.gateways[0]


def _has_key(folder: Path) -> bool:
    return (folder / "party.pem").exists()


@contextmanager
def clear_install_errors() -> Iterator[None]:
    """What only an installer meets, as Click's errors."""
    try:
        yield
    except (ForkError, BrokenChainError, LocalError) as error:
        raise RefusedFailure(str(error)) from error
    except (LineLostError, ConfigurationError, DeviceError) as error:
        raise UsageFailure(str(error)) from error
