"""PACE and secure messaging against OpenPACE, which other people wrote after the same guideline."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from securitymodule import tlv
from securitymodule.apdu import CommandApdu, ResponseApdu
from securitymodule.curves import BRAINPOOL_P384R1, SECP256R1, SECP384R1
from securitymodule.errors import WrongPin
from securitymodule.messaging import CardChannel, TerminalChannel, pad
from securitymodule.pace import PACE_AES_128, PACE_INFOS, REQUIRED_INFO, PaceInfo, SessionKeys, pin_password
from securitymodule.pace_card import PaceCard
from securitymodule.pace_terminal import drive, establish
from tests.support.openpace import OpenPace, OpenPaceError
from tests.support.passwords import Password, seeded

PIN = "1029384756"
INFOS = [*PACE_INFOS, *(PaceInfo(PACE_AES_128, curve) for curve in (BRAINPOOL_P384R1, SECP256R1, SECP384R1))]
every_info = pytest.mark.parametrize("info", INFOS, ids=str)


@contextmanager
def openpace(info: PaceInfo, pin: str = PIN) -> Iterator[OpenPace]:
    peer = OpenPace(pin, info.protocol.name, info.curve.domain)
    try:
        yield peer
    finally:
        peer.close()


def template(tag: int, value: bytes) -> bytes:
    return tlv.encode(0x7C, tlv.encode(tag, value))


class PeerCard:
    """OpenPACE in the place of the card: answers what our terminal sends."""

    def __init__(self, peer: OpenPace) -> None:
        self._peer = peer
        self._terminal_key = b""

    def transmit(self, command: CommandApdu) -> ResponseApdu:
        if command.ins == 0x22:
            return ResponseApdu()
        objects = tlv.decode_all(tlv.decode_one(command.data, 0x7C))
        if not objects:
            return ResponseApdu(template(0x80, self._peer.encrypted_nonce()))
        tag, value = objects[0]
        if tag == 0x81:
            own = self._peer.mapping_data()
            self._peer.map(value)
            return ResponseApdu(template(0x82, own))
        if tag == 0x83:
            self._terminal_key = value
            own = self._peer.ephemeral_key()
            self._peer.agree(value)
            return ResponseApdu(template(0x84, own))
        try:
            self._peer.check_token(value)
        except OpenPaceError:
            return ResponseApdu(sw=0x63C4)
        return ResponseApdu(template(0x86, self._peer.token(self._terminal_key)))


def against_our_card(peer: OpenPace, card: PaceCard, info: PaceInfo) -> int:
    """OpenPACE in the place of the terminal; the status word that our card gives in the end."""
    chosen = {0x80: info.protocol.oid_value, 0x83: b"\x03", 0x84: bytes((info.curve.domain,))}
    assert card.choose(CommandApdu(0, 0x22, 0xC1, 0xA4, tlv.encode_all(chosen))).sw == 0x9000

    def step(data: bytes, tag: int, cla: int = 0x10) -> bytes:
        response = card.step(CommandApdu(cla, 0x86, 0, 0, data, 256))
        assert response.sw == 0x9000
        return tlv.decode_one(tlv.decode_one(response.data, 0x7C), tag)

    peer.take_nonce(step(b"\x7c\x00", 0x80))
    peer.map(step(template(0x81, peer.mapping_data()), 0x82))
    own = peer.ephemeral_key()
    theirs = step(template(0x83, own), 0x84)
    peer.agree(theirs)
    last = card.step(CommandApdu(0, 0x86, 0, 0, template(0x85, peer.token(theirs)), 256))
    if last.sw == 0x9000:
        peer.check_token(tlv.decode_one(tlv.decode_one(last.data, 0x7C), 0x86))
    return last.sw


def our_keys(peer: OpenPace, info: PaceInfo, pin: str = PIN) -> SessionKeys:
    return drive(establish(pin_password(pin), info, random_bytes=seeded(4)), PeerCard(peer).transmit)


@every_info
def test_our_terminal_and_their_card(info: PaceInfo) -> None:
    with openpace(info) as peer:
        our_keys(peer, info)


@every_info
def test_their_terminal_and_our_card(info: PaceInfo) -> None:
    card = PaceCard({3: Password(PIN.encode())}, random_bytes=seeded(5))
    with openpace(info) as peer:
        assert against_our_card(peer, card, info) == 0x9000
    assert card.take_keys() is not None


def test_a_wrong_pin_is_found_by_either() -> None:
    with openpace(REQUIRED_INFO) as peer, pytest.raises(WrongPin):
        our_keys(peer, REQUIRED_INFO, "1029384757")
    card = PaceCard({3: Password(PIN.encode())}, random_bytes=seeded(5))
    with openpace(REQUIRED_INFO, "1029384757") as peer:
        assert against_our_card(peer, card, REQUIRED_INFO) == 0x63C4


@every_info
def test_our_secure_messaging_is_theirs(info: PaceInfo) -> None:
    """A command of our terminal's and a response of our card's, built and read with OpenPACE's operations."""
    with openpace(info) as peer:
        keys = our_keys(peer, info)
        peer.start_messaging()
        terminal, card = TerminalChannel(keys), CardChannel(keys)
        for text in (b"Zaehlerstand", bytes(16), bytes(300)):
            command = CommandApdu(0, 0xD6, 0x01, 0x02, text, 256)
            protected = terminal.protect(command)
            peer.next_message()
            objects = tlv.decode_unique(protected.data)
            assert objects[0x87] == b"\x01" + peer.encrypt(pad(text))
            assert peer.decrypt(objects[0x87][1:]) == pad(text)
            covered = tlv.encode_all({0x87: objects[0x87], 0x97: b"\x00"})
            assert objects[0x8E] == peer.checksum(pad(protected.header) + pad(covered))
            assert card.open(protected) == command

            peer.next_message()
            covered = tlv.encode_all({0x87: b"\x01" + peer.encrypt(pad(text)), 0x99: b"\x90\x00"})
            theirs = ResponseApdu(covered + tlv.encode(0x8E, peer.checksum(pad(covered))))
            assert card.protect(ResponseApdu(text)) == theirs
            assert terminal.open(theirs) == ResponseApdu(text)


def test_a_command_without_data_is_theirs_too() -> None:
    with openpace(REQUIRED_INFO) as peer:
        keys = our_keys(peer, REQUIRED_INFO)
        peer.start_messaging()
        peer.next_message()
        protected = TerminalChannel(keys).protect(CommandApdu(0, 0xFE, 0, 0))
        assert protected.data == tlv.encode(0x8E, peer.checksum(pad(bytes.fromhex("0CFE0000"))))
