"""The page over HTTP: let in once, nothing without the page's own form, every step once, refused with reasons."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.han.languages import Language, language_of
from lifecycle.facts import Fact
from lifecycle.law import LAW
from lifecycle.phases import PHASES
from lifecycle.states import State
from smgw.logs import configure_logging
from stations.installer.page import texts
from stations.installer.page.app import FOLDER, PARAMETERS, create_app
from stations.installer.page.pairing import LIFETIME, WRONG_CODES, Pairing, new_code
from stations.installer.page.texts import WORDS
from stations.installer.works import Refusal, Stage, Work
from tests.stations.installer.pages import NOT_REACHED, Cellar, cellar
from tests.support.lives import GATEWAY, OTHER_GATEWAY, SettableClock
from tests.support.processes import at_once

STEPS = f"/gateways/{GATEWAY}"


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> None:
    """Log what goes wrong, not every request."""
    configure_logging("warning", "console")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Cellar]:
    """A gateway that the MSB has handed over."""
    with cellar(tmp_path) as running:
        yield running


def client(place: Cellar, *, paired: bool = True, lang: str = "en") -> httpx.Client:
    """A phone; paired where nothing else is said."""
    phone = httpx.Client(base_url=place.address, headers={"Accept-Language": lang})
    if paired:
        assert phone.get("/", params={"code": place.pairing.code}).status_code == 303
    return phone


def form(phone: httpx.Client, path: str) -> dict[str, str]:
    """The hidden fields of the form on a page that would sign something."""
    page = phone.get(path)
    assert page.status_code == 200, page.text
    body = page.text[page.text.index("<main") :]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)"', body))


def work(phone: httpx.Client, wanted: Work) -> httpx.Response:
    """Go over the two taps of a work."""
    path = f"{STEPS}/works/{wanted}"
    return phone.post(path, data=form(phone, path))


# Who is let in


def test_nothing_is_shown_before_pairing(place: Cellar) -> None:
    phone = client(place, paired=False)
    for path in ("/", STEPS, f"{STEPS}/works/mount", f"{STEPS}?did=mount"):
        answer = phone.get(path)
        assert answer.status_code == 403
        assert GATEWAY not in answer.text.replace(path, "").replace(STEPS, "")
        assert "Pairing code" in answer.text
    for path in (f"{STEPS}/works/take-over", f"{STEPS}/test", f"{STEPS}/parameters", "/leave"):
        assert phone.post(path, data={"word": "x", "key": "a-key-of-mine"}).status_code == 403
    assert place.entries == 20


def test_the_code_lets_one_phone_in_and_only_once(place: Cellar) -> None:
    first, second = client(place), client(place, paired=False)
    assert first.get(STEPS).status_code == 200
    again = second.get("/", params={"code": place.pairing.code})
    assert again.status_code == 403
    assert "void" in again.text
    assert second.get(STEPS).status_code == 403
    # The phone that is in may open its link again.
    assert first.get("/", params={"code": place.pairing.code}).status_code == 303
    cookie = next(cookie for cookie in first.cookies.jar)
    assert cookie.name == "smgw_install"
    assert {"HttpOnly", "SameSite"} <= set(cookie._rest)  # type: ignore[attr-defined]


def test_a_code_is_guessed_at_five_times(place: Cellar) -> None:
    phone = client(place, paired=False)
    for number in range(WRONG_CODES):
        answer = phone.post("/pair", data={"code": f"AAAA-AAAA-A{number}"})
        assert answer.status_code == 403
    assert "void" in answer.text
    assert phone.post("/pair", data={"code": place.pairing.code}).status_code == 403
    assert phone.get(STEPS).status_code == 403


def test_a_typed_code_may_look_like_itself(place: Cellar) -> None:
    phone = client(place, paired=False)
    typed = place.pairing.code.lower().replace("-", " ").replace("1", "l").replace("0", "o")
    assert phone.post("/pair", data={"code": typed}).status_code == 303
    assert phone.get(STEPS).status_code == 200


def test_codes_differ_and_show_nowhere() -> None:
    codes = {new_code() for _ in range(200)}
    assert len(codes) == 200
    assert all(
        re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{2}", code) for code in codes
    )
    pairing = Pairing(SettableClock())
    assert pairing.code not in repr(pairing)


def test_a_pairing_ends_by_time_and_by_hand(place: Cellar) -> None:
    phone = client(place)
    word = form(phone, f"{STEPS}/works/take-over")["word"]
    place.clock.move(LIFETIME)
    assert phone.get(STEPS).status_code == 403
    place.clock.move(-LIFETIME)
    assert phone.post("/leave", data={"word": word}).status_code == 303
    assert phone.get(STEPS).status_code == 403
    assert not Pairing().is_form_word("")


@pytest.mark.parametrize(
    ("headers", "data"),
    [
        ({"Origin": "http://evil.example"}, {}),
        ({"Origin": "null"}, {}),
        ({"Sec-Fetch-Site": "cross-site"}, {}),
        ({}, {"word": "0" * 64}),
        ({}, {"word": ""}),
        ({}, {"word": "ä"}),
    ],
)
def test_a_form_of_somebody_elses_is_refused(place: Cellar, headers: dict[str, str], data: dict[str, str]) -> None:
    phone = client(place)
    path = f"{STEPS}/works/take-over"
    sent = {**form(phone, path), **data}
    for where in (path, f"{STEPS}/parameters", f"{STEPS}/test", "/leave"):
        assert phone.post(where, data=sent, headers=headers).status_code == 403
    assert place.entries == 20
    assert phone.get(STEPS).status_code == 200


def test_other_sites_choose_neither_language_nor_pairing(place: Cellar) -> None:
    phone = client(place)
    evil = {"Origin": "http://evil.example"}
    assert phone.post("/language", data={"to": "de", "back": "/"}, headers=evil).status_code == 403
    assert phone.post("/pair", data={"code": "x"}, headers=evil).status_code == 403
    for back in ("//evil.example", "http://evil.example", "/\\evil.example", "x"):
        assert phone.post("/language", data={"to": "de", "back": back}).headers["location"] == "/"
    assert phone.post("/language", data={"to": "xx", "back": "/"}).status_code == 422


def test_every_answer_is_strict_about_what_a_browser_may_do(place: Cellar) -> None:
    phone = client(place)
    for path in ("/", STEPS, f"{STEPS}/works/take-over", "/nothing", "/static/page.js"):
        headers = phone.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == ("no-cache" if path.startswith("/static/") else "no-store")
    for path in (STEPS, f"{STEPS}/works/take-over"):
        body = phone.get(path).text
        assert "<style" not in body
        assert " style=" not in body
        assert re.search(r"\son\w+=", body) is None
        assert re.findall(r"<script[^>]*>", body) == ['<script src="/static/page.js" defer>']
        assert re.findall(r'(?:src|href|action)="(?!/|#)', body) == []
    assert phone.post(f"{STEPS}/works/mount", content=b"x" * 70_000).status_code in {403, 413}


# What is done


def test_the_whole_installation_by_form(place: Cellar) -> None:
    phone = client(place)
    for wanted in (Work.TAKE_OVER, Work.ARRIVE, Work.MOUNT):
        answer = work(phone, wanted)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{STEPS}?did={wanted}")
        assert "Recorded:" in phone.get(answer.headers["location"]).text
    given = {**form(phone, f"{STEPS}/works/configure"), "apn": " iot.example ", "host": "", "port": "8443"}
    assert phone.post(f"{STEPS}/parameters", data=given).status_code == 303
    (parameters,) = place.device.told
    assert (parameters.apn, parameters.port, parameters.host) == ("iot.example", 8443, None)
    word = form(phone, STEPS)["word"]
    tested = phone.post(f"{STEPS}/test", data={"word": word})
    page = phone.get(tested.headers["location"]).text
    assert "gwa.example:8443" in page
    assert "183 ms" in page
    assert "Connected" in page
    assert work(phone, Work.HAND_OVER).status_code == 303
    standing = place.repository.kept(GATEWAY).standing
    assert Fact.LOCAL_INTERFACE_OFF in standing.evidence
    assert "All is done here" in phone.get(STEPS).text
    assert place.entries == 20 + 6


def test_looking_at_what_would_be_signed_signs_nothing(place: Cellar) -> None:
    phone = client(place)
    page = phone.get(f"{STEPS}/works/take-over").text
    assert "This will be signed" in page
    assert "the Monteur has taken over from the MSB" in page
    assert "cannot be undone" in page
    assert place.entries == 20


def test_a_double_tap_acts_once(place: Cellar) -> None:
    phone = client(place)
    path = f"{STEPS}/works/take-over"
    sent = form(phone, path)
    answers = at_once(*[lambda: phone.post(path, data=sent)] * 4)
    assert {answer.status_code for answer in answers} == {303}
    assert sorted(answer.headers["location"] for answer in answers) == sorted(
        [f"{STEPS}?did=take-over"] + [f"{STEPS}?did=take-over&again=1"] * 3
    )
    assert place.entries == 21
    # Long after, when the connection is back, it is the same.
    late = phone.post(path, data=sent)
    assert "nothing was done twice" in phone.get(late.headers["location"]).text
    assert place.entries == 21
    # And the key does nothing else.
    other = phone.post(f"{STEPS}/works/arrive", data=sent)
    assert other.status_code == 409
    assert "used before, for something else" in other.text
    assert place.entries == 21


def test_parameters_sent_twice_are_set_once(place: Cellar) -> None:
    phone = client(place)
    for wanted in (Work.TAKE_OVER, Work.ARRIVE):
        work(phone, wanted)
    sent = {**form(phone, f"{STEPS}/works/configure"), "apn": "iot.example"}
    answers = at_once(*[lambda: phone.post(f"{STEPS}/parameters", data=sent)] * 3)
    assert {answer.status_code for answer in answers} == {303}
    assert len(place.device.told) == 1


@pytest.mark.parametrize(
    ("state", "wanted", "english", "german"),
    [
        (State.FIRST_DELIVERY, Work.MOUNT, "state FIRST_DELIVERY", "Das geht nur in der Phase „Erstinstallation“"),
        (State.FIRST_INSTALLATION, Work.HAND_OVER, "not on record: MOUNTED", "In der Akte fehlt: „SMGW montiert“"),
        (State.FIRST_INSTALLATION, Work.TAKE_OVER, "MONTEUR_TOOK_OVER on record already", "steht schon in der Akte"),
        (State.OPERATION, Work.REMOVE_FOR_SCRAPPING, "EVERY_CERTIFICATE_REVOKED", "sämtliche Zertifikate"),
        (State.OPERATION, Work.REMOVE_FOR_SM_DESTRUCTION, "REMOVE_FOR_SM_DESTRUCTION", "führt dieser Schritt nicht"),
    ],
)
def test_a_refusal_says_why_and_changes_nothing(
    tmp_path: Path, state: State, wanted: Work, english: str, german: str
) -> None:
    with cellar(tmp_path, state) as place:
        phone = client(place)
        before = place.entries
        sent = {"word": form(phone, STEPS)["word"], "key": "a-key-of-mine"}
        for answer in (phone.get(f"{STEPS}/works/{wanted}"), phone.post(f"{STEPS}/works/{wanted}", data=sent)):
            assert answer.status_code == 409
            assert "Nothing was changed" in answer.text
            assert english in answer.text
        phone.headers["Accept-Language"] = "de-DE,de;q=0.9,en;q=0.8"
        page = phone.get(f"{STEPS}/works/{wanted}").text
        assert german in page
        assert english in page, "the law's own words are there besides"
        assert place.entries == before


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "set nothing"),
        ({"port": "70000"}, "1 to 65535"),
        ({"port": "８"}, "is no port"),
        ({"host": "a b"}, "neither an IP address nor a host name"),
        ({"proxy_host": "proxy.example"}, "a host and a port"),
        ({"apn": "<script>"}, "no access point name"),
    ],
)
def test_parameters_that_are_none_are_refused_and_what_was_typed_stays(
    tmp_path: Path, given: dict[str, str], why: str
) -> None:
    with cellar(tmp_path, State.FIRST_INSTALLATION) as place:
        phone = client(place)
        sent = form(phone, f"{STEPS}/works/configure")
        before = place.entries
        answer = phone.post(f"{STEPS}/parameters", data={**sent, **given})
        assert answer.status_code == 422
        assert why in answer.text
        assert "<script>" not in answer.text.replace('<script src="/static/page.js"', "")
        for text in given.values():
            assert f'value="{text.replace("<", "&lt;").replace(">", "&gt;")}"' in answer.text
        assert place.device.told == []
        assert place.entries == before
        # Put right, the same form goes through.
        assert phone.post(f"{STEPS}/parameters", data={**sent, "apn": "iot.example"}).status_code == 303


def test_a_device_that_does_not_answer_is_told_and_nothing_is_attested(tmp_path: Path) -> None:
    with cellar(tmp_path, State.FIRST_INSTALLATION) as place:
        phone = client(place)
        place.device.gone = True
        sent = {**form(phone, f"{STEPS}/works/configure"), "apn": "iot.example"}
        before = place.entries
        for path in (f"{STEPS}/parameters", f"{STEPS}/test"):
            answer = phone.post(path, data=sent)
            assert answer.status_code == 409
            assert "nobody answers" in answer.text
        assert place.entries == before
        # The line is back: the form that was sent in vain acts now.
        place.device.gone = False
        assert phone.post(f"{STEPS}/parameters", data=sent).status_code == 303
        assert place.entries == before + 1


def test_a_connection_that_is_none_is_shown_and_can_be_tried_again(tmp_path: Path) -> None:
    with cellar(tmp_path, State.FIRST_INSTALLATION) as place:
        phone = client(place)
        place.device.report = NOT_REACHED
        word = form(phone, STEPS)["word"]
        page = phone.get(phone.post(f"{STEPS}/test", data={"word": word}).headers["location"]).text
        assert "No connection" in page
        assert "timed out" in page
        assert "10000 ms" in page
        assert "Test again" in page


def test_after_the_hand_over_the_local_interface_is_shut_for_the_page_too(tmp_path: Path) -> None:
    with cellar(tmp_path, State.PERSONALISATION) as place:
        phone = client(place)
        sent = {"word": form(phone, STEPS)["word"], "key": "a-key-of-mine", "apn": "iot.example"}
        tested = phone.post(f"{STEPS}/test", data=sent)
        assert (tested.status_code, "is refused" in tested.text) == (409, True)
        assert phone.post(f"{STEPS}/parameters", data=sent).status_code == 409
        assert place.device.callers == []


def test_configuring_goes_by_its_own_form_only(tmp_path: Path) -> None:
    with cellar(tmp_path, State.FIRST_INSTALLATION) as place:
        phone = client(place)
        sent = form(phone, f"{STEPS}/works/configure")
        assert phone.post(f"{STEPS}/works/configure", data=sent).status_code == 404
        assert phone.post(f"{STEPS}/works/mount", data={"word": sent["word"], "key": "short"}).status_code == 422


def test_several_gateways_are_listed_and_others_are_not_there(tmp_path: Path) -> None:
    with cellar(tmp_path, gateways=(GATEWAY, OTHER_GATEWAY)) as place:
        phone = client(place)
        page = phone.get("/").text
        assert f'href="/gateways/{GATEWAY}"' in page
        assert f'href="/gateways/{OTHER_GATEWAY}"' in page
        for path in (
            "/gateways/EXXX0000000099",
            "/gateways/x/works/mount",
            "/gateways/x/parameters",
            "/x",
            "/static/x",
        ):
            assert phone.get(path).status_code in {404, 405}, path
        word = form(phone, STEPS)["word"]
        sent = {"word": word, "key": "a-key-of-mine"}
        for path in ("works/mount", "parameters", "test"):
            assert phone.post(f"/gateways/EXXX0000000099/{path}", data=sent).status_code == 404
        nonsense = phone.get(f"{STEPS}/works/nonsense")
        assert (nonsense.status_code, nonsense.headers["content-type"]) == (422, "text/html; charset=utf-8")


def test_a_defect_says_nothing_of_itself(place: Cellar, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = client(place)

    def broken(*_: object) -> object:
        raise RuntimeError("secret")

    monkeypatch.setattr(place.site.installer, "kept", broken)
    answer = phone.get(STEPS)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "The tool has failed" in answer.text


# Words


def test_every_text_is_in_both_languages_and_every_stage_and_work_has_a_name() -> None:
    assert all(len(both) == 2 and all(both) for both in texts._TEXTS.values())
    assert set(texts._STAGES) == set(Stage)
    assert set(texts._WORKS) == set(Work)
    assert set(PARAMETERS) <= set(texts._TEXTS)
    # And none is there that no page says.
    files = [path for path in FOLDER.rglob("*") if path.suffix in {".html", ".py"} and path.name != "texts.py"]
    said = "".join(path.read_text() for path in files)
    assert [name for name in texts._TEXTS if f'"{name}"' not in said and name not in PARAMETERS] == []


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        ("", "en-GB,en;q=0.9", "en"),
        ("de", "en", "de"),
        ("", "fr, de;q=0.5", "de"),
        ("xx", "fr", "de"),
        ("", "", "de"),
        ("", ",;q", "de"),
    ],
)
def test_the_language_is_the_one_chosen_or_the_browsers(chosen: str, accepted: str, language: str) -> None:
    assert language_of(chosen, accepted=accepted) == language


def test_a_chosen_language_stays(place: Cellar) -> None:
    phone = client(place, lang="en")
    assert 'lang="en"' in phone.get(STEPS).text
    assert phone.post("/language", data={"to": "de", "back": STEPS}).headers["location"] == STEPS
    assert '<html lang="de">' in phone.get(STEPS).text


def test_every_refusal_that_can_be_met_has_german_words(tmp_path: Path) -> None:
    """In every state, for every work: words of the page's own, never the law's identifiers."""
    for number, state in enumerate(State):
        folder = tmp_path / str(number)
        folder.mkdir()
        with cellar(folder, state) as place:
            for wanted in Work:
                asked = place.site.installer.ask(GATEWAY, wanted)
                if isinstance(asked, Refusal):
                    for words in WORDS[Language.GERMAN].reasons(asked, LAW):
                        assert re.search(r"[A-Z]+_[A-Z]+", words) is None, words
                        assert words.endswith(")")
                        assert "(Kap. " in words


def test_phases_are_named_by_their_german_terms() -> None:
    assert WORDS[Language.ENGLISH].state(State.FIRST_INSTALLATION) == PHASES[State.FIRST_INSTALLATION].german


def test_the_page_describes_no_api(place: Cellar) -> None:
    app = create_app(place.site, (GATEWAY,), place.pairing)
    assert app.openapi_url is None
    assert client(place).get("/docs").status_code == 404
