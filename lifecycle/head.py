"""The signed end of a chain, and the file form in which chains travel.

A chain by itself does not show that its tail was cut. So its keeper signs the head: sequence, hash, and a counter that
only rises. A file is JSON lines: the first carries head and certificates (and a hash over itself, so that damage to it
shows), one entry in each that follows. Several chains may follow one another in one file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from lifecycle.canonical import (
    MAX_INTEGER,
    JournalError,
    canonical,
    decode_signature,
    encode_signature,
    format_time,
    parse_time,
)
from lifecycle.journal import FORMAT, Position, SignedEntry, check_gateway_id
from lifecycle.parties import Party, fingerprint_of

HEADER_BEGINS = b'{"certificates":'
"""How a header line begins, and no entry line does: canonical bytes sort their names."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain, signed by whoever keeps it, so that a cut tail or a restored backup shows.

    :ivar gateway: the gateway.
    :ivar sequence: sequence of the last entry.
    :ivar hash: its hash.
    :ivar counter: rises with every head that the keeper signs for this gateway.
    :ivar time: when it was signed.
    :ivar certificate: fingerprint of the keeper's certificate.
    :ivar signature: the keeper's over :attr:`body`, DER.
    """

    gateway: str
    sequence: int
    hash: str
    counter: int
    time: str
    certificate: str
    signature: bytes = b""

    @property
    def body(self) -> bytes:
        """What is signed."""
        return orjson.dumps(self._unsigned(), option=orjson.OPT_SORT_KEYS)  # its texts and integers need no check

    def told(self) -> dict[str, Any]:
        """The head as JSON."""
        return {**self._unsigned(), "signature": encode_signature(self.signature)}

    def _unsigned(self) -> dict[str, Any]:
        return {
            "format": "smgw-head/1",
            "gateway": self.gateway,
            "seq": self.sequence,
            "hash": self.hash,
            "counter": self.counter,
            "time": self.time,
            "certificate": self.certificate,
        }


def sign_head(gateway: str, position: Position, counter: int, time: datetime, keeper: Party) -> Head:
    """The head of a chain, signed by its keeper."""
    told = gateway, position.sequence, position.hash, counter, format_time(time), keeper.actor.certificate
    return Head(*told, keeper.sign(Head(*told).body))


_HASH_FORM = re.compile(r"[0-9a-f]{64}")
_HEAD_TYPES = {
    "format": str,
    "gateway": str,
    "seq": int,
    "hash": str,
    "counter": int,
    "time": str,
    "certificate": str,
    "signature": str,
}


def head_of(told: Any) -> Head:
    """A head from its JSON object.

    :raises JournalError: if it is none.
    """
    if not isinstance(told, dict) or told.keys() != _HEAD_TYPES.keys():
        raise JournalError(f"a head has just the members {', '.join(sorted(_HEAD_TYPES))}")
    for name, kind in _HEAD_TYPES.items():
        if type(told[name]) is not kind:
            raise JournalError(f"a head's {name} is a {kind.__name__}")
    if told["format"] != "smgw-head/1" or not all(0 <= told[name] <= MAX_INTEGER for name in ("seq", "counter")):
        raise JournalError("no head of the form smgw-head/1")
    for name in ("hash", "certificate"):
        if not _HASH_FORM.fullmatch(told[name]):
            raise JournalError(f"a head's {name} is 64 hexadecimal digits")
    parse_time(told["time"])
    check_gateway_id(told["gateway"])
    return Head(
        told["gateway"],
        told["seq"],
        told["hash"],
        told["counter"],
        told["time"],
        told["certificate"],
        decode_signature(told["signature"]),
    )


def entry_line(entry: SignedEntry) -> bytes:
    """One line of a file, without its line feed."""
    return b'{"entry":%b,"hash":"%b","signature":"%b"}' % (
        entry.body,
        entry.hash.encode(),
        encode_signature(entry.signature).encode(),
    )


@dataclass(frozen=True, slots=True)
class Header:
    """What the first line of a chain in a file says.

    :ivar head: the signed head.
    :ivar certificates: certificates (DER) by fingerprint.
    """

    head: Head
    certificates: dict[str, bytes]


def header_line(head: Head, certificates: Iterable[bytes]) -> bytes:
    """The first line of a chain, without its line feed."""
    told = {
        "format": FORMAT,
        "gateway": head.gateway,
        "head": head.told(),
        "certificates": sorted(encode_signature(der) for der in certificates),
    }
    return canonical({**told, "hash": hashlib.sha256(canonical(told)).hexdigest()})


def read_header(line: bytes) -> Header:
    """A header from its line, strictly.

    :raises JournalError: if it is damaged or of another form.
    """
    try:
        told = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise JournalError(f"no JSON: {error}") from error
    if not isinstance(told, dict) or told.keys() != {"format", "gateway", "head", "certificates", "hash"}:
        raise JournalError("a header has just the members certificates, format, gateway, hash, head")
    if told["format"] != FORMAT:
        raise JournalError(f"written in the format {told['format']!r}, and this reads {FORMAT!r}")
    stated = told.pop("hash")
    if canonical({**told, "hash": hashlib.sha256(canonical(told)).hexdigest()}) != line:
        raise JournalError(f"the header does not fit its own hash {str(stated)[:16]}")
    head = head_of(told["head"])
    encoded = told["certificates"]
    if head.gateway != told["gateway"]:
        raise JournalError("a header that names two gateways")
    if not isinstance(encoded, list) or not all(isinstance(text, str) for text in encoded):
        raise JournalError("a header's certificates are a list of texts")
    certificates = [decode_signature(text) for text in encoded]
    return Header(head, {fingerprint_of(der): der for der in certificates})
