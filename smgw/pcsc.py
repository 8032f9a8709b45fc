"""Software modules in virtual readers of a real PC/SC daemon, for as long as a command runs.

::

    with PcscStand() as stand:
        url = stand.insert("module:/var/lib/smgw/module")   # pcsc:Virtual reader 00 00
        with SecurityModule.open(url, system_pin) as module:
            ...

Each module runs in a process of its own, as a chip would: whoever uses it over PC/SC never has its keys in memory.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from securitymodule.card.errors import StateDamaged, StateRestored
from securitymodule.card.module import ATR
from securitymodule.errors import ModuleBusy, ModuleError, NoModule, ReaderUnavailable
from securitymodule.pcsc import binding, daemon_in_use, list_readers
from securitymodule.reader import EMBEDDED, PCSC, split_url
from securitymodule.vpcd import PORT, reach_reader
from smgw.pcsc_daemon import LIMIT, SLOTS, SOCKET_VARIABLE, SYSTEM_SOCKET, PrivateDaemon, answers

_ERRORS: Final = {kind.__name__: kind for kind in (NoModule, ModuleBusy, StateDamaged, StateRestored)}
"""What a module's process may say before it serves; anything else is a :class:`ModuleError`."""
_TAKEN_SECONDS: Final = 2.0
"""How long a driver whose slot is empty takes at most to notice a card: it looks every 400 ms."""


@dataclass(frozen=True, slots=True)
class _Slot:
    """A slot of a virtual reader.

    :ivar reach: connects to its driver, as a card.
    :ivar reader: its reader's name, where that is known before there is a card in it.
    """

    reach: Callable[[], socket.socket]
    reader: str | None = None


@dataclass(frozen=True, slots=True)
class _Inserted:
    """A module in a slot.

    :ivar directory: the module's.
    :ivar slot: which.
    :ivar process: the module's.
    """

    directory: Path
    slot: int
    process: subprocess.Popen[bytes]


class PcscStand:
    """A PC/SC daemon with virtual readers, and modules to put into them. A context manager.

    A daemon that runs already is used where its virtual reader is free; otherwise one is started that nobody else
    sees. Threads may share a stand; at its end every module is pulled, and the daemon that was started is gone.
    """

    def __init__(self, daemon: PrivateDaemon | None = None) -> None:
        """:param daemon: one that was started already, and is not ended here; by default as said above."""
        self._lock = threading.RLock()
        self._given = daemon
        self._own: PrivateDaemon | None = None
        self._before: str | None = None
        self._slots: list[_Slot] = []
        self._inserted: dict[str, _Inserted] = {}

    def __enter__(self) -> Self:
        """
        :raises ReaderUnavailable: if there is no daemon and none can be started; the message says what to install.
        """
        binding()
        if self._given is not None:
            self._slots = _slots_of(self._given)
            return self
        self._slots = _slots_that_run()
        if not self._slots:
            self._own = PrivateDaemon()
            self._before = os.environ.get(SOCKET_VARIABLE)
            os.environ[SOCKET_VARIABLE] = str(self._own.socket_path)
            try:
                self._own.start()
            except BaseException:
                self.close()
                raise
            self._slots = _slots_of(self._own)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def is_private(self) -> bool:
        """Whether the daemon was started for this stand."""
        return self._own is not None

    @property
    def daemon(self) -> PrivateDaemon | None:
        """That daemon, ``None`` where one is used that was there."""
        return self._own

    def insert(self, url: str) -> str:
        """Put a software module into a virtual reader that is free; return when PC/SC sees it.

        :param url: ``module:DIR``. Nobody else may have that module open.
        :returns: ``pcsc:READER NAME``.
        :raises ReaderUnavailable: if the URL is none of a software module, or no reader is free.
        :raises NoModule, ModuleBusy, StateDamaged, StateRestored: as opening the module does.
        """
        way, place = split_url(url)
        if way != EMBEDDED:
            raise ReaderUnavailable(f"{url!r} is no software module: only module:DIR can be put into a virtual reader")
        directory = Path(place).resolve()
        with self._lock:
            for where, found in self._inserted.items():
                # Its own lock would not tell: a reader takes the power from a module that nobody uses.
                if found.directory == directory:
                    raise ModuleBusy(f"the module in {place} is in {where} already")
            taken = {found.slot for found in self._inserted.values()}
            empty = {reader.name for reader in list_readers() if reader.atr is None} if self._slots else set()
            free = [
                number
                for number, slot in enumerate(self._slots)
                if number not in taken and (slot.reader is None or slot.reader in empty)
            ]
            if not free:
                raise ReaderUnavailable(f"no virtual reader is free: {', '.join(self._inserted) or 'there is none'}")
            process = _started(directory, self._slots[free[0]])
            try:
                reader = _come(empty, process)
            except BaseException:
                _end(process)
                raise
            inserted = f"{PCSC}:{reader}"
            self._inserted[inserted] = _Inserted(directory, free[0], process)
            return inserted

    def pull(self, url: str) -> None:
        """Pull a module; a command it works on is still answered. Return when PC/SC sees the reader empty.

        :param url: as :meth:`insert` gave it.
        :raises ReaderUnavailable: if no module was inserted there.
        """
        with self._lock:
            found = self._inserted.pop(url, None)
            if found is None:
                raise ReaderUnavailable(f"{url}: no module was put in there")
            _end(found.process)
            _wait(lambda: split_url(url)[1] not in _present(), f"{url} to be empty")

    @contextmanager
    def holding(self, url: str) -> Iterator[str]:
        """A module in a reader for as long as the block lasts; its URL there."""
        inserted = self.insert(url)
        try:
            yield inserted
        finally:
            self.pull(inserted)

    def close(self) -> None:
        """Pull every module, and end the daemon if it was started here. Closing twice does nothing."""
        with self._lock:
            left, self._inserted = self._inserted, {}
            for found in left.values():
                _end(found.process)
            self._slots = []
            own, self._own = self._own, None
            if own is None:
                if left:
                    _wait(lambda: not {split_url(url)[1] for url in left} & _present(), "the readers to be empty")
                return
            try:
                own.stop()
            finally:
                if self._before is None:
                    os.environ.pop(SOCKET_VARIABLE, None)
                else:
                    os.environ[SOCKET_VARIABLE] = self._before


def _slots_of(daemon: PrivateDaemon) -> list[_Slot]:
    return [_Slot(partial(daemon.reach, slot), daemon.reader(slot)) for slot in range(daemon.slots)]


def _slots_that_run() -> list[_Slot]:
    """The slots of a virtual reader of the daemon that clients of this process reach, where all of them are free."""
    path = Path(os.environ.get(SOCKET_VARIABLE) or daemon_in_use() or SYSTEM_SOCKET)
    if not answers(path) or not _lists_an_empty_reader():
        return []
    ports = [port for port in range(PORT, PORT + SLOTS) if _is_free(port)]
    return [_Slot(partial(reach_reader, port=port)) for port in ports] if len(ports) == SLOTS else []


def _lists_an_empty_reader() -> bool:
    """Asked by another process: this one's library would never forget a daemon that refuses it."""
    command = [sys.executable, "-c", "from smgw.cli import main; main()", "module", "list", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.returncode == 0 and any(not json.loads(line)["present"] for line in done.stdout.splitlines())


def _is_free(port: int) -> bool:
    """Whether a driver waits there and takes a card: where there is one already, it lets the next wait."""
    try:
        reached = reach_reader(port=port, timeout=_TAKEN_SECONDS)
    except ReaderUnavailable:
        return False
    with reached:
        return bool(select.select([reached], [], [], _TAKEN_SECONDS)[0])


def _started(directory: Path, slot: _Slot) -> subprocess.Popen[bytes]:
    """A process with the module in it, connected to a slot.

    :raises ModuleError: as opening the module does.
    """
    with slot.reach() as connection:
        command = [sys.executable, "-m", "smgw.pcsc_card", str(directory), str(connection.fileno())]
        process = subprocess.Popen(  # noqa: S603
            command,
            pass_fds=(connection.fileno(),),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is not for the module: it is pulled when it is time
        )
    assert process.stdout is not None  # noqa: S101
    told = process.stdout.readline().decode().strip()
    if told == "ok":
        return process
    _end(process)
    kind, _, message = told.partition(": ")
    raise _ERRORS.get(kind, ModuleError)(message or f"{directory}: the module's process ended without a word")


def _come(empty: set[str], process: subprocess.Popen[bytes]) -> str:
    """The name of the reader that was empty and has a module now."""
    found: list[str] = []

    def come() -> bool:
        if process.poll() is not None:
            raise ReaderUnavailable("the virtual reader let the module go again")
        found.extend(name for name in _present() if name in empty)
        return bool(found)

    _wait(come, "PC/SC to see the module in its virtual reader")
    return found[0]


def _present() -> set[str]:
    """Names of the readers with a module of ours in them."""
    return {reader.name for reader in list_readers() if reader.atr == ATR}


def _wait(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT
    while not reached():
        if time.monotonic() > deadline:
            raise ReaderUnavailable(f"waited {LIMIT:.0f} s for {what}")
        time.sleep(0.02)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let the module's process end by itself, and kill it where it does not."""
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018
    process.stdin.close()
    try:
        process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
