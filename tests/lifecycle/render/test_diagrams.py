"""Mermaid and DOT: every state and every arrow, in words their readers understand."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from lifecycle.phases import PHASES, TRANSITIONS
from lifecycle.render.dot import dot
from lifecycle.render.mermaid import mermaid
from lifecycle.states import Category

ARROWS = [(source, way.to) for source, way in TRANSITIONS]


def test_mermaid() -> None:
    lines = [line.strip() for line in mermaid().splitlines()]
    assert lines[0] == "stateDiagram-v2"
    arrows = [match.groups() for line in lines if (match := re.fullmatch(r"(\w+) --> (\w+) : \d+ [A-Z, ]+", line))]
    assert arrows == ARROWS
    names = [match.groups() for line in lines if (match := re.fullmatch(r'state "(.+) \((\w+)\)" as \w+', line))]
    assert names == [(phase.german, state) for state, phase in PHASES.items()]
    assert "[*] --> DEVELOPMENT" in lines
    assert "HARDWARE_SCRAPPING --> [*]" in lines
    assert sum(line.startswith("classDef ") for line in lines) == len(Category)


def test_dot() -> None:
    text = dot()
    assert text.startswith("digraph lifecycle {\n")
    assert text.endswith("}\n")
    assert re.findall(r"^    (\w+) -> (\w+) \[", text, re.MULTILINE) == ARROWS
    nodes = re.findall(r'^    (\w+) \[label="(.+?)\\n', text, re.MULTILINE)
    assert nodes == [(state, phase.german) for state, phase in PHASES.items()]
    assert text.count("peripheries=2") == 1
    assert text.count("style=dashed") == text.count("style=bold") == 1
    for line in text.splitlines()[1:-1]:
        assert line.endswith(";")
        assert line.replace('\\"', "").count('"') % 2 == 0


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not on this machine")
def test_graphviz_draws_it() -> None:
    drawn = subprocess.run(["dot", "-Tsvg"], input=dot().encode(), capture_output=True, check=True)
    assert drawn.stdout.count(b'class="edge"') == len(ARROWS)
