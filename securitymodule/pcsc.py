"""Modules in readers, through PC/SC: ``pyscard`` and the daemon that it talks to (``pcscd``).

``pyscard`` is imported here when it is first needed and nowhere else, so that everything that does without a reader
runs without it. The plain functions of PC/SC are used: they give a status code for everything, which is what the errors
here are made of.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from securitymodule.connection import Connection
from securitymodule.errors import ModuleBusy, ModuleError, ModuleRemoved, NoModule, ReaderUnavailable

INSTRUCTION: Final = (
    "PC/SC needs the Python package pyscard, which is not installed (or was built for another Python). "
    "`sh tools/setup.sh pcsc` installs it and a PC/SC daemon with a virtual reader. "
    "It is built from source: apt-get install swig libpcsclite-dev gcc pcscd, then pip install 'smgw[pcsc]'"
)

DEFAULT_SOCKET: Final = "/run/pcscd/pcscd.comm"
"""Where PC/SC's library looks for its daemon unless it is told otherwise."""
_SUCCESS: Final = 0
_NO_READERS: Final = 0x8010002E
_NO_MODULE: Final = 0x8010000C

_ERRORS: Final[dict[int, tuple[type[ModuleError], str]]] = {
    0x80100001: (ReaderUnavailable, "the PC/SC daemon failed"),
    0x80100003: (ReaderUnavailable, "the PC/SC daemon was started anew meanwhile"),
    0x80100009: (ReaderUnavailable, "there is no such reader"),
    0x8010000B: (ModuleBusy, "somebody else has the module"),
    _NO_MODULE: (NoModule, "there is no module in the reader"),
    0x80100013: (ModuleRemoved, "the reader lost the module"),
    0x80100016: (ModuleRemoved, "the module was pulled while it worked"),
    0x80100017: (ReaderUnavailable, "the reader is gone"),
    0x8010001D: (ReaderUnavailable, "no PC/SC daemon is running"),
    0x8010001E: (ReaderUnavailable, "the PC/SC daemon is ending"),
    _NO_READERS: (ReaderUnavailable, "the PC/SC daemon knows no reader"),
    0x8010002F: (ModuleRemoved, "the module's answer got lost"),
    0x80100031: (ModuleBusy, "the PC/SC daemon has too much to do"),
    0x80100066: (NoModule, "what is in the reader does not answer"),
    0x80100067: (NoModule, "what is in the reader has no power"),
    0x80100068: (ModuleRemoved, "the module was reset by somebody else"),
    0x80100069: (ModuleRemoved, "the module was pulled"),
}
"""Codes of PC/SC (winscard.h), and what they mean to a caller."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader that the daemon knows.

    :ivar name: what comes behind ``pcsc:``.
    :ivar atr: answer to reset of what is in it, ``None`` where it is empty.
    """

    name: str
    atr: bytes | None


_settled: list[str] = []


def daemon_in_use() -> str | None:
    """Where the daemon's socket is that PC/SC's library has settled on in this process, ``None`` before its first use.

    The library reads ``PCSCLITE_CSOCK_NAME`` once; setting it later changes nothing.
    """
    return _settled[0] if _settled else None


def binding() -> ModuleType:
    """The functions of PC/SC. Importing them does not settle on a daemon yet.

    :raises ReaderUnavailable: if ``pyscard`` cannot be imported.
    """
    try:
        from smartcard import scard
    except ImportError as error:
        raise ReaderUnavailable(INSTRUCTION) from error
    assert isinstance(scard, ModuleType)  # noqa: S101  what an import gives
    return scard


def _check(code: int, tried: str, *, connected: bool = False) -> None:
    """Raise what a status code means.

    :param tried: what was tried, for the message.
    :param connected: whether there was a module before; one that is missing now was removed.
    """
    code &= 0xFFFF_FFFF
    if code == _SUCCESS:
        return
    kind, why = _ERRORS.get(code, (ModuleError, "PC/SC failed"))
    if connected and kind is NoModule:
        kind = ModuleRemoved
    raise kind(f"{tried}: {why} (PC/SC {code:08X})")


class _Context:
    """A connection to the daemon."""

    def __init__(self) -> None:
        self.scard = binding()
        if not _settled:
            _settled.append(os.environ.get("PCSCLITE_CSOCK_NAME") or DEFAULT_SOCKET)
        code, self.handle = self.scard.SCardEstablishContext(self.scard.SCARD_SCOPE_SYSTEM)
        _check(code, "reaching the PC/SC daemon")

    def names(self) -> list[str]:
        code, names = self.scard.SCardListReaders(self.handle, [])
        if code & 0xFFFF_FFFF == _NO_READERS:
            return []
        _check(code, "asking the PC/SC daemon for its readers")
        return list(names)

    def release(self) -> None:
        self.scard.SCardReleaseContext(self.handle)


def list_readers() -> list[Reader]:
    """The readers that the daemon knows, with what is in them. Nothing is sent to a module, and nobody disturbed.

    :raises ReaderUnavailable: if there is no daemon, or ``pyscard`` is not installed.
    """
    context = _Context()
    try:
        names = context.names()
        if not names:
            return []
        unaware = context.scard.SCARD_STATE_UNAWARE
        code, states = context.scard.SCardGetStatusChange(context.handle, 0, [(name, unaware) for name in names])
        _check(code, "asking what is in the readers")
        present = context.scard.SCARD_STATE_PRESENT
        return [Reader(name, bytes(atr) if state & present else None) for name, state, atr in states]
    finally:
        context.release()


class PcscConnection(Connection):
    """A module in a reader, for this caller alone. Threads wait for one another."""

    def __init__(self, reader: str) -> None:
        """
        :param reader: its name, as :func:`list_readers` tells it.
        :raises ReaderUnavailable: if there is no daemon, no such reader, or ``pyscard`` is not installed.
        :raises NoModule: if it is empty.
        :raises ModuleBusy: if somebody else has the module.
        """
        self.url = f"pcsc:{reader}"
        self._lock = threading.Lock()
        self._card: Any = None
        self._context = _Context()
        try:
            self._connect(reader)
        except ModuleError:
            self._context.release()
            raise

    def _connect(self, reader: str) -> None:
        scard = self._context.scard
        names = self._context.names()
        if reader not in names:
            told = ", ".join(repr(name) for name in names) or "none"
            raise ReaderUnavailable(f"there is no reader {reader!r}; the PC/SC daemon knows: {told}")
        tried = f"connecting to the module in {reader!r}"
        protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        code, card, protocol = scard.SCardConnect(self._context.handle, reader, scard.SCARD_SHARE_EXCLUSIVE, protocols)
        _check(code, tried)
        code, _, _, _, atr = scard.SCardStatus(card)
        if code != _SUCCESS:
            scard.SCardDisconnect(card, scard.SCARD_LEAVE_CARD)
            _check(code, tried)
        self._card = card
        self._pci = scard.SCARD_PCI_T1 if protocol == scard.SCARD_PROTOCOL_T1 else scard.SCARD_PCI_T0
        self._atr = bytes(atr)

    @property
    def atr(self) -> bytes:
        return self._atr

    def transmit_bytes(self, command: bytes) -> bytes:
        with self._lock:
            if self._card is None:
                raise ModuleError(f"the connection to {self.url} is closed")
            scard = self._context.scard
            code, response = scard.SCardTransmit(self._card, self._pci, list(command))
            if code != _SUCCESS:
                # The handle is good for nothing more: a module in the reader now is not the one that was reached.
                self._release(scard.SCARD_LEAVE_CARD)
                _check(code, f"a command to {self.url}", connected=True)
            if not response:
                # What the driver of a virtual reader makes of a card that hangs up instead of answering.
                self._release(scard.SCARD_LEAVE_CARD)
                raise ModuleRemoved(f"a command to {self.url}: the module was pulled while it worked (no answer)")
            return bytes(response)

    def close(self) -> None:
        with self._lock:
            self._release(self._context.scard.SCARD_RESET_CARD)

    def _release(self, disposition: int) -> None:
        """Give handle and context back.

        A module that is gone must be left as it is: when the reset of one fails, pcscd 1.9 takes the reader for empty
        before it has looked, and does not see a module inserted soon after.
        """
        card, self._card = self._card, None
        if card is not None:
            self._context.scard.SCardDisconnect(card, disposition)
            self._context.release()
