"""Where derived registers are made (TR-03109-1 ch. 4): from the original lists, by the rule set of a contract.

Nothing derived is kept: an original list and a contract give the same registers whenever they are asked for. Every
value names the original entries that it comes from. What was made is remembered while the list has nothing new of its
time: at most :data:`MOST_REMEMBERED` sums for charts and as many lines, whatever the number of meters: some 10 MB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from gateway.contracts import Contract
from gateway.derived import buckets, charts
from gateway.derived.originals import NO_EPOCHS, Epochs, original_list
from gateway.derived.sums import DerivedList, DerivedLists, Kept, Remembered, Sums, T
from gateway.door import entry_point
from gateway.han.page_data import Consumption, Step
from gateway.lmn.obis import format_obis
from gateway.metering.entries import Extent, ListEntry
from gateway.metering.list_reading import MAX_READ
from gateway.metering.reading_list import ReadingList
from gateway.profiles import Profiles, is_counter
from gateway.tariffing import taf11
from gateway.tariffing.booking import Account, Mark
from gateway.tariffing.errors import ProfileError, ReadingsError, TariffingError
from gateway.tariffing.periods import DAY, Period, local_date, midnight
from gateway.tariffing.profile import UseCase
from gateway.tariffing.readings import Point, within
from gateway.tariffing.readings import ReadingList as Original
from gateway.tariffing.rules import account as account_of
from gateway.tariffing.series import SeriesReading, grid_times, series
from gateway.tariffing.taf11 import ControlCommand
from lifecycle.functions import Function, Interface
from lifecycle.gate import Gate
from lifecycle.roles import Role

MOST_READ: Final = 400_000
"""Readings that one answer is made from; ours: ten years of quarter hours."""
MOST_REMEMBERED: Final = 12_000
"""Sums, or lines of derived lists, that are remembered: four months of quarter hours, or thirty years of days."""
_LONG_RASTER: Final = timedelta(minutes=15)
_BEHIND: Final = (DAY, 31 * DAY, 366 * DAY)
"""How far to look back for the reading before a stretch of time, one after the other."""
_MOST_EPOCHS: Final = 1_024
"""Registers whose epochs are remembered."""


class NoSuchContractError(ProfileError):
    """The consumer has no such contract, or the contract no such register. Which others have is told to nobody."""


class RangeTooLongError(TariffingError):
    """More readings than one answer is made from."""


def _no_commands(_contract: Contract) -> Sequence[ControlCommand]:
    return ()


@dataclass(frozen=True, slots=True)
class _Listed:
    """One register of a contract, its list as it is now, and its raster."""

    contract: Contract
    obis: bytes
    period: timedelta
    extent: Extent
    epochs: Epochs


class TariffPort:
    """The rule sets, behind the gate. Called from several threads."""

    def __init__(
        self,
        gate: Callable[[], Gate],
        lists: ReadingList,
        profiles: Callable[[], Profiles],
        clock: Callable[[], datetime],
        commands: Callable[[Contract], Sequence[ControlCommand]] = _no_commands,
    ) -> None:
        """:param gate: the gateway's gate as it is now.
        :param lists: the original reading lists.
        :param profiles: the profiles as they are now.
        :param clock: the time, UTC.
        :param commands: the control commands of a contract by TAF-11.
        """
        self._gate = gate
        self._lists = lists
        self._profiles = profiles
        self._clock = clock
        self._commands = commands
        self._sums: Remembered[Sums] = Remembered(MOST_REMEMBERED)
        self._known_epochs: dict[tuple[str, bytes, str], Epochs] = {}
        self._derived: Remembered[DerivedLists] = Remembered(MOST_REMEMBERED)

    def gate(self) -> Gate:
        """The gate as it is now."""
        return self._gate()

    @entry_point(Role.GATEWAY, Interface.INSIDE, Function.DERIVE_REGISTERS, subject="consumer")
    def derive(self, contract: str, period: Period, *, consumer: str) -> tuple[Account, ...]:
        """The registers of a contract in a period, one account for each original register.

        The original readings of an account name their entries: ``booking.begin.source.entry`` and ``.hash``.

        :raises lifecycle.gate.Closed: if the gate is shut for it, or for this consumer.
        :raises NoSuchContractError: if the consumer has no such contract.
        :raises ProfileError: if the contract says nothing of how to derive them.
        :raises ReadingsError: if there are fewer than two usable readings.
        :raises RangeTooLongError: if the period has too many readings.
        """
        found = self._contract(consumer, contract)
        return tuple(self._account(self._listed(found, obis), period) for obis in found.registers)

    @entry_point(Role.GATEWAY, Interface.INSIDE, Function.DERIVE_REGISTERS, subject="consumer")
    def lists(self, contract: str, period: Period, *, consumer: str) -> tuple[DerivedList, ...]:
        """The derived lists of a contract in a billing period, empty where there are fewer than two usable readings.

        :raises lifecycle.gate.Closed: if the gate is shut for it, or for this consumer.
        :raises NoSuchContractError: if the consumer has no such contract.
        :raises ProfileError: if the contract says nothing of how to derive them.
        :raises RangeTooLongError: if the period has too many readings.
        """
        found = self._contract(consumer, contract)
        return tuple(each for obis in found.registers for each in self._lists_of(self._listed(found, obis), period))

    @entry_point(Role.GATEWAY, Interface.INSIDE, Function.DERIVE_REGISTERS, subject="consumer")
    def series(self, contract: str, obis: bytes, period: Period, *, consumer: str) -> list[SeriesReading]:
        """The values of a register at each point of its raster, and where there is none (TAF-7).

        :raises lifecycle.gate.Closed: if the gate is shut for it, or for this consumer.
        :raises NoSuchContractError: if the consumer has no such contract, or it no such register.
        :raises RangeTooLongError: if the period has too many readings.
        """
        listed = self._register(consumer, contract, obis)
        self._check_length(listed, period)
        times = list(grid_times(period, int(listed.period.total_seconds())))
        return series(self._original(listed, period), times)

    @entry_point(Role.GATEWAY, Interface.INSIDE, Function.DERIVE_REGISTERS, subject="consumer")
    def day_values(self, contract: str, obis: bytes, period: Period, *, consumer: str) -> list[SeriesReading]:
        """The values of a register at each midnight in Germany (Tageswerte).

        :raises lifecycle.gate.Closed: if the gate is shut for it, or for this consumer.
        :raises NoSuchContractError: if the consumer has no such contract, or it no such register.
        :raises RangeTooLongError: if the period has too many readings.
        """
        listed = self._register(consumer, contract, obis)
        self._check_length(listed, period)
        days = (day for day, _ in period.days())
        times = [at for at in map(midnight, days) if at >= period.begin]
        if midnight(local_date(period.end)) == period.end:
            times.append(period.end)
        return series(self._original(listed, period), times)

    @entry_point(Role.GATEWAY, Interface.INSIDE, Function.DERIVE_REGISTERS, subject="consumer")
    def consumption(
        self, contract: str, obis: bytes, begin: datetime, end: datetime, step: Step, *, consumer: str
    ) -> Consumption:
        """What a register counted, by stages, in buckets of local time; none before the contract or after now.

        What lies between two readings is counted where the later one lies; so the sum of all buckets is the difference
        of the newest readings up to their end and up to their begin.

        :raises lifecycle.gate.Closed: if the gate is shut for it, or for this consumer.
        :raises NoSuchContractError: if the consumer has no such contract, or it no such register.
        :raises ProfileError: if the register does not count: a power, a voltage.
        :raises RangeTooLongError: if there are too many readings.
        """
        listed = self._register(consumer, contract, obis)
        found = listed.contract
        if not is_counter(obis):
            raise ProfileError(f"{format_obis(obis)} is no register that counts")
        last = min(end, self._clock(), *(() if found.end is None else (found.end,)))
        first = max(begin, found.start)
        if last <= first:
            return Consumption(found.id, obis.hex(), 0, charts.NO_UNIT, step, (), (), ())
        limits = buckets.bounds(first, last, step)
        whole = Period(max(limits[0], found.start), limits[-1])
        self._check_length(listed, whole)
        parts = [self._part(listed, chunk, step) for chunk in self._chunks(listed, whole)]
        return charts.consumption(found, obis, step, limits, [part for part in parts if part is not None])

    # One register of one consumer

    def _contract(self, consumer: str, id: str) -> Contract:
        found = self._profiles().contract(consumer, id)
        if found is None:
            raise NoSuchContractError("there is no such contract")
        return found

    def _register(self, consumer: str, id: str, obis: bytes) -> _Listed:
        found = self._contract(consumer, id)
        if obis not in found.registers:
            raise NoSuchContractError("the contract has no such register")
        return self._listed(found, obis)

    def _listed(self, contract: Contract, obis: bytes) -> _Listed:
        period = next((meter.period for meter in self._profiles().meters if meter.device_id == contract.meter), None)
        if period is None:  # the profiles were changed meanwhile
            raise NoSuchContractError("there is no such contract")
        extent = self._lists.extent(contract.server_id, obis.hex())
        epochs = NO_EPOCHS if not extent.epoch else self._epochs(contract, obis)
        return _Listed(contract, obis, period, extent, epochs)

    def _epochs(self, contract: Contract, obis: bytes) -> Epochs:
        """When the clock was set back: rare, and then the whole list says it, once."""
        key = (contract.server_id, obis, contract.consumer)
        found = self._known_epochs.get(key, NO_EPOCHS)
        while page := self._page(contract, obis, number=found.upto):
            found = found.after(page)
        if len(self._known_epochs) >= _MOST_EPOCHS:
            self._known_epochs.clear()
        self._known_epochs[key] = found
        return found

    def _page(
        self,
        contract: Contract,
        obis: bytes,
        *,
        number: int,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[ListEntry]:
        return self._lists.entries(
            contract.server_id, obis.hex(), consumer=contract.consumer, since=since, until=until, number=number
        )

    def _entries(self, listed: _Listed, begin: datetime, end: datetime) -> Iterator[ListEntry]:
        since, number, count = begin - timedelta.resolution, 0, 0
        while page := self._page(listed.contract, listed.obis, number=number, since=since, until=end):
            count += len(page)
            if count > MOST_READ:
                raise RangeTooLongError(f"more than {MOST_READ} readings are asked for at once")
            yield from page
            number, was_last = page[-1].number, len(page) < MAX_READ
            del page  # or it would be in memory beside the next
            if was_last:
                return

    def _original(self, listed: _Listed, period: Period) -> Original:
        entries = self._entries(listed, period.begin, period.end)
        return original_list(entries, listed.obis, listed.contract.meter, listed.period, listed.epochs)

    def _check_length(self, listed: _Listed, period: Period) -> None:
        if timedelta(seconds=period.seconds) // listed.period > MOST_READ:
            raise RangeTooLongError(
                f"the range is too long for a register that is read every {int(listed.period.total_seconds())} s"
            )

    def _account(self, listed: _Listed, period: Period) -> Account:
        contract, original = listed.contract, self._original(listed, period)
        profile = contract.evaluation(period)
        if contract.use_case is UseCase.CONTROLLABLE_LOAD:
            return taf11.evaluate(profile, original, self._commands(contract))
        return account_of(profile, original)

    def _lists_of(self, listed: _Listed, period: Period) -> tuple[DerivedList, ...]:
        key = (listed.contract.id, listed.obis, period)
        known = self._derived.get(key, listed.contract, listed.extent)
        if known is None:
            try:
                account = self._account(listed, period)
            except ReadingsError:
                return ()
            known = charts.lists_of(account)
            self._derived.put(key, _kept(listed, period.end, known, account.original))
        return known.lists

    # Charts

    def _chunks(self, listed: _Listed, whole: Period) -> Iterator[Period]:
        """The stretches of time that sums are made of: such as do not depend on what was before."""
        contract = listed.contract
        if contract.use_case in charts.BY_BILLING_PERIOD:
            yield from (each for each in contract.billing_periods(whole.end) if whole.begin < each.end)
            return
        step = Step.MONTH if listed.period >= _LONG_RASTER else Step.DAY
        for begin, end in pairwise(buckets.bounds(whole.begin, whole.end, step)):
            inside = end if contract.end is None else min(end, contract.end)
            if max(begin, contract.start) < inside:
                yield Period(max(begin, contract.start), inside)

    def _part(self, listed: _Listed, chunk: Period, step: Step) -> Sums | None:
        if chunk.begin >= self._clock():
            return None
        fine = Step.DAY if step is Step.MONTH else step
        key = (listed.contract.id, listed.obis, chunk.begin, fine)
        known = self._sums.get(key, listed.contract, listed.extent)
        if known is None:
            kept = self._summed(listed, chunk, fine)
            self._sums.put(key, kept)
            known = kept.content
        return known

    def _summed(self, listed: _Listed, chunk: Period, step: Step) -> Kept[Sums]:
        contract = listed.contract
        before = self._before(listed, chunk.begin)
        begin = chunk.begin if before is None else before
        original = self._original(listed, Period(begin, chunk.end))
        points = within(original.points(), Period(begin, chunk.end))
        account = charts.account(contract, original, chunk, points, self._commands(contract))
        filled = buckets.fill(chunk, step, account, points)
        sums = Sums(filled, original.scaler, original.unit, _marks(account, chunk))
        return _kept(listed, chunk.end, sums, original)

    def _before(self, listed: _Listed, at: datetime) -> datetime | None:
        """The time of the newest usable reading up to a moment, since the contract began."""
        start = listed.contract.start
        for behind in (listed.period, *_BEHIND, at - start):
            begin = max(at - behind, start)
            points = self._original(listed, Period(begin, at)).points() if begin < at else self._at(listed, at)
            if points:
                return points[-1].at
            if begin == start:
                return None
        return None

    def _at(self, listed: _Listed, at: datetime) -> list[Point]:
        return self._original(listed, Period(at, at + timedelta.resolution)).points()


def _marks(account: Account | None, chunk: Period) -> tuple[tuple[datetime, str], ...]:
    """Why energy is in the error register: when it was counted, and in words."""
    if account is None:
        return ()
    return tuple((each.end.at, each.reason) for each in account.marked(Mark.UNASSIGNED) if each.end.at > chunk.begin)


def _kept(listed: _Listed, end: datetime, content: T, original: Original) -> Kept[T]:
    """Something derived from a register, with what it holds by."""
    target, first = listed.extent.target, listed.extent.first
    closed = target is not None and target >= end
    oldest = min((reading.entry for reading in original.readings), default=first)
    return Kept(content, listed.contract, listed.extent, closed, oldest)
