"""What all forms of the law have in common: complete, and the same for the same law."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lifecycle.law import LAW
from lifecycle.phases import PHASES, TRANSITIONS
from lifecycle.render import FORMATS
from lifecycle.states import State

ROOT = Path(__file__).resolve().parents[3]

PRINT_ALL = """
import sys
from lifecycle.law import LAW
from lifecycle.render import FORMATS
for name, form in FORMATS.items():
    sys.stdout.write(form(LAW))
"""


@pytest.mark.parametrize("name", FORMATS)
def test_every_state_and_every_way_is_in_it(name: str) -> None:
    text = FORMATS[name](LAW)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert all(state in text for state in State)
    if name not in {"table", "svg", "mermaid", "dot"}:
        assert all(way.event in text for _, way in TRANSITIONS)


@pytest.mark.parametrize("name", ["table", "markdown", "json", "mermaid", "dot", "svg"])
def test_german_names_are_in_what_people_read(name: str) -> None:
    text = FORMATS[name](LAW)
    assert all(phase.german in text for phase in PHASES.values())


def test_forms_are_the_same_in_every_process() -> None:
    """Whatever order the interpreter gives to sets."""

    def printed(seed: str) -> bytes:
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"}
        finished = subprocess.run(
            [sys.executable, "-c", PRINT_ALL], cwd=ROOT, env=environment, capture_output=True, check=True
        )
        return finished.stdout

    assert printed("1") == printed("2")


@pytest.mark.parametrize(("page", "form"), [("phases.md", "markdown"), ("phases.svg", "svg")])
def test_the_pages_in_docs_say_what_the_law_says(page: str, form: str) -> None:
    """If this fails, `make docs` writes them anew."""
    assert (ROOT / "docs" / page).read_text(encoding="utf-8") == FORMATS[form](LAW)
