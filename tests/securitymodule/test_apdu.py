"""APDUs: the cases of ISO/IEC 7816-3, any bytes at all, chains, status words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from securitymodule.apdu import (
    EXTENDED_DATA,
    EXTENDED_LE,
    MEANINGS,
    ApduError,
    ChainAssembler,
    ChainError,
    CommandApdu,
    ResponseApdu,
    StatusWord,
    meaning,
    split,
    tries_left,
    tries_word,
)

BYTES = st.integers(0, 255)
COMMANDS = st.builds(
    CommandApdu,
    BYTES,
    BYTES,
    BYTES,
    BYTES,
    st.binary(max_size=600),
    st.none() | st.integers(1, EXTENDED_LE),
    st.booleans(),
)
UNCHAINED = COMMANDS.filter(lambda command: not command.chained)

CASES = [
    ("1", "00FE0000", CommandApdu(0x00, 0xFE, 0, 0)),
    ("2 short", "0084000008", CommandApdu(0, 0x84, 0, 0, le=8)),
    ("2 short, all", "0084000000", CommandApdu(0, 0x84, 0, 0, le=256)),
    ("2 extended", "00B00000000101", CommandApdu(0, 0xB0, 0, 0, le=257)),
    ("2 extended, all", "00B00000000000", CommandApdu(0, 0xB0, 0, 0, le=65_536)),
    ("3 short", "00A4000C023F00", CommandApdu(0, 0xA4, 0, 0x0C, b"\x3f\x00")),
    ("3 extended", "00D6000000010" + "0" + "AA" * 256, CommandApdu(0, 0xD6, 0, 0, b"\xaa" * 256)),
    ("4 short", "10860000027C0000", CommandApdu(0x10, 0x86, 0, 0, b"\x7c\x00", 256)),
    ("4 extended", "0086000000000" + "27C000000", CommandApdu(0, 0x86, 0, 0, b"\x7c\x00", 65_536)),
]


@pytest.mark.parametrize(("encoded", "command"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_cases_of_the_standard(encoded: str, command: CommandApdu) -> None:
    assert CommandApdu.decode(bytes.fromhex(encoded)) == command
    assert command.encode().hex().upper() == encoded


@given(COMMANDS)
def test_every_command_survives_a_round_trip(command: CommandApdu) -> None:
    assert CommandApdu.decode(command.encode()) == command


@given(st.binary(max_size=400) | st.binary(max_size=12))
def test_any_bytes_are_a_command_or_an_error(encoded: bytes) -> None:
    try:
        command = CommandApdu.decode(encoded)
    except ApduError:
        return
    assert command.encode() == encoded


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "00A400",
        "00A4000C0200",  # less data than Lc says
        "00A4000C023F000000",  # more than Le takes
        "00B000000000",  # an extended length that ends
        "00D600000000003F",  # an extended Lc of zero
        "00D60000000002AA",
        "00D60000000001AA00",  # Le of one byte behind an extended Lc
    ],
)
def test_what_is_no_command(encoded: str) -> None:
    with pytest.raises(ApduError):
        CommandApdu.decode(bytes.fromhex(encoded))


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"cla": 256}, "CLA"),
        ({"p2": -1}, "P2"),
        ({"le": 0}, "Le"),
        ({"le": EXTENDED_LE + 1}, "Le"),
        ({"data": bytes(EXTENDED_DATA + 1)}, "data"),
    ],
)
def test_parts_that_are_out_of_range(parts: dict[str, int | bytes], why: str) -> None:
    whole: dict[str, int | bytes] = {"cla": 0, "ins": 0, "p1": 0, "p2": 0, **parts}
    with pytest.raises(ApduError, match=why):
        CommandApdu(**whole)  # type: ignore[arg-type]  # the wrong types are the point


@given(st.binary(max_size=300), st.integers(0, 0xFFFF))
def test_responses(data: bytes, sw: int) -> None:
    response = ResponseApdu(data, sw)
    assert ResponseApdu.decode(response.encode()) == response


@pytest.mark.parametrize("encoded", [b"", b"\x90"])
def test_what_is_no_response(encoded: bytes) -> None:
    with pytest.raises(ApduError):
        ResponseApdu.decode(encoded)


def test_a_response_has_its_bounds() -> None:
    with pytest.raises(ApduError):
        ResponseApdu(bytes(EXTENDED_LE + 1))
    with pytest.raises(ApduError):
        ResponseApdu(sw=0x10000)


def test_data_are_in_no_repr() -> None:
    secret = b"1029384756"
    assert "1029384756" not in repr(CommandApdu(0, 0x20, 0, 5, secret))
    assert "1029384756" not in repr(ResponseApdu(secret))


@given(UNCHAINED, st.integers(1, 300))
def test_a_chain_carries_the_command(command: CommandApdu, limit: int) -> None:
    pieces = split(command, limit)
    assert all(len(piece.data) <= limit for piece in pieces)
    assert all(piece.le is None for piece in pieces[:-1])
    chained = {piece.chained for piece in pieces[:-1]}
    # A proprietary class has no chaining bit; what is split there is not a chain that anybody could tell.
    assert chained <= {not command.cla & 0x80}
    if command.cla & 0x80 and len(pieces) > 1:
        return
    assembler = ChainAssembler(600)
    assembled = [assembler.feed(piece) for piece in pieces]
    assert assembled[:-1] == [None] * (len(pieces) - 1)
    assert assembled[-1] == command
    assert not assembler.pending


@given(st.lists(COMMANDS, max_size=8))
def test_any_sequence_of_commands_is_assembled_or_refused(commands: list[CommandApdu]) -> None:
    assembler = ChainAssembler(700)
    for command in commands:
        try:
            whole = assembler.feed(command)
        except ChainError:
            assert not assembler.pending
        else:
            assert (whole is None) == assembler.pending


def test_a_chain_is_not_interrupted() -> None:
    assembler = ChainAssembler(1000)
    assert assembler.feed(CommandApdu(0x10, 0xD6, 0, 0, b"1")) is None
    with pytest.raises(ChainError) as caught:
        assembler.feed(CommandApdu(0x00, 0x20, 0, 5, b"2"))
    assert caught.value.status == StatusWord.LAST_COMMAND_EXPECTED
    alone = CommandApdu(0x00, 0xD6, 0, 0, b"3")
    assert assembler.feed(alone) == alone


def test_a_chain_has_an_end() -> None:
    assembler = ChainAssembler(100)
    assembler.feed(CommandApdu(0x10, 0xD6, 0, 0, bytes(60)))
    with pytest.raises(ChainError) as caught:
        assembler.feed(CommandApdu(0x10, 0xD6, 0, 0, bytes(60)))
    assert caught.value.status == StatusWord.WRONG_LENGTH
    assert not assembler.pending


@pytest.mark.parametrize("limit", [0, 65_536])
def test_pieces_have_a_size(limit: int) -> None:
    with pytest.raises(ApduError):
        split(CommandApdu(0, 0, 0, 0, b"data"), limit)


def test_part_of_a_chain_is_not_split() -> None:
    with pytest.raises(ApduError):
        split(CommandApdu(0x10, 0, 0, 0, b"data"))


def test_every_status_word_has_a_meaning() -> None:
    assert MEANINGS.keys() == set(StatusWord)
    assert "not among" in meaning(0x1234)


@pytest.mark.parametrize(("left", "word", "words"), [(3, 0x63C3, "3 tries left"), (1, 0x63C1, "1 try left")])
def test_tries(left: int, word: int, words: str) -> None:
    assert tries_word(left) == word
    assert tries_left(word) == left
    assert words in meaning(word)


def test_tries_at_their_bounds() -> None:
    assert tries_word(99) == 0x63CF
    assert tries_word(0) == 0x63C0
    assert "blocked" in meaning(0x63C0)
    assert tries_left(0x9000) is None
