"""Another GWA, or other keys of the same (Wechsel des GWA): how they come into a module that is in operation.

The GWA whose keys are in the module has those of its successor imported, and proves itself to the module for it; so
nobody becomes the GWA of a gateway whom the one before has not let in. The module believes the certificates under its
root, as it believed those of the initial configuration file (ch. 6). The SIG key, by which it knows the GWA, comes
last: until then the one before can do it again, and afterwards the successor can.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cryptography import x509

from gateway.administration import Sign
from gateway.door import entry_point
from gateway.pki import triples
from gateway.pki.keys import ADMINISTRATOR, import_issued, import_sub_ca
from lifecycle.functions import Function, Interface
from lifecycle.gate import Gate
from lifecycle.roles import Role
from securitymodule.client import SecurityModule
from smpki.profiles import KeyUse, RequestType

_ORDER = (KeyUse.TLS, KeyUse.ENC, KeyUse.SIG)


class Succession:
    """Where a GWA lets its successor in."""

    def __init__(self, gate: Callable[[], Gate], module: Callable[[], SecurityModule]) -> None:
        """:param gate: the gate as it is now.
        :param module: the gateway's module, its secure channel open.
        """
        self._gate = gate
        self._module = module

    def gate(self) -> Gate:
        """The gate as it is now."""
        return self._gate()

    @entry_point(Role.GWA, Interface.WAN_ADMIN, Function.MANAGE_KEYS)
    def admit(self, certificates: Sequence[x509.Certificate], sub_ca: x509.Certificate, sign: Sign) -> bool:
        """Import a GWA's public keys in place of those that are there.

        :param certificates: TLS, SIG and ENC of one GWA.
        :param sub_ca: the certificate of the Sub-CA that issued them.
        :param sign: the signature of the GWA whose keys are in the module still.
        :returns: whether they were not there yet.
        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises CertificateRefused: if they are no triple of a GWA, or their root is not in the module.
        :raises CommandRefused: if the module does not take the signature for its GWA's, or does not believe one.
        """
        triple = triples.triple_of(certificates, RequestType.GWA)
        module = self._module()
        if triples.held_in(module, ADMINISTRATOR) == triple:
            return False
        module.authenticate_externally(sign)
        import_sub_ca(module, sub_ca)
        for use in _ORDER:
            import_issued(module, ADMINISTRATOR[use], triple[use])
        return True
