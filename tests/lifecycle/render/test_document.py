"""The law as JSON: keys that stay, and references that lead somewhere."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lifecycle.evidence import TERMS
from lifecycle.facts import Fact
from lifecycle.faults import FAULTS
from lifecycle.phases import PHASES, TRANSITIONS
from lifecycle.render.document import as_json, document
from lifecycle.roles import Role
from lifecycle.states import State

LAW_AS_READ: dict[str, Any] = json.loads(as_json())

KEYS = {
    "states": {
        "id",
        "chapter",
        "name_de",
        "category",
        "place",
        "responsible",
        "optional",
        "functionality",
        "note",
        "grants",
    },
    "transitions": {"number", "event", "from", "to", "actors", "conditions", "recommended", "advice", "chapter"},
    "conditions": {"id", "text", "chapter", "all_of", "any_of", "none_of"},
    "facts": {"id", "text", "name_de", "chapter", "attested_by", "recordable_in", "after", "never_after", "shuts"},
    "faults": {
        "name",
        "name_de",
        "leads_to",
        "affects",
        "shuts",
        "per_subject",
        "reported_by",
        "cleared_by",
        "clearing",
        "source",
    },
    "roles": {"id", "name_de", "chapter", "nature", "responsible", "acts_for", "credentials"},
}


def test_keys() -> None:
    assert set(LAW_AS_READ) == set(KEYS)
    for part, keys in KEYS.items():
        assert all(set(entry) == keys for entry in LAW_AS_READ[part]), part
    grants = [grant for state in LAW_AS_READ["states"] for grant in state["grants"]]
    assert all(set(grant) == {"role", "interface", "function", "credential"} for grant in grants)


def test_reading_it_gives_what_was_written() -> None:
    assert json.loads(json.dumps(document())) == LAW_AS_READ


def test_order_and_number() -> None:
    assert [state["id"] for state in LAW_AS_READ["states"]] == list(State)
    assert [transition["number"] for transition in LAW_AS_READ["transitions"]] == list(range(1, 29))
    assert [fact["id"] for fact in LAW_AS_READ["facts"]] == list(Fact)
    assert [fault["name"] for fault in LAW_AS_READ["faults"]] == list(FAULTS)
    assert [role["id"] for role in LAW_AS_READ["roles"]] == list(Role)


def test_states_say_what_the_phases_say() -> None:
    by_id = {state["id"]: state for state in LAW_AS_READ["states"]}
    for state, phase in PHASES.items():
        entry = by_id[state]
        assert (entry["chapter"], entry["name_de"], entry["category"]) == (phase.chapter, phase.german, phase.category)
        assert [tuple(grant.values()) for grant in entry["grants"]] == list(phase.grants)
    assert by_id["OUTAGE"]["responsible"] is None
    assert by_id["DEVELOPMENT"]["place"] is None
    assert by_id["PRODUCTION"]["category"] is None
    assert by_id["SM_DESTRUCTION"]["place"] == "recycling"
    assert by_id["FIRST_INSTALLATION"]["optional"] == ["ERSTKONFIGURATOR"]


def test_transitions_say_what_the_ways_out_say() -> None:
    for entry, (source, way) in zip(LAW_AS_READ["transitions"], TRANSITIONS, strict=True):
        assert (entry["from"], entry["to"], entry["event"]) == (source, way.to, way.event)
        assert entry["actors"] == list(way.actors)


@pytest.mark.parametrize("part", ["conditions", "recommended"])
def test_conditions_that_are_referred_to_are_there(part: str) -> None:
    there = {condition["id"]: condition for condition in LAW_AS_READ["conditions"]}
    assert len(there) == len(LAW_AS_READ["conditions"])
    assert {name for transition in LAW_AS_READ["transitions"] for name in transition[part]} <= set(there)
    for condition in there.values():
        assert {*condition["all_of"], *condition["any_of"], *condition["none_of"]} <= set(TERMS)
