"""What a request finds in the service: the record, the readers, who verifies and who listens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from lifecycle.service.live import Broker
from lifecycle.service.problems import ProblemError
from lifecycle.service.readers import Reader, Readers
from lifecycle.service.sessions import Sessions, cookie_of
from lifecycle.service.verifying import Verifier
from lifecycle.store.repository import Repository

_REALM = 'Bearer realm="smgw"'


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of a running service.

    :ivar repository: the record.
    :ivar readers: who may read.
    :ivar sessions: who is signed in to the cockpit.
    :ivar verifier: replays chains.
    :ivar live: tells listeners of changes.
    :ivar sign_in_by_link: whether a token in the address signs in, as ``smgw serve --dev`` has it.
    """

    repository: Repository
    readers: Readers
    sessions: Sessions
    verifier: Verifier
    live: Broker
    sign_in_by_link: bool


def service_of(request: Request) -> Service:
    """The service that a request reached."""
    service = request.app.state.service
    assert isinstance(service, Service)  # noqa: S101  create_app puts it there
    return service


ServiceOf = Annotated[Service, Depends(service_of)]

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="reader",
    description="A reader's token, as 'smgw reader create' or 'smgw serve --dev' prints it (RFC 6750).",
)
"""The scheme as OpenAPI tells it; :func:`reader_of` asks for it, and answers as RFC 6750 has it."""


Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]


def reader_of(service: ServiceOf, shown: Bearer) -> Reader:
    """Who reads, by bearer token.

    :raises ProblemError: if there is no token, or none that is good.
    """
    if shown is None:
        raise ProblemError("credential-needed", "no bearer token was sent", {"WWW-Authenticate": _REALM})
    reader = service.readers.find(shown.credentials)
    if reader is None:
        challenge = f'{_REALM}, error="invalid_token", error_description="unknown or expired"'
        raise ProblemError("credential-needed", "the token is unknown or has expired", {"WWW-Authenticate": challenge})
    return reader


def listener_of(request: Request, service: ServiceOf, shown: Bearer) -> Reader:
    """Who listens: by the cockpit's cookie or, like all else that reads, by bearer token.

    :raises ProblemError: if there is neither.
    """
    return service.sessions.reader(cookie_of(request)) or reader_of(service, shown)


Reads = Annotated[Reader, Depends(reader_of)]
Listens = Annotated[Reader, Depends(listener_of)]
