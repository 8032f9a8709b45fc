"""The part of :mod:`smgw.pcsc_daemon` that starts the PC/SC daemon, and hands out sockets to its virtual reader.

A process of its own, with a control socket as its standard input. Its arguments are a folder, and ``apart`` where it
was started in namespaces made for it. A request is one datagram: ``start``, ``kill``, or ``reach PORT``; the answer is
``ok``, with a connected socket as its ancillary data where one was asked for, or what went wrong. When the other end of
the control socket goes, however it goes, everything in here ends, and the folder is removed.
"""

from __future__ import annotations

import fcntl
import shutil
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

_SIOCSIFFLAGS = 0x8914
_UP = 0x1
_ENDING_SECONDS = 5.0


def raise_loopback() -> None:
    """A new network namespace has a loopback interface, but it is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _UP))


def take_run_directory(directory: Path) -> None:
    """Put a folder of our own where the daemon makes its socket."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)  # noqa: S607
    Path("/run/pcscd").mkdir()
    subprocess.run(["mount", "--bind", str(directory), "/run/pcscd"], check=True)  # noqa: S603, S607


class Daemon:
    """The daemon in here."""

    def __init__(self, directory: Path, *, apart: bool) -> None:
        self._directory = directory
        self._apart = apart
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; whoever asked for it finds out when it answers."""
        if self._apart:
            for left_over in (self._directory / "run").iterdir():
                left_over.unlink()
        command = ["setpriv", "--pdeathsig=KILL", "--", "/usr/sbin/pcscd", "--foreground", "--error"]
        with (self._directory / "pcscd.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [*command, "--config", str(self._directory / "config")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """Kill it, and wait until it has gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def end(self) -> None:
        """End it. What it made outside of our folder it can only remove itself, if it is asked to end."""
        if self._process is not None and not self._apart:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        self.kill()


def serve(control: socket.socket, daemon: Daemon) -> None:
    """Do what is asked until nobody asks any more."""
    while request := control.recv(64).decode():
        word, _, port = request.partition(" ")
        reached: list[socket.socket] = []
        answer = "ok"
        try:
            if word == "start":
                daemon.start()
            elif word == "kill":
                daemon.kill()
            else:
                reached.append(socket.create_connection(("127.0.0.1", int(port)), 5))
        except OSError as error:
            answer = str(error)
        socket.send_fds(control, [answer.encode()], [one.fileno() for one in reached])
        for one in reached:
            one.close()


def main() -> None:
    """Serve the control socket."""
    directory, apart = Path(sys.argv[1]), "apart" in sys.argv[2:]
    daemon = Daemon(directory, apart=apart)
    try:
        if apart:
            raise_loopback()
            take_run_directory(directory / "run")
        with socket.socket(fileno=sys.stdin.fileno()) as control:
            serve(control, daemon)
    finally:
        daemon.end()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
