"""What can go wrong in the PKI: one small tree, whose leaves carry the data that their message is made of."""

from __future__ import annotations


class SmPkiError(Exception):
    """Anything this package refuses."""


class NameRuleError(SmPkiError):
    """A name is not one that the SM-PKI gives."""


class PolicyError(SmPkiError):
    """A key, an algorithm or a certificate is not what its profile asks for."""


class KeyStoreError(SmPkiError):
    """A private key cannot be read, written or used."""


class StoreError(SmPkiError):
    """The database cannot do what was asked, or holds nothing of the kind."""


class ConflictError(StoreError):
    """Somebody else was first."""


class MessageError(SmPkiError):
    """A message of content data security cannot be believed or opened."""


class MessageFormatError(MessageError):
    """It is not formed as it must be, or names an algorithm that is not one of ours."""


class MessageSignatureError(MessageError):
    """Its signature is not that of the certificate it names."""


class MessageDecryptionError(MessageError):
    """It is not for this recipient, or its content was changed."""
