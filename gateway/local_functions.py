"""What a gateway does for who stands before it (lokale Schnittstelle): Integrator and Erstkonfigurator.

The integrator (GWH) prepares the module of an assembled gateway (ch. 4) and brings the GWA's initial configuration file
(ch. 6), each with the Integrator-PIN, which the module itself checks: it is presented once a session, before the rest.
The Erstkonfigurator sets the communication parameters (ch. 9). Over which line they come is not known here.

The initial configuration file is verified twice. First in software, against the root that is in the module: so most of
what is wrong is found while nothing has happened yet, and is said in words. Then by the module, whose word counts: it
imports the Sub-CA under its root, verifies the GWA's certificates under that, and the file's signature with the GWA's
SIG key. With the third of the GWA's keys the module is the GWA's, and the Integrator-PIN opens it no more. So the file
is put down before the first key goes in, and an import that was cut short is finished from there, without a PIN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from cryptography import x509

from gateway.configuration import (
    AlreadyConfigured,
    CommunicationParameters,
    ConfigurationError,
    InitialConfiguration,
    read_initial,
)
from gateway.configuration_folder import ConfigurationFolder
from gateway.door import entry_point
from gateway.module import DeviceError
from gateway.pki import preparation
from gateway.pki.administrator import admit_administrator, check_initial, holds_administrator
from gateway.reaching import Connect, ConnectionReport, connect_tcp, try_connection, way_to_administrator
from lifecycle.functions import Function, Interface
from lifecycle.gate import Gate
from lifecycle.roles import Role
from securitymodule.client import SecurityModule
from smpki.names import Environment


class IntegratorPinMissing(DeviceError):
    """The Integrator-PIN has not been presented in this session."""

    def __init__(self) -> None:
        super().__init__("the Integrator-PIN has not been presented in this session, and this takes it (ch. 4, 6)")


class IntegratorPinUseless(DeviceError):
    """The Integrator-PIN opens nothing any more: the module is the GWA's."""

    def __init__(self) -> None:
        super().__init__("the Integrator-PIN opens nothing any more: the GWA's public keys are in the module (ch. 6)")


class LocalFunctions:
    """The functions at the local interface."""

    def __init__(
        self,
        gateway: str,
        gate: Callable[[], Gate],
        module: Callable[[], SecurityModule],
        folder: ConfigurationFolder,
        *,
        clock: Callable[[], datetime],
        forget: Callable[[], None],
        connect: Connect = connect_tcp,
    ) -> None:
        """:param gateway: identification, DIN 43863-5.
        :param gate: the gate as it is now.
        :param module: the gateway's module, its secure channel open.
        :param folder: where the configuration is kept.
        :param clock: the time, UTC.
        :param forget: makes the secure channel anew, so that what a PIN opened is shut.
        :param connect: how a connection test connects.
        """
        self._gateway = gateway
        self._gate = gate
        self._module = module
        self._folder = folder
        self._clock = clock
        self._forget = forget
        self._connect = connect

    def gate(self) -> Gate:
        """The gate as it is now."""
        return self._gate()

    # The session: whose PIN was presented

    def present_integrator_pin(self, pin: str) -> None:
        """Present the Integrator-PIN; it holds until :meth:`end_session`. The module checks it.

        An import of the initial configuration file that was cut short after the last key went in is finished here.

        :raises securitymodule.errors.WrongPin: if it is wrong, with the tries left.
        :raises securitymodule.errors.PinBlocked: if it has none.
        :raises IntegratorPinUseless: if the module is the GWA's already.
        :raises securitymodule.statements.StatementError: if it has not the digits of a PIN; that costs no try.
        """
        module = self._module()
        if holds_administrator(module):
            self._finish_cut_short(module)
            raise IntegratorPinUseless
        module.verify_pin(pin)

    @property
    def integrator_present(self) -> bool:
        """Whether the Integrator-PIN has been presented in this session."""
        return self._module().pin_tries() is None

    def end_session(self) -> None:
        """Whoever presented a PIN is gone: it has to be presented again."""
        self._forget()

    # The integrator: Vorpersonalisierung I, assembled (ch. 4)

    @entry_point(Role.GWH, Interface.LOCAL, Function.IMPORT_ROOT_CERTIFICATE)
    def import_root(self, root: x509.Certificate) -> bool:
        """See :func:`gateway.pki.preparation.import_root`.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises IntegratorPinMissing: if the Integrator-PIN has not been presented.
        """
        return preparation.import_root(self._opened(), root)

    @entry_point(Role.GWH, Interface.LOCAL, Function.GENERATE_PRELIMINARY_KEYS)
    def generate_preliminary_keys(self) -> bool:
        """See :func:`gateway.pki.preparation.generate_preliminary_keys`.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises IntegratorPinMissing: if the Integrator-PIN has not been presented.
        """
        return preparation.generate_preliminary_keys(self._opened())

    @entry_point(Role.GWH, Interface.LOCAL, Function.EXPORT_PUBLIC_KEYS)
    def export_requests(self, environment: Environment) -> bytes:
        """See :func:`gateway.pki.preparation.request_seals`.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises IntegratorPinMissing: if the Integrator-PIN has not been presented.
        """
        return preparation.request_seals(self._opened(), self._gateway, environment)

    @entry_point(Role.GWH, Interface.LOCAL, Function.IMPORT_SEAL_CERTIFICATES)
    def import_seals(self, certificates: Sequence[x509.Certificate], sub_ca: x509.Certificate) -> bool:
        """See :func:`gateway.pki.preparation.import_seals`.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises IntegratorPinMissing: if the Integrator-PIN has not been presented.
        """
        return preparation.import_seals(self._opened(), certificates, sub_ca, gateway=self._gateway)

    # The integrator: Vorpersonalisierung II (ch. 6)

    @entry_point(Role.GWH, Interface.LOCAL, Function.IMPORT_INITIAL_CONFIGURATION)
    def import_initial_configuration(self, file: bytes) -> InitialConfiguration:
        """Take the initial configuration file: verify it, import the GWA's keys, keep it. Once, for good.

        A file that is refused leaves nothing behind. One whose import was cut short is given again.

        :returns: what it says.
        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises AlreadyConfigured: if one was imported before.
        :raises ConfigurationError: if it is none, for another gateway, not in force, or not verified.
        :raises IntegratorPinMissing: if the Integrator-PIN has not been presented.
        :raises securitymodule.errors.ModuleError: if the module does not do its part.
        """
        if self._folder.initial() is not None:
            raise AlreadyConfigured("an initial configuration file was imported before; it takes one, once (ch. 6)")
        module = self._module()
        if self._finish_cut_short(module, file):
            return read_initial(file)[0]
        self._opened()
        configuration, message = read_initial(file)
        if configuration.gateway != self._gateway:
            raise ConfigurationError(f"the file is for {configuration.gateway}, and this is {self._gateway}")
        check_initial(module, configuration, message, self._clock())
        preparation.complete_preparation(module)
        self._folder.begin(file)
        try:
            admit_administrator(module, configuration, message)
        except ConfigurationError:
            self._folder.give_up()
            raise
        self._folder.finish()
        return configuration

    # The Erstkonfigurator (ch. 9)

    @entry_point(Role.ERSTKONFIGURATOR, Interface.LOCAL, Function.SET_COMMUNICATION_PARAMETERS)
    def set_communication_parameters(self, parameters: CommunicationParameters) -> None:
        """Keep communication parameters, in place of those before. Durable when this returns.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises ConfigurationError: if they cannot be written.
        """
        self._folder.set_communication(parameters)

    @entry_point(Role.ERSTKONFIGURATOR, Interface.LOCAL, Function.TEST_CONNECTION)
    def test_connection(self) -> ConnectionReport:
        """Try to reach the GWA, or the proxy on the way, over TCP; nothing is sent.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises ConfigurationError: if nothing says where the GWA is.
        """
        host, port = way_to_administrator(self._folder)
        return try_connection(host, port, self._connect)

    def _opened(self) -> SecurityModule:
        """The module, the Integrator-PIN presented to it.

        :raises IntegratorPinMissing: if it was not.
        """
        module = self._module()
        if module.pin_tries() is not None:
            raise IntegratorPinMissing
        return module

    def _finish_cut_short(self, module: SecurityModule, file: bytes | None = None) -> bool:
        """Keep a file whose keys are all in the module and that was put down before they went in.

        :param file: only if it is this one; ``None`` for whichever it is.
        :returns: whether there was one.
        :raises ConfigurationError: if the module does not verify its signature (any more).
        """
        pending = self._folder.pending()
        if pending is None or (file is not None and file != pending):
            return False
        configuration, message = read_initial(pending)
        if not holds_administrator(module, configuration):
            return False
        admit_administrator(module, configuration, message)
        self._folder.finish()
        return True
