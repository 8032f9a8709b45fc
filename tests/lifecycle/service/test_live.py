"""Live updates: one look for all who listen, soon after each write, whoever wrote it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from lifecycle.evidence import OpenFault
from lifecycle.law import Report, Restore
from lifecycle.roles import Actor, Role
from lifecycle.service.live import Broker, Pace
from lifecycle.states import State
from tests.support.lives import repository_on
from tests.support.service_client import House, problem, running_house

FULL = OpenFault("disk-full")
GWA = Actor(Role.GWA)


class Listener:
    """Somebody who listens to the stream, event by event."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()

    def next(self) -> dict[str, str]:
        """The next event, whatever comments come before it."""
        event: dict[str, str] = {}
        for line in self._lines:
            name, _, value = line.partition(": ")
            if line and name:
                event[name] = value
            elif "data" in event:
                return event
        raise EOFError("the stream has ended")

    def comment(self) -> str:
        """The next comment."""
        return next(line for line in self._lines if line.startswith(":"))

    def ends(self) -> bool:
        """Wait for the end."""
        for _ in self._lines:
            pass
        return True


@contextmanager
def listening(house: House, gateway: str = "", last_id: str = "") -> Iterator[Listener]:
    """Listen with a reader's token."""
    headers = {**house.bearer, **({"Last-Event-ID": last_id} if last_id else {})}
    parameters = {"gateway": gateway} if gateway else {}
    with house.client.stream("GET", "/events", params=parameters, headers=headers) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Listener(response)


def test_who_listens_is_told_where_a_gateway_is_and_whenever_that_changes(house: House) -> None:
    gateway = house.gateway(State.OPERATION)
    end = house.end(gateway).sequence
    with listening(house, gateway) as listener:
        first = listener.next()
        assert (first["event"], first["id"]) == ("gateway", str(end))
        assert json.loads(first["data"]) == {"gateway": gateway, "entries": end}
        assert house.send(gateway, Report(FULL, GWA)).status_code == 201
        assert listener.next()["id"] == str(end + 1)


def test_the_fleet_is_told_as_figures(any_house: House) -> None:
    house = any_house
    house.gateway(State.PRODUCTION)
    with listening(house) as listener:
        told = json.loads(listener.next()["data"])
        assert told == {"total": 1, "entries": 2, "counts": {"PRODUCTION": 1}}
        assert house.post("/gateways", house.registration(house.new_id())).status_code == 201
        assert json.loads(listener.next()["data"])["counts"] == {"PRODUCTION": 1, "DEVELOPMENT": 1}


def test_what_others_write_to_the_database_is_noticed_too(house: House) -> None:
    gateway = house.gateway(State.OPERATION)
    with listening(house, gateway) as listener:
        before = int(listener.next()["id"])
        other = repository_on(house.repository, house.clock)
        other.act(gateway, house.cast[Role.GWA], Report(FULL, house.cast[Role.GWA].actor))
        assert int(listener.next()["id"]) == before + 1


def test_who_comes_back_is_told_only_what_is_new(house: House) -> None:
    gateway = house.gateway(State.OPERATION)
    with listening(house, gateway) as listener:
        last = listener.next()["id"]
    with listening(house, gateway, last_id=last) as listener:
        assert listener.comment() == ": still here"
        house.send(gateway, Report(FULL, GWA))
        assert int(listener.next()["id"]) == int(last) + 1
    house.send(gateway, Restore(FULL, GWA))
    with listening(house, gateway, last_id=last) as listener:
        assert int(listener.next()["id"]) == int(last) + 2


def test_listening_takes_a_credential_and_a_proper_name(house: House) -> None:
    problem(house.client.get("/events"), 401, "credential-needed")
    problem(house.client.get("/events", params={"gateway": "x"}, headers=house.bearer), 422, "invalid-request")


def test_a_signed_in_reader_listens_with_its_cookie(house: House) -> None:
    gateway = house.gateway()
    with httpx.Client(base_url=house.address) as visitor:
        visitor.post("/login", data={"token": house.token})
        with visitor.stream("GET", "/events", params={"gateway": gateway}) as response:
            assert Listener(response).next()["id"] == "0"


def test_so_many_listen_and_no_more(tmp_path: Path) -> None:
    pace = Pace(interval=0.1, share=1, heartbeat=0.2, listeners=2)
    with (
        running_house(f"sqlite:///{tmp_path / 'smgw.db'}", pace=pace) as house,
        listening(house, house.new_id()),
    ):
        with listening(house) as second:
            second.next()
            response = house.client.get("/events", headers=house.bearer)
            problem(response, 503, "busy")
            assert response.headers["retry-after"] == "5"
        # A place is free again once the service has noticed that somebody went: at the latest with a heartbeat.
        for _ in range(100):
            with house.client.stream("GET", "/events", headers=house.bearer) as response:
                if response.status_code == 200:
                    break
        assert response.status_code == 200


def test_a_stream_ends_in_time_and_with_the_service(tmp_path: Path) -> None:
    with (
        running_house(f"sqlite:///{tmp_path / 'a.db'}", pace=Pace(heartbeat=0.05, lifetime=0.1)) as house,
        listening(house) as listener,
    ):
        assert listener.ends()
    with running_house(f"sqlite:///{tmp_path / 'b.db'}") as house, listening(house) as listener:
        listener.next()
        house.server.should_exit = True
        assert listener.ends()


def test_a_look_that_fails_is_made_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = house.gateway(State.OPERATION)
    failed = threading.Event()
    look = Broker._look

    def fail_once(broker: Broker, topics: frozenset[str]) -> dict[str, tuple[str, bytes]]:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("the database is away")
        return look(broker, topics)

    monkeypatch.setattr(Broker, "_look", fail_once)
    with listening(house, gateway) as listener:
        assert listener.next()["id"] == str(house.end(gateway).sequence)
    assert failed.is_set()
