"""OpenPACE's library (``libeac``, GPL-3, tests only), called through ctypes: somebody else's PACE and secure messaging.

OpenPACE is written after the same guideline by other people. Nothing of it is used outside the tests.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char, c_char_p, c_int, c_size_t, c_ulong, c_void_p
from functools import cache
from typing import Any, Final

import pytest

INSTRUCTION: Final = (
    "no OpenPACE library (libeac.so.3). `make debian` installs it; by hand on Debian: apt-get install libeac3"
)
PIN: Final = 3
"""OpenPACE's number for a password that is a PIN."""
FOR_PACE: Final = 0
"""Its number for the keys that PACE has made."""


class _Buffer(ctypes.Structure):
    """BUF_MEM of OpenSSL."""

    _fields_ = (("length", c_size_t), ("data", POINTER(c_char)), ("max", c_size_t), ("flags", c_ulong))


class OpenPaceError(Exception):
    """OpenPACE refused: a wrong token, a wrong point, a wrong length."""


_BUFFER = POINTER(_Buffer)
_TO_BUFFER: Final[dict[str, tuple[Any, ...]]] = {
    "PACE_STEP1_enc_nonce": (c_void_p, c_void_p),
    "PACE_STEP3A_generate_mapping_data": (c_void_p,),
    "PACE_STEP3B_generate_ephemeral_key": (c_void_p,),
    "PACE_STEP3D_compute_authentication_token": (c_void_p, _BUFFER),
    "EAC_encrypt": (c_void_p, _BUFFER),
    "EAC_decrypt": (c_void_p, _BUFFER),
    "EAC_authenticate": (c_void_p, _BUFFER),
}
_TO_NUMBER: Final[dict[str, tuple[Any, ...]]] = {
    "EAC_CTX_init_pace": (c_void_p, c_int, c_int),
    "PACE_STEP2_dec_nonce": (c_void_p, c_void_p, _BUFFER),
    "PACE_STEP3A_map_generator": (c_void_p, _BUFFER),
    "PACE_STEP3B_compute_shared_secret": (c_void_p, _BUFFER),
    "PACE_STEP3C_derive_keys": (c_void_p,),
    "PACE_STEP3D_verify_authentication_token": (c_void_p, _BUFFER),
    "EAC_CTX_set_encryption_ctx": (c_void_p, c_int),
    "EAC_increment_ssc": (c_void_p,),
    "EAC_reset_ssc": (c_void_p,),
}


@cache
def _libraries() -> tuple[ctypes.CDLL, ctypes.CDLL]:
    """OpenPACE and the libcrypto that it works with, or the end of the test with what to install."""
    try:
        eac = ctypes.CDLL("libeac.so.3")
        crypto = ctypes.CDLL("libcrypto.so.3")
    except OSError:
        pytest.fail(INSTRUCTION, pytrace=False)
    crypto.BUF_MEM_new.restype = _BUFFER
    crypto.BUF_MEM_grow.argtypes = (_BUFFER, c_size_t)
    crypto.BUF_MEM_free.argtypes = (_BUFFER,)
    eac.EAC_CTX_new.restype = c_void_p
    eac.EAC_CTX_clear_free.argtypes = (c_void_p,)
    eac.PACE_SEC_new.restype = c_void_p
    eac.PACE_SEC_new.argtypes = (c_char_p, c_size_t, c_int)
    eac.PACE_SEC_clear_free.argtypes = (c_void_p,)
    for name, arguments in _TO_BUFFER.items():
        getattr(eac, name).restype, getattr(eac, name).argtypes = _BUFFER, arguments
    for name, arguments in _TO_NUMBER.items():
        getattr(eac, name).restype, getattr(eac, name).argtypes = c_int, arguments
    eac.EAC_init()
    return eac, crypto


class OpenPace:
    """One side of a run of PACE, played by OpenPACE; afterwards its side of the secure channel."""

    def __init__(self, pin: str, protocol: str, domain: int) -> None:
        """
        :param protocol: its name, as in TR-03110-3.
        :param domain: identifier of the standardised domain parameters.
        """
        self._eac, self._crypto = _libraries()
        self._buffers: list[Any] = []
        self._context = self._eac.EAC_CTX_new()
        self._secret = self._eac.PACE_SEC_new(pin.encode(), len(pin), PIN)
        symbol = protocol.replace("id-", "NID_id_").replace("-", "_")
        self._do("EAC_CTX_init_pace", c_int.in_dll(self._eac, symbol).value, domain)

    def close(self) -> None:
        """Give back what the library holds."""
        self._eac.PACE_SEC_clear_free(self._secret)
        self._eac.EAC_CTX_clear_free(self._context)
        for buffer in self._buffers:
            self._crypto.BUF_MEM_free(buffer)

    def encrypted_nonce(self) -> bytes:
        """Step 1, the card's."""
        return self._get("PACE_STEP1_enc_nonce", self._secret)

    def take_nonce(self, encrypted: bytes) -> None:
        """Step 1, the terminal's."""
        self._do("PACE_STEP2_dec_nonce", self._secret, self._buffer(encrypted))

    def mapping_data(self) -> bytes:
        """Step 2: a point."""
        return self._get("PACE_STEP3A_generate_mapping_data")

    def map(self, peer: bytes) -> None:
        """Step 2: the peer's."""
        self._do("PACE_STEP3A_map_generator", self._buffer(peer))

    def ephemeral_key(self) -> bytes:
        """Step 3: a point."""
        return self._get("PACE_STEP3B_generate_ephemeral_key")

    def agree(self, peer: bytes) -> None:
        """Step 3: the peer's."""
        self._do("PACE_STEP3B_compute_shared_secret", self._buffer(peer))
        self._do("PACE_STEP3C_derive_keys")

    def token(self, peer: bytes) -> bytes:
        """Step 4, over the peer's ephemeral key."""
        return self._get("PACE_STEP3D_compute_authentication_token", self._buffer(peer))

    def check_token(self, token: bytes) -> None:
        """Step 4: the peer's."""
        self._do("PACE_STEP3D_verify_authentication_token", self._buffer(token))

    def start_messaging(self) -> None:
        """Take the keys of PACE for what follows; the counter begins at 0."""
        self._do("EAC_CTX_set_encryption_ctx", FOR_PACE)
        self._do("EAC_reset_ssc")

    def next_message(self) -> None:
        """Count one message."""
        self._do("EAC_increment_ssc")

    def encrypt(self, padded: bytes) -> bytes:
        """A cryptogram under the present counter."""
        return self._get("EAC_encrypt", self._buffer(padded))

    def decrypt(self, cryptogram: bytes) -> bytes:
        """What is in it, with its padding."""
        return self._get("EAC_decrypt", self._buffer(cryptogram))

    def checksum(self, padded: bytes) -> bytes:
        """A checksum under the present counter."""
        return self._get("EAC_authenticate", self._buffer(padded))

    def _buffer(self, content: bytes) -> Any:
        buffer = self._crypto.BUF_MEM_new()
        self._buffers.append(buffer)
        self._crypto.BUF_MEM_grow(buffer, len(content))
        ctypes.memmove(buffer.contents.data, content, len(content))
        return buffer

    def _get(self, name: str, *arguments: Any) -> bytes:
        buffer = getattr(self._eac, name)(self._context, *arguments)
        if not buffer:
            raise OpenPaceError(name)
        content: bytes = ctypes.string_at(buffer.contents.data, buffer.contents.length)
        self._crypto.BUF_MEM_free(buffer)
        return content

    def _do(self, name: str, *arguments: Any) -> None:
        if getattr(self._eac, name)(self._context, *arguments) != 1:
            raise OpenPaceError(name)
