"""A process, or the database server, killed at any instant: what was acknowledged stays, and nothing is half-written.

A child, forked from this warm process, works on a database without end and acknowledges over a pipe whatever was
committed. It is killed by SIGKILL: half the time by a timer, at any machine instruction and in the midst of system
calls; half the time at a Python opcode drawn by lot, so that no line is too quick to be hit. The next child goes on
where the one before was killed.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from math import inf
from random import Random
from types import FrameType
from typing import Any

import pytest
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import DBAPIError

from lifecycle.canonical import parse_time
from lifecycle.journal import read_entry, step_of
from lifecycle.law import LAW
from lifecycle.states import State
from lifecycle.store.engine import connect, open_database
from lifecycle.store.replicas import replay_kept
from lifecycle.store.repository import Repository
from tests.support.campaign import Campaign
from tests.support.lives import GATEWAY, SettableClock, cast, disturbances, life_of, live, shortest_way, take
from tests.support.postgres import PostgresServer

pytestmark = [pytest.mark.campaign, pytest.mark.crash]

Acknowledge = Callable[[dict[str, Any]], None]
Work = Callable[[Acknowledge], None]

TIMER_SPAN = 0.025
"""The latest that a timer kills, in seconds after the child is ready: a handful of transitions."""
OPCODE_SPAN = 250_000
"""The last opcode that is drawn: opening the database, and a handful of transitions too."""
PATIENCE = 60.0
"""How long a child may be silent before it counts as hung, in seconds."""
CYCLE = tuple(islice(disturbances(), 4))
"""From OPERATION into REVERSIBLE_FAULT and back."""
IN_OPERATION = len(shortest_way(State.OPERATION))
"""How many entries a gateway has when it comes into OPERATION."""


class Child:
    """A forked process that works until it is killed, and what it has acknowledged so far."""

    def __init__(self, work: Work, *, opcodes: int | None = None) -> None:
        """Fork it, to live for that many opcodes, or until others kill it."""
        self.acknowledged: list[dict[str, Any]] = []
        self._unread, self.ended = b"", False
        self._from_child, to_parent = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _live_as_child(work, to_parent, opcodes)
        os.close(to_parent)

    def read(self, seconds: float, more: float = inf) -> bool:
        """Read acknowledgements for so long, or so many more; whether those came. Less come from a dead child."""
        wanted, deadline = len(self.acknowledged) + more, time.monotonic() + seconds
        while len(self.acknowledged) < wanted:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._from_child], [], [], left)[0]:
                return False
            received = os.read(self._from_child, 65536)
            if not received:
                self.ended = True
                return False
            *lines, self._unread = (self._unread + received).split(b"\n")
            self.acknowledged += map(json.loads, lines)
        return True

    def kill(self) -> None:
        """Kill it, if it lives; read what it has said; see that it ended by this signal and by nothing else."""
        os.kill(self._pid, signal.SIGKILL)
        self.read(PATIENCE)
        _, status = os.waitpid(self._pid, 0)
        os.close(self._from_child)
        failures = [said["failure"] for said in self.acknowledged if "failure" in said]
        assert not failures, failures[0]
        assert self.ended
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        assert self._unread == b"", "half an acknowledgement"


def _live_as_child(work: Work, to_parent: int, opcodes: int | None) -> None:
    """What the child does. It never returns into the tests: it is killed, or leaves at once."""
    gc.disable()  # nothing of the parent's may be finalised here: a connection closed is closed for both

    def acknowledge(what: dict[str, Any]) -> None:
        os.write(to_parent, json.dumps(what).encode() + b"\n")

    try:
        if opcodes is not None:
            sys.settrace(_killing_after(opcodes))
        work(acknowledge)
    except BaseException:
        sys.settrace(None)
        acknowledge({"failure": traceback.format_exc()[-3000:]})
    finally:
        os._exit(1)


def _killing_after(opcodes: int) -> Callable[[FrameType, str, Any], Any]:
    """A trace function under which this process kills itself at that opcode."""
    countdown = iter(range(opcodes - 1))

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode" and next(countdown, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


def kill_at_random(work: Work, chance: Random, number: int) -> list[dict[str, Any]]:
    """Let a child work and kill it, by turns with a timer and at an opcode; what it had acknowledged."""
    by_timer = number % 2 == 0
    child = Child(work, opcodes=None if by_timer else chance.randint(1, OPCODE_SPAN))
    if by_timer:
        child.read(PATIENCE, 1)
    child.read(chance.uniform(0, TIMER_SPAN) if by_timer else PATIENCE)
    ended_itself = child.ended
    child.kill()
    assert ended_itself is not by_timer
    return child.acknowledged


@contextmanager
def repository_at(url: str) -> Iterator[tuple[Repository, SettableClock]]:
    """A repository of this process alone, for no connection may cross a fork; its clock tells the last entry's time."""
    engine = connect(url)
    clock = SettableClock()
    repository = Repository(engine, cast().trust, cast().keeper, clock=clock)
    try:
        clock.now = parse_time(repository.kept(GATEWAY).position.time)
        yield repository, clock
    finally:
        engine.dispose()


def is_commanded(sequence: int) -> bool:
    """Whether that entry comes as a signed command with a key, or from a party in the same process; each step both."""
    return sequence > IN_OPERATION and sequence % (len(CYCLE) - 1) == 0


def go_on(repository: Repository, clock: SettableClock) -> dict[str, Any]:
    """Take the next step of the endless life; what is to be acknowledged of it."""
    sequence = repository.kept(GATEWAY).position.sequence + 1
    step = CYCLE[(sequence - IN_OPERATION - 1) % len(CYCLE)]
    clock.move()
    if is_commanded(sequence):
        done = take(repository, step, key=f"step {sequence}")
    else:
        told, party = cast().played(step)
        done = repository.act(GATEWAY, party, told)
    return {"sequence": done.kept.position.sequence, "hash": done.kept.position.hash}


def living(url: str, from_parent: int | None = None) -> Work:
    """The work of a child that lives on; where its server is gone, it waits to hear from its parent."""

    def work(acknowledge: Acknowledge) -> None:
        with repository_at(url) as (repository, clock):
            acknowledge({"ready": True})
            while True:
                try:
                    acknowledge(go_on(repository, clock))
                except DBAPIError:
                    if from_parent is None:
                        raise
                    acknowledge({"server": "gone"})
                    assert os.read(from_parent, 1)

    return work


def settle(engine: Engine) -> None:
    """Wait until the server has noticed that a client was killed: it may be committing what that one had sent."""
    if engine.dialect.name != "postgresql":
        return
    others = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        deadline = time.monotonic() + PATIENCE
        while connection.execute(others).scalar_one():
            assert time.monotonic() < deadline, "the server keeps a dead client's session"


@dataclass
class Ledger:
    """What is known of the record from outside, and how many entries children have acknowledged or could not."""

    url: str
    hashes: list[str]
    acknowledged: int = 0
    unacknowledged: int = 0

    @classmethod
    def begun(cls, url: str) -> Ledger:
        """With the schema laid down, and a gateway in OPERATION."""
        repository = Repository(open_database(url), cast().trust, cast().keeper, clock=SettableClock())
        live(repository, shortest_way(State.OPERATION))
        hashes = [entry.hash for entry in repository.entries(GATEWAY)]
        repository.engine.dispose()
        return cls(url, hashes)

    def check(self, said: list[dict[str, Any]], deaths: int = 1) -> None:
        """Compare the database with the law, and with what a child had acknowledged before it, or its server, died."""
        with repository_at(self.url) as (repository, _):
            settle(repository.engine)
            entries = repository.entries(GATEWAY)
            verdict = replay_kept(repository, GATEWAY)
            stored = repository.kept(GATEWAY).standing
            with repository.engine.connect() as connection:
                keyed = connection.execute(text("SELECT sequence FROM commands ORDER BY sequence")).scalars().all()
                if repository.engine.dialect.name == "sqlite":
                    assert connection.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
        hashes = [entry.hash for entry in entries]
        acknowledged = {one["sequence"]: one["hash"] for one in said if "sequence" in one}
        lost = [number for number, its in acknowledged.items() if hashes[number - 1 : number] != [its]]
        assert lost == [], "acknowledged, and not kept"
        assert hashes[: len(self.hashes)] == self.hashes, "what was kept before has changed"
        unasked = len(hashes) - len(self.hashes) - len(acknowledged)
        assert 0 <= unasked <= deaths, "more was kept than one step at each death that could not be acknowledged"
        assert verdict.ok, str(verdict)
        assert verdict.entries == len(entries)
        assert stored == LAW.fold(step_of(read_entry(entry.body)) for entry in entries)
        assert stored == LAW.fold(life_of(len(entries)))
        assert keyed == [number for number in range(1, len(entries) + 1) if is_commanded(number)]
        self.hashes = hashes
        self.acknowledged += len(acknowledged)
        self.unacknowledged += unasked

    def report(self, campaign: Campaign, name: str, killed: int) -> None:
        """See that the work was worth killing and still goes on; tell of it."""
        assert self.acknowledged > 0, "no child lived to acknowledge anything"
        with repository_at(self.url) as (repository, clock):
            said = [go_on(repository, clock) for _ in CYCLE]
        self.check(said)
        figures = {"acknowledged_entries": self.acknowledged, "committed_unacknowledged": self.unacknowledged}
        campaign.report(name, killed=killed, lost=0, half_written=0, **figures)


def test_killed_in_transitions(campaign: Campaign, database_url: str) -> None:
    """No acknowledged entry is lost, none is half-written, the state equals the fold, and work continues."""
    ledger = Ledger.begun(database_url)
    chance = Random("transitions")  # noqa: S311  the same lots each time
    kills = campaign.count(200)
    for number in range(kills):
        ledger.check(kill_at_random(living(database_url), chance, number))
    ledger.report(campaign, f"Crash: transitions on {make_url(database_url).get_backend_name()}", killed=kills)


@pytest.mark.postgresql
def test_server_killed_in_transitions(
    campaign: Campaign, postgresql_server: PostgresServer, postgresql_url: str
) -> None:
    """The database server dies at once, without a checkpoint: the same, and the same repository goes on afterwards."""
    ledger = Ledger.begun(postgresql_url)
    chance = Random("server")  # noqa: S311  the same lots each time
    crashes = campaign.count(20)
    for _ in range(crashes):
        from_parent, to_child = os.pipe()
        child = Child(living(postgresql_url, from_parent))
        try:
            child.read(PATIENCE, 1)
            child.read(chance.uniform(0, TIMER_SPAN))
            postgresql_server.halt(signal.SIGQUIT)
            postgresql_server.start()
            while {"server": "gone"} not in child.acknowledged:
                assert child.read(PATIENCE, 1), "it has not noticed"
            os.write(to_child, b"!")
            assert child.read(PATIENCE, len(CYCLE)), "it does not go on"
        finally:
            child.kill()
            os.close(from_parent)
            os.close(to_child)
        ledger.check(child.acknowledged, deaths=2)
    ledger.report(campaign, "Crash: the PostgreSQL server itself", killed=crashes)
