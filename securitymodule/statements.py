"""What a module says of itself, and what it is told once: information, attestation (Selbstauskunft), initialisation.

The formats are ours; :mod:`securitymodule.coding` says by which commands they travel. An attestation is signed with the
module's attestation key (ECDSA with SHA-256 on brainpoolP256r1), whose public key the manufacturer learns when the
module is initialised, so that whoever pins that key can tell what is in a module without trusting who carried the
answer. A nonce makes it fresh; bytes of the caller's choice can be bound into it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from securitymodule import tlv
from securitymodule.coding import MAX_PIN_DIGITS, MIN_PIN_DIGITS, RECORD_HEAD_BYTES, KeyRef, ModuleState, Tag
from securitymodule.curves import BRAINPOOL_P256R1, curve_by_domain, verify_digest

ATTESTATION_CURVE: Final = BRAINPOOL_P256R1
MIN_NONCE: Final = 8
MAX_NONCE: Final = 64
MAX_BOUND: Final = 256
"""Most bytes of the caller's that an attestation binds."""
COUNTER_BYTES: Final = 8

_INFORMATION: Final = 0xE0
_INITIALISATION: Final = 0xE1
_KEYS: Final = 0xA7
_KEY: Final = 0xA0
_VERSION: Final = 0x5F29
_SERIAL: Final = re.compile(r"[0-9A-Za-z._-]{1,32}")


class StatementError(ValueError):
    """The bytes are no such statement, or its signature is wrong."""


def check_serial(serial: str) -> str:
    """A module's serial number: 1 to 32 of A-Z a-z 0-9 . _ -

    :raises StatementError: if it is anything else.
    """
    if not _SERIAL.fullmatch(serial):
        raise StatementError(f"{serial!r} is no serial number: 1 to 32 letters, digits, dots, hyphens, underscores")
    return serial


def check_pin(pin: str) -> str:
    """A PIN: 10 to 32 decimal digits (TR-03116-3, table 28, says at least 10).

    :raises StatementError: if it is anything else. The message does not tell it.
    """
    if not (MIN_PIN_DIGITS <= len(pin) <= MAX_PIN_DIGITS and pin.isascii() and pin.isdigit()):
        raise StatementError(f"a PIN has {MIN_PIN_DIGITS} to {MAX_PIN_DIGITS} decimal digits")
    return pin


def _number(value: bytes, length: int = 1) -> int:
    if len(value) != length:
        raise StatementError(f"a number of {len(value)} bytes where {length} are written")
    return int.from_bytes(value, "big")


def _objects(data: bytes, tag: int, optional: frozenset[int], *needed: int) -> dict[int, bytes]:
    """The data objects inside the template *tag*: all of *needed*, and nothing else but *optional* ones."""
    try:
        objects = tlv.decode_unique(tlv.decode_one(data, tag))
    except tlv.TlvError as error:
        raise StatementError(f"no statement {tag:02X}: {error}") from None
    if objects.keys() - optional != set(needed):
        raise StatementError(f"statement {tag:02X} has other data objects than it should")
    return objects


def _ascii(value: bytes) -> str:
    if not value.isascii():
        raise StatementError("text that is not ASCII")
    return value.decode("ascii")


def _state(value: bytes) -> ModuleState:
    try:
        return ModuleState(_number(value))
    except ValueError:
        raise StatementError(f"no life-cycle state {value.hex()}") from None


@dataclass(frozen=True, slots=True)
class InitialisationFile:
    """What a new module is told once (Initialisierungsfile, TR-03109-2, 3.1.2; the format is ours): template E1.

    :ivar serial: 80: serial number, as :func:`check_serial`.
    :ivar system_pin: 81: transport value of the GW-System-PIN, to be changed when the module goes into a gateway.
    :ivar integrator_pin: 82: Integrator-PIN.
    :ivar tries: 83: tries before a PIN is blocked, 3 to 15.
    :raises StatementError: if a part is out of its range.
    """

    serial: str
    system_pin: str = field(repr=False)
    integrator_pin: str = field(repr=False)
    tries: int = 8

    def __post_init__(self) -> None:
        check_serial(self.serial)
        check_pin(self.system_pin)
        check_pin(self.integrator_pin)
        if not 3 <= self.tries <= 15:
            raise StatementError(f"{self.tries} tries; a PIN has 3 to 15")

    def encode(self) -> bytes:
        """The template's bytes."""
        texts = (self.serial, self.system_pin, self.integrator_pin)
        parts = {0x80 + number: text.encode("ascii") for number, text in enumerate(texts)}
        return tlv.encode(_INITIALISATION, tlv.encode_all(parts | {0x83: bytes((self.tries,))}))

    @classmethod
    def decode(cls, data: bytes) -> InitialisationFile:
        """The file that these bytes are.

        :raises StatementError: if they are none.
        """
        parts = _objects(data, _INITIALISATION, frozenset(), 0x80, 0x81, 0x82, 0x83)
        return cls(_ascii(parts[0x80]), _ascii(parts[0x81]), _ascii(parts[0x82]), _number(parts[0x83]))


@dataclass(frozen=True, slots=True)
class ModuleInformation:
    """What anybody may know of a module: template E0.

    :ivar serial: 80: serial number; empty before initialisation.
    :ivar state: 81: where it is in its life.
    :ivar counter: 82: how often its state was written; only rises. 8 bytes.
    :ivar version: 83: of its software, ASCII.
    :ivar domains: 84: standardised domain parameters of the curves it knows, one byte each.
    :ivar system_tries: 85: tries left of the system PIN.
    :ivar integrator_tries: 86: tries left of the Integrator-PIN.
    :ivar attestation_point: 87: public key of the attestation key, uncompressed; empty before initialisation.
    """

    serial: str
    state: ModuleState
    counter: int
    version: str
    domains: tuple[int, ...]
    system_tries: int
    integrator_tries: int
    attestation_point: bytes

    def encode(self) -> bytes:
        """The template's bytes."""
        parts = {
            0x80: self.serial.encode("ascii"),
            0x81: bytes((self.state,)),
            0x82: self.counter.to_bytes(COUNTER_BYTES, "big"),
            0x83: self.version.encode("ascii"),
            0x84: bytes(self.domains),
            0x85: bytes((self.system_tries,)),
            0x86: bytes((self.integrator_tries,)),
            0x87: self.attestation_point,
        }
        return tlv.encode(_INFORMATION, tlv.encode_all(parts))

    @classmethod
    def decode(cls, data: bytes) -> ModuleInformation:
        """The information that these bytes are.

        :raises StatementError: if they are none.
        """
        parts = _objects(data, _INFORMATION, frozenset(), *range(0x80, 0x88))
        return cls(
            serial=_ascii(parts[0x80]),
            state=_state(parts[0x81]),
            counter=_number(parts[0x82], COUNTER_BYTES),
            version=_ascii(parts[0x83]),
            domains=tuple(parts[0x84]),
            system_tries=_number(parts[0x85]),
            integrator_tries=_number(parts[0x86]),
            attestation_point=parts[0x87],
        )


@dataclass(frozen=True, slots=True)
class KeyStatement:
    """What an attestation says of one key that is in the module: template A0.

    :ivar key: 80: which key object.
    :ivar domain: 81: standardised domain parameters of its curve.
    :ivar point_hash: 82: SHA-256 of the public key, an uncompressed point.
    :ivar certificate_hash: 83: SHA-256 of its certificate (DER), absent where none is stored.
    """

    key: KeyRef
    domain: int
    point_hash: bytes
    certificate_hash: bytes | None = None

    def encode(self) -> bytes:
        """The template's bytes."""
        parts = {0x80: bytes((self.key,)), 0x81: bytes((self.domain,)), 0x82: self.point_hash}
        if self.certificate_hash is not None:
            parts[0x83] = self.certificate_hash
        return tlv.encode(_KEY, tlv.encode_all(parts))

    @classmethod
    def decode(cls, data: bytes) -> KeyStatement:
        """The statement that these bytes are.

        :raises StatementError: if they are none.
        """
        parts = _objects(data, _KEY, frozenset({0x83}), 0x80, 0x81, 0x82)
        try:
            key, domain = KeyRef(_number(parts[0x80])), curve_by_domain(_number(parts[0x81])).domain
        except ValueError as error:
            raise StatementError(f"a statement on no key: {error}") from None
        if any(len(parts[tag]) != 32 for tag in (0x82, 0x83) if tag in parts):
            raise StatementError("a hash that has not the 32 bytes of SHA-256")
        return cls(key, domain, parts[0x82], parts.get(0x83))


@dataclass(frozen=True, slots=True)
class Attestation:
    """What a module signs of itself: body 7F4E.

    :ivar serial: 80: serial number.
    :ivar state: 81: where it is in its life.
    :ivar counter: 82: how often its state was written, this attestation counted; only rises. 8 bytes.
    :ivar nonce: 84: the caller's, 8 to 64 bytes.
    :ivar bound: 85: bytes of the caller's that are bound into it, at most 256.
    :ivar record_head: 86: what EF.RECORD_HEAD holds, 40 bytes; empty where nothing was written.
    :ivar keys: A7: the keys that are in the module, in the order of their references. The attestation key is not
        among them: it is what verifies the signature.
    """

    serial: str
    state: ModuleState
    counter: int
    nonce: bytes
    bound: bytes = b""
    record_head: bytes = b""
    keys: tuple[KeyStatement, ...] = ()

    def encode(self) -> bytes:
        """The body's bytes, which are what is signed."""
        parts = {
            _VERSION: b"\x01",
            0x80: self.serial.encode("ascii"),
            0x81: bytes((self.state,)),
            0x82: self.counter.to_bytes(COUNTER_BYTES, "big"),
            0x84: self.nonce,
            0x85: self.bound,
            0x86: self.record_head,
            _KEYS: b"".join(key.encode() for key in self.keys),
        }
        return tlv.encode(Tag.BODY, tlv.encode_all(parts))

    @classmethod
    def decode(cls, data: bytes) -> Attestation:
        """The body that these bytes are.

        :raises StatementError: if they are none.
        """
        parts = _objects(data, Tag.BODY, frozenset(), _VERSION, 0x80, 0x81, 0x82, 0x84, 0x85, 0x86, _KEYS)
        if parts[_VERSION] != b"\x01":
            raise StatementError(f"an attestation of version {parts[_VERSION].hex()}; only 01 is known")
        if len(parts[0x86]) not in {0, RECORD_HEAD_BYTES}:
            raise StatementError(f"a record head of {len(parts[0x86])} bytes")
        try:
            keys = tlv.decode_all(parts[_KEYS])
        except tlv.TlvError as error:
            raise StatementError(f"no list of keys: {error}") from None
        return cls(
            serial=_ascii(parts[0x80]),
            state=_state(parts[0x81]),
            counter=_number(parts[0x82], COUNTER_BYTES),
            nonce=parts[0x84],
            bound=parts[0x85],
            record_head=parts[0x86],
            keys=tuple(KeyStatement.decode(tlv.encode(tag, value)) for tag, value in keys),
        )

    @property
    def by_key(self) -> Mapping[KeyRef, KeyStatement]:
        """The statements by key."""
        return {statement.key: statement for statement in self.keys}


@dataclass(frozen=True, slots=True)
class SignedAttestation:
    """An attestation as the module gave it.

    :ivar body: the body's bytes.
    :ivar signature: plain signature over their SHA-256.
    """

    body: bytes
    signature: bytes

    def encode(self) -> bytes:
        """7F4E {...} 5F37 signature, which is also what a record keeps."""
        return self.body + tlv.encode(Tag.SIGNATURE, self.signature)

    @classmethod
    def decode(cls, data: bytes) -> SignedAttestation:
        """The signed attestation that these bytes are; its signature is not looked at yet.

        :raises StatementError: if they are none.
        """
        try:
            objects = tlv.decode_all(data)
        except tlv.TlvError as error:
            raise StatementError(f"no attestation: {error}") from None
        if [found.tag for found in objects] != [Tag.BODY, Tag.SIGNATURE]:
            raise StatementError("no attestation: that is a body 7F4E and a signature 5F37")
        return cls(tlv.encode(Tag.BODY, objects[0].value), objects[1].value)

    def verify(self, key: ec.EllipticCurvePublicKey, nonce: bytes | None = None) -> Attestation:
        """What the module says, if it is that module's word.

        :param key: the module's attestation key, known beforehand.
        :param nonce: what the caller asked with; ``None`` where an old attestation is looked at.
        :raises StatementError: if the signature is another's, the nonce is another, or the body is none.
        """
        if not verify_digest(key, hashes.SHA256(), hashlib.sha256(self.body).digest(), self.signature):
            raise StatementError("the attestation is not signed by this module")
        told = Attestation.decode(self.body)
        if nonce is not None and told.nonce != nonce:
            raise StatementError("the attestation answers another question: its nonce is another")
        return told
