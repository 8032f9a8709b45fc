"""Through a real PC/SC daemon with a virtual reader: coming, going, and being in one another's way."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from securitymodule.apdu import CommandApdu, ResponseApdu, StatusWord
from securitymodule.card.module import SoftwareModule
from securitymodule.client import SecurityModule
from securitymodule.coding import FileId, ModuleState
from securitymodule.connection import Card, Connection
from securitymodule.errors import ModuleBusy, ModuleError, ModuleRemoved, NoModule, ReaderUnavailable
from securitymodule.pcsc import list_readers
from securitymodule.reader import connect
from securitymodule.statements import InitialisationFile
from securitymodule.vpcd import VirtualSlot
from tests.support.cards import ATR, PlainCard
from tests.support.pcsc import PcscDaemon

pytestmark = pytest.mark.pcsc
ROOT = Path(__file__).resolve().parents[2]
ECHO = CommandApdu(0, 0xB0, 0, 0, b"Zaehlerstand", 256)
PIN, INTEGRATOR_PIN = "1029384756", "9081726354"


def test_the_same_bytes_both_ways(connected: Callable[[Card], Connection]) -> None:
    connection = connected(PlainCard())
    assert connection.atr == ATR
    for count in (0, 1, 255, 256, 2_000, 16_384):
        command = CommandApdu(0, 0xB0, 0, 0, bytes(count), 65_536)
        assert connection.transmit(command) == ResponseApdu(bytes(count).ljust(65_000, b"\xa5"))
    assert connection.transmit_bytes(b"\x00\xb0\x00\x00") == b"\x90\x00"


def test_readers_are_listed(pcsc_daemon: PcscDaemon) -> None:
    with pcsc_daemon.holding(PlainCard()) as url:
        found = {reader.name: reader.atr for reader in list_readers()}
        assert found[url.removeprefix("pcsc:")] == ATR
    assert pcsc_daemon.reader(0) in {reader.name for reader in list_readers() if reader.atr is None}


def test_an_empty_reader_and_one_that_there_is_not(pcsc_daemon: PcscDaemon) -> None:
    with pytest.raises(NoModule, match="8010000C"):
        connect(pcsc_daemon.url(0))
    with pytest.raises(ReaderUnavailable, match=pcsc_daemon.reader(0)):
        connect("pcsc:Another reader")


def test_a_module_has_one_user_at_a_time(plug_in: Callable[[Card], str]) -> None:
    url = plug_in(PlainCard())
    with connect(url) as first:
        with pytest.raises(ModuleBusy, match="8010000B"):
            connect(url)
        assert first.transmit(ECHO).sw == StatusWord.OK
    connect(url).close()


def test_a_module_has_one_process_at_a_time(plug_in: Callable[[Card], str]) -> None:
    url = plug_in(PlainCard())
    script = (
        "import sys\n"
        "from securitymodule.errors import ModuleBusy\n"
        "from securitymodule.reader import connect\n"
        "try:\n"
        "    connect(sys.argv[1]).close()\n"
        "except ModuleBusy as error:\n"
        "    print(error)\n"
    )

    def told() -> str:
        command = [sys.executable, "-c", script, url]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    with connect(url) as connection:
        assert "somebody else has the module" in told()
        assert connection.transmit(ECHO).sw == StatusWord.OK
    assert told() == ""


def test_letting_a_module_go_resets_it(plug_in: Callable[[Card], str]) -> None:
    card = PlainCard()
    url = plug_in(card)
    with connect(url) as connection:
        connection.transmit(ECHO)
        assert card.events[-1] == "B0"
    connect(url).close()
    assert "reset" in card.events[card.events.index("B0") :] or "off" in card.events[card.events.index("B0") :]
    with pytest.raises(ModuleError, match="closed"):
        connection.transmit(ECHO)


def test_pulled_between_two_commands(pcsc_daemon: PcscDaemon) -> None:
    with pcsc_daemon.holding(PlainCard()) as url:
        connection = connect(url)
        assert connection.transmit(ECHO).data.startswith(b"Zaehlerstand")
    with pytest.raises(ModuleRemoved):
        connection.transmit(ECHO)
    with pytest.raises(NoModule):
        connect(url)
    with pcsc_daemon.holding(PlainCard()) as url, connect(url) as again:
        assert again.transmit(ECHO).sw == StatusWord.OK


def test_pulled_while_it_works(pcsc_daemon: PcscDaemon) -> None:
    """The card's process dies in the middle of a command: a clear error, and the next insertion works."""
    reached = pcsc_daemon.reach(0)
    begun = threading.Event()

    def die(_command: CommandApdu) -> ResponseApdu:
        begun.set()
        reached.shutdown(2)
        raise ConnectionAbortedError

    slot = VirtualSlot(PlainCard(die), reached)
    thread = threading.Thread(target=slot.serve)
    thread.start()
    pcsc_daemon.wait_until(0, present=True)
    with connect(pcsc_daemon.url(0)) as connection, pytest.raises(ModuleRemoved):
        connection.transmit(ECHO)
    thread.join(30)
    assert begun.is_set()
    pcsc_daemon.wait_until(0, present=False)
    with pcsc_daemon.holding(PlainCard()) as url, connect(url) as again:
        assert again.transmit(ECHO).sw == StatusWord.OK


def test_a_real_module_is_whole_after_it_was_pulled(pcsc_daemon: PcscDaemon, tmp_path: Path) -> None:
    directory = tmp_path / "module"
    SoftwareModule.create(directory, InitialisationFile("SM-0001", PIN, INTEGRATOR_PIN)).close()
    with pcsc_daemon.holding(SoftwareModule.open(directory)) as url:
        module = SecurityModule.open(url, lambda: PIN)
        module.verify_pin(INTEGRATOR_PIN)
        assert module.pin_tries() is None
    with pytest.raises(ModuleRemoved):
        module.read_file(FileId.EF_SERIAL)
    module.close()
    with (
        pcsc_daemon.holding(SoftwareModule.open(directory)) as url,
        SecurityModule.open(url, lambda: PIN) as again,
    ):
        assert again.information().state is ModuleState.INITIALISED
        assert again.pin_tries() == 8  # who had presented a PIN before is nobody now


def test_the_daemon_goes_and_comes_back(tmp_path: Path) -> None:
    """In a process of its own: PC/SC's library knows one daemon a process, and others here are using theirs."""
    script = (
        "from securitymodule.errors import ReaderUnavailable\n"
        "from securitymodule.reader import connect\n"
        "from tests.support.cards import PlainCard\n"
        "from tests.support.pcsc import running_daemon\n"
        "from tests.securitymodule.test_pcsc import ECHO\n"
        "def tried(what):\n"
        "    try:\n"
        "        what()\n"
        "    except ReaderUnavailable as error:\n"
        "        print('unavailable:', error)\n"
        "with running_daemon() as daemon:\n"
        "    url = daemon.url()\n"
        "    connection = None\n"
        "    with daemon.holding(PlainCard()):\n"
        "        connection = connect(url)\n"
        "        daemon.kill()\n"
        "        tried(lambda: connection.transmit(ECHO))\n"
        "        tried(lambda: connect(url))\n"
        "        daemon.start()\n"
        "    with daemon.holding(PlainCard()), connect(url) as again:\n"
        "        print(again.transmit(ECHO).data[:12])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert [line.partition(":")[0] for line in lines] == ["unavailable", "unavailable", "b'Zaehlerstand'"], done.stdout
    assert done.stderr == ""


@pytest.mark.crash
def test_the_daemon_goes_with_the_process_that_started_it() -> None:
    """A killed test run leaves no daemon behind."""
    script = (
        "import signal\n"
        "from tests.support.pcsc import running_daemon\n"
        "with running_daemon() as daemon:\n"
        "    print(daemon.directory, daemon.helper, flush=True)\n"
        "    signal.pause()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    directory, helper = process.stdout.readline().split()
    children = Path(f"/proc/{helper}/task/{helper}/children").read_text().split()
    process.kill()
    process.communicate(timeout=30)
    deadline = time.monotonic() + 30
    left = [helper, *children]
    while left and time.monotonic() < deadline:
        left = [each for each in left if Path(f"/proc/{each}").exists()]
        time.sleep(0.02)
    assert children
    assert left == []
    assert not Path(directory).exists()


def test_many_threads_take_turns(plug_in: Callable[[Card], str]) -> None:
    with connect(plug_in(PlainCard())) as connection:
        wrong: list[int] = []

        def talk(number: int) -> None:
            for turn in range(50):
                text = f"{number} {turn}".encode()
                if connection.transmit(CommandApdu(0, 0xB0, 0, 0, text)).data != text:
                    wrong.append(number)

        threads = [threading.Thread(target=talk, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert wrong == []
