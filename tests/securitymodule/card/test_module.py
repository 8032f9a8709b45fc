"""The module as a card and as something in a directory: power, who has it, several of them, what it shows of itself."""

from __future__ import annotations

import copy
import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from securitymodule.apdu import StatusWord
from securitymodule.card.errors import ModuleExists, StateDamaged
from securitymodule.card.module import ATR, SoftwareModule
from securitymodule.coding import Ins, KeyRef, ModuleState, Parameters, Pin
from securitymodule.errors import CommandRefused, ModuleBusy, NoModule, SecureMessagingError
from securitymodule.messaging import MOST_SECONDS
from securitymodule.reader import Card
from tests.securitymodule.card.conftest import ModuleAt
from tests.securitymodule.card.pki import NOW, Pki
from tests.securitymodule.card.terminal import (
    INITIALISATION,
    SYSTEM_PIN,
    TRANSPORT_PIN,
    Terminal,
    created,
    live,
    opened,
    seal,
)

UNSPECIFIED = StatusWord.UNSPECIFIED.to_bytes(2, "big")
INFORMATION = bytes((0, Ins.GET_DATA, *divmod(Parameters.INFORMATION, 256), 0))


def test_it_is_a_card(module_at: ModuleAt) -> None:
    card: Card = module_at(ModuleState.INITIALISED)
    assert card.atr == ATR


def test_answer_to_reset() -> None:
    """ISO/IEC 7816-3: convention, interface bytes for T=1, as many historical bytes as said, a check byte."""
    assert ATR[0] == 0x3B
    historical = ATR[1] & 0x0F
    assert ATR[1] >> 4 == 0b1000
    assert ATR[2:4] == b"\x80\x01"
    assert len(ATR) == 4 + historical + 1
    check = 0
    for byte in ATR[1:]:
        check ^= byte
    assert check == 0
    assert len(ATR) <= 33


def test_power(module_at: ModuleAt) -> None:
    module = module_at(ModuleState.READY)
    terminal = Terminal(module)
    terminal.establish(SYSTEM_PIN)
    module.power_off()
    assert module.transmit(INFORMATION) == UNSPECIFIED
    module.power_on()
    assert module.transmit(INFORMATION)[-2:] == b"\x90\x00"
    assert terminal.channel is not None
    for reset in (module.reset, module.power_on):
        terminal = Terminal(module)
        terminal.establish(SYSTEM_PIN)
        reset()
        fresh = Terminal(module)
        assert fresh.send(Ins.VERIFY, Pin.INTEGRATOR).sw == StatusWord.SECURITY_STATUS_NOT_SATISFIED


def test_one_owner_at_a_time(tmp_path: Path) -> None:
    with created(tmp_path / "module") as module:
        with pytest.raises(ModuleBusy, match=f"in use by process {os.getpid()}"):
            SoftwareModule.open(tmp_path / "module")
        module.power_off()
        with opened(tmp_path / "module"):
            module.power_on()
            assert "in use by process" in module.trouble
            assert module.transmit(INFORMATION) == UNSPECIFIED
        module.power_on()
        assert module.trouble == ""
        assert module.transmit(INFORMATION)[-2:] == b"\x90\x00"


def test_a_module_nobody_refers_to_is_free(tmp_path: Path) -> None:
    created(tmp_path / "module")
    gc.collect()
    opened(tmp_path / "module").close()


HOLD = """
import sys
from pathlib import Path
from securitymodule.card.module import SoftwareModule
module = SoftwareModule.open(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


def test_two_processes(tmp_path: Path) -> None:
    """The second is told who has it; when the first is gone, however it went, the module is free."""
    created(tmp_path / "module").close()
    command = [sys.executable, "-c", HOLD, str(tmp_path / "module")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(ModuleBusy, match=f"in use by process {holder.pid}"):
            opened(tmp_path / "module")
        holder.kill()
    opened(tmp_path / "module").close()


def _ask_in_fork(module: SoftwareModule, answers: multiprocessing.SimpleQueue[bytes]) -> None:
    answers.put(module.transmit(INFORMATION))


def test_a_forked_process_has_no_module(module_at: ModuleAt) -> None:
    module = module_at(ModuleState.INITIALISED)
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.SimpleQueue[bytes] = context.SimpleQueue()
    child = context.Process(target=_ask_in_fork, args=(module, answers))
    child.start()
    child.join()
    assert answers.get() == UNSPECIFIED
    assert module.transmit(INFORMATION)[-2:] == b"\x90\x00"


def test_two_modules_in_one_process(tmp_path: Path, pki: Pki) -> None:
    with created(tmp_path / "first") as first, created(tmp_path / "second") as second:
        one, other = Terminal(first), Terminal(second)
        live(one, pki, ModuleState.READY)
        other.establish(TRANSPORT_PIN)
        assert one.information().state is ModuleState.READY
        assert other.information().state is ModuleState.INITIALISED
        assert other.sign(KeyRef.PRELIMINARY_SIG, bytes(32)).sw == StatusWord.REFERENCE_NOT_FOUND
        points = {one.information().attestation_point, other.information().attestation_point}
        assert len(points) == 2


def test_threads_wait_for_one_another(module_at: ModuleAt) -> None:
    module = module_at(ModuleState.INITIALISED)
    answers: list[bytes] = []

    def ask() -> None:
        for _ in range(200):
            answers.append(module.transmit(INFORMATION))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(answers)) == 1


def test_making_one(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "module"
    with SoftwareModule.create(directory) as module:
        module.power_on()
        assert Terminal(module).information().state is ModuleState.CREATED
    with pytest.raises(ModuleExists):
        SoftwareModule.create(directory)
    other = tmp_path / "other"
    other.mkdir()
    SoftwareModule.create(other, INITIALISATION).close()
    full = tmp_path / "full"
    full.mkdir()
    (full / "letter").write_text("not a module", encoding="utf-8")
    with pytest.raises(ModuleExists):
        SoftwareModule.create(full)
    for path in (directory, seal(directory)):
        assert path.stat().st_mode & 0o077 == 0
        assert all(file.stat().st_mode & 0o077 == 0 for file in path.iterdir())


def test_a_seal_elsewhere(tmp_path: Path) -> None:
    apart = tmp_path / "vault" / "seal"
    SoftwareModule.create(tmp_path / "module", INITIALISATION, seal=apart).close()
    with pytest.raises(NoModule, match="there is no seal"):
        SoftwareModule.open(tmp_path / "module")
    SoftwareModule.open(tmp_path / "module", seal=apart).close()


def test_a_module_that_was_moved_away(tmp_path: Path) -> None:
    created(tmp_path / "module").close()
    (tmp_path / "module").rename(tmp_path / "elsewhere")
    with pytest.raises(NoModule):
        SoftwareModule.open(tmp_path / "module")
    with pytest.raises(NoModule, match="there is no seal"):
        SoftwareModule.open(tmp_path / "elsewhere")
    with pytest.raises(ModuleExists, match="this seal belongs to a module"):
        SoftwareModule.create(tmp_path / "module")


def test_a_wrong_initialisation_leaves_a_module_to_initialise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SoftwareModule, "transmit", lambda _self, _command: b"\x65\x81")
    with pytest.raises(CommandRefused, match="initialising the module"):
        SoftwareModule.create(tmp_path / "module", INITIALISATION)
    monkeypatch.undo()
    with opened(tmp_path / "module") as module:
        assert Terminal(module).information().state is ModuleState.CREATED


def test_it_is_not_copied(module_at: ModuleAt) -> None:
    module = module_at(ModuleState.READY)
    assert module._store is not None
    for held in (module, module._store.seal, module._store.seal.vault):
        for act in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="not serialised"):
                act(held)


def test_a_session_ends_by_age(tmp_path: Path) -> None:
    """TR-03116-3, chapter 10: 48 hours at most."""
    created(tmp_path / "module").close()
    elapsed = [0.0]
    with SoftwareModule.open(tmp_path / "module", clock=lambda: NOW, seconds=lambda: elapsed[0]) as module:
        module.power_on()
        terminal = Terminal(module)
        terminal.establish(TRANSPORT_PIN)
        elapsed[0] = MOST_SECONDS - 1
        assert terminal.send(Ins.VERIFY, Pin.INTEGRATOR).sw != StatusWord.SECURITY_STATUS_NOT_SATISFIED
        elapsed[0] = MOST_SECONDS
        with pytest.raises(SecureMessagingError):
            terminal.send(Ins.VERIFY, Pin.INTEGRATOR)
        plain = Terminal(module).send(Ins.VERIFY, Pin.INTEGRATOR)
        assert plain.sw == StatusWord.SECURITY_STATUS_NOT_SATISFIED


@pytest.mark.parametrize("file", ["state.key", "vault.key", "counter", "lock"])
def test_a_seal_that_lost_a_file(tmp_path: Path, file: str) -> None:
    created(tmp_path / "module").close()
    (seal(tmp_path / "module") / file).unlink()
    with pytest.raises((StateDamaged, NoModule, OSError)):
        SoftwareModule.open(tmp_path / "module")
