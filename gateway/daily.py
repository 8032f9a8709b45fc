"""A gateway's daily work (Messbetrieb): from the bytes of its meters to its lists and logs.

Bytes at the LMN → frame → reading → *gate* → original reading list, signed by the module → rule set → derived list.
Here the parts are put together; each asks at its own door. What they find wrong opens faults of the gateway's own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import Engine

from gateway.ballast import FILE as BALLAST
from gateway.ballast import Ballast
from gateway.derived.port import TariffPort
from gateway.door import LetIn
from gateway.faults import DISK_FULL, OwnFaults
from gateway.lmn.hdlc_link import HdlcMessage
from gateway.lmn.intake import Capture, Event, Intake
from gateway.lmn.lines import LineProtocol, Lines
from gateway.lmn.receivers import line_of
from gateway.lmn.wmbus_security import CounterFile
from gateway.logs.port import LogPort
from gateway.logs.store import Limit, LimitReached, LogError, LogPolicy, LogStore, Note
from gateway.metering.port import MeteringPort
from gateway.metering.reading_list import ReadingList, Taken
from gateway.metering.readings import OriginalReading
from gateway.metering.rules import ListProfile, Register
from gateway.module import DeviceError
from gateway.pki.keys import CertificateRefused
from gateway.profile_changes import notes_of
from gateway.profiles import Profiles
from gateway.sealing import DigestSigner
from gateway.storage import Storage, StorageFull
from lifecycle.functions import Credential, Function, Interface
from lifecycle.gate import Closed, Gate
from lifecycle.phases.model import Grant
from lifecycle.roles import Role
from securitymodule.errors import ModuleError

COUNTERS: Final = "wmbus.counters"
"""Name of the file in a gateway's folder that keeps the counters of its wireless meters."""
_NOT_SIGNED: Final = (ModuleError, DeviceError, CertificateRefused)
"""What a line that the module has to sign raises where it does not."""
_DELETES_EVERY: Final = timedelta(hours=1)
WRITES_LOGS: Final = Grant(Role.GATEWAY, Interface.INSIDE, Function.WRITE_LOGS, Credential.INSIDE)
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Received:
    """What became of some bytes.

    :ivar events: frames and telegrams that they completed, with readings or a reason, and ranges that are in none.
    :ivar captures: readings of known meters among them.
    :ivar taken: what became of those on the original reading lists.
    :ivar refused: consumers whose metering is off, and why.
    """

    events: tuple[Event, ...]
    captures: tuple[Capture, ...]
    taken: tuple[Taken, ...]
    refused: Mapping[str, Closed]

    @property
    def kept(self) -> int:
        """How many readings are on a list because of them."""
        return sum(taken.number is not None for taken in self.taken)


class DailyWork:
    """What one gateway does every day. :class:`gateway.core.Gateway` asks at the door before it comes here.

    :ivar logs: its logs.
    :ivar metering: its original reading lists.
    :ivar tariffs: its rule sets.
    :ivar faults: faults that it finds by itself.
    """

    def __init__(
        self,
        gateway: str,
        engine: Engine,
        gate: Callable[[], Gate],
        faults: Callable[[Callable[[], bool]], OwnFaults],
        *,
        clock: Callable[[], datetime],
        elapsed: Callable[[], int] = time.monotonic_ns,
        profiles: Profiles,
        lines: Mapping[str, LineProtocol],
        policy: LogPolicy | None = None,
        signer: DigestSigner | None = None,
        folder: Path | None = None,
    ) -> None:
        """:param gateway: identification, DIN 43863-5.
        :param engine: the database.
        :param gate: the gate as it is now.
        :param faults: makes the gateway's own faults, given what makes room on the disk.
        :param clock: the time, UTC.
        :param elapsed: nanoseconds that pass evenly.
        :param lines: what is spoken on its LMN lines.
        :param policy: how large its logs are.
        :param signer: signs with its SIG key.
        :param folder: its folder, see :mod:`gateway.module`.
        """
        self._gate = gate
        self._clock = clock
        self._profiles = profiles
        self._folder = folder
        self._ballast = Ballast(folder / BALLAST) if folder is not None else None
        self.faults = faults(self._make_room)
        self._storage = Storage(engine, self._disk)
        self.log_store = LogStore(
            self._storage, gateway, clock=clock, policy=policy, signer=signer, follow=self._reached
        )
        self.lists = ReadingList(
            gateway, self.log_store, self._list_profiles, clock=clock, elapsed=elapsed, signer=signer
        )
        self.logs = LogPort(gate, self.log_store)
        self.metering = MeteringPort(gate, self.lists, self._list_profiles)
        self.tariffs = TariffPort(gate, self.lists, lambda: self._profiles, clock)
        self._intake = Intake(lambda: self._profiles.meters, clock)
        self._lines = Lines(lines, lambda: self._profiles.meters, self._counters)
        self._heard: dict[str, datetime | None] = dict.fromkeys(lines)
        self._one_at_a_time = threading.RLock()
        self._started = False
        self._looked: datetime | None = None
        self._as_of: tuple[Profiles, int, Mapping[Register, ListProfile]] | None = None

    @property
    def profiles(self) -> Profiles:
        """What it knows of meters, contracts and consumers."""
        return self._profiles

    @property
    def heard(self) -> Mapping[str, datetime | None]:
        """The LMN lines, and when bytes last came over each; ``None`` where none have come."""
        return dict(self._heard)

    def use(self, profiles: Profiles, by: str) -> None:
        """Take other profiles in the place of those there are. What is on lists stays.

        The system log and the logs of the consumers concerned say so first.

        :param by: whose doing it is.
        :raises LogError: if one of them takes no more: nothing has changed.
        :raises StorageFull: if there is no room: nothing has changed.
        """
        with self._one_at_a_time:
            if self.writes_logs:
                notes = notes_of(self._profiles, profiles, by)
                if notes:
                    self.log_store.write(*notes)
            self._profiles = profiles

    # Bytes

    def receive(self, let_in: LetIn, line: str, chunk: bytes) -> Received:
        """Take bytes of a line. See :meth:`gateway.core.Gateway.receive`."""
        with self._one_at_a_time:
            self.start()
            events = self._lines.feed(line, chunk)
            if chunk:
                self._heard[line_of(line)] = self._clock()
            return self._take(let_in, line, events)

    def receive_message(self, let_in: LetIn, line: str, message: HdlcMessage) -> Received:
        """Take the answer of a meter that was asked. See :meth:`gateway.core.Gateway.receive_message`."""
        with self._one_at_a_time:
            self.start()
            self._heard[line] = self._clock()
            return self._take(let_in, line, (message,))

    def _take(self, let_in: LetIn, line: str, events: Sequence[Event]) -> Received:
        captures = self._intake.take(line, events)
        taken: list[Taken] = []
        refused: dict[str, Closed] = {}
        try:
            for consumer, readings in self._by_consumer(captures).items():
                try:
                    let_in(consumer)
                    taken += self.metering.take(Credential.INSIDE, readings, consumer=consumer)
                except Closed as closed:
                    refused[consumer] = closed
        finally:
            self.faults.settle()
        return Received(tuple(events), tuple(captures), tuple(taken), refused)

    def _by_consumer(self, captures: Iterable[Capture]) -> dict[str, list[OriginalReading]]:
        """Readings by whose metering they are; those of a register that no contract needs are nobody's, and dropped."""
        of_register = self._list_profiles()
        found: dict[str, list[OriginalReading]] = {}
        for capture in captures:
            reading = OriginalReading.of(capture)
            profile = of_register.get((reading.meter, reading.obis))
            if profile is not None:
                found.setdefault(profile.consumer, []).append(reading)
        return found

    # Time passes

    @property
    def writes_logs(self) -> bool:
        """Whether logs may be written now."""
        return bool(self._gate().ask(WRITES_LOGS))

    def start(self) -> None:
        """Metering starts, if it has not, there is some to do and logs may be written; what was missed becomes gaps."""
        if self._started or not self._profiles.contracts or not self.writes_logs:
            return
        with self._one_at_a_time:
            if self._ballast is not None and not self._ballast.take():
                self._disk(full=True)
            for reached in self.log_store.limits():
                self._reached(reached)
            try:
                self.lists.start()
                self._started = True
            except (LogError, StorageFull, *_NOT_SIGNED) as error:
                _log.warning("metering not started", reason=str(error))
            self.faults.settle()

    def keep_up(self) -> int:
        """What time brings: gaps are closed, what is kept long enough is deleted, faults that are over are cleared.

        :returns: on how many lists a gap was written down.
        """
        gaps = 0
        with self._one_at_a_time:
            self.start()
            if self.writes_logs:
                self._recover()
                try:
                    gaps = self.metering.close_gaps(Credential.INSIDE)
                    self._delete_expired()
                except (Closed, LogError, StorageFull, *_NOT_SIGNED) as error:
                    _log.warning("lists not kept up", reason=str(error))
            self.faults.settle()
        return gaps

    def _delete_expired(self) -> None:
        """Look once an hour what is kept long enough."""
        now = self._clock()
        if self._looked is None or not timedelta(0) <= now - self._looked < _DELETES_EVERY:
            self.metering.delete_expired(Credential.INSIDE)
            self._looked = now

    def _recover(self) -> None:
        """Look whether there is room on the disk again: for what is kept of it, and for a line that says so."""
        if not self.faults.holds(DISK_FULL) or (self._ballast is not None and not self._ballast.take()):
            return
        try:
            with self.log_store.writing():
                pass
        except StorageFull:
            return
        self.faults.over(DISK_FULL)

    # Notes

    def note(self, *notes: Note) -> None:
        """Write down what the gateway does, where logs may be written; that it could not is told elsewhere."""
        if not self.writes_logs:
            return
        try:
            self.log_store.write(*notes)
        except (LogError, StorageFull, *_NOT_SIGNED) as error:
            _log.warning("not logged", reason=str(error))

    # What goes wrong

    def _disk(self, full: bool) -> None:
        if full:  # that something could be written again may be for the room that was given up
            self.faults.found(DISK_FULL)

    def _reached(self, reached: LimitReached) -> None:
        fault = reached.fault
        if fault is None:
            return
        if reached.limit is Limit.FULL:
            self.faults.found(fault)
        else:
            self.faults.over(fault)
        self.faults.settle()

    def _list_profiles(self) -> Mapping[Register, ListProfile]:
        """How each register's list is kept now; contracts begin and end at whole seconds."""
        now = self._clock()
        second = int(now.timestamp())
        known = self._as_of
        if known is None or known[0] is not self._profiles or known[1] != second:
            known = self._profiles, second, self._profiles.list_profiles(now)
            self._as_of = known
        return known[2]

    def _make_room(self) -> bool:
        return self._ballast is not None and self._ballast.give_up()

    def _counters(self) -> CounterFile:
        if self._folder is None:
            raise DeviceError("a gateway with a radio line has a folder to keep counters in, and none is configured")
        return CounterFile(self._folder / COUNTERS)
