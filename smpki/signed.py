"""CMS SignedData (RFC 5652 ch. 5): one signer, ECDSA, signed attributes; read strictly, verified apart from reading.

Reading says what a message claims; only :meth:`SignedMessage.verify` says that it was signed. Whether the certificate
it was verified with may be believed is for :mod:`smpki.validation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NoReturn

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec

from smpki.algorithms import Digest, suite_of
from smpki.cms_structures import (
    AlgorithmIdentifier,
    Attribute,
    EncapsulatedContent,
    SignedContent,
    SignedData,
    SignerInfo,
    attributes_to_sign,
    decode,
    encode,
    is_named,
    names,
    tlv,
)
from smpki.errors import MessageFormatError, MessageSignatureError, PolicyError
from smpki.keys import SigningKey, digest_of
from smpki.oids import CONTENT_TYPE, DATA, MESSAGE_DIGEST, SIGNED_DATA, SIGNING_TIME

LARGEST_MESSAGE: Final = 16 * 1024 * 1024
"""Largest message that is read, bytes; ours."""

_DIGESTS: Final = {
    Digest.SHA256: x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1"),
    Digest.SHA384: x509.ObjectIdentifier("2.16.840.1.101.3.4.2.2"),
    Digest.SHA512: x509.ObjectIdentifier("2.16.840.1.101.3.4.2.3"),
}


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs a message."""

    certificate: x509.Certificate
    """The signer's certificate; it travels in the message."""
    key: SigningKey
    """The key that belongs to it."""
    chain: tuple[x509.Certificate, ...] = ()
    """CA certificates to send along, so that the receiver can build a path; never the Root's."""


def sign(content: bytes, content_type: x509.ObjectIdentifier, signer: Signer, at: datetime | None = None) -> bytes:
    """A signed message around *content*.

    :param content_type: what the content is; it is signed too.
    :param at: signing time, UTC, as signed attribute; ``None`` leaves it out.
    :returns: DER of ContentInfo.
    :raises PolicyError: if key and certificate do not belong together, or the key is on no curve of ours.
    """
    if signer.key.public_key != signer.certificate.public_key():
        raise PolicyError("the signing key is not the one in the signer's certificate")
    digest = suite_of(signer.key.public_key).digest
    attributes = [
        Attribute(type=CONTENT_TYPE, values=asn1.SetOf([tlv(content_type)])),
        Attribute(type=MESSAGE_DIGEST, values=asn1.SetOf([tlv(digest_of(content, digest.algorithm))])),
    ]
    if at is not None:
        time = asn1.UTCTime(at.astimezone(UTC).replace(microsecond=0))
        attributes.append(Attribute(type=SIGNING_TIME, values=asn1.SetOf([tlv(time)])))
    signed = asn1.SetOf(attributes)
    signature = signer.key.sign(digest_of(attributes_to_sign(signed), digest.algorithm))
    info = SignerInfo(
        version=1,
        sid=names(signer.certificate),
        digest_algorithm=_algorithm(_DIGESTS[digest]),
        signed_attributes=signed,
        signature_algorithm=_algorithm(digest.ecdsa),
        signature=signature,
    )
    return _wrap(content, content_type, [info], [signer.certificate, *signer.chain], [_DIGESTS[digest]])


def wrap_unsigned(content: bytes, content_type: x509.ObjectIdentifier) -> bytes:
    """SignedData that nobody has signed (RFC 5652 5.1 allows no signers): how a first request travels."""
    return _wrap(content, content_type, [], [], [])


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """What a message says, signed or not.

    :ivar content: what is in it.
    :ivar certificates: those that travel with it; nothing is known of them yet.
    """

    content: bytes
    content_type: x509.ObjectIdentifier
    certificates: tuple[x509.Certificate, ...]
    _info: SignerInfo | None
    _digest: Digest | None
    _message_digest: bytes
    signing_time: datetime | None
    """What the signer says when it signed, UTC."""

    @property
    def is_signed(self) -> bool:
        """Whether there is a signer at all."""
        return self._info is not None

    def signer_certificate(self) -> x509.Certificate:
        """The certificate that the signer names, from among those in the message.

        :raises MessageSignatureError: if nobody signed, or the certificate is not there.
        """
        if self._info is None:
            raise MessageSignatureError("nobody has signed this message")
        for certificate in self.certificates:
            if is_named(self._info.sid, certificate):
                return certificate
        raise MessageSignatureError("the certificate that the signer names is not in the message")

    @property
    def to_verify(self) -> tuple[Digest, bytes, bytes]:
        """For who has the signer's key elsewhere: the hash, its value over the signed attributes, the signature (DER).

        That the content is the one whose hash value is among the attributes is for :meth:`verify` to say.

        :raises MessageSignatureError: if nobody signed.
        """
        if self._info is None or self._digest is None:
            raise MessageSignatureError("nobody has signed this message")
        signed = attributes_to_sign(self._info.signed_attributes)
        return self._digest, digest_of(signed, self._digest.algorithm), self._info.signature

    def verify(self, certificate: x509.Certificate | None = None) -> x509.Certificate:
        """Check the signature.

        :param certificate: whose it has to be; by default the one that the message names and holds.
        :returns: the certificate it was verified with.
        :raises MessageSignatureError: if it is not that certificate's.
        """
        if self._info is None or self._digest is None:
            raise MessageSignatureError("nobody has signed this message")
        certificate = certificate or self.signer_certificate()
        if not is_named(self._info.sid, certificate):
            raise MessageSignatureError("the message names another certificate than the one it should be signed with")
        try:
            key = certificate.public_key()
            suite = suite_of(key)
        except (PolicyError, ValueError, UnsupportedAlgorithm) as error:
            raise MessageSignatureError(f"the signer has no usable key: {error}") from error
        assert isinstance(key, ec.EllipticCurvePublicKey)  # noqa: S101  suite_of has said so
        if suite.digest is not self._digest:
            raise MessageSignatureError(f"signed with {self._digest}, where {suite} is asked for")
        if digest_of(self.content, suite.digest.algorithm) != self._message_digest:
            raise MessageSignatureError("the content is not the one that was signed")
        try:
            key.verify(
                self._info.signature,
                attributes_to_sign(self._info.signed_attributes),
                ec.ECDSA(suite.digest.algorithm),
            )
        except (InvalidSignature, ValueError) as error:
            raise MessageSignatureError("the signature is not that of the certificate it names") from error
        return certificate


def read_signed(data: bytes, *content_types: x509.ObjectIdentifier) -> SignedMessage:
    """Read a message; nothing is verified.

    :param content_types: what may be in it.
    :raises MessageFormatError: if it is not exactly a message of this form with such content.
    """
    if len(data) > LARGEST_MESSAGE:
        raise MessageFormatError(f"a message of {len(data)} bytes; at most {LARGEST_MESSAGE} are read")
    outer = decode(SignedContent, data, "a signed message")
    signed = outer.content
    inner = signed.encapsulated
    if outer.content_type != SIGNED_DATA:
        _refuse(f"a signed message is {SIGNED_DATA.dotted_string}, not {outer.content_type.dotted_string}")
    content_type = inner.content_type
    if content_type not in content_types:
        wanted = " or ".join(known.dotted_string for known in content_types)
        _refuse(f"the content is {content_type.dotted_string}, not {wanted}")
    infos = signed.signers.as_list()
    if len(infos) > 1:
        _refuse(f"a message has one signer, not {len(infos)}")
    if signed.version != _version(content_type):
        _refuse(f"version {signed.version} of SignedData")
    algorithms = [found.algorithm for found in signed.digest_algorithms.as_list()]
    certificates = tuple(signed.certificates.as_list()) if signed.certificates else ()
    if not infos:
        if algorithms or certificates:
            _refuse("a message without a signer names digest algorithms or certificates")
        return SignedMessage(inner.content, content_type, (), None, None, b"", None)
    info = infos[0]
    digest = _digest_named(info)
    if algorithms != [info.digest_algorithm.algorithm]:
        _refuse("the digest algorithms named at the top are not the signer's")
    message_digest, signing_time = _attributes(info, content_type)
    return SignedMessage(inner.content, content_type, certificates, info, digest, message_digest, signing_time)


def _digest_named(info: SignerInfo) -> Digest:
    if info.version != 1:
        _refuse(f"version {info.version} of SignerInfo")
    digest = next((known for known, oid in _DIGESTS.items() if oid == info.digest_algorithm.algorithm), None)
    if digest is None:
        _refuse(f"{info.digest_algorithm.algorithm.dotted_string} is no hash of the SHA-2 family that is used here")
    if info.signature_algorithm.algorithm != digest.ecdsa:
        _refuse(f"signed with {info.signature_algorithm.algorithm.dotted_string}, which is not ECDSA with {digest}")
    return digest


def _attributes(info: SignerInfo, content_type: x509.ObjectIdentifier) -> tuple[bytes, datetime | None]:
    known: dict[x509.ObjectIdentifier, asn1.TLV] = {}
    for attribute in info.signed_attributes.as_list():
        values = attribute.values.as_list()
        if attribute.type not in {CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_TIME}:
            continue
        if len(values) != 1 or attribute.type in known:
            _refuse(f"the signed attribute {attribute.type.dotted_string} has not exactly one value")
        known[attribute.type] = values[0]
    if CONTENT_TYPE not in known or MESSAGE_DIGEST not in known:
        _refuse("content type or message digest is not among the signed attributes")
    try:
        if known[CONTENT_TYPE].parse(x509.ObjectIdentifier) != content_type:
            _refuse("the signed content type is not that of the content")
        digest = known[MESSAGE_DIGEST].parse(bytes)
        time = known[SIGNING_TIME].parse(asn1.UTCTime).as_datetime() if SIGNING_TIME in known else None
    except ValueError as error:
        raise MessageFormatError(f"a signed attribute is not formed as it must be: {error}") from error
    return bytes(digest), time.replace(tzinfo=UTC) if time else None


def _wrap(
    content: bytes,
    content_type: x509.ObjectIdentifier,
    infos: Sequence[SignerInfo],
    certificates: Sequence[x509.Certificate],
    digests: Sequence[x509.ObjectIdentifier],
) -> bytes:
    signed = SignedData(
        version=_version(content_type),
        digest_algorithms=asn1.SetOf([_algorithm(oid) for oid in digests]),
        encapsulated=EncapsulatedContent(content_type=content_type, content=content),
        certificates=asn1.SetOf(list(certificates)) if certificates else None,
        signers=asn1.SetOf(list(infos)),
    )
    return encode(SignedContent(content_type=SIGNED_DATA, content=signed))


def _version(content_type: x509.ObjectIdentifier) -> int:
    return 1 if content_type == DATA else 3  # RFC 5652 5.1


def _algorithm(oid: x509.ObjectIdentifier) -> AlgorithmIdentifier:
    return AlgorithmIdentifier(algorithm=oid, parameters=None)


def _refuse(words: str) -> NoReturn:
    raise MessageFormatError(words)
