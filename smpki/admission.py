"""Whom a CA believes: the outer and the authorisation signature of a package, and the signature of an order."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509

from smpki.errors import MessageSignatureError
from smpki.messages import Refused, ReturnCode
from smpki.names import Function, PkiName
from smpki.path_errors import PathInvalid
from smpki.profiles import LINK, SUB_CA, KeyUse, RequestType
from smpki.requests import RULES, RequestPackage
from smpki.signed import SignedMessage
from smpki.store import Status, Unit
from smpki.validation import PathValidator, ValidatedPath

OPERATOR = "operator"
"""Who a CA's own people are in its history; ours."""


class Admission:
    """Checks signers against the pinned Root, with what the CA has on record.

    :param validator: with the Root that the CA stands under.
    """

    def __init__(self, validator: PathValidator) -> None:
        self._validator = validator

    def check_package(
        self, package: RequestPackage, unit: Unit, at: datetime, *, operator: bool, first: bool
    ) -> PkiName | None:
        """Whether a package has the signatures that its type needs.

        :param operator: whether the CA's operator hands it in, which stands for the outer signature of who cannot
            sign; ours. For an authorisation nobody stands.
        :param first: whether the requester cannot sign: see :meth:`can_sign`.
        :returns: who authorised it, if its type has somebody do that.
        :raises Refused: with the code of the signature that is wrong or missing.
        """
        rule = RULES[package.request_type]
        if package.outer.is_signed:
            self._check_outer(package, unit, at)
        elif rule.outer and not (operator and first):
            words = f"a request of type {package.request_type} for {package.name} is signed with its current key"
            raise Refused(ReturnCode.FAILURE_OUTER_SIGNATURE, words)
        if rule.authorised_by is None:
            if package.authorisation is not None:
                words = f"a request of type {package.request_type} is authorised by nobody"
                raise Refused(ReturnCode.FAILURE_INCORRECT_REQUEST, words)
            return None
        if package.authorisation is None:
            words = f"a request of type {package.request_type} is authorised by a {rule.authorised_by}"
            raise Refused(ReturnCode.FAILURE_AUTHORIZATION_SIGNATURE, words)
        code = ReturnCode.FAILURE_AUTHORIZATION_SIGNATURE
        return self._signer(package.authorisation, unit, at, code, rule.authorised_by).name

    @staticmethod
    def can_sign(package: RequestPackage, unit: Unit, at: datetime, issuer: str) -> bool:
        """Whether the requester has a key that its package could be signed with: certified, good, and not ended.

        :param issuer: fingerprint of the CA that is asked. A Root asks a Sub-CA for a key that it certified itself: at
            a new Root every Sub-CA is new; ours.
        """
        is_ca = package.request_type is RequestType.SUB_CA
        return any(
            kept.status is Status.GOOD
            and (kept.issuer == issuer or not is_ca)
            and kept.profile.use in {KeyUse.SIG, None}
            and kept.certificate.not_valid_before_utc <= at <= kept.certificate.not_valid_after_utc
            for kept in unit.of_holder(package.name.common_name)
        )

    def sender_of(self, message: SignedMessage, unit: Unit, at: datetime) -> PkiName:
        """Who signed an order, with a SIG key that is believed.

        :raises Refused: with failure_request_not_accepted, the only code that TR-03129-4 2.3.5 has for it.
        """
        return self._signer(message, unit, at, ReturnCode.FAILURE_REQUEST_NOT_ACCEPTED).name

    def _check_outer(self, package: RequestPackage, unit: Unit, at: datetime) -> None:
        code = ReturnCode.FAILURE_OUTER_SIGNATURE
        is_ca = package.request_type is RequestType.SUB_CA
        signer = self._signer(package.outer, unit, at, code, use=None if is_ca else KeyUse.SIG)
        if is_ca and signer.profile is not SUB_CA:
            raise Refused(code, f"a Sub-CA's request is signed with the Sub-CA's own key, not with {signer.profile}")
        if signer.name.numbered(1) != package.name.numbered(1):
            raise Refused(code, f"{signer.name} has signed a request for {package.name}")

    def _signer(
        self,
        message: SignedMessage,
        unit: Unit,
        at: datetime,
        code: ReturnCode,
        function: Function | None = None,
        use: KeyUse | None = KeyUse.SIG,
    ) -> ValidatedPath:
        try:
            certificate = message.verify()
            return self.believe(certificate, unit, at, use, function)
        except (MessageSignatureError, PathInvalid) as error:
            raise Refused(code, str(error)) from error

    def believe(
        self,
        certificate: x509.Certificate,
        unit: Unit,
        at: datetime,
        use: KeyUse | None,
        function: Function | None = None,
    ) -> ValidatedPath:
        """Validate a certificate with the CAs and CRLs on record.

        :raises PathInvalid: if it is not believed.
        """
        return self._validator.validate(
            certificate,
            at=at,
            intermediates=[kept.certificate for kept in unit.of_profiles(SUB_CA, LINK)],
            crls=unit.current_crls(),
            use=use,
            functions=() if function is None else (function,),
        )
