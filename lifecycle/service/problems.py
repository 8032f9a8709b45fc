"""Problem details (RFC 9457): every error of the service, by name, with its status and what it means.

:data:`PROBLEMS` is the one table: the handlers answer from it, OpenAPI and the page ``/problems`` are made from it.
A refusal has changed nothing, whatever its status; ``4xx`` says so by contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import orjson
from fastapi import Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from lifecycle.law import Reason, Unlawful
from lifecycle.store.errors import (
    ConflictError,
    EntryRefusedError,
    GatewayExistsError,
    IdempotencyError,
    StoreError,
    UnknownGatewayError,
    UnreadableStateError,
)

MEDIA_TYPE: Final = "application/problem+json"
RETRY_SECONDS: Final = 5
"""After how long a caller may try again when the service is busy."""


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One kind of error.

    :ivar name: its anchor on the page of problems, part of ``type``.
    :ivar status: HTTP status.
    :ivar title: short, the same for every occurrence.
    :ivar meaning: what it means and what helps.
    """

    name: str
    status: int
    title: str
    meaning: str

    @property
    def type(self) -> str:
        """The URI reference that identifies it."""
        return f"/problems#{self.name}"


_KINDS = (
    ProblemKind(
        "credential-needed",
        401,
        "A reader's credential is needed",
        "Reading takes a bearer token (RFC 6750) that is known and has not expired. "
        "The operator makes one with 'smgw reader create'.",
    ),
    ProblemKind(
        "entry-refused",
        403,
        "The signed command is not believed",
        "It is no entry in canonical form, or not this gateway's; or its signature, its certificate, the name and "
        "role in it or its time are not what they must be. Read the head, compose and sign again.",
    ),
    ProblemKind(
        "wrong-role",
        403,
        "This party may not do this",
        "The signature is good, but the law gives this to other roles. The reasons name them.",
    ),
    ProblemKind(
        "cross-site",
        403,
        "A request from another site",
        "Signing in and out is possible from the cockpit's own pages only.",
    ),
    ProblemKind("not-found", 404, "There is nothing here", "No such address."),
    ProblemKind("unknown-gateway", 404, "No record is kept of this gateway", "Register it first."),
    ProblemKind("unknown-entry", 404, "There is no such entry", "The chain is shorter."),
    ProblemKind("unknown-certificate", 404, "There is no such certificate", "None with this fingerprint is kept."),
    ProblemKind("method-not-allowed", 405, "Not with this method", "The header Allow names the methods there are."),
    ProblemKind(
        "unlawful",
        409,
        "The law refuses this now",
        "The gateway's state or what is on record of it does not allow it (TR-03109-1 Anlage VIII). Each reason names "
        "the condition, what was found and the chapter. When they are met, sign again.",
    ),
    ProblemKind(
        "conflict",
        409,
        "Somebody else was first",
        "The entry does not follow the end of the chain. Read the head, decide and sign again.",
    ),
    ProblemKind(
        "state-unreadable",
        409,
        "What is stored of this gateway makes no sense",
        "Somebody else has written to the database. Nothing is open and nothing is taken; replay says where it breaks.",
    ),
    ProblemKind("gateway-exists", 409, "This gateway has a record already", "A life begins once."),
    ProblemKind(
        "idempotency-key-reused",
        409,
        "The idempotency key was used for something else",
        "A key belongs to one command of one party. Take a new one.",
    ),
    ProblemKind("too-large", 413, "The request is too large", "No command of this service needs that much."),
    ProblemKind(
        "invalid-request",
        422,
        "The request is not formed as the API says",
        "Each error names the place and what is wrong there. The OpenAPI description is at /api/v1/openapi.json.",
    ),
    ProblemKind(
        "internal-error",
        500,
        "The service has failed",
        "This is a defect of the service. The operator finds it in the log under the identifier in 'instance'.",
    ),
    ProblemKind(
        "busy", 503, "The service is busy", "Its database does not answer, or too many listen. Try again soon."
    ),
)
PROBLEMS: Final[Mapping[str, ProblemKind]] = {kind.name: kind for kind in _KINDS}
"""Every kind of error by name."""


class ProblemError(Exception):
    """An error of the service's own.

    :ivar kind: which.
    :ivar detail: what happened this time.
    :ivar headers: headers that the answer needs.
    """

    def __init__(self, name: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.kind = PROBLEMS[name]
        self.detail = detail
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One error as it happened.

    :ivar kind: which.
    :ivar detail: what happened.
    :ivar members: members of its own, such as ``reasons``.
    :ivar headers: headers that the answer needs.
    """

    kind: ProblemKind
    detail: str
    members: Mapping[str, Any]
    headers: Mapping[str, str]

    def told(self, instance: str) -> dict[str, Any]:
        """The problem details object."""
        return {
            "type": self.kind.type,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "instance": instance,
            **self.members,
        }


def reason_told(reason: Reason) -> dict[str, str]:
    """A reason of the law as JSON."""
    return {
        "condition": reason.condition,
        "needed": reason.needed,
        "found": reason.found,
        "chapter": reason.chapter,
    }


def occurrence_of(error: Exception) -> Occurrence:
    """What an exception is to the caller. What nobody expected is told without its inside."""
    headers: Mapping[str, str] = {}
    members: Mapping[str, Any] = {}
    detail = str(error)
    match error:
        case ProblemError():
            name, detail, headers = error.kind.name, error.detail, error.headers
        case Unlawful():
            wrong_role = any(reason.condition == "acting-role" for reason in error.refused.reasons)
            name = "wrong-role" if wrong_role else "unlawful"
            members = {"reasons": [reason_told(reason) for reason in error.refused.reasons]}
        case RequestValidationError():
            name, detail = "invalid-request", "the request does not fit the API's description"
            # What was sent is not sent back: it may hold what should not lie in a log.
            members = {
                "errors": [
                    {"at": ".".join(map(str, wrong["loc"])), "message": str(wrong["msg"])} for wrong in error.errors()
                ]
            }
        case HTTPException():
            name, detail, headers = _of_http(error)
        case OperationalError() | InterfaceError() | PoolTimeoutError():
            name, detail, headers = "busy", "the database does not answer", {"Retry-After": str(RETRY_SECONDS)}
        case StoreError() if type(error) in _STORE_ERRORS:
            name = _STORE_ERRORS[type(error)]
        case _:
            name, detail = "internal-error", "the service has failed; nothing is known of the command"
    return Occurrence(PROBLEMS[name], detail, members, headers)


_STORE_ERRORS: Final[Mapping[type[StoreError], str]] = {
    UnknownGatewayError: "unknown-gateway",
    GatewayExistsError: "gateway-exists",
    ConflictError: "conflict",
    IdempotencyError: "idempotency-key-reused",
    EntryRefusedError: "entry-refused",
    UnreadableStateError: "state-unreadable",
}


def _of_http(error: HTTPException) -> tuple[str, str, Mapping[str, str]]:
    named = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}.get(error.status_code)
    if named is None:
        # The framework's own: a body that cannot be read at all, and the like.
        named = "invalid-request" if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR else "internal-error"
    return named, PROBLEMS[named].meaning if named != "invalid-request" else str(error.detail), error.headers or {}


def problem_response(occurrence: Occurrence, instance: str) -> Response:
    """The answer that tells a problem.

    :param instance: which occurrence it was: the path asked for, or the identifier in the log.
    """
    return Response(
        orjson.dumps(occurrence.told(instance)),
        status_code=occurrence.kind.status,
        media_type=MEDIA_TYPE,
        headers=dict(occurrence.headers),
    )
