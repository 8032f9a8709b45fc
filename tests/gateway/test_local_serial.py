"""The local interface on a serial device: a real one, of the kernel's pseudo-terminals, with the line between two."""

from __future__ import annotations

import os
import select
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import Gateway
from gateway.local import LocalAddressError, LocalClient, LocalInterface, LocalLineError
from gateway.local_listening import AUTHENTICATE_SECONDS
from gateway.local_protocol import GREETING, LARGEST_FRAME
from lifecycle.facts import Fact
from lifecycle.law import Attest
from lifecycle.roles import Role
from lifecycle.states import State
from securitymodule.errors import WrongPin
from tests.gateway.bench import INTEGRATOR_PIN, Seconds, gateway_in, step
from tests.support.lives import GATEWAY, cast


@dataclass
class Cable:
    """Two serial devices and the line between them, which keeps what goes over it.

    :ivar gateway: address of the gateway's end.
    :ivar caller: address of the caller's end.
    :ivar to_gateway: what the caller sent.
    :ivar to_caller: what the gateway sent.
    """

    gateway: str
    caller: str
    to_gateway: bytearray = field(default_factory=bytearray)
    to_caller: bytearray = field(default_factory=bytearray)
    noise: bytes = b""
    """Put into the line before what the caller sends next."""
    _carried: threading.Condition = field(default_factory=threading.Condition)

    def carry(self, data: bytes, *, to_gateway: bool) -> bytes:
        """What comes out of the line when these bytes go in."""
        with self._carried:
            if to_gateway:
                data, self.noise = self.noise + data, b""
            (self.to_gateway if to_gateway else self.to_caller).extend(data)
            self._carried.notify_all()
        return data

    def wait_for(self, data: bytes) -> None:
        """Wait until the caller's last bytes are these."""
        with self._carried:
            assert self._carried.wait_for(lambda: self.to_gateway.endswith(data), 10)


@contextmanager
def plugged() -> Iterator[Cable]:
    """A cable, for as long as the block lasts."""
    pairs = [os.openpty(), os.openpty()]  # each end stays open here too, so that the line outlives who uses it
    for _, slave in pairs:
        tty.setraw(slave)
    gateway, caller = (f"serial:{os.ttyname(slave)}" for _, slave in pairs)
    cable = Cable(gateway, caller)
    ours, stop = os.pipe()
    thread = threading.Thread(target=_carry, args=(cable, pairs[0][0], pairs[1][0], ours))
    thread.start()
    try:
        yield cable
    finally:
        os.close(stop)
        thread.join()
        for each in (ours, *pairs[0], *pairs[1]):
            os.close(each)


def _carry(cable: Cable, gateway: int, caller: int, stop: int) -> None:
    poll = select.poll()
    for end in (gateway, caller, stop):
        poll.register(end, select.POLLIN)
    while True:
        for end, _ in poll.poll():
            if end == stop:
                return
            data = cable.carry(os.read(end, 1024), to_gateway=end == caller)
            target = gateway if end == caller else caller
            while data:
                data = data[os.write(target, data) :]


def held(address: str) -> int:
    """How often this process has the device open."""
    path = address.removeprefix("serial:")
    descriptors = Path("/proc/self/fd")
    return sum(link.is_symlink() and str(link.readlink()) == path for link in descriptors.iterdir())


@pytest.fixture
def cable() -> Iterator[Cable]:
    with plugged() as line:
        yield line


@pytest.fixture
def assembled(tmp_path: Path) -> Iterator[Gateway]:
    with gateway_in(State.PREPERSONALISATION_1_ASSEMBLED, tmp_path, with_module=True) as gateway:
        yield gateway


def test_sessions_one_after_the_other(assembled: Gateway, cable: Cable) -> None:
    key = assembled.module().information().attestation_point
    with LocalInterface(assembled, cable.gateway) as interface:
        assert interface.address == cable.gateway
        with LocalClient.connect(cable.caller, module_key=key) as client:
            assert client.gateway == GATEWAY
            with pytest.raises(WrongPin):
                client.authenticate_integrator("1357913579")
            client.authenticate_integrator(INTEGRATOR_PIN)
            assert client.generate_preliminary_keys() is True
        with LocalClient.connect(cable.caller, module_key=key) as client:
            assert not assembled.local.integrator_present
            client.authenticate_integrator(INTEGRATOR_PIN)
            assert client.generate_preliminary_keys() is False
    for pin in (INTEGRATOR_PIN, "1357913579"):
        assert pin.encode() not in cable.to_gateway + b"|" + cable.to_caller


def test_it_is_let_go_by_the_transition_and_nobody_answers(tmp_path: Path, cable: Cable) -> None:
    gateway = gateway_in(State.FIRST_INSTALLATION, tmp_path)
    before = held(cable.gateway)
    with LocalInterface(gateway, cable.gateway) as interface, LocalClient.connect(cable.caller) as client:
        client.authenticate_configurator(cast()[Role.ERSTKONFIGURATOR])
        assert held(cable.gateway) == before + 1
        step(gateway, Attest(Fact.LOCAL_INTERFACE_OFF, cast()[Role.GATEWAY].actor))
        assert held(cable.gateway) == before
        assert not interface.is_on
        said = len(cable.to_caller)
        client._timeout = 0.05
        with pytest.raises(LocalLineError, match="no answer"):
            client.test_connection()
        with pytest.raises(LocalLineError, match="no answer"):
            LocalClient.connect(cable.caller, timeout=0.05)
        assert len(cable.to_caller) == said


def test_a_caller_who_went_without_a_word_does_not_keep_the_next_one_out(assembled: Gateway, cable: Cable) -> None:
    with LocalInterface(assembled, cable.gateway):
        gone = LocalClient.connect(cable.caller)
        gone.authenticate_integrator(INTEGRATOR_PIN)
        assert gone._stream is not None
        gone._stream.close()
        gone._stream = None
        with LocalClient.connect(cable.caller) as client:
            assert not assembled.local.integrator_present
            client.authenticate_integrator(INTEGRATOR_PIN)


def test_a_caller_who_stops_within_a_frame_is_given_up_in_time(tmp_path: Path, cable: Cable) -> None:
    gateway, clock = gateway_in(State.FIRST_INSTALLATION, tmp_path), Seconds()
    with LocalInterface(gateway, cable.gateway, clock=clock) as interface:
        client = LocalClient.connect(cable.caller)
        client._send(LARGEST_FRAME.to_bytes(4, "big"))
        assert client._stream is not None
        client._stream.close()
        cable.wait_for(LARGEST_FRAME.to_bytes(4, "big"))
        clock.now = AUTHENTICATE_SECONDS
        interface.refresh()
        LocalClient.connect(cable.caller).close()


def test_what_is_changed_on_the_line_ends_the_session_and_the_next_one_is_good(tmp_path: Path, cable: Cable) -> None:
    gateway = gateway_in(State.FIRST_INSTALLATION, tmp_path)
    with LocalInterface(gateway, cable.gateway):
        client = LocalClient.connect(cable.caller)
        cable.noise = b"\x00\x00\x00\x03abc"
        with pytest.raises(LocalLineError, match="ended"):
            client.test_connection()
        with LocalClient.connect(cable.caller) as client:
            client.authenticate_configurator(cast()[Role.ERSTKONFIGURATOR])


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cable]:
    gateway = gateway_in(State.FIRST_INSTALLATION, tmp_path_factory.mktemp("serial"))
    with plugged() as line, LocalInterface(gateway, line.gateway):
        yield line


@settings(max_examples=40)
@given(noise=st.binary(max_size=300).filter(lambda noise: GREETING not in noise))
def test_noise_before_a_greeting_is_passed_over(fuzzed: Cable, noise: bytes) -> None:
    fuzzed.noise = noise
    with LocalClient.connect(fuzzed.caller) as client:
        client.authenticate_configurator(cast()[Role.ERSTKONFIGURATOR])


def test_what_is_no_serial_device_is_refused(tmp_path: Path) -> None:
    gateway = gateway_in(State.FIRST_INSTALLATION, tmp_path)
    file = tmp_path / "file"
    file.write_bytes(b"")
    for path, why in ((file, "no serial device"), (tmp_path / "none", "cannot open"), (tmp_path, "cannot open")):
        with pytest.raises(LocalAddressError, match=why):
            LocalInterface(gateway, f"serial:{path}")
        with pytest.raises(LocalLineError, match=why):
            LocalClient.connect(f"serial:{path}")


def test_a_device_that_is_pulled_switches_it_off(tmp_path: Path) -> None:
    gateway = gateway_in(State.FIRST_INSTALLATION, tmp_path)
    master, slave = os.openpty()
    address = f"serial:{os.ttyname(slave)}"
    with LocalInterface(gateway, address) as interface:
        os.close(slave)
        line = interface._line
        assert line is not None
        os.close(master)
        line.join()
        assert not interface.is_on
        with pytest.raises(LocalAddressError, match="cannot open"):
            interface.refresh()
        assert not interface.is_on
