"""From what the record keeps to what goes over the wire."""

from __future__ import annotations

import orjson

from lifecycle.canonical import JournalError, encode_signature, format_time
from lifecycle.chains import Break
from lifecycle.evidence import OpenFault
from lifecycle.head import Head
from lifecycle.journal import SignedEntry, read_entry
from lifecycle.law import Law, Reason
from lifecycle.parties import PartyError, Trust, fingerprint_of
from lifecycle.replay import Verdict
from lifecycle.service.insight import Granted, WayOut
from lifecycle.service.models import (
    BreakBody,
    CertificateBody,
    EntryBody,
    ExitBody,
    GatewayBody,
    GrantBody,
    HeadBody,
    OpenFaultBody,
    ReasonBody,
    Summary,
    VerdictBody,
)
from lifecycle.service.problems import reason_told
from lifecycle.store.rows import Kept
from lifecycle.store.views import Listed


def head_body(head: Head) -> HeadBody:
    """A head, as it is stored: what somebody else has written there is told, not tripped over."""
    return HeadBody.model_validate(head.told())


def listed_body(listed: Listed, law: Law) -> Summary:
    """A gateway in a list, readable or not."""
    if listed.kept is not None:
        return summary_body(listed.kept, law)
    return Summary(
        gateway=listed.gateway, state=None, name_de=None, chapter=None, entries=None, last_entry=None, open_faults=[]
    )


def summary_body(kept: Kept, law: Law) -> Summary:
    """A gateway whose state is readable."""
    phase = law.phases[kept.standing.state]
    return Summary(
        gateway=kept.gateway,
        state=kept.standing.state,
        name_de=phase.german,
        chapter=phase.chapter,
        entries=kept.position.sequence,
        last_entry=kept.position.time or None,
        open_faults=[_fault_body(fault, law) for fault in kept.standing.evidence.faults],
    )


def gateway_body(kept: Kept, law: Law) -> GatewayBody:
    """One gateway."""
    phase = law.phases[kept.standing.state]
    return GatewayBody(
        **summary_body(kept, law).model_dump(),
        place=phase.place,
        responsible=phase.responsible,
        functionality=phase.functionality,
        facts=[fact for fact in law.facts if fact in kept.standing.evidence],
        head=head_body(kept.head),
    )


def _fault_body(fault: OpenFault, law: Law) -> OpenFaultBody:
    return OpenFaultBody(name=fault.name, name_de=law.catalogue[fault.name].german, subject=fault.subject)


def entry_body(signed: SignedEntry) -> EntryBody:
    """An entry as it was signed; what is no entry any more is shown all the same."""
    try:
        read_entry(signed.body)
        told = orjson.loads(signed.body)
    except JournalError:
        told = None
    return EntryBody(
        entry=signed.body.decode(errors="replace"),
        hash=str(signed.hash),
        signature=encode_signature(signed.signature),
        told=told,
    )


def certificate_body(der: bytes, trust: Trust) -> CertificateBody:
    """A certificate, and whom it speaks for where it is believed."""
    fingerprint, encoded = fingerprint_of(der), encode_signature(der)
    try:
        credentials = trust.credentials(der)
    except PartyError:
        return CertificateBody(
            fingerprint=fingerprint,
            der=encoded,
            believed=False,
            role=None,
            name=None,
            on_behalf_of=None,
            not_before=None,
            not_after=None,
        )
    actor = credentials.actor
    return CertificateBody(
        fingerprint=fingerprint,
        der=encoded,
        believed=True,
        role=actor.role,
        name=actor.name,
        on_behalf_of=actor.on_behalf_of,
        not_before=format_time(credentials.not_before),
        not_after=format_time(credentials.not_after),
    )


def break_body(broken: Break | None) -> BreakBody | None:
    """Where a record breaks."""
    return None if broken is None else BreakBody(seq=broken.seq, kind=str(broken.kind), reason=broken.reason)


def verdict_body(verdict: Verdict) -> VerdictBody:
    """What a replay found."""
    return VerdictBody.model_validate(verdict.told())


def reason_bodies(reasons: tuple[Reason, ...]) -> list[ReasonBody]:
    """Reasons of the law."""
    return [ReasonBody.model_validate(reason_told(reason)) for reason in reasons]


def exit_body(way: WayOut, law: Law) -> ExitBody:
    """A way out."""
    return ExitBody(
        number=way.exit.number,
        event=way.exit.event,
        to=way.exit.to,
        to_de=law.phases[way.exit.to].german,
        actors=list(way.actors),
        chapter=way.exit.chapter,
        advice=way.exit.advice,
        open=not way.lacking,
        lacking=reason_bodies(way.lacking),
        recommended_met=[name for name, met in way.recommended if met],
        recommended_unmet=[name for name, met in way.recommended if not met],
    )


def grant_body(granted: Granted) -> GrantBody:
    """A line of the gate."""
    role, interface, function, credential = granted.grant
    return GrantBody(
        role=role,
        interface=interface,
        function=function,
        credential=credential,
        open=granted.open,
        reasons=reason_bodies(granted.reasons),
    )
