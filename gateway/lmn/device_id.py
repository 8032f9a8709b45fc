"""Device identification (Herstellerübergreifende Identifikationsnummer) by DIN 43863-5: 14 characters or 10 bytes.

``1EMH0012345678`` is medium 1 (electricity; ``E`` is a communication device), manufacturer EMH (FLAG), fabrication
block 00 and number 12345678. Meters and gateways write the same as ten bytes ``0a 01 45 4d 48 00 00 bc 61 4e``: form,
medium, manufacturer in ASCII, the block's two digits as two nibbles, the number as unsigned 32 bits.
"""

from __future__ import annotations

import re
from typing import Final

_TEXT: Final = re.compile(r"([0-9E])([A-Z]{3})([0-9]{2})([0-9]{8})", re.ASCII)
_FORM: Final = 0x0A
_OLDER_FORM: Final = 0x09
"""First byte of meters older than the 2012 edition (EasyMeter, eBZ, DrNeuhaus), otherwise laid out alike: an EasyMeter
Q3A sends ``09 01 45 53 59 11 03 b5 99 a5`` and, as text, ``1ESY1162232997``."""
_MEDIUM_E: Final = 0x0E
_LENGTH: Final = 10
_HIGHEST_NUMBER: Final = 99_999_999


class DeviceIdError(ValueError):
    """Characters or bytes that are no device identification."""


def server_id_from_device_id(device_id: str) -> bytes:
    """The ten bytes of fourteen characters.

    :raises DeviceIdError: if the characters are not of the form ``[0-9E][A-Z]{3}[0-9]{2}[0-9]{8}``.
    """
    match = _TEXT.fullmatch(device_id)
    if match is None:
        raise DeviceIdError(
            f"{device_id!r} is no device identification: medium 0-9 or E, three letters, two and eight digits"
        )
    medium, manufacturer, block, number = match.groups()
    head = bytes((_FORM, int(medium, 16)))
    return head + manufacturer.encode("ascii") + bytes.fromhex(block) + int(number).to_bytes(4, "big")


def device_id_from_server_id(server_id: bytes) -> str:
    """The fourteen characters of ten bytes.

    :raises DeviceIdError: if the bytes are of another form (M-Bus, MAC address, free text) or not convertible.
    """
    if len(server_id) != _LENGTH or server_id[0] not in (_FORM, _OLDER_FORM):
        raise DeviceIdError(f"{server_id.hex()} is no device identification: {_LENGTH} bytes that begin with 0a")
    medium, block = server_id[1], server_id[5:6].hex()
    number = int.from_bytes(server_id[6:], "big")
    letters = server_id[2:5].decode("latin-1")
    text = f"{'E' if medium == _MEDIUM_E else medium}{letters}{block}{number:08}"
    if number > _HIGHEST_NUMBER or _TEXT.fullmatch(text) is None:
        raise DeviceIdError(f"{server_id.hex()} names no device: medium, manufacturer, block or number is impossible")
    return text
