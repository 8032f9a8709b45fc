"""The cockpit's pages, as HTML: who may see them, what they say, and what they never do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape

import httpx
import pytest
from sqlalchemy import update

from lifecycle.evidence import OpenFault
from lifecycle.facts import Fact
from lifecycle.law import LAW, Attest, Move, Report, Restore, Step
from lifecycle.roles import Actor, Role
from lifecycle.service import looking
from lifecycle.service.readers import Readers
from lifecycle.service.sessions import LIFETIME, MOST, Sessions
from lifecycle.service.words import moment
from lifecycle.states import Event, State
from lifecycle.store.schema import entries
from tests.support.service_client import House, running_house


@pytest.fixture
def visitor(house: House) -> Iterator[httpx.Client]:
    """A browser without scripts, not signed in."""
    with httpx.Client(base_url=house.address, headers={"Accept": "text/html"}) as client:
        yield client


@pytest.fixture
def reader(house: House, visitor: httpx.Client) -> httpx.Client:
    """The same, signed in."""
    assert visitor.post("/login", data={"token": house.token}).status_code == 303
    return visitor


def text_of(page: httpx.Response) -> str:
    """What a page says, without its markup."""
    assert page.status_code == 200, page.text
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", page.text)))


# --- signing in and out


@pytest.mark.parametrize("path", ["/", "/?state=OPERATION&q=EXXX", "/gateways/EXXX0012345678?until=3"])
def test_nothing_is_shown_to_who_is_not_signed_in(visitor: httpx.Client, path: str) -> None:
    response = visitor.get(path)
    assert response.status_code == 303
    login = visitor.get(response.headers["location"])
    assert unescape(re.search(r'name="to" value="([^"]*)"', login.text)[1]) == path  # type: ignore[index]


def test_a_reader_signs_in_to_where_it_wanted_and_out_again(house: House, visitor: httpx.Client) -> None:
    gateway = house.gateway()
    response = visitor.post("/login", data={"token": f" {house.token} ", "to": f"/gateways/{gateway}"})
    assert (response.status_code, response.headers["location"]) == (303, f"/gateways/{gateway}")
    cookie = response.headers["set-cookie"]
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
    assert house.token not in cookie
    assert visitor.get(f"/gateways/{gateway}").status_code == 200
    assert visitor.get("/login").headers["location"] == "/"
    kept = dict(visitor.cookies)
    assert visitor.post("/logout").headers["location"] == "/login"
    assert not visitor.cookies
    # The session has ended, not only the browser's memory of it.
    visitor.cookies.update(kept)
    assert visitor.get("/").status_code == 303


def test_a_wrong_token_does_not_sign_in(visitor: httpx.Client) -> None:
    for token in ("wrong", "", "ä" * 20):
        page = visitor.post("/login", data={"token": token})
        assert page.status_code == 403
        assert "unknown or has expired" in page.text
        assert "set-cookie" not in page.headers


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
@pytest.mark.parametrize("path", ["/login", "/logout"])
def test_other_sites_sign_nobody_in_or_out(
    house: House, reader: httpx.Client, path: str, headers: dict[str, str]
) -> None:
    response = reader.post(path, data={"token": house.token}, headers=headers)
    assert response.status_code == 403
    assert "another site" in response.text
    assert reader.get("/").status_code == 200


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", "/login", ""]
)
def test_nobody_is_sent_elsewhere(house: House, visitor: httpx.Client, to: str) -> None:
    assert visitor.post("/login", data={"token": house.token, "to": to}).headers["location"] == "/"


def test_a_session_ends_with_time_and_with_its_token(house: House, visitor: httpx.Client) -> None:
    readers = Readers(house.repository.engine, house.clock)
    token = readers.create("somebody")
    visitor.post("/login", data={"token": token})
    assert visitor.get("/").status_code == 200
    readers.revoke("somebody")
    assert visitor.get("/").status_code == 303
    visitor.post("/login", data={"token": readers.create("again", timedelta(days=9))})
    house.clock.move(LIFETIME)
    try:
        assert visitor.get("/").status_code == 303
    finally:
        house.clock.move(-LIFETIME)


def test_there_are_only_so_many_sessions(house: House) -> None:
    sessions = Sessions(Readers(house.repository.engine, house.clock), house.clock)
    secrets = [sessions.open(house.token) for _ in range(MOST + 1)]
    assert sessions.reader(str(secrets[0])) is None
    assert sessions.reader(str(secrets[-1])) is not None


def test_a_link_signs_in_only_where_that_is_wanted(house: House, tmp_path_factory: pytest.TempPathFactory) -> None:
    refused = house.client.get(f"/?token={house.token}")
    assert (refused.status_code, refused.headers["location"]) == (303, "/login?to=/")
    assert "set-cookie" not in refused.headers
    url = f"sqlite:///{tmp_path_factory.mktemp('dev') / 'smgw.db'}"
    with running_house(url, sign_in_by_link=True) as dev:
        accepted = dev.client.get(f"/?token={dev.token}")
        assert (accepted.status_code, accepted.headers["location"]) == (303, "/")
        assert dev.client.get("/").status_code == 200
        assert dev.client.get("/?token=wrong").status_code == 403


# --- the fleet


def test_the_fleet_shows_counts_and_filters(house: House, reader: httpx.Client) -> None:
    operating, begun = house.gateway(State.OPERATION), house.gateway()
    every = reader.get("/")
    assert operating in every.text
    assert begun in every.text
    assert "Betrieb" in every.text
    by_state = reader.get("/", params={"state": "OPERATION", "q": ""}).text
    assert operating in by_state
    assert begun not in by_state
    by_name = reader.get("/", params={"q": begun[4:].lower(), "state": ""}).text
    assert begun in by_name
    assert operating not in by_name
    assert "No gateway fits" in reader.get("/", params={"q": "%"}).text
    assert reader.get("/", params={"state": "LIMBO"}).status_code == 200


def test_the_fleet_is_paged(house: House, reader: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "FLEET_PAGE", 2)
    made = [house.gateway() for _ in range(5)]
    found: list[str] = []
    address = f"/?q={made[0][:4]}&after={made[0]}"
    while address:
        page = reader.get(address).text
        found += re.findall(r'class="gateway" href="/gateways/(\w+)"', page)
        following = re.search(r'class="pages"><a class="button" href="([^"]+)"', page)
        address = unescape(following[1]) if following else ""
    assert found == made[1:]


# --- one gateway


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_its_page(house: House, reader: httpx.Client, state: State) -> None:
    gateway = house.gateway(state)
    page = reader.get(f"/gateways/{gateway}")
    said = text_of(page)
    phase = LAW.phases[state]
    assert f"{phase.german} {state}" in said
    assert "Record verified" in said
    assert re.search(rf'class="state [^"]*current[^"]*" id="life-{state}"', page.text)
    for way in phase.exits:
        assert f"→ {LAW.phases[way.to].german} {way.to}" in said
    if phase.grants:
        assert "grants of this state are open" in said
    else:
        assert "This state grants nothing" in said
    assert page.text.count('<li id="entry-') == min(house.end(gateway).sequence, looking.TIMELINE_PAGE)


def test_ways_out_and_faults_say_why(house: House, reader: httpx.Client) -> None:
    gateway = house.gateway(State.OPERATION)
    house.act(gateway, Report(OpenFault("consumer-log-full", "consumer-7"), Actor(Role.GWA)))
    said = text_of(reader.get(f"/gateways/{gateway}"))
    assert "lacks 1" in said
    assert "not on record: EVERY_CERTIFICATE_REVOKED" in said
    assert "consumer-log-full (consumer-7) Kapazitätsgrenze des Anschlussnutzer-Logs erreicht" in said
    assert "the fault consumer-log-full is open (ch. 15)" in said
    assert "open · offen" in said


def test_the_timeline_tells_who_did_what_for_whom_and_when(house: House, reader: httpx.Client) -> None:
    gateway = house.gateway(State.REMOVAL_FOR_SM_DESTRUCTION)
    said = text_of(reader.get(f"/gateways/{gateway}"))
    assert "Ausfall → Ausbau zur SM Zerstörung REMOVE_FOR_SM_DESTRUCTION: from OUTAGE to" in said
    assert "recommended · empfohlen" in said
    assert "MONTEUR “Monteur 1” Monteur, im Auftrag: MSB" in said
    assert "verified · geprüft" in said
    scrapped = house.gateway(State.OUTAGE)
    for step in _against_the_advice():
        house.act(scrapped, step)
    assert "not recommended · nicht empfohlen" in text_of(reader.get(f"/gateways/{scrapped}"))


def _against_the_advice() -> Iterator[Step]:
    yield Attest(Fact.EVERY_CERTIFICATE_REVOKED, Actor(Role.GWA))
    yield Move(Event.REMOVE_FOR_SCRAPPING, Actor(Role.MONTEUR, on_behalf_of=Role.MSB))


def test_times_are_told_in_utc_and_in_german_time() -> None:
    assert moment("2026-07-01T22:30:00.000000Z") == (
        "2026-07-01T22:30:00.000000Z",
        "2026-07-01 22:30:00 UTC",
        "02.07. 00:30:00 MESZ",
    )
    assert moment("2026-01-01T12:00:00.999999Z").berlin == "13:00:00 MEZ"
    assert moment("<b>long ago</b>") == ("<b>long ago</b>", "<b>long ago</b>", "")


def test_a_gateway_is_shown_as_it_was(house: House, reader: httpx.Client) -> None:
    gateway = house.gateway(State.OPERATION)
    end = house.end(gateway).sequence
    then = text_of(reader.get(f"/gateways/{gateway}?until=2"))
    assert f"As it was after entry 2 of {end}" in then
    assert "Produktion PRODUCTION" in then
    assert "2 entries" in then
    assert "Entwicklung DEVELOPMENT" in text_of(reader.get(f"/gateways/{gateway}?until=0"))
    assert "As it was after entry 0" in text_of(reader.get(f"/gateways/{gateway}?until=0"))
    for now in (end, end + 1, 2**31 - 1):
        assert "Betrieb OPERATION" in text_of(reader.get(f"/gateways/{gateway}?until={now}"))
    for wrong in ("-1", "x", 2**31):
        assert reader.get(f"/gateways/{gateway}?until={wrong}").status_code == 422


def test_the_timeline_is_paged(house: House, reader: httpx.Client) -> None:
    gateway = house.gateway(State.OPERATION)
    for _ in range(8):
        house.act(gateway, Report(OpenFault("clock-deviation"), Actor(Role.GWA)))
        house.act(gateway, Restore(OpenFault("clock-deviation"), Actor(Role.GWA)))
    end = house.end(gateway).sequence
    found: list[int] = []
    address = f"/gateways/{gateway}"
    while address:
        page = reader.get(address).text
        found += map(int, re.findall(r'<li id="entry-(\d+)"', page))
        older = re.search(r'href="([^"]+)#record"', page)
        address = unescape(older[1]) if older else ""
    assert found == list(range(end, 0, -1))


def test_a_broken_record_is_said_first_and_shuts_everything(house: House, reader: httpx.Client) -> None:
    gateway = house.gateway(State.OPERATION)
    with house.repository.engine.begin() as connection:
        body = b'{"no":"entry"}'
        connection.execute(
            update(entries).where(entries.c.gateway == gateway, entries.c.sequence == 5).values(body=body)
        )
    page = reader.get(f"/gateways/{gateway}")
    said = text_of(page)
    assert "The record is broken at entry 5: flipped bit" in said
    assert "Everything is shut. the integrity of record, module or firmware is lost" in said
    marks = dict(re.findall(r'<li id="entry-(\d+)"[^>]*class="entry \w+ (\w+)"', page.text))
    assert {marks[str(number)] for number in range(1, 5)} == {"good"}
    assert marks["5"] == "broken"
    assert marks["6"] == "unseen"
    assert "cannot be read" in said


def test_a_state_that_cannot_be_read_is_shown_all_the_same(house: House, reader: httpx.Client) -> None:
    gateway = house.gateway(State.PRODUCTION)
    with house.repository.engine.begin() as connection:
        connection.execute(update(entries).where(entries.c.gateway == gateway).values(state="LIMBO"))
    assert "state differs" in text_of(reader.get(f"/gateways/{gateway}"))
    assert "unreadable" in text_of(reader.get("/", params={"q": gateway}))
    assert "1 unreadable" in text_of(reader.get("/"))


def test_long_chains_are_verified_when_asked(
    house: House, reader: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = house.gateway(State.REVERSIBLE_FAULT)
    monkeypatch.setattr("lifecycle.service.cockpit.VERIFIED_UNASKED", 3)
    monkeypatch.setattr(looking, "_ENDS_READ", 2)
    said = text_of(reader.get(f"/gateways/{gateway}"))
    assert "Not verified on this view" in said
    assert "not verified · ungeprüft" in said
    assert "Record verified" in text_of(reader.get(f"/gateways/{gateway}?verify=1"))


def test_what_is_on_record_is_shown_as_text(house: House, reader: httpx.Client) -> None:
    gateway = house.gateway(State.OPERATION)
    script = "<script>alert(1)</script>"
    house.act(gateway, Report(OpenFault("consumer-log-full", script), Actor(Role.GWA)))
    page = reader.get(f"/gateways/{gateway}").text
    assert script not in page
    assert "&lt;script&gt;" in page
    assert script not in reader.get("/").text
    assert script not in reader.get("/", params={"q": script}).text
    assert script not in reader.get("/nothing", params={"x": script}).text


def test_an_unknown_gateway_has_a_page_that_says_so(house: House, reader: httpx.Client) -> None:
    page = reader.get(f"/gateways/{house.new_id()}")
    assert page.status_code == 404
    assert "No record is kept of this gateway" in page.text
    assert reader.get("/gateways/gateway-1").status_code == 422
