"""SML: streams of the transport protocol, and the files inside them.

Inputs are pushed frames of the project's own meter and, where they are at hand, captures of real ones, injured before
or behind the checksums; and files put together by chance from the format's grammar.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final
from zlib import crc32

from fuzz.mutation import Mutator, cuts
from fuzz.oracles import integer_is_in, sml_crc_holds
from fuzz.target import ACCEPTED, NOTHING, hold, keeps_secret, reason_class
from gateway.lmn import crc16
from gateway.lmn.crc16 import CrcKind
from gateway.lmn.sml import (
    MAX_FRAME,
    Decoder,
    GenericBody,
    GetListRequest,
    GetListResponse,
    ListEntry,
    Message,
    Octets,
    PublicOpenRequest,
    Reading,
    Skipped,
    SmlError,
    SmlFrame,
    SmlTime,
    TimeKind,
    build_push_frame,
    decode_messages,
    decode_stream,
    integer,
    octets,
    sml_list,
    status_word,
    unsigned,
)
from gateway.lmn.sml_elements import Boolean, Element, Number, SmlList, decode_element, encode_element
from gateway.lmn.sml_errors import SmlSyntaxError
from gateway.lmn.sml_messages import encode_messages
from gateway.lmn.sml_readings import octet_values_of, readings_of
from gateway.lmn.sml_transport import END_MARK, ESCAPE, START, encode_frame
from stations.meter import HouseholdMeter
from tests.shared_data import sml_captures

PASSWORD: Final = b"fuzz-Kennwort-7"

_WORDS: Final = (
    START,
    ESCAPE,
    ESCAPE + ESCAPE,
    b"\x1b",
    ESCAPE + bytes((END_MARK, 0, 0, 0)),
    b"\0",
    b"\x01",
    b"\x76",
    b"\x72\x63\x07\x01",
    b"\x77\x07\x01\x00\x01\x08\x00\xff",
    b"\x52\xff",
    b"\x62\x1e",
    b"\x59" + b"\xff" * 8,
    b"\x69\x80" + bytes(7),
    b"\xf1\x8f\x0f",
    b"\x8f\x8f\x8f\x8f\x8f\x8f\x8f\x0f",
    b"\x71" * 30,
)
_CODES: Final = tuple(bytes.fromhex(code) for code in ("0100010800ff", "0100020800ff", "0100100700ff", "0100240700ff"))


def seeds() -> list[bytes]:
    """Single frames: two of our meter, then those of each capture."""
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    meter = HouseholdMeter("1EMH0012345678", begin, 3, solar_peak_watt=5_000)
    minute = timedelta(minutes=1)
    found = [frame for _, frame in meter.frames(begin + minute, begin + 2 * minute, minute)]
    for data in sml_captures().values():
        frames = [event for event in decode_stream(data) if isinstance(event, SmlFrame) and event.messages]
        found += [data[frame.offset : frame.end] for frame in frames[:2]]
    return found


def covered_parts(frame: bytes) -> list[bytes]:
    """What each message's checksum of a sound frame covers."""
    (read,) = [event for event in decode_stream(frame) if isinstance(event, SmlFrame)]
    return [message.encode()[: -len(encode_element(message.wire[-1])) - 1] for message in read.messages]


def closed(covered: bytes, kind: CrcKind = CrcKind.X25) -> bytes:
    """A message with its checksum and end."""
    return covered + b"\x63" + crc16.as_sent(covered, kind).to_bytes(2, "big") + b"\0"


class SmlGrammar:
    """Makes SML files: injured ones of meters, and ones that no meter would send."""

    def __init__(self) -> None:
        self.frames = seeds()
        self._parts = [covered_parts(frame) for frame in self.frames]
        self.mutator = Mutator(_WORDS, self.frames)

    def file(self, random: Random) -> bytes:
        """A file whose message checksums hold, for the most part."""
        way = random.random()
        if way < 0.4:
            return self._injured(random)
        if way < 0.85:
            return encode_messages(self._message(random) for _ in range(random.choice((1, 1, 2, 3))))
        return self.mutator.mutated(random, b"".join(map(closed, random.choice(self._parts))))

    def whole_file(self, random: Random) -> bytes:
        """A file as it should be."""
        return b"".join(map(closed, random.choice(self._parts)))

    def small_file(self, random: Random) -> bytes:
        """A file that fits one telegram: no more than a list of one or two entries."""
        entries = tuple(ListEntry(random.choice(_CODES), self._number(random), 30, -1) for _ in range(2))
        body = GetListResponse(None, bytes.fromhex("0a01454d480000bc614e"), None, None, entries[: random.randint(1, 2)])
        return encode_messages([Message.build(body, random.randbytes(4))])

    def _injured(self, random: Random) -> bytes:
        parts = list(random.choice(self._parts))
        at = random.randrange(len(parts))
        parts[at] = self.mutator.mutated(random, parts[at], 3)
        kind = CrcKind.KERMIT if random.random() < 0.1 else CrcKind.X25
        return b"".join([closed(part, kind) for part in parts])

    def _message(self, random: Random) -> Message:
        way = random.random()
        number = random.randbytes(random.choice((0, 4, 8)))
        if way < 0.6:
            entries = tuple(self._entry(random) for _ in range(random.choice((0, 1, 1, 2, 2, 5, 40))))
            server = random.randbytes(random.choice((0, 33) + (10, 32) * 5))
            time = self._time(random)
            return Message.build(GetListResponse(None, server, None, time, entries, None, time), number)
        if way < 0.7:
            return Message.build(PublicOpenRequest(None, b"c", b"f", None, b"user", PASSWORD), number)
        if way < 0.8:
            return Message.build(GetListRequest(b"c", None, b"user", PASSWORD, self._octets(random)), number)
        tag = random.choice((0x0100, 0x0101, 0x0201, 0x0300, 0x0501, 0x0700, 0x0701, 0xFF01, random.randrange(65536)))
        return Message.build(GenericBody(tag, self._element(random, 5)), number)

    def _entry(self, random: Random) -> ListEntry:
        code = random.choice(_CODES) if random.random() < 0.9 else random.randbytes(6)
        value: Octets | Number | Boolean | SmlList = self._number(random)
        if random.random() < 0.2:
            value = random.choice((Boolean(random.randrange(256)), octets(self._octets(random)), sml_list([None])))
        unit = random.choice((30, 27, None, 255))
        status = status_word(random.getrandbits(random.choice((8, 21, 32, 64)))) if random.random() < 0.4 else None
        return ListEntry(code, value, unit, random.choice((None, -1, 127, -128)), status, self._time(random))

    def _number(self, random: Random) -> Number:
        width = random.randint(1, 8)
        if random.random() < 0.5:
            return unsigned(random.getrandbits(8 * width), width)
        return integer(random.getrandbits(8 * width) - (1 << 8 * width - 1), width)

    def _time(self, random: Random) -> SmlTime | None:
        seconds = random.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, random.getrandbits(31)))
        minutes = random.choice((60, -32768, 32767))
        return random.choice((None, SmlTime(random.choice(tuple(TimeKind)), seconds, minutes, minutes)))

    def _octets(self, random: Random) -> bytes:
        return random.choice((b"", b"EMH", ESCAPE * 3, b"\x1b", random.randbytes(random.randrange(60))))

    def _element(self, random: Random, depth: int) -> Element:
        way = random.random()
        if way < 0.4 and depth:
            return sml_list(self._element(random, depth - 1) for _ in range(random.choice((0, 1, 2, 3, 7, 16))))
        if way < 0.5:
            return None
        if way < 0.75:
            return self._number(random)
        return octets(self._octets(random)) if way < 0.9 else Boolean(random.randrange(256))


def readings_are_said(readings: tuple[Reading, ...], payload: bytes) -> None:
    """:raises Violation: if a reading says what is not literally in the bytes."""
    for reading in readings:
        hold(reading.obis in payload and reading.server_id in payload, "a reading's code or meter is not in the bytes")
        hold(integer_is_in(payload, reading.value), "a reading's value is not in the bytes")
        hold(reading.status is None or integer_is_in(payload, reading.status), "a reading's status is not in the bytes")
        hold(reading.scaler == 0 or integer_is_in(payload, reading.scaler), "a reading's scaler is not in the bytes")
        hold(reading.unit is None or integer_is_in(payload, reading.unit), "a reading's unit is not in the bytes")


class SmlStream:
    """:class:`gateway.lmn.sml.Decoder`: every byte accounted for, checksums right, cuts without effect."""

    def __init__(self) -> None:
        self._grammar = SmlGrammar()
        self._known = {
            frame: event.readings
            for frame in self._grammar.frames
            for event in decode_stream(frame)
            if isinstance(event, SmlFrame)
        }

    def build(self, random: Random) -> bytes:
        """Frames, of which most were injured: the stream, the payload below right checksums, or both."""
        grammar = self._grammar
        pieces = []
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            way = random.random()
            if way < 0.45:
                payload = grammar.file(random)
                pieces.append(encode_frame(payload, CrcKind.KERMIT if random.random() < 0.1 else CrcKind.X25))
            elif way < 0.55:
                entries = [ListEntry(_CODES[0], unsigned(random.getrandbits(40), 5), 30, -1)]
                frame = build_push_frame(
                    bytes.fromhex("0a01454d480000bc614e"), entries, transaction_id=random.randbytes(4), req_file_id=b"1"
                )
                pieces.append(frame)
            else:
                pieces.append(random.choice(grammar.frames))
        data = b"".join(pieces)
        return grammar.mutator.perhaps(random, data, 0.6, 5)

    def check(self, data: bytes) -> str:
        """See the class."""
        events = decode_stream(data)
        place = 0
        for event in events:
            hold(event.offset == place and event.end > place, "a byte is counted twice or not at all")
            place = event.end
            if isinstance(event, SmlFrame):
                self._check_frame(event, data[event.offset : event.end])
            else:
                hold(bool(event.reason), "bytes are skipped without a reason")
        hold(place == len(data), "the end is not accounted for")
        decoder = Decoder()
        in_pieces: list[SmlFrame | Skipped] = []
        for piece in cuts(Random(crc32(data)), data):
            in_pieces += decoder.feed(piece)
            hold(decoder.kept_bytes <= MAX_FRAME, "more is kept than a frame")
        hold([*in_pieces, *decoder.finish()] == events, "how the stream is cut makes a difference")
        hold(decoder.kept_bytes == 0, "something is kept after the end")
        if any(event.ok for event in events):
            return ACCEPTED
        return reason_class(events[0].error or "") if events else NOTHING

    def _check_frame(self, frame: SmlFrame, raw: bytes) -> None:
        hold(frame.ok == bool(frame.readings) == (frame.error is None), "readings and error, or neither")
        hold(sml_crc_holds(raw), "a frame whose checksum is wrong")
        if frame.messages:
            hold(frame.encode() == raw, "a frame is not encoded as it was")
        for message in frame.messages:
            sent = encode_element(message.wire[-1])
            crc = message.wire[-1]
            assert isinstance(crc, Number)
            hold(
                sml_crc_holds(message.encode()[: -len(sent) - 1] + (crc.value & 0xFFFF).to_bytes(2, "big")),
                "a message whose checksum is wrong",
            )
        readings_are_said(frame.readings, raw.replace(ESCAPE + ESCAPE, ESCAPE))
        known = self._known.get(raw)
        hold(known is None or known == frame.readings, "a known frame says something else")
        if PASSWORD in raw:
            keeps_secret((PASSWORD.decode(), PASSWORD.hex()), repr(frame), frame.error or "")

    def close(self) -> None:
        """Nothing is held."""


class SmlFile:
    """Messages and elements: only :class:`SmlError`, and what is read is written again byte by byte."""

    def __init__(self) -> None:
        self._grammar = SmlGrammar()

    def build(self, random: Random) -> bytes:
        """A file, half of them injured behind their checksums too."""
        return self._grammar.mutator.perhaps(random, self._grammar.file(random), 0.4, 3)

    def check(self, data: bytes) -> str:
        """See the class."""
        self._check_element(data)
        try:
            messages = decode_messages(data)
        except SmlError as error:
            hold(bool(str(error)), "an error without words")
            keeps_secret((PASSWORD.decode(), PASSWORD.hex()), str(error))
            return reason_class(str(error))
        hold(encode_messages(messages) == data, "messages are not encoded as they were")
        readings = readings_of(messages)
        readings_are_said(readings, data)
        for value in octet_values_of(messages):
            hold(value.data in data, "an octet string is not in the bytes")
            hold(value.text is None or value.text.isprintable(), "a control character in a text")
        return ACCEPTED if readings else NOTHING

    @staticmethod
    def _check_element(data: bytes) -> None:
        at = crc32(data) % (len(data) + 1)
        try:
            element, end = decode_element(data, at)
        except SmlSyntaxError:
            return
        hold(at < end <= len(data), "an element ends before it begins or behind the bytes")
        hold(encode_element(element) == data[at:end], "an element is not encoded as it was")

    def close(self) -> None:
        """Nothing is held."""
