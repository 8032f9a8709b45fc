"""The page for people."""

from __future__ import annotations

from pathlib import Path

from lifecycle.facts import Fact
from lifecycle.faults import FAULTS
from lifecycle.phases import PHASES, TRANSITIONS
from lifecycle.render.markdown import DRAWING, markdown
from lifecycle.roles import Role
from lifecycle.states import Category, State

PAGE = markdown()
SECTIONS = {section.splitlines()[0]: section for section in PAGE.split("\n## ")}


def rows(section: str) -> list[list[str]]:
    """The rows of the table of a section, without its head."""
    table = [line for line in SECTIONS[section].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[2:]]


def test_the_first_paragraph_says_why_nineteen_phases_are_twenty_states() -> None:
    heading, _, first, *_ = PAGE.split("\n")
    assert heading.startswith("# ")
    assert "nineteen phases" in first
    assert "twenty states" in first
    assert "*Vorpersonalisierung I* (ch. 4)" in first
    assert "Integrator-PIN" in first


def test_it_says_how_it_is_made_and_shows_the_drawing_beside_it() -> None:
    assert "`smgw phases --format markdown`" in PAGE
    assert f"]({DRAWING})" in PAGE
    assert (Path(__file__).resolve().parents[3] / "docs" / DRAWING).is_file()
    assert "```mermaid\nstateDiagram-v2\n" in PAGE


def test_tables_are_complete_and_square() -> None:
    assert [row[1].strip("`") for row in rows("States")] == list(State)
    assert [int(row[0]) for row in rows("Transitions")] == [way.number for _, way in TRANSITIONS]
    assert [row[0].strip("`") for row in rows("Facts")] == list(Fact)
    assert [row[0].strip("`") for row in rows("Faults")] == list(FAULTS)
    assert [row[0] for row in rows("Roles and participants")] == list(Role)
    assert [row[0] for row in rows("Categories (Table 1.1)")] == list(Category)
    for name, section in SECTIONS.items():
        widths = {line.count(" | ") for line in section.splitlines() if line.startswith("| ")}
        assert len(widths) <= 1, name


def test_the_gate_of_every_state_is_on_it() -> None:
    section = SECTIONS["The gate: what is on, for whom, through what"]
    assert all(f"`{state}`" in section for state in PHASES)
    shown = {(row[0].strip("`"), row[1], row[2]) for row in rows("The gate: what is on, for whom, through what")}
    assert shown == {(phase.state, grant.role, grant.interface) for phase in PHASES.values() for grant in phase.grants}


def test_conditions_stand_there_in_words() -> None:
    text = SECTIONS["Transitions"]
    for _, way in TRANSITIONS:
        assert all(condition.text in text for condition in (*way.conditions, *way.recommended))
    assert "not recommended" in text


def test_settled_questions_are_noted() -> None:
    section = next(text for name, text in SECTIONS.items() if name.startswith("Notes"))
    assert all(phase.note in section for phase in PHASES.values())
    assert "Special cases" in section
