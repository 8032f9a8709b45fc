"""AR 2418-6: what is read is written again the same, and hostile or broken documents are refused with the line."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.lmn.status import PtbStatus
from gateway.tariffing.ar2418 import (
    Block,
    Certificate,
    Document,
    EventKind,
    FirmwareComponent,
    GatewayInfo,
    LogEntry,
    LogEvent,
    MeterReadings,
    ReadingType,
    StatedReading,
    same_device,
)
from gateway.tariffing.ar2418_export import exported
from gateway.tariffing.ar2418_read import read
from gateway.tariffing.ar2418_write import write
from gateway.tariffing.ar2418_xml import LARGEST
from gateway.tariffing.calendar import DayProfile, Season, SpecialDay, TariffCalendar, WeekProfile
from gateway.tariffing.check import check
from gateway.tariffing.errors import DocumentError
from gateway.tariffing.periods import LOCAL, Period, midnight
from gateway.tariffing.profile import (
    EvaluationProfile,
    ExternalEvent,
    ExtremeCount,
    Prepayment,
    Quantity,
    TariffStage,
    Threshold,
    UseCase,
)
from tests.shared_data import shared_data
from tests.support.ar2418 import assert_valid
from tests.support.tariffs import (
    ERRORS,
    HT,
    HT_BY_DAY,
    IMPORT,
    METER,
    METER_HEX,
    NT,
    days,
    documents,
    local,
    point,
    profile,
    reading_list,
    special,
    stated_list,
)

DAY = days("2017-11-04")
HOUR = Period(local("2017-11-04 12:00"), local("2017-11-04 13:00"))
SAMPLES = (
    "adapter_taf2",
    "adapter_taf7",
    "result_single_day",
    "result_single_day_2h-gap",
    "result_single_day_dst_oct",
    "supplier_example",
    "supplier_single_day",
    "supplier_single_day_dst_oct",
    "taf1_result_1_month",
    "taf1_supplier_1_month",
)


def sample(name: str) -> bytes:
    return (shared_data() / "data" / "trudi" / f"{name}.xml").read_bytes()


LIMIT = Threshold(Quantity(5, 3, 30), Quantity(4, 3, 30), "list-1", 1)
FULL_PROFILE = EvaluationProfile(
    use_case=UseCase.TIME_VARIABLE,
    tariff_id="Strom & <Wärme>",
    period=Period(midnight(date(2018, 3, 1)), midnight(date(2018, 4, 1))),
    stages=(TariffStage(1, NT, "NT"), TariffStage(2, HT), TariffStage(63, ERRORS, "Fehlerregister")),
    default_stage=1,
    calendars=(
        TariffCalendar(
            (HT_BY_DAY, DayProfile(("2", "holiday"), ((0, 1), (45_296, 2)))),
            (WeekProfile("all", ("1", None, "2", "1", "1", "1", "holiday")),),
            (Season("summer", date(2018, 4, 1), WeekProfile("all", ("1",) * 7)),),
            (special(date(2018, 3, 30), "2"), SpecialDay("holiday", month=12, day_of_week=7)),
        ),
    ),
    thresholds=(LIMIT,),
    events=(ExternalEvent(7, DAY, 2, (LIMIT,)),),
    prepayment=Prepayment(Quantity(100, 3, 30), DAY, ("1ESY0000000001",), (LIMIT,)),
    extremes=(ExtremeCount(3, True), ExtremeCount(2, False)),
    description="all there is",
)
FULL = Document(
    (
        point(
            kind=0,
            gateway=GatewayInfo(
                "EXXX0012345678",
                (1, 2),
                "ours",
                "1.0",
                (FirmwareComponent("smgw", "1.0", "ab" * 32), FirmwareComponent("module")),
                local("2018-04-01 12:00"),
            ),
            certificates=(Certificate(1, 1, b"\x30\x00", 2), Certificate(2, 2, b"\x30\x00")),
            taf_profile=b"\x30\x80",
            profile=FULL_PROFILE,
            log=(
                LogEntry(
                    4_711,
                    4_710,
                    1,
                    (
                        LogEvent(
                            1,
                            "Es wurden 359 Messwerte übertragen",
                            0,
                            local("2018-03-01 00:15"),
                            99,
                            "sm",
                            "consumer1",
                            "EMT",
                            "359",
                            "x",
                            b"\x01\x02",
                            EventKind(1, 16_001, 2, 3, 4, 5, "BSI", 6),
                        ),
                    ),
                ),
                LogEntry(),
            ),
            lists=(
                stated_list(reading_list(HOUR), HOUR),
                MeterReadings(
                    ReadingType(IMPORT, 3, 72, -1, f"{IMPORT.hex()}.{METER}.sm", 900, "Bezug", 40),
                    (
                        Block(
                            (
                                StatedReading(
                                    local("2018-03-25 03:00"),
                                    -5,
                                    900,
                                    local("2018-03-25 03:00"),
                                    local("2018-03-25 03:00"),
                                    1,
                                    b"\x01",
                                    b"\x02\x03",
                                    "A002000020000000",
                                    PtbStatus.CRITICAL_TEMPORARY_ERROR,
                                    "0x17",
                                ),
                                StatedReading(local("2018-03-25 03:15"), None),
                            )
                        ),
                    ),
                    METER,
                ),
            ),
        ),
        point(usage_point_id="another", kind=None, customer="", invoicing_party="", gateway=None, certificates=()),
    ),
    "smgw 0.1.0",
)


def test_everything_goes_both_ways() -> None:
    data = write(FULL)
    assert read(data) == FULL
    assert write(read(data)) == data


def test_everything_is_valid() -> None:
    assert_valid(write(FULL))


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_go_both_ways(name: str) -> None:
    document = read(sample(name))
    written = write(document)
    assert read(written) == document
    assert_valid(written)


@pytest.mark.parametrize(
    ("gateway", "supplier"),
    [
        ("result_single_day", "supplier_single_day"),
        ("result_single_day_2h-gap", "supplier_single_day"),
        ("result_single_day_dst_oct", "supplier_single_day_dst_oct"),
        ("taf1_result_1_month", "taf1_supplier_1_month"),
    ],
)
def test_what_is_exported_gives_the_same_registers(gateway: str, supplier: str) -> None:
    billed = read(sample(supplier))
    first = check(read(sample(gateway)), billed)
    written = write(Document((exported(first.usage_point, first.accounts),)))
    assert_valid(written)
    again = check(read(written), billed)
    assert again.registers == first.registers
    assert {figure.register for figure in again.stated} == set(first.registers)
    assert again.good


@given(
    st.lists(st.integers(0, 10**9), min_size=1, max_size=20),
    st.sets(st.integers(1, 99), max_size=60),
    st.sampled_from(["2017-11-04", "2017-10-29", "2018-03-25"]),
)
@settings(max_examples=30)
def test_an_export_of_anything_gives_the_same_registers(steps: list[int], missing: set[int], day: str) -> None:
    period = days(day)
    times = [period.begin + number * timedelta(minutes=15) for number in missing]
    gateway, supplier = documents(profile(period, HT_BY_DAY), reading_list(period, steps, without=times))
    first = check(read(write(gateway)), read(write(supplier)))
    again = check(read(write(Document((exported(first.usage_point, first.accounts),)))), supplier)
    assert again.registers == first.registers
    assert again.good is (first.uncovered == ())


def test_times() -> None:
    data = write(documents(profile(HOUR), reading_list(HOUR))[0]).decode()
    same = "2017-11-04T12:15:00+01:00"
    assert data.count(same) == 1
    for written in ("2017-11-04T11:15:00Z", "2017-11-04T12:15:00", "2017-11-04T12:15:00.000+01:00"):
        (found,) = read(data.replace(same, written).encode()).usage_points
        assert found.lists[0].readings[1].at == datetime(2017, 11, 4, 11, 15, tzinfo=UTC)
    (found,) = read(data.replace(same, "2017-11-03T24:00:00+01:00").encode()).usage_points
    assert found.lists[0].readings[1].at == local("2017-11-04 00:00")


def test_times_without_a_zone_in_the_hour_that_comes_twice() -> None:
    period = Period(local("2017-10-29 01:00"), local("2017-10-29 04:00"))
    data = write(documents(profile(period), reading_list(period))[0]).decode()
    bare = data.replace("+01:00", "").replace("+02:00", "")
    (found,) = read(bare.encode()).usage_points
    assert [each.at.astimezone(UTC) for each in found.lists[0].readings] == [
        each.captured for each in reading_list(period).readings
    ]


@pytest.mark.parametrize("day", ["2017-03-20", "2017-10-20"])
def test_a_period_without_a_zone_in_which_clocks_are_set(day: str) -> None:
    period = days(day, 30)
    data = write(documents(profile(period), reading_list(HOUR))[1]).decode()
    bare = data.replace("+01:00", "").replace("+02:00", "")
    (found,) = read(bare.encode()).usage_points
    assert found.profile is not None
    assert found.profile.period == period
    assert found.profile.period.seconds == period.seconds


def test_what_is_read_without_a_zone_is_written_and_read_the_same() -> None:
    data = write(documents(profile(HOUR), reading_list(HOUR))[0]).decode()
    for written in ("2017-10-29T02:30:00", "2017-03-26T02:30:00"):
        document = read(data.replace("2017-11-04T12:15:00+01:00", written).encode())
        assert read(write(document)) == document


@pytest.mark.parametrize("written", ["9999-12-31T24:00:00", "9999-12-31T24:00:00Z", "1900-01-01T00:00:00+23:59"])
def test_times_beyond_the_calendar_are_refused(written: str) -> None:
    data = write(documents(profile(HOUR), reading_list(HOUR))[0]).decode()
    with pytest.raises(DocumentError, match="start is"):
        read(data.replace("2017-11-04T12:15:00+01:00", written).encode())


def test_which_lists_are_original() -> None:
    by_meter = stated_list(reading_list(HOUR), HOUR)
    assert by_meter.is_original
    assert replace(by_meter, meter=METER).is_original
    assert replace(by_meter, meter="").is_original
    assert not replace(by_meter, meter="1EMH0099999999").is_original
    derived = replace(by_meter.kind, name="0100010800ff.TAF-2-ID.sm")
    assert not replace(by_meter, kind=derived).is_original
    assert not replace(by_meter, kind=derived, meter="").is_original
    nameless = replace(by_meter.kind, name="")
    assert replace(by_meter, kind=nameless).is_original
    assert not replace(by_meter, kind=replace(nameless, obis=NT)).is_original
    dotted = replace(by_meter.kind, name=f"1-0:1.8.0*255.{METER_HEX}.sm")
    assert replace(by_meter, kind=dotted).is_original


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1EMH0005347102", "0A01454D48000051971E", True),
        ("eppc0210486901", "0A0E5050430200A00475", True),
        ("0a01454d48000051971e", "0A01454D48000051971E", True),
        ("1EMH0005347102", "1EMH0005347103", False),
        ("meter-1", "METER-1", True),
    ],
)
def test_devices_by_either_name(one: str, other: str, same: bool) -> None:
    assert same_device(one, other) is same


GOOD = write(documents(profile(HOUR, HT_BY_DAY), reading_list(HOUR))[0]).decode()
BILLED = write(documents(profile(HOUR, HT_BY_DAY), reading_list(HOUR))[1]).decode()


@pytest.mark.parametrize(
    ("document", "old", "new", "reason"),
    [
        (GOOD, "http://vde.de/AR_2418-6.xsd", "urn:x", "root is {urn:x}UsagePoints, not UsagePoints of AR 2418-6"),
        (GOOD, "</UsagePoints>", "", "no readable XML"),
        (GOOD, "ReadingType", "OtherType", "has no ReadingType: nothing says which register"),
        (GOOD, "0100010800ff</obis", "1.8.0</obis", "'1.8.0' is no OBIS code"),
        (GOOD, ">1010</", ">10.10</", "value is '10.10', not an integer"),
        (GOOD, ">1010</", f">{'1' * 50}</", r"value is '1{40}...', not an integer"),
        (GOOD, "2017-11-04T12:15:00+01:00", "noon", "start is 'noon', not a date and time"),
        (GOOD, "2017-11-04T12:15:00+01:00", "2017-11-04", "start is '2017-11-04', not a date and time"),
        (GOOD, "2017-11-04T12:15", "0001-01-01T00:00", "start is of the year 1"),
        (BILLED, "<duration>3600<", "<duration>400000000<", "longer than ten years"),
        (GOOD, "<start>2017-11-04T12:15:00+01:00</start>", "", "a reading has no time"),
        (GOOD, "<statusPTB>0", "<statusPTB>5", "statusPTB is 5; it goes from 0 to 4"),
        (GOOD, "<statusPTB>0</statusPTB>", "<statusFNN>xyz</statusFNN>", "'xyz' is no status word"),
        (GOOD, "<scaler>-1<", "<scaler>400<", "a scaler of 400 is beyond all meters"),
        (GOOD, "<certContent>30", "<certContent>3g", "certContent is not hexadecimal"),
        (GOOD, "<smgwId>EXXX0012345678<", "<smgwId><", "smgwId is empty"),
        (GOOD, "UsagePoint>", "Other>", "UsagePoints has no UsagePoint"),
        (BILLED, "<tariffUseCase>2<", "<tariffUseCase>15<", "there is no TAF-15"),
        (BILLED, "<duration>3600<", "<duration>0<", "ends after it begins"),
        (BILLED, "<duration>3600<", "<duration>999999999999999<", "ends beyond all calendars"),
        (BILLED, "<duration>3600</duration>", "", "billingPeriod has no duration"),
        (BILLED, "<hour>6<", "<hour>24<", "startTime: hour must be in 0..23"),
        (BILLED, "<hour>6<", "<hour>0<", "day profile 1 names two stages for one time"),
        (
            BILLED,
            "<tariffNumber>2</tariffNumber>\n            </Day",
            "<tariffNumber>9</tariffNumber>\n            </Day",
            "stage 9 is switched to",
        ),
        (BILLED, "<defaultTariffNumber>1</defaultTariffNumber>", "", "AnalysisProfile has no defaultTariffNumber"),
    ],
)
def test_what_is_refused(document: str, old: str, new: str, reason: str) -> None:
    assert old in document
    with pytest.raises(DocumentError) as refused:
        read(document.replace(old, new, -1 if "Type" in old or "vde" in old or old == "UsagePoint>" else 1).encode())
    assert reason.replace("1{40}", "1" * 40) in str(refused.value)


def test_errors_name_the_line() -> None:
    line = GOOD[: GOOD.index(">1010</")].count("\n") + 1
    with pytest.raises(DocumentError, match=f"^line {line}: value is 'x'") as refused:
        read(GOOD.replace(">1010</", ">x</").encode())
    assert refused.value.line == line


def bomb(entities: str, use: str) -> bytes:
    head, rest = GOOD.split("?>", 1)
    return (
        f"{head}?><!DOCTYPE UsagePoints [{entities}]>{rest.replace('DE00012345678900000000000000000042', use)}".encode()
    )


LAUGHS = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))


@pytest.mark.parametrize(
    "data",
    [
        bomb(LAUGHS, "&a11;"),
        bomb(f'<!ENTITY big "{"x" * 1_000_000}">', "&big;" * 10_000),
        bomb('<!ENTITY file SYSTEM "file:///etc/passwd">', "&file;"),
        bomb('<!ENTITY % outer SYSTEM "http://127.0.0.1:9/x.dtd"> %outer;', "x"),
        bomb(LAUGHS + "<!ATTLIST UsagePoints x CDATA '&a11;'>", "x"),
        bomb("", "x"),
        b"<a>" * 100_000,
        b"<a>" * 100_000 + b"</a>" * 100_000,
        b"",
        b"\0" * 1_000,
        b"no xml",
        b"<?xml version='1.0' encoding='no-such'?><a/>",
    ],
)
def test_hostile_documents(data: bytes) -> None:
    begun = time.process_time()
    with pytest.raises(DocumentError) as refused:
        read(data)
    assert time.process_time() - begun < 2
    assert "root:" not in str(refused.value)
    assert len(str(refused.value)) < 300


def test_too_large_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LARGEST > len(GOOD)
    monkeypatch.setattr("gateway.tariffing.ar2418_xml.LARGEST", len(GOOD) - 1)
    with pytest.raises(DocumentError, match="are read at most"):
        read(GOOD.encode())


@given(st.data())
@settings(max_examples=150)
def test_damaged_documents_are_refused_or_read(data: st.DataObject) -> None:
    """Whatever is changed: an error of ours, or a document. Nothing else."""
    whole = bytearray(data.draw(st.sampled_from([GOOD, BILLED, write(FULL).decode()])).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at : at + data.draw(st.integers(0, 30))] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b"<", b">", b"&#0;", b"99999999999999999999", b"-1", b""])
        )
    try:
        found = read(bytes(whole))
    except DocumentError:
        return
    assert read(write(found)) == found


def test_what_xml_cannot_hold_is_not_written() -> None:
    with pytest.raises(DocumentError, match="usagePointId has a character"):
        write(Document((point(usage_point_id="\0"),)))
    odd = replace(FULL_PROFILE, thresholds=(Threshold(Quantity(1, 0, 200), Quantity(1, 0, 200)),))
    with pytest.raises(DocumentError, match="no number for DLMS unit 200"):
        write(Document((point(profile=odd),)))


def test_a_usage_point_alone_is_a_document() -> None:
    root = etree.fromstring(GOOD.encode())
    alone = etree.tostring(root[0])
    assert read(alone) == read(GOOD.encode())
    assert LOCAL.key == "Europe/Berlin"
