"""AuthEnvelopedData (RFC 5083) to one recipient, as TR-03116-3 8.1 has it: the content encrypted and authenticated.

The key for it is random and used once. It travels wrapped (id-aes128-wrap, RFC 3394) under a key that sender and
recipient agree on by ECKA-EG (TR-03111 4.3.2.2): an ephemeral key of the sender, the recipient's ENC key, and the X9.63
key derivation with SHA-256 (TR-03111 4.3.3) over the shared secret and ECC-CMS-SharedInfo (RFC 5753 7.2; that this is
what is hashed beside the secret is known from practice).

Two methods for the content, both to be supported (table 20). AES-128-GCM: 96-bit nonce, 128-bit tag, RFC 5084.
AES-128-CBC with AES-128-CMAC: the wrapped key is two keys of 128 bits, the first encrypts (IV 0, padding of RFC 5652
6.3), the second authenticates the ciphertext; its identifier is ours, see :data:`smpki.oids.AES128_CBC_CMAC`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final, NoReturn

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from smpki.algorithms import END_ENTITY_SUITE, curve_of
from smpki.cms_structures import (
    AlgorithmIdentifier,
    AuthEnvelopedData,
    ContentEncryption,
    CurveIdentifier,
    EccSharedInfo,
    EncryptedContent,
    GcmParameters,
    KeyAgreeRecipient,
    KeyEncryption,
    OriginatorPublicKey,
    RecipientEncryptedKey,
    decode,
    encode,
    is_named,
    names,
)
from smpki.errors import KeyStoreError, MessageDecryptionError, MessageFormatError, PolicyError
from smpki.keys import AgreementKey, uncompressed
from smpki.oids import (
    AES128_CBC_CMAC,
    AES128_GCM,
    AES128_WRAP,
    BRAINPOOL_P256R1,
    DATA,
    EC_PUBLIC_KEY,
    ECKA_EG_X963KDF_SHA256,
    STD_DH_SHA256KDF,
)


@unique
class Method(StrEnum):
    """How the content is encrypted and authenticated (TR-03116-3 table 20)."""

    GCM = "AES-128-GCM"
    CBC_CMAC = "AES-128-CBC-CMAC"


@unique
class Scheme(StrEnum):
    """Under which identifier the key agreement stands in a message; what is computed is the same."""

    ECKA_EG = "ecka-eg-X963KDF-SHA256"
    """The BSI's own (TR-03111 5.3.1), as TR-03116-3 8.1.2 has it. OpenSSL does not know it."""
    RFC_5753 = "dhSinglePass-stdDH-sha256kdf-scheme"
    """The same scheme under the name that CMS libraries know (RFC 5753 7.1.4)."""


_METHODS: Final = {Method.GCM: AES128_GCM, Method.CBC_CMAC: AES128_CBC_CMAC}
_SCHEMES: Final = {Scheme.ECKA_EG: ECKA_EG_X963KDF_SHA256, Scheme.RFC_5753: STD_DH_SHA256KDF}
_KEY: Final = 16
_NONCE: Final = 12
_TAG: Final = 16
_BLOCK: Final = 16
_NULL_IV: Final = bytes(_BLOCK)
_POINT: Final = 65


@dataclass(frozen=True, slots=True)
class Opened:
    """What was in an envelope."""

    content: bytes
    """The content."""
    method: Method
    """How it was protected."""
    scheme: Scheme
    """How the key agreement was named."""


def encrypt(
    content: bytes,
    recipient: x509.Certificate,
    method: Method = Method.GCM,
    scheme: Scheme = Scheme.ECKA_EG,
) -> bytes:
    """AuthEnvelopedData for one recipient.

    :param recipient: an ENC certificate.
    :returns: DER of AuthEnvelopedData, without ContentInfo around it.
    :raises PolicyError: if the certificate's key is on another curve, or not for key agreement.
    """
    public = _recipient_key(recipient)
    ephemeral = ec.generate_private_key(public.curve)  # used once, and gone when this returns (TR-03116-3 2.4)
    secret = ephemeral.exchange(ec.ECDH(), public)
    wrap = AlgorithmIdentifier(algorithm=AES128_WRAP, parameters=None)
    keys = os.urandom(_KEY if method is Method.GCM else 2 * _KEY)
    encryption, ciphertext, mac = _PROTECT[method](keys, content)
    info = KeyAgreeRecipient(
        version=3,
        originator=OriginatorPublicKey(
            algorithm=CurveIdentifier(algorithm=EC_PUBLIC_KEY, parameters=BRAINPOOL_P256R1),
            public_key=asn1.BitString(uncompressed(ephemeral.public_key()), 0),
        ),
        ukm=None,
        key_encryption=KeyEncryption(algorithm=_SCHEMES[scheme], wrap=wrap),
        recipients=[
            RecipientEncryptedKey(
                recipient=names(recipient), encrypted_key=aes_key_wrap(_derive(secret, wrap, None), keys)
            )
        ],
    )
    return encode(
        AuthEnvelopedData(
            version=0,
            recipients=asn1.SetOf([info]),
            encrypted=EncryptedContent(content_type=DATA, encryption=encryption, content=ciphertext),
            mac=mac,
        )
    )


def decrypt(data: bytes, recipient: x509.Certificate, key: AgreementKey) -> Opened:
    """Open AuthEnvelopedData.

    :param recipient: the certificate that the message must name.
    :param key: the key that belongs to it.
    :raises MessageFormatError: if it is not formed as :func:`encrypt` forms it, or names other algorithms.
    :raises MessageDecryptionError: if it is for somebody else, or was changed.
    """
    envelope = decode(AuthEnvelopedData, data, "an envelope")
    infos = envelope.recipients.as_list()
    if envelope.version != 0 or len(infos) != 1 or infos[0].version != 3 or len(infos[0].recipients) != 1:
        _refuse("an envelope has version 0 and one recipient of version 3")
    info = infos[0]
    method = next((m for m, oid in _METHODS.items() if oid == envelope.encrypted.encryption.algorithm), None)
    scheme = next((s for s, oid in _SCHEMES.items() if oid == info.key_encryption.algorithm), None)
    if method is None or scheme is None or info.key_encryption.wrap.algorithm != AES128_WRAP:
        _refuse("an envelope names an algorithm that TR-03116-3 ch. 8 does not have")
    if envelope.encrypted.content_type != DATA:
        _refuse(f"the content of an envelope is {DATA.dotted_string}")
    _check_parameters(method, envelope.encrypted.encryption.parameters, envelope.mac)
    point = _point(info.originator)
    named = info.recipients[0]
    if not is_named(named.recipient, recipient):
        raise MessageDecryptionError("the envelope is for somebody else")
    try:
        kek = _derive(key.agree(point), info.key_encryption.wrap, info.ukm)
        keys = aes_key_unwrap(kek, named.encrypted_key)
        content = _OPEN[method](keys, envelope)
    except (KeyStoreError, InvalidUnwrap, InvalidTag, InvalidSignature, ValueError) as error:
        # One word for all of it: which step failed is nothing that a sender should learn.
        raise MessageDecryptionError("the envelope cannot be opened: it was changed, or is for another key") from error
    return Opened(content, method, scheme)


def _derive(secret: bytes, wrap: AlgorithmIdentifier, ukm: bytes | None) -> bytes:
    shared = EccSharedInfo(key_info=wrap, party_u_info=ukm, key_bits=(8 * _KEY).to_bytes(4, "big"))
    return X963KDF(END_ENTITY_SUITE.digest.algorithm, _KEY, encode(shared)).derive(secret)


def _protect_gcm(key: bytes, content: bytes) -> tuple[ContentEncryption, bytes, bytes]:
    nonce = os.urandom(_NONCE)
    sealed = AESGCM(key).encrypt(nonce, content, None)
    parameters = GcmParameters(nonce=nonce, tag_length=_TAG)
    return ContentEncryption(algorithm=AES128_GCM, parameters=parameters), sealed[:-_TAG], sealed[-_TAG:]


def _open_gcm(key: bytes, envelope: AuthEnvelopedData) -> bytes:
    parameters = envelope.encrypted.encryption.parameters
    if parameters is None or len(key) != _KEY:
        raise ValueError
    return AESGCM(key).decrypt(parameters.nonce, envelope.encrypted.content + envelope.mac, None)


def _protect_cbc_cmac(keys: bytes, content: bytes) -> tuple[ContentEncryption, bytes, bytes]:
    padder = padding.PKCS7(8 * _BLOCK).padder()
    padded = padder.update(content) + padder.finalize()
    encryptor = Cipher(algorithms.AES(keys[:_KEY]), modes.CBC(_NULL_IV)).encryptor()
    ciphertext = encryptor.update(padded) + encryptor.finalize()
    mac = CMAC(algorithms.AES(keys[_KEY:]))
    mac.update(ciphertext)
    return ContentEncryption(algorithm=AES128_CBC_CMAC, parameters=None), ciphertext, mac.finalize()


def _open_cbc_cmac(keys: bytes, envelope: AuthEnvelopedData) -> bytes:
    if len(keys) != 2 * _KEY:
        raise ValueError
    ciphertext = envelope.encrypted.content
    mac = CMAC(algorithms.AES(keys[_KEY:]))
    mac.update(ciphertext)
    mac.verify(envelope.mac)  # before the padding is looked at
    decryptor = Cipher(algorithms.AES(keys[:_KEY]), modes.CBC(_NULL_IV)).decryptor()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    unpadder = padding.PKCS7(8 * _BLOCK).unpadder()
    return unpadder.update(padded) + unpadder.finalize()


_PROTECT: Final[dict[Method, Callable[[bytes, bytes], tuple[ContentEncryption, bytes, bytes]]]] = {
    Method.GCM: _protect_gcm,
    Method.CBC_CMAC: _protect_cbc_cmac,
}
_OPEN: Final[dict[Method, Callable[[bytes, AuthEnvelopedData], bytes]]] = {
    Method.GCM: _open_gcm,
    Method.CBC_CMAC: _open_cbc_cmac,
}


def _check_parameters(method: Method, parameters: GcmParameters | None, mac: bytes) -> None:
    if len(mac) != _TAG:
        _refuse(f"a tag of {8 * len(mac)} bits, not of 128")
    if method is Method.CBC_CMAC and parameters is not None:
        _refuse("AES-CBC-CMAC has no parameters")
    if method is Method.GCM and (
        parameters is None or len(parameters.nonce) != _NONCE or parameters.tag_length != _TAG
    ):
        _refuse("AES-GCM has a nonce of 96 bits and a tag of 128 (TR-03116-3 table 20)")


def _point(originator: OriginatorPublicKey | bytes) -> bytes:
    if isinstance(originator, bytes):
        _refuse("the sender's key is not in the envelope")
    algorithm = originator.algorithm
    if algorithm.algorithm != EC_PUBLIC_KEY:
        _refuse("the sender's key is on no elliptic curve")
    if isinstance(algorithm.parameters, x509.ObjectIdentifier) and algorithm.parameters != BRAINPOOL_P256R1:
        _refuse("the sender's key is not on brainpoolP256r1")
    point = originator.public_key.as_bytes()
    if originator.public_key.padding_bits() or len(point) != _POINT or point[0] != 4:
        _refuse("the sender's key is no uncompressed point of brainpoolP256r1")
    return point


def _recipient_key(recipient: x509.Certificate) -> ec.EllipticCurvePublicKey:
    key = recipient.public_key()
    if curve_of(key) is not END_ENTITY_SUITE.curve:
        raise PolicyError(f"content is encrypted to keys on {END_ENTITY_SUITE.curve} (TR-03116-3 table 21)")
    try:
        agrees = recipient.extensions.get_extension_for_class(x509.KeyUsage).value.key_agreement
    except x509.ExtensionNotFound:
        agrees = False
    if not agrees:
        raise PolicyError("the recipient's certificate is not for key agreement: content goes to an ENC certificate")
    assert isinstance(key, ec.EllipticCurvePublicKey)  # noqa: S101  curve_of has said so
    return key


def _refuse(words: str) -> NoReturn:
    raise MessageFormatError(words)
