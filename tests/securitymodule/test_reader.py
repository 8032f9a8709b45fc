"""How a module is reached in the same process, and what there is without PC/SC."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from securitymodule import pcsc
from securitymodule.apdu import CommandApdu, ResponseApdu, StatusWord
from securitymodule.card.module import SoftwareModule
from securitymodule.connection import EmbeddedConnection
from securitymodule.errors import ModuleBusy, ModuleError, NoModule, ProtocolError, ReaderUnavailable
from securitymodule.reader import connect, split_url
from tests.support.cards import ATR, PlainCard

ROOT = Path(__file__).resolve().parents[2]


def test_urls() -> None:
    assert split_url("module:/var/lib/smgw/module") == ("module", "/var/lib/smgw/module")
    assert split_url("pcsc:Reader: with a colon 00 00") == ("pcsc", "Reader: with a colon 00 00")


@pytest.mark.parametrize("url", ["", "module", "module:", "pcsc:", "http://localhost", "/var/lib/smgw/module"])
def test_what_names_no_module(url: str) -> None:
    with pytest.raises(ReaderUnavailable, match="module:DIR or pcsc:READER NAME"):
        connect(url)


def test_a_folder_without_a_module(tmp_path: Path) -> None:
    with pytest.raises(NoModule):
        connect(f"module:{tmp_path / 'absent'}")
    with pytest.raises(NoModule):
        connect(f"module:{tmp_path}")


def test_a_module_in_a_folder(tmp_path: Path) -> None:
    SoftwareModule.create(tmp_path / "module").close()
    url = f"module:{tmp_path / 'module'}"
    with connect(url) as connection:
        assert connection.url == url
        assert connection.transmit(CommandApdu(0, 0xCA, 1, 1, le=256)).sw == StatusWord.OK
        with pytest.raises(ModuleBusy):
            connect(url)
    connect(url).close()


def test_a_card_has_power_as_long_as_it_is_connected() -> None:
    card = PlainCard()
    with EmbeddedConnection(card, "module:test") as connection:
        assert connection.atr == ATR
        assert connection.transmit(CommandApdu(0, 0xB0, 0, 0, b"Wh")) == ResponseApdu(b"Wh")
    connection.close()
    assert card.events == ["on", "B0", "off"]
    with pytest.raises(ModuleError, match="closed"):
        connection.transmit_bytes(b"\x00\xb0\x00\x00")


def test_what_is_no_response() -> None:
    class Mute(PlainCard):
        def transmit(self, _command: bytes) -> bytes:
            return b"\x90"

    with pytest.raises(ProtocolError):
        EmbeddedConnection(Mute(), "module:test").transmit(CommandApdu(0, 0xB0, 0, 0))


def test_without_pyscard_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "smartcard", None)
    for way in (lambda: connect("pcsc:Reader"), pcsc.list_readers):
        with pytest.raises(ReaderUnavailable, match=r"apt-get install swig libpcsclite-dev gcc pcscd.*smgw\[pcsc\]"):
            way()


def test_nothing_but_pcsc_imports_pyscard() -> None:
    """A process in which ``smartcard`` cannot be imported still has everything else."""
    script = (
        "import sys; sys.modules['smartcard'] = None\n"
        "import securitymodule.client, securitymodule.pcsc, securitymodule.vpcd, securitymodule.card.module\n"
        "import smgw.commands.module\n"
        "from securitymodule.reader import connect\n"
        "from securitymodule.errors import NoModule\n"
        "try:\n    connect('module:/nowhere')\nexcept NoModule:\n    print('no module')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "no module\n"
