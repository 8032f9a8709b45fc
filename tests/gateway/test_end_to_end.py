"""A household's day from the meter's bytes to its owner's programs: every value is what the meter sent."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from gateway.han.page_data import Export, Step
from gateway.tariffing.ar2418_read import read
from gateway.tariffing.check import check
from gateway.tariffing.periods import LOCAL
from lifecycle.states import State
from stations.meter import HouseholdMeter
from tests.gateway.han.test_peers import PEERS, Ask
from tests.support.ar2418 import assert_valid
from tests.support.contracts import ERRORS, HT, NT
from tests.support.daily import ANNA, EXPORT, IMPORT, METER, PASSWORD, POINT, QUARTER
from tests.support.han import Home
from tests.support.house import TAF1, TAF2, TAF7, House, Machine, house, household, local, raster

DAYS = {"2026-03-10": 24, "2026-03-29": 23, "2026-10-25": 25}
"""German days and how many hours they have."""
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
Peer = Callable[[Home, str, str], Ask]


class Lived:
    """A day of the house, over.

    :ivar begin: its midnight.
    :ivar end: the next one.
    """

    def __init__(self, at: House, day: str) -> None:
        self.house, self.day = at, day
        self.begin = local(day)
        self.end = self.begin + timedelta(hours=DAYS[day])
        self.silent = local(f"{day}T05:35"), local(f"{day}T06:25")
        self.pushing = HouseholdMeter(METER, self.begin - DAY, seed=1, solar_peak_watt=1_500)
        for time in raster(self.begin, self.end):
            if not self.silent[0] < time < self.silent[1]:  # the stage changes at six
                at.push(self.pushing, METER, time)
        at.at(self.end + timedelta(seconds=9))
        self.imported, self.exported = (at.sent[METER, obis] for obis in (IMPORT, EXPORT))

    @property
    def total(self) -> int:
        """What was imported, 0.1 Wh."""
        return self.imported[max(self.imported)] - self.imported[min(self.imported)]

    def registers(self) -> Counter[str]:
        """What belongs in which register, by the clock on the wall."""
        counted: Counter[str] = Counter()
        for (begin, value), (end, later) in pairwise(sorted(self.imported.items())):
            by_day = 6 <= (begin + QUARTER / 2).astimezone(LOCAL).hour < 21
            register = ERRORS if end - begin > timedelta(minutes=20) else HT if by_day else NT
            counted[register.hex()] += later - value
        return counted

    @property
    def whole(self) -> dict[str, str]:
        """The day as a range to ask for."""
        return {"fromtime": told(self.begin - MINUTE), "totime": told(self.end + MINUTE)}


def told(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def points(sent: dict[datetime, int]) -> list[tuple[str, str]]:
    return [(told(at), str(value)) for at, value in sorted(sent.items())]


@pytest.fixture(scope="module", params=DAYS)
def lived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    begin = local(request.param)
    with house(tmp_path_factory.mktemp("house"), household(begin), begin - MINUTE) as at:
        yield Lived(at, request.param)


@pytest.fixture(params=PEERS)
def anna(request: pytest.FixtureRequest, lived: Lived) -> Machine:
    """Her program, with each stock client."""
    lived.house.ticking.forward(601)  # the self-test before is ten minutes ago
    return lived.house.machine(ANNA, request.param)


def test_every_reading_of_the_day_is_kept(lived: Lived) -> None:
    expected = DAYS[lived.day] * 4 + 1 - 3
    assert len(lived.imported) == len(lived.exported) == expected
    assert lived.total > 10_000
    assert lived.exported[max(lived.exported)] > 0


def test_a_stock_client_reads_all_of_it(lived: Lived, anna: Machine) -> None:
    gateway = lived.house.device
    info = replace(anna, path="/smgw/m2m").get("smgw-info")["smgw-info"]  # by the redirect
    assert info["smgw-id"] == gateway.id.lower()
    assert info["smgw-time"] == told(gateway.clock())
    assert info["smgw-state"] == "a0000000"
    assert [each["cert-index"] for each in info["certificates"]["wan"]] == ["0", "1"]
    assert len(info["firmware-info"][0]["hash"]) == 64

    usage_points = {each["usage-point-id"]: each for each in anna.get("user-info")["user-info"]["usage-points"]}
    assert {name: each["taf-number"] for name, each in usage_points.items()} == {TAF1: "1", TAF2: "2", TAF7: "7"}
    for each in usage_points.values():
        assert (each["taf-state"], each["metering-point-id"]) == ("running", POINT)
        assert each["start-time"] == told(lived.begin)
        assert each["capture-time"] == "900"
        assert each["meter"] == [{"meter-id": METER}]

    lists = {}
    for name in usage_points:
        about = anna.get("usage-point-info", **{"usage-point-id": name})["usage-point-info"]
        lists[name] = {each["database"]: each["channels"] for each in about["databases"]}
        assert about["taf-profile"]
        for database, channels in lists[name].items():
            only = anna.get("usage-point-info", **{"usage-point-id": name, "database": database})
            assert only["usage-point-info"]["databases"] == [{"database": database, "channels": channels}]
    assert {name: set(each) for name, each in lists.items()} == {
        TAF1: {"origin", "derived", "daily"},
        TAF2: {"origin", "derived", "calculated", "daily"},
        TAF7: {"origin", "daily"},
    }
    assert [channel["obis"] for channel in lists[TAF2]["derived"]] == [each.hex() for each in (NT, HT, ERRORS)]
    assert lists[TAF7]["origin"] == [{"obis": each.hex(), "scaler": "-1", "unit": "30"} for each in (IMPORT, EXPORT)]


def test_originals_are_what_the_meter_sent(lived: Lived, anna: Machine) -> None:
    found = anna.readings(TAF7, "origin", **lived.whole)
    expected = {IMPORT.hex(): points(lived.imported), EXPORT.hex(): points(lived.exported)}
    assert {
        obis: [(each["capture-time"], each["value"]) for each in channel] for obis, channel in found.items()
    } == expected
    for each in found[IMPORT.hex()]:
        target = datetime.fromisoformat(each["target-time"])
        captured = datetime.fromisoformat(each["capture-time"])
        assert target.timestamp() % 900 == 0
        assert abs(target - captured) <= timedelta(seconds=9)
        assert each["smgw-status"] == "a0000000"
        backwards = lived.pushing.power_at(captured) < 0
        assert each["meter-status"] == ("20903800" if backwards else "20803800")
        assert each["cosem-status"] == each["smgw-status"] + each["meter-status"]
        assert each["owner-number"] == "1"
        assert each["signature"]
    for name in (TAF1, TAF2):
        assert anna.readings(name, "origin", **lived.whole) == {IMPORT.hex(): found[IMPORT.hex()]}


def test_parts_of_a_list(lived: Lived, anna: Machine) -> None:
    whole = anna.readings(TAF2, "origin", **lived.whole)[IMPORT.hex()]
    (last,) = anna.readings(TAF2, "origin", **{"last-reading": "true"})[IMPORT.hex()]
    assert last == whole[-1]
    noon, afternoon = local(f"{lived.day}T12:00"), local(f"{lived.day}T15:00")
    expected = [each for each in whole if told(noon) < each["capture-time"] <= told(afternoon)]
    assert 11 <= len(expected) <= 13
    by_clock = {"fromtime": f"{lived.day}T12:00:00", "totime": afternoon.astimezone(LOCAL).isoformat()}
    assert anna.readings(TAF2, "origin", **by_clock)[IMPORT.hex()] == expected
    gathered: list[object] = []
    begin: str | None = lived.whole["fromtime"]
    while begin is not None:
        asked = {"usage-point-id": TAF2, "database": "origin", **lived.whole, "fromtime": begin, "count": 40}
        answer = anna.get("readings", **asked)
        (channel,) = answer["readings"]["channels"]
        assert len(channel["readings"]) <= 40
        gathered += channel["readings"]
        begin = answer.get("next-fromtime")
    assert gathered == whole
    status, answer = anna.status("readings", **{"usage-point-id": TAF2, "database": "origin", "fromtime": "2026"})
    assert (status, "fromtime is no time" in answer["error"]) == (400, True)


def test_registers_are_the_meter_s_difference(lived: Lived, anna: Machine) -> None:
    expected = lived.registers()
    assert expected.keys() == {NT.hex(), HT.hex(), ERRORS.hex()}
    assert sum(expected.values()) == lived.total
    found = anna.readings(TAF2, "derived", **lived.whole)
    assert {obis: int(channel[-1]["value"]) for obis, channel in found.items()} == expected
    assert found[ERRORS.hex()][-1]["smgw-status"] == "a0040000", "the gap: temporary error"
    before = max(at for at in lived.imported if at < lived.silent[0])
    behind = min(at for at in lived.imported if at > lived.silent[1])
    assert expected[ERRORS.hex()] == lived.imported[behind] - lived.imported[before] > 0
    (last,) = anna.readings(TAF2, "derived", **{"last-reading": True, "channels": [{"channel": HT.hex()}]})[HT.hex()]
    assert int(last["value"]) == expected[HT.hex()]

    switched = anna.readings(TAF2, "calculated", **lived.whole)
    changes = sorted(each["target-time"] for channel in switched.values() for each in channel)
    assert changes == [told(local(f"{lived.day}T{at}")) for at in ("05:30", "06:30", "21:00")]

    one = anna.readings(TAF1, "derived", **lived.whole)
    assert int(one[NT.hex()][-1]["value"]) == lived.total, "with one stage a gap stays in it"
    assert "a0080000" in {each["smgw-status"] for each in one[NT.hex()]}, "and says so: a warning"
    assert one[ERRORS.hex()] == []


def test_day_values_are_those_of_midnight(lived: Lived, anna: Machine) -> None:
    for name, obis, sent in ((TAF7, EXPORT, lived.exported), (TAF1, IMPORT, lived.imported)):
        found = anna.readings(name, "daily", **lived.whole)[obis.hex()]
        assert [each["target-time"] for each in found] == [told(lived.begin), told(lived.end)]
        assert [int(each["value"]) for each in found] == [sent[min(sent)], sent[max(sent)]]


def test_a_self_test_is_in_the_log(lived: Lived, anna: Machine) -> None:
    before = anna.log()
    assert anna.get("self-test")["self-test"] == {"state": "started"}
    status, answer = anna.status("self-test")
    assert status == 403
    assert "self-test" in answer["error"]
    for thread in threading.enumerate():
        if thread.name == "self-test":
            thread.join(30)
    after = anna.log()
    assert after[: len(before)] == before
    assert after[-1]["outcome"] == "SUCCESS"
    assert "elbsttest" in after[-1]["message"]
    index = int(after[-1]["index"])
    assert anna.log(fromindex=str(index)) == after[-1:]
    assert anna.log(count=1) == after[:1]
    assert anna.log(totime=told(lived.begin - DAY)) == []
    assert lived.house.gateway.gate().state is State.OPERATION


def test_what_was_read_is_in_the_log(lived: Lived) -> None:
    machine = lived.house.machine()
    machine.readings(TAF2, "derived", **lived.whole)
    noted = [each for each in machine.log() if "Eigene Daten gelesen" in each["message"]]
    assert len(noted) == 1, "not each time anew"
    assert noted[0]["user-identity"] == ANNA


@pytest.mark.parametrize("peer", PEERS)
def test_a_wrong_password_opens_nothing(lived: Lived, peer: Peer) -> None:
    for user, password in ((ANNA, "wrong"), ("nobody.sm", PASSWORD)):
        status, answer = peer(lived.house, user, password)(f"/smgw/m2m/{ANNA}/json", {"method": "log"})  # type: ignore[arg-type]
        assert status == 401
        assert "log" not in answer


def test_the_page_shows_the_same_amounts(lived: Lived) -> None:
    data = lived.house.gateway.consumer_data
    for step in Step:
        found = data.consumption(ANNA, TAF2, IMPORT.hex(), lived.begin, lived.end, step)
        expected = lived.registers()
        assert {each.register: each.amount for each in found.totals} == expected
        hours = DAYS[lived.day]
        assert len(found.buckets) == {Step.QUARTER_HOUR: 4 * hours, Step.HOUR: hours}.get(step, 1)


def test_the_file_for_the_official_check_says_the_same(lived: Lived) -> None:
    made = lived.house.gateway.consumer_data.export(ANNA, TAF2, lived.begin, lived.end, Export.AR2418)
    assert_valid(made.content)
    document = read(made.content)
    found = check(document, document)
    assert {register.hex(): amount for register, amount in found.registers.items()} == lived.registers()
    assert found.good, (found.uncovered, found.stated)
