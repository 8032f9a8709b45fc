"""A PC/SC daemon of our own, with virtual readers of two slots each: ``pcscd`` with the driver of vsmartcard.

The driver listens on all addresses, so it runs in a network namespace of its own, in which there is nothing but a
loopback interface: nobody else reaches it, and several such daemons do not meet. A helper in there
(:mod:`smgw.pcsc_inside`) hands out sockets that are connected to it. Where no namespaces can be made, which is so in
many containers, root starts the daemon as it is, on ports that are free.

Clients reach the daemon by its socket in the file system, through an environment variable that PC/SC's library reads
once, when it is first used. So a process has one place for that socket, and one daemon of its own at a time.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from securitymodule.errors import ModuleError, ReaderUnavailable
from securitymodule.pcsc import DEFAULT_SOCKET, daemon_in_use, list_readers

DAEMON: Final = Path("/usr/sbin/pcscd")
DRIVER: Final = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
INSTRUCTION: Final = (
    "there is no PC/SC daemon with a virtual reader here ({missing}): `sh tools/setup.sh pcsc` installs it, "
    "and so does `make run MODULE=pcsc`; by hand on Debian: apt-get install pcscd vsmartcard-vpcd"
)
SYSTEM_SOCKET: Final = Path(DEFAULT_SOCKET)
"""Where clients find the system's daemon."""
SOCKET_VARIABLE: Final = "PCSCLITE_CSOCK_NAME"
NAME: Final = "Virtual reader"
SLOTS: Final = 2
"""How many slots a virtual reader has; each is a reader to PC/SC."""
LIMIT: Final = 30.0
"""Seconds that anything here may take."""
_PORT_IN_NAMESPACE: Final = 35963

_folder: list[Path] = []
"""Where this process's daemon has its socket, once there was one."""


class PrivateDaemon:
    """One daemon; :meth:`start` it, reach its slots, :meth:`stop` it.

    :ivar slots: how many there are, counted through all its readers.
    """

    def __init__(self, readers: int = 1) -> None:
        """
        :param readers: how many virtual readers it has.
        :raises ReaderUnavailable: if it is not installed, or this process has used another daemon before.
        """
        missing = [str(path) for path in (DAEMON, DRIVER) if not path.exists()]
        if missing:
            raise ReaderUnavailable(INSTRUCTION.format(missing=f"missing: {', '.join(missing)}"))
        self._apart = _can_have_namespaces()
        usable = [_socket(folder, apart=True) for folder in _folder] if self._apart else [SYSTEM_SOCKET]
        settled = daemon_in_use()
        if settled is not None and Path(settled) not in usable:
            raise ReaderUnavailable(
                f"this process has used the PC/SC daemon at {settled}, and its library knows one daemon only"
            )
        self.directory = _own_folder()
        self.slots = readers * SLOTS
        self._port = _PORT_IN_NAMESPACE if self._apart else _free_ports(self.slots)
        self._control: socket.socket | None = None
        self._asking = threading.Lock()
        self._helper: subprocess.Popen[bytes] | None = None

    @property
    def socket_path(self) -> Path:
        """Where clients find the daemon (``PCSCLITE_CSOCK_NAME``)."""
        return _socket(self.directory, apart=self._apart)

    @property
    def helper(self) -> int:
        """Process id of the helper that runs it."""
        assert self._helper is not None, "the daemon was not started"  # noqa: S101
        return self._helper.pid

    def start(self) -> None:
        """Start it, or start it anew; return when it answers with its readers.

        :raises ReaderUnavailable: if it does not.
        """
        if self._helper is None:
            self._start_helper()
        self._ask("start")
        self._wait_for_readers()

    def kill(self) -> None:
        """Kill the daemon; :meth:`start` starts another."""
        self._ask("kill")

    def stop(self) -> None:
        """End everything and remove what it wrote."""
        control, self._control = self._control, None
        helper, self._helper = self._helper, None
        try:
            if control is not None:
                control.close()  # the helper ends with it, and the daemon with the helper
            if helper is not None:
                helper.wait(LIMIT)
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def reader(self, slot: int = 0) -> str:
        """The name of a slot's reader."""
        return f"{_name(slot)} 00 {slot % SLOTS:02}"

    def url(self, slot: int = 0) -> str:
        """How to reach a module in a slot."""
        return f"pcsc:{self.reader(slot)}"

    def reach(self, slot: int = 0) -> socket.socket:
        """A socket connected to the driver of a slot, for :mod:`securitymodule.vpcd`."""
        return self._ask(f"reach {self._port + slot}")[0]

    def wait_until(self, slot: int, *, present: bool) -> None:
        """Wait until the daemon has seen a card come or go; it looks every 400 ms."""
        name = self.reader(slot)

        def seen() -> bool:
            return any((found.atr is not None) is present for found in list_readers() if found.name == name)

        self._wait(seen, f"a card that {'came' if present else 'went'}")

    def _start_helper(self) -> None:
        shutil.rmtree(self.directory / "run", ignore_errors=True)
        for name in ("run", "config"):
            (self.directory / name).mkdir(exist_ok=True)
        for slot in range(0, self.slots, SLOTS):
            port, driver = self._port + slot, self.directory / f"driver-{slot}.so"
            shutil.copyfile(DRIVER, driver)  # one loaded twice would mix its slots up
            (self.directory / "config" / f"vpcd-{slot}").write_text(
                f'FRIENDLYNAME "{_name(slot)}"\nDEVICENAME /dev/null:{port:#x}\nLIBPATH {driver}\nCHANNELID {port:#x}\n'
            )
        command = [sys.executable, "-m", "smgw.pcsc_inside", str(self.directory)]
        if self._apart:
            command = [*_unshare(), *command, "apart"]
        self._control, inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with inside, (self.directory / "helper.log").open("ab") as log:
            self._helper = subprocess.Popen(  # noqa: S603
                command,
                stdin=inside.fileno(),
                stdout=log,
                stderr=log,
                # Ctrl-C reaches this process first, and it can still close what it opened.
                start_new_session=True,
            )
        self._control.settimeout(LIMIT)

    def _wait_for_readers(self) -> None:
        def listed() -> bool:
            try:
                return {found.name for found in list_readers()} >= {self.reader(slot) for slot in range(self.slots)}
            except ModuleError:
                return False

        self._wait(listed, "the daemon's readers")

    def _wait(self, reached: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + LIMIT
        while not reached():
            if time.monotonic() > deadline:
                raise ReaderUnavailable(f"waited {LIMIT:.0f} s for {what}{self._logs()}")
            time.sleep(0.01)

    def _ask(self, request: str) -> list[socket.socket]:
        assert self._control is not None, "the daemon was not started"  # noqa: S101
        try:
            with self._asking:  # or one thread gets another's answer, and its card goes into the other's reader
                self._control.send(request.encode())
                answer, descriptors, _, _ = socket.recv_fds(self._control, 1024, 1)
        except OSError as error:
            raise ReaderUnavailable(f"the PC/SC daemon's helper is gone ({error}){self._logs()}") from error
        if answer != b"ok":
            told = answer.decode() or "the helper ended"
            raise ReaderUnavailable(f"the PC/SC daemon's helper, asked to {request}: {told}{self._logs()}")
        return [socket.socket(fileno=descriptor) for descriptor in descriptors]

    def _logs(self) -> str:
        logs = [log.read_text(errors="replace")[-4000:].strip() for log in sorted(self.directory.glob("*.log"))]
        return "".join(f"\n{text}" for text in logs if text)


def _socket(folder: Path, *, apart: bool) -> Path:
    return folder / "run" / "pcscd.comm" if apart else SYSTEM_SOCKET


def _name(slot: int) -> str:
    """What a slot's reader is called; the daemon does not tell two of the same name apart."""
    return NAME if slot < SLOTS else f"{NAME} {slot // SLOTS + 1}"


def _own_folder() -> Path:
    """The same for every daemon of this process, one after the other.

    :raises ReaderUnavailable: if there is something in its place.
    """
    if not _folder:
        # Directly in /tmp: a socket's path may have 107 bytes only.
        _folder.append(Path(tempfile.mkdtemp(prefix="smgw-pcsc-", dir="/tmp")))
        return _folder[0]
    try:
        _folder[0].mkdir(mode=0o700)
    except FileExistsError:
        raise ReaderUnavailable(f"{_folder[0]} is there already: a process has one PC/SC daemon at a time") from None
    return _folder[0]


def _unshare() -> list[str]:
    # Without root a user namespace gives the right to make the others.
    as_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *as_user, "--net", "--mount", "--"]


def _can_have_namespaces() -> bool:
    """Whether they can be made here.

    :raises ReaderUnavailable: if not, and a daemon cannot be started without either.
    """
    try:
        done = subprocess.run([*_unshare(), "true"], capture_output=True, text=True, check=False)  # noqa: S603
        why = done.stderr.strip()
    except FileNotFoundError:
        why = "there is no `unshare`"
    else:
        if done.returncode == 0:
            return True
    if os.geteuid() == 0 and not answers(SYSTEM_SOCKET):
        return False
    in_the_way = "there is one already, whose reader is not free" if os.geteuid() == 0 else "only root may"
    raise ReaderUnavailable(f"no PC/SC daemon can be started apart ({why}), nor for the whole system: {in_the_way}")


def answers(path: Path) -> bool:
    """Whether somebody listens at a socket."""
    with socket.socket(socket.AF_UNIX) as tried:
        try:
            tried.connect(str(path))
        except OSError:
            return False
    return True


def _free_ports(count: int) -> int:
    """The first of so many ports in a row; the driver cannot be told to choose."""
    for _ in range(100):
        with socket.create_server(("", 0)) as first:
            port: int = first.getsockname()[1]
            try:
                for offset in range(1, count):
                    socket.create_server(("", port + offset)).close()
            except OSError:
                continue
            return port
    raise ReaderUnavailable(f"no {count} free ports in a row for a virtual reader")
