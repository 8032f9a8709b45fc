"""What a store may answer instead."""

from __future__ import annotations

from lifecycle.replay import Verdict


class StoreError(Exception):
    """The store cannot do what was asked."""


class SchemaError(StoreError):
    """The database's schema is not the one that this version needs."""


class UnknownGatewayError(StoreError):
    """No record is kept of this gateway."""


class GatewayExistsError(StoreError):
    """A record is kept of this gateway already."""


class UnreadableStateError(StoreError):
    """The stored state of a gateway makes no sense: somebody else has written to the database."""


class ConflictError(StoreError):
    """Somebody else was first: the entry does not follow the end of the chain any more."""


class EntryRefusedError(StoreError):
    """An entry is not what it says: hash, signature, certificate, time or payload."""


class IdempotencyError(StoreError):
    """An idempotency key was used before, for something else."""


class ForkError(StoreError):
    """Two replicas of a chain went different ways. An alarm: at least one party has signed two histories."""


class BrokenChainError(StoreError):
    """A chain that was to be imported is broken.

    :ivar verdict: where and how.
    """

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(str(verdict))
        self.verdict = verdict
