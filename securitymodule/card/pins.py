"""PINs: the Integrator-PIN, presented by VERIFY, and the GW-System-PIN, the password of PACE.

A try costs before it is worth anything: the counter is lowered on the disk, then the PIN is compared (in constant
time), then, if it was right, the counter is put up on the disk again. So cutting the power between any two of these
steps gives no try back. At zero the PIN is blocked, for good: there is no PUK.

What the Integrator-PIN is compared with is a salted scrypt value (RFC 7914), so that it cannot be told even by the
module. PACE needs its PIN itself, on both sides. Both are wrapped in the vault.

Source: BSI TR-03116-3, chapter 10 (at least ten decimal digits); ISO/IEC 7816-4 (VERIFY, CHANGE REFERENCE
DATA).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from securitymodule.apdu import StatusWord, tries_word
from securitymodule.card.contents import Contents, PinObject
from securitymodule.card.errors import Refused
from securitymodule.card.vault import Vault
from securitymodule.coding import MAX_PIN_DIGITS, MIN_PIN_DIGITS, Pin
from securitymodule.wiping import wipe

SALT_BYTES: Final = 16
_SCRYPT_N: Final = 2**12
"""Cost of one comparison: 4 MiB and some milliseconds. The vault is the protection; this is for the day it is not."""

RandomBytes = Callable[[int], bytes]


class Keeper(Protocol):
    """Where the contents are and where changes of them are made durable."""

    @property
    def contents(self) -> Contents:
        """As they are on the disk."""

    def save(self, contents: Contents) -> None:
        """Make new contents durable."""


def is_pin(digits: bytes) -> bool:
    """Whether these bytes are a PIN: ASCII digits, not too few (TR-03116-3, table 28) and not too many (ours)."""
    return MIN_PIN_DIGITS <= len(digits) <= MAX_PIN_DIGITS and digits.isdigit()


def reference_data(vault: Vault, pin: Pin, digits: bytes, random: RandomBytes) -> bytes:
    """What *digits* are checked against from now on, wrapped."""
    if pin is Pin.SYSTEM:
        return vault.wrap(_name(pin), digits)
    salt = random(SALT_BYTES)
    plain = salt + _stretched(digits, salt)
    try:
        return vault.wrap(_name(pin), plain)
    finally:
        wipe(plain)


def pin_of(contents: Contents, reference: int) -> Pin:
    """A PIN object by its reference.

    :raises Refused: 6A88, there is none.
    """
    for pin in contents.pins:
        if pin == reference:
            return pin
    raise Refused(StatusWord.REFERENCE_NOT_FOUND)


class PinGuard:
    """Checks PINs, counts tries, and makes each step durable before the next."""

    def __init__(self, keeper: Keeper, vault: Vault, random: RandomBytes) -> None:
        self._keeper = keeper
        self._vault = vault
        self._random = random

    def tries_left(self, pin: Pin) -> int:
        """How often it may still be presented; 0 where there is no such PIN."""
        held = self._keeper.contents.pins.get(pin)
        return held.tries_left if held is not None else 0

    def take_try(self, pin: Pin) -> None:
        """Take one try away, durably.

        :raises Refused: 6983, there is none left.
        """
        held = self._keeper.contents.pins[pin]
        if held.tries_left <= 0:
            raise Refused(StatusWord.AUTHENTICATION_BLOCKED)
        self._put(pin, replace(held, tries_left=held.tries_left - 1))

    def restore_tries(self, pin: Pin) -> None:
        """Give all tries back, durably."""
        held = self._keeper.contents.pins[pin]
        if held.tries_left != held.tries:
            self._put(pin, replace(held, tries_left=held.tries))

    def check(self, pin: Pin, digits: bytes) -> None:
        """Let *digits* cost a try, compare them, and give the tries back if they are right.

        :raises Refused: 6700, that is no PIN, which costs no try; 6983, blocked; 63Cx, wrong, with the tries left.
        """
        if not is_pin(digits):
            raise Refused(StatusWord.WRONG_LENGTH)
        self.take_try(pin)
        held = self._keeper.contents.pins[pin]
        with self._vault.opened(_name(pin), held.reference) as expected:
            if pin is Pin.SYSTEM:
                right = hmac.compare_digest(expected, digits)
            else:
                salt = bytes(expected[:SALT_BYTES])
                right = hmac.compare_digest(expected[SALT_BYTES:], _stretched(digits, salt))
        if not right:
            raise Refused(tries_word(held.tries_left))
        self.restore_tries(pin)

    def change(self, pin: Pin, old: bytes, new: bytes) -> None:
        """Put a new PIN in the place of the old one, whose presentation costs a try as any other.

        :raises Refused: 6A80, the new one is no PIN or is the old one, which costs no try; else as :meth:`check`.
        """
        if not is_pin(new) or hmac.compare_digest(old, new):
            raise Refused(StatusWord.INCORRECT_DATA)
        self.check(pin, old)
        held = self._keeper.contents.pins[pin]
        reference = reference_data(self._vault, pin, new, self._random)
        self._put(pin, replace(held, reference=reference, transport=False))

    def password(self, pin: Pin) -> bytes:
        """The digits that PACE takes as password, in a copy that the caller wipes."""
        with self._vault.opened(_name(pin), self._keeper.contents.pins[pin].reference) as digits:
            return bytes(digits)

    def _put(self, pin: Pin, changed: PinObject) -> None:
        self._keeper.save(self._keeper.contents.with_pin(pin, changed))


class PacePassword:
    """The GW-System-PIN as :class:`securitymodule.pace_card.PaceCard` takes it."""

    def __init__(self, guard: PinGuard, tries: int) -> None:
        """:param tries: how many it has after a right one."""
        self._guard = guard
        self._tries = tries

    @property
    def most_tries(self) -> int:
        """How many tries it has after a right one."""
        return self._tries

    def tries_left(self) -> int:
        """How many it has now."""
        return self._guard.tries_left(Pin.SYSTEM)

    def value(self) -> bytes:
        """Its digits, in a copy that the caller wipes."""
        return self._guard.password(Pin.SYSTEM)

    def take_try(self) -> None:
        """Take one try away, durably, before it is used."""
        self._guard.take_try(Pin.SYSTEM)

    def restore_tries(self) -> None:
        """Give all tries back, durably."""
        self._guard.restore_tries(Pin.SYSTEM)


def _name(pin: Pin) -> bytes:
    return b"reference data of PIN %02X" % pin


def _stretched(digits: bytes, salt: bytes) -> bytes:
    return hashlib.scrypt(digits, salt=salt, n=_SCRYPT_N, r=8, p=1, dklen=32)
