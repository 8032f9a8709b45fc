"""Replicas fast-forward one another or nothing happens; and a database that somebody else wrote to does not replay."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import ColumnElement, Engine, LargeBinary, Table, delete, func, insert, select, text, update
from sqlalchemy import cast as sql_cast

from lifecycle.chains import BreakKind, Chain, chains_of
from lifecycle.desk import attest, report
from lifecycle.facts import Fact
from lifecycle.head import entry_line, header_line
from lifecycle.journal import Entry, SignedEntry, read_entry
from lifecycle.roles import Role
from lifecycle.states import State
from lifecycle.store.engine import open_database
from lifecycle.store.errors import BrokenChainError, ForkError
from lifecycle.store.replicas import import_chain, replay_kept
from lifecycle.store.repository import Repository
from lifecycle.store.rows import FIRST_COUNTER
from lifecycle.store.schema import certificates, entries, gateways
from tests.lifecycle.store.conftest import Dump
from tests.lifecycle.tampering import LENGTH, RECORD, TAMPERINGS, K, assert_broken
from tests.support.campaign import Campaign
from tests.support.lives import (
    GATEWAY,
    Cast,
    Record,
    SettableClock,
    cast,
    live,
    shortest_way,
)

Dumping = Callable[[], Dump]
DEVICE, GWH = cast()[Role.GATEWAY], cast()[Role.GWH]


@pytest.fixture
def device(tmp_path: Path, clock: SettableClock) -> Iterator[Repository]:
    """The other replica: that of a device, with a keeper of its own, in SQLite."""
    engine = open_database(f"sqlite:///{tmp_path / 'device.db'}")
    keeper = cast().authority.enrol(Role.KEEPER, "device", clock=lambda: cast().keeper.certificate.not_valid_before_utc)
    yield Repository(engine, cast().trust, keeper, clock=clock)
    engine.dispose()


def exported(repository: Repository, gateway: str = GATEWAY) -> Chain:
    """A chain as it comes out of a file."""
    chain = repository.chain(gateway)
    assert chain.head is not None
    lines = [header_line(chain.head, chain.certificates.values())]
    lines += [entry_line(entry) for entry in repository.entries(gateway)]
    (read,) = chains_of(io.BytesIO(b"\n".join(lines)))
    return read


def test_a_chain_goes_from_one_to_the_other_and_on(repository: Repository, device: Repository) -> None:
    live(device, shortest_way(State.PRODUCTION))
    assert import_chain(repository, exported(device)) == (2, repository.kept(GATEWAY))
    kept = repository.kept(GATEWAY)
    assert kept.standing == device.kept(GATEWAY).standing
    assert kept.position == device.kept(GATEWAY).position
    assert repository.entries(GATEWAY) == device.entries(GATEWAY)
    assert kept.head.certificate == cast().keeper.actor.certificate != device.kept(GATEWAY).head.certificate
    assert kept.head.counter == FIRST_COUNTER
    # It goes on here, and from here back.
    repository.act(GATEWAY, GWH, attest(GWH, Fact.MODULE_INITIALISED))
    assert import_chain(device, exported(repository))[0] == 1
    assert device.entries(GATEWAY) == repository.entries(GATEWAY)
    for keeping in (repository, device):
        assert replay_kept(keeping, GATEWAY).ok


def test_what_comes_in_with_a_chain_is_what_signed_it(repository: Repository, device: Repository) -> None:
    live(device, shortest_way(State.FIRST_DELIVERY))
    chain = exported(device)
    stranger = Cast.enrolled()[Role.GWH]
    more = {**chain.certificates, stranger.actor.certificate: stranger.certificate_der, "00" * 32: b"anything"}
    import_chain(repository, replace(chain, certificates=more))
    signers = {read_entry(entry.body).actor.certificate for entry in repository.entries(GATEWAY)}
    assert set(repository.certificates()) == signers | {cast().keeper.actor.certificate}


def test_after_an_import_it_goes_on_from_there(repository: Repository, device: Repository) -> None:
    """What this repository remembered of the gateway is older than what came in."""
    live(repository, shortest_way(State.OPERATION))
    import_chain(device, exported(repository))
    device.act(GATEWAY, DEVICE, report(DEVICE, "disk-full"))
    import_chain(repository, exported(device))
    done = repository.act(GATEWAY, DEVICE, report(DEVICE, "clock-deviation"))
    assert len(done.kept.standing.evidence.faults) == 2


def test_a_replica_that_is_behind_or_level_changes_nothing(
    repository: Repository, device: Repository, dump: Dumping
) -> None:
    live(device, shortest_way(State.PREPERSONALISATION_1_SEPARATE))
    behind = [exported(device)]
    for fact in (Fact.ROOT_CERTIFICATE_IN_MODULE, Fact.PRELIMINARY_KEYS_IN_MODULE):
        device.act(GATEWAY, GWH, attest(GWH, fact))
        behind.append(exported(device))
    import_chain(repository, behind[-1])
    before = dump()
    for chain in behind:
        assert import_chain(repository, chain) == (0, repository.kept(GATEWAY))
    assert import_chain(repository, Record().chain()) == (0, repository.kept(GATEWAY))
    assert dump() == before


def test_a_record_that_has_not_begun_goes_over_too(repository: Repository, device: Repository) -> None:
    device.register(GATEWAY)
    assert import_chain(repository, exported(device))[0] == 0
    assert repository.kept(GATEWAY).position.sequence == 0
    assert replay_kept(repository, GATEWAY).ok
    device.act(GATEWAY, GWH, attest(GWH, Fact.DEVELOPMENT_COMPLETE))
    assert import_chain(repository, exported(device))[0] == 1
    assert replay_kept(repository, GATEWAY).ok


def forked_from(chain: Chain) -> list[Chain]:
    """Chains that share a beginning with a record in OPERATION, and none is the beginning of the other."""
    way = shortest_way(State.OPERATION)
    forks = []
    for shared, more in ((0, len(way)), (5, 1), (len(way) - 1, 3), (len(way), 1)):
        record = Record.living(way[:shared])
        for number, step in enumerate((*way[shared:], report(DEVICE, "clock-deviation"))[:more]):
            record.tell(step, detail={"other": "way"} if not number else None)
        forks.append(record.chain())
    return forks


def test_a_fork_is_refused_and_changes_nothing(repository: Repository, dump: Dumping) -> None:
    """Shorter, as long, longer; parting at the first entry, in the middle, at the last."""
    live(repository, shortest_way(State.OPERATION))
    repository.act(GATEWAY, DEVICE, report(DEVICE, "disk-full"))
    before = dump()
    for fork in forked_from(exported(repository)):
        with pytest.raises(ForkError, match="may only fast-forward"):
            import_chain(repository, fork)
        assert dump() == before
    assert replay_kept(repository, GATEWAY).ok


def test_a_broken_chain_is_refused_and_changes_nothing(repository: Repository, dump: Dumping) -> None:
    live(repository, shortest_way(State.PRODUCTION), "EXXX0000000001")
    before = dump()
    for as_file in (False, True):
        for tampering in TAMPERINGS:
            with pytest.raises(BrokenChainError) as caught:
                import_chain(repository, RECORD.chain(tampering.do(list(RECORD.entries)), as_file=as_file))
            assert_broken(caught.value.verdict, tampering.seq, tampering.kind)
    with pytest.raises(BrokenChainError, match="cut tail"):
        import_chain(repository, replace(RECORD.chain(), head=None))
    strangers = Cast.enrolled()
    with pytest.raises(BrokenChainError, match="unknown certificate"):
        import_chain(repository, Record(played_by=strangers).chain())
    assert dump() == before


def test_an_import_that_fails_half_way_changes_nothing(
    repository: Repository, dump: Dumping, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dump()
    written = []

    def fail(*_: Any) -> None:
        written.append(dump())
        raise RuntimeError("the power is gone")

    monkeypatch.setattr("lifecycle.store.replicas.read_kept", _after_first_call(fail))
    with pytest.raises(RuntimeError, match="the power is gone"):
        import_chain(repository, RECORD.chain())
    assert dump() == before == written[0], "nobody else sees a part of it"
    monkeypatch.undo()
    assert import_chain(repository, RECORD.chain())[0] == LENGTH


def _after_first_call(fail: Callable[..., None]) -> Callable[..., Any]:
    from lifecycle.store.rows import read_kept

    calls = []

    def read(*arguments: Any) -> Any:
        calls.append(arguments)
        return read_kept(*arguments) if len(calls) == 1 else fail(*arguments)

    return read


@pytest.fixture
def kept_record(repository: Repository) -> Repository:
    """A repository that keeps the record which the tests tamper with."""
    import_chain(repository, RECORD.chain())
    return repository


def rewrite(engine: Engine, changed: Sequence[SignedEntry]) -> None:
    """Somebody who can write to the database puts these entries where the chain was; the head is not theirs to sign."""
    with engine.begin() as connection:
        rows = [dict(row) for row in connection.execute(select(entries).order_by(entries.c.sequence)).mappings()]
        connection.execute(delete(entries))
        for sequence, entry in enumerate(changed, 1):
            row = {**rows[min(sequence, len(rows)) - 1], **entry._asdict(), "sequence": sequence}
            connection.execute(insert(entries), row)


@contextmanager
def restored(engine: Engine) -> Iterator[None]:
    """Afterwards everything in the record's tables is as it was."""
    tables = (gateways, entries, certificates)
    with engine.connect() as connection:
        before = [[dict(row) for row in connection.execute(select(table)).mappings()] for table in tables]
    yield
    with engine.begin() as connection:
        for table in reversed(tables):
            connection.execute(delete(table))
        for table, rows in zip(tables, before, strict=True):
            connection.execute(insert(table), rows)


def test_tampering_in_a_database_is_found_where_it_was_done(kept_record: Repository) -> None:
    """Everything that the tests do to a chain, done to its rows."""
    for tampering in TAMPERINGS:
        with restored(kept_record.engine):
            rewrite(kept_record.engine, tampering.do(list(RECORD.entries)))
            assert_broken(replay_kept(kept_record, GATEWAY), tampering.seq, tampering.kind)
    assert replay_kept(kept_record, GATEWAY).ok


LAST = entries.c.sequence == LENGTH
REWRITES: list[tuple[Any, int, BreakKind]] = [
    (update(entries).where(LAST).values(state="OUTAGE"), LENGTH, BreakKind.STATE_DIFFERS),
    (update(entries).where(LAST).values(state="?"), LENGTH, BreakKind.STATE_DIFFERS),
    (update(entries).where(LAST).values(evidence="?"), LENGTH, BreakKind.STATE_DIFFERS),
    (
        update(entries).where(LAST).values(evidence='{"facts":[],"faults":[]}'),
        LENGTH,
        BreakKind.STATE_DIFFERS,
    ),
    (
        update(entries).where(LAST).values(time="2026-01-01T00:00:00.000000Z"),
        LENGTH,
        BreakKind.STATE_DIFFERS,
    ),
    (delete(entries).where(entries.c.sequence == K), K, BreakKind.MISSING_ENTRY),
    (delete(entries).where(entries.c.sequence > K), K + 1, BreakKind.CUT_TAIL),
    (delete(entries), 1, BreakKind.CUT_TAIL),
    (update(gateways).values(head_sequence=LENGTH - 1), LENGTH - 1, BreakKind.FLIPPED_BIT),
    (update(gateways).values(head_counter=99), LENGTH, BreakKind.FLIPPED_BIT),
    (update(gateways).values(head_signature=b""), LENGTH, BreakKind.FLIPPED_BIT),
    (update(gateways).values(head_certificate="ab" * 32), LENGTH, BreakKind.UNKNOWN_CERTIFICATE),
    (update(gateways).values(head_certificate=GWH.actor.certificate), LENGTH, BreakKind.WRONG_ROLE),
    (delete(certificates), 1, BreakKind.UNKNOWN_CERTIFICATE),
    (update(certificates).values(der=cast()[Role.MSB].certificate_der), 1, BreakKind.UNKNOWN_CERTIFICATE),
    (update(certificates).values(der=b"\x30\x00"), 1, BreakKind.UNKNOWN_CERTIFICATE),
]


def test_a_row_that_somebody_else_wrote_is_found(kept_record: Repository) -> None:
    for rewriting, seq, kind in REWRITES:
        with restored(kept_record.engine):
            with kept_record.engine.begin() as connection:
                connection.execute(rewriting)
            assert_broken(replay_kept(kept_record, GATEWAY), seq, kind)
    assert replay_kept(kept_record, GATEWAY).ok


class Doubter:
    """Contradicts one entry."""

    def examine(self, entry: Entry) -> str | None:
        return "not so" if entry.sequence == K else None


def test_what_a_witness_contradicts_breaks_a_record_as_kept(kept_record: Repository) -> None:
    assert_broken(replay_kept(kept_record, GATEWAY, witness=Doubter()), K, BreakKind.CONTRADICTED_ATTESTATION)
    assert replay_kept(kept_record, GATEWAY, until=K - 1, witness=Doubter()).ok


def test_a_repository_with_a_witness_has_every_chain_examined(kept_record: Repository, engine: Engine) -> None:
    chain = kept_record.chain(GATEWAY)
    doubting = Repository(engine, cast().trust, cast().keeper, clock=kept_record.clock, witness=Doubter)
    assert_broken(replay_kept(doubting, GATEWAY), K, BreakKind.CONTRADICTED_ATTESTATION)
    with pytest.raises(BrokenChainError) as caught:
        import_chain(doubting, chain)
    assert_broken(caught.value.verdict, K, BreakKind.CONTRADICTED_ATTESTATION)
    assert import_chain(kept_record, chain)[0] == 0


@dataclass(frozen=True)
class Place:
    """A column of a row of a SQLite database, and which entry it is of."""

    table: Table
    column: str
    key: str | int
    entry: int = 0

    @property
    def row(self) -> ColumnElement[bool]:
        """The row: chains by sequence, the others by their key."""
        identified_by = self.table.c.sequence if self.table is entries else next(iter(self.table.primary_key))
        return identified_by == self.key

    def read(self, engine: Engine) -> tuple[bytes, str]:
        """The bytes that stand there, and of what kind SQLite takes them to be."""
        stored = self.table.c[self.column]
        with engine.connect() as connection:
            value, kind = connection.execute(
                select(sql_cast(stored, LargeBinary), func.typeof(stored)).where(self.row)
            ).one()
            return bytes(value), kind

    def write(self, engine: Engine, value: bytes, kind: str) -> None:
        """Put bytes there, whether they are of that kind or not."""
        of_kind = text(f"CAST(:value AS {kind})").bindparams(value=value)
        with engine.begin() as connection:
            connection.execute(update(self.table).where(self.row).values({self.column: of_kind}))


def places_in(repository: Repository) -> Iterator[Place]:
    """Everything in the database that a replay depends on."""
    for sequence in range(1, LENGTH + 1):
        for name in ("body", "hash", "signature"):
            yield Place(entries, name, sequence, sequence)
    for name in ("time", "state", "evidence"):
        yield Place(entries, name, LENGTH, LENGTH)
    for column in gateways.columns:
        if column.name != "id":
            yield Place(gateways, column.name, GATEWAY)
    for fingerprint in repository.certificates():
        yield Place(certificates, "der", fingerprint)


@pytest.mark.campaign
def test_a_flipped_bit_in_a_database_is_found(campaign: Campaign, tmp_path: Path) -> None:
    """In every column of a chain, in the head and in the certificates, as a failing disk leaves it in SQLite."""
    engine = open_database(f"sqlite:///{tmp_path / 'smgw.db'}")
    repository = Repository(engine, cast().trust, cast().keeper, clock=SettableClock())
    import_chain(repository, RECORD.chain())
    tries = campaign.count(1_000)

    @settings(max_examples=tries)
    @given(st.sampled_from(list(places_in(repository))), st.integers(0, 2**32))
    def flip(place: Place, bit: int) -> None:
        stored, kind = place.read(engine)
        damaged = bytearray(stored)
        damaged[bit // 8 % len(damaged)] ^= 1 << bit % 8
        place.write(engine, bytes(damaged), kind)
        verdict = replay_kept(repository, GATEWAY)
        place.write(engine, stored, kind)
        assert verdict.broken is not None, (place, bit)
        assert verdict.broken.seq == place.entry or not place.entry

    flip()
    assert replay_kept(repository, GATEWAY).ok
    engine.dispose()
    campaign.report("replay: one flipped bit anywhere in a database", flips=tries)
