"""A gateway at work as it is run: lines, interfaces and monitor together, over restarts and the turn of a month."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from gateway.han.consumers import Consumer
from gateway.han.page_data import Export
from gateway.logs.store import LogPolicy
from gateway.profiles import KnownConsumer
from gateway.running import Interfaces, Running
from gateway.settings_parts import HanSettings
from gateway.tariffing.ar2418_read import read
from gateway.tariffing.check import check
from lifecycle.functions import Credential
from lifecycle.states import State
from stations.meter import HouseholdMeter
from tests.support.contracts import ERRORS, HT, NT
from tests.support.daily import ANNA, BERT, IMPORT, METER, OTHER_METER, PASSWORD, QUARTER
from tests.support.han import consumer_certificate
from tests.support.house import TAF2, House, house, household, local, opened, raster

HAN = HanSettings(("127.0.0.1", 0), "secp256r1", mdns=False)
MONITOR = ("127.0.0.1", 0)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


class Pushing:
    """A line on which a meter pushes; time passes with it.

    :ivar said: whether all of it was heard.
    """

    line = "lmn0"

    def __init__(self, at: House, meter: HouseholdMeter, begin: datetime, end: datetime) -> None:
        self._house, self._meter, self._times = at, meter, raster(begin, end)
        self.said, self._closed = threading.Event(), threading.Event()

    def close(self) -> None:
        """Be silent."""
        self._closed.set()

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """Frames in pieces that end anywhere."""
        waiting = b""
        for time in self._times:
            self._house.at(time)
            waiting += self._meter.frame_at(time)
            while len(waiting) > 100:
                yield self.line, waiting[:100]
                waiting = waiting[100:]
            yield self.line, waiting
            yield self.line, b""
            waiting = b""
        self.said.set()
        self._closed.wait(60)


@contextmanager
def running(at: House, line: Pushing) -> Iterator[tuple[Running, str, str]]:
    """A gateway at work until its line has said all; with the addresses of consumer's page and health."""
    gateway = opened(at.device, at.profiles, at.begun)
    with Running(gateway, [line], Interfaces(at.device.folder, HAN, monitor=MONITOR), clock=at.clock) as made:
        assert line.said.wait(60)
        urls = {each.what: each.url for each in made.listening()}
        assert set(urls) == {"consumer's page", "health", "metrics"}
        yield made, urls["consumer's page"], urls["health"]


def test_run_and_run_again(tmp_path: Path) -> None:
    begin = local("2026-03-10")
    with house(tmp_path, household(begin), begin - timedelta(minutes=1), han=False) as at:
        at.gateway.close()
        meter = HouseholdMeter(METER, begin - DAY, seed=1)
        seen: list[set[tuple[str, str]]] = []
        shown = []
        for hours in (0, 4):
            line = Pushing(at, meter, begin + hours * HOUR, begin + (hours + 2) * HOUR)
            with running(at, line) as (made, page, health):
                made.keep_up()
                assert httpx.get(health).json()["ok"] is True
                metrics = httpx.get(health.replace("health", "metrics")).text
                assert "smgw_lmn_bytes_total" in metrics
                assert not made.broken
                with httpx.Client(base_url=page, auth=httpx.DigestAuth(ANNA, PASSWORD), verify=False) as client:  # noqa: S501
                    asked = {"usage-point-id": TAF2, "database": "origin", "fromtime": (begin - HOUR).isoformat()}
                    answer = client.post(f"smgw/m2m/{ANNA}/json", json={"method": "readings", **asked})
                    (channel,) = answer.json()["readings"]["channels"]
                    seen.append({(each["capture-time"], each["value"]) for each in channel["readings"]})
                    told = client.post(f"smgw/m2m/{ANNA}/json", json={"method": "smgw-info"}).json()
                    shown.append(told["smgw-info"]["certificates"]["han"]["tls"])
            with pytest.raises(httpx.TransportError):
                httpx.get(health)
        assert seen[0] < seen[1], "what was kept before is there still"
        assert [len(each) for each in seen] == [9, 18]
        assert shown[0] == shown[1], "the interface has the same key"
        values = [int(value) for _, value in sorted(seen[1])]
        assert values == [meter.energy_at(datetime.fromisoformat(at))[0] for at, _ in sorted(seen[1])]


def test_the_turn_of_a_month(tmp_path: Path) -> None:
    """A program asks for each billing period by the times that the gateway says it has."""
    begin, turn = local("2026-03-01"), local("2026-04-01")
    first, last = turn - 5 * HOUR, turn + 8 * HOUR
    with house(tmp_path, household(begin), first - timedelta(minutes=1)) as at:
        meter = HouseholdMeter(METER, begin - DAY, seed=1)
        for time in raster(first, last, QUARTER):
            at.push(meter, METER, time)
        at.at(last + timedelta(seconds=9))
        machine = at.machine()
        (point,) = [
            each for each in machine.get("user-info")["user-info"]["usage-points"] if each["usage-point-id"] == TAF2
        ]
        march, april = point["billing-Periods"]
        assert [datetime.fromisoformat(each["start-time"]) for each in (march, april)] == [begin, turn]
        assert (datetime.fromisoformat(march["end-time"]), april["end-time"]) == (turn, "")

        sent = sorted(at.sent[METER, IMPORT].items())
        expected = {march["start-time"]: dict.fromkeys((NT, HT, ERRORS), 0)}
        expected[april["start-time"]] = dict.fromkeys((NT, HT, ERRORS), 0)
        for (at_begin, value), (_, later) in pairwise(sent):
            middle = at_begin + QUARTER / 2
            register = HT if local("2026-03-31T06:00") <= middle < local("2026-03-31T21:00") else NT
            register = HT if middle >= local("2026-04-01T06:00") else register
            expected[march["start-time"] if middle < turn else april["start-time"]][register] += later - value
        for period in (march, april):
            asked = {"fromtime": period["start-time"]} | ({"totime": period["end-time"]} if period["end-time"] else {})
            found = machine.readings(TAF2, "derived", **asked)
            amounts = {bytes.fromhex(obis): int(told[-1]["value"]) if told else 0 for obis, told in found.items()}
            assert amounts == expected[period["start-time"]]
        assert all(expected[each["start-time"]][NT] for each in (march, april))

        with at.client() as client:
            asked = {"contract": TAF2, "from": "2026-03-01", "to": "2026-04-01", "kind": str(Export.AR2418)}
            document = read(client.get("/page/file", params=asked).content)
            (whole,) = document.usage_points
            grown = {
                register: sum(each.readings[-1].value or 0 for each in whole.derived if each.kind.obis == register)
                for register in (NT, HT, ERRORS)
            }
            assert grown == {
                register: sum(each[register] for each in expected.values()) for register in (NT, HT, ERRORS)
            }
            assert not check(document, document).good, "a month of which most is missing is not billed"


def test_a_certificate_is_known_from_the_moment_the_administrator_says_so(tmp_path: Path) -> None:
    begin = local("2026-03-10")
    certificate, path = consumer_certificate(tmp_path, "anna")
    with house(tmp_path, household(begin), begin) as at:
        request = {"method": "user-info"}

        def status() -> int:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.load_cert_chain(path)
            with httpx.Client(base_url=at.url, verify=context, timeout=30) as client:
                return client.post(f"/smgw/m2m/{ANNA}/json", json=request).status_code

        with pytest.raises(httpx.TransportError):
            status()  # a certificate that nobody knows
        anna = KnownConsumer(Consumer.known_by(ANNA, None, [certificate]), (certificate,), "Anna")
        others = tuple(each for each in at.profiles.consumers if each.consumer.userid != ANNA)
        at.gateway.use_profiles(replace(at.profiles, consumers=(anna, *others)), "GWA")
        assert status() == 200
        assert at.machine().status("user-info")[0] == 401, "she has no password any more"
        assert at.machine(BERT).get("user-info")
        at.gateway.use_profiles(at.profiles, "GWA")
        assert status() == 401, "it is nobody's any more"
        messages = [each["message"] for each in at.machine().log()]
        assert [each for each in messages if ANNA in each and "GWA" in each] == [
            f"Profil {ANNA} geändert durch GWA."
        ] * 2
        assert not any("geändert" in each["message"] for each in at.machine(BERT).log())


def test_a_full_log_stops_the_metering_of_whom_it_is_of_until_the_administrator_frees_it(tmp_path: Path) -> None:
    begin = local("2026-03-10")
    policy = LogPolicy(consumer=8)
    with house(tmp_path, household(begin), begin - timedelta(minutes=1), policy=policy) as at:
        meters = {device: HouseholdMeter(device, begin - DAY, seed=1) for device in (METER, OTHER_METER)}
        anna, bert = at.machine(), at.machine(BERT)

        def quarter(number: int) -> dict[str, int]:
            time = begin + number * QUARTER
            return {device: at.push(meter, device, time) for device, meter in meters.items()}

        assert quarter(0) == {METER: 2, OTHER_METER: 1}
        days = 0
        while at.gateway.gate().state is State.OPERATION:
            days += 1
            assert days < 8
            quarter(96 * days)
            anna.get("user-info")  # it is noted once a day
        assert at.gateway.gate().state is State.REVERSIBLE_FAULT
        assert quarter(96 * days + 1) == {METER: 0, OTHER_METER: 1}, "only hers stands still"

        for machine in (anna, bert):
            assert machine.get("user-info"), "what is there is shown still"
        assert "Kapazitätsgrenze" in anna.log()[-1]["message"]
        with at.client() as client:
            assert "Kapazitätsgrenze" in client.get("/page/log").text
            assert client.get("/").status_code == 200

        at.gateway.logs.free_consumer_log(Credential.GWA_CERTIFICATE, ANNA, keep=0, by="GWA")
        assert at.gateway.gate().state is State.OPERATION
        assert quarter(96 * days + 2) == {METER: 2, OTHER_METER: 1}
        assert anna.get("user-info")
        found = anna.readings(TAF2, "origin", fromtime=(begin - HOUR).isoformat())[IMPORT.hex()]
        assert [each["value"] for each in found] == [str(value) for value in at.sent[METER, IMPORT].values()]
