"""AR 2418-6 (VDE application rule): the documents that gateways and suppliers hand out so that a bill can be checked.

A gateway's document has original reading lists, and derived ones where it computes the tariff itself; a supplier's has
an evaluation profile (Auswertungsprofil). Both are a list of usage points. :func:`read` and :func:`write` are each
other's inverse for what is here; comments and unknown extensions are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import Final

from gateway.lmn.device_id import DeviceIdError, device_id_from_server_id, server_id_from_device_id
from gateway.lmn.status import PtbStatus
from gateway.tariffing.profile import EvaluationProfile
from gateway.tariffing.readings import MeterReading, ReadingList
from gateway.tariffing.status import ptb_of_fnn

ELECTRICITY: Final = 0

DLMS_OF_ESPI: Final[Mapping[int, int]] = MappingProxyType(
    {
        72: 30,
        71: 31,
        73: 32,
        38: 27,
        61: 28,
        63: 29,
        29: 35,
        5: 33,
        33: 44,
        42: 13,
        119: 13,
        134: 19,
        9: 8,
        31: 25,
        23: 9,
    }
)
"""DLMS unit numbers by those of ESPI: Wh, VAh, varh, W, VA, var, V, A, Hz, m³ (twice), l, degrees, J, °C."""
ESPI_OF_DLMS: Final[Mapping[int, int]] = MappingProxyType(
    {dlms: espi for espi, dlms in reversed(list(DLMS_OF_ESPI.items()))}
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate of the gateway. Kind 1 is its seal (SIG), 2 the Sub-CA, 3 the HAN."""

    number: int
    kind: int
    content: bytes
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class FirmwareComponent:
    """A part of the firmware, its version and checksum."""

    name: str
    version: str = ""
    checksum: str = ""


@dataclass(frozen=True, slots=True)
class GatewayInfo:
    """The gateway that a usage point is measured by."""

    gateway_id: str
    certificates: tuple[int, ...] = ()
    manufacturer: str = ""
    firmware_version: str = ""
    components: tuple[FirmwareComponent, ...] = ()
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class EventKind:
    """What a log event is of (Evis)."""

    device_type: int | None = None
    event_id: int | None = None
    event_sub_id: int | None = None
    function: int | None = None
    length: int | None = None
    module: int | None = None
    vendor_id: str = ""
    version: int | None = None


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One event. Level 1 to 5: info, warning, error, fatal, extension; outcome 0 to 2: success, failure, extension."""

    level: int | None = None
    text: str = ""
    outcome: int | None = None
    at: datetime | None = None
    seconds_index: int | None = None
    subject: str = ""
    user: str = ""
    destination: str = ""
    message_extensions: str = ""
    vendor_kind: str = ""
    evidence: bytes | None = None
    kind: EventKind | None = None


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A line of the consumer's log (Letztverbraucher-Log)."""

    record_number: int | None = None
    parent_record_number: int | None = None
    repetition_counter: int | None = None
    events: tuple[LogEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class StatedReading:
    """A reading as the document has it.

    :ivar at: capture time, or for an amount the begin of the time it is of.
    :ivar seconds: how long that is; 0 for a meter's value.
    """

    at: datetime
    value: int | None
    seconds: int = 0
    target: datetime | None = None
    measured: datetime | None = None
    certificate: int | None = None
    meter_signature: bytes | None = None
    signature: bytes | None = None
    status_fnn: str = ""
    status_ptb: PtbStatus | None = None
    status_vendor: str = ""

    @property
    def status(self) -> PtbStatus:
        """The worse of what the two status words say."""
        of_fnn = ptb_of_fnn(self.status_fnn) if self.status_fnn else PtbStatus.OK
        return max(of_fnn, self.status_ptb or PtbStatus.OK)


@dataclass(frozen=True, slots=True)
class Block:
    """Readings of one stretch of time."""

    readings: tuple[StatedReading, ...] = field(repr=False)
    begin: datetime | None = None
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class ReadingType:
    """What a reading list is of.

    :ivar obis: the register, six bytes.
    :ivar multiplier: power of ten of the unit (3 for kWh).
    :ivar unit: ESPI's unit number, None if the document names none.
    :ivar scaler: power of ten of the values, None if the document names none.
    :ivar name: ``OBIS.device.sm`` (qualifiedLogicalName).
    :ivar period: registration period in seconds.
    """

    obis: bytes
    multiplier: int = 0
    unit: int | None = None
    scaler: int | None = None
    name: str = ""
    period: int | None = None
    description: str = ""
    converter_factor: int | None = None

    @property
    def exponent(self) -> int:
        """The power of ten that makes a value one in the plain unit."""
        return self.multiplier + (self.scaler or 0)

    @property
    def dlms_unit(self) -> int | None:
        """The unit's DLMS number."""
        return None if self.unit is None else DLMS_OF_ESPI.get(self.unit)


@dataclass(frozen=True)
class MeterReadings:
    """A reading list (MeterReading): original if its name is that of its meter, else derived."""

    kind: ReadingType
    blocks: tuple[Block, ...]
    meter: str = ""
    list_id: str = ""
    line: int | None = field(default=None, compare=False)

    @cached_property
    def readings(self) -> tuple[StatedReading, ...]:
        """The readings of all blocks."""
        return tuple(reading for block in self.blocks for reading in block.readings)

    @property
    def is_original(self) -> bool:
        """Whether the meter itself counted it, and not a rule set: its name (``OBIS.device.sm``) names the meter."""
        parts = self.kind.name.rsplit(".", 2)
        if len(parts) != 3:
            return self.kind.obis[4] == 0
        if not self.meter:
            return self.kind.obis[4] == 0 and is_device(parts[1])
        return same_device(parts[1], self.meter)

    def reading_list(self) -> ReadingList:
        """It as the rule sets see it."""
        readings = [
            MeterReading(each.at, each.value, each.status, each.target, number)
            for number, each in enumerate(self.readings)
        ]
        kind = self.kind
        return ReadingList(kind.obis, self.meter, kind.exponent, kind.dlms_unit, readings, kind.period)


@dataclass(frozen=True)
class UsagePoint:
    """A usage point (Messlokation, Zählpunkt) with what is known of it.

    :ivar kind: ESPI's service kind; 0 is electricity.
    :ivar taf_profile: the profile as the gateway has it, signed, where it hands it out.
    """

    usage_point_id: str = ""
    kind: int | None = ELECTRICITY
    customer: str = ""
    invoicing_party: str = ""
    gateway: GatewayInfo | None = None
    certificates: tuple[Certificate, ...] = ()
    tariff_name: str = ""
    profile: EvaluationProfile | None = None
    log: tuple[LogEntry, ...] = ()
    lists: tuple[MeterReadings, ...] = ()
    taf_profile: bytes | None = None
    line: int | None = field(default=None, compare=False)

    @property
    def originals(self) -> tuple[MeterReadings, ...]:
        """The original reading lists."""
        return tuple(each for each in self.lists if each.is_original)

    @property
    def derived(self) -> tuple[MeterReadings, ...]:
        """The other reading lists."""
        return tuple(each for each in self.lists if not each.is_original)


@dataclass(frozen=True)
class Document:
    """A document of AR 2418-6."""

    usage_points: tuple[UsagePoint, ...]
    generator: str = ""


def same_device(one: str, other: str) -> bool:
    """Whether two texts name one device: fourteen characters (DIN 43863-5) or twenty hexadecimal digits."""
    return (_device_id(one) or one.upper()) == (_device_id(other) or other.upper())


def is_device(name: str) -> bool:
    """Whether a text is a device identification in one of the two ways."""
    return _device_id(name) is not None


def _device_id(name: str) -> str | None:
    try:
        server_id = bytes.fromhex(name)
    except ValueError:
        server_id = None
    try:
        if server_id is None:
            server_id_from_device_id(name.upper())
            return name.upper()
        return device_id_from_server_id(server_id).upper()
    except DeviceIdError:
        return None
