"""The TLS context of the HAN interface after TR-03116-3 ch. 5: everything that ch. 4 recommends is mandatory here.

TLS 1.2, as the dialect says: for 1.3 the brainpool curves need OpenSSL 3.2, and the standard library cannot keep out
cipher suites that are not permitted. A client may show a certificate; each registered one is trusted by itself.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gateway.han.own_key import OwnCertificate
from smpki import tls

CIPHER_SUITES: Final = ("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-SHA384")
"""TLS 1.2: those that are mandatory in the HAN beside those of the WAN (TR-03116-3 table 8)."""
GROUPS: Final = tuple(sorted((*tls.GROUPS, "brainpoolP512r1", "secp384r1")))
"""Curves: those of the WAN and those that are mandatory in the HAN beside them (table 8); brainpool is preferred."""


def server_context(own: OwnCertificate, consumers: Iterable[x509.Certificate]) -> ssl.SSLContext:
    """A context for the interface.

    :param own: its key and certificate.
    :param consumers: certificates that consumers may show.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(
        ":".join((*tls.CIPHER_SUITES[:1], *CIPHER_SUITES[:1], *tls.CIPHER_SUITES[1:], *CIPHER_SUITES[1:]))
    )
    tls.set_groups(context, GROUPS)
    context.options |= (
        ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET | ssl.OP_CIPHER_SERVER_PREFERENCE
    )
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_cert_chain(own.path)
    trust(context, consumers)
    return context


def trust(context: ssl.SSLContext, consumers: Iterable[x509.Certificate]) -> None:
    """Have a context take these certificates too. Who shows one that is not registered any more is nobody."""
    certificates = b"".join(one.public_bytes(serialization.Encoding.DER) for one in consumers)
    if certificates:
        context.load_verify_locations(cadata=certificates)
