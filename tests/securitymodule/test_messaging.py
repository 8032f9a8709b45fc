"""Secure messaging: both sides against one another, and everything that must end it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from hypothesis import given
from hypothesis import strategies as st

from securitymodule import messaging, tlv
from securitymodule.apdu import ApduError, CommandApdu, ResponseApdu, StatusWord
from securitymodule.errors import SecureMessagingError, SessionExpired
from securitymodule.messaging import MOST_SECONDS, CardChannel, CardSideError, TerminalChannel, is_protected, pad
from securitymodule.pace import SessionKeys, checksum

KEYS = SessionKeys(bytes(range(16)), bytes(range(16, 32)))
COMMANDS = st.builds(
    CommandApdu,
    st.sampled_from([0x00, 0x10]),
    st.integers(0, 127).map(lambda half: 2 * half),
    st.integers(0, 255),
    st.integers(0, 255),
    st.binary(max_size=700),
    st.none() | st.integers(1, 65_536),
)
RESPONSES = st.builds(ResponseApdu, st.binary(max_size=700), st.integers(0, 0xFFFF))
READ = CommandApdu(0, 0xB0, 0, 0, le=256)
WRITE = CommandApdu(0, 0xD6, 0, 0, b"Zaehlerstand")


def pair(keys: SessionKeys = KEYS) -> tuple[TerminalChannel, CardChannel]:
    return TerminalChannel(keys), CardChannel(keys)


@given(st.lists(st.tuples(COMMANDS, RESPONSES), max_size=5), st.sampled_from([16, 24, 32]))
def test_what_goes_in_comes_out(exchanges: list[tuple[CommandApdu, ResponseApdu]], key_bytes: int) -> None:
    terminal, card = pair(SessionKeys(bytes(range(key_bytes)), bytes(range(32, 32 + key_bytes))))
    for command, response in exchanges:
        protected = CommandApdu.decode(terminal.protect(command).encode())
        assert is_protected(protected)
        assert protected.cla == command.cla | 0x0C
        assert card.open(protected) == command
        answer = ResponseApdu.decode(card.protect(response).encode())
        assert answer.sw == response.sw
        assert terminal.open(answer) == response


@pytest.mark.parametrize(
    ("command", "tags"),
    [
        (CommandApdu(0, 0xFE, 0, 0), [0x8E]),
        (READ, [0x97, 0x8E]),
        (WRITE, [0x87, 0x8E]),
        (CommandApdu(0, 0x86, 0, 0, b"\x7c\x00", 256), [0x87, 0x97, 0x8E]),
    ],
)
def test_the_four_cases_of_a_command(command: CommandApdu, tags: list[int]) -> None:
    protected = pair()[0].protect(command)
    assert [found.tag for found in tlv.decode_all(protected.data)] == tags
    assert protected.le in {256, 65_536}


def test_responses_with_and_without_data() -> None:
    terminal, card = pair()
    for response, tags in ((ResponseApdu(b"data"), [0x87, 0x99, 0x8E]), (ResponseApdu(sw=0x6A82), [0x99, 0x8E])):
        card.open(terminal.protect(READ))
        protected = card.protect(response)
        assert [found.tag for found in tlv.decode_all(protected.data)] == tags
        assert terminal.open(protected) == response


@given(st.integers(1, 300))
def test_the_answer_asked_for_fits_where_it_is_to_go(le: int) -> None:
    terminal, card = pair()
    protected = terminal.protect(CommandApdu(0, 0xB0, 0, 0, le=le))
    card.open(protected)
    assert protected.le is not None
    assert len(card.protect(ResponseApdu(bytes(le))).data) <= protected.le


def test_the_same_command_never_looks_the_same() -> None:
    terminal, card = pair()
    seen = set()
    for _ in range(10):
        protected = terminal.protect(WRITE)
        seen.add(protected.encode())
        card.open(protected)
        terminal.open(card.protect(ResponseApdu()))
    assert len(seen) == 10


def test_padding() -> None:
    assert pad(b"") == b"\x80" + bytes(15)
    assert pad(bytes(15)) == bytes(15) + b"\x80"
    assert pad(bytes(16)) == bytes(16) + b"\x80" + bytes(15)


# Whatever is changed on the way


def flipped(encoded: bytes, bit: int) -> bytes:
    at, of = divmod(bit % (8 * len(encoded)), 8)
    return encoded[:at] + bytes((encoded[at] ^ 1 << of,)) + encoded[at + 1 :]


@given(st.integers(0, 10**6), st.sampled_from([READ, WRITE, CommandApdu(0, 0x20, 0, 5, b"1029384756", 256)]))
def test_a_command_with_a_bit_flipped_is_refused(bit: int, command: CommandApdu) -> None:
    terminal, card = pair()
    try:
        arrived = CommandApdu.decode(flipped(terminal.protect(command).encode(), bit))
    except ApduError:
        return
    try:
        opened = card.open(arrived)
    except CardSideError as error:
        opened, status = None, error.status
    # Only Le of the protected command is not covered by its checksum, and means nothing to the card's side.
    assert opened == command or (card.closed and status in {0x6987, 0x6988})


@given(st.integers(0, 10**6), RESPONSES)
def test_a_response_with_a_bit_flipped_is_refused(bit: int, response: ResponseApdu) -> None:
    terminal, card = pair()
    card.open(terminal.protect(READ))
    arrived = ResponseApdu.decode(flipped(card.protect(response).encode(), bit))
    with pytest.raises(SecureMessagingError):
        terminal.open(arrived)
    assert terminal.closed
    with pytest.raises(SecureMessagingError, match="closed"):
        terminal.protect(READ)


@given(st.binary(max_size=100), st.integers(0, 255))
def test_any_data_are_refused(data: bytes, cla: int) -> None:
    card = CardChannel(KEYS)
    with pytest.raises(CardSideError):
        card.open(CommandApdu(cla, 0xB0, 0, 0, data, 256))
    assert card.closed
    terminal = TerminalChannel(KEYS)
    terminal.protect(READ)
    with pytest.raises(SecureMessagingError):
        terminal.open(ResponseApdu(data))
    assert terminal.closed


def test_nothing_is_decrypted_before_the_checksum_was_right(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, card = pair()
    protected = terminal.protect(WRITE)
    monkeypatch.setattr(messaging, "Cipher", _no_cipher)
    broken = CommandApdu(protected.cla, protected.ins, 0, 0, flipped(protected.data, 40), protected.le)
    with pytest.raises(CardSideError, match="checksum"):
        card.open(broken)
    with pytest.raises(SecureMessagingError, match="checksum"):
        terminal.open(ResponseApdu(bytes.fromhex("8711" + "01" + "00" * 16 + "99029000" + "8E08" + "00" * 8)))


def _no_cipher(*_: object) -> Cipher[None]:
    raise AssertionError("something was to be decrypted")


def forged(tags: dict[int, bytes], header: bytes) -> bytes:
    """Data objects with a right checksum for the first command."""
    covered = tlv.encode_all(tags)
    counter = (1).to_bytes(16, "big")
    return covered + tlv.encode(
        0x8E, checksum(KEYS.checksum, counter + pad(header) + (pad(covered) if covered else b""))
    )


@pytest.mark.parametrize(
    "tags",
    [
        {0x97: b"\x00", 0x87: b"\x01" + bytes(16)},  # the order is fixed
        {0x87: b"\x02" + bytes(16)},  # another padding
        {0x87: b"\x01"},
        {0x87: b"\x01" + bytes(15)},
        {0x87: b"\x01" + bytes(16)},  # right, but decrypts to something without padding
        {0x97: b"\x00\x00\x00"},
        {0x97: b""},
        {0x99: b"\x90\x00"},
        {0x85: bytes(16)},
    ],
)
def test_what_somebody_with_the_keys_could_get_wrong(tags: dict[int, bytes]) -> None:
    card = CardChannel(KEYS)
    header = bytes.fromhex("0CD60000")
    with pytest.raises(CardSideError) as caught:
        card.open(CommandApdu(*header, data=forged(tags, header), le=256))  # type: ignore[misc]  # four ints
    assert caught.value.status == StatusWord.SECURE_MESSAGING_OBJECTS_INCORRECT
    assert card.closed


def test_a_command_without_a_checksum_lacks_it() -> None:
    card = CardChannel(KEYS)
    with pytest.raises(CardSideError) as caught:
        card.open(CommandApdu(0x0C, 0xB0, 0, 0, bytes.fromhex("970100"), 256))
    assert caught.value.status == StatusWord.SECURE_MESSAGING_OBJECTS_MISSING


def test_a_plain_command_is_not_opened() -> None:
    with pytest.raises(CardSideError):
        CardChannel(KEYS).open(READ)
    assert not is_protected(READ)
    assert not is_protected(CommandApdu(0x8C, 0xB0, 0, 0))


@pytest.mark.parametrize("replay", ["command", "response"])
def test_nothing_is_taken_twice(replay: str) -> None:
    terminal, card = pair()
    command = terminal.protect(WRITE)
    card.open(command)
    response = card.protect(ResponseApdu())
    terminal.open(response)
    if replay == "command":
        with pytest.raises(CardSideError):
            card.open(command)
    else:
        terminal.protect(WRITE)
        with pytest.raises(SecureMessagingError):
            terminal.open(response)


def test_a_command_that_was_lost_is_missed() -> None:
    terminal, card = pair()
    terminal.protect(WRITE)
    with pytest.raises(CardSideError):
        card.open(terminal.protect(WRITE))


def test_a_response_is_no_command_and_the_other_way_round() -> None:
    terminal, card = pair()
    command = terminal.protect(WRITE)
    with pytest.raises(SecureMessagingError):
        terminal.open(ResponseApdu(command.data))
    card.open(command)
    with pytest.raises(CardSideError):
        card.open(CommandApdu(0x0C, 0xB0, 0, 0, card.protect(ResponseApdu()).data, 256))


def test_other_keys_open_nothing() -> None:
    terminal, _ = pair()
    other = CardChannel(SessionKeys(KEYS.encryption, bytes(16)))
    with pytest.raises(CardSideError, match="checksum"):
        other.open(terminal.protect(WRITE))


@pytest.mark.parametrize("sw", [0x6987, 0x6988, 0x9000, 0x6982])
def test_a_plain_answer_ends_the_session(sw: int) -> None:
    terminal, _ = pair()
    terminal.protect(READ)
    with pytest.raises(SecureMessagingError, match=f"{sw:04X}"):
        terminal.open(ResponseApdu(sw=sw))
    assert terminal.closed


def test_a_status_word_that_is_not_the_protected_one() -> None:
    terminal, card = pair()
    card.open(terminal.protect(READ))
    protected = card.protect(ResponseApdu(sw=0x6A82))
    with pytest.raises(SecureMessagingError):
        terminal.open(ResponseApdu(protected.data, 0x9000))


def test_too_many_data_are_refused() -> None:
    terminal, card = pair()
    with pytest.raises(ApduError):
        terminal.protect(CommandApdu(0, 0xD6, 0, 0, bytes(65_500)))
    card.open(terminal.protect(WRITE))  # the terminal's counter has not moved
    with pytest.raises(ApduError):
        card.protect(ResponseApdu(bytes(65_500)))
    assert card.closed


# How old a session gets


class Hours:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return 1000.0 + 3600 * self.now


Maker = Callable[[Hours], TerminalChannel | CardChannel]


@pytest.mark.parametrize("side", ["terminal", "card"])
def test_a_session_lasts_48_hours(side: str) -> None:
    clock = Hours()
    terminal = TerminalChannel(KEYS, clock=clock)
    card = CardChannel(KEYS, clock=clock, lifetime=MOST_SECONDS if side == "card" else None)
    clock.now = 47.99
    protected = terminal.protect(READ)
    card.open(protected)
    terminal.open(card.protect(ResponseApdu()))
    assert not terminal.expired
    if side == "card":
        fresh = TerminalChannel(KEYS)
        clock.now = 48
        with pytest.raises(SessionExpired):
            card.open(fresh.protect(READ))
        assert card.closed
        return
    clock.now = 48
    assert terminal.expired
    with pytest.raises(SessionExpired):
        terminal.protect(READ)
    assert terminal.closed


def test_a_response_is_taken_when_the_session_ends_meanwhile() -> None:
    clock = Hours()
    terminal, card = TerminalChannel(KEYS, clock=clock), CardChannel(KEYS)
    card.open(terminal.protect(READ))
    clock.now = 100
    assert terminal.open(card.protect(ResponseApdu(b"data"))).data == b"data"


@pytest.mark.parametrize("lifetime", [0, -1, MOST_SECONDS + 1])
def test_no_session_is_made_to_last_longer(lifetime: float) -> None:
    with pytest.raises(ValueError, match="lasts"):
        TerminalChannel(KEYS, lifetime=lifetime)


def test_the_clock_of_the_machine_goes_forward() -> None:
    assert messaging.boot_clock() <= messaging.boot_clock()
