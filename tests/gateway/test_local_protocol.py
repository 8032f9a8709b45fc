"""The protocol of the local interface without a line: frames, hellos, encryption, values and errors in messages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.configuration import AlreadyConfigured, CommunicationParameters, InitialConfiguration
from gateway.core import Gateway
from gateway.local import LocalError, NotAuthenticated
from gateway.local_calls import AUTHENTICATE_CONFIGURATOR, AUTHENTICATE_INTEGRATOR, CALLS
from gateway.local_coding import TOLD_BY_MESSAGE, error_from_plain, error_to_plain, from_plain, to_plain
from gateway.local_functions import IntegratorPinMissing
from gateway.local_protocol import (
    CURVE,
    END,
    GREETING,
    LARGEST_FRAME,
    LARGEST_HELLO,
    LENGTH_BYTES,
    CallerHandshake,
    Channel,
    Identity,
    Incoming,
    LocalProtocolError,
    answer_hello,
    configurator_statement,
    decode_message,
    encode_message,
    frame,
    from_base64,
    members,
    pad_pin,
    to_base64,
    unpad_pin,
)
from gateway.local_session import LocalSession
from gateway.reaching import ConnectionReport
from lifecycle.functions import Credential, Function, Interface
from lifecycle.gate import Closed, Gate
from lifecycle.law import Reason, Refused, Unlawful
from lifecycle.phases.model import Grant
from lifecycle.roles import Role
from lifecycle.states import State
from securitymodule.curves import agree, encode_point, generate_key
from securitymodule.errors import CommandRefused, ModuleError, PinBlocked, WrongPin
from smpki.errors import SmPkiError
from smpki.names import Environment
from tests.gateway.bench import gateway_in
from tests.support.lives import GATEWAY, cast
from tests.support.pki import World

# Frames


@given(
    frames=st.lists(st.binary(max_size=300), max_size=5),
    cuts=st.lists(st.integers(1, 50), min_size=1, max_size=20),
    noise=st.binary(max_size=20).filter(lambda noise: GREETING not in noise + GREETING[:-1]),
    searching=st.booleans(),
)
def test_frames_come_out_as_they_went_in_however_they_are_cut(
    frames: list[bytes], cuts: list[int], noise: bytes, searching: bool
) -> None:
    line = (noise if searching else b"") + GREETING + b"".join(len(each).to_bytes(4, "big") + each for each in frames)
    incoming, found, at = Incoming(searching=searching), [], 0
    for number in range(len(line)):
        if at >= len(line):
            break
        cut = cuts[number % len(cuts)]
        incoming.feed(line[at : at + cut])
        at += cut
        while (each := incoming.next_frame()) is not None:
            found.append(each)
    assert found == frames


@settings(max_examples=300)
@given(chunks=st.lists(st.binary(max_size=64), max_size=40), searching=st.booleans(), greeted=st.booleans())
def test_no_more_is_kept_than_a_frame(chunks: list[bytes], searching: bool, greeted: bool) -> None:
    incoming = Incoming(searching=searching)
    if greeted:
        incoming.feed(GREETING)
    for chunk in chunks:
        incoming.feed(chunk)
        try:
            while incoming.next_frame() is not None:
                pass
        except LocalProtocolError:
            return
        assert len(incoming._buffer) <= LENGTH_BYTES + LARGEST_HELLO


def test_a_frame_that_says_it_is_too_long_is_refused_before_it_comes() -> None:
    incoming = Incoming(searching=False)
    incoming.feed(GREETING + (LARGEST_HELLO + 1).to_bytes(4, "big"))
    with pytest.raises(LocalProtocolError, match="longer than"):
        incoming.next_frame()
    incoming = Incoming(searching=False)
    incoming.largest = LARGEST_FRAME
    incoming.feed(GREETING + LARGEST_FRAME.to_bytes(4, "big"))
    assert incoming.next_frame() is None


def test_the_greeting_is_no_length_so_that_a_new_caller_is_noticed_within_a_session() -> None:
    assert int.from_bytes(GREETING[:LENGTH_BYTES], "big") > LARGEST_FRAME
    incoming = Incoming(searching=True)
    incoming.feed(GREETING + frame(b"first") + GREETING + frame(b"second"))
    assert incoming.next_frame() == b"first"
    with pytest.raises(LocalProtocolError):
        incoming.next_frame()
    incoming.restart()
    assert incoming.next_frame() == b"second"


def test_the_end_is_a_frame_of_nothing() -> None:
    incoming = Incoming(searching=False)
    incoming.feed(GREETING + END)
    assert incoming.next_frame() == b""


@pytest.mark.parametrize("data", [b"", bytes(LARGEST_HELLO + 1)])
def test_what_fits_no_frame_is_not_framed(data: bytes) -> None:
    with pytest.raises(LocalProtocolError, match="a frame carries"):
        frame(data, LARGEST_HELLO)


# Messages

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=20) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=200) | PLAIN.map(lambda value: repr(value).encode("utf-8", "replace")))
def test_bytes_are_a_message_in_one_form_or_none(data: bytes) -> None:
    try:
        message = decode_message(data)
    except LocalProtocolError:
        return
    assert encode_message(message) == data


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"[]", b"1", b'{"a":1.5}', b'{"b":1,"a":2}', b'{"a": 1}', b'{"a":1,"a":1}', b'{"\xc3\xa4":1}'),
        *(b"[" * 5000, b'{"a":' * 5000, b'{"a":9007199254740993}', b"\xff", b'{"a":"\\ud800"}'),
    ],
)
def test_what_is_no_canonical_object_is_no_message(data: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        decode_message(data)


@pytest.mark.parametrize("text", [None, 1, "=", "AAA", "AA==\n", "ÄÄÄÄ", "AA=A"])
def test_what_is_no_base64_is_refused(text: object) -> None:
    with pytest.raises(LocalProtocolError, match="no Base64"):
        from_base64(text)


@given(st.text("0123456789", min_size=10, max_size=32))
def test_a_padded_pin_is_of_one_length(pin: str) -> None:
    assert len(pad_pin(pin)) == 32
    assert unpad_pin(pad_pin(pin)) == pin


@pytest.mark.parametrize("padded", [None, 12, "1234567890", "1" * 33])
def test_what_was_not_padded_is_no_pin(padded: object) -> None:
    with pytest.raises(LocalProtocolError, match="padded") as error:
        unpad_pin(padded)
    assert "1234567890" not in str(error.value)


# Hellos and encryption


def channels() -> tuple[Channel, Channel]:
    """A caller's and a gateway's."""
    caller = CallerHandshake()
    answer, gateway = answer_hello(inside(caller.hello), GATEWAY, Identity(), None)
    return caller.finish(inside(answer), None), gateway


def inside(data: bytes) -> bytes:
    """The one frame after a greeting."""
    incoming = Incoming(searching=False)
    incoming.feed(data)
    found = incoming.next_frame()
    assert found
    return found


def test_both_sides_come_to_one_session() -> None:
    caller, gateway = channels()
    assert caller.gateway == gateway.gateway == GATEWAY
    assert caller.session == gateway.session
    assert configurator_statement(caller) == configurator_statement(gateway)
    assert channels()[0].session != caller.session
    for message in ({"call": "a"}, {"call": "b"}):
        assert gateway.open(opened(caller.protect(message))) == message
        assert caller.open(opened(gateway.protect(message))) == message


def opened(data: bytes) -> bytes:
    return data[LENGTH_BYTES:]


def test_frames_open_once_in_their_order_and_direction() -> None:
    caller, gateway = channels()
    first, second = (opened(caller.protect({"number": number})) for number in (1, 2))
    for wrong in (second, b"", b"x", first + b"x", first[:-1]):
        with pytest.raises(LocalProtocolError, match="did not send next"):
            gateway.open(wrong)
    with pytest.raises(LocalProtocolError):
        caller.open(first)  # sent back to who sent it
    assert gateway.open(first) == {"number": 1}
    with pytest.raises(LocalProtocolError):
        gateway.open(first)
    assert gateway.open(second) == {"number": 2}
    with pytest.raises(LocalProtocolError):
        channels()[1].open(first)


@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_bit_of_a_frame_can_be_changed(position: int, bit: int) -> None:
    caller, gateway = CHANNELS
    data = bytearray(PROTECTED)
    data[position % len(data)] ^= 1 << bit
    with pytest.raises(LocalProtocolError):
        gateway.open(bytes(data))
    assert caller.session == gateway.session


CHANNELS = channels()
PROTECTED = opened(CHANNELS[0].protect({"call": "import_root", "arguments": {"root": "x" * 200}}))


@settings(max_examples=60)
@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_bit_of_a_hello_can_be_changed(position: int, bit: int) -> None:
    """Either it is refused, or the two come to different keys."""
    caller = CallerHandshake()
    for which in (0, 1):
        sent = bytearray(inside(caller.hello))
        if which == 0:
            sent[position % len(sent)] ^= 1 << bit
        try:
            answer, gateway = answer_hello(bytes(sent), GATEWAY, Identity(), None)
            got = bytearray(inside(answer))
            if which == 1:
                got[position % len(got)] ^= 1 << bit
            ours = caller.finish(bytes(got), None)
        except LocalProtocolError:
            continue
        assert ours.session != gateway.session
        with pytest.raises(LocalProtocolError):
            gateway.open(opened(ours.protect({"call": "a"})))


def test_what_is_too_long_for_a_frame_is_said_before_it_is_sent() -> None:
    caller, gateway = channels()
    with pytest.raises(LocalProtocolError, match="a frame carries"):
        caller.protect({"call": "x" * LARGEST_FRAME})
    with pytest.raises(LocalProtocolError, match="cannot be written"):
        caller.protect({"call": 1.5})
    assert gateway.open(opened(caller.protect({}))) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"version": "1"},
        {"nonce": to_base64(bytes(31))},
        {"key": to_base64(b"\x04" + bytes(64))},
        {"key": to_base64(encode_point(generate_key(CURVE).public_key())[:-1])},
        {"key": None},
        {"more": 1},
    ],
)
def test_a_hello_that_is_none_is_refused(change: dict[str, Any]) -> None:
    hello = decode_message(inside(CallerHandshake().hello)) | change
    with pytest.raises(LocalProtocolError):
        answer_hello(encode_message(hello), GATEWAY, Identity(), None)


def test_keys_tell_nothing_of_themselves() -> None:
    identity = Identity()
    assert "_key" not in repr(identity)
    assert "PrivateKey" not in repr(identity)


def test_the_secret_is_agreed_and_not_sent() -> None:
    one, other = generate_key(CURVE), generate_key(CURVE)
    assert agree(one, other.public_key()) == agree(other, one.public_key())
    first = Channel(GATEWAY, b"t" * 32, b"s" * 32, caller=True)
    second = Channel(GATEWAY, b"t" * 32, b"S" * 32, caller=False)
    with pytest.raises(LocalProtocolError):
        second.open(opened(first.protect({})))


# Values


class Colour(Enum):
    RED = "r"
    BLUE = "b"


class Pair(NamedTuple):
    first: int
    second: Colour


@dataclass(frozen=True)
class Thing:
    name: str
    data: bytes
    pairs: tuple[Pair, ...]
    by_colour: Mapping[Colour, int]
    when: datetime
    ratio: float
    maybe: Colour | None = None
    inner: list[Thing] | None = None


TEXT = st.text(max_size=10)
PAIRS = st.builds(Pair, st.integers(-(2**53) + 1, 2**53 - 1), st.sampled_from(Colour))
THINGS = st.recursive(
    st.builds(
        Thing,
        TEXT,
        st.binary(max_size=40),
        st.lists(PAIRS, max_size=3).map(tuple),
        st.dictionaries(st.sampled_from(Colour), st.integers(0, 9)),
        st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001
        st.floats(allow_nan=False, allow_infinity=False),
        st.none() | st.sampled_from(Colour),
    ),
    lambda inner: st.builds(
        Thing,
        TEXT,
        st.binary(max_size=9),
        st.just(()),
        st.just({}),
        st.just(datetime(2026, 1, 1, tzinfo=UTC)),
        st.just(0.5),
        st.none(),
        st.lists(inner, max_size=2),
    ),
    max_leaves=2,
)


@given(THINGS)
def test_values_come_back_as_they_were(thing: Thing) -> None:
    told = decode_message(encode_message({"value": to_plain(Thing, thing)}))["value"]
    assert from_plain(Thing, told) == thing


HINTS: list[Any] = [
    *(int, str, bool, bytes, float, datetime, Colour, Pair, Thing, x509.Certificate, type(None), None),
    *(Sequence[int], list[bytes], tuple[int, ...], tuple[int, str], Mapping[str, int], dict[Colour, str]),
    *(Colour | None, CommunicationParameters, InitialConfiguration, ConnectionReport, Environment),
]


@given(told=PLAIN, hint=st.sampled_from(range(len(HINTS))))
def test_whatever_stands_there_is_a_value_or_refused(told: Any, hint: int) -> None:
    try:
        value = from_plain(HINTS[hint], told)
    except LocalProtocolError:
        return
    again = from_plain(HINTS[hint], to_plain(HINTS[hint], value))
    assert again == value or (isinstance(value, float) and math.isclose(again, value))


def test_certificates_go_by_their_der(tmp_path: Path) -> None:
    certificate = World.in_folder(tmp_path).root.certificate
    assert from_plain(x509.Certificate, to_plain(x509.Certificate, certificate)) == certificate
    assert from_plain(list[x509.Certificate], to_plain(Sequence[x509.Certificate], [certificate])) == [certificate]
    with pytest.raises(LocalProtocolError, match="no certificate"):
        from_plain(x509.Certificate, to_base64(b"none"))


def test_a_value_of_another_type_than_declared_is_a_mistake_of_ours() -> None:
    for hint, value in ((int, "1"), (str, 1), (bytes, "x"), (Colour, "r"), (Thing, 1), (int | str, 1), (object, 1)):
        with pytest.raises(TypeError):
            to_plain(hint, value)
    with pytest.raises(TypeError):
        from_plain(int | str, 1)
    with pytest.raises(TypeError):
        from_plain(object, 1)


def test_everything_that_can_be_called_can_stand_in_a_message() -> None:
    """Types that no message can hold would be found out at the first call only."""
    for call in CALLS.values():
        for hint in (*call.parameters.values(), call.result):
            try:
                from_plain(hint, {"no such": "value"})
            except LocalProtocolError:
                continue


# Errors

REFUSED = Refused((Reason("condition", "this", "that", "4"), Reason("other", "ä", "ö", "5, 6")))
ERRORS: list[Exception] = [
    Closed(Grant(Role.GWH, Interface.LOCAL, Function.TEST_CONNECTION, Credential.INTEGRATOR_PIN), REFUSED),
    Unlawful("BEGIN", State.OPERATION, REFUSED),
    WrongPin("presenting the PIN", 0x63C2, 2),
    PinBlocked("presenting the PIN", 0x6983),
    CommandRefused("reading: a file", 0x6A82),
    LocalError("busy", "somebody else"),
    *(kind("why: ä") for kind in TOLD_BY_MESSAGE.values()),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_come_back_as_they_were(error: Exception) -> None:
    told = error_to_plain(error)
    assert told is not None
    back = error_from_plain(decode_message(encode_message(told)))
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert vars(back) == vars(error)


def test_an_error_more_special_than_is_known_comes_as_its_ancestor() -> None:
    for error, known in ((IntegratorPinMissing(), "DeviceError"), (AlreadyConfigured("x"), "AlreadyConfigured")):
        told = error_to_plain(error)
        assert told is not None
        assert (told["kind"], told["message"]) == (known, str(error))

    class Special(SmPkiError):
        def __init__(self, one: int, other: int) -> None:
            super().__init__(f"{one} and {other}")

    assert error_to_plain(Special(1, 2)) == {"kind": "SmPkiError", "message": "1 and 2", "details": {}}
    refused = error_to_plain(type("Other", (CommandRefused,), {})("doing", 0x6985))
    assert refused is not None
    assert refused["kind"] == "CommandRefused"


def test_errors_of_the_same_name_as_a_known_one_are_not_taken_for_it() -> None:
    assert error_to_plain(type("ModuleError", (Exception,), {})("secret")) is None
    for error in (ValueError("secret"), KeyError("secret"), OSError(5, "secret"), RecursionError("secret")):
        assert error_to_plain(error) is None


@given(PLAIN)
def test_whatever_stands_there_is_an_error_or_refused(told: Any) -> None:
    for shown in (
        told,
        {"kind": told, "message": "m", "details": {}},
        {"kind": "Closed", "message": "m", "details": told},
    ):
        try:
            assert isinstance(error_from_plain(shown), Exception)
        except LocalProtocolError:
            continue


def test_an_error_of_a_kind_that_is_not_known_is_told_by_its_words() -> None:
    error = error_from_plain({"kind": "Future", "message": "something new", "details": {}})
    assert isinstance(error, LocalError)
    assert (error.kind, str(error)) == ("Future", "something new")
    assert not isinstance(error, NotAuthenticated | ModuleError)


# A session, whatever is asked in it


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    return gateway_in(State.FIRST_INSTALLATION, tmp_path_factory.mktemp("session"))


def session_of(gateway: Gateway) -> tuple[LocalSession, Channel]:
    session, caller = LocalSession(gateway, Identity(), None), CallerHandshake()
    return session, caller.finish(inside(session.receive(inside(caller.hello))), None)


def ask(session: LocalSession, caller: Channel, name: Any, arguments: Any) -> dict[str, Any]:
    return caller.open(opened(session.receive(opened(caller.protect({"call": name, "arguments": arguments})))))


NAMES = st.sampled_from([*CALLS, AUTHENTICATE_CONFIGURATOR, AUTHENTICATE_INTEGRATOR]) | TEXT
WRITABLE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**50), 2**50) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=6,
)
PARAMETER_NAMES = sorted({name for call in CALLS.values() for name in call.parameters} | {"pin", "certificate"})
ARGUMENTS = WRITABLE | st.dictionaries(st.sampled_from([*PARAMETER_NAMES, "signature"]), WRITABLE, max_size=3)


@given(requests=st.lists(st.tuples(NAMES, ARGUMENTS), max_size=4), authenticated=st.booleans())
def test_whatever_is_asked_is_answered(gateway: Gateway, requests: list[tuple[str, Any]], authenticated: bool) -> None:
    session, caller = session_of(gateway)
    if authenticated:
        session._credential = Credential.CONFIGURATOR_CREDENTIAL
    for name, arguments in requests:
        answer = ask(session, caller, name, arguments)
        told = members(answer, "error")[0]
        assert isinstance(error_from_plain(told), Exception)
        assert told["kind"] != "internal"
    session.close()


@given(data=st.binary(max_size=300))
def test_bytes_that_are_no_frame_of_the_session_end_it(gateway: Gateway, data: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        LocalSession(gateway, Identity(), None).receive(data)
    session, _ = session_of(gateway)
    with pytest.raises(LocalProtocolError):
        session.receive(data)


def test_every_function_asks_the_gate_with_the_credential_that_was_shown(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Grant] = []

    class Functions:
        def __getattr__(self, name: str) -> Any:
            def called(credential: Credential, *_arguments: Any) -> None:
                asked.append(CALLS[name].door.grant(credential))
                gate: Gate = gateway.gate()
                gate.require(asked[-1])

            return called

    monkeypatch.setattr(Gateway, "local", Functions())
    session, caller = session_of(gateway)
    arguments: dict[str, dict[str, Any]] = {name: {} for name in CALLS if not CALLS[name].parameters}
    arguments["set_communication_parameters"] = {
        "parameters": to_plain(CommunicationParameters, CommunicationParameters(port=1))
    }
    for shown in (Credential.CONFIGURATOR_CREDENTIAL, Credential.INTEGRATOR_PIN):
        session._credential = shown
        for name, told in arguments.items():
            answer = ask(session, caller, name, told)
            assert asked.pop() == CALLS[name].door.grant(shown)
            assert ("error" in answer) is not bool(gateway.gate().ask(CALLS[name].door.grant(shown)))


def test_a_signature_made_for_the_record_authenticates_nobody(gateway: Gateway) -> None:
    session, caller = session_of(gateway)
    party = cast()[Role.ERSTKONFIGURATOR]
    told = {"certificate": to_base64(party.certificate_der), "signature": to_base64(party.sign(b"an entry"))}
    answer = ask(session, caller, AUTHENTICATE_CONFIGURATOR, told)
    assert answer["error"]["kind"] == "NotAuthenticated"
    told["signature"] = to_base64(party.sign(configurator_statement(caller)))
    assert ask(session, caller, AUTHENTICATE_CONFIGURATOR, told) == {"result": None}
    assert session.is_authenticated
    session.close()
    assert not session.is_authenticated
