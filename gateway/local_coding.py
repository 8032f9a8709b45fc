"""How values and errors stand in the messages of the local interface: by the types that its functions declare.

What a function takes and gives is declared once, by its type hints; nothing here knows one of them. Texts, integers and
truth values stand as they are, other numbers as texts, bytes and certificates (DER) as Base64, enumerations by their
names, times as the record writes them, sequences and named tuples as arrays, data classes and mappings as objects.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.configuration import AlreadyConfigured, ConfigurationError
from gateway.local_protocol import LocalProtocolError, from_base64, members, to_base64
from gateway.module import DeviceError
from gateway.pki.keys import CertificateRefused
from lifecycle.canonical import JournalError, format_time, parse_time
from lifecycle.gate import Closed
from lifecycle.law import Refused, Unlawful
from lifecycle.phases.model import Grant
from lifecycle.states import State
from securitymodule.apdu import meaning
from securitymodule.errors import (
    CommandRefused,
    ModuleBusy,
    ModuleError,
    ModuleRemoved,
    NoModule,
    PaceError,
    PinBlocked,
    ProtocolError,
    ReaderUnavailable,
    SecureMessagingError,
    SessionExpired,
    WrongPin,
)
from securitymodule.statements import StatementError
from smpki.errors import (
    KeyStoreError,
    MessageDecryptionError,
    MessageError,
    MessageFormatError,
    MessageSignatureError,
    NameRuleError,
    PolicyError,
    SmPkiError,
)


class LocalError(Exception):
    """The gateway at the other end of a local interface did not do what was asked.

    :ivar kind: what went wrong there, in one word.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class LocalLineError(LocalError):
    """The line is gone: nobody answers, the gateway ended the connection, or what came is not of the protocol.

    Whether what was asked last is done is not known.
    """

    def __init__(self, message: str) -> None:
        super().__init__("line", message)


class NotAuthenticated(LocalError):
    """The caller did not show what it takes."""

    def __init__(self, message: str) -> None:
        super().__init__("not-authenticated", message)


TOLD_BY_MESSAGE: Final[dict[str, type[Exception]]] = {
    kind.__name__: kind
    for kind in (
        *(ModuleError, ReaderUnavailable, NoModule, ModuleRemoved, ModuleBusy, ProtocolError, PaceError),
        *(SecureMessagingError, SessionExpired, StatementError, DeviceError, CertificateRefused, NotAuthenticated),
        *(ConfigurationError, AlreadyConfigured),
        *(SmPkiError, NameRuleError, PolicyError, KeyStoreError, MessageError, MessageFormatError),
        *(MessageSignatureError, MessageDecryptionError),
    )
}
"""Errors that are nothing but their message. Of a more special one its nearest ancestor here goes over the line."""


_FLOAT: Final = re.compile(r"-?[0-9]{1,20}\.[0-9]{1,20}|-?[0-9](?:\.[0-9]{1,20})?e[+-][0-9]{2,3}")


def to_plain(hint: Any, value: Any) -> Any:
    """A value of the type *hint* as it stands in a message.

    :raises TypeError: if it is of no type that can.
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if value is None:
        return None
    if origin in {typing.Union, types.UnionType}:
        return to_plain(_only(hint, inner), value)
    if origin is not None and issubclass(origin, Mapping):
        keys = {_to_key(key): item for key, item in value.items()}
        return {key: to_plain(inner[1], item) for key, item in keys.items()}
    if origin is tuple and inner[-1] is not Ellipsis:
        return [to_plain(each, item) for each, item in zip(inner, value, strict=True)]
    if origin is not None and issubclass(origin, Sequence):
        return [to_plain(inner[0], item) for item in value]
    if not isinstance(hint, type) or not isinstance(value, hint):
        raise TypeError(f"a value of type {type(value).__name__} where {hint} is declared")
    return _to_plain_single(hint, value)


def _to_plain_single(hint: type, value: Any) -> Any:
    if isinstance(value, Enum):
        return value.name
    if hint in {bool, int, str}:
        return value
    if hint is float:
        return repr(value)
    if isinstance(value, bytes):
        return to_base64(value)
    if isinstance(value, x509.Certificate):
        return to_base64(value.public_bytes(Encoding.DER))
    if isinstance(value, datetime):
        return format_time(value)
    parts = _parts(hint)
    if is_dataclass(hint):
        return {name: to_plain(each, getattr(value, name)) for name, each in parts.items()}
    return [to_plain(each, getattr(value, name)) for name, each in parts.items()]


def from_plain(hint: Any, told: Any) -> Any:
    """A value of the type *hint* out of a message.

    :raises LocalProtocolError: if what stands there is none.
    :raises TypeError: if no value of that type can stand there.
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is None or hint is type(None):
        return _expect(told is None, None, hint)
    if origin in {typing.Union, types.UnionType}:
        return None if told is None else from_plain(_only(hint, inner), told)
    if origin is not None and issubclass(origin, Mapping):
        _expect(isinstance(told, dict), told, hint)
        return {_from_key(inner[0], key): from_plain(inner[1], item) for key, item in told.items()}
    if origin is tuple and inner[-1] is not Ellipsis:
        _expect(isinstance(told, list) and len(told) == len(inner), told, hint)
        return tuple(from_plain(each, item) for each, item in zip(inner, told, strict=True))
    if origin is not None and issubclass(origin, Sequence):
        _expect(isinstance(told, list), told, hint)
        made = [from_plain(inner[0], item) for item in told]
        return tuple(made) if origin is tuple else made
    if not isinstance(hint, type):
        raise TypeError(f"nothing of type {hint} can stand in a message")
    return _from_plain_single(hint, told)


def _from_plain_single(hint: Any, told: Any) -> Any:
    if issubclass(hint, Enum):
        return _from_key(hint, told)
    if hint in {bool, int, str}:
        return _expect(type(told) is hint, told, hint)
    if hint is float:
        return _expect(isinstance(told, str) and _FLOAT.fullmatch(told) is not None, told, hint) and float(told)
    if hint is bytes:
        return from_base64(told)
    if hint is x509.Certificate:
        try:
            return x509.load_der_x509_certificate(from_base64(told))
        except (ValueError, x509.InvalidVersion):
            raise LocalProtocolError("a value that is no certificate (DER)") from None
    if hint is datetime:
        try:
            return parse_time(_expect(isinstance(told, str), told, hint))
        except JournalError as error:
            raise LocalProtocolError(str(error)) from None
    parts = _parts(hint)
    values = members(told, *parts) if is_dataclass(hint) else _expect(isinstance(told, list), told, hint)
    _expect(len(values) == len(parts), told, hint)
    return hint(**{name: from_plain(parts[name], value) for name, value in zip(parts, values, strict=True)})


def _expect(holds: bool, told: Any, hint: Any) -> Any:
    if not holds:
        name = getattr(hint, "__name__", str(hint))
        raise LocalProtocolError(f"a value that is no {name}")
    return told


def _only(hint: Any, inner: tuple[Any, ...]) -> Any:
    """The one type beside ``None``."""
    found = [each for each in inner if each is not type(None)]
    if len(found) != 1:
        raise TypeError(f"which of {hint} stands in a message cannot be told")
    return found[0]


def _to_key(key: Any) -> str:
    return key.name if isinstance(key, Enum) else str(key)


def _from_key(hint: Any, told: Any) -> Any:
    if issubclass(hint, Enum):
        return hint[told] if isinstance(told, str) and told in hint.__members__ else _expect(False, told, hint)
    return _expect(hint is str and isinstance(told, str), told, hint)


@cache
def _parts(hint: Any) -> dict[str, Any]:
    """Name and type of every part of a data class or named tuple.

    :raises TypeError: if it is neither.
    """
    hints = typing.get_type_hints(hint)
    if is_dataclass(hint):
        return {each.name: hints[each.name] for each in fields(hint) if each.init}
    if issubclass(hint, tuple) and hasattr(hint, "_fields"):
        return {name: hints[name] for name in hint._fields}
    raise TypeError(f"nothing of type {hint.__name__} can stand in a message")


def error_to_plain(error: Exception) -> dict[str, Any] | None:
    """An error as it stands in a message; ``None`` for one that nobody has foreseen, which tells nobody anything."""
    if isinstance(error, Closed):
        details = {"request": to_plain(Grant, error.request), "refused": to_plain(Refused, error.refused)}
        return _told("Closed", str(error), **details)
    if isinstance(error, Unlawful):
        told = {"attempt": error.attempt, "state": to_plain(State, error.state)}
        return _told("Unlawful", str(error), **told, refused=to_plain(Refused, error.refused))
    if isinstance(error, CommandRefused):
        command = str(error).removesuffix(f": {meaning(error.sw)} ({error.sw:04X})")
        left = {"left": error.left} if isinstance(error, WrongPin) else {}
        refusal = next(kind for kind in (WrongPin, PinBlocked, CommandRefused) if isinstance(error, kind))
        return _told(refusal.__name__, str(error), command=command, sw=error.sw, **left)
    for kind in type(error).__mro__:
        if TOLD_BY_MESSAGE.get(kind.__name__) is kind:
            return _told(kind.__name__, str(error))
    if isinstance(error, LocalProtocolError):
        return _told("protocol", str(error))
    return _told(error.kind, str(error)) if isinstance(error, LocalError) else None


def _told(kind: str, message: str, **details: Any) -> dict[str, Any]:
    return {"kind": kind, "message": message, "details": details}


def error_from_plain(told: object) -> Exception:
    """The error out of a message: of the class it had, where that is known, else a :class:`LocalError`.

    :raises LocalProtocolError: if what stands there is none.
    """
    kind, message, details = members(told, "kind", "message", "details")
    _expect(isinstance(kind, str) and isinstance(message, str), kind, str)
    if kind == "Closed":
        request, refused = members(details, "request", "refused")
        return Closed(from_plain(Grant, request), from_plain(Refused, refused))
    if kind == "Unlawful":
        attempt, state, refused = members(details, "attempt", "state", "refused")
        return Unlawful(from_plain(str, attempt), from_plain(State, state), from_plain(Refused, refused))
    if kind == "WrongPin":
        command, sw, left = members(details, "command", "sw", "left")
        return WrongPin(from_plain(str, command), from_plain(int, sw), from_plain(int, left))
    if kind in {"PinBlocked", "CommandRefused"}:
        command, sw = members(details, "command", "sw")
        refused_by: type[CommandRefused] = PinBlocked if kind == "PinBlocked" else CommandRefused
        return refused_by(from_plain(str, command), from_plain(int, sw))
    members(details)
    known = TOLD_BY_MESSAGE.get(kind)
    return LocalError(kind, message) if known is None else known(message)
