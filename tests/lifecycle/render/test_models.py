"""The models for Spin and TLC as texts; that they are right is the model checkers' business."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lifecycle.evidence import TERMS
from lifecycle.facts import Fact
from lifecycle.phases import TRANSITIONS
from lifecycle.render.promela import claim_names, promela
from lifecycle.render.tla import INVARIANTS, TEMPORAL, configuration_for, configurations_of, module, tla
from lifecycle.states import State
from tests.lifecycle.laws import with_phase, with_way


def test_promela_has_every_term_transition_fact_and_claim() -> None:
    text = promela()
    assert re.findall(r"^bool ([A-Z_]+)$", text, re.MULTILINE) == list(TERMS)
    numbered = re.findall(r"/\* (\d+): ([A-Z_0-9]+) \*/\n    :: atomic \{ \(state == (\w+).* state = (\w+) \}", text)
    assert numbered == [(str(way.number), way.event, source, way.to) for source, way in TRANSITIONS]
    assert set(re.findall(r"-> ([A-Z_]+) = true \}", text)) == set(TERMS)
    claims = re.findall(r"^ltl (\w+) \{", text, re.MULTILINE)
    assert sorted(claims) == sorted(name for names in claim_names().values() for name in names)
    assert list(claim_names()) == ["P1", "P2", "P3", "P4", "P5"]
    assert text.count("{") == text.count("}")


@pytest.mark.skipif(shutil.which("spin") is None, reason="Spin is not on this machine")
def test_spin_reads_the_model(tmp_path: Path) -> None:
    (tmp_path / "life.pml").write_text(promela(), encoding="utf-8")
    read = subprocess.run(["spin", "-a", "life.pml"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "error" not in read.stdout.lower()
    assert (tmp_path / "pan.c").stat().st_size > 0


def test_tla_has_every_transition_fact_and_claim() -> None:
    text = module()
    assert text.startswith("---- MODULE Lifecycle ----\n")
    assert text.endswith("\n====\n")
    names = [f"T{way.number:02}_{way.event}" for _, way in TRANSITIONS] + [f"Attest_{fact}" for fact in Fact]
    for name in names:
        assert re.search(rf"^{name} == ", text, re.MULTILINE)
        assert f"\n    \\/ {name}\n" in text
    for claim in (*INVARIANTS, *TEMPORAL, *(f"NotReached_{state}" for state in State)):
        assert re.search(rf"^{claim} == ", text, re.MULTILINE)


def test_tla_carries_its_configurations_after_its_end() -> None:
    after = tla().split("\n====\n")[1]
    for configuration in configurations_of().values():
        assert configuration in after
    assert configurations_of()["standings"].count("INVARIANT NotReached_") == len(State)
    assert configuration_for("P2") == "SPECIFICATION Spec\nINVARIANT P2\n"
    assert configuration_for("P1_end") == "SPECIFICATION Spec\nPROPERTY P1_end\n"


def test_models_follow_the_law() -> None:
    law = with_way(12, conditions=())
    assert "(state == PERSONALISATION) ->" in promela(law)
    assert 'T12_BEGIN_OPERATION == state = "PERSONALISATION" /\\ Enter("OPERATION")' in module(law)
    for state in (State.PREPERSONALISATION_2, State.FIRST_INSTALLATION):
        without = with_phase(state, grants=())
        assert promela(without).count(state) < promela().count(state)
        assert module(without).count(state) < module().count(state)


def test_a_way_that_nobody_may_take_is_not_in_the_models() -> None:
    law = with_way(28, actors=())
    assert "/* 28:" not in promela(law)
    assert "T28_" not in module(law)
