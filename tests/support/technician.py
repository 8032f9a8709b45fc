"""A technician's interface to test with: real TLS on loopback, a real system log, a gate that tests turn."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from cryptography import x509
from sqlalchemy import Engine

from gateway.han.own_key import OwnCertificate
from gateway.han.rates import Rate
from gateway.han.technician_app import TechnicianLimits
from gateway.han.technician_interface import TechnicianInterface
from gateway.logs.port import LogPort
from gateway.pki.certificates import HeldCertificate
from gateway.technician import TechnicianPort
from gateway.technician_connection import ConnectionTests
from gateway.technician_parts import DiskRoom
from lifecycle.evidence import NOTHING, OpenFault
from lifecycle.faults import FAULTS
from lifecycle.functions import Interface
from lifecycle.gate import Gate
from lifecycle.journal import Position
from lifecycle.law import LAW, Law, Standing
from lifecycle.states import State
from lifecycle.store.engine import open_database
from lifecycle.store.repository import Repository
from securitymodule.coding import KeyRef, ModuleState
from securitymodule.errors import ModuleError
from securitymodule.statements import ModuleInformation
from smpki.profiles import KeyUse
from tests.support.han import FakeGateway, Ticking, consumer_certificate
from tests.support.lists import ANNA, BERT, Meters
from tests.support.lives import GATEWAY, START, SettableClock, cast

HOST, PORT, ADDRESS = "gwa.example", 8444, "192.0.2.7"
GENEROUS = TechnicianLimits(requests=Rate(1e6, 10**6), tests=Rate(1e6, 10**6))
"""Limits that no test meets by chance."""
INFORMATION = ModuleInformation("SM-0001", ModuleState.OPERATIONAL, 7, "1.2", (13,), 8, 8, b"\x04" + bytes(64))


def standings() -> list[Standing]:
    """Every state: alone, under each fault, and under each pair of faults that are both its own gravity or lighter."""
    faults = [OpenFault(name, ANNA if fault.per_subject else "") for name, fault in FAULTS.items()]
    alone = [Standing(state, NOTHING) for state in State]
    single = [Standing(state, NOTHING.with_fault(fault)) for state in State for fault in faults]
    pairs = [
        Standing(state, NOTHING.with_fault(first).with_fault(second))
        for state in (State.REVERSIBLE_FAULT, State.IRREVERSIBLE_FAULT)
        for first in faults
        for second in faults
        if first < second
    ]
    return [*alone, *single, *pairs]


def is_open(gate: Gate) -> bool:
    """Whether a gate grants anything at the technician's interface."""
    return any(grant.interface is Interface.HAN_TECHNICIAN for grant in gate.opened)


def client_to(port: int, pem: Path | None) -> httpx.Client:
    """A client with a certificate, or with none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if pem is not None:
        context.load_cert_chain(pem)
    return httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=context, timeout=30)


@dataclass
class Way:
    """The way to the administrator, as tests want it.

    :ivar works: whether something answers there.
    :ivar resolves: whether its name has an address.
    :ivar waiting: tests that were begun and wait for :meth:`go_on`; ``None`` where they are done at once.
    """

    works: bool = True
    resolves: bool = True
    waiting: list[Callable[[], None]] | None = None
    tried: list[tuple[str, int]] = field(default_factory=list)

    def resolve(self, host: str) -> tuple[str, ...]:
        """The address."""
        if not self.resolves:
            raise OSError(-2, "Name or service not known")
        assert host == HOST
        return (ADDRESS,)

    def connect(self, host: str, port: int, _seconds: float) -> None:
        """Connects."""
        self.tried.append((host, port))
        if not self.works:
            raise ConnectionRefusedError(111, "Connection refused")

    def begin(self, work: Callable[[], None]) -> None:
        """At once, or later."""
        if self.waiting is None:
            work()
        else:
            self.waiting.append(work)

    def go_on(self) -> None:
        """Do what waits."""
        assert self.waiting
        self.waiting.pop(0)()


@dataclass
class OnSite:
    """A technician's interface and who is around it.

    :ivar meters: readings and logs, on a real database.
    :ivar module: what the module says of itself, or why it does not.
    :ivar room: free and in all, on the disk.
    """

    gateway: FakeGateway
    meters: Meters
    way: Way
    ticking: Ticking
    held: list[HeldCertificate]
    law: Law = LAW
    module: ModuleInformation | ModuleError = INFORMATION
    room: tuple[int, int] = (12_300_000_000, 29_000_000_000)
    heard: dict[str, datetime | None] = field(default_factory=dict)
    interface: TechnicianInterface = field(init=False)
    pem: Path = field(init=False)
    certificate: x509.Certificate = field(init=False)

    def ask_module(self) -> ModuleInformation:
        """What the module says."""
        if isinstance(self.module, ModuleError):
            raise self.module
        return self.module

    def port(self) -> TechnicianPort:
        """What the technician is shown."""
        clock = self.meters.clock
        return TechnicianPort(
            self.gateway.gate,
            gateway=GATEWAY,
            law=self.law,
            clock=clock,
            module=self.ask_module,
            record=lambda: Position(42, "00" * 32, "2026-03-02T07:59:00.000000Z"),
            disk=lambda: DiskRoom(*self.room),
            lines=lambda: self.heard,
            certificates=lambda: self.held,
            versions=lambda: {"software": "0.1.0", "sha256": "ab" * 32},
            logs=LogPort(self.gateway.gate, self.meters.logs),
            tests=ConnectionTests(
                lambda: (HOST, PORT),
                clock=clock,
                resolve=self.way.resolve,
                connect=self.way.connect,
                begin=self.way.begin,
            ),
            consumers=lambda: (ANNA, BERT),
        )

    @property
    def url(self) -> str:
        """Its root."""
        assert self.interface.address is not None
        return f"https://127.0.0.1:{self.interface.address[1]}"

    def client(self, pem: Path | None = None, *, certificate: bool = True) -> httpx.Client:
        """A client with the technician's certificate, with another, or with none."""
        assert self.interface.address is not None
        return client_to(self.interface.address[1], (pem or self.pem) if certificate else None)


@contextmanager
def database(folder: Path) -> Iterator[Engine]:
    """A database with the gateway in it."""
    engine = open_database(f"sqlite:///{folder / 'smgw.db'}")
    Repository(engine, cast().trust, cast().keeper, clock=SettableClock()).register(GATEWAY)
    yield engine
    engine.dispose()


@contextmanager
def on_site(
    folder: Path,
    engine: Engine,
    *,
    limits: TechnicianLimits = GENEROUS,
    gate: Gate | None = None,
    more: Sequence[x509.Certificate] = (),
    law: Law = LAW,
) -> Iterator[OnSite]:
    """A technician's interface of a gateway in operation, with one technician's certificate, and *more*."""
    certificate, pem = consumer_certificate(folder, "technician")
    meters = Meters(engine)
    held = [HeldCertificate(KeyRef.OPERATIONAL_A_TLS, KeyUse.TLS, True, certificate)]
    site = OnSite(FakeGateway(gate or Gate(State.OPERATION, NOTHING)), meters, Way(), Ticking(), held, law)
    site.heard = {"lmn0": START - timedelta(minutes=3, seconds=17), "radio": None}
    site.certificate, site.pem = certificate, pem
    own = OwnCertificate.open_or_make(folder / "han.pem", GATEWAY, lambda: datetime.now(UTC))
    with TechnicianInterface(
        site.gateway,
        ("127.0.0.1", 0),
        own,
        site.port(),
        [certificate, *more],
        clock=meters.clock,
        monotonic=site.ticking,
        limits=limits,
    ) as interface:
        site.interface = interface
        yield site
