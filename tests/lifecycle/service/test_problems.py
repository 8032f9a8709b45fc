"""Errors are problem details, all of them; answers are guarded for browsers; the description says what happens."""

from __future__ import annotations

import logging
import re
from typing import Any

import httpx
import jsonschema_rs
import pytest
import structlog
from sqlalchemy.exc import OperationalError

from lifecycle.service.problems import PROBLEMS
from lifecycle.service.security import SecurityHeaders, style_hashes
from lifecycle.states import State
from lifecycle.store.repository import Repository
from tests.support.service_client import API, House, problem

HTML = {"Accept": "text/html,application/xhtml+xml"}


# --- problems


@pytest.mark.parametrize("path", ["/nothing", f"{API}/nothing", f"{API}/gateways/", "/static/nothing.css", "/docs"])
def test_what_is_not_there_is_a_problem(house: House, path: str) -> None:
    told = problem(house.client.get(path), 404, "not-found")
    assert told["instance"] == path


def test_a_method_that_is_not_there_names_those_that_are(house: House) -> None:
    for method, path, allowed in (
        ("DELETE", "/gateways", "GET, POST"),
        ("OPTIONS", f"/gateways/{house.new_id()}/entries", "GET, POST"),
        ("PUT", "/law", "GET"),
        ("GET", f"/gateways/{house.new_id()}/drafts", "POST"),
    ):
        response = house.client.request(method, API + path, headers=house.bearer)
        problem(response, 405, "method-not-allowed")
        assert response.headers["allow"] == allowed
    assert house.client.request("PATCH", "/login").headers["allow"]


def test_an_invalid_request_names_the_places_and_does_not_send_back_what_was_sent(house: House) -> None:
    secret = "hunter2-hunter2-hunter2"  # noqa: S105  what must not come back
    response = house.client.post(f"{API}/gateways", json={"entry": secret, "signature": secret})
    told = problem(response, 422, "invalid-request")
    errors = told["errors"]
    assert isinstance(errors, list)
    assert [error["at"] for error in errors] == ["body.entry", "body.signature", "body.certificate"]
    assert secret not in response.text


def test_a_defect_of_the_service_is_told_without_its_inside_and_logged_with_it(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the inside of the service")

    monkeypatch.setattr(Repository, "kept", fail)
    with structlog.testing.capture_logs() as logged:
        response = house.get(f"/gateways/{house.new_id()}")
    told = problem(response, 500, "internal-error")
    assert "the inside" not in response.text
    (failure,) = (line for line in logged if line["event"] == "request failed")
    assert told["instance"] == f"urn:uuid:{failure['identifier']}"
    assert "content-security-policy" in response.headers
    caplog.clear()
    page = house.client.get("/problems", headers=HTML)
    assert page.status_code == 200
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_database_that_does_not_answer_is_told_as_that(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("SELECT secret", {}, Exception("locked"))

    monkeypatch.setattr(Repository, "kept", fail)
    response = house.get(f"/gateways/{house.new_id()}/head")
    problem(response, 503, "busy")
    assert response.headers["retry-after"] == "5"
    assert "secret" not in response.text


def test_who_asks_with_a_browser_gets_a_page(house: House) -> None:
    page = house.client.get("/nothing", headers=HTML)
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is nothing here" in page.text
    assert house.client.get(f"{API}/nothing", headers=HTML).headers["content-type"] == "application/problem+json"


def test_the_page_of_problems_explains_every_type(house: House) -> None:
    page = house.client.get("/problems").text
    for kind in PROBLEMS.values():
        assert f'id="{kind.name}"' in page
        assert kind.type == f"/problems#{kind.name}"


# --- what every answer carries


def _all_sorts(house: House) -> list[httpx.Response]:
    gateway = house.gateway(State.PRODUCTION)
    return [
        house.get("/gateways"),
        house.get(f"/gateways/{gateway}/export"),
        house.get("/nothing"),
        house.client.get(f"{API}/law"),
        house.client.get(f"{API}/openapi.json"),
        house.client.post(f"{API}/gateways", content=b"x" * 100_000),
        house.client.get("/", follow_redirects=False),
        house.client.get("/login"),
        house.client.get("/problems"),
        house.client.get("/static/base.css"),
        house.client.get("/static/live.js"),
    ]


def test_every_answer_is_guarded(house: House) -> None:
    for response in _all_sorts(house):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["referrer-policy"] == "same-origin"
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        static = response.url.path.startswith("/static/")
        assert response.headers["cache-control"] == ("no-cache" if static else "no-store")
        assert "server" not in response.headers


def test_nothing_on_the_pages_comes_from_elsewhere(house: House) -> None:
    for path in ("/login", "/problems", "/static/base.css", "/static/pages.css", "/static/live.js", "/static/icon.svg"):
        text = house.client.get(path).text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//[a-z]+\.", text), path
        assert not re.search(r"\sstyle=|\son[a-z]+=", text), path


@pytest.mark.anyio
async def test_transport_security_is_asked_for_where_there_is_any() -> None:
    """Over TLS a browser is told to stay there; over plain HTTP, on one's own machine, it is not."""
    sent: list[Any] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def keep(message: Any) -> None:
        sent.append(dict(message["headers"]))

    guarded = SecurityHeaders(app)
    for scheme in ("https", "http"):
        await guarded({"type": "http", "scheme": scheme, "path": "/"}, None, keep)  # type: ignore[arg-type]
    assert [b"strict-transport-security" in headers for headers in sent] == [True, False]


@pytest.fixture
def anyio_backend() -> str:
    """What runs asynchronous tests."""
    return "asyncio"


def test_a_style_is_let_in_by_its_hash() -> None:
    assert style_hashes("<svg><style>a{}</style></svg>") == ["'sha256-X1RutGBrXCt9KkSaXMK7tHftWiRscFHOhxsS8tv8hBk='"]
    assert style_hashes("<svg></svg>") == []


# --- the description


def _operations(house: House) -> list[tuple[str, dict[str, Any]]]:
    described = house.client.get(f"{API}/openapi.json").json()
    return [
        (f"{method.upper()} {path}", operation)
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    ]


def test_every_route_is_described_with_examples_and_all_its_errors(house: House) -> None:
    for label, operation in _operations(house):
        assert operation["summary"], label
        assert operation["description"], label
        assert {"500", "503"} <= operation["responses"].keys(), label
        if operation.get("security"):
            assert "401" in operation["responses"], label
        if operation.get("parameters") or operation.get("requestBody"):
            assert "422" in operation["responses"], label
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description") or parameter["name"] in {"role", "interface", "function", "credential"}
        if "requestBody" in operation:
            assert operation["requestBody"]["content"]["application/json"]["examples"], label
        for status, response in operation["responses"].items():
            (media_type,) = response["content"]
            content = response["content"][media_type]
            assert (media_type == "application/problem+json") is (int(status) >= 400), label
            assert content.get("example") or content.get("examples"), (label, status)


def test_every_example_fits_its_schema(house: House) -> None:
    described = house.client.get(f"{API}/openapi.json").json()
    assert not {"HTTPValidationError", "ValidationError"} & described["components"]["schemas"].keys()

    def check(content: dict[str, Any], where: str) -> None:
        schema = {**content["schema"], "components": described["components"]}
        examples = [content["example"]] if "example" in content else []
        examples += [example["value"] for example in content.get("examples", {}).values()]
        for example in examples:
            wrong = [error.message for error in jsonschema_rs.validator_for(schema).iter_errors(example)]
            assert wrong == [], where

    for label, operation in _operations(house):
        for status, response in operation["responses"].items():
            for media_type, content in response["content"].items():
                if "json" in media_type and "ndjson" not in media_type:
                    check(content, f"{label} {status}")
        if "requestBody" in operation:
            check(operation["requestBody"]["content"]["application/json"], label)
