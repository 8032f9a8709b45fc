"""The protocol of the local interface (lokale Schnittstelle, ch. 4, 6, 9), without input or output of its own. Ours.

A frame is its length, four bytes, big-endian, and so many bytes of canonical JSON; binary values are Base64. A frame of
no bytes ends the session. Each side begins with :data:`GREETING` and one plain frame:

1. caller → gateway ``{"version", "key", "nonce"}``: an ephemeral key on brainpoolP256r1, 32 random bytes;
2. gateway → caller ``{"hello": {"version", "gateway", "key", "nonce", "identity", "attestation"}, "signature"}``: the
   same of its own, signed with the *identity*, a key that lives as long as the interface is on and no longer. The
   attestation is the module's word for that key: see :func:`identity_bound`.

From then on frames are encrypted: AES-256-GCM under one key for each direction (HKDF with SHA-256 over the agreed
secret, salted with the hash of both hellos), the frame's number in its direction as nonce. A frame that was changed,
left out, moved or sent twice does not open, and ends the session.

Against whom: whoever only listens learns nothing but lengths, and a PIN travels padded to one length. Whoever sits in
the line, between caller and gateway, is found out by a caller who knows the module's attestation key (the record pins
it, the manufacturer has it from the initialisation); a caller who does not know it has only the line itself to trust:
a cable on a bench, or the loopback of one machine. The Erstkonfigurator's signature covers the session, so that it is
of no use in another one. Nothing here helps against who controls the gateway's own software, for the Integrator-PIN
has to arrive in it: the module checks the PIN itself.
"""

from __future__ import annotations

import binascii
import hashlib
import os
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lifecycle.canonical import JournalError, canonical
from securitymodule.curves import (
    BRAINPOOL_P256R1,
    CurveError,
    agree,
    decode_point,
    encode_point,
    generate_key,
    sign_digest,
    verify_digest,
)
from securitymodule.statements import SignedAttestation, StatementError

VERSION: Final = 1
GREETING: Final = b"SMGWLOC\x01"
"""What either side sends first, so that both find their place on a serial line. No length of a frame looks like it."""
LARGEST_HELLO: Final = 8 * 1024
"""Largest plain frame, bytes."""
LARGEST_FRAME: Final = 96 * 1024
"""Largest frame, bytes: a request package or a configuration file with its certificates is a fourth of it."""
LENGTH_BYTES: Final = 4
END: Final = bytes(LENGTH_BYTES)
"""A frame of no bytes: the session is over."""
CURVE: Final = BRAINPOOL_P256R1

_NONCE_BYTES: Final = 32
_KEY_BYTES: Final = 32
_TAG_BYTES: Final = 16
_PIN_LENGTH: Final = 32
_SHA256: Final = hashes.SHA256()
_PURPOSE: Final = "SMGW local interface"


class LocalProtocolError(Exception):
    """What came over the line is not of the protocol. The session is over."""


def to_base64(data: bytes) -> str:
    """Bytes as they stand in a message."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def from_base64(text: object) -> bytes:
    """Bytes out of a message.

    :raises LocalProtocolError: if it is no Base64. The message does not tell it.
    """
    if not isinstance(text, str):
        raise LocalProtocolError("a value that is no Base64")
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise LocalProtocolError(f"a value that is no Base64: {error}") from None


def encode_message(message: dict[str, Any]) -> bytes:
    """The bytes of a message.

    :raises LocalProtocolError: if something in it cannot be written.
    """
    try:
        return canonical(message)
    except JournalError as error:
        raise LocalProtocolError(f"a message that cannot be written: {error}") from None


def decode_message(data: bytes) -> dict[str, Any]:
    """The message that these bytes are, in the one way of writing it.

    :raises LocalProtocolError: if they are none. The error does not tell them.
    """
    try:
        told = orjson.loads(data)
        if not isinstance(told, dict) or canonical(told) != data:
            raise LocalProtocolError("a message is one JSON object, in canonical form (RFC 8785)")
    except (orjson.JSONDecodeError, JournalError):
        raise LocalProtocolError("a message that is no canonical JSON") from None
    return told


def members(told: object, *names: str) -> list[Any]:
    """The members of an object that has just these.

    :raises LocalProtocolError: if it is no object or has others.
    """
    if not isinstance(told, dict) or told.keys() != set(names):
        raise LocalProtocolError(f"an object has just the members {', '.join(names)}")
    return [told[name] for name in names]


def pad_pin(pin: str) -> str:
    """A PIN as long as the longest, so that the length of its frame tells nothing."""
    return pin.ljust(_PIN_LENGTH)


def unpad_pin(padded: object) -> str:
    """The PIN.

    :raises LocalProtocolError: if it is none that was padded. The message does not tell it.
    """
    if not isinstance(padded, str) or len(padded) != _PIN_LENGTH:
        raise LocalProtocolError("a PIN that is not padded as it should be")
    return padded.rstrip(" ")


class Incoming:
    """Bytes of a line turned into frames. Never keeps more than one frame and what was fed last.

    :ivar largest: largest frame taken now, bytes.
    """

    def __init__(self, *, searching: bool) -> None:
        """:param searching: skip bytes before the greeting (a serial line), or refuse them (a connection)."""
        self.largest = LARGEST_HELLO
        self._searching = searching
        self._greeted = False
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take bytes that came. To be called when :meth:`next_frame` has no more."""
        self._buffer += data

    def restart(self) -> None:
        """Wait for a greeting again. What has come and was not taken may hold it."""
        self.largest = LARGEST_HELLO
        self._greeted = False

    def greeted(self) -> bool:
        """Whether the greeting has come.

        :raises LocalProtocolError: if something else has, where nothing is skipped.
        """
        self._greeted = self._greeted or self._take_greeting()
        return self._greeted

    def next_frame(self) -> bytes | None:
        """The next frame, empty for the end of the session; ``None`` where it is not complete.

        :raises LocalProtocolError: if something else than a greeting has come, or the frame would be too long.
        """
        if not self.greeted():
            return None
        if len(self._buffer) < LENGTH_BYTES:
            return None
        length = int.from_bytes(self._buffer[:LENGTH_BYTES], "big")
        if length > self.largest:
            raise LocalProtocolError(f"a frame longer than {self.largest} bytes")
        end = LENGTH_BYTES + length
        if len(self._buffer) < end:
            return None
        frame = bytes(self._buffer[LENGTH_BYTES:end])
        del self._buffer[:end]
        return frame

    def _take_greeting(self) -> bool:
        if self._searching:
            at = self._buffer.find(GREETING)
            if at < 0:
                del self._buffer[: -len(GREETING) + 1]  # its beginning may have come
                return False
            del self._buffer[:at]
        elif not GREETING.startswith(self._buffer[: len(GREETING)]):
            raise LocalProtocolError("somebody who does not speak the protocol of the local interface")
        elif len(self._buffer) < len(GREETING):
            return False
        del self._buffer[: len(GREETING)]
        return True


def frame(data: bytes, largest: int = LARGEST_FRAME) -> bytes:
    """The frame that carries these bytes.

    :raises LocalProtocolError: if they are more than fit.
    """
    if not 0 < len(data) <= largest:
        raise LocalProtocolError(f"a message of {len(data)} bytes; a frame carries {largest}")
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


class Channel:
    """The encrypted part of a session, on one side of it.

    :ivar gateway: the gateway's identification, as it says.
    :ivar session: SHA-256 over both hellos, hexadecimal: what the Erstkonfigurator signs.
    """

    def __init__(self, gateway: str, transcript: bytes, secret: bytes, *, caller: bool) -> None:
        """:param caller: whether this is the caller's side."""
        self.gateway = gateway
        self.session = transcript.hex()
        info = _PURPOSE.encode("ascii")
        keys = HKDF(hashes.SHA256(), 2 * _KEY_BYTES, salt=transcript, info=info).derive(secret)
        to_gateway, to_caller = AESGCM(keys[:_KEY_BYTES]), AESGCM(keys[_KEY_BYTES:])
        self._out, self._in = (to_gateway, to_caller) if caller else (to_caller, to_gateway)
        self._sent = self._received = 0

    def protect(self, message: dict[str, Any]) -> bytes:
        """A message as the next frame.

        :raises LocalProtocolError: if it is too long or cannot be written; nothing has been sent then.
        """
        data = encode_message(message)
        if len(data) > LARGEST_FRAME - _TAG_BYTES:
            raise LocalProtocolError(f"a message of {len(data)} bytes; a frame carries {LARGEST_FRAME - _TAG_BYTES}")
        encrypted = self._out.encrypt(_counter(self._sent), data, None)
        self._sent += 1
        return frame(encrypted)

    def open(self, data: bytes) -> dict[str, Any]:
        """The message in the next frame.

        :raises LocalProtocolError: if it is not the one that the other side sent next.
        """
        try:
            opened = self._in.decrypt(_counter(self._received), data, None)
        except (InvalidTag, ValueError):
            raise LocalProtocolError("a frame that the other side did not send next") from None
        self._received += 1
        return decode_message(opened)


def _counter(number: int) -> bytes:
    return number.to_bytes(12, "big")


@dataclass(frozen=True)
class Identity:
    """The key that a gateway signs its hellos with, for as long as its local interface is on.

    :ivar point: its public key, an uncompressed point.
    """

    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: generate_key(CURVE), repr=False)
    point: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "point", encode_point(self._key.public_key()))

    def sign(self, digest: bytes) -> bytes:
        """A plain signature over a SHA-256 value."""
        return sign_digest(self._key, _SHA256, digest)


def identity_bound(gateway: str, point: bytes) -> bytes:
    """What a module binds into the attestation that stands for an identity: gateway and SHA-256 of the key."""
    return f"{_PURPOSE}\x00{gateway}\x00".encode("ascii") + hashlib.sha256(point).digest()


def configurator_statement(channel: Channel) -> bytes:
    """What the Erstkonfigurator signs with its party key to authenticate in a session (ch. 9)."""
    statement = {"gateway": channel.gateway, "purpose": f"{_PURPOSE}: Erstkonfigurator", "session": channel.session}
    return canonical(statement)


class CallerHandshake:
    """The caller's side of the two hellos; for one session.

    :ivar hello: what to send, greeting and all.
    """

    def __init__(self) -> None:
        self._key = generate_key(CURVE)
        told = {
            "version": VERSION,
            "key": to_base64(encode_point(self._key.public_key())),
            "nonce": to_base64(os.urandom(_NONCE_BYTES)),
        }
        self._body = encode_message(told)
        self.hello = GREETING + frame(self._body, LARGEST_HELLO)

    def finish(self, answer: bytes, module_key: ec.EllipticCurvePublicKey | None) -> Channel:
        """The channel, from the gateway's hello.

        :param module_key: the module's attestation key; with it, whoever is no gateway with that module is refused.
        :raises LocalProtocolError: if the hello is none, or not of such a gateway.
        """
        hello, signature = members(decode_message(answer), "hello", "signature")
        version, gateway, key, nonce, identity, attestation = members(
            hello, "version", "gateway", "key", "nonce", "identity", "attestation"
        )
        if version != VERSION or not isinstance(gateway, str) or not gateway.isascii():
            raise LocalProtocolError(f"the other side speaks another version of the protocol than {VERSION}")
        if len(from_base64(nonce)) != _NONCE_BYTES:
            raise LocalProtocolError(f"a nonce has {_NONCE_BYTES} bytes")
        point = from_base64(identity)
        transcript = _transcript(self._body, encode_message(hello))
        if not verify_digest(_public(point), _SHA256, transcript, from_base64(signature)):
            raise LocalProtocolError("the gateway's hello is not signed as it should be")
        if module_key is not None:
            _check_attested(gateway, point, attestation, module_key)
        return Channel(gateway, transcript, agree(self._key, _public(from_base64(key))), caller=True)


def _check_attested(gateway: str, point: bytes, attestation: object, module_key: ec.EllipticCurvePublicKey) -> None:
    if attestation is None:
        raise LocalProtocolError("the other side shows no attestation of the module that this gateway should have")
    try:
        told = SignedAttestation.decode(from_base64(attestation)).verify(module_key)
    except StatementError as error:
        raise LocalProtocolError(f"the other side is not the gateway with this module: {error}") from None
    if told.bound != identity_bound(gateway, point):
        raise LocalProtocolError("the other side is not the gateway with this module: its key is not attested")


def answer_hello(body: bytes, gateway: str, identity: Identity, attestation: bytes | None) -> tuple[bytes, Channel]:
    """The gateway's side of the two hellos.

    :param body: the caller's hello, as it came.
    :param attestation: the module's word for the identity, where there is one.
    :returns: what to send, greeting and all, and the channel.
    :raises LocalProtocolError: if the caller's hello is none.
    """
    version, key, nonce = members(decode_message(body), "version", "key", "nonce")
    if version != VERSION or len(from_base64(nonce)) != _NONCE_BYTES:
        raise LocalProtocolError(f"no hello of version {VERSION}")
    peer = _public(from_base64(key))
    own = generate_key(CURVE)
    hello = {
        "version": VERSION,
        "gateway": gateway,
        "key": to_base64(encode_point(own.public_key())),
        "nonce": to_base64(os.urandom(_NONCE_BYTES)),
        "identity": to_base64(identity.point),
        "attestation": None if attestation is None else to_base64(attestation),
    }
    transcript = _transcript(body, encode_message(hello))
    answer = encode_message({"hello": hello, "signature": to_base64(identity.sign(transcript))})
    channel = Channel(gateway, transcript, agree(own, peer), caller=False)
    return GREETING + frame(answer, LARGEST_HELLO), channel


def _transcript(caller: bytes, gateway: bytes) -> bytes:
    parts = (_PURPOSE.encode("ascii"), caller, gateway)
    return hashlib.sha256(b"".join(len(part).to_bytes(LENGTH_BYTES, "big") + part for part in parts)).digest()


def _public(point: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return decode_point(CURVE, point)
    except CurveError as error:
        raise LocalProtocolError(f"no key on {CURVE}: {error}") from None
