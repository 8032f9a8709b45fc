"""A real service to test against: uvicorn on a free port of this machine, and a client that signs like a station."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar

import httpx

from lifecycle.canonical import encode_signature, format_time
from lifecycle.desk import decision_on
from lifecycle.journal import Json, Position, compose, payload_of
from lifecycle.law import Move, Permitted, Standing, Step
from lifecycle.parties import Party
from lifecycle.roles import Role
from lifecycle.service.app import create_app
from lifecycle.service.live import Pace
from lifecycle.service.readers import Readers
from lifecycle.service.registration import registration
from lifecycle.service.server import LifecycleServer, bind
from lifecycle.states import State
from lifecycle.store.engine import open_database
from lifecycle.store.repository import Repository
from tests.support.lives import Cast, SettableClock, cast, shortest_way

T = TypeVar("T")

API = "/api/v1"
BRISK = Pace(interval=0.1, share=1, heartbeat=0.3)
"""Live updates that no test has to wait for."""

_numbers = count()


def command_of(body: bytes, party: Party) -> dict[str, str]:
    """A signed command as it is sent."""
    return {
        "entry": body.decode(),
        "signature": encode_signature(party.sign(body)),
        "certificate": encode_signature(party.certificate_der),
    }


@dataclass
class House:
    """A running service, and everybody who uses it.

    :ivar server: the server.
    :ivar repository: the record it serves.
    :ivar clock: the time that service and stations share.
    :ivar client: reaches it, without a credential.
    :ivar token: of somebody who may read.
    :ivar cast: the parties.
    """

    server: LifecycleServer
    repository: Repository
    clock: SettableClock
    client: httpx.Client
    token: str
    cast: Cast
    _devices: dict[str, Party] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Where it is reached."""
        return self.server.address

    @property
    def bearer(self) -> dict[str, str]:
        """The header that reads."""
        return {"Authorization": f"Bearer {self.token}"}

    def new_id(self) -> str:
        """The identification of a gateway of which there is no record."""
        return f"ETST{next(_numbers):010}"

    def party(self, role: Role, gateway: str) -> Party:
        """Who acts in a role on a gateway; the gateway itself has a key of its own."""
        if role is not Role.GATEWAY:
            return self.cast[role]
        if gateway not in self._devices:
            enrolled_at = self.clock.now - timedelta(days=1)
            self._devices[gateway] = self.cast.authority.enrol(role, gateway, clock=lambda: enrolled_at)
        return self._devices[gateway]

    def gateway(self, state: State = State.DEVELOPMENT) -> str:
        """A new gateway that has lived the shortest way to a state."""
        gateway = self.new_id()
        self.repository.register(gateway)
        for step in shortest_way(state):
            self.act(gateway, step)
        return gateway

    def act(self, gateway: str, step: Step) -> None:
        """Have a step taken in the record itself, past the service."""
        party = self.party(step.actor.role, gateway)
        self.repository.act(gateway, party, step._replace(actor=party.actor))

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        """Read, with a credential."""
        return self.client.get(API + path, params=parameters, headers=self.bearer)

    def told(self, path: str, **parameters: Any) -> Any:
        """What is read, where it can be."""
        response = self.get(path, **parameters)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, body: Any, *, key: str | None = None, reading: bool = False) -> httpx.Response:
        """Send a command; with a reader's credential only where it is asked for."""
        headers = dict(self.bearer) if reading else {}
        if key is not None:
            headers["Idempotency-Key"] = key
        return self.client.post(API + path, json=body, headers=headers)

    def registration(self, gateway: str, *, role: Role = Role.GWH, nonce: str = "") -> dict[str, str]:
        """The command that registers a gateway."""
        body = registration(gateway, format_time(self.clock()), nonce or f"nonce-of-test-{next(_numbers):08}")
        return command_of(body, self.cast[role])

    def command(
        self, gateway: str, step: Step, *, party: Party | None = None, detail: Mapping[str, Json] | None = None
    ) -> dict[str, str]:
        """The command that tells a step, composed as a station does: from the head, with the law's own words."""
        head = self.told(f"/gateways/{gateway}/head")
        signer = party or self.party(step.actor.role, gateway)
        step = step._replace(actor=signer.actor)
        standing = self.repository.kept(gateway).standing
        decision = decision_on(step, standing)
        # What the law refuses is signed all the same: it is for the service to refuse it.
        permitted = decision if isinstance(decision, Permitted) else Permitted(standing.state, standing.state)
        kind, payload = payload_of(step, permitted, detail)
        if isinstance(step, Move) and not decision:
            payload = {"event": str(step.event), **payload}
        position = Position(head["seq"], head["hash"], "")
        return command_of(compose(gateway, position, self.clock(), kind, payload, signer.actor), signer)

    def send(self, gateway: str, step: Step, *, key: str | None = None) -> httpx.Response:
        """Compose a step's command and send it."""
        return self.post(f"/gateways/{gateway}/entries", self.command(gateway, step), key=key)

    def end(self, gateway: str) -> Position:
        """Where a chain ends, as the database has it."""
        return _fresh(self.repository).kept(gateway).position


def _fresh(repository: Repository) -> Repository:
    """A repository that remembers nothing: what it says is in the database."""
    return Repository(repository.engine, repository.trust, repository.keeper, clock=repository.clock)


def standing_of(house: House, gateway: str) -> Standing:
    """Where a gateway stands, as the database has it."""
    return _fresh(house.repository).kept(gateway).standing


@contextmanager
def running_house(url: str, *, pace: Pace = BRISK, sign_in_by_link: bool = False) -> Iterator[House]:
    """A service on a database, stopped whatever happens meanwhile."""
    players = cast()
    clock = SettableClock(datetime.now(UTC))
    repository = Repository(open_database(url), players.trust, players.keeper, clock=clock)
    app = create_app(repository, sign_in_by_link=sign_in_by_link, pace=pace)
    server = LifecycleServer(app, bind("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        with httpx.Client(base_url=server.address, timeout=30) as client:
            token = Readers(repository.engine, clock).create("tests")
            yield House(server, repository, clock, client, token, players)
    finally:
        server.should_exit = True
        thread.join(20)
        repository.engine.dispose()
        assert not thread.is_alive(), "the service does not stop"


def problem(response: httpx.Response, status: int, name: str) -> dict[str, object]:
    """The problem that a response tells, which has to be this one."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    told = dict(response.json())
    assert (told["type"], told["status"]) == (f"/problems#{name}", status)
    return told


def at_once(work: Callable[[], T], times: int) -> list[T]:
    """What comes of the same work begun by many at the same moment."""
    results: list[T] = []
    start = threading.Barrier(times)

    def run() -> None:
        start.wait()
        results.append(work())

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results
