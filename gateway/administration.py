"""What the administrator (GWA) has the gateway do over the WAN that concerns its keys: certificates, the module's end.

Being let in at the gate is one thing; for everything that changes the module the GWA also proves itself to the module,
each time anew: it signs a message of the module's (*sign*: the plain signature r || s, ECDSA with SHA-256, of the GWA's
SIG key). Every operation that was cut short is done again from the start and goes on where it was.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from gateway.door import entry_point
from gateway.firmware import kept_firmware, replace_firmware
from gateway.pki import triples
from gateway.pki.administrator import administrator_in
from gateway.pki.certificates import Certificates, HeldCertificate
from gateway.pki.keys import OPERATIONAL_PLACES, PRELIMINARY, CertificateRefused, ModuleSigningKey, import_sub_ca
from lifecycle.functions import Function, Interface
from lifecycle.gate import Gate
from lifecycle.law import Standing
from lifecycle.roles import Role
from lifecycle.states import State
from securitymodule.client import SecurityModule
from securitymodule.coding import KeyRef, ModuleState
from smpki.names import PkiName
from smpki.profiles import KeyUse, RequestType
from smpki.requests import sign_package
from smpki.signed import Signer

Sign = Callable[[bytes], bytes]
"""The GWA's plain signature (r || s, ECDSA with SHA-256) over a message."""


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """What the gateway says of itself to its GWA.

    :ivar gateway: identification, DIN 43863-5.
    :ivar state: where it is in its life.
    :ivar faults: names of the open faults.
    :ivar module: the module's serial number.
    :ivar module_state: where the module is in its life.
    :ivar administrator: common name of the GWA whose keys are in the module, ``None`` where there is none.
    :ivar certificates: the triple in use.
    :ivar ends: when the first of them ends, UTC.
    :ivar renewal_due: whether they are to be renewed.
    """

    gateway: str
    state: State
    faults: tuple[str, ...]
    module: str
    module_state: ModuleState
    administrator: str | None
    certificates: Mapping[KeyUse, HeldCertificate]
    ends: datetime | None
    renewal_due: bool


class Administration:
    """The functions of the administrator's channel that concern the gateway's keys."""

    def __init__(
        self,
        gateway: str,
        gate: Callable[[], Gate],
        module: Callable[[], SecurityModule],
        *,
        standing: Callable[[], Standing],
        clock: Callable[[], datetime],
        let_go: Callable[[], None],
        renewed: Callable[[x509.Certificate | None], None] | None = None,
        keep_seal: Callable[[x509.Certificate], object] | None = None,
    ) -> None:
        """:param gateway: identification, DIN 43863-5.
        :param gate: the gate as it is now.
        :param module: the gateway's module, its secure channel open where it has one.
        :param standing: where the gateway stands.
        :param clock: the time, UTC.
        :param let_go: lets the module go, so that it is opened anew.
        :param renewed: told when other certificates may be in the module, with that of the Sub-CA that issued them.
        :param keep_seal: keeps the seal's certificate (Gütesiegelzertifikat), which operational ones take the place of.
        """
        self._gateway = gateway
        self._gate = gate
        self._module = module
        self._standing = standing
        self._clock = clock
        self._let_go = let_go
        self._renewed = renewed
        self._keep_seal = keep_seal
        self._certificates = Certificates(module)
        self._one_at_a_time = threading.Lock()

    def gate(self) -> Gate:
        """The gate as it is now."""
        return self._gate()

    @entry_point(Role.GWA, Interface.WAN_ADMIN, Function.READ_STATUS)
    def status(self) -> GatewayStatus:
        """What the gateway says of itself.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises securitymodule.errors.ModuleError: if the module cannot be asked.
        """
        standing, module = self._standing(), self._module()
        information = module.information()
        terminated = information.state is ModuleState.TERMINATED
        administrator = None if terminated else administrator_in(module)
        current = {} if terminated else self._certificates.current()
        return GatewayStatus(
            gateway=self._gateway,
            state=standing.state,
            faults=tuple(fault.name for fault in standing.evidence.faults),
            module=information.serial,
            module_state=information.state,
            administrator=None if administrator is None else administrator.common_name,
            certificates=current,
            ends=triples.earliest_end(found.certificate for found in current.values()),
            renewal_due=not terminated and self._certificates.renewal_due(self._clock()),
        )

    # The first operational certificates: Personalisierung (ch. 10)

    @entry_point(Role.GWA, Interface.WAN_ADMIN, Function.INSTALL_OPERATIONAL_CERTIFICATES)
    def request_operational(self, sign: Sign) -> bytes:
        """Make the operational keys and ask for their certificates (Wirkzertifikate).

        :returns: a package SMGW-W, signed with the preliminary SIG key; the GWA has to authorise it. Asked again before
            the certificates are installed, it is for the same keys.
        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises CertificateRefused: if the module is not in the state for it, or the certificates are there already.
        :raises CommandRefused: if the module does not take the GWA for the one it knows.
        """
        with self._proven(sign, ModuleState.READY) as module:
            if any(triples.has_triple(module, places) for places in OPERATIONAL_PLACES):
                words = "the operational certificates are in the module already; installing them goes on"
                raise CertificateRefused(words)
            return self._request(module)

    @entry_point(Role.GWA, Interface.WAN_ADMIN, Function.INSTALL_OPERATIONAL_CERTIFICATES)
    def install_operational(
        self, certificates: Sequence[x509.Certificate], sub_ca: x509.Certificate, sign: Sign
    ) -> None:
        """Import the operational certificates, have the module become operational, erase the preliminary triple.

        :param certificates: TLS, SIG and ENC.
        :param sub_ca: the certificate of the Sub-CA that issued them.
        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises CertificateRefused: if they are no such triple, another gateway's, or not for keys in the module.
        :raises CommandRefused: if the module does not take the GWA for the one it knows, or does not believe one.
        """
        with self._proven(sign, ModuleState.READY, ModuleState.OPERATIONAL) as module:
            self._install(module, certificates, sub_ca)
            if module.information().state is ModuleState.READY:
                module.activate(ModuleState.OPERATIONAL)
            for key in PRELIMINARY.values():
                if module.public_key(key) is not None:
                    module.delete_key(key)

    # The following ones (ch. 11)

    @entry_point(Role.GWA, Interface.WAN_ADMIN, Function.INSTALL_OPERATIONAL_CERTIFICATES)
    def request_renewal(self, sign: Sign) -> bytes:
        """Make keys in the place that is free and ask for the next certificates.

        :returns: a package SMGW-W, signed with the current SIG key; the GWA has to authorise it. Asked again before the
            certificates are installed, it is for the same keys.
        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises CertificateRefused: if the module is not operational, or the triple before has not been retired.
        :raises CommandRefused: if the module does not take the GWA for the one it knows.
        """
        with self._proven(sign, ModuleState.OPERATIONAL) as module:
            if self._retired(module):
                raise CertificateRefused("the triple before the one in use is in the module still: it is retired first")
            return self._request(module)

    @entry_point(Role.GWA, Interface.WAN_ADMIN, Function.INSTALL_OPERATIONAL_CERTIFICATES)
    def install_renewal(self, certificates: Sequence[x509.Certificate], sub_ca: x509.Certificate, sign: Sign) -> None:
        """Import the next certificates, which are in use then. The triple before stays until :meth:`retire_old`.

        :param certificates: TLS, SIG and ENC.
        :param sub_ca: the certificate of the Sub-CA that issued them.
        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises CertificateRefused: if the module is not operational, or as :meth:`install_operational`.
        :raises CommandRefused: as :meth:`install_operational`.
        """
        with self._proven(sign, ModuleState.OPERATIONAL) as module:
            self._install(module, certificates, sub_ca)

    @entry_point(Role.GWA, Interface.WAN_ADMIN, Function.INSTALL_OPERATIONAL_CERTIFICATES)
    def retire_old(self, sign: Sign) -> bool:
        """Erase the triple before the one in use, or what is left of it. What was asked for meanwhile stays.

        :returns: whether there was any.
        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises CertificateRefused: if the module is not operational.
        :raises CommandRefused: if the module does not take the GWA for the one it knows.
        """
        with self._proven(sign, ModuleState.OPERATIONAL) as module:
            old = self._retired(module)
            for key in old:
                module.delete_key(key)
            return bool(old)

    @entry_point(Role.GWA, Interface.WAN_ADMIN, Function.UPDATE_FIRMWARE)
    def admit_firmware(self, digest: bytes, sign: Sign) -> bool:
        """Have the module know the software that the gateway runs from its next start on (Firmware-Update, ch. 11).

        :param digest: its hash, as :func:`gateway.firmware.digest_of` gives it.
        :returns: whether it is another than the module knew.
        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises ValueError: if it is no hash.
        :raises CertificateRefused: if the module is not operational.
        :raises CommandRefused: if the module does not take the GWA for the one it knows.
        """
        with self._proven(sign, ModuleState.OPERATIONAL) as module:
            if kept_firmware(module) == digest:
                return False
            replace_firmware(module, digest)
            return True

    @entry_point(Role.GWA, Interface.WAN_ADMIN, Function.TERMINATE_MODULE)
    def terminate_module(self, sign: Sign) -> None:
        """End the module's life, for good: keys and PINs are erased (ch. 11). Done again, it does nothing.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises CommandRefused: if the module does not take the GWA for the one it knows.
        """
        if self._module().information().state is ModuleState.TERMINATED:
            return
        with self._proven(sign, *ModuleState) as module:
            module.terminate()
            self._let_go()

    @contextmanager
    def _proven(self, sign: Sign, *states: ModuleState) -> Iterator[SecurityModule]:
        """The module, in one of these states, the GWA proven to it; one operation at a time.

        :raises CertificateRefused: if it is in another state.
        :raises CommandRefused: if the signature is not its GWA's.
        """
        with self._one_at_a_time:
            module = self._module()
            state = module.information().state
            if state not in states:
                wanted = " or ".join(wanted.name for wanted in states)
                raise CertificateRefused(f"this takes a module that is {wanted}, and it is {state.name}")
            module.authenticate_externally(sign)
            try:
                yield module
            finally:
                self._tell_renewed(None)

    def _tell_renewed(self, sub_ca: x509.Certificate | None) -> None:
        if self._renewed is not None:
            self._renewed(sub_ca)

    def _retired(self, module: SecurityModule) -> list[KeyRef]:
        """Keys of certificates that are older than those in use, in the place that is not."""
        in_use = triples.number_of(self._certificates.current()[KeyUse.SIG].certificate)
        places = self._certificates.free_place()
        held = triples.held_in(module, places)
        return [places[use] for use, certificate in held.items() if triples.number_of(certificate) < in_use]

    def _request(self, module: SecurityModule) -> bytes:
        current = self._certificates.current()
        if not current:
            raise CertificateRefused("the gateway has no certificates yet, and so nothing to sign a request with")
        signing = current[KeyUse.SIG]
        if not signing.operational and self._keep_seal is not None:
            self._keep_seal(signing.certificate)
        places = self._certificates.free_place()
        triples.make_keys(module, places)
        environment = PkiName.of(signing.certificate.subject).environment
        package = triples.request(module, places, RequestType.SMGW_W, self._gateway, environment)
        signer = Signer(signing.certificate, ModuleSigningKey(module, signing.key))
        return sign_package(package, signer, self._clock())

    def _install(
        self, module: SecurityModule, certificates: Sequence[x509.Certificate], sub_ca: x509.Certificate
    ) -> None:
        triple = triples.triple_of(certificates, RequestType.SMGW_W, self._gateway)
        places = next((places for places in OPERATIONAL_PLACES if triples.fits_keys(module, places, triple)), None)
        if places is None:
            raise CertificateRefused("the certificates are not for operational keys that are in the module")
        if triples.held_in(module, places) != triple:
            import_sub_ca(module, sub_ca)
            triples.import_triple(module, places, triple)
        self._tell_renewed(sub_ca)
