"""Wireless M-Bus: telegrams of meters agreed to be unencrypted, in mode 5 and in mode 7, and of nobody's.

Most injuries lie below checksums, MAC and encryption that hold again, so that they reach the layers behind.
An input is a byte for the frame format and what the receiver delivers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final
from zlib import crc32

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from fuzz.mutation import Mutator, cuts
from fuzz.oracles import en13757_holds, integer_is_in, record_value_is_in
from fuzz.target import ACCEPTED, NOTHING, hold, keeps_secret, reason_class
from fuzz.targets.mbus import records
from fuzz.targets.sml import SmlGrammar
from gateway.lmn.mbus_obis import GasVolume
from gateway.lmn.sml import MAX_FRAME, Skipped
from gateway.lmn.sml_readings import Reading
from gateway.lmn.sml_transport import ESCAPE
from gateway.lmn.sml_transport import encode_frame as encode_sml_frame
from gateway.lmn.wmbus import MAX_SENDERS, Agreement, FrameFormat, Mode, Telegram, WmbusDecoder
from gateway.lmn.wmbus_build import CI_SHORT, build_afl, build_telegram
from gateway.lmn.wmbus_layers import CI_AFL, Afl
from gateway.lmn.wmbus_link import MbusAddress, TelegramReader, WmbusError, build_link, crc_en13757, with_crcs
from gateway.lmn.wmbus_security import (
    MAC_FROM_METER,
    MAC_LENGTHS,
    MeterKey,
    aes_cmac,
    check_rising,
    mac_input,
)

KEY: Final = bytes.fromhex("5a17c0de5eed0badf00dfeedfacecafe")
"""Of every meter here."""
LAST_COUNTER: Final = 1_000
"""The last accepted one of the meter with mode 7."""

_FORMATS: Final = (FrameFormat.A, FrameFormat.B, FrameFormat.BARE)
_GAS: Final = MbusAddress("ELS", "12345678", 0x33, 0x03)
_WATER: Final = MbusAddress("KAM", "00000042", 0x19, 0x07)
_POWER: Final = MbusAddress("EMH", "12345678", 0x00, 0x02)
_HEAT: Final = MbusAddress("QDS", "55667788", 0x55, 0x04)
_STRANGER: Final = MbusAddress("ABC", "99999999", 0xFF, 0x07)
_AGREED: Final = {
    _GAS: Agreement(Mode.MODE_7, MeterKey(KEY), GasVolume.CONVERTED),
    _POWER: Agreement(Mode.MODE_7, MeterKey(KEY)),
    _WATER: Agreement(Mode.MODE_5, MeterKey(KEY)),
    _HEAT: Agreement(Mode.NONE, None, GasVolume.UNSAID, True),
}
_COUNTERS: Final = (0, LAST_COUNTER - 1, LAST_COUNTER, LAST_COUNTER + 1, LAST_COUNTER + 2, 5_000, (1 << 32) - 1)
_SECRETS: Final = (KEY.hex(), repr(KEY)[2:-1])
_SML_CI: Final = 0x7F
_LONG_CI: Final = 0x72
_MOST_KEPT: Final = 300 + MAX_SENDERS * MAX_FRAME
_WORDS: Final = (b"\x90\x0f\x00\x2c\x25", b"\x8c\x20\x01", b"\x7a", b"\x72", b"\x2f\x2f", b"\x44\x93\x15", b"\x00\x00")
_CONTROLS: Final = (0x44, 0x46, 0x08, 0x18, 0x53)


class Counters:
    """Counters in memory. ``accepted`` are those taken since the begin, in order."""

    def __init__(self) -> None:
        self._kept = {address.server_id: LAST_COUNTER for address in _AGREED}
        self.accepted: list[tuple[bytes, int]] = []

    def last(self, meter: bytes) -> int | None:
        """See :class:`gateway.lmn.wmbus_security.CounterStore`."""
        return self._kept.get(meter)

    def accept(self, meter: bytes, counter: int) -> None:
        """See :class:`gateway.lmn.wmbus_security.CounterStore`."""
        check_rising(self._kept.get(meter), counter)
        self._kept[meter] = counter
        self.accepted.append((meter, counter))


class WmbusStream:
    """:class:`WmbusDecoder`: readings only from what is authentic as agreed, and never twice."""

    def __init__(self) -> None:
        self._sml = SmlGrammar()
        self._mutator = Mutator(_WORDS, [build_telegram(_GAS, b"\x0c\x14\x27\x04\x85\x02", mode=Mode.NONE)])

    def build(self, random: Random) -> bytes:
        """One to three telegrams or fragments."""
        form = random.choice(_FORMATS)
        bare: list[bytes] = []
        for _ in range(random.choice((1, 1, 2, 3))):
            bare += self._telegrams(random)
        if bare and random.random() < 0.15:
            bare.insert(random.randrange(len(bare) + 1), random.choice(bare))
        data = b"".join(self._on_air(random, each, form) for each in bare)
        return bytes((_FORMATS.index(form),)) + self._mutator.perhaps(random, data, 0.25, 4)

    def _on_air(self, random: Random, bare: bytes, form: FrameFormat) -> bytes:
        """With checksums that hold; some were injured before."""
        if random.random() < 0.2:
            bare = self._mutator.mutated(random, bare, 2)
            bare = bytes((min(0xFF, len(bare) - 1),)) + bare[1:256] if bare else b""
        try:
            return with_crcs(bare, form)
        except WmbusError:
            return bare

    def _telegrams(self, random: Random) -> list[bytes]:
        """A message as telegrams without checksums."""
        address = random.choice((_GAS, _GAS, _GAS, _GAS, _POWER, _POWER, _WATER, _WATER, _HEAT, _HEAT, _STRANGER))
        agreed = _AGREED.get(address)
        mode = agreed.mode if agreed is not None and random.random() < 0.95 else random.choice(tuple(Mode))
        sml = random.random() < (0.5 if address is _POWER else 0.1)
        application = self._mutator.perhaps(random, self._application(random, sml=sml), 0.3)
        counter = random.choice(_COUNTERS) if random.random() < 0.7 else random.getrandbits(32)
        kind = random.choice((5, 5, 7))
        try:
            built = build_telegram(
                address,
                application[:190],
                mode=mode,
                key=KEY,
                counter=counter,
                access_number=random.randrange(256),
                status=random.choice((0, 0, 0x04, 0xFF)),
                ci=_SML_CI if sml else CI_SHORT,
                authentication_type=kind,
                frame_format=FrameFormat.BARE,
            )
        except WmbusError:
            built = build_telegram(address, b"\x01\x13\x05", mode=Mode.NONE, frame_format=FrameFormat.BARE)
        content = built[10:]
        if mode is not Mode.MODE_7 or content[0] != CI_AFL:
            return self._linked(random, address, [self._addressed(random, address, content)])
        transport = content[2 + content[1] :]
        if random.random() < 0.3:  # the MAC holds over what was injured
            transport = self._mutator.mutated(random, self._addressed(random, address, transport), 1)
        key = MeterKey(KEY if random.random() < 0.95 else bytes(16))
        if random.random() < 0.35:
            return self._linked(random, address, self._fragments(random, key, address, transport, counter, kind))
        afl = build_afl(key, address, transport, counter, kind)
        if random.random() < 0.15:
            afl = self._mutator.mutated(random, afl, 1)
        return self._linked(random, address, [afl + transport])

    def _application(self, random: Random, *, sml: bool) -> bytes:
        if not sml:
            return records(random)
        file = self._sml.small_file(random) if random.random() < 0.8 else self._sml.file(random)
        return encode_sml_frame(file) if random.random() < 0.5 else file

    @staticmethod
    def _addressed(random: Random, address: MbusAddress, transport: bytes) -> bytes:
        """With a long header in place of the short one, now and then: the meter behind a radio adapter."""
        if random.random() > 0.15 or transport[:1] != bytes((CI_SHORT,)):
            return transport
        encoded = random.choice((address, address, _STRANGER, _HEAT)).encode()
        return bytes((_LONG_CI,)) + encoded[2:6] + encoded[:2] + encoded[6:] + transport[1:]

    @staticmethod
    def _fragments(
        random: Random, key: MeterKey, address: MbusAddress, transport: bytes, counter: int, kind: int
    ) -> list[bytes]:
        """A message in pieces, the first with control, counter, length and MAC; some pieces lost or out of order."""
        size = random.choice((16, 40, 100))
        pieces = [transport[at : at + size] for at in range(0, len(transport), size)] or [b""]
        mac_key = key.derive(MAC_FROM_METER, counter, address.identification)
        fields = Afl(0, False, 0x60 | kind, None, counter, None, len(transport))
        mac = aes_cmac(mac_key, mac_input(fields, transport))[: MAC_LENGTHS[kind]]
        found = []
        for number, piece in enumerate(pieces, 1):
            more = 0x4000 if number < len(pieces) else 0
            body = (number | more | (0x3C00 if number == 1 else 0)).to_bytes(2, "little")
            if number == 1:
                body += bytes((0x60 | kind,)) + counter.to_bytes(4, "little") + mac
                body += len(transport).to_bytes(2, "little")
            found.append(bytes((CI_AFL, len(body))) + body + piece)
        way = random.random()
        if way < 0.1:
            del found[random.randrange(len(found))]
        elif way < 0.2:
            random.shuffle(found)
        return found

    @staticmethod
    def _linked(random: Random, address: MbusAddress, contents: list[bytes]) -> list[bytes]:
        sender = address if random.random() < 0.95 else random.choice((_WATER, _STRANGER))
        return [
            build_link(
                0x44 if random.random() < 0.9 else random.choice(_CONTROLS),
                sender,
                (_ell(random, sender, content) + content)[:240],
            )
            for content in contents
        ]

    def check(self, data: bytes) -> str:
        """See the class."""
        form = _FORMATS[data[0] % len(_FORMATS)] if data else FrameFormat.A
        stream = data[1:]
        counters = Counters()
        decoder = WmbusDecoder(form, _AGREED.get, counters)
        oracle = _Oracle(stream, form)
        events: list[Telegram | Skipped] = []
        for chunk in _telegram_chunks(stream) if form is FrameFormat.BARE else [stream]:
            events += decoder.feed(chunk)
        events += decoder.finish()
        hold(decoder.kept_bytes == 0, "something is kept after the end")
        place = 0
        for event in events:
            hold(event.offset >= place, "a byte is counted twice")
            place = event.end
            if isinstance(event, Telegram):
                hold(event.ok == bool(event.readings) == (event.error is None), "readings and error, or neither")
                oracle.check(event)
        hold(oracle.authentic.issuperset(counters.accepted), "a counter is kept that no authentic telegram had")
        hold(all(counter > LAST_COUNTER for _, counter in counters.accepted), "a counter is kept that does not rise")
        hold(len(set(counters.accepted)) == len(counters.accepted), "a counter is taken twice")
        keeps_secret(_SECRETS, repr(events))
        if form is not FrameFormat.BARE:
            self._check_cuts(stream, form, events, counters)
        if any(event.ok for event in events):
            return ACCEPTED
        return reason_class(events[0].error or "") if events else NOTHING

    @staticmethod
    def _check_cuts(stream: bytes, form: FrameFormat, events: list[Telegram | Skipped], counters: Counters) -> None:
        again_counters = Counters()
        again = WmbusDecoder(form, _AGREED.get, again_counters)
        in_pieces: list[Telegram | Skipped] = []
        for piece in cuts(Random(crc32(stream)), stream):
            in_pieces += again.feed(piece)
            hold(again.kept_bytes <= _MOST_KEPT, "more is kept than the bound")
        hold([*in_pieces, *again.finish()] == events, "how the stream is cut makes a difference")
        hold(again_counters.accepted == counters.accepted, "how the stream is cut makes a difference to counters")

    def close(self) -> None:
        """Nothing is held."""


def _ell(random: Random, sender: MbusAddress, content: bytes) -> bytes:
    """An extended link layer before the content, or in most cases none."""
    way = random.random()
    if way < 0.1:
        return b"\x8c\x20" + bytes((random.randrange(256),))
    if way < 0.15:
        session = random.choice((bytes(4), b"\0\0\0\x20"))
        return b"\x8d\x20\x01" + session + crc_en13757(content).to_bytes(2, "little")
    return b"\x8e\x20\x01" + sender.encode() if way < 0.2 else b""


def _telegram_chunks(stream: bytes) -> list[bytes]:
    """What a receiver that checks by itself hands over: the L field says where a telegram ends."""
    chunks = []
    at = 0
    while at < len(stream):
        chunks.append(stream[at : at + stream[at] + 1])
        at += stream[at] + 1
    return chunks


@dataclass(slots=True)
class _Layers:
    """A telegram's AFL and what follows it, read by another reader than the one under test."""

    fragment: int
    fields: bytes
    counter: int | None
    mac: bytes
    transport: bytes


class _Oracle:
    """Says whether a telegram of mode 7 was authentic, and what its bytes were in clear."""

    def __init__(self, stream: bytes, form: FrameFormat) -> None:
        self._stream, self._form = stream, form
        self._bare: dict[int, bytes] = {}
        self._used: set[tuple[bytes, int]] = set()
        self.authentic: set[tuple[bytes, int]] = set()
        """Meters and counters of what was authentic so far."""
        if form is FrameFormat.BARE:
            at = 0
            for chunk in _telegram_chunks(stream):
                self._bare[at] = chunk
                at += len(chunk)
            return
        reader = TelegramReader(form)
        for event in [*reader.feed(stream), *reader.finish()]:
            if not isinstance(event, Skipped):
                self._bare[event.offset] = self._without_checksums(stream[event.offset : event.end])

    def _without_checksums(self, raw: bytes) -> bytes:
        firsts, further = (12, 18) if self._form is FrameFormat.A else (128, 128)
        blocks = [raw[:firsts], *(raw[at : at + further] for at in range(firsts, len(raw), further))]
        hold(all(en13757_holds(block) for block in blocks), "a telegram whose checksum is wrong")
        return b"".join(block[:-2] for block in blocks)

    def check(self, telegram: Telegram) -> None:
        """:raises Violation: if the telegram says what its bytes do not, or must not be believed."""
        hold(telegram.offset in self._bare, "a telegram where none begins")
        agreed = _AGREED.get(telegram.address)
        layers = _layers(self._bare[telegram.offset])
        authentic = False
        if agreed is not None and agreed.mode is Mode.MODE_7:
            for whole in self._wholes(telegram.offset, layers):
                if _authentic(telegram.address, whole):
                    authentic, layers = True, whole
                    self.authentic.add((telegram.address.server_id, whole.counter or 0))
                    break
        if telegram.error is not None and not telegram.raw:
            return
        hold(agreed is not None, "a stranger is listened to")
        assert agreed is not None
        if agreed.mode is Mode.MODE_7:
            hold(authentic and telegram.counter == layers.counter, "something is read of what is not authentic")
            once = (telegram.address.server_id, layers.counter or 0)
            hold(once not in self._used, "something is read of what was sent before")
            self._used.add(once)
            clears = [_decrypted(telegram.address, agreed.mode, layers)]
        else:
            wholes = list(self._wholes(telegram.offset, layers))
            clears = [
                whole.transport if agreed.mode is Mode.NONE else _decrypted(telegram.address, agreed.mode, whole)
                for whole in wholes
            ]
        if agreed.mode is not Mode.NONE:
            clears = [clear for clear in clears if clear.startswith(b"\x2f\x2f")]
        hold(any(_are_said(telegram.readings, clear) for clear in clears), "a reading that is not in the telegram")

    def _wholes(self, offset: int, layers: _Layers) -> Iterator[_Layers]:
        """The layers of every message that a telegram may be the end of, those with the latest fragments first."""
        if layers.fragment <= 1:
            yield layers
            return
        sender = self._bare[offset][2:10]
        for before in sorted((at for at in self._bare if at < offset), reverse=True):
            bare = self._bare[before]
            if bare[2:10] != sender or bare[1] not in _SENT_BY_METERS:
                continue
            earlier = _layers(bare)
            if earlier.fragment == layers.fragment - 1:
                yield from self._wholes(before, _joined(earlier, layers))


def _joined(first: _Layers, later: _Layers) -> _Layers:
    return _Layers(
        first.fragment,
        first.fields or later.fields,
        later.counter if first.counter is None else first.counter,
        first.mac or later.mac,
        first.transport + later.transport,
    )


_LONG_HEADERS: Final = (0x72, 0x73, 0x7C, 0x7E, 0x8B)
_SENT_BY_METERS: Final = (0x44, 0x46, 0x47, 0x48, 0x08, 0x18, 0x28, 0x38)


def _layers(bare: bytes) -> _Layers:
    content = bare[10:]
    content = content[{0x8C: 3, 0x8D: 9, 0x8E: 11, 0x8F: 17}.get(content[0], 0) :] if content else b""
    if content[:1] != bytes((CI_AFL,)):
        return _Layers(0, b"", None, b"", content)
    length = content[1] if len(content) > 1 else 0
    body, transport = content[2 : 2 + length], content[2 + length :]
    flags, rest = int.from_bytes(body[:2], "little"), body[2:]
    fields, counter = b"", None
    if flags & 0x2000:
        fields, rest = rest[:1], rest[1:]
    if flags & 0x0200:
        fields, rest = fields + rest[:2], rest[2:]
    if flags & 0x0800:
        counter = int.from_bytes(rest[:4], "little")
        fields, rest = fields + rest[:4], rest[4:]
    said = rest[-2:] if flags & 0x1000 else b""
    mac = rest[: len(rest) - len(said)] if flags & 0x0400 else b""
    return _Layers(flags & 0xFF, fields + said, counter, mac, transport)


def _configuration_at(transport: bytes) -> int:
    return 11 if transport[0] in _LONG_HEADERS else 3


def _configuration(transport: bytes) -> int | None:
    """The configuration field behind the header of the transport layer."""
    if not transport:
        return None
    at = _configuration_at(transport)
    field = transport[at : at + 2]
    return int.from_bytes(field, "little") if len(field) == 2 else None


def _authentic(address: MbusAddress, layers: _Layers) -> bool:
    if layers.counter is None or len(layers.mac) not in (8, 16) or len(layers.fields) not in (5, 7):
        return False
    if len(layers.fields) == 7 and int.from_bytes(layers.fields[5:], "little") != len(layers.transport):
        return False
    if {5: 8, 7: 16}.get(layers.fields[0] & 0x0F) != len(layers.mac):
        return False
    configuration = _configuration(layers.transport)
    if configuration is None or configuration >> 8 & 0x1F != Mode.MODE_7:
        return False
    at = _configuration_at(layers.transport)
    if layers.transport[at + 2 : at + 3] != b"\x10":
        return False
    blocks = layers.transport[at] >> 4
    if 16 * blocks > len(layers.transport) - at - 3:
        return False
    key = _derived(1, layers.counter, address)
    return _cmac(key, layers.fields + layers.transport)[: len(layers.mac)] == layers.mac


def _derived(constant: int, counter: int, address: MbusAddress) -> bytes:
    text = bytes((constant,)) + counter.to_bytes(4, "little") + bytes.fromhex(address.number)[::-1]
    return _cmac(KEY, text + b"\x07" * 7)


def _cmac(key: bytes, data: bytes) -> bytes:
    mac = CMAC(algorithms.AES(key))
    mac.update(data)
    return mac.finalize()


def _decrypted(address: MbusAddress, mode: Mode, layers: _Layers) -> bytes:
    transport = layers.transport
    at = _configuration_at(transport)
    length = 16 * (transport[at] >> 4)
    if mode is Mode.MODE_5:
        key, iv, begin = KEY, address.encode() + transport[at - 2 : at - 1] * 8, at + 2
    else:
        key, iv, begin = _derived(0, layers.counter or 0, address), bytes(16), at + 3
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return cipher.update(transport[begin : begin + length])


def _are_said(readings: tuple[Reading, ...], clear: bytes) -> bool:
    """Whether each value is literally in the bytes in clear."""
    plain = clear.replace(ESCAPE + ESCAPE, ESCAPE)
    return all(record_value_is_in(clear, reading.value) or integer_is_in(plain, reading.value) for reading in readings)
