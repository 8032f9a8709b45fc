"""Live updates as server-sent events: one look at the database for all who listen.

Who listens names a topic: one gateway, or the whole fleet. While there are listeners, one task looks at the database,
soon after each command of this process and else from time to time, for others may write too; and never so often that
looking takes more than a small share of the time. Each topic keeps only its last event: an event says where things are
now, not what has happened, so whoever missed some needs just the last.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

import orjson
import structlog
from anyio import CapacityLimiter, to_thread

from lifecycle.service.problems import RETRY_SECONDS, ProblemError
from lifecycle.store.repository import Repository
from lifecycle.store.views import ends, fleet

FLEET: Final = ""
"""The topic of the whole fleet; every other is a gateway's identification."""

_log = structlog.get_logger("lifecycle.service.live")


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, how many and how long, in seconds where it is time.

    :ivar interval: between two looks at the database.
    :ivar share: looking takes at most one in so many parts of the time.
    :ivar heartbeat: after how long without an event a comment is sent, so that proxies keep the connection.
    :ivar lifetime: after how long a stream ends; its listener comes back and shows its credential again.
    :ivar listeners: how many listen at most.
    """

    interval: float = 1.0
    share: int = 20
    heartbeat: float = 15.0
    lifetime: float = 900.0
    listeners: int = 64


@dataclass(slots=True)
class _Topic:
    listeners: int = 0
    id: str = ""
    message: bytes = b""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, identifier: str, message: bytes) -> None:
        """Keep the last event and wake who listens."""
        self.id, self.message = identifier, message
        self.changed.set()
        self.changed = asyncio.Event()


class Broker:
    """Tells listeners where gateways are now. All of it runs on one event loop, but for :meth:`wake`."""

    def __init__(self, repository: Repository, pace: Pace | None = None) -> None:
        self._repository = repository
        self.pace = pace or Pace()
        self._topics: dict[str, _Topic] = {}
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._look_now = asyncio.Event()
        self._closing = asyncio.Event()
        self._limiter = CapacityLimiter(1)

    def wake(self) -> None:
        """Look at the database now: something was written. May be called from any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._look_now.set)

    def close(self) -> None:
        """End every stream: the service stops."""
        self._closing.set()

    def admit(self) -> None:
        """Refuse one listener too many.

        :raises ProblemError: if as many listen as may.
        """
        if sum(topic.listeners for topic in self._topics.values()) >= self.pace.listeners:
            headers = {"Retry-After": str(RETRY_SECONDS)}
            raise ProblemError("busy", f"{self.pace.listeners} listen already", headers)

    async def stream(self, topic_name: str, last_id: str | None) -> AsyncIterator[bytes]:
        """The events of a topic, from where it is now.

        :param last_id: the last event that the listener had; that one is not sent again.
        """
        topic = self._join(topic_name)
        began = time.monotonic()
        try:
            yield b"retry: 2000\n\n"
            sent = last_id
            while not self._closing.is_set() and time.monotonic() - began < self.pace.lifetime:
                changed = topic.changed
                if topic.id and topic.id != sent:
                    sent = topic.id
                    yield topic.message
                    continue
                if not await self._either(changed):
                    yield b": still here\n\n"
        finally:
            self._leave(topic_name)

    async def _either(self, changed: asyncio.Event) -> bool:
        """Wait for a change or the end of the service; whether there was one before the heartbeat."""
        waits = [asyncio.ensure_future(event.wait()) for event in (changed, self._closing)]
        try:
            done, _ = await asyncio.wait(waits, timeout=self.pace.heartbeat, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return bool(done)

    def _join(self, name: str) -> _Topic:
        topic = self._topics.setdefault(name, _Topic())
        topic.listeners += 1
        self._loop = asyncio.get_running_loop()
        self._look_now.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look_while_heard())
        return topic

    def _leave(self, name: str) -> None:
        topic = self._topics[name]
        topic.listeners -= 1
        if not topic.listeners:
            del self._topics[name]

    async def _look_while_heard(self) -> None:
        while self._topics and not self._closing.is_set():
            self._look_now.clear()
            began = time.monotonic()
            try:
                seen = await to_thread.run_sync(self._look, frozenset(self._topics), limiter=self._limiter)
            except Exception:  # whatever it is, who listens stays connected and is told when it is over
                _log.exception("cannot look for changes")
                seen = {}
            for name, (identifier, message) in seen.items():
                topic = self._topics.get(name)
                if topic is not None and topic.id != identifier:
                    topic.tell(identifier, message)
            took = time.monotonic() - began
            await asyncio.sleep(took * self.pace.share)
            try:
                await asyncio.wait_for(self._look_now.wait(), self.pace.interval)
            except TimeoutError:
                continue

    def _look(self, topics: frozenset[str]) -> dict[str, tuple[str, bytes]]:
        """Where the topics are now: the identifier of that, and the event that tells it."""
        seen = {}
        for gateway, count in ends(self._repository, topics - {FLEET}).items():
            seen[gateway] = str(count), _event("gateway", str(count), {"gateway": gateway, "entries": count})
        if FLEET in topics:
            now = fleet(self._repository)
            identifier = f"{now.total}-{now.entries}"
            told = {"total": now.total, "entries": now.entries, "counts": {str(s): n for s, n in now.counts.items()}}
            seen[FLEET] = identifier, _event("fleet", identifier, told)
        return seen


def _event(name: str, identifier: str, told: dict[str, object]) -> bytes:
    return b"event: %b\nid: %b\ndata: %b\n\n" % (name.encode(), identifier.encode(), orjson.dumps(told))
