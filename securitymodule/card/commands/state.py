"""What a module is told once, says of itself, and how it goes from state to state.

GET DATA, INTERNAL AUTHENTICATE, PUT DATA, ACTIVATE, TERMINATE CARD USAGE. Formats: :mod:`securitymodule.statements`;
states: :mod:`securitymodule.card.lifecycle`.
"""

from __future__ import annotations

import hashlib
from typing import Final

from securitymodule.apdu import CommandApdu, ResponseApdu, StatusWord
from securitymodule.card import lifecycle
from securitymodule.card.access import Operation
from securitymodule.card.contents import PinObject
from securitymodule.card.context import Context, data_objects
from securitymodule.card.errors import Refused
from securitymodule.card.keys import generated, pair_of, signature
from securitymodule.card.pins import reference_data
from securitymodule.coding import GWA_KEYS, ROOT_KEYS, Algorithm, FileId, KeyRef, ModuleState, Pin
from securitymodule.curves import CURVES
from securitymodule.statements import (
    ATTESTATION_CURVE,
    MAX_BOUND,
    MAX_NONCE,
    MIN_NONCE,
    Attestation,
    InitialisationFile,
    KeyStatement,
    ModuleInformation,
    SignedAttestation,
    StatementError,
)

VERSION: Final = "1.0"
"""Of the module's software."""

_NONCE: Final = 0x84
_BOUND: Final = 0x85

_ACTIVATIONS: Final = {
    ModuleState.PREPERSONALISED: Operation.ACTIVATE_PREPERSONALISED,
    ModuleState.INTEGRATED: Operation.ACTIVATE_INTEGRATED,
    ModuleState.READY: Operation.ACTIVATE_READY,
    ModuleState.OPERATIONAL: Operation.ACTIVATE_OPERATIONAL,
}


def inform(context: Context, command: CommandApdu) -> ResponseApdu:
    """GET DATA: what anybody may know."""
    context.require(Operation.INFORM)
    if command.data or command.le is None:
        raise Refused(StatusWord.WRONG_LENGTH)
    contents = context.contents
    attestation = contents.pairs.get(KeyRef.ATTESTATION)
    information = ModuleInformation(
        serial=contents.serial,
        state=contents.state,
        counter=context.count,
        version=VERSION,
        domains=tuple(curve.domain for curve in CURVES),
        system_tries=context.pins.tries_left(Pin.SYSTEM),
        integrator_tries=context.pins.tries_left(Pin.INTEGRATOR),
        attestation_point=attestation.point if attestation is not None else b"",
    )
    return ResponseApdu(information.encode())


def attest(context: Context, command: CommandApdu) -> ResponseApdu:
    """INTERNAL AUTHENTICATE: sign what is in the module. The counter has risen before the signature is made."""
    context.require(Operation.ATTEST)
    if command.le is None:
        raise Refused(StatusWord.WRONG_LENGTH)
    objects = data_objects(command.data, frozenset({_NONCE}), frozenset({_BOUND}))
    nonce, bound = objects[_NONCE], objects.get(_BOUND, b"")
    if not MIN_NONCE <= len(nonce) <= MAX_NONCE or len(bound) > MAX_BOUND:
        raise Refused(StatusWord.INCORRECT_DATA)
    context.count_up()
    contents = context.contents
    body = Attestation(
        serial=contents.serial,
        state=contents.state,
        counter=context.count,
        nonce=nonce,
        bound=bound,
        record_head=contents.files.get(FileId.EF_RECORD_HEAD, b""),
        keys=_statements(context),
    ).encode()
    pair = pair_of(contents, KeyRef.ATTESTATION)
    digest = hashlib.sha256(body).digest()
    made = signature(context.identity, pair, Algorithm.ECDSA_SHA256, digest)
    return ResponseApdu(SignedAttestation(body, made).encode())


def initialise(context: Context, command: CommandApdu) -> ResponseApdu:
    """PUT DATA: take the initialisation file (Anlage VIII, ch. 3), make the attestation key."""
    context.require(Operation.INITIALISE)
    try:
        told = InitialisationFile.decode(command.data)
    except StatementError:
        raise Refused(StatusWord.INCORRECT_DATA) from None
    pins: dict[Pin, PinObject] = {}
    for pin, digits in ((Pin.SYSTEM, told.system_pin), (Pin.INTEGRATOR, told.integrator_pin)):
        reference = reference_data(context.vault, pin, digits.encode("ascii"), context.random)
        pins[pin] = PinObject(reference, told.tries, told.tries)
    context.save(lifecycle.initialised(told.serial, pins, generated(context.identity, ATTESTATION_CURVE)))
    return ResponseApdu()


def activate(context: Context, command: CommandApdu) -> ResponseApdu:
    """ACTIVATE: go to the next state, if what it stands for is in the module."""
    operation = next((found for state, found in _ACTIVATIONS.items() if state == command.p2), None)
    if operation is None:
        raise Refused(StatusWord.INCORRECT_P1_P2)
    context.require(operation)
    if command.data:
        raise Refused(StatusWord.WRONG_LENGTH)
    context.save(lifecycle.activated(context.contents, command.p2))
    return ResponseApdu()


def terminate(context: Context, command: CommandApdu) -> ResponseApdu:
    """TERMINATE CARD USAGE: erase keys and PINs, for good."""
    context.require(Operation.TERMINATE)
    if command.data:
        raise Refused(StatusWord.WRONG_LENGTH)
    context.terminate(lifecycle.terminated(context.contents))
    return ResponseApdu()


def _statements(context: Context) -> tuple[KeyStatement, ...]:
    """What is said of each key: the own pairs, then the public keys that outlive a session, by reference."""
    contents = context.contents
    found: list[KeyStatement] = []
    for key, pair in contents.pairs.items():
        if key is not KeyRef.ATTESTATION:
            found.append(_statement(key, pair.domain, pair.point, contents.certificate(key)))
    for key in (*GWA_KEYS, *ROOT_KEYS):
        der = contents.certificate(key)
        if der:
            certificate = context.public_certificate(key)
            found.append(_statement(key, certificate.domain, certificate.point, der))
    return tuple(sorted(found, key=lambda statement: statement.key))


def _statement(key: KeyRef, domain: int, point: bytes, der: bytes) -> KeyStatement:
    certified = hashlib.sha256(der).digest() if der else None
    return KeyStatement(key, domain, hashlib.sha256(point).digest(), certified)
