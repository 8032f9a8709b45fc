"""The one repository: what is true and lawful goes on record, what is not is refused and changes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import Engine

from lifecycle.canonical import JournalError, canonical, format_time
from lifecycle.desk import attest, move, report, restore, sign_step
from lifecycle.facts import Fact
from lifecycle.faults import FAULTS
from lifecycle.journal import Position, SignedEntry, compose, genesis, payload_of, read_entry, sign_entry, step_of
from lifecycle.law import BEGINNING, LAW, Law, Move, Permitted, Step, Unlawful
from lifecycle.parties import OperationsAuthority, Party
from lifecycle.roles import Role
from lifecycle.states import Event, State
from lifecycle.store.errors import (
    ConflictError,
    EntryRefusedError,
    GatewayExistsError,
    StoreError,
    UnknownGatewayError,
)
from lifecycle.store.replicas import replay_kept
from lifecycle.store.repository import TOLERANCE, Repository
from tests.lifecycle.store.conftest import Dump
from tests.support.lives import (
    GATEWAY,
    OTHER_GATEWAY,
    SECOND,
    START,
    Cast,
    SettableClock,
    cast,
    live,
    shortest_way,
    take,
)

GWH, GWA, MSB, DEVICE = (cast()[role] for role in (Role.GWH, Role.GWA, Role.MSB, Role.GATEWAY))
COMPLETE = attest(GWH, Fact.DEVELOPMENT_COMPLETE)


def signed(repository: Repository, step: Step, party: Party, gateway: str = GATEWAY) -> SignedEntry:
    """A lawful step at the end of the chain, signed now."""
    kept = repository.kept(gateway)
    return sign_step(step, party, gateway, kept.standing, kept.position, repository.clock())


def test_a_record_begins_in_development(repository: Repository) -> None:
    kept = repository.register(GATEWAY)
    assert kept.standing == BEGINNING
    assert kept.position == genesis(GATEWAY)
    assert repository.kept(GATEWAY) == kept
    assert repository.gateways() == [GATEWAY]
    assert repository.entries(GATEWAY) == []
    assert replay_kept(repository, GATEWAY).ok


def test_a_record_is_begun_once(repository: Repository, dump: Callable[[], Dump]) -> None:
    live(repository, shortest_way(State.PRODUCTION))
    before = dump()
    with pytest.raises(GatewayExistsError, match=GATEWAY):
        repository.register(GATEWAY)
    assert dump() == before


def test_what_is_no_identification_begins_no_record(repository: Repository) -> None:
    for gateway in ("", "EXXX001234567", "'; DROP TABLE entries; --", "exxx0012345678"):
        with pytest.raises(JournalError, match="DIN 43863-5"):
            repository.register(gateway)
    assert repository.gateways() == []


def test_nothing_is_known_of_a_gateway_that_nobody_registered(repository: Repository) -> None:
    repository.register(OTHER_GATEWAY)
    entry = sign_step(COMPLETE, GWH, GATEWAY, BEGINNING, genesis(GATEWAY), START)
    for ask in (
        lambda: repository.kept(GATEWAY),
        lambda: repository.chain(GATEWAY),
        lambda: repository.append(entry, GWH.certificate_der),
        lambda: repository.act(GATEWAY, GWH, COMPLETE),
        lambda: replay_kept(repository, GATEWAY),
    ):
        with pytest.raises(UnknownGatewayError, match=GATEWAY):
            ask()
    assert repository.entries(GATEWAY) == []
    assert repository.gateways() == [OTHER_GATEWAY]


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.KEEPER])
def test_only_a_keeper_signs_heads(role: Role) -> None:
    with pytest.raises(StoreError, match="KEEPER"):
        Repository(None, cast().trust, cast()[role])  # type: ignore[arg-type]


@pytest.mark.parametrize("way", ["append", "act"])
def test_a_whole_life_goes_on_record(repository: Repository, clock: SettableClock, way: str) -> None:
    """By both ways in, to either end; what is kept is what the law folds to, and replays, after every step."""
    for gateway, state in ((GATEWAY, State.HARDWARE_SCRAPPING), (OTHER_GATEWAY, State.SM_DESTRUCTION)):
        repository.register(gateway)
        for number, step in enumerate(shortest_way(state), 1):
            clock.move()
            told, party = cast().played(step, gateway)
            done = take(repository, step, gateway) if way == "append" else repository.act(gateway, party, told)
            assert not done.repeated
            assert done.entry.sequence == number
            assert done.kept.standing == LAW.fold(shortest_way(state)[:number])
            assert done.kept == repository.kept(gateway)
            assert step_of(read_entry(repository.entries(gateway)[-1].body)) == told
        verdict = replay_kept(repository, gateway)
        assert verdict.ok, verdict
        assert verdict.standing == repository.kept(gateway).standing
        assert verdict.standing.state is state


def test_both_ways_write_the_same(repository: Repository) -> None:
    repository.register(GATEWAY)
    repository.register(OTHER_GATEWAY)
    repository.act(GATEWAY, GWH, COMPLETE, detail={"line": 3})
    kept = repository.kept(OTHER_GATEWAY)
    by_hand = sign_step(COMPLETE, GWH, OTHER_GATEWAY, kept.standing, kept.position, START, detail={"line": 3})
    repository.append(by_hand, GWH.certificate_der)
    one, other = (orjson.loads(repository.entries(gateway)[0].body) for gateway in (GATEWAY, OTHER_GATEWAY))
    for told in (one, other):
        del told["gateway"], told["previous"]
    assert one == other


def broken(signed: SignedEntry, **changes: Any) -> SignedEntry:
    """An entry with other members, hashed and signed anew by the manufacturer."""
    return sign_entry(canonical({**orjson.loads(signed.body), **changes}), GWH)


def _other_ca(signed: SignedEntry) -> tuple[SignedEntry, bytes]:
    stranger = Cast.enrolled()[Role.GWH]
    actor = {**orjson.loads(signed.body)["actor"], "certificate": stranger.actor.certificate}
    body = canonical({**orjson.loads(signed.body), "actor": actor})
    return sign_entry(body, stranger), stranger.certificate_der


SPOILT: list[tuple[Callable[[SignedEntry], tuple[SignedEntry, bytes]], str]] = [
    (lambda s: (s._replace(body=s.body + b" "), GWH.certificate_der), "no entry"),
    (lambda s: (s._replace(body=b""), GWH.certificate_der), "no entry"),
    (lambda s: (s._replace(hash="0" * 64), GWH.certificate_der), "hash"),
    (lambda s: (s._replace(hash=s.hash.upper()), GWH.certificate_der), "hash"),
    (lambda s: (s._replace(signature=b""), GWH.certificate_der), "signature"),
    (lambda s: (s._replace(signature=GWH.sign(b"something else")), GWH.certificate_der), "signature"),
    (lambda s: (s._replace(signature=MSB.sign(s.body)), GWH.certificate_der), "signature"),
    (lambda s: (s, MSB.certificate_der), "its certificate"),
    (lambda s: (s, b""), "certificate"),
    (_other_ca, "certificate"),
    (lambda s: (broken(s, payload={"fact": "RUMOUR"}), GWH.certificate_der), "no evidence"),
    (lambda s: (broken(s, payload={"fact": "DEVELOPMENT_COMPLETE", "more": 1}), GWH.certificate_der), "no evid"),
    (lambda s: (broken(s, payload={"fact": "DEVELOPMENT_COMPLETE", "detail": {}}), GWH.certificate_der), "no evi"),
    (lambda s: (broken(s, kind="transition", payload={"event": "JUMP"}), GWH.certificate_der), "no transition"),
    (lambda s: (broken(s, kind="fault", payload={"fault": "disk-full", "subject": ""}), GWH.certificate_der), "no"),
    (lambda s: (broken(s, time="2026-02-30T08:00:00.000000Z"), GWH.certificate_der), "no entry"),
    (lambda s: (broken(s, actor={**orjson.loads(s.body)["actor"], "role": "GWA"}), GWH.certificate_der), "GWA"),
]


def test_an_entry_that_is_not_what_it_says_is_refused(repository: Repository, dump: Callable[[], Dump]) -> None:
    repository.register(GATEWAY)
    before = dump()
    for spoil, reason in SPOILT:
        entry, certificate = spoil(signed(repository, COMPLETE, GWH))
        with pytest.raises(EntryRefusedError, match=reason):
            repository.append(entry, certificate)
        assert dump() == before
    assert not repository.append(signed(repository, COMPLETE, GWH), GWH.certificate_der).repeated


def test_what_the_law_refuses_changes_nothing(repository: Repository, dump: Callable[[], Dump]) -> None:
    repository.register(GATEWAY)
    before = dump()
    for step in (
        move(GWH, Event.BEGIN_PRODUCTION),
        move(GWA, Event.BEGIN_OPERATION),
        attest(GWA, Fact.DEVELOPMENT_COMPLETE),
        attest(GWH, Fact.MOUNTED),
        report(DEVICE, "disk-full"),
        report(DEVICE, "no-such-fault"),
        restore(GWA, "disk-full"),
    ):
        _, party = cast().played(step)
        with pytest.raises(Unlawful) as refused:
            repository.act(GATEWAY, party, step)
        assert refused.value.state is State.DEVELOPMENT
        told = {"event": str(step.event)} if isinstance(step, Move) else {}
        kind, payload = payload_of(step, Permitted(State.DEVELOPMENT, State.DEVELOPMENT, told=told))
        entry = sign_entry(compose(GATEWAY, genesis(GATEWAY), START, kind, payload, party.actor), party)
        with pytest.raises(Unlawful):
            repository.append(entry, party.certificate_der)
        assert dump() == before


def test_a_transition_told_otherwise_than_the_law_does_is_refused(
    repository: Repository, dump: Callable[[], Dump]
) -> None:
    live(repository, shortest_way(State.OPERATION))
    repository.act(GATEWAY, DEVICE, report(DEVICE, "disk-full"))
    before = dump()
    sound = signed(repository, move(DEVICE, Event.ENTER_REVERSIBLE_FAULT), DEVICE)
    payload = orjson.loads(sound.body)["payload"]
    for lie in ({"to": "OUTAGE"}, {"way": "recommended"}, {"recommended_met": ["module-terminated"]}, {"more": 1}):
        body = canonical({**orjson.loads(sound.body), "payload": {**payload, **lie}})
        with pytest.raises(EntryRefusedError, match="the law would have it tell"):
            repository.append(sign_entry(body, DEVICE), DEVICE.certificate_der)
    assert dump() == before
    repository.append(sound, DEVICE.certificate_der)


def test_a_gateways_key_signs_in_its_own_record_only(repository: Repository, dump: Callable[[], Dump]) -> None:
    live(repository, shortest_way(State.OPERATION))
    other = cast().acting(Role.GATEWAY, OTHER_GATEWAY)
    before = dump()
    with pytest.raises(EntryRefusedError, match="own record only"):
        repository.act(GATEWAY, other, report(other, "disk-full"))
    with pytest.raises(EntryRefusedError, match="own record only"):
        repository.append(signed(repository, report(other, "disk-full"), other), other.certificate_der)
    assert dump() == before


def test_nobody_acts_with_anothers_key(repository: Repository, dump: Callable[[], Dump]) -> None:
    repository.register(GATEWAY)
    before = dump()
    for party in (MSB, GWA, Cast.enrolled()[Role.GWH]):
        with pytest.raises(EntryRefusedError):
            repository.act(GATEWAY, party, COMPLETE)
    assert dump() == before


def test_a_signers_clock_may_be_a_little_off(repository: Repository, clock: SettableClock) -> None:
    for gateway, off in ((GATEWAY, TOLERANCE), (OTHER_GATEWAY, -TOLERANCE)):
        clock.now = START
        repository.register(gateway)
        entry = signed(repository, COMPLETE, GWH, gateway)
        clock.now = START + off * 1.000001
        with pytest.raises(EntryRefusedError, match="300 s apart"):
            repository.append(entry, GWH.certificate_der)
        clock.now = START + off
        assert repository.append(entry, GWH.certificate_der).entry.time == format_time(START)


def test_a_clock_set_back_is_refused(
    repository: Repository, another: Repository, clock: SettableClock, dump: Callable[[], Dump]
) -> None:
    repository.register(GATEWAY)
    repository.act(GATEWAY, GWH, COMPLETE)
    clock.move(-timedelta(microseconds=1))
    before, step = dump(), move(GWH, Event.BEGIN_PRODUCTION)
    for keeping in (repository, another):
        with pytest.raises(EntryRefusedError, match="a clock was set back"):
            take(keeping, step)
        with pytest.raises(EntryRefusedError, match="a clock was set back"):
            keeping.act(GATEWAY, GWH, step)
    assert dump() == before
    clock.now = START
    repository.act(GATEWAY, GWH, step)


@pytest.mark.parametrize("days", [-2, 730])
def test_a_certificate_has_to_be_valid(
    engine: Engine, clock: SettableClock, dump: Callable[[], Dump], days: int
) -> None:
    longer = OperationsAuthority(cast().authority.certificate, cast().authority._key)
    keeper = longer.enrol(Role.KEEPER, "another keeper", clock=lambda: START + timedelta(days=days))
    repository = Repository(engine, cast().trust, keeper, clock=clock)
    clock.now = START + timedelta(days=days) + SECOND
    repository.register(GATEWAY)
    before = dump()
    with pytest.raises(EntryRefusedError, match="is valid from"):
        take(repository, COMPLETE)
    with pytest.raises(EntryRefusedError, match="is valid from"):
        repository.act(GATEWAY, GWH, COMPLETE)
    assert dump() == before


def test_an_entry_has_to_follow_the_end_of_the_chain(repository: Repository, dump: Callable[[], Dump]) -> None:
    live(repository, shortest_way(State.PREPERSONALISATION_1_SEPARATE))
    kept, before = repository.kept(GATEWAY), dump()
    for position in (
        kept.position._replace(sequence=kept.position.sequence - 1),
        kept.position._replace(sequence=kept.position.sequence + 1),
        kept.position._replace(hash="ab" * 32),
        Position(2, repository.entries(GATEWAY)[1].hash, ""),
        genesis(GATEWAY),
    ):
        told, party = cast().played(attest(GWH, Fact.ROOT_CERTIFICATE_IN_MODULE))
        entry = sign_step(told, party, GATEWAY, kept.standing, position, START)
        with pytest.raises(ConflictError, match="read the head, sign again"):
            repository.append(entry, party.certificate_der)
    assert dump() == before


def test_the_same_entry_sent_again_is_on_record_already(
    repository: Repository, another: Repository, dump: Callable[[], Dump]
) -> None:
    repository.register(GATEWAY)
    entry = signed(repository, COMPLETE, GWH)
    first = repository.append(entry, GWH.certificate_der)
    before = dump()
    for keeping in (repository, another):
        again = keeping.append(entry, GWH.certificate_der)
        assert again.repeated
        assert (again.entry, again.kept) == (first.entry, first.kept)
    assert dump() == before


def test_only_certificates_of_those_who_signed_come_with_a_chain(repository: Repository) -> None:
    live(repository, shortest_way(State.FIRST_DELIVERY))
    live(repository, shortest_way(State.PRODUCTION), OTHER_GATEWAY)
    signers = {read_entry(entry.body).actor.certificate for entry in repository.entries(OTHER_GATEWAY)}
    chain = repository.chain(OTHER_GATEWAY)
    assert set(chain.certificates) == signers | {cast().keeper.actor.certificate}
    assert set(chain.certificates) < set(repository.certificates())
    for fingerprint, der in repository.certificates().items():
        assert hashlib.sha256(der).hexdigest() == fingerprint
        assert repository.certificate(fingerprint) == der
    assert repository.certificate("ab" * 32) is None


def test_gateways_are_listed_and_counted_by_state(repository: Repository) -> None:
    states = [State.DEVELOPMENT, State.OPERATION, State.DEVELOPMENT, State.OUTAGE, State.OPERATION]
    names = [f"EXXX30{number:08}" for number in range(len(states))]
    for gateway, state in zip(reversed(names), reversed(states), strict=True):
        live(repository, shortest_way(state), gateway)
    assert repository.gateways() == names
    assert repository.gateways(limit=2) == names[:2]
    assert repository.gateways(after=names[1], limit=2) == names[2:4]
    assert repository.gateways(state=State.OPERATION) == [names[1], names[4]]
    assert repository.gateways(state=State.DEVELOPMENT, after=names[0]) == [names[2]]
    assert repository.gateways(state=State.SM_DESTRUCTION) == []
    assert repository.counts() == {State.DEVELOPMENT: 2, State.OPERATION: 2, State.OUTAGE: 1}
    entries = repository.entries(names[1])
    assert repository.entries(names[1], after=3, limit=4) == entries[3:7]


def test_a_makers_own_fault_goes_on_record_under_a_law_that_knows_it(
    engine: Engine, repository: Repository, clock: SettableClock
) -> None:
    live(repository, shortest_way(State.OPERATION))
    own = FAULTS.extended(type(FAULTS["disk-full"])(**{**_fields(FAULTS["disk-full"]), "name": "fan-stuck"}))
    knowing = Repository(engine, cast().trust, cast().keeper, clock=clock, law=Law(catalogue=own))
    with pytest.raises(Unlawful, match="fault-known"):
        repository.act(GATEWAY, DEVICE, report(DEVICE, "fan-stuck"))
    knowing.act(GATEWAY, DEVICE, report(DEVICE, "fan-stuck"))
    assert knowing.kept(GATEWAY).standing.evidence.faults[0].name == "fan-stuck"
    assert replay_kept(knowing, GATEWAY).ok


def _fields(fault: Any) -> dict[str, Any]:
    return {name: getattr(fault, name) for name in fault.__slots__}
