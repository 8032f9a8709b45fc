"""A command sent twice acts once: by its key, or by being the same entry; a key stands for one command only."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from lifecycle.desk import attest, move, report, sign_step
from lifecycle.evidence import Evidence
from lifecycle.facts import Fact
from lifecycle.journal import SignedEntry, genesis
from lifecycle.law import BEGINNING, Step, Unlawful
from lifecycle.parties import Party
from lifecycle.roles import Role
from lifecycle.states import Event, State
from lifecycle.store.errors import ConflictError, GatewayExistsError, IdempotencyError
from lifecycle.store.replicas import replay_kept
from lifecycle.store.repository import Appended, Repository
from tests.lifecycle.store.conftest import Dump
from tests.support.lives import GATEWAY, OTHER_GATEWAY, SettableClock, cast, live, shortest_way
from tests.support.processes import at_once

GWH, MSB, DEVICE = cast()[Role.GWH], cast()[Role.MSB], cast()[Role.GATEWAY]
COMPLETE, PRODUCE = attest(GWH, Fact.DEVELOPMENT_COMPLETE), move(GWH, Event.BEGIN_PRODUCTION)


def signed(repository: Repository, step: Step, party: Party = GWH, gateway: str = GATEWAY) -> SignedEntry:
    kept = repository.kept(gateway)
    return sign_step(step, party, gateway, kept.standing, kept.position, repository.clock())


def test_the_same_key_acts_once(repository: Repository, another: Repository, dump: Callable[[], Dump]) -> None:
    repository.register(GATEWAY)
    entry = signed(repository, COMPLETE)
    first = repository.append(entry, GWH.certificate_der, key="k1")
    assert not first.repeated
    before = dump()
    for keeping in (repository, another):
        again = keeping.append(entry, GWH.certificate_der, key="k1")
        assert again.repeated
        assert (again.entry, again.kept) == (first.entry, first.kept)
    assert dump() == before


def test_a_command_signed_anew_is_the_same_command(
    repository: Repository, clock: SettableClock, dump: Callable[[], Dump]
) -> None:
    """Who got no answer reads the head and signs again, for another place and later: it acted, and acts once."""
    live(repository, shortest_way(State.OPERATION))
    kept = repository.kept(GATEWAY)
    first = repository.append(signed(repository, report(DEVICE, "disk-full"), DEVICE), DEVICE.certificate_der, key="k")
    clock.move()
    before = dump()
    anew = sign_step(
        report(DEVICE, "disk-full"), DEVICE, GATEWAY, kept.standing, repository.kept(GATEWAY).position, clock()
    )
    again = repository.append(anew, DEVICE.certificate_der, key="k")
    assert again.repeated
    assert again.entry == first.entry
    assert dump() == before
    with pytest.raises(Unlawful):
        repository.append(anew, DEVICE.certificate_der, key="another key")


def test_a_repeated_command_tells_of_its_own_entry_and_of_today(repository: Repository) -> None:
    repository.register(GATEWAY)
    first = repository.append(signed(repository, COMPLETE), GWH.certificate_der, key="k1")
    repository.append(signed(repository, PRODUCE), GWH.certificate_der, key="k2")
    anew = sign_step(COMPLETE, GWH, GATEWAY, BEGINNING, repository.kept(GATEWAY).position, repository.clock())
    again = repository.append(anew, GWH.certificate_der, key="k1")
    assert again.entry == first.entry
    assert again.kept.standing.state is State.PRODUCTION


def test_a_key_stands_for_one_command(repository: Repository, dump: Callable[[], Dump]) -> None:
    repository.register(GATEWAY)
    repository.register(OTHER_GATEWAY)
    repository.append(signed(repository, COMPLETE), GWH.certificate_der, key="k")
    before = dump()
    for entry in (signed(repository, PRODUCE), signed(repository, COMPLETE, GWH, OTHER_GATEWAY)):
        with pytest.raises(IdempotencyError, match="'k' was used before"):
            repository.append(entry, GWH.certificate_der, key="k")
    with pytest.raises(IdempotencyError, match="'k' was used before"):
        repository.register("EXXX0000000001", by=GWH.actor.certificate, key="k")
    assert dump() == before


def test_a_key_is_its_partys_own(repository: Repository) -> None:
    live(repository, shortest_way(State.DELIVERY_TO_MSB))
    given = attest(GWH, Fact.GWH_HANDED_OVER)
    taken = attest(MSB, Fact.MSB_TOOK_OVER)
    assert not repository.append(signed(repository, given), GWH.certificate_der, key="hand over").repeated
    assert not repository.append(signed(repository, taken, MSB), MSB.certificate_der, key="hand over").repeated


def test_a_key_whose_command_was_refused_is_free(repository: Repository) -> None:
    repository.register(GATEWAY)
    complete = BEGINNING._replace(evidence=Evidence.of(COMPLETE.fact))
    lawful_later = sign_step(PRODUCE, GWH, GATEWAY, complete, genesis(GATEWAY), repository.clock())
    with pytest.raises(Unlawful):
        repository.append(lawful_later, GWH.certificate_der, key="k")
    repository.append(signed(repository, COMPLETE), GWH.certificate_der, key="k")


def test_an_entry_sent_again_without_a_key_is_known_as_long_as_it_is_the_last(
    repository: Repository, another: Repository, dump: Callable[[], Dump]
) -> None:
    repository.register(GATEWAY)
    entry = signed(repository, COMPLETE)
    first = repository.append(entry, GWH.certificate_der)
    for keeping in (repository, another):
        again = keeping.append(entry, GWH.certificate_der)
        assert again.repeated
        assert (again.entry, again.kept) == (first.entry, first.kept)
    repository.append(signed(repository, PRODUCE), GWH.certificate_der)
    before = dump()
    for keeping in (repository, another):
        with pytest.raises(ConflictError):
            keeping.append(entry, GWH.certificate_der)
    assert dump() == before


def test_another_entry_for_a_place_that_is_taken_is_a_conflict(repository: Repository) -> None:
    repository.register(GATEWAY)
    kept = repository.kept(GATEWAY)
    one, other = (
        sign_step(COMPLETE, GWH, GATEWAY, kept.standing, kept.position, repository.clock(), detail={"line": line})
        for line in (1, 2)
    )
    repository.append(one, GWH.certificate_der)
    with pytest.raises(ConflictError):
        repository.append(other, GWH.certificate_der)


def test_a_registration_sent_again_registers_once(
    repository: Repository, another: Repository, dump: Callable[[], Dump]
) -> None:
    by = GWH.actor.certificate
    assert repository.register_once(GATEWAY, by=by, key="k")[1] is False
    repository.act(GATEWAY, GWH, COMPLETE)
    before = dump()
    for keeping in (repository, another):
        kept, repeated = keeping.register_once(GATEWAY, by=by, key="k")
        assert repeated
        assert kept == repository.kept(GATEWAY)
    for by_whom, key in ((by, "another key"), (MSB.actor.certificate, "k"), ("", None)):
        with pytest.raises(GatewayExistsError):
            repository.register(GATEWAY, by=by_whom, key=key)
    with pytest.raises(IdempotencyError):
        repository.register(OTHER_GATEWAY, by=by, key="k")
    assert dump() == before


def test_a_command_sent_several_times_at_once_acts_once_and_everybody_is_answered(
    repository: Repository, another: Repository, clock: SettableClock
) -> None:
    """The same entry, and entries signed anew, under one key: one acts, all the others are told what became of it."""
    for number in range(15):
        gateway = f"EXXX80{number:08}"
        repository.register(gateway)
        kept = repository.kept(gateway)
        entries = [sign_step(COMPLETE, GWH, gateway, kept.standing, kept.position, clock()) for _ in range(2)]
        results = at_once(
            *(
                partial(keeping.append, entry, GWH.certificate_der, key=gateway)
                for keeping in (repository, another)
                for entry in entries
            )
        )
        assert all(isinstance(result, Appended) for result in results), results
        assert sum(not result.repeated for result in results) == 1
        assert all(result.entry == results[0].entry for result in results)
        assert repository.kept(gateway).position.sequence == 1
        assert replay_kept(another, gateway).ok


def test_a_registration_sent_several_times_at_once_registers_once_and_everybody_is_answered(
    repository: Repository, another: Repository
) -> None:
    for number in range(15):
        gateway = f"EXXX90{number:08}"
        by = GWH.actor.certificate
        keepers = (repository, another, repository, another)
        results = at_once(*(partial(keeping.register_once, gateway, by=by, key=gateway) for keeping in keepers))
        assert all(isinstance(result, tuple) for result in results), results
        assert sum(not repeated for _, repeated in results) == 1


def test_a_key_used_for_two_commands_at_once_stands_for_one_of_them(
    repository: Repository, another: Repository
) -> None:
    for number in range(15):
        gateways = [f"EXXX9{side}{number:08}" for side in (1, 2)]
        works = []
        for keeping, gateway in zip((repository, another), gateways, strict=True):
            keeping.register(gateway)
            entry = signed(keeping, COMPLETE, GWH, gateway)
            works.append(partial(keeping.append, entry, GWH.certificate_der, key=f"both {number}"))
        results = at_once(*works)
        assert sum(isinstance(result, Appended) for result in results) == 1, results
        assert sum(isinstance(result, IdempotencyError) for result in results) == 1, results
        assert sorted(repository.kept(gateway).position.sequence for gateway in gateways) == [0, 1]
