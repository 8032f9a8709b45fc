"""The daily work put together: what meters send is kept for whom it concerns, and what goes wrong is on the record."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from gateway.core import Gateway
from gateway.daily import COUNTERS, Received
from gateway.lmn.device_id import server_id_from_device_id
from gateway.lmn.lines import LineProtocol
from gateway.logs.events import EventId
from gateway.logs.store import LogPolicy, Note, WhenFull
from gateway.metering.entries import ListEntry
from gateway.metering.rules import Cause, Verdict
from gateway.module import DeviceError
from gateway.profiles import Profiles
from gateway.storage import StorageFull
from lifecycle.desk import report
from lifecycle.functions import Credential
from lifecycle.gate import Closed
from lifecycle.roles import Role
from lifecycle.states import State
from lifecycle.store.engine import open_database
from lifecycle.store.repository import Repository
from stations.meter import HouseholdMeter
from tests.support.daily import ANNA, BERT, IMPORT, METER, OTHER_METER, QUARTER, consumers, contract, house
from tests.support.daily import meter as meter_profile
from tests.support.lives import GATEWAY, START, SettableClock, cast, live, shortest_way

SMALL = LogPolicy(system=200, calibration=20, consumer=20)
ROOM = 16 * 1024 * 1024
"""Bytes of the small disk."""


class House:
    """A gateway in OPERATION whose meters a test lets send.

    :ivar gateway: the gateway.
    :ivar clock: its clock, with what passes evenly beside it.
    """

    def __init__(self, folder: Path, *, profiles: Profiles | None = None, policy: LogPolicy | None = None) -> None:
        self.clock = SettableClock()
        self.ticks = 0
        self.folder = folder
        self.engine = open_database(f"sqlite:///{folder / 'smgw.db'}")
        self.repository = Repository(self.engine, cast().trust, cast().keeper, clock=self.clock)
        live(self.repository, shortest_way(State.OPERATION))
        self.policy = policy
        self._meters = {
            device: HouseholdMeter(device, START - timedelta(days=1), seed=number)
            for number, device in enumerate((METER, OTHER_METER))
        }
        self.start(profiles or house(both=True))

    def start(self, profiles: Profiles) -> None:
        """A start of the gateway."""
        self.gateway = Gateway(
            GATEWAY,
            self.repository,
            own=cast().acting(Role.GATEWAY),
            profiles=profiles,
            log_policy=self.policy,
            folder=self.folder,
            elapsed=lambda: self.ticks,
        )
        self.gateway.start()

    def pass_time(self, by: timedelta = QUARTER) -> None:
        """Time passes."""
        self.clock.move(by)
        self.ticks += by // timedelta(microseconds=1) * 1000

    def send(self, device: str = METER) -> Received:
        """A meter sends what it shows now."""
        return self.gateway.receive(Credential.METER_KEY, self._meters[device].frame_at(self.clock()))

    def entries(self, device: str = METER, consumer: str = ANNA) -> list[ListEntry]:
        """What is on the list of what a meter imports."""
        server_id = server_id_from_device_id(device).hex()
        return self.gateway.metering.own_entries(Credential.CONSUMER_PASSWORD, consumer, server_id, IMPORT.hex())

    def log(self) -> list[tuple[EventId, str]]:
        """The events of the system log, with who did it."""
        shown = self.gateway.logs.system_log(Credential.GWA_CERTIFICATE)
        return [(entry.event.number, entry.by) for entry in shown]

    def state(self) -> State:
        """The state on record."""
        return self.repository.kept(GATEWAY).standing.state

    @property
    def faults(self) -> list[str]:
        """The faults that are open on record."""
        return [fault.name for fault in self.repository.kept(GATEWAY).standing.evidence.faults]


@pytest.fixture
def home(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(folder)]
    try:
        made = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount to make a small disk with")
    if made.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write a file until there is no room left."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(65_536)):
            pass


def send_on(home: House, most: int = 1_000) -> None:
    """A meter sends, quarter of an hour after quarter of an hour."""
    for _ in range(most):
        home.pass_time()
        home.send()


def test_each_reading_is_kept_for_whom_it_concerns(home: House) -> None:
    for _ in range(3):
        assert [home.send(device).kept for device in (METER, OTHER_METER)] == [1, 1]
        home.pass_time()
    assert [entry.number for entry in home.entries()] == [1, 2, 3]
    assert [entry.consumer for entry in home.entries(OTHER_METER, BERT)] == [BERT] * 3
    assert not home.entries(METER, BERT)
    assert not home.entries(OTHER_METER, ANNA)


def test_what_nobody_ordered_is_not_kept(tmp_path: Path) -> None:
    home = House(tmp_path, profiles=replace(house(), contracts=()))
    received = home.send()
    assert len(received.captures) == 3
    assert not received.taken


def test_a_meter_without_a_profile_is_dropped(home: House) -> None:
    stranger = HouseholdMeter("1EMH0099999999", START - timedelta(days=1), seed=3)
    received = home.gateway.receive(Credential.METER_KEY, stranger.frame_at(START))
    assert len(received.events) == 1
    assert not received.captures


def test_what_was_missed_while_it_stood_still_becomes_a_gap(home: House) -> None:
    home.send()
    home.pass_time(4 * QUARTER)
    home.start(house(both=True))
    home.send()
    gap = home.entries()[1]
    assert (gap.missing, gap.cause) == (3, Cause.RESTART)
    assert [number for number, _ in home.log()].count(EventId.METERING_STARTED) == 2


def test_time_closes_gaps(home: House) -> None:
    home.send()
    home.pass_time(2 * QUARTER + timedelta(minutes=1))
    home.gateway.keep_up()
    assert [entry.missing for entry in home.entries()] == [0, 2]


def test_other_profiles_are_taken_without_loss(home: House) -> None:
    frame = HouseholdMeter(METER, START - timedelta(days=1), seed=0).frame_at(START)
    home.gateway.receive(Credential.METER_KEY, frame[:40])
    home.gateway.use_profiles(house(), "the configuration file")
    assert home.gateway.receive(Credential.METER_KEY, frame[40:]).kept == 1
    assert not home.send(OTHER_METER).captures, "that meter is not known any more"
    assert home.log()[-2:] == [(EventId.PROFILES_CHANGED, "the configuration file")] * 2
    own = home.gateway.logs.own_log(Credential.CONSUMER_PASSWORD, BERT)
    assert [entry.event.number for entry in own] == [EventId.OWN_PROFILE_CHANGED]
    assert not home.gateway.logs.own_log(Credential.CONSUMER_PASSWORD, ANNA), "nothing of hers has changed"
    before = len(home.log())
    home.gateway.use_profiles(house(), "the configuration file")
    assert len(home.log()) == before, "nothing has changed"


def test_what_a_contract_kept_goes_in_time_when_there_is_no_contract_any_more(home: House) -> None:
    home.send()
    home.send(OTHER_METER)
    home.gateway.keep_up()
    home.gateway.use_profiles(house(), "the configuration file")
    home.pass_time(timedelta(days=729))
    home.gateway.keep_up()
    assert [entry.number for entry in home.entries(OTHER_METER, BERT)] == [1], "he was promised two years"
    home.pass_time(timedelta(days=3))
    home.gateway.keep_up()
    assert home.entries(OTHER_METER, BERT) == []
    own = home.gateway.logs.own_log(Credential.CONSUMER_PASSWORD, BERT)
    assert own[-1].event.number is EventId.OWN_READINGS_DELETED


def test_a_contract_is_metered_from_its_begin_to_its_end_and_beside_them(tmp_path: Path) -> None:
    on = contract(start=START + QUARTER, end=START + QUARTER + timedelta(days=1), id="one.sm")
    home = House(tmp_path, profiles=Profiles(house().meters, (on,), consumers(ANNA)))
    assert home.send().kept == 0
    home.pass_time(QUARTER - timedelta(seconds=5))
    assert home.send().kept == 1
    home.pass_time(timedelta(days=1, seconds=5 + 5))
    assert home.send().kept == 1, "the reading that closes it comes a moment after its end"
    home.pass_time()
    assert home.send().taken[0].verdict is Verdict.NO_PROFILE


def test_a_full_log_of_one_consumer_stops_his_metering_only(tmp_path: Path) -> None:
    home = House(tmp_path, policy=SMALL)
    read = Note(EventId.OWN_DATA_READ, {"what": "readings"}, ANNA)
    while not home.faults:
        home.gateway.logs.write(Credential.INSIDE, [read])
    assert home.state() is State.REVERSIBLE_FAULT
    assert home.faults == ["consumer-log-full"]
    received = home.send()
    assert list(received.refused) == [ANNA]
    assert "consumer-log-full is open" in str(received.refused[ANNA])
    assert home.send(OTHER_METER).kept == 1
    home.gateway.logs.free_consumer_log(Credential.GWA_CERTIFICATE, ANNA, keep=0, by="GWA")
    assert home.state() is State.OPERATION
    assert not home.faults
    home.pass_time()
    assert home.send().kept == 1


def test_overwriting_is_a_switch(tmp_path: Path) -> None:
    home = House(tmp_path, policy=replace(SMALL, consumer_full=WhenFull.OVERWRITE))
    for _ in range(50):
        home.gateway.logs.write(Credential.INSIDE, [Note(EventId.OWN_DATA_READ, {"what": "readings"}, ANNA)])
    assert home.state() is State.OPERATION
    assert home.send().kept == 1


def test_a_full_calibration_log_ends_metering_for_good(tmp_path: Path) -> None:
    home = House(tmp_path, policy=SMALL)
    while not home.faults:
        home.gateway.logs.write(Credential.INSIDE, [Note(EventId.METER_ADDED, {"meter": METER})])
    assert home.state() is State.IRREVERSIBLE_FAULT
    assert home.faults == ["calibration-log-full"]
    with pytest.raises(Closed):
        home.send()
    home.start(house())
    home.gateway.keep_up()
    assert home.state() is State.IRREVERSIBLE_FAULT


def test_a_full_disk_is_a_fault_on_record_and_is_recovered_from(small_disk: Path) -> None:
    home = House(small_disk)
    kept = home.send().kept
    filler = small_disk / "filler"
    fill(filler)
    while True:
        home.pass_time()
        try:
            kept += home.send().kept
        except StorageFull:
            break
        assert kept < 1_000, "the disk does not become full"
    assert home.state() is State.REVERSIBLE_FAULT
    assert home.faults == ["disk-full"]
    with pytest.raises(Closed, match="disk-full is open"):
        home.send()
    home.gateway.keep_up()
    assert home.state() is State.REVERSIBLE_FAULT, "there is no room yet"
    filler.unlink()
    home.gateway.keep_up()
    assert home.state() is State.OPERATION
    assert not home.faults
    readings = [entry for entry in home.entries() if not entry.is_gap]
    assert len(readings) == kept, "what was acknowledged is there"
    assert home.send().kept == 1
    assert EventId.DISK_WAS_FULL in dict(home.log())
    assert (small_disk / "ballast").exists()


def test_where_the_record_cannot_be_written_either_the_gate_is_shut_all_the_same(home: House) -> None:
    assert home.send().kept == 1
    limited = True

    @event.listens_for(home.engine, "begin")
    def _limit(connection: object) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()  # type: ignore[attr-defined]
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages if limited else 2**30}")  # type: ignore[attr-defined]

    with pytest.raises(StorageFull):
        send_on(home)
    assert home.state() is State.OPERATION, "there was no room for the record"
    with pytest.raises(Closed, match="disk-full is open"):
        home.send()
    limited = False
    home.gateway.keep_up()
    home.pass_time()
    assert home.send().kept == 1
    assert home.state() is State.OPERATION


def test_who_has_no_key_for_the_record_shuts_the_gate_only(tmp_path: Path) -> None:
    home = House(tmp_path, policy=SMALL)
    home.gateway = Gateway(GATEWAY, home.repository, profiles=house(), log_policy=SMALL)
    for _ in range(SMALL.calibration - 1):
        home.gateway.logs.write(Credential.INSIDE, [Note(EventId.METER_ADDED, {"meter": METER})])
    with pytest.raises(Closed, match="calibration-log-full is open"):
        home.send()
    assert home.state() is State.OPERATION
    assert not home.faults


def test_the_system_log_tells_of_every_step(home: House) -> None:
    own = cast().acting(Role.GATEWAY)
    home.gateway.act(own, report(own, "disk-full"))
    told = home.gateway.logs.system_log(Credential.GWA_CERTIFICATE)
    assert told[-1].event.number is EventId.FAULT_OPENED
    assert told[-1].details == {"fault": "disk-full"}


def test_a_radio_line_needs_a_folder_for_its_counters(home: House) -> None:
    radio = {"radio": LineProtocol.WMBUS_A}
    without = Gateway(GATEWAY, home.repository, profiles=house(), lines=radio)
    with pytest.raises(DeviceError, match="folder"):
        without.receive(Credential.METER_KEY, b"\x00", line="radio")
    having = Gateway(GATEWAY, home.repository, profiles=house(), lines=radio, folder=home.folder)
    having.receive(Credential.METER_KEY, b"\x00", line="radio")
    assert not (home.folder / COUNTERS).exists(), "it is made with the first telegram"


def test_a_meter_that_is_read_more_often_is_kept_by_its_raster(tmp_path: Path) -> None:
    profiles = replace(house(), meters=type(house().meters)([meter_profile(period=timedelta(minutes=1))]))
    home = House(tmp_path, profiles=profiles)
    for _ in range(6):
        home.send()
        home.pass_time(timedelta(seconds=30))
    assert len(home.entries()) == 3


def test_who_follows_is_told_of_what_others_put_on_record(home: House) -> None:
    told: list[bool] = []
    home.gateway.on_change(lambda: told.append(bool(home.gateway.gate().opened)))
    home.gateway.keep_up()
    home.gateway.keep_up()
    assert told == [True], "the first time it is news"
    gwa = cast()[Role.GWA]
    home.repository.act(GATEWAY, gwa, report(gwa, "disk-full"))
    home.gateway.keep_up()
    assert len(told) == 2
