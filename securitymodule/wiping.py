"""Overwriting secrets where they lie in memory, as far as Python lets anybody."""

from __future__ import annotations

import ctypes


def wipe(secret: bytes | bytearray) -> None:
    """Overwrite a secret that nobody else refers to.

    ``cryptography`` and Python hand secrets out as ``bytes``, which Python never changes: this writes into them all the
    same, so that no copy waits in free memory for somebody to look at it. It must be a copy of the caller's own, never
    a constant. What cannot be reached is left to chance: a ``str`` that a caller passes, what OpenSSL or a conversion
    copies on the way, the pieces of an ``int``.
    """
    if isinstance(secret, bytearray):
        secret[:] = bytes(len(secret))
    elif len(secret) > 1:  # shorter ones are shared by the whole interpreter
        ctypes.memset(ctypes.cast(ctypes.c_char_p(secret), ctypes.c_void_p), 0, len(secret))


def copy_of(secret: bytes) -> bytes:
    """The same bytes as an object of its own, which may be wiped."""
    return bytes(memoryview(secret))
