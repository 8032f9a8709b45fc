"""The HAN interface's other side: what a gateway shows the Servicetechniker on site (ch. 11, 15, 16).

The state of the system, and never a measured value, nor whose they are. There is no way from here to anything else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway.door import entry_point
from gateway.firmware import installed_firmware, own_version
from gateway.logs.port import LogPort
from gateway.logs.store import LogEntry
from gateway.pki.certificates import HeldCertificate
from gateway.technician_connection import ConnectionTests, Tested
from gateway.technician_guide import Guide, guide_for
from gateway.technician_parts import (
    CertificateEnd,
    DiskRoom,
    LineHeard,
    Part,
    certificate_ends,
    clock_part,
    disk_part,
    lines_heard,
    module_part,
    record_part,
)
from gateway.technician_questions import Text
from lifecycle.evidence import OpenFault
from lifecycle.functions import Credential, Function, Interface
from lifecycle.gate import Gate
from lifecycle.journal import Position
from lifecycle.law import LAW, Law
from lifecycle.roles import Role
from lifecycle.states import State
from securitymodule.statements import ModuleInformation

MODULE_REST_SECONDS: Final = 5.0
"""How long what the module said is shown before it is asked again; ours: it has readings to sign meanwhile."""
NOBODY: Final = "•••"
"""What stands in the place of a consumer's name."""
_CONSUMERS: Final = frozenset({"consumer"})
"""The details of log entries that name a consumer."""


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """What the Servicetechniker is shown.

    :ivar state: the state that the gateway is in.
    :ivar faults: the faults that are open, without whom they concern.
    """

    state: State
    faults: tuple[OpenFault, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """The gateway's own parts.

    :ivar time: its time, UTC.
    :ivar parts: those that it can see; none where it is not told how.
    :ivar lines: the lines of the LMN.
    :ivar certificates: when those in the module end; ``None`` where they cannot be read.
    :ivar versions: of its software, by name.
    """

    time: datetime
    parts: tuple[Part, ...]
    lines: tuple[LineHeard, ...]
    certificates: tuple[CertificateEnd, ...] | None
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ToldEntry:
    """An entry of the system log, nobody named in it.

    :ivar number: running number.
    :ivar time: when it was written, UTC.
    :ivar event: number of the event.
    :ivar level: how grave it is.
    :ivar text: what it says.
    """

    number: int
    time: datetime
    event: int
    level: int
    text: Text


@dataclass(frozen=True, slots=True)
class LogPage:
    """Some entries, by rising number.

    :ivar entries: the entries.
    :ivar end: number of the last entry of the log, 0 where it is empty.
    """

    entries: tuple[ToldEntry, ...]
    end: int


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """Where the connection test stands.

    :ivar running: whether one is running.
    :ivar last: what the last one found, ``None`` before the first.
    """

    running: bool
    last: Tested | None


class NotFitted(Exception):
    """This gateway has not what was asked for."""


def own_versions() -> Mapping[str, str]:
    """The version of the installed software, and its hash (:mod:`gateway.firmware`).

    :raises gateway.firmware.FirmwareError: if it cannot be read.
    """
    return {"software": own_version(), "sha256": installed_firmware().hex()}


class TechnicianPort:
    """Where the Servicetechniker plugs in.

    What is not given is not shown.

    :ivar gateway: the gateway's identification, DIN 43863-5.
    :ivar law: the law of its record.
    """

    def __init__(
        self,
        gate: Callable[[], Gate],
        *,
        gateway: str = "",
        law: Law = LAW,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        module: Callable[[], ModuleInformation] | None = None,
        record: Callable[[], Position] | None = None,
        disk: Callable[[], DiskRoom] | None = None,
        lines: Callable[[], Mapping[str, datetime | None]] = dict,
        certificates: Callable[[], Iterable[HeldCertificate]] = tuple,
        versions: Callable[[], Mapping[str, str]] = own_versions,
        logs: LogPort | None = None,
        tests: ConnectionTests | None = None,
        consumers: Callable[[], Iterable[str]] = tuple,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """:param gate: the gateway's gate as it is now.
        :param clock: the time, UTC.
        :param module: asks its module who it is.
        :param record: where its record ends.
        :param disk: the room on its disk.
        :param lines: when bytes last came over each line of the LMN.
        :param certificates: those in its module.
        :param versions: of its software, by name.
        :param logs: its logs.
        :param tests: its connection tests.
        :param consumers: names of the consumers, to be kept out of whatever is shown.
        :param monotonic: seconds that pass, never back.
        """
        self.gateway = gateway
        self.law = law
        self._gate = gate
        self._clock = clock
        self._module = module
        self._record = record
        self._disk = disk
        self._lines = lines
        self._certificates = certificates
        self._versions = versions
        self._logs = logs
        self._tests = tests
        self._consumers = consumers
        self._monotonic = monotonic
        self._asking = threading.Lock()
        self._in_module: tuple[float, list[Part], tuple[CertificateEnd, ...] | None] | None = None

    def gate(self) -> Gate:
        """The gate as it is now."""
        return self._gate()

    @entry_point(Role.SERVICETECHNIKER, Interface.HAN_TECHNICIAN, Function.READ_STATUS)
    def status(self) -> SystemStatus:
        """The state of the system.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        gate = self._gate()
        assert gate.state is not None  # noqa: S101  a gate without a state opens nothing
        names = dict.fromkeys(fault.name for fault in gate.evidence.faults)
        return SystemStatus(gate.state, tuple(OpenFault(name) for name in names))

    @entry_point(Role.SERVICETECHNIKER, Interface.HAN_TECHNICIAN, Function.READ_STATUS)
    def look(self) -> Look:
        """The gateway's own parts; what cannot be reached is shown as that.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises gateway.firmware.FirmwareError: if the installed software cannot be read.
        """
        now = self._clock()
        end: Position | None = None
        module, certificates = self._ask_module(now)
        parts = list(module)
        if self._record is not None:
            part, end = record_part(self._record)
            parts.append(part)
        if self._disk is not None:
            parts.append(disk_part(self._disk))
        parts.append(clock_part(now, end))
        lines = lines_heard(self._lines(), now)
        return Look(now, tuple(parts), lines, certificates, self._versions())

    def _ask_module(self, now: datetime) -> tuple[list[Part], tuple[CertificateEnd, ...] | None]:
        """What the module is, and when its certificates end, as it said at most a moment ago."""
        with self._asking:
            if self._in_module is None or self._monotonic() - self._in_module[0] >= MODULE_REST_SECONDS:
                parts = [] if self._module is None else [module_part(self._module)]
                ends = certificate_ends(self._certificates, now)
                self._in_module = (self._monotonic(), parts, ends)
            return self._in_module[1], self._in_module[2]

    @entry_point(Role.SERVICETECHNIKER, Interface.HAN_TECHNICIAN, Function.READ_STATUS)
    def guide(self) -> Guide:
        """The questions of the diagnosis, and the findings that the law admits now.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        gate = self._gate()
        assert gate.state is not None  # noqa: S101  as above
        return guide_for(gate.state, gate.evidence, self.law)

    @entry_point(Role.SERVICETECHNIKER, Interface.HAN_TECHNICIAN, Function.READ_STATUS)
    def connection(self) -> ConnectionView:
        """Where the connection test stands.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        return ConnectionView(False, None) if self._tests is None else ConnectionView(*self._tests.seen)

    @entry_point(Role.SERVICETECHNIKER, Interface.HAN_TECHNICIAN, Function.READ_STATUS)
    def test_connection(self) -> None:
        """Begin a connection test: name and TCP, to where the GWA is, nowhere else. Nothing is sent.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises gateway.technician_connection.TestRunning: if one is running.
        :raises NotFitted: if this gateway has none.
        """
        if self._tests is None:
            raise NotFitted("this gateway has no connection test")
        self._tests.start()

    @entry_point(Role.SERVICETECHNIKER, Interface.HAN_TECHNICIAN, Function.READ_SYSTEM_LOG)
    def log(self, *, after: int | None = None, before: int | None = None, limit: int = 100) -> LogPage:
        """Entries of the system log; the last ones where neither *after* nor *before* is given.

        :param after: those that follow this number.
        :param before: the last of those that go before this number.
        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises gateway.logs.store.LogError: if *limit* is too large.
        :raises NotFitted: if this gateway has no log.
        """
        if self._logs is None:
            raise NotFitted("this gateway has no system log")
        end = self._logs.system_log_end_on_site(Credential.TECHNICIAN_CERTIFICATE)
        if after is None:
            last = end if before is None else min(before - 1, end)
            after = max(0, last - limit)
            limit = max(0, last - after)
        entries = self._logs.system_log_on_site(Credential.TECHNICIAN_CERTIFICATE, after=after, limit=limit)
        names = sorted(filter(None, self._consumers()), key=len, reverse=True)
        return LogPage(tuple(_told(entry, names) for entry in entries), end)


def _told(entry: LogEntry, names: list[str]) -> ToldEntry:
    """An entry without the consumers' names: not where they are said to stand, and nowhere else."""
    details = {name: NOBODY if name in _CONSUMERS and value else value for name, value in entry.details.items()}
    texts = [entry.event.text(details, german=german) for german in (True, False)]
    for name in names:
        texts = [text.replace(name, NOBODY) for text in texts]
    return ToldEntry(entry.number, entry.time, int(entry.event.number), int(entry.level), Text(*texts))
