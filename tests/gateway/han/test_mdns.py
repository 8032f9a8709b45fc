"""``smgw.local`` answers while the interface is open, and is silent otherwise."""

from __future__ import annotations

import importlib.util
import secrets
import time
from pathlib import Path

import pytest
from zeroconf import AddressResolverIPv4, Zeroconf  # type: ignore[attr-defined]  # documented, and not in __all__

from gateway.han import mdns
from gateway.han.mdns import LocalName, NoMulticastDns
from gateway.han.own_key import HOST
from lifecycle.evidence import NOTHING
from lifecycle.gate import Gate
from lifecycle.states import State
from tests.support.han import GATEWAY, at_home


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> str:
    """A name for each test, since several may be heard on one machine at once."""
    assert HOST == "smgw.local"
    name = f"smgw-{secrets.token_hex(4)}.local"
    monkeypatch.setattr(mdns, "HOST", name)
    return name


def answers(host: str, seconds: float) -> list[str]:
    """What a peer hears when it asks for the name."""
    peer = Zeroconf(interfaces=["127.0.0.1"])
    try:
        asked = AddressResolverIPv4(f"{host}.")
        asked.request(peer, seconds * 1000)
        return asked.parsed_addresses()
    finally:
        peer.close()


def heard(host: str) -> list[str]:
    """What it hears once there is something to hear."""
    until = time.monotonic() + 20
    while not (found := answers(host, 0.5)) and time.monotonic() < until:
        pass
    return found


def test_the_name_follows_the_gate(tmp_path: Path, host: str) -> None:
    name = LocalName(GATEWAY, ["127.0.0.1"])
    with at_home(tmp_path, name=name) as home:
        assert heard(host) == ["127.0.0.1"]
        home.gateway.turn(Gate(State.OUTAGE, NOTHING))
        name.join()
        assert answers(host, 0.5) == []


def test_without_the_library_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(mdns, "find_spec", lambda name: None if name == "zeroconf" else find(name))
    with pytest.raises(NoMulticastDns, match="extra mdns"):
        LocalName(GATEWAY, ["127.0.0.1"])


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_it_may_stop_before_it_has_begun_and_begin_again(host: str) -> None:
    name = LocalName(GATEWAY, ["127.0.0.1"])
    for _ in range(3):
        name.start(443)
        name.start(443)
        name.stop()
    name.join()
    assert answers(host, 0.5) == []
    name.start(443)
    assert heard(host) == ["127.0.0.1"]
    name.stop()
    name.join()
    assert answers(host, 0.5) == []


def test_an_address_that_it_does_not_have_is_logged_and_no_more() -> None:
    name = LocalName(GATEWAY, ["192.0.2.1"])
    name.start(443)
    name.stop()
    name.stop()
    name.join()
