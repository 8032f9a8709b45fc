"""Eight programs poll at once, ten times a second each, as readings come in: no lock-up, no lock-out, nothing lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import cycle, islice
from typing import Any

import httpx
import pytest

from gateway.han.app import Limits
from gateway.tariffing.profile import UseCase
from lifecycle.functions import Credential
from lifecycle.states import State
from stations.meter import HouseholdMeter
from tests.support.daily import ANNA, BERT, EXPORT, IMPORT, METER, OTHER_METER, contract
from tests.support.house import BERTS, TAF2, TAF7, House, house, household, local, raster

BEGIN = local("2026-03-10")
NOON = BEGIN + timedelta(hours=3)
CLIENTS, A_SECOND = 8, 10
ADDED = "01005e318021.taf7-2.sm"
PROGRAM = f"/smgw/m2m/{ANNA}/json"


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Three hours of readings are there; the limits are those of every gateway."""
    folder = tmp_path_factory.mktemp("house")
    with house(folder, household(BEGIN), BEGIN - timedelta(minutes=1), limits=Limits()) as at:
        push_from(at, 0, 36)
        yield at


def push_from(at: House, first: int, last: int) -> None:
    """Frames of both meters come in."""
    meters = {device: HouseholdMeter(device, BEGIN - timedelta(days=1), seed=1) for device in (METER, OTHER_METER)}
    for time in islice(raster(BEGIN, BEGIN + timedelta(days=1)), first, last + 1):
        for device, pushing in meters.items():
            at.push(pushing, device, time)


def readings_come_in(at: House) -> None:
    """Five hours of frames; in between the administrator has the gateway know one contract more."""
    push_from(at, 37, 60)
    added = contract(BERT, OTHER_METER, id=ADDED, use_case=UseCase.READING_SERIES, stages=(), start=BEGIN)
    at.gateway.use_profiles(replace(at.profiles, contracts=(*at.profiles.contracts, added)), "GWA")
    push_from(at, 61, 96)


def asked() -> list[dict[str, Any]]:
    whole = {"fromtime": BEGIN.isoformat(), "totime": NOON.isoformat()}
    return [
        {"method": "readings", "usage-point-id": TAF7, "database": "origin", "last-reading": True},
        {"method": "readings", "usage-point-id": TAF2, "database": "derived", **whole},
        {"method": "user-info"},
        {"method": "log", "count": 20},
        {"method": "readings", "usage-point-id": TAF2, "database": "origin", **whole},
        {"method": "usage-point-info", "usage-point-id": TAF2},
        {"method": "readings", "usage-point-id": BERTS, "database": "origin", "last-reading": True},
        {"method": "smgw-info"},
    ]


def poll(client: httpx.Client, first: int, count: int, wait: Callable[[], None]) -> list[httpx.Response]:
    """What a program gets that asks again and again; with a look at the page now and then."""
    answers = []
    for number, request in enumerate(islice(cycle(asked()), first, first + count)):
        wait()
        answers.append(client.get("/") if number % 16 == 9 else client.post(PROGRAM, json=request))
    return answers


def test_eight_programs_at_ten_a_second_are_all_served(busy: House) -> None:
    def a_while() -> None:
        busy.ticking.forward(1 / A_SECOND / CLIENTS)

    with ThreadPoolExecutor(CLIENTS + 1) as threads:
        clients = [busy.client() for _ in range(CLIENTS)]
        readings = threads.submit(readings_come_in, busy)
        polling = [threads.submit(poll, client, number, 50, a_while) for number, client in enumerate(clients)]
        answers = [answer for each in polling for answer in each.result(120)]
        readings.result(120)
        for client in clients:
            client.close()
    assert len(answers) == 50 * CLIENTS
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses.keys() == {200, 404}, statuses  # what is another's is not there
    assert statuses[404] < len(answers) // 7
    for device, owner in ((METER, ANNA), (OTHER_METER, BERT)):
        assert len(busy.sent[device, IMPORT]) == 33
        server_id = busy.profiles.meters.by_server_id(HouseholdMeter(device, BEGIN, 1).server_id)
        assert server_id is not None
        kept = busy.gateway.metering.own_entries(
            Credential.CONSUMER_PASSWORD, owner, server_id.server_id.hex(), IMPORT.hex()
        )
        assert [(entry.captured, entry.value) for entry in kept] == list(busy.sent[device, IMPORT].items())
    assert not any(busy.sent[METER, EXPORT].values())
    points = busy.machine(BERT).get("user-info")["user-info"]["usage-points"]
    assert [each["usage-point-id"] for each in points] == [BERTS, ADDED]
    notes = [each for each in busy.machine().log() if "Eigene Daten gelesen" in each["message"]]
    assert len(notes) < 20, "polling does not fill the log"


def test_too_much_is_told_to_wait_and_for_nothing_else(busy: House) -> None:
    busy.ticking.forward(600)
    with ThreadPoolExecutor(CLIENTS) as threads:
        clients = [busy.client() for _ in range(CLIENTS)]
        polling = [threads.submit(poll, client, number, 60, lambda: None) for number, client in enumerate(clients)]
        answers = [answer for each in polling for answer in each.result(120)]
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses.keys() == {200, 404, 429}, statuses
    assert statuses[429] == len(answers) - Limits().requests.burst
    refused = [answer for answer in answers if answer.status_code == 429]
    for each in refused:
        assert int(each.headers["retry-after"]) >= 1
        assert "too many requests in a short time" in each.text
    assert busy.machine(BERT).get("user-info"), "nobody else has to wait"
    busy.ticking.forward(max(int(each.headers["retry-after"]) for each in refused))
    for client in clients:
        assert client.post(PROGRAM, json={"method": "user-info"}).status_code == 200
        client.close()
    assert busy.gateway.gate().state is State.OPERATION
