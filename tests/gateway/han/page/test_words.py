"""Figures, days, spans and sentences of the page, by themselves."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.han.data import TafState
from gateway.han.errors import HanError
from gateway.han.languages import Language, language_of
from gateway.han.page.explained import closed_texts, use_case_name, use_case_text
from gateway.han.page.languages import clock_text, day_text, moment_text
from gateway.han.page.library import style_ids
from gateway.han.page.numbers import amount_text, figure, unit_text, value_of
from gateway.han.page.queries import read_date, read_query
from gateway.han.page.shown import Filled, show
from gateway.han.page.spans import EARLIEST, LATEST, Span, View
from gateway.han.page.switching import plans
from gateway.han.page.texts import _EXPORTS, _PTB, _TAF_STATES, _TEXTS, WORDS
from gateway.han.page_data import Bucket, Consumption, Export, StageAmount, Step, SwitchView
from gateway.lmn.status import PtbStatus
from gateway.tariffing.periods import DAY, LOCAL, local_date, midnight
from gateway.tariffing.profile import UseCase
from lifecycle.evidence import NOTHING, OpenFault
from lifecycle.faults import FAULTS
from lifecycle.functions import Credential, Function, Interface
from lifecycle.gate import Closed, Gate, Shut, shut_gate
from lifecycle.law import Refused
from lifecycle.phases.model import Grant
from lifecycle.roles import Role
from lifecycle.states import State
from tests.support.han import NOW
from tests.support.page import ERROR, EXPORT, HIGH, IMPORT, LOW, MemoryPage

DE, EN = Language.GERMAN, Language.ENGLISH
DAYS = st.dates(EARLIEST, LATEST)
OWN_DATA = Grant(Role.ANSCHLUSSNUTZER, Interface.HAN_CONSUMER, Function.READ_OWN_DATA, Credential.CONSUMER_PASSWORD)


def test_everything_is_said_in_both_languages() -> None:
    assert all(len(texts) == 2 for texts in _TEXTS.values())
    assert all(bool(german) == bool(english) for german, english in _TEXTS.values())
    assert set(_PTB) == set(PtbStatus)
    assert set(_EXPORTS) == set(Export)
    assert set(_TAF_STATES) == set(TafState)
    for filled in Filled:
        assert WORDS[DE][filled] is not None
    for case in UseCase:
        for language in Language:
            assert str(case) in use_case_name(case, language)
            assert use_case_text(case, language).endswith(".")
    assert use_case_name(99, DE) == "TAF-99"
    assert use_case_text(99, DE) == ""


@pytest.mark.parametrize(
    ("amount", "scaler", "unit", "german", "english"),
    [
        (123_456_789, -1, 30, "12.345,6789 kWh", "12,345.6789 kWh"),
        (0, -1, 30, "0,0000 kWh", "0.0000 kWh"),
        (5, 3, 30, "5 kWh", "5 kWh"),
        (5, 0, 30, "0,005 kWh", "0.005 kWh"),
        (-1, -3, 32, "−0,000001 kvarh", "−0.000001 kvarh"),
        (2301, -1, 35, "230,1 V", "230.1 V"),
        (7, 6, 13, "7.000.000 m³", "7,000,000 m³"),
        (7, 0, 250, "7 DLMS 250", "7 DLMS 250"),
    ],
)
def test_amounts(amount: int, scaler: int, unit: int, german: str, english: str) -> None:
    assert amount_text(amount, scaler, unit, DE).replace("\N{NO-BREAK SPACE}", " ") == german
    assert amount_text(amount, scaler, unit, EN).replace("\N{NO-BREAK SPACE}", " ") == english


@given(st.integers(-(2**63), 2**64 - 1), st.integers(-128, 127), st.sampled_from([13, 30, 31, 32, 35]))
def test_no_digit_of_an_amount_is_lost(amount: int, scaler: int, unit: int) -> None:
    written = figure(value_of(amount, scaler, unit), DE).replace(".", "").replace(",", ".").replace("−", "-")
    shift = 3 if unit_text(unit).startswith("k") else 0
    assert Decimal(written).scaleb(shift - scaler) == amount


@given(st.integers(0, 10**18), st.integers(0, 10**18))
def test_rounded_figures_are_rounded_as_in_trade(whole: int, cents: int) -> None:
    value = Decimal(whole) + Decimal(cents % 1000).scaleb(-3)
    rounded = Decimal(figure(value, EN, 2).replace(",", ""))
    assert abs(rounded - value) <= Decimal("0.005")
    assert rounded == (value * 100 + Decimal("0.5")) // 1 / 100


def test_the_language() -> None:
    assert language_of("", "", accepted="") is DE
    assert language_of("en", "de", accepted="de") is EN
    assert language_of("xx", "en", accepted="de") is EN
    assert language_of("", "", accepted="fr-FR, en-GB;q=0.8, de;q=0.5") is EN


def test_times_that_clocks_show_twice_name_their_zone() -> None:
    twice = datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    assert clock_text(twice, DE) == "02:30 MESZ"
    assert clock_text(twice + timedelta(hours=1), DE) == "02:30 MEZ"
    assert clock_text(twice + timedelta(hours=1), EN) == "02:30 CET"
    assert clock_text(twice + timedelta(hours=2), DE) == "03:30"
    assert moment_text(twice - timedelta(hours=3), DE) == "25. Oktober 2025, 23:30"
    assert day_text(date(2025, 3, 1), EN) == "1 March 2025"


@given(DAYS, st.sampled_from(View))
def test_spans_follow_each_other_without_gap(day: date, view: View) -> None:
    span = Span.of(view, day)
    assert span.holds(day)
    assert span.begin == midnight(span.first)
    if span.before is not None:
        assert span.before.following == span.first
    after = span.after(LATEST)
    if after is not None:
        assert after.first == span.following
        assert after.before == span
    assert span.title(DE)
    if view is View.DAY:
        assert (span.end - span.begin) // timedelta(hours=1) in {23, 24, 25}


@given(DAYS)
def test_each_quarter_of_a_day_has_a_name_of_its_own(day: date) -> None:
    span = Span.of(View.DAY, day)
    count = (span.end - span.begin) // timedelta(minutes=15)
    edges = [span.begin + number * timedelta(minutes=15) for number in range(count + 1)]
    buckets = [Bucket(*pair, (), True) for pair in pairwise(edges)]
    assert len({span.bucket_text(bucket, DE) for bucket in buckets}) == count
    ticks = [tick for bucket in buckets if (tick := span.tick(bucket, DE)) is not None]
    assert [number for number, _ in ticks] == sorted({bucket.begin.astimezone(LOCAL).hour for bucket in buckets})


@given(st.text(max_size=40))
def test_dates_are_read_or_refused(text: str) -> None:
    with suppress(HanError):
        assert read_date({"date": text}, "date", EARLIEST).isoformat() == text or not text


@given(st.text(max_size=1200))
def test_addresses_are_read_or_refused(text: str) -> None:
    with suppress(HanError):
        assert all(isinstance(name, str) for name in read_query(text))


def _shown(buckets: tuple[Bucket, ...], obis: str = IMPORT) -> list[tuple[str, tuple[str, ...]]]:
    contract = MemoryPage().views[0]
    register = next(one for one in contract.registers if one.obis == obis)
    totals = tuple(one for bucket in buckets for one in bucket.amounts)
    consumption = Consumption(contract.id, obis, -1, 30, Step.HOUR, buckets, totals, ())
    made = show(contract, register, consumption, Span.of(View.DAY, local_date(NOW)), NOW, DE)
    return [(row.filled, row.texts) for row in made.rows]


def test_what_is_known_of_a_bucket() -> None:
    hour = timedelta(hours=1)
    amount = (StageAmount(HIGH, 10_000),)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)

    def of(begin: datetime, amounts: tuple[StageAmount, ...], complete: bool = False) -> tuple[str, tuple[str, ...]]:
        (row,) = _shown((Bucket(begin, begin + hour, amounts, complete),))
        return row[0], tuple(text.replace("\N{NO-BREAK SPACE}", " ") for text in row[1])

    assert of(NOW - 3 * hour, amount, complete=True) == ("complete", ("1,0000 kWh", "0,0000 kWh"))
    assert of(NOW - 3 * hour, amount) == ("partial", ("1,0000 kWh", "0,0000 kWh"))
    assert of(NOW - 3 * hour, ()) == ("gap", ("", ""))
    assert of(NOW - hour, ()) == ("running", ("", "")), "its last reading may be on its way"
    assert of(NOW - hour / 2, amount) == ("running", ("1,0000 kWh", "0,0000 kWh"))
    assert of(NOW, ()) == ("later", ("", ""))
    assert of(long_ago, ()) == ("outside", ("", ""))


def test_columns_are_the_stages_that_count_the_register() -> None:
    page = MemoryPage()
    contract = page.views[0]
    span = Span.of(View.DAY, date(2026, 2, 25))

    def columns(obis: str, *counted: str) -> list[tuple[str, str, str]]:
        register = next(one for one in contract.registers if one.obis == obis)
        amounts = tuple(StageAmount(one, 1) for one in counted)
        bucket = Bucket(span.begin, span.end, amounts, True)
        consumption = Consumption(contract.id, obis, -1, 30, Step.DAY, (bucket,), amounts, ())
        made = show(contract, register, consumption, span, NOW, DE)
        return [(column.register, column.name, column.slot) for column in made.columns]

    both = [(HIGH, "Hochtarif", "0"), (LOW, "Niedertarif", "1")]
    assert columns(IMPORT, LOW) == both
    assert columns(IMPORT) == both
    assert columns(IMPORT, ERROR) == [*both, (ERROR, "Fehlerregister", "error")]
    assert columns(EXPORT, EXPORT) == [(EXPORT, "Einspeisung ins Netz", "4")]
    assert columns(EXPORT) == [(EXPORT, "Einspeisung ins Netz", "4")]
    assert columns(EXPORT, "0100020801ff") == [("0100020801ff", "1-0:2.8.1*255", "4")]


def test_days_alike_are_put_together() -> None:
    contract = MemoryPage().views[0]
    assert plans(replace(contract, switches=()), DE) == ()
    week = plans(contract, EN)
    assert [plan.days for plan in week] == ["Monday to Friday", "Saturday, Sunday"]
    start = midnight(date(2025, 10, 20))
    twice = datetime(2025, 10, 26, 1, 30, tzinfo=UTC)
    odd = replace(contract, switches=(SwitchView(start, 2), SwitchView(twice, 1), SwitchView(twice + DAY / 96, 9)))
    assert plans(odd, DE)[-1].entries == (("00:00", "Niedertarif"), ("02:30 MEZ", "Hochtarif"), ("02:45 MEZ", "9"))
    assert plans(odd, DE)[0].days == "Montag bis Samstag"


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("language", Language)
def test_each_shut_gate_has_its_sentence(state: State, language: Language) -> None:
    gates = [Gate(state, NOTHING), *(shut_gate(shut) for shut in Shut)]
    gates += [Gate(FAULTS[name].leads_to, NOTHING.with_fault(OpenFault(name, ""))) for name in FAULTS]
    for gate in gates:
        answer = gate.ask(OWN_DATA)
        if isinstance(answer, Refused):
            texts = closed_texts(Closed(OWN_DATA, answer), gate, language)
            assert texts
            assert all(text.endswith(".") for text in texts)
            assert not any("HAN_CONSUMER" in text or "ANSCHLUSSNUTZER" in text for text in texts)


def test_a_fault_of_another_consumer_is_not_told() -> None:
    fault = next(name for name in FAULTS if FAULTS[name].per_subject)
    gate = Gate(
        State.OUTAGE, NOTHING.with_fault(OpenFault(fault, "somebody")).with_fault(OpenFault("functionless", ""))
    )
    answer = gate.ask(OWN_DATA)
    assert isinstance(answer, Refused)
    texts = " ".join(closed_texts(Closed(OWN_DATA, answer), gate, EN))
    assert "functionless" in texts
    assert fault.replace("-", " ") not in texts
    assert "somebody" not in texts


def test_the_drawing_library_is_known_to_bring_styles() -> None:
    """Each would be an error in the browser's console; the page keeps them out by their ids."""
    assert all(len(each) == 64 for each in style_ids())
    assert len(style_ids()) == 1
