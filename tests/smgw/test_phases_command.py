"""``smgw phases``: every form, and where it goes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from lifecycle.law import LAW
from lifecycle.render import FORMATS
from lifecycle.states import State
from smgw.commands import phases


def run(*words: str) -> str:
    result = CliRunner().invoke(phases.command, list(words), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_the_command_knows_every_form() -> None:
    assert set(phases.FORMATS) == set(FORMATS)


@pytest.mark.parametrize("form", FORMATS)
def test_each_form_is_printed_as_it_is(form: str) -> None:
    assert run("--format", form) == FORMATS[form](LAW)


def test_without_a_form_it_is_a_table() -> None:
    assert run() == FORMATS["table"](LAW)


def test_json_is_a_form_and_an_option() -> None:
    assert run("--json") == run("--format", "json")
    assert [state["id"] for state in json.loads(run("--json"))["states"]] == list(State)


def test_output_goes_into_a_file(tmp_path: Path) -> None:
    file = tmp_path / "life.svg"
    assert run("--format", "svg", "--output", str(file)) == ""
    assert file.read_text(encoding="utf-8") == FORMATS["svg"](LAW)


def test_a_form_that_there_is_not_is_refused() -> None:
    result = CliRunner().invoke(phases.command, ["--format", "pdf"])
    assert result.exit_code == 2
    assert "pdf" in result.stderr
