"""A CA's web service: the messages of TR-03129-4 over HTTP with mutual TLS.

The guideline recommends SOAP, whose WSDL is not public here. So the binding is ours: ``POST /smpki/MESSAGE`` with a
JSON object of the message's input parameters, answered by one of its output parameters, under the guideline's own
names; what is CMS or a certificate there is Base64 of the DER here. Everything is processed synchronously. The status
is 200 where the message could be read, whatever became of it; returnCode says that.

Who calls is told by its TLS certificate, which is validated with CRLs for every message (1.2): a request is taken
from the requester itself or from who authorises it, an order only from who signed it. CRLs are there for anybody
under ``/crl/NAME.crl``, from an application of its own without TLS. What a CA has issued is under ``GET /directory``,
for whoever has a certificate that is believed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Final, Literal

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from uvicorn.protocols.http.h11_impl import H11Protocol

from smpki.authority import Authority
from smpki.desk import Desk
from smpki.errors import SmPkiError
from smpki.messages import Answer, CallbackIndicator, Message, Refused, ReturnCode
from smpki.names import PkiName
from smpki.orders import read_admin_order, read_status_order
from smpki.path_errors import PathInvalid, read_certificate
from smpki.profiles import ROOT, KeyUse, RequestType
from smpki.requests import RULES, RequestPackage, read_package
from smpki.signed import SignedMessage
from smpki.validation import ValidatedPath

LARGEST_BODY: Final = 1024 * 1024
"""Largest message taken, bytes; ours."""

_MessageId = Annotated[str, StringConstraints(min_length=1, max_length=128)]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False)


class _Callable(_Input):
    callback: CallbackIndicator = Field(alias="callbackIndicator")
    message_id: _MessageId | None = Field(None, alias="messageID")

    def model_post_init(self, _context: object) -> None:
        # TR-03129-4 2.2.1: the one has to be there if, and only if, the other says so.
        if (self.callback is CallbackIndicator.POSSIBLE) is not (self.message_id is not None):
            raise ValueError("messageID belongs to callback_possible, and to nothing else")


class _NoCallback(_Input):
    callback: Literal[CallbackIndicator.NOT_POSSIBLE] = Field(alias="callbackIndicator")


class CertificateRequestInput(_Callable):
    """RequestCertificate (2.3.2)."""

    request: str = Field(alias="certReq")
    kind: RequestType | None = Field(None, alias="certType")


class ChainInput(_Callable):
    """GetCertificateChain (2.3.3)."""

    reference: _Text = Field(alias="certReference")


class RevocationInput(_NoCallback):
    """CertificateRevocationRequest (2.3.5)."""

    order: str = Field(alias="certRevReq")


class AdminInput(_NoCallback):
    """UpdateDeviceAdmin (2.3.7)."""

    order: str = Field(alias="updDevAdminReq")


class GeneralInput(_Input):
    """GeneralMessage (2.3.1)."""

    caller: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(alias="callerID")
    message_id: _MessageId = Field(alias="messageID")
    subject: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    body: _Text


class StatusInput(_Input):
    """GetServiceStatus (2.3.6)."""

    message_id: _MessageId = Field(alias="messageID")


class PeerProtocol(H11Protocol):
    """uvicorn's HTTP protocol, which also puts the peer's certificate where the application finds it."""

    def connection_made(self, transport: Any) -> None:
        """Keep the peer's certificate (DER, or ``None``) in the state of every request of this connection."""
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        self.app_state = {**self.app_state, "peer": tls.getpeercert(binary_form=True) if tls else None}


class Counter:
    """What stands behind the service: takes messages of believed callers."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self._desk = Desk(authority)

    def caller(self, der: bytes | None) -> ValidatedPath:
        """Who calls.

        :raises PathInvalid: if its TLS certificate is not believed.
        """
        certificate = read_certificate(der or b"")
        now = self.authority.clock()
        with self.authority.store.unit() as unit:
            self.authority.refresh(unit, now)
            return self.authority.admission.believe(certificate, unit, now, KeyUse.TLS)

    def request_certificate(self, caller: PkiName, data: CertificateRequestInput) -> Answer:
        """RequestCertificate (2.3.2)."""
        package = _decoded(data.request)
        read = read_package(package)
        if data.kind is not None and data.kind is not read.request_type:
            words = f"certType says {data.kind}, the request {read.request_type}"
            raise Refused(ReturnCode.FAILURE_UNAUTHORIZED_REQUEST, words)
        if not _may_bring(caller, read):
            words = f"{caller} may not bring a request of type {read.request_type} for {read.name}"
            raise Refused(ReturnCode.FAILURE_UNAUTHORIZED_REQUEST, words)
        return _available(self.authority.issue(package))

    def get_certificate_chain(self, _caller: PkiName, data: ChainInput) -> Answer:
        """GetCertificateChain (2.3.3)."""
        try:
            wanted = x509.Name.from_rfc4514_string(data.reference)
        except ValueError as error:
            raise Refused(ReturnCode.FAILURE_SYNTAX, f"certReference is no distinguished name: {error}") from error
        if wanted != self.authority.certificate.subject:
            words = f"this is {self.authority.certificate.subject.rfc4514_string()}"
            raise Refused(ReturnCode.FAILURE_CERT_NOT_AVAILABLE, words)
        return _available(self.authority.chain())

    def certificate_revocation_request(self, caller: PkiName, data: RevocationInput) -> Answer:
        """CertificateRevocationRequest (2.3.5)."""
        order = _decoded(data.order)
        _check_sender(caller, read_status_order(order)[1])
        self._desk.obey(order)
        return Answer(ReturnCode.OK_RECEIVED_CORRECTLY)

    def update_device_admin(self, caller: PkiName, data: AdminInput) -> Answer:
        """UpdateDeviceAdmin (2.3.7)."""
        order = _decoded(data.order)
        _check_sender(caller, read_admin_order(order)[1])
        self._desk.hand_over(order)
        return Answer(ReturnCode.OK_RECEIVED_CORRECTLY)

    def general_message(self, caller: PkiName, data: GeneralInput) -> Answer:
        """GeneralMessage (2.3.1): kept for a person to read."""
        if data.caller != caller.common_name:
            raise Refused(ReturnCode.FAILURE_OTHER_ERROR, f"callerID says {data.caller}, and {caller} is calling")
        with self.authority.store.unit() as unit:
            unit.keep_message(caller.common_name, data.message_id, data.subject, data.body, self.authority.clock())
        return Answer(ReturnCode.OK_RECEIVED_CORRECTLY)

    def get_service_status(self, _caller: PkiName, _data: StatusInput) -> Answer:
        """GetServiceStatus (2.3.6): the database answers, and there is a CRL in force."""
        self.authority.crl()
        return Answer(ReturnCode.OK_RECEIVED_CORRECTLY)


Handler = Callable[[Counter, PkiName, Any], Answer]
_BOTH: Final[dict[Message, tuple[type[_Input], Handler]]] = {
    Message.REQUEST_CERTIFICATE: (CertificateRequestInput, Counter.request_certificate),
    Message.GET_CERTIFICATE_CHAIN: (ChainInput, Counter.get_certificate_chain),
    Message.GENERAL_MESSAGE: (GeneralInput, Counter.general_message),
    Message.GET_SERVICE_STATUS: (StatusInput, Counter.get_service_status),
}
"""What a Root takes, and a Sub-CA too (2.4.1)."""
_SUB_CA_ONLY: Final[dict[Message, tuple[type[_Input], Handler]]] = {
    Message.CERTIFICATE_REVOCATION_REQUEST: (RevocationInput, Counter.certificate_revocation_request),
    Message.UPDATE_DEVICE_ADMIN: (AdminInput, Counter.update_device_admin),
}
"""What a Sub-CA takes besides (2.4.2)."""


def create_app(authority: Authority) -> FastAPI:
    """The service of one CA. It has to be run with :class:`PeerProtocol` and :func:`smpki.tls.server_context`."""
    app = FastAPI(title=f"SM-PKI service of {authority.name}", docs_url=None, redoc_url=None, openapi_url=None)
    counter = Counter(authority)
    messages = _BOTH if authority.profile is ROOT else _BOTH | _SUB_CA_ONLY
    for message, (kind, handler) in messages.items():
        app.add_api_route(f"/smpki/{message}", _route(counter, message, kind, handler), methods=["POST"])
    _add_directory(app, counter)
    return app


def _add_directory(app: FastAPI, counter: Counter) -> None:
    """What the CA publishes, for whoever has a TLS certificate that is believed.

    The SM-PKI has a directory for it (LDAP), and TR-03129-4 no message; so the form is ours.
    """
    log = structlog.get_logger()

    def answered(request: Request, member: str, look: Callable[[], list[bytes]]) -> JSONResponse:
        try:
            caller = counter.caller(getattr(request.state, "peer", None)).name
        except PathInvalid as error:
            log.warning("caller not believed", path=request.url.path, reason=str(error))
            return _told(Answer(ReturnCode.FAILURE_OTHER_ERROR, str(error)), 403)
        try:
            found = [base64.b64encode(der).decode() for der in look()]
        except SmPkiError as error:
            log.exception("directory failed", path=request.url.path, caller=str(caller))
            return _told(Answer(ReturnCode.FAILURE_INTERNAL_ERROR, str(error)), 200)
        return JSONResponse({"returnCode": ReturnCode.OK_RECEIVED_CORRECTLY, member: found})

    @app.get("/directory/certificates/{holder}")
    def certificates(request: Request, holder: str) -> JSONResponse:
        def look() -> list[bytes]:
            issued = counter.authority.issued_to(holder)
            return [certificate.public_bytes(serialization.Encoding.DER) for certificate in issued]

        return answered(request, "certificateSeq", look)

    @app.get("/directory/crls")
    def crls(request: Request) -> JSONResponse:
        def look() -> list[bytes]:
            return [crl.public_bytes(serialization.Encoding.DER) for crl in counter.authority.crls()]

        return answered(request, "crlSeq", look)


def create_crl_app(authorities: Sequence[Authority]) -> FastAPI:
    """The CRLs of some CAs, for anybody: ``/crl/NAME-NUMBER.crl``, such as ``/crl/Energie.CA-1.crl``, DER."""
    app = FastAPI(title="SM-PKI CRLs", docs_url=None, redoc_url=None, openapi_url=None)
    by_name = {f"{one.name}-{one.name.number}": one for one in authorities}

    @app.get("/crl/{name}.crl")
    def crl(name: str) -> Response:
        if name not in by_name:
            return Response(status_code=404)
        der = by_name[name].crl().public_bytes(serialization.Encoding.DER)
        return Response(der, media_type="application/pkix-crl")

    return app


def _route(
    counter: Counter, message: Message, kind: type[_Input], handler: Handler
) -> Callable[[Request], Awaitable[JSONResponse]]:
    log = structlog.get_logger()

    async def route(request: Request) -> JSONResponse:
        body = await _body(request)
        try:
            data = kind.model_validate_json(body)
        except ValueError as error:
            return _told(Answer(ReturnCode.FAILURE_SYNTAX, str(error)).for_message(message), 400)
        return await run_in_threadpool(_answered, counter, message, handler, getattr(request.state, "peer", None), data)

    def _answered(
        counter: Counter, message: Message, handler: Handler, peer: bytes | None, data: _Input
    ) -> JSONResponse:
        try:
            caller = counter.caller(peer).name
        except PathInvalid as error:
            log.warning("caller not believed", message=message, reason=str(error))
            return _told(Answer(ReturnCode.FAILURE_OTHER_ERROR, str(error)).for_message(message), 403)
        try:
            answer = handler(counter, caller, data)
        except Refused as error:
            answer = Answer(error.code, str(error))
        except SmPkiError as error:
            log.exception("message failed", message=message, caller=str(caller))
            answer = Answer(ReturnCode.FAILURE_INTERNAL_ERROR, str(error))
        log.info("message", message=message, caller=str(caller), code=answer.return_code)
        return _told(answer.for_message(message), 200)

    return route


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            return b""
    return body


def _told(answer: Answer, status: int) -> JSONResponse:
    told: dict[str, Any] = {"returnCode": answer.return_code}
    if answer.return_code_message is not None:
        told["returnCodeMessage"] = answer.return_code_message
    if answer.certificates:
        told["certificateSeq"] = [base64.b64encode(der).decode() for der in answer.certificates]
    return JSONResponse(told, status)


def _available(certificates: Sequence[x509.Certificate]) -> Answer:
    der = tuple(certificate.public_bytes(serialization.Encoding.DER) for certificate in certificates)
    return Answer(ReturnCode.OK_CERT_AVAILABLE, certificates=der)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(ReturnCode.FAILURE_INCORRECT_REQUEST, "the request is not Base64") from error


def _may_bring(caller: PkiName, read: RequestPackage) -> bool:
    """A requester brings its own request; one that is authorised comes from a participant who may authorise it."""
    authoriser = RULES[read.request_type].authorised_by
    if authoriser is not None:
        return caller.function is authoriser
    return (caller.organisation, caller.function) == (read.name.organisation, read.name.function)


def _check_sender(caller: PkiName, message: SignedMessage) -> None:
    try:
        signer = PkiName.of(message.signer_certificate().subject)
    except (SmPkiError, ValueError) as error:
        raise Refused(ReturnCode.FAILURE_INCORRECT_REQUEST, str(error)) from error
    if signer.common_name != caller.common_name:
        raise Refused(ReturnCode.FAILURE_REQUEST_NOT_ACCEPTED, f"{signer} has signed it, and {caller} sends it")
