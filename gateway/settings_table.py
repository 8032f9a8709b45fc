"""A table of the configuration file of which everything that is wrong is noted, not only the first thing."""

from __future__ import annotations

import errno
import ipaddress
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from cryptography import x509

from gateway.contract_table import ContractFileError, Table

HIGHEST_PORT: Final = 65_535
MAX_FILE: Final = 1024 * 1024
"""Bytes of a file that is named in the configuration; ours."""
_Value = TypeVar("_Value")


class Checked:
    """One table. What reads a key notes what is wrong with it, and gives something of the right type all the same."""

    def __init__(self, name: str, table: Mapping[str, object], base: Path, mistakes: list[str]) -> None:
        """:param name: what it is called in mistakes.
        :param base: the folder that paths in it are relative to.
        :param mistakes: where they are noted.
        """
        self._name = name
        self._keys = Table(name, table)
        self._base = base
        self._mistakes = mistakes
        self._before = len(mistakes)

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def sound(self) -> bool:
        """Whether nothing in it is wrong. To be asked at the end: a key that nobody read is wrong too."""
        self._mistakes += map(str, self._keys.unknown())
        return len(self._mistakes) == self._before

    def wrong(self, key: str, what: str) -> None:
        """Note what is wrong with a key."""
        self._mistakes.append(f"{self._name}: {key}: {what}" if key else f"{self._name}: {what}")

    def text(self, key: str, otherwise: str | None = None) -> str:
        """A text that can be printed; not empty unless *otherwise* is."""
        found = self._noted(lambda: self._keys.text(key, otherwise), otherwise or "")
        if not found.isprintable():  # such as a NUL, which no path may have
            self.wrong(key, "has a character that is not printed")
            return ""
        return found

    def texts(self, key: str) -> list[str]:
        """A list of texts; empty where the key is not there."""
        return self._noted(lambda: self._keys.texts(key, otherwise=()), [])

    def integer(self, key: str, lowest: int, highest: int, otherwise: int | None = None) -> int:
        """A whole number."""
        return self._noted(lambda: self._keys.integer(key, lowest, highest, otherwise), lowest)

    def integers(self, key: str, otherwise: tuple[int, ...]) -> tuple[int, ...]:
        """A list of whole numbers."""
        if key not in self._keys:
            return otherwise
        value = self._keys.value(key)
        if not isinstance(value, list) or not all(type(item) is int for item in value):
            self.wrong(key, "no list of whole numbers")
            return otherwise
        return tuple(value)

    def boolean(self, key: str, *, otherwise: bool) -> bool:
        """True or false."""
        return self._noted(lambda: self._keys.boolean(key, otherwise), otherwise)

    def choice(self, key: str, choices: Mapping[str, _Value], otherwise: _Value) -> _Value:
        """One of some values; *otherwise* where it is none of them."""
        return self._noted(lambda: self._keys.choice(key, choices), otherwise)

    def address(self, *, port: int | None = None, loopback: bool = False) -> tuple[str, int]:
        """``host`` and ``port`` of something that listens.

        :param port: the usual one, where the key may be left out.
        :param loopback: whether it may listen on this machine only.
        """
        host = self.text("host")
        number = self.integer("port", 0, HIGHEST_PORT, port)
        try:
            parsed = ipaddress.ip_address(host)
        except ValueError:
            if host:
                self.wrong("host", f"{host!r} is no IP address")
        else:
            if loopback and not parsed.is_loopback:
                self.wrong("host", f"{host} can be reached from other machines; 127.0.0.1 or ::1 cannot")
        return host, number

    def path(self, key: str, otherwise: Path | None = None) -> Path:
        """A path, relative to the file."""
        if otherwise is not None and key not in self._keys:
            return otherwise
        return self._base / self.text(key)

    def certificates(self, key: str) -> tuple[x509.Certificate, ...]:
        """The certificates in the PEM files of a list."""
        return tuple(one for name in self.texts(key) for one in self._certificates(key, name))

    def table(self, key: str) -> Mapping[str, object]:
        """A table in it."""
        value = self._keys.value(key)
        if isinstance(value, dict):
            return value
        self.wrong(key, "no table")
        return {}

    def _certificates(self, key: str, name: str) -> list[x509.Certificate]:
        path = self._base / name
        try:
            found = x509.load_pem_x509_certificates(read_limited(path))
            for one in found:
                one.public_key()
        except OSError as error:
            self.wrong(key, f"{path}: {error.strerror or error}")
        except (ValueError, x509.InvalidVersion, x509.UnsupportedGeneralNameType, TypeError):
            self.wrong(key, f"{path} holds no certificate (PEM)")
        else:
            return found
        return []

    def _noted(self, read: Callable[[], _Value], otherwise: _Value) -> _Value:
        try:
            return read()
        except ContractFileError as error:
            self._mistakes.append(str(error))
            return otherwise


def read_limited(path: Path) -> bytes:
    """A regular file's content.

    :raises OSError: if it cannot be read, is no file or is too large.
    """
    try:
        # Without waiting: what is named may be a pipe that nobody writes into.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            content = file.read(MAX_FILE + 1) or b""
    except ValueError as error:  # a NUL in the path
        raise FileNotFoundError(errno.ENOENT, "no such file") from error
    if len(content) > MAX_FILE:
        raise OSError(errno.EFBIG, f"has more than {MAX_FILE} bytes")
    return content
