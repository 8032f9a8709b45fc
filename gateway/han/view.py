"""What one consumer has a gateway show him: each a door of its own, and his own data and log only.

The names of usage points, lists and channels that are not his are as unknown to him as those that do not exist.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from gateway.door import entry_point
from gateway.han.data import (
    ChannelReadings,
    ConsumerData,
    GatewayInformation,
    LogEntry,
    LogQuery,
    ReadingsQuery,
    UsagePoint,
    UsagePointProfile,
)
from gateway.han.errors import HanError
from gateway.han.queries import MOST_READINGS, LogRequest, ReadingsRequest, UsagePointRequest
from gateway.han.times import LONGEST_RANGE, too_long
from lifecycle.functions import Function, Interface
from lifecycle.gate import Gate
from lifecycle.roles import Role

SELF_TEST_SECONDS: Final = 600.0
"""How long after one self-test a consumer may ask for the next."""

_WITHIN_SECOND: Final = timedelta(seconds=1) - timedelta.resolution
"""Times are written in whole seconds; so a range ends with the last of the second that is named."""


@dataclass(frozen=True, slots=True)
class Page:
    """Readings of an answer.

    :ivar next_after: where to go on from, ``None`` where nothing is left.
    """

    channels: tuple[ChannelReadings, ...]
    next_after: datetime | None


class SelfTests:
    """Lets consumers have the gateway test itself: one at a time, and not too often."""

    def __init__(self, data: ConsumerData, clock: Callable[[], float]) -> None:
        """:param clock: seconds that pass, never back."""
        self._data = data
        self._clock = clock
        self._lock = threading.Lock()
        self._last: float | None = None

    def start(self, consumer: str) -> None:
        """Start one.

        :raises HanError: 403 if one is running, or the last one was less than ten minutes ago.
        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        with self._lock:
            if self._data.self_test_running():
                raise HanError(403, "a self-test is running")
            now = self._clock()
            if self._last is not None and now - self._last < SELF_TEST_SECONDS:
                left = int(SELF_TEST_SECONDS - (now - self._last)) + 1
                raise HanError(403, f"the last self-test was less than 10 minutes ago: again in {left} seconds")
            self._data.start_self_test(consumer)
            self._last = now


class ConsumerView:
    """The gateway as one consumer sees it."""

    def __init__(
        self,
        consumer: str,
        gate: Callable[[], Gate],
        data: ConsumerData,
        self_tests: SelfTests,
        clock: Callable[[], datetime],
    ) -> None:
        """:param consumer: his userid.
        :param gate: the gate as it is now.
        :param clock: the time, UTC.
        """
        self._consumer = consumer
        self._gate = gate
        self._data = data
        self._self_tests = self_tests
        self._clock = clock

    def gate(self) -> Gate:
        """The gate as it is now."""
        return self._gate()

    @entry_point(Role.ANSCHLUSSNUTZER, Interface.HAN_CONSUMER, Function.READ_OWN_DATA)
    def path(self) -> str:
        """Where his requests go.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        return f"/smgw/m2m/{self._consumer}/json"

    @entry_point(Role.ANSCHLUSSNUTZER, Interface.HAN_CONSUMER, Function.READ_OWN_DATA)
    def information(self) -> GatewayInformation:
        """What the gateway says of itself.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        return self._data.information()

    @entry_point(Role.ANSCHLUSSNUTZER, Interface.HAN_CONSUMER, Function.READ_OWN_DATA)
    def usage_points(self) -> Sequence[UsagePoint]:
        """His evaluation profiles (Auswertungsprofile).

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        return self._data.usage_points(self._consumer)

    @entry_point(Role.ANSCHLUSSNUTZER, Interface.HAN_CONSUMER, Function.READ_OWN_DATA)
    def usage_point(self, request: UsagePointRequest) -> UsagePointProfile:
        """One of his evaluation profiles, with the lists asked for.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises HanError: 404 if he has no such one, or it has no such list.
        """
        found = self._own(request.usage_point)
        if request.database is None:
            return found
        if request.database not in found.databases:
            raise HanError(404, f"this usage point has no database {request.database}")
        return replace(found, databases={request.database: found.databases[request.database]})

    @entry_point(Role.ANSCHLUSSNUTZER, Interface.HAN_CONSUMER, Function.READ_OWN_DATA)
    def readings(self, request: ReadingsRequest) -> Page:
        """Readings of one of his evaluation profiles.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises HanError: 400 if the range is none, too long, or holds more than one answer may; 404 if he has no such
            usage point, or it has no such list or channel.
        """
        after, until = self._range(request)
        profile = self._own(request.usage_point)
        if request.database not in profile.databases:
            raise HanError(404, f"this usage point has no database {request.database}")
        there = {channel.obis for channel in profile.databases[request.database]}
        missing = [wanted.obis for wanted in request.channels if wanted.obis not in there]
        if missing:
            raise HanError(404, f"this database has no channel {', '.join(missing)}")
        count = request.count or MOST_READINGS
        query = ReadingsQuery(
            profile.id, request.database, request.channels, request.last, after, until, limit=count + 1
        )
        found = tuple(self._data.readings(self._consumer, query))
        if request.last or all(len(channel.readings) <= count for channel in found):
            return Page(found, None)
        if request.count is None:
            words = f"the range holds more than {MOST_READINGS} readings of a channel: ask for less, or with count"
            raise HanError(400, words)
        end = min(channel.readings[count - 1].captured for channel in found if len(channel.readings) > count)
        cut = tuple(
            replace(channel, readings=tuple(one for one in channel.readings if one.captured <= end))
            for channel in found
        )
        return Page(cut, end)

    @entry_point(Role.ANSCHLUSSNUTZER, Interface.HAN_CONSUMER, Function.READ_CONSUMER_LOG)
    def log(self, request: LogRequest) -> Sequence[LogEntry]:
        """Entries of his log (Anschlussnutzer-Log).

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises HanError: 400 if the range is none.
        """
        if request.since is not None and request.before is not None and request.before < request.since:
            raise HanError(400, "totime is before fromtime")
        return self._data.log(self._consumer, LogQuery(request.since, request.before, request.index, request.count))

    @entry_point(Role.ANSCHLUSSNUTZER, Interface.HAN_CONSUMER, Function.READ_CONSUMER_LOG)
    def test_gateway(self) -> None:
        """Have the gateway test itself. It is let in like the log, which the result goes into.

        :raises lifecycle.gate.Closed: if the gate is shut for it, or for the self-test inside.
        :raises HanError: 403 if one is running, or the last one was less than ten minutes ago.
        """
        self._self_tests.start(self._consumer)

    def _own(self, usage_point: str) -> UsagePointProfile:
        found = self._data.usage_point(self._consumer, usage_point)
        if found is None:
            raise HanError(404, "there is no such usage-point-id")
        return found

    def _range(self, request: ReadingsRequest) -> tuple[datetime | None, datetime | None]:
        after, until = request.after, request.until
        if after is None:
            if not request.last:
                raise HanError(400, "fromtime is needed, or last-reading")
            return None, None if until is None else until + _WITHIN_SECOND
        until = self._clock().replace(microsecond=0) if until is None else until
        if until < after:
            raise HanError(400, "totime is before fromtime")
        if too_long(after, until):
            raise HanError(400, f"the range is longer than {LONGEST_RANGE.days} days")
        return after + _WITHIN_SECOND, until + _WITHIN_SECOND
