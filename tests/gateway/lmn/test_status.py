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
    label_of,
    meter_status,
    ptb_status,
)

NO_GATEWAY, NO_METER = GatewayStatus(0), MeterStatus(0)
GATEWAY = st.sampled_from(GatewayStatus)  # any combination of flags, not only one at a time
METER = st.sampled_from(MeterStatus)


@given(GATEWAY, METER)
def test_round_trip(gateway: GatewayStatus, meter: MeterStatus) -> None:
    status = CombinedStatus(gateway, meter)
    assert CombinedStatus.decode(status.encode()) == status
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
        (GatewayStatus.TRANSPARENCY, MeterStatus.MAGNETIC_FIELD, PtbStatus.OK),
        (GatewayStatus.PTB_WARNING, NO_METER, PtbStatus.WARNING),
        (GatewayStatus.PTB_TEMPORARY_ERROR_SIGNED_INVALID, NO_METER, PtbStatus.TEMPORARY_ERROR),
        (GatewayStatus.PTB_TEMPORARY_ERROR_INVALID, NO_METER, PtbStatus.CRITICAL_TEMPORARY_ERROR),
        (GatewayStatus.SYSTEM_TIME_INVALID, NO_METER, PtbStatus.CRITICAL_TEMPORARY_ERROR),
        (GatewayStatus.FATAL_ERROR, NO_METER, PtbStatus.FATAL_ERROR),
        (NO_GATEWAY, MeterStatus.FATAL_ERROR, PtbStatus.FATAL_ERROR),
    ],
)
def test_classes(gateway: GatewayStatus, meter: MeterStatus, expected: PtbStatus) -> None:
    assert ptb_status(gateway, meter) is expected


@given(GATEWAY, METER, st.sampled_from(GatewayStatus))
def test_one_more_flag_never_makes_a_reading_better(
    gateway: GatewayStatus, meter: MeterStatus, more: GatewayStatus
) -> None:
    assert ptb_status(gateway | more, meter) >= ptb_status(gateway, meter)


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


def test_the_codec_names_the_bits_that_ask_for_attention() -> None:
    assert STATUS_BITS[17] == label_of(MeterStatus.FATAL_ERROR) == "fatal-error"
    assert set(STATUS_BITS) == {bit_of(flag) for flag in MeterStatus} - {8, 18, 19, 20}
