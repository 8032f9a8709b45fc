"""The command line as its user meets it: real commands in one process, a home folder of the test's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from smgw.cli import main

Run = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of its own, set in the environment."""
    where = tmp_path / "home"
    monkeypatch.setenv("SMGW_HOME", str(where))
    monkeypatch.delenv("SMGW_DATABASE", raising=False)
    return where


@pytest.fixture
def smgw(home: Path) -> Run:
    """Runs ``smgw`` with some words; the exit code has to be the one expected."""

    def run(*words: object, exit_code: int = 0, stdin: bytes | None = None) -> Result:
        result = CliRunner().invoke(main, [str(word) for word in words], input=stdin)
        assert result.exit_code == exit_code, (result.output, result.exception)
        return result

    return run


def json_lines(result: Result) -> list[dict[str, Any]]:
    """What a command printed with --json, a value a line."""
    return [json.loads(line) for line in result.stdout.splitlines()]
