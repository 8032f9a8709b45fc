"""Who may come in at the HAN: consumers, with the hash of a password (HTTP Digest) or a pinned certificate, or both."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes

REALM: Final = "smgw"
"""Realm of HTTP Digest; ours. It goes into the stored hashes, so it is the same for every gateway."""
LONGEST_USERID: Final = 64
"""Characters of a consumer's name; ours."""
_USERID: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_USERID - 1}}}", re.ASCII)


@unique
class DigestAlgorithm(StrEnum):
    """Hashes that HTTP Digest is offered with, the preferred one first (RFC 7616 3.2, 3.7)."""

    SHA_256 = "SHA-256"
    MD5 = "MD5"

    def of(self, *parts: str) -> str:
        """The hash over parts with colons between, hexadecimal."""
        text = ":".join(parts).encode()
        if self is DigestAlgorithm.SHA_256:
            return hashlib.sha256(text).hexdigest()
        return hashlib.md5(text, usedforsecurity=False).hexdigest()  # what shipped clients answer with


@dataclass(frozen=True, slots=True)
class Consumer:
    """A consumer (Anschlussnutzer) as the gateway knows him. The password itself is kept nowhere.

    :ivar userid: COSEM logical name, such as ``consumer1.sm``.
    :ivar ha1: H(userid:realm:password) under each algorithm, empty where there is no password.
    :ivar fingerprints: SHA-256 of his certificates.
    """

    userid: str
    ha1: Mapping[DigestAlgorithm, str] = field(default_factory=dict, repr=False)
    fingerprints: frozenset[bytes] = frozenset()

    def __post_init__(self) -> None:
        """:raises ValueError: if the name is none."""
        if _USERID.fullmatch(self.userid) is None:
            raise ValueError(
                f"{self.userid!r} is no name of a consumer: up to {LONGEST_USERID} letters, digits, '.', '_' and '-'"
            )

    @classmethod
    def known_by(
        cls, userid: str, password: str | None = None, certificates: Sequence[x509.Certificate] = ()
    ) -> Consumer:
        """A consumer with a password, certificates, or both.

        :raises ValueError: if the name is none.
        """
        ha1 = {} if password is None else {one: one.of(userid, REALM, password) for one in DigestAlgorithm}
        return cls(userid, ha1, frozenset(one.fingerprint(hashes.SHA256()) for one in certificates))


class Consumers(Protocol):
    """Where consumers are looked up. Called from several threads."""

    def named(self, userid: str) -> Consumer | None:
        """The consumer of this name."""
        ...

    def certified(self, fingerprint: bytes) -> Consumer | None:
        """The consumer with the certificate of this SHA-256 fingerprint."""
        ...

    def certificates(self) -> Sequence[x509.Certificate]:
        """Every certificate a consumer may show; each is trusted by itself."""
        ...
