"""Verification for the service: few replays at a time, off the event loop, and nobody blamed for a write meanwhile."""

from __future__ import annotations

import threading
from datetime import datetime
from functools import partial

from anyio import CapacityLimiter, to_thread

from lifecycle.chains import Break, Chain
from lifecycle.head import Head
from lifecycle.replay import Verdict
from lifecycle.store.replicas import replay_kept
from lifecycle.store.repository import Repository
from lifecycle.store.views import ends

AT_ONCE = 2
"""How many chains are read whole at a time; who comes later waits."""
_TRIES = 3


class Verifier:
    """Replays the chains of one repository, and remembers which were found broken."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._limiter = CapacityLimiter(AT_ONCE)
        self._lock = threading.Lock()
        self._broken: set[str] = set()

    async def verdict(self, gateway: str, until: int | datetime | None = None) -> Verdict:
        """Replay a chain as kept; with *until*, no further than that.

        :raises lifecycle.store.errors.UnknownGatewayError: if no record is kept of the gateway.
        """
        return await to_thread.run_sync(partial(self._verdict, gateway, until), limiter=self._limiter)

    async def reaches(self, gateway: str, head: Head) -> Break | None:
        """Whether a chain, replayed, reaches a head kept elsewhere; else where it breaks.

        :raises lifecycle.store.errors.UnknownGatewayError: if no record is kept of the gateway.
        """
        return await to_thread.run_sync(partial(self._reaches, gateway, head), limiter=self._limiter)

    async def chain(self, gateway: str) -> Chain:
        """A whole chain, nothing in it believed.

        :raises lifecycle.store.errors.UnknownGatewayError: if no record is kept of the gateway.
        """
        return await to_thread.run_sync(partial(self._repository.chain, gateway), limiter=self._limiter)

    def known_broken(self, gateway: str) -> bool:
        """Whether the last replay of this gateway's chain found it broken: then its gate is shut."""
        return gateway in self._broken

    def _verdict(self, gateway: str, until: int | datetime | None) -> Verdict:
        for _ in range(_TRIES):
            before = ends(self._repository, [gateway])
            verdict = replay_kept(self._repository, gateway, until=until)
            # An entry that came while the chain was read looks like a difference, and is none.
            if verdict.ok or ends(self._repository, [gateway]) == before:
                break
        self._remember(verdict, whole=until is None)
        return verdict

    def _reaches(self, gateway: str, head: Head) -> Break | None:
        # An earlier keeper's certificate is kept, but does not travel with a chain that a later keeper signed.
        certificate = self._repository.certificate(head.certificate)
        beside = {head.certificate: certificate} if certificate is not None else {}
        return replay_kept(self._repository, gateway, head=head, head_certificates=beside).broken

    def _remember(self, verdict: Verdict, *, whole: bool) -> None:
        with self._lock:
            if not verdict.ok:
                self._broken.add(verdict.gateway)
            elif whole:
                self._broken.discard(verdict.gateway)
