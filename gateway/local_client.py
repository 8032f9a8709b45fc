"""The caller's side of the local interface (lokale Schnittstelle): for stations of the GWH and the Erstkonfigurator.

::

    with LocalClient.connect("tcp:127.0.0.1:7401", module_key=point) as gateway:
        gateway.authenticate_integrator(pin)
        gateway.import_root(root)
"""

from __future__ import annotations

import contextlib
import time
import typing
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from cryptography.hazmat.primitives.asymmetric import ec

from gateway.local_calls import AUTHENTICATE_CONFIGURATOR, AUTHENTICATE_INTEGRATOR, CALLS
from gateway.local_coding import LocalError, LocalLineError, error_from_plain, from_plain, to_plain
from gateway.local_line import LocalAddressError, SerialAddress, Stream, parse_address, reach, wait_for
from gateway.local_protocol import (
    CURVE,
    END,
    LARGEST_FRAME,
    CallerHandshake,
    Channel,
    Incoming,
    LocalProtocolError,
    configurator_statement,
    decode_message,
    members,
    pad_pin,
    to_base64,
)
from securitymodule.curves import CurveError, decode_point
from securitymodule.statements import check_pin

if TYPE_CHECKING:
    from cryptography import x509

    from gateway.configuration import CommunicationParameters, InitialConfiguration
    from gateway.reaching import ConnectionReport
    from lifecycle.parties import Party
    from smpki.names import Environment

TIMEOUT: Final = 30.0
"""Seconds to wait for a connection, and for each answer: ours. A connection test takes its time."""

Monotonic = Callable[[], float]
"""Seconds that pass, from an arbitrary start and never back."""


class LocalClient:
    """A session at a gateway's local interface. Close it, or use it as a context manager.

    One thread uses it. After a :class:`LocalLineError` it is of no use any more; connect anew.
    """

    def __init__(
        self,
        stream: Stream,
        module_key: ec.EllipticCurvePublicKey | None,
        timeout: float,
        clock: Monotonic,
        *,
        searching: bool,
    ) -> None:
        """Use :meth:`connect`."""
        self._stream: Stream | None = stream
        self._timeout = timeout
        self._clock = clock
        self._incoming = Incoming(searching=searching)
        self._channel = self._greet(module_key)

    @classmethod
    def connect(
        cls,
        address: str,
        timeout: float = TIMEOUT,
        *,
        module_key: bytes | None = None,
        clock: Monotonic = time.monotonic,
    ) -> LocalClient:
        """A session with the gateway at *address*.

        :param address: ``tcp:127.0.0.1:PORT``, ``tcp:[::1]:PORT`` or ``serial:/dev/DEVICE``.
        :param timeout: seconds to wait for the connection, and for each answer.
        :param module_key: attestation key of the gateway's module, an uncompressed point, as the record pins it and the
            manufacturer knows it. With it, whoever sits in the line is found out before a PIN is sent; without it the
            line itself is trusted.
        :raises LocalLineError: if nobody answers, or not that gateway.
        :raises LocalError: if another caller has the interface (kind ``busy``).
        """
        try:
            where = parse_address(address)
            key = None if module_key is None else decode_point(CURVE, module_key)
            stream = reach(where, timeout)
        except (LocalAddressError, CurveError) as error:
            raise LocalLineError(str(error)) from None
        return cls(stream, key, timeout, clock, searching=isinstance(where, SerialAddress))

    @property
    def gateway(self) -> str:
        """The gateway's identification, as it says; its module's word where the module's key was given."""
        return self._channel.gateway

    def close(self) -> None:
        """End the session. Closing twice does nothing."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        with contextlib.suppress(OSError):  # the other side may be gone, and then it knows
            stream.write(END)
        stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()

    # Who calls

    def authenticate_integrator(self, pin: str) -> None:
        """Show the Integrator-PIN (GWH, ch. 4 and 6). The gateway presents it to its module.

        :raises securitymodule.errors.WrongPin: if it is wrong, with the tries left; after the third the session ends.
        :raises securitymodule.errors.PinBlocked: if it has no tries left.
        :raises securitymodule.statements.StatementError: if it has not the digits of a PIN; nothing was sent.
        :raises LocalError: if nothing is on for who shows it.
        """
        self._ask(AUTHENTICATE_INTEGRATOR, {"pin": pad_pin(check_pin(pin))})

    def authenticate_configurator(self, party: Party) -> None:
        """Authenticate as Erstkonfigurator on behalf of the GWA (ch. 9), by a signature over this session.

        :raises NotAuthenticated: if the gateway does not believe the certificate or the signature.
        :raises LocalError: if nothing is on for who shows it.
        """
        signature = party.sign(configurator_statement(self._channel))
        told = {"certificate": to_base64(party.certificate_der), "signature": to_base64(signature)}
        self._ask(AUTHENTICATE_CONFIGURATOR, told)

    # What the GWH does (ch. 4, 6)

    def import_root(self, root: x509.Certificate) -> bool:
        """As :meth:`gateway.local_functions.LocalFunctions.import_root`."""
        return typing.cast(bool, self._call("import_root", root))

    def generate_preliminary_keys(self) -> bool:
        """As :meth:`gateway.local_functions.LocalFunctions.generate_preliminary_keys`."""
        return typing.cast(bool, self._call("generate_preliminary_keys"))

    def export_requests(self, environment: Environment) -> bytes:
        """As :meth:`gateway.local_functions.LocalFunctions.export_requests`."""
        return typing.cast(bytes, self._call("export_requests", environment))

    def import_seals(self, certificates: Sequence[x509.Certificate], sub_ca: x509.Certificate) -> bool:
        """As :meth:`gateway.local_functions.LocalFunctions.import_seals`."""
        return typing.cast(bool, self._call("import_seals", certificates, sub_ca))

    def import_initial_configuration(self, file: bytes) -> InitialConfiguration:
        """As :meth:`gateway.local_functions.LocalFunctions.import_initial_configuration`."""
        return typing.cast("InitialConfiguration", self._call("import_initial_configuration", file))

    # What the Erstkonfigurator does (ch. 9)

    def set_communication_parameters(self, parameters: CommunicationParameters) -> None:
        """As :meth:`gateway.local_functions.LocalFunctions.set_communication_parameters`."""
        self._call("set_communication_parameters", parameters)

    def test_connection(self) -> ConnectionReport:
        """As :meth:`gateway.local_functions.LocalFunctions.test_connection`."""
        return typing.cast("ConnectionReport", self._call("test_connection"))

    def _call(self, name: str, *arguments: Any) -> Any:
        call = CALLS[name]
        told = {
            parameter: to_plain(hint, value)
            for (parameter, hint), value in zip(call.parameters.items(), arguments, strict=True)
        }
        answer = self._ask(name, told)
        try:
            return from_plain(call.result, answer)
        except LocalProtocolError as error:
            raise self._over(str(error)) from None

    # The line

    def _greet(self, module_key: ec.EllipticCurvePublicKey | None) -> Channel:
        handshake = CallerHandshake()
        self._send(handshake.hello)
        answer = self._receive()
        try:
            told = decode_message(answer)
            if "error" not in told:
                channel = handshake.finish(answer, module_key)
                self._incoming.largest = LARGEST_FRAME
                return channel
            error = error_from_plain(members(told, "error")[0])
        except LocalProtocolError as wrong:
            raise self._over(str(wrong)) from None
        self.close()
        raise error

    def _ask(self, name: str, arguments: dict[str, Any]) -> Any:
        try:
            request = self._channel.protect({"call": name, "arguments": arguments})
        except LocalProtocolError as wrong:
            raise LocalError("protocol", f"{name} was not asked for: {wrong}") from None
        self._send(request)
        try:
            answer = self._channel.open(self._receive())
            if "error" not in answer:
                return members(answer, "result")[0]
            error = error_from_plain(members(answer, "error")[0])
        except LocalProtocolError as wrong:
            raise self._over(str(wrong)) from None
        raise error

    def _send(self, data: bytes) -> None:
        deadline = self._clock() + self._timeout
        while data:
            stream = self._open_stream()
            if not wait_for(stream, deadline - self._clock(), writing=True):
                raise self._over(f"could not be sent within {self._timeout:g} seconds")
            try:
                data = data[stream.write(data) :]
            except OSError:  # the gateway is gone; what it said before is still to be read
                return

    def _receive(self) -> bytes:
        deadline = self._clock() + self._timeout
        while True:
            try:
                frame = self._incoming.next_frame()
            except LocalProtocolError as wrong:
                raise self._over(str(wrong)) from None
            if frame == b"":
                raise self._over("the gateway ended the session")
            if frame is not None:
                return frame
            stream = self._open_stream()
            if not wait_for(stream, deadline - self._clock()):
                raise self._over(f"no answer within {self._timeout:g} seconds")
            received = stream.read()
            if received == b"":
                raise self._over("the gateway ended the connection")
            self._incoming.feed(received or b"")

    def _open_stream(self) -> Stream:
        if self._stream is None:
            raise LocalLineError("the session with the gateway is over; connect anew")
        return self._stream

    def _over(self, why: str) -> LocalLineError:
        """The error to raise; the session is over."""
        self.close()
        return LocalLineError(f"local interface: {why}")
