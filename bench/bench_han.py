"""The HAN interface: requests a second, beside a bare FastAPI route behind the same TLS, in one run.

Both answer the same client on a kept connection with about the same number of bytes. Ours checks HTTP Digest, spends
the nonce's count, asks the gate, looks up the data and writes the answer; the bare route returns a dictionary.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from pytest_benchmark.fixture import BenchmarkFixture

from gateway.han import tls
from tests.support.han import JSON_PATH, POINT, at_home
from tests.support.serving import served

TURNS = 9
REQUESTS = 60
LIMIT = 3.0
"""A request here may take so many times what the bare route's does; the client's own share of HTTP Digest is in it."""
READINGS = {"method": "readings", "usage-point-id": POINT, "database": "origin", "last-reading": True}


def bare(content: dict[str, Any]) -> FastAPI:
    """An application that reads a request and answers always the same."""
    app = FastAPI()

    @app.post("/bare")
    async def answer(request: Request) -> dict[str, Any]:
        await request.json()
        return content

    return app


def seconds_for(ask: Callable[[], httpx.Response]) -> float:
    """How long some requests take."""
    begun = time.perf_counter()
    for _ in range(REQUESTS):
        answer = ask()
        assert answer.status_code == 200
        assert not answer.history, "asked for credentials again: that would be two requests"
    return time.perf_counter() - begun


@pytest.mark.benchmark(group="han")
def bench_han_requests_beside_a_bare_route(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Requests a second with everything, as a ratio to a route with nothing."""
    with at_home(tmp_path) as home, home.client() as client:

        def ours() -> httpx.Response:
            return client.post(JSON_PATH, json=READINGS)

        app = bare(ours().json())
        context = tls.server_context(home.own, [])
        with served(app, context) as port, httpx.Client(verify=False) as plain:  # noqa: S501
            url = f"https://127.0.0.1:{port}/bare"

            def peers() -> httpx.Response:
                return plain.post(url, json=READINGS)

            benchmark(seconds_for, ours)
            # The ratio is taken here, in turns and under the same conditions.
            pairs = [(seconds_for(ours), seconds_for(peers)) for _ in range(TURNS)]
    ratio = statistics.median(mine / theirs for mine, theirs in pairs)
    benchmark.extra_info["ratio"] = ratio
    benchmark.extra_info["limit"] = f"<= {LIMIT:g}"
    benchmark.extra_info["meets"] = ratio <= LIMIT
    benchmark.extra_info["requests a second"] = round(REQUESTS / min(mine for mine, _ in pairs))
    benchmark.extra_info["bare route's"] = round(REQUESTS / min(theirs for _, theirs in pairs))
