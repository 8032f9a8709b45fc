"""Commands: what changes the record. Each is signed by who commands, and asks for nothing but that."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Body, Header, Response
from pydantic import StringConstraints

from lifecycle.canonical import JournalError, decode_signature
from lifecycle.desk import decision_on
from lifecycle.evidence import OpenFault
from lifecycle.facts import Fact
from lifecycle.journal import Kind, SignedEntry, compose, payload_of, read_entry
from lifecycle.law import Attest, Move, Refused, Report, Restore, Step, Unlawful
from lifecycle.parties import PartyError
from lifecycle.roles import Actor, may_sign_for
from lifecycle.service import examples
from lifecycle.service.answers import head_body
from lifecycle.service.core import Reads, Service, ServiceOf
from lifecycle.service.describing import COMMANDING, READING_ONE, answering, failing
from lifecycle.service.models import Accepted, Draft, DraftRequest, SignedCommand
from lifecycle.service.queries import GatewayInPath
from lifecycle.service.registration import register_signed
from lifecycle.states import Event
from lifecycle.store.errors import ConflictError, EntryRefusedError
from lifecycle.store.repository import Appended

router = APIRouter(tags=["commands"])

IdempotencyKey = Annotated[
    Annotated[str, StringConstraints(pattern=r"^[!-~]{1,128}$")] | None,
    Header(
        alias="Idempotency-Key",
        description="Chosen by the caller for one command; with it the command acts once, however often it is sent.",
        examples=["b3BlbiBzbWFydCBtZXRlcg"],
    ),
]

_LOCATION = {"headers": {"Location": {"description": "Where it is kept.", "schema": {"type": "string"}}}}


@router.post(
    "/gateways",
    status_code=201,
    response_model=Accepted,
    summary="Register a gateway",
    operation_id="register_gateway",
    responses={
        201: {**answering(examples.REGISTERED, "Its record has begun."), **_LOCATION},
        200: {
            **answering({**examples.REGISTERED, "repeated": True}, "The same command had begun it."),
            "model": Accepted,
        },
        **failing(*COMMANDING, "gateway-exists"),
    },
)
def register(
    service: ServiceOf,
    command: Annotated[SignedCommand, Body(openapi_examples=examples.REGISTER)],
    response: Response,
    key: IdempotencyKey = None,
) -> Accepted:
    """Begin the record of a gateway, in DEVELOPMENT. Signed by a manufacturer (GWH).

    What is signed are the canonical bytes of `{"command":"register","gateway":…,"nonce":…,"time":…}`: *time* now in UTC
    as the record writes it, *nonce* 16 to 64 letters, digits, `-` or `_`, never used before. The nonce counts as the
    idempotency key where none is sent.
    """
    signature, certificate = _decoded(command)
    kept, repeated = register_signed(service.repository, command.entry.encode(), signature, certificate, key)
    service.live.wake()
    response.status_code = 200 if repeated else 201
    response.headers["Location"] = f"/api/v1/gateways/{kept.gateway}"
    return Accepted(
        gateway=kept.gateway,
        repeated=repeated,
        sequence=0,
        state=kept.standing.state,
        head=head_body(kept.head),
    )


@router.post(
    "/gateways/{gateway}/entries",
    status_code=201,
    response_model=Accepted,
    summary="Record evidence or a fault, or make a transition",
    operation_id="append_entry",
    responses={
        201: {**answering(examples.ACCEPTED, "It is on record, durably."), **_LOCATION},
        200: {
            **answering({**examples.ACCEPTED, "repeated": True}, "The same command had acted before."),
            "model": Accepted,
        },
        **failing(*COMMANDING, "unlawful", "conflict", "unknown-gateway"),
    },
)
def append(
    service: ServiceOf,
    gateway: GatewayInPath,
    command: Annotated[SignedCommand, Body(openapi_examples=examples.COMMANDS)],
    response: Response,
    key: IdempotencyKey = None,
) -> Accepted:
    """Put a signed entry on record: `evidence`, `fault`, `restored` or `transition`, as its kind says.

    It must follow the head (`GET …/head`), and tell of a transition what the law would have it tell;
    `POST …/drafts` composes it.
    """
    signature, certificate = _decoded(command)
    body = command.entry.encode()
    try:
        named = read_entry(body).gateway
    except JournalError as error:
        raise EntryRefusedError(f"no entry: {error}") from error
    if named != gateway:
        raise EntryRefusedError(f"the entry is of gateway {named}, the address of {gateway}")
    signed = SignedEntry(body, hashlib.sha256(body).hexdigest(), signature)
    appended = _append(service, signed, certificate, key)
    service.live.wake()
    response.status_code = 200 if appended.repeated else 201
    response.headers["Location"] = f"/api/v1/gateways/{gateway}/entries/{appended.entry.sequence}"
    return Accepted(
        gateway=gateway,
        repeated=appended.repeated,
        sequence=appended.entry.sequence,
        state=appended.kept.standing.state,
        head=head_body(appended.kept.head),
    )


@router.post(
    "/gateways/{gateway}/drafts",
    response_model=Draft,
    summary="Compose an entry to sign",
    operation_id="draft_entry",
    responses={
        200: answering(examples.DRAFT, "What to sign. Nothing has changed."),
        **failing(*READING_ONE, "entry-refused", "wrong-role", "unlawful", "too-large"),
    },
)
def draft(
    service: ServiceOf,
    _reader: Reads,
    gateway: GatewayInPath,
    wanted: Annotated[DraftRequest, Body(openapi_examples=examples.DRAFTS)],
) -> Draft:
    """The canonical bytes of the entry that would follow the head now, for a client that composes none itself.

    The law is asked at once, as it will be when the entry comes back signed. Sign within five minutes.
    """
    try:
        actor = service.repository.trust.credentials(decode_signature(wanted.certificate)).actor
        step = _step(wanted, actor)
    except (JournalError, PartyError, ValueError) as error:
        raise EntryRefusedError(f"no entry can be drafted: {error}") from error
    if not may_sign_for(actor, gateway):
        raise EntryRefusedError(f"the key of gateway {actor.name!r} signs in its own record only")
    kept = service.repository.kept(gateway)
    decision = decision_on(step, kept.standing, service.repository.law)
    if isinstance(decision, Refused):
        raise Unlawful(step.attempt, kept.standing.state, decision)
    kind, payload = payload_of(step, decision, wanted.detail)
    body = compose(gateway, kept.position, service.repository.clock(), kind, payload, actor)
    return Draft(gateway=gateway, entry=body.decode(), sha256=hashlib.sha256(body).hexdigest())


def _step(wanted: DraftRequest, actor: Actor) -> Step:
    match wanted.kind:
        case Kind.TRANSITION:
            return Move(Event(wanted.what), actor)
        case Kind.EVIDENCE:
            return Attest(Fact(wanted.what), actor)
        case Kind.FAULT:
            return Report(OpenFault(wanted.what, wanted.subject), actor)
        case Kind.RESTORED:
            return Restore(OpenFault(wanted.what, wanted.subject), actor)


def _decoded(command: SignedCommand) -> tuple[bytes, bytes]:
    """Signature and certificate of a command."""
    try:
        return decode_signature(command.signature), decode_signature(command.certificate)
    except JournalError as error:
        raise EntryRefusedError(f"signature or certificate: {error}") from error


def _append(service: Service, signed: SignedEntry, certificate: bytes, key: str | None) -> Appended:
    """Append, and look once more where somebody was first: it may have been this very command, sent twice at once."""
    try:
        return service.repository.append(signed, certificate, key=key)
    except ConflictError:
        return service.repository.append(signed, certificate, key=key)
