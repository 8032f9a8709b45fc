"""Tables of a file read key by key: each value of its type, none left over, and errors that name the key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from typing import Final, TypeVar

from gateway.lmn.obis import ObisError, parse_obis
from gateway.tariffing.errors import ProfileError, TariffingError
from gateway.tariffing.periods import LOCAL
from lifecycle.canonical import MAX_INTEGER

_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?", re.ASCII)
_Choice = TypeVar("_Choice")


class ContractFileError(ProfileError):
    """A table that is no contract; the text names the file, the contract, the key and what is wrong."""


class Table:
    """One table. A key that nobody read when it is closed is one that is not known."""

    def __init__(self, name: str, table: Mapping[str, object]) -> None:
        """:param name: what it is called in errors."""
        self._name = name
        self._table = table
        self._read: set[str] = set()
        self._inner: list[Table] = []

    def __contains__(self, key: str) -> bool:
        return key in self._table

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def close(self) -> None:
        """:raises ContractFileError: if it, or a table in it, has a key that nobody read."""
        for unknown in self.unknown():
            raise unknown

    def unknown(self) -> Iterator[ContractFileError]:
        """What to say of each key that nobody read, in it and in the tables in it."""
        for key in self._table:
            if key not in self._read:
                yield self.error(key, "unknown key")
        for each in self._inner:
            yield from each.unknown()

    def error(self, key: str, what: str) -> ContractFileError:
        """What to say of a key."""
        return ContractFileError(f"{self._name}: {key}: {what}")

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Have what is wrong with the parts of this table together named with it."""
        try:
            yield
        except ContractFileError:
            raise
        except TariffingError as error:
            raise ContractFileError(f"{self._name}: {error}") from error

    def value(self, key: str) -> object:
        """Whatever stands there."""
        return self._value(key, None)

    def text(self, key: str, otherwise: str | None = None) -> str:
        """A text; not empty unless *otherwise* is."""
        value = self._value(key, otherwise)
        if not isinstance(value, str) or (not value and otherwise is None):
            raise self.error(key, "no text")
        return value

    def texts(self, key: str, otherwise: Sequence[str] | None = None) -> list[str]:
        """A list of texts."""
        value = self._value(key, None if otherwise is None else list(otherwise))
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise self.error(key, "no list of texts")
        return value

    def integer(
        self, key: str, lowest: int = -MAX_INTEGER, highest: int = MAX_INTEGER, otherwise: int | None = None
    ) -> int:
        """A whole number."""
        value = self._value(key, otherwise)
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            raise self.error(key, f"no whole number from {lowest} to {highest}")
        return value

    def boolean(self, key: str, otherwise: bool | None = None) -> bool:
        """True or false."""
        value = self._value(key, otherwise)
        if not isinstance(value, bool):
            raise self.error(key, "neither true nor false")
        return value

    def choice(self, key: str, choices: Mapping[str, _Choice] | Mapping[int, _Choice]) -> _Choice:
        """One of some values."""
        value = self._value(key, None)
        for name, choice in choices.items():
            if type(value) is type(name) and value == name:
                return choice
        raise self.error(key, f"{value!r} is none of {', '.join(map(str, choices)) or 'nothing that there is'}")

    def obis_of(self, key: str, text: str) -> bytes:
        """The code that a text of a key is."""
        try:
            return parse_obis(text)
        except ObisError as error:
            raise self.error(key, str(error)) from error

    def second_of(self, key: str, text: str) -> int:
        """The second of the day that a text of a key, ``06:00`` or ``06:00:30``, is."""
        found = _CLOCK.fullmatch(text)
        if found is None:
            raise self.error(key, f"{text!r} is no time of a day, such as 06:00")
        return int(found[1]) * 3_600 + int(found[2]) * 60 + int(found[3] or 0)

    def day(self, key: str) -> date:
        """A date."""
        value = self._value(key, None)
        if isinstance(value, str):
            try:
                return date.fromisoformat(value)
            except ValueError as error:
                raise self.error(key, f"no date: {error}") from None
        if not isinstance(value, date) or isinstance(value, datetime):
            raise self.error(key, "no date")
        return value

    def instant(self, key: str) -> datetime:
        """An instant, UTC; a date is the begin of that day in Germany."""
        value = self._value(key, None)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
            except ValueError as error:
                raise self.error(key, f"no time: {error}") from None
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime.combine(value, time(), LOCAL)
        if not isinstance(value, datetime):
            raise self.error(key, "neither a date nor a time")
        if value.tzinfo is None:
            raise self.error(key, "a time without an offset")
        try:
            return value.astimezone(UTC)
        except OverflowError:
            raise self.error(key, f"{value} is no time in UTC") from None

    def table(self, key: str) -> Table:
        """A table in it."""
        return self._table_in(key, key, self._value(key, None))

    def tables(self, key: str) -> list[Table]:
        """Tables in it, ``[[key]]``; none where the key is not there."""
        value = self._value(key, [])
        if not isinstance(value, list):
            raise self.error(key, f"not [[{key}]] tables")
        return [self._table_in(key, f"{key} {number}", item) for number, item in enumerate(value, 1)]

    def _table_in(self, key: str, name: str, value: object) -> Table:
        if not isinstance(value, Mapping):
            raise self.error(key, "no table")
        inner = Table(f"{self._name}: {name}", value)
        self._inner.append(inner)
        return inner

    def _value(self, key: str, otherwise: object) -> object:
        self._read.add(key)
        if key not in self._table:
            if otherwise is None:
                raise self.error(key, "missing")
            return otherwise
        return self._table[key]
