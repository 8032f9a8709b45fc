"""Content data security in the WAN (Inhaltsdatensicherung, TR-03116-3 ch. 8): encrypt for the recipient, then sign.

A message is SignedData (RFC 5652) whose content is AuthEnvelopedData (RFC 5083). Opening goes the other way round: the
signature first, then whether its certificate is believed, and only then the recipient's key is used. Both private
operations go through the protocols of :mod:`smpki.keys`.

What is not wanted, and does not happen: a changed message that opens to something else; a message that opens before
its sender is known; an error that is none of :class:`smpki.errors.MessageError`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from smpki.algorithms import END_ENTITY_SUITE, curve_of, suite_of
from smpki.enveloped import Method, Scheme, decrypt, encrypt
from smpki.errors import MessageSignatureError, PolicyError, SmPkiError
from smpki.keys import AgreementKey
from smpki.oids import AUTH_ENVELOPED_DATA
from smpki.signed import Signer, read_signed, sign

Belief = Callable[[x509.Certificate], object]
"""Decides whether a signer's certificate is believed, and raises :class:`smpki.errors.SmPkiError` if not; such as a
call of :meth:`smpki.validation.PathValidator.validate` for a SIG certificate. What it returns is handed on."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was opened."""

    content: bytes
    """What was sent."""
    sender: x509.Certificate
    """The SIG certificate that it was signed with, and that is believed."""
    belief: object
    """What :data:`Belief` returned about it."""
    signed_at: datetime | None
    """When the sender says it signed, UTC."""
    method: Method
    """How the content was protected."""
    scheme: Scheme
    """How the key agreement was named."""


def seal(
    content: bytes,
    recipient: x509.Certificate,
    sender: Signer,
    at: datetime | None = None,
    *,
    method: Method = Method.GCM,
    scheme: Scheme = Scheme.ECKA_EG,
) -> bytes:
    """Encrypt for a recipient, then sign.

    :param recipient: the recipient's ENC certificate; that it is believed is for the caller to have checked.
    :param sender: the sender's SIG certificate and key.
    :param at: signing time, UTC; ``None`` leaves it out.
    :returns: DER of ContentInfo.
    :raises PolicyError: if a certificate is for something else, or a key is on another curve (tables 21 and 23).
    """
    if curve_of(sender.key.public_key) is not END_ENTITY_SUITE.curve:
        raise PolicyError(f"content is signed with keys on {END_ENTITY_SUITE.curve} (TR-03116-3 table 23)")
    return sign(encrypt(content, recipient, method, scheme), AUTH_ENVELOPED_DATA, sender, at)


def open_message(data: bytes, recipient: x509.Certificate, key: AgreementKey, believe: Belief) -> Message:
    """Check who sent a message, then open it.

    :param recipient: the certificate that the message must be encrypted to.
    :param key: the key that belongs to it.
    :param believe: whether the sender's certificate is believed.
    :raises MessageFormatError: if it is not exactly such a message, or names algorithms of others.
    :raises MessageSignatureError: if the signature is not its certificate's, or that is not believed.
    :raises MessageDecryptionError: if it is for somebody else.
    """
    message = read_signed(data, AUTH_ENVELOPED_DATA)
    certificate = message.verify()
    if suite_of(certificate.public_key()) != END_ENTITY_SUITE:
        raise MessageSignatureError(f"not signed by {END_ENTITY_SUITE} (TR-03116-3 table 23)")
    try:
        belief = believe(certificate)
    except SmPkiError as error:
        raise MessageSignatureError(f"the sender is not believed: {error}") from error
    opened = decrypt(message.content, recipient, key)
    return Message(opened.content, certificate, belief, message.signing_time, opened.method, opened.scheme)
