"""The Erstkonfigurator before the device: sets communication parameters, tests the connection (ch. 9).

What goes on record is what the gateway has done: first it takes the parameters at its local interface, then the
Erstkonfigurator attests that they are set. Which ones they are the record does not tell, it binds their SHA-256.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from gateway.configuration import CommunicationParameters
from gateway.core import Gateway
from gateway.evidence import ATTESTATION_KEY
from gateway.local import LocalClient, LocalInterface, LocalLineError
from gateway.reaching import ConnectionReport
from lifecycle.facts import Fact
from lifecycle.functions import Function
from lifecycle.gate import gate_for
from lifecycle.parties import Party
from lifecycle.roles import Role
from stations.installer.report import Reports, TestReport
from stations.installer.works import Done, Installer, Work, connection


class LineLostError(Exception):
    """No way to the device's local interface is known."""


class Device(Protocol):
    """A gateway as its local interface shows it to the Erstkonfigurator."""

    def set_communication_parameters(self, parameters: CommunicationParameters) -> None:
        """Have the gateway keep communication parameters."""

    def test_connection(self) -> ConnectionReport:
        """Have the gateway try to reach its GWA."""


Reach = Callable[[str, Party, bytes | None], Iterator[Device]]
"""Opens a session with a gateway as this Erstkonfigurator, given the module's attestation key where it is known."""


def reach_at(addresses: Callable[[str], str | None]) -> Reach:
    """Sessions with the devices at these local addresses.

    :param addresses: ``tcp:127.0.0.1:PORT`` or ``serial:/dev/DEVICE`` of a gateway; ``None`` where nobody knows it.
    """

    def reach(gateway: str, configurator: Party, module_key: bytes | None) -> Iterator[Device]:
        address = addresses(gateway)
        if address is None:
            raise LineLostError(f"no local interface of {gateway} is named: say where it is (--local, --device)")
        with LocalClient.connect(address, module_key=module_key) as session:
            if session.gateway != gateway:
                raise LocalLineError(f"the device at {address} is {session.gateway}, not {gateway}")
            session.authenticate_configurator(configurator)
            yield session

    return reach


def reach_device(device: Gateway) -> Reach:
    """Sessions with a gateway that runs in this process: its local interface listens while one lasts, if it may."""

    def reach(gateway: str, configurator: Party, module_key: bytes | None) -> Iterator[Device]:
        if device.id != gateway:
            raise LineLostError(f"the device at hand is {device.id}, not {gateway}")
        with LocalInterface(device, "tcp:127.0.0.1:0") as interface:
            yield from reach_at(lambda _: interface.address)(gateway, configurator, module_key)

    return reach


class Site:
    """What the Erstkonfigurator does with the devices of one record.

    :param installer: the works on that record.
    :param reports: where reports of connection tests are kept.
    :param reach: how a device is reached.
    """

    def __init__(self, installer: Installer, reports: Reports, reach: Reach) -> None:
        self.installer = installer
        self.reports = reports
        self._session = contextmanager(reach)
        self._one_at_a_time = threading.Lock()

    def configure(self, gateway: str, parameters: CommunicationParameters, *, key: str | None = None) -> Done:
        """Set communication parameters in the device, then attest it.

        :param key: idempotency key, as :meth:`Installer.do`.
        :raises lifecycle.law.Unlawful: if the law refuses it; nothing has changed.
        :raises lifecycle.gate.Closed: if the local interface is not open for it.
        :raises lifecycle.parties.PartyError: if no key of an Erstkonfigurator is at hand; nothing has changed.
        :raises LineLostError: if nobody knows where the device is.
        :raises gateway.local.LocalError: if the device does not answer or does not believe the Erstkonfigurator.
        """
        with self._one_at_a_time:
            answered = None if key is None else self.installer.answered(gateway, Work.CONFIGURE, key)
            if answered is not None:
                return answered
            self.installer.plan(gateway, Work.CONFIGURE)
            with self._open(gateway, Function.SET_COMMUNICATION_PARAMETERS) as device:
                device.set_communication_parameters(parameters)
            bound = hashlib.sha256(parameters.encode()).hexdigest()
            return self.installer.do(gateway, Work.CONFIGURE, key=key, detail={"parameters_sha256": bound})

    def test(self, gateway: str) -> TestReport:
        """Have the device try to reach its GWA; the report is kept.

        :raises lifecycle.gate.Closed: if the local interface is not open for it.
        :raises lifecycle.parties.PartyError: if no key of an Erstkonfigurator is at hand.
        :raises LineLostError: if nobody knows where the device is.
        :raises gateway.local.LocalError: if the device does not answer or does not believe the Erstkonfigurator.
        """
        with self._one_at_a_time:
            with self._open(gateway, Function.TEST_CONNECTION) as device:
                found = device.test_connection()
            report = TestReport(
                self.installer.repository.clock(),
                found.host,
                found.port,
                found.reached,
                round(found.seconds * 1000),
                found.trouble,
            )
            self.reports.keep(gateway, report)
            return report

    @contextmanager
    def _open(self, gateway: str, function: Function) -> Iterator[Device]:
        """A session, where the gate is open for the function as far as this record knows; the device asks its own."""
        standing = self.installer.kept(gateway).standing
        gate_for(standing.state, standing.evidence, self.installer.law).require(connection(function))
        configurator = self.installer.party(gateway, Role.ERSTKONFIGURATOR)
        with self._session(gateway, configurator, self._module_key(gateway)) as device:
            yield device

    def _module_key(self, gateway: str) -> bytes | None:
        """The attestation key of the gateway's module, as its record pins it."""
        entry = self.installer.told(gateway).get(Fact.MODULE_INITIALISED)
        pinned = None if entry is None else entry.payload.get("detail", {}).get(ATTESTATION_KEY)
        try:
            return None if pinned is None else bytes.fromhex(pinned)
        except (TypeError, ValueError) as error:
            raise LineLostError(f"the record of {gateway} pins a module key that is none: {error}") from error
