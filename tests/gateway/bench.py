"""A gateway on the bench: with a module in it, brought to any state; and a tap on the line to its local interface."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway.core import Gateway
from gateway.module import SECRET_FILE, DeviceSecret, ModuleSlot
from lifecycle.law import Step
from lifecycle.states import State
from lifecycle.store.engine import open_database
from lifecycle.store.repository import Repository
from securitymodule.card.module import SoftwareModule
from securitymodule.statements import InitialisationFile
from tests.support.lives import GATEWAY, SettableClock, cast, live, shortest_way

TRANSPORT_PIN, INTEGRATOR_PIN = "1029384756", "90817263540918"
SERIAL = "SM-0001"


class Seconds:
    """Seconds that pass when a test says so.

    :ivar now: how many have.
    """

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def new_repository(folder: Path) -> Repository:
    """An empty record store of the cast's, whose clock stands still."""
    engine = open_database(f"sqlite:///{folder / 'smgw.db'}")
    return Repository(engine, cast().trust, cast().keeper, clock=SettableClock())


def integrated_module(folder: Path) -> ModuleSlot:
    """A module in its gateway's folder, built in and not yet pre-personalised."""
    SoftwareModule.create(folder / "module", InitialisationFile(SERIAL, TRANSPORT_PIN, INTEGRATOR_PIN)).close()
    slot = ModuleSlot(f"module:{folder / 'module'}", DeviceSecret.open_or_make(folder / SECRET_FILE))
    slot.integrate(TRANSPORT_PIN, INTEGRATOR_PIN)
    return slot


def gateway_in(state: State, folder: Path, *, with_module: bool = False) -> Gateway:
    """A gateway that came to a state the shortest way."""
    repository = new_repository(folder)
    live(repository, shortest_way(state))
    slot = integrated_module(folder) if with_module else None
    return Gateway(GATEWAY, repository, slot=slot, folder=folder)


def step(gateway: Gateway, taken: Step) -> None:
    """Have the party of its role take a step on a gateway."""
    told, party = cast().played(taken, gateway.id)
    gateway.act(party, told)


def is_open(address: str) -> bool:
    """Whether somebody listens at ``tcp:HOST:PORT``. Nothing is sent."""
    _, host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), 5).close()
    except ConnectionRefusedError:
        return False
    return True


@dataclass
class Tap:
    """Somebody in the line who passes everything on, and remembers it.

    :ivar address: where callers reach the gateway through it.
    :ivar to_gateway: what callers sent.
    :ivar to_caller: what the gateway sent.
    """

    address: str
    to_gateway: bytearray = field(default_factory=bytearray)
    to_caller: bytearray = field(default_factory=bytearray)

    @property
    def everything(self) -> bytes:
        """Both ways."""
        return bytes(self.to_gateway + b"|" + self.to_caller)


@contextmanager
def tapped(address: str) -> Iterator[Tap]:
    """A tap before a local interface on TCP, for as long as the block lasts. One connection goes through it."""
    _, host, port = address.split(":")
    with socket.create_server(("127.0.0.1", 0)) as server:
        tap = Tap(f"tcp:127.0.0.1:{server.getsockname()[1]}")
        held: list[socket.socket] = []

        def relay() -> None:
            with contextlib.suppress(OSError):
                caller, _ = server.accept()
                gateway = socket.create_connection((host, int(port)), 5)
                held.extend((caller, gateway))
                back = threading.Thread(target=_copy, args=(gateway, caller, tap.to_caller))
                back.start()
                _copy(caller, gateway, tap.to_gateway)
                back.join()

        thread = threading.Thread(target=relay)
        thread.start()
        try:
            yield tap
        finally:
            for end in (server, *held):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            thread.join()
            for end in held:
                end.close()


def _copy(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(4096):
            kept += data
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
