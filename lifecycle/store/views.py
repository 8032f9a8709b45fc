"""Looks over many gateways at once, for lists and for noticing change. Nothing here writes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import func, select

from lifecycle.states import State
from lifecycle.store.repository import Repository
from lifecycle.store.rows import Kept, read_kept
from lifecycle.store.schema import commands, entries, gateways

_LAST_STATE = (
    select(entries.c.state)
    .where(entries.c.gateway == gateways.c.id)
    .order_by(entries.c.sequence.desc())
    .limit(1)
    .scalar_subquery()
)
_STATE_NOW = func.coalesce(_LAST_STATE, str(State.DEVELOPMENT))
_ENTRIES_NOW = func.coalesce(
    select(func.max(entries.c.sequence)).where(entries.c.gateway == gateways.c.id).scalar_subquery(), 0
)


@dataclass(frozen=True, slots=True)
class Fleet:
    """The fleet in figures.

    :ivar counts: gateways by state; states without any are left out.
    :ivar entries: entries of all chains together, so that any change shows.
    """

    counts: Mapping[State, int]
    entries: int

    @property
    def total(self) -> int:
        """How many gateways there are."""
        return sum(self.counts.values())


def fleet(repository: Repository) -> Fleet:
    """The fleet in figures, as it is now."""
    each = select(_STATE_NOW.label("state"), _ENTRIES_NOW.label("entries")).select_from(gateways).subquery()
    query = select(each.c.state, func.count(), func.sum(each.c.entries)).group_by(each.c.state)
    with repository.engine.connect() as connection:
        rows = connection.execute(query).all()
    return Fleet({State(state): count for state, count, _ in rows}, sum(int(total) for _, _, total in rows))


def page(
    repository: Repository, *, state: State | None = None, containing: str = "", after: str = "", limit: int
) -> list[Kept]:
    """Gateways in the order of their identifications.

    :param state: only those that are in it now.
    :param containing: only those whose identification has this in it.
    :param after: only those behind this identification.
    """
    query = select(gateways.c.id).where(gateways.c.id > after).order_by(gateways.c.id).limit(limit)
    if containing:
        query = query.where(gateways.c.id.contains(containing, autoescape=True))
    if state is not None:
        query = query.where(_STATE_NOW == str(state))
    with repository.engine.connect() as connection:
        found = connection.execute(query).scalars().all()
        return [read_kept(connection, gateway, repository.law.catalogue) for gateway in found]


def ends(repository: Repository, of: Collection[str]) -> dict[str, int]:
    """How many entries the chains of these gateways have; unknown ones are left out."""
    query = select(gateways.c.id, _ENTRIES_NOW).where(gateways.c.id.in_(of))
    with repository.engine.connect() as connection:
        return {gateway: int(count) for gateway, count in connection.execute(query)}


def was_commanded(repository: Repository, certificate: str, key: str) -> bool:
    """Whether a command of this party with this idempotency key has acted."""
    query = select(commands.c.sequence).where(commands.c.certificate == certificate, commands.c.key == key)
    with repository.engine.connect() as connection:
        return connection.execute(query).one_or_none() is not None
