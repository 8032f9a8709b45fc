"""The table at the end of ``make bench``.

A benchmark puts three things into ``benchmark.extra_info``: ``ratio`` (what was measured against what stands beside
it), ``limit`` (what it is held to, with its sense: ``"<= 3"``), and ``meets`` (whether it is). Anything else found
there is shown beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.support.pcsc import _pcsc_adapter, pcsc_daemon, plug_in
from tests.support.postgres import database_url, postgresql_server, postgresql_url

__all__ = ["_pcsc_adapter", "database_url", "pcsc_daemon", "plug_in", "postgresql_server", "postgresql_url"]

COLUMNS = ("benchmark", "ratio", "limit", "meets", "more")
FIGURES = pytest.StashKey[dict[str, dict[str, object]]]()


def pytest_configure(config: pytest.Config) -> None:
    """Make room for the figures."""
    config.stash[FIGURES] = {}


@pytest.fixture(autouse=True)
def keep_figures(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep what each benchmark has put into ``extra_info``, also where it then failed its own limit."""
    if "benchmark" not in request.fixturenames:
        yield
        return
    benchmark = request.getfixturevalue("benchmark")
    assert isinstance(benchmark, BenchmarkFixture)
    yield
    request.config.stash[FIGURES][request.node.name] = dict(benchmark.extra_info)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else str(value)


def _rows(figures: Mapping[str, Mapping[str, object]]) -> list[tuple[str, ...]]:
    rows = []
    for name, info in sorted(figures.items()):
        more = ", ".join(f"{key} {_text(value)}" for key, value in info.items() if key not in COLUMNS)
        rows.append((name, *(_text(info.get(column)) for column in COLUMNS[1:4]), more))
    return rows


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the ratios and leave them in ``reports/bench.md``."""
    figures = config.stash[FIGURES]
    rows = _rows(figures)
    if not rows:
        return
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    terminalreporter.section("ratios")
    for row in (COLUMNS, *rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        terminalreporter.write_line(line.rstrip(), red="NO" in row[3:4])
    path: Path = config.rootpath / "reports" / "bench.md"
    path.parent.mkdir(exist_ok=True)
    page = [
        "# Benchmarks",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · each ratio was taken in one run, on one machine",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|---|--:|--:|---|---|",
    ]
    page += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    path.write_text("\n".join(page) + "\n", encoding="utf-8")
    terminalreporter.write_line("see reports/bench.md")
