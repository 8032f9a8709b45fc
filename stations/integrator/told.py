"""What a gateway's record says of its production: the law folded over it, the module's attestations examined.

Every question of what is done already is answered from here, from the module and from the PKI; the station keeps no
book of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.evidence import ModuleWitness, Pinned
from lifecycle.facts import Fact
from lifecycle.journal import Entry, SignedEntry, read_entry, step_of
from lifecycle.law import BEGINNING, LAW, Attest, Move, Standing
from lifecycle.states import State
from securitymodule.coding import PRELIMINARY_KEYS
from securitymodule.curves import curve_by_domain
from smpki.profiles import KeyUse
from stations.integrator.order import Arrangement


class RecordContradicted(Exception):
    """A record that does not say what the module says."""


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal certificate (Gütesiegelzertifikat) as the module attests it.

    :ivar use: what its key is for.
    :ivar curve: the key's curve.
    :ivar fingerprint: SHA-256 of the certificate, hexadecimal.
    """

    use: KeyUse
    curve: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Told:
    """What a record says.

    :ivar standing: where the gateway stands.
    :ivar module: serial number and attestation key of its module, ``None`` before that is initialised.
    :ivar entries: how many entries it has.
    :ivar reached: the states that it was in, each with the time it was reached; the beginning has none.
    :ivar facts: the facts on record, each with its time and who attested it.
    :ivar seals: the seal certificates, empty before they are in the module.
    """

    standing: Standing
    module: Pinned | None
    entries: int
    reached: tuple[tuple[State, str], ...]
    facts: dict[Fact, tuple[str, str]]
    seals: tuple[Seal, ...]

    @property
    def arrangement(self) -> Arrangement | None:
        """Which order of ch. 4 and 5 it took, ``None`` where that is open yet."""
        for state, _ in self.reached:
            if state is State.PREPERSONALISATION_1_SEPARATE:
                return Arrangement.SEPARATE
            if state is State.INTEGRATION:
                return Arrangement.ASSEMBLED
        return None

    @property
    def delivered(self) -> bool:
        """Whether the manufacturer has handed it over (ch. 7)."""
        return Fact.GWH_HANDED_OVER in self.facts


def read_told(entries: Sequence[SignedEntry]) -> Told:
    """What a chain says, as the store keeps it. Signatures are not verified here; a replay does that.

    :raises RecordContradicted: if an attestation in it contradicts what it tells.
    :raises lifecycle.law.Unlawful: if it is not lawful.
    :raises lifecycle.canonical.JournalError: if an entry cannot be read.
    """
    witness, standing = ModuleWitness(), BEGINNING
    reached: list[tuple[State, str]] = []
    facts: dict[Fact, tuple[str, str]] = {}
    seals: tuple[Seal, ...] = ()
    for signed in entries:
        entry = read_entry(signed.body)
        step = step_of(entry)
        standing = LAW.advance(standing, step)
        contradiction = witness.examine(entry)
        if contradiction is not None:
            raise RecordContradicted(f"entry {entry.sequence} of {entry.gateway}: {contradiction}")
        if isinstance(step, Move):
            reached.append((standing.state, entry.time))
        elif isinstance(step, Attest):
            facts[step.fact] = entry.time, _who(entry)
            if step.fact is Fact.SEAL_CERTIFICATES_IN_MODULE:
                seals = _seals(witness)
    return Told(standing, witness.pinned, len(entries), tuple(reached), facts, seals)


def _who(entry: Entry) -> str:
    return f"{entry.actor.role} {entry.actor.name}"


def _seals(witness: ModuleWitness) -> tuple[Seal, ...]:
    if witness.latest is None or not witness.shown or witness.shown[-1].fact is not Fact.SEAL_CERTIFICATES_IN_MODULE:
        return ()  # claimed only, in a record that pins no module
    held = witness.latest.by_key
    return tuple(
        Seal(use, str(curve_by_domain(held[key].domain)), (held[key].certificate_hash or b"").hex())
        for use, key in zip(KeyUse, PRELIMINARY_KEYS, strict=True)
    )
