"""The phases against two readings that know nothing of them: the design's tables, and the Anlage's own contents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lifecycle.phases import PHASES, TRANSITIONS
from lifecycle.phases.model import Advice
from lifecycle.roles import PARTICIPANTS, ROLES, Role
from lifecycle.states import Category, Event, State
from tests.shared_data import shared_data

NOTHING = {"-": None, "N/A": None}

CONDITIONS = {
    "development is declared complete": {"development-complete"},
    "module initialised from its initialisation file": {"module-initialised"},
    "SM-PKI root certificate, preliminary key pairs and the seal certificates (Gütesiegel: TLS, SIG, ENC) are in the "
    "module": {"root-and-seal-certificates"},
    "module integrated; no seal certificates yet": {"module-integrated", "no-seal-certificates-yet"},
    "module integrated; root and seal certificates in the module": {"module-integrated", "root-and-seal-certificates"},
    "root and seal certificates in the module": {"root-and-seal-certificates"},
    "initial configuration file imported: GWA certificate chain and file signature verified by the module, GWA public "
    "keys in the module, GWA communication data enabled": {"initial-configuration"},
    "GWH has handed over, MSB has taken over": {"handed-over-to-msb"},
    "MSB has handed over; place is the field": {"handed-over-to-monteur", "place-is-field"},
    "mounted; communication parameters set where the site needs them; local interface off": {
        "mounted",
        "communication-parameters",
        "local-interface-off",
    },
    "operational certificates (Wirkzertifikate: TLS, SIG, ENC) in the module": {"operational-certificates"},
    "a fault that administration can clear (a broken connection is one)": {"clearable-fault-open"},
    "no open fault": {"no-open-fault"},
    "a fault that cannot be cleared, metering affected": {"irreversible-fault-open"},
    "security breach, or functionless": {"breach-or-functionless"},
    "GWA had every certificate of the gateway revoked; module terminated is *recommended* (recorded either way)": {
        "certificates-revoked"
    },
    "every certificate revoked; *not recommended*, and recorded so": {"certificates-revoked"},
    "the recommended way out of OUTAGE": set(),
    "removal reported complete": {"removal-complete"},
    "MSB has handed over": {"handed-over-to-recycler"},
    "module physically destroyed": {"module-destroyed"},
}
"""What the design's words for a condition mean, by the ids of our conditions."""


def design() -> str:
    """The design page on the lifecycle."""
    return (shared_data() / "design" / "lifecycle.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The rows of the first table under a heading of the design page."""
    section = design().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("|")]
    return [
        [cell.strip().replace("**", "").replace("*not*", "not") for cell in line.strip("|").split("|")]
        for line in table[2:]
    ]


def contents() -> dict[int, str]:
    """The chapters of the Anlage by their numbers, from its table of contents."""
    for page in sorted(Path(shared_data() / "seeds").glob("*.txt")):
        text = page.read_text(encoding="utf-8")
        if "Anlage VIII: Lebenszyklus" in text[:400]:
            listed = text.split("Inhaltsverzeichnis")[1].split("Abkürzungsverzeichnis")[0]
            found = re.findall(r"^(\d+)\.\t(.+?)(?: \d+)?$", listed, re.MULTILINE)
            return {int(number): name.strip() for number, name in found}
    pytest.skip("the Anlage is not among the shared data")


def test_states_are_those_of_the_design_in_its_order() -> None:
    table = rows("Twenty states")
    assert [row[1] for row in table] == list(State)
    for _, state, chapter, german, category, place, responsible, optional, functionality in table:
        phase = PHASES[State(state)]
        found = (str(phase.chapter), phase.german, phase.category, phase.place)
        assert found == (chapter, german, NOTHING.get(category, category), NOTHING.get(place, place)), state
        assert phase.responsible == (NOTHING[responsible] if responsible in NOTHING else Role(responsible.upper()))
        assert phase.optional == (() if optional == "-" else (Role(optional.upper()),))
        assert phase.functionality == functionality, state


def test_transitions_are_those_of_the_design() -> None:
    table = rows("Twenty-eight transitions")
    assert [int(row[0]) for row in table] == [way.number for _, way in TRANSITIONS]
    meaning = dict(CONDITIONS)
    for (source, way), (number, from_to, acts, condition) in zip(TRANSITIONS, table, strict=True):
        same_as = re.fullmatch(r"as (\d+)", condition)
        words = table[int(same_as[1]) - 1][3] if same_as else condition
        assert f"{source} → {way.to}" == from_to, number
        assert list(way.actors) == [Role(name.strip().upper()) for name in acts.split(",")], number
        assert {held.id for held in way.conditions} == meaning[words], number
        assert [held.id for held in way.recommended] == (["module-terminated"] if "is *recommended*" in words else [])
        advice = Advice.NEUTRAL
        if "not recommended" in words:
            advice = Advice.NOT_RECOMMENDED
        elif words.startswith("the recommended way"):
            advice = Advice.RECOMMENDED
        assert way.advice is advice, number


def test_phases_are_the_chapters_of_the_anlage() -> None:
    chapters = {number: name for number, name in contents().items() if number > 1}
    assert {phase.chapter: phase.german for phase in PHASES.values()} == chapters
    assert len(chapters) == 19
    assert [state for state, phase in PHASES.items() if phase.chapter == 4] == [
        State.PREPERSONALISATION_1_SEPARATE,
        State.PREPERSONALISATION_1_ASSEMBLED,
    ]


def test_phases_are_total_over_the_states_and_in_their_order() -> None:
    assert list(PHASES) == list(State)
    assert all(phase.state is state for state, phase in PHASES.items())


def test_an_event_and_a_state_name_at_most_one_transition() -> None:
    pairs = [(source, way.event) for source, way in TRANSITIONS]
    assert len(set(pairs)) == len(pairs)
    assert {way.event for _, way in TRANSITIONS} == set(Event)


def test_only_responsible_roles_are_set_in_phases() -> None:
    for phase in PHASES.values():
        for role in (*phase.optional, *([phase.responsible] if phase.responsible else [])):
            assert ROLES[role].responsible


def test_no_participant_moves_a_gateway() -> None:
    assert not {role for _, way in TRANSITIONS for role in way.actors} & PARTICIPANTS


def test_categories_are_those_of_table_1_1() -> None:
    members = {
        category: {phase.chapter for phase in PHASES.values() if phase.category is category} for category in Category
    }
    assert members == {
        Category.PREPERSONALISATION_AND_INTEGRATION: {4, 5, 6},
        Category.DELIVERY: {7, 8, 13, 19},
        Category.FAULT: {15, 16, 17},
        Category.REMOVAL: {12, 18},
        Category.SCRAPPING: {14, 20},
    }
    assert {phase.chapter for phase in PHASES.values() if phase.category is None} == {2, 3, 9, 10, 11}


@pytest.mark.parametrize("state", State)
def test_chapters_cited_by_a_way_out_are_those_it_joins(state: State) -> None:
    """A transition is spoken of in the phase that it leaves or the one that it enters, nowhere else."""
    for way in PHASES[state].exits:
        cited = {int(number) for number in re.findall(r"\d+", way.chapter)}
        assert cited <= {PHASES[state].chapter, PHASES[way.to].chapter}
