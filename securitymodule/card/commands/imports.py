"""PSO VERIFY CERTIFICATE and the import of the root: how a public key comes to be believed (ISO/IEC 7816-8).

The order is that of the chain: the root once; a following root and Sub-CAs under it; the GWA's and the gateway's own
certificates under the Sub-CA of the session. Whether a certificate was revoked is not looked at here: revocation lists
are the gateway's to keep (TR-03109-1).
"""

from __future__ import annotations

from typing import Final

from securitymodule.apdu import CommandApdu, ResponseApdu, StatusWord
from securitymodule.card.access import Access, Operation
from securitymodule.card.certificates import Certificate, certificate_of, check_issued, check_root
from securitymodule.card.contents import Contents
from securitymodule.card.context import Context, data_objects, key_reference, one_byte
from securitymodule.card.errors import Refused
from securitymodule.card.keys import HASHES, pair_of
from securitymodule.coding import (
    CERTIFICATE_FILES,
    GWA_KEYS,
    OPERATIONAL_KEYS,
    OWN_KEYS,
    PRELIMINARY_KEYS,
    KeyRef,
    Tag,
)

_IMPORT: Final = frozenset({Tag.PUBLIC_KEY_REFERENCE, Tag.CERTIFICATE})

OPERATIONS: Final[dict[KeyRef, Operation]] = {
    KeyRef.NEXT_ROOT: Operation.IMPORT_NEXT_ROOT,
    KeyRef.SUB_CA: Operation.IMPORT_SUB_CA,
    **dict.fromkeys(GWA_KEYS, Operation.IMPORT_GWA),
    **dict.fromkeys(PRELIMINARY_KEYS, Operation.CERTIFY_PRELIMINARY),
    **dict.fromkeys(OPERATIONAL_KEYS, Operation.CERTIFY_OPERATIONAL),
}
"""What importing a certificate as a key comes to."""


def import_root(context: Context, command: CommandApdu) -> ResponseApdu:
    """Take the root certificate (SM-PKI-Root-Zertifikat), once."""
    context.require(Operation.IMPORT_ROOT)
    objects = data_objects(command.data, _IMPORT)
    if one_byte(objects[Tag.PUBLIC_KEY_REFERENCE]) != KeyRef.ROOT:
        raise Refused(StatusWord.REFERENCE_NOT_FOUND)
    if context.contents.certificate(KeyRef.ROOT):
        raise Refused(StatusWord.CONDITIONS_NOT_SATISFIED)
    root = Certificate(objects[Tag.CERTIFICATE])
    check_root(root, context.now())
    context.save(context.knowing(_stored(context.contents, KeyRef.ROOT, root), root))
    return ResponseApdu()


def verify_certificate(context: Context, command: CommandApdu) -> ResponseApdu:
    """Take a certificate that the key chosen by MSE SET, verifying, has signed."""
    context.require(Operation.USE_KEYS)
    objects = data_objects(command.data, _IMPORT)
    key = key_reference(one_byte(objects[Tag.PUBLIC_KEY_REFERENCE]))
    if key not in OPERATIONS:
        raise Refused(StatusWord.REFERENCE_NOT_FOUND)
    access = context.require(OPERATIONS[key])
    contents = context.contents
    if access is Access.INTEGRATOR and key in GWA_KEYS and contents.certificate(key):
        # The initial configuration file brings the GWA's keys once (Anlage VIII, ch. 6); then they are the GWA's.
        raise Refused(StatusWord.CONDITIONS_NOT_SATISFIED)
    chosen = context.session.environment.verifying
    if chosen is None:
        raise Refused(StatusWord.CONDITIONS_NOT_SATISFIED)
    certificate = Certificate(objects[Tag.CERTIFICATE])
    issuer = context.public_certificate(chosen.key)
    if not isinstance(certificate.hash_algorithm, type(HASHES[chosen.algorithm])):
        raise Refused(StatusWord.INCORRECT_DATA)
    root = certificate_of(context.session.sub_ca_root) if chosen.key is KeyRef.SUB_CA else issuer
    check_issued(certificate, key, issuer, chosen.key, root, context.now())
    if key in OWN_KEYS:
        pair = pair_of(contents, key)
        if (pair.domain, pair.point) != (certificate.domain, certificate.point):
            raise Refused(StatusWord.INCORRECT_DATA)
    if key is KeyRef.NEXT_ROOT and chosen.key is KeyRef.NEXT_ROOT:
        contents = _stored(contents, KeyRef.ROOT, issuer)  # the following root has become the root
    context.save(context.knowing(_stored(contents, key, certificate), certificate))
    if key is KeyRef.SUB_CA:
        context.session.sub_ca, context.session.sub_ca_root = certificate.der, issuer.der
    return ResponseApdu()


def _stored(contents: Contents, key: KeyRef, certificate: Certificate) -> Contents:
    return contents.with_file(CERTIFICATE_FILES[key], certificate.der)
