"""Gateways to test with, complete: software module, Smart Metering PKI, record; brought to any state the real way.

What the module can show is really in it: keys, certificates, PINs, the GWA's initial configuration. Every fact about it
is on record with its attestation. There is no workplace and no command line; one clock tells the time to everybody::

    device = Device.at(tmp_path, State.PERSONALISATION)
    device.gateway.administration.status(Credential.GWA_CERTIFICATE)
"""

from __future__ import annotations

import atexit
import contextlib
import copy
import hashlib
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Protocol

from cryptography import x509

from gateway.configuration import CommunicationData, InitialConfiguration, compose_initial
from gateway.core import Gateway
from gateway.module import SECRET_FILE, DeviceSecret, ModuleSlot
from gateway.pki.preparation import ModuleContacts
from lifecycle.desk import move
from lifecycle.facts import Fact
from lifecycle.functions import Credential
from lifecycle.parties import Party
from lifecycle.roles import Role
from lifecycle.states import Event, State
from lifecycle.store.engine import connect
from lifecycle.store.repository import Repository
from securitymodule.card.module import SoftwareModule
from securitymodule.client import SecurityModule
from securitymodule.connection import Connection, EmbeddedConnection
from securitymodule.curves import BRAINPOOL_P256R1, plain_signature
from securitymodule.errors import ModuleError
from securitymodule.session import Session
from securitymodule.statements import InitialisationFile
from smpki.authority import Authority
from smpki.inprocess import InProcessCa
from smpki.names import Environment, Function
from smpki.profiles import KeyUse, RequestType
from smpki.requests import authorise
from smpki.store import PkiStore
from tests.support.lives import GATEWAY, START, Cast, cast, shortest_way
from tests.support.pki import Holder, TestClock, World

TRANSPORT_PIN, INTEGRATOR_PIN = "1029384756", "9081726354"
SERIAL = "SM-0001"
ENVIRONMENT = Environment.TEST
COMMUNICATION = CommunicationData("gwa.example", 8443, wake_up_port=4059)


class ModuleOrder(StrEnum):
    """Which of the two orders of ch. 4 and 5 is taken."""

    SEPARATE = "separate"
    ASSEMBLED = "assembled"


class PowerCut(ModuleError):
    """The power went before the module got the next command."""


class CutConnection(Connection):
    """A connection whose power goes after some commands; without a limit it notes what the commands do.

    :ivar left: how many commands still reach the module, ``None`` for all.
    :ivar changes: after how many commands the module's state on the disk was another.
    """

    def __init__(self, directory: Path, left: int | None = None) -> None:
        self.left = left
        self.changes: list[int] = []
        self._count = 0
        self._state = directory / "state.sealed"
        self._inner: Connection | None = None

    def __call__(self, inner: Connection) -> CutConnection:
        """Stand before a connection; the commands of all of them are counted together."""
        self._inner, self.url = inner, inner.url
        return self

    @property
    def atr(self) -> bytes:
        """The module's answer to reset."""
        assert self._inner is not None
        return self._inner.atr

    def transmit_bytes(self, command: bytes) -> bytes:
        """A command, if there is power still."""
        assert self._inner is not None
        if self.left is not None and self._count >= self.left:
            raise PowerCut("the power is gone")
        before = self._state.read_bytes()
        response = self._inner.transmit_bytes(command)
        self._count += 1
        if self._state.read_bytes() != before:
            self.changes.append(self._count)
        return response

    def close(self) -> None:
        """Let the module go."""
        if self._inner is not None:
            self._inner.close()


class ClockedSlot(ModuleSlot):
    """A slot for a software module that is told the time by a test.

    :ivar wrap: stands between every new connection and whoever uses it.
    """

    def __init__(self, directory: Path, secret: DeviceSecret, clock: Callable[[], datetime]) -> None:
        super().__init__(f"module:{directory}", secret)
        self.directory = directory
        self.clock = clock
        self.wrap: Callable[[Connection], Connection] = lambda connection: connection

    def connect(self) -> SecurityModule:
        """The module without a secure channel."""
        card = SoftwareModule.open(self.directory, clock=self.clock)
        return SecurityModule(Session(self.wrap(EmbeddedConnection(card, self.url))))


class At(Protocol):
    """Gives a gateway in a state."""

    def __call__(self, state: State, order: ModuleOrder = ModuleOrder.SEPARATE) -> Device:
        """The gateway."""


@dataclass
class Device:
    """One gateway and everybody around it.

    :ivar folder: the gateway's folder.
    :ivar world: the Smart Metering PKI.
    :ivar clock: tells everybody the time.
    :ivar repository: where the record is kept.
    :ivar slot: where the module is.
    :ivar gateway: the gateway.
    :ivar gwh: the manufacturer in the PKI.
    :ivar gwa: the administrator in the PKI.
    :ivar cast: who signs in the record.
    """

    folder: Path
    world: World
    clock: TestClock
    repository: Repository
    slot: ClockedSlot
    gateway: Gateway
    gwh: Holder
    gwa: Holder
    cast: Cast = field(default_factory=cast)

    @classmethod
    def in_folder(cls, folder: Path, gateway: str = GATEWAY, world: World | None = None) -> Device:
        """A new gateway in DEVELOPMENT, its module not made yet.

        :param world: the PKI and the database; new ones in the folder by default.
        """
        folder.mkdir(parents=True, exist_ok=True)
        world = world or World.in_folder(folder, TestClock(START))
        repository = Repository(world.engine, cast().trust, cast().keeper, clock=world.clock)
        repository.register(gateway)
        home = folder / gateway
        slot = ClockedSlot(home / "module", DeviceSecret.open_or_make(home / SECRET_FILE), world.clock)
        opened = Gateway(gateway, repository, slot=slot, folder=home)
        gwh, gwa = world.enrol("Hersteller", Function.GWH), world.enrol("Verwalter", Function.GWA)
        return cls(home, world, world.clock, repository, slot, opened, gwh, gwa)

    @property
    def id(self) -> str:
        """The gateway's identification."""
        return self.gateway.id

    @property
    def state(self) -> State:
        """Where it stands."""
        return self.repository.kept(self.id).standing.state

    @property
    def ca(self) -> InProcessCa:
        """The Sub-CA."""
        return InProcessCa(self.world.sub)

    def party(self, role: Role) -> Party:
        """Who signs in the record in a role."""
        return self.cast.acting(role, self.id)

    @classmethod
    def at(cls, folder: Path, state: State, order: ModuleOrder = ModuleOrder.SEPARATE) -> Device:
        """A gateway in a state, with a PKI and a record of its own; a copy of one that was brought there before."""
        return _brought_to(state, order).copy(folder)

    def copy(self, folder: Path) -> Device:
        """The same device, PKI and record once more, in another folder. From here they go on apart."""
        folder.mkdir(parents=True, exist_ok=True)
        world = _copied(self.world, folder / "pki.db")
        repository = Repository(world.engine, self.cast.trust, self.cast.keeper, clock=world.clock)
        return self._moved(folder / self.id, world, repository)

    def _moved(self, home: Path, world: World, repository: Repository) -> Device:
        self.gateway.close()
        shutil.copytree(self.folder, home)
        slot = ClockedSlot(home / "module", DeviceSecret.open_or_make(home / SECRET_FILE), world.clock)
        gateway = Gateway(self.id, repository, slot=slot, folder=home)
        return replace(
            self,
            folder=home,
            world=world,
            clock=world.clock,
            repository=repository,
            slot=slot,
            gateway=gateway,
        )

    def every_cut(self, folder: Path, work: Callable[[Device], object]) -> Iterator[Device]:
        """Cut the power after each command that changes the module, start again, and do the work again.

        :param folder: where to put the copies that this happens to.
        :param work: asks the module for something and puts nothing on record.
        :returns: the devices, each after its work.
        """
        whole = self._moved(folder / "whole", self.world, self.repository)
        watched = CutConnection(whole.slot.directory)
        whole.slot.wrap = watched
        work(whole)
        whole.gateway.close()
        assert watched.changes
        for after in [0, *watched.changes]:
            cut = self._moved(folder / f"cut-{after}", self.world, self.repository)
            cut.slot.wrap = CutConnection(cut.slot.directory, after)
            with contextlib.suppress(PowerCut):  # none comes where that was the last command
                work(cut)
            cut.slot.wrap = lambda connection: connection
            cut.restart()
            work(cut)
            yield cut
            cut.gateway.close()

    def restart(self) -> Gateway:
        """The gateway loses power and starts again."""
        self.gateway.close()
        self.gateway = Gateway(self.id, self.repository, slot=self.slot, folder=self.folder)
        return self.gateway

    def reach(self, state: State, order: ModuleOrder = ModuleOrder.SEPARATE) -> Gateway:
        """Go on to a state, the real way as far as the module has a part in it.

        :param order: which of the orders of ch. 4 and 5 is taken; the state itself may leave only one.
        """
        if state is State.PREPERSONALISATION_1_ASSEMBLED:
            order = ModuleOrder.ASSEMBLED
        while self.state is not state and self.state in _EXITS[order]:
            self.work()
            self.move(*_EXITS[order][self.state])
        if self.state is not state:
            self._go_on_from_operation(state)
        return self.gateway

    def work(self) -> None:
        """Do what the state that the gateway is in is there for, so that it can be left."""
        _WORK[self.state](self)

    def move(self, role: Role, event: Event) -> None:
        """A transition by a role."""
        self.gateway.act(self.party(role), move(self.party(role), event))

    def attest(self, role: Role, *facts: Fact, module: SecurityModule | None = None) -> None:
        """Facts by the word of a role."""
        self.gateway.attest(self.party(role), *facts, module=module)

    def contacts(self, module: SecurityModule) -> ModuleContacts:
        """The contacts of the bare module."""
        return ModuleContacts(self.gateway.gate, module, self.id)

    def bare_module(self) -> SecurityModule:
        """The module in the manufacturer's hands, its secure channel open with the transport PIN."""
        module = self.slot.connect()
        module.authenticate(lambda: TRANSPORT_PIN)
        return module

    def initial_file(
        self,
        *,
        gateway: str | None = None,
        gwa: Holder | None = None,
        signer: Holder | None = None,
        lifetime: timedelta = timedelta(days=3),
    ) -> bytes:
        """An initial configuration file of the GWA's.

        :param gateway: for which gateway; this one by default.
        :param gwa: of which GWA.
        :param signer: who signs it; that GWA by default.
        """
        gwa = gwa or self.gwa
        now = self.clock()
        configuration = InitialConfiguration.of(
            gateway or self.id,
            self.world.sub.certificate,
            gwa.certificates,
            self.ca.crls(),
            COMMUNICATION,
            now,
            now + lifetime,
        )
        return compose_initial(configuration, (signer or gwa).signer)

    def sign(self, message: bytes) -> bytes:
        """The GWA proves itself to the module."""
        return plain_signature(BRAINPOOL_P256R1, self.gwa.keys[KeyUse.SIG].sign(hashlib.sha256(message).digest()))

    def seals(self, package: bytes) -> list[x509.Certificate]:
        """The seal certificates that a package asks for."""
        return self.ca.request_certificate(authorise(package, self.gwh.signer, self.clock()), RequestType.SMGW_G)

    def issued(self, package: bytes) -> list[x509.Certificate]:
        """The operational certificates that a package asks for."""
        return self.ca.request_certificate(authorise(package, self.gwa.signer, self.clock()), RequestType.SMGW_W)

    def _go_on_from_operation(self, state: State) -> None:
        way = shortest_way(state)
        left = next(place for place, step in enumerate(way) if step[0] is Event.BEGIN_OPERATION)
        for step in way[left + 1 :]:
            told, party = self.cast.played(step, self.id)
            self.gateway.act(party, told)


@cache
def _brought_to(state: State, order: ModuleOrder) -> Device:
    folder = Path(tempfile.mkdtemp(prefix="smgw-gateway-"))
    atexit.register(shutil.rmtree, folder)
    device = Device.in_folder(folder)
    device.reach(state, order)
    device.gateway.close()
    return device


def _copied(world: World, path: Path) -> World:
    """The same PKI and database once more; its clock goes on by itself."""
    with closing(sqlite3.connect(str(world.engine.url.database))) as old, closing(sqlite3.connect(path)) as new:
        old.backup(new)
    made = copy.copy(world)
    made.engine, made.clock = connect(f"sqlite:///{path}"), TestClock(world.clock.now)
    made.store = PkiStore(made.engine)
    root = world.root.certificate
    made.root = Authority(made.store, root, world.root_key, root, made.clock)
    made.sub = Authority(made.store, world.sub.certificate, world.sub_key, root, made.clock)
    return made


def _development(device: Device) -> None:
    device.attest(Role.GWH, Fact.DEVELOPMENT_COMPLETE)


def _production(device: Device) -> None:
    """The module is initialised."""
    told = InitialisationFile(SERIAL, TRANSPORT_PIN, INTEGRATOR_PIN)
    SoftwareModule.create(device.slot.directory, told, clock=device.clock).close()
    device.attest(Role.GWH, Fact.MODULE_INITIALISED)


def _prepared_apart(device: Device) -> None:
    """Root, preliminary keys and seal come into the bare module."""
    contact = Credential.MODULE_CONTACT
    with device.bare_module() as module:
        contacts = device.contacts(module)
        contacts.import_root(contact, device.world.root.certificate)
        contacts.generate_preliminary_keys(contact)
        seals = device.seals(contacts.request_seals(contact, ENVIRONMENT))
        contacts.import_seals(contact, seals, device.world.sub.certificate)
        device.attest(Role.GWH, *_PREPARED, module=module)


def _prepared_assembled(device: Device) -> None:
    """The same over the local interface."""
    local, pin = device.gateway.local, Credential.INTEGRATOR_PIN
    local.present_integrator_pin(INTEGRATOR_PIN)
    local.import_root(pin, device.world.root.certificate)
    local.generate_preliminary_keys(pin)
    seals = device.seals(local.export_requests(pin, ENVIRONMENT))
    local.import_seals(pin, seals, device.world.sub.certificate)
    device.attest(Role.GWH, *_PREPARED)


def _integrated(device: Device) -> None:
    device.gateway.integrate(Credential.PRODUCTION_SITE, TRANSPORT_PIN, INTEGRATOR_PIN)
    device.attest(Role.GWH, Fact.MODULE_INTEGRATED)


def _configured(device: Device) -> None:
    """The GWA's initial configuration file is imported."""
    device.gateway.local.present_integrator_pin(INTEGRATOR_PIN)
    device.gateway.local.import_initial_configuration(Credential.INTEGRATOR_PIN, device.initial_file())
    device.attest(
        Role.GWH,
        Fact.INITIAL_CONFIGURATION_IMPORTED,
        Fact.GWA_CERTIFICATES_VERIFIED,
        Fact.CONFIGURATION_SIGNATURE_VERIFIED,
        Fact.GWA_PUBLIC_KEYS_IN_MODULE,
        Fact.GWA_COMMUNICATION_ENABLED,
    )


def _handed_to_msb(device: Device) -> None:
    device.attest(Role.GWH, Fact.GWH_HANDED_OVER)
    device.attest(Role.MSB, Fact.MSB_TOOK_OVER)


def _handed_to_monteur(device: Device) -> None:
    device.attest(Role.MSB, Fact.MSB_HANDED_OVER_TO_MONTEUR)
    device.attest(Role.MONTEUR, Fact.MONTEUR_TOOK_OVER, Fact.ARRIVED_IN_FIELD)


def _installed(device: Device) -> None:
    device.attest(Role.MONTEUR, Fact.MOUNTED, Fact.COMMUNICATION_PARAMETERS_NOT_NEEDED)
    device.attest(Role.GATEWAY, Fact.LOCAL_INTERFACE_OFF)


def _personalised(device: Device) -> None:
    """The operational certificates come in."""
    administration, shown = device.gateway.administration, Credential.GWA_CERTIFICATE
    issued = device.issued(administration.request_operational(shown, device.sign))
    administration.install_operational(shown, issued, device.world.sub.certificate, device.sign)
    device.attest(Role.GWA, Fact.OPERATIONAL_CERTIFICATES_IN_MODULE)


_PREPARED = (
    Fact.ROOT_CERTIFICATE_IN_MODULE,
    Fact.PRELIMINARY_KEYS_IN_MODULE,
    Fact.SEAL_CERTIFICATES_IN_MODULE,
)

_WORK: dict[State, Callable[[Device], None]] = {
    State.DEVELOPMENT: _development,
    State.PRODUCTION: _production,
    State.PREPERSONALISATION_1_SEPARATE: _prepared_apart,
    State.PREPERSONALISATION_1_ASSEMBLED: _prepared_assembled,
    State.INTEGRATION: _integrated,
    State.PREPERSONALISATION_2: _configured,
    State.DELIVERY_TO_MSB: _handed_to_msb,
    State.FIRST_DELIVERY: _handed_to_monteur,
    State.FIRST_INSTALLATION: _installed,
    State.PERSONALISATION: _personalised,
}

_AFTERWARDS = {
    State.DEVELOPMENT: (Role.GWH, Event.BEGIN_PRODUCTION),
    State.PREPERSONALISATION_2: (Role.GWH, Event.DISPATCH_TO_MSB),
    State.DELIVERY_TO_MSB: (Role.MSB, Event.BEGIN_FIRST_DELIVERY),
    State.FIRST_DELIVERY: (Role.MONTEUR, Event.BEGIN_FIRST_INSTALLATION),
    State.FIRST_INSTALLATION: (Role.GWA, Event.BEGIN_PERSONALISATION),
    State.PERSONALISATION: (Role.GWA, Event.BEGIN_OPERATION),
}

_EXITS = {
    ModuleOrder.SEPARATE: {
        **_AFTERWARDS,
        State.PRODUCTION: (Role.GWH, Event.BEGIN_PREPERSONALISATION_1),
        State.PREPERSONALISATION_1_SEPARATE: (Role.GWH, Event.BEGIN_INTEGRATION),
        State.INTEGRATION: (Role.GWH, Event.BEGIN_PREPERSONALISATION_2),
    },
    ModuleOrder.ASSEMBLED: {
        **_AFTERWARDS,
        State.PRODUCTION: (Role.GWH, Event.BEGIN_INTEGRATION),
        State.INTEGRATION: (Role.GWH, Event.BEGIN_PREPERSONALISATION_1),
        State.PREPERSONALISATION_1_ASSEMBLED: (Role.GWH, Event.BEGIN_PREPERSONALISATION_2),
    },
}
