"""A consumer's reading lists for machines: original, derived, switches of TAF-2, and day values.

``origin`` is the original list as it is kept, signatures and all. ``derived`` has the values of each stage's register
as they grew from the begin of the billing period, at the end of each stretch of a stage and of each day; ``calculated``
those of them after which another stage held. ``daily`` has the original readings of midnights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from gateway.contracts import Contract
from gateway.derived.charts import NO_UNIT, registers_of
from gateway.derived.port import TariffPort
from gateway.derived.sums import DerivedList
from gateway.han.data import (
    Channel,
    ChannelReadings,
    Database,
    HanReading,
    ReadingsQuery,
    WanCertificate,
    WantedChannel,
)
from gateway.lmn.status import CombinedStatus, GatewayStatus
from gateway.metering.entries import ListEntry
from gateway.metering.list_reading import MAX_READ
from gateway.metering.port import MeteringPort
from gateway.profiles import is_counter
from gateway.tariffing.ar2418 import same_device
from gateway.tariffing.booking import DerivedReading, Mark
from gateway.tariffing.periods import DAY, Period
from gateway.tariffing.profile import UseCase
from gateway.tariffing.rules import BILLED
from gateway.tariffing.status import fnn_of_word
from lifecycle.functions import Credential

MOST_ENTRIES: Final = 100_000
"""Entries of one register that one answer is made from; ours: 31 days by the half minute."""
_SHOWN: Final = Credential.CONSUMER_PASSWORD
"""By what who asks has shown himself; the HAN interface has checked it, or a certificate in its place."""
_BESIDE: Final = timedelta(minutes=15)
"""More than a reading is ever captured beside the time it counts for."""
_AHEAD: Final = timedelta(days=366)
"""How far ahead of a clock that was set back readings may lie."""
_PERIODS_BACK: Final = 3
"""How many billing periods the last derived value is looked for in."""
_GATEWAY_OF: Final = {
    Mark.NONE: GatewayStatus(0),
    Mark.GAP: GatewayStatus.PTB_WARNING,
    Mark.UNASSIGNED: GatewayStatus.PTB_TEMPORARY_ERROR_SIGNED_INVALID,
}
"""How a booking's mark is told in the gateway's status word: as the export tells it."""


def is_derived(contract: Contract) -> bool:
    """Whether the gateway derives registers by a contract."""
    return bool(contract.stages) and contract.use_case in (*BILLED, UseCase.CONTROLLABLE_LOAD)


class ConsumerLists:
    """The lists of all consumers, each for himself."""

    def __init__(
        self,
        metering: MeteringPort,
        tariffs: TariffPort,
        clock: Callable[[], datetime],
        certificates: Callable[[], Sequence[WanCertificate]],
    ) -> None:
        """:param clock: the time, UTC.
        :param certificates: the gateway's, as it shows them: by them the owner of a signature is numbered.
        """
        self._metering = metering
        self._tariffs = tariffs
        self._clock = clock
        self._certificates = certificates

    def latest(self, contract: Contract, obis: bytes, until: datetime | None = None) -> ListEntry | None:
        """The newest reading of a register.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        return self._metering.own_latest(_SHOWN, contract.consumer, contract.server_id, obis.hex(), until=until)

    def scale(self, contract: Contract, obis: bytes) -> tuple[int, int]:
        """Scaler and unit of a register as it is now; (0, 255) where it has no reading yet."""
        newest = self.latest(contract, obis)
        if newest is None:
            return 0, NO_UNIT
        return newest.scaler, NO_UNIT if newest.unit is None else newest.unit

    def databases(self, contract: Contract) -> dict[Database, tuple[Channel, ...]]:
        """The lists of a contract, and what each has."""
        origin = tuple(Channel(obis.hex(), *self.scale(contract, obis)) for obis in contract.registers)
        found = {Database.ORIGIN: origin}
        if is_derived(contract):
            derived = tuple(
                Channel(register.hex(), channel.scaler, channel.unit)
                for channel in origin
                for register in registers_of(contract, bytes.fromhex(channel.obis))
            )
            found[Database.DERIVED] = derived
            if contract.use_case is UseCase.TIME_VARIABLE:
                found[Database.CALCULATED] = derived
        counters = tuple(channel for channel in origin if is_counter(bytes.fromhex(channel.obis)))
        if counters:
            found[Database.DAILY] = counters
        return found

    def readings(self, contract: Contract, query: ReadingsQuery) -> list[ChannelReadings]:
        """What a list of a contract has.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises gateway.tariffing.errors.TariffingError: if the contract does not fit what is measured.
        """
        query = self._within_reason(contract, query)
        channels = self.databases(contract).get(query.database, ())
        wanted = [channel for channel in channels if _is_wanted(channel, contract.meter, query.channels)]
        of_channel = {
            Database.ORIGIN: self._origin,
            Database.DERIVED: self._derived,
            Database.CALCULATED: self._derived,
            Database.DAILY: self._daily,
        }[query.database]
        answer = []
        for channel in wanted:
            found = _one_a_second(each for each in of_channel(contract, channel, query) if _is_asked_for(each, query))
            kept = found[-1:] if query.last else found[: query.limit]
            answer.append(ChannelReadings(channel.obis, contract.meter, tuple(kept)))
        return answer

    def _within_reason(self, contract: Contract, query: ReadingsQuery) -> ReadingsQuery:
        """The same without times of which nothing can be there: any year can be asked for."""
        after = None if query.after is None else max(query.after, contract.start - DAY)
        until = None if query.until is None else min(query.until, self._clock() + _AHEAD)
        return replace(query, after=after, until=until)

    def entries(
        self, contract: Contract, obis: bytes, since: datetime | None, until: datetime | None
    ) -> Iterator[ListEntry]:
        """Entries of a register whose time is in since < time <= until, by rising number.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        number = 0
        while page := self._metering.own_entries(
            _SHOWN, contract.consumer, contract.server_id, obis.hex(), since=since, until=until, number=number
        ):
            yield from page
            number = page[-1].number
            if len(page) < MAX_READ:
                return

    def owner_of(self, entry: ListEntry) -> int:
        """The number of the certificate that signed an entry; 0 where none did, or it is shown no longer."""
        if entry.seal is None:
            return 0
        shown = (each.index for each in self._certificates() if hashlib.sha256(each.sig).hexdigest() == entry.seal.key)
        return next(shown, 0)

    def _origin(self, contract: Contract, channel: Channel, query: ReadingsQuery) -> Iterator[HanReading]:
        obis = bytes.fromhex(channel.obis)
        if query.last:
            newest = self.latest(contract, obis, query.until)
            yield from self._told(channel, () if newest is None else (newest,))
            return
        since = None if query.after is None else query.after - _BESIDE
        until = None if query.until is None else query.until + _BESIDE
        yield from self._told(channel, islice(self.entries(contract, obis, since, until), MOST_ENTRIES))

    def _told(self, channel: Channel, entries: Iterable[ListEntry]) -> Iterator[HanReading]:
        owners: dict[str, int] = {}
        for entry in entries:
            value = _in_scaler(entry, channel)
            if entry.captured is None or value is None:
                continue
            key = "" if entry.seal is None else entry.seal.key
            if key not in owners:
                owners[key] = self.owner_of(entry)
            words = bytes.fromhex(fnn_of_word(entry.status))
            signature = b"" if entry.seal is None else entry.seal.signature
            yield HanReading(value, entry.captured, entry.target, words[:4], words[4:], words, owners[key], signature)

    def _derived(self, contract: Contract, channel: Channel, query: ReadingsQuery) -> Iterator[HanReading]:
        for each in self._derived_lists(contract, query):
            if each.register.hex() == channel.obis:
                chosen = each.switches if query.database is Database.CALCULATED else each.readings
                factor = each.scaler - channel.scaler
                yield from (_derived_reading(one, factor) for one in chosen if factor >= 0)

    def _derived_lists(self, contract: Contract, query: ReadingsQuery) -> Iterator[DerivedList]:
        until = self._clock() if query.until is None else min(query.until, self._clock())
        periods = contract.billing_periods(until)
        if query.last:
            periods = periods[-_PERIODS_BACK:]
        for period in periods:
            if query.after is None or period.end + _BESIDE > query.after:
                yield from self._tariffs.lists(Credential.INSIDE, contract.id, period, consumer=contract.consumer)

    def _daily(self, contract: Contract, channel: Channel, query: ReadingsQuery) -> Iterator[HanReading]:
        until = self._clock() if query.until is None else min(query.until, self._clock())
        after = until - _PERIODS_BACK * DAY if query.after is None else query.after
        if until <= after:
            return
        obis, period = bytes.fromhex(channel.obis), Period(after - _BESIDE, until + _BESIDE)
        found = self._tariffs.day_values(Credential.INSIDE, contract.id, obis, period, consumer=contract.consumer)
        for each in found:
            if each.source is not None:
                number = each.source.entry
                entries = self._metering.own_entries(
                    _SHOWN, contract.consumer, contract.server_id, channel.obis, number=number - 1, limit=1
                )
                yield from self._told(channel, entries)


def _derived_reading(each: DerivedReading, factor: int) -> HanReading:
    words = bytes.fromhex(fnn_of_word(CombinedStatus(_GATEWAY_OF[each.mark], None).word))
    value = each.value * 10**factor
    # Of the time that it is of, as in files: what a billing period ended with is found by the period's own times.
    return HanReading(value, each.at, each.at, words[:4], words[4:], words, owner=0)


def _in_scaler(entry: ListEntry, channel: Channel) -> int | None:
    """A value in the scaler of the channel; ``None`` where it is no integer there, or in another unit."""
    if entry.value is None or (NO_UNIT if entry.unit is None else entry.unit) != channel.unit:
        return None
    if entry.scaler >= channel.scaler:
        return int(entry.value * 10 ** (entry.scaler - channel.scaler))
    value, rest = divmod(entry.value, 10 ** (channel.scaler - entry.scaler))
    return None if rest else value


def _is_wanted(channel: Channel, meter: str, wanted: Sequence[WantedChannel]) -> bool:
    return not wanted or any(
        each.obis == channel.obis and (each.meter is None or same_device(each.meter, meter)) for each in wanted
    )


def _is_asked_for(reading: HanReading, query: ReadingsQuery) -> bool:
    return (query.after is None or reading.captured > query.after) and (
        query.until is None or reading.captured <= query.until
    )


def _one_a_second(readings: Iterable[HanReading]) -> list[HanReading]:
    """By rising capture time; of several within a second, as where the clock was set back, the last of the list."""
    by_second = {reading.captured.replace(microsecond=0): reading for reading in readings}
    return [by_second[second] for second in sorted(by_second)]
