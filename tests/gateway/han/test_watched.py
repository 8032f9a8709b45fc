"""Whoever counts requests hears their status and how long they took, of failures too."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from gateway.han.watched import Watched


@pytest.mark.parametrize(("path", "status"), [("/good", 200), ("/none", 404), ("/bad", 500)])
def test_every_answer_is_told_of(path: str, status: int) -> None:
    app, told = FastAPI(), []

    @app.get("/good")
    def good() -> str:
        return "yes"

    @app.get("/bad")
    def bad() -> str:
        raise ZeroDivisionError

    app.add_middleware(Watched, watch=lambda status, seconds: told.append((status, seconds)))

    async def ask() -> int:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            return (await client.get(path)).status_code

    assert asyncio.run(ask()) == status
    ((seen, seconds),) = told
    assert seen == status
    assert seconds >= 0
