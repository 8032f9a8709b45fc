"""HDLC frames of the wired meter bus (drahtgebundenes LMN), frame format type 3, found in a stream damaged anywhere.

Source: IEC 62056-46, chapter on the MAC sublayer. Between two flags ``7e``, which consecutive frames may share, stand

    format         2 bytes: ``1010``, segmentation bit, length in 11 bits (all bytes between the flags)
    destination    1, 2 or 4 bytes of seven bits each; the lowest bit of the last one is set
    source         likewise
    control        1 byte
    HCS            CRC-16/X-25 of all before it, low byte first; only where information follows
    information
    FCS            CRC-16/X-25 of all before it, low byte first

There is no byte stuffing: the length says where a frame ends, and a ``7e`` inside it is data. :class:`HdlcReader` takes
the stream in pieces of any size, keeps at most one frame of it, and accounts for every byte. Which address a meter has
is for its profile to say; how a bus gives addresses and time slots out (TR-03109-1, Anlage IV) is not done here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from gateway.lmn import crc16
from gateway.lmn.sml_transport import Skipped

FLAG: Final = 0x7E
MAX_LENGTH: Final = 0x7FF
"""Bytes between the flags that eleven bits can say."""

LLC_COMMAND: Final = bytes.fromhex("e6e600")
LLC_RESPONSE: Final = bytes.fromhex("e6e700")

_FORMAT_TYPE: Final = 0xA0
_SEGMENTED: Final = 0x08
_CRC_LENGTH: Final = 2
_SHORTEST: Final = 7
_ADDRESS_WIDTHS: Final = (1, 2, 4)
_FLAG_BYTE: Final = bytes((FLAG,))

I_FRAME_MASK: Final = 0x01
POLL_FINAL: Final = 0x10
SNRM, UA, DISC, DM, UI, FRMR = 0x83, 0x63, 0x43, 0x0F, 0x03, 0x87
RR: Final = 0x01


class HdlcError(ValueError):
    """Anything wrong with HDLC bytes, with a request to build some, or with the other side of a connection."""


@dataclass(frozen=True, slots=True)
class HdlcAddress:
    """An address of 1, 2 or 4 bytes: ``upper`` is the logical device, ``lower`` the physical one, absent in one byte.

    :raises HdlcError: if the width is none of the three or a part does not fit (7 bits each; 14 bits each in 4 bytes).
    """

    upper: int
    lower: int | None = None
    width: int = 1

    def __post_init__(self) -> None:
        if self.width not in _ADDRESS_WIDTHS:
            raise HdlcError(f"an HDLC address has 1, 2 or 4 bytes, not {self.width}")
        if (self.lower is None) != (self.width == 1):
            raise HdlcError("an HDLC address of one byte has no lower part, a longer one has one")
        bits = 14 if self.width == 4 else 7
        if not (0 <= self.upper < 1 << bits and 0 <= (self.lower or 0) < 1 << bits):
            raise HdlcError(f"{self.upper}/{self.lower} does not fit an HDLC address of {self.width} bytes")

    def encode(self) -> bytes:
        """The bytes on the wire."""
        each = max(1, self.width // 2)
        number = self.upper if self.lower is None else self.upper << 7 * each | self.lower
        septets = [number >> 7 * place & 0x7F for place in reversed(range(self.width))]
        return bytes([septet << 1 for septet in septets[:-1]] + [septets[-1] << 1 | 1])

    @classmethod
    def decode(cls, data: bytes) -> HdlcAddress:
        """The address of exactly these bytes. :raises HdlcError: if they are none."""
        if len(data) not in _ADDRESS_WIDTHS or any(byte & 1 for byte in data[:-1]) or not data[-1] & 1:
            raise HdlcError(f"{data.hex()} is no HDLC address")
        number = 0
        for byte in data:
            number = number << 7 | byte >> 1
        if len(data) == 1:
            return cls(number)
        bits = 7 * (len(data) // 2)
        return cls(number >> bits, number & (1 << bits) - 1, len(data))

    def __str__(self) -> str:
        return str(self.upper) if self.lower is None else f"{self.upper}/{self.lower}"


@dataclass(frozen=True, slots=True)
class HdlcFrame:
    """A frame whose checksums hold. Offsets count from the first byte ever fed; ``end`` is exclusive.

    A frame that shares its opening flag with the one before begins behind that flag.
    """

    offset: int
    end: int
    destination: HdlcAddress
    source: HdlcAddress
    control: int
    information: bytes = field(repr=False, default=b"")
    segmented: bool = False

    @property
    def is_information(self) -> bool:
        """Whether it is a numbered I frame."""
        return not self.control & I_FRAME_MASK

    @property
    def is_unnumbered_information(self) -> bool:
        """Whether it is a UI frame: what a meter pushes without a connection."""
        return self.control & ~POLL_FINAL == UI

    @property
    def send_number(self) -> int:
        """N(S) of an I frame."""
        return self.control >> 1 & 7

    @property
    def receive_number(self) -> int:
        """N(R) of an I or RR frame."""
        return self.control >> 5 & 7

    @property
    def poll_final(self) -> bool:
        """The poll/final bit."""
        return bool(self.control & POLL_FINAL)

    @property
    def payload(self) -> bytes:
        """The information without the LLC header, if the sender put one before it."""
        if self.information.startswith((LLC_COMMAND, LLC_RESPONSE)):
            return self.information[len(LLC_RESPONSE) :]
        return self.information


class HdlcReader:
    """Finds frames in a stream, and starts anew at the next flag. How the stream is cut makes no difference."""

    def __init__(self, max_length: int = MAX_LENGTH) -> None:
        """:param max_length: most bytes between the flags to accept; also the bound of what is kept."""
        if not _SHORTEST <= max_length <= MAX_LENGTH:
            raise ValueError(f"a frame takes {_SHORTEST} to {MAX_LENGTH} bytes between its flags, not {max_length}")
        self._max_length = max_length
        self._kept = bytearray()
        self._base = 0  # offset in the stream of the first kept byte
        self._behind_flag = False  # whether the byte before the kept ones was the closing flag of a frame
        self._skip_from: int | None = None
        self._skip_reason = ""

    @property
    def kept_bytes(self) -> int:
        """How many bytes wait for more to come: never more than one frame."""
        return len(self._kept)

    def feed(self, chunk: bytes) -> list[HdlcFrame | Skipped]:
        """Take the next bytes of the stream; return what they completed, in order of offset."""
        self._kept += chunk
        return self._advance(final=False)

    def finish(self) -> list[HdlcFrame | Skipped]:
        """The stream has ended: account for what is left. The reader may be fed again, as after a pause."""
        found = self._advance(final=True)
        self._behind_flag = False
        return found

    def _advance(self, *, final: bool) -> list[HdlcFrame | Skipped]:
        found: list[HdlcFrame | Skipped] = []
        while self._kept:
            opened = self._kept[0] == FLAG
            if not opened and not (self._behind_flag and self._kept[0] & 0xF0 == _FORMAT_TYPE):
                at = self._kept.find(_FLAG_BYTE)
                self._skip(at if at >= 0 else len(self._kept), "no flag")
                continue
            outcome = self._examine(1 if opened else 0)
            if isinstance(outcome, HdlcFrame):
                self._report_skipped(found)
                found.append(outcome)
                self._cut(outcome.end - outcome.offset)
                self._behind_flag = True
            elif outcome is not None:
                self._skip(1, outcome)
            elif final:
                self._skip(1, "the bytes end before the frame does")
            else:
                return found
        self._report_skipped(found, only_if=final)
        return found

    def _examine(self, start: int) -> HdlcFrame | str | None:
        """The frame whose format field stands at ``start``, why there is none, or None if it takes more bytes."""
        kept = self._kept
        if len(kept) == start:
            return None
        if kept[start] & 0xF0 != _FORMAT_TYPE:
            return "no frame format type 3 behind the flag"
        if len(kept) < start + 2:
            return None
        length = (kept[start] & 7) << 8 | kept[start + 1]
        if not _SHORTEST <= length <= self._max_length:
            return f"impossible frame length {length}"
        header = self._header(start, length)
        if not isinstance(header, tuple):
            return header
        destination, source, at = header
        header_end = at + 1
        informed = header_end - start + _CRC_LENGTH < length
        if informed:
            if len(kept) < header_end + _CRC_LENGTH:
                return None
            if not _crc_holds(kept, start, header_end):
                return "HCS wrong"
        end = start + length
        if len(kept) <= end:
            return None
        if kept[end] != FLAG:
            return "no flag where the frame ends"
        if not _crc_holds(kept, start, end - _CRC_LENGTH):
            return "FCS wrong"
        return HdlcFrame(
            self._base,
            self._base + end + 1,
            destination,
            source,
            kept[at],
            bytes(kept[header_end + _CRC_LENGTH : end - _CRC_LENGTH]) if informed else b"",
            bool(kept[start] & _SEGMENTED),
        )

    def _header(self, start: int, length: int) -> tuple[HdlcAddress, HdlcAddress, int] | str | None:
        """Destination, source, and where the control field stands."""
        at = start + 2
        addresses = []
        for _ in range(2):
            width = 1
            while True:
                if at - start + width + 1 + _CRC_LENGTH > length:
                    return "the addresses are longer than the frame"
                if len(self._kept) <= at + width:
                    return None
                if self._kept[at + width - 1] & 1:
                    break
                width += 1
                if width > max(_ADDRESS_WIDTHS):
                    return "an address of more than four bytes"
            if width not in _ADDRESS_WIDTHS:
                return "an address of three bytes"
            addresses.append(HdlcAddress.decode(bytes(self._kept[at : at + width])))
            at += width
        return addresses[0], addresses[1], at

    def _skip(self, count: int, reason: str) -> None:
        if self._skip_from is None:
            self._skip_from, self._skip_reason = self._base, reason
        self._behind_flag = False
        self._cut(count)

    def _report_skipped(self, found: list[HdlcFrame | Skipped], *, only_if: bool = True) -> None:
        if only_if and self._skip_from is not None:
            found.append(Skipped(self._skip_from, self._base, self._skip_reason))
            self._skip_from = None

    def _cut(self, count: int) -> None:
        del self._kept[:count]
        self._base += count


def encode_frame(
    destination: HdlcAddress,
    source: HdlcAddress,
    control: int,
    information: bytes = b"",
    *,
    segmented: bool = False,
) -> bytes:
    """The bytes of a frame with both its flags.

    :raises HdlcError: if the control field is no byte or the frame takes more than 2047 bytes between its flags.
    """
    if not 0 <= control <= 0xFF:
        raise HdlcError(f"the control field {control} is no byte")
    addressed = destination.encode() + source.encode() + bytes((control,))
    length = 2 + len(addressed) + _CRC_LENGTH + (len(information) + _CRC_LENGTH if information else 0)
    if length > MAX_LENGTH:
        raise HdlcError(f"a frame of {length} bytes between its flags, {MAX_LENGTH} is the most")
    first = _FORMAT_TYPE | (_SEGMENTED if segmented else 0) | length >> 8
    covered = _with_crc(bytes((first, length & 0xFF)) + addressed)
    if information:
        covered = _with_crc(covered + information)
    return _FLAG_BYTE + covered + _FLAG_BYTE


def information_control(send_number: int, receive_number: int, *, poll_final: bool = True) -> int:
    """The control field of an I frame; the numbers count modulo eight."""
    return (receive_number & 7) << 5 | (POLL_FINAL if poll_final else 0) | (send_number & 7) << 1


def receive_ready_control(receive_number: int) -> int:
    """The control field of an RR frame with the poll/final bit set."""
    return (receive_number & 7) << 5 | POLL_FINAL | RR


def _with_crc(covered: bytes) -> bytes:
    return covered + crc16.x25(covered).to_bytes(_CRC_LENGTH, "little")


def _crc_holds(kept: bytearray, start: int, end: int) -> bool:
    return crc16.x25(bytes(kept[start:end])) == int.from_bytes(kept[end : end + _CRC_LENGTH], "little")
