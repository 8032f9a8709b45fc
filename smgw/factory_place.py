"""The production site of a workplace: the factory integrator's own things, and where the gateways made there lie.

::

    HOME/factory/factory.key            what the PINs of modules are derived from; they are stored nowhere (mode 0600)
    HOME/factory/units.lock             one byte a unit is locked in it while a process works on that unit
    HOME/gateways/EXXX0000000001/       a gateway's folder; see gateway.module
    HOME/pki/parties/NAME.GWH/          the GWH's triple in the SM-PKI, enrolled when it is first needed
    HOME/parties/gwh/                   the GWH's key for the record
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Final

import click
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from gateway.core import Gateway
from gateway.evidence import ModuleWitness
from gateway.module import DeviceSecret, ModuleSlot, software_module_url
from lifecycle.journal import SignedEntry
from lifecycle.replay import Verdict, replay
from lifecycle.roles import Role
from lifecycle.store.errors import GatewayExistsError, IdempotencyError, UnknownGatewayError
from lifecycle.store.repository import Repository
from lifecycle.store.schema import commands
from securitymodule.card import durable
from securitymodule.client import SecurityModule
from smgw.failing import clear_errors
from smgw.logs import configure_logging
from smgw.pki_place import PkiPlace
from smgw.workplace import Workplace
from smpki.errors import KeyStoreError
from smpki.inprocess import InProcessCa
from smpki.names import Function, PkiName
from stations.integrator.batch import Outcome, Work
from stations.integrator.checks import Inspector
from stations.integrator.order import Unit
from stations.integrator.site import UnitRefused
from stations.integrator.told import RecordContradicted
from stations.integrator.unit import Integrator, Manufacturer

MANUFACTURER: Final = "Werk"
"""What the GWH is called in the SM-PKI unless told otherwise."""
_LINE: Final = "Line 3"
_STATION: Final = "factory"
"""By whom records are begun here, beside a module's serial number."""
_LOCK_BYTES: Final = 2**62


def module_url(folder: Path, reader: str | None) -> str:
    """Where a gateway's module is: in a PC/SC reader, or a software module in the gateway's folder."""
    return f"pcsc:{reader}" if reader else software_module_url(folder)


class FactoryPlace:
    """A production site. Satisfies :class:`stations.integrator.site.Site`.

    :param repository: its records; the workplace's, opened anew, by default.
    :raises lifecycle.store.errors.StoreError: if the database cannot be used.
    """

    def __init__(self, workplace: Workplace, repository: Repository | None = None) -> None:
        self.pki = PkiPlace(workplace)
        self.repository = repository or workplace.repository()
        self._workplace = workplace
        self._home = workplace.home

    def close(self) -> None:
        """Let the database go."""
        self.repository.engine.dispose()
        self.pki.close()

    def integrator(self, name: str = MANUFACTURER) -> Integrator:
        """The station. Keys that are missing are made, and the GWH is enrolled in the SM-PKI.

        :param name: what the GWH is called there.
        :raises smpki.errors.StoreError: if there is no PKI yet.
        :raises KeyStoreError: if the GWH's certificates have ended.
        """
        environment = self.pki.environment()
        with self.alone(""):  # so that of two who come first one enrols, and the other finds it done
            party = self._workplace.party(Role.GWH, _LINE)
            signer = self.pki.enrolled(PkiName(name, Function.GWH, environment)).signer()
        ends = signer.certificate.not_valid_after_utc
        if ends <= self.pki.clock():
            raise KeyStoreError(f"the certificates of {name}.GWH ended on {ends:%Y-%m-%d}: 'smgw pki renew {name}.GWH'")
        secret = DeviceSecret.open_or_make(self._home / "factory" / "factory.key")
        ca = InProcessCa(self.pki.authority())
        maker = Manufacturer(party, signer, secret, ca, self.pki.pinned(), environment)
        return Integrator(self, maker, self.repository.clock)

    def inspector(self) -> Inspector:
        """Who looks at units and changes nothing.

        :raises smpki.errors.StoreError: if there is no PKI yet.
        """
        return Inspector(self, self.pki.pinned(), self.repository.clock)

    # What the station asks of its site

    @contextmanager
    def alone(self, gateway: str) -> Iterator[None]:
        """See :meth:`stations.integrator.site.Site.alone`."""
        path = self._home / "factory" / "units.lock"
        path.parent.mkdir(parents=True, exist_ok=True, mode=durable.PRIVATE_FOLDER)
        place = int.from_bytes(sha256(gateway.encode()).digest()[:8], "big") % _LOCK_BYTES
        # The lock falls with the file, and with the process however that ends. It does not keep threads apart.
        with path.open("a+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX, 1, place)
            yield

    def taken_for(self, serial: str) -> str | None:
        """See :meth:`stations.integrator.site.Site.taken_for`."""
        query = select(commands.c.gateway).where(commands.c.certificate == _STATION, commands.c.key == _key(serial))
        with self.repository.engine.connect() as connection:
            return connection.execute(query).scalar_one_or_none()

    def begin(self, unit: Unit) -> None:
        """See :meth:`stations.integrator.site.Site.begin`."""
        try:
            # The key makes the module's serial number a thing that is taken once, by the gateway that it is taken for.
            self.repository.register(unit.gateway, by=_STATION, key=_key(unit.serial))
        except GatewayExistsError as error:
            raise UnitRefused([f"the record of {unit.gateway} was begun for another module, or by hand"]) from error
        except IdempotencyError as error:
            raise UnitRefused([f"module {unit.serial} was taken for another gateway before"]) from error

    def entries(self, gateway: str) -> list[SignedEntry] | None:
        """See :meth:`stations.integrator.site.Site.entries`."""
        try:
            self.repository.forget(gateway)
            self.repository.kept(gateway)
        except UnknownGatewayError:
            return None
        return self.repository.entries(gateway)

    def folder(self, gateway: str) -> Path:
        """The folder of a gateway (:mod:`gateway.module`)."""
        return self._workplace.gateway_folder(gateway)

    def url(self, unit: Unit) -> str:
        """See :meth:`stations.integrator.site.Site.url`."""
        return module_url(self.folder(unit.gateway), unit.reader)

    def connect(self, unit: Unit) -> SecurityModule:
        """See :meth:`stations.integrator.site.Site.connect`."""
        return SecurityModule.open(self.url(unit))

    def device(self, unit: Unit) -> Gateway:
        """See :meth:`stations.integrator.site.Site.device`."""
        folder = self.folder(unit.gateway)
        return Gateway(unit.gateway, self.repository, slot=ModuleSlot.in_folder(folder, self.url(unit)), folder=folder)

    def verdict(self, gateway: str) -> Verdict:
        """A gateway's record replayed, its module's attestations examined."""
        return replay(self.repository.chain(gateway), self.repository.trust, witness=ModuleWitness())


def _key(serial: str) -> str:
    return f"module {serial}"


@dataclass(frozen=True, slots=True)
class Bench:
    """How a worker sets up its station. A :data:`stations.integrator.batch.Station` that travels.

    :ivar workplace: where.
    :ivar name: what the GWH is called in the SM-PKI.
    :ivar logging: level and format of the log.
    """

    workplace: Workplace
    name: str = MANUFACTURER
    logging: tuple[str, str] = ("warning", "console")

    @contextmanager
    def __call__(self) -> Iterator[Work]:
        configure_logging(*self.logging)
        place = FactoryPlace(self.workplace)
        try:
            integrator = place.integrator(self.name)
            yield lambda unit: _made(place, integrator, unit)
        finally:
            place.close()


def _made(place: FactoryPlace, integrator: Integrator, unit: Unit) -> Outcome:
    """Make a unit, whatever becomes of it."""
    begun = perf_counter()
    made = False
    try:
        with clear_errors():
            words = "made" if integrator.make(unit) else "was made before"
        made = True
    except (UnitRefused, RecordContradicted) as refused:
        words = str(refused)
    except DBAPIError as error:
        words = f"the database does not answer: {error.orig}"
    except click.ClickException as failure:
        words = failure.message
    entries = place.entries(unit.gateway)
    state = str(place.repository.kept(unit.gateway).standing.state) if entries is not None else ""
    return Outcome(unit.gateway, unit.serial, made, state, words, perf_counter() - begun)
