"""A real PC/SC daemon with virtual readers for the tests: ``pcscd`` with the driver of vsmartcard.

The driver listens on all addresses, so it runs in a network namespace of its own, in which there is nothing but a
loopback interface: nobody else reaches it, and daemons of several test processes do not meet. A helper in there
(:mod:`tests.support.pcsc_inside`) hands out sockets that are connected to it. Clients reach the daemon by its socket in
the file system, through an environment variable that PC/SC's library reads once, when it is first used: one daemon a
test process.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from securitymodule.connection import Card, Connection, EmbeddedConnection
from securitymodule.errors import ModuleError
from securitymodule.pcsc import list_readers
from securitymodule.reader import connect
from securitymodule.vpcd import inserted

DRIVER: Final = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
INSTRUCTION: Final = (
    "no PC/SC daemon with a virtual reader ({missing}). `make debian` installs it; "
    "by hand on Debian: apt-get install pcscd vsmartcard-vpcd"
)
NAME: Final = "Virtual reader"
FIRST_PORT: Final = 35963
LIMIT: Final = 30.0
ROOT: Final = Path(__file__).resolve().parents[2]


class PcscDaemon:
    """One daemon with two slots; :meth:`start` it, put cards into it, :meth:`stop` it."""

    def __init__(self) -> None:
        missing = [str(path) for path in (Path("/usr/sbin/pcscd"), DRIVER) if not path.exists()]
        if missing:
            pytest.fail(INSTRUCTION.format(missing=", ".join(missing)), pytrace=False)
        # Directly in /tmp: a socket's path may have 107 bytes only.
        self.directory = Path(tempfile.mkdtemp(prefix="smgw-pcsc-", dir="/tmp"))
        for name in ("run", "config"):
            (self.directory / name).mkdir()
        (self.directory / "config" / "vpcd").write_text(
            f'FRIENDLYNAME "{NAME}"\n'
            f"DEVICENAME /dev/null:{FIRST_PORT:#x}\n"
            f"LIBPATH {DRIVER}\n"
            f"CHANNELID {FIRST_PORT:#x}\n"
        )
        self._control: socket.socket | None = None
        self._helper: subprocess.Popen[bytes] | None = None

    @property
    def socket_path(self) -> Path:
        """Where clients find the daemon (``PCSCLITE_CSOCK_NAME``)."""
        return self.directory / "run" / "pcscd.comm"

    def start(self) -> None:
        """Make the namespaces and start the daemon in them; return when it answers with its readers."""
        if self._helper is None:
            # Without root a user namespace gives the right to make the others.
            as_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
            command = ["unshare", *as_user, "--net", "--mount", "--", sys.executable, "-m", "tests.support.pcsc_inside"]
            self._control, inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with inside, (self.directory / "helper.log").open("ab") as log:
                self._helper = subprocess.Popen(
                    [*command, str(self.directory)],
                    cwd=ROOT,
                    stdin=inside.fileno(),
                    stdout=log,
                    stderr=log,
                    # Ctrl-C reaches the tests first, and they can still close what they opened.
                    start_new_session=True,
                )
            self._control.settimeout(LIMIT)
        self._ask("start")
        self._wait_for_readers()

    def kill(self) -> None:
        """Kill the daemon; :meth:`start` starts another."""
        self._ask("kill")

    def stop(self) -> None:
        """End everything and remove what it wrote."""
        try:
            if self._control is not None:
                self._control.close()  # the helper ends with it, and the daemon with the helper
            if self._helper is not None:
                self._helper.wait(LIMIT)
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def reader(self, slot: int = 0) -> str:
        """The name of a slot's reader."""
        return f"{NAME} 00 {slot:02}"

    def url(self, slot: int = 0) -> str:
        """How to reach a module in a slot."""
        return f"pcsc:{self.reader(slot)}"

    def reach(self, slot: int = 0) -> socket.socket:
        """A socket connected to the driver of a slot, for :mod:`securitymodule.vpcd`."""
        return self._ask(f"reach {FIRST_PORT + slot}")[0]

    @contextmanager
    def holding(self, card: Card, slot: int = 0) -> Iterator[str]:
        """The card in a slot, seen by the daemon for as long as the block lasts; its URL."""
        with inserted(card, self.reach(slot)):
            self.wait_until(slot, present=True)
            yield self.url(slot)
        self.wait_until(slot, present=False)

    def wait_until(self, slot: int, *, present: bool) -> None:
        """Wait until the daemon has seen a card come or go; it looks every 400 ms."""
        name = self.reader(slot)

        def seen() -> bool:
            return any((found.atr is not None) is present for found in list_readers() if found.name == name)

        self._wait(seen, f"a card that {'came' if present else 'went'}")

    def _wait_for_readers(self) -> None:
        def listed() -> bool:
            try:
                return {found.name for found in list_readers()} >= {self.reader(0), self.reader(1)}
            except ModuleError:
                return False

        self._wait(listed, "the daemon's readers")

    def _wait(self, reached: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + LIMIT
        while not reached():
            if time.monotonic() > deadline:
                raise RuntimeError(f"waited {LIMIT:.0f} s for {what}:\n{self._logs()}")
            time.sleep(0.01)

    def _ask(self, request: str) -> list[socket.socket]:
        assert self._control is not None, "the daemon was not started"
        try:
            self._control.send(request.encode())
            answer, descriptors, _, _ = socket.recv_fds(self._control, 1024, 1)
        except OSError as error:
            raise RuntimeError(f"the helper in the namespaces is gone ({error}):\n{self._logs()}") from error
        if answer != b"ok":
            raise RuntimeError(f"{request}: {answer.decode() or 'the helper ended'}\n{self._logs()}")
        return [socket.socket(fileno=descriptor) for descriptor in descriptors]

    def _logs(self) -> str:
        return "\n".join(log.read_text(errors="replace")[-4000:] for log in sorted(self.directory.glob("*.log")))


class Adapter:
    """A card that stays in its slot while what it stands for changes, so that a test need not wait for an insertion."""

    def __init__(self) -> None:
        self.card: Card | None = None

    def plug(self, card: Card | None) -> None:
        """Another card, or none: the one before loses power, and this one has it."""
        if self.card is not None:
            self.card.power_off()
        self.card = card
        if card is not None:
            card.power_on()

    @property
    def _present(self) -> Card:
        assert self.card is not None, "nothing is plugged into the adapter"
        return self.card

    @property
    def atr(self) -> bytes:
        """That of the card plugged in; some other while there is none."""
        return b"\x3b\x80\x80\x01\x01" if self.card is None else self.card.atr

    def power_on(self) -> None:
        """Hand on, if there is somebody."""
        if self.card is not None:
            self.card.power_on()

    def power_off(self) -> None:
        """Hand on, if there is somebody."""
        if self.card is not None:
            self.card.power_off()

    def reset(self) -> None:
        """Hand on, if there is somebody."""
        if self.card is not None:
            self.card.reset()

    def transmit(self, command: bytes) -> bytes:
        """Hand on."""
        return self._present.transmit(command)


@contextmanager
def running_daemon() -> Iterator[PcscDaemon]:
    """A daemon that answers and that this process's PC/SC library talks to; stopped whatever happens meanwhile."""
    daemon = PcscDaemon()
    before = os.environ.get("PCSCLITE_CSOCK_NAME")
    os.environ["PCSCLITE_CSOCK_NAME"] = str(daemon.socket_path)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.stop()
        if before is None:
            del os.environ["PCSCLITE_CSOCK_NAME"]
        else:
            os.environ["PCSCLITE_CSOCK_NAME"] = before


@pytest.fixture(scope="session")
def pcsc_daemon() -> Iterator[PcscDaemon]:
    """The daemon of this test process, started when the first test asks for it. Its first slot is for tests that
    insert and pull cards."""
    with running_daemon() as daemon:
        yield daemon


@pytest.fixture(scope="session")
def _pcsc_adapter(pcsc_daemon: PcscDaemon) -> Iterator[tuple[Adapter, str]]:
    adapter = Adapter()
    with pcsc_daemon.holding(adapter, 1) as url:
        yield adapter, url


@pytest.fixture
def plug_in(_pcsc_adapter: tuple[Adapter, str]) -> Iterator[Callable[[Card], str]]:
    """Puts a card where PC/SC reaches it, in place of the one before, and gives its URL."""
    adapter, url = _pcsc_adapter

    def plug(card: Card) -> str:
        adapter.plug(card)
        connect(url).close()  # which resets it: the daemon would go on telling the other card's answer to reset
        return url

    yield plug
    adapter.plug(None)


@pytest.fixture(params=["module", pytest.param("pcsc", marks=pytest.mark.pcsc)])
def connected(request: pytest.FixtureRequest) -> Iterator[Callable[[Card], Connection]]:
    """Connects to a card both ways, one test after the other: in this process, and over PC/SC."""
    with ExitStack() as open_connections:

        def connect_to(card: Card) -> Connection:
            if request.param == "module":
                return open_connections.enter_context(EmbeddedConnection(card, "module:in this test"))
            plug: Callable[[Card], str] = request.getfixturevalue("plug_in")
            return open_connections.enter_context(connect(plug(card)))

        yield connect_to
