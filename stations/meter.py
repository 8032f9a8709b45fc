"""A household's electricity meter (Messeinrichtung) that pushes SML by itself, to test a gateway against.

The load profile is the project's own and repeats exactly for the same device, seed and time: a base load with a
refrigerator's cycles, humps for morning, noon and evening by German local time, more on weekends, different each day;
and, if asked for, a solar system (Photovoltaik-Anlage) whose surplus is exported. Nothing here reads a clock.

What the frames hold, laid out as the basic meters (Basiszähler) in service do it: manufacturer and device id, import
register 1-0:1.8.0 and export register 1-0:2.8.0 in 0.1 Wh, which only ever rise, and net power 1-0:16.7.0 in W,
negative while energy is exported.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final
from zoneinfo import ZoneInfo

from gateway.lmn import obis
from gateway.lmn.device_id import server_id_from_device_id
from gateway.lmn.sml import ListEntry, SmlTime, TimeKind, build_push_frame, integer, octets, status_word, unsigned
from gateway.lmn.status import METER_FIXED, METER_REGULAR, MeterStatus

SLOT: Final = timedelta(minutes=5)
"""Power is constant for one slot, so energy is a sum of integers."""

_SLOT_SECONDS: Final = int(SLOT.total_seconds())
_WATT_SECONDS_A_DECIWATTHOUR: Final = 360
_LOCAL: Final = ZoneInfo("Europe/Berlin")
_LIST_NAME: Final = bytes.fromhex("0100620affff")
_SCALER_DECI: Final = -1

_STATUS_REGULAR: Final = METER_FIXED | METER_REGULAR
"""The status word of an FNN basic meter in service."""

_BASE_WATT: Final = 140
_REFRIGERATOR_WATT: Final = 90
_REFRIGERATOR_SLOTS: Final = 9
_SUNRISE_MINUTE, _SUNSET_MINUTE = 4 * 60, 19 * 60  # UTC; the same all year, this is no weather model


@dataclass(frozen=True, slots=True)
class _Hump:
    """A rise and fall of consumption around a minute of the local day."""

    centre: int
    half_width: int
    watt: int

    def at(self, minute: int) -> int:
        return max(0, self.watt * (self.half_width - abs(minute - self.centre)) // self.half_width)


_WORKDAY: Final = (_Hump(7 * 60, 75, 1_400), _Hump(12 * 60 + 30, 60, 900), _Hump(19 * 60, 180, 1_700))
_WEEKEND: Final = (_Hump(9 * 60 + 30, 120, 1_300), _Hump(12 * 60 + 45, 90, 2_000), _Hump(19 * 60 + 30, 200, 1_600))


class HouseholdMeter:
    """One meter. Frames for any time from ``start`` on, in any order; the same question gets the same bytes."""

    def __init__(self, device_id: str, start: datetime, seed: int, *, solar_peak_watt: int = 0) -> None:
        """
        :param device_id: fourteen characters by DIN 43863-5, such as ``1EMH0012345678``.
        :param start: when the registers stood at 0 and the seconds index began; with time zone.
        :param seed: chooses the household.
        :param solar_peak_watt: what its solar system yields at noon of a clear day; 0 if there is none.
        :raises DeviceIdError: if the device id is none.
        :raises ValueError: if ``start`` has no time zone or ``solar_peak_watt`` is negative.
        """
        if solar_peak_watt < 0:
            raise ValueError(f"a solar system yields {solar_peak_watt} W")
        self.server_id = server_id_from_device_id(device_id)
        self.start = _in_utc(start)
        self._manufacturer = device_id[1:4].encode("ascii")
        self._key = blake2b(f"{device_id}/{seed}".encode(), digest_size=32).digest()
        self._solar_peak_watt = solar_peak_watt
        self._first_slot = _slot_of(self.start)
        self._energy: list[tuple[int, int]] = []
        """Imported and exported energy in watt seconds from ``start`` to the end of the first, second, ... slot."""

    def power_at(self, time: datetime) -> int:
        """Net power in W: what is drawn from the grid, negative while the solar system yields more than is used.

        :raises ValueError: if ``time`` has no time zone or lies before the start.
        """
        return self._power(_slot_of(self._from_start(time)))

    def energy_at(self, time: datetime) -> tuple[int, int]:
        """The registers of imported and exported energy, in 0.1 Wh.

        :raises ValueError: if ``time`` has no time zone or lies before the start.
        """
        moment = self._from_start(time)
        slot = _slot_of(moment)
        imported, exported = self._energy_before(slot)
        begun = max(self.start, _begin_of(slot))
        net = self._power(slot) * int((moment - begun).total_seconds())
        return (
            (imported + max(net, 0)) // _WATT_SECONDS_A_DECIWATTHOUR,
            (exported + max(-net, 0)) // _WATT_SECONDS_A_DECIWATTHOUR,
        )

    def frame_at(self, time: datetime) -> bytes:
        """The SML frame that the meter pushes at ``time``, as it goes over the wire.

        :raises ValueError: if ``time`` has no time zone or lies before the start.
        """
        seconds = int((self._from_start(time) - self.start).total_seconds())
        power = self.power_at(time)
        imported, exported = self.energy_at(time)
        status = _STATUS_REGULAR | (MeterStatus.SUM_DIRECTION_NEGATIVE if power < 0 else 0)
        entries = [
            ListEntry(obis.MANUFACTURER, octets(self._manufacturer)),
            ListEntry(obis.DEVICE_ID, octets(self.server_id)),
            ListEntry(
                obis.IMPORT_ENERGY,
                unsigned(imported, 8),
                unit=obis.UNIT_WATT_HOUR,
                scaler=_SCALER_DECI,
                status=status_word(status),
            ),
            ListEntry(obis.EXPORT_ENERGY, unsigned(exported, 8), unit=obis.UNIT_WATT_HOUR, scaler=_SCALER_DECI),
            ListEntry(obis.ACTIVE_POWER, integer(power, 4), unit=obis.UNIT_WATT, scaler=0),
        ]
        return build_push_frame(
            self.server_id,
            entries,
            # Three messages a frame, each with a number of its own, as long as the meter pushes once a second at most.
            transaction_id=(3 * seconds % 2**32).to_bytes(4, "big"),
            req_file_id=(seconds % 2**32).to_bytes(4, "big"),
            sensor_time=SmlTime(TimeKind.SECONDS_INDEX, seconds % 2**32),
            list_name=_LIST_NAME,
        )

    def frames(self, begin: datetime, end: datetime, step: timedelta) -> Iterator[tuple[datetime, bytes]]:
        """Frames from ``begin`` on, every ``step``, before ``end``: when, and the bytes.

        :raises ValueError: if ``step`` is not positive, or a time has no time zone or lies before the start.
        """
        if step <= timedelta(0):
            raise ValueError(f"frames every {step}: a step takes time")
        time, last = self._from_start(begin), _in_utc(end)
        while time < last:
            yield time, self.frame_at(time)
            time += step

    def _from_start(self, time: datetime) -> datetime:
        moment = _in_utc(time)
        if moment < self.start:
            raise ValueError(f"the meter of {self.start.isoformat()} says nothing about {moment.isoformat()}")
        return moment

    def _energy_before(self, slot: int) -> tuple[int, int]:
        """Watt seconds up to the begin of the slot; what was summed up once is kept."""
        number = slot - self._first_slot
        while len(self._energy) < number:
            done = self._first_slot + len(self._energy)
            imported, exported = self._energy[-1] if self._energy else (0, 0)
            lasted = int((_begin_of(done + 1) - max(self.start, _begin_of(done))).total_seconds())
            net = self._power(done) * lasted
            self._energy.append((imported + max(net, 0), exported + max(-net, 0)))
        return self._energy[number - 1] if number else (0, 0)

    def _power(self, slot: int) -> int:
        return self._consumption(slot) - self._solar_yield(slot)

    def _consumption(self, slot: int) -> int:
        local = _begin_of(slot).astimezone(_LOCAL)
        minute = local.hour * 60 + local.minute
        humps = _WEEKEND if local.isoweekday() > 5 else _WORKDAY
        watt = _BASE_WATT + self._chance(f"flicker {slot}", 60)
        if (slot + self._chance("refrigerator", _REFRIGERATOR_SLOTS)) % _REFRIGERATOR_SLOTS < _REFRIGERATOR_SLOTS // 3:
            watt += _REFRIGERATOR_WATT
        for number, hump in enumerate(humps):
            shift = self._chance(f"{local.date()} {number} when", 41) - 20
            share = 60 + self._chance(f"{local.date()} {number} how much", 80) + self._chance(f"{slot} {number}", 30)
            watt += hump.at(minute + shift) * share // 100
        return watt

    def _solar_yield(self, slot: int) -> int:
        begin = _begin_of(slot)
        minute = begin.hour * 60 + begin.minute
        if not self._solar_peak_watt or not _SUNRISE_MINUTE < minute < _SUNSET_MINUTE:
            return 0
        half_day = (_SUNSET_MINUTE - _SUNRISE_MINUTE) // 2
        height = (minute - _SUNRISE_MINUTE) * (_SUNSET_MINUTE - minute)
        sky = 30 + self._chance(f"{begin.date()} sky", 61) + self._chance(f"{slot} cloud", 11)
        return self._solar_peak_watt * height * sky // (half_day * half_day * 100)

    def _chance(self, of_what: str, below: int) -> int:
        """A number from 0 to ``below`` - 1 that is always the same for this household."""
        digest = blake2b(of_what.encode(), key=self._key, digest_size=8).digest()
        return int.from_bytes(digest, "big") % below


def _in_utc(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise ValueError(f"{time.isoformat()} has no time zone")
    return time.astimezone(UTC)


def _slot_of(moment: datetime) -> int:
    return int(moment.timestamp()) // _SLOT_SECONDS


def _begin_of(slot: int) -> datetime:
    return datetime.fromtimestamp(slot * _SLOT_SECONDS, UTC)
