"""A short run over every target, and proof that the properties would not hold of a gateway that is broken."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from fuzz.run import Share, run_share
from fuzz.targets import TARGETS
from gateway.lmn.crc16 import CrcKind
from gateway.lmn.mbus_values import signed_integer
from gateway.tariffing.ar2418_xml import integer_of
from tests.support.campaign import Campaign

INPUTS = {"http": 2_000, "settings": 1_500, "profiles": 2_000, "xml": 2_000}
"""Of a full campaign; of others 4,000. ``make fuzz`` has many more."""


@pytest.mark.campaign
@pytest.mark.parametrize("name", TARGETS)
def test_a_short_run_finds_nothing(campaign: Campaign, name: str) -> None:
    figures = run_share(Share(name, 1, 0, campaign.count(INPUTS.get(name, 4_000))))
    assert {kind: fault.trace or fault.what for kind, fault in figures.faults.items()} == {}
    classes = len(figures.outcomes)
    assert figures.accepted >= 0.02 * figures.inputs
    assert classes >= 10
    campaign.report(f"Fuzzing: {TARGETS[name].what}", accepted=figures.accepted, classes=classes, faulty=figures.faulty)


@pytest.mark.parametrize("name", TARGETS)
def test_the_same_number_is_the_same_input_and_another_one_is_not(name: str) -> None:
    one, other = TARGETS[name].make(), TARGETS[name].make()
    try:
        inputs = [one.build(Random(f"7/{number}")) for number in range(40)]
        assert [other.build(Random(f"7/{number}")) for number in range(40)] == inputs
        assert len(set(inputs)) > 20
    finally:
        one.close()
        other.close()


def always(*_arguments: object) -> bool:
    return True


def one_more(function: Callable[[Any], int]) -> Callable[[Any], int]:
    return lambda data: function(data) + 1


@pytest.mark.parametrize(
    ("name", "broken", "instead", "found"),
    [
        ("sml", "gateway.lmn.crc16.matching", lambda *_: CrcKind.X25, "checksum is wrong"),
        ("hdlc", "gateway.lmn.hdlc._crc_holds", always, "CS is wrong"),
        ("wmbus", "gateway.lmn.wmbus_security.hmac.compare_digest", always, "authentic"),
        ("wmbus", "gateway.lmn.mbus_values.signed_integer", one_more(signed_integer), "not in the telegram"),
        ("wmbus", "fuzz.targets.wmbus.check_rising", lambda *_: None, "a counter is kept that does not rise"),
        ("mbus", "gateway.lmn.mbus_values.signed_integer", one_more(signed_integer), "not in the record"),
        ("digest", "gateway.han.digest.hmac.compare_digest", always, "without the password"),
        ("http", "gateway.han.digest.hmac.compare_digest", always, "without the password"),
        ("xml", "gateway.tariffing.ar2418_read.integer_of", one_more(integer_of), "not in the document"),
    ],
)
def test_a_broken_gateway_is_found_out(
    monkeypatch: pytest.MonkeyPatch, name: str, broken: str, instead: object, found: str
) -> None:
    monkeypatch.setattr(broken, instead)
    figures = run_share(Share(name, 1, 0, 500))
    assert any(found in fault.what for fault in figures.faults.values()), figures.faults


HEAD = b"POST /smgw/m2m HTTP/1.%b\r\nHost: smgw.local\r\n"
LONG = HEAD + b"Cookie: " + b"a" * 9_000 + b"\r\n"
"""So long that what follows comes in the same piece."""


@pytest.mark.parametrize(
    ("name", "data"),
    [
        # An application that still works on a request of which the rest turns out to be no HTTP.
        ("http", HEAD % b"0" + b"\r\n" + b"what no length announces" * 40),
        ("http", HEAD % b"1" + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n{\r\n" * 30 + b"g\r\n\r\n"),
        ("http", HEAD.replace(b"smgw/m2m", b"") % b"1" + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\0\0e\r\n" * 60),
        # What is said of it to somebody who asked for no more than the head of an answer.
        ("http", LONG.replace(b"POST", b"HEAD") % b"1" + b"Transfer-Encoding: chunked\r\n\r\ng\r\n"),
        ("profiles", b"meter = " + b"9" * 5_000),
        ("profiles", b"meter = " + b"[" * 3_000),
    ],
)
def test_what_was_found_once_is_not_found_again(name: str, data: bytes) -> None:
    target = TARGETS[name].make()
    try:
        target.check(data)
    finally:
        target.close()
