"""What a gateway finds out about itself when it starts, and what it does then."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import evidence, firmware
from gateway.firmware import (
    EF_FIRMWARE,
    FirmwareError,
    digest_of,
    installed_firmware,
    keep_firmware,
    kept_firmware,
    replace_firmware,
)
from gateway.local import LocalInterface
from gateway.selftest import Check, Outcome, SelfTestReport, self_test
from lifecycle.desk import attest
from lifecycle.facts import Fact
from lifecycle.functions import Credential
from lifecycle.gate import Closed, Shut
from lifecycle.roles import Role
from lifecycle.states import State
from securitymodule.card.module import SoftwareModule
from securitymodule.statements import Attestation, InitialisationFile
from tests.gateway.bench import is_open
from tests.support.gateways import INTEGRATOR_PIN, SERIAL, TRANSPORT_PIN, Device

PASSED, FAILED, NOT_DONE = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_DONE
OTHER = bytes(range(32))


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device.in_folder(tmp_path)


def outcomes(report: SelfTestReport) -> list[Outcome]:
    assert [finding.check for finding in report.findings] == list(Check)
    return [finding.outcome for finding in report.findings]


def words(report: SelfTestReport, check: Check) -> str:
    return next(finding.words for finding in report.findings if finding.check is check)


def started(device: Device) -> SelfTestReport:
    """The gateway starts anew, and tests itself."""
    report = self_test(device.restart())
    assert (device.gateway.gate().shut is Shut.INTEGRITY_FAILURE) is not report.passed
    return report


def backup(device: Device) -> sqlite3.Connection:
    """A copy of the database."""
    kept = sqlite3.connect(":memory:")
    with closing(sqlite3.connect(str(device.world.engine.url.database))) as source:
        source.backup(kept)
    return kept


def restore(device: Device, kept: sqlite3.Connection) -> None:
    """Put a copy of the database in its place."""
    device.world.engine.dispose()
    with closing(sqlite3.connect(str(device.world.engine.url.database))) as target:
        kept.backup(target)
    device.repository.forget(device.id)


def goes_on_unheard(device: Device, role: Role, fact: Fact) -> None:
    """An entry of which the module is not told."""
    party = device.party(role)
    device.repository.act(device.id, party, attest(party, fact))


def test_a_sound_gateway_passes_all_its_life(device: Device) -> None:
    without_module = [PASSED, NOT_DONE, NOT_DONE, NOT_DONE]
    for state in (State.DEVELOPMENT, State.PREPERSONALISATION_1_SEPARATE, State.INTEGRATION):
        device.reach(state)
        report = started(device)
        assert outcomes(report) == without_module
        assert words(report, Check.MODULE) == "no module is built in yet"
    for state in (State.PREPERSONALISATION_2, State.FIRST_INSTALLATION, State.OPERATION, State.OUTAGE):
        device.reach(state)
        report = started(device)
        assert report.passed
        assert outcomes(report) == [PASSED] * 4
        assert str(device.repository.kept(device.id).position.sequence) in words(report, Check.RECORD)
        assert SERIAL in words(report, Check.MODULE)


def test_the_other_order_of_integration_passes_too(device: Device) -> None:
    device.reach(State.PREPERSONALISATION_1_ASSEMBLED)
    assert outcomes(started(device)) == [PASSED] * 4


def test_a_gateway_without_a_module_has_nothing_to_ask(device: Device) -> None:
    device.reach(State.OPERATION)
    device.gateway.close()
    bare = type(device.gateway)(device.id, device.repository)
    assert outcomes(self_test(bare)) == [PASSED, NOT_DONE, NOT_DONE, NOT_DONE]


# The record's head


def test_a_module_that_is_behind_is_brought_in_line(device: Device) -> None:
    device.reach(State.FIRST_DELIVERY)
    at = device.repository.kept(device.id).position.sequence
    goes_on_unheard(device, Role.MSB, Fact.MSB_HANDED_OVER_TO_MONTEUR)
    goes_on_unheard(device, Role.MONTEUR, Fact.MONTEUR_TOOK_OVER)
    told = f"the module knew entry {at} and is told of entry {at + 2} now"
    assert words(started(device), Check.RECORD_HEAD) == told
    assert words(started(device), Check.RECORD_HEAD) == f"at entry {at + 2}, as in the module"


def test_an_older_backup_of_the_record_is_noticed(device: Device) -> None:
    device.reach(State.FIRST_DELIVERY)
    before = device.repository.kept(device.id).position.sequence
    with closing(backup(device)) as kept:
        device.attest(Role.MSB, Fact.MSB_HANDED_OVER_TO_MONTEUR)
        device.attest(Role.MONTEUR, Fact.MONTEUR_TOOK_OVER)
        restore(device, kept)
    report = started(device)
    assert outcomes(report) == [PASSED, PASSED, FAILED, PASSED]
    found = words(report, Check.RECORD_HEAD)
    assert f"up to entry {before + 2}, and it ends at entry {before}" in found


def test_a_record_that_went_another_way_is_noticed(device: Device) -> None:
    device.reach(State.FIRST_DELIVERY)
    before = device.repository.kept(device.id).position.sequence
    with closing(backup(device)) as kept:
        device.attest(Role.MSB, Fact.MSB_HANDED_OVER_TO_MONTEUR)
        restore(device, kept)
    device.gateway.close()
    device.clock.forward(timedelta(seconds=1))
    goes_on_unheard(device, Role.MSB, Fact.MSB_HANDED_OVER_TO_MONTEUR)
    for also in (False, True):  # as long as what the module knows, and longer
        if also:
            goes_on_unheard(device, Role.MONTEUR, Fact.MONTEUR_TOOK_OVER)
        report = started(device)
        assert outcomes(report) == [PASSED, PASSED, FAILED, PASSED]
        found = words(report, Check.RECORD_HEAD)
        assert f"knows entry {before + 1} as" in found
        assert f"ends at entry {before + 1 + also}" in found
        assert "it went another way" in found


def test_a_broken_record_fails_and_the_module_is_not_asked(device: Device) -> None:
    device.reach(State.FIRST_DELIVERY)
    with device.repository.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE entries SET body = replace(body, 'Gwh 1', 'Gwh 2')")
        connection.exec_driver_sql("UPDATE entries SET body = replace(body, 'GWH', 'MSB')")
    report = started(device)
    assert outcomes(report) == [FAILED, NOT_DONE, NOT_DONE, NOT_DONE]
    assert words(report, Check.MODULE) == "the record cannot be believed"


# The module


def test_a_module_that_is_not_there_fails(device: Device) -> None:
    device.reach(State.FIRST_INSTALLATION)
    device.gateway.close()
    shutil.move(device.slot.directory, device.folder / "elsewhere")
    report = started(device)
    assert outcomes(report) == [PASSED, FAILED, NOT_DONE, NOT_DONE]


def test_a_module_that_somebody_else_has_fails(device: Device) -> None:
    device.reach(State.FIRST_INSTALLATION)
    device.gateway.close()
    with closing(SoftwareModule.open(device.slot.directory, clock=device.clock)):
        assert outcomes(started(device)) == [PASSED, FAILED, NOT_DONE, NOT_DONE]
    assert started(device).passed


def test_another_module_in_its_place_fails(device: Device) -> None:
    """Of the same serial number, and integrated into this very device; only its attestation key is another."""
    device.reach(State.FIRST_INSTALLATION)
    device.gateway.close()
    shutil.move(device.slot.directory, device.folder / "elsewhere")
    shutil.rmtree(device.folder / "module.seal")
    told = InitialisationFile(SERIAL, TRANSPORT_PIN, INTEGRATOR_PIN)
    SoftwareModule.create(device.slot.directory, told, clock=device.clock).close()
    device.slot.integrate(TRANSPORT_PIN, INTEGRATOR_PIN)
    report = started(device)
    assert outcomes(report) == [PASSED, FAILED, NOT_DONE, NOT_DONE]
    assert f"not the module {SERIAL} on record" in words(report, Check.MODULE)


def test_an_older_copy_of_the_module_fails(device: Device, tmp_path: Path) -> None:
    device.reach(State.PREPERSONALISATION_2)
    device.gateway.close()
    files = [path for path in device.folder.iterdir() if path.name.startswith("module")]
    for path in files:
        _copy(path, tmp_path / "kept" / path.name)
    device.reach(State.FIRST_DELIVERY)
    device.gateway.close()
    for path in files:
        if path.is_dir():
            shutil.rmtree(path)
        _copy(tmp_path / "kept" / path.name, path)
    report = started(device)
    assert outcomes(report) == [PASSED, FAILED, NOT_DONE, NOT_DONE]
    assert "an older copy of it" in words(report, Check.MODULE)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)


def test_a_module_that_was_terminated_unasked_fails(device: Device) -> None:
    device.reach(State.OPERATION)
    device.gateway.module().authenticate_externally(device.sign)
    device.gateway.module().terminate()
    report = started(device)
    assert outcomes(report) == [PASSED, FAILED, NOT_DONE, NOT_DONE]
    assert "the record does not tell of it" in words(report, Check.MODULE)
    # The way out is the record: the GWA tells of it, and the module shows it.
    device.attest(Role.GWA, Fact.MODULE_TERMINATED)
    report = started(device)
    assert outcomes(report) == [PASSED, PASSED, PASSED, NOT_DONE]
    assert "it is told no more" in words(report, Check.RECORD_HEAD)


def test_a_module_that_shows_no_more_what_is_on_record_fails(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own module does not let go of these keys; another one might."""
    device.reach(State.OPERATION)
    shown: list[Fact] = []

    def shows(told: Attestation, fact: Fact) -> str | None:
        shown.append(fact)
        lost = fact is Fact.OPERATIONAL_CERTIFICATES_IN_MODULE
        return "OPERATIONAL_A_SIG not in the module" if lost else evidence.shows(told, fact)

    monkeypatch.setattr("gateway.selftest.shows", shows)
    report = started(device)
    assert outcomes(report) == [PASSED, FAILED, NOT_DONE, NOT_DONE]
    found = "OPERATIONAL_CERTIFICATES_IN_MODULE is on record: OPERATIONAL_A_SIG not in the module"
    assert words(report, Check.MODULE) == found
    assert shown[0] is Fact.MODULE_INTEGRATED


# At the start


def test_a_gateway_tests_itself_when_it_is_started(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    device.reach(State.OPERATION)
    with device.restart() as gateway:
        assert gateway.gate().shut is None
        assert gateway.test_itself(Credential.INSIDE).passed
    monkeypatch.setattr("gateway.selftest.kept_firmware", lambda _: OTHER)
    with device.restart() as gateway:
        assert gateway.gate().shut is Shut.INTEGRITY_FAILURE
        with pytest.raises(Closed):
            gateway.test_itself(Credential.INSIDE)


def test_a_gateway_that_opens_nothing_asks_its_module_nothing_when_it_starts(device: Device) -> None:
    for state in (State.DELIVERY_TO_MSB, State.OUTAGE):
        device.reach(state)
        gateway = device.restart()
        with SoftwareModule.open(device.folder / "module"):  # somebody else has it
            assert gateway.start() is None
        assert gateway.gate().shut is None


# The firmware


def test_other_software_fails_until_an_update_was_found_authorised(device: Device) -> None:
    device.reach(State.FIRST_INSTALLATION)
    gateway = device.restart()
    report = self_test(gateway, lambda: OTHER)
    assert outcomes(report) == [PASSED, PASSED, PASSED, FAILED]
    assert OTHER.hex()[:16] in words(report, Check.FIRMWARE)
    assert installed_firmware().hex()[:16] in words(report, Check.FIRMWARE)
    assert gateway.gate().shut is Shut.INTEGRITY_FAILURE
    with pytest.raises(Closed):
        gateway.local.test_connection(Credential.CONFIGURATOR_CREDENTIAL)
    gateway = device.restart()
    replace_firmware(gateway.module(), OTHER)
    assert self_test(gateway, lambda: OTHER).passed
    assert not self_test(gateway).passed


def test_the_module_keeps_the_hash_from_the_integration_on(device: Device) -> None:
    device.reach(State.INTEGRATION)
    device.work()
    module = device.gateway.module()
    assert kept_firmware(module) == installed_firmware()
    assert keep_firmware(module) is False
    module.delete_file(EF_FIRMWARE)
    assert kept_firmware(module) is None
    module.create_file(EF_FIRMWARE, 32)
    assert kept_firmware(module) is None  # a cut came between
    assert words(started(device), Check.FIRMWARE) == "the module knows no software of this gateway"
    assert keep_firmware(device.gateway.module()) is True
    assert started(device).passed


@pytest.mark.parametrize("digest", [b"", bytes(32), bytes(31) + b"\x01\x01"])
def test_what_is_no_hash_is_not_kept(device: Device, digest: bytes) -> None:
    device.reach(State.PREPERSONALISATION_2)
    with pytest.raises(ValueError, match="32 bytes"):
        replace_firmware(device.gateway.module(), digest)
    assert started(device).passed


def test_software_that_cannot_be_read_fails(device: Device) -> None:
    device.reach(State.PREPERSONALISATION_2)

    def unreadable() -> bytes:
        raise FirmwareError("cannot read core.py")

    report = self_test(device.restart(), unreadable)
    assert outcomes(report) == [PASSED, PASSED, PASSED, FAILED]


def test_the_hash_is_taken_quickly_and_once() -> None:
    before = time.process_time()
    assert len(installed_firmware.__wrapped__()) == 32
    assert time.process_time() - before < 1.0  # it takes 10 ms; a busy machine is no failure
    assert installed_firmware() is installed_firmware()


NAMES = st.sampled_from(["core.py", "local.py", "pki/keys.py", "pki/x.py", "zä.py", "page.html"])
TREES = st.dictionaries(NAMES, st.binary(max_size=20), min_size=1)


@given(one=TREES, other=TREES)
def test_the_hash_tells_two_trees_apart_wherever_they_lie(
    tmp_path_factory: pytest.TempPathFactory, one: dict[str, bytes], other: dict[str, bytes]
) -> None:
    first, second = (digest_of({"gateway": _tree(tmp_path_factory, tree)}) for tree in (one, other))
    assert (first == second) is (one == other)


def _tree(factory: pytest.TempPathFactory, files: dict[str, bytes]) -> Path:
    folder = factory.mktemp("tree")
    for name, content in reversed(files.items()):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "core.cpython-311.pyc").write_bytes(b"compiled")
    return folder


def test_a_package_without_files_or_of_many_folders_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FirmwareError, match="no files of gateway"):
        digest_of({"gateway": tmp_path})
    (tmp_path / "core.py").symlink_to(tmp_path / "none")
    with pytest.raises(FirmwareError, match="cannot read"):
        digest_of({"gateway": tmp_path})
    monkeypatch.setattr(firmware, "PACKAGES", ("gateway", "nowhere_to_be_found"))
    with pytest.raises(FirmwareError, match="nowhere_to_be_found is not installed"):
        installed_firmware.__wrapped__()


def test_a_failed_self_test_closes_the_local_interface(device: Device) -> None:
    device.reach(State.FIRST_INSTALLATION)
    gateway = device.restart()
    with LocalInterface(gateway, "tcp:127.0.0.1:0") as interface:
        assert self_test(gateway).passed
        assert is_open(interface.address)
        assert not self_test(gateway, lambda: OTHER).passed
        assert not is_open(interface.address)
