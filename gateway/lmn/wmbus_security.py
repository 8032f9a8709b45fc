"""Security of wireless M-Bus (symmetrische Absicherung): keys, counters, and the order in which they are used.

Source: TR-03116-3 ch. 7 for everything of mode 7; OMS Vol. 2 and EN 13757-7 ch. 9 for where the fields lie. First the
MAC over what was sent is verified, then the counter must be above the last one accepted and is kept durably, and only
then is anything decrypted or padding looked at. Mode 5 has no MAC: what it delivers is marked, and a gateway by the TR
uses it for no meter that can do mode 7.
"""

from __future__ import annotations

import hmac
import os
import tempfile
from pathlib import Path
from typing import Final, Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from gateway.lmn.wmbus_layers import Afl, Mode, Tpl
from gateway.lmn.wmbus_link import MbusAddress, WmbusError

KEY_LENGTH: Final = 16
COUNTER_LIMIT: Final = 2**32
ENCRYPTION_FROM_METER: Final = 0x00
MAC_FROM_METER: Final = 0x01
MAC_LENGTHS: Final = {5: 8, 7: 16}
"""Authentication types of the AFL that TR-03116-3 table 19 permits, and the bytes of their AES-CMAC."""

VERIFICATION: Final = b"\x2f\x2f"
"""What a plaintext begins with, so that a wrong key shows."""

_BLOCK: Final = 16
_IV_ZERO: Final = bytes(_BLOCK)
_KDF_A: Final = 0x10
_COUNTER_LINE: Final = 2


class SecurityError(WmbusError):
    """A telegram that must not be used: not authentic, sent before, wrongly keyed, or less protected than agreed."""


class MeterKey:
    """A meter's individual key (zählerindividueller Schlüssel MK), 128 bits. Its ``repr`` shows nothing of it."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        """:raises SecurityError: if it has another length."""
        if len(key) != KEY_LENGTH:
            raise SecurityError(f"a meter key has {KEY_LENGTH} bytes, not {len(key)}")
        self._key = bytes(key)

    def __repr__(self) -> str:
        return "MeterKey(...)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MeterKey) and hmac.compare_digest(self._key, other._key)

    def __hash__(self) -> int:
        return hash(MeterKey)

    def __reduce__(self) -> str:
        raise TypeError("a meter key is not to be pickled")

    def derive(self, constant: int, counter: int, identification: bytes) -> bytes:
        """A key for one message: AES-CMAC over constant, counter, Zähler-ID and padding (TR-03116-3 ch. 7.2).

        :param constant: 00 encryption and 01 MAC from the meter, 10 and 11 towards it.
        :param identification: as sent, low byte first.
        """
        text = bytes((constant,)) + counter.to_bytes(4, "little") + identification
        return aes_cmac(self._key, padded(text))

    def decrypt_mode_5(self, address: MbusAddress, access_number: int, ciphertext: bytes) -> bytes:
        """AES-128-CBC under the key itself; the initialisation vector is the address and eight access numbers."""
        return aes_cbc_decrypted(self._key, address.encode() + bytes((access_number,)) * 8, ciphertext)


class CounterStore(Protocol):
    """Keeps the last accepted transmission counter C of each meter across a power cut; never lets one fall."""

    def last(self, meter: bytes) -> int | None:
        """The last accepted counter of a meter (server id), None if there is none yet."""

    def accept(self, meter: bytes, counter: int) -> None:
        """Keep a counter; it is durable when this returns. :raises SecurityError: if it is not above the last."""


class CounterFile:
    """Counters in one file, written anew, synchronised and moved into place with every change.

    A line is a server id in hexadecimal and a counter in decimal. A file that cannot be read is an error, not an empty
    one: forgotten counters would let old telegrams in again.
    """

    def __init__(self, path: Path) -> None:
        """:raises SecurityError: if the file is there and is none of counters."""
        self._path = path
        self._counters = _read_counters(path) if path.exists() else {}

    def last(self, meter: bytes) -> int | None:
        """See :class:`CounterStore`."""
        return self._counters.get(meter)

    def accept(self, meter: bytes, counter: int) -> None:
        """See :class:`CounterStore`. :raises OSError: if the file cannot be written; then nothing has changed."""
        check_rising(self.last(meter), counter)
        changed = {**self._counters, meter: counter}
        text = "".join(f"{key.hex()} {value}\n" for key, value in sorted(changed.items()))
        descriptor, name = tempfile.mkstemp(prefix=self._path.name, dir=self._path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._counters = changed


def check_rising(last: int | None, counter: int) -> None:
    """:raises SecurityError: if a counter does not fit 32 bits or is not above the last one accepted."""
    if not 0 <= counter < COUNTER_LIMIT:
        raise SecurityError(f"counter {counter} does not fit 32 bits")
    if last is not None and counter <= last:
        raise SecurityError(f"counter {counter} is not above {last}, the last one accepted: sent before")


def unlocked(
    tpl: Tpl,
    address: MbusAddress,
    afl: Afl | None,
    transport: bytes,
    *,
    key: MeterKey | None,
    mode: Mode,
    counters: CounterStore,
) -> bytes:
    """The application's bytes in clear, whatever of them was sent encrypted.

    :param address: of the meter: that of the TPL if it names one, else that of the link layer.
    :param transport: the TPL's bytes from its CI field on, over which the MAC runs.
    :param mode: the security mode agreed for this meter; a telegram of any other is refused.
    :raises SecurityError: if the telegram must not be used. Its counter is kept once it was found authentic.
    """
    if tpl.mode != mode:
        raise SecurityError(f"security mode {tpl.mode}, agreed for this meter is {mode.value}")
    if mode is Mode.NONE:
        return tpl.content
    if key is None:
        raise SecurityError("no key is known for this meter")
    ciphertext, rest = tpl.content[: tpl.encrypted], tpl.content[tpl.encrypted :]
    if mode is Mode.MODE_5:
        if tpl.access_number is None or not ciphertext:
            raise SecurityError("nothing in the telegram is encrypted")
        plaintext = key.decrypt_mode_5(address, tpl.access_number, ciphertext)
    else:
        counter = _authenticated(tpl, address, afl, transport, key)
        counters.accept(address.server_id, counter)
        if not ciphertext:
            raise SecurityError("nothing in the telegram is encrypted")
        encryption_key = key.derive(ENCRYPTION_FROM_METER, counter, address.identification)
        plaintext = aes_cbc_decrypted(encryption_key, _IV_ZERO, ciphertext)
    if not plaintext.startswith(VERIFICATION):
        raise SecurityError("the plaintext does not begin with 2f2f: wrong key")
    return plaintext + rest


def _authenticated(tpl: Tpl, address: MbusAddress, afl: Afl | None, transport: bytes, key: MeterKey) -> int:
    """The counter of a telegram of mode 7 whose MAC holds."""
    if afl is None or afl.control is None or afl.counter is None or afl.mac is None:
        raise SecurityError("mode 7 without MAC and counter in the AFL")
    if afl.key_information is not None:
        raise SecurityError("another key is named in the AFL, and none is known")
    if tpl.configuration_extension != _KDF_A:
        raise SecurityError("mode 7 with another key or derivation than function A of key 0")
    expected = MAC_LENGTHS.get(afl.control & 0x0F)
    if expected is None or len(afl.mac) != expected:
        raise SecurityError("a MAC that TR-03116-3 does not permit: AES-CMAC of 8 or 16 bytes")
    if afl.length is not None and afl.length != len(transport):
        raise SecurityError(f"the AFL announces {afl.length} bytes, {len(transport)} are there")
    mac_key = key.derive(MAC_FROM_METER, afl.counter, address.identification)
    if not hmac.compare_digest(aes_cmac(mac_key, mac_input(afl, transport))[:expected], afl.mac):
        raise SecurityError("MAC wrong")
    return afl.counter


def mac_input(afl: Afl, transport: bytes) -> bytes:
    """What the MAC runs over: the AFL's control, counter and length as sent, and the transport layer."""
    parts = [bytes((afl.control or 0,)), afl.key_information or b""]
    if afl.counter is not None:
        parts.append(afl.counter.to_bytes(4, "little"))
    if afl.length is not None:
        parts.append(afl.length.to_bytes(2, "little"))
    return b"".join(parts) + transport


def padded(text: bytes) -> bytes:
    """The padding of TR-03116-3 ch. 7.2: 1 to 16 bytes, each of them their number."""
    count = _BLOCK - len(text) % _BLOCK
    return text + bytes((count,)) * count


def aes_cmac(key: bytes, data: bytes) -> bytes:
    """AES-CMAC (RFC 4493), 16 bytes."""
    mac = CMAC(algorithms.AES(key))
    mac.update(data)
    return mac.finalize()


def aes_cbc_decrypted(key: bytes, iv: bytes, ciphertext: bytes) -> bytes:
    """AES-CBC of whole blocks, no padding removed."""
    return Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor().update(ciphertext)


def aes_cbc_encrypted(key: bytes, iv: bytes, plaintext: bytes) -> bytes:
    """AES-CBC of whole blocks, no padding added."""
    return Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor().update(plaintext)


def _read_counters(path: Path) -> dict[bytes, int]:
    counters: dict[bytes, int] = {}
    for number, line in enumerate(path.read_text(encoding="ascii", errors="replace").splitlines(), 1):
        words = line.split(" ")
        try:
            meter, counter = bytes.fromhex(words[0]), int(words[1])
        except (ValueError, IndexError):
            raise SecurityError(f"{path}, line {number}: no server id and counter") from None
        if len(words) != _COUNTER_LINE or meter in counters or not 0 <= counter < COUNTER_LIMIT:
            raise SecurityError(f"{path}, line {number}: no server id and counter, or one named twice")
        counters[meter] = counter
    return counters
