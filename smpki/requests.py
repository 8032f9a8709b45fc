"""Certificate requests: PKCS#10 (RFC 2986) in CMS SignedData, with up to three signatures around one another.

TR-03129-4 2.2.2 tells them apart; how they are encoded is in TR-03109-4 App. C, which is not public, so this is ours:

- the *inner* signature is each PKCS#10 request's own: possession of the key that a certificate is asked for;
- the *outer* signature is the requester's, with its current signing key, over all requests of a package together. A
  first request has none (SignedData without signers);
- the *authorisation* signature is that of whoever is responsible, over the package with its outer signature.

A package holds the requests for a whole triple, or one for a Sub-CA. What kind of certificate each asks for stands in
its extensionRequest (RFC 2985 5.4.2): key usage, purposes and policies of the profile, and nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from smpki.algorithms import suite_of
from smpki.certificates import key_fingerprint, san_of
from smpki.cms_structures import RequestSequence, decode, encode
from smpki.errors import MessageFormatError, NameRuleError, PolicyError
from smpki.keys import BuilderKey, SigningKey
from smpki.messages import Refused, ReturnCode
from smpki.names import Function, PkiName
from smpki.oids import CT_REQUESTS, SIGNED_DATA
from smpki.profiles import END_ENTITIES, SUB_CA, KeyUse, Profile, RequestType
from smpki.signed import SignedMessage, Signer, read_signed, sign, wrap_unsigned


@dataclass(frozen=True, slots=True)
class Rule:
    """Which signatures a type of request needs beyond the inner ones."""

    outer: bool
    """The requester's current key must have signed (TR-03129-4, failure_outer_signature). Where it has none yet,
    the CA's operator has to take the request in person; ours."""
    authorised_by: Function | None
    """Who must have signed for it: the GWA for operational certificates (TR-03129-4 2.3.7 makes it the one in
    charge), the GWH for seals; both ours in detail."""


RULES: Final[Mapping[RequestType, Rule]] = {
    RequestType.SMGW_W: Rule(outer=True, authorised_by=Function.GWA),
    RequestType.SMGW_G: Rule(outer=False, authorised_by=Function.GWH),
    RequestType.GWA: Rule(outer=True, authorised_by=None),
    RequestType.GWH: Rule(outer=True, authorised_by=None),
    RequestType.EMT: Rule(outer=True, authorised_by=None),
    RequestType.SUB_CA: Rule(outer=True, authorised_by=None),
}
"""The rules by type of request; a type that does not stand here is not issued."""


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """One request of a package, with a good inner signature."""

    profile: Profile
    """What kind of certificate it asks for."""
    public_key: ec.EllipticCurvePublicKey
    """The key that it is for."""
    hosts: tuple[str, ...]
    """Hosts that the certificate is to name."""


@dataclass(frozen=True, slots=True)
class RequestPackage:
    """A package as read: forms and inner signatures are good, of the other two only that they are there."""

    request_type: RequestType
    """What all its requests ask for."""
    name: PkiName
    """Who asks. The number in it is not looked at: the CA counts."""
    requests: tuple[KeyRequest, ...]
    """The triple, in the order TLS, SIG, ENC; or the one for a Sub-CA."""
    outer: SignedMessage
    """Signed by the requester, or by nobody."""
    authorisation: SignedMessage | None
    """Signed by whoever authorises it, if anybody did."""


def request_key(profile: Profile, name: PkiName, key: SigningKey, hosts: Sequence[str] = ()) -> bytes:
    """A PKCS#10 request, DER, with its inner signature.

    :param key: the key that a certificate is wanted for; also one for encryption signs this once.
    :raises PolicyError: if the key is on no curve of ours, or a host cannot be read.
    """
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(name.distinguished())
        .add_extension(profile.usage, critical=True)
    )
    if profile.extended_key_usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage(profile.extended_key_usage), critical=False)
    if profile.policy is not None:
        policies = x509.CertificatePolicies([x509.PolicyInformation(profile.policy, None)])
        builder = builder.add_extension(policies, critical=False)
    if hosts:
        builder = builder.add_extension(san_of(hosts), critical=False)
    request = builder.sign(BuilderKey(key), suite_of(key.public_key).digest.algorithm)
    return request.public_bytes(serialization.Encoding.DER)


def request_triple(
    request_type: RequestType, name: PkiName, keys: Mapping[KeyUse, SigningKey], hosts: Sequence[str] = ()
) -> bytes:
    """A package for a whole triple without outer signature, DER.

    :param hosts: for the TLS certificate.
    :raises PolicyError: as :func:`request_key`.
    """
    requests = []
    for use in KeyUse:
        profile = END_ENTITIES[request_type, use]
        requests.append(request_key(profile, name, keys[use], hosts if profile.may_have_hosts else ()))
    return pack(requests)


def pack(requests: Sequence[bytes]) -> bytes:
    """PKCS#10 requests (DER) as a package without outer signature."""
    parsed = [x509.load_der_x509_csr(request) for request in requests]
    return wrap_unsigned(encode(RequestSequence(requests=parsed)), CT_REQUESTS)


def sign_package(package: bytes, requester: Signer, at: datetime) -> bytes:
    """Give a package its outer signature.

    :raises MessageFormatError: if it is no package, or has one.
    """
    message = read_signed(package, CT_REQUESTS)
    if message.is_signed:
        raise MessageFormatError("the package has an outer signature already")
    return sign(message.content, CT_REQUESTS, requester, at)


def authorise(package: bytes, authoriser: Signer, at: datetime) -> bytes:
    """Put the authorisation signature around a package.

    :raises MessageFormatError: if it is no package, or has one.
    """
    read_signed(package, CT_REQUESTS)
    return sign(package, SIGNED_DATA, authoriser, at)


def read_package(data: bytes) -> RequestPackage:
    """Read a package and check its inner signatures.

    :raises Refused: with failure_incorrect_request, failure_inner_signature or failure_domain_parameters.
    """
    try:
        message = read_signed(data, CT_REQUESTS, SIGNED_DATA)
        authorisation = message if message.content_type == SIGNED_DATA else None
        outer = read_signed(message.content, CT_REQUESTS) if authorisation else message
        parsed = decode(RequestSequence, outer.content, "a request package").requests
    except MessageFormatError as error:
        raise Refused(ReturnCode.FAILURE_INCORRECT_REQUEST, str(error)) from error
    if not 1 <= len(parsed) <= len(KeyUse):
        raise Refused(ReturnCode.FAILURE_INCORRECT_REQUEST, f"a package with {len(parsed)} requests")
    read = [_read_request(request) for request in parsed]
    names = {name.numbered(1) for name, _, _ in read}
    types = {request_type for _, request_type, _ in read}
    if len(names) != 1 or len(types) != 1:
        raise Refused(ReturnCode.FAILURE_INCORRECT_REQUEST, "the requests of a package differ in name or type")
    request_type = types.pop()
    requests = tuple(request for _, _, request in read)
    _check_whole(request_type, requests)
    ordered = sorted(
        requests, key=lambda request: list(KeyUse).index(request.profile.use) if request.profile.use else 0
    )
    return RequestPackage(request_type, names.pop(), tuple(ordered), outer, authorisation)


def _place(request: KeyRequest) -> int:
    return list(KeyUse).index(request.profile.use) if request.profile.use else 0


def _read_request(request: x509.CertificateSigningRequest) -> tuple[PkiName, RequestType, KeyRequest]:
    try:
        name = PkiName.of(request.subject)
        extensions = request.extensions
        key = request.public_key()
        suite = suite_of(key)
        fits = request.signature_algorithm_oid == suite.signature_oid
    except NameRuleError as error:
        raise Refused(ReturnCode.FAILURE_INCORRECT_REQUEST, str(error)) from error
    except (PolicyError, UnsupportedAlgorithm) as error:
        raise Refused(ReturnCode.FAILURE_DOMAIN_PARAMETERS, f"a request with {error}") from error
    except (ValueError, TypeError) as error:
        raise Refused(ReturnCode.FAILURE_INCORRECT_REQUEST, f"a request cannot be read: {error}") from error
    if not fits:
        raise Refused(ReturnCode.FAILURE_DOMAIN_PARAMETERS, f"a request for {name} is not signed by {suite}")
    if not request.is_signature_valid:
        raise Refused(
            ReturnCode.FAILURE_INNER_SIGNATURE, f"a request for {name} is not signed with the key that it is for"
        )
    assert isinstance(key, ec.EllipticCurvePublicKey)  # noqa: S101  suite_of has said so
    request_type, profile = _profile_wanted(name, extensions)
    hosts = _hosts(extensions) if profile.may_have_hosts else ()
    return name, request_type, KeyRequest(profile, key, hosts)


def _profile_wanted(name: PkiName, extensions: x509.Extensions) -> tuple[RequestType, Profile]:
    kinds = [*((kind, profile) for (kind, _), profile in END_ENTITIES.items()), (RequestType.SUB_CA, SUB_CA)]
    wanted = {extension.oid: extension.value for extension in extensions}
    wanted.pop(x509.SubjectAlternativeName.oid, None)
    for kind, profile in kinds:
        asked: dict[x509.ObjectIdentifier, x509.ExtensionType] = {x509.KeyUsage.oid: profile.usage}
        if profile.extended_key_usage:
            asked[x509.ExtendedKeyUsage.oid] = x509.ExtendedKeyUsage(profile.extended_key_usage)
        if profile.policy:
            asked[x509.CertificatePolicies.oid] = x509.CertificatePolicies(
                [x509.PolicyInformation(profile.policy, None)]
            )
        if profile.function is name.function and profile.extension == name.extension and asked == wanted:
            return kind, profile
    raise Refused(
        ReturnCode.FAILURE_INCORRECT_REQUEST, f"the extensions that {name} asks for are those of no certificate for it"
    )


def _hosts(extensions: x509.Extensions) -> tuple[str, ...]:
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    found = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    if len(found) != len(list(names)):
        raise Refused(ReturnCode.FAILURE_INCORRECT_REQUEST, "hosts are named by host name or IP address only")
    return tuple(found)


def _check_whole(request_type: RequestType, requests: Sequence[KeyRequest]) -> None:
    uses = sorted(request.profile.use for request in requests if request.profile.use)
    if uses != sorted(request_type.uses) or len(requests) != max(1, len(uses)):
        wanted = "one each for TLS, SIG and ENC" if request_type.uses else "one alone"
        raise Refused(ReturnCode.FAILURE_INCORRECT_REQUEST, f"a package of type {request_type} holds {wanted}")
    if len({key_fingerprint(request.public_key) for request in requests}) != len(requests):
        raise Refused(ReturnCode.FAILURE_INCORRECT_REQUEST, "the same key is asked for twice: each use has its own")
