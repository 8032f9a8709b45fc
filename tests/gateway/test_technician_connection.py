"""Connection tests: one at a time, the name first, and what fails is said in words."""

from __future__ import annotations

import socket
import threading
from datetime import timedelta

import pytest

from gateway.configuration import ConfigurationError
from gateway.reaching import CONNECT_SECONDS, NameReport, resolve_name, try_connection, try_name
from gateway.technician_connection import ConnectionTests, TestRunning
from tests.support.lives import START, SettableClock
from tests.support.technician import ADDRESS, HOST, PORT, Way


def over(way: Way, clock: SettableClock | None = None) -> ConnectionTests:
    """Connection tests that go this way."""
    return ConnectionTests(
        lambda: (HOST, PORT),
        clock=clock or SettableClock(),
        resolve=way.resolve,
        connect=way.connect,
        begin=way.begin,
    )


def test_name_and_tcp_are_tried_in_that_order() -> None:
    way, clock = Way(), SettableClock()
    tests = over(way, clock)
    assert tests.seen == (False, None)
    tests.start()
    running, last = tests.seen
    assert not running
    assert last is not None
    assert last.reached
    assert last.began == START
    assert last.name is not None
    assert last.name.addresses == (ADDRESS,)
    assert way.tried == [(HOST, PORT)]
    clock.move(timedelta(minutes=1))
    way.works = False
    tests.start()
    last = tests.seen[1]
    assert last is not None
    assert last.connection is not None
    assert (last.reached, last.connection.trouble) == (False, "Connection refused")
    assert last.began == START + timedelta(minutes=1)


def test_without_an_address_nothing_is_connected_to() -> None:
    way = Way(resolves=False)
    tests = over(way)
    tests.start()
    last = tests.seen[1]
    assert last is not None
    assert last.name is not None
    assert (last.reached, last.name.trouble, last.connection) == (False, "Name or service not known", None)
    assert way.tried == []


def test_there_is_one_at_a_time() -> None:
    way = Way(waiting=[])
    tests = over(way)
    tests.start()
    with pytest.raises(TestRunning, match="one at a time"):
        tests.start()
    assert tests.seen == (True, None)
    way.go_on()
    assert tests.seen[0] is False
    tests.start()


def test_a_way_that_is_nowhere_written_is_not_tried() -> None:
    way = Way()

    def nowhere() -> tuple[str, int]:
        raise ConfigurationError("/machine/path: cannot be read")

    tests = ConnectionTests(nowhere, clock=SettableClock(), resolve=way.resolve, connect=way.connect, begin=way.begin)
    tests.start()
    last = tests.seen[1]
    assert last is not None
    assert (last.name, last.connection, last.reached) == (None, None, False)
    assert "/machine" not in repr(last)


def test_one_that_cannot_begin_keeps_no_other_from_beginning() -> None:
    way = Way()

    def no_thread(_work: object) -> None:
        raise RuntimeError("can't start new thread")

    tests = ConnectionTests(lambda: (HOST, PORT), clock=SettableClock(), begin=no_thread)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="new thread"):
            tests.start()
    assert not tests.seen[0]
    assert way.tried == []


def test_a_thread_of_its_own_does_it_for_real() -> None:
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def connect(host: str, port: int, seconds: float) -> None:
            socket.create_connection((host, port), seconds).close()
            done.set()

        tests = ConnectionTests(lambda: ("127.0.0.1", port), clock=SettableClock(), connect=connect)
        tests.start()
        assert done.wait(CONNECT_SECONDS)


def test_a_name_is_resolved_and_an_address_is_none() -> None:
    assert try_name("192.0.2.7") == NameReport("192.0.2.7", ("192.0.2.7",), 0.0)
    assert try_name("192.0.2.7").is_address
    assert "127.0.0.1" in resolve_name("localhost")
    found = try_name("localhost")
    assert found.addresses
    assert not found.is_address


def test_what_does_not_answer_is_said_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert try_connection("127.0.0.1", port).reached
    report = try_connection("127.0.0.1", port)
    assert (report.reached, report.trouble) == (False, "Connection refused")
