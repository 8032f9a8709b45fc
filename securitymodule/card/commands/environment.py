"""MANAGE SECURITY ENVIRONMENT, SET: which algorithm and key the next commands use (ISO/IEC 7816-4)."""

from __future__ import annotations

from typing import Final

from securitymodule.apdu import CommandApdu, ResponseApdu, StatusWord
from securitymodule.card.access import Operation
from securitymodule.card.context import Context, data_objects, key_reference, one_byte
from securitymodule.card.errors import Refused
from securitymodule.card.keys import HASHES, pair_of
from securitymodule.card.session import EphemeralAgreement, KeyUse, StaticAgreement
from securitymodule.coding import ENC_KEYS, OWN_KEYS, ROOT_KEYS, Algorithm, KeyRef, Tag
from securitymodule.curves import CurveError, curve_by_domain

VERIFYING_KEYS: Final = frozenset({KeyRef.GWA_TLS, KeyRef.GWA_SIG, KeyRef.SUB_CA, *ROOT_KEYS})
"""Public keys that verify signatures; GWA_ENC is for agreements, which the gateway names by its point."""
AUTHENTICATING_KEYS: Final = frozenset({KeyRef.GWA_SIG})
"""Public keys that an external authentication is made with."""

_PUBLIC_USE: Final = frozenset({Tag.MECHANISM, Tag.PUBLIC_KEY_REFERENCE})
_PRIVATE_USE: Final = frozenset({Tag.MECHANISM, Tag.PRIVATE_KEY_REFERENCE})


def set_signing(context: Context, command: CommandApdu) -> ResponseApdu:
    """For PSO COMPUTE DIGITAL SIGNATURE: an own key that is there."""
    context.require(Operation.USE_KEYS)
    context.session.environment.signing = None
    objects = data_objects(command.data, _PRIVATE_USE)
    key = key_reference(one_byte(objects[Tag.PRIVATE_KEY_REFERENCE]))
    use = KeyUse(_signature_algorithm(objects), key)
    if key not in OWN_KEYS:
        raise Refused(StatusWord.REFERENCE_NOT_FOUND)
    pair_of(context.contents, key)
    context.session.environment.signing = use
    return ResponseApdu()


def set_verifying(context: Context, command: CommandApdu) -> ResponseApdu:
    """For PSO VERIFY DIGITAL SIGNATURE and PSO VERIFY CERTIFICATE: a public key that is there."""
    context.require(Operation.USE_KEYS)
    context.session.environment.verifying = None
    context.session.environment.verifying = _public_use(context, command, VERIFYING_KEYS)
    return ResponseApdu()


def set_external(context: Context, command: CommandApdu) -> ResponseApdu:
    """For EXTERNAL AUTHENTICATE: the GWA's key, if it is there."""
    context.require(Operation.USE_KEYS)
    context.session.environment.external = None
    context.session.environment.external = _public_use(context, command, AUTHENTICATING_KEYS)
    return ResponseApdu()


def set_agreement(context: Context, command: CommandApdu) -> ResponseApdu:
    """For GENERAL AUTHENTICATE as a key agreement: a static ENC key, or an ephemeral one on a curve."""
    context.require(Operation.USE_KEYS)
    context.session.environment.agreement = None
    optional = frozenset({Tag.PRIVATE_KEY_REFERENCE, Tag.DOMAIN})
    objects = data_objects(command.data, frozenset({Tag.MECHANISM}), optional)
    algorithm = one_byte(objects[Tag.MECHANISM])
    if algorithm not in {Algorithm.ECKA_DH, Algorithm.ECKA_EG} or len(objects) != 2:
        raise Refused(StatusWord.INCORRECT_DATA)
    if Tag.DOMAIN in objects:
        context.session.environment.agreement = EphemeralAgreement(_domain(one_byte(objects[Tag.DOMAIN])))
    else:
        key = key_reference(one_byte(objects[Tag.PRIVATE_KEY_REFERENCE]))
        if algorithm != Algorithm.ECKA_EG:  # a key exchange of TLS is ephemeral on both sides
            raise Refused(StatusWord.INCORRECT_DATA)
        if key not in ENC_KEYS:
            raise Refused(StatusWord.REFERENCE_NOT_FOUND)
        pair_of(context.contents, key)
        context.session.environment.agreement = StaticAgreement(key)
    return ResponseApdu()


def _public_use(context: Context, command: CommandApdu, admitted: frozenset[KeyRef]) -> KeyUse:
    objects = data_objects(command.data, _PUBLIC_USE)
    key = key_reference(one_byte(objects[Tag.PUBLIC_KEY_REFERENCE]))
    use = KeyUse(_signature_algorithm(objects), key)
    if key not in admitted:
        raise Refused(StatusWord.REFERENCE_NOT_FOUND)
    context.public_certificate(key)
    return use


def _signature_algorithm(objects: dict[int, bytes]) -> int:
    algorithm = one_byte(objects[Tag.MECHANISM])
    if algorithm not in HASHES:
        raise Refused(StatusWord.INCORRECT_DATA)
    return algorithm


def _domain(domain: int) -> int:
    try:
        return curve_by_domain(domain).domain
    except CurveError:
        raise Refused(StatusWord.REFERENCE_NOT_FOUND) from None
