"""What stands between a telegram's address and its application: ELL, AFL and TPL, each behind a CI field.

Source: EN 13757-4 (extended link layer), EN 13757-7 (authentication and fragmentation layer, transport layer), OMS
Vol. 2. Reading a layer decides nothing and believes nothing: whether a telegram may be used is for
:mod:`gateway.lmn.wmbus_security` to say. Numbers of more than one byte go low byte first.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Final

from gateway.lmn.wmbus_link import MbusAddress, WmbusError, crc_en13757

CI_AFL: Final = 0x90
CI_ELL: Final = range(0x8C, 0x90)

_ADDRESS: Final = 8
_ELL_ADDRESSED: Final = (0x8E, 0x8F)
_ELL_SESSION: Final = (0x8D, 0x8F)
_SESSION_ENCRYPTION_SHIFT: Final = 29
_FCL_MORE, _FCL_MCL, _FCL_ML, _FCL_MCR, _FCL_MAC, _FCL_KI = (1 << bit for bit in (14, 13, 12, 11, 10, 9))


class _Cursor:
    """Takes bytes from the front; a layer that ends too early is named."""

    def __init__(self, data: bytes, layer: str) -> None:
        self.data, self.layer, self.at = data, layer, 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise WmbusError(f"{self.layer} ends after {len(self.data)} bytes")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "little")

    def rest(self) -> bytes:
        return self.data[self.at :]


@dataclass(frozen=True, slots=True)
class ExtendedLink:
    """The extended link layer (ELL): communication control, access number, and the receiver if it is addressed."""

    communication_control: int
    access_number: int
    receiver: bytes | None = None


@dataclass(frozen=True, slots=True)
class Afl:
    """One fragment's authentication and fragmentation layer; what a fragment leaves out is None.

    ``fragment`` is its number from 1, or 0 for a message that is not fragmented.
    """

    fragment: int
    more: bool
    control: int | None
    key_information: bytes | None
    counter: int | None
    mac: bytes | None = field(repr=False)
    length: int | None


class Application(enum.Enum):
    """What the transport layer carries."""

    MBUS = "M-Bus records"
    MBUS_COMPACT = "M-Bus compact frame"
    COSEM = "DLMS/COSEM"
    SML = "SML"
    ERROR = "application error"
    ALARM = "alarm"
    NOTHING = "no application data"


class _Header(enum.Enum):
    NONE = 0
    SHORT = 4
    LONG = 12


_CI_TPL: Final = {
    0x6E: (_Header.SHORT, Application.ERROR),
    0x6F: (_Header.LONG, Application.ERROR),
    0x70: (_Header.NONE, Application.ERROR),
    0x71: (_Header.NONE, Application.ALARM),
    0x72: (_Header.LONG, Application.MBUS),
    0x73: (_Header.LONG, Application.MBUS_COMPACT),
    0x74: (_Header.SHORT, Application.ALARM),
    0x75: (_Header.LONG, Application.ALARM),
    0x78: (_Header.NONE, Application.MBUS),
    0x79: (_Header.NONE, Application.MBUS_COMPACT),
    0x7A: (_Header.SHORT, Application.MBUS),
    0x7B: (_Header.SHORT, Application.MBUS_COMPACT),
    0x7C: (_Header.LONG, Application.COSEM),
    0x7D: (_Header.SHORT, Application.COSEM),
    0x7E: (_Header.LONG, Application.SML),
    0x7F: (_Header.SHORT, Application.SML),
    0x8A: (_Header.SHORT, Application.NOTHING),
    0x8B: (_Header.LONG, Application.NOTHING),
}
"""CI fields of what a meter sends by itself: which header follows, and what lies behind it (EN 13757-7, table 2).
That table reserves 7e and 7f, long and short, for descriptors of OBIS kind; what is sent there is SML."""


class Mode(enum.IntEnum):
    """Security modes a gateway reads: none, AES-128-CBC with a fixed key, AES-128-CBC with keys derived each time."""

    NONE = 0
    MODE_5 = 5
    MODE_7 = 7


@dataclass(frozen=True, slots=True)
class Tpl:
    """The transport layer: what is carried, how it is encrypted, and by what meter where the header names one.

    ``content`` is what follows the header, ``encrypted`` how many bytes of it are; ``mode`` is the number on the wire.
    """

    ci: int
    application: Application
    address: MbusAddress | None
    access_number: int | None
    status: int
    mode: int
    encrypted: int
    configuration_extension: int | None
    content: bytes = field(repr=False)


def read_ell(data: bytes) -> tuple[ExtendedLink | None, bytes]:
    """The extended link layer, None where there is none, and what follows it.

    :raises WmbusError: if it is cut off, its checksum is wrong, or it encrypts (AES-CTR, unknown to TR-03116-3).
    """
    if not data or data[0] not in CI_ELL:
        return None, data
    cursor = _Cursor(data[1:], "the extended link layer")
    control, access = cursor.number(1), cursor.number(1)
    receiver = cursor.take(_ADDRESS) if data[0] in _ELL_ADDRESSED else None
    if data[0] in _ELL_SESSION:
        session = cursor.number(4)
        if session >> _SESSION_ENCRYPTION_SHIFT:
            raise WmbusError("encryption in the extended link layer is not read: TR-03116-3 does not know it")
        checksum = cursor.number(2)
        if checksum != crc_en13757(cursor.rest()):
            raise WmbusError("checksum of the extended link layer wrong")
    return ExtendedLink(control, access, receiver), cursor.rest()


def read_afl(data: bytes) -> tuple[Afl | None, bytes]:
    """The authentication and fragmentation layer, None where there is none, and what follows it.

    :raises WmbusError: if it is cut off or its length is not that of its fields.
    """
    if not data or data[0] != CI_AFL:
        return None, data
    outer = _Cursor(data[1:], "the AFL")
    cursor = _Cursor(outer.take(outer.number(1)), "the AFL")
    fcl = cursor.number(2)
    control = cursor.number(1) if fcl & _FCL_MCL else None
    key_information = cursor.take(2) if fcl & _FCL_KI else None
    counter = cursor.number(4) if fcl & _FCL_MCR else None
    mac = None
    if fcl & _FCL_MAC:
        mac = cursor.take(max(0, len(cursor.rest()) - (2 if fcl & _FCL_ML else 0)))
    length = cursor.number(2) if fcl & _FCL_ML else None
    if cursor.rest():
        raise WmbusError(f"the AFL is {len(cursor.rest())} bytes longer than its fields")
    return Afl(fcl & 0xFF, bool(fcl & _FCL_MORE), control, key_information, counter, mac, length), outer.rest()


def read_tpl(data: bytes) -> Tpl:
    """The transport layer. :raises WmbusError: if its CI field is none a meter sends, or it is cut off."""
    cursor = _Cursor(data, "the transport layer")
    ci = cursor.number(1)
    if ci not in _CI_TPL:
        raise WmbusError(f"CI field {ci:02x} is none that a meter sends by itself")
    header, application = _CI_TPL[ci]
    if header is _Header.NONE:
        return Tpl(ci, application, None, None, 0, 0, 0, None, cursor.rest())
    address = MbusAddress.from_transport(cursor.take(_ADDRESS)) if header is _Header.LONG else None
    access, status, configuration = cursor.number(1), cursor.number(1), cursor.number(2)
    mode = configuration >> 8 & 0x1F
    extension = cursor.number(1) if mode == Mode.MODE_7 else None
    encrypted = 16 * (configuration >> 4 & 0x0F) if mode in (Mode.MODE_5, Mode.MODE_7) else 0
    content = cursor.rest()
    if encrypted > len(content):
        raise WmbusError(f"{encrypted} bytes are said to be encrypted, {len(content)} are there")
    return Tpl(ci, application, address, access, status, mode, encrypted, extension, content)
