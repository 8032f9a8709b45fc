"""Modules in every state of their lives, made once and copied."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from securitymodule.card.module import SoftwareModule
from securitymodule.coding import ModuleState
from tests.securitymodule.card.pki import Pki
from tests.securitymodule.card.terminal import Terminal, copied, created, live, opened

ModuleAt = Callable[[ModuleState], SoftwareModule]
"""Gives a module of one's own in a state, powered."""


@pytest.fixture(scope="session")
def pki() -> Pki:
    """One PKI for all tests."""
    return Pki()


@pytest.fixture(scope="session")
def stages(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> dict[ModuleState, Path]:
    """A module in every state, to be copied."""
    folder = tmp_path_factory.mktemp("stages")
    made: dict[ModuleState, Path] = {}
    for state in ModuleState:
        made[state] = folder / state.name
        with created(made[state], None) if state is ModuleState.CREATED else created(made[state]) as module:
            terminal = Terminal(module)
            if state is not ModuleState.CREATED:
                live(terminal, pki, state)
            assert terminal.information().state is state
            assert module.defects == ()
    return made


@pytest.fixture
def module_at(stages: dict[ModuleState, Path], tmp_path: Path) -> Iterator[ModuleAt]:
    """Copies of those; at the end none of them may have come upon a defect of ours."""
    numbers = count()
    lent: list[SoftwareModule] = []

    def lend(state: ModuleState) -> SoftwareModule:
        module = opened(copied(stages[state], tmp_path / f"{state.name}-{next(numbers)}"))
        lent.append(module)
        return module

    yield lend
    for module in lent:
        assert module.defects == ()
        module.close()
