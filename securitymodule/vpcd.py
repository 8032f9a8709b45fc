"""Puts a card into a virtual PC/SC reader: the card's end of the protocol of ``vpcd`` (project vsmartcard).

The reader driver waits for the card on a TCP port (35963 for its first slot, the next for its second). Both ways a
message is its length, two bytes, big-endian, and so many bytes. One byte is a control: 00 power off, 01 power on,
02 reset, none of them answered, and 04, answered with the ATR and also asked every 400 ms to see whether the card is
still there. Anything longer is a command APDU, to be answered with a response APDU.

The driver writes length and message apart. Without acknowledging the first at once each command would wait 40 ms for
the kernel's delayed acknowledgement, so TCP_QUICKACK, which wears off, is set before every read.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from securitymodule.apdu import StatusWord
from securitymodule.connection import Card
from securitymodule.errors import ReaderUnavailable

HOST: Final = "127.0.0.1"
PORT: Final = 35963
"""Where the driver's first slot waits, unless configured otherwise."""

_POWER_OFF, _POWER_ON, _RESET, _ATR = 0, 1, 2, 4
_LENGTH_BYTES: Final = 2
_LONGEST: Final = 65_535


def reach_reader(host: str = HOST, port: int = PORT, timeout: float = 5.0) -> socket.socket:
    """A connection to the driver of a virtual reader, which takes it for the insertion of a card.

    :param timeout: seconds to wait for it.
    :raises ReaderUnavailable: if no driver waits there.
    """
    try:
        reached = socket.create_connection((host, port), timeout)
    except OSError as error:
        raise ReaderUnavailable(
            f"no virtual reader waits at {host} port {port} ({error.strerror or error}): "
            "it takes a running pcscd with vsmartcard-vpcd"
        ) from error
    return reached


class VirtualSlot:
    """A card in a virtual reader, until it is pulled or the reader goes."""

    def __init__(self, card: Card, connection: socket.socket) -> None:
        """
        :param card: the card; nobody else may use it meanwhile.
        :param connection: from :func:`reach_reader`; closed in the end.
        """
        self._card = card
        self._connection = connection
        self._ending = threading.Event()
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def serve(self) -> None:
        """Answer the reader until :meth:`pull` or until the reader goes; the card has no power then."""
        try:
            while not self._ending.is_set():
                message = self._receive()
                if message is None:
                    return
                answer = self._answer(message)
                if answer is not None:
                    self._connection.sendall(len(answer).to_bytes(_LENGTH_BYTES, "big") + answer)
        except ConnectionError:
            return  # the reader went while it was being answered: that is how daemons end
        finally:
            self._card.power_off()
            self._connection.close()

    def pull(self) -> None:
        """Pull the card: the command it works on is still answered, then :meth:`serve` returns. From any thread."""
        self._ending.set()
        try:
            self._connection.shutdown(socket.SHUT_RD)
        except OSError:
            return  # not connected any more: there is nothing to end

    def _answer(self, message: bytes) -> bytes | None:
        if len(message) != 1:
            answer = self._card.transmit(message)
            return answer if len(answer) <= _LONGEST else StatusWord.UNSPECIFIED.to_bytes(2, "big")
        control = message[0]
        if control == _ATR:
            return self._card.atr
        actions = {_POWER_OFF: self._card.power_off, _POWER_ON: self._card.power_on, _RESET: self._card.reset}
        if control in actions:
            actions[control]()
        return None

    def _receive(self) -> bytes | None:
        """The next message, ``None`` where the reader has gone or the card is being pulled."""
        head = self._read(_LENGTH_BYTES)
        return None if head is None else self._read(int.from_bytes(head, "big"))

    def _read(self, count: int) -> bytes | None:
        read = bytearray()
        while len(read) < count:
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            piece = self._connection.recv(count - len(read))
            if not piece:
                return None
            read += piece
        return bytes(read)


@contextmanager
def inserted(card: Card, connection: socket.socket) -> Iterator[VirtualSlot]:
    """The card in the reader for as long as the block lasts, answered by a thread."""
    slot = VirtualSlot(card, connection)
    thread = threading.Thread(target=slot.serve, name="virtual reader", daemon=True)
    thread.start()
    try:
        yield slot
    finally:
        slot.pull()
        thread.join()
