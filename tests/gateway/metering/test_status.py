"""The status of a reading: its 64 bits, and what they mean for billing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metering.status import METER_FATAL, Mark, PtbStatus, SmgwStatus, meter_word, ptb_status, status_of

SOUND = 0x0000_0005


@pytest.mark.parametrize(
    ("marks", "gateway", "worth"),
    [
        ((), 0x0005, PtbStatus.OK),
        ((Mark.POINT_REPEATED,), 0x1005, PtbStatus.WARNING),
        ((Mark.CLOCK_JUMPED,), 0x0205, PtbStatus.CRITICAL),
        ((Mark.CLOCK_SET_BACK, Mark.POINT_REPEATED), 0x1205, PtbStatus.CRITICAL),
        ((Mark.RAN_BACK,), 0x4005, PtbStatus.CRITICAL),
        ((Mark.UNIT_CHANGED,), 0x4005, PtbStatus.CRITICAL),
    ],
)
def test_marks_show_in_the_gateways_word(marks: tuple[Mark, ...], gateway: int, worth: PtbStatus) -> None:
    status = status_of(marks, ("unsigned", "status:0x001c0104"))
    assert status == gateway << 32 | 0x001C0104
    assert ptb_status(status) is worth


def test_a_fatal_error_of_meter_or_gateway_is_fatal() -> None:
    assert ptb_status(SOUND << 32 | METER_FATAL) is PtbStatus.FATAL
    assert ptb_status((SOUND | SmgwStatus.FATAL_ERROR) << 32) is PtbStatus.FATAL
    assert ptb_status((SOUND | SmgwStatus.ERROR_SIGNED_INVALID) << 32) is PtbStatus.SUBSTITUTE


@given(st.integers(min_value=0, max_value=2**32 - 1))
def test_the_meters_word_is_found_among_the_flags(word: int) -> None:
    assert meter_word(("unsigned", f"status:0x{word:08x}", "magnetic-field")) == word


def test_a_word_that_is_longer_or_missing_says_nothing() -> None:
    assert meter_word(("status:0x0123456789",)) == meter_word(()) == meter_word(("status:0xzz",)) == 0


@given(st.sets(st.sampled_from(Mark)))
def test_no_mark_makes_a_reading_worth_more(marks: set[Mark]) -> None:
    for more in Mark:
        assert ptb_status(status_of({*marks, more}, ())) >= ptb_status(status_of(marks, ()))
