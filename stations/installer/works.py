"""What the installer does and signs: the works, in the order of ch. 8, 9, 12 and 18, each a few entries of the record.

A work is planned before it is done: the plan says what will be signed, by whom, and where it leads. The law is asked
for all of it first, so that what is refused has changed nothing. What was begun and cut short is gone on with.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

from lifecycle.desk import decision_on, sign_step
from lifecycle.facts import Fact
from lifecycle.functions import Credential, Function, Interface
from lifecycle.gate import Open, gate_for
from lifecycle.journal import Entry, Json, read_entry, step_of
from lifecycle.law import Attest, Law, Move, Permitted, Refused, Standing, Step, Unlawful, in_words
from lifecycle.parties import Party, PartyError
from lifecycle.phases import Advice
from lifecycle.phases.model import Grant
from lifecycle.roles import Actor, Role, principal_of
from lifecycle.states import Event, State
from lifecycle.store.errors import ConflictError, IdempotencyError
from lifecycle.store.repository import Repository
from lifecycle.store.rows import Kept

_TRIES: Final = 3
_ANSWERS_REMEMBERED: Final = 1_000


@unique
class Work(StrEnum):
    """Something that the installer does on site."""

    TAKE_OVER = "take-over"
    """The Monteur takes the gateway over from the MSB (ch. 8)."""
    ARRIVE = "arrive"
    """It is in its Einsatzumgebung; the first installation begins (ch. 9)."""
    MOUNT = "mount"
    """Mount report (ch. 9)."""
    CONFIGURE = "configure"
    """The Erstkonfigurator has set the communication parameters over the local interface (ch. 9)."""
    NOT_NEEDED = "not-needed"
    """The site needs no communication parameters (ch. 9, "gegebenenfalls")."""
    HAND_OVER = "hand-over"
    """Nothing is left to do on site: the gateway's local interface is off for good, and the GWA goes on (ch. 10)."""
    REMOVE_FOR_SCRAPPING = "remove-for-scrapping"
    """The removal begins; the gateway will be scrapped (ch. 12)."""
    REMOVE_FOR_SM_DESTRUCTION = "remove-for-sm-destruction"
    """The removal begins; the module will be destroyed (ch. 18)."""
    REPORT_REMOVED = "report-removed"
    """Removal report (ch. 12, 18)."""


WORKS: Final[Mapping[Work, tuple[tuple[Role, Fact | Event], ...]]] = {
    Work.TAKE_OVER: ((Role.MONTEUR, Fact.MONTEUR_TOOK_OVER),),
    Work.ARRIVE: ((Role.MONTEUR, Fact.ARRIVED_IN_FIELD), (Role.MONTEUR, Event.BEGIN_FIRST_INSTALLATION)),
    Work.MOUNT: ((Role.MONTEUR, Fact.MOUNTED),),
    Work.CONFIGURE: ((Role.ERSTKONFIGURATOR, Fact.COMMUNICATION_PARAMETERS_SET),),
    Work.NOT_NEEDED: ((Role.MONTEUR, Fact.COMMUNICATION_PARAMETERS_NOT_NEEDED),),
    Work.HAND_OVER: ((Role.GATEWAY, Fact.LOCAL_INTERFACE_OFF),),
    Work.REMOVE_FOR_SCRAPPING: ((Role.MONTEUR, Event.REMOVE_FOR_SCRAPPING),),
    Work.REMOVE_FOR_SM_DESTRUCTION: ((Role.MONTEUR, Event.REMOVE_FOR_SM_DESTRUCTION),),
    Work.REPORT_REMOVED: ((Role.MONTEUR, Fact.REMOVAL_COMPLETE),),
}
"""What each work puts on record, and who signs it; total over :class:`Work` (tested)."""


@dataclass(frozen=True, slots=True)
class Signing:
    """One entry that will be signed.

    :ivar actor: who signs; without a name where no key of that role is at hand.
    :ivar what: the fact, or the transition asked for.
    :ivar state: where the gateway is after it.
    :ivar decision: what the law says of it.
    """

    actor: Actor
    what: Fact | Event
    state: State
    decision: Permitted


@dataclass(frozen=True, slots=True)
class Plan:
    """What doing a work will sign: all of it lawful now.

    :ivar gateway: the gateway.
    :ivar work: the work.
    :ivar signings: the entries, in order; those that are on record already are left out.
    """

    gateway: str
    work: Work
    signings: tuple[Signing, ...]

    @property
    def against_advice(self) -> bool:
        """Whether the Anlage calls a way in it not recommended (ch. 17)."""
        return any(signing.decision.advice is Advice.NOT_RECOMMENDED for signing in self.signings)

    @property
    def unmet(self) -> tuple[str, ...]:
        """Recommended conditions that are not met; lawful all the same, and recorded (ch. 11, 16)."""
        return tuple(name for signing in self.signings for name in signing.decision.unmet)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a work cannot be done now.

    :ivar work: the work.
    :ivar what: the entry of it that the law refuses.
    :ivar standing: where the gateway would stand then.
    :ivar attempt: what was tried, in words.
    :ivar refused: the law's reasons.
    """

    work: Work
    what: Fact | Event
    standing: Standing
    attempt: str
    refused: Refused


@dataclass(frozen=True, slots=True)
class Done:
    """A work that was done.

    :ivar gateway: the gateway.
    :ivar work: the work.
    :ivar entries: the entries that it became.
    :ivar state: where the gateway is now.
    :ivar repeated: whether the same command had done it before, so that nothing was done now.
    """

    gateway: str
    work: Work
    entries: tuple[Entry, ...]
    state: State
    repeated: bool = False


class Installer:
    """Plans and does the works on the gateways of one record.

    :param repository: the record: at home, or the replica that was taken along.
    :param parties: the keys at hand, by role. Whose key is missing, that person's works are shown and not done.
    :param devices: the keys of the gateways themselves, by identification: of those that are at hand.
    """

    def __init__(
        self, repository: Repository, parties: Mapping[Role, Party], devices: Mapping[str, Party] = MappingProxyType({})
    ) -> None:
        self.repository = repository
        self._parties = parties
        self._devices = devices
        self._one_at_a_time = threading.RLock()
        self._answers: OrderedDict[str, Done] = OrderedDict()
        self._told: dict[str, tuple[int, dict[Fact | Event, Entry]]] = {}

    @property
    def law(self) -> Law:
        """The law of the record."""
        return self.repository.law

    def plan(self, gateway: str, work: Work) -> Plan:
        """What doing a work would sign now. Nothing is done.

        :raises lifecycle.law.Unlawful: if the law refuses it, with all its reasons.
        :raises lifecycle.store.errors.UnknownGatewayError: if no record is kept of the gateway.
        """
        planned = self.ask(gateway, work)
        if isinstance(planned, Refusal):
            raise Unlawful(planned.attempt, planned.standing.state, planned.refused)
        return planned

    def ask(self, gateway: str, work: Work) -> Plan | Refusal:
        """As :meth:`plan`, and a refusal is an answer."""
        standing = self.repository.kept(gateway).standing
        if work is Work.HAND_OVER:
            refusal = self._something_left(standing)
            if refusal is not None:
                return refusal
        signings = []
        for role, what in _left(work, standing):
            step = self._step(gateway, role, what)
            decision = decision_on(step, standing, self.law)
            if isinstance(decision, Refused):
                return Refusal(work, what, standing, step.attempt, decision)
            standing = self.law.advance(standing, step)
            signings.append(Signing(step.actor, what, standing.state, decision))
        return Plan(gateway, work, tuple(signings))

    def do(self, gateway: str, work: Work, *, key: str | None = None, detail: Mapping[str, Json] | None = None) -> Done:
        """Do a work: sign its entries and put them on record.

        :param key: idempotency key: the same command acts once, however often it is sent.
        :param detail: what the last entry of the work tells besides.
        :raises lifecycle.law.Unlawful: if the law refuses it; nothing has changed.
        :raises lifecycle.parties.PartyError: if a key that it takes is not at hand; nothing has changed.
        :raises lifecycle.store.errors.IdempotencyError: if the key was used for something else.
        :raises lifecycle.store.errors.StoreError: if the record cannot be written.
        """
        with self._one_at_a_time:
            answered = self._answered(gateway, work, key)
            if answered is not None:
                return answered
            plan = self.plan(gateway, work)
            signers = [self.party(gateway, signing.actor.role) for signing in plan.signings]
            entries = []
            for number, (signing, party) in enumerate(zip(plan.signings, signers, strict=True), 1):
                last = number == len(plan.signings)
                entries.append(self._record(gateway, party, signing.what, key, number, detail if last else None))
            done = Done(gateway, work, tuple(entries), self.repository.kept(gateway).standing.state)
            if key is not None:
                self._answers[key] = done
                while len(self._answers) > _ANSWERS_REMEMBERED:
                    self._answers.popitem(last=False)
            return done

    def answered(self, gateway: str, work: Work, key: str) -> Done | None:
        """What a command with this key has done before; ``None`` where it has not.

        :raises lifecycle.store.errors.IdempotencyError: if the key was used for something else.
        """
        with self._one_at_a_time:
            return self._answered(gateway, work, key)

    def _answered(self, gateway: str, work: Work, key: str | None) -> Done | None:
        done = self._answers.get(key) if key is not None else None
        if done is None:
            return None
        if (done.gateway, done.work) != (gateway, work):
            raise IdempotencyError(f"the idempotency key {key!r} was used before, for something else")
        return replace(done, repeated=True)

    def party(self, gateway: str, role: Role) -> Party:
        """The key of who acts in a role on a gateway.

        :raises lifecycle.parties.PartyError: if it is not at hand.
        """
        party = self._at_hand(gateway, role)
        if party is None:
            wanted = in_words(Actor(role, on_behalf_of=principal_of(role)))
            raise PartyError(f"no key of {wanted} at hand for {gateway}, and nobody else can sign that")
        return party

    def _at_hand(self, gateway: str, role: Role) -> Party | None:
        return self._devices.get(gateway) if role is Role.GATEWAY else self._parties.get(role)

    def told(self, gateway: str) -> Mapping[Fact | Event, Entry]:
        """The entry that tells each fact on record, and the last one of each transition: who did it, and when."""
        with self._one_at_a_time:
            until, told = self._told.get(gateway, (0, {}))
            for line in self.repository.entries(gateway, after=until):
                entry = read_entry(line.body)
                match step_of(entry):
                    case Attest(fact, _):
                        told[fact] = entry
                    case Move(event, _):
                        told[event] = entry
                    case _:
                        pass
                until = entry.sequence
            self._told[gateway] = until, told
            return dict(told)

    def kept(self, gateway: str) -> Kept:
        """Where a gateway stands.

        :raises lifecycle.store.errors.UnknownGatewayError: if no record is kept of it.
        """
        return self.repository.kept(gateway)

    def _something_left(self, standing: Standing) -> Refusal | None:
        """Once the local interface is off, nobody sets parameters any more: so the GWA must be able to go on then."""
        state, evidence = standing
        after = evidence.with_fact(Fact.LOCAL_INTERFACE_OFF)
        event = Event.BEGIN_PERSONALISATION
        decision = self.law.decide(state, after, event, Actor(Role.GWA))
        if isinstance(decision, Permitted) or state is not State.FIRST_INSTALLATION:
            return None
        return Refusal(Work.HAND_OVER, event, standing, "handing over to the GWA", decision)

    def _step(self, gateway: str, role: Role, what: Fact | Event) -> Step:
        party = self._at_hand(gateway, role)
        name = gateway if role is Role.GATEWAY else ""
        actor = party.actor if party is not None else Actor(role, name, principal_of(role))
        return Attest(what, actor) if isinstance(what, Fact) else Move(what, actor)

    def _record(
        self,
        gateway: str,
        party: Party,
        what: Fact | Event,
        key: str | None,
        number: int,
        detail: Mapping[str, Json] | None,
    ) -> Entry:
        step: Step = Attest(what, party.actor) if isinstance(what, Fact) else Move(what, party.actor)
        for tried in range(1, _TRIES + 1):
            kept = self.repository.kept(gateway)
            now = self.repository.clock()
            signed = sign_step(step, party, gateway, kept.standing, kept.position, now, detail=detail, law=self.law)
            try:
                return self.repository.append(
                    signed, party.certificate_der, key=None if key is None else f"{key}.{number}"
                ).entry
            except ConflictError:  # somebody else has written meanwhile: the law decides anew on what holds now
                if tried == _TRIES:
                    raise
        raise AssertionError("unreachable")


def _left(work: Work, standing: Standing) -> Iterator[tuple[Role, Fact | Event]]:
    """The entries of a work that are not on record; where all of them are, all, so that the law says why not again."""
    entries = WORKS[work]
    left = [entry for entry in entries if not (isinstance(entry[1], Fact) and entry[1] in standing.evidence)]
    yield from left or entries


@unique
class Stage(StrEnum):
    """A part of the way that the installer goes with a gateway, as it is shown."""

    TAKEN_OVER = "taken-over"
    ARRIVED = "arrived"
    MOUNTED = "mounted"
    PARAMETERS = "parameters"
    TESTED = "tested"
    HANDED_OVER = "handed-over"
    REMOVAL_BEGUN = "removal-begun"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Choice:
    """A work that a stage can be passed by.

    :ivar work: the work.
    :ivar refusal: why it cannot be done now; ``None`` where it can.
    """

    work: Work
    refusal: Refusal | None


@dataclass(frozen=True, slots=True)
class StageView:
    """A stage of one gateway.

    :ivar stage: the stage.
    :ivar told: the entry that shows it done; ``None`` where it is not, or is nothing that the record tells.
    :ivar done: whether it is done.
    :ivar choices: the works by which it would be.
    :ivar testable: whether it is the connection test, and the local interface is open for it.
    """

    stage: Stage
    told: Entry | None
    done: bool
    choices: tuple[Choice, ...]
    testable: bool = False

    @property
    def open(self) -> bool:
        """Whether something can be done for it now."""
        return self.testable or any(choice.refusal is None for choice in self.choices)


_STAGES: Final[Mapping[Stage, tuple[tuple[Fact | Event, ...], tuple[Work, ...]]]] = {
    Stage.TAKEN_OVER: ((Fact.MONTEUR_TOOK_OVER,), (Work.TAKE_OVER,)),
    Stage.ARRIVED: ((Event.BEGIN_FIRST_INSTALLATION,), (Work.ARRIVE,)),
    Stage.MOUNTED: ((Fact.MOUNTED,), (Work.MOUNT,)),
    Stage.PARAMETERS: (
        (Fact.COMMUNICATION_PARAMETERS_SET, Fact.COMMUNICATION_PARAMETERS_NOT_NEEDED),
        (Work.CONFIGURE, Work.NOT_NEEDED),
    ),
    Stage.TESTED: ((), ()),
    Stage.HANDED_OVER: ((Fact.LOCAL_INTERFACE_OFF,), (Work.HAND_OVER,)),
    Stage.REMOVAL_BEGUN: (
        (Event.REMOVE_FOR_SM_DESTRUCTION, Event.REMOVE_FOR_SCRAPPING),
        (Work.REMOVE_FOR_SM_DESTRUCTION, Work.REMOVE_FOR_SCRAPPING),
    ),
    Stage.REMOVED: ((Fact.REMOVAL_COMPLETE,), (Work.REPORT_REMOVED,)),
}
"""What shows each stage done, and the works that do it; total over :class:`Stage` (tested)."""

STAGE_OF: Final[Mapping[Work, Stage]] = {work: stage for stage, (_, works) in _STAGES.items() for work in works}
"""The stage that each work does."""
INSTALLING: Final = tuple(stage for stage in Stage if stage not in {Stage.REMOVAL_BEGUN, Stage.REMOVED})
REMOVING: Final = (Stage.REMOVAL_BEGUN, Stage.REMOVED)
_BEFORE_REMOVAL: Final = frozenset(
    {
        State.DEVELOPMENT,
        State.PRODUCTION,
        State.PREPERSONALISATION_1_SEPARATE,
        State.PREPERSONALISATION_1_ASSEMBLED,
        State.INTEGRATION,
        State.PREPERSONALISATION_2,
        State.DELIVERY_TO_MSB,
        State.FIRST_DELIVERY,
        State.FIRST_INSTALLATION,
        State.PERSONALISATION,
    }
)


def connection(function: Function) -> Grant:
    """What the gate is asked before the Erstkonfigurator does this at the local interface (ch. 9)."""
    return Grant(Role.ERSTKONFIGURATOR, Interface.LOCAL, function, Credential.CONFIGURATOR_CREDENTIAL)


@dataclass(frozen=True, slots=True)
class View:
    """One gateway as the installer sees it.

    :ivar gateway: its identification.
    :ivar standing: where it stands.
    :ivar entries: how many entries its record has here.
    :ivar stages: the stages that concern it now: of the installation, or of the removal.
    """

    gateway: str
    standing: Standing
    entries: int
    stages: tuple[StageView, ...]

    @property
    def removing(self) -> bool:
        """Whether it is about the removal."""
        return self.stages[0].stage is Stage.REMOVAL_BEGUN

    @property
    def next(self) -> StageView | None:
        """The first stage that is not done and can be."""
        return next((stage for stage in self.stages if not stage.done and stage.open), None)


def look_at(installer: Installer, gateway: str, tested: Callable[[str], bool]) -> View:
    """One gateway, stage by stage.

    :param tested: whether the last connection test of a gateway has succeeded; the record tells nothing of it.
    :raises lifecycle.store.errors.UnknownGatewayError: if no record is kept of it.
    """
    kept = installer.kept(gateway)
    told = installer.told(gateway)
    shown = INSTALLING if kept.standing.state in _BEFORE_REMOVAL else REMOVING
    gate = gate_for(kept.standing.state, kept.standing.evidence, installer.law)
    stages = []
    for stage in shown:
        by, works = _STAGES[stage]
        entry = next((told[what] for what in by if what in told), None)
        done = tested(gateway) if stage is Stage.TESTED else entry is not None
        choices = () if done else tuple(_choice(installer, gateway, work) for work in works)
        testable = stage is Stage.TESTED and isinstance(gate.ask(connection(Function.TEST_CONNECTION)), Open)
        stages.append(StageView(stage, entry, done, choices, testable))
    return View(gateway, kept.standing, kept.position.sequence, tuple(stages))


def _choice(installer: Installer, gateway: str, work: Work) -> Choice:
    asked = installer.ask(gateway, work)
    return Choice(work, asked if isinstance(asked, Refusal) else None)
