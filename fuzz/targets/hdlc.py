"""HDLC on the wired bus: frames and what is put together from them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final
from zlib import crc32

from fuzz.mutation import Mutator, cuts
from fuzz.oracles import x25_holds
from fuzz.target import ACCEPTED, NOTHING, hold, reason_class
from fuzz.targets.sml import SmlGrammar, readings_are_said
from gateway.lmn import crc16
from gateway.lmn.hdlc import (
    DM,
    LLC_COMMAND,
    LLC_RESPONSE,
    MAX_LENGTH,
    SNRM,
    UA,
    UI,
    HdlcAddress,
    HdlcFrame,
    HdlcReader,
    encode_frame,
    information_control,
    receive_ready_control,
)
from gateway.lmn.hdlc_link import MAX_SENDERS, HdlcDecoder, HdlcMessage
from gateway.lmn.sml import MAX_FRAME, Skipped
from gateway.lmn.sml_transport import ESCAPE, START
from gateway.lmn.sml_transport import encode_frame as encode_sml_frame

_MOST_KEPT: Final = MAX_LENGTH + 2 + MAX_SENDERS * MAX_FRAME
_CLIENT: Final = HdlcAddress(1)
_METERS: Final = (HdlcAddress(16), HdlcAddress(1, 17, 2), HdlcAddress(300, 16_383, 4))
_WORDS: Final = (
    b"\x7e",
    b"\x7e\x7e",
    b"\x7e\xa0\x07",
    b"\x7e\xa8\x10",
    b"\x7e\xa7\xff",
    b"\xa0",
    LLC_COMMAND,
    LLC_RESPONSE,
    START,
    b"\x02\x02\x02\x02\x02",
)


class HdlcStream:
    """:class:`HdlcReader` and :class:`HdlcDecoder`: checksums right, payloads made of nothing but what was sent."""

    def __init__(self) -> None:
        self._grammar = SmlGrammar()
        self._mutator = Mutator(_WORDS, [encode_frame(_CLIENT, meter, UI, b"\x76" * 40) for meter in _METERS])

    def build(self, random: Random) -> bytes:
        """One or two messages in segments, injured whole or below right checksums."""
        frames: list[bytes] = []
        for _ in range(random.choice((1, 1, 2))):
            message = self._message(random)
            if frames and random.random() < 0.5:
                at = random.randrange(len(frames) + 1)
                frames[at:at] = message
            else:
                frames += message
        if random.random() < 0.2:
            at = random.randrange(len(frames))
            frames.insert(at, frames[at])
        if random.random() < 0.1:
            random.shuffle(frames)
        if random.random() < 0.3:
            frames = [frames[0], *(frame[1:] for frame in frames[1:])]
        return self._mutator.perhaps(random, b"".join(frames), 0.5, 4)

    def _message(self, random: Random) -> list[bytes]:
        grammar = self._grammar
        payload = grammar.whole_file(random) if random.random() < 0.3 else grammar.file(random)
        if random.random() < 0.3:
            payload = encode_sml_frame(payload)
        payload = random.choice((b"", LLC_RESPONSE, LLC_COMMAND)) + payload
        size = random.choice((60, 128, 500, 2000))
        pieces = [payload[at : at + size] for at in range(0, len(payload), size)] or [b""]
        meter = random.choice(_METERS)
        numbered, number = random.random() < 0.7, random.randrange(8)
        frames = []
        for place, piece in enumerate(pieces):
            control = information_control(number + place, 0) if numbered else UI
            segmented = place < len(pieces) - 1
            if random.random() < 0.08:
                frames.append(self._odd(random, meter, control, piece, segmented=segmented))
            else:
                frames.append(encode_frame(_CLIENT, meter, control, piece, segmented=segmented))
        if random.random() < 0.2:
            other = random.choice((SNRM, UA, DM, receive_ready_control(3), random.randrange(256)))
            frames.insert(random.randrange(len(frames) + 1), encode_frame(_CLIENT, meter, other))
        return frames

    def _odd(self, random: Random, meter: HdlcAddress, control: int, piece: bytes, *, segmented: bool) -> bytes:
        """A frame injured below checksums that hold again, its length right in most cases."""
        addressed = self._mutator.mutated(random, _CLIENT.encode() + meter.encode() + bytes((control,)), 1)
        information = self._mutator.mutated(random, piece, 2)
        length = 2 + len(addressed) + 2 + (len(information) + 2 if information else 0)
        if random.random() < 0.2:
            length = random.choice((0, 6, 7, length - 1, length + 1, MAX_LENGTH))
        head = (0xA800 if segmented else 0xA000) | length & MAX_LENGTH
        covered = _with_fcs(head.to_bytes(2, "big") + addressed)
        return b"\x7e" + (_with_fcs(covered + information) if information else covered) + b"\x7e"

    def check(self, data: bytes) -> str:
        """See the class."""
        frames = self._check_reader(data)
        decoder = HdlcDecoder()
        events = [*decoder.feed(data), *decoder.finish()]
        hold(decoder.kept_bytes == 0, "something is kept after the end")
        for event in events:
            if isinstance(event, HdlcMessage):
                hold(event.ok == bool(event.readings) == (event.error is None), "readings and error, or neither")
                hold(_is_put_together(event, frames), "a payload that nobody sent")
                readings_are_said(event.readings, event.payload.replace(ESCAPE + ESCAPE, ESCAPE))
        again = HdlcDecoder()
        in_pieces: list[HdlcMessage | Skipped] = []
        for piece in cuts(Random(crc32(data)), data):
            in_pieces += again.feed(piece)
            hold(again.kept_bytes <= _MOST_KEPT, "more is kept than the bound")
        hold([*in_pieces, *again.finish()] == events, "how the stream is cut makes a difference")
        if any(event.ok for event in events):
            return ACCEPTED
        return reason_class(events[0].error or "") if events else NOTHING

    @staticmethod
    def _check_reader(data: bytes) -> list[HdlcFrame]:
        reader = HdlcReader()
        place = 0
        frames = []
        for event in [*reader.feed(data), *reader.finish()]:
            hold(event.offset == place and event.end > place, "a byte is counted twice or not at all")
            place = event.end
            if isinstance(event, HdlcFrame):
                raw = data[event.offset : event.end].removeprefix(b"\x7e")
                hold(raw[-1:] == b"\x7e" and x25_holds(raw[:-1]), "a frame whose FCS is wrong")
                hold(raw[:-3].endswith(event.information), "information that is not in the frame")
                if event.information:
                    hold(x25_holds(raw[: -3 - len(event.information)]), "a frame whose HCS is wrong")
                frames.append(event)
        hold(place == len(data), "the end is not accounted for")
        return frames

    def close(self) -> None:
        """Nothing is held."""


def _with_fcs(covered: bytes) -> bytes:
    return covered + crc16.x25(covered).to_bytes(2, "little")


def _is_put_together(message: HdlcMessage, frames: Sequence[HdlcFrame]) -> bool:
    """Whether the payload is that of the sender's frames from the message's first to its last, repeats left out."""
    rest = message.payload
    for frame in frames:
        own = (frame.source, frame.destination) == (message.source, message.destination)
        carries = frame.is_information or frame.is_unnumbered_information
        if own and carries and message.offset <= frame.offset and frame.end <= message.end:
            content = frame.payload if rest is message.payload else frame.information
            if rest.startswith(content):
                rest = rest[len(content) :]
    return not rest
