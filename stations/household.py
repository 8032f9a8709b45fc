"""A household with three meters that send by themselves, to look at a gateway with: one for each way into it.

What is drawn from the grid is metered by an electricity meter that pushes SML on a line of its own; what a solar system
(Photovoltaik-Anlage) feeds in by another on the wired bus (SML over HDLC); gas by a meter on wireless M-Bus whose
telegrams are encrypted and authentic (mode 7). Like :class:`stations.meter.HouseholdMeter` it repeats exactly for the
same seed and time, and nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final
from zoneinfo import ZoneInfo

from gateway.lmn import obis
from gateway.lmn.hdlc import HdlcAddress, encode_frame, information_control
from gateway.lmn.mbus_obis import GasVolume
from gateway.lmn.profiles import Medium, MeterProfile, Protocol
from gateway.lmn.sml_transport import FrameReader, TransportFrame
from gateway.lmn.wmbus_build import build_telegram
from gateway.lmn.wmbus_layers import Mode
from gateway.lmn.wmbus_link import MbusAddress
from gateway.lmn.wmbus_security import COUNTER_LIMIT, MeterKey
from stations.meter import HouseholdMeter

SML_LINE, BUS_LINE, RADIO_LINE = "sml", "bus", "radio"
"""The lines that the three meters are heard on."""
QUARTER_HOUR: Final = timedelta(minutes=15)
HOUR: Final = timedelta(hours=1)
GAS_VOLUME: Final = bytes.fromhex("0700030100ff")
"""7-0:3.1.0, volume converted to base temperature."""
SOLAR_PEAK_WATT: Final = 6_500

_IMPORT_METER: Final = "1EMH0012345678"
_FEED_IN_METER: Final = "1ISK0087654321"
_GAS_ADDRESS: Final = MbusAddress("ELS", "12345678", 0x33, 0x03)
_BUS_METER, _BUS_GATEWAY = HdlcAddress(1), HdlcAddress(16)
_LOCAL: Final = ZoneInfo("Europe/Berlin")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BCD_VOLUME: Final = bytes.fromhex("0c13")
"""DIF and VIF: eight decimal digits, in 0.001 m³."""
_LITRES_BY_HOUR: Final = (90, 80, 80, 90, 140, 420, 700, 650, 420, 300, 240, 220)
"""What is burnt in an hour of a cold day, from midnight to noon; the second half of the day mirrors the first."""


class GasMeter:
    """A gas meter that sends its register every hour by wireless M-Bus, format A."""

    def __init__(self, address: MbusAddress, key: bytes, start: datetime, seed: int) -> None:
        """
        :param key: its individual key, 16 bytes.
        :param start: when its register stood at 0 and its counter began; with time zone.
        """
        self.address = address
        self.start = start.astimezone(UTC)
        self._key = key
        self._chance_key = blake2b(f"{address}/{seed}".encode(), digest_size=32).digest()
        self._first = (self.start - _EPOCH) // HOUR
        self._litres: list[int] = [0]

    def volume_at(self, time: datetime) -> int:
        """The register in 0.001 m³, at the last full hour. :raises ValueError: if ``time`` lies before the start."""
        number = (time.astimezone(UTC) - _EPOCH) // HOUR - self._first
        if number < 0:
            raise ValueError(f"the gas meter of {self.start.isoformat()} says nothing about {time.isoformat()}")
        while len(self._litres) <= number:
            self._litres.append(self._litres[-1] + self._burnt(self._first + len(self._litres) - 1))
        return self._litres[number]

    def telegram_at(self, time: datetime) -> bytes:
        """The telegram that it sends at ``time``. :raises ValueError: if ``time`` lies before the start."""
        digits = f"{self.volume_at(time) % 10**8:08}"
        counter = int((time.astimezone(UTC) - self.start).total_seconds()) % COUNTER_LIMIT
        return build_telegram(
            self.address,
            _BCD_VOLUME + bytes.fromhex(digits)[::-1],
            mode=Mode.MODE_7,
            key=self._key,
            counter=counter,
            access_number=counter & 0xFF,
        )

    def _burnt(self, hour: int) -> int:
        local = (_EPOCH + hour * HOUR).astimezone(_LOCAL)
        usual = _LITRES_BY_HOUR[local.hour if local.hour < 12 else 23 - local.hour]
        digest = blake2b(f"{hour}".encode(), key=self._chance_key, digest_size=2).digest()
        # July burns a tenth of January: hot water alone.
        cold = 10 + 90 * abs(local.month - 7) // 6
        return usual * cold * (60 + int.from_bytes(digest, "big") % 80) // 10_000


@dataclass(frozen=True, slots=True)
class Sent:
    """Bytes of a meter.

    :ivar time: when they come.
    :ivar line: over which line.
    :ivar data: as they go over the wire or the air.
    """

    time: datetime
    line: str
    data: bytes


class Household:
    """The three meters. Frames for any time from ``start`` on, in any order.

    :ivar profiles: their meter profiles (Zählerprofile): import, feed-in, gas.
    """

    def __init__(self, start: datetime, seed: int, gas_key: bytes) -> None:
        """
        :param start: when the registers stood at 0; with time zone.
        :param seed: chooses the household.
        :param gas_key: the gas meter's individual key, 16 bytes.
        """
        self._import = HouseholdMeter(_IMPORT_METER, start, seed)
        self._feed_in = HouseholdMeter(_FEED_IN_METER, start, seed + 1, solar_peak_watt=SOLAR_PEAK_WATT)
        self._gas = GasMeter(_GAS_ADDRESS, gas_key, start, seed)
        self._bus_number = 0
        gas = _GAS_ADDRESS.device_id
        assert gas is not None  # noqa: S101  a gas meter's address has one
        self.profiles: tuple[MeterProfile, MeterProfile, MeterProfile] = (
            MeterProfile(
                _IMPORT_METER, Medium.ELECTRICITY, Protocol.SML, (obis.IMPORT_ENERGY,), QUARTER_HOUR, line=SML_LINE
            ),
            MeterProfile(
                _FEED_IN_METER,
                Medium.ELECTRICITY,
                Protocol.SML_HDLC,
                (obis.EXPORT_ENERGY,),
                QUARTER_HOUR,
                line=BUS_LINE,
                hdlc_address=_BUS_METER,
            ),
            MeterProfile(
                gas,
                Medium.GAS,
                Protocol.WMBUS,
                (GAS_VOLUME,),
                HOUR,
                line=RADIO_LINE,
                key=MeterKey(gas_key),
                gas_volume=GasVolume.CONVERTED,
            ),
        )

    def sent_at(self, time: datetime) -> Iterator[Sent]:
        """What the meters send at ``time``: electricity every quarter of an hour, gas every hour; else nothing.

        :raises ValueError: if ``time`` lies before the start.
        """
        since = time.astimezone(UTC) - _EPOCH
        if since % QUARTER_HOUR:
            return
        yield Sent(time, SML_LINE, self._import.frame_at(time))
        yield Sent(time, BUS_LINE, self._bus_frame(time))
        if not since % HOUR:
            yield Sent(time, RADIO_LINE, self._gas.telegram_at(time))

    def _bus_frame(self, time: datetime) -> bytes:
        """The same SML file in an I frame, without the transport protocol."""
        (frame,) = FrameReader().feed(self._feed_in.frame_at(time))
        assert isinstance(frame, TransportFrame)  # noqa: S101  it is our own
        number, self._bus_number = self._bus_number, (self._bus_number + 1) & 7
        return encode_frame(_BUS_GATEWAY, _BUS_METER, information_control(number, 0), frame.payload)


def first_quarter(time: datetime) -> datetime:
    """The first full quarter of an hour at or after ``time``, UTC."""
    since = time.astimezone(UTC) - _EPOCH
    return _EPOCH + -(-since // QUARTER_HOUR) * QUARTER_HOUR
