"""Telegrams as a wireless M-Bus meter sends them (OMS), to test a gateway against: TPL, mode 5 or 7, AFL, link layer.

Source: EN 13757-3, -4, -7, OMS Vol. 2, TR-03116-3 ch. 7. The way back is :mod:`gateway.lmn.wmbus`.
"""

from __future__ import annotations

from typing import Final

from gateway.lmn.wmbus_layers import CI_AFL, Afl, Mode
from gateway.lmn.wmbus_link import FrameFormat, MbusAddress, WmbusError, build_link, with_crcs
from gateway.lmn.wmbus_security import (
    ENCRYPTION_FROM_METER,
    MAC_FROM_METER,
    MAC_LENGTHS,
    VERIFICATION,
    MeterKey,
    aes_cbc_encrypted,
    aes_cmac,
    mac_input,
)

SEND_NO_REPLY: Final = 0x44
CI_SHORT: Final = 0x7A

_BLOCK: Final = 16
_MAX_BLOCKS: Final = 15
_FILLER: Final = VERIFICATION[:1]
_FCL_MODE_7: Final = 0x2C00
_MCL_COUNTER: Final = 0x20
_KDF_A: Final = 0x10


def build_telegram(
    address: MbusAddress,
    application: bytes,
    *,
    mode: Mode,
    key: bytes = b"",
    counter: int = 0,
    access_number: int = 0,
    status: int = 0,
    ci: int = CI_SHORT,
    authentication_type: int = 5,
    frame_format: FrameFormat = FrameFormat.A,
) -> bytes:
    """The bytes on air of one telegram with a short TPL header.

    :param application: in clear; 2f2f is put before it and filler behind it where it is encrypted.
    :param counter: transmission counter of mode 7.
    :param authentication_type: 5 for a MAC of 8 bytes, 7 for 16.
    :raises WmbusError: if something does not fit.
    """
    if mode is Mode.NONE:
        transport = bytes((ci, access_number, status)) + bytes(2) + application
        return with_crcs(build_link(SEND_NO_REPLY, address, transport), frame_format)
    plaintext = VERIFICATION + application
    plaintext += _FILLER * (-len(plaintext) % _BLOCK)
    blocks = len(plaintext) // _BLOCK
    if blocks > _MAX_BLOCKS:
        raise WmbusError(f"{blocks} blocks to encrypt, {_MAX_BLOCKS} are the most")
    configuration = (mode << 8 | blocks << 4).to_bytes(2, "little")
    head = bytes((ci, access_number, status)) + configuration
    if mode is Mode.MODE_5:
        iv = address.encode() + bytes((access_number,)) * 8
        return with_crcs(build_link(SEND_NO_REPLY, address, head + aes_cbc_encrypted(key, iv, plaintext)), frame_format)
    master = MeterKey(key)
    encryption_key = master.derive(ENCRYPTION_FROM_METER, counter, address.identification)
    transport = head + bytes((_KDF_A,)) + aes_cbc_encrypted(encryption_key, bytes(_BLOCK), plaintext)
    afl = build_afl(master, address, transport, counter, authentication_type)
    return with_crcs(build_link(SEND_NO_REPLY, address, afl + transport), frame_format)


def build_afl(key: MeterKey, address: MbusAddress, transport: bytes, counter: int, authentication_type: int) -> bytes:
    """The AFL of a message in one piece, its MAC over ``transport`` computed."""
    control = _MCL_COUNTER | authentication_type
    mac_key = key.derive(MAC_FROM_METER, counter, address.identification)
    unsigned = Afl(0, False, control, None, counter, None, None)
    mac = aes_cmac(mac_key, mac_input(unsigned, transport))[: MAC_LENGTHS[authentication_type]]
    body = _FCL_MODE_7.to_bytes(2, "little") + bytes((control,)) + counter.to_bytes(4, "little") + mac
    return bytes((CI_AFL, len(body))) + body
