"""The local interface is there exactly while the gate wants it, and lets in who shows who it is."""

from __future__ import annotations

import contextlib
import inspect
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.configuration import CommunicationParameters, ConfigurationError
from gateway.core import Gateway
from gateway.local import (
    LocalAddressError,
    LocalClient,
    LocalError,
    LocalInterface,
    LocalLineError,
    NotAuthenticated,
)
from gateway.local_calls import CALLS, is_on
from gateway.local_functions import LocalFunctions
from gateway.local_listening import AUTHENTICATE_SECONDS, IDLE_SECONDS
from gateway.local_protocol import GREETING, LARGEST_HELLO, Incoming, configurator_statement
from gateway.local_session import FAILURES
from gateway.pki.keys import CertificateRefused
from lifecycle.evidence import NOTHING
from lifecycle.facts import Fact
from lifecycle.gate import Closed
from lifecycle.law import Attest, Standing
from lifecycle.parties import OperationsAuthority, Party
from lifecycle.roles import Role
from lifecycle.states import State
from securitymodule.errors import PinBlocked, WrongPin
from securitymodule.statements import StatementError
from smpki.names import Environment, Function
from smpki.requests import authorise
from tests.gateway.bench import INTEGRATOR_PIN, Seconds, gateway_in, is_open, new_repository, step, tapped
from tests.support.lives import GATEWAY, START, cast, shortest_way
from tests.support.pki import TestClock, World

ANYWHERE = "tcp:127.0.0.1:0"
WRONG_PIN = "1357913579"
PARAMETERS = CommunicationParameters(host="gwa.example", port=443, apn="m2m.example")


@pytest.fixture
def assembled(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway with its module in it, in Vorpersonalisierung I."""
    with gateway_in(State.PREPERSONALISATION_1_ASSEMBLED, tmp_path, with_module=True) as gateway:
        yield gateway


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway in the field, in Erstinstallation."""
    with gateway_in(State.FIRST_INSTALLATION, tmp_path, with_module=True) as gateway:
        yield gateway


@pytest.fixture
def local(request: pytest.FixtureRequest) -> Iterator[LocalInterface]:
    """The local interface of whichever gateway the test has."""
    name = "installed" if "installed" in request.fixturenames else "assembled"
    with LocalInterface(request.getfixturevalue(name), ANYWHERE) as interface:
        yield interface


def module_key(gateway: Gateway) -> bytes:
    return gateway.module().information().attestation_point


def configurator() -> Party:
    return cast()[Role.ERSTKONFIGURATOR]


def switch_off() -> Attest:
    return Attest(Fact.LOCAL_INTERFACE_OFF, cast()[Role.GATEWAY].actor)


# On and off


@pytest.mark.parametrize("state", State)
def test_the_port_is_open_exactly_while_the_gate_grants_something(state: State, tmp_path: Path) -> None:
    repository = new_repository(tmp_path)
    repository.register(GATEWAY)
    gateway = Gateway(GATEWAY, repository)
    seen = set()
    with LocalInterface(gateway, ANYWHERE) as interface:
        for taken in shortest_way(state):
            step(gateway, taken)
            assert interface.is_on is is_open(interface.address) is is_on(gateway.gate())
            seen.add((gateway.gate().state, interface.is_on))
    assert gateway.gate().state is state
    grants = {State.PREPERSONALISATION_1_ASSEMBLED, State.PREPERSONALISATION_2, State.FIRST_INSTALLATION}
    assert (state, state in grants) in seen or state is State.DEVELOPMENT
    assert not is_open(interface.address)


def test_a_running_connection_is_cut_by_the_transition(tmp_path: Path) -> None:
    gateway = gateway_in(State.PREPERSONALISATION_2, tmp_path)
    way = shortest_way(State.DELIVERY_TO_MSB)
    left = way[len(shortest_way(State.PREPERSONALISATION_2)) :]
    with LocalInterface(gateway, ANYWHERE) as interface, LocalClient.connect(interface.address) as client:
        for taken in left[:-1]:
            step(gateway, taken)
            assert interface.is_on
        with pytest.raises(NotAuthenticated):
            client.test_connection()
        step(gateway, left[-1])
        assert not interface.is_on
        assert not is_open(interface.address)
        with pytest.raises(LocalLineError, match="ended"):
            client.test_connection()
        with pytest.raises(LocalLineError, match="nobody answers"):
            LocalClient.connect(interface.address)


def test_it_is_closed_by_the_fact_that_it_is_off(tmp_path: Path) -> None:
    gateway = gateway_in(State.FIRST_INSTALLATION, tmp_path)
    with LocalInterface(gateway, ANYWHERE) as interface:
        raw = socket.create_connection(("127.0.0.1", int(interface.address.split(":")[2])), 5)
        with closing(raw):
            step(gateway, switch_off())
            assert not is_open(interface.address)
            raw.settimeout(5)
            assert ended(raw)


def ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_lost_integrity_closes_it(assembled: Gateway, local: LocalInterface) -> None:
    with LocalClient.connect(local.address) as client:
        assembled.distrust("the firmware is another")
        assert not is_open(local.address)
        with pytest.raises(LocalLineError):
            client.authenticate_integrator(INTEGRATOR_PIN)


def test_a_change_that_somebody_else_made_closes_it_at_the_next_knock(tmp_path: Path) -> None:
    gateway = gateway_in(State.FIRST_INSTALLATION, tmp_path)
    other = Gateway(GATEWAY, gateway.repository)
    with LocalInterface(gateway, ANYWHERE) as interface:
        step(other, switch_off())
        with pytest.raises(LocalLineError):
            LocalClient.connect(interface.address)
        assert not interface.is_on
        assert not is_open(interface.address)


def test_refreshing_follows_what_others_made_of_the_record(tmp_path: Path) -> None:
    gateway = gateway_in(State.INTEGRATION, tmp_path)
    other = Gateway(GATEWAY, gateway.repository)
    taken = shortest_way(State.PREPERSONALISATION_1_ASSEMBLED)[len(shortest_way(State.INTEGRATION)) :]
    with LocalInterface(gateway, ANYWHERE) as interface:
        for each in taken:
            step(other, each)
        assert not interface.is_on
        interface.refresh()
        assert interface.is_on
        assert is_open(interface.address)
        interface.close()
        interface.refresh()
        assert not is_open(interface.address)


def test_it_comes_back_at_the_same_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = gateway_in(State.FIRST_INSTALLATION, tmp_path)
    with LocalInterface(gateway, ANYWHERE) as interface:
        address = interface.address
        for _ in range(3):
            with monkeypatch.context() as patched:
                kept = replace(gateway.repository.kept(GATEWAY), standing=Standing(State.OPERATION, NOTHING))
                patched.setattr(gateway.repository, "kept", lambda _gateway, kept=kept: kept)
                interface.refresh()
                assert not is_open(address)
            interface.refresh()
            assert interface.address == address
            LocalClient.connect(address).close()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "localhost", "[::]", "", "127.0.0.1.example", "[fe80::1]"])  # noqa: S104
def test_no_other_address_than_a_loopback_one_is_taken(tmp_path: Path, host: str) -> None:
    gateway = gateway_in(State.DEVELOPMENT, tmp_path)
    with pytest.raises(LocalAddressError, match="loopback"):
        LocalInterface(gateway, f"tcp:{host}:7401")
    with pytest.raises(LocalLineError, match="loopback"):
        LocalClient.connect(f"tcp:{host}:7401")
    step(gateway, shortest_way(State.PRODUCTION)[0])


@pytest.mark.parametrize("text", ["", "tcp:", "tcp:127.0.0.1", "udp:127.0.0.1:7401", "serial:", "tcp:127.0.0.1:99999"])
def test_what_is_no_address_is_none(tmp_path: Path, text: str) -> None:
    with pytest.raises(LocalAddressError):
        LocalInterface(gateway_in(State.DEVELOPMENT, tmp_path), text)


def test_a_port_that_is_taken_is_an_error_at_the_start_and_keeps_it_off_later(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp:127.0.0.1:{taken.getsockname()[1]}"
        (tmp_path / "a").mkdir()
        with pytest.raises(LocalAddressError, match="cannot listen"):
            LocalInterface(gateway_in(State.FIRST_INSTALLATION, tmp_path / "a"), address)
        gateway = gateway_in(State.INTEGRATION, tmp_path)
        with LocalInterface(gateway, address) as interface:
            for each in shortest_way(State.PREPERSONALISATION_1_ASSEMBLED)[len(shortest_way(State.INTEGRATION)) :]:
                step(gateway, each)
            assert gateway.gate().state is State.PREPERSONALISATION_1_ASSEMBLED
            assert not interface.is_on


def test_ipv6_loopback_will_do(tmp_path: Path) -> None:
    gateway = gateway_in(State.FIRST_INSTALLATION, tmp_path)
    with LocalInterface(gateway, "tcp:[::1]:0") as interface, LocalClient.connect(interface.address) as client:
        assert client.gateway == GATEWAY


# The integrator


def test_the_integrator_prepares_the_module_through_it(
    assembled: Gateway, local: LocalInterface, tmp_path: Path
) -> None:
    (tmp_path / "pki").mkdir()
    world = World.in_folder(tmp_path / "pki", TestClock(START))
    gwh = world.enrol("Werk", Function.GWH)
    with LocalClient.connect(local.address, module_key=module_key(assembled)) as client:
        assert client.gateway == GATEWAY
        client.authenticate_integrator(INTEGRATOR_PIN)
        assert client.import_root(world.root.certificate) is True
        assert client.import_root(world.root.certificate) is False
        assert client.generate_preliminary_keys() is True
        package = client.export_requests(Environment.TEST)
        seals = world.sub.issue(authorise(package, gwh.signer, world.clock()))
        with pytest.raises(CertificateRefused):
            client.import_seals(seals[:2], world.sub.certificate)
        assert client.import_seals(seals, world.sub.certificate) is True
        with pytest.raises(Closed, match="configuration:import-initial-file") as closed:
            client.import_initial_configuration(b"file")
        assert closed.value.refused.reasons[0].condition == "function-granted"
        with pytest.raises(Closed):
            client.set_communication_parameters(PARAMETERS)
    held = assembled.certificates.current()
    assert {each.certificate for each in held.values()} == set(seals)


def test_wrong_pins_are_counted_and_end_the_session(assembled: Gateway, local: LocalInterface) -> None:
    before = assembled.module().pin_tries()
    assert before is not None
    with LocalClient.connect(local.address) as client:
        for number in range(1, FAILURES + 1):
            with pytest.raises(WrongPin, match="tr") as wrong:
                client.authenticate_integrator(WRONG_PIN)
            assert wrong.value.left == before - number
            assert WRONG_PIN not in str(wrong.value)
        with pytest.raises(LocalLineError, match="ended the session"):
            client.authenticate_integrator(INTEGRATOR_PIN)
    with LocalClient.connect(local.address) as client:
        client.authenticate_integrator(INTEGRATOR_PIN)
    with LocalClient.connect(local.address):
        assert assembled.module().pin_tries() == before


def test_a_blocked_pin_says_so(assembled: Gateway, local: LocalInterface) -> None:
    tries = assembled.module().pin_tries()
    assert tries is not None
    for _ in range(tries):
        with pytest.raises((WrongPin, PinBlocked)):
            assembled.module().verify_pin(WRONG_PIN)
    with LocalClient.connect(local.address) as client, pytest.raises(PinBlocked):
        client.authenticate_integrator(INTEGRATOR_PIN)


def test_what_is_no_pin_is_not_sent(assembled: Gateway, local: LocalInterface) -> None:
    with LocalClient.connect(local.address) as client, pytest.raises(StatementError, match="digits") as error:
        client.authenticate_integrator("geheim")
    assert "geheim" not in str(error.value)
    assert assembled.module().pin_tries() == 8


def test_the_pin_holds_for_its_session_only(assembled: Gateway, local: LocalInterface) -> None:
    with LocalClient.connect(local.address) as client:
        client.authenticate_integrator(INTEGRATOR_PIN)
        assert assembled.local.integrator_present
    with LocalClient.connect(local.address) as client, pytest.raises(NotAuthenticated):
        client.generate_preliminary_keys()
    assert not assembled.local.integrator_present


def test_a_wrong_pin_takes_back_the_right_one_before(assembled: Gateway, local: LocalInterface) -> None:
    with LocalClient.connect(local.address) as client:
        client.authenticate_integrator(INTEGRATOR_PIN)
        with pytest.raises(WrongPin):
            client.authenticate_integrator(WRONG_PIN)
        with pytest.raises(NotAuthenticated):
            client.generate_preliminary_keys()
        assert not assembled.local.integrator_present


def test_the_pin_is_nowhere_but_in_the_module(
    assembled: Gateway, local: LocalInterface, capfd: pytest.CaptureFixture[str]
) -> None:
    with structlog.testing.capture_logs() as logged, tapped(local.address) as tap:
        with LocalClient.connect(tap.address, module_key=module_key(assembled)) as client:
            with pytest.raises(WrongPin) as wrong:
                client.authenticate_integrator(WRONG_PIN)
            client.authenticate_integrator(INTEGRATOR_PIN)
            client.generate_preliminary_keys()
            told = [repr(client), repr(vars(client)), repr(wrong.value), str(wrong.value.args)]
        assert len(tap.to_gateway) > 400
    out, err = capfd.readouterr()
    for pin in (INTEGRATOR_PIN, WRONG_PIN):
        for form in (pin.encode(), pin.encode("utf-16-le"), bytes.fromhex(pin)):
            assert form not in tap.everything
        assert not any(pin in text for text in (repr(logged), out, err, *told))
    assert "caller authenticated" in repr(logged)


def test_frames_with_pins_are_of_one_length(assembled: Gateway, local: LocalInterface) -> None:
    lengths = set()
    for pin in ("1234567890", "12345678901234567890123456789012", INTEGRATOR_PIN):
        with tapped(local.address) as tap, LocalClient.connect(tap.address) as client:
            before = len(tap.to_gateway)
            with contextlib.suppress(WrongPin):
                client.authenticate_integrator(pin)
            lengths.add(len(tap.to_gateway) - before)
    assert len(lengths) == 1


# The Erstkonfigurator


def test_the_configurator_sets_what_the_site_needs(installed: Gateway, local: LocalInterface) -> None:
    with LocalClient.connect(local.address, module_key=module_key(installed)) as client:
        client.authenticate_configurator(configurator())
        with pytest.raises(ConfigurationError, match="neither"):
            client.test_connection()
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            client.set_communication_parameters(CommunicationParameters(host="127.0.0.1", port=port))
            report = client.test_connection()
        assert (report.host, report.port, report.reached, report.trouble) == ("127.0.0.1", port, True, "")
        assert report.seconds >= 0
        client.set_communication_parameters(PARAMETERS)
        with pytest.raises(Closed):
            client.generate_preliminary_keys()
        with pytest.raises(LocalError, match="nothing at the local interface is on for INTEGRATOR_PIN"):
            client.authenticate_integrator(INTEGRATOR_PIN)
        with pytest.raises(NotAuthenticated):
            client.test_connection()
    assert installed.configuration is not None
    assert installed.configuration.communication() == PARAMETERS
    assert installed.module().pin_tries() == 8


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ERSTKONFIGURATOR])
def test_no_other_role_is_a_configurator(tmp_path: Path, role: Role) -> None:
    gateway = gateway_in(State.FIRST_INSTALLATION, tmp_path)
    with LocalInterface(gateway, ANYWHERE) as interface, LocalClient.connect(interface.address) as client:
        with pytest.raises(NotAuthenticated, match=f"of a {role}"):
            client.authenticate_configurator(cast()[role])
        with pytest.raises(NotAuthenticated):
            client.test_connection()


def test_a_certificate_of_another_ca_or_of_another_time_is_not_believed(tmp_path: Path) -> None:
    gateway = gateway_in(State.FIRST_INSTALLATION, tmp_path)
    before = START - timedelta(days=2000)
    foreign = OperationsAuthority.create(clock=lambda: START).enrol(Role.ERSTKONFIGURATOR, "E", clock=lambda: START)
    expired = cast().authority.enrol(Role.ERSTKONFIGURATOR, "E", clock=lambda: before)
    with LocalInterface(gateway, ANYWHERE) as interface, LocalClient.connect(interface.address) as client:
        with pytest.raises(NotAuthenticated, match="not issued by the pinned"):
            client.authenticate_configurator(foreign)
        with pytest.raises(NotAuthenticated, match="not valid now"):
            client.authenticate_configurator(expired)
        client.authenticate_configurator(configurator())


def test_a_signature_of_another_session_or_gateway_is_of_no_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = gateway_in(State.FIRST_INSTALLATION, tmp_path)
    with LocalInterface(gateway, ANYWHERE) as interface:
        with LocalClient.connect(interface.address) as client:
            statement = configurator_statement(client._channel)
            client.authenticate_configurator(configurator())
        other = statement.replace(GATEWAY.encode(), b"EXXX0000000001")
        assert other != statement
        for signed in (statement, other, b""):
            monkeypatch.setattr("gateway.local_client.configurator_statement", lambda _channel, told=signed: told)
            with (
                LocalClient.connect(interface.address) as client,
                pytest.raises(NotAuthenticated, match="not over this session"),
            ):
                client.authenticate_configurator(configurator())


def test_a_caller_who_is_not_believed_gets_three_tries(tmp_path: Path) -> None:
    gateway = gateway_in(State.FIRST_INSTALLATION, tmp_path)
    with LocalInterface(gateway, ANYWHERE) as interface, LocalClient.connect(interface.address) as client:
        for _ in range(FAILURES):
            with pytest.raises(NotAuthenticated):
                client.authenticate_configurator(cast()[Role.GWA])
        with pytest.raises(LocalLineError):
            client.authenticate_configurator(configurator())


# Who sits in the line


def test_frames_sent_twice_or_again_are_refused(tmp_path: Path) -> None:
    gateway = gateway_in(State.FIRST_INSTALLATION, tmp_path)
    with LocalInterface(gateway, ANYWHERE) as interface:
        with tapped(interface.address) as tap, LocalClient.connect(tap.address) as client:
            client.authenticate_configurator(configurator())
        recorded = bytes(tap.to_gateway)
        answer = spoken(interface.address, recorded)
        frames = Incoming(searching=False)
        frames.feed(answer)
        assert frames.next_frame()  # the hello
        assert frames.next_frame() == b""  # and no more: what came then was of another session


def test_a_frame_sent_twice_in_its_session_ends_it(assembled: Gateway, local: LocalInterface) -> None:
    with LocalClient.connect(local.address) as client:
        client.authenticate_integrator(INTEGRATOR_PIN)
        request = client._channel.protect({"call": "generate_preliminary_keys", "arguments": {}})
        client._send(request + request)
        assert client._channel.open(client._receive()) == {"result": True}
        with pytest.raises(LocalLineError, match="ended"):
            client._receive()
    with LocalClient.connect(local.address):
        assert not assembled.local.integrator_present


def test_every_bit_that_is_changed_on_the_way_is_noticed(tmp_path: Path) -> None:
    gateway = gateway_in(State.FIRST_INSTALLATION, tmp_path)
    with LocalInterface(gateway, ANYWHERE) as interface:
        for position in (4, 11, 15, 20, 27):
            with LocalClient.connect(interface.address) as client:
                request = bytearray(client._channel.protect({"call": "test_connection", "arguments": {}}))
                request[position] ^= 1
                client._send(bytes(request))
                with pytest.raises(LocalLineError):
                    client._receive()


def test_who_knows_the_module_finds_out_who_sits_in_the_line(assembled: Gateway, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    key = module_key(assembled)
    other = gateway_in(State.PREPERSONALISATION_1_ASSEMBLED, tmp_path / "other", with_module=True)
    with other, LocalInterface(other, ANYWHERE) as impostor:
        with pytest.raises(LocalLineError, match="not the gateway with this module"):
            LocalClient.connect(impostor.address, module_key=key)
        LocalClient.connect(impostor.address, module_key=module_key(other)).close()
    (tmp_path / "bare").mkdir()
    bare = gateway_in(State.FIRST_INSTALLATION, tmp_path / "bare")
    with LocalInterface(bare, ANYWHERE) as impostor, pytest.raises(LocalLineError, match="shows no attestation"):
        LocalClient.connect(impostor.address, module_key=key)
    with pytest.raises(LocalLineError, match="not an uncompressed point"):
        LocalClient.connect(impostor.address, module_key=b"\x04")


def test_an_attestation_carried_over_does_not_vouch_for_another_key(
    assembled: Gateway, local: LocalInterface, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LocalClient.connect(local.address, module_key=module_key(assembled)):
        pass
    assert local._line is not None
    carried = local._line._attestation
    assert carried is not None
    monkeypatch.setattr("gateway.local_listening.Listening._attested", lambda _line: carried)
    local._switch_off()
    local.refresh()
    with pytest.raises(LocalLineError, match="its key is not attested"):
        LocalClient.connect(local.address, module_key=module_key(assembled))


# Callers who are many, slow, or no callers


def test_one_caller_at_a_time(assembled: Gateway, local: LocalInterface) -> None:
    with LocalClient.connect(local.address) as first:
        first.authenticate_integrator(INTEGRATOR_PIN)
        for _ in range(3):
            with pytest.raises(LocalError, match="somebody else") as busy:
                LocalClient.connect(local.address)
            assert busy.value.kind == "busy"
        assert first.generate_preliminary_keys() is True
    with LocalClient.connect(local.address) as second, pytest.raises(NotAuthenticated):
        second.generate_preliminary_keys()


@pytest.mark.parametrize("beginning", [b"", GREETING[:3], GREETING, GREETING + b"\x00\x00\x01"])
def test_a_caller_who_does_not_say_who_it_is_is_cut(tmp_path: Path, beginning: bytes) -> None:
    gateway, clock = gateway_in(State.FIRST_INSTALLATION, tmp_path), Seconds()
    with LocalInterface(gateway, ANYWHERE, clock=clock) as interface:
        with connected(interface.address) as raw:
            raw.sendall(beginning)
            with pytest.raises(LocalError, match="somebody else"):  # the first is being served then
                LocalClient.connect(interface.address)
            clock.now = AUTHENTICATE_SECONDS
            interface.refresh()
            assert ended(raw)
        LocalClient.connect(interface.address).close()


def test_an_idle_caller_is_cut_and_what_it_had_shown_forgotten(assembled: Gateway) -> None:
    clock = Seconds()
    with LocalInterface(assembled, ANYWHERE, clock=clock) as interface:
        client = LocalClient.connect(interface.address)
        client.authenticate_integrator(INTEGRATOR_PIN)
        clock.now += IDLE_SECONDS - 1
        client.generate_preliminary_keys()
        clock.now += IDLE_SECONDS - 1
        interface.refresh()
        client.generate_preliminary_keys()
        clock.now += IDLE_SECONDS
        interface.refresh()
        with pytest.raises(LocalLineError):
            client.generate_preliminary_keys()
        with LocalClient.connect(interface.address):
            assert not assembled.local.integrator_present


def test_a_gateway_that_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp:127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(LocalLineError, match="no answer within"):
            LocalClient.connect(address, timeout=0.05)


def test_a_client_after_its_end_says_so(tmp_path: Path) -> None:
    gateway = gateway_in(State.FIRST_INSTALLATION, tmp_path)
    with LocalInterface(gateway, ANYWHERE) as interface:
        client = LocalClient.connect(interface.address)
        client.close()
        client.close()
        with pytest.raises(LocalLineError, match="connect anew"):
            client.test_connection()


@settings(max_examples=60)
@given(data=st.one_of(st.binary(max_size=200), st.binary(max_size=300).map(GREETING.__add__)))
def test_whatever_is_sent_the_gateway_goes_on(fuzzed: LocalInterface, data: bytes) -> None:
    spoken(fuzzed.address, data)
    with LocalClient.connect(fuzzed.address) as client:
        client.authenticate_configurator(configurator())


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalInterface]:
    gateway = gateway_in(State.FIRST_INSTALLATION, tmp_path_factory.mktemp("fuzzed"))
    with LocalInterface(gateway, ANYWHERE) as interface:
        yield interface


def test_no_more_is_kept_than_a_frame_however_long_it_is_said_to_be(fuzzed: LocalInterface) -> None:
    with connected(fuzzed.address) as raw:
        raw.sendall(GREETING + (LARGEST_HELLO + 1).to_bytes(4, "big"))
        assert raw.recv(4) in {bytes(4), b""}
        assert ended(raw)


def spoken(address: str, data: bytes) -> bytes:
    """What the gateway answers to somebody who sends these bytes and then no more."""
    with connected(address) as raw:
        answer = bytearray()
        try:
            raw.sendall(data)
            raw.shutdown(socket.SHUT_WR)
            while received := raw.recv(4096):
                answer += received
        except (ConnectionResetError, BrokenPipeError):
            pass
        return bytes(answer)


def connected(address: str) -> socket.socket:
    _, host, port = address.split(":")
    return socket.create_connection((host, int(port)), 5)


# What can be asked for


def test_the_client_has_the_functions_of_the_gateway_and_no_others() -> None:
    own = {"authenticate_integrator", "authenticate_configurator", "close", "connect"}
    public = {name for name, _ in inspect.getmembers(LocalClient, inspect.isroutine) if not name.startswith("_")}
    assert public - own == CALLS.keys()
    for name, call in CALLS.items():
        offered = inspect.signature(getattr(LocalClient, name), locals=vars(inspect), eval_str=False)
        declared = inspect.signature(inspect.unwrap(getattr(LocalFunctions, name)))
        assert offered.parameters == declared.parameters
        assert offered.return_annotation == declared.return_annotation
        assert call.parameters.keys() == offered.parameters.keys() - {"self"}


def test_what_does_not_exist_cannot_be_called(tmp_path: Path) -> None:
    gateway = gateway_in(State.FIRST_INSTALLATION, tmp_path)
    with LocalInterface(gateway, ANYWHERE) as interface, LocalClient.connect(interface.address) as client:
        client.authenticate_configurator(configurator())
        names: list[Any] = ["gate", "end_session", "__init__", "present_integrator_pin", "_opened", 1, None, []]
        for name in names:
            with pytest.raises(LocalError, match="no such function"):
                client._ask(name, {})
        wrong: list[Any] = [{}, {"parameters": 1}, {"parameters": {}}, {"x": 1}, None]
        for arguments in wrong:
            with pytest.raises(LocalError):
                client._ask("set_communication_parameters", arguments)


def test_an_error_that_nobody_foresaw_tells_nothing(installed: Gateway, local: LocalInterface) -> None:
    def fails() -> None:
        raise RuntimeError("the secret is 4711")

    installed.local._folder = fails  # type: ignore[assignment]
    with structlog.testing.capture_logs() as logged, LocalClient.connect(local.address) as client:
        client.authenticate_configurator(configurator())
        with pytest.raises(LocalError, match="its log says where") as error:
            client.set_communication_parameters(PARAMETERS)
        assert error.value.kind == "internal"
        with pytest.raises(LocalError, match="its log says where"):
            client.test_connection()
    assert "a call failed" in repr(logged)
    assert "4711" not in repr(logged)


def test_a_call_that_moves_the_gateway_on_is_cut_with_the_rest(
    installed: Gateway, local: LocalInterface, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transition comes while the call is being done: in the thread that serves it."""
    monkeypatch.setattr(installed.local._folder, "set_communication", lambda _parameters: step(installed, switch_off()))
    with LocalClient.connect(local.address) as client:
        client.authenticate_configurator(configurator())
        with pytest.raises(LocalLineError, match="ended"):
            client.set_communication_parameters(PARAMETERS)
    assert not is_open(local.address)


def test_a_call_in_the_midst_of_a_transition_is_refused_at_the_gate(installed: Gateway, local: LocalInterface) -> None:
    with LocalClient.connect(local.address) as client:
        client.authenticate_configurator(configurator())
        with installed._moving, pytest.raises(Closed, match="a transition is in progress"):
            client.test_connection()
        local.refresh()
        assert local.is_on


def test_moving_on_from_another_thread_cuts_a_call_that_lasts(
    installed: Gateway, local: LocalInterface, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, finish = threading.Event(), threading.Event()

    def lasting(_parameters: Any) -> None:
        entered.set()
        assert finish.wait(10)

    monkeypatch.setattr(installed.local._folder, "set_communication", lasting)
    client = LocalClient.connect(local.address)
    client.authenticate_configurator(configurator())
    failed: list[Exception] = []
    caller = threading.Thread(
        target=_keep_error, args=(failed, lambda: client.set_communication_parameters(PARAMETERS))
    )
    caller.start()
    assert entered.wait(10)
    step(installed, switch_off())
    assert not is_open(local.address)
    caller.join(10)
    assert not caller.is_alive()  # it was cut while the call was still being done
    assert isinstance(failed[0], LocalLineError)
    finish.set()


def _keep_error(kept: list[Exception], do: Callable[[], None]) -> None:
    try:
        do()
    except LocalError as error:
        kept.append(error)
