"""Asking a meter on the wired bus: a connection (SNRM, UA), SML GetList requests in I frames, and its end (DISC).

Source: IEC 62056-46, normal response mode: the gateway is the only primary station, a meter answers when it is polled.
The client knows no port and no clock: it is given how to send, how to receive, and what time it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.lmn.hdlc import (
    DISC,
    DM,
    LLC_COMMAND,
    POLL_FINAL,
    SNRM,
    UA,
    HdlcAddress,
    HdlcError,
    HdlcFrame,
    HdlcReader,
    encode_frame,
    information_control,
    receive_ready_control,
)
from gateway.lmn.hdlc_link import HdlcMessage, read_message
from gateway.lmn.sml_bodies import Body, GetListRequest, PublicCloseRequest, PublicOpenRequest
from gateway.lmn.sml_messages import Message, encode_messages
from gateway.lmn.sml_transport import MAX_FRAME, Skipped

DEFAULT_INFORMATION: Final = 128
"""Bytes of one information field as long as no other size was negotiated (IEC 62056-46)."""


class HdlcTimeout(HdlcError):
    """The meter did not answer in time."""


class HdlcClient:
    """One connection to one meter. Use it as a context manager: entering connects, leaving disconnects."""

    def __init__(
        self,
        send: Callable[[bytes], object],
        receive: Callable[[float], bytes],
        clock: Callable[[], float],
        *,
        meter: HdlcAddress,
        own: HdlcAddress,
        timeout: float = 2.0,
        attempts: int = 3,
        llc: bool = False,
    ) -> None:
        """
        :param send: puts bytes on the bus.
        :param receive: waits at most so many seconds and returns what came, perhaps nothing.
        :param clock: monotonic time in seconds.
        :param timeout: seconds to wait for an answer.
        :param attempts: how often a frame is sent before the meter counts as silent.
        :param llc: whether to put an LLC header before requests.
        """
        self._send, self._receive, self._clock = send, receive, clock
        self._meter, self._own = meter, own
        self._timeout, self._attempts = timeout, attempts
        self._llc = LLC_COMMAND if llc else b""
        self._reader = HdlcReader()
        self._arrived: list[HdlcFrame] = []
        self._sent_number = self._expected_number = 0
        self._connected = False
        self._transaction = 0

    def __enter__(self) -> HdlcClient:
        self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()

    def connect(self) -> None:
        """Open the connection. :raises HdlcTimeout: without an answer. :raises HdlcError: if the meter refuses."""
        answer = self._exchange(SNRM | POLL_FINAL)
        if answer.control & ~POLL_FINAL != UA:
            raise HdlcError(f"meter {self._meter} answered SNRM with control field {answer.control:02x} instead of UA")
        self._sent_number = self._expected_number = 0
        self._connected = True

    def disconnect(self) -> None:
        """End the connection. A meter that is silent or has gone already counts as disconnected."""
        if not self._connected:
            return
        self._connected = False
        try:
            answer = self._exchange(DISC | POLL_FINAL)
        except HdlcTimeout:
            return
        if answer.control & ~POLL_FINAL not in (UA, DM):
            raise HdlcError(f"meter {self._meter} answered DISC with control field {answer.control:02x}")

    def get_list(self, client_id: bytes, server_id: bytes | None = None, list_name: bytes | None = None) -> HdlcMessage:
        """Ask for a list of values (SML_GetList.Req between PublicOpen and PublicClose).

        :returns: the answer, whose ``error`` says why it has no readings.
        :raises HdlcTimeout: if the meter falls silent.
        :raises HdlcError: without a connection, or if the meter breaks it or its numbering.
        """
        request = self.list_request(client_id, server_id, list_name)
        last, offset, content = self._collect(self._put(self._llc + request))
        return read_message(last, offset, content)

    def list_request(self, client_id: bytes, server_id: bytes | None = None, list_name: bytes | None = None) -> bytes:
        """The SML file that asks for a list of values, for whoever sends it by himself."""
        self._transaction += 1
        file_id = self._transaction.to_bytes(4, "big")
        bodies: tuple[Body, ...] = (
            PublicOpenRequest(None, client_id, file_id, server_id),
            GetListRequest(client_id, server_id, list_name=list_name),
            PublicCloseRequest(),
        )
        return encode_messages([Message.build(body, file_id + bytes((number,))) for number, body in enumerate(bodies)])

    def exchange(self, content: bytes) -> bytes:
        """Send bytes and return what the meter answers, perhaps nothing: a session of TLS speaks through this.

        :param content: without any, the meter is only polled.
        :raises HdlcTimeout: if the meter falls silent.
        :raises HdlcError: without a connection, or if the meter breaks it or its numbering.
        """
        if not self._connected:
            raise HdlcError(f"no connection to meter {self._meter}")
        frame = self._put(content) if content else self._exchange(receive_ready_control(self._expected_number))
        return self._collect(frame)[2] if frame.is_information else b""

    def _put(self, content: bytes) -> HdlcFrame:
        """Send the request in as many segments as it takes; return the first frame of the answer."""
        if not self._connected:
            raise HdlcError(f"no connection to meter {self._meter}")
        parts = [content[at : at + DEFAULT_INFORMATION] for at in range(0, len(content), DEFAULT_INFORMATION)]
        for part in parts[:-1]:
            answer = self._exchange(information_control(self._sent_number, self._expected_number), part, segmented=True)
            self._count_sent(answer)
            if answer.is_information:
                raise HdlcError(f"meter {self._meter} answered before the request was complete")
        answer = self._exchange(information_control(self._sent_number, self._expected_number), parts[-1])
        self._count_sent(answer)
        return answer

    def _collect(self, frame: HdlcFrame) -> tuple[HdlcFrame, int, bytes]:
        """Last frame of an answer, offset of its first, and its content."""
        offset, content = frame.offset, bytearray()
        while True:
            if not frame.is_information:
                frame = self._exchange(receive_ready_control(self._expected_number))
                if not frame.is_information:
                    raise HdlcError(f"meter {self._meter} has no answer: control field {frame.control:02x}")
            if frame.send_number != self._expected_number:
                raise HdlcError(
                    f"meter {self._meter} sent segment {frame.send_number} where {self._expected_number} was due"
                )
            self._expected_number = (self._expected_number + 1) & 7
            content += frame.information if content else frame.payload
            if len(content) > MAX_FRAME:
                raise HdlcError(f"meter {self._meter} sends more than {MAX_FRAME} bytes in one answer")
            if not frame.segmented:
                return frame, offset, bytes(content)
            frame = self._exchange(receive_ready_control(self._expected_number))

    def _count_sent(self, answer: HdlcFrame) -> None:
        self._sent_number = (self._sent_number + 1) & 7
        if answer.receive_number != self._sent_number:
            raise HdlcError(f"meter {self._meter} acknowledges {answer.receive_number} instead of {self._sent_number}")

    def _exchange(self, control: int, information: bytes = b"", *, segmented: bool = False) -> HdlcFrame:
        frame = encode_frame(self._meter, self._own, control, information, segmented=segmented)
        for _ in range(self._attempts):
            self._arrived.clear()
            self._send(frame)
            answer = self._await_answer()
            if answer is not None:
                if answer.control & ~POLL_FINAL == DM and control & ~POLL_FINAL != DISC:
                    self._connected = False
                    raise HdlcError(f"meter {self._meter} is disconnected")
                return answer
        raise HdlcTimeout(f"meter {self._meter} did not answer {self._attempts} times within {self._timeout} s")

    def _await_answer(self) -> HdlcFrame | None:
        deadline = self._clock() + self._timeout
        while True:
            while self._arrived:
                frame = self._arrived.pop(0)
                if frame.source == self._meter and frame.destination == self._own and frame.poll_final:
                    return frame
            left = deadline - self._clock()
            if left <= 0:
                return None
            self._arrived += [
                event for event in self._reader.feed(self._receive(left)) if not isinstance(event, Skipped)
            ]
