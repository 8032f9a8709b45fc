"""A CA in the same process: what :class:`smpki.client.CaClient` asks over the network, asked directly.

Stations know a CA only by :class:`CertificationAuthority`, and so work with either.
"""

from __future__ import annotations

from typing import Protocol

from cryptography import x509

from smpki.authority import Authority
from smpki.desk import Desk
from smpki.messages import Refused, ReturnCode
from smpki.profiles import RequestType
from smpki.requests import read_package


class CertificationAuthority(Protocol):
    """A CA, wherever it is."""

    def request_certificate(self, package: bytes, kind: RequestType) -> list[x509.Certificate]:
        """Have a package certified: the certificates in the order TLS, SIG, ENC (TR-03129-4 2.3.2).

        :raises Refused: if the CA does not do it.
        """

    def chain(self, issuer: x509.Name) -> list[x509.Certificate]:
        """The chain of a CA, the Root first (TR-03129-4 2.3.3). What comes back is not believed yet.

        :raises Refused: if the CA has another name.
        """

    def change_status(self, order: bytes) -> None:
        """Carry out a :class:`smpki.orders.StatusOrder` (TR-03129-4 2.3.5).

        :raises Refused: if the CA does not do it.
        """

    def hand_over(self, order: bytes) -> None:
        """Carry out a :class:`smpki.orders.AdminOrder` (TR-03129-4 2.3.7).

        :raises Refused: if the CA does not do it.
        """


class PublishingAuthority(CertificationAuthority, Protocol):
    """A CA that also says what it has issued (Verzeichnisdienst), and gives its CRL.

    TR-03129-4 has no message for either: certificates are in a directory, CRLs there for anybody. Ours.
    """

    def certificates(self, holder: str) -> list[x509.Certificate]:
        """Every certificate that the CA has issued to a holder, whatever became of it; the oldest generation first.

        :param holder: common name, such as ``EXXX0012345678.SMGW``.
        """

    def crls(self) -> list[x509.CertificateRevocationList]:
        """The CA's CRL in force, and the last one it has of every other CA. What comes back is not believed yet."""


class InProcessCa:
    """A CA that works in this process."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._desk = Desk(authority)

    def request_certificate(self, package: bytes, kind: RequestType) -> list[x509.Certificate]:
        """See :class:`CertificationAuthority`."""
        asked = read_package(package).request_type
        if asked is not kind:
            raise Refused(ReturnCode.FAILURE_UNAUTHORIZED_REQUEST, f"the package asks for {asked}, not {kind}")
        return self._authority.issue(package)

    def chain(self, issuer: x509.Name) -> list[x509.Certificate]:
        """See :class:`CertificationAuthority`."""
        if issuer != self._authority.certificate.subject:
            words = f"{issuer.rfc4514_string()} is not the CA that is asked"
            raise Refused(ReturnCode.FAILURE_CERT_NOT_AVAILABLE, words)
        return self._authority.chain()

    def change_status(self, order: bytes) -> None:
        """See :class:`CertificationAuthority`."""
        self._desk.obey(order)

    def hand_over(self, order: bytes) -> None:
        """See :class:`CertificationAuthority`."""
        self._desk.hand_over(order)

    def certificates(self, holder: str) -> list[x509.Certificate]:
        """See :class:`PublishingAuthority`."""
        return self._authority.issued_to(holder)

    def crls(self) -> list[x509.CertificateRevocationList]:
        """See :class:`PublishingAuthority`."""
        return self._authority.crls()
