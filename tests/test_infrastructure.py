"""The tests' own tools: a real database, a real browser, and campaigns that count and report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings
from selenium import webdriver
from selenium.webdriver.common.by import By

from tests.support.browser import DESKTOP, PHONE, console_errors, requested_urls
from tests.support.campaign import SCALE_VARIABLE, Campaign, Part, Result, render, scaled
from tests.support.postgres import PostgresServer

ROOT = Path(__file__).resolve().parent.parent
PAGE = "data:text/html,<meta name=viewport content='width=device-width'><title>Zaehler</title><p id=v>4711 Wh</p>"


@pytest.mark.postgresql
def test_postgresql_is_real_and_durable(postgresql_server: PostgresServer) -> None:
    ((version,),) = postgresql_server.execute("SELECT version()")
    assert str(version).startswith("PostgreSQL ")
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert postgresql_server.execute(f"SHOW {setting}") == [("on",)]


@pytest.mark.postgresql
def test_postgresql_databases_come_fresh_and_go(postgresql_server: PostgresServer) -> None:
    with postgresql_server.database() as name:
        postgresql_server.execute("CREATE TABLE reading (value bigint)", name)
        with postgresql_server.database() as other:
            assert other != name
            assert postgresql_server.execute("SELECT to_regclass('reading')", other) == [(None,)]
    known = postgresql_server.execute("SELECT datname FROM pg_database WHERE datname LIKE 'test_%'")
    assert (name,) not in known


@pytest.mark.postgresql
@pytest.mark.crash
def test_postgresql_goes_with_the_process_that_started_it(tmp_path: Path) -> None:
    """A killed test run leaves no server behind."""
    script = (
        "import signal, sys\n"
        "from tests.support.postgres import running_server\n"
        "with running_server() as server:\n"
        "    print(server.directory, server._process.pid, flush=True)\n"
        "    signal.pause()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    directory, server = process.stdout.readline().split()
    process.kill()
    process.wait(30)
    deadline = time.monotonic() + 30
    try:
        while Path(f"/proc/{server}").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not Path(f"/proc/{server}").exists()
    finally:
        if Path(f"/proc/{server}").exists():
            os.kill(int(server), signal.SIGKILL)
        subprocess.run(["rm", "-rf", directory], check=True)


def test_both_backends_answer_through_sqlalchemy(database_url: str) -> None:
    engine = sa.create_engine(database_url)
    try:
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE reading (value bigint)"))
            connection.execute(sa.text("INSERT INTO reading VALUES (:value)"), {"value": 2**40})
        with engine.connect() as connection:
            assert connection.execute(sa.text("SELECT value FROM reading")).scalar_one() == 2**40
    finally:
        engine.dispose()


@pytest.mark.browser
def test_browser_shows_a_page(browser: webdriver.Chrome) -> None:
    browser.get(PAGE)
    assert browser.title == "Zaehler"
    assert browser.find_element(By.ID, "v").text == "4711 Wh"
    assert browser.execute_script("return window.outerWidth") == DESKTOP[0]
    assert requested_urls(browser) == []
    assert console_errors(browser) == []


@pytest.mark.browser
def test_browser_tells_what_a_page_asked_for_and_complained_of(browser: webdriver.Chrome) -> None:
    browser.get("data:text/html,<img src='http://127.0.0.1:9/absent.png'>")
    assert requested_urls(browser) == ["http://127.0.0.1:9/absent.png"]
    assert console_errors(browser) != []


@pytest.mark.browser
def test_phone_is_as_wide_as_a_phone(phone: webdriver.Chrome) -> None:
    phone.get(PAGE)
    assert phone.execute_script("return [window.innerWidth, window.innerHeight]") == list(PHONE)
    assert phone.execute_script("return 'ontouchstart' in window") is True


@pytest.mark.parametrize(
    ("scale", "full", "now"),
    [(None, 200, 20), ("1.0", 200, 200), ("0.1", 3, 1), ("0.001", 5, 1), ("2", 7, 14), ("0.1", 70, 7)],
)
def test_counts_scale(monkeypatch: pytest.MonkeyPatch, scale: str | None, full: int, now: int) -> None:
    if scale is None:
        monkeypatch.delenv(SCALE_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(SCALE_VARIABLE, scale)
    assert scaled(full) == now


@pytest.mark.parametrize("scale", ["much", "0", "-1", "nan", "inf"])
def test_a_scale_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, scale: str) -> None:
    monkeypatch.setenv(SCALE_VARIABLE, scale)
    with pytest.raises(pytest.UsageError, match=SCALE_VARIABLE):
        scaled(10)


def test_a_campaign_reports_what_it_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(SCALE_VARIABLE, "0.5")
    part = tmp_path / "gw0.jsonl"
    campaign = Campaign("tests/test_x.py::test_y", part)
    assert campaign.count(200) == 100
    campaign.report("crash: sqlite", lost_entries=0, rate=123456.7)
    campaign.report("nothing counted")
    assert [json.loads(line) for line in part.read_text().splitlines()] == [
        {
            "test": "tests/test_x.py::test_y",
            "name": "crash: sqlite",
            "counts": [[100, 200]],
            "figures": {"lost entries": "0", "rate": "123,457"},
        },
        {"test": "tests/test_x.py::test_y", "name": "nothing counted", "counts": [], "figures": {}},
    ]


def test_the_report_names_what_failed_and_what_never_ended() -> None:
    parts = [
        Part(test="t::a", name="A | B", counts=[[1000, 1000]], figures={"lost": "0"}),
        Part(test="t::gone", name="Gone", counts=[], figures={}),
    ]
    results = {"t::a": Result("passed", 3.25), "t::b": Result("failed", 240.0)}
    page = render(parts, results, 1.0, datetime(2030, 1, 2, 3, 4, tzinfo=UTC))
    assert "2030-01-02 03:04 UTC · full counts · 2 tests: 1 failed, 1 passed" in page
    assert "| A \\| B | passed | 1,000 | 1,000 | lost 0 | 3.2 s |" in page
    assert "| t::b | failed |  |  |  | 4.0 min |" in page
    assert "| Gone | did not end |" in page


@pytest.mark.parametrize("workers", ["0", "2"])
def test_reports_of_all_workers_are_merged(tmp_path: Path, workers: str) -> None:
    """A session of its own, in this process and across workers: the page holds every line, and says what failed."""
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\nfrom tests.conftest import pytest_configure\n")
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT}\nmarkers =\n    campaign\n    postgresql\n")
    (tmp_path / "test_sample.py").write_text(
        "import pytest\n"
        "@pytest.mark.campaign\n"
        "@pytest.mark.parametrize('number', range(4))\n"
        "def test_sample(campaign, number):\n"
        "    campaign.report(f'sample {number}', tries=campaign.count(50))\n"
        "    assert number != 3\n"
        "def test_other():\n"
        "    pass\n"
        "def test_unmarked(campaign):\n"
        "    pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", workers, "--benchmark-disable"]
    environment = {**os.environ, SCALE_VARIABLE: "1", "PYTEST_ADDOPTS": ""}
    # Inside a worker of xdist the environment says so, and a session started from there would take itself for one.
    environment = {key: value for key, value in environment.items() if not key.startswith("PYTEST_XDIST")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "campaigns: 4 tests at scale 1, see reports/campaign.md" in done.stdout
    assert "carries @pytest.mark.campaign" in done.stdout
    page = (tmp_path / "reports" / "campaign.md").read_text()
    assert "full counts · 4 tests: 1 failed, 3 passed" in page
    for number in range(4):
        assert f"| sample {number} | {'failed' if number == 3 else 'passed'} | 50 | 50 | tries 50 |" in page


def test_hypothesis_says_the_same_twice_except_in_a_campaign() -> None:
    current = settings.default
    assert current is not None
    assert current.deadline is None
    assert current.derandomize is not bool(os.environ.get(SCALE_VARIABLE))
