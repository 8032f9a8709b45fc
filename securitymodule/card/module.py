"""The software module as a card: power it, send it commands.

:meth:`SoftwareModule.create` makes one in a directory, :meth:`SoftwareModule.open` opens it. A module serves one owner
at a time: who opens or powers it has it until the power goes, and everybody else, in this process or another, is told
so by :class:`securitymodule.errors.ModuleBusy`. Several modules in one process have nothing to do with one another.
Threads that share one wait for one another.

ATR: T=1, historical bytes as ISO/IEC 7816-4 has them: :data:`securitymodule.coding.CAPABILITIES`, and the six letters
``SMGWSM``.
"""

from __future__ import annotations

import os
import secrets
import threading
from datetime import UTC, datetime
from functools import reduce
from operator import xor
from pathlib import Path
from types import TracebackType
from typing import Final, NoReturn, Self

from securitymodule.apdu import CommandApdu, ResponseApdu, StatusWord
from securitymodule.card.context import Clock, Context
from securitymodule.card.dispatcher import Dispatcher
from securitymodule.card.errors import StateNotWritten
from securitymodule.card.pins import RandomBytes
from securitymodule.card.sealing import seal_of
from securitymodule.card.store import Store
from securitymodule.coding import CAPABILITIES, CLA_PLAIN, Ins, Parameters
from securitymodule.errors import CommandRefused, ModuleError
from securitymodule.messaging import Clock as Seconds
from securitymodule.messaging import boot_clock
from securitymodule.statements import InitialisationFile

_HISTORICAL: Final = b"\x80\x73" + CAPABILITIES + b"\x66SMGWSM"
_INTERFACE: Final = bytes((0x80 | len(_HISTORICAL), 0x80, 0x01))
_CHECKED: Final = _INTERFACE + _HISTORICAL
ATR: Final = b"\x3b" + _CHECKED + bytes((reduce(xor, _CHECKED),))
"""Answer to reset (ISO/IEC 7816-3): direct convention, TD1 and TD2 for T=1, historical bytes, TCK."""


def utc_now() -> datetime:
    """The host's time, UTC with zone."""
    return datetime.now(UTC)


class SoftwareModule:
    """A security module in a directory. Satisfies :class:`securitymodule.reader.Card`."""

    def __init__(self, directory: Path, seal: Path, clock: Clock, random: RandomBytes, seconds: Seconds) -> None:
        """Use :meth:`open` or :meth:`create`."""
        self.directory = directory
        self._seal = seal
        self._clock = clock
        self._random = random
        self._seconds = seconds
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._store: Store | None = Store(directory, seal)
        self._dispatcher: Dispatcher | None = None
        self.trouble = ""
        """Why the module serves nobody, in words; empty while it does."""

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        clock: Clock = utc_now,
        random: RandomBytes = secrets.token_bytes,
        seconds: Seconds = boot_clock,
        seal: Path | None = None,
    ) -> SoftwareModule:
        """The module in *directory*, without power yet, and locked against everybody else.

        :param clock: tells the time, for the validity of certificates.
        :param random: source of challenges, nonces and salts. Key pairs come from OpenSSL's generator, and what seals
            from the kernel's, whatever is given here.
        :param seconds: seconds that pass, for the age of a secure channel.
        :param seal: where the seal lies; beside the directory by default (:mod:`securitymodule.card.sealing`).
        :raises NoModule: if there is no module, or no seal.
        :raises ModuleBusy: if somebody has it open.
        :raises StateDamaged: if its files were changed.
        :raises StateRestored: if an earlier state was put back.
        :raises OSError: as the operating system does.
        """
        directory = directory.absolute()
        return cls(directory, seal or seal_of(directory), clock, random, seconds)

    @classmethod
    def create(
        cls,
        directory: Path,
        initialisation: InitialisationFile | None = None,
        *,
        clock: Clock = utc_now,
        random: RandomBytes = secrets.token_bytes,
        seconds: Seconds = boot_clock,
        seal: Path | None = None,
    ) -> SoftwareModule:
        """A new module in *directory*, which is made if it is missing; initialised, if a file for it is given.

        :param initialisation: initialisation file (Initialisierungsfile); without it the module is CREATED, and takes
            one by PUT DATA later.
        :returns: the module as :meth:`open` gives it.
        :raises ModuleExists: if there is one already, or anything else in the directory.
        :raises OSError: as the operating system does.
        """
        directory = directory.absolute()
        Store.create(directory, seal or seal_of(directory))
        module = cls.open(directory, clock=clock, random=random, seconds=seconds, seal=seal)
        if initialisation is not None:
            try:
                module._initialise(initialisation)
            except BaseException:
                module.close()
                raise
        return module

    def __repr__(self) -> str:
        return f"SoftwareModule({str(self.directory)!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a security module is not serialised or copied")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def atr(self) -> bytes:
        """Answer to reset."""
        return ATR

    @property
    def defects(self) -> tuple[str, ...]:
        """Where commands failed by a defect of ours since the last reset: class and place, nothing of the data."""
        with self._lock:
            return tuple(self._dispatcher.defects) if self._dispatcher is not None else ()

    def power_on(self) -> None:
        """Power comes: nothing is selected, no secure channel, no PIN presented.

        Never raises: a module that somebody else has by now, or whose state was changed meanwhile, answers every
        command with 6F00, and :attr:`trouble` says why.
        """
        with self._lock:
            try:
                if self._store is None:
                    self._store = Store(self.directory, self._seal)
                self._dispatcher = Dispatcher(Context(self._store, self._clock, self._random), self._seconds)
                self.trouble = ""
            except (ModuleError, OSError) as error:
                self.trouble = str(error)

    def power_off(self) -> None:
        """Power goes: what was not written is gone, and the module may be used by somebody else."""
        with self._lock:
            self._dispatcher = None
            if self._store is not None:
                self._store.close()
                self._store = None

    def close(self) -> None:
        """The same: let the module go."""
        self.power_off()

    def reset(self) -> None:
        """As power off and on, but nobody else gets in between."""
        with self._lock:
            self._dispatcher = None
            self.power_on()

    def transmit(self, command: bytes) -> bytes:
        """A command APDU in, a response APDU out.

        Never raises, whatever the bytes: 6F00 without power or in trouble, 6581 if a change could not be written.
        """
        with self._lock:
            if self._dispatcher is None or os.getpid() != self._process:
                # A process that was forked off has a copy of everything but the right to write.
                return ResponseApdu(sw=StatusWord.UNSPECIFIED).encode()
            try:
                return self._dispatcher.answer(bytes(command))
            except StateNotWritten as error:
                self._read_again(error)
                return ResponseApdu(sw=StatusWord.MEMORY_FAILURE).encode()

    def _read_again(self, error: StateNotWritten) -> None:
        """Look which state the disk holds after a failed write; if even that fails, the module serves nobody."""
        self.power_off()
        self.power_on()
        if self.trouble:
            self.trouble = f"{error}; then {self.trouble}"

    def _initialise(self, initialisation: InitialisationFile) -> None:
        self.power_on()
        p1, p2 = divmod(Parameters.INITIALISATION, 256)
        command = CommandApdu(CLA_PLAIN, Ins.PUT_DATA, p1, p2, initialisation.encode())
        response = ResponseApdu.decode(self.transmit(command.encode()))
        if response.sw != StatusWord.OK:
            raise CommandRefused("initialising the module", response.sw)
        self._dispatcher = None
