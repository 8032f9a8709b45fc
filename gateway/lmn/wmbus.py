"""Wireless M-Bus (OMS): bytes of a radio receiver in, readings or a reason out.

Source: EN 13757-3, -4, -7, OMS Vol. 2, TR-03116-3 ch. 7. This module is the front; the parts are
:mod:`~gateway.lmn.wmbus_link` (frame formats, addresses), :mod:`~gateway.lmn.wmbus_layers` (ELL, AFL, TPL),
:mod:`~gateway.lmn.wmbus_security` (keys, MAC, counters), :mod:`~gateway.lmn.mbus_records` (DIF, VIF, values) and
:mod:`~gateway.lmn.mbus_obis` (codes).

What is agreed with a meter is asked by its address before anything else; telegrams of others are not even decrypted.
Nothing a meter or an attacker sends raises. Only a store that cannot keep a counter does, since going on would accept
old telegrams.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from gateway.lmn.crc16 import CrcKind
from gateway.lmn.mbus_obis import GasVolume, obis_of
from gateway.lmn.mbus_records import Record, read_records
from gateway.lmn.mbus_values import MbusTime
from gateway.lmn.mbus_vif import Quantity
from gateway.lmn.quirks import FLAG_SUSPECT_SIGN
from gateway.lmn.sml import decode_frame, decode_stream
from gateway.lmn.sml_readings import Reading
from gateway.lmn.sml_transport import MAX_FRAME, START, Skipped, TransportFrame
from gateway.lmn.wmbus_layers import Afl, Application, Mode, Tpl, read_afl, read_ell, read_tpl
from gateway.lmn.wmbus_link import FrameFormat, LinkTelegram, MbusAddress, TelegramReader, WmbusError, read_telegram
from gateway.lmn.wmbus_security import VERIFICATION, CounterStore, MeterKey, SecurityError, unlocked

MAX_SENDERS: Final = 64
"""Senders whose fragments may be waiting for the rest at the same time."""

FLAG_NOT_AUTHENTIC: Final = "not-authenticated"
"""Flag of readings that no MAC protected (mode 5 or none)."""

_RISING: Final = frozenset((Quantity.ENERGY, Quantity.VOLUME, Quantity.HEAT_COST_UNITS))
"""What only counts up: a negative value of it looks wrong."""

_FROM_METER: Final = frozenset((0x44, 0x46, 0x47, 0x48, 0x08, 0x18, 0x28, 0x38))
_STATUS_APPLICATION: Final = {1: "application-busy", 2: "application-error", 3: "alarm"}
_STATUS_BITS: Final = {2: "battery-low", 3: "permanent-error", 4: "temporary-error"}


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was agreed with a meter: its security mode and key, and of what volume an unmarked gas register is.

    ``partly_clear`` permits records behind the encrypted part of a telegram.
    """

    mode: Mode
    key: MeterKey | None = None
    gas_volume: GasVolume = GasVolume.UNSAID
    partly_clear: bool = False


@dataclass(frozen=True, slots=True)
class RawValue:
    """Something a meter sent that is no reading: header and bytes as they came, and why."""

    header: bytes
    data: bytes
    reason: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Telegram:
    """A telegram (or the last of several fragments) whose link checksums hold.

    It has readings, or ``error`` says why not; never both, never neither. ``address`` is the meter's, ``link`` that of
    whoever sent it, a radio adapter perhaps. ``known`` says whether there is an agreement with the meter. ``counter``
    is the transmission counter of an authentic telegram of mode 7.
    """

    offset: int
    end: int
    link: MbusAddress
    address: MbusAddress
    known: bool
    counter: int | None = None
    status: int = 0
    readings: tuple[Reading, ...] = ()
    raw: tuple[RawValue, ...] = field(repr=False, default=())
    meter_time: MbusTime | None = None
    error: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the telegram has readings."""
        return self.error is None


@dataclass(slots=True)
class _Fragments:
    next_number: int
    parts: bytearray
    afl: Afl


class WmbusDecoder:
    """Turns what one radio receiver delivers into telegrams and skipped ranges."""

    def __init__(
        self,
        frame_format: FrameFormat,
        agreements: Callable[[MbusAddress], Agreement | None],
        counters: CounterStore,
    ) -> None:
        """
        :param frame_format: what the receiver delivers; with BARE each chunk is one telegram.
        :param agreements: what was agreed with a meter, None for a meter nobody knows.
        :param counters: keeps the transmission counters.
        """
        self._reader = None if frame_format is FrameFormat.BARE else TelegramReader(frame_format)
        self._agreements = agreements
        self._counters = counters
        self._fragments: dict[MbusAddress, _Fragments] = {}
        self._offset = 0

    @property
    def kept_bytes(self) -> int:
        """How many bytes wait for more to come."""
        kept = sum(len(fragments.parts) for fragments in self._fragments.values())
        return kept + (0 if self._reader is None else self._reader.kept_bytes)

    def feed(self, chunk: bytes) -> list[Telegram | Skipped]:
        """Take the next bytes; return what they completed. :raises OSError: if a counter cannot be kept."""
        if self._reader is not None:
            return self._decoded(self._reader.feed(chunk))
        begun, self._offset = self._offset, self._offset + len(chunk)
        try:
            return self._decoded([read_telegram(chunk, FrameFormat.BARE, begun)])
        except WmbusError as wrong:
            return [Skipped(begun, self._offset, str(wrong))] if chunk else []

    def finish(self) -> list[Telegram | Skipped]:
        """The stream has ended: return what is left. Unfinished fragments are given up."""
        found = [] if self._reader is None else self._decoded(self._reader.finish())
        self._fragments.clear()
        return found

    def _decoded(self, events: list[LinkTelegram | Skipped]) -> list[Telegram | Skipped]:
        found: list[Telegram | Skipped] = []
        for event in events:
            decoded = event if isinstance(event, Skipped) else self._decode(event)
            if decoded is not None:
                found.append(decoded)
        return found

    def _decode(self, link: LinkTelegram) -> Telegram | None:
        address = link.address
        known = False
        try:
            _, content = read_ell(_from_meter(link))
            afl, transport = read_afl(content)
            if afl is not None and afl.fragment:
                assembled = self._assemble(link.address, afl, transport)
                if assembled is None:
                    return None
                afl, transport = assembled
            tpl = read_tpl(transport)
            address = tpl.address or link.address
            agreement = self._agreed(address)
            known = True
            clear = unlocked(
                tpl, address, afl, transport, key=agreement.key, mode=agreement.mode, counters=self._counters
            )
            return _interpreted(link, address, tpl, afl, clear, agreement)
        except WmbusError as wrong:
            return Telegram(link.offset, link.end, link.address, address, known, error=str(wrong))

    def _agreed(self, address: MbusAddress) -> Agreement:
        agreement = self._agreements(address)
        if agreement is None:
            raise WmbusError("no profile for this meter")
        return agreement

    def _assemble(self, sender: MbusAddress, afl: Afl, content: bytes) -> tuple[Afl, bytes] | None:
        """The whole message with the fields of all its fragments, None while some are missing.

        Which fragment holds counter, length and MAC makes no difference, as long as none is said twice.
        """
        begun = self._fragments.pop(sender, None)
        if afl.fragment == 1:
            begun = _Fragments(1, bytearray(), afl)
        elif begun is None or afl.fragment != begun.next_number:
            raise WmbusError(f"fragment {afl.fragment} of a message whose fragment before was lost")
        else:
            begun.afl = _merged(begun.afl, afl)
        begun.parts += content
        begun.next_number += 1
        if len(begun.parts) > MAX_FRAME:
            raise WmbusError(f"no end within {MAX_FRAME} bytes of fragments")
        if not afl.more:
            return begun.afl, bytes(begun.parts)
        if len(self._fragments) >= MAX_SENDERS:
            del self._fragments[next(iter(self._fragments))]
        self._fragments[sender] = begun
        return None


def _from_meter(link: LinkTelegram) -> bytes:
    if link.control not in _FROM_METER:
        raise WmbusError(f"control field {link.control:02x} is none that a meter sends by itself")
    return link.content


def _merged(first: Afl, later: Afl) -> Afl:
    """The fields of a message that its fragments share out; none may be said twice."""
    for name in ("control", "key_information", "counter", "mac", "length"):
        if getattr(first, name) is not None and getattr(later, name) is not None:
            raise WmbusError(f"two fragments of a message both hold its {name}")
    return Afl(
        first.fragment,
        later.more,
        later.control if first.control is None else first.control,
        later.key_information if first.key_information is None else first.key_information,
        later.counter if first.counter is None else first.counter,
        later.mac if first.mac is None else first.mac,
        later.length if first.length is None else first.length,
    )


def _interpreted(
    link: LinkTelegram, address: MbusAddress, tpl: Tpl, afl: Afl | None, clear: bytes, agreement: Agreement
) -> Telegram:
    flags = _status_flags(tpl.status)
    if agreement.mode is not Mode.MODE_7:
        flags = (*flags, FLAG_NOT_AUTHENTIC)
    time: MbusTime | None = None
    readings: tuple[Reading, ...]
    raw: tuple[RawValue, ...] = ()
    trusted = len(clear) if agreement.partly_clear or agreement.mode is Mode.NONE else tpl.encrypted
    if tpl.application is Application.MBUS:
        readings, raw, time, error = _mbus(clear, trusted, address, tpl.status, flags, agreement.gas_volume)
    elif tpl.application is Application.SML:
        readings, error = _sml(clear[:trusted], flags)
    else:
        readings, error = (), f"{tpl.application.value}: kept raw"
        raw = (RawValue(bytes((tpl.ci,)), clear, error),)
    counter = afl.counter if afl is not None and agreement.mode is Mode.MODE_7 else None
    return Telegram(
        link.offset,
        link.end,
        link.address,
        address,
        True,
        counter,
        tpl.status,
        readings,
        raw,
        time,
        None if readings else error or "no record with a certain OBIS code",
    )


def _mbus(
    clear: bytes, trusted: int, address: MbusAddress, status: int, flags: tuple[str, ...], gas_volume: GasVolume
) -> tuple[tuple[Reading, ...], tuple[RawValue, ...], MbusTime | None, str | None]:
    """Readings, what is kept raw, the meter's time, and why reading ended early."""
    content = read_records(clear)
    server_id = address.server_id
    readings: list[Reading] = []
    raw: list[RawValue] = []
    time: MbusTime | None = None
    for record in content.records:
        if record.offset >= trusted:
            raw.append(_raw(record, "sent in clear"))
            continue
        if record.information.quantity is Quantity.DATE_TIME and not record.storage:
            time = record.value if isinstance(record.value, MbusTime) else time
        code = obis_of(record, address.obis_medium, gas_volume)
        if isinstance(code, str) or not isinstance(record.value, int):
            raw.append(_raw(record, code if isinstance(code, str) else "no number"))
            continue
        information = record.information
        marks = (*flags, FLAG_SUSPECT_SIGN) if record.value < 0 and information.quantity in _RISING else flags
        readings.append(
            Reading(server_id, code, record.value, information.scaler, information.unit, status, None, None, marks)
        )
    if content.manufacturer_data:
        raw.append(RawValue(b"\x0f", content.manufacturer_data, "its meaning is the manufacturer's"))
    if content.error is not None:
        raw.append(RawValue(b"", b"", content.error))
    return tuple(readings), tuple(raw), time, content.error


def _sml(clear: bytes, flags: tuple[str, ...]) -> tuple[tuple[Reading, ...], str | None]:
    """Readings of an SML file, with or without its transport protocol; the filler of the last block is taken off."""
    content = clear.removeprefix(VERIFICATION)
    if content.startswith(START):  # a frame says itself where it ends, and its checksum may end like filler
        frames = [event for event in decode_stream(content) if not isinstance(event, Skipped)]
        if len(frames) != 1:
            return (), f"{len(frames)} SML frames in one telegram"
        frame = frames[0]
    else:
        content = content.rstrip(VERIFICATION)
        frame = decode_frame(TransportFrame(0, len(content), content, b"", CrcKind.X25))
    return (
        tuple(
            Reading(
                reading.server_id,
                reading.obis,
                reading.value,
                reading.scaler,
                reading.unit,
                reading.status,
                reading.time,
                reading.sensor_time,
                (*reading.flags, *flags),
            )
            for reading in frame.readings
        ),
        frame.error,
    )


def _raw(record: Record, reason: str) -> RawValue:
    text = None if record.value is None else str(record.value)
    return RawValue(record.header, record.data, reason, text)


def _status_flags(status: int) -> tuple[str, ...]:
    if not status:
        return ()
    names = [name for bit, name in _STATUS_BITS.items() if status >> bit & 1]
    application = _STATUS_APPLICATION.get(status & 3)
    return (f"status:0x{status:02x}", *([application] if application else []), *names)


__all__ = [
    "FLAG_NOT_AUTHENTIC",
    "Agreement",
    "FrameFormat",
    "MbusAddress",
    "Mode",
    "RawValue",
    "SecurityError",
    "Telegram",
    "WmbusDecoder",
    "WmbusError",
]
