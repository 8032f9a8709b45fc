"""The card's end of the virtual reader's protocol, with the test in the place of the driver."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from securitymodule.apdu import CommandApdu, ResponseApdu
from securitymodule.errors import ReaderUnavailable
from securitymodule.vpcd import VirtualSlot, inserted, reach_reader
from tests.support.cards import ATR, PlainCard


class Driver:
    """The other end."""

    def __init__(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        with listener:
            self.port = listener.getsockname()[1]
            self.card_end = reach_reader(port=self.port)
            self._connection, _ = listener.accept()
        self._connection.settimeout(30)

    def send(self, message: bytes) -> None:
        self._connection.sendall(len(message).to_bytes(2, "big") + message)

    def receive(self) -> bytes:
        return self._exactly(int.from_bytes(self._exactly(2), "big"))

    def ask(self, message: bytes) -> bytes:
        self.send(message)
        return self.receive()

    def go(self) -> None:
        self._connection.close()

    @property
    def is_alone(self) -> bool:
        return self._connection.recv(1) == b""

    def _exactly(self, count: int) -> bytes:
        read = b""
        while len(read) < count:
            piece = self._connection.recv(count - len(read))
            assert piece, "the card hung up"
            read += piece
        return read


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = Driver()
    yield driver
    driver.go()


def test_power_atr_and_commands(driver: Driver) -> None:
    card = PlainCard()
    with inserted(card, driver.card_end):
        driver.send(b"\x01")
        assert driver.ask(b"\x04") == ATR
        assert driver.ask(CommandApdu(0, 0xB0, 0, 0, b"Wh").encode()) == ResponseApdu(b"Wh").encode()
        driver.send(b"\x02")
        driver.send(b"\x00")
        assert driver.ask(b"\x04") == ATR
    assert driver.is_alone
    assert card.events == ["on", "B0", "reset", "off", "off"]


@pytest.mark.parametrize("message", [b"", b"\x00\xa4", bytes(65_535)])
def test_whatever_the_driver_sends_is_answered(driver: Driver, message: bytes) -> None:
    with inserted(PlainCard(), driver.card_end):
        assert len(driver.ask(message)) >= 2


def test_an_unknown_control_is_passed_over(driver: Driver) -> None:
    with inserted(PlainCard(), driver.card_end):
        driver.send(b"\x03")
        assert driver.ask(b"\x04") == ATR


def test_a_message_in_pieces(driver: Driver) -> None:
    with inserted(PlainCard(), driver.card_end):
        for octet in b"\x00\x06\x00\xb0\x00\x00\x01\xaa":
            driver._connection.sendall(bytes((octet,)))
        assert driver.receive() == b"\xaa\x90\x00"


def test_an_answer_that_no_frame_holds(driver: Driver) -> None:
    card = PlainCard(lambda _command: ResponseApdu(bytes(65_534)))
    with inserted(card, driver.card_end):
        assert driver.ask(b"\x00\xb0\x00\x00") == b"\x6f\x00"


def test_pulling_waits_for_the_command_under_way(driver: Driver) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def work(_command: CommandApdu) -> ResponseApdu:
        begun.set()
        assert may_end.wait(30)
        return ResponseApdu(b"whole")

    card = PlainCard(work)
    slot = VirtualSlot(card, driver.card_end)
    thread = threading.Thread(target=slot.serve)
    thread.start()
    driver.send(b"\x00\xb0\x00\x00\x05")
    assert begun.wait(30)
    slot.pull()
    assert thread.is_alive()
    may_end.set()
    thread.join(30)
    assert driver.receive() == b"whole\x90\x00"
    assert driver.is_alone
    assert card.events == ["B0", "off"]
    slot.pull()


def test_the_drivers_end_is_the_cards(driver: Driver) -> None:
    card = PlainCard()
    slot = VirtualSlot(card, driver.card_end)
    driver.send(b"\x01")
    driver.go()
    slot.serve()
    assert card.events == ["on", "off"]


def test_no_driver_at_all() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ReaderUnavailable, match="vsmartcard-vpcd"):
        reach_reader(port=port)
