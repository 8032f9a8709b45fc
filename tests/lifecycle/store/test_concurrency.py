"""Many who write at once: of two who want one place exactly one wins, the others are told, and nobody is misled."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

import pytest
from sqlalchemy import Engine

from lifecycle.desk import attest, move, report, restore, sign_step
from lifecycle.facts import Fact
from lifecycle.law import LAW, Step, Unlawful
from lifecycle.roles import Role
from lifecycle.states import Event, State
from lifecycle.store.engine import connect, open_database
from lifecycle.store.errors import ConflictError
from lifecycle.store.replicas import import_chain, replay_kept
from lifecycle.store.repository import Appended, Repository
from tests.support.campaign import Campaign
from tests.support.lives import (
    GATEWAY,
    OTHER_GATEWAY,
    SettableClock,
    cast,
    disturbances,
    live,
    shortest_way,
    take,
)
from tests.support.processes import StartingLine, Tell, at_once, forked

GWH, GWA, MONTEUR, DEVICE = (cast()[role] for role in (Role.GWH, Role.GWA, Role.MONTEUR, Role.GATEWAY))


@pytest.fixture
def four(engine: Engine, clock: SettableClock) -> list[Repository]:
    """Four repositories on one database, as four processes have them."""
    return [Repository(engine, cast().trust, cast().keeper, clock=clock) for _ in range(4)]


def appending(repository: Repository, step: Step) -> Callable[[], Appended]:
    """Sign a step now, to append it later."""
    told, party = cast().played(step)
    kept = repository.kept(GATEWAY)
    signed = sign_step(told, party, GATEWAY, kept.standing, kept.position, repository.clock())
    return lambda: repository.append(signed, party.certificate_der)


@pytest.mark.campaign
@pytest.mark.parametrize("shared", [False, True], ids=["of their own", "shared"])
def test_of_transitions_at_once_exactly_one_wins(campaign: Campaign, four: list[Repository], shared: bool) -> None:
    """Threads with a repository each, or with one together; every round they all want the same place."""
    live(four[0], shortest_way(State.OPERATION))
    rounds = campaign.count(300)
    steps, losers = disturbances(), Counter[str]()
    for number in range(1, rounds + 1):
        step = next(steps)
        works = [appending(four[0] if shared else repository, step) for repository in four]
        # Each signs for itself, so that the entries differ though the step is the same.
        results = at_once(*works)
        won = [result for result in results if isinstance(result, Appended) and not result.repeated]
        assert len(won) == 1, results
        for lost in (result for result in results if result is not won[0]):
            assert isinstance(lost, ConflictError) or (isinstance(lost, Appended) and lost.repeated), lost
            losers[type(lost).__name__] += 1
        for repository in four:
            assert repository.kept(GATEWAY) == won[0].kept
            assert repository.kept(GATEWAY).position.sequence == len(shortest_way(State.OPERATION)) + number
    assert replay_kept(four[0], GATEWAY).ok
    backend = four[0].engine.dialect.name
    campaign.report(f"concurrency: one place, four threads, {backend}, {shared=}", rounds=rounds, **losers)


@pytest.mark.campaign
def test_of_two_different_transitions_at_once_exactly_one_wins(campaign: Campaign, four: list[Repository]) -> None:
    """Out of OPERATION into a fault, and out of it for scrapping: both lawful, until the other has happened."""
    rounds = campaign.count(100)
    won_by = Counter[str]()
    for number in range(rounds):
        gateway = f"EXXX40{number:08}"
        device = cast().acting(Role.GATEWAY, gateway)
        live(four[0], shortest_way(State.OPERATION), gateway)
        four[0].act(gateway, GWA, attest(GWA, Fact.EVERY_CERTIFICATE_REVOKED))
        four[0].act(gateway, device, report(device, "disk-full"))
        four[1].act(gateway, device, report(device, "calibration-log-full"))
        results = at_once(
            partial(four[0].act, gateway, MONTEUR, move(MONTEUR, Event.REMOVE_FOR_SCRAPPING)),
            partial(four[1].act, gateway, device, move(device, Event.ENTER_IRREVERSIBLE_FAULT)),
            partial(four[2].act, gateway, GWA, move(GWA, Event.ENTER_REVERSIBLE_FAULT)),
        )
        won = [result for result in results if isinstance(result, Appended)]
        refused = [result for result in results if isinstance(result, (ConflictError, Unlawful))]
        assert (len(won), len(refused)) == (1, 2), results
        assert four[3].kept(gateway) == won[0].kept
        won_by[str(won[0].kept.standing.state)] += 1
        assert replay_kept(four[3], gateway).ok
    campaign.report(f"concurrency: different transitions, {four[0].engine.dialect.name}", **won_by)


@pytest.mark.campaign
def test_of_processes_at_once_exactly_one_wins_each_place(
    campaign: Campaign, engine: Engine, database_url: str
) -> None:
    """Processes that all drive one gateway on, each from what it reads; in the end every place was won once."""
    clock = SettableClock()
    live(Repository(engine, cast().trust, cast().keeper, clock=clock), shortest_way(State.OPERATION))
    engine.dispose()  # no connection crosses a fork
    each, workers, line = campaign.count(150), 3, StartingLine()

    def drive(tell: Tell) -> None:
        mine = Repository(connect(database_url), cast().trust, cast().keeper, clock=clock)
        line.wait()
        won = 0
        while won < each:
            steps = disturbances()
            for _ in range((mine.kept(GATEWAY).position.sequence - len(shortest_way(State.OPERATION))) % 4):
                next(steps)
            try:
                done = take(mine, next(steps))
            except (ConflictError, Unlawful) as error:
                tell(type(error).__name__)
            else:
                if not done.repeated:
                    won += 1
                    tell(f"won {done.entry.sequence}")

    children = [forked(drive) for _ in range(workers)]
    line.go()
    assert [child.end() for child in children] == [0] * workers
    said = [word for child in children for word in child.said]
    places = sorted(int(word.removeprefix("won ")) for word in said if word.startswith("won "))
    first = len(shortest_way(State.OPERATION)) + 1
    assert places == list(range(first, first + workers * each))
    repository = Repository(engine, cast().trust, cast().keeper, clock=clock)
    verdict = replay_kept(repository, GATEWAY)
    assert verdict.ok, verdict
    assert verdict.entries == places[-1]
    lost = sum(not word.startswith("won ") for word in said)
    campaign.report(f"concurrency: three processes, {engine.dialect.name}", places=len(places), lost_races=lost)


def test_a_repository_is_not_misled_by_what_it_remembers(repository: Repository, another: Repository) -> None:
    """One moved the gateway on; what the other remembers of it makes it refuse nothing that is lawful now."""
    repository.register(GATEWAY)
    repository.act(GATEWAY, GWH, attest(GWH, Fact.DEVELOPMENT_COMPLETE))
    another.act(GATEWAY, GWH, move(GWH, Event.BEGIN_PRODUCTION))
    repository.act(GATEWAY, GWH, attest(GWH, Fact.MODULE_INITIALISED))
    another.act(GATEWAY, GWH, move(GWH, Event.BEGIN_INTEGRATION))
    assert repository.kept(GATEWAY).standing.state is State.INTEGRATION
    with pytest.raises(ConflictError):  # it was asked of PRODUCTION, which was left meanwhile
        repository.act(GATEWAY, GWH, move(GWH, Event.BEGIN_INTEGRATION))
    with pytest.raises(Unlawful) as refused:
        repository.act(GATEWAY, GWH, move(GWH, Event.BEGIN_INTEGRATION))
    assert refused.value.state is State.INTEGRATION


def test_what_does_not_depend_on_what_others_wrote_goes_on_record_beside_it(
    repository: Repository, another: Repository
) -> None:
    """A fault is a fault whatever else was reported; a transition holds as long as its state was not left."""
    live(repository, shortest_way(State.OPERATION))
    another.act(GATEWAY, DEVICE, report(DEVICE, "disk-full"))
    repository.act(GATEWAY, DEVICE, report(DEVICE, "clock-deviation"))
    faults = repository.kept(GATEWAY).standing.evidence.faults
    assert [fault.name for fault in faults] == ["clock-deviation", "disk-full"]
    another.act(GATEWAY, DEVICE, move(DEVICE, Event.ENTER_REVERSIBLE_FAULT))
    assert repository.kept(GATEWAY).standing.state is State.REVERSIBLE_FAULT
    another.act(GATEWAY, GWA, restore(GWA, "disk-full"))
    repository.act(GATEWAY, GWA, restore(GWA, "clock-deviation"))
    another.act(GATEWAY, GWA, move(GWA, Event.RESTORE_OPERATION))
    assert replay_kept(repository, GATEWAY).ok


def test_a_replay_while_others_write_finds_no_fault(repository: Repository, four: list[Repository]) -> None:
    """The end that is compared is the end of the chain that was read, whoever writes meanwhile."""
    live(repository, shortest_way(State.OPERATION))
    written = threading.Event()

    def disturb() -> None:
        for step in islice(disturbances(), 160):
            told, party = cast().played(step)
            four[0].act(GATEWAY, party, told)
        written.set()

    def look() -> tuple[list[str], int]:
        seen = []
        while not written.is_set():
            seen.append(replay_kept(four[1], GATEWAY))
        return [str(verdict) for verdict in seen if not verdict.ok], len({verdict.entries for verdict in seen})

    _, (wrong, lengths) = at_once(disturb, look)
    assert wrong == []
    assert lengths > 1, "nobody wrote while the record was replayed"


def test_an_import_while_others_write_ends_one_way_or_the_other(
    repository: Repository, four: list[Repository], tmp_path: Path
) -> None:
    """Both go for the same places; nobody waits for the other for ever, and the record stays whole."""
    elsewhere = Repository(
        open_database(f"sqlite:///{tmp_path / 'elsewhere.db'}"), cast().trust, cast().keeper, clock=repository.clock
    )
    for number in range(5):
        gateway = f"EXXX50{number:08}"
        live(repository, shortest_way(State.OPERATION), gateway)
        import_chain(elsewhere, repository.chain(gateway))
        for step in islice(disturbances(), 8):
            told, party = cast().played(step, gateway)
            elsewhere.act(gateway, party, told)
        ahead = elsewhere.chain(gateway)
        device = cast().acting(Role.GATEWAY, gateway)
        results = at_once(
            partial(import_chain, four[0], ahead),
            partial(four[1].act, gateway, device, report(device, "clock-deviation")),
            partial(four[2].act, gateway, device, report(device, "reading-store-critical")),
        )
        assert any(not isinstance(result, Exception) for result in results), results
        assert replay_kept(four[3], gateway).ok


def test_many_gateways_at_once_do_not_meet(four: list[Repository]) -> None:
    gateways = [f"EXXX60{number:08}" for number in range(4)]
    for gateway in gateways:
        cast().acting(Role.GATEWAY, gateway)

    way = shortest_way(State.HARDWARE_SCRAPPING)
    lived = [partial(live, keeping, way, gateway) for keeping, gateway in zip(four, gateways, strict=True)]
    assert at_once(*lived) == [None] * 4
    for gateway in gateways:
        verdict = replay_kept(four[0], gateway)
        assert verdict.ok
        assert verdict.standing == LAW.fold(shortest_way(State.HARDWARE_SCRAPPING))


def test_a_gateway_is_registered_once_by_many_at_once(four: list[Repository]) -> None:
    for number in range(5):
        gateway = f"EXXX70{number:08}"
        results = at_once(*(partial(keeping.register, gateway) for keeping in four))
        assert sum(not isinstance(result, Exception) for result in results) == 1, results
    assert OTHER_GATEWAY not in four[0].gateways()
