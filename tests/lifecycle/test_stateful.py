"""Random actors, evidence, events, crashes and clock steps never bring a gateway where the law forbids it.

A Hypothesis state machine over a real repository. Wild rules try whatever anybody could send; one rule plays a step at
random among all that are lawful, so that lives get deep. After each, what P1 to P10 claim is looked up in the record.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache, partial
from itertools import count, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import URL, text

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
from lifecycle.parties import Party
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

FULL_EXAMPLES, STEPS = 400, 60
REFUSALS = (Unlawful, EntryRefusedError, ConflictError)
SUBJECTS = ("", "consumer", "neighbour")
LATE_IN_LIFE = {claims.LOCAL_OFF_FROM} | leads_to(LAW, claims.LOCAL_OFF_FROM)
GRANTS = tuple(dict.fromkeys(grant for phase in LAW.phases.values() for grant in phase.grants))
OF_A_TECHNICIAN = tuple(
    Grant(role, interface, function, credential)
    for role, interface, function, credential in product(Role, Interface, SHOWS_MEASURED_VALUES, Credential)
    if role is Role.SERVICETECHNIKER
    or interface is Interface.HAN_TECHNICIAN
    or credential is Credential.TECHNICIAN_CERTIFICATE
)

Deed = Callable[[Actor], Step]
"""A step without its actor."""
faults = st.builds(OpenFault, st.sampled_from([*FAULTS, "no-such-fault"]), st.sampled_from(SUBJECTS))
deeds: st.SearchStrategy[Deed | None] = st.one_of(
    st.none(),  # one of those that are lawful now
    st.sampled_from(Event).map(lambda event: partial(Move, event)),
    st.sampled_from(Fact).map(lambda fact: partial(Attest, fact)),
    st.builds(partial, st.sampled_from([Report, Restore]), faults),
)
forgeries = st.sampled_from([""] * 5 + ["another CA", "principal", "role", "certificate", "bit"])
skews = st.sampled_from([timedelta(0)] * 4 + [timedelta(seconds=n) for n in (-301, -1, 1, 300, 301)])
clock_steps = st.sampled_from([timedelta(days=n) for n in (-400, -1, 1, 400)] + [-SECOND, SECOND])
parties = st.deferred(lambda: st.sampled_from(everybody()))


@cache
def strangers() -> Cast:
    """Parties of the same names and roles under somebody else's CA."""
    return Cast.enrolled()


@cache
def everybody() -> tuple[Party, ...]:
    """Everybody whom our CA knows, with service providers and another gateway among them."""
    at = START - timedelta(days=1)
    providers = [cast().authority.enrol(role, "Provider", role, lambda: at) for role in (Role.GWH, Role.MSB)]
    return (*cast().parties.values(), *providers, cast().devices[OTHER_GATEWAY])


def dump(repository: Repository) -> Mapping[str, list[str]]:
    """Everything in a database."""
    with repository.engine.connect() as connection:
        tables = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")).scalars()
        return {name: sorted(map(repr, connection.execute(text(f"SELECT * FROM {name}")))) for name in tables}  # noqa: S608


@contextmanager
def unchanged(*repositories: Repository) -> Iterator[None]:
    """See that what happens inside changes nothing in these databases."""
    before = [dump(repository) for repository in repositories]
    yield
    assert [dump(repository) for repository in repositories] == before


def opened(path: Path, clock: SettableClock) -> Repository:
    """A repository on a file, which remembers nothing."""
    return Repository(connect(f"sqlite:///{path}"), cast().trust, cast().keeper, clock=clock)


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

    @initialize(state=st.sampled_from(State))
    def begin(self, state: State) -> None:
        """A gateway somewhere in its life; nobody has a replica yet."""
        self.path = self.around.database(state)
        self.repository = opened(self.path, self.clock)
        self.replica = opened(self.around.database(None), self.clock)
        self.keys = map(str, count())

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

    def draw_lawful(self, data: st.DataObject) -> tuple[Step, Party]:
        """A step at random among all that the law permits, and somebody who may take it. Clocks are right for it."""
        standing, position = self.kept.standing, self.kept.position
        if not self.is_in_time():
            self.clock.now = parse_time(position.time) if position.time else START
        deed = data.draw(st.sampled_from(self.lawful_deeds()), "deed")
        able = [party for party in everybody() if permits(standing, deed(party.actor), party)]
        party = data.draw(st.sampled_from(able), "party")
        return deed(party.actor), party

    def lawful_deeds(self) -> list[Deed]:
        """Everything that the law permits somebody now; where that is nothing, something to try."""
        steps = lawful_steps(LAW, self.kept.standing, tuple(FAULTS.values()))
        return [partial(type(step), step[0]) for step in steps] or [partial(Move, Event.SCRAP_HARDWARE)]

    def is_over(self) -> bool:
        """Whether no step is left to take."""
        return self.kept.standing.state is claims.END_OF_LIFE

    @rule(data=st.data(), as_commands=st.booleans(), steps=st.integers(1, 6))
    def live_on(self, data: st.DataObject, as_commands: bool, steps: int) -> None:
        """Lawful steps are taken; each acts once, however often its command is sent."""
        for _ in range(0 if self.is_over() else steps):
            step, party = self.draw_lawful(data)
            before = self.kept
            if as_commands:
                self.command(step, party)
            else:
                self.repository.act(GATEWAY, party, step)
            assert self.kept.standing == LAW.advance(before.standing, step)
            assert self.kept.position.sequence == before.position.sequence + 1
            self.around.tally["lawful_steps"] += 1
            self.nothing_forbidden()
            if self.is_over():
                break

    def command(self, step: Step, party: Party) -> None:
        """Send a step as a signed command under a key; then again, signed anew; then something else under that key."""
        key = next(self.keys)
        signed = self.tell(step, party)
        self.repository.append(signed, party.certificate_der, key=key)
        first = read_entry(signed.body)
        told = {**first.payload, "detail": {"another": True}}
        again, other = (
            sign_entry(compose(GATEWAY, self.kept.position, self.clock(), first.kind, payload, party.actor), party)
            for payload in (first.payload, told)
        )
        with unchanged(self.repository):
            assert self.repository.append(again, party.certificate_der, key=key).repeated
            assert self.repository.append(signed, party.certificate_der).repeated
            with pytest.raises(IdempotencyError):
                self.repository.append(other, party.certificate_der, key=key)

    @rule(deed=deeds, party=parties, skew=skews, forgery=forgeries, data=st.data())
    def anybody_tries_anything(
        self, deed: Deed | None, party: Party, skew: timedelta, forgery: str, data: st.DataObject
    ) -> None:
        """A well-formed entry by anybody about anything: taken if it is true and lawful, else refused without trace."""
        if deed is None:
            deed = data.draw(st.sampled_from(self.lawful_deeds()), "deed")
        signer, actor, certificate = party, party.actor, party.certificate_der
        if forgery == "another CA":
            signer = strangers().acting(actor.role)
            actor, certificate = signer.actor, signer.certificate_der
        elif forgery == "principal":
            actor = replace(actor, on_behalf_of=Role.GWA if actor.on_behalf_of is not Role.GWA else None)
        elif forgery == "role":
            actor = replace(actor, role=Role.GWA if actor.role is not Role.GWA else Role.GWH)
        elif forgery == "certificate":
            certificate = next(other.certificate_der for other in everybody() if other != party)
        step = deed(actor)
        signed = self.tell(step, signer, skew=skew)
        if forgery == "bit":
            signed = signed._replace(signature=signed.signature[:-1] + bytes([signed.signature[-1] ^ 1]))
        standing = self.kept.standing
        if not forgery and self.is_in_time(skew) and permits(standing, step, party):
            self.repository.append(signed, certificate)
            assert self.kept.standing == LAW.advance(standing, step)
            self.around.tally["taken_of_wild_ones"] += 1
            return
        with unchanged(self.repository), pytest.raises(REFUSALS):
            self.repository.append(signed, certificate)
        if not permits(standing, step, party) or not self.is_in_time():
            with unchanged(self.repository), pytest.raises(REFUSALS):
                self.repository.act(GATEWAY, party, deed(party.actor))
        self.around.tally["refused"] += 1

    @rule(step=st.none() | clock_steps)
    def crash_or_clock_step(self, step: timedelta | None) -> None:
        """A clock is set; or whoever keeps the record dies, and another opens the file and remembers nothing."""
        if step is not None:
            self.clock.move(step)
            self.around.tally["clock_steps"] += 1
            return
        self.repository.engine.dispose()
        self.repository = opened(self.path, self.clock)
        self.around.tally["crashes"] += 1

    @precondition(lambda self: self.is_in_time())
    @rule()
    def replica_follows(self) -> None:
        """A replica takes the chain from a file; what it then holds is no news to whom it came from."""
        _, kept = import_chain(self.replica, in_file(self.repository))
        assert (kept.standing, kept.position) == (self.kept.standing, self.kept.position)
        with unchanged(self.repository, self.replica):
            assert import_chain(self.repository, in_file(self.replica))[0] == 0
            assert import_chain(self.replica, in_file(self.repository))[0] == 0
        self.around.tally["replica_follows"] += 1

    @precondition(lambda self: self.is_in_time() and not self.is_over())
    @rule(data=st.data(), too=st.booleans())
    def replica_goes_ahead(self, data: st.DataObject, too: bool) -> None:
        """The replica takes a step of its own: fetched back, or a fork where another was taken meanwhile."""
        self.replica_follows()
        step, party = self.draw_lawful(data)
        self.replica.act(GATEWAY, party, step)
        if not too:
            assert import_chain(self.repository, in_file(self.replica))[0] == 1
            assert self.kept.position == self.replica.kept(GATEWAY).position
            return
        self.repository.act(GATEWAY, party, step, detail={"otherwise": True})
        with unchanged(self.repository, self.replica):
            for one, other in ((self.repository, self.replica), (self.replica, self.repository)):
                with pytest.raises(ForkError):
                    import_chain(one, in_file(other))
        self.replica.engine.dispose()
        self.replica = opened(self.around.database(None), self.clock)
        self.around.tally["forks"] += 1

    @invariant()
    def nothing_forbidden(self) -> None:
        """What is stored is what the record folds to, the record replays, and P1 to P8 hold of both."""
        for repository in (self.repository, self.replica):
            if not repository.gateways():
                continue
            kept = repository.kept(GATEWAY)
            if (repository.engine.url, kept) in self.checked:
                continue  # not an entry more, and what was refused has changed nothing
            verdict = replay_kept(repository, GATEWAY)
            assert verdict.ok, str(verdict)
            entries = [read_entry(entry.body) for entry in repository.entries(GATEWAY)]
            assert kept.standing == life_lived(entries) == verdict.standing
            gate_of(kept.standing)
            self.checked.add((repository.engine.url, kept))
            self.around.states.add(kept.standing.state)


def permits(standing: Standing, step: Step, party: Party) -> bool:
    """Whether the law permits a step, and the party may sign in this record."""
    return bool(decision_on(step, standing)) and may_sign_for(party.actor, GATEWAY)


def in_file(repository: Repository) -> Chain:
    """The chain as it comes out of a file."""
    chain = repository.chain(GATEWAY)
    assert chain.head is not None
    entries = [entry_line(entry) for entry in repository.entries(GATEWAY)]
    (read,) = chains_of([header_line(chain.head, chain.certificates.values()), *entries])
    return read


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
def gate_of(standing: Standing) -> Gate:
    """The gate of a standing, of which P4, P6, P7 and P8 hold."""
    gate = Gate(*standing)
    assert not any(gate.ask(request) for request in OF_A_TECHNICIAN), "P7"
    for grant, subject in product(GRANTS, (None, *SUBJECTS[1:])):
        if not gate.ask(grant, subject):
            continue
        assert grant in LAW.phases[standing.state].grants, "P8"
        assert grant.interface is not Interface.LOCAL or standing.state not in LATE_IN_LIFE, "P4"
        if grant.function is Function.IMPORT_INITIAL_CONFIGURATION:
            assert standing.state is claims.CONFIGURATION_IMPORT_ONLY_IN, "P4"
        if grant.function in HANDLES_READINGS:
            assert standing.state in claims.READINGS_ONLY_IN, "P6"
            for fault in standing.evidence.faults:
                known = FAULTS[fault.name]
                concerned = not known.per_subject or subject in {None, fault.subject}
                assert not (concerned and grant.function in known.affects), f"P6: {fault.name}"
                assert grant.interface not in known.shuts, f"P6: {fault.name}"
    return gate


@pytest.mark.campaign
def test_random_lives(campaign: Campaign, tmp_path: Path) -> None:
    """Whatever is tried in whatever order, nothing is reached that the law forbids."""
    around = Surroundings(tmp_path)
    examples = campaign.count(FULL_EXAMPLES)
    machine: Any = partial(GatewayLife, around)
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=STEPS))
    assert around.tally["lawful_steps"] > 0
    campaign.report("Stateful: random lives", states_seen=len(around.states), **around.tally)
