"""The tariff check: the official figures, what is compared, and documents that do not belong together."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from gateway.tariffing.ar2418 import Block, Document, GatewayInfo, MeterReadings, ReadingType, StatedReading
from gateway.tariffing.ar2418_read import read
from gateway.tariffing.calendar import DayProfile
from gateway.tariffing.check import TariffCheck, check
from gateway.tariffing.errors import DocumentError, ProfileError
from gateway.tariffing.profile import TariffStage, UseCase
from tests.shared_data import shared_data
from tests.support.tariffs import (
    ERRORS,
    EXPORT,
    HT,
    HT_BY_DAY,
    IMPORT,
    NT,
    POINT,
    days,
    documents,
    local,
    profile,
    quarters,
    reading_list,
    special,
    stated_list,
)

DAY = days("2017-11-04")
BILLED = profile(DAY, HT_BY_DAY)


@pytest.mark.parametrize(
    ("gateway", "supplier", "registers"),
    [
        ("result_single_day", "supplier_single_day", {NT: 360, HT: 600, ERRORS: 0}),
        ("result_single_day_2h-gap", "supplier_single_day", {NT: 310, HT: 560, ERRORS: 90}),
        ("result_single_day_dst_oct", "supplier_single_day_dst_oct", {NT: 360, HT: 600, ERRORS: 0}),
        ("taf1_result_1_month", "taf1_supplier_1_month", {NT: 29_800}),
    ],
)
def test_worked_figures(gateway: str, supplier: str, registers: dict[bytes, int]) -> None:
    folder = shared_data() / "data" / "trudi"
    outcome = check(read((folder / f"{gateway}.xml").read_bytes()), read((folder / f"{supplier}.xml").read_bytes()))
    assert outcome.registers == registers
    assert outcome.good
    assert outcome.notes == ()


def test_a_gateway_that_computes_the_tariff_itself() -> None:
    """Its derived lists are no original ones, and state what came out."""
    document = read((shared_data() / "data" / "trudi" / "adapter_taf2.xml").read_bytes())
    (measured,) = document.usage_points
    assert [each.kind.obis.hex() for each in measured.originals] == ["0100010800ff"]
    assert [each.kind.obis[4] for each in measured.derived] == [0, 1, 1, 63]


def stated(by_end: int, obis: bytes = NT, scaler: int | None = -1, begin: int | None = None) -> MeterReadings:
    readings = [] if begin is None else [StatedReading(DAY.begin, begin)]
    readings.append(StatedReading(DAY.end, by_end))
    kind = ReadingType(obis, unit=72, scaler=scaler, name=f"{obis.hex()}.TAF-2-ID.sm")
    return MeterReadings(kind, (Block(tuple(readings), DAY.begin, DAY.seconds),), "", "")


def outcome_with(
    gateway_says: tuple[MeterReadings, ...] = (), supplier_says: tuple[MeterReadings, ...] = ()
) -> TariffCheck:
    gateway, supplier = documents(BILLED, reading_list(DAY))
    (measured,), (billed,) = gateway.usage_points, supplier.usage_points
    measured, billed = replace(measured, lists=measured.lists + gateway_says), replace(billed, lists=supplier_says)
    return check(Document((measured,)), Document((billed,)))


@pytest.mark.parametrize(
    ("figure", "agrees"),
    [
        (stated(360), True),
        (stated(361), False),
        (stated(36, scaler=0), True),
        (stated(3_600, scaler=-2), True),
        (stated(360, scaler=None), True),
        (stated(5_360, begin=5_000), True),
        (stated(600, HT), True),
        (stated(0, ERRORS), True),
        (stated(960, IMPORT), True),
        (stated(950, IMPORT), False),
    ],
)
def test_figures_are_compared(figure: MeterReadings, agrees: bool) -> None:
    for by, outcome in (
        ("gateway", outcome_with(gateway_says=(figure,))),
        ("supplier", outcome_with(supplier_says=(figure,))),
    ):
        assert [(each.by, each.register, each.agrees) for each in outcome.stated] == [(by, figure.kind.obis, agrees)]
        assert outcome.good is agrees


def test_figures_of_another_period_or_register_are_not_compared() -> None:
    other = Block(
        (StatedReading(local("2017-11-04 12:00"), 5), StatedReading(local("2017-11-04 13:00"), 6)), DAY.begin, 900
    )
    assert outcome_with((replace(stated(1), blocks=(other,)), stated(5, EXPORT))).stated == ()
    as_amount = Block((StatedReading(DAY.begin, 360, DAY.seconds),))
    (figure,) = outcome_with(supplier_says=(replace(stated(1), blocks=(as_amount,)),)).stated
    assert figure.agrees


def test_import_and_export_and_a_register_nobody_bills() -> None:
    stages = (TariffStage(1, NT), TariffStage(2, HT), TariffStage(3, EXPORT[:4] + b"\x01\xff", "Einspeisung"))
    day = date(2017, 11, 4)
    exported = DayProfile(("e",), ((0, 3),))
    billed = profile(DAY, HT_BY_DAY, exported, stages=stages, special_days=(special(day, "1"), special(day, "e")))
    reactive = reading_list(DAY, obis=bytes.fromhex("0100030800ff"))
    outcome = check(*documents(billed, reading_list(DAY), reading_list(DAY, 7, obis=EXPORT), reactive))
    assert {code.hex(): amount for code, amount in outcome.registers.items()} == {
        "0100010801ff": 360,
        "0100010802ff": 600,
        "010001083fff": 0,
        "0100020801ff": 672,
        "010002083fff": 0,
    }
    assert outcome.notes == ("1-0:3.8.0*255 is measured, and no stage of the profile counts it",)


def test_a_stage_that_nothing_measures_is_noted() -> None:
    stages = (*BILLED.stages, TariffStage(3, EXPORT))
    outcome = check(*documents(replace(BILLED, stages=stages), reading_list(DAY)))
    assert outcome.notes == ("stage 3 counts in 1-0:2.8.0*255, and nothing measures it",)


def test_lists_of_one_register_are_joined() -> None:
    gateway, supplier = documents(BILLED, reading_list(DAY))
    (measured,) = gateway.usage_points
    halves = [
        replace(measured.lists[0], blocks=(replace(measured.lists[0].blocks[0], readings=part),))
        for part in (measured.lists[0].readings[50:], measured.lists[0].readings[:51])
    ]
    outcome = check(Document((replace(measured, lists=tuple(halves)),)), supplier)
    assert outcome.registers == {NT: 360, HT: 600, ERRORS: 0}
    last = outcome.accounts[0].bookings[-1].end.source
    assert outcome.accounts[0].original.readings[last.position] is last


def test_two_meters_of_one_register() -> None:
    gateway, supplier = documents(BILLED, reading_list(DAY))
    (measured,) = gateway.usage_points
    other = stated_list(reading_list(DAY, 1), DAY, "1EMH0099999999")
    both = Document((replace(measured, lists=(*measured.lists, other)),))
    with pytest.raises(DocumentError, match="measured by 0A01454D480000BC614E and 1EMH0099999999: one meter has to be"):
        check(both, supplier)
    assert sum(check(both, supplier, meter="1EMH0099999999").registers.values()) == 96
    assert sum(check(both, supplier, meter="1EMH0012345678").registers.values()) == 960
    with pytest.raises(DocumentError, match="no original reading list is of meter x"):
        check(both, supplier, meter="x")


def test_lists_of_one_register_in_several_units() -> None:
    gateway, supplier = documents(BILLED, reading_list(DAY))
    (measured,) = gateway.usage_points
    other = replace(measured.lists[0], kind=replace(measured.lists[0].kind, scaler=0))
    with pytest.raises(DocumentError, match="differ in unit or scaler"):
        check(Document((replace(measured, lists=(*measured.lists, other)),)), supplier)


def test_several_usage_points() -> None:
    gateway, supplier = documents(BILLED, reading_list(DAY))
    (measured,), (billed,) = gateway.usage_points, supplier.usage_points
    second = replace(measured, usage_point_id="second", lists=(stated_list(reading_list(DAY, 1), DAY),))
    both = Document((measured, second))
    assert check(both, supplier).usage_point.usage_point_id == POINT
    both_billed = Document((billed, replace(billed, usage_point_id="second")))
    with pytest.raises(DocumentError, match=f"several usage points in common, one has to be named: {POINT}, second"):
        check(both, both_billed)
    assert sum(check(both, both_billed, "second").registers.values()) == 96
    with pytest.raises(DocumentError, match="usage point third is not in both documents"):
        check(both, both_billed, "third")
    with pytest.raises(DocumentError, match=f"the gateway's has second, the supplier's {POINT}"):
        check(Document((second,)), supplier)


def test_a_usage_point_without_an_id_and_other_mismatches_are_noted() -> None:
    gateway, supplier = documents(BILLED, reading_list(DAY))
    (billed,) = supplier.usage_points
    changed = replace(billed, usage_point_id="", gateway=GatewayInfo("0A0E58585800 00BC614E".replace(" ", "")))
    assert check(gateway, Document((changed,))).notes == (
        f"usage point: the gateway's document says {POINT}, the supplier's none",
    )
    changed = replace(billed, gateway=GatewayInfo("EXXX0000000001"), tariff_name="", invoicing_party="x")
    assert [note.split(":")[0] for note in check(gateway, Document((changed,))).notes] == [
        "gateway",
        "invoicing party",
        "tariff",
    ]


def test_documents_that_do_not_belong_together() -> None:
    gateway, supplier = documents(BILLED, reading_list(DAY))
    with pytest.raises(DocumentError, match=r"has no evaluation profile .*are the two files swapped"):
        check(supplier, gateway)
    with pytest.raises(DocumentError, match=r"has no evaluation profile \(AnalysisProfile\)$"):
        check(gateway, gateway)
    with pytest.raises(DocumentError, match="no original reading list: no readings at all"):
        check(supplier, supplier)
    (measured,) = gateway.usage_points
    with pytest.raises(DocumentError, match=r"no original reading list, only 0100010801ff.TAF-2-ID.sm"):
        check(Document((replace(measured, lists=(stated(1),)),)), supplier)
    with pytest.raises(DocumentError, match=r"stages 1-0:1\.8\.1\*255, .*; measured 1-0:2\.8\.0\*255"):
        check(documents(BILLED, reading_list(DAY, obis=EXPORT))[0], supplier)
    with pytest.raises(ProfileError, match="TAF-6 has no registers"):
        check(*documents(replace(BILLED, use_case=UseCase.ON_DEMAND), reading_list(DAY)))


def test_a_period_that_readings_do_not_cover() -> None:
    outcome = check(*documents(BILLED, reading_list(DAY, without=quarters(DAY)[-3:])))
    assert not outcome.good
    assert outcome.registers == {NT: 330, HT: 600, ERRORS: 0}
    assert outcome.uncovered == (
        "1-0:1.8.0*255: no usable reading at the end 2017-11-05T00:00:00+01:00, "
        "the last is of 2017-11-04T23:15:00+01:00",
    )
