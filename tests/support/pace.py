"""Both ends of PACE, for tests of either: a card with a password, and a terminal that runs against it."""

from __future__ import annotations

from collections.abc import Callable

from securitymodule.apdu import CommandApdu, ResponseApdu
from securitymodule.pace import REQUIRED_INFO, PaceInfo, SessionKeys, pin_password
from securitymodule.pace_card import PaceCard
from securitymodule.pace_terminal import drive, establish
from tests.support.passwords import Password, seeded

PIN = "1029384756"
Transmit = Callable[[CommandApdu], ResponseApdu]


def card_with(password: Password, seed: int = 1) -> PaceCard:
    """A card with one password."""
    return PaceCard({3: password}, random_bytes=seeded(seed))


def transmit_to(card: PaceCard) -> Transmit:
    """Hands commands to the card as bytes and back."""

    def transmit(command: CommandApdu) -> ResponseApdu:
        arrived = CommandApdu.decode(command.encode())
        response = card.choose(arrived) if arrived.ins == 0x22 else card.step(arrived)
        return ResponseApdu.decode(response.encode())

    return transmit


def run(card: PaceCard, pin: str = PIN, info: PaceInfo = REQUIRED_INFO, seed: int = 2) -> SessionKeys:
    """A terminal against a card."""
    return drive(establish(pin_password(pin), info, random_bytes=seeded(seed)), transmit_to(card))
