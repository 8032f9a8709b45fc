"""The page over the gateway's real desk: what the lists hold is what is shown, and nothing of another's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from gateway.han.consumers import Consumer
from gateway.han.interface import HanInterface
from gateway.han.own_key import OwnCertificate
from lifecycle.evidence import NOTHING
from lifecycle.gate import Gate
from lifecycle.states import State
from tests.gateway.han.page.test_app import text_of
from tests.support.contracts import ANNA, BERT, OTHER_METER, START, contract
from tests.support.desk import Served, database, rising
from tests.support.han import GENEROUS, PASSWORD, FakeGateway, MemoryConsumers
from tests.support.lives import GATEWAY

PAGES = ("/", "/page/contracts", "/page/log", "/page/export", "/page/consumption")
TAF2 = contract().id


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Two days of Anna's and Bert's readings behind the interface."""
    served = Served(database(f"sqlite:///{tmp_path / 'smgw.db'}"))
    served.read(rising(START, 193))
    served.read(rising(START, 193, step=7), device=OTHER_METER)
    consumers = MemoryConsumers({name: Consumer.known_by(name, PASSWORD) for name in (ANNA, BERT)})
    with HanInterface(
        FakeGateway(Gate(State.OPERATION, NOTHING)),
        ("127.0.0.1", 0),
        OwnCertificate.open_or_make(tmp_path / "han.pem", GATEWAY, lambda: datetime.now(UTC)),
        consumers,
        served.desk,
        clock=served.clock,
        limits=GENEROUS,
        page=served.desk,
    ) as interface:
        assert interface.address is not None
        yield f"https://127.0.0.1:{interface.address[1]}"


def reader(address: str, name: str) -> httpx.Client:
    """A browser, German."""
    return httpx.Client(
        base_url=address,
        auth=httpx.DigestAuth(name, PASSWORD),
        verify=False,  # noqa: S501
        headers={"Accept-Language": "de"},
        timeout=30,
    )


def test_what_the_lists_hold_is_shown(address: str) -> None:
    with reader(address, ANNA) as anna:
        for path in PAGES:
            assert anna.get(path).status_code == 200, path
        day = text_of(anna.get("/page/consumption?date=2026-01-02").text)
        # 192 quarters of an hour of 1 Wh; 60 of a day's 96 are in stage 2.
        assert "Summe 0,0360 kWh 0,0600 kWh 0,0960 kWh" in day
        assert day.count("0,0010 kWh") >= 96
        month = text_of(anna.get("/page/consumption?view=month&date=2026-01-01").text)
        assert "Donnerstag, 1. Januar 2026 0,0360 kWh 0,0600 kWh 0,0960 kWh" in month
        year = text_of(anna.get("/page/consumption?view=year&date=2026-01-01").text)
        assert "Januar 2026 0,0720 kWh 0,1200 kWh 0,1920 kWh läuft noch" in year
        contracts = text_of(anna.get("/page/contracts").text)
        assert "Montag bis Sonntag 00:00 NT 06:00 HT 21:00 NT" in contracts
        overview = text_of(anna.get("/").text)
        assert "0,2920 kWh" in overview, "the newest meter value: 1000 + 192 * 10 tenths of a watt hour"
        log = text_of(anna.get("/page/log").text)
        assert "Eigene Daten gelesen" in log


@pytest.mark.parametrize(("kind", "begins"), [("xml", b"<?xml"), ("csv", b""), ("signed", b"0")])
def test_files_are_those_of_the_desk(address: str, kind: str, begins: bytes) -> None:
    with reader(address, ANNA) as anna:
        answer = anna.get(f"/page/file?contract={TAF2}&from=2026-01-01&to=2026-01-01&kind={kind}")
        assert answer.status_code == 200
        assert answer.content.startswith(begins)
        assert len(answer.content) > 200
        assert re.search(r'filename="[\w.-]+\.\w+"', answer.headers["content-disposition"])
        before = anna.get(f"/page/file?contract={TAF2}&from=2001-01-01&to=2001-01-01&kind={kind}&lang=de")
        assert before.status_code == 400
        assert "Das versteht das Gateway nicht" in before.text


def test_a_contract_without_stages_shows_its_register(address: str) -> None:
    with reader(address, BERT) as bert:
        for path in PAGES:
            assert bert.get(path).status_code == 200, path
        day = text_of(bert.get("/page/consumption?date=2026-01-02").text)
        assert "0,0672 kWh" in day
        assert "Bezug aus dem Netz" in day
        assert bert.get(f"/page/consumption?contract={TAF2}").status_code == 404
        assert bert.get(f"/page/file?contract={TAF2}&kind=csv").status_code == 404


def test_every_day_of_five_years_back_has_a_page(address: str) -> None:
    with reader(address, ANNA) as anna:
        for years in range(6):
            day = START - timedelta(days=365 * years)
            assert anna.get(f"/page/consumption?view=year&date={day:%Y-%m-%d}").status_code == 200
