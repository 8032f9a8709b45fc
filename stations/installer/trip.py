"""The chain of a gateway goes to where there is no network, and comes back: two replicas, fast-forward only.

At home one repository keeps the chain. For a trip a second one is filled from it, which has a keeper of its own: a
party of role KEEPER that the same operations CA has enrolled for this one replica, with a key that was made for it and
is nowhere else. It signs the heads of what is put on record on site, and home believes them because it believes the
CA. Home's own key stays at home: after the return home signs its own head again, at the same end of the chain.

The head that home had signed when the chain left goes along. The chain that comes back has to reach it: whoever was
given thirty entries and brings back twenty has lost some. What this cannot see: entries that were made on site and cut
off there, together with a head signed anew by the replica's key. Whoever holds the folder holds that key; only the
gateway's module, which keeps the end of its record itself, can tell then.

While a chain is away, home should leave it alone. Where both went on, that is a fork, and a fork is an alarm: nothing
is taken, nothing is lost, and the alarm names the entries on either side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lifecycle.canonical import JournalError
from lifecycle.chains import Chain
from lifecycle.head import Head, entry_line, header_line
from lifecycle.journal import SignedEntry, read_entry
from lifecycle.replay import replay
from lifecycle.store.errors import BrokenChainError, ForkError, UnknownGatewayError
from lifecycle.store.replicas import import_chain
from lifecycle.store.repository import Repository
from lifecycle.store.rows import Kept

_NAMED = 5
"""How many entries a fork alarm names on either side."""


@dataclass(frozen=True, slots=True)
class Branch:
    """An entry of a chain that went another way.

    :ivar sequence: its place.
    :ivar hash: its hash.
    :ivar time: when it was signed, as the record writes it.
    :ivar who: who signed it.
    :ivar what: the fact, fault or transition that it tells.
    """

    sequence: int
    hash: str
    time: str
    who: str
    what: str

    def told(self) -> dict[str, Any]:
        """The entry as JSON."""
        return {"seq": self.sequence, "hash": self.hash, "time": self.time, "who": self.who, "what": self.what}

    def __str__(self) -> str:
        return f"entry {self.sequence} ({self.what}, signed by {self.who} at {self.time}, hash {self.hash[:16]}…)"


class ForkAlarm(ForkError):
    """Two replicas of a chain went different ways. Nothing was taken of either.

    :ivar gateway: whose chain.
    :ivar here: what this side has behind the last entry that both have.
    :ivar there: what the other side has.
    """

    def __init__(self, gateway: str, here: tuple[Branch, ...], there: tuple[Branch, ...]) -> None:
        since = min(branch.sequence for branch in (*here, *there))
        super().__init__(
            f"gateway {gateway}: the two records are the same up to entry {since - 1} and then part. "
            f"Kept here: {_named(here)}. Brought along: {_named(there)}. Nothing was taken and nothing is lost: "
            "who signed both has to say which one holds"
        )
        self.gateway = gateway
        self.here = here
        self.there = there

    def told(self) -> dict[str, Any]:
        """The alarm as JSON."""
        return {
            "gateway": self.gateway,
            "here": [branch.told() for branch in self.here],
            "there": [branch.told() for branch in self.there],
        }


def _named(branches: tuple[Branch, ...]) -> str:
    more = f" and {len(branches) - _NAMED} more" if len(branches) > _NAMED else ""
    return (", ".join(map(str, branches[:_NAMED])) or "nothing more") + more


@dataclass(frozen=True, slots=True)
class Brought:
    """A chain that was brought to a repository.

    :ivar gateway: whose chain.
    :ivar new: how many entries were new there.
    :ivar kept: what is kept there now.
    """

    gateway: str
    new: int
    kept: Kept


def take_along(replica: Repository, chain: Chain) -> Brought:
    """Bring a chain of home's to the replica, fast-forward only; all of it or nothing.

    :raises lifecycle.store.errors.BrokenChainError: if the chain does not replay.
    :raises ForkAlarm: if the two have parted.
    """
    return _take(replica, chain)


def take_back(
    home: Repository, replica: Repository, gateway: str, left: Head, certificates: Mapping[str, bytes]
) -> Brought:
    """Take a chain back from its trip.

    :param left: the head that home had signed when it left.
    :param certificates: the certificate of who signed it, DER by fingerprint.
    :raises lifecycle.store.errors.UnknownGatewayError: if the replica keeps no record of the gateway.
    :raises lifecycle.store.errors.BrokenChainError: if the chain does not replay, or does not reach that head.
    :raises ForkAlarm: if the two have parted.
    """
    chain = replica.chain(gateway)
    # As import_chain replays it, and against the head that was signed at the departure besides. A fork is looked for
    # first: it would show as that head's other hash, and then nobody would know the entries.
    branches = _parting(home, chain)
    if branches is not None:
        raise ForkAlarm(gateway, *branches)
    known = replace(chain, certificates={**certificates, **chain.certificates})
    witness = home.witness() if home.witness is not None else None
    verdict = replay(known, home.trust, law=home.law, head=left, witness=witness)
    if not verdict.ok:
        raise BrokenChainError(verdict)
    return _take(home, chain)


def _take(target: Repository, chain: Chain) -> Brought:
    try:
        new, kept = import_chain(target, chain)
    except ForkError as error:
        branches = _parting(target, chain)
        if branches is None:
            raise
        raise ForkAlarm(chain.gateway, *branches) from error
    return Brought(chain.gateway, new, kept)


def _parting(here: Repository, chain: Chain) -> tuple[tuple[Branch, ...], tuple[Branch, ...]] | None:
    """What either side has behind the last entry that both have; ``None`` where one continues the other."""
    try:
        here.kept(chain.gateway)
    except UnknownGatewayError:
        return None
    ours = here.entries(chain.gateway)
    theirs = [line for line in chain.lines if isinstance(line, SignedEntry)]
    same = 0
    while same < min(len(ours), len(theirs)) and ours[same].hash == theirs[same].hash:
        same += 1
    if same == min(len(ours), len(theirs)):
        return None
    return _branches(ours[same:], same), _branches(theirs[same:], same)


def _branches(lines: list[SignedEntry], before: int) -> tuple[Branch, ...]:
    return tuple(_branch(line, before + number) for number, line in enumerate(lines, 1))


def _branch(line: SignedEntry, place: int) -> Branch:
    try:
        entry = read_entry(line.body)
    except JournalError:
        return Branch(place, line.hash, "an unknown time", "nobody knows whom", "cannot be read")
    what = next((str(entry.payload[name]) for name in ("fact", "event", "fault") if name in entry.payload), "")
    return Branch(entry.sequence, line.hash, entry.time, f"{entry.actor.role} {entry.actor.name!r}", what)


def lines_of(repository: Repository, gateway: str) -> Iterator[bytes]:
    """A chain as the lines of a file, whatever is in it: for keeping it aside.

    :raises lifecycle.store.errors.UnknownGatewayError: if no record is kept of the gateway.
    """
    chain = repository.chain(gateway)
    if chain.head is not None:
        yield header_line(chain.head, chain.certificates.values())
    for line in chain.lines:
        yield entry_line(line) if isinstance(line, SignedEntry) else line
