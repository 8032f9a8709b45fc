"""A gateway at work: what goes wrong on one line stays there, what is dropped is counted, and it ends in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from gateway.core import Gateway
from gateway.daily import Received
from gateway.lmn.wmbus_security import SecurityError
from gateway.logs.events import Log
from gateway.logs.store import LogFull
from gateway.profiles import Profiles
from gateway.running import Interfaces, Running
from gateway.storage import StorageFull
from lifecycle.evidence import NOTHING, OpenFault
from lifecycle.functions import Credential
from lifecycle.gate import Closed, Gate, Shut, shut_gate
from lifecycle.states import State
from securitymodule.errors import ModuleError
from tests.gateway.test_monitor import shown

OPEN = Gate(State.OPERATION, NOTHING)
NOTHING_RECEIVED = Received((), (), (), {})


class Logs:
    def filled(self, credential: Credential) -> dict[Log, float]:
        assert credential is Credential.INSIDE
        return {Log.SYSTEM: 0.5}


class FakeGateway:
    """Takes bytes as a test wants it to."""

    id = "EXXX0012345678"
    logs = Logs()
    profiles = Profiles()

    def __init__(self, answer: Callable[[str, bytes], Received] | None = None) -> None:
        self.answer = answer
        self.taken: list[tuple[str, bytes]] = []
        self.steps: list[str] = []
        self.now = OPEN
        self.trouble: Exception | None = None

    def gate(self) -> Gate:
        return self.now

    def start(self) -> None:
        self.steps.append("start")

    def close(self) -> None:
        self.steps.append("close")

    def keep_up(self) -> int:
        if self.trouble is not None:
            raise self.trouble
        return 2

    def receive(self, credential: Credential, chunk: bytes, *, line: str) -> Received:
        assert credential is Credential.METER_KEY
        self.taken.append((line, chunk))
        return NOTHING_RECEIVED if self.answer is None else self.answer(line, chunk)


class Line:
    """Chunks, then silence until it is closed."""

    def __init__(self, line: str, *chunks: bytes, ends: bool = False) -> None:
        self.line = line
        self._chunks, self._ends = chunks, ends
        self.said = threading.Event()
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        for chunk in self._chunks:
            yield self.line, chunk
        self.said.set()
        if not self._ends:
            self.closed.wait(30)


def at_work(folder: Path, gateway: FakeGateway, *lines: Line, **more: Any) -> Running:
    interfaces = Interfaces(folder, **more)
    return Running(cast(Gateway, gateway), lines, interfaces, clock=lambda: datetime(2026, 3, 1, tzinfo=UTC))


def trouble(error: Exception) -> Callable[[str, bytes], Received]:
    def answer(line: str, chunk: bytes) -> Received:
        if chunk == b"bad":
            raise error
        return NOTHING_RECEIVED

    return answer


def closed() -> Closed:
    with pytest.raises(Closed) as raised:
        shut_gate(Shut.TRANSITION_IN_PROGRESS).require(next(iter(OPEN.opened)))
    return raised.value


def test_every_line_is_heard_and_it_ends_in_order(tmp_path: Path) -> None:
    gateway = FakeGateway()
    lines = Line("sml", b"one", b"", b"two"), Line("bus", b"three")
    with at_work(tmp_path, gateway, *lines) as running:
        assert all(line.said.wait(30) for line in lines)
        assert running.health().ok
        running.keep_up()
    assert sorted(gateway.taken) == [("bus", b"three"), ("sml", b""), ("sml", b"one"), ("sml", b"two")]
    assert gateway.steps == ["start", "close"]
    assert all(line.closed.is_set() for line in lines)
    found = shown(running.metrics)
    assert found['smgw_lmn_bytes_total{line="sml"}'] == 6
    assert found["smgw_gaps_total"] == 2
    assert found['smgw_log_filled_ratio{log="system"}'] == 0.5
    assert found["smgw_disk_size_bytes"] > 0


@pytest.mark.parametrize("error", [StorageFull("no room"), LogFull(Log.CALIBRATION, ""), ModuleError("gone")], ids=str)
def test_what_cannot_be_kept_ends_nothing(tmp_path: Path, error: Exception) -> None:
    gateway = FakeGateway(trouble(error))
    line = Line("sml", b"good", b"bad", b"good")
    with capture_logs() as logged, at_work(tmp_path, gateway, line) as running:
        assert line.said.wait(30)
        assert not running.broken
        assert running.health().ok
        gateway.trouble = error
        running.keep_up()
    assert len(gateway.taken) == 3
    assert [each["event"] for each in logged if each["log_level"] == "warning"] == ["readings not kept", "not kept up"]
    assert shown(running.metrics)['smgw_lmn_failures_total{line="sml"}'] == 1


def test_what_the_gate_refuses_is_dropped_counted_and_logged_once(tmp_path: Path) -> None:
    gateway = FakeGateway(trouble(closed()))
    line = Line("sml", b"bad", b"bad", b"good", b"bad")
    with capture_logs() as logged, at_work(tmp_path, gateway, line) as running:
        assert line.said.wait(30)
    found = shown(running.metrics)
    assert found['smgw_lmn_refused_bytes_total{line="sml"}'] == 9
    assert found['smgw_lmn_bytes_total{line="sml"}'] == 4
    assert [each["event"] for each in logged if each["log_level"] == "warning"] == ["bytes dropped"]


@pytest.mark.parametrize("error", [OSError("counters cannot be written"), SecurityError("no counters")])
def test_a_line_whose_counters_cannot_be_kept_is_given_up_and_no_other(tmp_path: Path, error: Exception) -> None:
    gateway = FakeGateway(trouble(error))
    radio, sml = Line("radio", b"bad", b"good"), Line("sml", b"good")
    with capture_logs() as logged, at_work(tmp_path, gateway, radio, sml) as running:
        assert radio.closed.wait(30)
        assert sml.said.wait(30)
        running._threads[radio].join(30)
        assert running.health().not_ok == ("line radio does not work",)
        assert not running.broken
        assert ("radio", b"good") not in gateway.taken
    assert "line given up" in {each["event"] for each in logged}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_ends_it_all(tmp_path: Path) -> None:
    gateway = FakeGateway(trouble(ZeroDivisionError("a defect")))
    line = Line("sml", b"bad", b"good")
    with at_work(tmp_path, gateway, line) as running:
        running._threads[line].join(30)
        assert running.broken
        assert not running.health().ok


def test_a_file_ends_and_that_is_no_defect(tmp_path: Path) -> None:
    line = Line("file", b"one", ends=True)
    with at_work(tmp_path, FakeGateway(), line) as running:
        running._threads[line].join(30)
        assert not running.broken
        assert running.health().ok


def test_health_says_what_is_not_as_it_should_be(tmp_path: Path) -> None:
    gateway = FakeGateway()
    with at_work(tmp_path, gateway) as running:
        gateway.now = shut_gate(Shut.INTEGRITY_FAILURE)
        assert running.health().not_ok == (f"the gate is shut: {Shut.INTEGRITY_FAILURE}",)
        fault = OpenFault("consumer-log-full", "anna.sm")
        gateway.now = Gate(State.REVERSIBLE_FAULT, NOTHING.with_fault(fault))
        health = running.health()
    assert health.not_ok == ("the gateway is in REVERSIBLE_FAULT", "fault consumer-log-full is open")
    assert "anna" not in str(health)


def test_what_cannot_start_leaves_nothing_open(tmp_path: Path) -> None:
    gateway, line = FakeGateway(), Line("sml")
    gateway.start = lambda: (_ for _ in ()).throw(RuntimeError("no start"))  # type: ignore[method-assign]
    running = at_work(tmp_path, gateway, line, monitor=("127.0.0.1", 0))
    with pytest.raises(RuntimeError, match="no start"):
        running.start()
    assert gateway.steps == ["close"]
    assert line.closed.is_set()
