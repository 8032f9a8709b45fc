"""A batch killed at any moment, and run again: nothing is made twice, nothing is wasted, everything is delivered.

A child, forked from this warm process, makes units one after the other and is killed by SIGKILL: half the time by a
timer, at any machine instruction; half the time at a flush to the disk drawn by lot, before it or after it, so that no
file is too quick to be caught half done. The next child goes on where the one before was killed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path
from random import Random

import pytest

from lifecycle.facts import Fact
from smgw.factory_demo import write_demo
from smgw.factory_place import Bench, FactoryPlace
from smgw.pki_place import PkiPlace
from smgw.workplace import Workplace
from smpki.certificates import fingerprint
from smpki.names import Environment
from smpki.profiles import RequestType
from stations.integrator.order import Unit, read_order
from tests.lifecycle.store.test_crash import PATIENCE, Acknowledge, Child, Work
from tests.support.campaign import Campaign

pytestmark = [pytest.mark.campaign, pytest.mark.crash]

TIMER_SPAN = 0.6
"""The latest that a timer kills, in seconds after the child is ready: about two units."""
FLUSH_SPAN = 220
"""The last flush that is drawn: the same."""


def dying_at(flush: int, *, before: bool) -> Callable[[int], None]:
    """``os.fsync``, under which this process kills itself at one of its calls."""
    fsync, number = os.fsync, count(1)

    def flushed(descriptor: int) -> None:
        here = next(number) == flush
        if here and before:
            os.kill(os.getpid(), signal.SIGKILL)
        fsync(descriptor)
        if here:
            os.kill(os.getpid(), signal.SIGKILL)

    return flushed


def making(workplace: Workplace, units: Sequence[Unit], flush: int | None, *, before: bool) -> Work:
    """The work of a child: make what is not made yet."""

    def work(acknowledge: Acknowledge) -> None:
        with Bench(workplace, logging=("error", "console"))() as make:
            acknowledge({"ready": True})
            if flush is not None:
                os.fsync = dying_at(flush, before=before)  # type: ignore[assignment]
            for unit in units:
                outcome = make(unit)
                acknowledge({"gateway": unit.gateway, "made": outcome.made, "words": outcome.words})
        while True:
            signal.pause()

    return work


def check(place: FactoryPlace, units: Sequence[Unit]) -> list[Unit]:
    """Every unit is whole or resumable, and its record lawful; the ones that are not delivered yet."""
    inspector, left = place.inspector(), []
    for unit in units:
        told = inspector.told(unit.gateway)
        assert inspector.problems(unit, told) == []
        if told is None:
            left.append(unit)
            continue
        verdict = place.verdict(unit.gateway)
        assert verdict.ok, str(verdict)
        if not told.delivered:
            left.append(unit)
    return left


def issued_and_held(place: FactoryPlace, unit: Unit) -> tuple[list[str], list[str]]:
    """A gateway's certificates: as the PKI has issued them, and as they are in its module."""
    with place.pki.store.unit() as pki:
        kept = pki.of_holder(f"{unit.gateway}.SMGW")
    with place.device(unit) as gateway:
        held = [fingerprint(one.certificate) for one in gateway.certificates.held()]
    assert {one.profile.label.partition("/")[0] for one in kept} == {str(RequestType.SMGW_G)}
    return sorted(one.fingerprint for one in kept), sorted(held)


def test_a_batch_killed_again_and_again(campaign: Campaign, tmp_path: Path) -> None:
    """All are delivered at the end, and the certificates issued are those in the modules."""
    workplace = Workplace(tmp_path / "home")
    pki = PkiPlace(workplace)
    pki.found("Energie", Environment.TEST)
    pki.close()
    kills = campaign.count(50)
    path = write_demo(workplace, tmp_path, kills + 2, timedelta(days=1))
    units = read_order(path).units
    FactoryPlace(workplace).close()
    chance = Random("factory")  # noqa: S311  the same lots each time
    left: Sequence[Unit] = units
    cut_short = acknowledged = 0
    for number in range(kills):
        flush = chance.randint(1, FLUSH_SPAN) if number % 2 else None
        child = Child(making(workplace, left, flush, before=bool(chance.getrandbits(1))))
        assert child.read(PATIENCE, 1)
        child.read(chance.uniform(0, TIMER_SPAN) if flush is None else PATIENCE, len(left))
        child.kill()
        said = [told for told in child.acknowledged if "gateway" in told]
        assert [told["words"] for told in said if not told["made"]] == []
        place = FactoryPlace(workplace)
        before, left = left, check(place, left)
        place.close()
        made = {told["gateway"] for told in said}
        assert made.isdisjoint(unit.gateway for unit in left), "acknowledged, and not delivered"
        assert len(before) - len(left) - len(made) <= 1, "more delivered than one that could not be acknowledged"
        acknowledged += len(made)
        cut_short += any(place_begun(workplace, unit) for unit in left[:1])
    with Bench(workplace, logging=("error", "console"))() as make:
        outcomes = [make(unit) for unit in units]
    assert [outcome.words for outcome in outcomes if not outcome.made] == []
    place = FactoryPlace(workplace)
    assert check(place, units) == []
    certificates = 0
    for unit in units:
        issued, held = issued_and_held(place, unit)
        assert issued == held
        certificates += len(issued)
        assert Fact.GWH_HANDED_OVER in place.repository.kept(unit.gateway).standing.evidence
    place.close()
    assert certificates == 3 * len(units)
    campaign.report(
        "Factory: a batch killed by SIGKILL",
        killed=kills,
        units=len(units),
        cut_short_in_the_midst=cut_short,
        acknowledged_before_a_kill=acknowledged,
        certificates=certificates,
        wasted=0,
    )


def place_begun(workplace: Workplace, unit: Unit) -> bool:
    """Whether a unit has a record already."""
    place = FactoryPlace(workplace)
    try:
        return place.entries(unit.gateway) is not None
    finally:
        place.close()
