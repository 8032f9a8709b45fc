"""A chain goes where there is no network and comes back: fast-forward, or an alarm that names the entries."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from lifecycle.chains import BreakKind, chains_of
from lifecycle.desk import attest, move
from lifecycle.facts import Fact
from lifecycle.head import Head, sign_head
from lifecycle.journal import Position
from lifecycle.parties import OperationsAuthority, Trust
from lifecycle.replay import replay
from lifecycle.roles import Role
from lifecycle.states import Event, State
from lifecycle.store.errors import BrokenChainError, ForkError, UnknownGatewayError
from lifecycle.store.replicas import replay_kept
from lifecycle.store.repository import Repository
from lifecycle.store.schema import entries, gateways
from stations.installer.trip import Brought, ForkAlarm, lines_of, take_along, take_back
from stations.installer.works import Installer, Work
from tests.stations.installer.conftest import DEVICES, PARTIES, dump
from tests.support.lives import GATEWAY, SettableClock, cast, live, shortest_way

MONTEUR, CONFIGURATOR, GWA = (cast()[role] for role in (Role.MONTEUR, Role.ERSTKONFIGURATOR, Role.GWA))


def take(home: Repository, replica: Repository) -> tuple[Head, dict[str, bytes]]:
    """Take the chain along; the head that home had signed, with its certificate."""
    chain = home.chain(GATEWAY)
    take_along(replica, chain)
    assert chain.head is not None
    return chain.head, {chain.head.certificate: chain.certificates[chain.head.certificate]}


@pytest.fixture
def left(home: Repository, replica: Repository) -> tuple[Head, dict[str, bytes]]:
    """The chain of a gateway in its first installation is away."""
    live(home, shortest_way(State.FIRST_INSTALLATION))
    return take(home, replica)


def test_a_chain_goes_away_is_worked_on_and_comes_back(
    home: Repository, replica: Repository, left: tuple[Head, dict[str, bytes]]
) -> None:
    before = home.kept(GATEWAY)
    away = Installer(replica, PARTIES, DEVICES)
    for work in (Work.MOUNT, Work.NOT_NEEDED, Work.HAND_OVER):
        away.do(GATEWAY, work)
    assert home.kept(GATEWAY) == before
    assert take_back(home, replica, GATEWAY, *left) == Brought(GATEWAY, 3, home.kept(GATEWAY))
    assert home.kept(GATEWAY).standing == replica.kept(GATEWAY).standing
    assert home.kept(GATEWAY).head.certificate == before.head.certificate
    assert home.kept(GATEWAY).head.counter == before.head.counter + 1
    for keeping in (home, replica):
        assert replay_kept(keeping, GATEWAY).ok
    # Once more brings nothing more, and the trip can go on.
    assert take_back(home, replica, GATEWAY, *left).new == 0
    home.act(GATEWAY, GWA, move(GWA, Event.BEGIN_PERSONALISATION))
    assert take(home, replica)[0].sequence == home.kept(GATEWAY).position.sequence
    assert replica.kept(GATEWAY).standing.state is State.PERSONALISATION


def test_heads_of_the_replica_are_signed_by_its_own_keeper_under_the_same_ca(
    home: Repository, replica: Repository, left: tuple[Head, dict[str, bytes]]
) -> None:
    Installer(replica, PARTIES).do(GATEWAY, Work.MOUNT)
    chain = replica.chain(GATEWAY)
    assert chain.head is not None
    assert chain.head.certificate == replica.keeper.actor.certificate != home.keeper.actor.certificate
    assert replay(chain, home.trust).ok
    # Under another CA nobody believes it, however well it is made.
    stranger = Trust(OperationsAuthority.create().certificate)
    assert not replay(chain, stranger).ok


def test_home_that_went_on_alone_is_fast_forwarded_to(
    home: Repository, replica: Repository, left: tuple[Head, dict[str, bytes]]
) -> None:
    home.act(GATEWAY, MONTEUR, attest(MONTEUR, Fact.MOUNTED))
    assert take_back(home, replica, GATEWAY, *left).new == 0
    assert take(home, replica)[0].sequence == home.kept(GATEWAY).position.sequence


def test_both_went_on_is_an_alarm_that_names_the_entries_and_loses_nothing(
    home: Repository, replica: Repository, clock: SettableClock, left: tuple[Head, dict[str, bytes]]
) -> None:
    end = home.kept(GATEWAY).position.sequence
    home.act(GATEWAY, MONTEUR, attest(MONTEUR, Fact.MOUNTED))
    clock.move(timedelta(minutes=1))
    away = Installer(replica, PARTIES)
    away.do(GATEWAY, Work.MOUNT)
    away.do(GATEWAY, Work.NOT_NEEDED)
    before = dump(home), dump(replica)
    with pytest.raises(ForkAlarm) as raised:
        take_back(home, replica, GATEWAY, *left)
    alarm = raised.value
    assert (dump(home), dump(replica)) == before
    assert isinstance(alarm, ForkError)
    assert [(branch.sequence, branch.what) for branch in alarm.here] == [(end + 1, "MOUNTED")]
    assert [(branch.sequence, branch.what) for branch in alarm.there] == [
        (end + 1, "MOUNTED"),
        (end + 2, "COMMUNICATION_PARAMETERS_NOT_NEEDED"),
    ]
    assert alarm.here[0].hash == home.kept(GATEWAY).position.hash
    assert f"the same up to entry {end} and then part" in str(alarm)
    for branch in (*alarm.here, *alarm.there):
        assert branch.hash[:16] in str(alarm)
        assert branch.time in str(alarm)
        assert MONTEUR.actor.name in branch.who
    assert alarm.told()["there"][1]["what"] == "COMMUNICATION_PARAMETERS_NOT_NEEDED"
    # The other way round it is a fork as well.
    with pytest.raises(ForkAlarm):
        take_along(replica, home.chain(GATEWAY))
    assert (dump(home), dump(replica)) == before


def test_a_long_fork_is_told_shortly(
    home: Repository, replica: Repository, left: tuple[Head, dict[str, bytes]]
) -> None:
    home.act(GATEWAY, CONFIGURATOR, attest(CONFIGURATOR, Fact.COMMUNICATION_PARAMETERS_SET))
    for step in shortest_way(State.OUTAGE)[home.kept(GATEWAY).position.sequence - 1 :]:
        told, party = cast().played(step)
        replica.act(GATEWAY, party, told)
    with pytest.raises(ForkAlarm, match=r"and \d+ more") as raised:
        take_back(home, replica, GATEWAY, *left)
    assert len(raised.value.there) > 5


def test_a_chain_that_lost_its_tail_on_the_way_is_not_taken(
    home: Repository, replica: Repository, left: tuple[Head, dict[str, bytes]]
) -> None:
    """Cut below where it left, under a head that the replica's own keeper signed: what only the head of home shows."""
    kept = replica.kept(GATEWAY)
    cut = replica.entries(GATEWAY)[-3]
    shorter = kept.position.sequence - 2
    head = sign_head(GATEWAY, Position(shorter, cut.hash, ""), 9, replica.clock(), replica.keeper)
    with replica.engine.begin() as connection:
        connection.execute(delete(entries).where(entries.c.sequence > shorter))
        told = {"head_sequence": shorter, "head_hash": cut.hash, "head_counter": 9, "head_time": head.time}
        connection.execute(update(gateways).values(**told, head_signature=head.signature))
    before = dump(home)
    with pytest.raises(BrokenChainError) as raised:
        take_back(home, replica, GATEWAY, *left)
    assert raised.value.verdict.broken is not None
    assert raised.value.verdict.broken.kind is BreakKind.CUT_TAIL
    assert dump(home) == before


def test_a_chain_that_was_written_to_on_the_way_is_not_taken(
    home: Repository, replica: Repository, left: tuple[Head, dict[str, bytes]]
) -> None:
    Installer(replica, PARTIES).do(GATEWAY, Work.MOUNT)
    end = replica.kept(GATEWAY).position.sequence
    with replica.engine.begin() as connection:
        connection.execute(update(entries).where(entries.c.sequence == end).values(signature=b"\x30\x00"))
    before = dump(home)
    with pytest.raises(BrokenChainError, match="does not fit the entry"):
        take_back(home, replica, GATEWAY, *left)
    assert dump(home) == before


def test_a_refused_chain_can_be_kept_aside_as_a_file(replica: Repository, left: tuple[Head, dict[str, bytes]]) -> None:
    Installer(replica, PARTIES).do(GATEWAY, Work.MOUNT)
    (read,) = chains_of(lines_of(replica, GATEWAY))
    verdict = replay(read, replica.trust)
    assert verdict.ok
    assert verdict.entries == replica.kept(GATEWAY).position.sequence


def test_what_was_not_taken_along_cannot_come_back(
    home: Repository, replica: Repository, left: tuple[Head, dict[str, bytes]]
) -> None:
    with pytest.raises(UnknownGatewayError):
        take_back(home, replica, "EXXX0000000099", *left)
