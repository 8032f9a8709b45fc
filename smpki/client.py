"""Asks a CA's web service: the other end of :mod:`smpki.service`.

One connection a message. What a CA does not do comes back as :class:`smpki.messages.Refused`, with its code.
"""

from __future__ import annotations

import base64
import binascii
import http.client
import json
import ssl
from typing import Any, Final
from urllib.parse import quote, urlsplit

from cryptography import x509

from smpki.errors import SmPkiError
from smpki.messages import CallbackIndicator, Message, Refused, ReturnCode
from smpki.path_errors import read_certificate
from smpki.profiles import RequestType

TIMEOUT: Final = 30.0
"""How long a CA may take, seconds; ours."""
LARGEST_ANSWER: Final = 16 * 1024 * 1024
"""Largest answer read, bytes; ours."""


class ServiceError(SmPkiError):
    """The service cannot be reached, or what it answers cannot be read."""


class CaClient:
    """A CA, over the network.

    :param url: such as ``https://ca.example:8443``.
    :param context: of :func:`smpki.tls.client_context`, with the caller's TLS certificate.
    :raises ServiceError: if the URL is none.
    """

    def __init__(self, url: str, context: ssl.SSLContext, timeout: float = TIMEOUT) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise ServiceError(f"{url!r} is no address of a CA's service, such as https://ca.example:8443")
        self._host, self._port = parts.hostname, parts.port or 443
        self._context = context
        self._timeout = timeout

    def request_certificate(self, package: bytes, kind: RequestType) -> list[x509.Certificate]:
        """Have a package certified (TR-03129-4 2.3.2).

        :raises Refused: if the CA does not do it.
        :raises ServiceError: if it cannot be reached.
        """
        given = {"certReq": _encoded(package), "certType": kind}
        return self._certificates(self._ask(Message.REQUEST_CERTIFICATE, given | _NO_CALLBACK))

    def chain(self, issuer: x509.Name) -> list[x509.Certificate]:
        """The chain of a CA, the Root first (TR-03129-4 2.3.3). What comes back is not believed yet.

        :param issuer: as it stands in a certificate to be checked.
        :raises Refused: if the CA has another name.
        :raises ServiceError: if it cannot be reached.
        """
        given = {"certReference": issuer.rfc4514_string()}
        return self._certificates(self._ask(Message.GET_CERTIFICATE_CHAIN, given | _NO_CALLBACK))

    def change_status(self, order: bytes) -> None:
        """Send a :class:`smpki.orders.StatusOrder` (TR-03129-4 2.3.5).

        :raises Refused: if the CA does not do it.
        :raises ServiceError: if it cannot be reached.
        """
        self._ask(Message.CERTIFICATE_REVOCATION_REQUEST, {"certRevReq": _encoded(order)} | _NO_CALLBACK)

    def hand_over(self, order: bytes) -> None:
        """Send a :class:`smpki.orders.AdminOrder` (TR-03129-4 2.3.7).

        :raises Refused: if the CA does not do it.
        :raises ServiceError: if it cannot be reached.
        """
        self._ask(Message.UPDATE_DEVICE_ADMIN, {"updDevAdminReq": _encoded(order)} | _NO_CALLBACK)

    def tell(self, caller: str, message_id: str, subject: str, body: str) -> None:
        """Send a message for a person to read (TR-03129-4 2.3.1).

        :param caller: the caller's common name.
        :raises Refused: if the CA does not take it.
        :raises ServiceError: if it cannot be reached.
        """
        given = {"callerID": caller, "messageID": message_id, "subject": subject, "body": body}
        self._ask(Message.GENERAL_MESSAGE, given)

    def check_status(self, message_id: str) -> None:
        """Whether the CA is at work (TR-03129-4 2.3.6).

        :raises Refused: if it is not.
        :raises ServiceError: if it cannot be reached.
        """
        self._ask(Message.GET_SERVICE_STATUS, {"messageID": message_id})

    def certificates(self, holder: str) -> list[x509.Certificate]:
        """Every certificate that the CA has issued to a holder, whatever became of it; the oldest generation first.

        :param holder: common name, such as ``EXXX0012345678.SMGW``.
        :raises Refused: if the CA does not say.
        :raises ServiceError: if it cannot be reached.
        """
        return self._certificates(self._exchange("GET", f"/directory/certificates/{quote(holder, safe='')}"))

    def crls(self) -> list[x509.CertificateRevocationList]:
        """The CA's CRL in force, and the last one it has of every other CA. What comes back is not believed yet.

        :raises Refused: if the CA does not say.
        :raises ServiceError: if it cannot be reached.
        """
        told = self._exchange("GET", "/directory/crls")
        try:
            return [x509.load_der_x509_crl(base64.b64decode(text, validate=True)) for text in told["crlSeq"]]
        except (KeyError, TypeError, ValueError) as error:
            raise ServiceError("the CA's answer holds no CRLs that can be read") from error

    def _ask(self, message: Message, given: dict[str, str]) -> dict[str, Any]:
        return self._exchange("POST", f"/smpki/{message}", json.dumps(given))

    def _exchange(self, method: str, path: str, given: str | None = None) -> dict[str, Any]:
        connection = http.client.HTTPSConnection(self._host, self._port, context=self._context, timeout=self._timeout)
        what = path.rpartition("/")[2]
        try:
            connection.request(method, path, given, {"Content-Type": "application/json"} if given is not None else {})
            response = connection.getresponse()
            body = response.read(LARGEST_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            raise ServiceError(f"{self._host}:{self._port} does not answer {what}: {error}") from error
        finally:
            connection.close()
        try:
            told: dict[str, Any] = json.loads(body)
            code = ReturnCode(told["returnCode"])
        except (ValueError, KeyError, TypeError) as error:
            raise ServiceError(f"{self._host}:{self._port} answers {what} with {response.status} only") from error
        if not code.is_ok:
            raise Refused(code, str(told.get("returnCodeMessage") or code))
        return told

    @staticmethod
    def _certificates(told: dict[str, Any]) -> list[x509.Certificate]:
        try:
            return [read_certificate(base64.b64decode(text, validate=True)) for text in told["certificateSeq"]]
        except (KeyError, TypeError, binascii.Error, ValueError) as error:
            raise ServiceError("the CA's answer holds no certificates that can be read") from error


_NO_CALLBACK: Final = {"callbackIndicator": str(CallbackIndicator.NOT_POSSIBLE)}


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
