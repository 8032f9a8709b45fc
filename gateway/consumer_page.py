"""What the consumer's page shows of contracts and consumption, from the profiles and the lists."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from gateway.consumer_lists import ConsumerLists
from gateway.contracts import Contract
from gateway.derived.charts import NO_UNIT, registers_of
from gateway.derived.originals import ptb_of_word
from gateway.derived.port import NoSuchContractError, TariffPort
from gateway.han.data import BillingPeriod, TafState, UsagePoint
from gateway.han.errors import HanError
from gateway.han.page_data import (
    Consumption,
    ContractView,
    LatestReading,
    RegisterView,
    StageView,
    Step,
    SwitchView,
)
from gateway.profiles import Profiles, is_counter
from gateway.tariffing.errors import TariffingError
from gateway.tariffing.periods import DAY, Period, local_date, midnight
from gateway.tariffing.profile import ERROR_STAGE
from lifecycle.functions import Credential

_HOUR: Final = timedelta(hours=1)
LONGEST: Final = {
    Step.QUARTER_HOUR: timedelta(days=31),
    Step.HOUR: timedelta(days=93),
    Step.DAY: timedelta(days=731),
    Step.MONTH: timedelta(days=3_653),
}
"""The longest range of a chart by its step, on the calendar."""
_EXPORTS: Final = frozenset({2, 4, 10, 22, 24, 30, 42, 44, 50, 62, 64, 70})
"""OBIS groups C of what goes to the grid: active, reactive and apparent, as a whole and by phase."""
_ELECTRICITY: Final = 1


class ConsumerPage:
    """Contracts and charts of all consumers, each for himself."""

    def __init__(
        self,
        profiles: Callable[[], Profiles],
        lists: ConsumerLists,
        tariffs: TariffPort,
        clock: Callable[[], datetime],
    ) -> None:
        """:param profiles: the profiles as they are now.
        :param clock: the time, UTC.
        """
        self._profiles = profiles
        self._lists = lists
        self._tariffs = tariffs
        self._clock = clock

    def usage_point(self, contract: Contract) -> UsagePoint:
        """A contract in short, for machines."""
        return UsagePoint(
            contract.id,
            contract.name,
            contract.metering_point,
            (contract.meter,),
            int(contract.use_case),
            contract.state(self._clock()),
            contract.start,
            contract.end,
            self._raster(contract),
            contract.delivery,
            contract.on_demand,
            self._billing_periods(contract),
        )

    def contract(self, contract: Contract) -> ContractView:
        """A contract for people.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        return ContractView(
            contract.id,
            contract.name,
            contract.metering_point,
            contract.meter,
            int(contract.use_case),
            contract.state(self._clock()),
            contract.start,
            contract.end,
            contract.supplier,
            contract.participants,
            tuple(self._register(contract, obis) for obis in contract.registers),
            tuple(stage for obis in contract.registers if is_counter(obis) for stage in _stages(contract, obis)),
            self._billing_periods(contract),
            self._raster(contract),
            contract.retention,
            self._switches(contract),
        )

    def consumption(self, contract: Contract, obis: str, begin: datetime, end: datetime, step: Step) -> Consumption:
        """What a register counted.

        :raises HanError: 404 if the contract has no such register; 400 if the range is none or too long, or the
            register does not count.
        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        if end <= begin:
            raise HanError(400, "the range ends before it begins")
        if end - begin > LONGEST[step] + _HOUR:  # the hour that October has more
            raise HanError(400, f"the range is longer than {LONGEST[step].days} days, too long for this step")
        register = next((each for each in contract.registers if each.hex() == obis.lower()), None)
        if register is None:
            raise HanError(404, "the contract has no such register")
        try:
            return self._tariffs.consumption(
                Credential.INSIDE, contract.id, register, begin, end, step, consumer=contract.consumer
            )
        except NoSuchContractError as error:
            raise HanError(404, str(error)) from None
        except TariffingError as error:
            raise HanError(400, str(error)) from None

    def latest(self, consumer: str) -> list[LatestReading]:
        """The newest reading of each of a consumer's registers.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        found: dict[tuple[str, bytes], LatestReading] = {}
        for contract in self._profiles().contracts_of(consumer):
            for obis in contract.registers:
                entry = None if (contract.meter, obis) in found else self._lists.latest(contract, obis)
                if entry is not None and entry.value is not None and entry.captured is not None:
                    found[contract.meter, obis] = LatestReading(
                        obis.hex(),
                        contract.meter,
                        entry.value,
                        entry.scaler,
                        NO_UNIT if entry.unit is None else entry.unit,
                        entry.captured,
                        int(ptb_of_word(entry.status)),
                    )
        return list(found.values())

    def _register(self, contract: Contract, obis: bytes) -> RegisterView:
        scaler, unit = self._lists.scale(contract, obis)
        feeds_in = obis[0] == _ELECTRICITY and obis[2] in _EXPORTS
        return RegisterView(obis.hex(), scaler, unit, feeds_in, is_counter(obis))

    def _switches(self, contract: Contract) -> tuple[SwitchView, ...]:
        """What the contract's calendar switches within a week; of several calendars none speaks for all registers."""
        if len(contract.calendars) != 1:
            return ()
        today = local_date(self._clock())
        week = Period(midnight(today), midnight(today + 7 * DAY))
        plan = contract.calendars[0].plan(week, contract.default_stage)
        return tuple(SwitchView(switch.at, switch.stage) for switch in plan.switches)

    def _raster(self, contract: Contract) -> timedelta:
        period = next((meter.period for meter in self._profiles().meters if meter.device_id == contract.meter), None)
        if period is None:  # the profiles were changed meanwhile
            raise HanError(404, "there is no such contract")
        return period

    def _billing_periods(self, contract: Contract) -> tuple[BillingPeriod, ...]:
        now = self._clock()
        if contract.state(now) is TafState.READY:
            return ()
        return tuple(
            BillingPeriod(period.begin, period.end if period.end <= now else None)
            for period in contract.billing_periods(now)
        )


def _stages(contract: Contract, obis: bytes) -> list[StageView]:
    known = {stage.register: stage for stage in contract.stages}
    views = []
    for register in registers_of(contract, obis):
        stage = known.get(register)
        name, number = ("", None) if stage is None else (stage.description, stage.number)
        views.append(StageView(register.hex(), number, name, is_error=register[4] == ERROR_STAGE))
    return views
