"""``smgw gateway play`` as a real process: a household's past and its running days on the consumer's page."""

from __future__ import annotations

import re
import signal
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.auth import HTTPDigestAuth

from lifecycle.store.repository import Repository
from smgw.play import Play, bring_into_operation
from smgw.workplace import Workplace
from tests.support.commands import PATIENCE, started

GATEWAY = "EXXX0000000001"
QUARTER = timedelta(minutes=15)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workplace, Repository]]:
    workplace = Workplace(tmp_path_factory.mktemp("play") / "home")
    repository = workplace.repository()
    bring_into_operation(workplace, repository, GATEWAY)
    yield workplace, repository
    repository.engine.dispose()


def asked(url: str, password: str, **words: object) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the certificate is the gateway's own is what is printed
        answer = requests.post(
            f"{url}smgw/m2m/anna.sm/json",
            json=words,
            auth=HTTPDigestAuth("anna.sm", password),
            verify=False,  # noqa: S501
            timeout=30,
        )
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_past_is_there_and_days_pass_quickly(made: tuple[Workplace, Repository]) -> None:
    workplace, repository = made
    now = datetime.now(UTC)
    noon = now.replace(hour=12, minute=7)
    advanced: list[int] = []
    with Play(workplace, repository, GATEWAY, days=0, speed=3_600, now=lambda: noon) as played, played.in_background():
        assert played.catch_up(advanced.append)
        assert played.running.health().ok
        points = asked(played.url, played.password, method="user-info")["user-info"]["usage-points"]
        assert [point["taf-number"] for point in points] == ["2", "7", "7"]
        assert len(played.fingerprint.split(":")) == 32
        for point in points:
            last = noon
            patience = time.monotonic() + PATIENCE
            while last < noon + 2 * QUARTER:  # it comes by itself
                assert time.monotonic() < patience
                words = {"usage-point-id": point["usage-point-id"], "database": "origin", "last-reading": True}
                (channel,) = asked(played.url, played.password, method="readings", **words)["readings"]["channels"]
                last = datetime.fromisoformat(channel["readings"][0]["target-time"])
        begin = noon - timedelta(hours=6)
        words = {
            "usage-point-id": points[0]["usage-point-id"],
            "database": "origin",
            "fromtime": f"{begin:%Y-%m-%dT%H:00:00Z}",
            "totime": f"{noon:%Y-%m-%dT%H:00:00Z}",
        }
        (channel,) = asked(played.url, played.password, method="readings", **words)["readings"]["channels"]
        targets = [reading["target-time"] for reading in channel["readings"]]
        assert len(targets) == 24, "a quarter of an hour is missing"
        assert all(reading["target-time"] == reading["capture-time"] for reading in channel["readings"])
        assert played.quarters >= sum(advanced)
        for line in played.running.metrics.text().decode().splitlines():
            if line.startswith(("smgw_lmn_errors_total", "smgw_lmn_failures_total", "smgw_gaps_total")):
                assert line.endswith(" 0.0")


def look(printed: str) -> str:
    """Sign in at the page that was printed; with which password."""
    found = re.search(r"page +(https://127\.0\.0\.1:\d+/)\n +user +anna\.sm\n +password +(\w+)", printed)
    assert found is not None, printed
    assert "NET::ERR_CERT_AUTHORITY_INVALID" in printed
    assert asked(found[1], found[2], method="user-info")["user-info"]["usage-points"]
    return found[2]


def test_the_command_says_where_to_look_and_ends_when_it_is_told(tmp_path: Path) -> None:
    words = ("--days", 0, "--speed", 86_400, "--port", 0, "--home", tmp_path / "home")
    with started("gateway", "play", *words) as (process, printed):
        password = look(printed)
        process.send_signal(signal.SIGINT)
        rest, log = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, log
    assert "Stopped." in rest
    assert password not in log


def test_after_a_life_the_page_is_open_beside_the_cockpit(tmp_path: Path) -> None:
    with started("life", "--days", 0, "--port", 0, "--home", tmp_path / "home") as (process, printed):
        look(printed)
        cockpit = re.search(r"cockpit, signed in +(http://\S+)", printed)
        assert cockpit is not None, printed
        assert requests.get(cockpit[1], timeout=30).status_code == 200
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, log
