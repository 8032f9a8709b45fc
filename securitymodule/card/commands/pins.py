"""VERIFY, CHANGE REFERENCE DATA, GET CHALLENGE, EXTERNAL AUTHENTICATE: who is there (ISO/IEC 7816-4)."""

from __future__ import annotations

import hashlib

from securitymodule.apdu import CommandApdu, ResponseApdu, StatusWord, tries_word
from securitymodule.card.access import Operation
from securitymodule.card.context import Context, data_objects
from securitymodule.card.errors import Refused
from securitymodule.card.keys import HASHES
from securitymodule.card.pins import pin_of
from securitymodule.coding import (
    CHALLENGE_BYTES,
    MAX_RESPONSE_DATA,
    Pin,
    Tag,
    external_authentication_message,
)
from securitymodule.curves import verify_digest
from securitymodule.wiping import wipe

_CHANGES = {Pin.SYSTEM: Operation.CHANGE_SYSTEM_PIN, Pin.INTEGRATOR: Operation.CHANGE_INTEGRATOR_PIN}
_PRESENTATIONS = {Pin.SYSTEM: Operation.VERIFY_SYSTEM_PIN, Pin.INTEGRATOR: Operation.VERIFY_INTEGRATOR_PIN}


def verify(context: Context, command: CommandApdu) -> ResponseApdu:
    """VERIFY: present a PIN; without one, ask how many tries it has left."""
    context.require(Operation.ASK_TRIES)
    pin = pin_of(context.contents, command.p2)
    if not command.data:
        if pin is Pin.INTEGRATOR and context.session.integrator:
            return ResponseApdu()
        return ResponseApdu(sw=tries_word(context.pins.tries_left(pin)))
    context.require(_PRESENTATIONS[pin])
    context.session.integrator = False
    context.pins.check(pin, command.data)
    context.session.integrator = True
    return ResponseApdu()


def change(context: Context, command: CommandApdu) -> ResponseApdu:
    """CHANGE REFERENCE DATA. The secure channel stays; the next PACE takes the new system PIN."""
    context.require(Operation.ASK_TRIES)
    pin = pin_of(context.contents, command.p2)
    context.require(_CHANGES[pin])
    objects = data_objects(command.data, frozenset({Tag.OLD_REFERENCE_DATA, Tag.NEW_REFERENCE_DATA}))
    try:
        context.pins.change(pin, objects[Tag.OLD_REFERENCE_DATA], objects[Tag.NEW_REFERENCE_DATA])
    finally:
        for digits in objects.values():
            wipe(digits)
    return ResponseApdu()


def challenge(context: Context, command: CommandApdu) -> ResponseApdu:
    """GET CHALLENGE: random bytes; as many as an external authentication takes are remembered for one."""
    context.require(Operation.GET_CHALLENGE)
    if command.data or command.le is None or command.le > MAX_RESPONSE_DATA:
        raise Refused(StatusWord.WRONG_LENGTH)
    drawn = context.random(command.le)
    context.session.challenge = drawn if len(drawn) == CHALLENGE_BYTES else b""
    return ResponseApdu(drawn)


def external_authenticate(context: Context, command: CommandApdu) -> ResponseApdu:
    """EXTERNAL AUTHENTICATE of the GWA. Whatever comes of it, the challenge is used up.

    The key's certificate was valid when it was imported. That it has ended since keeps nobody out: it must be possible
    to bring the next one.
    """
    context.require(Operation.AUTHENTICATE_ADMINISTRATOR)
    chosen, drawn = context.session.environment.external, context.session.challenge
    context.session.challenge = b""
    context.session.administrator = False
    if chosen is None or not drawn:
        raise Refused(StatusWord.CONDITIONS_NOT_SATISFIED)
    certificate = context.public_certificate(chosen.key)
    algorithm = HASHES[chosen.algorithm]
    message = external_authentication_message(context.contents.serial, drawn)
    digest = hashlib.new(algorithm.name, message).digest()
    if not verify_digest(certificate.key, algorithm, digest, command.data):
        raise Refused(StatusWord.AUTHENTICATION_FAILED)
    context.session.administrator = True
    return ResponseApdu()
