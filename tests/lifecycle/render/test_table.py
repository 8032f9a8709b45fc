"""The law in the terminal."""

from __future__ import annotations

from lifecycle.phases import PHASES, TRANSITIONS
from lifecycle.render.table import as_table, columns
from lifecycle.render.words import openings


def test_columns_are_aligned_and_the_last_is_wrapped() -> None:
    text = columns(("a", "last"), [("1", "x" * 30 + " " + "y" * 60), ("22222", "z"), ("3", "")])
    lines = text.splitlines()
    assert lines[0] == "a      last"
    assert lines[1] == "─────  " + "─" * 60
    assert lines[2] == "1      " + "x" * 30
    assert lines[3] == "       " + "y" * 60
    assert lines[4] == "22222  z"
    assert lines[5] == "3"


def test_everything_is_in_it() -> None:
    states, transitions, gate = as_table().split("\n\n")[1::2]
    assert [line.split()[1] for line in states.splitlines()[2:]] == list(PHASES)
    numbered = [line for line in transitions.splitlines()[2:] if not line.startswith(" ")]
    assert [line.split()[:3] for line in numbered] == [[str(way.number), source, way.to] for source, way in TRANSITIONS]
    assert max(map(len, as_table().splitlines())) < 200
    assert {line.split()[0] for line in gate.splitlines()[2:] if not line.startswith(" ")} == {
        phase.state for phase in PHASES.values() if phase.grants
    }


def test_openings_gather_grants_and_lose_none() -> None:
    for phase in PHASES.values():
        again = {
            (opening.role, opening.interface, function, credential)
            for opening in openings(phase.grants)
            for function in opening.functions
            for credential in opening.credentials
        }
        assert again == {tuple(grant) for grant in phase.grants}
