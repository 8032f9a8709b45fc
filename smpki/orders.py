"""What an administrator orders of a CA: revoke, suspend or lift certificates, or hand gateways to another GWA.

TR-03129-4 2.3.5 and 2.3.7 name both; their encoding is in TR-03109-4 App. C, which is not public, so it is ours: a
JSON object in CMS SignedData with a content type of its own, signed with the sender's SIG key. The time in it keeps
an old order from being sent again: a CA takes none that is older than the last change of what it is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum, unique
from typing import Any, Final

import orjson
from cryptography import x509

from smpki.errors import MessageFormatError
from smpki.messages import Refused, ReturnCode
from smpki.oids import CT_DEVICE_ADMIN, CT_STATUS_CHANGE
from smpki.signed import SignedMessage, Signer, read_signed, sign

MOST_TARGETS: Final = 1000
"""Certificates or gateways in one order at most; ours."""


@unique
class Change(StrEnum):
    """What becomes of a certificate."""

    REVOKE = "revoke"
    """For good (Sperrung)."""
    SUSPEND = "suspend"
    """For the time being (Suspendierung; certificateHold of RFC 5280 5.3.1)."""
    LIFT = "lift"
    """A suspension ends (Desuspendierung)."""


@unique
class Reason(StrEnum):
    """Why a certificate is revoked (RFC 5280 5.3.1). Every revocation has one (TR-03129-4 2.3.5)."""

    KEY_COMPROMISE = "keyCompromise"
    CA_COMPROMISE = "cACompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"
    CERTIFICATE_HOLD = "certificateHold"
    """Stands for a suspension, and for nothing else."""

    @property
    def flag(self) -> x509.ReasonFlags:
        """The same, for :mod:`cryptography`."""
        return x509.ReasonFlags(self.value)


@dataclass(frozen=True, slots=True)
class StatusOrder:
    """Revoke, suspend or lift."""

    change: Change
    """What to do."""
    certificates: tuple[str, ...]
    """Which: fingerprints (SHA-256 of the DER, 64 hexadecimal digits)."""
    reason: Reason | None
    """Why; for a revocation only, and always."""
    time: datetime
    """When it was ordered, UTC."""

    def signed(self, signer: Signer) -> bytes:
        """The order as a signed message."""
        content = {
            "change": self.change,
            "certificates": list(self.certificates),
            "reason": self.reason,
            "time": self.time.astimezone(UTC).isoformat(),
        }
        return sign(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), CT_STATUS_CHANGE, signer)


@dataclass(frozen=True, slots=True)
class AdminOrder:
    """Another GWA takes charge (TR-03129-4 2.3.7)."""

    gateways: tuple[str, ...]
    """Common names, such as ``EXXX0012345678.SMGW``."""
    administrator: str
    """Common name of the GWA to come."""
    time: datetime
    """When it was ordered, UTC."""

    def signed(self, signer: Signer) -> bytes:
        """The order as a signed message."""
        content = {
            "gateways": list(self.gateways),
            "administrator": self.administrator,
            "time": self.time.astimezone(UTC).isoformat(),
        }
        return sign(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), CT_DEVICE_ADMIN, signer)


def read_status_order(data: bytes) -> tuple[StatusOrder, SignedMessage]:
    """Read an order; its signature is for the caller to check.

    :raises Refused: with failure_incorrect_request if it is none.
    """
    content, message = _read(data, CT_STATUS_CHANGE, {"change", "certificates", "reason", "time"})
    try:
        change = Change(content["change"])
        reason = Reason(content["reason"]) if content["reason"] is not None else None
    except ValueError as error:
        raise _incorrect(f"an order with {error}") from error
    if (reason is not None) is not (change is Change.REVOKE) or reason is Reason.CERTIFICATE_HOLD:
        raise _incorrect("a revocation has a reason, which is not certificateHold; a suspension and its end have none")
    return StatusOrder(change, _texts(content["certificates"]), reason, _time(content["time"])), message


def read_admin_order(data: bytes) -> tuple[AdminOrder, SignedMessage]:
    """Read an order; its signature is for the caller to check.

    :raises Refused: with failure_incorrect_request if it is none.
    """
    content, message = _read(data, CT_DEVICE_ADMIN, {"gateways", "administrator", "time"})
    if not isinstance(content["administrator"], str):
        raise _incorrect("an order that names no administrator")
    return AdminOrder(_texts(content["gateways"]), content["administrator"], _time(content["time"])), message


def _read(
    data: bytes, content_type: x509.ObjectIdentifier, members: set[str]
) -> tuple[Mapping[str, Any], SignedMessage]:
    try:
        message = read_signed(data, content_type)
        content = orjson.loads(message.content)
    except (MessageFormatError, orjson.JSONDecodeError) as error:
        raise _incorrect(f"an order cannot be read: {error}") from error
    if not isinstance(content, dict) or set(content) != members:
        raise _incorrect(f"an order has exactly the members {', '.join(sorted(members))}")
    return content, message


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_TARGETS or len(set(map(str, value))) != len(value):
        raise _incorrect(f"an order is about 1 to {MOST_TARGETS} different targets")
    if not all(isinstance(text, str) for text in value):
        raise _incorrect("an order names its targets by texts")
    return tuple(value)


def _time(value: object) -> datetime:
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise _incorrect("an order says when it was given, with zone")
    return time.astimezone(UTC)


def _incorrect(words: str) -> Refused:
    return Refused(ReturnCode.FAILURE_INCORRECT_REQUEST, words)
