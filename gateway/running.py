"""A gateway at work: its lines, the HAN interfaces, the monitor, and the gateway between them.

Each line has a thread that hands what it hears to :meth:`gateway.core.Gateway.receive`. What cannot be kept now is lost
and counted: a meter's register shows with the next frame what the lost one would have shown. Nothing that is expected
to go wrong ends the work; a line is given up only where going on would be wrong, and a defect ends all of it, so that
whoever starts the gateway again starts it clean.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog
from cryptography import x509
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.complaints import Complaints
from gateway.core import Gateway
from gateway.han.interface import HanInterface
from gateway.han.mdns import LocalName
from gateway.han.own_key import FILE, OwnCertificate
from gateway.han.serving import FollowingInterface, HanAddressError
from gateway.han.technician_interface import TechnicianInterface
from gateway.known_consumers import KnownConsumers
from gateway.lmn.hdlc_link import HdlcMessage
from gateway.lmn.lines import LineError
from gateway.lmn.receivers import Receiver, line_of
from gateway.lmn.wired_receivers import BusReceiver
from gateway.lmn.wmbus_security import SecurityError
from gateway.logs.store import LogError
from gateway.metering.rules import ProfileError
from gateway.metrics import Metrics, Standing
from gateway.module import DeviceError
from gateway.monitor import Health, Monitor
from gateway.pki.keys import CertificateRefused
from gateway.profiles import Profiles
from gateway.settings_parts import HanSettings, TechnicianSettings
from gateway.storage import StorageFull
from lifecycle.functions import Credential, Interface
from lifecycle.gate import Closed
from lifecycle.states import State
from securitymodule.errors import ModuleError

KEEP_UP_SECONDS: Final = 5.0
"""How often :meth:`Running.keep_up` is to be called; ours."""
_STOP_SECONDS: Final = 15.0
_NOT_KEPT: Final = (
    *(StorageFull, LogError, LineError, ProfileError, ModuleError, DeviceError, CertificateRefused),
    *(DBAPIError, PoolTimeout),
)
"""What receiving may raise without anything being wrong with the line."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Interfaces:
    """What a running gateway opens beside its lines.

    :ivar folder: its folder, where the key of the HAN interfaces is.
    :ivar han: the consumer's interface.
    :ivar technician: the technician's.
    :ivar monitor: host and port of health and metrics.
    """

    folder: Path
    han: HanSettings | None = None
    technician: TechnicianSettings | None = None
    monitor: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Listening:
    """Where something listens.

    :ivar what: in words.
    :ivar url: its address; empty while it does not listen.
    """

    what: str
    url: str


class Running:
    """One gateway at work, from :meth:`start` to :meth:`close`; or a context manager."""

    def __init__(
        self,
        gateway: Gateway,
        receivers: Sequence[Receiver | BusReceiver],
        interfaces: Interfaces,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        :param gateway: not started yet; it belongs to this from then on.
        :param receivers: its lines; each yields for one line, or for several that are named with it.
        :param clock: the time, UTC.
        :param monotonic: seconds that pass, never back.
        """
        self._gateway = gateway
        self._interfaces = interfaces
        self._clock, self._monotonic = clock, monotonic
        self._up = {receiver.line: True for receiver in receivers}
        self._complaints = Complaints(monotonic)
        self.metrics = Metrics(self.standing, self._up)
        self._broken = threading.Event()
        self._threads = {
            receiver: threading.Thread(target=self._hear, args=(receiver,), name=f"line {receiver.line}", daemon=True)
            for receiver in receivers
        }
        self._open = ExitStack()
        self._han: HanInterface | None = None
        self._technician: TechnicianInterface | None = None
        self._has_technicians = interfaces.technician is not None and bool(interfaces.technician.certificates)
        self._monitor: Monitor | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def id(self) -> str:
        """The gateway's identification, DIN 43863-5."""
        return self._gateway.id

    @property
    def profiles(self) -> Profiles:
        """The meters, contracts and consumers that it knows."""
        return self._gateway.profiles

    def start(self) -> None:
        """Begin to work: the monitor first, the lines last.

        :raises gateway.monitor.MonitorError: if it cannot listen.
        :raises HanAddressError: if an interface is to be open and its address cannot be had.
        :raises DeviceError: if the key of the HAN interfaces cannot be used.
        """
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        wanted = self._interfaces
        if wanted.monitor is not None:
            self._monitor = Monitor(wanted.monitor, self.health, self.metrics.text)
            self._open.callback(self._monitor.close)
        self._open.callback(self._gateway.close)
        self._gateway.start()
        if wanted.han is not None or wanted.technician is not None:
            curve = () if wanted.han is None else (wanted.han.curve,)
            own = OwnCertificate.open_or_make(wanted.folder / FILE, self._gateway.id, self._clock, *curve)
            self._open_interfaces(own)
        if self._monitor is not None:
            self._monitor.start()
        for thread in self._threads.values():
            thread.start()

    def _open_interfaces(self, own: OwnCertificate) -> None:
        han, technician, gateway = self._interfaces.han, self._interfaces.technician, self._gateway
        if han is not None:
            self._han = HanInterface(
                gateway,
                han.address,
                own,
                KnownConsumers(lambda: gateway.profiles),
                gateway.consumer_data,
                clock=self._clock,
                monotonic=self._monotonic,
                name=LocalName(gateway.id, [han.address[0]]) if han.mdns else None,
                page=gateway.consumer_data,
                watch=self.metrics.answered,
            )
            self._open.callback(self._han.close)
        if technician is not None:
            self._technician = TechnicianInterface(
                gateway,
                technician.address,
                own,
                gateway.technician,
                technician.certificates,
                clock=self._clock,
                monotonic=self._monotonic,
            )
            self._open.callback(self._technician.close)

    def close(self) -> None:
        """Stop: lines first, so that what was received is kept, then the interfaces, the module last."""
        for receiver in self._threads:
            receiver.close()
        for thread in self._threads.values():
            if thread.is_alive():
                thread.join(_STOP_SECONDS)
        self._open.close()

    @property
    def broken(self) -> bool:
        """Whether a defect has ended a line: then it is to be ended, and started anew."""
        return self._broken.is_set()

    def keep_up(self) -> None:
        """What time brings; to be called every few seconds."""
        began = self._monotonic()
        try:
            gaps = self._gateway.keep_up()
        except _NOT_KEPT as error:
            self._complaints.tell("not kept up", "", str(error))
        else:
            self.metrics.kept_up(gaps, self._monotonic() - began)
        for interface in (self._han, self._technician):
            if interface is not None and interface.address is None:
                self._refresh(interface)

    def _refresh(self, interface: FollowingInterface) -> None:
        try:
            interface.refresh()
        except HanAddressError as error:
            self._complaints.tell("interface not open", "", str(error))

    def use(self, profiles: Profiles, technicians: Sequence[x509.Certificate], by: str) -> None:
        """Take other meters, contracts, consumers and technicians; nothing that was received is lost.

        :param by: whose doing it is, for the logs.
        :raises LogError: if a log that has to say so takes no more; nothing has changed.
        :raises StorageFull: if there is no room; nothing has changed.
        """
        self._gateway.use_profiles(profiles, by)
        if self._technician is not None:
            self._has_technicians = bool(technicians)
            try:
                self._technician.use(technicians)
            except HanAddressError as error:  # it is tried again with the next keep_up
                self._complaints.tell("interface not open", "", str(error))

    # Lines

    def _hear(self, receiver: Receiver | BusReceiver) -> None:
        line = receiver.line
        try:
            for name, heard in receiver:
                self.take(name, heard)
        except (OSError, SecurityError) as error:
            # A counter that is not kept would let old telegrams in; or it is a file that cannot be read.
            self._up[line] = False
            _log.error("line given up", line=line, reason=str(error))
            receiver.close()
        except BaseException:
            self._up[line] = False
            self._broken.set()
            receiver.close()
            raise
        else:
            _log.info("line ended", line=line)

    def take(self, name: str, heard: bytes | HdlcMessage) -> None:
        """Take bytes of a line, or the answer of a meter that was asked.

        :raises OSError: if the counter of a wireless meter cannot be kept; SecurityError if those kept cannot be read.
        """
        began = self._monotonic()
        size = len(heard) if isinstance(heard, bytes) else len(heard.payload)
        try:
            if isinstance(heard, bytes):
                received = self._gateway.receive(Credential.METER_KEY, heard, line=name)
            else:
                received = self._gateway.receive_message(Credential.METER_KEY, heard, line=name)
        except Closed as closed:
            self.metrics.refused(name, size)
            if size:
                self._complaints.tell("bytes dropped", line_of(name), str(closed))
        except _NOT_KEPT as error:
            self.metrics.failed(name)
            self._complaints.tell("readings not kept", line_of(name), str(error))
        else:
            self.metrics.received(name, size, received, self._monotonic() - began)
            for refusal in received.refused.values():
                self._complaints.tell("readings of a consumer not taken", line_of(name), str(refusal.refused))

    # How it is

    def listening(self) -> list[Listening]:
        """Where everything listens now."""
        found = []
        if self._han is not None:
            found.append(Listening("consumer's page", _url(self._han)))
        if self._technician is not None:
            found.append(Listening("technician's page", _url(self._technician)))
        if self._monitor is not None:
            host, port = self._monitor.address
            found.append(Listening("health", f"http://{_in_url(host)}:{port}/health"))
            found.append(Listening("metrics", f"http://{_in_url(host)}:{port}/metrics"))
        return found

    def health(self) -> Health:
        """How it is, for :class:`gateway.monitor.Monitor`."""
        gate = self._gateway.gate()
        not_ok = [] if gate.shut is None else [f"the gate is shut: {gate.shut}"]
        if gate.state is not None and gate.state is not State.OPERATION:
            not_ok.append(f"the gateway is in {gate.state}")
        not_ok += [f"fault {name} is open" for name in sorted({fault.name for fault in gate.evidence.faults})]
        not_ok += [f"line {line} does not work" for line, up in self._up.items() if not up]
        opened = {grant.interface for grant in gate.opened}
        for name, interface, kind in self._named_interfaces():
            if interface.address is None and kind in opened:
                not_ok.append(f"the {name}'s interface does not listen")
        return Health(str(gate.state or "unknown"), tuple(not_ok))

    def standing(self) -> Standing:
        """How it stands, for :class:`gateway.metrics.Metrics`."""
        gate = self._gateway.gate()
        disk = shutil.disk_usage(self._interfaces.folder)
        return Standing(
            gate.state,
            frozenset(fault.name for fault in gate.evidence.faults),
            self._logs_filled(),
            disk.free,
            disk.total,
            {name: interface.address is not None for name, interface, _ in self._named_interfaces()},
            dict(self._up),
        )

    def _logs_filled(self) -> Mapping[str, float]:
        try:
            return {str(log): share for log, share in self._gateway.logs.filled(Credential.INSIDE).items()}
        except (Closed, DBAPIError):  # what cannot be looked up is not shown
            return {}

    def _named_interfaces(self) -> Iterable[tuple[str, FollowingInterface, Interface]]:
        if self._han is not None:
            yield "consumer", self._han, Interface.HAN_CONSUMER
        if self._technician is not None and self._has_technicians:
            yield "technician", self._technician, Interface.HAN_TECHNICIAN


def _url(interface: FollowingInterface) -> str:
    address = interface.address
    return "" if address is None else f"https://{_in_url(address[0])}:{address[1]}/"


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
