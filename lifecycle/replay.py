"""Replay: folds a record through the law again and says where it first breaks.

What is wanted: whoever changed, removed, added or reordered anything in a record, or acted outside the law, is found
out by somebody who trusts nothing but the operations CA's certificate and, for the tail, a head.

It goes in two passes. The first reads structure, chain, time, certificates and law, entry by entry, and stops at the
first break. The second verifies the signatures before that, on all cores when there are many: a wrong one is an earlier
break.

The law knows who may attest a fact, not whether it is true. What can be shown is for a :class:`Witness` to examine, in
the first pass, entry by entry, after the law.

What it cannot see: a tail cut together with its head. Only a head kept elsewhere shows that (``head`` from outside).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from lifecycle.canonical import JournalError, format_time
from lifecycle.chains import Break, BreakKind, Chain, Damaged, read
from lifecycle.head import Head
from lifecycle.journal import Entry, Kind, Position, SignedEntry, entry_in, entry_of, genesis, step_of
from lifecycle.law import BEGINNING, LAW, Law, Move, Refused, Standing, Unlawful
from lifecycle.parties import Credentials, PartyError, Trust
from lifecycle.roles import Actor, Role, may_sign_for
from lifecycle.signatures import Progress, Signed, first_wrong_signature

_TELL_EVERY = 1_000
_AFTER_EVERY_TIME = "~"


class Witness(Protocol):
    """Knows more of a gateway than the law does, and compares what is told with that."""

    def examine(self, entry: Entry) -> str | None:
        """What contradicts an entry, in words; ``None`` where nothing does.

        Is handed every entry of one chain that was found lawful, from the first on; its signature is not verified yet.
        """
        ...


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


class _Signer(NamedTuple):
    """A party whose certificate was found good, with its times as the record writes them.

    :ivar accepted: the actor of an entry that was found to be this party; entries of one actor share the object.
    """

    credentials: Credentials
    not_before: str
    not_after: str
    accepted: Actor


@dataclass(slots=True)
class _FirstPass:
    """Structure, chain, time, certificates and law of one chain, and what a witness says of it."""

    chain: Chain
    trust: Trust
    law: Law
    until: int | datetime | None
    witness: Witness | None = None
    standing: Standing = BEGINNING
    signers: list[Credentials] = field(default_factory=list)
    signatures: list[bytes | str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    broken: Break | None = None
    stopped: bool = False
    position: Position = field(init=False)
    latest: str = field(init=False)
    _signers: dict[str, _Signer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.broken = self.chain.damage
        self.position = Position(0, "", "") if self.broken else genesis(self.chain.gateway)
        self.latest = format_time(self.until) if isinstance(self.until, datetime) else _AFTER_EVERY_TIME

    def run(self, progress: Progress | None) -> None:
        """Walk the chain to its end, to ``until``, or to the first break."""
        told = 0
        for index, line in enumerate(self.chain.lines if self.broken is None else ()):
            self.broken = self._take(line, index)
            if self.stopped or self.broken is not None:
                break
            if progress is not None and index + 1 - told == _TELL_EVERY:
                progress(_TELL_EVERY)
                told = index + 1
        if progress is not None:
            progress(self.position.sequence - told)

    def _take(self, line: bytes | SignedEntry, index: int) -> Break | None:
        """Take the next entry, or say how the chain breaks there."""
        sequence, last_hash, last_time = self.position
        if sequence == self.until:
            self.stopped = True
            return None
        try:
            told, body, stated_hash, signature = read(line)
        except Damaged as damage:
            return self._here(BreakKind.FLIPPED_BIT, str(damage))
        if hashlib.sha256(body).hexdigest() != stated_hash:
            return self._here(BreakKind.FLIPPED_BIT, "the entry's bytes do not fit its hash")
        try:
            entry = entry_in(told, body)
            if entry.time > self.latest:
                self.stopped = True
                return None
            if entry.sequence != sequence + 1 or entry.previous != last_hash or entry.gateway != self.chain.gateway:
                return self._misplaced(entry, stated_hash, index)
            if entry.time < last_time:
                return self._here(BreakKind.CLOCK_SET_BACK, f"{entry.time} comes after {last_time}")
            before = self.standing
            broken = self._signed_by(entry, signature, body) or self._lawful(entry)
        except JournalError as error:
            return self._here(BreakKind.MALFORMED_ENTRY, str(error))
        if broken is None and self.witness is not None:
            broken = self._witnessed(entry, self.witness, before)
        if broken is None:
            self.position = Position(sequence + 1, stated_hash, entry.time)
        return broken

    def _here(self, kind: BreakKind, reason: str) -> Break:
        return Break(self.position.sequence + 1, kind, reason)

    def _misplaced(self, entry: Entry, stated_hash: str, index: int) -> Break:
        """How a chain breaks where an entry does not follow the one before."""
        expected = self.position.sequence + 1
        if entry.gateway != self.chain.gateway:
            return self._here(BreakKind.FORK, f"an entry of gateway {entry.gateway}")
        if entry.sequence == expected:
            return self._here(
                BreakKind.FORK, "it continues another chain: its previous hash is not that of the entry before"
            )
        if entry.sequence < expected:
            same = stated_hash == self.position.hash
            reason = f"entry {entry.sequence} stands {'twice' if same else f'again, after {expected - 1}'}"
            return Break(entry.sequence, BreakKind.FORK, reason)
        if self._sequence_at(index + entry.sequence - expected) == expected:
            return self._here(BreakKind.SWAPPED_PAIR, f"entries {expected} and {entry.sequence} have changed places")
        return self._here(BreakKind.MISSING_ENTRY, f"after entry {expected - 1} comes {entry.sequence}")

    def _sequence_at(self, index: int) -> int | None:
        """What the entry at a place in the chain says its sequence is, ``None`` where there is none to be read."""
        if index >= len(self.chain.lines):
            return None
        try:
            return entry_of(read(self.chain.lines[index])[0]).sequence
        except (Damaged, JournalError):
            return None

    def _signed_by(self, entry: Entry, signature: bytes | str, body: bytes) -> Break | None:
        """Whether the certificate is good, valid then and the actor's own; the signature waits for the second pass."""
        actor = entry.actor
        signer = self._signers.get(actor.certificate)
        if signer is None or signer.accepted is not actor:
            try:
                credentials = _credentials_beside(self.chain, actor.certificate, self.trust)
            except PartyError as error:
                return self._here(BreakKind.UNKNOWN_CERTIFICATE, f"certificate {actor.certificate[:16]}… {error}")
            if actor != credentials.actor:
                reason = f"the entry says {_named(actor)}, its certificate {_named(credentials.actor)}"
                return self._here(BreakKind.WRONG_ROLE, reason)
            if not may_sign_for(actor, self.chain.gateway):
                return self._here(BreakKind.WRONG_ROLE, f"{_named(actor)} signs in the record of another gateway")
            valid = format_time(credentials.not_before), format_time(credentials.not_after)
            signer = self._signers[actor.certificate] = _Signer(credentials, *valid, actor)
        credentials, not_before, not_after, _ = signer
        if not not_before <= entry.time <= not_after:
            reason = f"certificate of {actor.name} is valid from {not_before} to {not_after}, not at {entry.time}"
            return self._here(BreakKind.UNKNOWN_CERTIFICATE, reason)
        # Three lists, not one of tuples: a million tuples would keep the garbage collector busy.
        self.signers.append(credentials)
        self.signatures.append(signature)
        self.bodies.append(body)
        return None

    def _lawful(self, entry: Entry) -> Break | None:
        """Whether the law permits what the entry tells, and the entry tells it as the law does."""
        step = step_of(entry)
        state, evidence = self.standing
        if isinstance(step, Move):
            decision = self.law.decide(state, evidence, step.event, step.actor)
            if isinstance(decision, Refused):
                return _unlawful(entry, decision)
            expected = decision.told
            if entry.payload != expected and entry.payload != {**expected, "detail": entry.payload.get("detail")}:
                reason = f"it tells {_short(entry.payload)}; the law {_short(expected)}"
                return Break(entry.sequence, BreakKind.UNLAWFUL_TRANSITION, reason)
            self.standing = Standing(decision.target, evidence)
            return None
        try:
            self.standing = self.law.advance(self.standing, step)
        except Unlawful as error:
            return _unlawful(entry, error.refused)
        return None

    def _witnessed(self, entry: Entry, witness: Witness, before: Standing) -> Break | None:
        """Whether the witness lets stand what the law has let pass; else the gateway stands as before."""
        contradiction = witness.examine(entry)
        if contradiction is None:
            return None
        self.standing = before
        return Break(entry.sequence, BreakKind.CONTRADICTED_ATTESTATION, contradiction)


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
    witness: Witness | None = None,
) -> Verdict:
    """Replay one chain.

    :param chain: the chain as it was found.
    :param trust: the pinned operations CA.
    :param head: a head kept elsewhere, which the chain must reach; it counts besides the one that came with the chain.
    :param until: a sequence or a time: the gateway as it was then. What comes later is not looked at.
    :param signatures: ``False`` leaves out the second pass; for measuring only.
    :param progress: told how many entries more were done, twice over: once a pass.
    :param witness: asked of every entry; a fresh one a replay.
    """
    first = _FirstPass(chain, trust, law, until, witness)
    first.run(progress)
    broken, position = first.broken, first.position
    if signatures:
        to_verify: list[Signed] = list(zip(first.signers, first.signatures, first.bodies, strict=True))
        wrong = first_wrong_signature(to_verify, progress)
        if wrong is not None:
            who = _named(first.signers[wrong].actor)
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
    try:
        keeper = _credentials_beside(chain, head.certificate, trust)
    except PartyError as error:
        reason = f"the head's certificate {head.certificate[:16]}… {error}"
        return Break(head.sequence, BreakKind.UNKNOWN_CERTIFICATE, reason)
    if keeper.actor.role is not Role.KEEPER:
        reason = f"the head is signed by {_named(keeper.actor)}; a {Role.KEEPER} signs heads"
        return Break(head.sequence, BreakKind.WRONG_ROLE, reason)
    if not format_time(keeper.not_before) <= head.time <= format_time(keeper.not_after):
        reason = f"certificate of {keeper.actor.name} was not valid when it signed the head, {head.time}"
        return Break(head.sequence, BreakKind.UNKNOWN_CERTIFICATE, reason)
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


def _credentials_beside(chain: Chain, fingerprint: str, trust: Trust) -> Credentials:
    """What the certificate of this fingerprint beside a chain says.

    :raises PartyError: if none lies there, another does, or it is not good.
    """
    der = chain.certificates.get(fingerprint)
    if der is None:
        raise PartyError("does not lie beside the chain")
    credentials = trust.credentials(der)
    if credentials.actor.certificate != fingerprint:
        raise PartyError("is not the one that lies there in its place")
    return credentials


def _hash_at(chain: Chain, sequence: int) -> str:
    if sequence == 0:
        return genesis(chain.gateway).hash
    _, _, stated_hash, _ = read(chain.lines[sequence - 1])
    return stated_hash
