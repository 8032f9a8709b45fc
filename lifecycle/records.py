"""Records as stations meet them: where one ends, what is in it, and how a step gets on it.

A :class:`lifecycle.store.repository.Repository` is such a place; whoever signs needs to know no more of it than this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from lifecycle.journal import Json, Position, SignedEntry
from lifecycle.law import Law, Standing, Step
from lifecycle.parties import Clock, Party, Trust


class KeptRecord(Protocol):
    """One gateway's record, as it is kept now."""

    @property
    def standing(self) -> Standing:
        """Where the gateway stands."""

    @property
    def position(self) -> Position:
        """Where the chain ends."""


class Records(Protocol):
    """Where records are kept."""

    @property
    def law(self) -> Law:
        """The law that they are kept by."""

    @property
    def trust(self) -> Trust:
        """The pinned operations CA."""

    @property
    def clock(self) -> Clock:
        """Tells the time."""

    def kept(self, gateway: str) -> KeptRecord:
        """What is kept of a gateway.

        :raises StoreError: if nothing is, or it makes no sense.
        """

    def entries(self, gateway: str, *, after: int = 0) -> list[SignedEntry]:
        """Entries of a chain in order, those with a sequence above *after*."""

    def act(self, gateway: str, party: Party, step: Step, *, detail: Mapping[str, Json] | None = None) -> object:
        """Sign a step with the key of a party that is here, and put it on record.

        :raises lifecycle.law.Unlawful: if the law refuses the step.
        :raises StoreError: if the party may not sign, or somebody else was first.
        """
