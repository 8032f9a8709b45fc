"""The Recycler destroys what it must, when it may, and says so; cut short, it goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifecycle.facts import Fact
from lifecycle.journal import read_entry
from lifecycle.law import Unlawful
from lifecycle.roles import Role
from lifecycle.states import State
from lifecycle.store.engine import open_database
from lifecycle.store.repository import Repository
from securitymodule.card.module import SoftwareModule
from securitymodule.client import SecurityModule
from securitymodule.errors import NoModule
from securitymodule.statements import InitialisationFile
from stations.recycler import Recycler, RecyclingError, destroy_software_module
from tests.support.lives import GATEWAY, SettableClock, cast, live, lives, shortest_way

ON_THE_WAY = {State.DELIVERY_FOR_SCRAPPING, State.DELIVERY_FOR_SM_DESTRUCTION}


def at(tmp_path: Path, state: State) -> Repository:
    """A record in a state; on the way to recycling, with the MSB's word that it has handed over."""
    repository = Repository(
        open_database(f"sqlite:///{tmp_path / 'smgw.db'}"), cast().trust, cast().keeper, clock=SettableClock()
    )
    number = lives().first(
        lambda standing: (
            (
                standing.state is state
                and (state not in ON_THE_WAY or Fact.MSB_HANDED_OVER_TO_RECYCLER in standing.evidence)
                and Fact.RECYCLER_TOOK_OVER not in standing.evidence
            )
            or (standing.state is state and state is State.SM_DESTRUCTION)
        )
    )
    assert number is not None
    live(repository, lives().path(number))
    return repository


def recycler(repository: Repository) -> Recycler:
    return Recycler(cast()[Role.RECYCLER], repository)


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A software module with PINs and a key."""
    folder = tmp_path / "gateway" / "module"
    folder.parent.mkdir()
    SoftwareModule.create(folder, InitialisationFile("SM-1", "1234567890", "0987654321")).close()
    return folder


def test_scrapped_at_once_where_the_module_is_dealt_with(tmp_path: Path) -> None:
    repository = at(tmp_path, State.DELIVERY_FOR_SCRAPPING)
    assert recycler(repository).take_over(GATEWAY) is State.HARDWARE_SCRAPPING
    entries = len(repository.entries(GATEWAY))
    assert recycler(repository).take_over(GATEWAY) is State.HARDWARE_SCRAPPING
    assert len(repository.entries(GATEWAY)) == entries


def test_module_destroyed_then_scrapped(tmp_path: Path, module: Path) -> None:
    repository = at(tmp_path, State.DELIVERY_FOR_SM_DESTRUCTION)
    station = recycler(repository)
    assert station.take_over(GATEWAY) is State.SM_DESTRUCTION
    assert station.destroy_module(GATEWAY, lambda: destroy_software_module(module)) is State.HARDWARE_SCRAPPING
    assert not module.exists()
    assert not module.with_name("module.seal").exists()
    with pytest.raises(NoModule):
        SecurityModule.open(f"module:{module}")
    told = [read_entry(entry.body) for entry in repository.entries(GATEWAY)]
    (destroyed,) = (entry for entry in told if entry.payload.get("fact") == Fact.MODULE_DESTROYED)
    assert destroyed.payload["detail"] == {"how": "software module overwritten and removed"}
    assert station.destroy_module(GATEWAY, lambda: pytest.fail("destroyed twice")) is State.HARDWARE_SCRAPPING


def test_nothing_is_destroyed_that_may_not_be(tmp_path: Path) -> None:
    for number, state in enumerate(State):
        if state in {State.SM_DESTRUCTION, State.HARDWARE_SCRAPPING}:
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        repository = at(folder, state)
        with pytest.raises(Unlawful):
            recycler(repository).destroy_module(GATEWAY, lambda: pytest.fail("destroyed"))


def test_what_the_msb_has_not_handed_over_is_not_taken(tmp_path: Path) -> None:
    repository = Repository(
        open_database(f"sqlite:///{tmp_path / 'smgw.db'}"), cast().trust, cast().keeper, clock=SettableClock()
    )
    repository.register(GATEWAY)
    with pytest.raises(Unlawful, match="SCRAP_HARDWARE by RECYCLER for MSB in DEVELOPMENT"):
        recycler(repository).take_over(GATEWAY)
    for step in shortest_way(State.DELIVERY_FOR_SCRAPPING):
        told, party = cast().played(step)
        repository.act(GATEWAY, party, told)
    with pytest.raises(Unlawful, match="MSB_HANDED_OVER_TO_RECYCLER on record first"):
        recycler(repository).take_over(GATEWAY)


def test_cut_short_at_each_entry_and_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = at(tmp_path, State.DELIVERY_FOR_SM_DESTRUCTION)
    station, acting = recycler(repository), repository.act
    destroyed: list[str] = []

    def destroy() -> str:
        destroyed.append("shredded")
        return "shredded"

    def recycle() -> None:
        station.take_over(GATEWAY)
        station.destroy_module(GATEWAY, destroy)

    lost = 0
    while repository.kept(GATEWAY).standing.state is not State.HARDWARE_SCRAPPING:

        def cut(*args: object, **kwargs: object) -> object:
            acting(*args, **kwargs)  # type: ignore[arg-type]
            raise ConnectionError("power cut")

        monkeypatch.setattr(repository, "act", cut)
        with pytest.raises(ConnectionError):
            recycle()
        lost += 1
    assert (lost, destroyed) == (4, ["shredded"])


def test_a_module_that_was_begun_with_is_finished(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(_path: Path) -> None:
        raise OSError(28, "No space left on device", str(module))

    with monkeypatch.context() as patched:
        patched.setattr("stations.recycler.shutil.rmtree", cut)
        with pytest.raises(RecyclingError, match="cannot be destroyed: No space left"):
            destroy_software_module(module)
    assert not any((module / name).read_bytes().strip(b"\0") for name in ("state",) if (module / name).exists())
    destroy_software_module(module)
    assert not module.exists()
    destroy_software_module(module)


def test_a_module_that_is_not_there_was_not_destroyed(tmp_path: Path) -> None:
    with pytest.raises(RecyclingError, match="nothing has been destroyed"):
        destroy_software_module(tmp_path / "module")


def test_others_recycle_nothing(tmp_path: Path) -> None:
    repository = at(tmp_path, State.SM_DESTRUCTION)
    with pytest.raises(RecyclingError, match="not by a MSB"):
        Recycler(cast()[Role.MSB], repository)
