"""Questions: does the record hold, what may happen next, what is open to whom, and what is the law."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query
from pydantic import AfterValidator, StringConstraints, WithJsonSchema

from lifecycle.canonical import JournalError
from lifecycle.chains import Break, BreakKind
from lifecycle.functions import Credential, Function, Interface
from lifecycle.gate import Gate, Open
from lifecycle.head import head_of
from lifecycle.law import Standing
from lifecycle.phases import Grant
from lifecycle.render.document import document
from lifecycle.roles import Role
from lifecycle.service import examples
from lifecycle.service.answers import break_body, exit_body, grant_body, reason_bodies, verdict_body
from lifecycle.service.core import Reads, Service, ServiceOf
from lifecycle.service.describing import READING, READING_ONE, answering, failing
from lifecycle.service.insight import gate_now, grants_now, ways_out
from lifecycle.service.models import (
    Exits,
    GateAnswer,
    GateBody,
    HeadCheck,
    HeadToVerify,
    VerdictBody,
)
from lifecycle.service.queries import GatewayInPath
from lifecycle.store.errors import UnreadableStateError

router = APIRouter()

_RFC3339: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:)([0-9]{2})(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)


def read_moment(text: str) -> datetime:
    """A moment as RFC 3339 has it.

    :raises ValueError: if the text is none.
    """
    parts = _RFC3339.fullmatch(text)
    if parts is None:
        raise ValueError("no time as RFC 3339 has it, such as 2026-03-02T10:31:07+01:00")
    day, clock, seconds, fraction, zone = parts.groups()
    # A leap second is told as the last moment before it: the record counts none.
    seconds, fraction = ("59", ".999999") if seconds == "60" else (seconds, (fraction or ".0")[:7])
    zone = "+00:00" if zone in {"Z", "z"} else zone
    moment = datetime.fromisoformat(f"{day}T{clock}{seconds}{fraction.ljust(7, '0')}{zone}")
    try:
        return max(moment.astimezone(UTC), _EARLIEST)
    except OverflowError:  # at either end of the calendar, beyond it in UTC
        return _EARLIEST if moment.year < _EARLIEST.year else _LATEST


def _checked_moment(text: str) -> str:
    read_moment(text)
    return text


Moment = Annotated[
    str,
    StringConstraints(max_length=40),
    AfterValidator(_checked_moment),
    WithJsonSchema({"type": "string", "format": "date-time", "maxLength": 40}),
]


@router.get(
    "/gateways/{gateway}/replay",
    response_model=VerdictBody,
    summary="Replay the record",
    operation_id="replay_record",
    tags=["record"],
    responses={
        200: answering(examples.VERDICT, "What was found; `break` says where the record first breaks."),
        **failing(*READING_ONE),
    },
)
async def replay_record(
    service: ServiceOf,
    _reader: Reads,
    gateway: GatewayInPath,
    until: Annotated[
        int | None, Query(ge=0, le=2**31 - 1, description="The gateway as it was after this entry.", examples=[12])
    ] = None,
    at: Annotated[
        Moment | None,
        Query(
            description="The gateway as it was then (RFC 3339); `until` goes first.", examples=["2026-03-02T12:00:00Z"]
        ),
    ] = None,
) -> VerdictBody:
    """Fold the record through the law again: structure, chain, time, certificates, roles, law, signatures, head.

    `200` also where the record is broken: that is the answer. What comes after `until` or `at` is not looked at.
    """
    moment = read_moment(at) if at is not None else None
    return verdict_body(await service.verifier.verdict(gateway, until if until is not None else moment))


@router.post(
    "/gateways/{gateway}/head/verification",
    response_model=HeadCheck,
    summary="Verify a head that somebody kept",
    operation_id="verify_head",
    tags=["record"],
    responses={
        200: answering(examples.HEAD_CHECK, "Whether the chain still reaches it."),
        **failing(*READING_ONE, "too-large"),
    },
)
async def verify_head(
    service: ServiceOf,
    _reader: Reads,
    gateway: GatewayInPath,
    head: Annotated[
        HeadToVerify,
        Body(openapi_examples={"kept": {"summary": "A head as it was given", "value": examples.HEAD}}),
    ],
) -> HeadCheck:
    """Replay the chain and see whether it reaches this head: it does not when its tail was cut or it was rewritten."""
    broken: Break | None
    try:
        kept_elsewhere = head_of(head.model_dump())
    except JournalError as error:
        await service.verifier.chain(gateway)  # an unknown gateway is told first
        broken = Break(head.seq, BreakKind.FLIPPED_BIT, f"the head: {error}")
    else:
        broken = await service.verifier.reaches(gateway, kept_elsewhere)
    return HeadCheck.model_validate({"gateway": gateway, "reached": broken is None, "break": break_body(broken)})


@router.get(
    "/gateways/{gateway}/exits",
    response_model=Exits,
    summary="What each way out still lacks",
    operation_id="list_exits",
    tags=["law"],
    responses={200: answering(examples.EXITS, "Every way out of the phase."), **failing(*READING_ONE)},
)
def list_exits(service: ServiceOf, _reader: Reads, gateway: GatewayInPath) -> Exits:
    """Every way out of the phase in which the gateway is, and the law's reasons against it now."""
    law = service.repository.law
    standing = service.repository.kept(gateway).standing
    return Exits(gateway=gateway, state=standing.state, exits=[exit_body(way, law) for way in ways_out(standing, law)])


@router.get(
    "/gateways/{gateway}/gate",
    response_model=GateBody,
    summary="What is open to whom",
    operation_id="get_gate",
    tags=["law"],
    responses={200: answering(examples.GATE, "Everything that the state grants."), **failing(*READING_ONE)},
)
def get_gate(service: ServiceOf, _reader: Reads, gateway: GatewayInPath) -> GateBody:
    """The gate of a gateway as a table. What is not in it is off; what is in it may be off by a fault or a fact."""
    standing, gate = _gate(service, gateway)
    grants = grants_now(standing, gate, service.repository.law) if standing is not None else []
    return GateBody(
        gateway=gateway,
        state=standing.state if standing is not None else None,
        shut=str(gate.shut) if gate.shut is not None else None,
        grants=[grant_body(granted) for granted in grants],
    )


@router.get(
    "/gateways/{gateway}/gate/answer",
    response_model=GateAnswer,
    summary="Ask the gate",
    operation_id="ask_gate",
    tags=["law"],
    responses={
        200: answering(examples.GATE_ANSWER, "Yes or no, and why not."),
        **failing(*READING_ONE),
    },
)
def ask_gate(
    service: ServiceOf,
    _reader: Reads,
    gateway: GatewayInPath,
    role: Annotated[Role, Query(examples=["GWA"])],
    interface: Annotated[Interface, Query(examples=["WAN_ADMIN"])],
    function: Annotated[Function, Query(examples=["administration:manage-profiles"])],
    credential: Annotated[Credential, Query(examples=["GWA_CERTIFICATE"])],
    subject: Annotated[
        str | None,
        Query(
            max_length=64, description="The consumer concerned, where a fault concerns some.", examples=["consumer-7"]
        ),
    ] = None,
) -> GateAnswer:
    """May this role do this function, over this interface, with this credential, now? `200` for yes and for no."""
    _, gate = _gate(service, gateway)
    answer = gate.ask(Grant(role, interface, function, credential), subject)
    if isinstance(answer, Open):
        return GateAnswer(gateway=gateway, open=True, chapter=answer.chapter, reasons=[])
    return GateAnswer(gateway=gateway, open=False, chapter=None, reasons=reason_bodies(answer.reasons))


def _gate(service: Service, gateway: str) -> tuple[Standing | None, Gate]:
    """The gate of a gateway, and the standing that it is of where that can be read."""
    standing: Standing | None
    try:
        standing = service.repository.kept(gateway).standing
    except UnreadableStateError:
        standing = None
    broken = service.verifier.known_broken(gateway)
    return standing, gate_now(standing, broken=broken, law=service.repository.law)


@router.get(
    "/law",
    response_model=dict[str, list[dict[str, Any]]],
    summary="The law itself",
    operation_id="get_law",
    tags=["law"],
    responses={
        200: answering(
            {"states": [{"id": "OPERATION", "chapter": 11, "name_de": "Betrieb"}], "transitions": []},
            "States, transitions, conditions, facts, faults and roles, each with its chapter.",
        ),
        **failing(*READING),
    },
)
def get_law(service: ServiceOf, _reader: Reads) -> dict[str, list[dict[str, Any]]]:
    """The law as this service holds it: the same as `smgw phases --format json` prints."""
    return document(service.repository.law)
