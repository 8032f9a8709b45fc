"""SML (Smart Message Language): bytes of a meter in, readings or a reason out; and the way back, byte-identically.

Source: SML 1.04 (BSI TR-03109-1, Anlage IV), transport protocol version 1. This module is the front; the parts are
:mod:`~gateway.lmn.sml_transport` (frames), :mod:`~gateway.lmn.sml_elements` (TL fields),
:mod:`~gateway.lmn.sml_messages` and :mod:`~gateway.lmn.sml_bodies` (messages), :mod:`~gateway.lmn.sml_readings`.

Reading a stream::

    decoder = Decoder()
    for chunk in serial_port:
        for event in decoder.feed(chunk):      # SmlFrame or Skipped, in order of offset
            ...

A :class:`SmlFrame` either has readings or names in ``error`` why it has none; a :class:`Skipped` range names its
reason. Nothing a meter sends raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gateway.lmn.crc16 import CrcKind
from gateway.lmn.sml_bodies import (
    Body,
    GenericBody,
    GetListRequest,
    GetListResponse,
    ListEntry,
    PublicCloseRequest,
    PublicCloseResponse,
    PublicOpenRequest,
    PublicOpenResponse,
    status_word,
)
from gateway.lmn.sml_elements import Boolean, Number, Octets, SmlList, integer, octets, sml_list, unsigned
from gateway.lmn.sml_errors import SmlCrcError, SmlEncodeError, SmlError, SmlStructureError, SmlSyntaxError
from gateway.lmn.sml_fields import SmlTime, TimeKind
from gateway.lmn.sml_messages import Message, decode_messages, encode_messages
from gateway.lmn.sml_readings import OctetValue, Reading, octet_values_of, readings_of
from gateway.lmn.sml_transport import MAX_FRAME, FrameReader, Skipped, TransportFrame, encode_frame

__all__ = [
    "MAX_FRAME",
    "Body",
    "Boolean",
    "CrcKind",
    "Decoder",
    "FrameReader",
    "GenericBody",
    "GetListRequest",
    "GetListResponse",
    "ListEntry",
    "Message",
    "Number",
    "OctetValue",
    "Octets",
    "PublicCloseRequest",
    "PublicCloseResponse",
    "PublicOpenRequest",
    "PublicOpenResponse",
    "Reading",
    "Skipped",
    "SmlCrcError",
    "SmlEncodeError",
    "SmlError",
    "SmlFrame",
    "SmlList",
    "SmlStructureError",
    "SmlSyntaxError",
    "SmlTime",
    "TimeKind",
    "TransportFrame",
    "build_frame",
    "build_push_frame",
    "decode_frame",
    "decode_messages",
    "decode_stream",
    "integer",
    "octets",
    "sml_list",
    "status_word",
    "unsigned",
]


@dataclass(frozen=True, slots=True)
class SmlFrame:
    """A frame whose transport checksum holds. It has readings, or ``error`` says why not; never both, never neither.

    Offsets count bytes of the stream, ``end`` is exclusive. ``server_id`` is that of the GetList responses, None if
    there is none or if they differ (each reading names its own). Messages are kept only if all of them are sound.
    """

    offset: int
    end: int
    crc: CrcKind
    fill: bytes
    messages: tuple[Message, ...] = field(repr=False)
    readings: tuple[Reading, ...]
    server_id: bytes | None
    error: str | None

    @property
    def ok(self) -> bool:
        """Whether the frame has readings."""
        return self.error is None

    @property
    def octet_values(self) -> tuple[OctetValue, ...]:
        """What the frame's GetList responses say in octet strings: manufacturer, device number, public key."""
        return octet_values_of(self.messages)

    def encode(self) -> bytes:
        """The frame's bytes on the wire, the very ones it was decoded from.

        :raises SmlEncodeError: if its messages were not sound.
        """
        if not self.messages:
            raise SmlEncodeError(f"frame at byte {self.offset} was not decoded: {self.error}")
        return encode_frame(encode_messages(self.messages), self.crc, self.fill)


class Decoder:
    """Turns a stream of bytes, in pieces of any size, into frames and skipped ranges that account for every byte."""

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        """:param max_frame: longest frame to accept, in bytes on the wire; also the bound of what is kept."""
        self._reader = FrameReader(max_frame)

    @property
    def kept_bytes(self) -> int:
        """How many bytes wait for more to come."""
        return self._reader.kept_bytes

    def feed(self, chunk: bytes) -> list[SmlFrame | Skipped]:
        """Take the next bytes; return what they completed, in order of offset."""
        return _decoded(self._reader.feed(chunk))

    def finish(self) -> list[SmlFrame | Skipped]:
        """The stream has ended: return what is left."""
        return _decoded(self._reader.finish())


def decode_stream(data: bytes, max_frame: int = MAX_FRAME) -> list[SmlFrame | Skipped]:
    """All frames and skipped ranges of a complete stream, in order; together they cover it without gap or overlap."""
    decoder = Decoder(max_frame)
    return [*decoder.feed(data), *decoder.finish()]


def decode_frame(frame: TransportFrame) -> SmlFrame:
    """Decode the payload of one frame. Never raises: what is wrong becomes the frame's ``error``."""
    messages: tuple[Message, ...] = ()
    readings: tuple[Reading, ...] = ()
    error: str | None = None
    try:
        messages = decode_messages(frame.payload)
    except SmlError as wrong:
        error = str(wrong)
    else:
        readings = readings_of(messages, frame.crc)
        if not readings:
            error = _why_no_readings(messages)
    servers = {message.body.server_id for message in messages if isinstance(message.body, GetListResponse)}
    return SmlFrame(
        frame.offset,
        frame.end,
        frame.crc,
        frame.fill,
        messages,
        readings,
        servers.pop() if len(servers) == 1 else None,
        error,
    )


def build_frame(bodies: Iterable[Body], transaction_id: bytes, crc: CrcKind = CrcKind.X25) -> bytes:
    """The bytes of a frame with one message a body.

    :param transaction_id: that of the first message; each further one counts up by one, wrapping, as meters do.
    :raises SmlEncodeError: if something does not fit its field.
    """
    width = len(transaction_id)
    first = int.from_bytes(transaction_id, "big")
    messages = [
        Message.build(body, ((first + number) % (1 << 8 * width)).to_bytes(width, "big"), crc=crc)
        for number, body in enumerate(bodies)
    ]
    return encode_frame(encode_messages(messages), crc)


def build_push_frame(
    server_id: bytes,
    entries: Sequence[ListEntry],
    *,
    transaction_id: bytes,
    req_file_id: bytes,
    sensor_time: SmlTime | None = None,
    list_name: bytes | None = None,
) -> bytes:
    """The bytes of a frame as a meter pushes it: PublicOpen.Res, one GetList.Res with ``entries``, PublicClose.Res.

    :raises SmlEncodeError: if something does not fit its field.
    """
    return build_frame(
        [
            PublicOpenResponse(None, None, req_file_id, server_id, sensor_time),
            GetListResponse(None, server_id, list_name, sensor_time, tuple(entries)),
            PublicCloseResponse(),
        ],
        transaction_id,
    )


def _decoded(found: list[TransportFrame | Skipped]) -> list[SmlFrame | Skipped]:
    return [item if isinstance(item, Skipped) else decode_frame(item) for item in found]


def _why_no_readings(messages: tuple[Message, ...]) -> str:
    names = ", ".join(message.name for message in messages)
    if not messages:
        return "no messages"
    if any(isinstance(message.body, GetListResponse) for message in messages):
        return f"no integer value in GetList response ({names})"
    return f"no GetList response ({names})"
