"""The lines of the meters' network: what speaks on each of them, and the decoder that follows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum, unique
from typing import Final, Protocol

from gateway.lmn.hdlc_link import HdlcDecoder
from gateway.lmn.intake import Event
from gateway.lmn.profiles import ProfileBook
from gateway.lmn.receivers import SENDER, line_of
from gateway.lmn.sml import Decoder
from gateway.lmn.wmbus import WmbusDecoder
from gateway.lmn.wmbus_link import FrameFormat
from gateway.lmn.wmbus_security import CounterStore

MAX_LINES: Final = 64
"""How many lines one gateway listens to, senders of a listening receiver among them; ours."""


class LineError(ValueError):
    """A line that there is not, or one too many."""


@unique
class LineProtocol(StrEnum):
    """What is spoken on a line."""

    SML = "sml"
    """SML in the transport protocol, pushed."""
    SML_HDLC = "sml-hdlc"
    """SML in HDLC frames, on the wired bus."""
    WMBUS_A = "wmbus-a"
    """Wireless M-Bus, frame format A."""
    WMBUS_B = "wmbus-b"
    """Wireless M-Bus, frame format B."""

    @property
    def is_wireless(self) -> bool:
        """Whether it is a radio receiver's, whose telegrams' counters have to be kept."""
        return self in _FORMATS


_FORMATS: Final = {LineProtocol.WMBUS_A: FrameFormat.A, LineProtocol.WMBUS_B: FrameFormat.B}


class _Decoder(Protocol):
    def feed(self, chunk: bytes) -> Sequence[Event]:
        """What these bytes complete."""


class Lines:
    """The decoders of all lines of one gateway.

    :param protocols: what is spoken, by line; on a line that is not among them SML is.
    :param book: the profiles as they are now.
    :param counters: keeps the counters of wireless meters; asked for when the first radio line is heard.
    """

    def __init__(
        self,
        protocols: Mapping[str, LineProtocol],
        book: Callable[[], ProfileBook],
        counters: Callable[[], CounterStore],
    ) -> None:
        self._protocols = dict(protocols)
        self._book = book
        self._open_counters = counters
        self._counters: CounterStore | None = None
        self._decoders: dict[str, _Decoder] = {}

    def feed(self, line: str, chunk: bytes) -> Sequence[Event]:
        """What bytes of a line complete; no bytes are a pause, and of a sender its end.

        :raises LineError: if it would be one line too many.
        :raises OSError: if the counter of a wireless meter cannot be kept: the line must be given up.
        :raises gateway.lmn.wmbus_security.SecurityError: if the counters that were kept cannot be read.
        """
        if line not in self._decoders:
            if len(self._decoders) >= MAX_LINES and not self._forget_a_sender():
                raise LineError(f"line {line!r} would be the {MAX_LINES + 1}th; a gateway listens to {MAX_LINES}")
            self._decoders[line] = self._decoder(self._protocols.get(line_of(line), LineProtocol.SML))
        found = self._decoders[line].feed(chunk)
        if not chunk and SENDER in line:
            del self._decoders[line]
        return found

    def _forget_a_sender(self) -> bool:
        """Forget the sender heard of first: it may have gone while nobody listened; whether there was one."""
        sender = next((line for line in self._decoders if SENDER in line), None)
        if sender is not None:
            del self._decoders[sender]
        return sender is not None

    def _decoder(self, protocol: LineProtocol) -> _Decoder:
        if protocol is LineProtocol.SML:
            return Decoder()
        if protocol is LineProtocol.SML_HDLC:
            return HdlcDecoder()
        if self._counters is None:
            self._counters = self._open_counters()
        return WmbusDecoder(_FORMATS[protocol], lambda address: self._book().agreement(address), self._counters)
