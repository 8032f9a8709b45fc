"""Wireless M-Bus link layer (drahtloses LMN): frame formats A and B with their checksums, and who sent a telegram.

Source: EN 13757-4, chapter on the data link layer; OMS Vol. 2. A telegram without checksums is

    L     1 byte: how many bytes follow
    C     1 byte: control field, ``44`` send without reply, ``46`` installation, ``08`` answer, ...
    M, A  8 bytes: manufacturer (two bytes), identification number (four, BCD), version, device type; low byte first
    rest  begins with a CI field

Format A puts a checksum behind the first ten bytes and behind each 16 that follow; L counts none of them. Format B
puts one behind at most 126 bytes and a second behind the rest; L counts them. A receiver that checks by itself hands
over telegrams without checksums (:attr:`FrameFormat.BARE`).
"""

from __future__ import annotations

import enum
import itertools
from dataclasses import dataclass, field
from typing import Final

from gateway.lmn.device_id import DeviceIdError, server_id_from_device_id
from gateway.lmn.sml_transport import Skipped

LINK_HEADER: Final = 10
MAX_TELEGRAM: Final = 256
"""Bytes of a telegram without checksums: what L can count, and L itself."""

_BLOCK: Final = 16
_CRC_LENGTH: Final = 2
_FIRST_PART_B: Final = 126
_POLYNOMIAL: Final = 0x3D65
_SHORTEST: Final = 10
_IDENTIFICATION_DIGITS: Final = 8

SERVER_ID_FORM: Final = 0x01
"""First byte of the server id of a wireless M-Bus meter; manufacturer, number, version and type follow as sent."""

_OBIS_MEDIUM: Final = {
    0x02: 1,
    0x03: 7,
    0x04: 6,
    0x06: 9,
    0x07: 8,
    0x08: 4,
    0x0A: 5,
    0x0B: 5,
    0x0C: 6,
    0x0D: 6,
    0x15: 9,
    0x16: 8,
}
"""Device types (EN 13757-7) and the medium of their OBIS codes: 1 electricity, 4 heat cost, 5 cooling, 6 heat, 7 gas,
8 cold water, 9 hot water. A combined heat and cooling meter counts as heat; its cooling registers are not mapped."""


class WmbusError(ValueError):
    """Anything wrong with the bytes of a telegram or with a request to build one."""


class FrameFormat(enum.Enum):
    """How the checksums lie in a telegram; what a line delivers is known from its receiver."""

    A = "a"
    B = "b"
    BARE = "bare"


def _table() -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        remainder = byte << 8
        for _ in range(8):
            remainder = remainder << 1 ^ (_POLYNOMIAL if remainder & 0x8000 else 0)
        entries.append(remainder & 0xFFFF)
    return tuple(entries)


_TABLE: Final = _table()


def crc_en13757(data: bytes) -> int:
    """CRC-16/EN-13757 of ``data``: polynomial 0x3D65, start 0, final XOR 0xFFFF; 0xC2B7 for ``123456789``."""
    remainder = 0
    for byte in data:
        remainder = (remainder << 8 & 0xFFFF) ^ _TABLE[remainder >> 8 ^ byte]
    return remainder ^ 0xFFFF


@dataclass(frozen=True, slots=True)
class MbusAddress:
    """Who a telegram is from: manufacturer (three letters), identification number, version, device type."""

    manufacturer: str
    number: str
    version: int
    device_type: int

    @classmethod
    def from_link(cls, data: bytes) -> MbusAddress:
        """From the order of the link layer: manufacturer, number, version, type. :raises WmbusError: if it is none."""
        return cls._of(data[:2], data[2:6], data[6], data[7])

    @classmethod
    def from_transport(cls, data: bytes) -> MbusAddress:
        """From the order of a long TPL header: number, manufacturer, version, type. :raises WmbusError: if none."""
        return cls._of(data[4:6], data[:4], data[6], data[7])

    @classmethod
    def _of(cls, manufacturer: bytes, number: bytes, version: int, device_type: int) -> MbusAddress:
        code = int.from_bytes(manufacturer, "little")
        letters = "".join(chr(64 + (code >> shift & 0x1F)) for shift in (10, 5, 0))
        digits = number[::-1].hex()
        if code & 0x8000 or not (letters.isascii() and letters.isalpha() and letters.isupper()):
            raise WmbusError(f"{manufacturer.hex()} is no manufacturer")
        if not digits.isdigit():
            raise WmbusError(f"{digits} is no identification number of {_IDENTIFICATION_DIGITS} digits")
        return cls(letters, digits, version, device_type)

    def encode(self) -> bytes:
        """The eight bytes in the order of the link layer, which mode 5 uses as initialisation vector too.

        :raises WmbusError: if a part does not fit.
        """
        if not (len(self.manufacturer) == 3 and self.manufacturer.isascii() and self.manufacturer.isupper()):
            raise WmbusError(f"{self.manufacturer!r} are no three letters of a manufacturer")
        if not (len(self.number) == _IDENTIFICATION_DIGITS and self.number.isascii() and self.number.isdigit()):
            raise WmbusError(f"{self.number!r} is no identification number of {_IDENTIFICATION_DIGITS} digits")
        if not (0 <= self.version <= 0xFF and 0 <= self.device_type <= 0xFF):
            raise WmbusError(f"version {self.version} or device type {self.device_type} is no byte")
        first, second, third = (ord(letter) - 64 for letter in self.manufacturer)
        code = first << 10 | second << 5 | third
        return code.to_bytes(2, "little") + self.identification + bytes((self.version, self.device_type))

    @property
    def identification(self) -> bytes:
        """The identification number's four bytes, low byte first: the Zähler-ID of the key derivation."""
        return bytes.fromhex(self.number)[::-1]

    @property
    def server_id(self) -> bytes:
        """Nine bytes: form 01, then the address as on the wire."""
        return bytes((SERVER_ID_FORM,)) + self.encode()

    @property
    def obis_medium(self) -> int | None:
        """Group A of the meter's OBIS codes, None for a device type that is no meter of a mapped medium."""
        return _OBIS_MEDIUM.get(self.device_type)

    @property
    def device_id(self) -> str | None:
        """The fourteen characters of DIN 43863-5, the version as fabrication block; None where they do not fit."""
        if self.obis_medium is None:
            return None
        text = f"{self.obis_medium}{self.manufacturer}{self.version:02X}{self.number}"
        try:
            server_id_from_device_id(text)
        except DeviceIdError:
            return None
        return text

    def __str__(self) -> str:
        return f"{self.manufacturer} {self.number} {self.version:02x} {self.device_type:02x}"


@dataclass(frozen=True, slots=True)
class LinkTelegram:
    """A telegram whose checksums hold. Offsets count from the first byte ever fed; ``end`` is exclusive."""

    offset: int
    end: int
    control: int
    address: MbusAddress
    content: bytes = field(repr=False)
    """What follows the address, from the first CI field on."""


class TelegramReader:
    """Finds telegrams of format A or B in a stream: a length that is plausible and checksums that hold.

    Every byte belongs to a telegram or to a skipped range. Telegrams of format BARE have nothing to be found by: their
    receiver hands over one a chunk, and :func:`read_telegram` reads it.
    """

    def __init__(self, frame_format: FrameFormat) -> None:
        """:raises ValueError: for format BARE."""
        if frame_format is FrameFormat.BARE:
            raise ValueError("a stream of telegrams without checksums cannot be told from noise")
        self._format = frame_format
        self._kept = bytearray()
        self._base = 0
        self._skip_from: int | None = None
        self._skip_reason = ""

    @property
    def kept_bytes(self) -> int:
        """How many bytes wait for more to come: never more than one telegram."""
        return len(self._kept)

    def feed(self, chunk: bytes) -> list[LinkTelegram | Skipped]:
        """Take the next bytes of the stream; return what they completed, in order of offset."""
        self._kept += chunk
        return self._advance(final=False)

    def finish(self) -> list[LinkTelegram | Skipped]:
        """The stream has ended: account for what is left. The reader may be fed again, as after a pause."""
        return self._advance(final=True)

    def _advance(self, *, final: bool) -> list[LinkTelegram | Skipped]:
        found: list[LinkTelegram | Skipped] = []
        while self._kept:
            outcome = self._examine()
            if outcome is None and not final:
                return found
            if isinstance(outcome, LinkTelegram):
                self._report_skipped(found)
                found.append(outcome)
                self._cut(outcome.end - outcome.offset)
                continue
            if self._skip_from is None:
                self._skip_from = self._base
                self._skip_reason = outcome or "the bytes end before the telegram does"
            self._cut(1)
        if final:
            self._report_skipped(found)
        return found

    def _examine(self) -> LinkTelegram | str | None:
        kept = self._kept
        if kept[0] < _SHORTEST:
            return "a length that no telegram has"
        first = LINK_HEADER if self._format is FrameFormat.A else min(_FIRST_PART_B, kept[0] - 1)
        if len(kept) < first + _CRC_LENGTH:
            return None
        if not _crc_holds(bytes(kept[: first + _CRC_LENGTH])):
            return "CRC of the first block wrong"
        size = size_on_air(kept[0], self._format)
        if len(kept) < size:
            return None
        try:
            return read_telegram(bytes(kept[:size]), self._format, self._base)
        except WmbusError as wrong:
            return str(wrong)

    def _report_skipped(self, found: list[LinkTelegram | Skipped]) -> None:
        if self._skip_from is not None:
            found.append(Skipped(self._skip_from, self._base, self._skip_reason))
            self._skip_from = None

    def _cut(self, count: int) -> None:
        del self._kept[:count]
        self._base += count


def size_on_air(length_field: int, frame_format: FrameFormat) -> int:
    """How many bytes a telegram takes, its L field and its checksums included."""
    if frame_format is not FrameFormat.A:
        return length_field + 1
    blocks = 1 + -(-max(0, length_field + 1 - LINK_HEADER) // _BLOCK)
    return length_field + 1 + _CRC_LENGTH * blocks


def without_crcs(data: bytes, frame_format: FrameFormat) -> bytes:
    """A telegram's bytes without its checksums, L counting what follows it.

    :raises WmbusError: if a checksum does not hold or the length is not that of the bytes.
    """
    if not data or size_on_air(data[0], frame_format) != len(data):
        raise WmbusError(f"{len(data)} bytes, the L field says {size_on_air(data[0], frame_format) if data else 1}")
    if frame_format is FrameFormat.BARE:
        return data
    content = bytearray()
    for at, length in _blocks(len(data), frame_format):
        block = data[at : at + length]
        if length <= _CRC_LENGTH or not _crc_holds(block):
            raise WmbusError(f"CRC of the block at byte {at} wrong")
        content += block[:-_CRC_LENGTH]
    content[0] = len(content) - 1
    return bytes(content)


def with_crcs(bare: bytes, frame_format: FrameFormat) -> bytes:
    """The bytes on air of a telegram without checksums.

    :raises WmbusError: if its L field is wrong or it is too long for format B.
    """
    if not bare or bare[0] != len(bare) - 1:
        raise WmbusError("the L field does not count the bytes that follow it")
    if frame_format is FrameFormat.BARE:
        return bare
    data = bytearray()
    if frame_format is FrameFormat.A:
        cuts = [0, *range(LINK_HEADER, len(bare), _BLOCK), len(bare)]
    else:
        cuts = [0, len(bare)] if len(bare) <= _FIRST_PART_B else [0, _FIRST_PART_B, len(bare)]
        length = len(bare) - 1 + _CRC_LENGTH * (len(cuts) - 1)
        if length > 0xFF:
            raise WmbusError(f"a telegram of {len(bare)} bytes does not fit format B")
        bare = bytes((length,)) + bare[1:]
    for begin, end in itertools.pairwise(cuts):
        block = bare[begin:end]
        data += block + crc_en13757(block).to_bytes(_CRC_LENGTH, "big")
    return bytes(data)


def read_telegram(data: bytes, frame_format: FrameFormat, offset: int = 0) -> LinkTelegram:
    """The telegram of exactly these bytes. :raises WmbusError: if they are none."""
    bare = without_crcs(data, frame_format)
    if len(bare) <= LINK_HEADER:
        raise WmbusError(f"a telegram of {len(bare)} bytes holds nothing")
    address = MbusAddress.from_link(bare[2:LINK_HEADER])
    return LinkTelegram(offset, offset + len(data), bare[1], address, bare[LINK_HEADER:])


def build_link(control: int, address: MbusAddress, content: bytes) -> bytes:
    """A telegram without checksums. :raises WmbusError: if something does not fit."""
    body = bytes((control,)) + address.encode() + content
    if len(body) > 0xFF:
        raise WmbusError(f"a telegram of {len(body) + 1} bytes, {MAX_TELEGRAM} is the most")
    return bytes((len(body),)) + body


def _blocks(size: int, frame_format: FrameFormat) -> list[tuple[int, int]]:
    if frame_format is FrameFormat.A:
        first, further = LINK_HEADER + _CRC_LENGTH, _BLOCK + _CRC_LENGTH
    else:
        first, further = _FIRST_PART_B + _CRC_LENGTH, size
    starts = [0, *range(first, size, further)]
    return [(at, min(first if at == 0 else further, size - at)) for at in starts]


def _crc_holds(block: bytes) -> bool:
    return crc_en13757(block[:-_CRC_LENGTH]) == int.from_bytes(block[-_CRC_LENGTH:], "big")
