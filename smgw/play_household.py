"""The household that is played: what its gateway knows of it, and its meters as a receiver that sends by a clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from gateway.contracts import Billing, Contract
from gateway.han.consumers import Consumer
from gateway.lmn.lines import LineProtocol
from gateway.lmn.obis import EXPORT_ENERGY, IMPORT_ENERGY
from gateway.lmn.profiles import ProfileBook
from gateway.profiles import KnownConsumer, Profiles
from gateway.tariffing.calendar import DayProfile, TariffCalendar
from gateway.tariffing.profile import TariffStage, UseCase
from smgw.play_clock import PlayClock
from stations.household import (
    BUS_LINE,
    GAS_VOLUME,
    QUARTER_HOUR,
    RADIO_LINE,
    SML_LINE,
    Household,
    first_quarter,
)

CONSUMER: Final = "anna.sm"
LINES: Final = {
    SML_LINE: LineProtocol.SML,
    BUS_LINE: LineProtocol.SML_HDLC,
    RADIO_LINE: LineProtocol.WMBUS_A,
}
"""What is spoken on the household's lines."""
_HOUR: Final = 3_600
_LONGEST_WAIT: Final = 0.5
_LOW, _HIGH = 1, 2
_DAY: Final = TariffCalendar((DayProfile(("every day",), ((0, _LOW), (6 * _HOUR, _HIGH), (21 * _HOUR, _LOW))),))
_STAGES: Final = (
    TariffStage(_LOW, IMPORT_ENERGY[:4] + bytes((_LOW,)) + IMPORT_ENERGY[5:], "NT"),
    TariffStage(_HIGH, IMPORT_ENERGY[:4] + bytes((_HIGH,)) + IMPORT_ENERGY[5:], "HT"),
)


def household_profiles(household: Household, password: str, start: datetime) -> Profiles:
    """What the gateway knows: the three meters, who lives there, and a contract for each meter.

    :param password: of the consumer.
    :param start: of the contracts; aware.
    """
    bought, fed_in, gas = household.profiles

    def contract(number: int, taf: UseCase, name: str, meter: str, register: bytes, **more: object) -> Contract:
        return Contract(
            id=f"01005e318021.taf{int(taf)}-{number}.sm",
            name=name,
            consumer=CONSUMER,
            metering_point=f"DE{number:031}",
            meter=meter,
            registers=(register,),
            use_case=taf,
            start=start,
            end=None,
            billing=Billing.MONTH,
            supplier="Stadtwerke",
            retention=timedelta(days=1_100),
            **more,  # type: ignore[arg-type]
        )

    contracts = (
        contract(
            1,
            UseCase.TIME_VARIABLE,
            "Strom Tag und Nacht",
            bought.device_id,
            IMPORT_ENERGY,
            stages=_STAGES,
            default_stage=_LOW,
            calendars=(_DAY,),
        ),
        contract(2, UseCase.READING_SERIES, "Einspeisung", fed_in.device_id, EXPORT_ENERGY),
        contract(3, UseCase.READING_SERIES, "Gas", gas.device_id, GAS_VOLUME),
    )
    consumer = KnownConsumer(Consumer.known_by(CONSUMER, password), name="Anna Beispiel")
    return Profiles(ProfileBook(household.profiles), contracts, (consumer,))


class HouseholdReceiver:
    """The household's three lines: first what was, as fast as it is taken, then what is, as the clock runs.

    Satisfies :class:`gateway.lmn.receivers.Receiver`.
    """

    line = "household"

    def __init__(
        self,
        household: Household,
        clock: PlayClock,
        until: datetime,
        speed: float,
        *,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        """
        :param clock: stands at the begin of what was; set and run from here.
        :param until: where what was ends.
        :param speed: how many times as fast as time it goes on from there.
        :param wait: waits so many seconds, or less.
        """
        self._household = household
        self._clock, self._until, self._speed = clock, until, speed
        self._closed = threading.Event()
        self._wait = self._closed.wait if wait is None else wait
        self.caught_up = threading.Event()
        """Set when what was has been sent."""
        self.sent = 0
        """How many quarters of an hour have been sent."""

    def close(self) -> None:
        """See :class:`gateway.lmn.receivers.Receiver`."""
        self._closed.set()

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """See :class:`gateway.lmn.receivers.Receiver`."""
        due = first_quarter(self._clock())
        while due <= self._until and not self._closed.is_set():
            self._clock.forward(due)
            yield from self._sent_at(due)
            due += QUARTER_HOUR
        self._clock.hold_at(due)
        self._clock.run(self._speed)
        self.caught_up.set()
        while not self._closed.is_set():
            wait = self._clock.seconds_until(due)
            if wait > 0:
                self._wait(min(wait, _LONGEST_WAIT))
                continue
            yield from self._sent_at(due)
            due += QUARTER_HOUR
            self._clock.hold_at(due)

    def _sent_at(self, moment: datetime) -> Iterator[tuple[str, bytes]]:
        for sent in self._household.sent_at(moment):
            yield sent.line, sent.data
        self.sent += 1
