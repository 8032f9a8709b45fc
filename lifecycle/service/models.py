"""What goes over the wire, typed: the requests that are taken and the answers that are given."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from lifecycle.canonical import MAX_INTEGER, TIME_FORM
from lifecycle.facts import Fact
from lifecycle.functions import Credential, Function, Interface
from lifecycle.journal import GATEWAY_ID, MAX_ENTRY_BYTES, Kind
from lifecycle.phases import Advice
from lifecycle.roles import Role
from lifecycle.states import Event, Place, State

_BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"

_GATEWAY = f"^{GATEWAY_ID.pattern}$"
_HASH = r"^[0-9a-f]{64}$"
_TIME = f"^{TIME_FORM.pattern}$"

GatewayId = Annotated[str, StringConstraints(pattern=_GATEWAY, max_length=14)]
Fingerprint = Annotated[str, StringConstraints(pattern=_HASH, max_length=64)]
Time = Annotated[str, StringConstraints(pattern=_TIME, max_length=27)]

# What is told comes from the record and is told as it lies there, be it damaged; the form is described, not checked.
ToldGatewayId = Annotated[str, WithJsonSchema({"type": "string", "pattern": _GATEWAY})]
ToldHash = Annotated[str, WithJsonSchema({"type": "string", "pattern": _HASH})]
ToldCounter = Annotated[Any, WithJsonSchema({"type": "integer"})]
ToldTime = Annotated[str, WithJsonSchema({"type": "string", "pattern": _TIME})]

Signature = Annotated[str, StringConstraints(pattern=_BASE64, min_length=4, max_length=128)]
CertificateDer = Annotated[str, StringConstraints(pattern=_BASE64, min_length=4, max_length=8192)]
CanonicalText = Annotated[str, StringConstraints(pattern=r"^\{", min_length=2, max_length=MAX_ENTRY_BYTES)]


def _whole(value: Any) -> Any:
    """JSON knows one kind of number, so 7.0 is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_AsWhole = BeforeValidator(_whole)


class Request(BaseModel):
    """A request body: exactly the members that are described."""

    model_config = ConfigDict(extra="forbid", strict=True)


class SignedCommand(Request):
    """A command: canonical bytes, the signature of who commands, and its certificate."""

    entry: CanonicalText = Field(
        description="The journal entry (or the registration) in its canonical bytes, RFC 8785, as text: what is signed."
    )
    signature: Signature = Field(description="ECDSA P-256 with SHA-256 over those bytes, DER, Base64.")
    certificate: CertificateDer = Field(description="The signer's certificate from the operations CA, DER, Base64.")


_DetailName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=32)]
_DetailText = Annotated[str, StringConstraints(max_length=128)]
_DetailNumber = Annotated[int, Field(ge=-MAX_INTEGER, le=MAX_INTEGER), _AsWhole]
# Said in full, for a pattern of names alone would let any other name pass.
_DETAIL_SCHEMA = {
    "type": "object",
    "maxProperties": 16,
    "propertyNames": {"pattern": r"^[a-z][a-z0-9_]*$", "maxLength": 32},
    "additionalProperties": {
        "anyOf": [
            {"type": "string", "maxLength": 128},
            {"type": "integer", "minimum": -MAX_INTEGER, "maximum": MAX_INTEGER},
            {"type": "boolean"},
            {"type": "null"},
        ]
    },
}
_Detail = Annotated[
    dict[_DetailName, _DetailText | _DetailNumber | bool | None],
    Field(max_length=16),
    WithJsonSchema(_DETAIL_SCHEMA),
]


class DraftRequest(Request):
    """What an entry is to tell: just one of event, fact and fault, as its kind asks."""

    kind: Annotated[Kind, Field(strict=False)] = Field(description="What the entry tells.")
    what: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$", max_length=64)] = Field(
        description="The event of a transition, the fact of evidence, or the name of the fault reported or restored."
    )
    certificate: CertificateDer = Field(description="Certificate of who will sign, DER, Base64.")
    subject: Annotated[str, StringConstraints(max_length=64)] = Field(
        "", description="The consumer concerned, where a fault concerns one consumer."
    )
    detail: _Detail = Field(default_factory=dict, description="Anything else worth recording.")


class Draft(BaseModel):
    """An entry to sign. Drafting it has changed nothing."""

    gateway: ToldGatewayId
    entry: str = Field(description="Sign exactly the UTF-8 bytes of this text and send it back unchanged.")
    sha256: ToldHash = Field(description="SHA-256 of these bytes: the hash that the entry will have.")


class HeadBody(BaseModel):
    """The end of a chain, signed by its keeper."""

    format: str
    gateway: ToldGatewayId
    seq: int
    hash: ToldHash
    counter: ToldCounter
    time: ToldTime
    certificate: ToldHash
    signature: str


class HeadToVerify(Request):
    """A head that somebody kept, as the service gave it."""

    format: Annotated[str, StringConstraints(pattern=r"^smgw-head/1$")]
    gateway: GatewayId
    seq: Annotated[int, Field(ge=0, le=2**31 - 1), _AsWhole]
    hash: Fingerprint
    counter: Annotated[int, Field(ge=0, le=MAX_INTEGER), _AsWhole]
    time: Time
    certificate: Fingerprint
    signature: Signature


class OpenFaultBody(BaseModel):
    """A fault that is open."""

    name: str
    name_de: str
    subject: str


class Summary(BaseModel):
    """One gateway in a list."""

    gateway: ToldGatewayId
    state: State | None = Field(description="Null where what is stored makes no sense; replay says more.")
    name_de: str | None
    chapter: int | None
    entries: int | None
    last_entry: ToldTime | None
    open_faults: list[OpenFaultBody]


class FleetPage(BaseModel):
    """A page of the fleet, and how many gateways are in each state."""

    counts: dict[State, int] = Field(description="States without any gateway are left out.")
    unreadable: int = Field(description="Gateways of which the stored state makes no sense.")
    total: int
    gateways: list[Summary]
    next: ToldGatewayId | None = Field(description="Ask again with after=this for the next page; null at the end.")


class GatewayBody(Summary):
    """One gateway."""

    place: Place | None
    responsible: Role | None
    functionality: str
    facts: list[Fact]
    head: HeadBody


class Accepted(BaseModel):
    """What became of a command."""

    gateway: ToldGatewayId
    repeated: bool = Field(description="Whether the command had acted before, so that nothing was done now.")
    sequence: int = Field(description="Sequence of the entry that the command became; 0 for a registration.")
    state: State = Field(description="Where the gateway is now.")
    head: HeadBody


class EntryBody(BaseModel):
    """One entry, as it was signed."""

    entry: str = Field(description="The canonical bytes as text: what is hashed and signed.")
    hash: ToldHash
    signature: str = Field(description="DER, Base64.")
    told: dict[str, Any] | None = Field(description="The entry read; null where its bytes are no entry any more.")


class EntryPage(BaseModel):
    """A page of a chain."""

    gateway: ToldGatewayId
    entries: list[EntryBody]
    next: int | None = Field(description="Ask again with after=this for the next page; null at the end.")


class CertificateBody(BaseModel):
    """A certificate beside the chains."""

    fingerprint: ToldHash
    der: str = Field(description="DER, Base64.")
    believed: bool = Field(description="Whether it was issued by the operations CA that this service trusts.")
    role: Role | None
    name: str | None
    on_behalf_of: Role | None
    not_before: ToldTime | None
    not_after: ToldTime | None


class CertificateList(BaseModel):
    """The certificates of everybody who signed in a chain."""

    gateway: ToldGatewayId
    certificates: list[CertificateBody]


class BreakBody(BaseModel):
    """Where a record first breaks."""

    seq: int
    kind: str
    reason: str


class VerdictBody(BaseModel):
    """What replaying a chain found."""

    model_config = ConfigDict(populate_by_name=True)

    gateway: ToldGatewayId
    ok: bool
    entries: int = Field(description="How many entries were found good.")
    state: State = Field(description="Where the gateway stands after them.")
    broken: BreakBody | None = Field(alias="break")


class HeadCheck(BaseModel):
    """Whether the chain still reaches a head that somebody kept."""

    model_config = ConfigDict(populate_by_name=True)

    gateway: ToldGatewayId
    reached: bool
    broken: BreakBody | None = Field(alias="break")


class ReasonBody(BaseModel):
    """Why something is refused."""

    condition: str
    needed: str
    found: str
    chapter: str


class ExitBody(BaseModel):
    """One way out of the phase, and what it still lacks."""

    number: int
    event: Event
    to: State
    to_de: str
    actors: list[str]
    chapter: str
    advice: Advice
    open: bool = Field(description="Whether one of the actors could take it now.")
    lacking: list[ReasonBody]
    recommended_met: list[str]
    recommended_unmet: list[str]


class Exits(BaseModel):
    """Every way out."""

    gateway: ToldGatewayId
    state: State
    exits: list[ExitBody]


class GrantBody(BaseModel):
    """Something that the state grants, and whether it is on."""

    role: Role
    interface: Interface
    function: Function
    credential: Credential
    open: bool
    reasons: list[ReasonBody]


class GateBody(BaseModel):
    """The gate: everything that the state grants. What is not in it is off."""

    gateway: ToldGatewayId
    state: State | None = Field(description="Null where it cannot be read: then everything is shut.")
    shut: str | None = Field(description="What shuts everything, null where nothing does.")
    grants: list[GrantBody]


class GateAnswer(BaseModel):
    """The gate's answer to one question."""

    gateway: ToldGatewayId
    open: bool
    chapter: str | None
    reasons: list[ReasonBody]


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Identifies the kind of problem; the page /problems tells what each means.")
    title: str
    status: int
    detail: str
    instance: str
    reasons: list[ReasonBody] | None = Field(None, description="Of the law: every condition that fails.")
    errors: list[dict[str, str]] | None = Field(None, description="Of a request: every place that is wrong.")
