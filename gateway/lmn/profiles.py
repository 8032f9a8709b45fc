"""Meter profiles (Zählerprofile): which meters a gateway knows, how to reach and believe them, what to keep of them.

Whatever a meter sends counts only through its profile. Keys never show in a ``repr`` or an error.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from gateway.lmn.device_id import server_id_from_device_id
from gateway.lmn.hdlc import HdlcAddress
from gateway.lmn.mbus_obis import GasVolume
from gateway.lmn.quirks import QUIRKS
from gateway.lmn.wmbus import Agreement
from gateway.lmn.wmbus_layers import Mode
from gateway.lmn.wmbus_link import MbusAddress
from gateway.lmn.wmbus_security import MeterKey

_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)


class ProfileError(ValueError):
    """A profile that contradicts itself or another."""


class Medium(enum.Enum):
    """What is metered; the values are group A of its OBIS codes and the first character of its device id."""

    ELECTRICITY = 1
    HEAT_COST = 4
    COOLING = 5
    HEAT = 6
    GAS = 7
    COLD_WATER = 8
    HOT_WATER = 9


class Protocol(enum.Enum):
    """How a meter speaks."""

    SML = "sml"
    """SML frames of the transport protocol, pushed on a line of its own."""
    SML_HDLC = "sml-hdlc"
    """SML over HDLC on the wired bus."""
    WMBUS = "wmbus"
    """Wireless M-Bus."""


@dataclass(frozen=True, slots=True)
class MeterProfile:
    """One meter.

    :ivar device_id: fourteen characters by DIN 43863-5.
    :ivar capture: OBIS codes to keep, six bytes each; others are dropped.
    :ivar period: how often (Registrierperiode); divides a day.
    :ivar line: the receiver it must be heard on; None for any.
    :ivar server_ids: further forms of its server id, beside those that follow from the device id.
    :ivar mode: security mode of a wireless meter; NONE only where the profile says so in so many words.
    :ivar certificate: file of the meter's own certificate, for TLS.
    :raises ProfileError: if its parts contradict one another.
    :raises gateway.lmn.device_id.DeviceIdError: if the device id is none.
    """

    device_id: str
    medium: Medium
    protocol: Protocol
    capture: tuple[bytes, ...]
    period: timedelta
    line: str | None = None
    server_ids: tuple[bytes, ...] = ()
    mode: Mode = Mode.MODE_7
    key: MeterKey | None = field(default=None, repr=False)
    partly_clear: bool = False
    certificate: Path | None = None
    hdlc_address: HdlcAddress | None = None
    gas_volume: GasVolume = GasVolume.UNSAID
    quirks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        server_id_from_device_id(self.device_id)
        if self.device_id[0] != str(self.medium.value):
            raise ProfileError(f"device_id {self.device_id} is of another medium than {self.medium.name.lower()}")
        if not self.capture:
            raise ProfileError("capture names no OBIS code")
        if len(set(self.capture)) != len(self.capture):
            raise ProfileError("capture names an OBIS code twice")
        if self.period < _SECOND or self.period % _SECOND or _DAY % self.period:
            raise ProfileError(f"period of {self.period.total_seconds():g} s: whole seconds that divide a day")
        unknown = [name for name in self.quirks if name not in QUIRKS]
        if unknown:
            raise ProfileError(f"quirks names {unknown[0]!r}, known are {', '.join(QUIRKS)}")
        if self.protocol is Protocol.WMBUS:
            self._check_wireless()
        elif self.key is not None or self.partly_clear:
            raise ProfileError(f"a key or partly_clear with protocol {self.protocol.value}: that is for wmbus")
        if self.protocol is not Protocol.SML_HDLC and self.hdlc_address:
            raise ProfileError(f"hdlc_address with protocol {self.protocol.value}: that is for sml-hdlc")
        if self.protocol is Protocol.WMBUS and self.certificate:
            raise ProfileError("a certificate with protocol wmbus: that is for TLS, on a wire")
        if self.gas_volume is not GasVolume.UNSAID and self.medium is not Medium.GAS:
            raise ProfileError("gas_volume for a meter that is none of gas")

    def _check_wireless(self) -> None:
        if self.mode is Mode.NONE and self.key is not None:
            raise ProfileError("a key for a meter whose telegrams are to be unencrypted")
        if self.mode is not Mode.NONE and self.key is None:
            raise ProfileError(f"no key for a meter with security mode {self.mode.value}")

    @property
    def server_id(self) -> bytes:
        """The ten bytes of the device id."""
        return server_id_from_device_id(self.device_id)

    @property
    def all_server_ids(self) -> frozenset[bytes]:
        """Every form under which the meter may name itself."""
        return frozenset((self.server_id, *self.server_ids))

    def covers(self, address: MbusAddress) -> bool:
        """Whether a wireless M-Bus address is this meter's."""
        return address.device_id == self.device_id or address.server_id in self.server_ids


class ProfileBook:
    """All profiles of a gateway, found by whatever a meter calls itself."""

    def __init__(self, profiles: Iterable[MeterProfile] = ()) -> None:
        """:raises ProfileError: if two profiles claim the same meter."""
        self._profiles: dict[str, MeterProfile] = {}
        self._by_server_id: dict[bytes, MeterProfile] = {}
        for profile in profiles:
            if profile.device_id in self._profiles:
                raise ProfileError(f"two profiles for meter {profile.device_id}")
            self._profiles[profile.device_id] = profile
            for server_id in profile.all_server_ids:
                other = self._by_server_id.setdefault(server_id, profile)
                if other is not profile:
                    raise ProfileError(
                        f"server id {server_id.hex()} is claimed by {other.device_id} and {profile.device_id}"
                    )

    def __len__(self) -> int:
        return len(self._profiles)

    def __iter__(self) -> Iterator[MeterProfile]:
        return iter(self._profiles.values())

    def by_server_id(self, server_id: bytes) -> MeterProfile | None:
        """The profile of a server id in any form."""
        return self._by_server_id.get(server_id)

    def by_address(self, address: MbusAddress) -> MeterProfile | None:
        """The profile of a wireless meter: by its address, or by the device id that follows from it."""
        found = self._by_server_id.get(address.server_id)
        if found is None and address.device_id is not None:
            found = self._profiles.get(address.device_id)
        return found if found is not None and found.protocol is Protocol.WMBUS else None

    def agreement(self, address: MbusAddress) -> Agreement | None:
        """What was agreed with a wireless meter, for :class:`gateway.lmn.wmbus.WmbusDecoder`."""
        profile = self.by_address(address)
        if profile is None:
            return None
        return Agreement(profile.mode, profile.key, profile.gas_volume, profile.partly_clear)
