"""TLS contexts of the standard library after TR-03116-3 ch. 4: version, cipher suites, curves, mutual authentication.

The SM-PKI's keys are on brainpoolP256r1. For them TLS 1.3 needs OpenSSL 3.2, so with an older one these contexts end
at TLS 1.2, which TR-03116-3 4.1.2 admits. OpenSSL checks that the peer's chain ends in the pinned Root; CRLs, profiles
and names are for :mod:`smpki.validation`, which the service asks for every message.
"""

from __future__ import annotations

import _ssl
import ctypes
import ssl
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from smpki.errors import PolicyError

CIPHER_SUITES: Final = ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256")
"""TLS 1.2: those that must be supported in the WAN (TR-03116-3 table 6)."""
GROUPS: Final = ("brainpoolP256r1", "brainpoolP384r1", "secp256r1")
"""Curves that must be supported (TR-03116-3 table 7), the one of the certificates first."""

_SET_GROUPS: Final = 92  # SSL_CTRL_SET_GROUPS_LIST of OpenSSL
_BRAINPOOL_IN_TLS_1_3: Final = (3, 2)


def server_context(
    certificate: Path, key: Path, root: x509.Certificate, intermediates: Iterable[x509.Certificate] = ()
) -> ssl.SSLContext:
    """A context for a server that asks every client for its certificate.

    :param certificate: PEM, the server's own certificate first, then its Sub-CA's.
    :param key: PEM.
    :param root: the pinned Root.
    :param intermediates: Sub-CAs and link certificates, for clients that send their own certificate only.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return _prepared(context, certificate, key, root, intermediates)


def client_context(
    certificate: Path, key: Path, root: x509.Certificate, intermediates: Iterable[x509.Certificate] = ()
) -> ssl.SSLContext:
    """A context for a client with a certificate. The server's certificate must name the host that was asked for.

    Parameters as for :func:`server_context`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return _prepared(context, certificate, key, root, intermediates)


def _prepared(
    context: ssl.SSLContext,
    certificate: Path,
    key: Path,
    root: x509.Certificate,
    intermediates: Iterable[x509.Certificate],
) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ssl.OPENSSL_VERSION_INFO[:2] < _BRAINPOOL_IN_TLS_1_3:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(CIPHER_SUITES))
    set_groups(context, GROUPS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_cert_chain(certificate, key)
    known = [root, *intermediates]
    context.load_verify_locations(cadata=b"".join(one.public_bytes(serialization.Encoding.DER) for one in known))
    return context


def set_groups(context: ssl.SSLContext, groups: Sequence[str]) -> None:
    """Say which curves a context takes, the preferred one first.

    ``set_ecdh_curve`` takes one only. So OpenSSL's own call is made, on the pointer that a context of CPython begins
    with after its object header; where the standard library has a call of its own, that.

    :raises PolicyError: if OpenSSL does not take the list.
    """
    own = getattr(context, "set_groups", None)
    if own is not None:
        own(":".join(groups))
        return
    library = ctypes.CDLL(_ssl.__file__)
    control = library.SSL_CTX_ctrl
    control.restype = ctypes.c_long
    control.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p]
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
    if control(pointer, _SET_GROUPS, 0, ":".join(groups).encode()) != 1:
        raise PolicyError(f"OpenSSL does not take the curves {', '.join(groups)}")
