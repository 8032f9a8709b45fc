"""PACE on the terminal's side: which commands to send, and what to make of the answers. No input or output of its own.

Source: BSI TR-03110-3, B.1 (steps), B.14.1 and B.14.2 (commands and status words); the terminal is the gateway.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Generator

from securitymodule import tlv
from securitymodule.apdu import SHORT_LE, CommandApdu, ResponseApdu, StatusWord, tries_left
from securitymodule.coding import CLA_CHAINED, CLA_PLAIN, PACE_SYSTEM_PIN, Ins, Parameters, Tag
from securitymodule.curves import CurveError, agree, decode_point, encode_point, private_key
from securitymodule.errors import CommandRefused, PaceError, PinBlocked, WrongPin
from securitymodule.pace import (
    BLOCK,
    LONGEST_NONCE,
    REQUIRED_INFO,
    PaceInfo,
    RandomBytes,
    SessionKeys,
    decrypt_nonce,
    mapped_base,
    random_scalar,
    session_keys,
    token,
)
from securitymodule.points import Point, multiply

Steps = Generator[CommandApdu, ResponseApdu, SessionKeys]
"""Yields a command, takes the response to it, and returns the keys in the end."""

_SELECTING = "choosing PACE"
_RUNNING = "PACE"


def establish(
    password: bytes,
    info: PaceInfo = REQUIRED_INFO,
    *,
    password_reference: int = PACE_SYSTEM_PIN,
    random_bytes: RandomBytes = secrets.token_bytes,
) -> Steps:
    """One run of PACE, as a generator: five commands, then the keys.

    Its ephemeral keys live in its frame and go with it, whatever ends it. The bytes of a Python integer cannot be
    overwritten; they are freed.

    :param password: the encoded password, of a PIN :func:`securitymodule.pace.pin_password`.
    :param info: protocol and curve. They are the caller's choice, never the card's word (TR-03110-3, A.2.1.3).
    :param password_reference: which of the card's passwords.
    :param random_bytes: source of the ephemeral keys.
    :raises WrongPin: if the card says that the password is wrong.
    :raises PinBlocked: if it has no tries left.
    :raises PaceError: if the card does not prove that it knows the password, or answers something else.
    :raises CommandRefused: if the card refuses a step.
    """
    protocol, curve = info.protocol, info.curve
    _check_selected((yield _choose(info, password_reference)))

    encrypted = _value((yield _step({})), 0x80)
    if not 0 < len(encrypted) <= LONGEST_NONCE or len(encrypted) % BLOCK:
        raise PaceError(f"an encrypted nonce of {len(encrypted)} bytes")
    nonce = decrypt_nonce(protocol, password, encrypted)

    own_scalar = random_scalar(curve, random_bytes)
    own = private_key(curve, own_scalar).public_key()
    peer = _peer(info, _value((yield _step({0x81: encode_point(own)})), 0x82), own)
    try:
        base = mapped_base(nonce, own_scalar, peer)
    except CurveError as error:
        raise PaceError(f"the nonce maps to no base point: {error}") from None

    own_scalar = random_scalar(curve, random_bytes)
    own = multiply(own_scalar, base)
    peer = _peer(info, _value((yield _step({0x83: encode_point(own)})), 0x84), own)
    keys = session_keys(protocol, agree(private_key(curve, own_scalar), peer))

    answer = _value((yield _step({0x85: token(protocol, keys, peer)}, last=True)), 0x86)
    if not hmac.compare_digest(answer, token(protocol, keys, own)):
        raise PaceError("the module does not prove that it knows the PIN")
    return keys


def drive(steps: Steps, transmit: Callable[[CommandApdu], ResponseApdu]) -> SessionKeys:
    """Run :func:`establish` over a connection.

    :raises ModuleError: as :func:`establish` and *transmit*.
    """
    command = next(steps)
    try:
        while True:
            command = steps.send(transmit(command))
    except StopIteration as done:
        keys = done.value
        assert isinstance(keys, SessionKeys)  # noqa: S101  what the generator is declared to return
        return keys
    finally:
        steps.close()


def _choose(info: PaceInfo, password_reference: int) -> CommandApdu:
    data = {
        Tag.MECHANISM: info.protocol.oid_value,
        Tag.PUBLIC_KEY_REFERENCE: bytes((password_reference,)),
        Tag.PACE_DOMAIN: bytes((info.curve.domain,)),
    }
    p1, p2 = divmod(Parameters.MSE_PACE, 256)
    return CommandApdu(CLA_PLAIN, Ins.MANAGE_SECURITY_ENVIRONMENT, p1, p2, tlv.encode_all(data))


def _step(objects: dict[int, bytes], *, last: bool = False) -> CommandApdu:
    data = tlv.encode(Tag.DYNAMIC_AUTHENTICATION, tlv.encode_all(objects))
    return CommandApdu(CLA_PLAIN if last else CLA_CHAINED, Ins.GENERAL_AUTHENTICATE, 0, 0, data, SHORT_LE)


def _check_selected(response: ResponseApdu) -> None:
    if response.sw == StatusWord.OK:
        return
    left = tries_left(response.sw)
    if left is None:
        raise CommandRefused(_SELECTING, response.sw)
    if not left:  # any other 63Cx is a warning, and the password is chosen
        raise PinBlocked(_SELECTING, response.sw)


def _value(response: ResponseApdu, tag: int) -> bytes:
    """What a step's answer has in *tag*."""
    left = tries_left(response.sw)
    if left:
        raise WrongPin(_RUNNING, response.sw, left)
    if left == 0 or response.sw == StatusWord.AUTHENTICATION_BLOCKED:
        raise PinBlocked(_RUNNING, response.sw)
    if response.sw != StatusWord.OK:
        raise CommandRefused(_RUNNING, response.sw)
    try:
        return tlv.decode_one(tlv.decode_one(response.data, Tag.DYNAMIC_AUTHENTICATION), tag)
    except tlv.TlvError as error:
        raise PaceError(f"the module's answer is none of PACE: {error}") from None


def _peer(info: PaceInfo, encoded: bytes, own: Point) -> Point:
    """The card's ephemeral public key, which must be one, and not our own reflected (TR-03110-3, A.2.2.1)."""
    try:
        point = decode_point(info.curve, encoded)
    except CurveError as error:
        raise PaceError(f"the module's ephemeral key is none: {error}") from None
    if encode_point(point) == encode_point(own):
        raise PaceError("the module sent our own ephemeral key back")
    return point
