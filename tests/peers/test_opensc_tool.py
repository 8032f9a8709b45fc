"""``opensc-tool``, over the real PC/SC daemon: somebody else's program reads our ATR and sends our commands."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from securitymodule.apdu import ResponseApdu
from securitymodule.card.module import ATR, SoftwareModule
from securitymodule.coding import ModuleState
from securitymodule.connection import Card
from securitymodule.statements import InitialisationFile, ModuleInformation

pytestmark = pytest.mark.pcsc
INSTRUCTION = "no opensc-tool on PATH. `make debian` installs it; by hand on Debian: apt-get install opensc"
INITIALISATION = InitialisationFile("SM-0001", "1029384756", "9081726354")


@pytest.fixture
def reader(tmp_path: Path, plug_in: Callable[[Card], str]) -> str:
    """The name of a reader with an initialised module in it."""
    SoftwareModule.create(tmp_path / "module", INITIALISATION).close()
    return plug_in(SoftwareModule.open(tmp_path / "module")).removeprefix("pcsc:")


def opensc(*words: str) -> str:
    if shutil.which("opensc-tool") is None:
        pytest.fail(INSTRUCTION, pytrace=False)
    done = subprocess.run(["opensc-tool", *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def responses(printed: str) -> list[ResponseApdu]:
    """The responses in what ``opensc-tool --send-apdu`` prints: a status word, then rows of hexadecimal and text."""
    found = []
    for part in printed.split("Received (")[1:]:
        head, _, rows = part.partition("\n")
        words = re.search(r"SW1=0x([0-9A-F]{2}), SW2=0x([0-9A-F]{2})", head)
        assert words is not None, printed
        data = b"".join(
            bytes.fromhex("".join(re.findall(r"(?<![0-9A-F])[0-9A-F]{2}(?= )", row[:48] + " ")))
            for row in rows.partition("Sending")[0].splitlines()
        )
        found.append(ResponseApdu(data, int(words[1] + words[2], 16)))
    return found


def test_it_reads_our_atr(reader: str) -> None:
    printed = opensc("--reader", reader, "--atr")
    assert bytes.fromhex(printed.replace(":", "")) == ATR


def test_it_sees_the_reader(reader: str) -> None:
    printed = opensc("--list-readers")
    (line,) = [line for line in printed.splitlines() if reader in line]
    assert "Yes" in line


def test_it_sends_our_commands(reader: str) -> None:
    words = ["00A4000C", "00A4000C022F02", "00B0000020", "00CA010100", "0084000008", "00FF0000"]
    selected, serial_selected, serial, information, challenge, unknown = responses(
        opensc("--reader", reader, *[word for apdu in words for word in ("--send-apdu", apdu)])
    )
    assert selected.sw == serial_selected.sw == 0x9000
    assert serial.sw in {0x9000, 0x6282}
    assert b"SM-0001" in serial.data
    told = ModuleInformation.decode(information.data)
    assert (told.serial, told.state) == ("SM-0001", ModuleState.INITIALISED)
    assert challenge.sw == 0x6982  # not without secure messaging
    assert unknown.sw == 0x6D00
