"""A session with a module: the connection, the secure channel in it, and what came back turned into data or an error.

:class:`Session` knows how commands travel, :mod:`securitymodule.client` which there are. Opening the secure channel is
PACE with the GW-System-PIN (TR-03116-3, chapter 10); when it has reached its age it is made anew before the next
command, so that nothing is sent in between.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from securitymodule import tlv
from securitymodule.apdu import SHORT_DATA, CommandApdu, ResponseApdu, StatusWord, split, tries_left
from securitymodule.coding import CLA_PLAIN, Ins, Parameters
from securitymodule.connection import Connection
from securitymodule.errors import (
    CommandRefused,
    ModuleError,
    PinBlocked,
    ProtocolError,
    SecureMessagingError,
    SessionExpired,
    WrongPin,
)
from securitymodule.messaging import MOST_SECONDS, Clock, TerminalChannel, boot_clock
from securitymodule.pace import REQUIRED_INFO, PaceInfo, RandomBytes, pin_password
from securitymodule.pace_terminal import drive, establish
from securitymodule.wiping import wipe

SystemPin = Callable[[], str]
"""Gives the GW-System-PIN when it is needed, so that nobody has to keep it in between. Its text is freed and not
overwritten, for Python's never change; what is made of it here is overwritten."""

Transport = Literal["extended", "chained"]
EXTENDED: Final = "extended"
CHAINED: Final = "chained"


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """How a session is made. The defaults are what TR-03116-3 asks for.

    :ivar info: protocol and curve of PACE.
    :ivar lifetime: seconds until the secure channel is made anew, 48 hours at most.
    :ivar clock: seconds that pass.
    :ivar random_bytes: source of ephemeral keys.
    :ivar transport: how long commands travel: ``extended`` APDUs, or ``chained`` short ones for a reader that takes no
        others.
    """

    info: PaceInfo = REQUIRED_INFO
    lifetime: float = MOST_SECONDS
    clock: Clock = boot_clock
    random_bytes: RandomBytes = secrets.token_bytes
    transport: Transport = EXTENDED


class Session:
    """One caller's session. Threads wait for one another; :attr:`lock` holds several commands together."""

    def __init__(self, connection: Connection, policy: SessionPolicy | None = None) -> None:
        """:param connection: closed with the session."""
        self.lock = threading.RLock()
        self._connection = connection
        self._policy = policy or SessionPolicy()
        self._channel: TerminalChannel | None = None
        self._system_pin: SystemPin | None = None
        self._plain = True  # until the first PACE; from then on nothing goes out unprotected
        self._environment: dict[int, bytes] = {}

    @property
    def url(self) -> str:
        """Where the module is."""
        return self._connection.url

    @property
    def atr(self) -> bytes:
        """The module's answer to reset."""
        return self._connection.atr

    @property
    def is_secure(self) -> bool:
        """Whether there is a secure channel."""
        return self._channel is not None and not self._channel.closed

    def authenticate(self, system_pin: SystemPin) -> None:
        """Open the secure channel, in place of one that is there.

        :raises WrongPin: if the PIN is wrong; the module took a try.
        :raises PinBlocked: if it has no tries left.
        :raises PaceError: if what is there does not know the PIN itself.
        :raises securitymodule.statements.StatementError: if the PIN has not the digits of one.
        """
        with self.lock:
            self._system_pin = system_pin
            self._plain = False
            self._open_channel()

    def close(self) -> None:
        """End the session and let the module go."""
        with self.lock:
            self._system_pin = None
            self._drop_channel()
            self._connection.close()

    def command(
        self,
        what: str,
        ins: Ins,
        parameters: int,
        data: bytes = b"",
        le: int | None = None,
        *,
        accept: frozenset[int] = frozenset(),
        secret: bool = False,
    ) -> ResponseApdu:
        """Send one command: plain until the first :meth:`authenticate`, from then on through a secure channel only.

        :param what: the command in words, for messages.
        :param parameters: P1 and P2.
        :param accept: status words beside 9000 that are an answer and no error.
        :param secret: the data must not go out unprotected, whoever has authenticated or not, and are wiped after use.
        :raises CommandRefused: if the module answers with another status word.
        :raises SecureMessagingError: if the secure channel breaks, broke before or is needed and was never opened;
            :meth:`authenticate` opens another.
        :raises ModuleError: if the module cannot be reached.
        """
        try:
            with self.lock:
                if self._channel is None and (secret or not self._plain):
                    raise SecureMessagingError(f"{what} takes a secure channel, and none is open")
                response = self._exchange(CommandApdu(CLA_PLAIN, ins, *divmod(parameters, 256), data, le))
        finally:
            if secret:
                wipe(data)
        if response.sw == StatusWord.OK or response.sw in accept:
            return response
        raise refusal(what, response.sw)

    def set_environment(self, what: str, parameters: Parameters, objects: dict[int, bytes]) -> None:
        """MSE SET, unless it was set so already in this channel.

        :raises CommandRefused: as :meth:`command`.
        """
        data = tlv.encode_all(objects)
        with self.lock:
            self._renew()
            if self._environment.get(parameters) == data:
                return
            self._environment.pop(parameters, None)
            self.command(what, Ins.MANAGE_SECURITY_ENVIRONMENT, parameters, data)
            self._environment[parameters] = data

    def _exchange(self, command: CommandApdu) -> ResponseApdu:
        self._renew()
        if self._channel is None:
            return self._send(command)
        try:
            return self._channel.open(self._send(self._channel.protect(command)))
        except SecureMessagingError:
            self._drop_channel()
            raise

    def _renew(self) -> None:
        """Make the channel anew where it has reached its age; what a PIN or a signature opened is shut again then."""
        if self._channel is None or not self._channel.expired:
            return
        self._drop_channel()
        if self._system_pin is None:
            raise SessionExpired("the secure channel has reached its age; it takes a new PACE")
        self._open_channel()

    def _open_channel(self) -> None:
        assert self._system_pin is not None  # noqa: S101  both callers have seen to it
        policy = self._policy
        self._drop_channel()
        password = pin_password(self._system_pin())
        try:
            keys = drive(establish(password, policy.info, random_bytes=policy.random_bytes), self._send)
        finally:
            wipe(password)
        self._channel = TerminalChannel(keys, clock=policy.clock, lifetime=policy.lifetime)
        keys.wipe()  # the channel has copies of its own

    def _drop_channel(self) -> None:
        if self._channel is not None:
            self._channel.close()
        self._channel = None
        self._environment.clear()

    def _send(self, command: CommandApdu) -> ResponseApdu:
        try:
            if self._policy.transport == EXTENDED or len(command.data) <= SHORT_DATA:
                return self._connection.transmit(command)
            *pieces, last = split(command)
            for piece in pieces:
                response = self._connection.transmit(piece)
                if response.sw != StatusWord.OK or response.data:
                    return response
            return self._connection.transmit(last)
        except ModuleError:
            self._drop_channel()
            raise


def refusal(what: str, sw: int) -> CommandRefused:
    """The error for a status word."""
    left = tries_left(sw)
    if left:
        return WrongPin(what, sw, left)
    if left == 0 or sw == StatusWord.AUTHENTICATION_BLOCKED:
        return PinBlocked(what, sw)
    return CommandRefused(what, sw)


def value_of(what: str, data: bytes, *path: int) -> bytes:
    """The value at the end of a path of tags; each template on the way may hold other data objects too.

    :param what: the command in words, for messages.
    :raises ProtocolError: if it is not there.
    """
    try:
        for tag in path:
            data = tlv.decode_unique(data)[tag]
    except (KeyError, tlv.TlvError):
        told = " ".join(f"{tag:02X}" for tag in path)
        raise ProtocolError(f"{what}: the module's answer has no data object {told}") from None
    return data
