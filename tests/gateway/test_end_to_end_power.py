"""The power goes at any moment: what was acknowledged is kept, once; what was missed is marked; all of it is signed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Engine, event

from gateway.books import examined
from gateway.lmn.obis import format_obis
from gateway.metering.entries import ListEntry
from gateway.pki.seal import FOLDER, KeptCertificates
from gateway.tariffing.periods import Period
from lifecycle.functions import Credential
from lifecycle.states import State
from securitymodule.errors import ModuleError
from stations.meter import HouseholdMeter
from tests.support.daily import ANNA, BERT, EXPORT, IMPORT, METER, OTHER_METER, QUARTER
from tests.support.gateways import CutConnection
from tests.support.house import BERTS, TAF2, House, house, household, local, raster

BEGIN = local("2026-03-10")
DAY = timedelta(days=1)
OWNER = {METER: ANNA, OTHER_METER: BERT}


class PowerGone(BaseException):
    """Nothing runs any more."""


class Cuts:
    """Cuts the power of a house in all the ways there are, and counts them."""

    def __init__(self, at: House, seed: int) -> None:
        self.house = at
        self.chance = Random(seed)  # noqa: S311  the same lots each time
        self.module = CutConnection(at.device.slot.directory)
        at.device.slot.wrap = self.module
        self.made: list[str] = []
        self.acknowledged: dict[tuple[str, bytes, int], tuple[datetime, int]] = {}
        self.meters = {device: HouseholdMeter(device, BEGIN - DAY, seed=1, solar_peak_watt=1_500) for device in OWNER}

    def live(self) -> None:
        """The meters push, and the power goes again and again."""
        for time in raster(BEGIN, BEGIN + DAY, QUARTER):
            self.house.at(max(time, self.house.clock()))
            for device in OWNER:
                frame = self.meters[device].frame_at(self.house.clock())
                match self.chance.randrange(24):
                    case 0:
                        self._restart("between frames")
                    case 1:
                        self._hear(frame[: self.chance.randrange(1, len(frame))])
                        self._restart("within a frame")
                        self._hear(frame[-self.chance.randrange(1, len(frame)) :])
                        continue
                    case 2 | 3:
                        self._cut_in_database(frame)
                        continue
                    case 4 | 5:
                        self._cut_in_module(frame)
                        continue
                    case 6:
                        self.house.gateway.close()  # and some time passes until it is there again
                        self.house.at(self.house.clock() + self.chance.randrange(1, 40) * timedelta(minutes=1))
                        self._restart("for a while")
                        continue
                    case 7:
                        self.house.gateway.keep_up()
                self._hear(frame)

    def _hear(self, chunk: bytes) -> None:
        for taken in self.house.gateway.receive(Credential.METER_KEY, chunk).taken:
            if taken.number is not None:
                reading = taken.reading
                device = next(one for one in OWNER if self.meters[one].server_id.hex() == reading.meter)
                key = device, bytes.fromhex(reading.obis), taken.number
                assert key not in self.acknowledged
                self.acknowledged[key] = reading.captured, reading.value

    def _restart(self, how: str) -> None:
        self.made.append(how)
        self.house.restart()
        self.house.gateway.receive(Credential.METER_KEY, b"")

    def _cut_in_database(self, frame: bytes) -> None:
        with power_cut(self.house.device.repository.engine, self.chance.randrange(1, 25)):
            try:
                self._hear(frame)
            except PowerGone:
                self._restart("in the database")

    def _cut_in_module(self, frame: bytes) -> None:
        self.module.left = self.module._count + self.chance.randrange(3)
        try:
            self._hear(frame)
        except ModuleError:
            self.module.left = None
            self._restart("in the module")
        self.module.left = None


@contextmanager
def power_cut(engine: Engine, after: int) -> Iterator[None]:
    """The power goes after so many statements and commits."""
    left = after

    def count(*_told: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise PowerGone

    events = "before_cursor_execute", "commit"
    for name in events:
        event.listen(engine, name, count)
    try:
        yield
    finally:
        for name in events:
            event.remove(engine, name, count)


@pytest.fixture(scope="module")
def cuts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cuts]:
    with house(tmp_path_factory.mktemp("house"), household(BEGIN), BEGIN - timedelta(minutes=1), han=False) as at:
        made = Cuts(at, seed=7)
        made.live()
        yield made


def entries(cuts: Cuts, device: str, obis: bytes) -> list[ListEntry]:
    server_id = cuts.meters[device].server_id.hex()
    return cuts.house.gateway.metering.own_entries(
        Credential.CONSUMER_PASSWORD, OWNER[device], server_id, obis.hex(), limit=1_000
    )


LISTS = [(METER, IMPORT), (METER, EXPORT), (OTHER_METER, IMPORT)]


def test_the_power_went_in_every_way(cuts: Cuts) -> None:
    assert {*cuts.made} == {"between frames", "within a frame", "in the database", "in the module", "for a while"}
    assert len(cuts.acknowledged) > 150


@pytest.mark.parametrize(("device", "obis"), LISTS)
def test_no_acknowledged_reading_is_missing(cuts: Cuts, device: str, obis: bytes) -> None:
    kept = {entry.number: (entry.captured, entry.value) for entry in entries(cuts, device, obis)}
    told = {key[2]: said for key, said in cuts.acknowledged.items() if key[:2] == (device, obis)}
    assert told.items() <= kept.items()


@pytest.mark.parametrize(("device", "obis"), LISTS)
def test_each_point_has_a_reading_or_a_gap_and_only_once(cuts: Cuts, device: str, obis: bytes) -> None:
    found = entries(cuts, device, obis)
    assert [entry.number for entry in found] == list(range(1, len(found) + 1))
    points: list[datetime] = []
    for entry in found:
        assert entry.target is not None
        if entry.captured is None:
            assert entry.until is not None
            count = (entry.until - entry.target) // QUARTER + 1
            points += [entry.target + number * QUARTER for number in range(count)]
        else:
            points.append(entry.target)
            assert entry.value == cuts.meters[device].energy_at(entry.captured)[obis == EXPORT]
    assert points == [points[0] + number * QUARTER for number in range(len(points))]
    assert {entry.epoch for entry in found} == {0}
    assert any(entry.is_gap for entry in found)


def test_every_chain_and_signature_verifies(cuts: Cuts, tmp_path: Path) -> None:
    device = cuts.house.device
    books = list(examined(device.repository.engine, device.id, KeptCertificates(device.folder / FOLDER).verifies))
    assert [book for book in books if book.broken is not None] == []
    by_name = {book.name: book for book in books}
    for meter, obis in LISTS:
        book = by_name[f"original list of {format_obis(obis)}, meter {meter}"]
        assert book.entries == book.signed > 50
    assert by_name["system log"].entries > len(cuts.made)
    # Without the certificates that have signed, no signature is believed.
    none = examined(device.repository.engine, device.id, KeptCertificates(tmp_path).verifies)
    assert any(book.broken is not None for book in none)


def test_it_works_on_and_counts_what_the_meter_did(cuts: Cuts) -> None:
    gateway = cuts.house.gateway
    assert gateway.gate().state is State.OPERATION
    for contract, device in ((TAF2, METER), (BERTS, OTHER_METER)):
        period = Period(BEGIN, BEGIN + DAY)
        (account,) = gateway.tariffs.derive(Credential.INSIDE, contract, period, consumer=OWNER[device])
        inside = [
            entry.value
            for entry in entries(cuts, device, IMPORT)
            if entry.value is not None and entry.target is not None and entry.target <= period.end
        ]
        assert sum(account.registers.values()) == inside[-1] - inside[0]
