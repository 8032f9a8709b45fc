"""Lives to test with: parties under an operations CA, a clock that tests own, and gateways brought to any state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import chain as chained
from itertools import cycle

from lifecycle.chains import Chain
from lifecycle.desk import sign_step
from lifecycle.evidence import OpenFault
from lifecycle.facts import Fact
from lifecycle.head import Head, entry_line, header_line, sign_head
from lifecycle.journal import Json, Kind, Position, SignedEntry, compose, genesis, sign_entry
from lifecycle.law import BEGINNING, LAW, Attest, Move, Report, Restore, Standing, Step
from lifecycle.parties import OperationsAuthority, Party, Trust
from lifecycle.proof.lives import Lives
from lifecycle.roles import Role
from lifecycle.states import Event, State
from lifecycle.store.repository import Appended, Repository

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""When the tests' lives begin."""
SECOND = timedelta(seconds=1)
GATEWAY = "EXXX0012345678"
OTHER_GATEWAY = "EXXX0012345679"


class SettableClock:
    """A clock that stands still until a test moves it.

    :ivar now: the time it tells.
    """

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The time."""
        return self.now

    def move(self, by: timedelta = SECOND) -> datetime:
        """Set it forward, or back with a negative step; the time it tells then."""
        self.now += by
        return self.now


@dataclass(frozen=True)
class Cast:
    """Parties under one operations CA.

    :ivar authority: the CA.
    :ivar trust: what pins it.
    :ivar parties: one party in every role; as GATEWAY, that of :data:`GATEWAY`.
    :ivar devices: the gateways' own parties, by identification: a gateway signs in its own record only. Others than
        the first two are enrolled when they first act.
    """

    authority: OperationsAuthority
    trust: Trust
    parties: Mapping[Role, Party]
    devices: dict[str, Party]

    @classmethod
    def enrolled(cls, at: datetime = START - timedelta(days=1)) -> Cast:
        """A new CA and a new party in every role, their certificates valid from *at* on."""
        authority = OperationsAuthority.create(clock=lambda: at)
        devices = {
            gateway: authority.enrol(Role.GATEWAY, gateway, clock=lambda: at) for gateway in (GATEWAY, OTHER_GATEWAY)
        }
        parties = {role: authority.enrol(role, f"{role.title()} 1", clock=lambda: at) for role in Role}
        parties[Role.GATEWAY] = devices[GATEWAY]
        return cls(authority, Trust(authority.certificate), parties, devices)

    def __getitem__(self, role: Role) -> Party:
        return self.parties[role]

    def acting(self, role: Role, gateway: str = GATEWAY) -> Party:
        """Who acts in a role on a gateway."""
        if role is not Role.GATEWAY:
            return self.parties[role]
        if gateway not in self.devices:
            at = self.authority.certificate.not_valid_before_utc
            self.devices[gateway] = self.authority.enrol(role, gateway, clock=lambda: at)
        return self.devices[gateway]

    @property
    def keeper(self) -> Party:
        """Who signs the heads."""
        return self.parties[Role.KEEPER]

    def played(self, step: Step, gateway: str = GATEWAY) -> tuple[Step, Party]:
        """A step as the party of its role takes it on a gateway, and that party."""
        party = self.acting(step.actor.role, gateway)
        return step._replace(actor=party.actor), party


@cache
def cast() -> Cast:
    """The cast of most tests; keys take time, and nobody here changes one."""
    return Cast.enrolled()


@cache
def lives() -> Lives:
    """Every lawful life, for the shortest way to a state."""
    return Lives.of(LAW)


@cache
def shortest_way(state: State) -> tuple[Step, ...]:
    """The shortest lawful life that ends in *state*, its actors without names."""
    number = lives().first(lambda standing: standing.state is state)
    assert number is not None
    return lives().path(number)


def disturbances() -> Iterator[Step]:
    """Steps without end that a gateway in OPERATION can go through: disturbed, restored, and again."""
    gateway, administrator = cast()[Role.GATEWAY].actor, cast()[Role.GWA].actor
    full = OpenFault("disk-full")
    return cycle(
        (
            Report(full, gateway),
            Move(Event.ENTER_REVERSIBLE_FAULT, gateway),
            Restore(full, administrator),
            Move(Event.RESTORE_OPERATION, administrator),
        )
    )


def life_of(length: int) -> Iterator[Step]:
    """The first *length* steps of a life that goes to OPERATION and is then disturbed again and again."""
    steps = chained(shortest_way(State.OPERATION), disturbances())
    return (step for step, _ in zip(steps, range(length), strict=False))


@dataclass
class Record:
    """One gateway's record in memory, as its signers and its keeper write it. There is no store.

    :ivar gateway: the gateway.
    :ivar played_by: who signs.
    :ivar clock: tells the time of each entry, and is a second later after it.
    :ivar standing: where the gateway stands.
    :ivar position: where the chain ends.
    :ivar entries: the chain.
    """

    gateway: str = GATEWAY
    played_by: Cast = field(default_factory=cast)
    clock: SettableClock = field(default_factory=SettableClock)
    standing: Standing = BEGINNING
    position: Position = field(init=False)
    entries: list[SignedEntry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.position = genesis(self.gateway)

    @classmethod
    def living(cls, steps: Iterable[Step], gateway: str = GATEWAY) -> Record:
        """The record of a life."""
        record = cls(gateway)
        for step in steps:
            record.tell(step)
        return record

    @classmethod
    def of_length(cls, length: int, gateway: str = GATEWAY) -> Record:
        """A record of that many entries, lawful from the first to the last."""
        return cls.living(life_of(length), gateway)

    def copy(self) -> Record:
        """The same record, to go on another way."""
        other = Record(self.gateway, self.played_by, SettableClock(self.clock.now), self.standing)
        other.position, other.entries = self.position, list(self.entries)
        return other

    def tell(self, step: Step, *, detail: Mapping[str, Json] | None = None) -> SignedEntry:
        """Add the entry of a lawful step, signed by the party of its role."""
        told, party = self.played_by.played(step, self.gateway)
        signed = sign_step(told, party, self.gateway, self.standing, self.position, self.clock(), detail=detail)
        self.standing = LAW.advance(self.standing, told)
        return self._add(signed)

    def forge(self, kind: Kind, payload: Mapping[str, object], party: Party) -> SignedEntry:
        """Add an entry that nobody asked the law about, in its place and truly signed by *party*."""
        body = compose(self.gateway, self.position, self.clock(), kind, payload, party.actor)
        return self._add(sign_entry(body, party))

    def _add(self, signed: SignedEntry) -> SignedEntry:
        self.position = Position(self.position.sequence + 1, signed.hash, _time_of(self.clock))
        self.entries.append(signed)
        self.clock.move()
        return signed

    @property
    def certificates(self) -> dict[str, bytes]:
        """The certificates of everybody who may have signed, by fingerprint."""
        signers = (*self.played_by.parties.values(), *self.played_by.devices.values())
        return {party.actor.certificate: party.certificate_der for party in signers}

    @property
    def head(self) -> Head:
        """The head as its keeper signs it."""
        return sign_head(self.gateway, self.position, self.position.sequence + 1, self.clock(), self.played_by.keeper)

    @property
    def lines(self) -> list[bytes]:
        """The lines of the file, header first."""
        return [header_line(self.head, self.certificates.values()), *map(entry_line, self.entries)]

    @property
    def file(self) -> bytes:
        """The file."""
        return b"".join(line + b"\n" for line in self.lines)

    def chain(self, entries: Iterable[SignedEntry] | None = None, *, as_file: bool = False) -> Chain:
        """The chain with these entries in it, its own where none are given, under the head of the whole.

        :param as_file: whether its entries are the lines of a file, or as they come from a store.
        """
        found = self.entries if entries is None else list(entries)
        lines: list[bytes | SignedEntry] = [entry_line(entry) if as_file else entry for entry in found]
        return Chain(self.gateway, lines, self.certificates, self.head)


def _time_of(clock: Callable[[], datetime]) -> str:
    return clock().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def repository_on(repository: Repository, clock: SettableClock) -> Repository:
    """Another repository on the same database, as another process would have it: it remembers nothing."""
    return Repository(repository.engine, repository.trust, repository.keeper, clock=clock)


def take(
    repository: Repository, step: Step, gateway: str = GATEWAY, *, players: Cast | None = None, key: str | None = None
) -> Appended:
    """Have the party of its role sign a step at the end of the chain, and append it."""
    told, party = (players or cast()).played(step, gateway)
    kept = repository.kept(gateway)
    signed = sign_step(told, party, gateway, kept.standing, kept.position, repository.clock())
    return repository.append(signed, party.certificate_der, key=key)


def live(repository: Repository, steps: Iterable[Step], gateway: str = GATEWAY) -> None:
    """Register a gateway and take it through these steps, by the keys of the cast."""
    repository.register(gateway)
    for step in steps:
        told, party = cast().played(step, gateway)
        repository.act(gateway, party, told)


def attestation(fact: Fact, role: Role, players: Cast | None = None) -> Attest:
    """The step: the party of that role attests a fact."""
    return Attest(fact, (players or cast())[role].actor)
