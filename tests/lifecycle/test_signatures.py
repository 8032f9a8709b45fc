"""The second pass: the first wrong signature, however many there are and however many threads look."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from lifecycle import signatures
from lifecycle.canonical import encode_signature
from lifecycle.roles import Role
from lifecycle.signatures import PARALLEL_FROM, Signed, first_wrong_signature
from tests.support.lives import cast

BODY = b"what was said"
GWA = cast().trust.credentials(cast()[Role.GWA].certificate_der)
MSB = cast().trust.credentials(cast()[Role.MSB].certificate_der)
SIGNATURE = cast()[Role.GWA].sign(BODY)
RIGHT: Signed = (GWA, SIGNATURE, BODY)
MANY = 3 * PARALLEL_FROM


@pytest.fixture(params=[1, 2, 7], ids=lambda cores: f"{cores} cores")
def cores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    count = int(request.param)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(count)))
    return count


@pytest.mark.parametrize("count", [0, 1, PARALLEL_FROM - 1, PARALLEL_FROM, MANY])
def test_right_signatures_are_right(cores: int, count: int) -> None:
    done: list[int] = []
    assert first_wrong_signature([RIGHT] * count, done.append) is None
    assert sum(done) == count


WRONG: dict[str, Signed] = {
    "another body": (GWA, SIGNATURE, BODY + b" "),
    "another signer": (MSB, SIGNATURE, BODY),
    "no signature": (GWA, b"", BODY),
    "no DER": (GWA, b"\x30\x00", BODY),
    "a byte more": (GWA, SIGNATURE + b"\x00", BODY),
    "no Base64": (GWA, "=A", BODY),
    "no ASCII": (GWA, "Ä", BODY),
    "Base64 of nothing": (GWA, "", BODY),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_signature_is_found(wrong: Signed) -> None:
    assert first_wrong_signature([RIGHT, RIGHT, wrong, RIGHT]) == 2


def test_a_signature_is_right_as_bytes_and_as_text() -> None:
    assert first_wrong_signature([RIGHT, (GWA, encode_signature(SIGNATURE), BODY)]) is None


@pytest.mark.parametrize(
    "places", [[0], [MANY - 1], [MANY - 1, 0], [1500, 1499], [249, 250], [250], [PARALLEL_FROM, 2 * PARALLEL_FROM]]
)
def test_the_first_of_many_wrong_ones_is_named(cores: int, places: Sequence[int]) -> None:
    tasks = [RIGHT] * MANY
    for place in places:
        tasks[place] = WRONG["another body"]
    assert first_wrong_signature(tasks) == min(places)


def test_few_signatures_start_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signatures, "ThreadPoolExecutor", None)
    assert first_wrong_signature([RIGHT] * (PARALLEL_FROM - 1)) is None
