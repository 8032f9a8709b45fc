"""The status of a reading: its 64 bits, and what they mean for billing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lmn.status import PtbStatus
from gateway.metering.status import Mark, status_of


@pytest.mark.parametrize(
    ("marks", "gateway", "worth"),
    [
        ((), 0x0005, PtbStatus.OK),
        ((Mark.POINT_REPEATED,), 0x1005, PtbStatus.WARNING),
        ((Mark.CLOCK_JUMPED,), 0x0205, PtbStatus.CRITICAL_TEMPORARY_ERROR),
        ((Mark.CLOCK_SET_BACK, Mark.POINT_REPEATED), 0x1205, PtbStatus.CRITICAL_TEMPORARY_ERROR),
        ((Mark.RAN_BACK,), 0x4005, PtbStatus.CRITICAL_TEMPORARY_ERROR),
        ((Mark.UNIT_CHANGED,), 0x4005, PtbStatus.CRITICAL_TEMPORARY_ERROR),
    ],
)
def test_marks_show_in_the_gateways_word(marks: tuple[Mark, ...], gateway: int, worth: PtbStatus) -> None:
    status = status_of(marks, ("unsigned", "status:0x001c0104"))
    assert status.word == gateway << 32 | 0x001C0104
    assert status.ptb is worth


def test_the_meters_word_is_in_it_and_counts() -> None:
    assert status_of((), ("status:0x00020104", "fatal-error")).ptb is PtbStatus.FATAL_ERROR
    assert status_of((), ("status:0x1c0204", "magnetic-field")).word == 0x00000005_001C0204
    assert status_of((), ("status:0x1c0204", "magnetic-field")).ptb is PtbStatus.CRITICAL_TEMPORARY_ERROR
    assert status_of((), ("status:0x00020180",)).word == 0x00000005_00000000  # an older meter's


@given(st.sets(st.sampled_from(Mark)))
def test_no_mark_makes_a_reading_worth_more(marks: set[Mark]) -> None:
    for more in Mark:
        assert status_of({*marks, more}, ()).ptb >= status_of(marks, ()).ptb
