"""What keeps a running gateway at work: signals that wait to be asked for, the watchdog, and one gateway once."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import cast

import pytest

from gateway.running import Running
from gateway.service_manager import ServiceManager
from smgw.failing import RefusedFailure, UsageFailure
from smgw.gateway_place import held_signals, keep_at_work, only_once, stopped_within


class FakeRunning:
    """Is kept up, and does as a test wants it to."""

    def __init__(self, *does: signal.Signals | str) -> None:
        self.does = list(does)
        self.broken = False

    def keep_up(self) -> None:
        match self.does.pop(0):
            case signal.Signals() as told:
                tell(told)
            case "break":
                self.broken = True


class Manager(ServiceManager):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__({})
        self.told: list[str] = []

    def ready(self, status: str) -> None:
        self.told.append(status)

    def reloading(self) -> None:
        self.told.append("reloading")

    def stopping(self) -> None:
        self.told.append("stopping")

    def alive(self) -> None:
        self.told.append("alive")


def tell(told: signal.Signals) -> None:
    """Send this thread a signal: others may not have it held."""
    signal.pthread_kill(threading.get_ident(), told)


def keep(manager: Manager, *does: signal.Signals | str) -> None:
    with held_signals():
        keep_at_work(cast(Running, FakeRunning(*does)), manager, lambda: "read anew", seconds=0.001)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_is_kept_up_reloaded_and_ends_when_it_is_told(how: signal.Signals) -> None:
    manager = Manager()
    keep(manager, "", signal.SIGHUP, how)
    assert manager.told == ["alive", "alive", "reloading", "read anew", "alive", "stopping"]


def test_a_defect_ends_it_and_the_watchdog_hears_nothing_more() -> None:
    manager = Manager()
    with pytest.raises(RefusedFailure, match="a line of the gateway has failed"):
        keep(manager, "", "break")
    assert manager.told == ["alive"]


def test_signals_wait_only_while_they_are_held() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with held_signals():
        assert not stopped_within(0)
        tell(signal.SIGTERM)
        assert stopped_within(10)
        assert not stopped_within(0)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def test_a_folder_is_ones_own_while_it_lasts(tmp_path: Path) -> None:
    with only_once(tmp_path), pytest.raises(UsageFailure, match="this gateway runs already"), only_once(tmp_path):
        pass
    with only_once(tmp_path):
        pass
