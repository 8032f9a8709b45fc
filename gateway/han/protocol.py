"""One connection: how long it may last, how long a request may take to begin, and whose it is."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

SESSION_SECONDS: Final = 48 * 3600.0
"""Longest session, resumptions with it (TR-03116-3 5.1.2)."""
IDLE_SECONDS: Final = 600
"""How long a session may be without a request."""
HEAD_SECONDS: Final = 20.0
"""How long the headers of a request may take from their first byte, and those of the first from the handshake; ours."""
HANDSHAKE_SECONDS: Final = 15.0
"""How long the TLS handshake may take; ours."""


Admits = Callable[[bytes | None], bool]
"""Says of a peer's certificate (DER, ``None`` where it showed none) whether it is answered at all."""


def everybody(_certificate: bytes | None) -> bool:
    """Admits everybody."""
    return True


class Connections:
    """How many connections there are.

    :param most: at once.
    :param most_each: at once from one address.
    """

    def __init__(self, most: int, most_each: int) -> None:
        self._most = most
        self._most_each = most_each
        self._by_address: Counter[str] = Counter()

    def add(self, address: str) -> bool:
        """One more. Whether these are too many."""
        self._by_address[address] += 1
        return self._by_address.total() > self._most or self._by_address[address] > self._most_each

    def remove(self, address: str) -> None:
        """One less."""
        self._by_address[address] -= 1
        if self._by_address[address] <= 0:
            del self._by_address[address]


class HanProtocol(H11Protocol):
    """uvicorn's HTTP protocol with the limits of this interface; nothing here asks who somebody is, or the gate."""

    def __init__(
        self, config: Config, state: ServerState, connections: Connections, admits: Admits = everybody
    ) -> None:
        super().__init__(config, state, {})
        self._counted = connections
        self._admits = admits
        self._address = ""
        self._session: asyncio.TimerHandle | None = None
        self._head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Keep the peer's certificate (DER, or ``None``) in the state of every request, and begin to count time."""
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        self._address = self.client[0] if self.client else ""
        crowded = self._counted.add(self._address)
        peer = tls.getpeercert(binary_form=True)
        self.app_state = {"peer": peer, "crowded": crowded}
        if not self._admits(peer):
            transport.abort()
        spent = max(0.0, time.time() - tls.session.time) if tls.session_reused and tls.session else 0.0
        self._session = self.loop.call_later(max(0.0, SESSION_SECONDS - spent), transport.abort)
        self._head = self.loop.call_later(HEAD_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting."""
        self._counted.remove(self._address)
        for timer in (self._session, self._head):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """As uvicorn does, and see to it that what has begun goes on."""
        super().handle_events()
        waits_for_head = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
        if not waits_for_head:
            if self._head is not None and (self.conn.their_state is not h11.IDLE or self.cycle is not None):
                self._head.cancel()
                self._head = None
        elif self._head is None:
            self._head = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """As uvicorn does, as far as HTTP still allows an answer; who works on a request before is told it is over."""
        wants_body = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            wants_body = self.scope["method"] != "HEAD"
        if wants_body and self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            super().send_400_response(msg)
        else:
            self.transport.close()
