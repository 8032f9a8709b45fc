"""Registering a gateway by a signed command: canonical bytes, as with entries, though no entry comes of it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

import orjson

from lifecycle.canonical import JournalError, canonical, format_time, parse_time
from lifecycle.journal import check_gateway_id
from lifecycle.law import Reason, Refused, Unlawful, in_words
from lifecycle.parties import PartyError
from lifecycle.roles import Role
from lifecycle.states import State
from lifecycle.store.errors import EntryRefusedError, GatewayExistsError
from lifecycle.store.repository import TOLERANCE, Repository
from lifecycle.store.rows import Kept

REGISTERS: Final = Role.GWH
"""Who begins a gateway's life (ch. 2)."""

_NAMES: Final = {"command", "gateway", "nonce", "time"}
_NONCE: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")


def registration(gateway: str, time: str, nonce: str) -> bytes:
    """The bytes to sign.

    :param time: now, as the record writes times.
    :param nonce: 16 to 64 letters, digits, ``-`` or ``_``, never used before.
    """
    return canonical({"command": "register", "gateway": gateway, "nonce": nonce, "time": time})


def register_signed(
    repository: Repository,
    body: bytes,
    signature: bytes,
    certificate: bytes,
    key: str | None,
    tolerance: timedelta = TOLERANCE,
) -> tuple[Kept, bool]:
    """Begin the record that a signed registration asks for.

    :returns: what is kept, and whether the same command had begun it before.
    :raises EntryRefusedError: if it is not believed.
    :raises Unlawful: if somebody else than a manufacturer signed it.
    :raises GatewayExistsError: if there is a record already.
    :raises lifecycle.store.errors.IdempotencyError: if the key was used for something else.
    """
    gateway, nonce = _verified(repository, body, signature, certificate, tolerance)
    actor = repository.trust.credentials(certificate).actor
    key = key or f"nonce:{nonce}"
    try:
        return repository.register_once(gateway, by=actor.certificate, key=key)
    except GatewayExistsError:
        # It may have been this very command, sent twice at once; then it is known now.
        return repository.register_once(gateway, by=actor.certificate, key=key)


def _verified(
    repository: Repository, body: bytes, signature: bytes, certificate: bytes, tolerance: timedelta
) -> tuple[str, str]:
    """Gateway and nonce of a registration whose signature, time and signer are good."""
    try:
        gateway, nonce, time = _read(body)
        credentials = repository.trust.credentials(certificate)
    except JournalError as error:
        raise EntryRefusedError(f"no registration: {error}") from error
    except PartyError as error:
        raise EntryRefusedError(f"the signer's certificate: {error}") from error
    actor = credentials.actor
    if not credentials.verifies(signature, body):
        raise EntryRefusedError(f"the signature of {actor.name!r} does not fit the registration")
    if not credentials.not_before <= time <= credentials.not_after:
        raise EntryRefusedError(f"the certificate of {actor.name!r} is not valid at {format_time(time)}")
    now = repository.clock()
    if abs(time - now) > tolerance:
        raise EntryRefusedError(
            f"signed at {format_time(time)}, received at {format_time(now)}: "
            f"more than {tolerance.total_seconds():.0f} s apart"
        )
    if actor.role is not REGISTERS:
        reason = Reason("acting-role", str(REGISTERS), in_words(actor), "2")
        raise Unlawful(f"registering {gateway} by {in_words(actor)}", State.DEVELOPMENT, Refused((reason,)))
    return gateway, nonce


def _read(body: bytes) -> tuple[str, str, datetime]:
    """Gateway, nonce and time of a registration, strictly."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise JournalError(f"no JSON: {error}") from error
    if not isinstance(told, dict) or told.keys() != _NAMES or canonical(told) != body:
        raise JournalError(f"it has just the members {', '.join(sorted(_NAMES))}, in canonical form")
    gateway, nonce, time = told["gateway"], told["nonce"], told["time"]
    if not (isinstance(gateway, str) and isinstance(nonce, str) and isinstance(time, str)):
        raise JournalError("its members are texts")
    if told["command"] != "register" or not _NONCE.fullmatch(nonce):
        raise JournalError("its command is 'register', its nonce 16 to 64 letters, digits, '-' or '_'")
    return check_gateway_id(gateway), nonce, parse_time(time)
