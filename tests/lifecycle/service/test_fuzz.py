"""Every route of the API against its own description: no 500, nothing undescribed, and no change after a refusal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.generation.modes import GenerationMode
from sqlalchemy import func, select

from lifecycle.evidence import OpenFault
from lifecycle.facts import Fact
from lifecycle.faults import FAULTS
from lifecycle.journal import Kind, Position, compose
from lifecycle.law import Report
from lifecycle.roles import Actor, Role
from lifecycle.service.app import create_app
from lifecycle.service.readers import Readers
from lifecycle.states import Event, State
from lifecycle.store.engine import open_database
from lifecycle.store.repository import Repository
from lifecycle.store.schema import commands, entries, gateways, metadata
from tests.support.campaign import Campaign
from tests.support.lives import GATEWAY, SettableClock, cast, live, repository_on, shortest_way
from tests.support.service_client import API, House, command_of, running_house

FULL = 200
"""Examples a route in a full campaign."""
OPERATIONS = [
    f"{method.upper()} {path}"
    for path, described in create_app(Repository(open_database("sqlite://"), cast().trust, cast().keeper))
    .openapi()["paths"]
    .items()
    for method in described
]


class Fuzzed:
    """A service in this process with one gateway in it, disturbed, so that there is something of everything."""

    def __init__(self, folder: Path) -> None:
        clock = SettableClock(datetime.now(UTC))
        engine = open_database(f"sqlite:///{folder / 'smgw.db'}")
        self.repository = Repository(engine, cast().trust, cast().keeper, clock=clock)
        live(self.repository, shortest_way(State.OPERATION))
        self.repository.act(GATEWAY, cast()[Role.GWA], Report(OpenFault("disk-full"), cast()[Role.GWA].actor))
        self.app: FastAPI = create_app(self.repository)
        self.headers = {"Authorization": f"Bearer {Readers(engine, clock).create('fuzz')}"}
        self.schema = schemathesis.openapi.from_asgi(f"{API}/openapi.json", self.app)

    def operation(self, label: str) -> Any:
        """One operation of the description."""
        method, _, path = label.partition(" ")
        return self.schema[path][method]

    def state(self) -> tuple[object, ...]:
        """Everything that a refusal must leave as it was: every chain's end, and how much is in each table."""
        with self.repository.engine.connect() as connection:
            ends = connection.execute(
                select(entries.c.gateway, entries.c.sequence, entries.c.hash).order_by(
                    entries.c.gateway, entries.c.sequence
                )
            ).all()
            counts = [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in _TABLES]
        return (tuple(ends), tuple(counts))


_TABLES = [table for table in metadata.sorted_tables if table.name != entries.name]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    """The service that every route is tried on."""
    assert {gateways, commands} <= set(_TABLES)
    made = Fuzzed(tmp_path_factory.mktemp("fuzz"))
    yield made
    made.repository.engine.dispose()


@pytest.mark.campaign
@pytest.mark.parametrize("label", OPERATIONS)
def test_every_route_keeps_to_its_description(fuzzed: Fuzzed, campaign: Campaign, label: str) -> None:
    tries = campaign.count(FULL)
    operation = fuzzed.operation(label)
    known = {"gateway": GATEWAY} if "{gateway}" in label else None
    cases = st.one_of(
        [
            operation.as_strategy(generation_mode=mode, path_parameters=fixed, headers=fuzzed.headers)
            for fixed in ([known, None] if known else [None])
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        ]
    )
    statuses: Counter[int] = Counter()

    @settings(
        max_examples=tries,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(case=cases)
    def keeps_to_it(case: Any) -> None:
        before = fuzzed.state()
        response = case.call_and_validate()
        assert response.status_code < 500, response.text
        if response.status_code >= 400:
            assert response.headers["content-type"] == ["application/problem+json"]
            assert fuzzed.state() == before
        statuses[response.status_code] += 1

    keeps_to_it()
    campaign.report(f"API: {label}", **{f"answered {status}": statuses[status] for status in sorted(statuses)})


_NAMES = st.sampled_from([*Event, *Fact, *FAULTS, "", "SUNSHINE"]).map(str)
_TOLD = st.one_of(
    _NAMES, st.text(max_size=8), st.integers(-5, 5), st.none(), st.booleans(), st.lists(_NAMES, max_size=2)
)
_ANYTHING = st.dictionaries(
    st.sampled_from(
        [
            "event",
            "fact",
            "fault",
            "subject",
            "from",
            "to",
            "way",
            "recommended_met",
            "recommended_unmet",
            "detail",
            "x",
        ]
    ),
    st.one_of(_TOLD, st.dictionaries(st.text("abc", max_size=2), _TOLD, max_size=2)),
    max_size=7,
)
_WELL_FORMED = st.builds(lambda name, told: {name: told}, st.sampled_from(["event", "fact", "fault"]), _NAMES)
_PAYLOADS = st.one_of(_WELL_FORMED, _ANYTHING)


@pytest.mark.campaign
def test_entries_truly_signed_but_made_up_are_taken_lawfully_or_change_nothing(
    campaign: Campaign, tmp_path: Path
) -> None:
    """The signature lets them in as far as the law, which has the last word."""
    tries = campaign.count(2_000)
    statuses: Counter[int] = Counter()
    with running_house(f"sqlite:///{tmp_path / 'smgw.db'}") as house:
        gateway = house.gateway(State.OPERATION)

        @settings(max_examples=tries, phases=(Phase.explicit, Phase.generate))
        @given(kind=st.sampled_from(Kind), payload=_PAYLOADS, role=st.sampled_from([Role.GWA, Role.MONTEUR, Role.GWH]))
        def made_up(kind: Kind, payload: dict[str, Any], role: Role) -> None:
            statuses[_send_made_up(house, gateway, kind, payload, cast()[role].actor)] += 1

        made_up()
        assert house.told(f"/gateways/{gateway}/replay")["ok"]
    campaign.report(
        "API: entries made up and signed", **{f"answered {each}": statuses[each] for each in sorted(statuses)}
    )


def _send_made_up(house: House, gateway: str, kind: Kind, payload: dict[str, Any], actor: Actor) -> int:
    before = repository_on(house.repository, house.clock).kept(gateway)
    position: Position = before.position
    body = compose(gateway, position, house.clock(), kind, payload, actor)
    response = house.post(f"/gateways/{gateway}/entries", command_of(body, cast()[actor.role]))
    assert response.status_code in {201, 403, 409}, response.text
    if response.status_code != 201:
        assert response.headers["content-type"] == "application/problem+json"
        assert repository_on(house.repository, house.clock).kept(gateway) == before
    return response.status_code
