"""What a card is to a reader, and a module to whoever uses it: the two interfaces that everything else meets at.

A :class:`Card` is what answers: the software module, or a card of the tests. A :class:`Connection` is what asks, in
this process (:class:`EmbeddedConnection`) or through a reader (:mod:`securitymodule.pcsc`).
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Protocol, Self

from securitymodule.apdu import ApduError, CommandApdu, ResponseApdu
from securitymodule.errors import ModuleError, ProtocolError


class Card(Protocol):
    """A card as a reader sees it. It is used by one thread at a time."""

    @property
    def atr(self) -> bytes:
        """Answer to reset (ISO/IEC 7816-3, 8.2), 2 to 33 bytes."""

    def power_on(self) -> None:
        """Power comes: nothing is selected, no secure channel, no PIN presented."""

    def power_off(self) -> None:
        """Power goes. What was written stays."""

    def reset(self) -> None:
        """The same as off and on."""

    def transmit(self, command: bytes) -> bytes:
        """A command APDU in, a response APDU out, whole and as bytes.

        Never raises because of the bytes: what is no command is answered with a status word.
        """


class Connection(ABC):
    """A module in use. Close it, or use it as a context manager."""

    url: str

    @property
    @abstractmethod
    def atr(self) -> bytes:
        """The module's answer to reset."""

    @abstractmethod
    def transmit_bytes(self, command: bytes) -> bytes:
        """A whole command APDU in, a whole response APDU out.

        :raises ModuleError: if the module cannot be reached any more. What became of the command is not known then.
        """

    @abstractmethod
    def close(self) -> None:
        """Let the module go; it is reset or loses power. Closing twice does nothing."""

    def transmit(self, command: CommandApdu) -> ResponseApdu:
        """The same with the parts of the APDUs.

        :raises ModuleError: as :meth:`transmit_bytes`; :class:`ProtocolError` if what comes back is no response.
        """
        try:
            return ResponseApdu.decode(self.transmit_bytes(command.encode()))
        except ApduError as error:
            raise ProtocolError(f"{self.url} answered with no response: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()


class EmbeddedConnection(Connection):
    """A card in this process. Threads wait for one another."""

    def __init__(self, card: Card, url: str) -> None:
        """:param url: how to call it in messages."""
        self.url = url
        self._card = card
        self._lock = threading.Lock()
        self._open = True
        card.power_on()

    @property
    def atr(self) -> bytes:
        return self._card.atr

    def transmit_bytes(self, command: bytes) -> bytes:
        with self._lock:
            if not self._open:
                raise ModuleError(f"the connection to {self.url} is closed")
            return self._card.transmit(command)

    def close(self) -> None:
        with self._lock:
            if self._open:
                self._open = False
                self._card.power_off()
