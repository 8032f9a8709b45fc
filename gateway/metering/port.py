"""Where the original reading lists are written, read and cleared: each asked for at its own door."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Unpack

from gateway.door import entry_point
from gateway.metering.entries import Deletion, ListEntry
from gateway.metering.list_reading import Wanted
from gateway.metering.reading_list import ReadingList, Taken
from gateway.metering.readings import OriginalReading
from gateway.metering.rules import ListProfile, ProfileError, Register
from gateway.sealing import Line
from lifecycle.functions import Function, Interface
from lifecycle.gate import Gate
from lifecycle.roles import Role


class MeteringPort:
    """The original reading lists, behind the gate.

    :param gate: the gateway's gate as it is now.
    :param lists: where they are kept.
    :param profiles: the profiles as they are now, by register.
    """

    def __init__(
        self,
        gate: Callable[[], Gate],
        lists: ReadingList,
        profiles: Callable[[], Mapping[Register, ListProfile]],
    ) -> None:
        self._gate = gate
        self._lists = lists
        self._profiles = profiles

    def gate(self) -> Gate:
        """The gate as it is now."""
        return self._gate()

    @entry_point(Role.GATEWAY, Interface.INSIDE, Function.STORE_READINGS, subject="consumer")
    def take(self, readings: Sequence[OriginalReading], *, consumer: str) -> list[Taken]:
        """Take the readings of one consumer's meters; see :meth:`ReadingList.take`.

        While another consumer's log is full, this consumer's metering goes on (ch. 15).

        :param consumer: whose readings they are; readings that no profile has are nobody's and may be among them.
        :raises lifecycle.gate.Closed: if the gate is shut for it, or for this consumer.
        :raises ProfileError: if one is of another consumer's register, or not as a meter sends it; nothing is kept.
        :raises gateway.logs.store.LogFull: if something has to be logged and cannot; nothing is kept.
        :raises gateway.storage.StorageFull: if there is no room; nothing is kept.
        """
        profiles = self._profiles()
        for reading in readings:
            profile = profiles.get((reading.meter, reading.obis))
            if profile is not None and profile.consumer != consumer:
                raise ProfileError(f"register {reading.obis} of meter {reading.meter} is not metered for {consumer!r}")
        return self._lists.take(readings)

    @entry_point(Role.GATEWAY, Interface.INSIDE, Function.WRITE_LOGS)
    def close_gaps(self) -> int:
        """Write down what was missed. On also while storing is off: that nothing came is to be known all the same.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises gateway.storage.StorageFull: if there is no room.
        """
        return self._lists.close_gaps()

    @entry_point(Role.GATEWAY, Interface.INSIDE, Function.WRITE_LOGS)
    def delete_expired(self) -> list[Deletion]:
        """Delete what is kept long enough. On also while storing is off: it is what makes room again.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises gateway.storage.StorageFull: if there is no room.
        """
        return self._lists.delete_expired()

    @entry_point(Role.ANSCHLUSSNUTZER, Interface.HAN_CONSUMER, Function.READ_OWN_DATA)
    def own_entries(self, consumer: str, meter: str, obis: str, **wanted: Unpack[Wanted]) -> list[ListEntry]:
        """A consumer's own entries of a list, oldest first; see :meth:`ReadingList.entries`.

        :param consumer: as whom the caller showed himself.
        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises ProfileError: if the limit is too large.
        """
        return self._lists.entries(meter, obis, consumer=consumer, **wanted)

    @entry_point(Role.ANSCHLUSSNUTZER, Interface.HAN_CONSUMER, Function.READ_OWN_DATA)
    def own_lines(self, consumer: str, meter: str, obis: str, **wanted: Unpack[Wanted]) -> list[Line]:
        """The same entries as they are kept, with hash and signature; see :meth:`ReadingList.lines_of`.

        :param consumer: as whom the caller showed himself.
        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises ProfileError: if the limit is too large.
        """
        return self._lists.lines_of(meter, obis, consumer=consumer, **wanted)

    @entry_point(Role.ANSCHLUSSNUTZER, Interface.HAN_CONSUMER, Function.READ_OWN_DATA)
    def own_latest(self, consumer: str, meter: str, obis: str, *, until: datetime | None = None) -> ListEntry | None:
        """A consumer's newest reading of a register; ``None`` where he has none.

        :param consumer: as whom the caller showed himself.
        :param until: only those captured not later.
        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        return self._lists.latest(meter, obis, consumer=consumer, until=until)
