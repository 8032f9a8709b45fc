"""Reads AR 2418-6 documents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from gateway.lmn.obis import ObisError, parse_obis
from gateway.lmn.status import PtbStatus
from gateway.tariffing.ar2418 import (
    DLMS_OF_ESPI,
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
    UsagePoint,
)
from gateway.tariffing.ar2418_xml import (
    Element,
    ar,
    child,
    children,
    clock,
    espi,
    instant,
    instant_of,
    integer,
    integer_of,
    lacks,
    needed_integer,
    needed_text,
    octets,
    parse,
    text,
    text_of,
)
from gateway.tariffing.calendar import DayProfile, Season, SpecialDay, TariffCalendar, WeekProfile
from gateway.tariffing.errors import DocumentError, TariffingError
from gateway.tariffing.periods import Period, local_date
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
from gateway.tariffing.status import ptb_of_fnn

_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_HIGHEST_EXPONENT: Final = 18


def read(data: bytes) -> Document:
    """The document in some bytes of XML.

    :raises DocumentError: if it is not AR 2418-6, or says something impossible; it names the line.
    """
    root = parse(data)
    if root.tag == ar("UsagePoint"):
        return Document((_usage_point(root),))
    if root.tag != ar("UsagePoints"):
        raise DocumentError(f"the document's root is {root.tag}, not UsagePoints of AR 2418-6", root.sourceline)
    usage_points = tuple(_usage_point(each) for each in children(root, ar("UsagePoint")))
    if not usage_points:
        raise lacks(root, ar("UsagePoint"))
    return Document(usage_points, text(root, ar("GeneratorVersion")))


def _usage_point(element: Element) -> UsagePoint:
    category = element.find(espi("ServiceCategory"))
    profile, vendor = element.find(ar("AnalysisProfile")), element.find(ar("VendorConfig"))
    gateway = element.find(ar("SMGW"))
    return UsagePoint(
        usage_point_id=text(element, ar("usagePointId")),
        kind=None if category is None else integer(category, espi("kind")),
        customer=_text_in(element, "Customer", "customerId"),
        invoicing_party=_text_in(element, "InvoicingParty", "invoicingPartyId"),
        gateway=None if gateway is None else _gateway(gateway),
        certificates=tuple(_certificate(each) for each in children(element, ar("Certificate"))),
        tariff_name=text(element, ar("tariffName")),
        profile=None if profile is None else _profile(profile),
        log=tuple(_log_entry(each) for each in children(element, ar("LogEntry"))),
        lists=tuple(_meter_readings(each) for each in children(element, ar("MeterReading"))),
        taf_profile=None if vendor is None else octets(vendor, ar("tafProfile")),
        line=element.sourceline,
    )


def _text_in(element: Element, outer: str, inner: str) -> str:
    found = element.find(ar(outer))
    return "" if found is None else text(found, ar(inner))


def _gateway(element: Element) -> GatewayInfo:
    return GatewayInfo(
        gateway_id=needed_text(element, ar("smgwId")),
        certificates=tuple(integer_of(each) for each in children(element, ar("certId"))),
        manufacturer=text(element, ar("Manufacturer")),
        firmware_version=text(element, ar("FirmwareVersion")),
        components=tuple(
            FirmwareComponent(needed_text(each, ar("name")), text(each, ar("version")), text(each, ar("checksum")))
            for each in children(element, ar("FirmwareComponent"))
        ),
        time=instant(element, ar("SystemTime")),
    )


def _certificate(element: Element) -> Certificate:
    return Certificate(
        number=needed_integer(element, ar("certId")),
        kind=needed_integer(element, ar("certType")),
        content=octets(element, ar("certContent")) or b"",
        parent=integer(element, ar("parentCertId")),
    )


def _log_entry(element: Element) -> LogEntry:
    return LogEntry(
        record_number=integer(element, ar("recordNumber")),
        parent_record_number=integer(element, ar("parentRecordNumber")),
        repetition_counter=integer(element, ar("repetitionCounter")),
        events=tuple(_log_event(each) for each in children(element, ar("LogEvent"))),
    )


def _log_event(element: Element) -> LogEvent:
    kind = element.find(ar("type"))
    return LogEvent(
        level=integer(element, ar("level")),
        text=text(element, ar("text")),
        outcome=integer(element, ar("outcome")),
        at=instant(element, ar("timestamp")),
        seconds_index=integer(element, ar("secondsIndex")),
        subject=text(element, ar("subjectIdentity")),
        user=text(element, ar("userIdentity")),
        destination=text(element, ar("destination")),
        message_extensions=text(element, ar("messageExtensions")),
        vendor_kind=text(element, ar("eventKindVendor")),
        evidence=octets(element, ar("evidence")),
        kind=None if kind is None else _event_kind(kind),
    )


def _event_kind(element: Element) -> EventKind:
    return EventKind(
        device_type=integer(element, ar("deviceType")),
        event_id=integer(element, ar("eventId")),
        event_sub_id=integer(element, ar("eventSubId")),
        function=integer(element, ar("function")),
        length=integer(element, ar("length")),
        module=integer(element, ar("module")),
        vendor_id=text(element, ar("vendorId")),
        version=integer(element, ar("version")),
    )


def _meter_readings(element: Element) -> MeterReadings:
    kind = element.find(ar("ReadingType"))
    if kind is None:
        raise DocumentError(
            f"reading list {text(element, ar('meterReadingId')) or '(without an id)'} has no ReadingType: "
            "nothing says which register, unit and scaler its values are of",
            element.sourceline,
        )
    return MeterReadings(
        kind=_reading_type(kind),
        blocks=tuple(_blocks(element)),
        meter=_text_in(element, "Meter", "meterId"),
        list_id=text(element, ar("meterReadingId")),
        line=element.sourceline,
    )


def _reading_type(element: Element) -> ReadingType:
    found = ReadingType(
        obis=_obis(element),
        multiplier=integer(element, espi("powerOfTenMultiplier")) or 0,
        unit=integer(element, espi("uom")),
        scaler=integer(element, ar("scaler")),
        name=text(element, ar("qualifiedLogicalName")),
        period=integer(element, ar("measurementPeriod")),
        description=text(element, ar("description")),
        converter_factor=integer(element, ar("converterFactor")),
    )
    if abs(found.exponent) > _HIGHEST_EXPONENT:
        raise DocumentError(f"a scaler of {found.exponent} is beyond all meters", element.sourceline)
    if found.period is not None and found.period < 0:
        raise DocumentError(f"a registration period of {found.period} s", element.sourceline)
    return found


def _obis(element: Element) -> bytes:
    try:
        return parse_obis(needed_text(element, ar("obisCode")))
    except ObisError as error:
        raise DocumentError(str(error), child(element, ar("obisCode")).sourceline) from None


def _blocks(element: Element) -> Iterator[Block]:
    before: datetime | None = None
    for each in children(element, ar("IntervalBlock")):
        readings = []
        for reading in children(each, ar("IntervalReading")):
            stated = _reading(reading, before)
            before = stated.at
            readings.append(stated)
        interval = each.find(ar("interval"))
        if interval is None:
            yield Block(tuple(readings))
        else:
            begin, seconds = instant(interval, ar("start")), integer(interval, ar("duration"))
            yield Block(tuple(readings), begin, seconds)


def _reading(element: Element, before: datetime | None) -> StatedReading:
    parts = {part.tag: part for part in element}
    when = parts.get(ar("timePeriod"))
    start = None if when is None else when.find(ar("start"))
    if when is None or start is None:
        raise DocumentError("a reading has no time (timePeriod with start)", element.sourceline)
    value = parts.get(espi("value"))
    target, measured = parts.get(ar("targetTime")), parts.get(ar("measurementTimeMeter"))
    return StatedReading(
        at=instant_of(start, before),
        value=None if value is None else integer_of(value),
        seconds=integer(when, ar("duration")) or 0,
        target=None if target is None else instant_of(target, before),
        measured=None if measured is None else instant_of(measured),
        certificate=integer(element, ar("certId")) if ar("certId") in parts else None,
        meter_signature=octets(element, ar("meterSig")) if ar("meterSig") in parts else None,
        signature=octets(element, ar("signature")) if ar("signature") in parts else None,
        status_fnn=_status_fnn(parts.get(ar("statusFNN"))),
        status_ptb=_status_ptb(parts.get(ar("statusPTB"))),
        status_vendor=text(element, ar("statusVendor")),
    )


def _status_fnn(element: Element) -> str:
    if element is None:
        return ""
    word = text_of(element)
    try:
        if word:
            ptb_of_fnn(word)
    except ValueError as error:
        raise DocumentError(str(error), element.sourceline) from None
    return word


def _status_ptb(element: Element) -> PtbStatus | None:
    if element is None:
        return None
    number = integer_of(element)
    if number not in set(PtbStatus):
        raise DocumentError(f"statusPTB is {number}; it goes from 0 to 4", element.sourceline)
    return PtbStatus(number)


@contextmanager
def _at(element: Element) -> Iterator[None]:
    """What is built inside refuses with the element's line."""
    try:
        yield
    except DocumentError:
        raise
    except TariffingError as error:
        raise DocumentError(str(error), element.sourceline) from None


def _profile(element: Element) -> EvaluationProfile:
    number = needed_integer(element, ar("tariffUseCase"))
    if number not in set(UseCase):
        raise DocumentError(f"there is no TAF-{number}", child(element, ar("tariffUseCase")).sourceline)
    stages = list(children(element, ar("TariffStage")))
    with _at(element):
        return EvaluationProfile(
            use_case=UseCase(number),
            tariff_id=text(element, ar("tariffId")),
            period=_needed_period(child(element, ar("billingPeriod"))),
            stages=tuple(_stage(each) for each in stages),
            default_stage=needed_integer(element, ar("defaultTariffNumber")),
            calendars=tuple(_calendar(each) for each in _triggers(element, "TimeTrigger")),
            thresholds=tuple(
                _threshold(child(each, ar("Threshold"))) for each in _triggers(element, "ThresholdTrigger")
            ),
            events=tuple(
                _event(child(each, ar("ExternalEvent"))) for each in _triggers(element, "ExternalEventTrigger")
            ),
            prepayment=next((_prepayment(each) for stage in stages for each in children(stage, ar("Prepaid"))), None),
            extremes=tuple(
                ExtremeCount(needed_integer(each, ar("count")), bool(needed_integer(each, ar("maxCounter"))))
                for stage in stages
                for each in children(stage, ar("MinMaxCounter"))
            ),
            description=text(element, ar("description")),
        )


def _triggers(element: Element, kind: str) -> Iterator[Element]:
    for trigger in children(element, ar("TariffChangeTrigger")):
        yield from children(trigger, ar(kind))


def _stage(element: Element) -> TariffStage:
    return TariffStage(needed_integer(element, ar("tariffNumber")), _obis(element), text(element, ar("description")))


def _needed_period(element: Element) -> Period:
    start = instant_of(child(element, ar("start")))
    seconds = needed_integer(element, ar("duration"))
    with _at(element):
        try:
            return Period.of_seconds(start, seconds)
        except OverflowError:
            raise DocumentError(f"a period of {seconds} s ends beyond all calendars", element.sourceline) from None


def _calendar(element: Element) -> TariffCalendar:
    with _at(element):
        return TariffCalendar(
            day_profiles=tuple(_day_profile(each) for each in children(element, ar("DayProfile"))),
            weeks=tuple(_week(each) for each in children(element, ar("WeekProfile"))),
            seasons=tuple(_season(each) for each in children(element, ar("SeasonProfile"))),
            special_days=tuple(_special_day(each) for each in children(element, ar("SpecialDayProfile"))),
        )


def _day_profile(element: Element) -> DayProfile:
    entries = (
        (clock(child(each, ar("startTime"))), needed_integer(each, ar("tariffNumber")))
        for each in children(element, ar("DayTimeProfile"))
    )
    with _at(element):
        return DayProfile(tuple(text_of(each) for each in children(element, ar("dayId"))), tuple(entries))


def _week(element: Element) -> WeekProfile:
    return WeekProfile(text(element, ar("weekProfileName")), tuple(text(element, ar(day)) or None for day in _WEEKDAYS))


def _season(element: Element) -> Season:
    start = local_date(instant_of(child(element, ar("seasonStart"))))
    return Season(text(element, ar("seasonProfileName")), start, _week(child(element, ar("WeekProfile"))))


def _special_day(element: Element) -> SpecialDay:
    day = child(element, ar("specialDayDate"))
    with _at(element):
        return SpecialDay(
            day_id=needed_text(element, ar("dayId")),
            year=integer(day, ar("year")),
            month=integer(day, ar("month")),
            day_of_month=integer(day, ar("day_of_month")),
            day_of_week=integer(day, ar("day_of_week")),
        )


def _threshold(element: Element) -> Threshold:
    return Threshold(
        over=_quantity(child(element, ar("overLimit")), "value"),
        under=_quantity(child(element, ar("underLimit")), "value"),
        reading_list=text(element, ar("meterReadingId")),
        direction=integer(element, ar("direction")),
    )


def _quantity(element: Element, value: str) -> Quantity:
    multiplier = needed_integer(element, ar("powerOfTenMultiplier"))
    if abs(multiplier) > _HIGHEST_EXPONENT:
        raise DocumentError(f"a power of ten of {multiplier} is beyond all meters", element.sourceline)
    return Quantity(
        needed_integer(element, ar(value)), multiplier, DLMS_OF_ESPI.get(needed_integer(element, ar("uom")))
    )


def _event(element: Element) -> ExternalEvent:
    return ExternalEvent(
        number=needed_integer(element, ar("eventId")),
        period=_needed_period(child(element, ar("eventPeriod"))),
        stage=needed_integer(element, ar("tariffNumber")),
        thresholds=tuple(_threshold(each) for each in children(element, ar("Threshold"))),
    )


def _prepayment(element: Element) -> Prepayment:
    limits = (_threshold(child(each, ar("Threshold"))) for each in children(element, ar("ThresholdTrigger")))
    return Prepayment(
        available=_quantity(element, "availableEnergy"),
        tolerance=_needed_period(child(element, ar("toleranceInterval"))),
        breakers=tuple(needed_text(each, ar("breakerId")) for each in children(element, ar("Breaker"))),
        thresholds=tuple(limits),
    )
