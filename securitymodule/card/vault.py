"""Where secrets lie encrypted (Tresor): private keys and what PINs are checked against, on disk and in memory alike.

A secret is wrapped by AES-256-GCM (NIST SP 800-38D) under the vault's key with its name as additional data, so that
one secret does not pass for another. It is open for the length of a ``with`` block, in a buffer that is overwritten at
its end. Destroying the vault's key erases all that was ever wrapped under it, copies and backups included.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from securitymodule.card.errors import StateDamaged
from securitymodule.wiping import copy_of, wipe

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16


class Vault:
    """Wraps and unwraps secrets under one key."""

    def __init__(self, key: bytes | None) -> None:
        """:param key: the vault's key, 32 bytes; ``None`` for a vault whose key has been destroyed."""
        # A copy of our own, so that nobody else's is overwritten in the end. Until then the cipher may read it.
        self._key = copy_of(key) if key is not None else b""
        self._cipher = AESGCM(self._key) if key is not None else None

    def __repr__(self) -> str:
        return f"Vault({'closed for good' if self._cipher is None else 'in use'})"

    @property
    def usable(self) -> bool:
        """Whether the key is there still."""
        return self._cipher is not None

    def __reduce__(self) -> NoReturn:
        raise TypeError("a vault is not serialised")

    def wrap(self, name: bytes, secret: bytes | bytearray) -> bytes:
        """The secret, encrypted. The caller wipes its own copy.

        :param name: what it is; :meth:`opened` must be told the same.
        :raises StateDamaged: if the vault's key has been destroyed.
        """
        nonce = os.urandom(_NONCE_BYTES)  # never an injected source: one that repeats would break the encryption
        return nonce + self._usable().encrypt(nonce, secret, name)

    @contextlib.contextmanager
    def opened(self, name: bytes, wrapped: bytes) -> Iterator[bytearray]:
        """The secret, in a buffer that is overwritten when the block ends.

        :raises StateDamaged: if it was wrapped under another key or name, is damaged, or the key has been destroyed.
        """
        cipher = self._usable()
        buffer = bytearray(max(len(wrapped) - _NONCE_BYTES - _TAG_BYTES, 0))
        try:
            cipher.decrypt_into(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], name, buffer)
            yield buffer
        except (InvalidTag, ValueError) as error:
            if isinstance(error, InvalidTag) or len(wrapped) < _NONCE_BYTES + _TAG_BYTES:
                raise StateDamaged(f"{name.decode(errors='replace')} does not come out of the vault") from None
            raise
        finally:
            wipe(buffer)

    def destroy(self) -> None:
        """Overwrite the key where it lies in memory, and forget it, for good."""
        self._cipher = None
        wipe(self._key)
        self._key = b""

    def _usable(self) -> AESGCM:
        if self._cipher is None:
            raise StateDamaged("the vault's key has been destroyed")
        return self._cipher
