"""Random actors, evidence, events, crashes and clock steps never bring a gateway where the law forbids it.

A Hypothesis state machine over a real repository and a replica of it. One rule tries whatever anybody could send; one
plays steps at random among all that are lawful, so that lives get deep, each after its forgeries; one lets the replica
follow, go ahead and fork. After each, what P1 to P10 claim is looked up in the record.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache, partial
from itertools import count, product, starmap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import URL, event

from lifecycle import claims
from lifecycle.canonical import format_time, parse_time
from lifecycle.chains import Chain, chains_of
from lifecycle.desk import decision_on
from lifecycle.evidence import OpenFault
from lifecycle.facts import Fact
from lifecycle.faults import FAULTS
from lifecycle.functions import HANDLES_READINGS, SHOWS_MEASURED_VALUES, Credential, Function, Interface
from lifecycle.gate import Gate
from lifecycle.head import entry_line, header_line
from lifecycle.journal import Entry, Kind, SignedEntry, compose, payload_of, read_entry, sign_entry, step_of
from lifecycle.law import BEGINNING, LAW, Attest, Move, Permitted, Refused, Report, Restore, Standing, Step, Unlawful
from lifecycle.parties import Clock, Party
from lifecycle.phases.model import Grant
from lifecycle.proof.lives import lawful_steps, leads_to
from lifecycle.roles import Actor, Role, may_sign_for
from lifecycle.states import Event, State
from lifecycle.store.engine import connect, open_database
from lifecycle.store.errors import ConflictError, EntryRefusedError, ForkError, IdempotencyError
from lifecycle.store.replicas import import_chain, replay_kept
from lifecycle.store.repository import TOLERANCE, Repository
from lifecycle.store.rows import Kept
from tests.support.campaign import Campaign
from tests.support.lives import GATEWAY, OTHER_GATEWAY, SECOND, START, Cast, SettableClock, cast, live, shortest_way

REFUSALS = (Unlawful, EntryRefusedError, ConflictError)
SUBJECTS = ("", "consumer", "neighbour")
LATE_IN_LIFE = {claims.LOCAL_OFF_FROM} | leads_to(LAW, claims.LOCAL_OFF_FROM)
GRANTS = tuple(dict.fromkeys(grant for phase in LAW.phases.values() for grant in phase.grants))
OF_A_TECHNICIAN = tuple(
    request
    for request in starmap(Grant, product(Role, Interface, SHOWS_MEASURED_VALUES, Credential))
    if {Role.SERVICETECHNIKER, Interface.HAN_TECHNICIAN, Credential.TECHNICIAN_CERTIFICATE} & {*request}
)
NOBODY = Actor(Role.KEEPER)
strangers = cache(Cast.enrolled)
"""Parties of the same roles under somebody else's CA."""
FAULTS_TRIED = [OpenFault(name, subject) for name, subject in product([*FAULTS, "no-such-fault"], SUBJECTS)]
TRIED: list[Step] = [
    *(Move(asked, NOBODY) for asked in Event),
    *(Attest(fact, NOBODY) for fact in Fact),
    *(kind(fault, NOBODY) for kind in (Report, Restore) for fault in FAULTS_TRIED),
]
skews = st.sampled_from([timedelta(0)] * 4 + [timedelta(seconds=n) for n in (-301, -1, 1, 300, 301)])
happenings = st.sampled_from([None] * 6 + ["crash", -SECOND, SECOND, *(timedelta(days=n) for n in (-400, -1, 1, 400))])


@cache
def everybody() -> list[Party]:
    """Everybody whom our CA knows, with service providers and another gateway among them."""
    at = START - timedelta(days=1)
    providers = [cast().authority.enrol(role, "Provider", role, lambda: at) for role in (Role.GWH, Role.MSB)]
    return [*cast().parties.values(), *providers, cast().devices[OTHER_GATEWAY]]


@contextmanager
def unchanged(*repositories: Repository) -> Iterator[None]:
    """See that what happens inside changes no byte of these databases, of their write-ahead logs neither."""
    names = [f"{repository.engine.url.database}{suffix}" for repository in repositories for suffix in ("", "-wal")]
    before = [Path(name).read_bytes() for name in names if Path(name).exists()]
    yield
    assert [Path(name).read_bytes() for name in names if Path(name).exists()] == before


def opened(path: Path, clock: Clock) -> Repository:
    """A repository on a file, which remembers nothing."""
    engine = connect(f"sqlite:///{path}")
    # What survives the loss of power is not looked at here.
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    return Repository(engine, cast().trust, cast().keeper, clock=clock)


def reopened(repository: Repository) -> Repository:
    """As whoever kept the record dies, and another opens the same file."""
    repository.engine.dispose()
    return opened(Path(str(repository.engine.url.database)), repository.clock)


@dataclass
class Surroundings:
    """What the machines of one campaign share: where databases lie, what was done how often, and states seen."""

    folder: Path
    tally: Counter[str] = field(default_factory=Counter)
    states: set[State] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=count)

    def database(self, state: State | None) -> Path:
        """A new database: with a gateway in that state, or empty."""
        template = self.folder / f"{state}.db"
        if not template.exists():
            open_database(f"sqlite:///{template}").dispose()
            repository = opened(template, SettableClock())
            if state is not None:
                live(repository, shortest_way(state))
            repository.engine.dispose()
        return Path(shutil.copy(template, self.folder / f"life-{next(self._numbers)}.db"))


class GatewayLife(RuleBasedStateMachine):
    """One gateway, its record, a replica of it, and everybody who might do something to it."""

    def __init__(self, around: Surroundings) -> None:
        super().__init__()
        self.around = around
        self.clock = SettableClock()
        self.checked: set[tuple[URL, Kept]] = set()
        self.keys, self.replicated = map(str, count()), False

    @initialize(state=st.sampled_from(State))
    def begin(self, state: State) -> None:
        """A gateway somewhere in its life; nobody has a replica yet."""
        self.repository = opened(self.around.database(state), self.clock)
        self.replica = opened(self.around.database(None), self.clock)

    def teardown(self) -> None:
        """Let go of the databases."""
        for repository in (self.repository, self.replica):
            repository.engine.dispose()

    @property
    def kept(self) -> Kept:
        """What is kept of the gateway, as the database has it."""
        return self.repository.kept(GATEWAY)

    def tell(self, step: Step, party: Party, *, skew: timedelta = timedelta(0)) -> SignedEntry:
        """An entry that anybody with a key could sign, whatever the law says of it."""
        kept = self.kept
        decision = decision_on(step, kept.standing)
        if isinstance(decision, Refused):
            state = kept.standing.state
            decision = Permitted(state, state, told={"event": str(step.event)} if isinstance(step, Move) else {})
        kind, payload = payload_of(step, decision)
        return sign_entry(compose(GATEWAY, kept.position, self.clock() + skew, kind, payload, step.actor), party)

    def is_in_time(self, skew: timedelta = timedelta(0)) -> bool:
        """Whether what is signed now is signed in time: the certificates valid, no clock set back or far off."""
        time = self.clock() + skew
        certificate = cast().keeper.certificate
        valid = certificate.not_valid_before_utc <= time <= certificate.not_valid_after_utc
        return valid and abs(skew) <= TOLERANCE and format_time(time) >= self.kept.position.time

    def set_clock_right(self) -> None:
        """Undo what was done to the clock, if nothing can be signed by it."""
        if not self.is_in_time():
            self.clock.now = parse_time(self.kept.position.time or format_time(START))

    def draw_lawful(self, data: st.DataObject) -> tuple[Step, Party]:
        """A step at random among all that the law permits, and somebody who may take it. Clocks are right for it."""
        standing = self.kept.standing
        self.set_clock_right()
        step = data.draw(st.sampled_from(lawful(standing)), "step")
        party = data.draw(st.sampled_from(able(standing, step)), "party")
        return step._replace(actor=party.actor), party

    @rule(data=st.data(), as_commands=st.booleans(), steps=st.integers(1, 8))
    def live_on(self, data: st.DataObject, as_commands: bool, steps: int) -> None:
        """Lawful steps are taken at random, by parties in the same process or elsewhere."""
        for _ in range(steps):
            before = self.kept
            if before.standing.state is claims.END_OF_LIFE:
                return
            step, party = self.draw_lawful(data)
            if as_commands:
                self.command(party, step)
            else:
                self.repository.act(GATEWAY, party, step)
            assert self.kept.standing == LAW.advance(before.standing, step)
            assert self.kept.position.sequence == before.position.sequence + 1
            self.around.tally["lawful_steps"] += 1
            self.nothing_forbidden()

    def forgeries(self, step: Step, party: Party) -> Iterator[tuple[SignedEntry, bytes]]:
        """A lawful step, told by who may not tell it or not so, with the certificate shown for it."""
        role, principal = party.actor.role, party.actor.on_behalf_of
        stranger = strangers().acting(role)
        for actor, signer in (
            (replace(party.actor, on_behalf_of=None if principal else Role.GWA), party),
            (replace(party.actor, role=Role.GWH if role is Role.GWA else Role.GWA), party),
            (party.actor, stranger),
            (stranger.actor, stranger),
            *((other.actor, other) for other in [cast().devices[OTHER_GATEWAY]] if role is Role.GATEWAY),
        ):
            yield self.tell(step._replace(actor=actor), signer), signer.certificate_der
        true = self.tell(step, party)
        yield true, next(other.certificate_der for other in everybody() if other != party)
        for altered in (true.body.replace(b'"seq":', b'"seq": '), true.body.replace(b'"role"', b'"rule"')):
            yield true._replace(body=altered), party.certificate_der
        flipped = true.signature[:-1] + bytes([true.signature[-1] ^ 1])
        yield true._replace(signature=flipped), party.certificate_der

    def command(self, party: Party, step: Step) -> None:
        """Send a step as a signed command under a key: forged; truly; again, signed anew; and another under its key."""
        for forged, certificate in self.forgeries(step, party):
            with unchanged(self.repository), pytest.raises(REFUSALS):
                self.repository.append(forged, certificate)
            self.around.tally["forged"] += 1
        key = next(self.keys)
        signed = self.tell(step, party)
        self.repository.append(signed, party.certificate_der, key=key)
        first = read_entry(signed.body)
        again, other = (
            sign_entry(compose(GATEWAY, self.kept.position, self.clock(), first.kind, payload, party.actor), party)
            for payload in (first.payload, {**first.payload, "detail": {"another": True}})
        )
        with unchanged(self.repository):
            assert self.repository.append(again, party.certificate_der, key=key).repeated
            assert self.repository.append(signed, party.certificate_der).repeated
            with pytest.raises(IdempotencyError):
                self.repository.append(other, party.certificate_der, key=key)

    @rule(happening=happenings, skew=skews, data=st.data())
    def anybody_tries_anything(self, happening: timedelta | str | None, skew: timedelta, data: st.DataObject) -> None:
        """A well-formed entry by anybody about anything: taken if the law permits it, else refused without a trace."""
        if isinstance(happening, timedelta):
            self.clock.move(happening)
            self.around.tally["clock_steps"] += 1
        elif happening == "crash":
            self.repository = reopened(self.repository)
            self.around.tally["crashes"] += 1
        else:
            self.set_clock_right()
        standing = self.kept.standing
        step = data.draw(st.sampled_from(lawful(standing) or TRIED) | st.sampled_from(TRIED), "step")
        party = data.draw(st.sampled_from(able(standing, step) or everybody()) | st.sampled_from(everybody()), "party")
        step = step._replace(actor=party.actor)
        signed = self.tell(step, party, skew=skew)
        if self.is_in_time(skew) and party in able(standing, step):
            self.repository.append(signed, party.certificate_der)
            assert self.kept.standing == LAW.advance(standing, step)
            self.around.tally["taken_of_wild_ones"] += 1
            return
        with unchanged(self.repository), pytest.raises(REFUSALS):
            self.repository.append(signed, party.certificate_der)
        self.around.tally["refused"] += 1

    @rule(data=st.data(), then=st.sampled_from(["stays", "stays", "fetched back", "fork"]))
    def replica_follows(self, data: st.DataObject, then: str) -> None:
        """A replica takes the chain from a file; perhaps goes ahead and is fetched back, or runs into a fork."""
        if self.kept.standing.state is claims.END_OF_LIFE:
            return
        step, party = self.draw_lawful(data)
        _, kept = import_chain(self.replica, in_file(self.repository))
        self.replicated = then != "fork"
        assert (kept.standing, kept.position) == (self.kept.standing, self.kept.position)
        self.around.tally[f"replica_{then}".replace(" ", "_")] += 1
        if then == "stays":
            return
        with unchanged(self.repository, self.replica):
            assert import_chain(self.repository, in_file(self.replica))[0] == 0
        self.replica.act(GATEWAY, party, step)
        if then == "fetched back":
            assert import_chain(self.repository, in_file(self.replica))[0] == 1
            assert self.kept.position == self.replica.kept(GATEWAY).position
            return
        self.repository.act(GATEWAY, party, step, detail={"otherwise": True})
        for one, other in ((self.repository, self.replica), (self.replica, self.repository)):
            with unchanged(one, other), pytest.raises(ForkError):
                import_chain(one, in_file(other))
        self.replica.engine.dispose()
        self.replica = opened(self.around.database(None), self.clock)

    @invariant()
    def nothing_forbidden(self) -> None:
        """What is stored is what the record folds to, the record replays, and P1 to P8 hold of both."""
        for repository in (self.repository, self.replica)[: 1 + self.replicated]:
            kept = repository.kept(GATEWAY)
            if (repository.engine.url, kept) in self.checked:
                continue  # not an entry more, and what was refused has changed nothing
            verdict = replay_kept(repository, GATEWAY)
            assert verdict.ok, str(verdict)
            entries = [read_entry(entry.body) for entry in repository.entries(GATEWAY)]
            assert kept.standing == life_lived(entries) == verdict.standing
            check_gate(kept.standing)
            self.checked.add((repository.engine.url, kept))
            self.around.states.add(kept.standing.state)


@cache
def lawful(standing: Standing) -> list[Step]:
    """Every step that the law permits somebody, its actor without a name."""
    return list(lawful_steps(LAW, standing, tuple(FAULTS.values())))


def able(standing: Standing, step: Step) -> list[Party]:
    """Everybody whom the law permits a step, and who may sign in this record."""
    return [
        party
        for party in everybody()
        if decision_on(step._replace(actor=party.actor), standing) and may_sign_for(party.actor, GATEWAY)
    ]


def in_file(repository: Repository) -> Chain:
    """The chain as it comes out of a file."""
    chain = repository.chain(GATEWAY)
    assert chain.head is not None
    header = header_line(chain.head, chain.certificates.values())
    return next(chains_of([header, *map(entry_line, repository.entries(GATEWAY))]))


def life_lived(entries: Iterable[Entry]) -> Standing:
    """Where a record leads; on the way, P2, P3 and P5 hold of what it tells."""
    standing, told, left = BEGINNING, set(), set()
    part_of = {state: part for part in claims.parts_of(LAW) for state in part}
    for entry in entries:
        before, standing = standing, LAW.advance(standing, step_of(entry))
        told |= {entry.payload["fact"]} if entry.kind is Kind.EVIDENCE else set()
        if part_of[before.state] is not part_of[standing.state]:
            left.add(part_of[before.state])
        assert part_of[standing.state] not in left, f"P2: back in {standing.state}"
        if standing.state is not before.state:
            assert claims.NEEDED_TO_ENTER.get(standing.state, frozenset()) <= told, f"P3: {standing.state}"
    if standing.state is claims.END_OF_LIFE:
        assert claims.SCRAPPING_NEEDS_ONE_OF & told, "P5"
        assert not LAW.phases[standing.state].exits, "P1"
    else:
        assert claims.END_OF_LIFE in leads_to(LAW, standing.state), "P1"
    return standing


@cache
def check_gate(standing: Standing) -> None:
    """P4, P6, P7 and P8 hold of the gate of a standing."""
    gate = Gate(*standing)
    assert not any(gate.ask(request) for request in OF_A_TECHNICIAN), "P7"
    for grant, subject in product(GRANTS, (None, *SUBJECTS[1:])):
        if not gate.ask(grant, subject):
            continue
        assert grant in LAW.phases[standing.state].grants, "P8"
        assert grant.interface is not Interface.LOCAL or standing.state not in LATE_IN_LIFE, "P4"
        is_import = grant.function is Function.IMPORT_INITIAL_CONFIGURATION
        assert not is_import or standing.state is claims.CONFIGURATION_IMPORT_ONLY_IN, "P4"
        if grant.function in HANDLES_READINGS:
            assert standing.state in claims.READINGS_ONLY_IN, "P6"
            for fault in standing.evidence.faults:
                known = FAULTS[fault.name]
                concerned = not known.per_subject or subject in {None, fault.subject}
                assert not (concerned and grant.function in known.affects), f"P6: {fault.name}"
                assert grant.interface not in known.shuts, f"P6: {fault.name}"


@pytest.mark.campaign
def test_random_lives(campaign: Campaign, tmp_path: Path) -> None:
    """Whatever is tried in whatever order, nothing is reached that the law forbids."""
    around = Surroundings(tmp_path)
    machine: Any = partial(GatewayLife, around)
    often = settings(max_examples=campaign.count(400), stateful_step_count=60)
    run_state_machine_as_test(machine, settings=often)
    assert around.tally["lawful_steps"] > 0
    campaign.report("Stateful: random lives", states_seen=len(around.states), **around.tally)
