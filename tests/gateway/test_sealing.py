"""Chains of lines: any change to any of them shows, at the first line that is not what it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.sealing import Broken, End, Line, Seal, first_broken, genesis, line_after
from tests.support.sealing import SoftwareSigner, signer

BEGIN = genesis(chain="test")
TEXTS = st.lists(st.text(max_size=8), min_size=1, max_size=6)


def chain(texts: list[str], *, signed: bool = False) -> list[Line]:
    lines: list[Line] = []
    end = BEGIN
    for text in texts:
        lines.append(line_after(end, {"text": text}, signer() if signed else None))
        end = End(lines[-1].number, lines[-1].hash)
    return lines


def broken(lines: list[Line], end: Line, *, signed: bool = False, begin: End = BEGIN) -> Broken | None:
    rows: list[tuple[Line, dict[str, Any]]] = [(line, {}) for line in lines]
    told = End(end.number, end.hash)
    return first_broken(rows, begin, told, sealed=lambda _: signed, verifies=signer().verifies)


@given(TEXTS, st.booleans())
def test_a_chain_that_nobody_touched_is_whole(texts: list[str], signed: bool) -> None:
    lines = chain(texts, signed=signed)
    assert broken(lines, lines[-1], signed=signed) is None
    assert [line.told["text"] for line in lines] == texts


@given(TEXTS, st.data())
def test_any_bit_turned_shows_at_its_line(texts: list[str], data: st.DataObject) -> None:
    lines = chain(texts)
    index = data.draw(st.integers(0, len(lines) - 1))
    body = bytearray(lines[index].body)
    body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    changed = [*lines[:index], replace(lines[index], body=bytes(body)), *lines[index + 1 :]]
    found = broken(changed, lines[-1])
    assert found is not None
    assert found.number == index + 1


@given(TEXTS, st.data())
def test_any_line_taken_out_shows_at_its_place(texts: list[str], data: st.DataObject) -> None:
    lines = chain(texts)
    index = data.draw(st.integers(0, len(lines) - 1))
    found = broken(lines[:index] + lines[index + 1 :], lines[-1])
    assert found is not None
    assert found.number == index + 1


def test_a_line_made_anew_with_its_hash_shows_at_the_next() -> None:
    lines = chain(["a", "b", "c"])
    forged = line_after(End(1, lines[0].hash), {"text": "x"})
    assert broken([lines[0], forged, lines[2]], lines[2]) == Broken(3, "it follows another line than the one before it")


def test_a_line_of_another_chain_does_not_fit() -> None:
    lines = chain(["a"])
    assert broken(lines, lines[0], begin=genesis(chain="other")) is not None


def test_a_signature_by_another_key_shows() -> None:
    lines = chain(["a", "b"], signed=True)
    other = SoftwareSigner()
    digest = bytes.fromhex(lines[1].hash)
    for seal, words in (
        (Seal(other.key, other.sign_digest(digest)), "not by the key"),
        (Seal(signer().key, other.sign_digest(digest)), "not by the key"),
        (None, "its signature is missing"),
    ):
        found = broken([lines[0], replace(lines[1], seal=seal)], lines[1], signed=True)
        assert found is not None
        assert (found.number, words in found.reason) == (2, True)
