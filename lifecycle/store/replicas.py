"""Replicas of a chain: a device's and a service's, or a file between them. They may only fast-forward one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError

from lifecycle.canonical import decode_signature
from lifecycle.chains import Break, BreakKind, Chain, read
from lifecycle.head import Head
from lifecycle.journal import Position, SignedEntry, genesis, read_entry, step_of
from lifecycle.law import BEGINNING
from lifecycle.replay import Verdict, Witness, replay
from lifecycle.signatures import Progress
from lifecycle.store.errors import BrokenChainError, ConflictError, ForkError, UnknownGatewayError, UnreadableStateError
from lifecycle.store.repository import Repository
from lifecycle.store.rows import FIRST_COUNTER, Kept, entry_row, gateway_row, keep_certificate, read_kept
from lifecycle.store.schema import entries, gateways


def replay_kept(
    repository: Repository,
    gateway: str,
    *,
    head: Head | None = None,
    head_certificates: Mapping[str, bytes] = MappingProxyType({}),
    until: int | datetime | None = None,
    progress: Progress | None = None,
    witness: Witness | None = None,
) -> Verdict:
    """Replay a chain as kept, and compare the stored state with what it folds to. Options as :func:`replay`.

    :param head_certificates: certificates (DER, by fingerprint) that came with *head*.
    :param witness: examines the modules' attestations; by default the repository's.
    """
    witness = witness or _witness_of(repository)
    stored: Kept | None = None
    try:
        stored = repository.kept(gateway)
    except UnreadableStateError as error:
        unreadable = str(error)
    chain = repository.chain(gateway)
    if stored is not None:
        # Entries are only ever added: those that were there when the state was read are the first so many.
        chain = replace(chain, lines=chain.lines[: stored.position.sequence], head=stored.head)
    chain = replace(chain, certificates={**chain.certificates, **head_certificates})
    verdict = replay(
        chain, repository.trust, law=repository.law, head=head, until=until, progress=progress, witness=witness
    )
    if not verdict.ok or until is not None:
        return verdict
    if stored is None:
        return _differs(verdict, unreadable)
    if stored.standing != verdict.standing:
        same = stored.standing.state is verdict.standing.state
        told = "other evidence" if same else str(verdict.standing.state)
        return _differs(verdict, f"stored is {stored.standing.state}, the record folds to {told}")
    if stored.position != verdict.position:
        return _differs(verdict, f"stored is {stored.position}, the record ends at {verdict.position}")
    return verdict


def _witness_of(repository: Repository) -> Witness | None:
    return repository.witness() if repository.witness is not None else None


def _differs(verdict: Verdict, reason: str) -> Verdict:
    return replace(verdict, broken=Break(verdict.position.sequence, BreakKind.STATE_DIFFERS, reason))


def import_chain(repository: Repository, chain: Chain) -> tuple[int, Kept]:
    """Take a replica's chain: fast-forward only, all of it or nothing.

    :returns: how many entries were new, and what is kept now.
    :raises BrokenChainError: if the chain does not replay.
    :raises ForkError: if it is not a continuation of what is kept, nor its beginning.
    """
    verdict = replay(chain, repository.trust, law=repository.law, witness=_witness_of(repository))
    if not verdict.ok:
        raise BrokenChainError(verdict)
    try:
        return _take(repository, chain)
    except IntegrityError as error:
        raise ConflictError(f"gateway {chain.gateway}: somebody wrote during the import; try again") from error
    finally:
        repository.forget(chain.gateway)


def _take(repository: Repository, chain: Chain) -> tuple[int, Kept]:
    lines = list(_signed_entries(chain))
    keeper = repository.keeper
    with repository.engine.begin() as connection:
        try:
            before: Kept | None = read_kept(connection, chain.gateway, repository.law.catalogue)
        except UnknownGatewayError:
            before = None
        have = before.position.sequence if before else 0
        if before is not None:
            _continues(repository, before, lines)
            if have >= len(lines):
                return 0, before
        new = [read_entry(line.body) for line in lines[have:]]
        signers = {entry.actor.certificate for entry in new}
        # Of what came with the chain only what signed an entry; and in one order, so that two imports cannot lock up.
        for fingerprint in sorted(signers):
            keep_certificate(connection, chain.certificates[fingerprint])
        keep_certificate(connection, keeper.certificate_der)
        rows = list(_rows(repository, lines, have))
        position = Position(len(lines), lines[-1].hash, "") if lines else genesis(chain.gateway)
        counter = before.head.counter + 1 if before else FIRST_COUNTER
        head = gateway_row(repository.signed_head(chain.gateway, position, counter))
        if before is None:
            connection.execute(insert(gateways), head)
        if rows:
            connection.execute(insert(entries), rows)
        if before is not None:  # after the entries, as whoever appends does, so that the two cannot lock up
            unmoved = (gateways.c.id == chain.gateway, gateways.c.head_sequence == have)
            if connection.execute(update(gateways).where(*unmoved).values(head)).rowcount != 1:
                raise ConflictError(f"gateway {chain.gateway}: somebody wrote during the import; try again")
        kept = read_kept(connection, chain.gateway, repository.law.catalogue)
    return len(rows), kept


def _rows(repository: Repository, lines: list[SignedEntry], have: int) -> Iterator[dict[str, object]]:
    """Rows for the entries after the first *have*, each with where it leaves the gateway."""
    standing = BEGINNING
    for line in lines:
        entry = read_entry(line.body)
        standing = repository.law.advance(standing, step_of(entry))
        if entry.sequence > have:
            yield entry_row(entry, line, standing)


def _continues(repository: Repository, before: Kept, lines: list[SignedEntry]) -> None:
    """Whether one of the two chains is the beginning of the other."""
    have = before.position.sequence
    if have <= len(lines):
        ours = before.position.hash
        theirs = lines[have - 1].hash if have else genesis(before.gateway).hash
    else:
        beginning = repository.entries(before.gateway, limit=len(lines))
        ours = beginning[-1].hash if beginning else genesis(before.gateway).hash
        theirs = lines[-1].hash if lines else ours
    if ours != theirs:
        at = min(have, len(lines))
        raise ForkError(
            f"gateway {before.gateway}: the chain differs from the one kept at or before entry {at}; "
            "replicas may only fast-forward one another"
        )


def _signed_entries(chain: Chain) -> Iterator[SignedEntry]:
    for line in chain.lines:
        if isinstance(line, SignedEntry):
            yield line
        else:
            _, body, stated_hash, signature = read(line)
            yield SignedEntry(body, stated_hash, decode_signature(str(signature)))
