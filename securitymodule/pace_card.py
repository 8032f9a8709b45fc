"""PACE on the card's side: answers to MSE:Set AT and to the four GENERAL AUTHENTICATE. No input or output of its own.

Source: BSI TR-03110-3, B.1, B.14.1, B.14.2. Check, then count, then act: the try is taken away before the terminal's
token is compared, and given back after it was right.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from securitymodule import tlv
from securitymodule.apdu import CommandApdu, ResponseApdu, StatusWord, tries_word
from securitymodule.coding import Tag
from securitymodule.curves import CurveError, agree, curve_by_domain, decode_point, encode_point, private_key
from securitymodule.pace import (
    PROTOCOLS,
    PaceInfo,
    RandomBytes,
    SessionKeys,
    encrypt_nonce,
    mapped_base,
    random_scalar,
    session_keys,
    token,
)
from securitymodule.points import Point, multiply
from securitymodule.wiping import wipe


class Password(Protocol):
    """A password of the card's, with its tries. What is written here is durable when the call returns."""

    @property
    def most_tries(self) -> int:
        """How many tries it has after a right one."""

    def tries_left(self) -> int:
        """How many it has now."""

    def value(self) -> bytes:
        """The encoded password, of a PIN :func:`securitymodule.pace.pin_password`: a copy, which is wiped after use."""

    def take_try(self) -> None:
        """Take one try away, before it is used."""

    def restore_tries(self) -> None:
        """Give all tries back."""


class _Refused(Exception):
    """Ends a run; the card answers with the status word."""

    def __init__(self, sw: int) -> None:
        super().__init__(f"{sw:04X}")
        self.sw = sw


@dataclass(slots=True)
class _Run:
    """What one run has come to. Replaced, never reset, so that no part of one run gets into another."""

    info: PaceInfo
    password: Password
    next_tag: int | None = None  # of the step expected; None before the nonce
    nonce: bytes = b""
    base: Point | None = None
    own: Point | None = None
    peer: Point | None = None
    keys: SessionKeys | None = None


class PaceCard:
    """The card's part of PACE, one run at a time.

    A run begins with MSE:Set AT and ends with its fourth step or its first error; its nonce and its ephemeral keys
    are of no use to another. MSE:Set AT alone leaves a secure channel that is there as it is.
    """

    def __init__(self, passwords: Mapping[int, Password], *, random_bytes: RandomBytes = secrets.token_bytes) -> None:
        """
        :param passwords: by reference (DO 83).
        :param random_bytes: source of nonces and ephemeral keys.
        """
        self._passwords = passwords
        self._random_bytes = random_bytes
        self._run: _Run | None = None
        self._established: SessionKeys | None = None

    @property
    def running(self) -> bool:
        """Whether MSE:Set AT has chosen a protocol that is not through yet: GENERAL AUTHENTICATE is PACE's then."""
        return self._run is not None

    def forget(self) -> None:
        """Drop everything, as a reset does."""
        self._run = None
        self._established = None

    def take_keys(self) -> SessionKeys | None:
        """The keys of a run that has ended well, once: the answer to its last step still goes without them."""
        keys, self._established = self._established, None
        return keys

    def choose(self, command: CommandApdu) -> ResponseApdu:
        """MSE:Set AT with P1P2 C1A4.

        :returns: 9000, 63Cx where tries are missing, 6A80 or 6A88 where it asks for what there is not.
        """
        self.forget()
        try:
            objects = tlv.decode_unique(command.data)
        except tlv.TlvError:
            return ResponseApdu(sw=StatusWord.INCORRECT_DATA)
        if objects.keys() != {Tag.MECHANISM, Tag.PUBLIC_KEY_REFERENCE, Tag.PACE_DOMAIN}:
            return ResponseApdu(sw=StatusWord.INCORRECT_DATA)
        protocol = PROTOCOLS.get(objects[Tag.MECHANISM])
        if protocol is None:
            return ResponseApdu(sw=StatusWord.INCORRECT_DATA)
        password = self._passwords.get(int.from_bytes(objects[Tag.PUBLIC_KEY_REFERENCE], "big"))
        if password is None:
            return ResponseApdu(sw=StatusWord.REFERENCE_NOT_FOUND)
        try:
            curve = curve_by_domain(int.from_bytes(objects[Tag.PACE_DOMAIN], "big"))
        except CurveError:
            return ResponseApdu(sw=StatusWord.REFERENCE_NOT_FOUND)
        if not protocol.allows(curve):
            return ResponseApdu(sw=StatusWord.INCORRECT_DATA)
        self._run = _Run(PaceInfo(protocol, curve), password)
        left = password.tries_left()
        return ResponseApdu(sw=StatusWord.OK if left >= password.most_tries else tries_word(left))

    def step(self, command: CommandApdu) -> ResponseApdu:
        """GENERAL AUTHENTICATE.

        :returns: the step's answer. After any other status word than 9000 the run is over.
        """
        run, self._run = self._run, None  # whatever happens below, even an exception, ends the run
        if run is None:
            return ResponseApdu(sw=StatusWord.CONDITIONS_NOT_SATISFIED)
        try:
            tag, value = self._asked(run, command)
            answer = tlv.encode(*self._steps[tag](self, run, value))
        except _Refused as refused:
            return ResponseApdu(sw=refused.sw)
        except CurveError:  # no point, one of another curve, or a sum at infinity
            return ResponseApdu(sw=StatusWord.INCORRECT_DATA)
        if tag == 0x85:
            self._established = run.keys
        else:
            self._run = run
        return ResponseApdu(tlv.encode(Tag.DYNAMIC_AUTHENTICATION, answer))

    def _asked(self, run: _Run, command: CommandApdu) -> tuple[int | None, bytes]:
        """The step's tag (``None`` for the first step's absent object) and value, if it is the one expected."""
        last = run.next_tag == 0x85
        if command.chained == last:
            raise _Refused(StatusWord.LAST_COMMAND_EXPECTED if last else StatusWord.CONDITIONS_NOT_SATISFIED)
        if command.le is None:
            raise _Refused(StatusWord.WRONG_LENGTH)
        try:
            objects = tlv.decode_all(tlv.decode_one(command.data, Tag.DYNAMIC_AUTHENTICATION))
        except tlv.TlvError:
            raise _Refused(StatusWord.INCORRECT_DATA) from None
        if run.next_tag is None and not objects:
            return None, b""
        if len(objects) != 1 or objects[0].tag != run.next_tag:
            raise _Refused(StatusWord.INCORRECT_DATA)
        return objects[0]

    def _encrypted_nonce(self, run: _Run, _value: bytes) -> tuple[int, bytes]:
        if not run.password.tries_left():
            raise _Refused(StatusWord.AUTHENTICATION_BLOCKED)
        run.nonce = self._random_bytes(run.info.protocol.nonce_bytes)
        run.next_tag = 0x81
        password = run.password.value()
        try:
            return 0x80, encrypt_nonce(run.info.protocol, password, run.nonce)
        finally:
            wipe(password)

    def _map(self, run: _Run, value: bytes) -> tuple[int, bytes]:
        peer = decode_point(run.info.curve, value)
        scalar = random_scalar(run.info.curve, self._random_bytes)
        own = private_key(run.info.curve, scalar).public_key()
        _check_not_reflected(own, peer)
        run.base = mapped_base(run.nonce, scalar, peer)
        run.nonce = b""
        run.next_tag = 0x83
        return 0x82, encode_point(own)

    def _agree(self, run: _Run, value: bytes) -> tuple[int, bytes]:
        assert run.base is not None  # noqa: S101  the step before has set it
        run.peer = decode_point(run.info.curve, value)
        scalar = random_scalar(run.info.curve, self._random_bytes)
        run.own, run.base = multiply(scalar, run.base), None
        _check_not_reflected(run.own, run.peer)
        run.keys = session_keys(run.info.protocol, agree(private_key(run.info.curve, scalar), run.peer))
        run.next_tag = 0x85
        return 0x84, encode_point(run.own)

    def _authenticate(self, run: _Run, value: bytes) -> tuple[int, bytes]:
        assert run.keys is not None and run.own is not None and run.peer is not None  # noqa: S101, PT018  as above
        if not run.password.tries_left():
            raise _Refused(StatusWord.AUTHENTICATION_BLOCKED)
        run.password.take_try()
        if not hmac.compare_digest(value, token(run.info.protocol, run.keys, run.own)):
            raise _Refused(tries_word(run.password.tries_left()))
        run.password.restore_tries()
        return 0x86, token(run.info.protocol, run.keys, run.peer)

    _steps: Mapping[int | None, Callable[[PaceCard, _Run, bytes], tuple[int, bytes]]] = {
        None: _encrypted_nonce,
        0x81: _map,
        0x83: _agree,
        0x85: _authenticate,
    }


def _check_not_reflected(own: Point, peer: Point) -> None:
    """An ephemeral key that is the card's own was not made by somebody else (TR-03110-2, 3.2.1)."""
    if encode_point(own) == encode_point(peer):
        raise _Refused(StatusWord.INCORRECT_DATA)
