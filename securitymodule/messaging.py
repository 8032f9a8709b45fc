"""Secure messaging (gesicherter Kanal) after PACE: both sides of it, without input or output of its own.

Source: BSI TR-03110-3, appendix F: data encrypted with AES-CBC under an IV made of the send sequence counter (DO 87),
Le in DO 97, the status word in DO 99, an AES-CMAC of eight bytes over all of it and the header in DO 8E; TR-03116-3,
chapter 10: a session lasts 48 hours at most. Nothing is decrypted, and no padding looked at, before the checksum was
right. Whatever is wrong closes the channel for good: its keys are dropped, and a new one takes a new PACE.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from securitymodule import tlv
from securitymodule.apdu import EXTENDED_LE, SHORT_DATA, SHORT_LE, ApduError, CommandApdu, ResponseApdu, StatusWord
from securitymodule.coding import CLA_SECURE
from securitymodule.errors import SecureMessagingError, SessionExpired
from securitymodule.pace import BLOCK, TOKEN_BYTES, SessionKeys, checksum
from securitymodule.wiping import wipe

CRYPTOGRAM: Final = 0x87
PROTECTED_LE: Final = 0x97
STATUS: Final = 0x99
CHECKSUM: Final = 0x8E

PADDED: Final = b"\x01"
"""Padding-content indicator: padded as ISO/IEC 7816-4 says, with 80 and zeros."""

MOST_SECONDS: Final = 48 * 3600.0
"""How old a session may get (TR-03116-3, chapter 10)."""

_SHORT_RESPONSE_DATA: Final = 223
"""Most response data that, protected, still fits into a short response of 256 bytes."""

Clock = Callable[[], float]
"""Seconds that pass, from an arbitrary start and never back."""


def boot_clock() -> float:
    """Seconds since the machine started, those it slept through counted, so that sleep does not prolong a session."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class CardSideError(SecureMessagingError):
    """What the card found wrong with a protected command; the channel is closed.

    :ivar status: what it answers, without secure messaging (TR-03110-3, F.6): 6987 or 6988.
    """

    def __init__(self, what: str, status: StatusWord) -> None:
        super().__init__(what)
        self.status = status


def is_protected(command: CommandApdu) -> bool:
    """Whether the class byte says secure messaging: bits 4 and 3, of the first interindustry classes."""
    return not command.cla & 0x80 and command.cla & CLA_SECURE == CLA_SECURE


def pad(data: bytes) -> bytes:
    """80 and zeros up to a whole block; a whole block of them where it fits already (ISO/IEC 7816-4)."""
    return data + b"\x80" + bytes(-(len(data) + 1) % BLOCK)


def _unpad(padded: bytes) -> bytes | None:
    content = padded.rstrip(b"\x00")
    return content[:-1] if content.endswith(b"\x80") and len(padded) - len(content) < BLOCK else None


class _Channel:
    """What both sides share: keys, counter, age, and how a message is put together."""

    def __init__(self, keys: SessionKeys, *, clock: Clock, lifetime: float | None) -> None:
        self._keys: SessionKeys | None = keys.copy()
        self._counter = 0
        self._clock = clock
        self._ends = None if lifetime is None else clock() + lifetime

    @property
    def closed(self) -> bool:
        """Whether it is of no use any more."""
        return self._keys is None

    @property
    def expired(self) -> bool:
        """Whether it has reached its age: it takes no new command then."""
        return self._ends is not None and self._clock() >= self._ends

    def close(self) -> None:
        """Wipe the keys."""
        if self._keys is not None:
            self._keys.wipe()
        self._keys = None

    def _open_keys(self) -> SessionKeys:
        if self._keys is None:
            raise SecureMessagingError("the secure channel is closed; it takes a new PACE")
        return self._keys

    def _young_keys(self) -> SessionKeys:
        """The same for a new command; a response is still taken when the session ends meanwhile."""
        keys = self._open_keys()
        if self.expired:
            self.close()
            raise SessionExpired("the secure channel has reached its age; it takes a new PACE")
        return keys

    def _advance(self) -> bytes:
        """The counter for the next message, as one block (TR-03110-3, F.5)."""
        self._counter += 1
        return self._counter.to_bytes(BLOCK, "big")

    @staticmethod
    def _cipher(keys: SessionKeys, counter: bytes) -> Cipher[modes.CBC]:
        key = algorithms.AES(keys.encryption)
        # A single block, and the mode that the standard names for the IV: nothing repeats, the counter never does.
        single = Cipher(key, modes.ECB()).encryptor()  # noqa: S305
        return Cipher(key, modes.CBC(single.update(counter) + single.finalize()))

    def _cryptogram(self, keys: SessionKeys, counter: bytes, data: bytes) -> dict[int, bytes]:
        if not data:
            return {}
        encryptor = self._cipher(keys, counter).encryptor()
        padded = pad(data)
        try:
            return {CRYPTOGRAM: PADDED + encryptor.update(padded) + encryptor.finalize()}
        finally:
            wipe(padded)  # it may hold a PIN

    def _data(self, keys: SessionKeys, counter: bytes, objects: Mapping[int, bytes]) -> bytes | None:
        """The plain data, whose checksum has been found right before; ``None`` if the padding is wrong."""
        cryptogram = objects.get(CRYPTOGRAM)
        if cryptogram is None:
            return b""
        decryptor = self._cipher(keys, counter).decryptor()
        padded = decryptor.update(cryptogram[1:]) + decryptor.finalize()
        try:
            return _unpad(padded)
        finally:
            wipe(padded)

    @staticmethod
    def _checksum(keys: SessionKeys, counter: bytes, header: bytes, objects: Mapping[int, bytes]) -> bytes:
        """Over counter, header and data objects, each part padded by itself (TR-03110-3, F.3.3, F.4.2.2)."""
        covered = tlv.encode_all(objects)
        return checksum(keys.checksum, counter + (pad(header) if header else b"") + (pad(covered) if covered else b""))

    def _is_genuine(self, keys: SessionKeys, counter: bytes, header: bytes, objects: Mapping[int, bytes]) -> bool:
        covered = {tag: value for tag, value in objects.items() if tag != CHECKSUM}
        expected = self._checksum(keys, counter, header, covered)
        return hmac.compare_digest(objects[CHECKSUM], expected)


def _well_formed(objects: Mapping[int, bytes]) -> bool:
    """Whether the data objects have lengths that they can have; decides nothing about what is in them."""
    cryptogram = objects.get(CRYPTOGRAM)
    if cryptogram is not None and (cryptogram[:1] != PADDED or len(cryptogram) % BLOCK != 1 or len(cryptogram) == 1):
        return False
    lengths = {CHECKSUM: {TOKEN_BYTES}, PROTECTED_LE: {1, 2}, STATUS: {2}}
    return all(len(objects[tag]) in allowed for tag, allowed in lengths.items() if tag in objects)


def _in_order(objects: Mapping[int, bytes], *order: int) -> bool:
    """Whether the tags are among *order* and in it."""
    return list(objects) == [tag for tag in order if tag in objects]


class TerminalChannel(_Channel):
    """The terminal's side: protects commands and opens responses, strictly in turn."""

    def __init__(self, keys: SessionKeys, *, clock: Clock = boot_clock, lifetime: float = MOST_SECONDS) -> None:
        """
        :param keys: from PACE.
        :param clock: seconds that pass; read once here and once a command.
        :param lifetime: seconds until it closes by itself, 48 hours at most.
        :raises ValueError: if *lifetime* is longer, or none.
        """
        if not 0 < lifetime <= MOST_SECONDS:
            raise ValueError(f"a session of {lifetime} seconds; it lasts {MOST_SECONDS:.0f} at most")
        super().__init__(keys, clock=clock, lifetime=lifetime)

    def protect(self, command: CommandApdu) -> CommandApdu:
        """The protected command. Its response must be opened before the next one.

        :raises SecureMessagingError: if the channel is closed or too old (:class:`SessionExpired`).
        :raises ApduError: if the data are too many. The channel stays as it was.
        """
        keys = self._young_keys()
        cla = command.cla | CLA_SECURE
        if len(command.data) > EXTENDED_LE - 64:
            raise ApduError(f"{len(command.data)} bytes of data are too many to be protected")
        counter = self._advance()
        objects = self._cryptogram(keys, counter, command.data)
        if command.le is not None:
            octets = 1 if command.le <= SHORT_LE else 2
            objects[PROTECTED_LE] = (command.le % 256**octets).to_bytes(octets, "big")
        objects[CHECKSUM] = self._checksum(keys, counter, bytes((cla, *command.header[1:])), objects)
        data = tlv.encode_all(objects)
        fits = len(data) <= SHORT_DATA and (command.le or 0) <= _SHORT_RESPONSE_DATA
        return command.replaced(cla=cla, data=data, le=SHORT_LE if fits else EXTENDED_LE)

    def open(self, response: ResponseApdu) -> ResponseApdu:
        """The response inside a protected one.

        :raises SecureMessagingError: if it is not protected, its checksum is wrong, or anything else is. The channel
            is closed then.
        """
        keys = self._open_keys()
        try:
            opened = self._opened(keys, response)
        except tlv.TlvError as error:
            self.close()
            raise SecureMessagingError(f"the response is not protected as it should be: {error}") from None
        except SecureMessagingError:
            self.close()
            raise
        return opened

    def _opened(self, keys: SessionKeys, response: ResponseApdu) -> ResponseApdu:
        counter = self._advance()
        if not response.data:
            raise SecureMessagingError(f"the module ended the secure channel ({response.sw:04X})")
        objects = tlv.decode_unique(response.data)
        if not {STATUS, CHECKSUM} <= objects.keys() or not _in_order(objects, CRYPTOGRAM, STATUS, CHECKSUM):
            raise SecureMessagingError("the response has other data objects than secure messaging has")
        if not _well_formed(objects) or not self._is_genuine(keys, counter, b"", objects):
            raise SecureMessagingError("the response's checksum is wrong")
        data = self._data(keys, counter, objects)
        sw = int.from_bytes(objects[STATUS], "big")
        if data is None or sw != response.sw:
            raise SecureMessagingError("the response is not what its own checksum covers")
        return ResponseApdu(data, sw)


class CardChannel(_Channel):
    """The card's side: opens commands and protects responses, strictly in turn.

    A card has no clock of its own; the session's age is the terminal's to watch, unless one is given.
    """

    def __init__(self, keys: SessionKeys, *, clock: Clock = boot_clock, lifetime: float | None = None) -> None:
        """
        :param keys: from PACE.
        :param clock: seconds that pass.
        :param lifetime: seconds until it closes by itself, ``None`` for never.
        """
        super().__init__(keys, clock=clock, lifetime=lifetime)

    def open(self, command: CommandApdu) -> CommandApdu:
        """The command inside a protected one. Its response must be protected before the next one.

        :raises SecureMessagingError: if the channel is closed or too old.
        :raises CardSideError: if anything is wrong with the command; the channel is closed, and the card answers with
            the error's status word, unprotected, and takes back what the session was allowed to.
        """
        keys = self._young_keys()
        try:
            return self._opened(keys, command)
        except tlv.TlvError:
            self.close()
            what = "the command's data are no data objects"
            raise CardSideError(what, StatusWord.SECURE_MESSAGING_OBJECTS_INCORRECT) from None
        except CardSideError:
            self.close()
            raise

    def _opened(self, keys: SessionKeys, command: CommandApdu) -> CommandApdu:
        counter = self._advance()
        incorrect = StatusWord.SECURE_MESSAGING_OBJECTS_INCORRECT
        objects = tlv.decode_unique(command.data)
        if not is_protected(command) or CHECKSUM not in objects:
            raise CardSideError("the command has no checksum", StatusWord.SECURE_MESSAGING_OBJECTS_MISSING)
        if not _in_order(objects, CRYPTOGRAM, PROTECTED_LE, CHECKSUM):
            raise CardSideError("the command has other data objects than secure messaging has", incorrect)
        if not _well_formed(objects) or not self._is_genuine(keys, counter, command.header, objects):
            raise CardSideError("the command's checksum is wrong", incorrect)
        data = self._data(keys, counter, objects)
        if data is None:
            raise CardSideError("the command's padding is wrong", incorrect)
        le = objects.get(PROTECTED_LE)
        asked = None if le is None else int.from_bytes(le, "big") or 256 ** len(le)
        return command.replaced(cla=command.cla & ~CLA_SECURE, data=data, le=asked)

    def protect(self, response: ResponseApdu) -> ResponseApdu:
        """The protected response.

        :raises SecureMessagingError: if the channel is closed.
        :raises ApduError: if the data are too many. The channel is closed then: the counters are out of step.
        """
        keys = self._open_keys()
        counter = self._advance()
        if len(response.data) > EXTENDED_LE - 64:
            self.close()
            raise ApduError(f"{len(response.data)} bytes of data are too many to be protected")
        objects = self._cryptogram(keys, counter, response.data)
        objects[STATUS] = response.sw.to_bytes(2, "big")
        objects[CHECKSUM] = self._checksum(keys, counter, b"", objects)
        return ResponseApdu(tlv.encode_all(objects), response.sw)
