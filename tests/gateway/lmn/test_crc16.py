"""The checksums against published check values and an independent implementation, bit by bit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.lmn import crc16
from gateway.lmn.crc16 import CrcKind

CHECK = b"123456789"


def bit_by_bit(data: bytes, start: int, final: int) -> int:
    """A reflected CRC with polynomial 0x1021, as slow and plain as its definition."""
    register = start
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x8408 if register & 1 else 0)
    return register ^ final


def test_check_values() -> None:
    assert crc16.x25(CHECK) == 0x906E
    assert crc16.kermit(CHECK) == 0x2189
    assert crc16.x25(b"") == 0
    assert crc16.kermit(b"") == 0


@given(st.binary(max_size=300))
def test_agrees_with_the_definition(data: bytes) -> None:
    assert crc16.x25(data) == bit_by_bit(data, 0xFFFF, 0xFFFF)
    assert crc16.kermit(data) == bit_by_bit(data, 0, 0)


def test_byte_order_on_the_wire() -> None:
    assert crc16.as_sent(CHECK, CrcKind.X25) == 0x6E90
    assert crc16.as_sent(CHECK, CrcKind.KERMIT) == 0x2189


@given(st.binary(max_size=64), st.sampled_from(CrcKind))
def test_says_which_one_matched(data: bytes, kind: CrcKind) -> None:
    sent = crc16.as_sent(data, kind)
    other = CrcKind.KERMIT if kind is CrcKind.X25 else CrcKind.X25
    matched = crc16.matching(data, sent)
    # Both may agree by chance; X-25 is then the name, as it is the standard's.
    assert matched is kind or (crc16.as_sent(data, other) == sent and matched is CrcKind.X25)


def test_says_when_none_matched() -> None:
    assert crc16.matching(CHECK, 0x906E) is None  # X-25, but high byte first
    assert crc16.matching(CHECK, 0x8921) is None  # KERMIT, but low byte first
    assert crc16.matching(CHECK, -1) is None
    assert crc16.matching(CHECK, 0x16E90) is None
