"""Who may read: bearer tokens (RFC 6750), of which only the hash is kept.

A token is 256 bits of chance, so its SHA-256 cannot be searched back, and finding the hash in the table is the whole
comparison: no text that a caller controls is compared byte by byte.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Engine, delete, insert, select

from lifecycle.canonical import JournalError, format_time
from lifecycle.parties import Clock, utc_now
from lifecycle.store.schema import readers

MAX_NAME = 64
"""Longest name of a reader."""
DEFAULT_LIFETIME = timedelta(days=90)
"""How long a token lives when nobody says otherwise."""


class ReaderError(ValueError):
    """No reader can be made like this."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who may read.

    :ivar name: as the operator named it.
    :ivar expires: until when, as the record writes times.
    :ivar token_hash: SHA-256 of the token, hexadecimal.
    """

    name: str
    expires: str
    token_hash: str


class Readers:
    """The readers of one database."""

    def __init__(self, engine: Engine, clock: Clock = utc_now) -> None:
        self._engine = engine
        self._clock = clock

    def create(self, name: str, lifetime: timedelta = DEFAULT_LIFETIME) -> str:
        """A new token. It is shown this once; what is kept does not give it back.

        :raises ReaderError: if the name or the lifetime is unusable.
        """
        if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
            raise ReaderError(f"a reader's name has 1 to {MAX_NAME} printable characters")
        if lifetime <= timedelta(0):
            raise ReaderError("a token lives longer than no time at all")
        token = secrets.token_urlsafe(32)
        now = self._clock()
        try:
            expires = format_time(now + lifetime)
        except (OverflowError, JournalError) as error:
            raise ReaderError("a token does not live that long") from error
        with self._engine.begin() as connection:
            connection.execute(delete(readers).where(readers.c.expires <= format_time(now)))
            connection.execute(
                insert(readers), {"token_hash": _hash_of(token), "name": name.strip(), "expires": expires}
            )
        return token

    def find(self, token: str) -> Reader | None:
        """The reader with this token, ``None`` where there is none or it has expired."""
        return self.by_hash(_hash_of(token))

    def by_hash(self, token_hash: str) -> Reader | None:
        """The reader whose token has this hash, ``None`` where there is none or it has expired."""
        query = select(readers).where(readers.c.token_hash == token_hash)
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None or row.expires <= format_time(self._clock()):
            return None
        return Reader(row.name, row.expires, row.token_hash)

    def all(self) -> list[Reader]:
        """Every reader, the expired among them, by name."""
        query = select(readers).order_by(readers.c.name, readers.c.expires)
        with self._engine.connect() as connection:
            return [Reader(row.name, row.expires, row.token_hash) for row in connection.execute(query)]

    def revoke(self, name: str) -> int:
        """Take back every token of this name; how many there were."""
        with self._engine.begin() as connection:
            return connection.execute(delete(readers).where(readers.c.name == name)).rowcount


def _hash_of(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
