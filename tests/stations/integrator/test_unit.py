"""One gateway through the production site, in both arrangements; cut short at any command; and refused."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.local_coding import LocalError
from gateway.module import SECRET_FILE, DeviceSecret
from lifecycle.facts import Fact
from lifecycle.states import State
from securitymodule.card.module import SoftwareModule
from securitymodule.coding import PRELIMINARY_KEYS, ModuleState
from securitymodule.connection import Card
from securitymodule.errors import ModuleError, PinBlocked, WrongPin
from securitymodule.statements import InitialisationFile
from smpki.names import Function
from stations.integrator.order import Arrangement, Unit
from stations.integrator.site import UnitRefused
from tests.stations.integrator.plant import DAY, Plant
from tests.support.gateways import CutConnection
from tests.support.pki import World
from tests.support.secrets import assert_nothing_of, pin_secret, secrets_of

WAYS = {
    Arrangement.SEPARATE: [
        State.PRODUCTION,
        State.PREPERSONALISATION_1_SEPARATE,
        State.INTEGRATION,
        State.PREPERSONALISATION_2,
        State.DELIVERY_TO_MSB,
    ],
    Arrangement.ASSEMBLED: [
        State.PRODUCTION,
        State.INTEGRATION,
        State.PREPERSONALISATION_1_ASSEMBLED,
        State.PREPERSONALISATION_2,
        State.DELIVERY_TO_MSB,
    ],
}


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    made = Plant.in_folder(tmp_path)
    yield made
    made.world.engine.dispose()


def assert_delivered(plant: Plant, unit: Unit) -> None:
    """Delivered, lawful, every fact about the module shown by it, its certificates those that the PKI has issued."""
    told = plant.told(unit)
    assert told.delivered
    assert told.module is not None
    assert told.module.serial == unit.serial
    assert told.arrangement is unit.arrangement
    assert [state for state, _ in told.reached] == WAYS[unit.arrangement]
    verdict = plant.verdict(unit)
    assert verdict.ok, str(verdict)
    assert verdict.entries == told.entries == 17
    with plant.device(unit) as gateway:
        held = gateway.certificates.held()
        assert gateway.module().information().state is ModuleState.READY
        assert {one.key for one in held} == set(PRELIMINARY_KEYS)
        head = gateway.record_head_in_module()
    assert head is not None
    assert head.sequence == 17
    assert sorted(seal.fingerprint for seal in told.seals) == plant.seals(unit)
    assert len(plant.seals(unit)) == 3


@pytest.mark.parametrize("arrangement", Arrangement)
def test_from_nothing_to_the_hand_over(plant: Plant, arrangement: Arrangement) -> None:
    unit = plant.unit(1, arrangement)
    assert plant.inspector.problems(unit, None) == []
    assert plant.integrator().make(unit) is True
    assert_delivered(plant, unit)
    assert plant.integrator().make(unit) is False
    assert_delivered(plant, unit)


@pytest.mark.parametrize("arrangement", Arrangement)
def test_cut_short_after_any_command_it_goes_on_and_wastes_nothing(plant: Plant, arrangement: Arrangement) -> None:
    """Power goes after commands that changed the module, all over the way; the same certificates come again."""
    watched = CutConnection(plant.slot(plant.unit(1, arrangement)).directory)
    plant.wrap = watched
    plant.integrator().make(plant.unit(1, arrangement))
    changes = watched.changes
    assert len(changes) > 20
    for number, after in enumerate(changes[::8], 2):
        unit = plant.unit(number, arrangement)
        plant.wrap = CutConnection(plant.slot(unit).directory, after)
        with contextlib.suppress(ModuleError, LocalError):
            plant.integrator().make(unit)
        plant.wrap = lambda connection: connection
        plant.integrator().make(unit)
        assert_delivered(plant, unit)


@pytest.mark.pcsc
@pytest.mark.parametrize("arrangement", Arrangement)
def test_with_a_module_in_a_reader(
    plant: Plant, arrangement: Arrangement, plug_in: Callable[[Card], str], tmp_path: Path
) -> None:
    """A blank module in a PC/SC reader; the reader's name is all the order knows of it."""
    with SoftwareModule.create(tmp_path / "chip", clock=plant.world.clock) as chip:
        url = plug_in(chip)
        unit = plant.unit(1, arrangement, reader=url.removeprefix("pcsc:"))
        plant.integrator().make(unit)
        assert_delivered(plant, unit)
        other = plant.unit(2, arrangement, reader=url.removeprefix("pcsc:"))
        refused(plant, other, "holds module SM-1 (READY), which is used already; a blank one is wanted for SM-2")


def test_no_pin_and_no_key_is_in_record_files_or_words(plant: Plant, caplog: pytest.LogCaptureFixture) -> None:
    unit = plant.unit(1, Arrangement.ASSEMBLED)
    integrator = plant.integrator()
    integrator.make(unit)
    slot = plant.slot(unit)
    maker = integrator._maker
    purposes = ("transport PIN", "Integrator-PIN")
    hidden = [pin_secret(purpose, maker.secret.pin(purpose, unit.serial)) for purpose in purposes]
    device = DeviceSecret.open_or_make(slot.directory.parent / SECRET_FILE)
    hidden.append(pin_secret("system", device.system_pin(unit.serial)))
    hidden += secrets_of(slot.directory)
    told = [repr(maker), repr(integrator), repr(unit), repr(plant.told(unit)), caplog.text]
    texts = [*told, *(signed.body.decode() for signed in plant.entries(unit.gateway) or [])]
    assert_nothing_of(hidden, [plant.folder], texts)


# What is refused, before anything has changed


def refused(plant: Plant, unit: Unit, says: str) -> None:
    """It is refused in these words, beforehand and when it is run, and nothing has come of it."""
    before = plant.entries(unit.gateway), plant.seals(unit)
    problems = plant.inspector.problems(unit, plant.inspector.told(unit.gateway))
    assert any(says in problem for problem in problems), problems
    with pytest.raises(UnitRefused) as caught:
        plant.integrator().make(unit)
    assert says in str(caught.value)
    assert (plant.entries(unit.gateway), plant.seals(unit)) == before


def test_another_order_s_gateway(plant: Plant) -> None:
    plant.integrator().make(plant.unit(1))
    refused(plant, plant.unit(1, serial="SM-9"), "is on record with module SM-1, not SM-9: of another order")
    refused(plant, plant.unit(1, Arrangement.ASSEMBLED), "is on record as separate, not assembled")
    refused(plant, plant.unit(2, serial="SM-1"), "module SM-1 was taken for EXXX0000000001 before")
    plant.repository.register(plant.unit(3).gateway)
    refused(plant, plant.unit(3), "the record of EXXX0000000003 was begun for another module, or by hand")


def _initialised(directory: Path, serial: str) -> None:
    SoftwareModule.create(directory, InitialisationFile(serial, "1234567890", "1234567890", 3)).close()


def test_a_module_that_is_used_already(plant: Plant) -> None:
    _initialised(plant.slot(plant.unit(1)).directory, "SM-7")
    refused(plant, plant.unit(1), "holds module SM-7 (INITIALISED), which is used already; a blank one is wanted")
    _initialised(plant.slot(plant.unit(2)).directory, "SM-2")
    refused(plant, plant.unit(2), "holds module SM-2 (INITIALISED), which is used already")


def test_a_module_that_was_exchanged(plant: Plant) -> None:
    unit = plant.unit(1)
    plant.wrap = CutConnection(plant.slot(unit).directory, 30)
    with contextlib.suppress(ModuleError):
        plant.integrator().make(unit)
    plant.wrap = lambda connection: connection
    assert not plant.told(unit).delivered
    directory = plant.slot(unit).directory
    for folder in (directory, directory.with_name("module.seal")):
        shutil.rmtree(folder)
    refused(plant, unit, "module SM-1 is on record, and is not there")
    _initialised(directory, "SM-1")
    refused(plant, unit, "on record is module SM-1 with a key of its own")


def test_a_wrong_pin_says_how_many_tries_are_left(plant: Plant) -> None:
    """A station with another secret has other PINs: it stops at the first, with nothing of the module on record."""
    unit = plant.unit(1)
    plant.begin(unit)
    plant.wrap = CutConnection(plant.slot(unit).directory, 3)
    with contextlib.suppress(ModuleError):
        plant.integrator().make(unit)
    plant.wrap = lambda connection: connection
    assert plant.told(unit).module is None
    with pytest.raises(WrongPin) as caught:
        plant.integrator(key="other.key").make(unit)
    assert caught.value.left == 7
    assert "7 tries left" in str(caught.value)
    assert Fact.MODULE_INITIALISED not in plant.told(unit).facts
    plant.integrator().make(unit)
    assert_delivered(plant, unit)


def test_a_pin_that_is_blocked(plant: Plant) -> None:
    unit = plant.unit(1)
    plant.wrap = CutConnection(plant.slot(unit).directory, 3)
    with contextlib.suppress(ModuleError):
        plant.integrator().make(unit)
    plant.wrap = lambda connection: connection
    for left in range(7, -1, -1):
        with pytest.raises(WrongPin if left else PinBlocked):
            plant.integrator(key="other.key").make(unit)
    refused(plant, unit, "the GW-System-PIN of module SM-1 (INITIALISED) is blocked")


@pytest.mark.pcsc
@pytest.mark.usefixtures("plug_in")
def test_a_reader_that_is_not_there(plant: Plant) -> None:
    refused(plant, plant.unit(1, reader="No such reader"), "No such reader")


_File = Callable[[Plant, str], bytes]


def _of_another_pki(plant: Plant, gateway: str) -> bytes:
    folder = plant.folder / "other"
    folder.mkdir()
    other = World.in_folder(folder, plant.world.clock)
    try:
        return plant.file(gateway, gwa=other.enrol("Verwalter", Function.GWA), world=other)
    finally:
        other.engine.dispose()


def _of_an_expired_gwa(plant: Plant, gateway: str) -> bytes:
    file = plant.file(gateway, lifetime=timedelta(days=4000))
    ends = next(iter(plant.gwa.certificates.values())).not_valid_after_utc
    plant.world.clock.now = ends + DAY
    return file


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (lambda plant, _: plant.file("EXXX0000000099"), "is for gateway EXXX0000000099, not for EXXX0000000001"),
        (_of_another_pki, "the GWA is not believed"),
        (_of_an_expired_gwa, "expired"),
        (lambda plant, gateway: plant.file(gateway, gwa=plant.gwh), "is the certificate of a GWH, not of GWA"),
        (lambda plant, gateway: plant.file(gateway, signer=plant.gwh), "is not signed by its GWA"),
        (lambda plant, gateway: plant.file(gateway)[:-1], "no initial configuration file"),
        (lambda *_: b"", "no initial configuration file"),
    ],
)
def test_a_file_that_cannot_be_imported(plant: Plant, file: _File, says: str) -> None:
    unit = plant.unit(1)
    unit.configuration.write_bytes(file(plant, unit.gateway))
    refused(plant, unit, says)


def test_a_file_that_is_over_or_missing(plant: Plant) -> None:
    unit = plant.unit(1)
    plant.world.clock.forward(4 * DAY)
    refused(plant, unit, "the file can be imported from")
    unit.configuration.unlink()
    refused(plant, unit, "No such file")
