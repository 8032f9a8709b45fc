"""The signed end of a chain and the first line of a file: strict, and damage to them shows."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.canonical import JournalError, canonical, encode_signature
from lifecycle.head import HEADER_BEGINS, entry_line, head_of, header_line, read_header, sign_head
from lifecycle.journal import genesis
from lifecycle.parties import fingerprint_of
from lifecycle.roles import Role
from tests.support.lives import GATEWAY, OTHER_GATEWAY, START, Record, cast

RECORD = Record.of_length(5)
HEAD = RECORD.head
CERTIFICATES = [cast().keeper.certificate_der, cast()[Role.GWH].certificate_der]
LINE = header_line(HEAD, CERTIFICATES)


def rehashed(told: dict[str, Any]) -> bytes:
    """A header line as somebody writes it who knows how."""
    rest = {name: value for name, value in told.items() if name != "hash"}
    return canonical({**rest, "hash": hashlib.sha256(canonical(rest)).hexdigest()})


def test_a_head_is_signed_over_pinned_bytes() -> None:
    head = replace(sign_head(GATEWAY, genesis(GATEWAY), 7, START, cast().keeper), certificate="ab" * 32)
    assert head.body == (
        b'{"certificate":"' + b"ab" * 32 + b'","counter":7,"format":"smgw-head/1","gateway":"EXXX0012345678",'
        b'"hash":"26830541d8ed40f864b7bc65e310896d692d2278427b3a4e9b6cabe846b92905","seq":0,'
        b'"time":"2026-03-02T08:00:00.000000Z"}'
    )


def test_a_head_is_told_and_read_back() -> None:
    assert head_of(HEAD.told()) == HEAD
    assert head_of(orjson.loads(orjson.dumps(HEAD.told()))) == HEAD
    assert HEAD.body == canonical({name: value for name, value in HEAD.told().items() if name != "signature"})
    keeper = cast().trust.credentials(cast().keeper.certificate_der)
    assert keeper.verifies(HEAD.signature, HEAD.body)
    assert HEAD.certificate == cast().keeper.actor.certificate
    for other in (
        replace(HEAD, sequence=4),
        replace(HEAD, counter=HEAD.counter + 1),
        replace(HEAD, hash=genesis(GATEWAY).hash),
        replace(HEAD, gateway=OTHER_GATEWAY),
        replace(HEAD, time="2026-03-02T08:00:59.000000Z"),
        replace(HEAD, certificate="ab" * 32),
    ):
        assert not keeper.verifies(HEAD.signature, other.body)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "smgw-head/2"},
        {"format": None},
        {"gateway": "nobody"},
        {"gateway": 1},
        {"seq": -1},
        {"seq": True},
        {"seq": 1.0},
        {"seq": 2**53},
        {"counter": -1},
        {"counter": "1"},
        {"counter": 2**53},
        {"hash": None},
        {"hash": "ab"},
        {"hash": "AB" * 32},
        {"time": 1},
        {"time": "yesterday"},
        {"time": "2026-02-30T08:00:00.000000Z"},
        {"certificate": []},
        {"signature": b"x"},
        {"signature": "AB=="},
        {"more": 1},
    ],
    ids=str,
)
def test_a_head_with_a_malformed_member_is_none(changes: dict[str, Any]) -> None:
    with pytest.raises(JournalError):
        head_of({**HEAD.told(), **changes})


@pytest.mark.parametrize("name", sorted(HEAD.told()))
def test_a_head_that_lacks_a_member_is_none(name: str) -> None:
    told = HEAD.told()
    del told[name]
    with pytest.raises(JournalError, match="has just the members"):
        head_of(told)


@pytest.mark.parametrize("value", [None, 1, [], "head"])
def test_what_is_no_object_is_no_head(value: object) -> None:
    with pytest.raises(JournalError, match="has just the members"):
        head_of(value)


def test_a_header_is_written_and_read_back() -> None:
    header = read_header(LINE)
    assert header.head == HEAD
    assert header.certificates == {fingerprint_of(der): der for der in CERTIFICATES}
    assert LINE == header_line(HEAD, reversed(CERTIFICATES))
    assert LINE == rehashed(orjson.loads(LINE))
    assert b"\n" not in LINE


def test_header_and_entry_are_told_apart_by_how_they_begin() -> None:
    assert LINE.startswith(HEADER_BEGINS)
    assert all(not entry_line(entry).startswith(HEADER_BEGINS) for entry in RECORD.entries)
    entry = RECORD.entries[0]
    assert orjson.loads(entry_line(entry)) == {
        "entry": orjson.loads(entry.body),
        "hash": entry.hash,
        "signature": encode_signature(entry.signature),
    }
    assert canonical(orjson.loads(entry_line(entry))) == entry_line(entry)


@given(st.integers(0, len(LINE) * 8 - 1))
def test_any_flipped_bit_in_a_header_shows(bit: int) -> None:
    damaged = bytearray(LINE)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(JournalError):
        read_header(bytes(damaged))


@given(st.binary() | st.text().map(str.encode) | st.just(b"[" * 100_000))
def test_no_bytes_break_the_reader(line: bytes) -> None:
    with pytest.raises(JournalError):
        read_header(line)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "smgw-journal/2"},
        {"format": None},
        {"gateway": OTHER_GATEWAY},
        {"gateway": None},
        {"head": None},
        {"head": {**HEAD.told(), "seq": -1}},
        {"certificates": None},
        {"certificates": {}},
        {"certificates": [1]},
        {"certificates": [None]},
        {"certificates": ["AB=="]},
        {"more": 1},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_a_header_of_another_form_is_none_even_with_the_right_hash(changes: dict[str, Any]) -> None:
    with pytest.raises(JournalError):
        read_header(rehashed({**orjson.loads(LINE), **changes}))


def test_a_header_says_what_format_is_needed() -> None:
    with pytest.raises(JournalError, match=r"'smgw-journal/2'.*'smgw-journal/1'"):
        read_header(rehashed({**orjson.loads(LINE), "format": "smgw-journal/2"}))
