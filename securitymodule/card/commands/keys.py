"""GENERATE ASYMMETRIC KEY PAIR, DELETE of a key, and what keys do: PSO COMPUTE and VERIFY DIGITAL SIGNATURE, agreement.

Source: ISO/IEC 7816-8 (commands, with the coding of :mod:`securitymodule.coding`); BSI TR-03111, 4.2.1, 4.3.
"""

from __future__ import annotations

from securitymodule import tlv
from securitymodule.apdu import CommandApdu, ResponseApdu, StatusWord
from securitymodule.card.access import Operation
from securitymodule.card.context import Context, data_objects, key_reference, one_byte
from securitymodule.card.errors import Refused
from securitymodule.card.keys import HASHES, generated, pair_of, public_key_object, shared_secret, signature
from securitymodule.card.lifecycle import operational_triples
from securitymodule.card.session import EphemeralAgreement, StaticAgreement
from securitymodule.coding import (
    AGREE_OWN,
    AGREE_PEER,
    AGREE_SECRET,
    ENC_KEYS,
    MOST_WAITING,
    OPERATIONAL_KEYS,
    OWN_KEYS,
    PRELIMINARY_KEYS,
    KeyRef,
    ModuleState,
    Tag,
)
from securitymodule.curves import CurveError, curve_by_domain, verify_digest


def generate(context: Context, command: CommandApdu) -> ResponseApdu:
    """Make a key pair. One that is there already gives way unless it is certified: that one takes erasing first."""
    key = key_reference(command.p2)
    if key in PRELIMINARY_KEYS:
        context.require(Operation.GENERATE_PRELIMINARY)
    elif key in OPERATIONAL_KEYS:
        context.require(Operation.GENERATE_OPERATIONAL)
    else:
        context.require(Operation.USE_KEYS)
        raise Refused(StatusWord.REFERENCE_NOT_FOUND)
    if command.le is None:
        raise Refused(StatusWord.WRONG_LENGTH)
    objects = data_objects(command.data, frozenset({Tag.GENERATED_DOMAIN}))
    try:
        curve = curve_by_domain(one_byte(objects[Tag.GENERATED_DOMAIN]))
    except CurveError:
        raise Refused(StatusWord.INCORRECT_DATA) from None
    if context.contents.certificate(key):
        raise Refused(StatusWord.CONDITIONS_NOT_SATISFIED)
    pair = generated(context.vault, curve)
    context.save(context.contents.with_pair(key, pair))
    return ResponseApdu(public_key_object(pair.domain, pair.point))


def read_public(context: Context, command: CommandApdu) -> ResponseApdu:
    """Give the public key of a pair, or the one that was imported."""
    context.require(Operation.USE_KEYS)
    key = key_reference(command.p2)
    if command.data or command.le is None:
        raise Refused(StatusWord.WRONG_LENGTH)
    if key in OWN_KEYS or key is KeyRef.ATTESTATION:
        pair = pair_of(context.contents, key)
        return ResponseApdu(public_key_object(pair.domain, pair.point))
    certificate = context.public_certificate(key)
    return ResponseApdu(public_key_object(certificate.domain, certificate.point))


def delete(context: Context, command: CommandApdu) -> ResponseApdu:
    """Erase a key and its certificate. An operational module keeps one whole operational triple."""
    key = key_reference(command.p2)
    operations = {
        **dict.fromkeys(PRELIMINARY_KEYS, Operation.DELETE_PRELIMINARY),
        **dict.fromkeys(OPERATIONAL_KEYS, Operation.DELETE_OPERATIONAL),
        KeyRef.NEXT_ROOT: Operation.DELETE_NEXT_ROOT,
    }
    context.require(operations.get(key, Operation.DELETE_PUBLIC))
    if command.data:
        raise Refused(StatusWord.WRONG_LENGTH)
    contents = context.contents
    if key in OWN_KEYS:
        pair_of(contents, key)
    else:
        context.public_certificate(key)
    left = contents.with_pair(key, None)
    if left.state is ModuleState.OPERATIONAL and not operational_triples(left):
        raise Refused(StatusWord.CONDITIONS_NOT_SATISFIED)
    context.save(left)
    return ResponseApdu()


def compute_signature(context: Context, command: CommandApdu) -> ResponseApdu:
    """PSO COMPUTE DIGITAL SIGNATURE over a hash, with the key that MSE SET chose."""
    context.require(Operation.USE_KEYS)
    chosen = context.session.environment.signing
    if chosen is None:
        raise Refused(StatusWord.CONDITIONS_NOT_SATISFIED)
    if command.le is None:
        raise Refused(StatusWord.WRONG_LENGTH)
    pair = pair_of(context.contents, chosen.key)
    if chosen.key in ENC_KEYS and context.contents.certificate(chosen.key):
        # Before there is a certificate it signs its own request; afterwards it only agrees on keys.
        raise Refused(StatusWord.CONDITIONS_NOT_SATISFIED)
    return ResponseApdu(signature(context.vault, pair, chosen.algorithm, command.data))


def verify_signature(context: Context, command: CommandApdu) -> ResponseApdu:
    """PSO VERIFY DIGITAL SIGNATURE over a hash, with the public key that MSE SET chose."""
    context.require(Operation.USE_KEYS)
    chosen = context.session.environment.verifying
    if chosen is None:
        raise Refused(StatusWord.CONDITIONS_NOT_SATISFIED)
    certificate = context.public_certificate(chosen.key)
    objects = data_objects(command.data, frozenset({Tag.HASH, Tag.SIGNATURE_INPUT}))
    try:
        right = verify_digest(
            certificate.key, HASHES[chosen.algorithm], objects[Tag.HASH], objects[Tag.SIGNATURE_INPUT]
        )
    except CurveError:
        raise Refused(StatusWord.INCORRECT_DATA) from None
    if not right:
        raise Refused(StatusWord.AUTHENTICATION_FAILED)
    return ResponseApdu()


def agree(context: Context, command: CommandApdu) -> ResponseApdu:
    """GENERAL AUTHENTICATE as a key agreement, with the key that MSE SET chose; ephemeral ones are used once."""
    context.require(Operation.USE_KEYS)
    chosen = context.session.environment.agreement
    if chosen is None or command.chained:
        raise Refused(StatusWord.CONDITIONS_NOT_SATISFIED)
    if command.le is None:
        raise Refused(StatusWord.WRONG_LENGTH)
    try:
        template = tlv.decode_one(command.data, Tag.DYNAMIC_AUTHENTICATION)
    except tlv.TlvError:
        raise Refused(StatusWord.INCORRECT_DATA) from None
    told = data_objects(template, frozenset(), frozenset({AGREE_PEER, AGREE_OWN}))
    answer = (
        _static(context, chosen, told) if isinstance(chosen, StaticAgreement) else _ephemeral(context, chosen, told)
    )
    return ResponseApdu(tlv.encode(Tag.DYNAMIC_AUTHENTICATION, tlv.encode_all(answer)))


def _static(context: Context, chosen: StaticAgreement, told: dict[int, bytes]) -> dict[int, bytes]:
    if told.keys() != {AGREE_PEER}:
        raise Refused(StatusWord.INCORRECT_DATA)
    return {AGREE_SECRET: shared_secret(context.vault, pair_of(context.contents, chosen.key), told[AGREE_PEER])}


def _ephemeral(context: Context, chosen: EphemeralAgreement, told: dict[int, bytes]) -> dict[int, bytes]:
    waiting = context.session.waiting
    made = None
    if AGREE_OWN in told:
        made = waiting.pop(told[AGREE_OWN], None)  # whatever comes of it, it is used up
        if made is None:
            raise Refused(StatusWord.REFERENCE_NOT_FOUND)
        if AGREE_PEER not in told:
            raise Refused(StatusWord.INCORRECT_DATA)
    pair = made or generated(context.vault, curve_by_domain(chosen.domain))
    if AGREE_PEER not in told:
        while len(waiting) >= MOST_WAITING:
            del waiting[next(iter(waiting))]
        waiting[pair.point] = pair
        return {AGREE_OWN: pair.point}
    secret = {AGREE_SECRET: shared_secret(context.vault, pair, told[AGREE_PEER])}
    return secret if made is not None else {AGREE_OWN: pair.point, **secret}
