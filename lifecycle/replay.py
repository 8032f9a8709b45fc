"""Replay: folds a record through the law again and says where it first breaks.

What is wanted: whoever changed, removed, added or reordered anything in a record, or acted outside the law, is found
out by somebody who trusts nothing but the operations CA's certificate and, for the tail, a head.

It goes in two passes. The first reads structure, chain, time, certificates and law, entry by entry, and stops at the
first break. The second verifies the signatures before that, on all cores when there are many: a wrong one is an earlier
break.

What it cannot see: a tail cut together with its head. Only a head kept elsewhere shows that (``head`` from outside).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lifecycle.canonical import JournalError, format_time
from lifecycle.chains import Break, BreakKind, Chain, Damaged, Found, read
from lifecycle.head import Head
from lifecycle.journal import Entry, Kind, Position, entry_of, genesis, is_canonical, step_of
from lifecycle.law import BEGINNING, LAW, Law, Move, Refused, Standing, Unlawful
from lifecycle.parties import Credentials, PartyError, Trust
from lifecycle.roles import Actor, Role, may_sign_for
from lifecycle.signatures import Progress, Signed, first_wrong_signature


@dataclass(frozen=True, slots=True)
class Verdict:
    """What replaying one chain found.

    :ivar gateway: the gateway.
    :ivar entries: how many entries were found good.
    :ivar standing: where the gateway stands after them.
    :ivar position: where the chain ends after them.
    :ivar broken: the first break, ``None`` where there is none.
    """

    gateway: str
    entries: int
    standing: Standing
    position: Position
    broken: Break | None = None

    @property
    def ok(self) -> bool:
        """Whether the record was found whole and lawful."""
        return self.broken is None

    def told(self) -> dict[str, Any]:
        """The verdict as JSON."""
        return {
            "gateway": self.gateway,
            "ok": self.ok,
            "entries": self.entries,
            "state": str(self.standing.state),
            "break": None
            if self.broken is None
            else {"seq": self.broken.seq, "kind": str(self.broken.kind), "reason": self.broken.reason},
        }

    def __str__(self) -> str:
        if self.broken is None:
            return f"{self.gateway}: lawful, {self.entries} entries, {self.standing.state}"
        seq, kind, reason = self.broken
        return f"{self.gateway}: BROKEN at entry {seq}: {kind}: {reason} ({self.entries} entries before it are good)"


@dataclass(slots=True)
class _FirstPass:
    """Structure, chain, time, certificates and law of one chain."""

    chain: Chain
    trust: Trust
    law: Law
    until: int | datetime | None
    standing: Standing = BEGINNING
    to_verify: list[Signed] = field(default_factory=list)
    broken: Break | None = None
    stopped: bool = False
    position: Position = field(init=False)
    _known: dict[str, tuple[Credentials, str, str]] = field(default_factory=dict)

    def run(self, progress: Progress | None) -> None:
        """Walk the chain to its end, to ``until``, or to the first break."""
        self.position = Position(0, "", "") if self.chain.damage else genesis(self.chain.gateway)
        self.broken = self.chain.damage
        if self.broken is not None:
            return
        last = self.until if isinstance(self.until, int) else None
        latest = format_time(self.until) if isinstance(self.until, datetime) else None
        for index, line in enumerate(self.chain.lines):
            if last is not None and self.position.sequence >= last:
                self.stopped = True
                return
            try:
                found = read(line)
            except Damaged as damage:
                self._break(BreakKind.FLIPPED_BIT, str(damage))
                return
            if hashlib.sha256(found.body).hexdigest() != found.stated_hash:
                self._break(BreakKind.FLIPPED_BIT, "the entry's bytes do not fit its hash")
                return
            try:
                entry = entry_of(found.told)
                if not is_canonical(found.told, found.body):
                    raise JournalError("the bytes are not canonical (RFC 8785)")  # noqa: TRY301  one place handles it
                if latest is not None and entry.time > latest:
                    self.stopped = True
                    return
                self.broken = (
                    self._linked(entry, found.stated_hash, index)
                    or self._signed_by(entry, found)
                    or self._lawful(entry)
                )
            except JournalError as error:
                self._break(BreakKind.MALFORMED_ENTRY, str(error))
            if self.broken is not None:
                return
            self.position = Position(entry.sequence, found.stated_hash, entry.time)
            if progress is not None and not index % 1000:
                progress(1000)

    def _break(self, kind: BreakKind, reason: str) -> None:
        self.broken = Break(self.position.sequence + 1, kind, reason)

    def _linked(self, entry: Entry, stated_hash: str, index: int) -> Break | None:
        """Whether an entry follows the one before, in place and in time."""
        expected = self.position.sequence + 1
        if entry.sequence == expected and entry.previous == self.position.hash and entry.gateway == self.chain.gateway:
            if entry.time < self.position.time:
                reason = f"{entry.time} comes after {self.position.time}"
                return Break(expected, BreakKind.CLOCK_SET_BACK, reason)
            return None
        if entry.gateway != self.chain.gateway:
            return Break(expected, BreakKind.FORK, f"an entry of gateway {entry.gateway}")
        if entry.sequence == expected:
            return Break(
                expected, BreakKind.FORK, "it continues another chain: its previous hash is not the one before"
            )
        if entry.sequence < expected:
            same = stated_hash == self.position.hash
            reason = f"entry {entry.sequence} stands {'twice' if same else 'again, after ' + str(expected - 1)}"
            return Break(entry.sequence, BreakKind.FORK, reason)
        for other in self.chain.lines[index + 1 : index + 2]:
            try:
                found = read(other)
                if entry_of(found.told).sequence == expected:
                    return Break(expected, BreakKind.SWAPPED_PAIR, f"entry {entry.sequence} stands before {expected}")
            except (Damaged, JournalError):
                break
        return Break(expected, BreakKind.MISSING_ENTRY, f"after entry {expected - 1} comes {entry.sequence}")

    def _signed_by(self, entry: Entry, found: Found) -> Break | None:
        """Whether the certificate is good, valid then and the actor's own; the signature waits for the second pass."""
        fingerprint = entry.actor.certificate
        known = self._known.get(fingerprint)
        if known is None:
            der = self.chain.certificates.get(fingerprint)
            if der is None:
                reason = f"certificate {fingerprint[:16]}… does not lie beside the chain"
                return Break(entry.sequence, BreakKind.UNKNOWN_CERTIFICATE, reason)
            try:
                credentials = self.trust.credentials(der)
            except PartyError as error:
                reason = f"certificate {fingerprint[:16]}…: {error}"
                return Break(entry.sequence, BreakKind.UNKNOWN_CERTIFICATE, reason)
            known = credentials, format_time(credentials.not_before), format_time(credentials.not_after)
            self._known[fingerprint] = known
        credentials, not_before, not_after = known
        if not not_before <= entry.time <= not_after:
            name = credentials.actor.name
            reason = f"certificate of {name} is valid from {not_before} to {not_after}, not at {entry.time}"
            return Break(entry.sequence, BreakKind.UNKNOWN_CERTIFICATE, reason)
        if entry.actor is not credentials.actor and entry.actor != credentials.actor:
            reason = f"the entry says {_named(entry.actor)}, its certificate {_named(credentials.actor)}"
            return Break(entry.sequence, BreakKind.WRONG_ROLE, reason)
        if not may_sign_for(entry.actor, entry.gateway):
            reason = f"{_named(entry.actor)} signs in the record of another gateway"
            return Break(entry.sequence, BreakKind.WRONG_ROLE, reason)
        self.to_verify.append(Signed(credentials, found.signature, found.body))
        return None

    def _lawful(self, entry: Entry) -> Break | None:
        """Whether the law permits what the entry tells, and the entry tells it as the law does."""
        step = step_of(entry)
        if isinstance(step, Move):
            decision = self.law.decide(self.standing.state, self.standing.evidence, step.event, step.actor)
            if isinstance(decision, Refused):
                return _unlawful(entry, decision)
            expected = decision.told
            if entry.payload != expected and entry.payload != {**expected, "detail": entry.payload.get("detail")}:
                reason = f"it tells {_short(entry.payload)}; the law {_short(expected)}"
                return Break(entry.sequence, BreakKind.UNLAWFUL_TRANSITION, reason)
            self.standing = Standing(decision.target, self.standing.evidence)
            return None
        try:
            self.standing = self.law.advance(self.standing, step)
        except Unlawful as error:
            return _unlawful(entry, error.refused)
        return None


def _unlawful(entry: Entry, refused: Refused) -> Break:
    if any(reason.condition == "acting-role" for reason in refused.reasons):
        kind = BreakKind.WRONG_ROLE
    else:
        kind = BreakKind.UNLAWFUL_TRANSITION if entry.kind is Kind.TRANSITION else BreakKind.UNLAWFUL_EVIDENCE
    return Break(entry.sequence, kind, str(refused))


def _named(actor: Actor) -> str:
    return f"{actor.role} {actor.name!r}" + (f" for {actor.on_behalf_of}" if actor.on_behalf_of else "")


def _short(payload: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in payload.items() if name != "detail")


def replay(
    chain: Chain,
    trust: Trust,
    *,
    law: Law = LAW,
    head: Head | None = None,
    until: int | datetime | None = None,
    signatures: bool = True,
    progress: Progress | None = None,
) -> Verdict:
    """Replay one chain.

    :param chain: the chain as it was found.
    :param trust: the pinned operations CA.
    :param head: a head kept elsewhere, which the chain must reach; it counts besides the one that came with the chain.
    :param until: a sequence or a time: the gateway as it was then. What comes later is not looked at.
    :param signatures: ``False`` leaves out the second pass; for measuring only.
    :param progress: told how many entries more were done, twice over: once a pass.
    """
    first = _FirstPass(chain, trust, law, until)
    first.run(progress)
    broken, position = first.broken, first.position
    if signatures:
        wrong = first_wrong_signature(first.to_verify, progress)
        if wrong is not None:
            who = _named(first.to_verify[wrong][0].actor)
            broken = Break(wrong + 1, BreakKind.FLIPPED_BIT, f"the signature of {who} does not fit the entry")
            return _as_far_as(chain, trust, law, wrong, broken)
    if broken is None and not first.stopped:
        for which in (chain.head, head):
            broken = broken or _reaches(chain, position, which, trust)
        if chain.head is None and head is None:
            broken = Break(position.sequence + 1, BreakKind.CUT_TAIL, "no signed head shows where the chain ends")
    return Verdict(chain.gateway, position.sequence, first.standing, position, broken)


def _as_far_as(chain: Chain, trust: Trust, law: Law, sequence: int, broken: Break) -> Verdict:
    """The verdict of a chain whose signatures are good up to *sequence*."""
    before = _FirstPass(chain, trust, law, sequence)
    before.run(None)
    return Verdict(chain.gateway, sequence, before.standing, before.position, broken)


def _reaches(chain: Chain, end: Position, head: Head | None, trust: Trust) -> Break | None:
    """Whether a chain found good reaches a signed head."""
    if head is None:
        return None
    der = chain.certificates.get(head.certificate)
    if der is None:
        reason = f"the head's certificate {head.certificate[:16]}… does not lie beside the chain"
        return Break(head.sequence, BreakKind.UNKNOWN_CERTIFICATE, reason)
    try:
        keeper = trust.credentials(der)
    except PartyError as error:
        return Break(head.sequence, BreakKind.UNKNOWN_CERTIFICATE, f"the head's certificate: {error}")
    if keeper.actor.role is not Role.KEEPER:
        reason = f"the head is signed by {_named(keeper.actor)}; a {Role.KEEPER} signs heads"
        return Break(head.sequence, BreakKind.WRONG_ROLE, reason)
    if head.gateway != chain.gateway:
        return Break(head.sequence, BreakKind.FORK, f"the head is of gateway {head.gateway}")
    if not keeper.verifies(head.signature, head.body):
        return Break(head.sequence, BreakKind.FLIPPED_BIT, "the head's signature does not fit the head")
    if head.sequence > end.sequence:
        reason = f"the signed head is at entry {head.sequence}, the chain ends at {end.sequence}"
        return Break(end.sequence + 1, BreakKind.CUT_TAIL, reason)
    if _hash_at(chain, head.sequence) != head.hash:
        return Break(head.sequence, BreakKind.FORK, "the signed head has another hash at this entry")
    return None


def _hash_at(chain: Chain, sequence: int) -> str:
    if sequence == 0:
        return genesis(chain.gateway).hash
    line = chain.lines[sequence - 1]
    return read(line).stated_hash
