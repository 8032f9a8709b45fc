"""The structures of CMS that are used here (RFC 5652, RFC 5083, RFC 5084, RFC 5753), and nothing else of it.

They are written down for :mod:`cryptography`'s ASN.1 codec, which is strict: DER only, nothing after the end, no field
that does not stand here. What CMS allows besides (unsigned attributes, CRLs in a message, several recipients, other
kinds of recipients) cannot be decoded, which is meant. The codec's interface may still change between releases of
``cryptography``; this is the only module that knows it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeVar

from cryptography import x509
from cryptography.hazmat import asn1

from smpki.errors import MessageFormatError

T = TypeVar("T")


@asn1.sequence
class AlgorithmIdentifier:
    """AlgorithmIdentifier (RFC 5280 4.1.1.2) without parameters, or with NULL, which TR-03111 5.2 has us accept."""

    algorithm: x509.ObjectIdentifier
    parameters: asn1.Null | None


@asn1.sequence
class IssuerAndSerialNumber:
    """IssuerAndSerialNumber (RFC 5652 10.2.4); the name as it is encoded."""

    issuer: asn1.TLV
    serial: int


@asn1.sequence
class Attribute:
    """Attribute (RFC 5652 5.3)."""

    type: x509.ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class _AttributeSet:
    attributes: asn1.SetOf[Attribute]


@asn1.sequence
class SignerInfo:
    """SignerInfo (RFC 5652 5.3) with signed attributes, and with no others."""

    version: int
    sid: IssuerAndSerialNumber
    digest_algorithm: AlgorithmIdentifier
    signed_attributes: Annotated[asn1.SetOf[Attribute], asn1.Implicit(0)]
    signature_algorithm: AlgorithmIdentifier
    signature: bytes


@asn1.sequence
class EncapsulatedContent:
    """EncapsulatedContentInfo (RFC 5652 5.2), the content always in it."""

    content_type: x509.ObjectIdentifier
    content: Annotated[bytes, asn1.Explicit(0)]


@asn1.sequence
class SignedData:
    """SignedData (RFC 5652 5.1) without CRLs."""

    version: int
    digest_algorithms: asn1.SetOf[AlgorithmIdentifier]
    encapsulated: EncapsulatedContent
    certificates: Annotated[asn1.SetOf[x509.Certificate] | None, asn1.Implicit(0)]
    signers: asn1.SetOf[SignerInfo]


@asn1.sequence
class SignedContent:
    """ContentInfo (RFC 5652 3) around SignedData."""

    content_type: x509.ObjectIdentifier
    content: Annotated[SignedData, asn1.Explicit(0)]


@asn1.sequence
class CurveIdentifier:
    """AlgorithmIdentifier of a key; its curve is the recipient's and may be left out (RFC 5753 3.1.1)."""

    algorithm: x509.ObjectIdentifier
    parameters: x509.ObjectIdentifier | asn1.Null | None


@asn1.sequence
class OriginatorPublicKey:
    """OriginatorPublicKey (RFC 5652 6.2.2): the sender's ephemeral point."""

    algorithm: CurveIdentifier
    public_key: asn1.BitString


@asn1.sequence
class KeyEncryption:
    """KeyEncryptionAlgorithmIdentifier (RFC 5753 3.1.1): the scheme, and the key wrap as its parameter."""

    algorithm: x509.ObjectIdentifier
    wrap: AlgorithmIdentifier


@asn1.sequence
class RecipientEncryptedKey:
    """RecipientEncryptedKey (RFC 5652 6.2.2), the recipient named by issuer and serial number."""

    recipient: IssuerAndSerialNumber
    encrypted_key: bytes


@asn1.sequence
class KeyAgreeRecipient:
    """KeyAgreeRecipientInfo (RFC 5652 6.2.2) for one recipient."""

    version: int
    originator: Annotated[
        Annotated[OriginatorPublicKey, asn1.Implicit(1)] | Annotated[bytes, asn1.Implicit(0)], asn1.Explicit(0)
    ]
    ukm: Annotated[bytes | None, asn1.Explicit(1)]
    key_encryption: KeyEncryption
    recipients: list[RecipientEncryptedKey]


@asn1.sequence
class GcmParameters:
    """GCMParameters (RFC 5084 3.2)."""

    nonce: bytes
    tag_length: Annotated[int, asn1.Default(12)]


@asn1.sequence
class ContentEncryption:
    """ContentEncryptionAlgorithmIdentifier (RFC 5083 2.1), with GCM's parameters or with none."""

    algorithm: x509.ObjectIdentifier
    parameters: GcmParameters | None


@asn1.sequence
class EncryptedContent:
    """EncryptedContentInfo (RFC 5652 6.1), the content always in it."""

    content_type: x509.ObjectIdentifier
    encryption: ContentEncryption
    content: Annotated[bytes, asn1.Implicit(0)]


@asn1.sequence
class AuthEnvelopedData:
    """AuthEnvelopedData (RFC 5083 2.1) for recipients by key agreement, without attributes."""

    version: int
    recipients: asn1.SetOf[Annotated[KeyAgreeRecipient, asn1.Implicit(1)]]
    encrypted: EncryptedContent
    mac: bytes


@asn1.sequence
class EnvelopedContent:
    """ContentInfo (RFC 5652 3) around AuthEnvelopedData."""

    content_type: x509.ObjectIdentifier
    content: Annotated[AuthEnvelopedData, asn1.Explicit(0)]


@asn1.sequence
class EccSharedInfo:
    """ECC-CMS-SharedInfo (RFC 5753 7.2): what is hashed beside the secret."""

    key_info: AlgorithmIdentifier
    party_u_info: Annotated[bytes | None, asn1.Explicit(0)]
    key_bits: Annotated[bytes, asn1.Explicit(2)]


@asn1.sequence
class RequestSequence:
    """The content of a request package: PKCS#10 requests (RFC 2986), one after the other; ours."""

    requests: list[x509.CertificateSigningRequest]


_SET: Final = 0x31


def encode(value: Any) -> bytes:
    """DER of a structure."""
    return asn1.encode_der(value)


def decode(kind: type[T], data: bytes, what: str) -> T:
    """Read DER.

    :param what: how a message calls it.
    :raises MessageFormatError: if it is not exactly one such structure.
    """
    try:
        return asn1.decode_der(kind, data)
    except (ValueError, TypeError, OverflowError) as error:
        raise MessageFormatError(f"{what} is not formed as it must be: {error}") from error


def attributes_to_sign(attributes: asn1.SetOf[Attribute]) -> bytes:
    """What a signer signs of its attributes: their DER with the tag of a SET (RFC 5652 5.4)."""
    whole = encode(_AttributeSet(attributes=attributes))
    header = 2 if whole[1] < 0x80 else 2 + (whole[1] & 0x7F)
    return whole[header:]


def tlv(value: Any) -> asn1.TLV:
    """Any value, as one whose type is open."""
    return asn1.decode_der(asn1.TLV, asn1.encode_der(value))


def names(certificate: x509.Certificate) -> IssuerAndSerialNumber:
    """How a message names a certificate."""
    issuer = asn1.decode_der(asn1.TLV, certificate.issuer.public_bytes())
    return IssuerAndSerialNumber(issuer=issuer, serial=certificate.serial_number)


def is_named(named: IssuerAndSerialNumber, certificate: x509.Certificate) -> bool:
    """Whether a message means this certificate."""
    try:
        issuer = certificate.issuer.public_bytes()
    except ValueError:  # a name that cannot be read is nobody's
        return False
    return certificate.serial_number == named.serial and issuer == encode(named.issuer)
