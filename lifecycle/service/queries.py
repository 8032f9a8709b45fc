"""Queries of the record: the fleet, one gateway, its entries and certificates, and its chain as a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import StringConstraints

from lifecycle.chains import Chain
from lifecycle.head import entry_line, header_line
from lifecycle.journal import SignedEntry
from lifecycle.service import examples
from lifecycle.service.answers import certificate_body, entry_body, gateway_body, head_body, listed_body
from lifecycle.service.core import Reads, Service, ServiceOf
from lifecycle.service.describing import READING, READING_ONE, answering, failing
from lifecycle.service.models import (
    CertificateBody,
    CertificateList,
    EntryBody,
    EntryPage,
    Fingerprint,
    FleetPage,
    GatewayBody,
    GatewayId,
    HeadBody,
)
from lifecycle.service.problems import ProblemError
from lifecycle.states import State
from lifecycle.store.errors import UnknownGatewayError
from lifecycle.store.views import ends, fleet, page

router = APIRouter(tags=["record"])

GatewayInPath = Annotated[GatewayId, Path(description="DIN 43863-5", examples=[examples.GATEWAY])]
PageSize = Annotated[int, Query(ge=1, le=200, description="How many at most.", examples=[50])]
_SEQUENCE_MOST = 2**31 - 1
NDJSON = "application/x-ndjson"


@router.get(
    "/gateways",
    response_model=FleetPage,
    summary="The fleet",
    operation_id="list_gateways",
    responses={
        200: answering(examples.FLEET, "A page of gateways, and counts of all of them."),
        **failing(*READING, "invalid-request"),
    },
)
def list_gateways(
    service: ServiceOf,
    _reader: Reads,
    state: Annotated[State | None, Query(description="Only those in this state.", examples=["OPERATION"])] = None,
    containing: Annotated[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{0,14}$")],
        Query(description="Only those whose identification has this in it.", examples=["0012"]),
    ] = "",
    after: Annotated[GatewayId | None, Query(description="Only those behind this one.")] = None,
    limit: PageSize = 50,
) -> FleetPage:
    """Gateways in the order of their identifications, and how many there are in each state."""
    repository = service.repository
    figures = fleet(repository)
    found = page(repository, state=state, containing=containing.upper(), after=after or "", limit=limit + 1)
    return FleetPage(
        counts=dict(figures.counts),
        unreadable=figures.unreadable,
        total=figures.total,
        gateways=[listed_body(listed, repository.law) for listed in found[:limit]],
        next=found[limit - 1].gateway if len(found) > limit else None,
    )


@router.get(
    "/gateways/{gateway}",
    response_model=GatewayBody,
    summary="One gateway",
    operation_id="get_gateway",
    responses={200: answering(examples.ONE_GATEWAY, "Where it is in its life."), **failing(*READING_ONE)},
)
def get_gateway(service: ServiceOf, _reader: Reads, gateway: GatewayInPath) -> GatewayBody:
    """Where a gateway is in its life, what is on record of it, and the signed head of its chain."""
    return gateway_body(service.repository.kept(gateway), service.repository.law)


@router.get(
    "/gateways/{gateway}/head",
    response_model=HeadBody,
    summary="The signed head",
    operation_id="get_head",
    responses={200: answering(examples.HEAD, "The end of the chain, signed by its keeper."), **failing(*READING_ONE)},
)
def get_head(service: ServiceOf, _reader: Reads, gateway: GatewayInPath) -> HeadBody:
    """The end of the chain. Keep it: with it, a cut tail or a restored backup shows (`POST …/head/verification`)."""
    return head_body(service.repository.kept(gateway).head)


@router.get(
    "/gateways/{gateway}/entries",
    response_model=EntryPage,
    summary="The record, page by page",
    operation_id="list_entries",
    responses={200: answering(examples.ENTRIES, "Entries in order."), **failing(*READING_ONE)},
)
def list_entries(
    service: ServiceOf,
    _reader: Reads,
    gateway: GatewayInPath,
    after: Annotated[
        int, Query(ge=0, le=_SEQUENCE_MOST, description="Only those behind this sequence.", examples=[0])
    ] = 0,
    limit: PageSize = 50,
) -> EntryPage:
    """Entries as they were signed: canonical bytes, hash, signature."""
    end = _length(service, gateway)
    found = service.repository.entries(gateway, after=after, limit=limit)
    last = after + len(found)
    return EntryPage(
        gateway=gateway,
        entries=[entry_body(signed) for signed in found],
        next=last if found and last < end else None,
    )


@router.get(
    "/gateways/{gateway}/entries/{sequence}",
    response_model=EntryBody,
    summary="One entry",
    operation_id="get_entry",
    responses={
        200: answering(examples.ENTRY, "The entry as it was signed."),
        **failing(*READING_ONE, "unknown-entry"),
    },
)
def get_entry(
    service: ServiceOf,
    _reader: Reads,
    gateway: GatewayInPath,
    sequence: Annotated[int, Path(ge=1, le=_SEQUENCE_MOST, description="From 1.", examples=[1])],
) -> EntryBody:
    """One entry as it was signed."""
    end = _length(service, gateway)
    found = service.repository.entries(gateway, after=sequence - 1, limit=1) if sequence <= end else []
    if not found:
        raise ProblemError("unknown-entry", f"the chain of {gateway} ends at entry {end}")
    return entry_body(found[0])


def _length(service: Service, gateway: str) -> int:
    """How long a chain is, whatever its stored state says."""
    length = ends(service.repository, [gateway]).get(gateway)
    if length is None:
        raise UnknownGatewayError(f"no record is kept of gateway {gateway}")
    return length


@router.get(
    "/gateways/{gateway}/certificates",
    response_model=CertificateList,
    summary="Whose signatures are in the chain",
    operation_id="list_certificates",
    responses={
        200: answering(examples.CERTIFICATES, "Certificates of all who signed, and of the keeper."),
        **failing(*READING_ONE),
    },
)
async def list_certificates(service: ServiceOf, _reader: Reads, gateway: GatewayInPath) -> CertificateList:
    """The certificates that lie beside the chain."""
    chain = await service.verifier.chain(gateway)
    trust = service.repository.trust
    bodies = [certificate_body(der, trust) for _, der in sorted(chain.certificates.items())]
    return CertificateList(gateway=gateway, certificates=bodies)


@router.get(
    "/certificates/{fingerprint}",
    response_model=CertificateBody,
    summary="One certificate",
    operation_id="get_certificate",
    responses={
        200: answering(examples.CERTIFICATE, "The certificate, and whom it speaks for."),
        **failing(*READING, "unknown-certificate", "invalid-request"),
    },
)
def get_certificate(
    service: ServiceOf,
    _reader: Reads,
    fingerprint: Annotated[
        Fingerprint, Path(description="SHA-256 of its DER, hexadecimal.", examples=[examples.FINGERPRINT])
    ],
) -> CertificateBody:
    """A certificate by its fingerprint, as entries and heads name it."""
    der = service.repository.certificate(fingerprint)
    if der is None:
        raise ProblemError("unknown-certificate", f"no certificate {fingerprint[:16]}… is kept")
    return certificate_body(der, service.repository.trust)


_EXPORTED: dict[int | str, dict[str, Any]] = {
    200: answering(examples.EXPORT, "First head and certificates, then an entry a line.", NDJSON)
}


@router.get(
    "/gateways/{gateway}/export",
    response_class=StreamingResponse,
    summary="The chain as a file",
    operation_id="export_chain",
    responses={**_EXPORTED, **failing(*READING_ONE)},
)
async def export_chain(service: ServiceOf, _reader: Reads, gateway: GatewayInPath) -> StreamingResponse:
    """The chain as JSON lines, as `smgw journal import` and `smgw replay` take it."""
    chain = await service.verifier.chain(gateway)
    name = f'attachment; filename="{gateway}.jsonl"'
    return StreamingResponse(_lines(chain), media_type=NDJSON, headers={"Content-Disposition": name})


def _lines(chain: Chain) -> Iterator[bytes]:
    head = chain.head
    if head is not None:
        yield header_line(head, chain.certificates.values()) + b"\n"
    for line in chain.lines:
        yield (entry_line(line) if isinstance(line, SignedEntry) else line) + b"\n"
