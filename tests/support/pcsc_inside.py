"""The part of :mod:`tests.support.pcsc` that runs inside the namespaces: a PC/SC daemon, and sockets to its reader.

Started by ``unshare`` with a control socket as its standard input. A request is one datagram: ``start``, ``kill``, or
``reach PORT``; the answer is ``ok``, with a connected socket as its ancillary data where one was asked for, or what
went wrong. When the other end of the control socket goes, however it goes, everything in here ends.
"""

from __future__ import annotations

import fcntl
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

_SIOCSIFFLAGS = 0x8914
_UP = 0x1


def raise_loopback() -> None:
    """A new network namespace has a loopback interface, but it is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _UP))


def take_run_directory(directory: Path) -> None:
    """Put a folder of the test's where the daemon makes its socket."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    Path("/run/pcscd").mkdir()
    subprocess.run(["mount", "--bind", str(directory), "/run/pcscd"], check=True)


class Daemon:
    """The daemon in here."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; whoever asked for it finds out when it answers."""
        for left_over in (self._directory / "run").iterdir():
            left_over.unlink()
        command = ["setpriv", "--pdeathsig=KILL", "--", "/usr/sbin/pcscd", "--foreground", "--error"]
        with (self._directory / "pcscd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--config", str(self._directory / "config")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def end(self, how: signal.Signals) -> None:
        """End it, and wait until it has."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()


def serve(control: socket.socket, directory: Path) -> None:
    """Do what is asked until nobody asks any more."""
    daemon = Daemon(directory)
    raise_loopback()
    take_run_directory(directory / "run")
    try:
        while request := control.recv(64).decode():
            word, _, port = request.partition(" ")
            reached: list[socket.socket] = []
            answer = "ok"
            try:
                if word == "start":
                    daemon.start()
                elif word == "kill":
                    daemon.end(signal.SIGKILL)
                else:
                    reached.append(socket.create_connection(("127.0.0.1", int(port)), 5))
            except OSError as error:
                answer = str(error)
            socket.send_fds(control, [answer.encode()], [one.fileno() for one in reached])
            for one in reached:
                one.close()
    finally:
        daemon.end(signal.SIGKILL)


if __name__ == "__main__":
    with socket.socket(fileno=sys.stdin.fileno()) as control_socket:
        serve(control_socket, Path(sys.argv[1]))
