"""``smgw module``: a module made, asked, and put into a virtual reader, as an operator does it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from securitymodule.connection import Card
from tests.smgw.conftest import Run, json_lines
from tests.support.cards import ATR, PlainCard
from tests.support.pcsc import PcscDaemon

SYSTEM_PIN, INTEGRATOR_PIN = "1029384756", "9081726354"


@pytest.fixture
def module(tmp_path: Path, smgw: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An initialised module, and both PINs in the environment."""
    monkeypatch.setenv("SMGW_SYSTEM_PIN", SYSTEM_PIN)
    monkeypatch.setenv("SMGW_INTEGRATOR_PIN", INTEGRATOR_PIN)
    smgw("module", "create", tmp_path / "sm", "--serial", "SM-0001")
    return tmp_path / "sm"


def test_info(smgw: Run, module: Path) -> None:
    (told,) = json_lines(smgw("module", "info", f"module:{module}", "--json"))
    assert told["serial"] == "SM-0001"
    assert told["state"] == "INITIALISED"
    assert told["system_tries"] == told["integrator_tries"] == 8
    assert "brainpoolP256r1" in told["curves"]
    assert told["pace"][0].startswith("id-PACE-ECDH-GM-AES-CBC-CMAC-128")
    printed = smgw("module", "info", f"module:{module}").stdout
    assert "SM-0001" in printed
    assert told["attestation_point"] in printed


def test_a_blank_module(smgw: Run, tmp_path: Path) -> None:
    (told,) = json_lines(smgw("module", "create", tmp_path / "blank", "--json"))
    assert (told["state"], told["serial"], told["pace"]) == ("CREATED", "", [])


def test_a_folder_that_is_taken(smgw: Run, module: Path) -> None:
    smgw("module", "create", module, exit_code=2)


def test_attest(smgw: Run, module: Path) -> None:
    (information,) = json_lines(smgw("module", "info", f"module:{module}", "--json"))
    key = information["attestation_point"]
    (told,) = json_lines(smgw("module", "attest", f"module:{module}", "--nonce", "00" * 8, "--key", key, "--json"))
    assert told["serial"] == "SM-0001"
    assert told["keys"] == []
    assert "00" * 8 in told["attestation"]
    assert "INITIALISED" in smgw("module", "attest", f"module:{module}").stdout


@pytest.mark.parametrize("words", [("--nonce", "xy"), ("--key", "04"), ("--key", "zz"), ("--nonce", "00")])
def test_what_is_no_nonce_or_key(smgw: Run, module: Path, words: tuple[str, str]) -> None:
    assert smgw("module", "attest", f"module:{module}", *words, exit_code=1 if words == ("--nonce", "00") else 2).stderr


def test_another_modules_key(smgw: Run, module: Path, tmp_path: Path) -> None:
    (other,) = json_lines(smgw("module", "create", tmp_path / "other", "--serial", "SM-0002", "--json"))
    result = smgw("module", "attest", f"module:{module}", "--key", other["attestation_point"], exit_code=2)
    assert "not signed by this module" in result.stderr


def test_right_pins(smgw: Run, module: Path, tmp_path: Path) -> None:
    assert "integrator PIN" in smgw("module", "verify-pin", f"module:{module}").stdout
    (told,) = json_lines(smgw("module", "verify-pin", f"module:{module}", "--which", "system", "--json"))
    assert told == {"url": f"module:{module}", "pin": "system", "right": True}
    (tmp_path / "pin").write_text(INTEGRATOR_PIN + "\n")
    smgw("module", "verify-pin", f"module:{module}", "--integrator-pin-file", tmp_path / "pin")
    words = ("module", "verify-pin", f"module:{module}", "--system-pin-file", "-")
    smgw(*words, stdin=SYSTEM_PIN.encode() + b"\n")


def test_a_wrong_pin(smgw: Run, module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMGW_INTEGRATOR_PIN", "0000000000")
    result = smgw("module", "verify-pin", f"module:{module}", exit_code=1)
    assert "7 tries left" in result.stderr
    assert "0000000000" not in result.output
    monkeypatch.setenv("SMGW_SYSTEM_PIN", "0000000000")
    assert "7 tries left" in smgw("module", "verify-pin", f"module:{module}", "--which", "system", exit_code=1).stderr


def test_no_pin_anywhere(smgw: Run, module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMGW_SYSTEM_PIN")
    assert "--system-pin-file" in smgw("module", "verify-pin", f"module:{module}", exit_code=2).stderr


def test_no_pin_is_an_argument(smgw: Run) -> None:
    for name in ("create", "verify-pin"):
        options = re.findall(r"--[a-z-]*pin[a-z-]*", smgw("module", name, "--help").stdout)
        assert set(options) <= {"--system-pin-file", "--integrator-pin-file"}


@pytest.mark.parametrize("url", ["module:/nowhere", "nowhere", "pcsc:"])
def test_modules_that_there_are_not(smgw: Run, url: str) -> None:
    assert smgw("module", "info", url, exit_code=2).stderr


@pytest.mark.pcsc
def test_list(smgw: Run, plug_in: Callable[[Card], str], pcsc_daemon: PcscDaemon) -> None:
    url = plug_in(PlainCard())
    found = {told["url"]: told for told in json_lines(smgw("module", "list", "--json"))}
    assert found[url] == {
        "url": url,
        "reader": url.removeprefix("pcsc:"),
        "present": True,
        "atr": ATR.hex().upper(),
    }
    assert found[pcsc_daemon.url(0)]["present"] is False
    assert "empty" in smgw("module", "list").stdout


@pytest.mark.pcsc
def test_run(smgw: Run, pcsc_daemon: PcscDaemon, module: Path, tmp_path: Path) -> None:
    """In a process of its own, as an operator runs it; the reader's port is brought to it by a socket of the test's."""
    script = (
        "import socket, sys\n"
        "import securitymodule.vpcd as vpcd\n"
        "reached = socket.socket(fileno=int(sys.argv.pop(1)))\n"
        "vpcd.reach_reader = lambda host, port: reached\n"
        "from smgw.cli import main\n"
        "main()\n"
    )
    url = pcsc_daemon.url(0)
    for how in (signal.SIGTERM, signal.SIGINT):
        with pcsc_daemon.reach(0) as reached:
            process = subprocess.Popen(
                [sys.executable, "-c", script, str(reached.fileno()), "module", "run", str(module), "--json"],
                pass_fds=[reached.fileno()],
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
            )
        try:
            pcsc_daemon.wait_until(0, present=True)
            (told,) = json_lines(smgw("module", "info", url, "--json"))
            assert told["serial"] == "SM-0001"
            smgw("module", "verify-pin", url)
            process.send_signal(how)
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.communicate()
        pcsc_daemon.wait_until(0, present=False)
        assert "no module in the reader" in smgw("module", "info", url, exit_code=2).stderr


def test_run_without_a_reader_or_a_module(smgw: Run, module: Path, tmp_path: Path) -> None:
    assert "vsmartcard-vpcd" in smgw("module", "run", module, "--port", "1", exit_code=2).stderr
    assert "no security module" in smgw("module", "run", tmp_path / "absent", exit_code=2).stderr
