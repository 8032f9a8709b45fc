"""What comes over HDLC: segments put together, the LLC header taken off, and SML read from the result.

Source: IEC 62056-46 for the frames, SML 1.04 for the content. On the bus an SML file stands in the information field
as it is; a meter that puts it into a frame of the SML transport protocol first is understood too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from gateway.lmn.crc16 import CrcKind
from gateway.lmn.hdlc import HdlcAddress, HdlcFrame, HdlcReader
from gateway.lmn.sml import SmlFrame, decode_frame, decode_stream
from gateway.lmn.sml_messages import Message
from gateway.lmn.sml_readings import Reading
from gateway.lmn.sml_transport import MAX_FRAME, START, Skipped, TransportFrame

MAX_SENDERS: Final = 64
"""Senders whose segments may be waiting for the rest at the same time; the bus has fewer, so more is an attack."""

_BEGINNINGS: Final = (START, b"\x76")
"""What an SML file begins with: the transport protocol's start sequence, or the list of six that is a message."""


@dataclass(frozen=True, slots=True)
class HdlcMessage:
    """One message of one sender, put together from its frames. It has readings, or ``error`` says why not.

    ``offset`` is where its first frame begins, ``end`` where its last one ends; frames of others may lie between.
    """

    offset: int
    end: int
    source: HdlcAddress
    destination: HdlcAddress
    payload: bytes = field(repr=False)
    messages: tuple[Message, ...] = field(repr=False)
    readings: tuple[Reading, ...]
    error: str | None

    @property
    def ok(self) -> bool:
        """Whether the message has readings."""
        return self.error is None


@dataclass(slots=True)
class _Assembly:
    offset: int
    next_number: int | None
    parts: bytearray


class HdlcDecoder:
    """Turns a stream of the meter bus into messages and skipped ranges; frames that carry nothing leave no event."""

    def __init__(self, max_message: int = MAX_FRAME) -> None:
        """:param max_message: most bytes of one message put together; bounds what is kept of each sender."""
        self._reader = HdlcReader()
        self._max_message = max_message
        self._open: dict[tuple[HdlcAddress, HdlcAddress], _Assembly] = {}

    @property
    def kept_bytes(self) -> int:
        """How many bytes wait for more to come."""
        return self._reader.kept_bytes + sum(len(assembly.parts) for assembly in self._open.values())

    def feed(self, chunk: bytes) -> list[HdlcMessage | Skipped]:
        """Take the next bytes; return what they completed."""
        return self._decoded(self._reader.feed(chunk))

    def finish(self) -> list[HdlcMessage | Skipped]:
        """The stream has ended: return what is left. Segments whose message never ended are reported as skipped."""
        found = self._decoded(self._reader.finish())
        found += [
            Skipped(assembly.offset, assembly.offset, "the bytes end before the message's last segment")
            for assembly in self._open.values()
        ]
        self._open.clear()
        return found

    def _decoded(self, events: list[HdlcFrame | Skipped]) -> list[HdlcMessage | Skipped]:
        found: list[HdlcMessage | Skipped] = []
        for event in events:
            if isinstance(event, Skipped):
                found.append(event)
            elif event.is_information or event.is_unnumbered_information:
                found += self._take(event)
        return found

    def _take(self, frame: HdlcFrame) -> list[HdlcMessage | Skipped]:
        key = (frame.source, frame.destination)
        number = frame.send_number if frame.is_information else None
        assembly = self._open.get(key)
        if assembly is not None and number is not None and assembly.next_number == (number + 1) & 7:
            return []  # the last segment once more: its acknowledgement was lost
        self._open.pop(key, None)
        found: list[HdlcMessage | Skipped] = []
        if assembly is not None and assembly.next_number != number:
            found.append(Skipped(assembly.offset, frame.offset, "a segment of the message was lost"))
            assembly = None
            if not frame.payload.startswith(_BEGINNINGS):
                return found
        if assembly is None:
            assembly = _Assembly(frame.offset, number, bytearray())
        assembly.parts += frame.payload if not assembly.parts else frame.information
        if len(assembly.parts) > self._max_message:
            return [*found, Skipped(assembly.offset, frame.end, f"no end within {self._max_message} bytes")]
        if frame.segmented:
            assembly.next_number = None if number is None else (number + 1) & 7
            if len(self._open) >= MAX_SENDERS:
                oldest = next(iter(self._open))
                found.append(Skipped(self._open.pop(oldest).offset, frame.offset, "too many unfinished messages"))
            self._open[key] = assembly
            return found
        return [*found, read_message(frame, assembly.offset, bytes(assembly.parts))]


def read_message(last: HdlcFrame, offset: int, payload: bytes) -> HdlcMessage:
    """The message whose last frame is ``last``. Never raises: what is wrong becomes its ``error``."""
    content = _read_sml(payload)
    return HdlcMessage(
        offset, last.end, last.source, last.destination, payload, content.messages, content.readings, content.error
    )


def _read_sml(payload: bytes) -> SmlFrame:
    if not payload.startswith(START):
        return decode_frame(TransportFrame(0, len(payload), payload, b"", CrcKind.X25))
    frames = [event for event in decode_stream(payload) if isinstance(event, SmlFrame)]
    if len(frames) == 1:
        return frames[0]
    return SmlFrame(0, len(payload), CrcKind.X25, b"", (), (), None, f"{len(frames)} SML frames in one message")
