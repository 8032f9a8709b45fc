"""SML transport protocol, version 1 (SML-Transportprotokoll): frames in a byte stream.

Source: SML 1.04 (BSI TR-03109-1, Anlage IV), chapter on the transport protocol. A frame is

    ``1b1b1b1b 01010101``  start
    payload                with every run of four ``1b`` doubled, at whatever offset it begins
    fill                   0 to 3 bytes, so that the frame's length is a multiple of four
    ``1b1b1b1b 1a`` n crc  end: number of fill bytes, and the checksum of all before it as it went over the wire

:class:`FrameReader` takes the stream in pieces of any size, keeps at most one frame of it, and accounts for every byte:
each belongs either to a frame whose checksum holds or to a skipped range with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from gateway.lmn import crc16
from gateway.lmn.crc16 import CrcKind
from gateway.lmn.sml_errors import SmlEncodeError

ESCAPE: Final = b"\x1b\x1b\x1b\x1b"
START: Final = ESCAPE + b"\x01\x01\x01\x01"
END_MARK: Final = 0x1A
END_LENGTH: Final = 8
MAX_FILL: Final = 3

MAX_FRAME: Final = 16_384
"""Bytes of one frame on the wire that a reader accepts by default. Pushed frames take 200 to 600; the bound is what
keeps memory and work small when somebody feeds an endless frame."""


@dataclass(frozen=True, slots=True)
class TransportFrame:
    """A frame whose checksum holds. Offsets count from the first byte ever fed; ``end`` is exclusive."""

    offset: int
    end: int
    payload: bytes = field(repr=False)
    fill: bytes
    crc: CrcKind


@dataclass(frozen=True, slots=True)
class Skipped:
    """Bytes ``offset`` to ``end`` (exclusive) that made up no intact frame, and why."""

    offset: int
    end: int
    reason: str

    @property
    def ok(self) -> bool:
        """False, always: there are no readings in skipped bytes."""
        return False

    @property
    def error(self) -> str:
        """The reason, under the name it has in a frame."""
        return self.reason


class FrameReader:
    """Finds frames in a stream that may be damaged anywhere, and starts anew at the next start sequence.

    How the stream is cut into pieces makes no difference to what is found.
    """

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        """:param max_frame: longest frame to accept, in bytes on the wire."""
        if max_frame < len(START) + END_LENGTH:
            raise ValueError(f"a frame takes at least {len(START) + END_LENGTH} bytes, max_frame is {max_frame}")
        self._max_frame = max_frame
        self._kept = bytearray()
        self._base = 0  # offset in the stream of the first kept byte
        self._in_frame = False  # if so, the kept bytes begin with its start sequence
        self._examined = 0  # offset in the stream up to which escape sequences of the frame have been understood
        self._skip_from: int | None = None
        self._skip_reason = ""

    @property
    def kept_bytes(self) -> int:
        """How many bytes wait for more to come: never more than one frame."""
        return len(self._kept)

    def feed(self, chunk: bytes) -> list[TransportFrame | Skipped]:
        """Take the next bytes of the stream; return what they completed, in order of offset."""
        self._kept += chunk
        return self._advance(final=False)

    def finish(self) -> list[TransportFrame | Skipped]:
        """The stream has ended: account for what is left. The reader may be fed again, as after a pause."""
        return self._advance(final=True)

    def _advance(self, *, final: bool) -> list[TransportFrame | Skipped]:
        found: list[TransportFrame | Skipped] = []
        while True:
            if not self._in_frame:
                if not self._find_start(found, final=final):
                    return found
            elif not self._find_end(found, final=final):
                return found

    def _find_start(self, found: list[TransportFrame | Skipped], *, final: bool) -> bool:
        at = self._kept.find(START)
        if at >= 0:
            self._drop_noise(at)
            self._report_skipped(found)
            self._in_frame = True
            self._examined = max(self._examined, self._base + len(START))
            return True
        undecided = 0 if final else min(len(START) - 1, len(self._kept))
        self._drop_noise(len(self._kept) - undecided)
        if final:
            self._report_skipped(found)
        return False

    def _find_end(self, found: list[TransportFrame | Skipped], *, final: bool) -> bool:
        """Go through the escape sequences of the frame. False if it takes more bytes to know."""
        kept = self._kept
        limit = min(len(kept), self._max_frame)
        at = self._examined - self._base
        while True:
            run = kept.find(ESCAPE, at, limit)
            if run < 0:
                at = max(at, limit - len(ESCAPE) + 1)
                break
            at = run
            if at + 8 > limit:
                break
            if kept[at + 4 : at + 8] == ESCAPE:  # four escape bytes of the payload, doubled
                at += 8
                continue
            # A payload may end in up to three escape bytes of its own: the sequence is the last four of the run.
            own = len(kept[at + 4 : at + 8]) - len(kept[at + 4 : at + 8].lstrip(b"\x1b"))
            sequence = at + own
            if sequence + END_LENGTH > limit:
                break
            self._examined = self._base + at
            if kept[sequence + 4] == END_MARK:
                self._close(found, sequence)
            elif kept.startswith(START, sequence):
                self._damaged("a new frame starts where the end of this one was expected")
            else:
                word = bytes(kept[sequence + 4 : sequence + 8])
                self._damaged(f"unknown escape sequence {word.hex()} at byte {self._base + sequence}")
            return True
        self._examined = self._base + at
        if len(kept) >= self._max_frame:
            self._damaged(f"no end within {self._max_frame} bytes")
            return True
        if final:
            self._damaged("the bytes end before the frame does")
            return True
        return False

    def _close(self, found: list[TransportFrame | Skipped], sequence: int) -> None:
        """An end sequence stands at ``sequence`` of the kept bytes: a frame if it is sound, else damage."""
        covered = bytes(self._kept[: sequence + 6])
        sent = int.from_bytes(self._kept[sequence + 6 : sequence + END_LENGTH], "big")
        crc = crc16.matching(covered, sent)
        body = covered[len(START) : sequence]
        if ESCAPE in body:
            body = body.replace(ESCAPE + ESCAPE, ESCAPE)
        fill = covered[-1]
        if crc is None:
            self._damaged("transport CRC wrong")
        elif sequence % 4:
            self._damaged("the frame's length is not a multiple of four")
        elif fill > min(MAX_FILL, len(body)):
            self._damaged(f"impossible number of fill bytes: {fill}")
        else:
            length = sequence + END_LENGTH
            content = len(body) - fill
            found.append(TransportFrame(self._base, self._base + length, body[:content], body[content:], crc))
            self._in_frame = False
            self._cut(length)

    def _damaged(self, reason: str) -> None:
        """Give the frame up and look for the next start sequence, which may lie inside the bytes already seen.

        ``_examined`` stays: a start sequence among them splits no escape sequence, so they need not be read again,
        however many start sequences somebody hides in one frame.
        """
        self._in_frame = False
        self._skip_from, self._skip_reason = self._base, reason
        self._cut(len(START))

    def _drop_noise(self, count: int) -> None:
        if count and self._skip_from is None:
            self._skip_from, self._skip_reason = self._base, "no start sequence"
        self._cut(count)

    def _report_skipped(self, found: list[TransportFrame | Skipped]) -> None:
        if self._skip_from is not None:
            found.append(Skipped(self._skip_from, self._base, self._skip_reason))
            self._skip_from = None

    def _cut(self, count: int) -> None:
        if count:
            del self._kept[:count]
            self._base += count


def encode_frame(payload: bytes, crc: CrcKind = CrcKind.X25, fill: bytes | None = None) -> bytes:
    """The bytes of a frame around ``payload``.

    :param fill: the fill bytes; by default as many zeros as are needed.
    :raises SmlEncodeError: if given fill bytes are too many or leave the length no multiple of four.
    """
    if fill is None:
        fill = bytes(-len(payload) % 4)
    if len(fill) > MAX_FILL or (len(payload) + len(fill)) % 4:
        raise SmlEncodeError(f"{len(fill)} fill bytes after a payload of {len(payload)}")
    body = (payload + fill).replace(ESCAPE, ESCAPE + ESCAPE)
    covered = START + body + ESCAPE + bytes((END_MARK, len(fill)))
    return covered + crc16.as_sent(covered, crc).to_bytes(2, "big")
