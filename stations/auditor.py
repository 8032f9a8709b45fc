"""The auditor: is this what happened, was it lawful, and what of it did the module itself show?

Trusts the operations CA's certificate and, for the tail, a head kept elsewhere. What it finds of the module rests on
the key that the manufacturer (GWH) pinned when it put the initialised module on record, and on the module keeping that
key to itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from gateway.evidence import Claimed, ModuleWitness, Pinned, Shown
from lifecycle.chains import Chain
from lifecycle.head import Head
from lifecycle.law import LAW, Law
from lifecycle.parties import Trust
from lifecycle.replay import Verdict, Witness, replay
from lifecycle.signatures import Progress


@dataclass(frozen=True, slots=True)
class Audit:
    """What examining one record found. Facts about the module are counted as far as the record is good.

    :ivar verdict: whether it is whole and lawful, and nothing in it contradicts the module's attestations.
    :ivar shown: facts about the module that an attestation shows.
    :ivar claimed: facts about the module that a party's word alone stands for.
    :ivar module: the module whose key the record pins, ``None`` where it pins none.
    """

    verdict: Verdict
    shown: tuple[Shown, ...]
    claimed: tuple[Claimed, ...]
    module: Pinned | None

    @property
    def ok(self) -> bool:
        """Whether the record was found whole and lawful."""
        return self.verdict.ok

    @property
    def attested(self) -> bool:
        """The same, and whether no fact about the module is only claimed."""
        return self.verdict.ok and not self.claimed

    def told(self) -> dict[str, Any]:
        """The audit as JSON: that of the verdict, and the facts about the module."""
        module = self.module
        return {
            **self.verdict.told(),
            "module": None if module is None else {"serial": module.serial, "attestation_key": module.point.hex()},
            "shown": [
                {"seq": each.sequence, "fact": str(each.fact), "module": each.serial, "counter": each.counter}
                for each in self.shown
            ],
            "claimed": [{"seq": each.sequence, "fact": str(each.fact)} for each in self.claimed],
        }

    def summary(self) -> list[str]:
        """How the facts about the module are known, in words: a line for what it shows, one for what is claimed."""
        lines = []
        if self.module is not None:
            lines.append(f"module {self.module.serial} shows {_counted(self.shown)}: {_listed(self.shown)}")
        if self.claimed:
            verb = "are" if len(self.claimed) > 1 else "is"
            lines.append(
                f"{_counted(self.claimed)} about the module {verb} claimed, not shown: {_listed(self.claimed)}"
            )
        return lines

    def details(self) -> list[str]:
        """The same at length: the key that the record pins, then a line a fact, with the attestation that shows it."""
        lines = [f"attestation key {self.module.point.hex()}"] if self.module is not None else []
        rows = [(each.sequence, each.fact, f"module {each.serial}, counter {each.counter}") for each in self.shown]
        rows += [(each.sequence, each.fact, "claimed") for each in self.claimed]
        return lines + [f"entry {sequence:<6} {fact:<34} {by}" for sequence, fact, by in sorted(rows)]


class Replaying(Protocol):
    """A replay that only lacks its witness: :func:`lifecycle.replay.replay`, or one of a stored record."""

    def __call__(self, *, witness: Witness) -> Verdict:
        """Replay, asking the witness of every entry."""
        ...


def examined(replaying: Replaying) -> Audit:
    """What a replay finds when the module's attestations are examined in it."""
    witness = ModuleWitness()
    verdict = replaying(witness=witness)
    shown = tuple(each for each in witness.shown if each.sequence <= verdict.entries)
    claimed = tuple(each for each in witness.claims if each.sequence <= verdict.entries)
    return Audit(verdict, shown, claimed, witness.pinned if shown else None)


def audit(
    chain: Chain,
    trust: Trust,
    *,
    law: Law = LAW,
    head: Head | None = None,
    until: int | datetime | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Examine one chain: law, signatures, attestations. Options as :func:`lifecycle.replay.replay`."""
    return examined(partial(replay, chain, trust, law=law, head=head, until=until, progress=progress))


def _counted(facts: Sequence[Shown | Claimed]) -> str:
    return f"{len(facts)} fact{'s' if len(facts) > 1 else ''}"


def _listed(facts: Sequence[Shown | Claimed]) -> str:
    return f"{'entries' if len(facts) > 1 else 'entry'} {', '.join(str(each.sequence) for each in facts)}"
