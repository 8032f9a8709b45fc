"""The metering process killed at any instant: no acknowledged reading is lost, and list and logs stay whole."""

from __future__ import annotations

from itertools import count
from random import Random
from typing import Any

import pytest
from sqlalchemy import make_url

from gateway.logs.events import Log
from gateway.logs.store import LogPolicy
from gateway.metering.entries import ListEntry
from lifecycle.store.engine import connect
from tests.lifecycle.store.test_crash import PATIENCE, Acknowledge, Child, Ledger, Work, settle
from tests.support.campaign import Campaign
from tests.support.lists import IMPORT, METER, OTHER_METER, QUARTER, Meters, reading
from tests.support.lives import START
from tests.support.sealing import signer

pytestmark = [pytest.mark.campaign, pytest.mark.crash]

ROOMY = LogPolicy(system=100_000, calibration=100_000, consumer=100_000)
SKIPPED = 5
"""Every so many quarters of an hour the meters are silent, so that gaps are written too."""
RUNS_BACK = 3
"""Every so many the second meter runs back, so that the calibration log is written too."""


TIMER_SPAN = 0.2
"""The latest that a timer kills, in seconds after the child is ready: some batches."""
OPCODE_SPAN = 400_000
"""The last opcode that is drawn: opening the database, and some batches too."""


def kill(work: Work, chance: Random, number: int) -> list[dict[str, Any]]:
    """Let a child work and kill it, by turns with a timer and at an opcode; what it had acknowledged."""
    by_timer = number % 2 == 0
    child = Child(work, opcodes=None if by_timer else chance.randint(1, OPCODE_SPAN))
    if by_timer:
        child.read(PATIENCE, 1)
    child.read(chance.uniform(0, TIMER_SPAN) if by_timer else PATIENCE)
    child.kill()
    return child.acknowledged


def metering(url: str, first: int) -> Work:
    """The work of a child that takes readings of two meters, quarter of an hour after quarter of an hour."""

    def work(acknowledge: Acknowledge) -> None:
        meters = Meters(connect(url), signer=signer(), policy=ROOMY, now=START + first * QUARTER)
        meters.lists.verify(METER, IMPORT)
        acknowledge({"ready": True})
        for number in count(first):
            at = meters.clock()
            if number % SKIPPED:
                back = 10**6 if number % RUNS_BACK else 0
                taken = meters.lists.take([reading(number, at), reading(number + back, at, meter=OTHER_METER)])
                acknowledge({"batch": number, "entry": taken[0].number})
            meters.pass_time(QUARTER)

    return work


def test_killed_in_metering(campaign: Campaign, database_url: str) -> None:
    """What was acknowledged is on the list, of a batch both readings or none, and chains and signatures hold."""
    Ledger.begun(database_url)
    signer()  # made before the first child is forked
    chance = Random("metering")  # noqa: S311  the same lots each time
    kills = campaign.count(500)
    acknowledged: dict[int, int] = {}
    first = known = unacknowledged = 0
    for number in range(kills):
        said = kill(metering(database_url, first), chance, number)
        told = {one["batch"]: one["entry"] for one in said if "batch" in one}
        engine = connect(database_url)
        settle(engine)
        lists = Meters(engine, signer=signer(), policy=ROOMY).lists
        kept, other = (lists.entries(meter, IMPORT, number=known) for meter in (METER, OTHER_METER))
        assert [entry.number for entry in kept] == [entry.number for entry in other], "half a batch"
        new = {entry.value: entry.number for entry in kept if not entry.is_gap}
        assert {batch: new.get(batch) for batch in told} == told, "acknowledged, and not kept"
        assert 0 <= len(new) - len(told) <= 1, "more was kept than the one that could not be acknowledged"
        acknowledged |= told
        unacknowledged += len(new) - len(told)
        first = max((value + 1 for value in new if value is not None), default=first)
        known = kept[-1].number if kept else known
        engine.dispose()
    engine = connect(database_url)
    meters = Meters(engine, signer=signer(), policy=ROOMY)
    every: list[ListEntry] = []
    while page := meters.lists.entries(METER, IMPORT, number=every[-1].number if every else 0):
        every += page
    values = {entry.value: entry.number for entry in every if not entry.is_gap}
    assert all(values[batch] == its for batch, its in acknowledged.items())
    assert list(values) == [number for number in range(first) if number % SKIPPED], "a hole that nobody was told of"
    for meter in (METER, OTHER_METER):
        assert meters.lists.verify(meter, IMPORT, verifies=signer().verifies) is None
    assert meters.logs.verify(Log.SYSTEM) is None
    assert meters.logs.verify(Log.CALIBRATION, verifies=signer().verifies) is None
    assert len(acknowledged) > kills // 4, "the children hardly lived to acknowledge anything"
    engine.dispose()
    figures = {"acknowledged_batches": len(acknowledged), "committed_unacknowledged": unacknowledged}
    campaign.report(
        f"Crash: original reading list on {make_url(database_url).get_backend_name()}", killed=kills, lost=0, **figures
    )
