"""Chains of lines that show what was done to them: each names the hash of the line before, and may be signed.

The calibration log, the other logs and the original reading list are such chains. A line is canonical bytes (RFC 8785)
with its number and the hash of the line before in it; its own hash is the SHA-256 over them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from lifecycle.canonical import JournalError, canonical


class DigestSigner(Protocol):
    """Signs digests, by a key that stays in the security module (FCO_NRO.2)."""

    @property
    def key(self) -> str:
        """Which key: SHA-256 of its certificate, hexadecimal."""
        ...

    def sign_digest(self, digest: bytes) -> bytes:
        """The signature over a SHA-256 digest."""
        ...


Verifies = Callable[[str, bytes, bytes], bool]
"""Whether a signature is right: key as :attr:`DigestSigner.key` names it, SHA-256 digest, signature."""


@dataclass(frozen=True, slots=True)
class Seal:
    """A signature of the gateway.

    :ivar key: which key, see :attr:`DigestSigner.key`.
    :ivar signature: over the SHA-256 of the line.
    """

    key: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chain.

    :ivar number: from 1 on, without a hole.
    :ivar body: canonical bytes.
    :ivar hash: SHA-256 of the body, hexadecimal.
    :ivar seal: the gateway's signature, ``None`` where the line is not signed.
    """

    number: int
    body: bytes
    hash: str
    seal: Seal | None = None

    @property
    def told(self) -> dict[str, Any]:
        """What the line says."""
        told: dict[str, Any] = orjson.loads(self.body)
        return told


@dataclass(frozen=True, slots=True)
class End:
    """Where a chain ends.

    :ivar number: of the last line, 0 before the first.
    :ivar hash: its hash, or that of the genesis.
    """

    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The first line of a chain that is not what it was.

    :ivar number: its number.
    :ivar reason: what is wrong, in words.
    """

    number: int
    reason: str


class KeptLine(Protocol):
    """A row of a table of lines."""

    number: Any
    body: Any
    hash: Any
    key: Any
    signature: Any


def kept_line(row: KeptLine) -> Line:
    """A line as a table keeps it; also one that somebody has written something else into."""
    seal = Seal(row.key, _bytes(row.signature)) if row.key is not None and row.signature is not None else None
    return Line(row.number, _bytes(row.body), row.hash, seal)


def columns_of(line: Line) -> dict[str, Any]:
    """What a table keeps of a line."""
    return {
        "number": line.number,
        "body": line.body,
        "hash": line.hash,
        "key": line.seal and line.seal.key,
        "signature": line.seal and line.seal.signature,
    }


def _bytes(kept: Any) -> bytes:
    return kept.encode() if isinstance(kept, str) else bytes(kept)


def genesis(**names: str) -> End:
    """The end of a chain without lines: bound to what it is a chain of, so that no line serves in another."""
    return End(0, hashlib.sha256(canonical(names)).hexdigest())


def line_after(end: End, told: Mapping[str, Any], signer: DigestSigner | None = None) -> Line:
    """The line that follows the end of a chain.

    :param told: what it says, beside its number and the hash before.
    :param signer: signs it, where given.
    :raises lifecycle.canonical.JournalError: if it cannot be written canonically.
    """
    number = end.number + 1
    body = canonical({**told, "number": number, "previous": end.hash})
    digest = hashlib.sha256(body).digest()
    seal = Seal(signer.key, signer.sign_digest(digest)) if signer is not None else None
    return Line(number, body, digest.hex(), seal)


def first_broken(
    lines: Iterable[tuple[Line, Mapping[str, Any]]],
    begin: End,
    end: End,
    *,
    sealed: Callable[[Mapping[str, Any]], bool],
    verifies: Verifies | None = None,
) -> Broken | None:
    """Follow a chain.

    :param lines: its lines in order, each with what is kept of it beside its body, which the body must say too.
    :param begin: the line before the first of them.
    :param end: where the chain ends.
    :param sealed: whether a line that says this has to be signed.
    :param verifies: checks signatures; without it they are only looked for.
    :returns: the first broken line, ``None`` where all are whole.
    """
    before = begin
    for line, beside in lines:
        reason = _wrong(line, before, beside, sealed, verifies)
        if reason is not None:
            return Broken(min(line.number, before.number + 1), reason)
        before = End(line.number, line.hash)
    if before.number < end.number:
        return Broken(before.number + 1, f"missing: the chain ends at {end.number}")
    if before != end:
        return Broken(before.number, f"the end of the chain is kept as {end.number} with hash {end.hash}")
    return None


def _wrong(
    line: Line,
    before: End,
    beside: Mapping[str, Any],
    sealed: Callable[[Mapping[str, Any]], bool],
    verifies: Verifies | None,
) -> str | None:
    """What is wrong with a line, ``None`` where it is right."""
    if line.number != before.number + 1:
        return f"missing: {line.number} follows {before.number}"
    digest = hashlib.sha256(line.body).digest()
    if digest.hex() != line.hash:
        return "it has another hash than is kept of it"
    try:
        told = line.told
        if not isinstance(told, dict) or canonical(told) != line.body:
            return "it is not written canonically"
    except (ValueError, JournalError) as error:  # orjson's error is a ValueError
        return f"it cannot be read: {error}"
    if told.get("number") != line.number:
        return f"it says that its number is {told.get('number')}"
    if told.get("previous") != before.hash:
        return "it follows another line than the one before it"
    for name, kept in beside.items():
        if told.get(name) != kept:
            return f"kept with {name} {kept!r}, and it says {told.get(name)!r}"
    return _wrongly_sealed(line, digest, sealed(told), verifies)


def _wrongly_sealed(line: Line, digest: bytes, needed: bool, verifies: Verifies | None) -> str | None:
    if line.seal is None:
        return "its signature is missing" if needed and verifies is not None else None
    if verifies is not None and not verifies(line.seal.key, digest, line.seal.signature):
        return f"its signature is not by the key {line.seal.key}"
    return None
