"""What the service manager is told: datagrams to a real socket, by path and by abstract name."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.service_manager import ServiceManager


@pytest.fixture
def ear(tmp_path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(tmp_path / "notify"))
    listening.settimeout(10)
    return listening


def test_a_service_tells_how_it_is(ear: socket.socket) -> None:
    with ear:
        manager = ServiceManager(
            {"NOTIFY_SOCKET": ear.getsockname(), "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())},
            monotonic=lambda: 7_000_000,
        )
        assert manager.watchdog_seconds == 60
        manager.ready("3 meters\nREADY=0")
        manager.alive()
        manager.reloading()
        manager.stopping()
        told = [ear.recv(1_000) for _ in range(4)]
    assert told == [
        b"READY=1\nSTATUS=3 meters READY=0",
        b"WATCHDOG=1",
        b"RELOADING=1\nMONOTONIC_USEC=7000",
        b"STOPPING=1",
    ]


def test_an_abstract_name() -> None:
    name = f"smgw-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind("\0" + name)
        ear.settimeout(10)
        ServiceManager({"NOTIFY_SOCKET": "@" + name}).stopping()
        assert ear.recv(100) == b"STOPPING=1"


def test_nobody_to_tell_and_nobody_there(tmp_path: Path) -> None:
    with capture_logs() as logged:
        ServiceManager({}).ready("")
        assert logged == []
        ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("")
    assert [line["event"] for line in logged] == ["service manager not told"]


@pytest.mark.parametrize(
    "environment", [{}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}]
)
def test_no_watchdog_waits(environment: dict[str, str]) -> None:
    assert ServiceManager(environment).watchdog_seconds is None
