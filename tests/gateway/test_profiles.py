"""Profiles as a whole: which lists are kept for whom, and what contradicts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from gateway.han.consumers import Consumer
from gateway.lmn.profiles import ProfileBook
from gateway.metering.rules import ListProfile
from gateway.profiles import KnownConsumer, ProfileError, Profiles, is_monotone
from gateway.tariffing.profile import TariffStage, UseCase
from tests.support.contracts import (
    ANNA,
    BERT,
    EXPORT,
    IMPORT,
    METER,
    OTHER_METER,
    POWER,
    START,
    contract,
    known,
    meter,
    profiles,
    series_contract,
)

DAY = timedelta(days=1)
SERVER_ID, OTHER_SERVER_ID = "0a01454d480000bc614e", "0a01454d480000bc614f"


def lists(*contracts: Any, capture: tuple[bytes, ...] = (IMPORT, EXPORT, POWER)) -> dict[tuple[str, str], ListProfile]:
    metered = (meter(METER, *capture), meter(OTHER_METER, *capture))
    return dict(profiles(*contracts, meters=metered).list_profiles(START))


def test_what_a_contract_evaluates_is_kept_and_nothing_else() -> None:
    kept = lists(contract())
    assert kept == {(SERVER_ID, IMPORT.hex()): ListProfile(SERVER_ID, IMPORT.hex(), ANNA, 1_100 * DAY)}


def test_each_consumer_has_lists_of_his_own_meter() -> None:
    kept = lists(contract(), series_contract())
    assert {register: each.consumer for register, each in kept.items()} == {
        (SERVER_ID, IMPORT.hex()): ANNA,
        (OTHER_SERVER_ID, IMPORT.hex()): BERT,
    }


def test_of_several_contracts_the_longest_retention_counts_and_one_that_bills_is_enough() -> None:
    members: dict[str, Any] = {"use_case": UseCase.HIGH_FREQUENCY, "stages": (), "calendars": ()}
    shown = contract(id="x.taf14-1.sm", registers=(IMPORT, POWER), retention=2_000 * DAY, **members)
    kept = lists(contract(), shown)
    both, power = kept[SERVER_ID, IMPORT.hex()], kept[SERVER_ID, POWER.hex()]
    assert (both.retention, both.billing, both.monotone) == (2_000 * DAY, True, True)
    assert (power.retention, power.billing, power.monotone) == (2_000 * DAY, False, False)


@pytest.mark.parametrize("use_case", UseCase)
def test_all_but_what_only_shows_is_billed(use_case: UseCase) -> None:
    assert contract(id="x").billed
    billed = use_case not in {UseCase.VISUALISATION, UseCase.HIGH_FREQUENCY}
    other = series_contract(id="x")
    object.__setattr__(other, "use_case", use_case)
    assert other.billed is billed


def test_a_list_rests_before_its_contracts_begin_and_when_all_have_ended() -> None:
    ended, open_end = contract(end=START + 40 * DAY), contract(id="y.sm")
    of_one, of_both = profiles(ended), profiles(ended, open_end)
    register = (SERVER_ID, IMPORT.hex())
    beside, moment = timedelta(seconds=9), timedelta(microseconds=1)
    for at, active in (
        (START - beside - moment, False),
        (START - beside, True),  # it may count for the begin
        (START + 40 * DAY + beside, True),
        (START + 40 * DAY + beside + moment, False),
    ):
        assert of_one.list_profiles(at)[register].active is active
    assert of_both.list_profiles(START + 400 * DAY)[register].active
    assert of_one.list_profiles(START + 400 * DAY)[register].billing


def test_the_raster_is_the_meters() -> None:
    hourly = profiles(contract(), meters=(meter(METER, IMPORT, period=timedelta(hours=1)),))
    (kept,) = hourly.list_profiles(START).values()
    assert kept.period == timedelta(hours=1)


def test_a_consumer_has_his_own_contracts_only() -> None:
    both = profiles()
    assert both.contract(ANNA, contract().id) == contract()
    assert both.contract(BERT, contract().id) is None
    assert both.contract(ANNA, series_contract().id) is None
    assert both.contract("", contract().id) is None
    assert [each.id for each in both.contracts_of(BERT)] == [series_contract().id]
    assert [both.consumer_of(name) for name in (METER, SERVER_ID, OTHER_METER, "x")] == [ANNA, ANNA, BERT, None]


@pytest.mark.parametrize(
    ("code", "rises"),
    [
        ("0100010800ff", True),
        ("0100020802ff", True),
        ("0100090800ff", True),
        ("0100150800ff", True),  # import of L1
        ("01000f0800ff", True),
        ("0100100800ff", False),  # net
        ("0100240800ff", False),  # net of L1
        ("0100100700ff", False),
        ("0100010700ff", False),
        ("0100200700ff", False),
        ("0100600500ff", False),
        ("0700030000ff", True),
        ("0700030100ff", True),
        ("07002b0f00ff", False),
        ("0600010000ff", True),
        ("0600020000ff", True),
        ("0600080000ff", False),  # power
        ("06000a0000ff", False),  # flow temperature
        ("0800010000ff", True),
        ("0800020000ff", False),  # flow
        ("0400010000ff", False),  # a heat cost allocator begins anew
    ],
)
def test_only_counters_rise(code: str, rises: bool) -> None:
    assert is_monotone(bytes.fromhex(code)) is rises


def test_contradictions_are_named() -> None:
    anna, bert = known(ANNA), known(BERT)
    book = ProfileBook((meter(),))
    cases: list[tuple[Callable[[], Profiles], str]] = [
        (lambda: profiles(contract(), contract()), f"contract {contract().id} is there twice"),
        (lambda: Profiles(book, (contract(),), (bert,)), f"consumer {ANNA}, who is not known"),
        (lambda: Profiles(book, (), (anna, anna)), f"consumer {ANNA} is there twice"),
        (lambda: Profiles(ProfileBook(), (contract(),), (anna,)), f"evaluates meter {METER}, which has no profile"),
        (
            lambda: profiles(contract(registers=(EXPORT,), stages=(TariffStage(1, EXPORT),), calendars=())),
            f"evaluates 1-0:2.8.0*255, and the profile of meter {METER} does not capture it",
        ),
        (
            lambda: profiles(contract(), series_contract(meter=METER)),
            f"meter {METER} is evaluated for two consumers: by contract {contract().id} for {ANNA}",
        ),
        (lambda: Profiles(book, (), (KnownConsumer(Consumer("x")),)), "consumer x has neither a password nor"),
        (
            lambda: Profiles(book, (), (KnownConsumer(Consumer("x", fingerprints=frozenset({b"1"}))),)),
            "the certificates of consumer x are not those he is known by",
        ),
    ]
    for build, said in cases:
        with pytest.raises(ProfileError) as refused:
            build()
        assert said in str(refused.value)
