"""Status words, and the grade each maps to."""

from __future__ import annotations

import pytest

from gateway.lmn.sml_readings import STATUS_BITS
from gateway.tariffing.status import PtbStatus, ptb_of_flags, ptb_of_fnn


@pytest.mark.parametrize(
    ("word", "grade"),
    [
        ("A000000020000000", PtbStatus.NO_ERROR),
        ("e000000020000000", PtbStatus.NO_ERROR),
        ("A008000020000000", PtbStatus.WARNING),
        ("A004000020000000", PtbStatus.TEMPORARY_ERROR),
        ("A002000020000000", PtbStatus.CRITICAL_TEMPORARY_ERROR),
        ("e0020000", PtbStatus.CRITICAL_TEMPORARY_ERROR),
        ("A040000020000000", PtbStatus.CRITICAL_TEMPORARY_ERROR),
        ("A084000020000000", PtbStatus.FATAL_ERROR),
        ("A000000020004000", PtbStatus.FATAL_ERROR),
        ("A000000020400000", PtbStatus.CRITICAL_TEMPORARY_ERROR),
        ("A000000020200000", PtbStatus.CRITICAL_TEMPORARY_ERROR),
        ("0000010500100504", PtbStatus.NO_ERROR),
    ],
)
def test_words(word: str, grade: PtbStatus) -> None:
    assert ptb_of_fnn(word) is grade


@pytest.mark.parametrize("word", ["", "A0", "A00000002000000", "G000000020000000", "A0000000200000000"])
def test_no_words(word: str) -> None:
    with pytest.raises(ValueError, match="hexadecimal digits"):
        ptb_of_fnn(word)


def test_flags_of_the_original_list_say_the_same_as_the_meters_word() -> None:
    for bit, flag in STATUS_BITS.items():
        word = f"{int(f'{1 << bit | 4:032b}'[::-1], 2):08X}"
        assert ptb_of_flags(["unsigned", "status:0x1", flag]) is ptb_of_fnn("A0000000" + word)
    assert ptb_of_flags(()) is PtbStatus.NO_ERROR


def test_up_to_a_substitute_is_usable() -> None:
    assert [grade.usable for grade in PtbStatus] == [True, True, True, False, False]
