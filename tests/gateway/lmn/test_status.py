"""Status words: both layouts, the combined word, and its classes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lmn.sml_readings import STATUS_BITS
from gateway.lmn.status import (
    METER_REGULAR,
    CombinedStatus,
    GatewayStatus,
    MeterStatus,
    PtbStatus,
    StatusError,
    bit_of,
    gateway_status,
    has_meter_layout,
    label_of,
    meter_status,
    noted_meter_status,
    ptb_status,
)

NO_GATEWAY, NO_METER = GatewayStatus(0), MeterStatus(0)
GATEWAY = st.sampled_from(GatewayStatus)  # any combination of flags, not only one at a time
METER = st.sampled_from(MeterStatus)


@given(GATEWAY, st.none() | METER)
def test_round_trip(gateway: GatewayStatus, meter: MeterStatus | None) -> None:
    status = CombinedStatus(gateway, meter)
    assert CombinedStatus.decode(status.encode()) == CombinedStatus.of_word(status.word) == status
    assert status.ptb == ptb_status(gateway, meter)


def test_words_of_devices_in_service() -> None:
    """What published manuals show in bit-string order: a0000000 is bits 0 and 2, e0020000 bits 0, 1, 2 and 14."""
    assert gateway_status(0b101) == NO_GATEWAY
    assert gateway_status(0b111 | 1 << 14) == GatewayStatus.TRANSPARENCY | GatewayStatus.PTB_TEMPORARY_ERROR_INVALID
    assert meter_status(0x001C0104) == METER_REGULAR
    assert MeterStatus.SUM_DIRECTION_NEGATIVE in meter_status(0x001C0904)
    assert CombinedStatus(NO_GATEWAY, METER_REGULAR).encode().hex() == "00000005001c0104"


@pytest.mark.parametrize(
    ("gateway", "meter", "expected"),
    [
        (NO_GATEWAY, NO_METER, PtbStatus.OK),
        (GatewayStatus.TRANSPARENCY, METER_REGULAR | MeterStatus.BACKSTOP, PtbStatus.OK),
        (NO_GATEWAY, None, PtbStatus.OK),
        (NO_GATEWAY, MeterStatus.MAGNETIC_FIELD, PtbStatus.CRITICAL_TEMPORARY_ERROR),
        (NO_GATEWAY, MeterStatus.MANIPULATION, PtbStatus.CRITICAL_TEMPORARY_ERROR),
        (GatewayStatus.PTB_WARNING, MeterStatus.MANIPULATION, PtbStatus.CRITICAL_TEMPORARY_ERROR),
        (GatewayStatus.PTB_WARNING, NO_METER, PtbStatus.WARNING),
        (GatewayStatus.PTB_TEMPORARY_ERROR_SIGNED_INVALID, NO_METER, PtbStatus.TEMPORARY_ERROR),
        (GatewayStatus.PTB_TEMPORARY_ERROR_INVALID, NO_METER, PtbStatus.CRITICAL_TEMPORARY_ERROR),
        (GatewayStatus.SYSTEM_TIME_INVALID, NO_METER, PtbStatus.CRITICAL_TEMPORARY_ERROR),
        (GatewayStatus.FATAL_ERROR, NO_METER, PtbStatus.FATAL_ERROR),
        (GatewayStatus.FATAL_ERROR, None, PtbStatus.FATAL_ERROR),
        (NO_GATEWAY, MeterStatus.FATAL_ERROR, PtbStatus.FATAL_ERROR),
    ],
)
def test_classes(gateway: GatewayStatus, meter: MeterStatus | None, expected: PtbStatus) -> None:
    assert ptb_status(gateway, meter) is expected


@given(GATEWAY, METER, st.sampled_from(GatewayStatus), st.sampled_from(MeterStatus))
def test_one_more_flag_never_makes_a_reading_better(
    gateway: GatewayStatus, meter: MeterStatus, more: GatewayStatus, of_meter: MeterStatus
) -> None:
    assert ptb_status(gateway | more, meter) >= ptb_status(gateway, meter)
    assert ptb_status(gateway, meter | of_meter) >= ptb_status(gateway, meter)


def test_up_to_a_substitute_is_usable() -> None:
    assert [status.usable for status in PtbStatus] == [True, True, True, False, False]


@pytest.mark.parametrize("word", [0, 1, 4, 0b101 | 1 << 3, 0b101 | 1 << 10, 0b101 | 1 << 15, 0b101 | 1 << 32])
def test_what_fits_no_gateway_word_is_refused(word: int) -> None:
    with pytest.raises(StatusError):
        gateway_status(word)


@pytest.mark.parametrize("word", [0, 0x05, 0x100, 1 << 32 | 4, -1])
def test_what_fits_no_meter_word_is_refused(word: int) -> None:
    with pytest.raises(StatusError):
        meter_status(word)


def test_other_lengths_are_refused() -> None:
    with pytest.raises(StatusError, match="8 bytes, not 4"):
        CombinedStatus.decode(bytes(4))


@given(st.integers(min_value=0, max_value=2**64 - 1))
def test_a_half_of_another_layout_says_nothing(word: int) -> None:
    """Whatever another has written can be graded; what is not recognised as a status word changes nothing."""
    status = CombinedStatus.of_word(word)
    assert (status.meter is None) is (word & 0xFF != 0x04)
    assert status.gateway in (NO_GATEWAY, word >> 32 & ~0b101)
    assert CombinedStatus.of_word(0x00000105_001C0104).ptb is PtbStatus.FATAL_ERROR
    assert CombinedStatus.of_word(0x00000101_00020180).ptb is PtbStatus.OK


@given(st.integers(min_value=0, max_value=2**32 - 1), st.integers(min_value=1, max_value=8))
def test_the_codecs_note_of_a_meters_word_is_read_back(word: int, width: int) -> None:
    word %= 1 << 8 * width
    noted = noted_meter_status(("unsigned", f"status:0x{word:0{2 * width}x}", "magnetic-field"))
    assert noted == (meter_status(word) if has_meter_layout(word, width) else None)


@pytest.mark.parametrize("flags", [(), ("unsigned",), ("status:0xzz",), ("status:0x04",), ("status:0x0123456704",)])
def test_what_is_no_word_of_an_fnn_meter_is_not_read_as_one(flags: tuple[str, ...]) -> None:
    assert noted_meter_status(flags) is None


def test_the_codec_names_the_bits_that_ask_for_attention() -> None:
    assert STATUS_BITS[17] == label_of(MeterStatus.FATAL_ERROR) == "fatal-error"
    assert set(STATUS_BITS) == {bit_of(flag) for flag in MeterStatus} - {8, 18, 19, 20}
