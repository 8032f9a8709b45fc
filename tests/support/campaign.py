"""Campaigns: tests whose worth lies in how often they try, and the report that says how often they did.

A test carries ``@pytest.mark.campaign``, asks ``campaign.count(full)`` how often to try, and says with
``campaign.report(name, figure=value)`` what came of it. ``make test`` runs a tenth of each count, ``make campaign`` all
of it; ``SMGW_CAMPAIGN_SCALE`` says it in figures.

Hypothesis refuses a fixture of a single test beside ``@given``. Such a test keeps the property inside::

    @pytest.mark.campaign
    def test_damage(campaign: Campaign) -> None:
        tries = campaign.count(10_000)

        @settings(max_examples=tries)
        @given(st.binary())
        def damaged_bytes(data: bytes) -> None: ...

        damaged_bytes()
        campaign.report("SML: damaged captures", inputs=tries)
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

import pytest

SCALE_VARIABLE = "SMGW_CAMPAIGN_SCALE"
DEFAULT_SCALE = 0.1
DIRECTORY_KEY = "smgw_campaign_directory"


def scale() -> float:
    """The share of each full count that this run tries."""
    text = os.environ.get(SCALE_VARIABLE, "").strip()
    if not text:
        return DEFAULT_SCALE
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise pytest.UsageError(f"{SCALE_VARIABLE}={text!r}: expected a number above 0, such as 0.1 or 1")
    return value


def scaled(full: int) -> int:
    """How often to try now what a full campaign tries ``full`` times; at least once."""
    return max(1, round(full * scale()))


class Part(TypedDict):
    """One line of the report, as a worker hands it to the process that writes the report."""

    test: str
    name: str
    counts: list[list[int]]
    figures: dict[str, str]


def _figure(value: object) -> str:
    """A figure as a person reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)


@dataclass
class Campaign:
    """What one test asks and tells."""

    test: str
    part: Path
    _counts: list[list[int]] = field(default_factory=list)

    def count(self, full: int) -> int:
        """How often to try now what the full campaign tries ``full`` times; at least once."""
        now = scaled(full)
        self._counts.append([now, full])
        return now

    def report(self, name: str, **figures: object) -> None:
        """Put a line into the report: a name, the counts asked for since the last line, and these figures."""
        entry = Part(
            test=self.test,
            name=name,
            counts=self._counts,
            figures={key.replace("_", " "): _figure(value) for key, value in figures.items()},
        )
        self._counts = []
        # At once and appended: what was reported stays, should the process be killed by what it tests.
        with self.part.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")


@dataclass
class Result:
    """What became of one campaign test."""

    outcome: str = "passed"
    seconds: float = 0.0


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def render(parts: Sequence[Part], results: Mapping[str, Result], share: float, when: datetime) -> str:
    """The report as a Markdown page: a verdict, a line a campaign, and which tests they were."""
    outcomes = Counter(result.outcome for result in results.values())
    verdict = ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items()))
    of_full = "full counts" if share == 1 else f"{share:g} of the full counts"
    lines = [
        "# Campaigns",
        "",
        f"{when:%Y-%m-%d %H:%M} UTC · {of_full} · {len(results)} tests: {verdict}",
        "",
        "| Campaign | Result | Tried | Full | Figures | Time of its test |",
        "|---|---|--:|--:|---|--:|",
    ]
    said: dict[str, list[Part]] = {}
    for part in parts:
        said.setdefault(part["test"], []).append(part)
    for test in sorted({*results, *said}):
        # A test that was reported by nobody ended with its worker.
        result = results.get(test, Result("did not end"))
        # One that broke off before its first line still gets one.
        for part in said.get(test, [Part(test=test, name=test, counts=[], figures={})]):
            cells = [
                part["name"],
                result.outcome,
                " + ".join(f"{now:,}" for now, _ in part["counts"]),
                " + ".join(f"{full:,}" for _, full in part["counts"]),
                ", ".join(f"{key} {value}" for key, value in part["figures"].items()),
                _duration(result.seconds),
            ]
            lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    lines += ["", "Tests:", ""]
    lines += [f"- `{test}`" for test in sorted({*results, *said})]
    return "\n".join(lines) + "\n"


class CampaignPlugin:
    """Gathers what campaigns report, across workers, and writes the page when the session ends."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        worker: dict[str, Any] | None = getattr(config, "workerinput", None)
        self._worker = worker
        self._scale = scale()
        # Only the process that writes the report owns the folder; under xdist it tells the workers where it is.
        self._owned = tempfile.TemporaryDirectory(prefix="smgw-campaign-") if worker is None else None
        self._directory = Path(self._owned.name if self._owned is not None else str((worker or {})[DIRECTORY_KEY]))
        self._results: dict[str, Result] = {}
        self._written: Path | None = None

    @property
    def part(self) -> Path:
        """The file this process reports into."""
        name = "main" if self._worker is None else str(self._worker["workerid"])
        return self._directory / f"{name}.jsonl"

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker of xdist where to report."""
        node.workerinput[DIRECTORY_KEY] = str(self._directory)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what became of each campaign test; under xdist the workers' results arrive here too."""
        if self._worker is not None or "campaign" not in report.keywords:
            return
        result = self._results.setdefault(report.nodeid, Result())
        result.seconds += report.duration
        if report.outcome != "passed":
            result.outcome = report.outcome

    def pytest_sessionfinish(self) -> None:
        """Write the page. A part of a campaign does not write over the page of a whole one."""
        if self._owned is None or not self._results:
            return
        parts: list[Part] = [
            json.loads(line)
            for file in sorted(self._directory.glob("*.jsonl"))
            for line in file.read_text(encoding="utf-8").splitlines()
        ]
        name = "campaign.md" if self._scale >= 1 else "campaign-sample.md"
        self._written = self._config.rootpath / "reports" / name
        self._written.parent.mkdir(exist_ok=True)
        self._written.write_text(render(parts, self._results, self._scale, datetime.now(UTC)), encoding="utf-8")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where the page is."""
        if self._written is not None:
            path = self._written.relative_to(self._config.rootpath)
            terminalreporter.write_line(f"campaigns: {len(self._results)} tests at scale {self._scale:g}, see {path}")

    def pytest_unconfigure(self) -> None:
        """Remove the parts."""
        if self._owned is not None:
            self._owned.cleanup()


@pytest.fixture
def campaign(request: pytest.FixtureRequest) -> Campaign:
    """How often to try, and where to say what came of it."""
    if request.node.get_closest_marker("campaign") is None:
        pytest.fail("a test that uses 'campaign' carries @pytest.mark.campaign, or make campaign leaves it out")
    plugin = request.config.pluginmanager.get_plugin("smgw-campaign")
    assert isinstance(plugin, CampaignPlugin)
    return Campaign(request.node.nodeid, plugin.part)
