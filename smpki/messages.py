"""The messages of TR-03129-4: what goes to and fro, and the codes that come back.

The guideline describes messages abstractly (ch. 2.2 and 2.3) and recommends SOAP; its WSDL is a separate file that is
not public here. So the parameters and codes are its own, and the binding is ours: JSON over HTTP with mutual TLS
(:mod:`smpki.service`), in which requests travel as CMS in Base64. Everything is processed synchronously.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from smpki.errors import SmPkiError

LONGEST_CODE_MESSAGE: Final = 1024
"""Longest returnCodeMessage, bytes (TR-03129-4 2.2.1)."""


@unique
class ReturnCode(StrEnum):
    """A returnCode or statusInfo (TR-03129-4 2.2.2)."""

    OK_SYNTAX = "ok_syntax"
    """Received; what comes of it is sent later. Not used here, where everything is synchronous."""
    OK_RECEIVED_CORRECTLY = "ok_received_correctly"
    """Received and done; there is nothing to send back."""
    OK_CERT_AVAILABLE = "ok_cert_available"
    """Done; certificates come with it."""
    FAILURE_SYNTAX = "failure_syntax"
    """The message itself cannot be read."""
    FAILURE_INCORRECT_REQUEST = "failure_incorrect_request"
    """The request in the message is not formed as it must be."""
    FAILURE_SYNCHRONOUS_PROCESSING_NOT_POSSIBLE = "failure_synchronous_processing_not_possible"
    """An answer at once was asked for and cannot be given."""
    FAILURE_MESSAGE_ID_UNKNOWN = "failure_messageID_unknown"
    """An answer to something that was never asked."""
    FAILURE_OTHER_ERROR = "failure_other_error"
    """Anything that has no code of its own."""
    FAILURE_INTERNAL_ERROR = "failure_internal_error"
    """The receiver broke down."""
    FAILURE_INNER_SIGNATURE = "failure_inner_signature"
    """A request was not signed with the key that it asks a certificate for."""
    FAILURE_OUTER_SIGNATURE = "failure_outer_signature"
    """The package was not signed with the requester's current key."""
    FAILURE_AUTHORIZATION_SIGNATURE = "failure_authorization_signature"
    """The package was not signed by who has to authorise it."""
    FAILURE_REQUEST_NOT_ACCEPTED = "failure_request_not_accepted"
    """All is in order, but the CA does not do it."""
    FAILURE_UNAUTHORIZED_REQUEST = "failure_unauthorized_request"
    """That type of certificate is not for that requester."""
    FAILURE_DOMAIN_PARAMETERS = "failure_domain_parameters"
    """A curve or algorithm that the policy does not have."""
    FAILURE_CERT_NOT_AVAILABLE = "failure_cert_not_available"
    """All is in order, but there is no such certificate."""

    @property
    def is_ok(self) -> bool:
        """Whether what was asked for has been done."""
        return self.value.startswith("ok_")


@unique
class Message(StrEnum):
    """A message (TR-03129-4 2.3), as it stands in the address of our service."""

    GENERAL_MESSAGE = "GeneralMessage"
    REQUEST_CERTIFICATE = "RequestCertificate"
    GET_CERTIFICATE_CHAIN = "GetCertificateChain"
    SEND_CERTIFICATES = "SendCertificates"
    CERTIFICATE_REVOCATION_REQUEST = "CertificateRevocationRequest"
    GET_SERVICE_STATUS = "GetServiceStatus"
    UPDATE_DEVICE_ADMIN = "UpdateDeviceAdmin"

    @property
    def codes(self) -> frozenset[ReturnCode]:
        """The codes that may answer it."""
        return _CODES[self]


@unique
class CallbackIndicator(StrEnum):
    """Whether the sender can be answered later (TR-03129-4 2.2.1)."""

    POSSIBLE = "callback_possible"
    NOT_POSSIBLE = "callback_not_possible"


_ALWAYS: Final = frozenset(
    {ReturnCode.FAILURE_SYNTAX, ReturnCode.FAILURE_OTHER_ERROR, ReturnCode.FAILURE_INTERNAL_ERROR}
)
_ON_REQUESTS: Final = _ALWAYS | {
    ReturnCode.OK_CERT_AVAILABLE,
    ReturnCode.FAILURE_INCORRECT_REQUEST,
    ReturnCode.FAILURE_REQUEST_NOT_ACCEPTED,
    ReturnCode.FAILURE_UNAUTHORIZED_REQUEST,
    ReturnCode.FAILURE_INNER_SIGNATURE,
    ReturnCode.FAILURE_OUTER_SIGNATURE,
    ReturnCode.FAILURE_AUTHORIZATION_SIGNATURE,
    ReturnCode.FAILURE_DOMAIN_PARAMETERS,
}
_ON_ORDERS: Final = _ALWAYS | {
    ReturnCode.OK_RECEIVED_CORRECTLY,
    ReturnCode.FAILURE_INCORRECT_REQUEST,
    ReturnCode.FAILURE_REQUEST_NOT_ACCEPTED,
}
_ASYNCHRONOUS: Final = frozenset({ReturnCode.OK_SYNTAX, ReturnCode.FAILURE_SYNCHRONOUS_PROCESSING_NOT_POSSIBLE})
_CODES: Final[Mapping[Message, frozenset[ReturnCode]]] = {
    Message.GENERAL_MESSAGE: _ALWAYS | {ReturnCode.OK_RECEIVED_CORRECTLY},
    Message.REQUEST_CERTIFICATE: _ON_REQUESTS | _ASYNCHRONOUS,
    Message.GET_CERTIFICATE_CHAIN: _ALWAYS
    | _ASYNCHRONOUS
    | {ReturnCode.OK_CERT_AVAILABLE, ReturnCode.FAILURE_CERT_NOT_AVAILABLE},
    Message.SEND_CERTIFICATES: _ALWAYS | {ReturnCode.OK_RECEIVED_CORRECTLY, ReturnCode.FAILURE_MESSAGE_ID_UNKNOWN},
    Message.CERTIFICATE_REVOCATION_REQUEST: _ON_ORDERS,
    Message.GET_SERVICE_STATUS: _ALWAYS | {ReturnCode.OK_RECEIVED_CORRECTLY},
    Message.UPDATE_DEVICE_ADMIN: _ON_ORDERS,
}


class Refused(SmPkiError):
    """A CA does not do what it was asked.

    :ivar code: as TR-03129-4 names it.
    """

    def __init__(self, code: ReturnCode, words: str) -> None:
        super().__init__(words)
        self.code = code


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back for a message."""

    return_code: ReturnCode
    """What became of it."""
    return_code_message: str | None = None
    """More in words; cut to 1,024 bytes."""
    certificates: tuple[bytes, ...] = ()
    """certificateSeq: DER, the hierarchically highest first."""

    def for_message(self, message: Message) -> Answer:
        """The same with a code that this message may be answered with; what has none becomes failure_other_error."""
        code = self.return_code if self.return_code in message.codes else ReturnCode.FAILURE_OTHER_ERROR
        words = self.return_code_message
        if words is not None:
            words = words.encode()[:LONGEST_CODE_MESSAGE].decode(errors="ignore")
        return Answer(code, words, self.certificates)
