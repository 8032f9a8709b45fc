"""From SML messages to readings (Messwerte): what a frame says about a meter, exactly as it went over the wire.

Nothing is corrected here. Where the wire form gives cause for doubt a reading carries a *flag*; flags are

``signed`` / ``unsigned``   the value was sent as SML Integer / Unsigned
``status:0x001c0104``       the entry's status word, as many digits as were sent
``fatal-error`` ...         a bit of that word, where the word has the form of the FNN basic meter (:data:`STATUS_BITS`)
``suspect-sign``            a negative power in an integer of less than four bytes, while the meter's status word says
                            that energy flows the other way. DZG meters are known to send large positive powers as
                            integers one byte too short, so that their highest bit reads as a sign.
``time-untagged``           the entry's time lacks its choice (see :class:`TimeKind.UNTAGGED`)
``signature-present``       the meter signed the value; the signature is not checked here
``crc-kermit``              a checksum of the frame or of a message is KERMIT instead of X-25
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.lmn.crc16 import CrcKind
from gateway.lmn.sml_bodies import GetListResponse, ListEntry
from gateway.lmn.sml_elements import Number, Octets
from gateway.lmn.sml_fields import SmlTime, TimeKind
from gateway.lmn.sml_messages import Message
from gateway.lmn.status import METER_REGULAR, MeterStatus, bit_of, has_meter_layout, label_of

STATUS_BITS: Final[Mapping[int, str]] = MappingProxyType(
    {bit_of(flag): label_of(flag) for flag in MeterStatus if flag not in METER_REGULAR}
)
"""Bits of the status word of an FNN basic meter (Basiszähler), counted from the lowest, that ask for attention. Those
that say the regular (8: above starting current, 18 to 20: voltage present) are in the word's digits only."""

_DIRECTION_BIT: Final[Mapping[bytes, int]] = MappingProxyType(
    {
        bytes.fromhex("0100100700ff"): bit_of(MeterStatus.SUM_DIRECTION_NEGATIVE),
        bytes.fromhex("0100240700ff"): bit_of(MeterStatus.L1_DIRECTION_NEGATIVE),
        bytes.fromhex("0100380700ff"): bit_of(MeterStatus.L2_DIRECTION_NEGATIVE),
        bytes.fromhex("01004c0700ff"): bit_of(MeterStatus.L3_DIRECTION_NEGATIVE),
    }
)
"""Powers (sum and per phase) and the status bit that says which way the energy flows."""

_SHORTENED: Final = 4


@dataclass(frozen=True, slots=True)
class Reading:
    """One integer value of one meter: the number meant is ``value`` times ten to the power of ``scaler``.

    ``unit`` is the DLMS unit number (30 = Wh, 27 = W), None if the meter named none; ``scaler`` is 0 if it named none.
    ``time`` is the entry's own time, ``sensor_time`` that of its list (actSensorTime), the only one most meters send.
    """

    server_id: bytes
    obis: bytes
    value: int
    scaler: int
    unit: int | None
    status: int | None
    time: SmlTime | None
    sensor_time: SmlTime | None
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OctetValue:
    """An octet string that a meter lists: manufacturer (Herstellerkennung), device number, public key."""

    server_id: bytes
    obis: bytes
    data: bytes

    @property
    def text(self) -> str | None:
        """The value as text if it is printable ASCII throughout, else None: nothing from a meter reaches a terminal
        as a control character."""
        if self.data and all(0x20 <= byte < 0x7F for byte in self.data):
            return self.data.decode("ascii")
        return None


def readings_of(messages: Iterable[Message], transport_crc: CrcKind = CrcKind.X25) -> tuple[Reading, ...]:
    """The integer values of all GetList responses, in order.

    :param messages: messages whose checksums hold, as :func:`gateway.lmn.sml_messages.decode_messages` gives them.
    """
    found: list[Reading] = []
    for message in messages:
        body = message.body
        if isinstance(body, GetListResponse):
            kermit = CrcKind.KERMIT in (transport_crc, message.crc)
            list_status = _fnn_status(body.entries)
            for entry in body.entries:
                value = entry.value
                if isinstance(value, Number):
                    found.append(
                        Reading(
                            body.server_id,
                            entry.obis,
                            value.value,
                            entry.scaler or 0,
                            entry.unit,
                            None if entry.status is None else entry.status.value,
                            entry.time,
                            body.act_sensor_time,
                            _flags(entry, value, list_status, kermit=kermit),
                        )
                    )
    return tuple(found)


def octet_values_of(messages: Iterable[Message]) -> tuple[OctetValue, ...]:
    """The octet strings of all GetList responses, in order."""
    return tuple(
        OctetValue(message.body.server_id, entry.obis, entry.value.data)
        for message in messages
        if isinstance(message.body, GetListResponse)
        for entry in message.body.entries
        if isinstance(entry.value, Octets)
    )


def _flags(entry: ListEntry, value: Number, list_status: int | None, *, kermit: bool) -> tuple[str, ...]:
    flags = ["signed" if value.signed else "unsigned"]
    if entry.status is not None:
        flags += _status_flags(entry.status)
    if list_status is not None and _sign_is_suspect(entry.obis, value, list_status):
        flags.append("suspect-sign")
    if entry.time is not None and entry.time.kind is TimeKind.UNTAGGED:
        flags.append("time-untagged")
    if entry.signature is not None:
        flags.append("signature-present")
    if kermit:
        flags.append("crc-kermit")
    return tuple(flags)


def _status_flags(status: Number) -> list[str]:
    digits = status.value & (1 << 8 * status.width) - 1
    flags = [f"status:0x{digits:0{2 * status.width}x}"]
    if has_meter_layout(digits, status.width):
        flags += [name for bit, name in STATUS_BITS.items() if status.value >> bit & 1]
    return flags


def _fnn_status(entries: Iterable[ListEntry]) -> int | None:
    for entry in entries:
        if entry.status is not None and has_meter_layout(entry.status.value, entry.status.width):
            return entry.status.value
    return None


def _sign_is_suspect(obis: bytes, value: Number, list_status: int) -> bool:
    direction = _DIRECTION_BIT.get(obis)
    return (
        direction is not None
        and value.signed
        and value.value < 0
        and value.width < _SHORTENED
        and not list_status >> direction & 1
    )
