"""Stands in a world of their own: ``python -m tests.smgw.pcsc_world SCENE DIR``, started in namespaces made for it.

There is a ``/run`` without a daemon's socket, and a loopback interface nobody else uses. What a scene prints is for the
test to judge.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from securitymodule.client import SecurityModule
from securitymodule.errors import ModuleError
from securitymodule.vpcd import PORT
from smgw.pcsc import PcscStand
from smgw.pcsc_daemon import DAEMON, DRIVER, SYSTEM_SOCKET, answers
from smgw.pcsc_inside import raise_loopback

PIN, INTEGRATOR_PIN = "1029384756", "9081726354"


@contextmanager
def system_daemon(directory: Path) -> Iterator[None]:
    """A daemon where the system's is, as Debian configures it, which this world's stands find running."""
    config = directory / "config"
    config.mkdir()
    (config / "vpcd").write_text(
        f'FRIENDLYNAME "Virtual PCD"\nDEVICENAME /dev/null:{PORT:#x}\nLIBPATH {DRIVER}\nCHANNELID {PORT:#x}\n'
    )
    process = subprocess.Popen([str(DAEMON), "--foreground", "--error", "--config", str(config)])
    try:
        while not answers(SYSTEM_SOCKET):
            assert process.poll() is None
            time.sleep(0.01)
        yield
        print("still running", process.poll() is None)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def use(stand: PcscStand, directory: Path) -> None:
    """Two modules at once, each in a reader."""
    with stand.holding(f"module:{directory / 'a'}") as first, stand.holding(f"module:{directory / 'b'}") as second:
        for url in (first, second):
            with SecurityModule.open(url, lambda: PIN) as module:
                print(module.information().serial, "in", url, "private" if stand.is_private else "system's")


def running(directory: Path) -> None:
    """The system's daemon is used, and left as it was."""
    with system_daemon(directory):
        with PcscStand() as stand:
            use(stand, directory)
        with PcscStand() as again:
            use(again, directory)


def taken(directory: Path) -> None:
    """Somebody has a card in a reader of the system's daemon: another is started."""
    with system_daemon(directory), PcscStand() as stand:
        stand.insert(f"module:{directory / 'c'}")
        words = [sys.executable, "-m", "tests.smgw.pcsc_world", "private", str(directory)]
        print(subprocess.run(words, check=True, capture_output=True, text=True).stdout, end="")


def private(directory: Path) -> None:
    """A daemon is started: apart, or as root where nothing can be apart. And once more by the same process."""
    for _ in range(2):
        with PcscStand() as stand:
            use(stand, directory)
            assert stand.daemon is not None
            print("apart", stand.daemon.socket_path != SYSTEM_SOCKET)
    print("left", answers(SYSTEM_SOCKET))


def settled(directory: Path) -> None:
    """This process has used the system's daemon, which is gone: it can use no other."""
    with system_daemon(directory), PcscStand() as stand:
        use(stand, directory)
    try:
        PcscStand().__enter__()
    except ModuleError as error:
        print(type(error).__name__, error)


if __name__ == "__main__":
    if sys.argv[1] != "private" or "world" in sys.argv:
        raise_loopback()
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    {"running": running, "taken": taken, "private": private, "settled": settled}[sys.argv[1]](Path(sys.argv[2]))
