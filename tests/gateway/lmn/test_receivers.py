"""Receivers on pseudo terminals, sockets on loopback and files: bytes arrive, breaks heal, closing ends all."""

from __future__ import annotations

import os
import pty
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.lmn.hdlc import HdlcAddress
from gateway.lmn.hdlc_client import HdlcClient
from gateway.lmn.receivers import (
    MAX_CONNECTIONS,
    BackOff,
    FileReceiver,
    Receiver,
    ReceiverError,
    SerialReceiver,
    TcpClientReceiver,
    TcpServerReceiver,
)
from gateway.lmn.serial_port import CHUNK, SerialError, SerialLine, SerialSettings
from gateway.lmn.sml import Decoder, SmlFrame
from stations.meter import HouseholdMeter
from tests.gateway.lmn.hdlc_meter import SimulatedBusMeter

PATIENCE = 10.0


def pushed() -> bytes:
    begin = datetime(2025, 3, 1, tzinfo=UTC)
    meter = HouseholdMeter("1EMH0012345678", begin, 3)
    minute = timedelta(minutes=1)
    return b"".join(frame for _, frame in meter.frames(begin + minute, begin + 6 * minute, minute))


PUSHED = pushed()


class Listening:
    """Iterates a receiver in a thread of its own and keeps what it yields."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.heard: dict[str, bytes] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for line, chunk in self.receiver:
            self.heard[line] = self.heard.get(line, b"") + chunk

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.heard
            time.sleep(0.005)

    def until_heard(self, line: str, data: bytes) -> None:
        self.until(lambda: self.heard.get(line) == data)

    def end(self) -> None:
        self.receiver.close()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


@contextmanager
def listening(receiver: Receiver) -> Iterator[Listening]:
    ear = Listening(receiver)
    try:
        yield ear
    finally:
        ear.end()


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def terminal() -> Iterator[tuple[int, Path]]:
    master, slave = pty.openpty()
    try:
        yield master, Path(os.ttyname(slave))
    finally:
        os.close(slave)
        os.close(master)


def test_a_serial_port_delivers_every_byte() -> None:
    with terminal() as (master, port), listening(SerialReceiver("meter", port, SerialSettings(9_600, "even"))) as ear:
        ear.until(lambda: "meter" in ear.heard)  # the port is open and set; what came before was flushed
        for at in range(0, len(PUSHED), 100):
            os.write(master, PUSHED[at : at + 100])
        os.write(master, bytes(range(256)))
        ear.until_heard("meter", PUSHED + bytes(range(256)))
    frames = [event for event in Decoder().feed(PUSHED) if isinstance(event, SmlFrame)]
    assert len(frames) == 5


def test_a_port_that_is_not_there_is_tried_again_with_longer_pauses(tmp_path: Path) -> None:
    pauses: list[float] = []
    receiver = SerialReceiver(
        "meter", tmp_path / "none", back_off=BackOff(0.5, 4), clock=lambda: 0.0, wait=pauses.append
    )
    found = []
    for line, chunk in receiver:
        found.append((line, chunk))
        if len(found) == 7:
            receiver.close()
    assert found == [("meter", b"")] * 7
    assert pauses == [0.5, 1, 2, 4, 4, 4]


def test_a_file_is_no_serial_port(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    receiver = SerialReceiver("meter", path, wait=lambda _: None)
    before = open_descriptors()
    for count, (_, chunk) in enumerate(receiver, 1):
        assert chunk == b""
        assert open_descriptors() <= before
        if count == 3:
            receiver.close()


@pytest.mark.parametrize(("baud", "parity"), [(9_601, "none"), (0, "none"), (-1, "none"), (9_600, "mark")])
def test_an_impossible_setting_is_refused(baud: int, parity: str) -> None:
    with pytest.raises(SerialError, match=r"baud|parity"):
        SerialSettings(baud, parity)


def test_a_meter_on_the_bus_is_asked_over_a_port() -> None:
    meter = SimulatedBusMeter(HdlcAddress(1, 17, 2), segment=50)
    stopped = threading.Event()
    with terminal() as (master, port):

        def answer() -> None:
            while not stopped.is_set():
                if select.select([master], [], [], 0.01)[0]:
                    meter.hear(os.read(master, 4_096))
                    os.write(master, meter.take())

        thread = threading.Thread(target=answer, daemon=True)
        with SerialLine(port, SerialSettings(921_600)) as line:
            thread.start()
            client = HdlcClient(line.send, line.receive, time.monotonic, meter=meter.address, own=HdlcAddress(16))
            with client:
                message = client.get_list(b"gateway")
            assert line.receive(0.01) == b""
            line.close()
        stopped.set()
        thread.join(PATIENCE)
    assert message.readings[0].value == 4711
    assert not meter.connected


def test_a_client_comes_back_when_the_sender_does() -> None:
    pauses: list[float] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        receiver = TcpClientReceiver("radio", server.getsockname()[:2], wait=pauses.append)
        with listening(receiver) as ear:
            for part in (PUSHED[:500], PUSHED[500:]):
                connection, _ = server.accept()
                connection.sendall(part)
                connection.close()
            ear.until_heard("radio", PUSHED)
            server.close()
            ear.until(lambda: len(pauses) > 4)
    assert pauses[:2] == [0.5, 1.0]
    assert pauses == sorted(pauses)


def test_a_connection_that_held_makes_the_next_pause_short() -> None:
    times = iter([0.0, 1.0, 1.0, 2.0, 2.0, 100.0, 100.0, 101.0, 101.0, 102.0])
    pauses: list[float] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()[:2]
    receiver = TcpClientReceiver("radio", address, clock=lambda: next(times), wait=pauses.append)
    for count, _ in enumerate(receiver, 1):
        if count == 5:
            receiver.close()
    assert pauses == [0.5, 1.0, 0.5, 1.0]


def test_a_server_keeps_its_senders_apart() -> None:
    receiver = TcpServerReceiver("lan", ("127.0.0.1", 0))
    with listening(receiver) as ear:
        first, second = (socket.create_connection(receiver.address) for _ in range(2))
        with first, second:
            first.sendall(PUSHED[:300])
            ear.until(lambda: PUSHED[:300] in ear.heard.values())
            second.sendall(b"other")
            first.sendall(PUSHED[300:])
            ear.until(lambda: sorted(ear.heard.values())[-2:] == sorted([PUSHED, b"other"]))
        assert {line for line, data in ear.heard.items() if data} <= {"lan/1", "lan/2"}


def test_a_server_turns_away_more_senders_than_it_serves() -> None:
    receiver = TcpServerReceiver("lan", ("127.0.0.1", 0))
    with listening(receiver):
        senders = [socket.create_connection(receiver.address) for _ in range(MAX_CONNECTIONS + 1)]
        senders[-1].settimeout(PATIENCE)
        assert senders[-1].recv(1) == b""
        for sender in senders:
            sender.close()


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ReceiverError, match=f"cannot listen on 127.0.0.1:{port}"):
            TcpServerReceiver("lan", ("127.0.0.1", port))


def test_a_file_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(PUSHED * 10)
    chunks = list(FileReceiver("file", path))
    assert b"".join(chunk for _, chunk in chunks) == PUSHED * 10
    assert max(len(chunk) for _, chunk in chunks) <= CHUNK
    receiver = FileReceiver("file", path)
    for _ in receiver:
        receiver.close()
    receiver.close()
    with pytest.raises(FileNotFoundError):
        list(FileReceiver("file", tmp_path / "none"))


def test_nothing_is_left_open() -> None:
    before, threads = open_descriptors(), threading.active_count()
    with terminal() as (_, port):
        for receiver in (
            SerialReceiver("a", port),
            TcpServerReceiver("b", ("127.0.0.1", 0)),
            TcpClientReceiver("c", ("127.0.0.1", 9), wait=lambda _: time.sleep(0.001)),
        ):
            ear = Listening(receiver)
            time.sleep(0.05)
            begun = time.monotonic()
            ear.end()
            ear.end()
            assert time.monotonic() - begun < 2
    assert (open_descriptors(), threading.active_count()) == (before, threads)


def test_one_that_was_never_iterated_closes_too() -> None:
    before = open_descriptors()
    with terminal() as (_, port):
        for receiver in (SerialReceiver("a", port), TcpServerReceiver("b", ("127.0.0.1", 0))):
            receiver.close()
            receiver.close()
            assert list(receiver) == []
    assert open_descriptors() == before


def test_pauses_grow_up_to_their_bound() -> None:
    back_off = BackOff(0.25, 30)
    assert [back_off.pause(count) for count in (1, 2, 3, 8, 10_000)] == [0.25, 0.5, 1, 30, 30]
