"""One gateway's whole life, with real keys, signatures and conditions: a story that is told while it happens.

The stations do their work here as they do it anywhere: the factory integrator makes the gateway and its module, the
installer sets it up, the administrator personalises and revokes, the recycler takes it apart. What is told of it is
read from the record. Attempts that must be refused are made on purpose; if one succeeds, that fails.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from gateway.core import Gateway
from gateway.daily import Received
from gateway.evidence import ATTESTATION
from gateway.lmn.sml import Reading, SmlFrame
from gateway.metering.rules import nearest_point
from lifecycle.desk import attest, move, report
from lifecycle.facts import Fact
from lifecycle.functions import Credential
from lifecycle.gate import Closed
from lifecycle.journal import Entry, read_entry, step_of
from lifecycle.law import BEGINNING, Attest, Move, Report, Restore, Step, Unlawful
from lifecycle.parties import Party, utc_now
from lifecycle.phases import PHASES
from lifecycle.phases.model import Phase
from lifecycle.replay import Verdict
from lifecycle.roles import Actor, Role
from lifecycle.states import Event, State
from lifecycle.store.replicas import replay_kept
from lifecycle.store.repository import Repository
from securitymodule.statements import Attestation, SignedAttestation
from smgw.life_cast import Cast, Reader
from smgw.life_profiles import METER_ID, QUARTER_HOUR, captured_profiles, story_profiles
from smgw.workplace import Workplace
from stations.installer.report import TestReport
from stations.installer.works import Work
from stations.integrator.order import Arrangement
from stations.meter import HouseholdMeter

_CHUNK = 64
"""Bytes of a capture that come at once; no frame is so short that two would."""
_NANOSECONDS = 1_000
"""In a microsecond."""
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Ending(StrEnum):
    """How the life ends."""

    SCRAPPING = "scrapping"
    """The calibration log is full (ch. 16); revoked, terminated, taken out and scrapped (ch. 12 to 14)."""
    SM_DESTRUCTION = "sm-destruction"
    """An outage that a Servicetechniker diagnoses (ch. 17); module destroyed, scrapped (ch. 18 to 20, 14)."""


@dataclass(frozen=True, slots=True)
class PhaseEntered:
    """A transition was made."""

    phase: Phase
    by: str
    advice: str
    unmet: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepTaken:
    """Something was put on record.

    :ivar shown: what the module says to it, where it is about the module: its serial number and counter.
    """

    text: str
    by: str
    shown: str = ""


@dataclass(frozen=True, slots=True)
class ConnectionTested:
    """The Erstkonfigurator had the gateway try to reach its administrator."""

    report: TestReport


@dataclass(frozen=True, slots=True)
class RefusedAttempt:
    """Something was tried that must not be, and was refused."""

    attempt: str
    why: str


@dataclass(frozen=True, slots=True)
class MeterRead:
    """Bytes of a meter went through the gate.

    :ivar frames: sound frames.
    :ivar unreadable: why there are no readings in the others.
    :ivar stored: how many readings are on the original reading list because of them.
    :ivar latest: what each register showed last.
    """

    frames: int
    unreadable: tuple[str, ...]
    stored: int
    latest: tuple[Reading, ...]


Told = PhaseEntered | StepTaken | ConnectionTested | RefusedAttempt | MeterRead


class NotRefusedError(Exception):
    """An attempt succeeded that must be refused: a defect."""


class Life:
    """Takes one gateway through its life. Close it, or use it as a context manager.

    :param workplace: where keys and record are kept.
    :param gateway: its identification; it must not be on record yet.
    :param tell: told what happens, as it happens.
    :param capture: bytes of a real meter; without them our own meter sends a day of its household.
    :param reader: where its security module is put in; without one it is used within this process.
    """

    def __init__(
        self,
        workplace: Workplace,
        repository: Repository,
        gateway: str,
        tell: Callable[[Told], None],
        *,
        capture: bytes | None = None,
        reader: Reader | None = None,
    ) -> None:
        self._repository = repository
        self._id = gateway
        self._tell = tell
        self._capture = capture
        self._pretended: datetime | None = None
        self._due = utc_now()
        self._cast = Cast(
            workplace,
            repository,
            gateway,
            clock=lambda: self._now,
            elapsed=self._elapsed,
            profiles=captured_profiles(capture) if capture is not None else story_profiles(),
            watch=self._tell_record,
            reader=reader,
        )
        self._meter = HouseholdMeter(METER_ID, utc_now() - 30 * _DAY, seed=7)
        self._told = 0
        self._standing = BEGINNING
        self._tell(PhaseEntered(PHASES[State.DEVELOPMENT], _who(self._party(Role.GWH).actor), "neutral", ()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let everything go."""
        self._cast.close()

    def run(self, ending: Ending = Ending.SCRAPPING, arrangement: Arrangement = Arrangement.SEPARATE) -> None:
        """The whole life."""
        self.manufacture(arrangement)
        self.deliver_and_install()
        self.operate()
        if ending is Ending.SCRAPPING:
            self.break_and_scrap()
        else:
            self.fail_and_destroy()

    def manufacture(self, arrangement: Arrangement) -> None:
        """From development to the way to the MSB (ch. 2 to 7), in either order of ch. 4 and 5."""
        self._cast.make(arrangement)
        with self._refused("an initial configuration file is brought once more"):
            self._device.local.import_initial_configuration(
                Credential.INTEGRATOR_PIN, self._cast.initial_configuration()
            )

    def deliver_and_install(self) -> None:
        """From the production site into operation (ch. 7 to 10)."""
        with self._refused("a meter sends a reading to a gateway in transit"):
            self._receive(self._meter.frame_at(self._now))
        self._attest(Role.MSB, Fact.MSB_TOOK_OVER)
        self._move(Role.MSB, Event.BEGIN_FIRST_DELIVERY)
        self._attest(Role.MSB, Fact.MSB_HANDED_OVER_TO_MONTEUR)
        self._cast.install(Work.TAKE_OVER, Work.ARRIVE, Work.MOUNT)
        self._tell(ConnectionTested(self._cast.configure()))
        with self._refused("the GWA skips the personalisation"):
            self._take(Role.GWA, move(self._party(Role.GWA), Event.BEGIN_OPERATION))
        self._cast.install(Work.HAND_OVER)
        self._cast.administrator.personalise(self._device)

    def operate(self) -> None:
        """A day of readings, a fault that administration clears, and work goes on (ch. 11, 15)."""
        self._read_meter()
        with self._refused("the Monteur takes it out although its certificates are not revoked"):
            self._cast.install(Work.REMOVE_FOR_SCRAPPING)
        self._report(Role.GATEWAY, "disk-full")
        self._move(Role.GATEWAY, Event.ENTER_REVERSIBLE_FAULT)
        with self._refused("a meter sends a reading while the disk is full"):
            self._receive(self._meter.frame_at(self._now))
        self._cast.administrator.restore_fault(self._device, "disk-full")
        self._pretended = self._due
        self._tell_readings([self._receive(self._meter.frame_at(self._now))])
        self._pretended = None

    def break_and_scrap(self) -> None:
        """An irreversible fault, and the orderly way out (ch. 16, 12 to 14)."""
        self._report(Role.GATEWAY, "calibration-log-full")
        self._move(Role.GATEWAY, Event.ENTER_IRREVERSIBLE_FAULT)
        self._cast.administrator.revoke_every_certificate(self._device)
        self._cast.administrator.terminate_module(self._device)
        self._cast.install(Work.REMOVE_FOR_SCRAPPING, Work.REPORT_REMOVED)
        self._move(Role.MSB, Event.DELIVER_FOR_SCRAPPING)
        self._recycle()

    def fail_and_destroy(self) -> None:
        """An outage that looks like a broken connection until somebody looks on site (ch. 17, 18 to 20, 14)."""
        administrator = self._cast.administrator
        administrator.report_fault(self._device, "connection-fault")
        with self._refused("the GWA declares an outage without a diagnosis"):
            self._take(Role.GWA, move(self._party(Role.GWA), Event.ENTER_OUTAGE))
        order = administrator.order_diagnosis(self._id)
        administrator.take_in(self._device, order, self._cast.diagnose_dead(order))
        self._cast.install(Work.REMOVE_FOR_SM_DESTRUCTION, Work.REPORT_REMOVED)
        self._move(Role.MSB, Event.DELIVER_FOR_SM_DESTRUCTION)
        self._recycle()

    def replayed(self, **options: Any) -> Verdict:
        """The record folded through the law again, the module's attestations examined."""
        return replay_kept(self._repository, self._id, **options)

    @property
    def _now(self) -> datetime:
        """What the gateway takes for the time: the time, or one that is pretended while its meter sends."""
        return self._pretended or utc_now()

    def _elapsed(self) -> int:
        """What passes evenly beside that time: a story has no clock that is set."""
        return (self._now - _EPOCH) // timedelta.resolution * _NANOSECONDS

    @property
    def _device(self) -> Gateway:
        return self._cast.device

    def _party(self, role: Role) -> Party:
        return self._cast.parties[role]

    def _recycle(self) -> None:
        self._attest(Role.MSB, Fact.MSB_HANDED_OVER_TO_RECYCLER)
        self._cast.recycle()

    def _read_meter(self) -> None:
        """A day of the story's meter; or a capture, as if a quarter of an hour lay between its frames."""
        end, received = nearest_point(self._now, QUARTER_HOUR), []
        if self._capture is None:
            for time, frame in self._meter.frames(end - _DAY, end, QUARTER_HOUR):
                self._pretended = time
                received.append(self._receive(frame))
        else:
            frames = 0
            for at in range(0, len(self._capture), _CHUNK):
                self._pretended = end - _DAY + frames * QUARTER_HOUR
                received.append(self._receive(self._capture[at : at + _CHUNK], line="capture"))
                frames += len(received[-1].events)
        self._pretended, self._due = None, end
        self._tell_readings(received)

    def _receive(self, data: bytes, line: str = "lmn0") -> Received:
        return self._device.receive(Credential.METER_KEY, data, line=line)

    def _tell_readings(self, received: list[Received]) -> None:
        events = [event for part in received for event in part.events]
        latest = {capture.reading.obis: capture.reading for part in received for capture in part.captures}
        unreadable = [event.error for event in events if event.error is not None]
        frames = sum(isinstance(event, SmlFrame) and event.ok for event in events)
        self._tell(MeterRead(frames, tuple(unreadable), sum(part.kept for part in received), tuple(latest.values())))

    @contextmanager
    def _refused(self, attempt: str) -> Iterator[None]:
        """What is done inside must be refused by law or gate."""
        try:
            yield
        except (Unlawful, Closed) as error:
            self._tell(RefusedAttempt(attempt, "; ".join(map(str, error.refused.reasons))))
            return
        raise NotRefusedError(f"not refused: {attempt}")

    def _take(self, role: Role, step: Step) -> None:
        self._device.act(self._party(role), step)

    def _attest(self, role: Role, fact: Fact) -> None:
        self._take(role, attest(self._party(role), fact))

    def _report(self, role: Role, fault: str) -> None:
        self._take(role, report(self._party(role), fault))

    def _move(self, role: Role, event: Event) -> None:
        self._take(role, move(self._party(role), event))

    def _tell_record(self) -> None:
        """Tell what has come to the record since the last time, whoever put it there."""
        for signed in self._repository.entries(self._id, after=self._told):
            entry = read_entry(signed.body)
            step, self._told = step_of(entry), entry.sequence
            self._standing = self._repository.law.advance(self._standing, step)
            by = _who(entry.actor)
            match step:
                case Move():
                    way, unmet = entry.payload["way"], tuple(entry.payload["recommended_unmet"])
                    self._tell(PhaseEntered(PHASES[self._standing.state], by, way, unmet))
                case Attest(fact, _):
                    self._tell(StepTaken(self._repository.law.facts[fact].text, by, _shown(entry)))
                case Report(fault, _):
                    german = self._repository.law.catalogue[fault.name].german
                    self._tell(StepTaken(f"fault reported: {fault.name} ({german})", by))
                case Restore(fault, _):
                    self._tell(StepTaken(f"fault cleared: {fault.name}", by))


def _who(actor: Actor) -> str:
    principal = f" for {actor.on_behalf_of}" if actor.on_behalf_of else ""
    return f"{actor.role} {actor.name}{principal}"


def _shown(entry: Entry) -> str:
    """What the module says to a fact, in a few words."""
    encoded = entry.payload.get("detail", {}).get(ATTESTATION)
    if encoded is None:
        return ""
    told = Attestation.decode(SignedAttestation.decode(base64.b64decode(encoded)).body)
    return f"module {told.serial}, {told.state.name}, counter {told.counter}"
