"""Vorpersonalisierung I (ch. 4): root, preliminary pairs and seal certificates come into the module.

The steps are the same whether module and gateway are apart or assembled; only the way to the module differs. Apart, the
manufacturer (GWH) touches its contacts: :class:`ModuleContacts`. Assembled, it comes over the local interface
(:mod:`gateway.local_functions`). Each step does what is missing and nothing else, so one that was cut short is taken up
by doing it again. With the last seal certificate the module goes to the state that this makes it ready for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cryptography import x509

from gateway.door import entry_point
from gateway.pki import triples
from gateway.pki.keys import PRELIMINARY, CertificateRefused, der_of, import_sub_ca
from lifecycle.functions import Function, Interface
from lifecycle.gate import Gate
from lifecycle.roles import Role
from securitymodule.client import SecurityModule
from securitymodule.coding import KeyRef, ModuleState
from smpki.names import Environment
from smpki.profiles import RequestType

_NEXT_STATE = {
    ModuleState.INITIALISED: ModuleState.PREPERSONALISED,
    ModuleState.INTEGRATED: ModuleState.READY,
}
"""Where the module goes once it has its seal: apart from a gateway, and in one."""


def import_root(module: SecurityModule, root: x509.Certificate) -> bool:
    """Import the SM-PKI root certificate (SM-PKI-Root-Zertifikat).

    :returns: whether it was not there yet.
    :raises CertificateRefused: if another root is there.
    :raises CommandRefused: if the module does not take it.
    """
    held = module.certificate(KeyRef.ROOT)
    if held is not None:
        if held != der_of(root):
            raise CertificateRefused("another root certificate is in the module already; it takes one, once")
        return False
    module.import_root(der_of(root))
    return True


def generate_preliminary_keys(module: SecurityModule) -> bool:
    """Generate the preliminary pairs (vorläufige Schlüsselpaare), those that are missing.

    :returns: whether any was missing.
    :raises CommandRefused: if the module does not do it.
    """
    return triples.make_keys(module, PRELIMINARY)


def request_seals(module: SecurityModule, gateway: str, environment: Environment) -> bytes:
    """The request for the seal certificates (Gütesiegelzertifikate): a package SMGW-G that the GWH has to authorise.

    :raises KeyStoreError: if the preliminary pairs are not all there.
    :raises CertificateRefused: if the seal certificates are there already.
    :raises CommandRefused: if the module does not sign.
    """
    return triples.request(module, PRELIMINARY, RequestType.SMGW_G, gateway, environment)


def import_seals(
    module: SecurityModule,
    certificates: Sequence[x509.Certificate],
    sub_ca: x509.Certificate,
    *,
    gateway: str | None = None,
) -> bool:
    """Import the seal certificates, and have the module go on to the state that it is ready for then.

    :param certificates: TLS, SIG and ENC.
    :param sub_ca: the certificate of the Sub-CA that issued them.
    :param gateway: whose they are to be; ``None`` for anybody's.
    :returns: whether anything was left to do.
    :raises CertificateRefused: if they are no such triple, another gateway's, or not for the keys in the module.
    :raises CommandRefused: if the module does not believe one of them.
    """
    seals = triples.triple_of(certificates, RequestType.SMGW_G, gateway)
    if not triples.fits_keys(module, PRELIMINARY, seals):
        raise CertificateRefused("the seal certificates are not for the preliminary keys in the module")
    done = False
    if triples.held_in(module, PRELIMINARY) != seals:
        import_sub_ca(module, sub_ca)
        done = triples.import_triple(module, PRELIMINARY, seals)
    return complete_preparation(module) or done


def complete_preparation(module: SecurityModule) -> bool:
    """Have a module with its root and its seal go on, where a step that was cut short left it behind.

    :returns: whether it went on.
    :raises CommandRefused: if the module does not do it.
    """
    following = _NEXT_STATE.get(module.information().state)
    if following is None or module.certificate(KeyRef.ROOT) is None or not triples.has_triple(module, PRELIMINARY):
        return False
    module.activate(following)
    return True


class ModuleContacts:
    """The contacts of a module that is in no gateway yet: where the GWH prepares it directly (ch. 4)."""

    def __init__(self, gate: Callable[[], Gate], module: SecurityModule, gateway: str) -> None:
        """:param gate: the gate of the gateway that the module is meant for, as it is now.
        :param module: its secure channel open, with the transport PIN.
        :param gateway: identification of that gateway, DIN 43863-5.
        """
        self._gate = gate
        self._module = module
        self._gateway = gateway

    def gate(self) -> Gate:
        """The gate as it is now."""
        return self._gate()

    @entry_point(Role.GWH, Interface.SM_DIRECT, Function.IMPORT_ROOT_CERTIFICATE)
    def import_root(self, root: x509.Certificate) -> bool:
        """See :func:`import_root`.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        return import_root(self._module, root)

    @entry_point(Role.GWH, Interface.SM_DIRECT, Function.GENERATE_PRELIMINARY_KEYS)
    def generate_preliminary_keys(self) -> bool:
        """See :func:`generate_preliminary_keys`.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        return generate_preliminary_keys(self._module)

    @entry_point(Role.GWH, Interface.SM_DIRECT, Function.EXPORT_PUBLIC_KEYS)
    def request_seals(self, environment: Environment) -> bytes:
        """See :func:`request_seals`.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        return request_seals(self._module, self._gateway, environment)

    @entry_point(Role.GWH, Interface.SM_DIRECT, Function.IMPORT_SEAL_CERTIFICATES)
    def import_seals(self, certificates: Sequence[x509.Certificate], sub_ca: x509.Certificate) -> bool:
        """See :func:`import_seals`.

        :raises lifecycle.gate.Closed: if the gate is shut for it.
        """
        return import_seals(self._module, certificates, sub_ca, gateway=self._gateway)
