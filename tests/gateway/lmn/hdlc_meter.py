"""A meter on the wired bus that answers SML GetList requests over HDLC, to test the client against."""

from __future__ import annotations

from gateway.lmn import obis
from gateway.lmn.hdlc import (
    DISC,
    DM,
    LLC_RESPONSE,
    POLL_FINAL,
    SNRM,
    UA,
    HdlcAddress,
    HdlcFrame,
    HdlcReader,
    encode_frame,
    information_control,
    receive_ready_control,
)
from gateway.lmn.sml import (
    Body,
    GetListRequest,
    GetListResponse,
    ListEntry,
    Message,
    PublicCloseResponse,
    PublicOpenResponse,
    decode_messages,
    unsigned,
)
from gateway.lmn.sml_messages import encode_messages

SERVER_ID = bytes.fromhex("0a01454d480000bc614e")


class SimulatedBusMeter:
    """Answers what is sent to it; ``sent`` holds its bytes until they are taken."""

    def __init__(self, address: HdlcAddress, *, segment: int = 128, llc: bool = False, value: int = 4711) -> None:
        self.address, self.segment, self.value = address, segment, value
        self.llc = LLC_RESPONSE if llc else b""
        self.sent = b""
        self.deaf = 0
        self.connected = False
        self.requests: list[GetListRequest] = []
        self._reader = HdlcReader()
        self._send_number = self._receive_number = 0
        self._request = b""
        self._segments: list[bytes] = []

    def take(self) -> bytes:
        sent, self.sent = self.sent, b""
        return sent

    def hear(self, data: bytes) -> None:
        for frame in self._reader.feed(data):
            if not isinstance(frame, HdlcFrame) or frame.destination != self.address:
                continue
            if self.deaf:
                self.deaf -= 1
                continue
            self._answer(frame)

    def _answer(self, frame: HdlcFrame) -> None:
        command = frame.control & ~POLL_FINAL
        if command == SNRM:
            self.connected = True
            self._send_number = self._receive_number = 0
            self._reply(frame, UA | POLL_FINAL)
        elif command == DISC:
            self._reply(frame, (UA if self.connected else DM) | POLL_FINAL)
            self.connected = False
        elif not self.connected:
            self._reply(frame, DM | POLL_FINAL)
        elif frame.is_information:
            self._receive_number = (frame.send_number + 1) & 7
            self._request += frame.information if self._request else frame.payload
            if frame.segmented:
                self._reply(frame, receive_ready_control(self._receive_number))
                return
            content = self.llc + self._response(self._request)
            self._request = b""
            self._segments = [content[at : at + self.segment] for at in range(0, len(content), self.segment)]
            self._next_segment(frame)
        else:
            self._next_segment(frame)

    def _next_segment(self, frame: HdlcFrame) -> None:
        if not self._segments:
            self._reply(frame, receive_ready_control(self._receive_number))
            return
        part = self._segments.pop(0)
        control = information_control(self._send_number, self._receive_number)
        self._send_number = (self._send_number + 1) & 7
        self._reply(frame, control, part, segmented=bool(self._segments))

    def _reply(self, frame: HdlcFrame, control: int, information: bytes = b"", *, segmented: bool = False) -> None:
        self.sent += encode_frame(frame.source, self.address, control, information, segmented=segmented)

    def _response(self, request: bytes) -> bytes:
        for message in decode_messages(request):
            if isinstance(message.body, GetListRequest):
                self.requests.append(message.body)
        return sml_file(self.value)


def sml_file(value: int, entries: int = 8) -> bytes:
    """An SML file of a GetList answer, without the transport protocol."""
    listed = [ListEntry(obis.IMPORT_ENERGY, unsigned(value, 8), unit=30, scaler=-1)]
    listed += [ListEntry(obis.EXPORT_ENERGY, unsigned(n, 8), unit=30, scaler=-1) for n in range(entries)]
    bodies: tuple[Body, ...] = (
        PublicOpenResponse(None, None, b"\x01", SERVER_ID),
        GetListResponse(None, SERVER_ID, None, None, tuple(listed)),
        PublicCloseResponse(),
    )
    return encode_messages([Message.build(body, bytes((number,))) for number, body in enumerate(bodies)])
