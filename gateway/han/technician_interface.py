"""The technician's interface on the network (HAN, Servicetechniker): a port of its own that asks for a certificate.

It listens while the gate grants a Servicetechniker something, and is silent otherwise. Whoever shows no certificate, or
another than those that are pinned, gets no answer beyond the handshake.
"""

from __future__ import annotations

import hashlib
import ssl
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gateway.han import tls
from gateway.han.own_key import OwnCertificate
from gateway.han.protocol import Connections
from gateway.han.serving import Followed, FollowingInterface, HanAddressError, Serving
from gateway.han.technician_app import TechnicianLimits, TechnicianSite, create_app
from gateway.technician import TechnicianPort
from lifecycle.functions import Interface

PORT: Final = 8443
"""Where a Servicetechniker looks for it; ours."""


class TechnicianInterface(FollowingInterface):
    """The technician's interface of one gateway.

    It may be refreshed from any thread, and closed from any but a request's own.
    """

    def __init__(
        self,
        gateway: Followed,
        address: tuple[str, int],
        own: OwnCertificate,
        port: TechnicianPort,
        certificates: Sequence[x509.Certificate],
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        limits: TechnicianLimits | None = None,
    ) -> None:
        """It opens at once, if the gate wants it to, and there is anybody who may come.

        :param address: host and port; port 0 takes any that is free.
        :param own: key and certificate of the HAN interface.
        :param port: what a Servicetechniker is shown.
        :param certificates: those of Servicetechniker, each pinned by itself.
        :param clock: the time, UTC.
        :param monotonic: seconds that pass, never back.
        :raises HanAddressError: if it is to be open and the address cannot be had.
        """
        super().__init__(gateway, address, Interface.HAN_TECHNICIAN)
        self._own = own
        self._site = TechnicianSite(port, own.certificate, clock=clock, monotonic=monotonic, limits=limits)
        self._app = create_app(self._site)
        self._certificates = tuple(certificates)
        self._follow()

    def use(self, certificates: Sequence[x509.Certificate]) -> None:
        """Take other certificates in the place of those before; whoever is connected is cut, and connects again.

        :raises HanAddressError: if it is to be open and the address cannot be had.
        """
        with self._lock:
            if set(certificates) == set(self._certificates):
                return
            self._certificates = tuple(certificates)
            self._shut()
            self.refresh()

    def _has_somebody(self) -> bool:
        return bool(self._certificates)

    def _made(self) -> Serving:
        # Made anew each time: OpenSSL does not forget a certificate that a context has taken in, nor its sessions.
        try:
            context = tls.server_context(self._own, self._certificates)
        except OSError as error:  # of the standard library's TLS too
            raise HanAddressError(f"the key of the HAN interface {self._own.path} cannot be used: {error}") from None
        context.verify_mode = ssl.CERT_REQUIRED
        pinned = frozenset(one.fingerprint(hashes.SHA256()) for one in self._certificates)

        def admits(certificate: bytes | None) -> bool:
            # The handshake lets in who is certified by a pinned certificate too; only the certificate itself is meant.
            return certificate is not None and hashlib.sha256(certificate).digest() in pinned

        limits = self._site.limits
        connections = Connections(limits.connections, limits.connections_each)
        return Serving(self._app, context, self._asked_for, connections, name="technician's interface", admits=admits)
