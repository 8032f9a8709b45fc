"""Chains as they are found in files and stores, before anything in them is believed."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.canonical import decode_signature
from lifecycle.chains import BreakKind, Damaged, chains_of, read
from lifecycle.head import entry_line
from lifecycle.journal import MAX_ENTRY_BYTES, SignedEntry, entry_of
from tests.support.lives import GATEWAY, OTHER_GATEWAY, Record

ONE, OTHER = Record.of_length(6), Record.of_length(4, OTHER_GATEWAY)
ENTRY = ONE.entries[2]
LINE = entry_line(ENTRY)


def test_a_file_of_many_chains_is_read_chain_by_chain() -> None:
    empty = Record("EXXX1000000001")
    found = list(chains_of(io.BytesIO(ONE.file + empty.file + OTHER.file)))
    assert [chain.gateway for chain in found] == [GATEWAY, "EXXX1000000001", OTHER_GATEWAY]
    assert [len(chain.lines) for chain in found] == [6, 0, 4]
    assert [chain.damage for chain in found] == [None, None, None]
    assert found[0].head is not None
    assert found[0].head.sequence == 6
    assert found[0].certificates == ONE.certificates
    assert found[0].lines == [entry_line(entry) for entry in ONE.entries]


def test_the_last_line_needs_no_line_feed() -> None:
    file = ONE.file
    assert list(chains_of(io.BytesIO(file))) == list(chains_of(io.BytesIO(file[:-1])))


def test_an_empty_file_holds_no_chain() -> None:
    assert list(chains_of([])) == []


def test_a_chain_without_its_first_line_says_so_and_whose_it_is() -> None:
    (chain,) = chains_of(ONE.lines[1:])
    assert chain.gateway == GATEWAY
    assert chain.damage is not None
    assert chain.damage[:2] == (0, BreakKind.MISSING_ENTRY)
    assert chain.head is None


def test_a_chain_under_a_damaged_first_line_says_so_and_whose_it_is() -> None:
    header, *rest = ONE.lines
    (chain,) = chains_of([header.replace(b'"counter":', b'"counter":1'), b"damaged", *rest])
    assert chain.gateway == GATEWAY
    assert chain.damage is not None
    assert chain.damage[:2] == (0, BreakKind.FLIPPED_BIT)


def test_a_file_of_something_else_is_a_chain_of_nobody() -> None:
    (chain,) = chains_of([b"Dear Sir or Madam,\n", b"\n", b"\xff\x00\n"])
    assert chain.gateway == "unknown"
    assert chain.damage is not None
    assert chain.damage.kind is BreakKind.MISSING_ENTRY


def test_an_entry_is_found_alike_in_file_and_store() -> None:
    in_file, in_store = read(LINE), read(ENTRY)
    told, body, stated_hash, signature = in_file
    assert in_file[:3] == in_store[:3]
    assert (body, stated_hash) == (ENTRY.body, ENTRY.hash)
    assert decode_signature(str(signature)) == in_store[3] == ENTRY.signature
    assert entry_of(told).sequence == 3


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\r",
        LINE + b"\r",
        LINE[:-1],
        LINE[1:],
        b" " + LINE,
        LINE.replace(b'"entry"', b'"Entry"'),
        LINE.replace(b'"hash":"', b'"hash": "'),
        LINE.replace(b'"signature"', b'"signatur"'),
        LINE.replace(ENTRY.hash.encode(), ENTRY.hash[1:].encode()),
        LINE.replace(ENTRY.hash.encode(), ("ä" + ENTRY.hash[2:]).encode()),
        LINE[:-4] + "ä".encode() + LINE[-2:],
        b'{"entry":' + b"x" * 2 * MAX_ENTRY_BYTES + LINE[9:],
        b'{"entry":{,"hash":"' + b"a" * 64 + b'","signature":""}',
        b'{"entry":\xff,"hash":"' + b"a" * 64 + b'","signature":""}',
    ],
    ids=lambda line: repr(line[:30]),
)
def test_a_line_that_is_written_otherwise_is_damaged(line: bytes) -> None:
    with pytest.raises(Damaged):
        read(line)


@pytest.mark.parametrize("body", [b"", b"\xff", b"{", ENTRY.body + b"}"])
def test_a_stored_entry_that_cannot_be_read_is_damaged(body: bytes) -> None:
    with pytest.raises(Damaged):
        read(SignedEntry(body, ENTRY.hash, ENTRY.signature))


@given(st.lists(st.binary() | st.sampled_from(ONE.lines + OTHER.lines), max_size=8))
def test_no_file_breaks_the_reader(lines: list[bytes]) -> None:
    """Every line given comes back, as a header or among the entries of one chain."""
    found = list(chains_of(lines))
    read_again = sum(len(chain.lines) for chain in found)
    headers = sum(line.removesuffix(b"\n").startswith(b'{"certificates":') for line in lines)
    assert read_again + headers == len(lines)
    for chain in found:
        for line in chain.lines:
            try:
                assert isinstance(line, bytes)
                assert read(line)[1] in line
            except Damaged as damage:
                assert str(damage)  # noqa: PT017  either answer is right
