"""Every entry point of LMN, metering, tariffing, logs and HAN, really called: in each state, under each fault.

Where the gate says yes the work is done; where it says no, nothing has changed, and the reasons are the gate's.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.core import Gateway
from gateway.door import DOOR_ATTRIBUTE, Door
from gateway.han.data import ConsumerData, Database
from gateway.han.page.view import PageView
from gateway.han.page_data import Export, Step
from gateway.han.queries import LogRequest, ReadingsRequest, UsagePointRequest
from gateway.han.view import ConsumerView, SelfTests
from gateway.lmn.device_id import server_id_from_device_id
from gateway.lmn.hdlc import HdlcAddress, encode_frame
from gateway.lmn.hdlc_link import HdlcDecoder
from gateway.logs.events import EventId
from gateway.logs.port import Delivery
from gateway.logs.store import Note
from gateway.metering.readings import OriginalReading
from gateway.profiles import Profiles
from gateway.tariffing.periods import Period
from lifecycle.evidence import NOTHING, OpenFault
from lifecycle.faults import FAULTS
from lifecycle.functions import Credential, Function, Interface
from lifecycle.gate import Closed, Gate
from lifecycle.law import Standing
from lifecycle.phases.model import Grant
from lifecycle.roles import Role
from lifecycle.states import State
from stations.meter import HouseholdMeter
from tests.gateway.test_core import entry_points
from tests.support.daily import ANNA, BERT, IMPORT, METER, OTHER_METER, QUARTER, consumers, contract, meter
from tests.support.gateways import At, Device

SUBSYSTEMS = (
    "gateway.core",
    "gateway.logs",
    "gateway.metering",
    "gateway.tariffing",
    "gateway.derived",
    "gateway.technician",
    "gateway.han",
)
ELSEWHERE = {"integrate"}
"""Entry points of the core that belong to the module's life."""
SERVER_ID = server_id_from_device_id(METER).hex()
DERIVES = Grant(Role.GATEWAY, Interface.INSIDE, Function.DERIVE_REGISTERS, Credential.INSIDE)
TESTS_ITSELF = Grant(Role.GATEWAY, Interface.INSIDE, Function.SELF_TEST, Credential.INSIDE)
BEGUN = HdlcDecoder().feed(encode_frame(HdlcAddress(16), HdlcAddress(17), 0x13, b"no SML"))[0]


def profiles() -> Profiles:
    """Two consumers with a meter each."""
    meters = [meter(), meter(OTHER_METER)]
    return Profiles(type(Profiles().meters)(meters), (contract(), contract(BERT, OTHER_METER)), consumers(ANNA, BERT))


@dataclass
class Walked:
    """A gateway with a module whose record is said to stand somewhere.

    :ivar standing: where.
    """

    device: Device
    gateway: Gateway
    standing: Standing
    ticks: list[int]
    meters: dict[str, HouseholdMeter]
    begun: datetime
    beside: sqlite3.Connection

    @property
    def point(self) -> str:
        """The id of the first consumer's contract."""
        return self.gateway.profiles.contracts[0].id

    def period(self) -> Period:
        """What was metered before the walk began."""
        return Period(self.begun, self.begun + 8 * QUARTER)

    def go_on(self) -> None:
        """A quarter of an hour passes."""
        self.device.clock.now += QUARTER
        self.ticks[0] += QUARTER // timedelta(microseconds=1) * 1000

    def reading(self) -> OriginalReading:
        """What the first consumer's meter imported."""
        value = self.meters[METER].energy_at(self.device.clock())[0]
        return OriginalReading(SERVER_ID, IMPORT.hex(), self.device.clock(), value, -1, 30)

    def kept(self) -> tuple[int, int]:
        """How many entries there are on lists and in logs."""
        counts = "SELECT (SELECT count(*) FROM list_entries), (SELECT count(*) FROM log_entries)"
        lists, logs = self.beside.execute(counts).fetchone()
        return lists, logs

    @staticmethod
    def waiting_for(name: str, call: Callable[[], None]) -> None:
        """Call, and wait for the thread that it begins."""
        call()
        for thread in threading.enumerate():
            if thread.name == name:
                thread.join()

    def view(self) -> ConsumerView:
        """The gateway as its first consumer's machine sees it."""
        data: ConsumerData = self.gateway.consumer_data
        tests = SelfTests(data, lambda: float(self.ticks[0]))
        return ConsumerView(ANNA, self.gateway.gate, data, tests, self.device.clock)

    def page(self) -> PageView:
        """The page of the first consumer."""
        return PageView(ANNA, self.gateway.gate, self.gateway.consumer_data)


Call = Callable[[Walked, Credential], Any]
CALLS: dict[tuple[str, str], Call] = {
    ("Gateway", "receive"): lambda w, c: w.gateway.receive(c, w.meters[METER].frame_at(w.device.clock())),
    ("Gateway", "receive_message"): lambda w, c: w.gateway.receive_message(c, BEGUN, line="bus"),  # type: ignore[arg-type]
    ("Gateway", "test_itself"): lambda w, c: w.gateway.test_itself(c),
    ("LogPort", "write"): lambda w, c: w.gateway.logs.write(c, [Note(EventId.SELF_TEST_PASSED)]),
    ("LogPort", "filled"): lambda w, c: w.gateway.logs.filled(c),
    ("LogPort", "note_delivery"): lambda w, c: w.gateway.logs.note_delivery(
        c, Delivery(ANNA, "Lieferant", "TAF-1", 1, w.device.clock(), w.device.clock())
    ),
    ("LogPort", "system_log"): lambda w, c: w.gateway.logs.system_log(c),
    ("LogPort", "system_log_on_site"): lambda w, c: w.gateway.logs.system_log_on_site(c),
    ("LogPort", "system_log_end_on_site"): lambda w, c: w.gateway.logs.system_log_end_on_site(c),
    ("LogPort", "calibration_log"): lambda w, c: w.gateway.logs.calibration_log(c),
    ("LogPort", "own_log"): lambda w, c: w.gateway.logs.own_log(c, ANNA),
    ("LogPort", "own_log_end"): lambda w, c: w.gateway.logs.own_log_end(c, ANNA),
    ("LogPort", "free_consumer_log"): lambda w, c: w.gateway.logs.free_consumer_log(c, ANNA, keep=100, by="GWA"),
    ("MeteringPort", "take"): lambda w, c: w.gateway.metering.take(c, [w.reading()], consumer=ANNA),
    ("MeteringPort", "close_gaps"): lambda w, c: w.gateway.metering.close_gaps(c),
    ("MeteringPort", "delete_expired"): lambda w, c: w.gateway.metering.delete_expired(c),
    ("MeteringPort", "own_entries"): lambda w, c: w.gateway.metering.own_entries(c, ANNA, SERVER_ID, IMPORT.hex()),
    ("MeteringPort", "own_lines"): lambda w, c: w.gateway.metering.own_lines(c, ANNA, SERVER_ID, IMPORT.hex()),
    ("MeteringPort", "own_latest"): lambda w, c: w.gateway.metering.own_latest(c, ANNA, SERVER_ID, IMPORT.hex()),
    ("TariffPort", "derive"): lambda w, c: w.gateway.tariffs.derive(c, w.point, w.period(), consumer=ANNA),
    ("TariffPort", "lists"): lambda w, c: w.gateway.tariffs.lists(c, w.point, w.period(), consumer=ANNA),
    ("TariffPort", "series"): lambda w, c: w.gateway.tariffs.series(c, w.point, IMPORT, w.period(), consumer=ANNA),
    ("TariffPort", "day_values"): lambda w, c: w.gateway.tariffs.day_values(
        c, w.point, IMPORT, w.period(), consumer=ANNA
    ),
    ("TariffPort", "consumption"): lambda w, c: w.gateway.tariffs.consumption(
        c, w.point, IMPORT, w.period().begin, w.period().end, Step.HOUR, consumer=ANNA
    ),
    ("TechnicianPort", "status"): lambda w, c: w.gateway.technician.status(c),
    ("TechnicianPort", "look"): lambda w, c: w.gateway.technician.look(c),
    ("TechnicianPort", "guide"): lambda w, c: w.gateway.technician.guide(c),
    ("TechnicianPort", "connection"): lambda w, c: w.gateway.technician.connection(c),
    ("TechnicianPort", "test_connection"): lambda w, c: w.waiting_for(
        "connection test", lambda: w.gateway.technician.test_connection(c)
    ),
    ("TechnicianPort", "log"): lambda w, c: w.gateway.technician.log(c),
    ("ConsumerView", "path"): lambda w, c: w.view().path(c),
    ("ConsumerView", "information"): lambda w, c: w.view().information(c),
    ("ConsumerView", "usage_points"): lambda w, c: w.view().usage_points(c),
    ("ConsumerView", "usage_point"): lambda w, c: w.view().usage_point(c, UsagePointRequest(w.point, None)),
    ("ConsumerView", "readings"): lambda w, c: w.view().readings(
        c, ReadingsRequest(w.point, Database.ORIGIN, (), False, w.period().begin, w.period().end, None)
    ),
    ("ConsumerView", "log"): lambda w, c: w.view().log(c, LogRequest(None, None, 0, 10)),
    ("ConsumerView", "test_gateway"): lambda w, c: w.waiting_for("self-test", lambda: w.view().test_gateway(c)),
    ("PageView", "contracts"): lambda w, c: w.page().contracts(c),
    ("PageView", "contract"): lambda w, c: w.page().contract(c, w.point),
    ("PageView", "consumption"): lambda w, c: w.page().consumption(
        c, w.point, IMPORT.hex(), w.period().begin, w.period().end, Step.QUARTER_HOUR
    ),
    ("PageView", "latest"): lambda w, c: w.page().latest(c),
    ("PageView", "export"): lambda w, c: w.page().export(c, w.point, w.period().begin, w.period().end, Export.SIGNED),
    ("PageView", "log"): lambda w, c: w.page().log(c, None, 10),
}
"""A true call of every entry point."""
ALSO = {
    ("PageView", "consumption"): DERIVES,
    ("ConsumerView", "test_gateway"): TESTS_ITSELF,
}
"""What some of them ask for inside."""
STORES = {("Gateway", "receive"), ("MeteringPort", "take")}
"""What puts a reading on a list."""


def doors() -> list[tuple[tuple[str, str], Door]]:
    """Every entry point of these subsystems."""
    return [
        ((kind.__qualname__, name), door)
        for kind, name, door in entry_points()
        if kind.__module__.startswith(SUBSYSTEMS) and name not in ELSEWHERE
    ]


def faults() -> list[OpenFault]:
    """Each fault of the catalogue, open; one consumer's as the first's and as another's."""
    return [
        OpenFault(name, subject)
        for name, fault in FAULTS.items()
        for subject in ((ANNA, BERT) if fault.per_subject else ("",))
    ]


def under_each_fault(state: State) -> list[Standing]:
    """A state under each fault."""
    return [Standing(state, NOTHING.with_fault(fault)) for fault in faults()]


@pytest.fixture
def walked(at: At, monkeypatch: pytest.MonkeyPatch) -> Iterator[Walked]:
    """A gateway in OPERATION with a few readings, whose standing a test says."""
    device = at(State.OPERATION)
    device.gateway.close()
    ticks = [0]
    device.clock.now = device.clock.now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    gateway = Gateway(
        device.id,
        device.repository,
        clock=device.clock,
        slot=device.slot,
        folder=device.folder,
        profiles=profiles(),
        elapsed=lambda: ticks[0],
    )
    device.gateway = gateway
    begin = device.clock() - timedelta(days=1)
    meters = {name: HouseholdMeter(name, begin, seed=1) for name in (METER, OTHER_METER)}
    beside = sqlite3.connect(str(device.repository.engine.url.database))
    made = Walked(device, gateway, Standing(State.OPERATION, NOTHING), ticks, meters, device.clock(), beside)
    kept = device.repository.kept(device.id)
    monkeypatch.setattr(device.repository, "kept", lambda _gateway: replace(kept, standing=made.standing))
    for _ in range(9):
        gateway.receive(Credential.METER_KEY, meters[METER].frame_at(device.clock()))
        made.go_on()
    yield made
    beside.close()
    gateway.close()


def test_every_entry_point_has_a_call() -> None:
    assert {which for which, _ in doors()} == set(CALLS)


def test_in_every_state_each_does_exactly_what_the_gate_says(walked: Walked) -> None:
    done = _walk(walked, [Standing(state, NOTHING) for state in State])
    assert done == set(CALLS), "each is open somewhere"


@pytest.mark.parametrize("state", [State.OPERATION, State.REVERSIBLE_FAULT, State.IRREVERSIBLE_FAULT, State.OUTAGE])
def test_under_every_fault_each_does_exactly_what_the_gate_says(walked: Walked, state: State) -> None:
    _walk(walked, under_each_fault(state))


def _walk(walked: Walked, standings: list[Standing]) -> set[tuple[str, str]]:
    """What was done of what is called in these standings, with each credential."""
    done: set[tuple[str, str]] = set()
    for walked.standing in standings:
        for which, door in doors():
            for credential in Credential:
                if which in STORES:
                    walked.go_on()
                done |= _called(walked, which, door, credential)
    return done


def _called(walked: Walked, which: tuple[str, str], door: Door, credential: Credential) -> set[tuple[str, str]]:
    gate = Gate(*walked.standing)
    # Whom it concerns is the first consumer; where an entry point does not say so, it concerns everybody.
    concerned = ANNA if door.each or which in CONCERNS else None
    asked = door.ask(gate, credential, None if door.each else concerned)
    inside = gate.ask(ALSO[which], ANNA) if which in ALSO and asked else asked
    before = walked.kept()
    if not asked or not inside:
        with pytest.raises(Closed) as closed:
            CALLS[which](walked, credential)
        assert closed.value.refused == (inside if asked else asked)
        assert walked.kept() == before, f"{which} is refused, and something has changed"
        return set()
    result = CALLS[which](walked, credential)
    if which in STORES:
        open_for_anna = bool(door.ask(gate, credential, ANNA)) and bool(gate.ask(STORING, ANNA))
        assert (walked.kept()[0] > before[0]) == open_for_anna
        if which == ("Gateway", "receive"):
            assert (list(result.refused) == [ANNA]) == (not open_for_anna)
    return {which}


STORING = Grant(Role.GATEWAY, Interface.INSIDE, Function.STORE_READINGS, Credential.INSIDE)
CONCERNS = {
    ("MeteringPort", "take"),
    *(("TariffPort", name) for name in ("derive", "lists", "series", "day_values", "consumption")),
}
"""Entry points that are told whom they concern."""


def test_declared_doors_are_those_that_are_walked() -> None:
    for kind, name, door in entry_points():
        if (kind.__qualname__, name) in CALLS:
            assert getattr(getattr(kind, name), DOOR_ATTRIBUTE) == door
