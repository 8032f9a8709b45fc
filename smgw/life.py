"""One gateway's whole life, with real keys, signatures and conditions: a story that is told while it happens.

Everything here goes the way that stations and the gateway itself go: steps are signed by parties and decided by the
law, meter bytes come through the gate. Attempts that must be refused are made on purpose; if one succeeds, that fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from gateway.core import Gateway, Received
from gateway.metering.store import OriginalReading
from lifecycle.desk import attest, move, report, restore
from lifecycle.facts import Fact
from lifecycle.faults import FAULTS
from lifecycle.functions import Credential
from lifecycle.gate import Closed
from lifecycle.law import Step, Unlawful
from lifecycle.parties import Party, utc_now
from lifecycle.phases import PHASES
from lifecycle.phases.model import Phase
from lifecycle.replay import Verdict
from lifecycle.roles import Role
from lifecycle.states import Event, State
from lifecycle.store.replicas import replay_kept
from lifecycle.store.repository import Repository
from smgw.workplace import Workplace
from stations.meter import HouseholdMeter

METER_ID = "1EMH0012345678"
"""The meter of the story, by DIN 43863-5."""
_QUARTER_HOUR = timedelta(minutes=15)
_DAY = timedelta(days=1)

_NAMES = {
    Role.GWH: "Line 3",
    Role.MSB: "Stadtwerke",
    Role.GWA: "Administration",
    Role.MONTEUR: "Monteur 7",
    Role.ERSTKONFIGURATOR: "Configurator 2",
    Role.SERVICETECHNIKER: "Technician 4",
    Role.RECYCLER: "Recycling yard",
}


class Ending(StrEnum):
    """How the life ends."""

    SCRAPPING = "scrapping"
    """The calibration log is full (ch. 16); revoked, terminated, taken out and scrapped (ch. 12 to 14)."""
    SM_DESTRUCTION = "sm-destruction"
    """An outage that a Servicetechniker diagnoses (ch. 17); module destroyed, scrapped (ch. 18 to 20, 14)."""


class Order(StrEnum):
    """Which of the two orders of ch. 4 and 5 is taken."""

    SEPARATE = "separate"
    ASSEMBLED = "assembled"


@dataclass(frozen=True, slots=True)
class PhaseEntered:
    """A transition was made."""

    phase: Phase
    by: str
    advice: str
    unmet: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepTaken:
    """Something was put on record."""

    text: str
    by: str


@dataclass(frozen=True, slots=True)
class RefusedAttempt:
    """Something was tried that must not be, and was refused."""

    attempt: str
    why: str


@dataclass(frozen=True, slots=True)
class MeterRead:
    """Bytes of a meter went through the gate."""

    frames: int
    unreadable: tuple[str, ...]
    stored: int
    latest: tuple[OriginalReading, ...]


Told = PhaseEntered | StepTaken | RefusedAttempt | MeterRead


class NotRefusedError(Exception):
    """An attempt succeeded that must be refused: a defect."""


class Life:
    """Takes one gateway through its life.

    :param workplace: where keys and record are kept.
    :param gateway: its identification; it must not be on record yet.
    :param tell: told what happens, as it happens.
    :param capture: bytes of a real meter; without them our own meter sends a day of its household.
    """

    def __init__(
        self,
        workplace: Workplace,
        repository: Repository,
        gateway: str,
        tell: Callable[[Told], None],
        *,
        capture: bytes | None = None,
    ) -> None:
        self._repository = repository
        self._id = gateway
        self._tell = tell
        self._capture = capture
        self._parties = {role: workplace.party(role, name) for role, name in _NAMES.items()}
        own = workplace.home / "parties" / "gateways" / gateway
        self._parties[Role.GATEWAY] = workplace.party(Role.GATEWAY, gateway, own)
        repository.register(gateway)
        self._now = utc_now()
        self._device = Gateway(gateway, repository, clock=lambda: self._now)
        self._meter = HouseholdMeter(METER_ID, self._now - 30 * _DAY, seed=7)
        self._tell_phase(State.DEVELOPMENT, self._parties[Role.GWH], "neutral", ())

    def run(self, ending: Ending = Ending.SCRAPPING, order: Order = Order.SEPARATE) -> None:
        """The whole life."""
        self.manufacture(order)
        self.deliver_and_install()
        self.operate()
        if ending is Ending.SCRAPPING:
            self.break_and_scrap()
        else:
            self.fail_and_destroy()

    def manufacture(self, order: Order) -> None:
        """From development to the end of Vorpersonalisierung II (ch. 2 to 6), in either order."""
        self._attest(Role.GWH, Fact.DEVELOPMENT_COMPLETE)
        self._move(Role.GWH, Event.BEGIN_PRODUCTION)
        self._attest(Role.GWH, Fact.MODULE_INITIALISED)
        if order is Order.SEPARATE:
            self._move(Role.GWH, Event.BEGIN_PREPERSONALISATION_1)
            self._prepare_module()
            self._move(Role.GWH, Event.BEGIN_INTEGRATION)
            self._attest(Role.GWH, Fact.MODULE_INTEGRATED)
        else:
            self._move(Role.GWH, Event.BEGIN_INTEGRATION)
            self._attest(Role.GWH, Fact.MODULE_INTEGRATED)
            self._move(Role.GWH, Event.BEGIN_PREPERSONALISATION_1)
            self._prepare_module()
        self._move(Role.GWH, Event.BEGIN_PREPERSONALISATION_2)
        self._attest(
            Role.GWH,
            Fact.INITIAL_CONFIGURATION_IMPORTED,
            Fact.GWA_CERTIFICATES_VERIFIED,
            Fact.CONFIGURATION_SIGNATURE_VERIFIED,
            Fact.GWA_PUBLIC_KEYS_IN_MODULE,
            Fact.GWA_COMMUNICATION_ENABLED,
        )

    def deliver_and_install(self) -> None:
        """From the production site into operation (ch. 7 to 10)."""
        self._move(Role.GWH, Event.DISPATCH_TO_MSB)
        with self._refused("a meter sends a reading to a gateway in transit"):
            self._receive(self._meter.frame_at(self._now))
        self._attest(Role.GWH, Fact.GWH_HANDED_OVER)
        self._attest(Role.MSB, Fact.MSB_TOOK_OVER)
        self._move(Role.MSB, Event.BEGIN_FIRST_DELIVERY)
        self._attest(Role.MSB, Fact.MSB_HANDED_OVER_TO_MONTEUR)
        self._attest(Role.MONTEUR, Fact.MONTEUR_TOOK_OVER, Fact.ARRIVED_IN_FIELD)
        self._move(Role.MONTEUR, Event.BEGIN_FIRST_INSTALLATION)
        self._attest(Role.MONTEUR, Fact.MOUNTED)
        self._attest(Role.ERSTKONFIGURATOR, Fact.COMMUNICATION_PARAMETERS_SET)
        with self._refused("the GWA skips the personalisation"):
            self._take(Role.GWA, move(self._parties[Role.GWA], Event.BEGIN_OPERATION))
        self._attest(Role.GATEWAY, Fact.LOCAL_INTERFACE_OFF)
        self._move(Role.GWA, Event.BEGIN_PERSONALISATION)
        self._attest(Role.GWA, Fact.OPERATIONAL_CERTIFICATES_IN_MODULE)
        self._move(Role.GWA, Event.BEGIN_OPERATION)

    def operate(self) -> None:
        """A day of readings, a fault that administration clears, and work goes on (ch. 11, 15)."""
        self._read_meter()
        with self._refused("the Monteur takes it out although its certificates are not revoked"):
            self._take(Role.MONTEUR, move(self._parties[Role.MONTEUR], Event.REMOVE_FOR_SCRAPPING))
        self._report(Role.GATEWAY, "disk-full")
        self._move(Role.GATEWAY, Event.ENTER_REVERSIBLE_FAULT)
        with self._refused("a meter sends a reading while the disk is full"):
            self._receive(self._meter.frame_at(self._now))
        self._restore(Role.GWA, "disk-full")
        self._move(Role.GWA, Event.RESTORE_OPERATION)
        self._now += _QUARTER_HOUR
        self._tell_readings([self._receive(self._meter.frame_at(self._now))])

    def break_and_scrap(self) -> None:
        """An irreversible fault, and the orderly way out (ch. 16, 12 to 14)."""
        self._report(Role.GATEWAY, "calibration-log-full")
        self._move(Role.GATEWAY, Event.ENTER_IRREVERSIBLE_FAULT)
        self._attest(Role.GWA, Fact.EVERY_CERTIFICATE_REVOKED, Fact.MODULE_TERMINATED)
        self._move(Role.MONTEUR, Event.REMOVE_FOR_SCRAPPING)
        self._attest(Role.MONTEUR, Fact.REMOVAL_COMPLETE)
        self._move(Role.MSB, Event.DELIVER_FOR_SCRAPPING)
        self._hand_over_to_recycler()
        self._move(Role.RECYCLER, Event.SCRAP_HARDWARE)

    def fail_and_destroy(self) -> None:
        """An outage that looks like a broken connection until somebody looks on site (ch. 17, 18 to 20, 14)."""
        self._report(Role.GWA, "connection-fault")
        self._move(Role.GWA, Event.ENTER_REVERSIBLE_FAULT)
        with self._refused("the GWA declares an outage without a diagnosis"):
            self._take(Role.GWA, move(self._parties[Role.GWA], Event.ENTER_OUTAGE))
        self._report(Role.SERVICETECHNIKER, "functionless")
        self._move(Role.GWA, Event.ENTER_OUTAGE)
        self._move(Role.MONTEUR, Event.REMOVE_FOR_SM_DESTRUCTION)
        self._attest(Role.MONTEUR, Fact.REMOVAL_COMPLETE)
        self._move(Role.MSB, Event.DELIVER_FOR_SM_DESTRUCTION)
        self._hand_over_to_recycler()
        self._move(Role.RECYCLER, Event.BEGIN_SM_DESTRUCTION)
        self._attest(Role.RECYCLER, Fact.MODULE_DESTROYED)
        self._move(Role.RECYCLER, Event.SCRAP_HARDWARE)

    def replayed(self, **options: Any) -> Verdict:
        """The record folded through the law again."""
        return replay_kept(self._repository, self._id, **options)

    def _prepare_module(self) -> None:
        self._attest(
            Role.GWH,
            Fact.ROOT_CERTIFICATE_IN_MODULE,
            Fact.PRELIMINARY_KEYS_IN_MODULE,
            Fact.SEAL_CERTIFICATES_IN_MODULE,
        )

    def _hand_over_to_recycler(self) -> None:
        self._attest(Role.MSB, Fact.MSB_HANDED_OVER_TO_RECYCLER)
        self._attest(Role.RECYCLER, Fact.RECYCLER_TOOK_OVER)

    def _read_meter(self) -> None:
        if self._capture is not None:
            chunks = [self._capture[at : at + 512] for at in range(0, len(self._capture), 512)]
            self._tell_readings([self._receive(chunk, line="capture") for chunk in chunks])
            return
        received = []
        end = self._now
        for time, frame in self._meter.frames(end - _DAY, end, _QUARTER_HOUR):
            self._now = time
            received.append(self._receive(frame))
        self._now = end
        self._tell_readings(received)

    def _receive(self, data: bytes, line: str = "lmn0") -> Received:
        return self._device.receive(Credential.METER_KEY, data, line=line)

    def _tell_readings(self, received: list[Received]) -> None:
        stored = [reading for part in received for reading in part.stored]
        latest = {(reading.meter, reading.obis): reading for reading in stored}
        unreadable = [frame.error or "" for part in received for frame in part.frames if not frame.ok]
        unreadable += [skipped.error for part in received for skipped in part.skipped]
        frames = sum(frame.ok for part in received for frame in part.frames)
        self._tell(MeterRead(frames, tuple(unreadable), len(stored), tuple(latest.values())))

    @contextmanager
    def _refused(self, attempt: str) -> Iterator[None]:
        """What is done inside must be refused by law or gate."""
        try:
            yield
        except (Unlawful, Closed) as error:
            self._tell(RefusedAttempt(attempt, "; ".join(map(str, error.refused.reasons))))
            return
        raise NotRefusedError(f"not refused: {attempt}")

    def _take(self, role: Role, step: Step) -> Any:
        return self._device.act(self._parties[role], step)

    def _attest(self, role: Role, *facts: Fact) -> None:
        for fact in facts:
            self._take(role, attest(self._parties[role], fact))
            self._tell(StepTaken(self._repository.law.facts[fact].text, _who(self._parties[role])))

    def _report(self, role: Role, fault: str) -> None:
        self._take(role, report(self._parties[role], fault))
        self._tell(StepTaken(f"fault reported: {fault} ({FAULTS[fault].german})", _who(self._parties[role])))

    def _restore(self, role: Role, fault: str) -> None:
        self._take(role, restore(self._parties[role], fault))
        self._tell(StepTaken(f"fault cleared: {fault}", _who(self._parties[role])))

    def _move(self, role: Role, event: Event) -> None:
        done = self._take(role, move(self._parties[role], event))
        payload = done.entry.payload
        unmet = tuple(payload["recommended_unmet"])
        self._tell_phase(done.kept.standing.state, self._parties[role], payload["way"], unmet)

    def _tell_phase(self, state: State, party: Party, advice: str, unmet: tuple[str, ...]) -> None:
        self._tell(PhaseEntered(PHASES[state], _who(party), advice, unmet))


def _who(party: Party) -> str:
    actor = party.actor
    principal = f" for {actor.on_behalf_of}" if actor.on_behalf_of else ""
    return f"{actor.role} {actor.name}{principal}"


def next_gateway(repository: Repository) -> str:
    """An identification of ours that is not on record yet."""
    taken = set(repository.gateways())
    return next(name for number in range(1, 10**8) if (name := f"EXXX00{number:08}") not in taken)
