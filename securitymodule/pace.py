"""PACE with generic mapping on elliptic curves: what both sides compute.

Password Authenticated Connection Establishment: from a PIN that both know to keys that nobody else can find.

Source: BSI TR-03110-3, A.1.1.1 (protocols and PACEInfo), A.2.3 (key derivation), A.2.4 (tokens), A.3 (nonce, mapping),
D.3 (public key data objects); TR-03111, 4.4; TR-03116-3, chapter 10 (which protocol and curve the gateway must speak,
and at least ten digits for the PIN). The steps are in :mod:`securitymodule.pace_terminal` and
:mod:`securitymodule.pace_card`.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from securitymodule import tlv
from securitymodule.coding import Tag
from securitymodule.curves import (
    BRAINPOOL_P256R1,
    BRAINPOOL_P384R1,
    BRAINPOOL_P512R1,
    Curve,
    CurveError,
    curve_by_domain,
    encode_point,
)
from securitymodule.points import Point, map_nonce, multiply
from securitymodule.statements import check_pin
from securitymodule.wiping import copy_of, wipe

BLOCK: Final = 16
"""Bytes of an AES block."""
TOKEN_BYTES: Final = 8
"""Bytes of an authentication token and of a checksum in secure messaging (TR-03110-3, A.2.4.2, F.4.2.2)."""
LONGEST_NONCE: Final = 64
"""Longest encrypted nonce that a terminal accepts, in bytes; the card chooses its length. Ours."""

_SEQUENCE, _SET, _INTEGER = 0x30, 0x31, 0x02
_FOR_ENCRYPTION, _FOR_CHECKSUM, _FOR_PASSWORD = 1, 2, 3

RandomBytes = Callable[[int], bytes]
"""A random generator: so many bytes, unpredictable. By default the kernel's, through :mod:`secrets`; a device's must be
of class DRG.4, PTG.3 or NTG.1 (TR-03116-3, 2.3)."""


@dataclass(frozen=True, slots=True)
class PaceProtocol:
    """An algorithm of PACE: generic mapping on elliptic curves, AES in CBC and CMAC.

    :ivar name: as in TR-03110-3.
    :ivar oid: its object identifier, with dots.
    :ivar key_bytes: length of the AES keys.
    """

    name: str
    oid: str
    key_bytes: int

    @property
    def oid_value(self) -> bytes:
        """The object identifier's bytes, without tag and length."""
        return tlv.encode_oid(self.oid)

    @property
    def nonce_bytes(self) -> int:
        """Length of the nonce: as long as the keys, in whole blocks."""
        return -(-self.key_bytes // BLOCK) * BLOCK

    def allows(self, curve: Curve) -> bool:
        """Whether *curve* is as strong as the cipher: half its bits for each of the key's (TR-03116-3, chapter 10)."""
        return curve.p.bit_length() >= 16 * self.key_bytes


_PACE_ECDH_GM: Final = "0.4.0.127.0.7.2.2.4.2"
PACE_AES_128: Final = PaceProtocol("id-PACE-ECDH-GM-AES-CBC-CMAC-128", f"{_PACE_ECDH_GM}.2", 16)
PACE_AES_192: Final = PaceProtocol("id-PACE-ECDH-GM-AES-CBC-CMAC-192", f"{_PACE_ECDH_GM}.3", 24)
PACE_AES_256: Final = PaceProtocol("id-PACE-ECDH-GM-AES-CBC-CMAC-256", f"{_PACE_ECDH_GM}.4", 32)
PROTOCOLS: Final = {protocol.oid_value: protocol for protocol in (PACE_AES_128, PACE_AES_192, PACE_AES_256)}
"""The protocols by the value of their object identifier."""


@dataclass(frozen=True, slots=True)
class PaceInfo:
    """A protocol on a curve.

    :raises CurveError: if the curve is weaker than the protocol's cipher.
    """

    protocol: PaceProtocol
    curve: Curve

    def __post_init__(self) -> None:
        if not self.protocol.allows(self.curve):
            raise CurveError(f"{self.protocol.name} is not for a curve as short as {self.curve}")

    def __str__(self) -> str:
        return f"{self.protocol.name} on {self.curve}"

    def encode(self) -> bytes:
        """PACEInfo of version 2 (DER)."""
        parts = (
            tlv.encode(Tag.OBJECT_IDENTIFIER, self.protocol.oid_value),
            tlv.encode(_INTEGER, b"\x02"),
            tlv.encode(_INTEGER, bytes((self.curve.domain,))),
        )
        return tlv.encode(_SEQUENCE, b"".join(parts))


REQUIRED_INFO: Final = PaceInfo(PACE_AES_128, BRAINPOOL_P256R1)
"""What every module must speak, and a client uses unless told otherwise (TR-03116-3, table 28)."""
PACE_INFOS: Final = (
    REQUIRED_INFO,
    PaceInfo(PACE_AES_192, BRAINPOOL_P384R1),
    PaceInfo(PACE_AES_256, BRAINPOOL_P512R1),
)
"""What a module announces: the required one, and those recommended beside it with curves of matching lengths."""


def encode_card_access(infos: tuple[PaceInfo, ...] = PACE_INFOS) -> bytes:
    """The content of EF.CardAccess: SecurityInfos (TR-03110-3, A.1.1, A.1.2.1), a DER SET, so sorted by their bytes."""
    return tlv.encode(_SET, b"".join(sorted(info.encode() for info in infos)))


def decode_card_access(content: bytes) -> tuple[PaceInfo, ...]:
    """What of EF.CardAccess this package can speak; SecurityInfos of any other kind are passed over.

    :raises tlv.TlvError: if the bytes are no SecurityInfos.
    """
    found: list[PaceInfo] = []
    for tag, value in tlv.decode_all(tlv.decode_one(content, _SET)):
        parts = tlv.decode_all(value) if tag == _SEQUENCE else ()
        if [part.tag for part in parts] != [Tag.OBJECT_IDENTIFIER, _INTEGER, _INTEGER]:
            continue
        protocol = PROTOCOLS.get(parts[0].value)
        if protocol is None or parts[1].value != b"\x02" or len(parts[2].value) != 1:
            continue
        try:
            found.append(PaceInfo(protocol, curve_by_domain(parts[2].value[0])))
        except CurveError:
            continue
    return tuple(found)


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """The keys of a secure channel, for AES. One session's only, never kept (TR-03116-3, 2.4).

    :ivar encryption: K_Enc.
    :ivar checksum: K_MAC.
    """

    encryption: bytes = field(repr=False)
    checksum: bytes = field(repr=False)

    def copy(self) -> SessionKeys:
        """The same keys as objects of their own."""
        return SessionKeys(copy_of(self.encryption), copy_of(self.checksum))

    def wipe(self) -> None:
        """Overwrite them in memory. They are of no use any more."""
        wipe(self.encryption)
        wipe(self.checksum)


def pin_password(pin: str) -> bytes:
    """A PIN as PACE takes it: its digits as characters (TR-03110-3, table 5). The caller wipes them after use.

    :raises securitymodule.statements.StatementError: if it is not 10 to 32 decimal digits.
    """
    return check_pin(pin).encode("ascii")


def derive_key(secret: bytes, counter: int, key_bytes: int) -> bytes:
    """KDF: a hash over the secret and a 32-bit counter, cut to length (TR-03110-3, A.2.3.2).

    SHA-1 for AES-128 is the standard's choice; what a collision of SHA-1 needs, two inputs of the attacker's making,
    does not exist where the input is a shared secret.
    """
    algorithm = "sha1" if key_bytes == 16 else "sha256"
    told = secret + counter.to_bytes(4, "big")
    digest = hashlib.new(algorithm, told, usedforsecurity=True).digest()
    key = bytes(memoryview(digest)[:key_bytes])
    for used in (told, digest):
        wipe(used)
    return key


@contextlib.contextmanager
def _nonce_cipher(protocol: PaceProtocol, password: bytes) -> Iterator[Cipher[modes.CBC]]:
    """The cipher that the password gives. Its key would tell the password to whoever tries them all: it is wiped."""
    key = derive_key(password, _FOR_PASSWORD, protocol.key_bytes)
    try:
        yield Cipher(algorithms.AES(key), modes.CBC(bytes(BLOCK)))
    finally:
        wipe(key)


def encrypt_nonce(protocol: PaceProtocol, password: bytes, nonce: bytes) -> bytes:
    """z: the nonce under the password's key, in whole blocks, IV 0 (TR-03110-3, A.3.3)."""
    with _nonce_cipher(protocol, password) as cipher:
        encryptor = cipher.encryptor()
        return encryptor.update(nonce) + encryptor.finalize()


def decrypt_nonce(protocol: PaceProtocol, password: bytes, encrypted: bytes) -> bytes:
    """s. A wrong password gives another nonce, and shows only when the tokens are compared."""
    with _nonce_cipher(protocol, password) as cipher:
        decryptor = cipher.decryptor()
        return decryptor.update(encrypted) + decryptor.finalize()


def random_scalar(curve: Curve, random_bytes: RandomBytes) -> int:
    """A private key, 1 to n - 1, from 64 random bits more than the order has (TR-03111, 4.1.1, algorithm 2)."""
    surplus = int.from_bytes(random_bytes(curve.size + 8), "big")
    return surplus % (curve.order - 1) + 1


def mapped_base(nonce: bytes, own_scalar: int, peer: Point) -> Point:
    """The ephemeral base point: s times G, plus the point agreed on with *peer* (TR-03110-3, A.3.4.1).

    :raises CurveError: if it is the point at infinity.
    """
    return map_nonce(nonce, multiply(own_scalar, peer))


def session_keys(protocol: PaceProtocol, shared_secret: bytes) -> SessionKeys:
    """Both keys from the x-coordinate of the second agreement (TR-03110-3, A.2.3)."""
    return SessionKeys(
        derive_key(shared_secret, _FOR_ENCRYPTION, protocol.key_bytes),
        derive_key(shared_secret, _FOR_CHECKSUM, protocol.key_bytes),
    )


def checksum(key: bytes, message: bytes) -> bytes:
    """AES-CMAC, its first eight bytes."""
    cmac = CMAC(algorithms.AES(key))
    cmac.update(message)
    return cmac.finalize()[:TOKEN_BYTES]


def token(protocol: PaceProtocol, keys: SessionKeys, received: ec.EllipticCurvePublicKey) -> bytes:
    """The authentication token over the ephemeral key that its sender received (TR-03110-3, A.2.4, D.3.3)."""
    parts = {Tag.OBJECT_IDENTIFIER: protocol.oid_value, Tag.PUBLIC_POINT: encode_point(received)}
    return checksum(keys.checksum, tlv.encode(Tag.PUBLIC_KEY, tlv.encode_all(parts)))
