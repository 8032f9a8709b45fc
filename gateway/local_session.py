"""One caller's session at the local interface, on the gateway's side: who calls, and what may be called. No line in it.

Nothing here decides what is on. Whoever is believed shows a credential, and each call goes with that credential to an
entry point of :class:`gateway.local_functions.LocalFunctions`, where the gate is asked anew. The Integrator-PIN is
presented to the module, which counts the tries; it is kept nowhere, and when the session ends the module forgets it was
presented. The Erstkonfigurator shows a certificate of the operations CA that names its role, and signs the session.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog

from gateway.local_calls import AUTHENTICATE_CONFIGURATOR, AUTHENTICATE_INTEGRATOR, CALLS, is_on
from gateway.local_coding import LocalError, NotAuthenticated, error_to_plain, from_plain, to_plain
from gateway.local_protocol import (
    LARGEST_FRAME,
    LARGEST_HELLO,
    Channel,
    Identity,
    LocalProtocolError,
    answer_hello,
    configurator_statement,
    from_base64,
    members,
    unpad_pin,
)
from gateway.module import DeviceError
from lifecycle.functions import Credential
from lifecycle.gate import Gate
from lifecycle.parties import PartyError
from lifecycle.roles import Role
from securitymodule.errors import ModuleError, PinBlocked, WrongPin

if TYPE_CHECKING:
    from gateway.local_functions import LocalFunctions
    from lifecycle.store.repository import Repository
    from securitymodule.client import SecurityModule

FAILURES: Final = 3
"""Failed authentications after which a session ends; ours. The module counts the tries of its PIN by itself."""

_log = structlog.get_logger()


class LocalGateway(Protocol):
    """What the local interface needs of a gateway.

    :ivar id: its identification, DIN 43863-5.
    """

    id: str

    @property
    def repository(self) -> Repository:
        """Where its record is kept."""

    @property
    def local(self) -> LocalFunctions:
        """What it does for who stands before it."""

    def gate(self) -> Gate:
        """The gate as it is now."""

    def module(self) -> SecurityModule:
        """Its security module, the secure channel open."""

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have *callback* called whenever the gate may have changed; what ends that is returned."""


class LocalSession:
    """A session with one caller.

    :ivar ended: whether it is over once what was answered last is sent.
    """

    def __init__(self, gateway: LocalGateway, identity: Identity, attestation: bytes | None) -> None:
        """
        :param identity: the key that the gateway has while its local interface is on.
        :param attestation: the module's word for it, where there is one.
        """
        self.ended = False
        self._gateway = gateway
        self._identity = identity
        self._attestation = attestation
        self._channel: Channel | None = None
        self._credential: Credential | None = None
        self._failures = 0

    @property
    def largest(self) -> int:
        """The largest frame that can come now, bytes."""
        return LARGEST_HELLO if self._channel is None else LARGEST_FRAME

    @property
    def is_authenticated(self) -> bool:
        """Whether the caller has shown a credential."""
        return self._credential is not None

    def receive(self, frame: bytes) -> bytes:
        """What to send back for a frame, framed.

        :raises LocalProtocolError: if it is none of this session; the session is over then.
        """
        if self._channel is None:
            answer, self._channel = answer_hello(frame, self._gateway.id, self._identity, self._attestation)
            return answer
        name, arguments = members(self._channel.open(frame), "call", "arguments")
        try:
            told = {"result": self._perform(name, arguments)}
        except Exception as error:  # whatever went wrong, the caller gets an answer and the gateway goes on
            told = {"error": self._told(error)}
        try:
            return self._channel.protect(told)
        except LocalProtocolError as error:
            _log.error("local interface: an answer does not fit", gateway=self._gateway.id, call=name, error=str(error))
            return self._channel.protect({"error": _internal()})

    def close(self) -> None:
        """The caller is gone: what it has shown is forgotten, by the module too."""
        credential, self._credential = self._credential, None
        self.ended = True
        if credential is Credential.INTEGRATOR_PIN:
            self._forget_pin()

    def _perform(self, name: object, arguments: object) -> Any:
        if name == AUTHENTICATE_INTEGRATOR:
            return self._authenticate_integrator(*members(arguments, "pin"))
        if name == AUTHENTICATE_CONFIGURATOR:
            return self._authenticate_configurator(*members(arguments, "certificate", "signature"))
        call = CALLS.get(name) if isinstance(name, str) else None
        if call is None:
            raise LocalError("unknown", "the local interface has no such function")
        if self._credential is None:
            raise NotAuthenticated(f"{call.name} needs a caller who has shown who it is")
        told = members(arguments, *call.parameters)
        values = [from_plain(hint, value) for hint, value in zip(call.parameters.values(), told, strict=True)]
        return to_plain(call.result, getattr(self._gateway.local, call.name)(self._credential, *values))

    def _authenticate_integrator(self, padded: object) -> None:
        self._forget()
        self._something_on(Credential.INTEGRATOR_PIN)
        pin = unpad_pin(padded)
        try:
            self._gateway.local.present_integrator_pin(pin)
        except (WrongPin, PinBlocked) as refused:
            self._failed(str(refused))
            raise
        self._believed(Credential.INTEGRATOR_PIN, str(Role.GWH))

    def _authenticate_configurator(self, certificate: object, signature: object) -> None:
        self._forget()
        self._something_on(Credential.CONFIGURATOR_CREDENTIAL)
        assert self._channel is not None  # noqa: S101  this came through it
        repository = self._gateway.repository
        try:
            shown = repository.trust.credentials(from_base64(certificate))
        except PartyError as error:
            raise self._failed(f"the certificate is {error}") from None
        actor = shown.actor
        if actor.role is not Role.ERSTKONFIGURATOR or actor.on_behalf_of is not Role.GWA:
            raise self._failed(f"the certificate is of a {actor.role}, not of an {Role.ERSTKONFIGURATOR}")
        if not shown.not_before <= repository.clock() <= shown.not_after:
            raise self._failed("the certificate is not valid now")
        if not shown.verifies(from_base64(signature), configurator_statement(self._channel)):
            raise self._failed("the signature is not over this session, or not of that certificate")
        self._believed(Credential.CONFIGURATOR_CREDENTIAL, actor.name)

    def _something_on(self, credential: Credential) -> None:
        gate = self._gateway.gate()
        if not is_on(gate, credential):
            raise LocalError("off", f"nothing at the local interface is on for {credential}: {_standing(gate)}")

    def _believed(self, credential: Credential, name: str) -> None:
        self._credential = credential
        self._failures = 0
        _log.info("local interface: caller authenticated", gateway=self._gateway.id, credential=credential, caller=name)

    def _failed(self, why: str) -> NotAuthenticated:
        self._failures += 1
        self.ended = self._failures >= FAILURES
        _log.warning("local interface: caller not believed", gateway=self._gateway.id, reason=why)
        return NotAuthenticated(why)

    def _forget(self) -> None:
        """Whoever authenticates anew is nobody until it is believed."""
        credential, self._credential = self._credential, None
        if credential is Credential.INTEGRATOR_PIN:
            self._forget_pin()

    def _forget_pin(self) -> None:
        try:
            self._gateway.local.end_session()
        except (
            ModuleError,
            DeviceError,
        ) as error:  # it cannot be reached, and whatever comes next takes a new secure channel
            _log.warning("local interface: module not reached", gateway=self._gateway.id, error=str(error))

    def _told(self, error: Exception) -> dict[str, Any]:
        told = error_to_plain(error)
        if told is not None:
            return told
        # Its words may hold what the caller sent; where it was raised does not.
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = "" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        _log.error("local interface: a call failed", gateway=self._gateway.id, error=type(error).__name__, where=where)
        return _internal()


def _internal() -> dict[str, Any]:
    told = error_to_plain(LocalError("internal", "the gateway failed to do it; its log says where"))
    assert told is not None  # noqa: S101  a LocalError is always told
    return told


def _standing(gate: Gate) -> str:
    return str(gate.shut) if gate.shut is not None else f"the gateway is in {gate.state}"
