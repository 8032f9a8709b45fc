"""Status words as AR 2418-6 writes them, and what each says a reading is good for."""

from __future__ import annotations

import pytest

from gateway.lmn.status import PtbStatus
from gateway.tariffing.status import ptb_of_fnn


@pytest.mark.parametrize(
    ("word", "grade"),
    [
        ("A000000020000000", PtbStatus.OK),
        ("e000000020000000", PtbStatus.OK),
        ("A008000020000000", PtbStatus.WARNING),
        ("A004000020000000", PtbStatus.TEMPORARY_ERROR),
        ("A002000020000000", PtbStatus.CRITICAL_TEMPORARY_ERROR),
        ("e0020000", PtbStatus.CRITICAL_TEMPORARY_ERROR),
        ("A040000020000000", PtbStatus.CRITICAL_TEMPORARY_ERROR),
        ("A084000020000000", PtbStatus.FATAL_ERROR),
        ("A000000020004000", PtbStatus.FATAL_ERROR),
        ("A000000020400000", PtbStatus.CRITICAL_TEMPORARY_ERROR),
        ("A000000020200000", PtbStatus.CRITICAL_TEMPORARY_ERROR),
        ("0000010500100504", PtbStatus.OK),
        ("A000000000004000", PtbStatus.OK),
    ],
)
def test_words(word: str, grade: PtbStatus) -> None:
    assert ptb_of_fnn(word) is grade


@pytest.mark.parametrize("word", ["", "A0", "A00000002000000", "G000000020000000", "A0000000200000000"])
def test_no_words(word: str) -> None:
    with pytest.raises(ValueError, match="hexadecimal digits"):
        ptb_of_fnn(word)
