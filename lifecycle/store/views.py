"""Looks over many gateways at once, for lists and for noticing change. Nothing here writes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from lifecycle.states import State
from lifecycle.store.errors import UnreadableStateError
from lifecycle.store.repository import Repository
from lifecycle.store.rows import Kept, read_kept
from lifecycle.store.schema import entries, gateways

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


_STATES = frozenset(map(str, State))


@dataclass(frozen=True, slots=True)
class Fleet:
    """The fleet in figures.

    :ivar counts: gateways by state; states without any are left out.
    :ivar unreadable: gateways whose stored state is none.
    :ivar entries: entries of all chains together, so that any change shows.
    """

    counts: Mapping[State, int]
    unreadable: int
    entries: int

    @property
    def total(self) -> int:
        """How many gateways there are."""
        return sum(self.counts.values()) + self.unreadable


@dataclass(frozen=True, slots=True)
class Listed:
    """A gateway in a list.

    :ivar gateway: its identification.
    :ivar kept: what is kept of it; ``None`` where that makes no sense.
    """

    gateway: str
    kept: Kept | None


def fleet(repository: Repository) -> Fleet:
    """The fleet in figures, as it is now."""
    each = select(_STATE_NOW.label("state"), _ENTRIES_NOW.label("entries")).select_from(gateways).subquery()
    query = select(each.c.state, func.count(), func.sum(each.c.entries)).group_by(each.c.state)
    with repository.engine.connect() as connection:
        rows = connection.execute(query).all()
    known = {State(state): count for state, count, _ in rows if state in _STATES}
    unreadable = sum(count for state, count, _ in rows if state not in _STATES)
    return Fleet(known, unreadable, sum(int(total) for _, _, total in rows))


def page(
    repository: Repository, *, state: State | None = None, containing: str = "", after: str = "", limit: int
) -> list[Listed]:
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
        return [Listed(gateway, _kept_or_none(repository, connection, gateway)) for gateway in found]


def _kept_or_none(repository: Repository, connection: Connection, gateway: str) -> Kept | None:
    try:
        return read_kept(connection, gateway, repository.law.catalogue)
    except UnreadableStateError:
        return None


def ends(repository: Repository, of: Collection[str]) -> dict[str, int]:
    """How many entries the chains of these gateways have; unknown ones are left out."""
    query = select(gateways.c.id, _ENTRIES_NOW).where(gateways.c.id.in_(of))
    with repository.engine.connect() as connection:
        return {gateway: int(count) for gateway, count in connection.execute(query)}
