"""``smgw prove``: what it prints, what it returns, and where it stops."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

import lifecycle.proof
from lifecycle.claims import CLAIMS
from lifecycle.law import Law
from lifecycle.proof import Space, spin, tlc
from lifecycle.proof.opinions import Opinion, Progress, ToolFailed, ToolMissing, Verdict
from smgw.commands.prove import command
from tests.lifecycle.laws import ask_few, few_faults, with_way

KEYS = {"id", "claim", "holds", "cases", "stands_for", "seconds", "counter_example"}
SOUND = Space(few_faults())


def run(*words: str, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(command, list(words))
    assert result.exit_code == exit_code, (result.output, result.exception)
    return result


def told(*words: str, exit_code: int = 0) -> dict[str, Any]:
    found = json.loads(run(*words, "--json", exit_code=exit_code).stdout)
    assert isinstance(found, dict)
    return found


def prove(monkeypatch: pytest.MonkeyPatch, law: Law | None = None) -> None:
    """Let the command prove another law, and more quickly: the same with few faults, or a broken one."""
    ask_few(monkeypatch, few_faults())
    monkeypatch.setattr(lifecycle.proof, "Space", lambda: SOUND if law is None else Space(law))


def test_json(monkeypatch: pytest.MonkeyPatch) -> None:
    prove(monkeypatch)
    found = told()
    assert set(found) == {"ok", "seconds", "enumerated", "lemmas", "properties", "opinions"}
    assert found["ok"] is True
    assert [proven["id"] for proven in found["properties"]] == list(CLAIMS)
    for proven in (*found["lemmas"], *found["properties"]):
        assert set(proven) == KEYS
        assert proven["holds"] is True
        assert proven["counter_example"] is None
        assert proven["cases"] > 0
    assert [part["what"] for part in found["enumerated"]] == ["decisions", "standings", "gates"]
    assert found["enumerated"][0]["stands_for"].endswith("× 2^30 evidence")


def test_a_table_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    prove(monkeypatch)
    text = run("--only", "P2", "--only", "P5").stdout
    lines = text.splitlines()
    assert lines[0].startswith("20 states, 28 transitions, 27 facts, 3 faults.")
    assert any(line.startswith("  decisions ") and line.endswith("× 2^30 evidence") for line in lines)
    rows = [line.split()[:2] for line in lines if line[2:3] in {"L", "P"}]
    assert rows == [["L1", "holds"], ["L2", "holds"], ["P2", "holds"], ["P5", "holds"]]
    assert lines[-1].startswith("Everything holds: ")


def test_the_first_failure_ends_it_with_the_shortest_path(monkeypatch: pytest.MonkeyPatch) -> None:
    prove(monkeypatch, with_way(12, conditions=()))
    found = told("--only", "P1", "--only", "P3", "--only", "P5", exit_code=1)
    assert found["ok"] is False
    assert [proven["id"] for proven in found["properties"]] == ["P1", "P3"]
    example = found["properties"][-1]["counter_example"]
    assert example["state"] == "OPERATION"
    assert "OPERATIONAL_CERTIFICATES_IN_MODULE" not in example["facts"]
    assert example["path"][0] == "recording DEVELOPMENT_COMPLETE by GWH"
    assert example["path"][-1] == "BEGIN_OPERATION by GWA"
    text = run("--only", "P3", exit_code=1).stdout
    assert "P3   FAILS" in text
    assert "   1. recording DEVELOPMENT_COMPLETE by GWH\n" in text
    assert f"  {len(example['path'])}. BEGIN_OPERATION by GWA\n" in text
    assert text.endswith("Does not hold: P3.\n")


def asked(opinion: Opinion) -> object:
    """A model checker that says what it is told to."""

    def ask(progress: Progress) -> Opinion:
        progress("asking")
        return opinion

    return ask


AGREES = Opinion("Oracle 1", (Verdict("P1", True, 7, ("a", "b"), ()),), SOUND.lives.told_apart)


def test_a_second_opinion_that_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    prove(monkeypatch)
    monkeypatch.setattr(spin, "programs", lambda: ("spin", "cc"))
    monkeypatch.setattr(spin, "ask_spin", asked(AGREES))
    found = told("--only", "P5", "--with", "spin")
    (opinion,) = found["opinions"]
    assert opinion["tool"] == "Oracle 1"
    assert opinion["properties"] == [{"id": "P1", "holds": True, "states": 7, "claims": 2, "broken": []}]
    text = run("--only", "P5", "--with", "spin").stdout
    assert "P1   holds            7 states   2 claims" in text
    assert "as the proof found" in text
    assert text.endswith("and Oracle 1 agrees.\n")


@pytest.mark.parametrize(
    ("opinion", "said"),
    [
        (Opinion("Oracle 1", (Verdict("P1", False, 7, ("a",), ("a",)),)), "Does not hold: P1 by Oracle 1."),
        (Opinion("Oracle 1", AGREES.verdicts, 1), "1 pairs of state and evidence can be reached; the proof found"),
    ],
    ids=["another verdict", "other standings"],
)
def test_a_second_opinion_that_does_not_agree(opinion: Opinion, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prove(monkeypatch)
    monkeypatch.setattr(tlc, "programs", lambda: ("java", "jar"))
    monkeypatch.setattr(tlc, "ask_tlc", asked(opinion))
    assert said in run("--only", "P5", "--with", "tlc", exit_code=1).stdout
    assert told("--only", "P5", "--with", "tlc", exit_code=1)["ok"] is False


def test_a_missing_tool_is_said_before_the_work_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ToolMissing("install it")

    monkeypatch.setattr(lifecycle.proof, "Space", None)
    for module, name in ((spin, "spin"), (tlc, "tlc")):
        monkeypatch.setattr(module, "programs", missing)
        assert "Error: install it" in run("--with", name, exit_code=2).stderr


def test_a_tool_that_fails_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(_: Progress) -> Opinion:
        raise ToolFailed("it printed last: nonsense")

    prove(monkeypatch)
    monkeypatch.setattr(spin, "programs", lambda: ("spin", "cc"))
    monkeypatch.setattr(spin, "ask_spin", ask)
    assert "nonsense" in run("--only", "P5", "--with", "spin", exit_code=2).stderr
