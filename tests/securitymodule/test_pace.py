"""PACE: the published example to the byte, and both sides against one another."""

from __future__ import annotations

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from securitymodule import tlv
from securitymodule.apdu import CommandApdu, ResponseApdu
from securitymodule.curves import (
    BRAINPOOL_P256R1,
    CURVES,
    SECP256R1,
    CurveError,
    decode_point,
    encode_point,
)
from securitymodule.pace import (
    PACE_AES_128,
    PACE_AES_192,
    PACE_AES_256,
    PACE_INFOS,
    REQUIRED_INFO,
    PaceInfo,
    SessionKeys,
    decode_card_access,
    decrypt_nonce,
    derive_key,
    encode_card_access,
    mapped_base,
    pin_password,
    random_scalar,
)
from securitymodule.pace_card import PaceCard
from securitymodule.pace_terminal import drive, establish
from securitymodule.statements import StatementError
from tests.support.pace import PIN, card_with, run, transmit_to
from tests.support.passwords import Password, as_randomness, given

EVERY_INFO = [
    PaceInfo(protocol, curve)
    for protocol in (PACE_AES_128, PACE_AES_192, PACE_AES_256)
    for curve in CURVES
    if protocol.allows(curve)
]

# ICAO Doc 9303, part 11, appendix G.1: PACE with generic mapping, ECDH on brainpoolP256r1, AES-128, password MRZ.
MRZ_KEY = bytes.fromhex("7E2D2A41C74EA0B38CD36F863939BFA8E9032AAD")
NONCE_KEY = "89DED1B26624EC1E634C1989302849DD"
NONCE = bytes.fromhex("3F00C4D39D153F2B2A214A078D899B22")
ENCRYPTED_NONCE = "95A3A016522EE98D01E76CB6B98B42C3"
TERMINAL_MAPPING_KEY = 0x7F4EF07B9EA82FD78AD689B38D0BC78CF21F249D953BC46F4C6E19259C010F99
CARD_MAPPING_KEY = 0x498FF49756F2DC1587840041839A85982BE7761D14715FB091EFA7BCE9058560
TERMINAL_MAPPING_POINT = (
    "7ACF3EFC982EC45565A4B155129EFBC74650DCBFA6362D896FC70262E0C2CC5E"
    "544552DCB6725218799115B55C9BAA6D9F6BC3A9618E70C25AF71777A9C4922D"
)
CARD_MAPPING_POINT = (
    "824FBA91C9CBE26BEF53A0EBE7342A3BF178CEA9F45DE0B70AA601651FBA3F57"
    "30D8C879AAA9C9F73991E61B58F4D52EB87A0A0C709A49DC63719363CCD13C54"
)
MAPPED_BASE = (
    "8CED63C91426D4F0EB1435E7CB1D74A46723A0AF21C89634F65A9AE87A9265E2"
    "8C879506743F8611AC33645C5B985C80B5F09A0B83407C1B6A4D857AE76FE522"
)
TERMINAL_KEY = 0xA73FB703AC1436A18E0CFA5ABB3F7BEC7A070E7A6788486BEE230C4A22762595
CARD_KEY = 0x107CF58696EF6155053340FD633392BA81909DF7B9706F226F32086C7AFF974A
TERMINAL_POINT = (
    "2DB7A64C0355044EC9DF190514C625CBA2CEA48754887122F3A5EF0D5EDD301C"
    "3556F3B3B186DF10B857B58F6A7EB80F20BA5DC7BE1D43D9BF850149FBB36462"
)
CARD_POINT = (
    "9E880F842905B8B3181F7AF7CAA9F0EFB743847F44A306D2D28C1D9EC65DF6DB"
    "7764B22277A2EDDC3C265A9F018F9CB852E111B768B326904B59A0193776F094"
)
ENCRYPTION_KEY = "F5F0E35C0D7161EE6724EE513A0D9A7F"
CHECKSUM_KEY = "FE251C7858B356B24514B3BD5F4297D1"
TERMINAL_TOKEN, CARD_TOKEN = "C2B0BD78D94BA866", "3ABB9674BCE93C08"


def test_the_published_example() -> None:
    """Every value that ICAO prints, from both sides, on the wire."""
    curve = BRAINPOOL_P256R1
    card_draws = [NONCE, as_randomness(curve, CARD_MAPPING_KEY), as_randomness(curve, CARD_KEY)]
    terminal_draws = [as_randomness(curve, TERMINAL_MAPPING_KEY), as_randomness(curve, TERMINAL_KEY)]
    card = PaceCard({1: Password(MRZ_KEY)}, random_bytes=given(card_draws))
    wire: list[str] = []

    def transmit(command: CommandApdu) -> ResponseApdu:
        wire.append(command.encode().hex().upper())
        response = transmit_to(card)(command)
        wire.append(response.encode().hex().upper())
        return response

    steps = establish(MRZ_KEY, REQUIRED_INFO, password_reference=1, random_bytes=given(terminal_draws))
    keys = drive(steps, transmit)
    assert wire[2:] == [
        "10860000027C0000",
        f"7C128010{ENCRYPTED_NONCE}9000",
        f"10860000457C43814104{TERMINAL_MAPPING_POINT}00",
        f"7C43824104{CARD_MAPPING_POINT}9000",
        f"10860000457C43834104{TERMINAL_POINT}00",
        f"7C43844104{CARD_POINT}9000",
        f"008600000C7C0A8508{TERMINAL_TOKEN}00",
        f"7C0A8608{CARD_TOKEN}9000",
    ]
    for side in (keys, card.take_keys()):
        assert side is not None
        assert side.encryption.hex().upper() == ENCRYPTION_KEY
        assert side.checksum.hex().upper() == CHECKSUM_KEY


def test_the_published_example_within() -> None:
    assert derive_key(MRZ_KEY, 3, 16).hex().upper() == NONCE_KEY
    assert decrypt_nonce(PACE_AES_128, MRZ_KEY, bytes.fromhex(ENCRYPTED_NONCE)) == NONCE
    peer = decode_point(BRAINPOOL_P256R1, bytes.fromhex("04" + CARD_MAPPING_POINT))
    base = mapped_base(NONCE, TERMINAL_MAPPING_KEY, peer)
    assert encode_point(base).hex().upper() == "04" + MAPPED_BASE


@pytest.mark.parametrize("info", EVERY_INFO, ids=str)
def test_both_sides_come_to_the_same_keys(info: PaceInfo) -> None:
    password = Password(PIN.encode())
    card = card_with(password)
    keys = run(card, info=info)
    assert card.take_keys() == keys
    assert len(keys.encryption) == len(keys.checksum) == info.protocol.key_bytes
    assert card.take_keys() is None
    assert not card.running
    assert password.events == ["taken", "restored"]


def test_each_run_has_keys_of_its_own() -> None:
    card = card_with(Password(PIN.encode()))
    found = {run(card, seed=seed).encryption for seed in range(2, 6)}
    assert len(found) == 4


@pytest.mark.parametrize(
    "pin", ["123456789", "12345678901234567890123456789012" + "3", "123456789a", "", "１２３４５６７８９０"]
)
def test_what_is_no_pin(pin: str) -> None:
    with pytest.raises(StatementError) as caught:
        pin_password(pin)
    assert not pin or pin not in str(caught.value)


def test_weak_curves_are_refused() -> None:
    with pytest.raises(CurveError, match="192"):
        PaceInfo(PACE_AES_192, BRAINPOOL_P256R1)
    assert not PACE_AES_256.allows(SECP256R1)


def test_card_access() -> None:
    content = encode_card_access()
    assert decode_card_access(content) == PACE_INFOS
    # The entry that ICAO's example prints for id-PACE-ECDH-GM-AES-CBC-CMAC-128 with parameters 13.
    assert bytes.fromhex("3012060A04007F0007020204020202010202010D") in content
    others = (
        "300D060804007F0007020202020102",  # terminal authentication
        "3012060A04007F00070202040204020102020105",  # parameters that there are not
        "3012060A04007F0007020204020402010202010D",  # a curve too weak for its cipher
        "3012060A04007F0007020204020202010102010D",  # version 1
        "0500",
    )
    infos = tlv.decode_one(content, 0x31) + b"".join(bytes.fromhex(other) for other in others)
    assert decode_card_access(tlv.encode(0x31, infos)) == PACE_INFOS


@examples(st.binary(max_size=100))
def test_any_card_access_is_read_or_refused(content: bytes) -> None:
    for encoded in (content, tlv.encode(0x31, content), tlv.encode(0x31, tlv.encode(0x30, content))):
        try:
            decode_card_access(encoded)
        except tlv.TlvError:
            continue


@examples(st.binary(min_size=40, max_size=40))
def test_random_scalars_are_private_keys(draw: bytes) -> None:
    scalar = random_scalar(BRAINPOOL_P256R1, lambda count: draw[:count])
    assert 0 < scalar < BRAINPOOL_P256R1.order


def test_neither_keys_nor_password_are_shown() -> None:
    assert repr(SessionKeys(b"k" * 16, b"m" * 16)) == "SessionKeys()"
    assert PIN not in repr(card_with(Password(PIN.encode())))
